"""What kind of bars a corpus holds: all that is needed to read them as music again."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from nextbar.music.bars import N_PITCHES
from nextbar.music.tunes import Metre


@dataclass(frozen=True)
class BarKind:
    """Grid, metre and tempo of bars, as a corpus records them and a run keeps them.

    grid: "metre" or "seconds". tempo: quarters a minute, the corpus's median.
    onsets: whether rolls have the onset channel. common_key: whether pieces
    were transposed to C major or A minor. median_velocity: 1-127, of
    the corpus's notes.
    """

    grid: str
    metre: Metre
    n_steps: int
    steps_per_quarter: int
    tempo: float
    onsets: bool
    common_key: bool
    median_velocity: float

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(channels, pitches, steps) of a bar's roll."""
        return (2 if self.onsets else 1, N_PITCHES, self.n_steps)

    @property
    def bar_seconds(self) -> float:
        """How long a bar lasts at the tempo."""
        return self.n_steps / self.steps_per_quarter * 60 / self.tempo

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {**asdict(self), "metre": list(self.metre)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "BarKind":
        """The kind from a record with at least its fields; KeyError names one that is missing."""
        values = {field.name: record[field.name] for field in fields(cls)}
        numerator, denominator = values["metre"]
        return cls(**{**values, "metre": (int(numerator), int(denominator))})
