"""Where the bar lines of a tune are, and under which metres."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from nextbar.music.metre import (
    normal_metre,
    show_metre,
)
from nextbar.music.refusals import refuse
from nextbar.music.tunes import Metre, Tune

SMALLEST_UNIT: Final = 32
"""Metres in smaller units, as 3/64, are read as the nearest longer one that is written."""


class Stretch(NamedTuple):
    """Bars of one metre that follow each other.

    begin: the tick of its first bar line. metre: in its normal form. end: the tick
    where the next stretch begins; None of the last one, which goes on to the
    tune's end. is_filled: whether a last bar that the end cuts short keeps its metre.
    """

    begin: float
    metre: Metre
    end: float | None = None
    is_filled: bool = False


class _Span(NamedTuple):
    """A stretch of a tune under one metre, in ticks."""

    begin: int
    end: int
    metre: Metre


def find_bar_lines(tune: Tune) -> tuple[Stretch, ...]:
    """The bars of a tune as its signatures have them: 4/4 from tick 0 where none is stated.

    Simple metres of equal bars count as one, written in quarters where that
    can be: 2/2 and 4/4 are (4, 4), 4/8 is (2, 4). Compound ones stay apart:
    6/8 is not 3/4. No change of metre are: what is stated where nothing sounds
    yet; a signature that another overrides at nearly the same tick; a pickup,
    that is less than a bar in a metre of its own before the first whole bar, and
    a last bar that completes it; a bar that is cut in two, as where a repeat
    stands within it; and a shorter bar that a pickup would make whole, which is
    to be filled up. Raises MusicFileError with the reason "unusable metre".
    """
    tpq = tune.score.ticks_per_quarter
    first = tune.pickup_quarters * tpq
    stated = tune.score.time_signatures
    if len(stated) == 0:
        return _end_at(tune.short_bars, [Stretch(first, (4, 4))])
    if len(stated) == 1 and stated[0].time <= 0:
        metre = (int(stated[0].numerator), int(stated[0].denominator))
        return _end_at(tune.short_bars, [Stretch(first, _usable(metre, tune))])
    spans, pickups = _join_cut_bars(_metre_spans(tune), first, tpq)
    pickups |= {round(first)} if first else set()
    n_leading = _count_pickup_spans(spans, max(spans[0].begin or first, tune.first_tick), tpq)
    if n_leading:
        pickups.add(spans[n_leading].begin - spans[0].begin)
        spans = spans[n_leading:]
    spans, filled = _fill_bars(spans, pickups, first, tpq)
    spans = _join_last_bar(spans, pickups, tpq)
    begins = [spans[0].begin or first, *(span.begin for span in spans[1:])]
    stretches = [
        Stretch(begin, span.metre, end)
        for begin, span, end in zip(begins, spans, [*begins[1:], None], strict=True)
    ]
    changes = set(begins[1:])
    short = [(tick, ticks) for tick, ticks in tune.short_bars if tick not in changes]
    return _end_at([*short, *filled], stretches)


def _usable(metre: Metre, tune: Tune) -> Metre:
    if 0 in metre:
        raise refuse(tune.name, "unusable metre", "its time signature has a zero")
    if metre[0] * SMALLEST_UNIT < metre[1]:
        why = f"its time signature is {show_metre(metre)}, less than a thirty-second"
        raise refuse(tune.name, "unusable metre", why)
    return normal_metre(metre)


def bar_ticks(metre: Metre, tpq: int) -> float:
    """The length of a bar in ticks, at so many a quarter."""
    return 4 * metre[0] * tpq / metre[1]


def slack_ticks(tpq: int) -> float:
    """By how many ticks a bar line may be beside where it should be: a thirty-second."""
    return tpq / 8


def _metre_spans(tune: Tune) -> list[_Span]:
    """The stretches of the tune under one metre, but those that are over before its first note."""
    shortest = slack_ticks(tune.score.ticks_per_quarter)
    begin, end, _ = tune.span
    stated = sorted(tune.score.time_signatures, key=lambda signature: signature.time)
    events = [(max(int(s.time), 0), (int(s.numerator), int(s.denominator))) for s in stated]
    if events[0][0] > 0:
        events.insert(0, (0, (4, 4)))
    # One that another overrides at nearly the same tick has its place taken.
    kept = [events[0]]
    for tick, metre in events[1:]:
        if tick - kept[-1][0] < shortest:
            kept[-1] = (kept[-1][0], metre)
        else:
            kept.append((tick, metre))
    ends = [*(tick for tick, _ in kept[1:]), max(end, kept[-1][0])]
    spans = [_Span(tick, min(until, end), m) for (tick, m), until in zip(kept, ends, strict=True)]
    spans = [s for s in spans if s.end > begin and s.end - s.begin >= min(shortest, end - begin)]
    joined: list[_Span] = []
    for span in spans or [_Span(kept[-1][0], end, kept[-1][1])]:
        metre = _usable(span.metre, tune)
        if joined and joined[-1].metre == metre:
            joined[-1] = joined[-1]._replace(end=span.end)
        else:
            joined.append(span._replace(metre=metre))
    return joined


class _Gap(NamedTuple):
    """Where a metre stops and comes again after at most a bar.

    until: the place of the span where it does. length: ticks from its last bar line
    before to there. before: how much of that is in its own metre. bar: a whole one.
    """

    until: int
    length: float
    before: float
    bar: float


def _find_gap(spans: list[_Span], at: int, first: float, tpq: int) -> _Gap | None:
    """The gap behind a span, None if its metre does not come again so soon."""
    bar, slack = bar_ticks(spans[at].metre, tpq), slack_ticks(tpq)
    line = (spans[at].begin or first) if at == 0 else spans[at].begin
    for until in range(at + 2, len(spans)):
        before = spans[at + 1].begin - line
        before -= (before + slack) // bar * bar
        length = spans[until].begin - spans[at + 1].begin + before
        if length > bar + slack:
            return None
        if spans[until].metre == spans[at].metre:
            return _Gap(until, length, before, bar)
    return None


def _join_cut_bars(spans: list[_Span], first: float, tpq: int) -> tuple[list[_Span], set[int]]:
    """The spans, bars that are cut in two made whole; and how long parts of bars are."""
    spans, parts = list(spans), set[int]()
    at = 0
    while at < len(spans):
        gap = _find_gap(spans, at, first, tpq)
        between = spans[at + 1 : gap.until] if gap else []
        if len(between) > 1:
            parts |= {span.end - span.begin for span in between}
        is_cut = len(between) > 1 or (gap is not None and gap.before > slack_ticks(tpq))
        if gap and not is_cut:  # two bars of 2/4 in 4/4 are halves, one of 6/8 in 3/4 is a bar
            is_cut = bar_ticks(between[0].metre, tpq) < gap.bar
        if gap and is_cut and abs(gap.length - gap.bar) < 1:
            spans[at : gap.until + 1] = [spans[at]._replace(end=spans[gap.until].end)]
        else:
            at += 1
    return spans, parts


def _count_pickup_spans(spans: list[_Span], begin: float, tpq: int) -> int:
    """How many spans are a pickup to the first whole bar behind them; 0 if none is."""
    for n_leading in range(1, len(spans)):
        span, metres = spans[n_leading], {span.metre for span in spans[:n_leading]}
        bar = bar_ticks(span.metre, tpq)
        if span.end - span.begin >= bar - slack_ticks(tpq):
            recurs = any(later.metre in metres for later in spans[n_leading:-1])
            is_short = 0 < span.begin - begin < bar - slack_ticks(tpq)
            return n_leading if is_short and not recurs else 0
    return 0


def _fill_bars(
    spans: list[_Span], pickups: set[int], first: float, tpq: int
) -> tuple[list[_Span], list[tuple[int, int]]]:
    """The spans, shorter bars that a pickup makes whole in the metre around them, and those."""
    spans, filled = list(spans), list[tuple[int, int]]()
    at = 0
    while at < len(spans):
        gap = _find_gap(spans, at, first, tpq)
        if gap is not None and round(gap.bar - gap.length) in pickups:
            filled.append((spans[gap.until].begin, round(gap.bar - gap.length)))
            del spans[at + 1 : gap.until]
        at += 1
    return spans, filled


def _join_last_bar(spans: list[_Span], pickups: set[int], tpq: int) -> list[_Span]:
    """The spans, a last bar that completes a pickup in the metre before it."""
    if len(spans) < 2:
        return spans
    before, last = spans[-2:]
    lacks = bar_ticks(before.metre, tpq) - bar_ticks(last.metre, tpq)
    one_bar = last.end - last.begin <= bar_ticks(last.metre, tpq) + slack_ticks(tpq)
    if one_bar and round(lacks) in pickups:
        return [*spans[:-2], before._replace(end=last.end)]
    return spans


def _end_at(short_bars: Sequence[tuple[int, int]], stretches: list[Stretch]) -> tuple[Stretch, ...]:
    """The stretches, ended at each short bar's end, where it is to be filled up."""
    if not short_bars:
        return tuple(stretches)
    ticks = sorted(tick for tick, _ in short_bars)
    found = []
    for stretch in stretches:
        begin = stretch.begin
        for tick in ticks:
            if begin < tick and (stretch.end is None or tick <= stretch.end):
                found.append(Stretch(begin, stretch.metre, tick, is_filled=True))
                begin = tick
        if begin != stretch.end:
            found.append(stretch._replace(begin=begin))
    return tuple(found)
