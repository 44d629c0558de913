"""Follows: which of two bars comes next, and can one tell.

Meaning
    A bar, the bar behind it, and a bar of another piece that could stand there: in the same
    metre, of about as many notes in about the same register. *Follows* is how often the
    bar behind it is the likelier of the two, by a rule that was learned from such choices
    in real music: 50 % where bars say nothing of the next, 100 % where the next bar is
    always the likelier one. It sees what ``coherence`` cannot, that bars of one key, which are all
    alike a little, stand in an order.

    The rule is a logistic regression on what two bars are beside each other
    (:func:`_beside`): what they share of notes and of rhythm, the steps of the highest and the
    lowest voice over the bar line, and which pitch class goes to which. It learns in a
    second, and from real music alone: how many pieces are measured changes the interval,
    and not how much the rule sees.

Conventions
    Only onsets count. A note held over the bar line belongs to the bar in which it begins:
    else a tie that nothing leads into would give the other bar away, and a composed piece
    has none by how it is made. Velocity 10 or less is silence. Pairs with a bar in which
    nothing begins are left out, and pairs whose second bar was given.

    Pieces are brought to C major or A minor first, each by the scale that it fits best, so
    that no other bar is told by its key. Other bars are second bars of other pieces
    of the same set, drawn from the ``NEAREST`` that are the most alike in number of notes,
    lowest, highest and mean pitch. Were any taken, random notes that keep to the range of
    a piece would come to 65-80 %.

    The rule is learned from the training tunes, real music is asked in the held-out ones:
    no tune is in both. Where there are no training tunes, half of the real ones
    are learned from and the others asked. As many pairs are asked on either side.

Units
    Percent of choices, 0-100, 50 by chance; equally likely bars count half. High is not simply
    better: a piece that repeats one bar is always told. NaN where there are fewer than
    ``LEAST_PAIRS`` pairs to learn from, or none to ask about. The interval is over pieces.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from nextbar.measures.copying import TrainingBars
from nextbar.measures.intervals import UNMEASURED, Interval, Statistic, bootstrap, divide
from nextbar.measures.pieces import (
    SILENT_VELOCITY,
    BoolArray,
    FloatArray,
    IndexedBars,
    IntArray,
    Piece,
    bars_of_pieces,
    metres_of_bars,
    sum_by_piece,
)
from nextbar.music.grid import shifts_to_c

MOST_PAIRS: Final = 4000
"""Pairs that are learned from or asked about; of more, this many are drawn."""
LEAST_PAIRS: Final = 300
"""Pairs from which a rule can be learned."""
N_OTHERS: Final = 4
"""Bars of other pieces that each next bar is chosen from, one by one."""
NEAREST: Final = 16
"""The other bars are of so many that are most like the next one in what is no matter here."""
SHRINK: Final = 100.0
"""How strongly the rule's weights are held near 0."""
WIDEST_STEP: Final = 13
"""Steps of a voice over the bar line count as this many semitones where they are wider."""
N_FEATURES: Final = 2 + 2 * (2 * WIDEST_STEP + 1) + 12 * 12
"""Of two bars beside each other."""


class BarsOfSet(NamedTuple):
    """The bars of a set of pieces, laid end to end.

    bars: their notes and index. piece: (bars,), whose each is. metres: (bars,), as
    numbers; equal numbers are equal metres. is_given: (bars,), not composed.
    """

    bars: IndexedBars
    piece: Int64[IntArray, " bars"]
    metres: Int64[IntArray, " bars"]
    is_given: Bool[BoolArray, " bars"]

    @classmethod
    def of_pieces(cls, pieces: Sequence[Piece], *, n_steps: int) -> "BarsOfSet":
        """The bars of these pieces; ``n_steps``: in a bar, where they do not say theirs."""
        n_bars = [piece.n_bars for piece in pieces]
        is_given = [np.arange(piece.n_bars) < piece.n_given_bars for piece in pieces]
        return cls(
            bars_of_pieces(pieces, n_steps=n_steps),
            np.repeat(np.arange(len(pieces)), n_bars),
            metres_of_bars(pieces),
            np.concatenate([np.zeros(0, bool), *is_given]),
        )

    @classmethod
    def of_training(cls, training: TrainingBars) -> "BarsOfSet":
        """The bars in which copies are looked for."""
        piece = np.repeat(np.arange(len(training.n_bars)), training.n_bars)
        none = np.zeros(len(piece), np.int64)
        metres = none if training.metres is None else training.metres
        return cls(training.bars, piece, metres, none > 0)


class Choices(NamedTuple):
    """Bars, what comes next, and what else could.

    gains: (pairs, others, features), what the next bar and the last are beside each
    other, less what another bar and the last are. piece: (pairs,), whose they are.
    """

    gains: Float64[FloatArray, "pairs others features"]
    piece: Int64[IntArray, " pairs"]


class _Facts(NamedTuple):
    """Of each bar (bars, ...), what it is compared by."""

    cells: np.ndarray  # (bars, bytes), the steps and pitches at which notes begin, packed
    steps: np.ndarray  # (bars, bytes), the steps at which any does, packed
    classes: FloatArray  # (bars, 12), onsets of each pitch class, scaled to length 1
    n_notes: FloatArray
    register: FloatArray  # (bars, 3): lowest, highest and mean pitch
    first: IntArray  # (bars, 2): lowest and highest pitch of the first onset
    last: IntArray  # (bars, 2): of the last onset


class Asked(NamedTuple):
    """A set of pieces that is asked about.

    groups: (pieces,), numbered from 0: pieces of one group are drawn together for the
    interval. counting: (pieces,), how much each counts.
    """

    pieces: Sequence[Piece]
    groups: Int64[IntArray, " pieces"]
    counting: Float64[FloatArray, " pieces"]


class Followed(NamedTuple):
    """Follows of each set; how many pairs were learned from, and how many asked about in each."""

    intervals: dict[str, Interval]
    n_learned: int
    n_asked: int


def follows(
    pieces: Sequence[Piece],
    real: Sequence[Piece] | TrainingBars,
    *,
    n_steps: int,
    seed: int = 0,
) -> Interval:
    """How often the next bar of these pieces is the likelier of two, 50 (chance) to 100 %.

    real: other music, that the rule is learned from. n_steps: steps in a bar, of
    pieces that do not say where theirs begin. NaN where there is too little of either.
    """
    if not isinstance(real, TrainingBars):
        real = TrainingBars.of_pieces(real, n_steps=n_steps)
    asked = Asked(pieces, np.arange(len(pieces)), np.ones(len(pieces)))
    rng = np.random.default_rng(seed)
    return follows_in_sets({"": asked}, real, n_steps=n_steps, rng=rng).intervals[""]


def follows_in_sets(
    sets: Mapping[str, Asked], real: TrainingBars, *, n_steps: int, rng: np.random.Generator
) -> Followed:
    """Follows of each set of pieces, as many pairs of each, by one rule that ``real`` taught."""
    lesson = choices_in(BarsOfSet.of_training(real), rng=rng)
    weights = learn_to_choose(lesson)
    known = {
        name: BarsOfSet.of_pieces(asked.pieces, n_steps=n_steps) for name, asked in sets.items()
    }
    n_pairs = min(
        [MOST_PAIRS, *(len(_pairs_in(bars, _onsets(bars)[2])) for bars in known.values())]
    )
    intervals = dict.fromkeys(sets, UNMEASURED)
    if weights is None or not n_pairs:
        return Followed(intervals, len(lesson.piece), 0)
    for name, asked in sets.items():
        choices = choices_in(known[name], rng=rng, most=n_pairs)
        n = len(asked.pieces)
        right = sum_by_piece(chosen_rightly(choices, weights), choices.piece, n)
        among = sum_by_piece(np.ones(len(choices.piece)), choices.piece, n)
        intervals[name] = bootstrap(
            {"": _share_of(right, among)}, asked.groups, rng=rng, counting=asked.counting
        )[""]
    return Followed(intervals, len(lesson.piece), n_pairs)


def _share_of(right: FloatArray, among: FloatArray) -> Statistic:
    """Percent that are right under each weighting of the pieces, (weightings,)."""
    return lambda weights: 100 * divide(weights @ right, weights @ among)


def choices_in(known: BarsOfSet, *, rng: np.random.Generator, most: int = MOST_PAIRS) -> Choices:
    """At most ``most`` pairs of consecutive bars of these pieces, each with ``N_OTHERS`` others."""
    rows, bar, n_notes = _onsets(known)
    first = _pairs_in(known, n_notes)
    if not len(first):
        return Choices(np.zeros((0, N_OTHERS, N_FEATURES)), first)
    if len(first) > most:
        first = np.sort(rng.choice(first, most, replace=False))
    wanted = np.union1d(first, first + 1)
    place = np.zeros(len(n_notes), np.int64)
    place[wanted] = np.arange(len(wanted))
    is_wanted = np.zeros(len(n_notes), bool)
    is_wanted[wanted] = True
    of_wanted = is_wanted[bar]
    facts = _facts(rows[of_wanted], place[bar[of_wanted]], len(wanted))
    last, following = place[first], place[first + 1]
    piece = known.piece[first]
    others = _others(facts, following, piece, known.metres[first + 1], rng)
    found = others[:, 0] >= 0
    last, following, others, piece = (each[found] for each in (last, following, others, piece))
    true = _beside(facts, last, following)
    gains = [true - _beside(facts, last, other) for other in others.T]
    return Choices(np.stack(gains, axis=1), piece)


def learn_to_choose(choices: Choices) -> Float64[FloatArray, " features"] | None:
    """The weight of each feature, by which the next bar is the likelier one in most choices.

    Logistic regression without a constant, ridge ``SHRINK``, by Newton's method. None
    where there are fewer than ``LEAST_PAIRS`` pairs.
    """
    if len(choices.gains) < LEAST_PAIRS:
        return None
    gains = choices.gains[:, :2].reshape(-1, choices.gains.shape[2])  # more say little more
    scale = np.sqrt(np.mean(gains**2, axis=0))
    scaled = gains / np.where(scale > 0, scale, 1)
    weights = np.zeros(scaled.shape[1])
    for _ in range(20):
        wrong = 1 / (1 + np.exp(np.clip(scaled @ weights, -30, 30)))
        slope = scaled.T @ wrong - SHRINK * weights
        bend = (scaled * (wrong * (1 - wrong))[:, None]).T @ scaled
        bend[np.diag_indices_from(bend)] += SHRINK
        step = np.linalg.solve(bend, slope)
        weights += step
        if np.abs(step).max() < 1e-4:
            break
    return np.asarray(weights / np.where(scale > 0, scale, 1))


def chosen_rightly(
    choices: Choices, weights: Float64[FloatArray, " features"]
) -> Float64[FloatArray, " pairs"]:
    """Of each pair, how many of the choices fall on the bar that comes next, 0-1."""
    score = choices.gains @ weights
    shares: FloatArray = np.mean((score > 0) + 0.5 * (score == 0), axis=1)
    return shares


def _pairs_in(known: BarsOfSet, n_notes: IntArray) -> IntArray:
    """The first bar of each pair of consecutive bars in both of which something begins."""
    is_pair = (known.piece[1:] == known.piece[:-1]) & (n_notes[1:] > 0) & (n_notes[:-1] > 0)
    return np.flatnonzero(is_pair & ~known.is_given[1:])


def _onsets(known: BarsOfSet) -> tuple[np.ndarray, IntArray, IntArray]:
    """The heard onsets with their pitches in C, the bar of each, and how many each bar has."""
    rows, index = known.bars
    bar = np.repeat(np.arange(len(index) - 1), np.diff(index))
    begins = ~rows["tied"] & (rows["velocity"] > SILENT_VELOCITY)
    rows, bar = rows[begins][["start", "pitch"]], bar[begins]
    piece = known.piece[bar]
    n_pieces = int(known.piece.max(initial=-1)) + 1
    cell = piece * 12 + rows["pitch"] % 12
    classes = np.bincount(cell, minlength=12 * n_pieces).reshape(-1, 12)
    moved = np.empty(len(rows), [("start", np.int64), ("pitch", np.int64)])
    moved["start"] = rows["start"]
    moved["pitch"] = np.clip(rows["pitch"] + shifts_to_c(classes)[piece], 0, 127)
    return moved, bar, np.bincount(bar, minlength=len(index) - 1)


def _facts(rows: np.ndarray, bar: IntArray, n_bars: int) -> _Facts:
    """rows: onsets; bar: which each is of. Every bar has one."""
    cells = np.zeros((n_bars, 128, int(rows["start"].max(initial=0)) + 1), bool)
    cells[bar, rows["pitch"], rows["start"]] = True
    steps = np.any(cells, axis=1)
    ends = [np.argmax(steps, axis=1), steps.shape[1] - 1 - np.argmax(steps[:, ::-1], axis=1)]
    each = np.arange(n_bars)
    first, last = (_lowest_and_highest(cells[each, :, end]) for end in ends)
    n_notes = np.bincount(bar, minlength=n_bars).astype(np.float64)
    mean = np.bincount(bar, rows["pitch"], minlength=n_bars) / n_notes
    classes = np.bincount(bar * 12 + rows["pitch"] % 12, minlength=12 * n_bars).reshape(-1, 12)
    return _Facts(
        cells=np.packbits(cells.reshape(n_bars, -1), axis=1),
        steps=np.packbits(steps, axis=1),
        classes=classes / np.sqrt((classes**2).sum(axis=1, keepdims=True)),
        n_notes=n_notes,
        register=np.column_stack([_lowest_and_highest(np.any(cells, axis=2)), mean]),
        first=first,
        last=last,
    )


def _lowest_and_highest(sounds: BoolArray) -> IntArray:
    """(bars, 2): the lowest and the highest pitch in each row of (bars, 128)."""
    lowest = np.argmax(sounds, axis=1)
    return np.stack([lowest, sounds.shape[1] - 1 - np.argmax(sounds[:, ::-1], axis=1)], axis=1)


def _others(
    facts: _Facts, following: IntArray, piece: IntArray, metres: IntArray, rng: np.random.Generator
) -> IntArray:
    """(pairs, ``N_OTHERS``): bars that are the second of another piece's pair; -1 without one."""
    others = np.full((len(following), N_OTHERS), -1)
    near = np.column_stack([4 * np.log2(facts.n_notes), facts.register / 3])[following]
    near = (near + 1e-3 * rng.random(near.shape)).astype(np.float32)  # equally near: any
    for metre in np.unique(metres):
        members = np.flatnonzero(metres == metre)
        for some in np.array_split(members, len(members) // 500 + 1):
            away = sum(
                (near[some, None, axis] - near[members, axis]) ** 2 for axis in range(near.shape[1])
            )
            away[piece[some, None] == piece[members]] = np.inf
            n_near = min(NEAREST, len(members))
            nearest = np.argpartition(away, n_near - 1, axis=1)[:, :n_near]
            is_other = np.isfinite(np.take_along_axis(away, nearest, axis=1))
            drawn = np.argsort(rng.random(nearest.shape) + ~is_other, axis=1)
            n_others = np.maximum(is_other.sum(axis=1), 1)
            # Where there are fewer of them than are wanted, some are taken twice.
            turn = np.arange(N_OTHERS) % n_others[:, None]
            chosen = np.take_along_axis(nearest, np.take_along_axis(drawn, turn, axis=1), axis=1)
            others[some] = np.where(is_other.any(axis=1)[:, None], following[members[chosen]], -1)
    return others


def _beside(facts: _Facts, last: IntArray, following: IntArray) -> FloatArray:
    """(pairs, features): what two bars are beside each other."""
    a, b = facts.classes[last], facts.classes[following]
    shared = [_in_common(each[last], each[following]) for each in (facts.cells, facts.steps)]
    over = facts.first[following] - facts.last[last]  # (pairs, 2), of the outer voices
    over = np.clip(over, -WIDEST_STEP, WIDEST_STEP) + WIDEST_STEP
    columns = [
        np.column_stack(shared),
        *(np.eye(2 * WIDEST_STEP + 1)[voice] for voice in over.T),
        (a[:, :, None] * b[:, None, :]).reshape(len(a), 12 * 12),
    ]
    return np.concatenate(columns, axis=1).astype(np.float64)


def _in_common(first: np.ndarray, second: np.ndarray) -> FloatArray:
    """Cells in both by cells in either, of packed rows, 0-1; something begins in each."""
    both, either = (np.bitwise_count(each).sum(axis=1) for each in (first & second, first | second))
    shares: FloatArray = both / either
    return shares
