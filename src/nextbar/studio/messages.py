"""What is sent to the studio: each field explained, and bounded as the music and sketches are."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from nextbar.frames.config import SLOTS, Sampling
from nextbar.music.bars import FULL_VELOCITY, LOWEST_PITCH, N_PITCHES
from nextbar.music.score import MOST_SWING, STRAIGHT
from nextbar.settings import bounds, explanation
from nextbar.writing.piece import FASTEST, MOST_DRAWS, SLOWEST, Keep, Side
from nextbar.writing.piece import MOST_BARS as MOST_ROWS
from nextbar.writing.sketch import (
    FORMAT,
    KIND,
    MOST_BARS,
    MOST_GIVEN_NOTES,
    MOST_OWN_NOTES,
    MOST_RECIPES,
    MOST_SEMITONES,
    MOST_STEPS,
)

MOST_SEED: Final = 2**53 - 1
"""The largest whole number that a browser holds exactly."""
MOST_GIVEN_BARS: Final = MOST_BARS - 64
"""Bars that a piece can begin from: there is room for as many as the page's control offers."""
MOST_ALTERNATIVES: Final = 16


def _whole(low: int, high: int, says: str = "") -> object:
    return Field(strict=True, ge=low, le=high, description=says)


def _sampled(name: str) -> object:
    """A setting of how bars are drawn: its words and bounds are those of everywhere."""
    low, high = bounds(Sampling, name)
    says = explanation(Sampling, name)
    return Field(strict=True, ge=low, le=high, allow_inf_nan=False, description=says)


Fingerprint = Annotated[
    str, Field(strict=True, pattern="^[0-9a-f]{64}$", description="sha256 of the run's weights")
]
Name = Annotated[
    str, Field(strict=True, pattern="^[0-9a-f]{32}$", description="a bar: a digest of its recipe")
]
Seed = Annotated[int, _whole(0, MOST_SEED, "Decides everything that is random.")]
Temperature = Annotated[float, _sampled("temperature")]
Follow = Annotated[float, _sampled("follow")]
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
BarNumber = Annotated[
    int, _whole(0, MOST_BARS - 1, "A written bar, from 0; given bars are not counted.")
]
Note = Annotated[
    tuple[
        Annotated[int, _whole(0, MOST_STEPS)],
        Annotated[int, _whole(1, MOST_STEPS)],
        Annotated[int, _whole(LOWEST_PITCH, LOWEST_PITCH + N_PITCHES - 1)],
        Annotated[int, _whole(1, FULL_VELOCITY)],
    ],
    Field(description="start and duration in steps of the grid, pitch, velocity"),
]
Notes = Annotated[list[Note], Field(max_length=MOST_GIVEN_NOTES)]
Semitones = Annotated[int, _whole(-MOST_SEMITONES, MOST_SEMITONES)]


class Message(BaseModel):
    """What all have in common: fields that are not known are refused."""

    model_config = ConfigDict(extra="forbid")


Metre = Annotated[
    str, Field(strict=True, pattern="^[1-9][0-9]?/(1|2|4|8|16|32)$", description="As 6/8.")
]


class Written(Message):
    """A bar drawn with these after others: the bars that the model looked at."""

    seed: Seed
    position: Annotated[int, _whole(0, MOST_ROWS - 1)]
    temperature: Temperature
    follow: Follow
    after: Annotated[
        list[Annotated[str, Field(strict=True, pattern="^(given|noise|[0-9a-f]{32})$")]],
        Field(
            min_length=1,
            max_length=MOST_BARS,
            description='Names of bars, the latest last, with "given" in front of them where the '
            'model looked at given bars too; or only "noise".',
        ),
    ]
    metre: Metre | None = Field(default=None, description="Null is the run's most frequent.")
    towards: Annotated[list[Name], Field(max_length=MOST_BARS)] = Field(
        default=[], description="Names of the bars that it leads to, the nearest first."
    )
    gap: Annotated[int, _whole(0, MOST_BARS, "Bars between it and those that it leads to.")] = 0
    choose: Annotated[float, _sampled("choose")] = 0.0
    attempt: Annotated[int, _whole(0, MOST_DRAWS, "Draws that were put away, as copies.")] = 0
    rank: Annotated[int, _whole(0, SLOTS, "Chosen ones that were put away, as copies.")] = 0
    repeat: Annotated[float, _sampled("repeat")] = 1.0


class Blended(Message):
    """A bar between two others."""

    first: Name
    second: Name
    share: Share


OwnNote = Annotated[
    tuple[
        Annotated[int, _whole(0, 254)],
        Annotated[int, _whole(1, 255)],
        Annotated[int, _whole(LOWEST_PITCH, LOWEST_PITCH + N_PITCHES - 1)],
        Annotated[int, _whole(1, FULL_VELOCITY)],
        bool,
    ],
    Field(
        description="start and duration in steps of the bar, pitch, velocity, and whether it goes "
        "on from the bar before"
    ),
]


class Own(Message):
    """A bar of somebody's own: its notes as they stand."""

    notes: Annotated[list[OwnNote], Field(max_length=MOST_OWN_NOTES)]
    metre: Metre | None = Field(default=None, description="Null is the run's most frequent.")


class Sound(Message):
    """How a piece sounds; it decides no bar."""

    tempo: Tempo
    program: Annotated[int, _whole(0, 127, "General MIDI, from 0.")]
    name: Annotated[str, Field(max_length=1_000, description="Of its track.")]
    swing: Annotated[
        int,
        _whole(STRAIGHT, MOST_SWING, "Where in a quarter its second eighth begins, in percent."),
    ] = STRAIGHT
    metre: tuple[Annotated[int, _whole(1, 255)], Annotated[int, _whole(1, 64)]] | None = Field(
        default=None, description="Of all bars, in recipes of formats 2 and 3; not looked at."
    )


class Recipe(Message):
    """A piece, as the recipe file keeps it: what every bar was made from."""

    kind: Literal["nextbar recipe"] = KIND
    format: Literal[2, 3, 4, 5] = FORMAT
    nextbar: Annotated[str, Field(max_length=40)] = ""
    run: Fingerprint
    given_bars: Annotated[int, _whole(0, MOST_BARS)]
    given_metres: Annotated[list[Metre | None], Field(max_length=MOST_BARS)] | None = Field(
        default=None, description="Of each given bar; null is the run's most frequent."
    )
    given_stands: Annotated[bool, Field(strict=True)] = Field(
        default=True,
        description="Whether the given bars stand in the piece, or only decide its oldest bars.",
    )
    given_notes: Notes
    transposed: Semitones | None = Field(
        default=None, description="Semitones to the model's key; null finds them from the notes."
    )
    made: Annotated[dict[Name, Written | Blended | Own], Field(max_length=MOST_RECIPES)]
    bars: Annotated[list[Name | Own], Field(max_length=MOST_BARS)] = Field(
        description="In order; a bar of somebody's own may stand here without a name."
    )
    locked: Annotated[list[BarNumber], Field(max_length=MOST_BARS)]
    sound: Sound | None = Field(
        default=None, description="Null is the tempo of the training tunes, and a piano."
    )
    heard: Any = Field(
        default=None,
        exclude=True,
        description="The notes beside a recipe that is given away; not looked at.",
    )


class Begin(Message):
    """What a piece begins from; without notes, from noise."""

    run: Fingerprint
    notes: Notes = []
    bars: Annotated[int, _whole(0, MOST_GIVEN_BARS, "How many bars of the notes to keep.")] = 0
    metres: Annotated[list[Metre], Field(max_length=MOST_BARS)] | None = Field(
        default=None, description="Of each of these bars; null is the run's most frequent."
    )
    transposed: Semitones | None = Field(
        default=None, description="Semitones to the model's key; null finds them from the notes."
    )
    sound: Sound | None = Field(default=None, description="That of an uploaded file, to be kept.")


class Drawn(Message):
    """How bars of a piece are drawn; null is as the run says."""

    piece: Recipe
    seed: Seed
    temperature: Temperature | None = None
    follow: Follow | None = None
    no_copies: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Whether no bar and no phrase may be one of the training tunes."
    )


class Compose(Drawn):
    """More bars at the end of a piece, or all of it anew but for its locked bars."""

    bars: Annotated[int, _whole(1, MOST_BARS)]
    metre: Metre | None = Field(
        default=None, description="Of these bars; null goes on as before, or keeps each one's."
    )


class Answer(Drawn):
    """One more bar at the end of a piece, for somebody who plays along and waits for nothing."""

    metre: Metre | None = Field(default=None, description="Null goes on as before.")


class Adapt(Message):
    """A model of somebody's own, to be made of one that is open; its files come behind."""

    run: Fingerprint
    name: Annotated[str, Field(strict=True, max_length=60)] = ""


class RollAgain(Drawn):
    """A bar drawn anew, alone or with all that follow; locked bars stay."""

    bar: BarNumber
    with_following: Annotated[bool, Field(strict=True)] = False
    metre: Metre | None = Field(default=None, description="Null keeps that of each bar.")


class Fill(Drawn):
    """Some bars drawn anew between those that stay; locked bars stay."""

    bars: Annotated[list[BarNumber], Field(min_length=1, max_length=MOST_BARS)]
    metre: Metre | None = Field(default=None, description="Null keeps that of each bar.")


class Harmonise(Message):
    """The other hand written in some bars; what is kept of them stays to the note."""

    piece: Recipe
    bars: Annotated[list[BarNumber], Field(min_length=1, max_length=MOST_BARS)]
    keep: Keep = Field(
        default="all", description="What stays of each bar: its highest line, its lowest, or all."
    )
    side: Side = Field(default="below", description="Of what is kept, where is written.")
    seed: Seed
    temperature: Temperature | None = None


class Alternatives(Drawn):
    """Other bars for one place, of the seeds seed, seed + 1, ..."""

    bar: BarNumber
    seed: Annotated[int, _whole(0, MOST_SEED - MOST_ALTERNATIVES)]
    count: Annotated[int, _whole(1, MOST_ALTERNATIVES)] = 10


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


_WRONG: Final = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field; this may be of a later nextbar",
    "greater_than_equal": "it is below {ge}, the least",
    "less_than_equal": "it is above {le}, the most",
    "string_pattern_mismatch": "it is not written as it has to be",
    "string_too_long": "it has more than {max_length} characters",
    "too_long": "there are more than {max_length}",
    "too_short": "there are fewer than {min_length}",
    "literal_error": "it is not {expected}",
    "finite_number": "it is no number",
}
_NO_SUCH: Final = {
    "int": "it is no whole number",
    "float": "it is no number",
    "bool": "it is neither true nor false",
    "string": "it is no text",
    "list": "it is no list",
    "tuple": "it is no list",
    "dict": "it is no object",
    "model": "it is no object",
}
"""By what the name of a kind of error begins with."""


def in_words(error: Mapping[str, Any]) -> str:
    """What is wrong with a field, as pydantic says it, in a sentence that says where."""
    of_unions = ("Written", "Blended", "Own", "constrained-str")
    parts = [str(part) for part in error["loc"][1:] if part not in of_unions]
    kind = error["type"]
    if kind == "json_invalid":
        return "the request: this is no JSON"
    said = _WRONG.get(kind) or _NO_SUCH.get(kind.partition("_")[0], "it cannot be")
    where = ".".join(parts) or "the request"
    return f"{where[:120]}: {said.format(**error.get('ctx', {}))}"[:400]


CONTROLS: Final[dict[str, dict[str, Any]]] = {
    "bars": {"min": 1, "max": 64, "value": 8},
    "temperature": {"min": bounds(Sampling, "temperature")[0], "max": 2, "step": 0.05},
    "follow": dict(zip(("min", "max"), bounds(Sampling, "follow"), strict=True)) | {"step": 0.05},
    "tempo": {"min": 40, "max": 240},
    "swing": {"min": STRAIGHT, "max": MOST_SWING},
    "seed": {"min": 0, "max": MOST_SEED},
}
"""What the page's controls offer, which may be less than what can be asked for."""
