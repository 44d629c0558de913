"""The bars that a tune's bar lines make on a grid: of which metre each is, and how long."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import ceil
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nextbar.music.bar_lines import SMALLEST_UNIT, Stretch, bar_ticks, slack_ticks
from nextbar.music.metre import (
    MOST_STEPS,
    MetreCodes,
    bar_steps,
    code_of,
    codes_of,
    metre_of,
    normal_metre,
    steps_of,
)
from nextbar.music.tunes import Metre, Tune

LONGEST_BAR_QUARTERS: Final = 6
"""12/8, 6/4 and 3/2, the longest bars in common use. All bars of a model are as wide as its
longest, so that one bar of 4/2 among thousands would double what each of them costs."""
SHORT_BARS: Final = "bars shorter than their metre, filled up with silence"
ENDED_BARS: Final = "bars that a change of metre ends early, read in the metre of their length"
CUT_BARS: Final = f"bars longer than {LONGEST_BAR_QUARTERS} quarters, cut into shorter ones"
_NO_CODES: Final = np.zeros(0, np.uint16)
_NO_TICKS: Final = np.zeros(0)


class LaidBars(NamedTuple):
    """Bars on a grid: those that are counted out, and what repeats from there to the tune's end.

    steps_per_quarter: of the grid. shift_steps: by how much the first bar line is
    moved, so that a bar begins at step 0. codes: of the bars that are counted out.
    again: the metres of those that follow, over and over. ticks, lacking: where a bar
    is filled up, and by how many ticks, (fills,). told: what is to be said of the bars
    that are counted out, and how often; told_again: the same of each time of ``again``.
    """

    steps_per_quarter: int
    again: tuple[Metre, ...]
    shift_steps: float = 0.0
    codes: MetreCodes = _NO_CODES
    ticks: npt.NDArray[np.float64] = _NO_TICKS
    lacking: npt.NDArray[np.float64] = _NO_TICKS
    told: Mapping[str, int] = MappingProxyType({})
    told_again: Mapping[str, int] = MappingProxyType({})

    def up_to(self, end: int) -> tuple[MetreCodes, dict[str, int]]:
        """The metres of the bars up to the step ``end``, and what is to be told of them."""
        widths = [bar_steps(metre, self.steps_per_quarter) for metre in self.again]
        if not len(self.codes) and len(widths) == 1 and not self.told_again:
            return np.full(-(-end // widths[0]), code_of(self.again[0]), np.uint16), {}
        codes, left = self.codes, end
        if len(codes):
            starts = np.cumsum(steps_of(codes, self.steps_per_quarter))
            left = end - int(starts[-1])
            if left <= 0:
                return codes[: int(np.searchsorted(starts, end)) + 1], dict(self.told)
        times, rest = divmod(left, sum(widths))
        n_more = len(widths) * times
        while rest > 0:
            rest -= widths[n_more % len(widths)]
            n_more += 1
        more = np.resize(codes_of(self.again), n_more)
        codes = np.concatenate([codes, more]) if len(codes) else more
        n_times = -(-n_more // len(widths))
        told = Counter(self.told)
        told.update({what: n * n_times for what, n in self.told_again.items()})
        return codes, dict(told)


def lay_bars(tune: Tune, stretches: Sequence[Stretch], steps_per_quarter: int) -> LaidBars:
    """The bars of the stretches on a grid, each of whole steps and of at most six quarters.

    A pickup becomes a first bar, silent up to where it begins. A bar that the end of its
    stretch cuts short is of the usual metre that has its length, or is filled up with
    silence to the next longer one; so are bars of no whole number of steps. Longer bars
    are cut: see :func:`cut_long`.
    """
    tpq = tune.score.ticks_per_quarter
    first, last = stretches[0], stretches[-1]
    parts = fit_bar(first.metre, steps_per_quarter)
    shift, lead = 0.0, 0
    if first.begin:
        n_steps = sum(bar_steps(part.metre, steps_per_quarter) for part in parts)
        shift = -first.begin * steps_per_quarter / tpq % n_steps
        lead = round((shift + first.begin * steps_per_quarter / tpq) / n_steps)
    if len(stretches) == 1 and len(parts) == 1 and not parts[0].lacks:
        return LaidBars(steps_per_quarter, (parts[0].metre,), shift)
    counted = _Counted(tpq, steps_per_quarter)
    if lead:
        counted.add_bars(parts, lead)
    while lead and len(parts) > 1 and shift >= (width := counted.width_of_first()):
        shift -= width
        del counted.codes[0]
    for stretch in stretches[:-1]:
        counted.add_stretch(stretch)
    parts = fit_bar(last.metre, steps_per_quarter)
    if any(part.lacks for part in parts):
        n_bars = ceil(max(tune.span[1] - last.begin, 0) / bar_ticks(last.metre, tpq))
        counted.fill_each(last.begin, parts, n_bars)
    return LaidBars(
        steps_per_quarter,
        tuple(part.metre for part in parts),
        shift,
        counted.all_codes(),
        *counted.fills(),
        dict(counted.told),
        _tell(parts, 1),
    )


class BarPart(NamedTuple):
    """A bar, or a part of a long one, on a grid. lacks: quarters that fill it up."""

    metre: Metre
    quarters: float
    lacks: float


@lru_cache(maxsize=1024)
def fit_bar(metre: Metre, steps_per_quarter: int) -> tuple[BarPart, ...]:
    """A bar of the metre on the grid: the parts that it is cut into, one if it is not long."""
    found = []
    for part in cut_long(metre, steps_per_quarter):
        quarters = 4 * part[0] / part[1]
        steps, rest = divmod(4 * part[0] * steps_per_quarter, part[1])
        if part[1] > SMALLEST_UNIT or rest or not steps:
            part = longer_metre(quarters, steps_per_quarter)
        found.append(BarPart(part, quarters, 4 * part[0] / part[1] - quarters))
    return tuple(found)


def cut_long(metre: Metre, steps_per_quarter: int = 4) -> tuple[Metre, ...]:
    """The fewest bars of at most six quarters that a bar of the metre makes, the longer ones first.

    (4, 2) is (4, 4) twice, (7, 4) is (4, 4) and (3, 4). A compound metre is cut
    at its beats of three: (15, 8) is (9, 8) and (6, 8).
    """
    longest = min(LONGEST_BAR_QUARTERS, MOST_STEPS // steps_per_quarter)
    units, unit = metre
    if 4 * units <= longest * unit:
        return (normal_metre(metre),)
    if longest * unit < 4:  # a unit alone is longer
        return cut_long((2 * units, 2 * unit), steps_per_quarter)
    beat = 3 if units > 3 and units % 3 == 0 and longest * unit >= 12 else 1
    beats = units // beat
    n_bars = -(-beats // (longest * unit // (4 * beat)))
    sizes = [beats // n_bars + (nth < beats % n_bars) for nth in range(n_bars)]
    return tuple(normal_metre((beat * size, unit)) for size in sizes)


def metre_of_length(quarters: float, like: Metre, steps_per_quarter: int) -> Metre | None:
    """The usual metre of that length on the grid, in units like another's if it can be; or None."""
    is_compound = like[0] > 3 and like[0] % 3 == 0
    units = [4, 8, *([like[1]] if 8 < like[1] <= SMALLEST_UNIT else [])]
    for beat, unit in [*([(3, like[1])] if is_compound else []), *((1, unit) for unit in units)]:
        number = beat * round(quarters * unit / 4 / beat)
        is_near = abs(4 * number / unit - quarters) * unit <= 0.5  # an eighth of a unit
        if number and is_near and not 4 * number * steps_per_quarter % unit:
            return normal_metre((number, unit))
    return None


def longer_metre(quarters: float, steps_per_quarter: int) -> Metre:
    """The shortest metre in eighths or quarters, of whole steps, that has room for so much."""
    found = [
        (4 * ceil(quarters * unit / 4) / unit, normal_metre((ceil(quarters * unit / 4), unit)))
        for unit in (4, 8)
    ]
    whole = [each for each in found if not 4 * each[1][0] * steps_per_quarter % each[1][1]]
    return min(whole)[1]


class _Counted:
    """The bars of stretches that have an end, one stretch behind the other."""

    def __init__(self, tpq: int, steps_per_quarter: int) -> None:
        """tpq: ticks per quarter."""
        self._tpq, self._steps = tpq, steps_per_quarter
        self.codes: list[int] = []
        self._ticks: list[float] = []
        self._lacking: list[float] = []
        self.told: Counter[str] = Counter()

    def width_of_first(self) -> int:
        """How many steps the first bar has."""
        return bar_steps(metre_of(self.codes[0]), self._steps)

    def all_codes(self) -> MetreCodes:
        """The metres of the bars."""
        return np.array(self.codes, np.uint16)

    def fills(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Where bars are filled up, and by how many ticks."""
        return np.array(self._ticks, np.float64), np.array(self._lacking, np.float64)

    def add_bars(self, parts: Sequence[BarPart], n_bars: int) -> None:
        """Adds bars that are not filled up, or where nothing sounds."""
        self.codes += [code_of(part.metre) for part in parts] * n_bars

    def fill_each(self, begin: float, parts: Sequence[BarPart], n_bars: int) -> None:
        """Fills up each of so many bars."""
        ends = np.cumsum([part.quarters for part in parts]) * self._tpq
        lines = begin + np.arange(n_bars)[:, None] * ends[-1] + ends  # (bars, parts)
        lacking = np.tile([part.lacks * self._tpq for part in parts], n_bars)
        self._ticks += lines.ravel().tolist()
        self._lacking += lacking.tolist()

    def add_stretch(self, stretch: Stretch) -> None:
        """Adds the bars of a stretch that has an end."""
        assert stretch.end is not None
        parts = fit_bar(stretch.metre, self._steps)
        bar, slack = bar_ticks(stretch.metre, self._tpq), slack_ticks(self._tpq)
        n_bars = int((stretch.end - stretch.begin + slack) // bar)
        rest = stretch.end - stretch.begin - n_bars * bar
        self.add_bars(parts, n_bars)
        if any(part.lacks for part in parts):
            self.fill_each(stretch.begin, parts, n_bars)
        self.told.update(_tell(parts, n_bars))
        if rest < slack:
            self._fill(stretch.end, -rest)
        elif stretch.is_filled:
            self.add_bars(parts, 1)
            self._fill(stretch.end, bar - rest + sum(p.lacks for p in parts) * self._tpq)
            self.told[SHORT_BARS] += 1
        else:
            self._add_rest(stretch, parts, rest)

    def _add_rest(self, stretch: Stretch, parts: Sequence[BarPart], rest: float) -> None:
        """Adds what a change of metre has left of a bar."""
        assert stretch.end is not None
        for part in parts:
            length = part.quarters * self._tpq
            if rest < length - slack_ticks(self._tpq):
                break
            self.add_bars([part], 1)
            rest -= length
            self._fill(stretch.end - max(rest, 0), part.lacks * self._tpq)
        if rest < slack_ticks(self._tpq):
            self._fill(stretch.end, -rest)
            return
        quarters = rest / self._tpq
        fitting = metre_of_length(quarters, stretch.metre, self._steps)
        metre = fitting or longer_metre(quarters, self._steps)
        self.add_bars([BarPart(metre, quarters, 0)], 1)
        self._fill(stretch.end, 4 * metre[0] / metre[1] * self._tpq - rest)
        self.told[ENDED_BARS if fitting else SHORT_BARS] += 1

    def _fill(self, tick: float, lacking: float) -> None:
        if abs(lacking) > 1e-6:
            self._ticks.append(tick)
            self._lacking.append(lacking)


def _tell(parts: Sequence[BarPart], n_bars: int) -> dict[str, int]:
    """What is to be told of so many bars."""
    told = {
        CUT_BARS: n_bars * (len(parts) > 1),
        SHORT_BARS: n_bars * any(part.lacks for part in parts),
    }
    return {what: n for what, n in told.items() if n}
