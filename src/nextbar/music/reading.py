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
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nextbar.errors import MusicFileError
from nextbar.music.bar_lines import find_bar_lines
from nextbar.music.bars import Notes, bar_starts, sort_notes
from nextbar.music.beat_grid import set_to_beats
from nextbar.music.beats import beat_file_name, find_beats
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
from nextbar.music.metre import (
    MetreCodes,
    code_of,
    find_tempo,
    parse_metre,
    show_metre,
    steps_of,
)
from nextbar.music.midi import parse_tunes, read_bytes
from nextbar.music.options import ALL_METRES, CorpusOptions
from nextbar.music.read_piece import STEPS_PER_SECOND, ReadPiece, main_metres
from nextbar.music.refusals import Command, refuse, with_advice
from nextbar.music.tunes import CHORDS, DRUM_TRACK, Tune

SECONDS_BAR: Final = (4, 4)
"""How a bar of the seconds grid counts: 16 steps, sixteenths at 120 quarters a minute."""
SECONDS_BAR_STEPS: Final = 16
SHIFT_WORTH_A_LOOK: Final = 0.004
"""Steps by which onsets are moved on average; less comes of few notes, or of rounding."""
OTHER_BARS: Final = "bars in other metres, left out"


def options_of_kind(kind: BarKind, *, track: int | str = "all") -> CorpusOptions:
    """How a file is read to stand beside bars of this kind; a common key is not its matter."""
    in_seconds = kind.grid == "seconds"
    return CorpusOptions(
        grid="seconds" if in_seconds else "metre",
        track=track,
        common_key=False,
        steps_per_quarter=kind.steps_per_quarter,
        min_bars=1,
    )


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
    laid: OffGrid


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
        return ParsedTune(tune, laid)
    beats = find_beats(tune, options.beats, beat_file)
    if beats is not None:
        tune = set_to_beats(tune, beats)
    laid = lay_metre_grid(
        tune,
        track=track,
        steps_per_quarter=options.steps_per_quarter,
        pedal=pedal,
        bar_lines=find_bar_lines(tune),
    )
    return ParsedTune(tune, laid)


class _Passage(NamedTuple):
    """Notes of a tune that are a piece: all of them, or those of consecutive bars of one metre.

    bars: the metres of a passage's bars; None of a whole tune, whose end is not known yet.
    """

    parsed: ParsedTune
    name: str
    grid: GridNotes
    bars: MetreCodes | None
    told: dict[str, int]
    first_bar: int = 0


def finish(
    files: Sequence[ParsedFile], options: CorpusOptions, *, command: Command = "prepare"
) -> list[FileResult]:
    """What each file gives, its notes on the grid; many files at once are quicker than singly."""
    grids = iter(quantise_all([parsed.laid for file in files for parsed in file.tunes]))
    found: list[tuple[FileResult, _Passage | Refusal]] = []
    for file in files:
        for parsed in file.tunes:
            try:
                passages = _passages(parsed, next(grids), options, command)
                found += [(file.result, passage) for passage in passages]
            except MusicFileError as error:
                found.append((file.result, refusal_of(error, command=command)))
    outlines = iter(find_outlines([p.grid.notes for _, p in found if isinstance(p, _Passage)]))
    for result, passage in found:
        if isinstance(passage, Refusal):
            result.refusals.append(passage)
            continue
        try:
            result.pieces.append(_piece_of(passage, next(outlines), options))
        except MusicFileError as error:
            result.refusals.append(refusal_of(error, command=command))
    return [file.result for file in files]


def _passages(
    parsed: ParsedTune, grid: GridNotes, options: CorpusOptions, command: Command
) -> list["_Passage | Refusal"]:
    """The tune as it is, or its passages in the metre that is asked for, if it has others too."""
    name, bars = parsed.tune.name, parsed.laid.bars
    not_empty(grid, parsed.tune, options.track)
    if bars is None or options.metre == ALL_METRES:
        return [_Passage(parsed, name, grid, None, {})]
    wanted = parse_metre(options.metre)
    end = int((grid.notes["start"] + grid.notes["duration"]).max())
    codes, told = bars.up_to(end)
    is_wanted = codes == code_of(wanted)
    if is_wanted.all():
        return [_Passage(parsed, name, grid, None, {})]
    runs = _runs(is_wanted)
    long_enough = [(a, b) for a, b in runs if b - a >= options.min_bars]
    if not long_enough:
        return [_refuse_metre(name, codes, runs, options, command)]
    starts = bar_starts(steps_of(codes, options.steps_per_quarter))
    n_taken = sum(last - first for first, last in long_enough)
    told = {**told, OTHER_BARS: len(codes) - n_taken}
    found: list[_Passage | Refusal] = []
    for first, last in long_enough:
        notes = _notes_between(grid.notes, int(starts[first]), int(starts[last]))
        if len(notes):
            part = replace(grid, notes=notes)
            of_bars = f"{name} bars {first + 1}-{last}"
            found.append(_Passage(parsed, of_bars, part, codes[first:last], told, first))
            grid, told = replace(grid, n_dropped=0, n_merged=0), {}  # told once
    return found or [_refuse_metre(name, codes, runs, options, command)]


def _runs(chosen: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last + 1) of each stretch of chosen ones."""
    changes = np.flatnonzero(np.diff(chosen, prepend=False, append=False))
    return [(int(a), int(b)) for a, b in changes.reshape(-1, 2)]


def _notes_between(notes: Notes, begin: int, end: int) -> Notes:
    """What sounds between two steps, cut off there; steps count from the first."""
    ends = notes["start"] + notes["duration"]
    chosen = (notes["start"] < end) & (ends > begin)
    part, ends = notes[chosen].copy(), np.minimum(ends[chosen], end) - begin
    part["start"] = np.maximum(part["start"], begin) - begin
    part["duration"] = ends - part["start"]
    return sort_notes(part)


def _refuse_metre(
    name: str,
    codes: MetreCodes,
    runs: list[tuple[int, int]],
    options: CorpusOptions,
    command: Command,
) -> Refusal:
    """The refusal of a tune without a passage in the metre that is asked for."""
    wanted, main = parse_metre(options.metre), main_metres(codes)[0]
    most = max((last - first for first, last in runs), default=0)
    has = f", but for {most} of its bars in a row" if most else ""
    shown = show_metre(main if main != wanted else main_metres(codes)[1])
    why = f"it is in {shown}, not in {show_metre(wanted)}{has}"
    return refusal_of(refuse(name, f"metre {shown}", why), shown, command=command)


def refusal_of(
    error: MusicFileError, metre: str | None = None, *, command: Command = "prepare"
) -> Refusal:
    """The error as it is kept in a corpus, with what to do about it in the command."""
    return Refusal(error.name, error.reason, with_advice(error, command), metre)


def _piece_of(passage: _Passage, outline: Outline, options: CorpusOptions) -> ReadPiece:
    parsed, name, grid = passage.parsed, passage.name, passage.grid
    scale = outline.semitones_to_c
    semitones = scale if options.common_key else 0
    if semitones:
        grid = replace(grid, notes=transpose(grid.notes, semitones))
        if not len(grid.notes):
            raise refuse(name, "no notes", "transposed to the common key it leaves A0-C8")
        outline = find_outlines([grid.notes])[0]
    codes, told = passage.bars, passage.told
    if codes is None:
        codes, told = _bars_up_to(parsed.laid, outline.end)
    if len(codes) < options.min_bars:
        why = f"it has {len(codes)} bars, of {options.min_bars} needed"
        raise refuse(name, f"fewer than {options.min_bars} bars", why)
    in_seconds = parsed.laid.bars is None
    return ReadPiece(
        name=name,
        tempo=find_tempo(parsed.tune),
        steps_per_quarter=4 if in_seconds else options.steps_per_quarter,
        codes=codes,
        grid=grid,
        transposed=semitones,
        scale=scale,
        pitches=(outline.lowest_pitch, outline.highest_pitch),
        fitting_steps=_fitting_steps(parsed, grid, options),
        left_out={**parsed.tune.remarks_on(options.track), **told},
        tune=parsed.tune,
        track=options.track,
        first_bar=passage.first_bar,
    )


def _bars_up_to(laid: OffGrid, end: int) -> tuple[MetreCodes, dict[str, int]]:
    """The metres of a tune's bars up to the step ``end``, and what is to be told of them."""
    if laid.bars is not None:
        return laid.bars.up_to(end)
    return np.full(-(-end // SECONDS_BAR_STEPS), code_of(SECONDS_BAR), np.uint16), {}


def _fitting_steps(parsed: ParsedTune, grid: GridNotes, options: CorpusOptions) -> int | None:
    if options.grid != "metre" or grid.mean_shift_steps < SHIFT_WORTH_A_LOOK:
        return None
    return find_fitting_steps(parsed.laid, options.steps_per_quarter)
