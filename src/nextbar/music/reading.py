"""One music file -> its pieces as notes on the grid, or why it gives none.

Nothing here looks at more than one file, so that files can be read in any
order and anywhere.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from nextbar.errors import MusicFileError, UsageError
from nextbar.music.grid import (
    GridNotes,
    OffGrid,
    Shape,
    bar_steps,
    find_metre,
    find_shapes,
    find_tempo,
    lay_metre_grid,
    lay_seconds_grid,
    not_empty,
    parse_metre,
    quantise_all,
    show_metre,
    transpose,
)
from nextbar.music.kind import BarKind
from nextbar.music.midi import Metre, Tune, parse_tunes, read_bytes, refuse
from nextbar.music.options import CorpusOptions

STEPS_PER_SECOND: Final = 8.0
"""The paper's grid: 2 s bars of 16 steps."""
SECONDS_BAR_STEPS: Final = 16
SCALES: Final = (
    "C/Am", "Db/Bbm", "D/Bm", "Eb/Cm", "E/C#m", "F/Dm", "F#/D#m", "G/Em", "Ab/Fm", "A/F#m",
    "Bb/Gm", "B/G#m",
)  # fmt: skip
"""The twelve scales, each by its major and its minor key, as key signatures are usually written."""


def options_of_kind(kind: BarKind, *, track: int | str = "all") -> CorpusOptions:
    """How a file is read to stand beside bars of this kind; a common key is not its matter."""
    in_seconds = kind.grid == "seconds"
    return CorpusOptions(
        grid="seconds" if in_seconds else "metre",
        metre="auto" if in_seconds else show_metre(kind.metre),
        track=track,
        common_key=False,
        steps_per_quarter=kind.steps_per_quarter,
        min_bars=1,
    )


@dataclass(frozen=True)
class Piece:
    """One tune as notes on the grid; ``metre`` is None on the seconds grid.

    n_bars: up to the end of the last note, the last one padded.
    transposed: by how many semitones, to come to the common key. scale: the
    semitones by which it would come there. pitches: the lowest and the highest.
    """

    name: str
    metre: Metre | None
    tempo: float
    n_steps: int
    n_bars: int
    grid: GridNotes
    transposed: int
    scale: int
    pitches: tuple[int, int]


@dataclass(frozen=True)
class Refusal:
    """A file, or a tune of one, that was refused, and why: countable, and as a sentence.

    metre: of a tune that only another metre keeps out.
    """

    file: str
    reason: str
    message: str
    metre: str | None = None


@dataclass(frozen=True)
class FileResult:
    """What one file gave. n_bytes, sha256: of its content; 0 and "" where it has none to read."""

    file: str
    sha256: str
    n_bytes: int = 0
    pieces: list[Piece] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def read_pieces(path: Path, *, name: str, options: CorpusOptions) -> FileResult:
    """The pieces of one file, or why it gives none. Depends on the file and the options only."""
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    try:
        data = read_bytes(path, name=shown)
    except MusicFileError as error:
        return FileResult(shown, "", refusals=[refusal_of(error)])
    return pieces_from_bytes(data, name=shown, options=options)


def pieces_from_bytes(data: bytes, *, name: str, options: CorpusOptions) -> FileResult:
    """As :func:`read_pieces`, from a file's bytes."""
    return finish([parse_file(data, name=name, options=options)], options)[0]


def read_piece(path: Path, kind: BarKind, *, track: int | str = "all") -> Piece:
    """The first tune of a file on the kind's grid. Raises UsageError or MusicFileError."""
    if not path.is_file():
        raise UsageError(
            f"{path}: there is no such file; give a MIDI or ABC file, held-out, training or noise"
        )
    result = read_pieces(path, name=path.name, options=options_of_kind(kind, track=track))
    if not result.pieces:
        refusal = result.refusals[0]
        raise MusicFileError(refusal.message, name=path.name, reason=refusal.reason)
    return result.pieces[0]


class ParsedTune(NamedTuple):
    """A tune whose notes are chosen, but not on the grid yet."""

    tune: Tune
    metre: Metre | None
    n_steps: int
    laid: OffGrid


class ParsedFile(NamedTuple):
    """What one file gave before its notes were put on the grid."""

    result: FileResult
    tunes: list[ParsedTune]


def parse_file(data: bytes, *, name: str, options: CorpusOptions) -> ParsedFile:
    """The tunes in a file's bytes, and refusals of what is none."""
    tunes, errors = parse_tunes(data, name=name)
    result = FileResult(name, hashlib.sha256(data).hexdigest(), len(data))
    result.refusals.extend(map(refusal_of, errors))
    parsed = []
    for tune in tunes:
        try:
            parsed.append(_parse_tune(tune, options))
        except MusicFileError as error:
            result.refusals.append(refusal_of(error))
    return ParsedFile(result, parsed)


def _parse_tune(tune: Tune, options: CorpusOptions) -> ParsedTune:
    track, pedal = options.track, options.pedal
    if options.grid == "seconds":
        laid = lay_seconds_grid(tune, track=track, steps_per_second=STEPS_PER_SECOND, pedal=pedal)
        return ParsedTune(tune, None, SECONDS_BAR_STEPS, laid)
    metre = find_metre(tune)
    try:
        n_steps = bar_steps(metre, options.steps_per_quarter)
    except UsageError as error:
        raise refuse(tune.name, f"metre {show_metre(metre)}", str(error)) from error
    laid = lay_metre_grid(
        tune, metre, track=track, steps_per_quarter=options.steps_per_quarter, pedal=pedal
    )
    return ParsedTune(tune, metre, n_steps, laid)


def finish(files: Sequence[ParsedFile], options: CorpusOptions) -> list[FileResult]:
    """What each file gives, its notes on the grid; many files at once are quicker than singly."""
    grids = quantise_all([parsed.laid for file in files for parsed in file.tunes])
    filled = [grid.notes for grid in grids if len(grid.notes)]
    left, shapes = iter(grids), iter(find_shapes(filled))
    for file in files:
        for parsed in file.tunes:
            grid = next(left)
            try:
                not_empty(grid, parsed.tune, options.track)
                piece = _piece_on_grid(parsed, grid, next(shapes), options)
            except MusicFileError as error:
                file.result.refusals.append(refusal_of(error))
                continue
            refusal = refuse_metre(piece.name, piece.metre, options)
            if refusal:
                file.result.refusals.append(refusal)
            else:
                file.result.pieces.append(piece)
    return [file.result for file in files]


def refuse_metre(name: str, metre: Metre | None, options: CorpusOptions) -> Refusal | None:
    """The refusal of a piece in another metre than the one asked for, None if it is that one."""
    if metre is None or options.metre == "auto" or metre == parse_metre(options.metre):
        return None
    return refusal_of(other_metre(name, metre, parse_metre(options.metre)), metre)


def refusal_of(error: MusicFileError, metre: Metre | None = None) -> Refusal:
    """The error as it is kept in a corpus."""
    return Refusal(
        error.name, error.reason, str(error), None if metre is None else show_metre(metre)
    )


def _piece_on_grid(
    parsed: ParsedTune, grid: GridNotes, shape: Shape, options: CorpusOptions
) -> Piece:
    name, scale = parsed.tune.name, shape.semitones_to_c
    semitones = scale if options.common_key else 0
    if semitones:
        grid = replace(grid, notes=transpose(grid.notes, semitones))
        if not len(grid.notes):
            raise refuse(name, "no notes", "transposed to the common key it leaves A0-C8")
        shape = find_shapes([grid.notes])[0]
    n_bars = -(-shape.end // parsed.n_steps)
    if n_bars < options.min_bars:
        why = f"it has {n_bars} bars, of {options.min_bars} needed; see --min-bars"
        raise refuse(name, f"fewer than {options.min_bars} bars", why)
    return Piece(
        name=name,
        metre=parsed.metre,
        tempo=find_tempo(parsed.tune),
        n_steps=parsed.n_steps,
        n_bars=n_bars,
        grid=grid,
        transposed=semitones,
        scale=scale,
        pitches=(shape.lowest_pitch, shape.highest_pitch),
    )


def other_metre(name: str, metre: Metre, wanted: Metre) -> MusicFileError:
    """The error by which a tune of another metre than the corpus's is refused."""
    shown = show_metre(metre)
    why = (
        f"it is in {shown}, and this corpus in {show_metre(wanted)};"
        f" for a corpus of pieces in {shown} use --metre {shown}"
    )
    return refuse(name, f"metre {shown}", why)


def describe_piece(piece: Piece, options: CorpusOptions) -> dict[str, Any]:
    """The piece as a line of ``pieces.jsonl`` has it, but for the file's hash."""
    in_seconds = options.grid == "seconds"
    step_ms = (
        1000 / STEPS_PER_SECOND if in_seconds else 60_000 / piece.tempo / options.steps_per_quarter
    )
    return {
        "name": piece.name,
        "bars": piece.n_bars,
        "notes": len(piece.grid.notes),
        "metre": show_metre(piece.metre) if piece.metre else None,
        "tempo": round(piece.tempo, 3),
        "key": show_scale(piece.scale),
        "lowest_pitch": piece.pitches[0],
        "highest_pitch": piece.pitches[1],
        "transposed": piece.transposed,
        "off_grid_steps": round(piece.grid.mean_shift_steps, 4),
        "off_grid_ms": round(piece.grid.mean_shift_steps * step_ms, 2),
        "dropped_notes": piece.grid.n_dropped,
        "merged_notes": piece.grid.n_merged,
    }


def show_scale(semitones_to_c: int) -> str:
    """``G/Em`` for 5: the major key that its notes fit best and the minor one of the same notes.

    Which of the two it is, notes alone do not tell.
    """
    return SCALES[-semitones_to_c % 12]
