"""Copying: whether bars are taken from the training data.

Meaning
    The share of composed bars that equal some bar of the training set, as they
    stand or up to transposition. Real tunes borrow too: a third of the bars of
    unseen folk tunes occur in others, so compare with real music, not with 0.

Conventions
    A bar is its set of (start, duration, pitch) within its bar lines. Velocity
    is left out, or one step of loudness would hide a copy; so are notes of
    velocity 10 or less, which are not heard, and doubled notes. Whether a
    note is tied from the bar before is left out as well: that is a fact about
    the bar before, and what sounds is the same. Bars in which nothing sounds
    are not counted. Bars are compared whole and exactly, with no near misses.

Units
    Percent, 0-100. High is copying. No bar that sounds gives NaN.
"""

from typing import NamedTuple

import numpy as np

from nextbar.measures.pieces import SILENT_VELOCITY, BoolArray
from nextbar.music.bars import BarIndex, BarNotes


class Copies(NamedTuple):
    """Of each bar, whether it is in the training set, and whether it is silent."""

    is_copy: BoolArray
    """(bars,): False where nothing sounds."""
    is_silent: BoolArray
    """(bars,)"""


def copied_bars(
    bars: tuple[BarNotes, BarIndex],
    training: tuple[BarNotes, BarIndex],
    *,
    any_key: bool = False,
) -> float:
    """Percent of the bars that sound and equal a training bar, 0-100; none gives NaN.

    bars, training: bar notes (dtype ``BAR_NOTE``) and index. any_key: count a
    bar that equals a training bar after transposition, octaves included.
    """
    copies = find_copies(bars, training, any_key=any_key)
    n_sounding = int(np.count_nonzero(~copies.is_silent))
    return 100 * int(copies.is_copy.sum()) / n_sounding if n_sounding else float("nan")


def find_copies(
    bars: tuple[BarNotes, BarIndex],
    training: tuple[BarNotes, BarIndex],
    *,
    any_key: bool = False,
) -> Copies:
    """Which bars equal some training bar, and which are silent."""
    known = set(bar_contents(*training, any_key=any_key))
    contents = bar_contents(*bars, any_key=any_key)
    return Copies(
        is_copy=np.array([bool(content) and content in known for content in contents], bool),
        is_silent=np.array([not content for content in contents], bool),
    )


def bar_contents(bar_notes: BarNotes, index: BarIndex, *, any_key: bool = False) -> list[bytes]:
    """Each bar's set of (start, duration, pitch) as bytes: equal bytes, equal bars.

    A silent bar gives no bytes. any_key: pitches count from the bar's lowest.
    """
    n_bars = len(index) - 1
    rows = bar_notes[index[0] : index[-1]]
    heard = rows["velocity"] > SILENT_VELOCITY
    rows, bar = rows[heard], np.repeat(np.arange(n_bars), np.diff(index))[heard]
    pitch = rows["pitch"].astype(np.int64)
    if any_key and len(rows):
        lowest = np.full(n_bars, 255)
        np.minimum.at(lowest, bar, pitch)
        pitch = pitch - lowest[bar]
    packed = bar << 24 | rows["start"].astype(np.int64) << 16 | pitch << 8 | rows["duration"]
    packed = np.unique(packed)  # sorted, doubled notes once
    content = (packed & 0xFFFFFF).astype("<u4").tobytes()
    ends = 4 * np.searchsorted(packed >> 24, np.arange(n_bars + 1))
    return [content[a:b] for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
