"""Metres: like is compared with like, and whether bars are written in the metre that they have.

Meaning
    Real music is in other metres than what was composed, mostly: a network would
    tell the two apart by that alone, and most measures differ from metre to
    metre. So windows of real music are *counted* by their metres
    (:func:`counting_like`): as much of them is in each metre as of the composed
    pieces.

    *Metre overlap* asks of the composed bars of a metre where in the bar their
    notes begin, and how much of that they have in common with real bars of the
    same metre, and of each other one. A bar of 6/8 that is filled with three
    beats has more in common with real 3/4 than with real 6/8.

Conventions
    The metres of a window are those of its bars, the one that most bars have
    first. A window in which the metre changes is kept as it is, and is like other
    windows that have the same metres. Windows of metres that no composed piece
    has count nothing.

    A place in the bar is a step of the grid from the bar line, so that places of
    two metres are the same where they are as many quarters behind the bar line.
    Each note counts once, whatever its velocity (above 10) and its length: a
    chord of three weighs three. Given bars are not composed and count nothing.

Units
    Percent in common of two histograms, 0-100, as in ``distributions.py``. Good is
    a row whose highest figure is that of its own metre and near real beside real
    (two halves of the real tunes, the mean of 20 halvings). NaN for metres of
    fewer than 50 bars on either side, and where nothing begins.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from nextbar.errors import UsageError
from nextbar.measures.distributions import halves
from nextbar.measures.intervals import divide
from nextbar.measures.pieces import (
    SILENT_VELOCITY,
    BoolArray,
    FloatArray,
    IntArray,
    Piece,
    bars_of_pieces,
    metres_of_bars,
    widest_bar,
)
from nextbar.music.metre import metre_of, show_metre
from nextbar.music.tunes import Metre

LEAST_BARS: Final = 50
"""Bars of a metre, on either side, from which their places are compared."""
N_HALVINGS: Final = 20
_SHARES_OF_ONE: Final = 4096  # counts are whole numbers of these, so that sums of them are exact

Metres = tuple[Metre, ...]


class MetreOverlap(NamedTuple):
    """What the bars of each metre have in common with real ones, in percent.

    metres: those of both sides, of most real bars first. overlap: (metres,
    metres), row by row the composed bars of a metre, beside real bars of each.
    real: the same of real bars beside each other, on the diagonal two halves.
    n_generated, n_real: (metres,), how many bars of each there are.
    """

    metres: Metres
    overlap: Float64[FloatArray, "metres metres"]
    real: Float64[FloatArray, "metres metres"]
    n_generated: Int64[IntArray, " metres"]
    n_real: Int64[IntArray, " metres"]


def metres_in(metres: Sequence[Metre]) -> Metres:
    """The different metres of bars, that of most bars first; of equally many the earlier."""
    return tuple(metre for metre, _ in Counter(metres).most_common())


def metres_in_windows(numbers: Int64[IntArray, "windows bars"]) -> list[Metres]:
    """The metres of each window, from the numbers of its bars' (``music.metre.codes_of``)."""
    if not numbers.size:
        return [()] * len(numbers)
    rows, which = np.unique(numbers, axis=0, return_inverse=True)
    found = [metres_in([metre_of(number) for number in row]) for row in rows.tolist()]
    return [found[i] for i in which.ravel().tolist()]


def metres_of_each(pieces: Sequence[Piece]) -> list[Metres]:
    """The metres of each piece; () of those that do not say theirs."""
    return [metres_in(piece.metres[: piece.n_bars]) for piece in pieces]


def counting_like(
    windows: Sequence[Metres], generated: Sequence[Metres]
) -> Float64[FloatArray, " windows"]:
    """How much each window counts, so that as much is in each metre as of what was generated.

    windows, generated: the metres of each. 1 on average of those that count at
    all; 0 for windows of metres that no generated piece has. What was generated in
    metres of which there is no window has no share. Where either side knows no
    metres, all count 1.
    """
    if not (any(windows) and any(generated)):
        return np.ones(len(windows))
    n_real = Counter(windows)
    n_ours = Counter(metres for metres in generated if metres in n_real)
    all_real, all_ours = sum(n_real[metres] for metres in n_ours), n_ours.total()
    counts = {metres: (n / all_ours) / (n_real[metres] / all_real) for metres, n in n_ours.items()}
    exact = {
        metres: max(round(count * _SHARES_OF_ONE), 1) / _SHARES_OF_ONE
        for metres, count in counts.items()
    }
    return np.array([exact.get(metres, 0.0) for metres in windows], np.float64)


def windows_like(windows: Sequence[Piece], generated: Sequence[Piece]) -> list[Piece]:
    """The windows in metres of what was generated; all where either side knows no metres."""
    counting = counting_like(metres_of_each(windows), metres_of_each(generated))
    return [window for window, counts in zip(windows, counting, strict=True) if counts]


def metre_overlap(
    generated: Sequence[Piece], real: Sequence[Piece], *, seed: int = 0
) -> MetreOverlap:
    """A square table, metre by metre: where in the bar notes begin, beside real music.

    generated, real: pieces that say their metres; else a UsageError. seed: of the halvings.
    """
    ours, theirs = metres_of_bars(generated), metres_of_bars(real)
    if not all(side.all() for side in (ours, theirs)):
        raise UsageError("metre_overlap: give pieces with the metre of each bar (Piece.metres)")
    known = np.unique(np.concatenate([ours, theirs]))
    n_real = np.array([np.count_nonzero(theirs == number) for number in known], np.int64)
    known = known[np.argsort(-n_real, kind="stable")]
    n_cells = widest_bar([*generated, *real], n_steps=1)
    composed = _onsets(generated, known, n_cells, composed_only=True)
    played = _onsets(real, known, n_cells, composed_only=False)
    n_ours, n_theirs = composed.n_bars.sum(axis=0), played.n_bars.sum(axis=0)
    enough = (n_ours >= LEAST_BARS, n_theirs >= LEAST_BARS)
    whole = played.counts.sum(axis=0)
    beside_itself = _in_common(whole, whole)
    np.fill_diagonal(beside_itself, _halves_in_common(played, np.random.default_rng(seed)))
    beside_itself[~np.logical_and.outer(enough[1], enough[1])] = np.nan
    overlap = _in_common(composed.counts.sum(axis=0), whole)
    overlap[~np.logical_and.outer(*enough)] = np.nan
    metres = tuple(metre_of(number) for number in known.tolist())
    return MetreOverlap(metres, overlap, beside_itself, n_ours, n_theirs)


class _Onsets(NamedTuple):
    """Of each piece: (pieces, metres, cells) notes by place, (pieces, metres) bars."""

    counts: FloatArray
    n_bars: IntArray


def _onsets(
    pieces: Sequence[Piece], known: IntArray, n_cells: int, *, composed_only: bool
) -> _Onsets:
    rows, index = bars_of_pieces(pieces, n_steps=n_cells)
    n_bars = np.array([piece.n_bars for piece in pieces], np.int64)
    piece = np.repeat(np.arange(len(pieces)), n_bars)
    order = np.argsort(known)
    metre = order[np.searchsorted(known, metres_of_bars(pieces), sorter=order)]
    counted: BoolArray = np.ones(len(piece), bool)
    if composed_only:
        number = np.arange(len(piece)) - np.repeat(np.cumsum(n_bars) - n_bars, n_bars)
        counted = number >= np.repeat([each.n_given_bars for each in pieces], n_bars)
    lane = piece * len(known) + metre
    n_lanes = len(pieces) * len(known)
    bar = np.repeat(np.arange(len(piece)), np.diff(index))
    begins = counted[bar] & ~rows["tied"] & (rows["velocity"] > SILENT_VELOCITY)
    cell = lane[bar[begins]] * n_cells + rows["start"][begins]
    shape = (len(pieces), len(known))
    counts = np.bincount(cell, minlength=n_lanes * n_cells).astype(np.float64)
    bars = np.bincount(lane[counted], minlength=n_lanes).astype(np.int64)
    return _Onsets(counts.reshape(*shape, n_cells), bars.reshape(shape))


def _in_common(first: FloatArray, second: FloatArray) -> FloatArray:
    """Percent in common of each row of the one with each of the other, (rows, rows)."""
    shares = [divide(each, each.sum(axis=1, keepdims=True)) for each in (first, second)]
    common: FloatArray = np.minimum(shares[0][:, None], shares[1][None]).sum(axis=2)
    return 100 * common


def _halves_in_common(played: _Onsets, rng: np.random.Generator) -> FloatArray:
    """(metres,): the percent that two halves of the tunes with bars of a metre have in common."""
    found = np.full(played.n_bars.shape[1], np.nan)
    for metre in range(len(found)):
        counts = played.counts[played.n_bars[:, metre] > 0, metre]
        if len(counts) < 2:
            continue
        each = []
        for _ in range(N_HALVINGS):
            first, second = halves(np.arange(len(counts)), rng)
            sides = [counts[half].sum(axis=0, keepdims=True) for half in (first, second)]
            each.append(_in_common(*sides)[0, 0])
        found[metre] = np.mean(each)
    return found


def bars_in_metres(overlap: MetreOverlap) -> str:
    """``4/4 1,200, 6/8 80 generated; 4/4 9,000 real``."""
    sides = []
    for name, counts in (("generated", overlap.n_generated), ("real", overlap.n_real)):
        by_count = sorted(zip(overlap.metres, counts.tolist(), strict=True), key=lambda m: -m[1])
        shown = ", ".join(f"{show_metre(metre)} {n:,}" for metre, n in by_count if n)
        sides.append(f"{shown or 'none'} {name}")
    return "; ".join(sides)


def show_metres(metres: Metres) -> str:
    """``4/4``; ``4/4 with 3/4`` where it changes."""
    return " with ".join(map(show_metre, metres))
