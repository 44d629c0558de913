"""Learned measures: how well a small network tells one kind of bars from another.

Meaning
    *Told from real* is a classifier two-sample test (Lopez-Paz & Oquab 2017): a
    network learns to tell composed windows from real ones, and is then asked
    about windows that it has not seen. 50 % says that it cannot tell; 100 %,
    that one look is enough. ``next_bar_told_from_real`` asks it of pairs, a
    real bar and the composed one behind it, against a real bar and its own next.

Conventions
    The network sees what sounds and what begins, a cell a step and a pitch; no
    velocity, or the constant loudness of a data set would give it away, and
    nothing of velocity 10 or less. A note held into a window begins with it.
    Bars have the steps of the longest; shorter ones are empty beyond their end.
    That would tell metres apart, so both sides have them in the same shares:
    composed windows in metres that no real one has are left out, and real ones
    are drawn for each metre as often as there are composed ones (``metres.py``),
    where they are few, some more than once. The second bar of a false pair
    is of the metre of the true one's.
    Windows of one piece, and pieces that begin with a real bar of the same tune,
    are never in different parts: 60 % of the tunes train the network, 15 % say
    when to stop, 25 % are asked about. Accuracy is the mean of the two
    sides' accuracies, so that guessing gives 50 whatever their numbers.
    Held out means: from the network that judges. The composed pieces have
    mostly been learned from the same tunes; one that copies them whole is
    *not* told from real here, so read ``copied_bars`` beside it.

Units
    Percent correct, about 50-100; a little under 50 is chance. The interval is
    over the pieces asked about, not over trainings of the network: five on the
    same 800 windows a side had a standard deviation of 1.6 (``follows``, real
    tunes) and of 1.2 (real from real). NaN where a part of the split is empty.

    A figure near 50 praises the pieces only where the network had enough of them to learn
    from (``TwoSampleTest.is_enough``), and means 50 only up to ``smallest_seen``. A network
    that learned from few pieces says 50 of anything.

PyTorch is loaded by the first call, not by importing this module.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nextbar.measures.copying import bar_contents
from nextbar.measures.intervals import UNMEASURED, Interval, bootstrap, divide
from nextbar.measures.metres import Metres, counting_like, metres_in_windows
from nextbar.measures.pieces import (
    SILENT_VELOCITY,
    FloatArray,
    IntArray,
    Piece,
    bars_of_pieces,
    metres_alike,
    metres_of_bars,
    widest_bar,
)
from nextbar.music.bars import LOWEST_PITCH, N_PITCHES, draw_rolls

if TYPE_CHECKING:
    from nextbar.measures.judge_network import JudgedBy

WINDOW_BARS: Final = 5
"""Bars that are looked at together; fewer where pieces are shorter. The paper's length."""
MOST_WINDOWS: Final = 2500
"""Windows a side that are looked at; of more, this many are drawn."""
SHARES: Final = (0.6, 0.15, 0.25)
"""Shares of the tunes that train, stop and test the network."""
LEAST_PIECES: Final = 1000
"""Composed pieces from which a network is taken to have learned what there is to tell.

Chords of Nottingham by one model were told in 55 % where it saw 300 pieces, an interval with 50
in it, and in 85 % where it saw 1,500.
"""
SPREAD_OF_TRAININGS: Final = 1.5
"""Standard deviation of the percentage over trainings on the same windows."""
TRAIN, STOP, TEST = range(3)

Rolls = npt.NDArray[np.bool_]
"""(windows, 2, pitches, steps): what sounds, and what begins."""


class Windows(NamedTuple):
    """Windows of music, and which of them belong together."""

    rolls: Rolls
    group: IntArray
    """(windows,): numbered from 0; windows of one group are never in different parts."""


class TwoSampleTest(NamedTuple):
    """How often a network that learned to tell two kinds of windows apart was right on new ones."""

    accuracy: Interval
    """Percent; see the module's units."""
    n_tested: tuple[int, int]
    """Windows of either side that it was asked about."""
    n_pieces: int = 0
    """Pieces of the first side that it learned from or was asked about."""

    @property
    def is_enough(self) -> bool:
        """Whether there were pieces enough to learn from, so that a figure near 50 says something.

        Only then is a low figure praise: see ``LEAST_PIECES``.
        """
        return self.n_pieces >= LEAST_PIECES

    @property
    def smallest_seen(self) -> float:
        """The lowest percentage that would have been told from 50, with so many windows.

        Of half the interval's width, and twice what another training changes. NaN where
        nothing was asked about.
        """
        half = (self.accuracy.high - self.accuracy.low) / 2
        return 50 + math.hypot(half, 2 * SPREAD_OF_TRAININGS)


def told_from_real(
    pieces: Sequence[Piece],
    real: Sequence[Piece],
    *,
    n_steps: int,
    n_bars: int = WINDOW_BARS,
    seed: int = 0,
    judge: "JudgedBy | None" = None,
) -> TwoSampleTest:
    """How well a network tells composed pieces from real ones, 50 (cannot) to 100 %.

    pieces: composed; bars that they were given are taken for bars of ``real``.
    real: whole tunes, all that there are: they are split by tune here. n_steps:
    steps in a bar, of pieces that do not say where theirs begin. n_bars: bars in
    a window, end to end in the composed pieces and from every bar in the real
    ones; never more than the shortest piece has. judge: another in the network's place.
    """
    n_bars = min([n_bars, *(piece.n_bars for piece in pieces)])
    ours = [range(0, piece.n_bars - n_bars + 1, n_bars) for piece in pieces]
    return _tell(pieces, ours, real, n_bars, n_steps, np.random.default_rng(seed), judge)


def real_told_from_real(
    real: Sequence[Piece], *, n_steps: int, n_bars: int = WINDOW_BARS, seed: int = 0
) -> TwoSampleTest:
    """The same of one half of the real tunes against the other: what is found where nothing is.

    Tunes of fewer than ``n_bars`` bars are left out. Each side has half of the
    tunes, so the network learns from fewer than ``told_from_real`` gives it.
    """
    long = [tune for tune in real if tune.n_bars >= n_bars]
    order = np.random.default_rng(seed).permutation(len(long)).tolist()
    first, second = ([long[i] for i in half] for half in (order[::2], order[1::2]))
    return told_from_real(first, second, n_steps=n_steps, n_bars=n_bars, seed=seed)


def next_bar_told_from_real(
    pieces: Sequence[Piece], real: Sequence[Piece], *, n_steps: int, seed: int = 0
) -> TwoSampleTest:
    """How well a network tells (real bar, composed next bar) from (real bar, real next bar).

    pieces: only those with ``n_given_bars`` count. real: the tunes that the
    given bars are from. 50 (cannot) to 100 %.
    """
    begun = [piece for piece in pieces if 0 < piece.n_given_bars < piece.n_bars]
    ours = [[piece.n_given_bars - 1] for piece in begun]
    return _tell(begun, ours, real, 2, n_steps, np.random.default_rng(seed))


def windows_of(
    pieces: Sequence[Piece],
    firsts: Sequence[Sequence[int]],
    *,
    n_bars: int,
    n_steps: int,
    chosen: IntArray | None = None,
) -> Windows:
    """Windows of ``n_bars`` bars of each piece, from its bars ``firsts`` (counted from 0) on.

    n_steps: that each bar has in the rolls, as many as the longest. Each piece
    is a group. chosen: the numbers of the windows that are wanted, of all. Pitches
    beyond the 88 keys of a piano are left out.
    """
    first = _first_bars(pieces, firsts)
    group = np.repeat(np.arange(len(pieces)), [len(bars) for bars in firsts])
    if chosen is not None:
        first, group = first[chosen], group[chosen]
    rows, index = bars_of_pieces(pieces, n_steps=n_steps)
    highest = LOWEST_PITCH + N_PITCHES - 1
    on_piano = (rows["pitch"] >= LOWEST_PITCH) & (rows["pitch"] <= highest)
    keep = on_piano & (rows["velocity"] > SILENT_VELOCITY)
    rows, index = rows[keep], np.concatenate([[0], np.cumsum(keep)])[index]
    bars = first[:, None] + np.arange(n_bars)  # (windows, n_bars)
    within = draw_rolls(rows, index, bars[:, 1:].ravel(), n_steps=n_steps, onsets=True) > 0
    rows["tied"] = False  # what is held into a window begins with it
    alone = draw_rolls(rows, index, bars[:, 0], n_steps=n_steps, onsets=True) > 0
    within = within.reshape(len(bars), n_bars - 1, 2, N_PITCHES, n_steps)
    rolls = np.concatenate([alone[:, None], within], axis=1)  # (windows, bars, 2, pitches, steps)
    rolls = rolls.transpose(0, 2, 3, 1, 4).reshape(len(bars), 2, N_PITCHES, n_bars * n_steps)
    return Windows(rolls, group)


def _first_bars(pieces: Sequence[Piece], firsts: Sequence[Sequence[int]]) -> IntArray:
    """The first bar of each window, among the bars of all pieces laid end to end."""
    lines = np.cumsum([0, *(piece.n_bars for piece in pieces)])
    return np.array([lines[i] + bar for i, bars in enumerate(firsts) for bar in bars], np.int64)


def _metres_of_windows(
    pieces: Sequence[Piece], firsts: Sequence[Sequence[int]], n_bars: int
) -> IntArray:
    """(windows, n_bars): the metres of their bars as numbers, 0 where they are not known."""
    bars = _first_bars(pieces, firsts)[:, None] + np.arange(n_bars)
    numbers: IntArray = metres_of_bars(pieces)[bars]
    return numbers


def tell_apart(
    ours: Windows,
    others: Windows,
    part: IntArray,
    *,
    rng: np.random.Generator,
    judge: "JudgedBy | None" = None,
) -> TwoSampleTest:
    """How well a network that learned from some groups tells ours from others in new groups.

    part: (groups,), 0 trains, 1 says when to stop, 2 is asked about. Both sides
    number their groups together; equal numbers are one group.
    """
    sides = (ours, others)
    parts = [part[side.group] for side in sides]
    if any(not np.any(of_side == which) for of_side in parts for which in (TRAIN, STOP, TEST)):
        return TwoSampleTest(UNMEASURED, (0, 0))
    from nextbar.measures.judge_network import Sides, train_and_ask  # loads PyTorch

    scores = (judge or train_and_ask)(
        *(
            Sides(*(side.rolls[each == which] for side, each in zip(sides, parts, strict=True)))
            for which in (TRAIN, STOP, TEST)
        ),
        seed=int(rng.integers(2**31)),
    )
    n_tested = (len(scores[0]), len(scores[1]))
    is_ours = np.arange(sum(n_tested)) < n_tested[0]
    right = (np.concatenate(scores) > 0) == is_ours
    groups = np.concatenate(
        [side.group[each == TEST] for side, each in zip(sides, parts, strict=True)]
    )

    def accuracy(weights: FloatArray) -> FloatArray:
        """Percent, the mean of both sides, under each weighting of the windows."""
        shares = [divide(weights @ (right & of), weights @ of) for of in (is_ours, ~is_ours)]
        return 50 * (shares[0] + shares[1])

    drawn_together = np.unique(groups, return_inverse=True)[1]
    return TwoSampleTest(bootstrap({"": accuracy}, drawn_together, rng=rng)[""], n_tested)


def _tell(
    pieces: Sequence[Piece],
    firsts: Sequence[Sequence[int]],
    real: Sequence[Piece],
    n_bars: int,
    n_steps: int,
    rng: np.random.Generator,
    judge: "JudgedBy | None" = None,
) -> TwoSampleTest:
    """The verdict on windows of pieces and of real tunes."""
    pieces, real = metres_alike(pieces, real)
    n_steps = widest_bar([*pieces, *real], n_steps=n_steps)
    everywhere = [range(tune.n_bars - n_bars + 1) for tune in real]
    their_metres = metres_in_windows(_metres_of_windows(real, everywhere, n_bars))
    our_metres = metres_in_windows(_metres_of_windows(pieces, firsts, n_bars))
    drawn = _drawn_like(their_metres, our_metres, rng)
    theirs = windows_of(real, everywhere, n_bars=n_bars, n_steps=n_steps, chosen=drawn)
    also_real = set(their_metres)
    asked = np.flatnonzero([metres in also_real for metres in our_metres])
    drawn = asked[_drawn(len(asked), rng)]
    ours = windows_of(pieces, firsts, n_bars=n_bars, n_steps=n_steps, chosen=drawn)
    n_pieces = len(np.unique(ours.group))
    part = np.concatenate([_split(np.arange(len(real)), rng), _split(np.arange(len(pieces)), rng)])
    tune = _tunes_begun_with(pieces, real, n_steps, rng)
    group = np.where(tune >= 0, tune, np.arange(len(pieces)) + len(real))
    verdict = tell_apart(ours._replace(group=group[ours.group]), theirs, part, rng=rng, judge=judge)
    return verdict._replace(n_pieces=n_pieces)


def _tunes_begun_with(
    pieces: Sequence[Piece], real: Sequence[Piece], n_steps: int, rng: np.random.Generator
) -> IntArray:
    """For each piece the tune that its first bar was given from, -1 where there is none.

    Of several tunes that have the bar, one is drawn.
    """
    found = np.full(len(pieces), -1)
    begun = [number for number, piece in enumerate(pieces) if piece.n_given_bars]
    if not begun:
        return found
    having: dict[bytes, list[int]] = {}
    tune_of_bar = np.repeat(np.arange(len(real)), [tune.n_bars for tune in real])
    real_bars = bars_of_pieces(real, n_steps=n_steps)
    contents = bar_contents(*real_bars, metres=metres_of_bars(real))
    for tune, content in zip(tune_of_bar.tolist(), contents, strict=True):
        having.setdefault(content, []).append(tune)
    given = [pieces[number]._replace(n_bars=1) for number in begun]
    given_bars = bars_of_pieces(given, n_steps=n_steps)
    given_contents = bar_contents(*given_bars, metres=metres_of_bars(given))
    for number, content in zip(begun, given_contents, strict=True):
        if content in having:
            found[number] = rng.choice(having[content])
    return found


def _take(windows: Windows, chosen: IntArray) -> Windows:
    return Windows(windows.rolls[chosen], windows.group[chosen])


def _drawn(n: int, rng: np.random.Generator, most: int | None = None) -> IntArray:
    """At most ``MOST_WINDOWS`` of the numbers 0 to n - 1, ascending."""
    most = MOST_WINDOWS if most is None else most
    if n <= most:
        return np.arange(n)
    return np.sort(rng.choice(n, most, replace=False))


def _drawn_like(
    theirs: Sequence[Metres], ours: Sequence[Metres], rng: np.random.Generator
) -> IntArray:
    """Numbers of real windows, their metres in the shares of ours, at most ``MOST_WINDOWS``.

    As many as there are in the metres that count most; of others, where these
    are too few, some twice or more.
    """
    counting = counting_like(theirs, ours)
    if np.all(counting == 1):
        return _drawn(len(theirs), rng)
    n_ours = Counter(metres for metres in ours if metres in set(theirs))
    n_all = min(MOST_WINDOWS, int(np.count_nonzero(counting)))
    drawn = [np.arange(0)]
    for metres, n in sorted(n_ours.items()):
        among = np.array([i for i, each in enumerate(theirs) if each == metres])
        wanted = max(round(n_all * n / n_ours.total()), 1)
        whole, rest = divmod(wanted, len(among))
        drawn += [np.tile(among, whole), among[_drawn(len(among), rng, rest)]]
    return np.sort(np.concatenate(drawn))


def _split(group: IntArray, rng: np.random.Generator) -> IntArray:
    """For each group number its part, the parts in their shares of the groups that occur."""
    occurring = rng.permutation(np.unique(group))
    part = np.full(int(group.max(initial=-1)) + 1, TEST)
    ends = np.round(np.cumsum(SHARES) * len(occurring)).astype(np.int64)
    part[occurring[: ends[0]]] = TRAIN
    part[occurring[ends[0] : ends[1]]] = STOP
    return part
