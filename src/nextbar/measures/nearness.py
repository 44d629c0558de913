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

from nextbar.measures.copying import TrainingBars, from_the_lowest, pack_notes
from nextbar.measures.pieces import BarNoteArray, IntArray
from nextbar.music.bars import BarIndex
from nextbar.music.corpus import Corpus
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
        *,
        any_key: bool = False,
    ) -> None:
        """``metres``: of each bar (``music.metre.codes_of``). any_key: of all that is looked up."""
        notes, bars = _note_sets(bar_notes, index, metres, any_key=any_key)
        self._any_key = any_key
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
        notes, _ = _note_sets(bar_notes, index, code, any_key=self._any_key)
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


class NearestTraining(NamedTuple):
    """The training bar most like a bar: how like, 0-1, of which piece, which bar from 1."""

    nearness: float
    piece: str
    bar: int


class KnownTunes:
    """The training tunes of a corpus, to look up in any key which bar of which tune is near."""

    def __init__(self, corpus: Corpus) -> None:
        training = TrainingBars.of_corpus(corpus)
        n_originals = int(corpus.manifest.get("originals", corpus.n_pieces))
        pieces = corpus.pieces("training")
        self._corpus, self._pieces = corpus, pieces[pieces < n_originals]
        self._ends = np.cumsum(training.n_bars[: len(self._pieces)])
        n_bars = int(self._ends[-1]) if len(self._ends) else 0
        rows, index = training.bars
        metres = None if training.metres is None else training.metres[:n_bars]
        self._bars = KnownBars(rows, index[: n_bars + 1], metres, any_key=True)

    def nearest(self, bar_notes: BarNoteArray, metre: Metre | None) -> NearestTraining | None:
        """The bar most like this one; None where none shares a note, or nothing sounds."""
        nearness, bar = self._bars.nearest(bar_notes, metre)
        if bar < 0:
            return None
        nth = int(np.searchsorted(self._ends, bar, side="right"))
        first = int(self._ends[nth - 1]) if nth else 0
        name = self._corpus.piece_name(int(self._pieces[nth]))
        return NearestTraining(round(nearness, 3), name, bar - first + 1)


def _note_sets(
    bar_notes: BarNoteArray,
    index: Int64[BarIndex, " edges"],
    metres: Int64[IntArray, " bars"] | None,
    *,
    any_key: bool = False,
) -> tuple[Int64[IntArray, " distinct"], Int64[IntArray, " distinct"]]:
    """Each bar's distinct heard notes as numbers, and for each the bar it is of."""
    packed = pack_notes(bar_notes, index)
    if any_key:
        packed = from_the_lowest(packed, len(index) - 1)
    notes, bars = packed & 0xFFFFFF, packed >> 24
    return notes if metres is None else notes | metres[bars] << 24, bars
