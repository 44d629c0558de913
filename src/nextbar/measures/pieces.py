"""What every measure is taken of: pieces, the notes in them that are heard, windows of them.

A *piece* is its notes (dtype ``NOTE``, in grid steps from its beginning) and
the number of bars that it lasts. The number of bars is not read off the notes:
a piece may end in silence, and that silence is part of what is measured.

Its bars may be of several metres. A piece then says the metre of each bar and
where each begins. One that says neither has even bars, of as many steps as the
measures are told (``n_steps``).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64, make_numpy_struct_dtype
from symusic.core import ScoreTick

from nextbar.errors import UsageError
from nextbar.music.bars import (
    BAR_NOTE,
    NOTE,
    Array,
    BarIndex,
    BarNotes,
    BarStarts,
    Notes,
    cut_at_bar_lines,
    equal_bars,
    join_at_bar_lines,
)
from nextbar.music.corpus import Corpus
from nextbar.music.grid import quantise, semitones_to_c, transpose
from nextbar.music.kind import BarKind
from nextbar.music.metre import codes_of
from nextbar.music.tunes import Metre, choose_notes, pitched_tracks

FloatArray = Array[np.float64]
BoolArray = Array[np.bool_]
IntArray = Array[np.int64]
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
    metres: of each bar, in its normal form (``music.metre``); () where they are
    not known. starts: where the bars begin, (bars + 1,) steps from 0; None of
    even bars. A piece that says the one says the other. What they hold beyond
    ``n_bars`` is not looked at.
    """

    notes: Notes
    n_bars: int
    name: str = ""
    n_given_bars: int = 0
    metres: tuple[Metre, ...] = ()
    starts: BarStarts | None = None


def starts_of(piece: Piece, *, n_steps: int) -> Int64[IntArray, " edges"]:
    """Where the piece's bars begin, and where the last one ends: (bars + 1,) steps.

    n_steps: of a bar, where the piece does not say where its bars begin.
    """
    if piece.starts is None:
        return equal_bars(piece.n_bars, n_steps)
    return piece.starts[: piece.n_bars + 1]


def widest_bar(pieces: Sequence[Piece], *, n_steps: int) -> int:
    """How many steps the longest bar of all pieces has; ``n_steps`` where there is none."""
    bars = [np.diff(starts_of(piece, n_steps=n_steps)) for piece in pieces]
    return max((int(each.max()) for each in bars if len(each)), default=n_steps)


def bar_of_notes(notes: NoteArray, starts: Int64[IntArray, " edges"]) -> Int64[IntArray, " notes"]:
    """The bar in which each note begins; ``len(starts) - 1`` of what begins behind the last."""
    return np.searchsorted(starts, notes["start"], side="right") - 1


def metres_of_bars(pieces: Sequence[Piece]) -> Int64[IntArray, " bars"]:
    """The metre of each bar of all pieces, laid end to end, as a number; 0 where none is said.

    Equal numbers are equal metres (``music.metre.codes_of``). UsageError where some of
    the pieces say their metres and others do not.
    """
    pieces = [piece for piece in pieces if piece.n_bars]
    if any(piece.metres for piece in pieces) and not all(piece.metres for piece in pieces):
        raise UsageError(
            "some pieces say the metre of each bar and others do not; give metres to all or to none"
        )
    numbers = [
        codes_of(piece.metres[: piece.n_bars]) if piece.metres else np.zeros(piece.n_bars, np.int64)
        for piece in pieces
    ]
    return np.concatenate([np.zeros(0, np.int64), *numbers])


def metres_alike(*sets: Sequence[Piece]) -> list[list[Piece]]:
    """The sets with their metres, or all without where one of them, not empty, says none."""
    if all(any(piece.metres for piece in pieces) for pieces in sets if pieces):
        return [list(pieces) for pieces in sets]
    return [[piece._replace(metres=()) for piece in pieces] for pieces in sets]


def first_bars(piece: Piece, n_bars: int, *, n_steps: int) -> Piece:
    """The piece's first ``n_bars`` bars; one that has fewer goes on in silence, in its last metre.

    A note that is held beyond them stays as long as it is.
    """
    starts, metres = piece.starts, piece.metres
    if starts is not None:
        lacking = n_bars + 1 - len(starts)
        width = starts[-1] - starts[-2]
        starts = np.concatenate([starts, starts[-1] + width * np.arange(1, lacking + 1)])
        starts = starts[: n_bars + 1]
        metres = (metres + metres[-1:] * lacking)[:n_bars]
    cut = piece._replace(n_bars=n_bars, metres=metres, starts=starts)
    end = starts_of(cut, n_steps=n_steps)[-1]
    return cut._replace(notes=piece.notes[piece.notes["start"] < end])


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


def chords_at_onsets(notes: NoteArray) -> Bool[BoolArray, "onsets pitches"]:
    """What sounds at each step at which a heard note begins, (onsets, 128)."""
    heard = sounding_notes(notes)
    onsets, row = np.unique(heard["start"], return_inverse=True)
    sounds = np.zeros((len(onsets), 128), bool)
    # A note sounds from the row of its own onset up to the first that is not before its end.
    n_rows = np.searchsorted(onsets, heard["start"].astype(np.int64) + heard["duration"]) - row
    along = np.arange(int(n_rows.sum())) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    sounds[np.repeat(row, n_rows) + along, np.repeat(heard["pitch"], n_rows)] = True
    return sounds


def bars_of_pieces(pieces: Sequence[Piece], *, n_steps: int) -> IndexedBars:
    """Bar notes and index of all pieces, laid end to end.

    n_steps: steps in a bar, 1-255, of pieces that do not say where theirs
    begin. Bars are numbered on from piece to piece. What a piece holds beyond
    its last bar is cut off.
    """
    laid, lines = [np.empty(0, NOTE)], [np.zeros(1, np.int64)]
    for piece in pieces:
        before, starts = lines[-1][-1], starts_of(piece, n_steps=n_steps)
        notes = piece.notes[piece.notes["start"] < starts[-1]].copy()
        notes["duration"] = np.minimum(notes["duration"], starts[-1] - notes["start"])
        notes["start"] += before
        laid.append(notes)
        if piece.n_bars:
            lines.append(before + starts[1:])
    return cut_at_bar_lines(np.concatenate(laid), np.concatenate(lines))


def reference_windows(pieces: Sequence[Piece], *, n_bars: int, n_steps: int) -> list[Piece]:
    """Windows of ``n_bars`` bars, end to end from each piece's first bar on.

    The bars left over at a piece's end, and pieces shorter than a window, give
    none. A note held into a window becomes a note at its beginning, as it would
    if the window's bars were played alone; a note held out of it ends with it.
    Windows without a note are kept: real music rests too; so are those in which
    the metre changes.
    """
    windows = []
    for piece in pieces:
        if piece.n_bars == n_bars:
            windows.append(piece._replace(n_given_bars=0))
            continue
        bar_notes, index = bars_of_pieces([piece], n_steps=n_steps)
        lines = starts_of(piece, n_steps=n_steps)
        for first in range(0, piece.n_bars - n_bars + 1, n_bars):
            edges, last = slice(first, first + n_bars + 1), first + n_bars
            starts = lines[edges] - lines[first]
            windows.append(
                Piece(
                    join_at_bar_lines(bar_notes, index[edges], starts),
                    n_bars,
                    f"{piece.name} from bar {first + 1}".strip(),
                    metres=piece.metres[first:last],
                    starts=None if piece.starts is None else starts,
                )
            )
    return windows


def in_c(piece: Piece) -> Piece:
    """The piece in C major or A minor, by the scale that it fits best."""
    semitones = semitones_to_c(piece.notes)
    return piece._replace(notes=transpose(piece.notes, semitones)) if semitones else piece


def in_metres(piece: Piece, metres: Sequence[Metre], kind: BarKind) -> Piece:
    """The piece with the metre of each bar; bars of the seconds grid have none."""
    if kind.grid == "seconds":
        return piece
    return piece._replace(metres=tuple(metres), starts=kind.starts_of(metres))


def pieces_of_corpus(corpus: Corpus, part: Any, kind: BarKind | None = None) -> list[Piece]:
    """The whole pieces of a part of a corpus ("training", "held_out"), to be measured.

    kind: says whether they are wanted in one key or in their own; as the corpus
    has them, if not given.
    """
    pieces = []
    for number in corpus.pieces(part):
        bars = corpus.bars_of(number)
        notes = corpus.notes(bars.start, bars.stop)
        piece = Piece(notes, len(bars), corpus.piece_name(number))
        if kind is not None and kind.common_key and not corpus.kind.common_key:
            piece = in_c(piece)
        elif kind is not None and corpus.kind.common_key and not kind.common_key:
            moved = int(corpus.describe(number).get("transposed", 0))
            piece = piece._replace(notes=transpose(notes, -moved))
        pieces.append(in_metres(piece, corpus.metres_of(bars), corpus.kind))
    return pieces
