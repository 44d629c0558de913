"""Notes on a grid <-> bars.

Three forms, each a plain NumPy array, and the functions between them:

- *notes* of a piece: a structured array of dtype ``NOTE``; start and duration
  count grid steps from the piece's beginning. Where its bars begin is told by
  *bar starts*, for bars may be of several metres.
- *bar notes*: the same cut at the bar lines, dtype ``BAR_NOTE``, with an index
  of where each bar begins. This is how a corpus is kept on disk: 5 bytes a
  note, repeated notes stay apart, and a note held over a bar line is marked
  as tied, so that nothing is lost on the way back.
- *rolls*: (bars, channels, pitches, steps) uint8, what the networks see; a bar
  that is shorter than the others' steps is empty beyond its end.
  Channel 0 is the velocity 0-127 of whatever sounds in a cell (the paper's
  only channel); channel 1, where asked for, is 127 at each onset.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

LOWEST_PITCH: Final = 21
"""A0, the lowest key of a piano: row 0 of a roll."""
N_PITCHES: Final = 88
"""The keys of a piano: A0 (21) to C8 (108)."""

FULL_VELOCITY: Final = 127
"""The loudest a MIDI note can be; 1.0 of a network's intensity."""

NOTE: Final = np.dtype([("start", "<i4"), ("duration", "<i4"), ("pitch", "u1"), ("velocity", "u1")])
BAR_NOTE: Final = np.dtype(
    [("start", "u1"), ("duration", "u1"), ("pitch", "u1"), ("velocity", "u1"), ("tied", "?")]
)

Element = TypeVar("Element", bound=np.generic)
Array = np.ndarray[tuple[Any, ...], np.dtype[Element]]
"""As ``npt.NDArray``; that is no class since NumPy 2.5, as jaxtyping's ``Int64[...]`` needs one."""
Notes = npt.NDArray[np.void]
"""A structured array of dtype ``NOTE``, sorted by (start, pitch)."""
BarNotes = npt.NDArray[np.void]
"""A structured array of dtype ``BAR_NOTE``, sorted by (bar, start, pitch)."""
Rolls = npt.NDArray[np.uint8]
"""(bars, channels, pitches, steps), velocities 0-127."""
BarIndex = Array[np.int64]
"""(bars + 1,): bar b's notes are rows ``index[b]`` to ``index[b + 1]``."""
BarStarts = Array[np.int64]
"""(bars + 1,): bar b lasts from step ``starts[b]`` to step ``starts[b + 1]``, 1-255 steps."""


def bar_starts(widths: npt.ArrayLike) -> BarStarts:
    """Where bars of these many steps begin that follow each other from step 0. widths: (bars,)."""
    return np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)


def equal_bars(n_bars: int, n_steps: int) -> BarStarts:
    """Where bars begin that all have ``n_steps`` steps."""
    return np.arange(n_bars + 1, dtype=np.int64) * n_steps


def join_notes(parts: Sequence[Notes]) -> Notes:
    """The notes of all parts behind each other."""
    # As bytes: NumPy joins records field by field, which takes ten times as long.
    return np.concatenate([part.view(f"V{NOTE.itemsize}") for part in parts]).view(NOTE)


def sort_notes(notes: Notes) -> Notes:
    """The same notes by start, then pitch; the order of equal ones is kept."""
    return notes[np.lexsort((notes["pitch"], notes["start"]))]


def cut_at_bar_lines(notes: Notes, starts: BarStarts) -> tuple[BarNotes, BarIndex]:
    """Bar notes and their index; a note that crosses bar lines gives one row in each bar.

    notes: dtype ``NOTE``. starts: of the bars; what lies beyond the last is cut
    off. Rows after the first of a note are ``tied``. Inverse:
    :func:`join_at_bar_lines`.
    """
    n_bars = len(starts) - 1
    begin = notes["start"].astype(np.int64)
    end = np.minimum(begin + notes["duration"], starts[-1])
    first = np.searchsorted(starts, begin, side="right") - 1
    last = np.searchsorted(starts, end, side="left") - 1
    counts = np.maximum(last - first + 1, 0)  # what begins beyond the last bar gives no row
    source = np.repeat(np.arange(len(notes)), counts)
    nth = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    bar = first[source] + nth
    line = starts[bar]
    start = np.maximum(begin[source], line) - line
    stop = np.minimum(end[source], starts[bar + 1]) - line
    # One number to compare is several times quicker than three; it is in order but for chords.
    order = np.argsort((bar * 256 + start) * 128 + notes["pitch"][source], kind="stable")
    source, start = source[order], start[order]
    rows = np.empty(len(order), BAR_NOTE)
    rows["start"], rows["duration"] = start, stop[order] - start
    rows["pitch"], rows["velocity"] = notes["pitch"][source], notes["velocity"][source]
    rows["tied"] = nth[order] > 0
    index = np.searchsorted(bar[order], np.arange(n_bars + 1)).astype(np.int64)
    return rows, index


def join_at_bar_lines(bar_notes: BarNotes, index: BarIndex, starts: BarStarts) -> Notes:
    """Notes of the bars, tied rows joined to the note that they continue.

    index, starts: of the bars that are wanted; steps count from the first of them.
    A tied row whose beginning is not among the bars (a window that starts in
    the middle of a piece) becomes a note of its own.
    """
    n_bars = len(index) - 1
    bar = np.repeat(np.arange(n_bars), np.diff(index))
    rows = bar_notes[index[0] : index[-1]]
    notes = np.empty(len(rows), NOTE)
    notes["start"] = (starts[:-1] - starts[0])[bar] + rows["start"]
    notes["duration"] = rows["duration"]
    notes["pitch"], notes["velocity"] = rows["pitch"], rows["velocity"]
    # In the order of pitch, then time, a tied row stands right behind the row it continues.
    order = np.lexsort((notes["velocity"], notes["start"], notes["pitch"]))
    notes, tied = notes[order], rows["tied"][order]
    ends = notes["start"] + notes["duration"]
    follows = np.zeros(len(notes), bool)
    follows[1:] = (
        tied[1:] & (notes["pitch"][1:] == notes["pitch"][:-1]) & (ends[:-1] == notes["start"][1:])
    )
    begins = np.flatnonzero(~follows)
    if len(begins):
        notes["duration"][begins] = np.add.reduceat(notes["duration"], begins)
    return sort_notes(notes[begins])


def draw_rolls(
    bar_notes: BarNotes,
    index: BarIndex,
    bars: npt.NDArray[np.integer],
    *,
    n_steps: int,
    onsets: bool,
) -> Rolls:
    """Rolls of the chosen bars, (len(bars), 1 or 2, 88, n_steps) uint8, velocities 0-127.

    bars: which bars, in any order, repeats allowed. n_steps: of the longest
    bar there may be. onsets: add channel 1.
    Pitches outside A0-C8 must not occur in ``bar_notes``. Where notes of one
    pitch overlap, the later one's velocity stands.
    """
    first, last = index[bars], index[bars + 1]
    counts = last - first
    n_rows = int(counts.sum())
    within = np.arange(n_rows) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = bar_notes[np.repeat(first, counts) + within]
    n_channels = 2 if onsets else 1
    rolls = np.zeros((len(bars), n_channels, N_PITCHES, n_steps), np.uint8)
    pitch = rows["pitch"].astype(np.int64) - LOWEST_PITCH
    lane = (np.repeat(np.arange(len(bars)), counts) * n_channels * N_PITCHES + pitch) * n_steps
    cell = lane + rows["start"]  # flat address of each row's first cell, channel 0
    duration = rows["duration"].astype(np.int64)
    along = np.arange(int(duration.sum())) - np.repeat(np.cumsum(duration) - duration, duration)
    flat = rolls.reshape(-1)
    flat[np.repeat(cell, duration) + along] = np.repeat(rows["velocity"], duration)
    if onsets:
        begins = ~rows["tied"]
        flat[cell[begins] + N_PITCHES * n_steps] = FULL_VELOCITY
    return rolls


def read_rolls(rolls: Rolls, starts: BarStarts | None = None) -> tuple[BarNotes, BarIndex]:
    """Bar notes and their index from consecutive rolls: the way back from what a network drew.

    rolls: (bars, 1 or 2, 88, steps) uint8; a cell of 0 is silent (thresholding
    comes before). starts: of the bars, where not all have all steps of their
    roll; what lies beyond a bar's end is not looked at. With one channel a run
    of sounding cells is one note, over bar lines too: repeated notes merge,
    which one channel cannot tell apart. With two, a note also begins wherever
    channel 1 is not 0. A note's velocity is that of its first cell.
    """
    n_bars, n_channels, _, n_steps = rolls.shape
    starts = equal_bars(n_bars, n_steps) if starts is None else starts
    lanes = rolls.transpose(1, 2, 0, 3)  # (channels, 88, bars, steps)
    is_there = np.arange(n_steps) < np.diff(starts)[:, None]  # (bars, steps)
    cells = lanes[:, :, is_there]  # (channels, 88, steps of all bars)
    velocity = cells[0]
    sounds = velocity > 0
    before = np.zeros_like(sounds)
    before[:, 1:] = sounds[:, :-1]
    onset = sounds & ~before
    if n_channels > 1:
        onset |= sounds & (cells[1] > 0)
    # A note ends where the next cell is silent or an onset.
    end = sounds.copy()
    end[:, :-1] &= ~sounds[:, 1:] | onset[:, 1:]
    pitch, start = np.nonzero(onset)
    _, stop = np.nonzero(end)  # row by row, the k-th onset belongs to the k-th end
    notes = np.empty(len(start), NOTE)
    notes["start"], notes["duration"] = start, stop + 1 - start
    notes["pitch"], notes["velocity"] = pitch + LOWEST_PITCH, velocity[pitch, start]
    return cut_at_bar_lines(sort_notes(notes), starts - starts[0])
