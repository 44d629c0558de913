"""What kind of bars a corpus holds: all that is needed to read them as music again."""

from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from nextbar.errors import UsageError
from nextbar.music.bars import N_PITCHES, BarStarts, bar_starts
from nextbar.music.metre import bar_steps, normal_metre, parse_metre, show_metre
from nextbar.music.tunes import Metre

MetreNumbers = npt.NDArray[np.uint8]
"""(bars,): of each bar the place of its metre among those of its kind."""


@dataclass(frozen=True)
class BarKind:
    """Grid, metres and tempo of bars, as a corpus records them and a run keeps them.

    grid: "metre" or "seconds". metres: that bars may have, the most frequent
    first, in their normal form; on the seconds grid one, 4/4. tempo: quarters
    a minute, the corpus's median. onsets: whether rolls have the onset channel.
    common_key: whether pieces were transposed to C major or A minor.
    median_velocity: 1-127, of the corpus's notes. usual_metre: in which most bars
    are, where that is not the first: of bars in the kind of a model that was adapted.
    """

    grid: str
    metres: tuple[Metre, ...]
    steps_per_quarter: int
    tempo: float
    onsets: bool
    common_key: bool
    median_velocity: float
    usual_metre: Metre | None = None

    @property
    def metre(self) -> Metre:
        """The most frequent metre."""
        return self.usual_metre or self.metres[0]

    @property
    def widths(self) -> tuple[int, ...]:
        """How many steps a bar of each metre has."""
        return tuple(bar_steps(metre, self.steps_per_quarter) for metre in self.metres)

    @property
    def n_steps(self) -> int:
        """How many steps the longest bar has; rolls of shorter ones are empty beyond their end."""
        return max(self.widths)

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(channels, pitches, steps) of a bar's roll."""
        return (2 if self.onsets else 1, N_PITCHES, self.n_steps)

    def number_of(self, metre: Metre) -> int:
        """The place of a metre among ``metres``; UsageError where it is none of them."""
        normal = normal_metre(metre)
        if normal not in self.metres:
            known = ", ".join(map(show_metre, self.metres))
            raise UsageError(f"metre: {show_metre(metre)} is none that this model knows ({known})")
        return self.metres.index(normal)

    def numbers_of(self, metres: Sequence[Metre]) -> MetreNumbers:
        """The places of the metres of bars; UsageError where one is not known."""
        places = {metre: self.number_of(metre) for metre in dict.fromkeys(metres)}
        return np.array([places[metre] for metre in metres], np.uint8)

    def starts(self, numbers: MetreNumbers) -> BarStarts:
        """Where bars begin that follow each other from step 0; numbers: of their metres."""
        return bar_starts(np.array(self.widths)[numbers])

    def starts_of(self, metres: Sequence[Metre]) -> BarStarts:
        """Where bars of these metres, also of others than ``metres``, begin."""
        widths = {m: bar_steps(m, self.steps_per_quarter) for m in dict.fromkeys(metres)}
        return bar_starts([widths[metre] for metre in metres])

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        shown = {**asdict(self), "metres": list(map(show_metre, self.metres))}
        usual = shown.pop("usual_metre")
        return shown if usual is None else {**shown, "usual_metre": show_metre(usual)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "BarKind":
        """The kind from a record with at least its fields; KeyError names one that is missing.

        A record of one ``metre``, as runs had it before, is of that one.
        """
        if "metres" not in record and "metre" in record:
            record = {**record, "metres": [show_metre(record["metre"])]}
        values = {each.name: record[each.name] for each in fields(cls) if each.default is MISSING}
        usual = record.get("usual_metre")
        values["usual_metre"] = None if usual is None else parse_metre(usual)
        return cls(**{**values, "metres": tuple(map(parse_metre, values["metres"]))})
