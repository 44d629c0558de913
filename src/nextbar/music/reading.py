"""One music file -> its pieces as notes on the grid, or why it gives none.

:func:`read_pieces` gives all pieces of a file, as a corpus wants them, and
:func:`read_tune` one to go on from. Nothing here looks at more than one file, so
that files can be read in any order and anywhere.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from nextbar.errors import MusicFileError, UsageError
from nextbar.music.beats import beat_file_name, find_beats, set_to_beats
from nextbar.music.grid import (
    GridNotes,
    OffGrid,
    Outline,
    find_fitting_steps,
    find_outlines,
    lay_metre_grid,
    lay_seconds_grid,
    not_empty,
    quantise_all,
    transpose,
)
from nextbar.music.kind import BarKind
from nextbar.music.metre import bar_steps, find_bar_lines, find_tempo, parse_metre, show_metre
from nextbar.music.midi import parse_tunes, read_bytes
from nextbar.music.options import CorpusOptions
from nextbar.music.refusals import Command, refuse, with_advice
from nextbar.music.tunes import CHORDS, DRUM_TRACK, Metre, Tune

STEPS_PER_SECOND: Final = 8.0
"""The paper's grid: 2 s bars of 16 steps."""
SECONDS_BAR_STEPS: Final = 16
SHIFT_WORTH_A_LOOK: Final = 0.004
"""Steps by which onsets are moved on average; less comes of few notes, or of rounding."""
SHORT_BARS: Final = "bars shorter than their metre, filled up with silence"
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
class ReadPiece:
    """One tune as notes on the grid; ``metre`` is None on the seconds grid.

    n_bars: up to the end of the last note, the last one padded.
    transposed: by how many semitones, to come to the common key. scale: the
    semitones by which it would come there. pitches: the lowest and the highest.
    fitting_steps: the steps a quarter of a grid on which lie nearly all the
    onsets that this one moves, as of triplets and swing; None where there are
    few, or no such grid. left_out: what was left out or mended, and how often.
    tune: what it was read from. track: the tracks that were asked for.
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
    fitting_steps: int | None
    left_out: dict[str, int]
    tune: Tune = field(repr=False)
    track: int | str = "all"

    @property
    def number(self) -> int:
        """Which tune of its file it is, from 1."""
        return self.tune.number

    @property
    def n_silent_bars(self) -> int:
        """How many bars are silent before its first note."""
        return int(self.grid.notes["start"].min()) // self.n_steps

    @property
    def program(self) -> int:
        """The General MIDI program, from 0, of the chosen track, of several the first's."""
        return int(self.tune.choose(self.track)[0].track.program)

    @property
    def instruments(self) -> tuple[str, ...]:
        """The names of the chosen tracks; one that has none is ""."""
        return tuple(part.track.name for part in self.tune.choose(self.track))

    @property
    def tracks(self) -> tuple[tuple[str, int], ...]:
        """Name and number of notes of each track that can be chosen, in the order of numbers."""
        return tuple((part.track.name, len(part.notes["time"])) for part in self.tune.pitched)


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
    """What one file gave. n_bytes, sha256: of its content; 0 and "" where it has none to read.

    n_tunes: how many it has, refused ones among them. beats_sha256: of its beat file, or "".
    """

    file: str
    sha256: str
    n_bytes: int = 0
    n_tunes: int = 0
    beats_sha256: str = ""
    pieces: list[ReadPiece] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def read_pieces(
    path: Path,
    *,
    name: str,
    options: CorpusOptions,
    tune: int | None = None,
    command: Command = "prepare",
) -> FileResult:
    """The pieces of one file, or why it gives none. Depends on the file and the options only.

    tune: the number of the only one to read of a file of many, from 1.
    command: what the messages of refusals are to advise for.
    """
    shown = show_path(name)
    try:
        data = read_bytes(path, name=shown)
        beat_file = read_beats_beside(path, name=shown)
    except MusicFileError as error:
        return FileResult(shown, "", refusals=[refusal_of(error, command=command)])
    parsed = parse_file(
        data, name=shown, options=options, tune=tune, command=command, beat_file=beat_file
    )
    return finish([parsed], options, command=command)[0]


def pieces_from_bytes(
    data: bytes,
    *,
    name: str,
    options: CorpusOptions,
    tune: int | None = None,
    command: Command = "prepare",
) -> FileResult:
    """As :func:`read_pieces`, from a file's bytes."""
    parsed = parse_file(data, name=name, options=options, tune=tune, command=command)
    return finish([parsed], options, command=command)[0]


def read_tune(
    path: Path,
    *,
    options: CorpusOptions,
    tune: int | None = None,
    command: Command = "generate",
) -> ReadPiece:
    """One piece of a file to go on from: tune ``tune``, from 1, or the first that can be read.

    Raises MusicFileError where there is none.
    """
    result = read_pieces(path, name=path.name, options=options, tune=tune, command=command)
    if result.pieces:
        return result.pieces[0]
    refusal = result.refusals[0]
    raise MusicFileError(refusal.message, name=refusal.file, reason=refusal.reason)


def read_beats_beside(path: Path, *, name: str) -> bytes | None:
    """The bytes of the beat file beside a MIDI file; None where there is none.

    Raises MusicFileError where it cannot be read.
    """
    beside = beat_file_name(str(path))
    if beside is None or not os.path.isfile(beside):
        return None
    return read_bytes(beside, name=name)


def split_tune_number(text: str) -> tuple[Path, int | None]:
    """``tunes.abc`` and 2 from ``tunes.abc#2``; no number where a file has the whole name."""
    path, mark, number = text.rpartition("#")
    if mark and number.isdecimal() and not os.path.exists(text):
        return Path(path), int(number)
    return Path(text), None


def show_path(name: str) -> str:
    """A file's name as text that can be written anywhere: bytes that are no UTF-8 as numbers."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_piece(path: Path, kind: BarKind) -> ReadPiece:
    """The first tune of a file on the kind's grid. Raises MusicFileError where there is none."""
    return read_tune(path, options=options_of_kind(kind), command="prepare")


class ParsedTune(NamedTuple):
    """A tune whose notes are chosen, but not on the grid yet."""

    tune: Tune
    metre: Metre | None
    n_steps: int
    laid: OffGrid
    n_short_bars: int = 0


class ParsedFile(NamedTuple):
    """What one file gave before its notes were put on the grid."""

    result: FileResult
    tunes: list[ParsedTune]


def parse_file(
    data: bytes,
    *,
    name: str,
    options: CorpusOptions,
    tune: int | None = None,
    command: Command = "prepare",
    beat_file: bytes | None = None,
) -> ParsedFile:
    """The tunes in a file's bytes, and refusals of what is none. beat_file: the one beside it."""
    drums, chords = options.track == DRUM_TRACK, options.track == CHORDS
    tunes, errors = parse_tunes(data, name=name, drums=drums, chords=chords)
    n_tunes = len(tunes) + len(errors)
    if tune is not None:
        wanted = name if n_tunes == 1 and tune == 1 else f"{name}#{tune}"
        tunes = [one for one in tunes if one.number == tune]
        errors = [error for error in errors if error.name == wanted]
        if not (tunes or errors):
            errors = [refuse(name, "no such tune", f"it has {n_tunes} tunes, and no tune {tune}")]
    beats_sha256 = "" if beat_file is None else hashlib.sha256(beat_file).hexdigest()
    result = FileResult(name, hashlib.sha256(data).hexdigest(), len(data), n_tunes, beats_sha256)
    result.refusals.extend(refusal_of(error, command=command) for error in errors)
    parsed = []
    for one in tunes:
        try:
            parsed.append(_parse_tune(one, options, beat_file))
        except MusicFileError as error:
            result.refusals.append(refusal_of(error, command=command))
    return ParsedFile(result, parsed)


def _parse_tune(tune: Tune, options: CorpusOptions, beat_file: bytes | None) -> ParsedTune:
    track, pedal = options.track, options.pedal
    if options.grid == "seconds":
        laid = lay_seconds_grid(tune, track=track, steps_per_second=STEPS_PER_SECOND, pedal=pedal)
        return ParsedTune(tune, None, SECONDS_BAR_STEPS, laid)
    beats = find_beats(tune, options.beats, beat_file)
    if beats is not None:
        tune = set_to_beats(tune, beats)
    bar_lines = find_bar_lines(tune)
    metre = bar_lines.metre
    try:
        n_steps = bar_steps(metre, options.steps_per_quarter)
    except UsageError as error:
        why = str(error).removesuffix("; choose other steps")
        raise refuse(tune.name, "bars of no whole number of steps", why) from error
    laid = lay_metre_grid(
        tune,
        metre,
        track=track,
        steps_per_quarter=options.steps_per_quarter,
        pedal=pedal,
        bar_lines=bar_lines,
    )
    return ParsedTune(tune, metre, n_steps, laid, len(bar_lines.short_bars))


def finish(
    files: Sequence[ParsedFile], options: CorpusOptions, *, command: Command = "prepare"
) -> list[FileResult]:
    """What each file gives, its notes on the grid; many files at once are quicker than singly."""
    grids = quantise_all([parsed.laid for file in files for parsed in file.tunes])
    filled = [grid.notes for grid in grids if len(grid.notes)]
    left, outlines = iter(grids), iter(find_outlines(filled))
    for file in files:
        for parsed in file.tunes:
            grid = next(left)
            try:
                not_empty(grid, parsed.tune, options.track)
                piece = _piece_on_grid(parsed, grid, next(outlines), options)
            except MusicFileError as error:
                file.result.refusals.append(refusal_of(error, command=command))
                continue
            refusal = refuse_metre(piece.name, piece.metre, options, command=command)
            if refusal:
                file.result.refusals.append(refusal)
            else:
                file.result.pieces.append(piece)
    return [file.result for file in files]


def refuse_metre(
    name: str, metre: Metre | None, options: CorpusOptions, *, command: Command = "prepare"
) -> Refusal | None:
    """The refusal of a piece in another metre than the one asked for, None if it is that one."""
    if metre is None or options.metre == "auto" or metre == parse_metre(options.metre):
        return None
    return refusal_of(other_metre(name, metre, parse_metre(options.metre)), metre, command=command)


def refusal_of(
    error: MusicFileError, metre: Metre | None = None, *, command: Command = "prepare"
) -> Refusal:
    """The error as it is kept in a corpus, with what to do about it in the command."""
    message = with_advice(error, command)
    return Refusal(error.name, error.reason, message, None if metre is None else show_metre(metre))


def _piece_on_grid(
    parsed: ParsedTune, grid: GridNotes, outline: Outline, options: CorpusOptions
) -> ReadPiece:
    name, scale = parsed.tune.name, outline.semitones_to_c
    semitones = scale if options.common_key else 0
    if semitones:
        grid = replace(grid, notes=transpose(grid.notes, semitones))
        if not len(grid.notes):
            raise refuse(name, "no notes", "transposed to the common key it leaves A0-C8")
        outline = find_outlines([grid.notes])[0]
    n_bars = -(-outline.end // parsed.n_steps)
    if n_bars < options.min_bars:
        why = f"it has {n_bars} bars, of {options.min_bars} needed"
        raise refuse(name, f"fewer than {options.min_bars} bars", why)
    return ReadPiece(
        name=name,
        metre=parsed.metre,
        tempo=find_tempo(parsed.tune),
        n_steps=parsed.n_steps,
        n_bars=n_bars,
        grid=grid,
        transposed=semitones,
        scale=scale,
        pitches=(outline.lowest_pitch, outline.highest_pitch),
        fitting_steps=_fitting_steps(parsed, grid, options),
        left_out=_left_out(parsed, options),
        tune=parsed.tune,
        track=options.track,
    )


def _fitting_steps(parsed: ParsedTune, grid: GridNotes, options: CorpusOptions) -> int | None:
    if options.grid != "metre" or grid.mean_shift_steps < SHIFT_WORTH_A_LOOK:
        return None
    return find_fitting_steps(parsed.laid, options.steps_per_quarter)


def _left_out(parsed: ParsedTune, options: CorpusOptions) -> dict[str, int]:
    remarks = parsed.tune.remarks_on(options.track)
    return {**remarks, SHORT_BARS: parsed.n_short_bars} if parsed.n_short_bars else remarks


def other_metre(name: str, metre: Metre, wanted: Metre) -> MusicFileError:
    """The error by which a tune of another metre than the corpus's is refused."""
    shown = show_metre(metre)
    return refuse(name, f"metre {shown}", f"it is in {shown}, not in {show_metre(wanted)}")


def describe_piece(piece: ReadPiece, options: CorpusOptions) -> dict[str, Any]:
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
        **_describe_beats(piece),
        **({"fitting_steps": piece.fitting_steps} if piece.fitting_steps else {}),
        **({"left_out": piece.left_out} if piece.left_out else {}),
    }


def _describe_beats(piece: ReadPiece) -> dict[str, Any]:
    """How its beats were found, of one that was played, and its tempo in each bar."""
    found = piece.tune.beats
    if found is None:
        return {}
    sure = {} if found.sure is None else {"sure": round(found.sure, 3)}
    return {"beats": found.source, **sure, "tempo_curve": list(found.curve[: piece.n_bars])}


def show_scale(semitones_to_c: int) -> str:
    """``G/Em`` for 5: the major key that its notes fit best and the minor one of the same notes.

    Which of the two it is, notes alone do not tell.
    """
    return SCALES[-semitones_to_c % 12]
