"""What is sent to the studio: each field explained, and bounded once, here."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from nextbar.writing.piece import FASTEST, SLOWEST

MOST_SEED = 2**53 - 1
"""The largest whole number that a browser holds exactly."""


def _whole(low: int, high: int, says: str = "") -> object:
    return Field(strict=True, ge=low, le=high, description=says)


Fingerprint = Annotated[
    str, Field(strict=True, pattern="^[0-9a-f]{64}$", description="sha256 of the run's weights")
]
Name = Annotated[
    str, Field(strict=True, pattern="^[0-9a-f]{32}$", description="a bar: a digest of its recipe")
]
Seed = Annotated[int, _whole(0, MOST_SEED, "Decides everything that is random.")]
Temperature = Annotated[
    float,
    Field(
        strict=True,
        ge=0,
        le=4,
        allow_inf_nan=False,
        description="How far each bar strays from the likeliest: 0 not at all, 1 as in training.",
    ),
]
Follow = Annotated[
    float,
    Field(
        strict=True,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="How closely a bar follows from those before: 1 as trained, 0 not at all.",
    ),
]
Tempo = Annotated[
    float,
    Field(
        strict=True,
        ge=SLOWEST,
        le=FASTEST,
        allow_inf_nan=False,
        description="Quarters a minute.",
    ),
]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
BarNumber = Annotated[int, _whole(0, 511, "A written bar, from 0; given bars are not counted.")]
GridSteps = Annotated[int, _whole(0, 130_560)]
Note = Annotated[
    tuple[
        GridSteps,
        Annotated[int, _whole(1, 130_560)],
        Annotated[int, _whole(21, 108)],
        Annotated[int, _whole(1, 127)],
    ],
    Field(description="start and duration in steps of the grid, pitch, velocity"),
]
Notes = Annotated[list[Note], Field(max_length=8_192)]


class Message(BaseModel):
    """What all have in common: fields that are not known are refused."""

    model_config = ConfigDict(extra="forbid")


class Written(Message):
    """A bar drawn with these after others: the bars that the model looked at."""

    seed: Seed
    position: Annotated[int, _whole(0, 9_999)]
    temperature: Temperature
    follow: Follow
    after: Annotated[
        list[Annotated[str, Field(strict=True, pattern="^(given|noise|[0-9a-f]{32})$")]],
        Field(
            min_length=1,
            max_length=512,
            description='Names of bars, the latest last, with "given" in front of them where the '
            'model looked at given bars too; or only "noise".',
        ),
    ]


class Blended(Message):
    """A bar between two others."""

    first: Name
    second: Name
    share: Share


class Sound(Message):
    """How a piece sounds; it decides no bar."""

    tempo: Tempo
    program: Annotated[int, _whole(0, 127, "General MIDI, from 0.")]
    name: Annotated[str, Field(max_length=1_000, description="Of its track.")]
    metre: tuple[Annotated[int, _whole(1, 255)], Annotated[int, _whole(1, 64)]]


class Recipe(Message):
    """A piece, as the recipe file keeps it: what every bar was made from."""

    kind: Literal["nextbar recipe"] = "nextbar recipe"
    format: Literal[2, 3] = 3
    nextbar: Annotated[str, Field(max_length=40)] = ""
    run: Fingerprint
    given_bars: Annotated[int, _whole(0, 512)]
    given_notes: Notes
    transposed: Annotated[int, _whole(-11, 11)]
    made: Annotated[dict[Name, Written | Blended], Field(max_length=4_096)]
    bars: Annotated[list[Name], Field(max_length=512)]
    locked: Annotated[list[BarNumber], Field(max_length=512)]
    sound: Sound | None = Field(
        default=None, description="Null is the tempo, metre and piano of the training tunes."
    )


class Begin(Message):
    """What a piece begins from; without notes, from noise."""

    run: Fingerprint
    notes: Notes = []
    bars: Annotated[int, _whole(0, 256, "How many bars of the notes to keep.")] = 0
    transposed: Annotated[int, _whole(-11, 11)] | None = Field(
        default=None, description="Semitones to the model's key; null finds them from the notes."
    )
    sound: Sound | None = Field(default=None, description="That of an uploaded file, to be kept.")


class Compose(Message):
    """More bars at the end of a piece."""

    piece: Recipe
    bars: Annotated[int, _whole(1, 128)]
    seed: Seed
    temperature: Temperature = 1.0
    follow: Follow = 1.0


class RollAgain(Message):
    """A bar drawn anew, alone or with all that follow; locked bars stay."""

    piece: Recipe
    bar: BarNumber
    seed: Seed
    temperature: Temperature = 1.0
    follow: Follow = 1.0
    with_following: Annotated[bool, Field(strict=True)] = False


class Alternatives(Message):
    """Other bars for one place, of the seeds seed, seed + 1, ..."""

    piece: Recipe
    bar: BarNumber
    seed: Annotated[int, _whole(0, MOST_SEED - 16)]
    count: Annotated[int, _whole(1, 16)] = 10
    temperature: Temperature = 1.0
    follow: Follow = 1.0


class Blend(Message):
    """Bars on the way from one written bar to another."""

    piece: Recipe
    bar: BarNumber
    first: Name
    second: Name
    steps: Annotated[int, _whole(2, 17)] = 9


class Export(Message):
    """A piece to take away."""

    piece: Recipe
    tempo: Tempo | None = Field(
        default=None, description="Quarters a minute; null takes the piece's own."
    )


class Opened(Message):
    """A piece to be shown or measured."""

    piece: Recipe


class Problem(BaseModel):
    """Why a request was refused, in a sentence."""

    error: str
