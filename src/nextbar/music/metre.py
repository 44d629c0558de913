"""Which metre a tune has, where its bar lines are, and its tempo."""

import re
from typing import NamedTuple

from nextbar.errors import UsageError
from nextbar.music.refusals import refuse
from nextbar.music.tunes import Metre, Tune


class BarLines(NamedTuple):
    """The metre of a tune, and where its bar lines are.

    first: the tick of one of them; the others stand whole bars apart, but for
    short_bars, (tick, ticks): bars that end at the tick and lack so much.
    """

    metre: Metre
    first: float = 0
    short_bars: tuple[tuple[int, int], ...] = ()


class _Span(NamedTuple):
    """A stretch of a tune under one metre, in ticks."""

    begin: int
    end: int
    metre: Metre


def find_metre(tune: Tune) -> Metre:
    """The one metre of a tune; see :func:`find_bar_lines`."""
    return find_bar_lines(tune).metre


def find_bar_lines(tune: Tune) -> BarLines:
    """The one metre of a tune and its bar lines: 4/4 from tick 0 where nothing is stated.

    Simple metres of equal bars count as one, written in quarters where that
    can be: 2/2 and 4/4 are (4, 4), 4/8 is (2, 4). Compound ones stay apart:
    6/8 is not 3/4. No change are: what is stated where nothing sounds yet; a
    signature that another overrides at nearly the same tick; a pickup, that is
    less than a bar in another metre before the first note of the main one; a
    bar that is cut in two, as where a repeat stands within it; a shorter bar
    that a pickup would make whole, which is to be filled up; and less than a
    bar at the end. Raises MusicFileError with the reason "changes metre" or
    "unusable metre".
    """
    tpq = tune.score.ticks_per_quarter
    first = tune.pickup_quarters * tpq
    stated = tune.score.time_signatures
    if len(stated) == 0:
        return BarLines((4, 4), first, tune.short_bars)
    if len(stated) == 1 and stated[0].time <= 0:
        metre = (int(stated[0].numerator), int(stated[0].denominator))
        return BarLines(_usable(metre, tune), first, tune.short_bars)
    spans = _metre_spans(tune)
    metres = list(dict.fromkeys(span.metre for span in spans))
    lengths = {m: sum(s.end - s.begin for s in spans if s.metre == m) for m in metres}
    main = max(metres, key=lambda metre: lengths[metre])
    begin = spans[0].begin or first
    if len(metres) == 1:
        return BarLines(main, begin, tune.short_bars)
    bar = 4 * main[0] * tpq / main[1]
    found = _short_bars(spans, main, bar, begin=max(begin, tune.first_tick), pickup=first)
    if found is None:
        shown = ", ".join(map(show_metre, metres[:4]))
        raise refuse(tune.name, "changes metre", f"it changes metre ({shown}); one is needed")
    begin = next(span.begin for span in spans if span.metre == main) or first
    return BarLines(main, begin, (*tune.short_bars, *found))


def _usable(metre: Metre, tune: Tune) -> Metre:
    if 0 in metre:
        raise refuse(tune.name, "unusable metre", "its time signature has a zero")
    return normal_metre(metre)


def _metre_spans(tune: Tune) -> list[_Span]:
    """The stretches of the tune under one metre, but those that are over before its first note."""
    shortest = tune.score.ticks_per_quarter / 8
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


def _short_bars(
    spans: list[_Span], main: Metre, bar: float, *, begin: float, pickup: float
) -> list[tuple[int, int]] | None:
    """The bars that are to be filled up; None if the tune changes metre.

    bar: how long one of the main metre is. begin: of what sounds before the
    main metre begins. pickup: that of the tune, if it has no metre of its own.
    """
    is_main = [span.metre == main for span in spans]
    first, last = is_main.index(True), len(spans) - 1 - is_main[::-1].index(True)
    if first and spans[first].begin - begin >= bar:
        return None
    if last + 1 < len(spans) and spans[-1].end - spans[last].end > bar:
        return None
    # What a short bar lacks has to be in the tune: as its pickup, or as the other part of a bar.
    pickups = {round(pickup)} if pickup else set()
    if first:
        pickups.add(spans[first].begin - spans[0].begin)
    stretches = []
    for at in range(first, last):
        if spans[at].metre == main and spans[at + 1].metre != main:
            until = next(i for i in range(at + 1, last + 1) if spans[i].metre == main)
            stretches.append((spans[until].begin, spans[until].begin - spans[at].end))
            if until - at > 2:
                pickups |= {span.end - span.begin for span in spans[at + 1 : until]}
    if any(
        length > bar or (bar - length and bar - length not in pickups) for _, length in stretches
    ):
        return None
    return [(tick, round(bar - length)) for tick, length in stretches if length < bar]


def normal_metre(metre: Metre) -> Metre:
    """The form by which metres of equal bars and equal kind are one: (2, 2) -> (4, 4)."""
    numerator, denominator = metre
    is_compound = numerator > 3 and numerator % 3 == 0
    if denominator == 0 or is_compound or (4 * numerator) % denominator:
        return metre
    quarters = 4 * numerator // denominator
    would_be_compound = quarters > 3 and quarters % 3 == 0
    return metre if would_be_compound else (quarters, 4)


def parse_metre(text: str) -> Metre:
    """(6, 8) from ``6/8``, in its normal form; UsageError for what is no metre."""
    match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(1|2|4|8|16|32)\s*", text)
    if not match or int(match[1]) == 0:
        raise UsageError(f"{text!r} is no metre; write it as 4/4, 3/4 or 6/8")
    return normal_metre((int(match[1]), int(match[2])))


def show_metre(metre: Metre) -> str:
    """``6/8`` from (6, 8)."""
    return f"{metre[0]}/{metre[1]}"


def find_tempo(tune: Tune) -> float:
    """Quarters a minute at the tune's first note; 120.0 where none, or none usable, is stated.

    Of a tune that was set to its beats it is the middle tempo: its first beat says little.
    """
    if tune.beats is not None:
        return tune.beats.tempo
    stated = sorted(tune.score.tempos, key=lambda tempo: tempo.time)
    usable = [(t.time, t.mspq) for t in stated if 60_000 <= t.mspq <= 6_000_000]
    if len(usable) == 1 and usable[0][0] <= 0:
        return 60_000_000 / usable[0][1]
    governing = [mspq for time, mspq in usable if time <= tune.first_tick]
    return 60_000_000 / governing[-1] if governing else 120.0


def bar_steps(metre: Metre, steps_per_quarter: int) -> int:
    """Steps in a bar: 16 for 4/4 at 4 steps a quarter; UsageError if that is no whole number."""
    steps, rest = divmod(4 * metre[0] * steps_per_quarter, metre[1])
    if rest or not 1 <= steps <= 255:
        n, d = metre
        raise UsageError(
            f"a bar of {n}/{d} has {4 * n * steps_per_quarter / d:g} steps at {steps_per_quarter}"
            " steps a quarter; a whole number from 1 to 255 is needed; choose other steps"
        )
    return steps
