"""Coherence: whether the next bar follows from the last.

Meaning
    The paper claims that each of its bars is made from the one before. If so,
    two consecutive bars are more alike than two bars of different pieces. The
    likeness of two bars is the cosine between their counts of onsets in each
    of the 12 pitch classes; coherence is the mean likeness of consecutive bars
    less the mean likeness of bars paired at random. Real folk tunes, cut in
    bars of two seconds, reach about 0.09; the paper's published samples about
    -0.01, which is to say that their bars do not follow from each other.

Conventions
    Only onsets count: a note held over a bar line is not counted again, nor is
    one of velocity 10 or less. Pairs with a bar in which nothing begins are
    left out on both sides. Bars of two metres are compared like any others:
    pitch classes are the same wherever in a bar they begin. "At random" is not
    drawn but computed: the mean over all pairs of bars of two different pieces,
    exactly, from the sums of the bars' unit vectors.

    It is a measure of a set, not of a piece. Bars of one key are alike without
    following from each other, so a set in few keys has more chance likeness and
    less coherence: of the same tunes, a tenth can have 0.04 and another 0.11.
    Random notes score a little above 0 (0.03) where each piece keeps to its own
    range, since two pieces of other ranges favour other pitch classes.

Units
    Cosines of counts are 0-1, so coherence is -1 to 1. 0: no more alike than
    bars of different pieces. High is not simply better: a piece that repeats
    one bar is as coherent as can be. NaN where there is no pair of consecutive
    bars, or no second piece to compare with.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from nextbar.measures.intervals import Statistic, divide
from nextbar.measures.pieces import (
    BoolArray,
    FloatArray,
    IntArray,
    Piece,
    bar_of_notes,
    sounding_notes,
    starts_of,
    sum_by_piece,
)


class BarProfiles(NamedTuple):
    """Of each bar of each piece, in order: what begins in it, as a direction."""

    units: FloatArray
    """(bars, 12): onsets of each pitch class, scaled to length 1; zeros where nothing begins."""
    piece: IntArray
    """(bars,): which piece the bar is of."""
    number: IntArray
    """(bars,): which bar of its piece it is, from 0."""


class CoherenceSums(NamedTuple):
    """Of each piece, the sums that coherence is made of: enough to weight pieces anew."""

    likeness: FloatArray
    """(pieces,): cosines of its consecutive bars, summed."""
    n_pairs: FloatArray
    """(pieces,): how many."""
    direction: FloatArray
    """(pieces, 12): its bars' unit vectors, summed."""
    n_bars: FloatArray
    """(pieces,): how many of its bars are not empty."""


def coherence(pieces: Sequence[Piece], *, n_steps: int) -> float:
    """Likeness of consecutive bars less that of bars of different pieces, -1 to 1.

    n_steps: steps in a bar. NaN where nothing can be compared.
    """
    sums = coherence_sums(pieces, n_steps=n_steps)
    return float(weighted_coherence(sums, np.ones((1, len(pieces))))[0])


def coherence_by_bar(pieces: Sequence[Piece], *, n_steps: int) -> Float64[FloatArray, " pairs"]:
    """Coherence of bar 1 with 2, 2 with 3, and so on: (longest piece's bars - 1,).

    Each has its own chance: the mean likeness of the one bar in a piece with
    the other in a different piece. A steady row says that the music goes on as
    it began; one that falls to 0 or climbs to 1, that it drifts or freezes.
    """
    once = np.ones((1, len(pieces)))
    return coherence_curve(pieces, n_steps=n_steps)(once).ravel()


def coherence_curve(pieces: Sequence[Piece], *, n_steps: int) -> Statistic:
    """Coherence by bar under each weighting of the pieces, (weightings, bars - 1)."""
    profiles = bar_profiles(pieces, n_steps=n_steps)
    n_bars = max((piece.n_bars for piece in pieces), default=0)
    grid = np.zeros((len(pieces), n_bars, 12))
    grid[profiles.piece, profiles.number] = profiles.units
    is_heard: FloatArray = np.any(grid, axis=2).astype(np.float64)  # (pieces, bars)
    likeness = np.einsum("pbc,pbc->pb", grid[:, :-1], grid[:, 1:])
    is_pair = is_heard[:, :-1] * is_heard[:, 1:]

    def weighted(
        weights: Float64[FloatArray, "weightings pieces"],
    ) -> Float64[FloatArray, "weightings pairs"]:
        direction = np.tensordot(weights, grid, 1)  # (weightings, bars, 12)
        n_heard = weights @ is_heard
        # All pairs of pieces, less each with itself and with its own copies.
        crossed = np.einsum("wbc,wbc->wb", direction[:, :-1], direction[:, 1:])
        crossed -= weights**2 @ likeness
        n_crossed = n_heard[:, :-1] * n_heard[:, 1:] - weights**2 @ is_pair
        consecutive = divide(weights @ likeness, weights @ is_pair)
        return consecutive - divide(crossed, n_crossed)

    return weighted


def bar_profiles(pieces: Sequence[Piece], *, n_steps: int) -> BarProfiles:
    """The direction of every bar's onsets among the 12 pitch classes."""
    n_bars = np.array([piece.n_bars for piece in pieces], np.int64)
    firsts = np.cumsum(n_bars) - n_bars
    counts = np.zeros((int(n_bars.sum()), 12))
    for piece, first in zip(pieces, firsts, strict=True):
        notes = sounding_notes(piece.notes)
        bar = bar_of_notes(notes, starts_of(piece, n_steps=n_steps))
        inside = bar < piece.n_bars
        np.add.at(counts, (first + bar[inside], notes["pitch"][inside] % 12), 1)
    lengths = np.sqrt((counts**2).sum(axis=1, keepdims=True))
    piece_of_bar = np.repeat(np.arange(len(pieces)), n_bars)
    number = np.arange(len(counts)) - np.repeat(firsts, n_bars)
    return BarProfiles(counts / np.maximum(lengths, 1), piece_of_bar, number)


def coherence_sums(pieces: Sequence[Piece], *, n_steps: int) -> CoherenceSums:
    """What coherence is made of, piece by piece."""
    units, piece, _ = bar_profiles(pieces, n_steps=n_steps)
    is_heard: BoolArray = np.any(units, axis=1)
    # An empty bar's unit vector is zero, and so are its cosines: only the counts must omit it.
    stays = piece[1:] == piece[:-1]
    cosines = (units[1:] * units[:-1]).sum(axis=1) * stays
    is_pair = stays & is_heard[1:] & is_heard[:-1]
    direction = np.zeros((len(pieces), 12))
    np.add.at(direction, piece, units)
    n = len(pieces)
    return CoherenceSums(
        likeness=sum_by_piece(cosines, piece[1:], n),
        n_pairs=sum_by_piece(is_pair, piece[1:], n),
        direction=direction,
        n_bars=sum_by_piece(is_heard, piece, n),
    )


def weighted_coherence(
    sums: CoherenceSums, weights: Float64[FloatArray, "weightings pieces"]
) -> Float64[FloatArray, " weightings"]:
    """Coherence under each weighting of the pieces, (weightings,).

    weights: (weightings, pieces), how often each piece counts.
    """
    return consecutive_likeness(sums, weights) - chance_likeness(sums, weights)


def consecutive_likeness(
    sums: CoherenceSums, weights: Float64[FloatArray, "weightings pieces"]
) -> Float64[FloatArray, " weightings"]:
    """Mean cosine of two consecutive bars under each weighting, 0-1."""
    return divide(weights @ sums.likeness, weights @ sums.n_pairs)


def chance_likeness(
    sums: CoherenceSums, weights: Float64[FloatArray, "weightings pieces"]
) -> Float64[FloatArray, " weightings"]:
    """Mean cosine of two bars of different pieces under each weighting, 0-1.

    The cosines of all pairs of bars add up to the squared length of the sum of
    all unit vectors; the pairs inside each piece are taken off. Copies of a
    piece that counts more than once are no different pieces.
    """
    everything = ((weights @ sums.direction) ** 2).sum(axis=1)
    within = weights**2 @ (sums.direction**2).sum(axis=1)
    n_everything = (weights @ sums.n_bars) ** 2
    n_within = weights**2 @ sums.n_bars**2
    return divide(everything - within, n_everything - n_within)
