"""What a piece goes on from, what it is asked to be, and what came out. No PyTorch."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from nextbar.errors import UsageError
from nextbar.frames.config import SLOTS, Sampling
from nextbar.music.bars import FULL_VELOCITY, Notes, Rolls
from nextbar.music.score import Sound
from nextbar.music.tunes import Metre

NOISE: Final = "noise"
HELD_OUT: Final = "held-out"
TRAINING: Final = "training"
"""What a piece may begin from beside a file."""
MOST_BARS: Final = 10_000
"""Bars that are written in one piece."""
LARGEST_SEED: Final = 2**63 - 1
MOST_DRAWS: Final = 64
"""Of a bar, where copies are drawn again."""
Keep = Literal["top", "bottom", "all"]
"""What of a bar is kept where the other hand is written: its highest line, its lowest, or all."""
Side = Literal["below", "above"]
"""Where that is written."""
SLOWEST: Final = 10.0
FASTEST: Final = 1_000.0
"""Quarters a minute of a piece; what a file states beyond is not believed: ``metre.find_tempo``."""
FAINTEST: Final = 0.5 / FULL_VELOCITY
"""The intensity from which a cell has a velocity of at least 1."""


@dataclass(frozen=True)
class Check:
    """That a piece's written bars were held against the training tunes while they were drawn.

    strictness: see :class:`nextbar.writing.no_copies.NoCopies`. n_again: draws
    that were put away. n_warmer: bars that came at a higher temperature only.
    n_common: bars that stand in so many training tunes that they are nobody's.
    stuck_at: the written bar, from 1, of which every draw was a copy; the piece
    is then not to be given out. None where all bars are new.
    """

    strictness: int
    n_again: int = 0
    n_warmer: int = 0
    n_common: int = 0
    stuck_at: int | None = None

    @property
    def is_passed(self) -> bool:
        """Whether no bar and no phrase is copied."""
        return self.stuck_at is None

    def to_json(self) -> dict[str, Any]:
        """What is to be recorded of it."""
        return {
            "passed": self.is_passed,
            "strictness": self.strictness,
            "drawn_again": self.n_again,
            "bars_drawn_warmer": self.n_warmer,
            "common_bars": self.n_common,
        }


@dataclass(frozen=True)
class Composition:
    """One written piece.

    notes: on the corpus's grid, given bars first. metres: of each bar, as it is
    to be notated. n_given_bars: how many of these were given, not written.
    sound: its tempo and instrument. n_ending_bars: how many at the end were given.
    check: None where copies were not looked for.
    """

    notes: Notes
    metres: tuple[Metre, ...]
    n_given_bars: int
    seed: int
    sound: Sound = Sound()
    n_ending_bars: int = 0
    check: Check | None = None

    @property
    def n_bars(self) -> int:
        """How many bars it has."""
        return len(self.metres)


class Before(NamedTuple):
    """The bars before one that is written, or those after: rolls (bars, channels, 88, steps).

    metres: theirs.
    """

    rolls: Rolls
    metres: tuple[Metre, ...]


class Towards(NamedTuple):
    """The bars that a bar leads to: their rolls and metres, the nearest first.

    gap: how many bars are yet to be written between it and the first of these.
    """

    rolls: Rolls
    metres: tuple[Metre, ...]
    gap: int = 0


@dataclass(frozen=True)
class Beginning:
    """What a piece goes on from: all given notes, and the rolls of the last given bars.

    metres: of each given bar, as it is notated. rolls: (bars, channels, 88,
    steps) uint8, as many as a model remembers, or fewer; at least one. name: for
    file names ("mytune-3f9a2c-bar8"). transposed: semitones that the rolls
    stand above the notes, to be in the common key of a corpus; what is written
    is moved back by them. sound: how the file sounds that was given; None is
    as the model's own music.
    left_out: what of that file is not in the notes, and how often. says: what
    is to be known of it before anything is written, in sentences. origin: the
    same as JSON can hold it: file, tune, track and bars.
    """

    notes: Notes
    metres: tuple[Metre, ...]
    rolls: Rolls
    name: str
    transposed: int = 0
    sound: Sound | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    origin: dict[str, Any] = field(default_factory=dict)

    @property
    def n_bars(self) -> int:
        """How many bars are given."""
        return len(self.metres)

    @property
    def last_bars(self) -> Before:
        """The bars that the model may look at."""
        return Before(self.rolls, self.metres[len(self.metres) - len(self.rolls) :])

    @property
    def tempo(self) -> float | None:
        """Quarters a minute; None is that of the model's own music."""
        return None if self.sound is None else self.sound.tempo

    @property
    def program(self) -> int | None:
        """The General MIDI program that plays it, 0-127; None is that of the model's own music."""
        return None if self.sound is None else self.sound.program


@dataclass(frozen=True)
class Ending:
    """What a piece leads to: all given notes, and the rolls of the first given bars.

    As a :class:`Beginning`, but that the rolls are as many as a model reads
    ahead, or fewer, and that they stand ``transposed`` semitones above the notes
    as those of the beginning do, for the piece is one.
    """

    notes: Notes
    metres: tuple[Metre, ...]
    rolls: Rolls
    name: str
    transposed: int = 0
    sound: Sound | None = None
    says: tuple[str, ...] = ()
    origin: dict[str, Any] = field(default_factory=dict)

    @property
    def n_bars(self) -> int:
        """How many bars are given."""
        return len(self.metres)

    @property
    def first_bars(self) -> Before:
        """The bars that the model may look at."""
        return Before(self.rolls, self.metres[: len(self.rolls)])


@dataclass(frozen=True)
class Draw:
    """How a bar is drawn.

    It takes row ``position`` of the seed's noise: the bars of a piece composed
    with one seed have the positions 0, 1, 2, ... metre: of the bar; None is that
    of the bar before, or from noise the model's most frequent. attempt: how many
    draws for this place were put away before, as copies; each has noise of its
    own. rank: where one of several bars is chosen, how many of them that come before
    it by their scores were put away so. Raises UsageError for what no bar can be drawn with.
    """

    seed: int
    position: int
    sampling: Sampling = Sampling()
    metre: Metre | None = None
    attempt: int = 0
    rank: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_bars(self.position + 1)
        if not 0 <= self.attempt < MOST_DRAWS:
            raise UsageError(f"attempt: {self.attempt} is not from 0 to {MOST_DRAWS - 1}")
        if not 0 <= self.rank < SLOTS:
            raise UsageError(f"rank: {self.rank} is not from 0 to {SLOTS - 1}")


def check_bars(bars: int) -> None:
    """Raises UsageError for a number of bars that no piece can have."""
    if not 1 <= bars <= MOST_BARS:
        raise UsageError(f"bars: {bars} is not between 1 and {MOST_BARS:,}")


def check_seed(seed: int) -> None:
    """Raises UsageError for what is no seed."""
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"seed: {seed} is not a whole number from 0 to 2^63 - 1")


def check_tempo(tempo: float | None) -> None:
    """Raises UsageError for what is no tempo."""
    if tempo is not None and not SLOWEST <= tempo <= FASTEST:  # not-a-number fails too
        raise UsageError(
            f"tempo: {tempo:g} is not between {SLOWEST:g} and {FASTEST:,g} quarters a minute"
        )


def check_threshold(threshold: float | None) -> None:
    """Raises UsageError for an intensity from which nothing, or all, would be heard."""
    if threshold is not None and not 0 < threshold <= 1:  # not-a-number fails too
        raise UsageError(f"threshold: {threshold:g} is not above 0 and at most 1")
