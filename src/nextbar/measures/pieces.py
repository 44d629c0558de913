"""What every measure is taken of: pieces, the notes in them that are heard, windows of them.

A *piece* is its notes (dtype ``NOTE``, in grid steps from its beginning) and
the number of bars that it lasts. The number of bars is not read off the notes:
a piece may end in silence, and that silence is part of what is measured.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float64, Int64, make_numpy_struct_dtype
from symusic.core import ScoreTick

from nextbar.music.bars import (
    BAR_NOTE,
    NOTE,
    BarIndex,
    BarNotes,
    Notes,
    cut_at_bar_lines,
    equal_bars,
    join_at_bar_lines,
)
from nextbar.music.grid import quantise
from nextbar.music.tunes import choose_notes, pitched_tracks

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
if TYPE_CHECKING:
    NoteArray = Notes
    BarNoteArray = BarNotes
    IndexedBars = tuple[BarNotes, BarIndex]
else:  # what tests check at every call; users pay nothing for it
    NoteArray = make_numpy_struct_dtype(NOTE, "Notes")[np.ndarray, " _"]
    BarNoteArray = make_numpy_struct_dtype(BAR_NOTE, "BarNotes")[np.ndarray, " _"]
    IndexedBars = tuple[
        make_numpy_struct_dtype(BAR_NOTE, "BarNotes")[np.ndarray, " _"], Int64[np.ndarray, " _"]
    ]

SILENT_VELOCITY: Final = 10
"""The loudest velocity (0-127) that does not count as heard.

The paper's published samples are full of notes of velocity 1-10, the near-zero
outputs of a network; nobody hears them, and the paper's figures are only met
without them.
"""


class Piece(NamedTuple):
    """Notes (dtype ``NOTE``, sorted by start and pitch), how many bars they fill, a name.

    n_given_bars: how many bars it begins with that were given, not composed.
    """

    notes: Notes
    n_bars: int
    name: str = ""
    n_given_bars: int = 0


def piece_of_score(
    score: ScoreTick, *, n_steps: int = 16, steps_per_quarter: int = 4, track: int | str = "all"
) -> Piece:
    """Any ``symusic.Score`` in ticks as a piece, to be measured; drums are left out.

    n_steps: steps in a bar, 16 for 4/4 in sixteenths. It lasts as many bars as
    its last note ends in; its bars begin at tick 0. track: see
    ``music.tunes.choose_notes``. A score without a pitched note gives an empty
    piece of no bars.
    """
    if not pitched_tracks(score):
        return Piece(np.empty(0, NOTE), 0)
    raw = choose_notes(score, track)
    notes = quantise(raw, steps_per_unit=steps_per_quarter / score.ticks_per_quarter).notes
    end = int((notes["start"] + notes["duration"]).max(initial=0))
    return Piece(notes, -(-end // n_steps))


def sum_by_piece(
    values: Float64[FloatArray, " values"] | Bool[BoolArray, " values"],
    piece: Int64[IntArray, " values"],
    n_pieces: int,
) -> Float64[FloatArray, " n_pieces"]:
    """The sum of ``values`` over each piece, (n_pieces,); ``piece`` says whose each value is."""
    return np.bincount(piece, values, minlength=n_pieces).astype(np.float64)


def sounding_notes(notes: NoteArray) -> NoteArray:
    """The notes that are heard (velocity above 10), by start; equal starts keep their order."""
    heard = notes[notes["velocity"] > SILENT_VELOCITY]
    return heard[np.argsort(heard["start"], kind="stable")]


def pitches_at_once(notes: NoteArray) -> Int64[IntArray, " steps"]:
    """How many pitches sound in each step in which any does, (steps,); unisons count once."""
    duration = notes["duration"].astype(np.int64)
    along = np.arange(int(duration.sum())) - np.repeat(np.cumsum(duration) - duration, duration)
    step = np.repeat(notes["start"].astype(np.int64), duration) + along
    cells = np.unique(step * 128 + np.repeat(notes["pitch"], duration))
    return np.unique(cells // 128, return_counts=True)[1].astype(np.int64)


def bars_of_pieces(pieces: Sequence[Piece], *, n_steps: int) -> IndexedBars:
    """Bar notes and index of all pieces, laid end to end.

    n_steps: steps in a bar, 1-255. Bars are numbered on from piece to piece.
    What a piece holds beyond its last bar is cut off.
    """
    laid = [np.empty(0, NOTE)]
    n_bars = 0
    for piece in pieces:
        end = piece.n_bars * n_steps
        notes = piece.notes[piece.notes["start"] < end].copy()
        notes["duration"] = np.minimum(notes["duration"], end - notes["start"])
        notes["start"] += n_bars * n_steps
        laid.append(notes)
        n_bars += piece.n_bars
    return cut_at_bar_lines(np.concatenate(laid), equal_bars(n_bars, n_steps))


def reference_windows(pieces: Sequence[Piece], *, n_bars: int, n_steps: int) -> list[Piece]:
    """Windows of ``n_bars`` bars, end to end from each piece's first bar on.

    The bars left over at a piece's end, and pieces shorter than a window, give
    none. A note held into a window becomes a note at its beginning, as it would
    if the window's bars were played alone; a note held out of it ends with it.
    Windows without a note are kept: real music rests too.
    """
    windows = []
    for piece in pieces:
        if piece.n_bars == n_bars:
            windows.append(piece._replace(n_given_bars=0))
            continue
        bar_notes, index = bars_of_pieces([piece], n_steps=n_steps)
        for first in range(0, piece.n_bars - n_bars + 1, n_bars):
            window = index[first : first + n_bars + 1]
            notes = join_at_bar_lines(bar_notes, window, equal_bars(n_bars, n_steps))
            windows.append(Piece(notes, n_bars, f"{piece.name} from bar {first + 1}".strip()))
    return windows
