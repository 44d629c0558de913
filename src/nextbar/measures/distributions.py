"""Overlap: how much of a distribution is common to composed and to real music.

Meaning
    A mean can be right while nothing else is. Each feature here is a histogram
    over all notes (or steps, bars, pieces) of a set of pieces; the overlap of two sets
    is the area under both curves. 100 % says that the feature alone tells
    nothing. mgeval (Yang & Lerch 2018) overlaps smoothed densities of distances
    between pieces; music on a grid is countable, so here nothing is smoothed:
    both sets are counted in the same cells, and the area is a plain sum.

Conventions
    A set is counted as a whole, so a piece weighs by its notes. Values beyond the last cell
    are counted in it. Real beside real, the ceiling, is the overlap of two
    halves of the real tunes. Few pieces overlap less, being ragged; so a half
    of the tunes understates that ceiling a little. Places in the bar are of their
    metre: the third quarter of 3/4 is none of 4/4.

Units
    Percent, 0-100; high is like. NaN where a set has nothing to count. The
    intervals hold the cells fixed in which each set is the lower, or redrawing,
    which makes histograms more ragged, would push them below their own mean. A
    draw that would come to more than 100 so counts as 100.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Int64

from nextbar.measures.intervals import UNMEASURED, Interval, Statistic, bootstrap, divide
from nextbar.measures.pieces import (
    FloatArray,
    IntArray,
    NoteArray,
    Piece,
    bar_of_notes,
    metres_of_bars,
    pitches_at_once,
    sounding_notes,
    starts_of,
)
from nextbar.music.bars import NOTE, BarStarts

Counts = dict[str, Float64[FloatArray, "_ _"]]
"""Feature -> (pieces, cells): how often each cell occurs in each piece."""


def pitch_class_counts(notes: NoteArray) -> Float64[FloatArray, "12"]:
    """Notes of each pitch class, (12,), C first."""
    return _counted(notes["pitch"] % 12, 12)


def transition_counts(notes: NoteArray) -> Float64[FloatArray, "144"]:
    """How often each pitch class follows each, (144,): 12 x from + to, in order of start."""
    pitch_class = notes["pitch"].astype(np.int64) % 12
    return _counted(12 * pitch_class[:-1] + pitch_class[1:], 144)


def note_length_counts(notes: NoteArray) -> Float64[FloatArray, "64"]:
    """Notes of 1, 2, ... 64 steps and longer, (64,)."""
    return _counted(notes["duration"] - 1, 64)


def onset_interval_counts(notes: NoteArray) -> Float64[FloatArray, "64"]:
    """How often 0, 1, ... 63 or more steps lie between the starts of two notes, (64,)."""
    return _counted(np.diff(notes["start"]), 64)


def pitch_range_counts(notes: NoteArray) -> Float64[FloatArray, "128"]:
    """1 at the piece's highest less lowest pitch, (128,); no note gives zeros."""
    return _counted(np.ptp(notes["pitch"], keepdims=True), 128) if len(notes) else np.zeros(128)


def polyphony_counts(notes: NoteArray) -> Float64[FloatArray, "12"]:
    """Steps in which 1, 2, ... 12 or more pitches sound, (12,)."""
    return _counted(pitches_at_once(notes) - 1, 12)


def notes_per_bar_counts(
    notes: NoteArray, starts: Int64[BarStarts, " edges"]
) -> Float64[FloatArray, "64"]:
    """Bars in which 0, 1, ... 63 or more notes begin, (64,). starts: of the bars."""
    bar, n_bars = bar_of_notes(notes, starts), len(starts) - 1
    return _counted(np.bincount(bar[bar < n_bars], minlength=n_bars), 64)


class Places(NamedTuple):
    """The places in a bar that notes can begin at: each metre has its own.

    metres: (metres,), as ``music.metre.codes_of`` has them, ascending; 0 is one
    that is not known. firsts: (metres,), the cell of each one's first step.
    n_cells: of all of them.
    """

    metres: IntArray
    firsts: IntArray
    n_cells: int


def places_in_bars(*sets: Sequence[Piece], n_steps: int) -> Places:
    """The places in the bars of all of these sets of pieces."""
    pieces = [piece for pieces in sets for piece in pieces]
    widths = [np.diff(starts_of(piece, n_steps=n_steps)) for piece in pieces]
    metres, of_bar = np.unique(metres_of_bars(pieces), return_inverse=True)
    if not len(metres):
        return Places(np.zeros(1, np.int64), np.zeros(1, np.int64), n_steps)
    widest = np.zeros(len(metres), np.int64)
    np.maximum.at(widest, of_bar, np.concatenate(widths))
    return Places(metres, np.cumsum(widest) - widest, int(widest.sum()))


def groove_counts(
    notes: NoteArray,
    starts: Int64[BarStarts, " edges"],
    metres: Int64[IntArray, " bars"],
    places: Places,
) -> Float64[FloatArray, " cells"]:
    """Notes that begin at each place in a bar, (cells,); in a bar of no metre of these, none.

    starts, metres: of the bars. A note behind the last bar is none either.
    """
    bar = bar_of_notes(notes, starts)
    notes, bar = notes[bar < len(metres)], bar[bar < len(metres)]
    which = np.minimum(np.searchsorted(places.metres, metres[bar]), len(places.metres) - 1)
    is_known = places.metres[which] == metres[bar]
    cell = places.firsts[which] + notes["start"] - starts[bar]
    return np.bincount(cell[is_known], minlength=places.n_cells).astype(np.float64)


_OF_NOTES: Final[Mapping[str, Callable[[NoteArray], FloatArray]]] = {
    "overlap_pitch_classes": pitch_class_counts,
    "overlap_transitions": transition_counts,
    "overlap_note_lengths": note_length_counts,
    "overlap_onset_intervals": onset_interval_counts,
    "overlap_pitch_ranges": pitch_range_counts,
    "overlap_polyphony": polyphony_counts,
}


def count_features(
    pieces: Sequence[Piece], *, n_steps: int, places: Places | None = None
) -> Counts:
    """Each feature's cells in each piece, (pieces, cells).

    places: in the bars of all sets that are to be compared; of these pieces, if not given.
    """
    places = places_in_bars(pieces, n_steps=n_steps) if places is None else places
    # A silent piece goes before the others, or no pieces would have no cells.
    pieces = [Piece(np.empty(0, NOTE), 0), *pieces]
    heard = [sounding_notes(piece.notes) for piece in pieces]
    starts = [starts_of(piece, n_steps=n_steps) for piece in pieces]
    metres = [metres_of_bars([piece]) for piece in pieces]
    counts = {name: [count(notes) for notes in heard] for name, count in _OF_NOTES.items()}
    bars = list(zip(heard, starts, metres, strict=True))
    counts["overlap_notes_per_bar"] = [notes_per_bar_counts(*each[:2]) for each in bars]
    counts["overlap_grooves"] = [groove_counts(*each, places) for each in bars]
    return {name: np.array(rows)[1:] for name, rows in counts.items()}


def overlap(first: Float64[FloatArray, " cells"], second: Float64[FloatArray, " cells"]) -> float:
    """Percent of the area that two histograms share, 0-100; NaN where one is empty.

    first, second: counts in the same cells, each scaled to area 1 here.
    """
    shares = [divide(counts, counts.sum()) for counts in (first, second)]
    return 100 * float(np.minimum(*shares).sum())


def overlaps(
    first: Counts,
    second: Counts,
    *,
    groups: tuple[Int64[IntArray, " first"], Int64[IntArray, " second"]],
    rng: np.random.Generator,
    counting: tuple[Float64[FloatArray, " first"], Float64[FloatArray, " second"]] | None = None,
) -> dict[str, Interval]:
    """The overlap of each feature of two sets of pieces, with its interval.

    groups: for each set, (pieces,), numbered from 0: who is drawn together.
    counting: for each set how much each piece counts, once if not given.
    NaN throughout where a set has no pieces.
    """
    if not (len(groups[0]) and len(groups[1])):
        return dict.fromkeys(first, UNMEASURED)
    together = np.concatenate([groups[0], groups[1] + _n_groups(groups[0])])
    counts = np.ones(len(together)) if counting is None else np.concatenate(counting)
    statistics = {name: _overlap_of(first[name], second[name], counts) for name in first}
    return bootstrap(statistics, together, rng=rng, counting=counts)


def halves(
    groups: Int64[IntArray, " pieces"], rng: np.random.Generator
) -> tuple[Int64[IntArray, " first"], Int64[IntArray, " second"]]:
    """Which pieces make up a random half of the groups, and which the other half."""
    shuffled = rng.permutation(_n_groups(groups))
    in_first = shuffled[groups] < _n_groups(groups) // 2
    return np.flatnonzero(in_first), np.flatnonzero(~in_first)


def _n_groups(groups: IntArray) -> int:
    return int(groups.max()) + 1 if len(groups) else 0


def _overlap_of(
    first: Float64[FloatArray, "first cells"],
    second: Float64[FloatArray, "second cells"],
    counting: Float64[FloatArray, " pieces"] | None = None,
) -> Statistic:
    """Percent of overlap as a statistic of the pieces of both sets, laid end to end.

    counting: how much each counts, once if not given: that decides where a set is the lower.
    """
    counts = np.ones(len(first) + len(second)) if counting is None else counting
    sums = [counts[: len(first)] @ first, counts[len(first) :] @ second]
    shares = [divide(each, each.sum()) for each in sums]
    # Of each cell the lower set's share counts; of equal ones, half of each.
    lower = np.where(shares[0] == shares[1], 0.5, shares[0] < shares[1])
    common, n_first = (first @ lower, second @ (1 - lower)), len(first)

    def weighted(weights: FloatArray) -> FloatArray:
        of_first, of_second = weights[:, :n_first], weights[:, n_first:]
        part = divide(of_first @ common[0], of_first @ first.sum(1))
        part += divide(of_second @ common[1], of_second @ second.sum(1))
        return np.minimum(100 * part, 100)

    return weighted


def _counted(values: npt.NDArray[np.integer], n_cells: int) -> FloatArray:
    """How often each of 0 to ``n_cells`` - 1 occurs; what is more counts as the last."""
    return np.bincount(np.minimum(values, n_cells - 1), minlength=n_cells).astype(np.float64)
