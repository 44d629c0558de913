"""What a metre is: its forms, as text and number, and the steps of its bars; a tune's tempo."""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nextbar.errors import UsageError
from nextbar.music.tunes import Metre, Tune

MOST_STEPS: Final = 255
"""Of a bar: a corpus keeps where a note begins in it in one byte."""

MetreCodes = npt.NDArray[np.uint16]
"""(bars,): the metre of each bar as one number, 256 * numerator + denominator."""


def code_of(metre: Metre) -> int:
    """The metre as one number, as in ``MetreCodes``."""
    return 256 * metre[0] + metre[1]


def metre_of(code: int) -> Metre:
    """The metre of a number."""
    return code >> 8, code & 255


def codes_of(metres: Sequence[Metre]) -> MetreCodes:
    """The metres as numbers."""
    return np.array([code_of(metre) for metre in metres], np.uint16)


def steps_of(codes: MetreCodes, steps_per_quarter: int) -> npt.NDArray[np.int64]:
    """How many steps bars of these metres have."""
    wide = codes.astype(np.int64)
    return 4 * (wide >> 8) * steps_per_quarter // (wide & 255)


def normal_metre(metre: Metre) -> Metre:
    """The form by which metres of equal bars and equal kind are one: (2, 2) -> (4, 4)."""
    numerator, denominator = metre
    is_compound = numerator > 3 and numerator % 3 == 0
    if denominator == 0 or is_compound or (4 * numerator) % denominator:
        return metre
    quarters = 4 * numerator // denominator
    would_be_compound = quarters > 3 and quarters % 3 == 0
    return metre if would_be_compound else (quarters, 4)


def read_metre(text: str) -> Metre:
    """(6, 8) from ``6/8``, as it is written; UsageError for what is no metre."""
    match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(1|2|4|8|16|32)\s*", text)
    if not match or int(match[1]) == 0:
        raise UsageError(f"{text!r} is no metre; write it as 4/4, 3/4 or 6/8")
    return int(match[1]), int(match[2])


def parse_metre(text: str) -> Metre:
    """(6, 8) from ``6/8``, in its normal form; UsageError for what is no metre."""
    return normal_metre(read_metre(text))


def show_metre(metre: Metre) -> str:
    """``6/8`` from (6, 8)."""
    return f"{metre[0]}/{metre[1]}"


def show_changes(metres: Sequence[Metre]) -> list[tuple[int, str]]:
    """Where a metre begins that the bar before has not: the bar, from 1, and the metre."""
    pairs = zip([None, *metres[:-1]], metres, strict=True) if metres else ()
    return [(nth, show_metre(now)) for nth, (last, now) in enumerate(pairs, 1) if now != last]


def read_changes(changes: Sequence[Sequence[Any]], n_bars: int) -> tuple[Metre, ...]:
    """The metre of each of ``n_bars`` bars from what :func:`show_changes` gave."""
    begins = [int(bar) - 1 for bar, _ in changes]
    lengths = np.diff([*begins, n_bars])
    metres = [read_metre(text) for _, text in changes]
    return tuple(m for m, length in zip(metres, lengths, strict=True) for _ in range(length))


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
    if rest or not 1 <= steps <= MOST_STEPS:
        n, d = metre
        raise UsageError(
            f"a bar of {n}/{d} has {4 * n * steps_per_quarter / d:g} steps at {steps_per_quarter}"
            f" steps a quarter; a whole number from 1 to {MOST_STEPS} is needed; choose other steps"
        )
    return steps
