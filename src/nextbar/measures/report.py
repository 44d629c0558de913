"""What was measured, as a record: every measure's columns, and what to know of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from nextbar.measures.intervals import (
    Interval,
)
from nextbar.measures.meanings import COLUMNS, LEARNED, MEANINGS
from nextbar.measures.metres import (
    MetreOverlap,
)
from nextbar.measures.pieces import (
    FloatArray,
)
from nextbar.music.metre import show_metre

FORMAT: Final = 1
"""Of report.json; docs/report.md says what is in it."""


@dataclass(frozen=True)
class Row:
    """One line of the screen table; ``columns`` holds those that the measure has."""

    name: str
    label: str
    unit: str
    says: str
    columns: dict[str, Interval]


@dataclass(frozen=True)
class Report:
    """Every measure of the generated pieces beside real music and random notes."""

    measures: dict[str, dict[str, Interval]]
    """Measure name -> column (generated, reference, chance, as_published) -> interval."""
    n_generated: int
    n_reference: int
    """Windows of real music, not whole pieces."""
    bars_per_piece: int
    coherence_by_bar: dict[str, list[Interval]]
    """Column -> coherence of bar 1 with 2, 2 with 3, and so on."""
    notes: list[str]
    """What a reader of the figures should know, one sentence each."""
    pieces: list[str] = field(default_factory=list)
    """The names of the generated pieces."""
    values: dict[str, FloatArray] = field(default_factory=dict)
    """Measure -> (generated pieces,): its value for each by itself, where it has one."""
    n_left_out: int = 0
    """Files that could not be read, or had no notes; named in ``notes``."""
    metres: MetreOverlap | None = None
    """How many bars of each metre there are, and where in them notes begin; None where the
    pieces do not say their metres."""

    def to_json(self) -> dict[str, Any]:
        """The report as plain dicts, lists and numbers; not-a-number becomes None."""
        return {
            "measures": {
                name: {column: _plain(interval) for column, interval in columns.items()}
                for name, columns in self.measures.items()
            },
            "coherence_by_bar": {
                column: [_plain(interval) for interval in curve]
                for column, curve in self.coherence_by_bar.items()
            },
            "n_generated": self.n_generated,
            "n_reference": self.n_reference,
            "n_left_out": self.n_left_out,
            "bars_per_piece": self.bars_per_piece,
            **({} if self.metres is None else {"metres": _metres_to_json(self.metres)}),
            "format": FORMAT,
            "notes": list(self.notes),
        }

    def with_measures(self, measures: Mapping[str, dict[str, Interval]]) -> "Report":
        """The same report with more measures, below its own."""
        return replace(self, measures={**self.measures, **measures})

    def with_notes(self, notes: Sequence[str]) -> "Report":
        """The same report with more notes, in front of its own."""
        return replace(self, notes=[*notes, *self.notes])

    def rows(self) -> list[Row]:
        """The lines of a table, with each measure's meaning; what was not measured has none."""
        meanings = {**MEANINGS, **LEARNED}
        return [
            Row(name, *meanings[name], columns)
            for name, columns in self.measures.items()
            if any(math.isfinite(interval.mean) for interval in columns.values())
        ]

    def columns(self) -> list[str]:
        """The columns that any line of the table has, in their order."""
        return [name for name in COLUMNS if any(name in row.columns for row in self.rows())]


def _plain(interval: Interval) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in vars(interval).items()}


def _metres_to_json(found: MetreOverlap) -> dict[str, Any]:
    """Metre -> how many bars, and percent in common with real bars of each metre."""
    names = [show_metre(metre) for metre in found.metres]

    def row(values: FloatArray) -> dict[str, float | None]:
        return {
            name: value if math.isfinite(value) else None
            for name, value in zip(names, values.tolist(), strict=True)
        }

    return {
        name: {
            "bars": {
                "generated": int(found.n_generated[at]),
                "reference": int(found.n_real[at]),
            },
            "in_common_with": {
                "generated": row(found.overlap[at]),
                "reference": row(found.real[at]),
            },
        }
        for at, name in enumerate(names)
    }
