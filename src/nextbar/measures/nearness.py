"""Nearness: how much of each bar stands in one bar of the training tunes.

Meaning
    The notes that a bar shares with the training bar most like it, of all the
    notes in either (Jaccard's index). ``copying.py`` says whether a bar is
    taken whole; this says how far from it a bar is, and which bar it is near to.

Conventions
    As in ``copying.py``: a bar is its set of (start, duration, pitch) within
    its bar lines, without notes of velocity 10 or less.

Units
    0-1. 1 is a copy, 0 shares no note with any. A silent bar gives NaN.
"""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Int64

from nextbar.measures.copying import pack_notes
from nextbar.measures.pieces import BarNoteArray, IntArray
from nextbar.music.bars import BarIndex

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

    def __init__(self, bar_notes: BarNoteArray, index: Int64[BarIndex, " edges"]) -> None:
        notes, bars = _note_sets(bar_notes, index)
        order = np.argsort(notes)
        self._notes, self._bars = notes[order], bars[order]
        self._sizes = np.bincount(bars)

    def nearest(self, bar_notes: BarNoteArray) -> Nearest:
        """The known bar most like this one; of equal ones the first."""
        index = np.array([0, len(bar_notes)], np.int64)
        notes, _ = _note_sets(bar_notes, index)
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
    bar_notes: BarNoteArray, index: Int64[BarIndex, " edges"]
) -> tuple[Int64[IntArray, " distinct"], Int64[IntArray, " distinct"]]:
    """Each bar's distinct heard notes as numbers, and for each the bar it is of."""
    packed = pack_notes(bar_notes, index)
    return packed & 0xFFFFFF, packed >> 24
