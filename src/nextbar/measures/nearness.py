"""Nearness: how much of each bar stands in one bar of the training tunes.

Meaning
    The notes that a bar shares with the training bar most like it, of all the
    notes in either (Jaccard's index). ``copying.py`` says whether a bar is
    taken whole; this says how far from it a bar is, and which bar it is near to.

Conventions
    As in ``copying.py``: a bar is its set of (start, duration, pitch) within
    its bar lines, without notes of velocity 10 or less. Bars of two metres share
    nothing, where the metres are told.

Units
    0-1. 1 is a copy, 0 shares no note with any. A silent bar gives NaN.
"""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Int64

from nextbar.measures.copying import pack_notes
from nextbar.measures.pieces import BarNoteArray, IntArray
from nextbar.music.bars import BarIndex
from nextbar.music.metre import codes_of
from nextbar.music.tunes import Metre

NEAR: Final = 0.6
"""From this nearness a bar is so like a known one that its reader is told."""


class Nearest(NamedTuple):
    """How near a bar is to its nearest known bar, 0-1, and that bar's number.

    0 and -1 where no known bar shares a note; NaN and -1 for a silent bar.
    """

    nearness: float
    bar: int


class KnownBars:
    """Bars to look near ones up in: for each note, in which bars it stands."""

    def __init__(
        self,
        bar_notes: BarNoteArray,
        index: Int64[BarIndex, " edges"],
        metres: Int64[IntArray, " bars"] | None = None,
    ) -> None:
        """``metres``: of each bar (``music.metre.codes_of``)."""
        notes, bars = _note_sets(bar_notes, index, metres)
        self._knows_metres = metres is not None
        order = np.argsort(notes)
        self._notes, self._bars = notes[order], bars[order]
        self._sizes = np.bincount(bars)

    def nearest(self, bar_notes: BarNoteArray, metre: Metre | None = None) -> Nearest:
        """The known bar most like this one; of equal ones the first.

        metre: of the bar; it matters where those of the known bars are told.
        """
        index = np.array([0, len(bar_notes)], np.int64)
        code = None
        if metre is not None and self._knows_metres:
            code = codes_of([metre]).astype(np.int64)
        notes, _ = _note_sets(bar_notes, index, code)
        if not len(notes):
            return Nearest(np.nan, -1)
        first = np.searchsorted(self._notes, notes)
        last = np.searchsorted(self._notes, notes, "right")
        found = [self._bars[a:b] for a, b in zip(first, last, strict=True)]
        shared = np.bincount(np.concatenate(found), minlength=len(self._sizes))
        if not shared.any():
            return Nearest(0.0, -1)
        nearness = shared / (self._sizes + len(notes) - shared)
        best = int(nearness.argmax())
        return Nearest(float(nearness[best]), best)


def _note_sets(
    bar_notes: BarNoteArray,
    index: Int64[BarIndex, " edges"],
    metres: Int64[IntArray, " bars"] | None,
) -> tuple[Int64[IntArray, " distinct"], Int64[IntArray, " distinct"]]:
    """Each bar's distinct heard notes as numbers, and for each the bar it is of."""
    packed = pack_notes(bar_notes, index)
    notes, bars = packed & 0xFFFFFF, packed >> 24
    return notes if metres is None else notes | metres[bars] << 24, bars
