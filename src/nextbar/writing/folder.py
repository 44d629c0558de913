"""A folder of written pieces: MIDI, WAV and pictures, and the record that makes them again."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nextbar._version import __version__
from nextbar.errors import CopiedError, NextbarError, TooLongError, UsageError
from nextbar.files import alone_in, write_bytes_atomically, write_json_atomically
from nextbar.music import audio, picture
from nextbar.music.kind import BarKind
from nextbar.music.metre import read_changes, show_changes, show_metre
from nextbar.music.reading import read_piece
from nextbar.music.score import write_midi
from nextbar.music.sheet import SUFFIX as MUSICXML_SUFFIX
from nextbar.music.sheet import musicxml_bytes
from nextbar.shipped import typed_for
from nextbar.writing.composer import Composer
from nextbar.writing.piece import Composition

RECORD = "generated.json"
SHEET = "all.png"
PIECES_ON_SHEET = 24


@dataclass(frozen=True)
class PieceWritten:
    """How far the writing is: ``n_done`` of ``n_pieces``, the newest MIDI file."""

    n_done: int
    n_pieces: int
    path: Path


@dataclass(frozen=True)
class Made:
    """A piece to be written: its name without suffix, its notes, and what to record of it."""

    name: str
    composition: Composition
    details: dict[str, Any]


@dataclass(frozen=True)
class Record:
    """What ``generated.json`` says: the run, the kind of bars, and each file's making."""

    run: dict[str, Any]
    kind: BarKind
    pieces: dict[str, dict[str, Any]]
    left_out: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was not given out, as it could not be written without copies, and why."""


def read_record(folder: Path) -> Record | None:
    """The record of a folder of pieces, or None where it has none of ours."""
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        kind = BarKind.from_json(stored["bars"])
        in_one = [[1, show_metre(kind.metre)]]  # as all pieces were, once
        pieces = {n: {"metres": in_one, **piece} for n, piece in stored["pieces"].items()}
        return Record(dict(stored["run"]), kind, pieces, dict(stored.get("left_out", {})))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is damaged ({error}); remove it, or use another folder"
        ) from error


def check_folder(folder: Path, composer: Composer) -> None:
    """Raises UsageError where the folder holds the pieces of another run."""
    record = read_record(folder)
    if record is not None and record.run["checkpoint"] != composer.checkpoint:
        raise UsageError(
            f"{folder} holds pieces of another run, or of an earlier state of this one "
            f"({record.run['path']}); choose another folder"
        )


def write_pieces(
    folder: Path,
    composer: Composer,
    making: Iterable[Made],
    n_pieces: int,
    *,
    wav: bool,
    pictures: bool,
    musicxml: bool = False,
    progress: Callable[[PieceWritten], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """The MIDI files written, in order; what else is wanted is beside them under the same name.

    making: the pieces, taken one by one as they are written. What was written
    before an interruption is recorded. A piece that is too long for a WAV has
    none; the record says so, and ``say`` how many have none. One that has not
    passed its check is not written: the record has it under ``left_out``, and
    ``say`` is told how many; CopiedError where that are all.
    """
    check_folder(folder, composer)
    pieces: dict[str, dict[str, Any]] = {}
    left_out: dict[str, dict[str, Any]] = {}
    no_wav: list[str] = []
    try:
        for nth, made in enumerate(making, 1):
            path = folder / f"{made.name}.mid"
            check = made.composition.check
            if check is not None and not check.is_passed:
                why = f"every draw of bar {check.stuck_at} was a copy of a training bar"
                left_out[path.name] = {**made.details, "seed": made.composition.seed, "why": why}
                continue
            why = _write_piece(path, composer, made, wav=wav, pictures=pictures, musicxml=musicxml)
            pieces[path.name] = {**_describe(made), **({"no_wav": why} if why else {})}
            no_wav += [why] if why else []
            if progress is not None:
                progress(PieceWritten(nth, n_pieces, path))
    finally:
        if pieces or left_out:
            _write_record(folder, composer, pieces, left_out)
    if left_out:
        name, first = next(iter(left_out.items()))
        sentence = (
            f"{len(left_out)} of {len(pieces) + len(left_out)} pieces were left out, the first "
            f"{name}: {first['why']}; try other seeds, a higher temperature or a strictness of 1"
        )
        if not pieces:
            raise CopiedError(sentence)
        if say is not None:
            say(sentence)
    if no_wav and say is not None:
        say(
            f"{len(no_wav)} of {len(pieces)} pieces have no WAV: {no_wav[0]}; with --no-wav none "
            "is made"
        )
    if pictures:
        _write_sheet(folder)
    return [folder / name for name in pieces]


def _describe(made: Made) -> dict[str, Any]:
    composition = made.composition
    return {
        "bars": composition.n_bars,
        "given_bars": composition.n_given_bars,
        "ending_bars": composition.n_ending_bars,
        "seed": composition.seed,
        "tempo": round(composition.sound.tempo, 3),
        "program": composition.sound.program,
        "metres": show_changes(composition.metres),
        **({} if composition.check is None else {"no_copies": composition.check.to_json()}),
        **made.details,
    }


def _write_piece(
    path: Path, composer: Composer, made: Made, *, wav: bool, pictures: bool, musicxml: bool
) -> str:
    """Writes the files of a piece; returns why it has no WAV, "" where it has or none is wanted."""
    composition, kind = made.composition, composer.kind
    score = composer.to_score(composition, made.name)
    write_midi(score, path, n_bars=composition.n_bars)
    if musicxml:
        sheet = musicxml_bytes(score, made.name, n_bars=composition.n_bars)
        write_bytes_atomically(path.with_suffix(MUSICXML_SUFFIX), sheet)
    if pictures:
        figure = picture.draw_piano_roll(
            composition.notes,
            kind.starts_of(composition.metres),
            steps_per_quarter=kind.steps_per_quarter,
            metres=composition.metres,
            given_bars=composition.n_given_bars,
            ending_bars=composition.n_ending_bars,
            title=made.name,
        )
        picture.save_png(figure, path.with_suffix(".png"))
    if wav:
        try:
            sound = audio.render_wav(score, n_bars=composition.n_bars)
        except TooLongError as error:
            return str(error)
        write_bytes_atomically(path.with_suffix(".wav"), sound)
    return ""


def _write_record(
    folder: Path,
    composer: Composer,
    new: dict[str, dict[str, Any]],
    new_left_out: dict[str, dict[str, Any]],
) -> None:
    run = {**composer.origin, "checkpoint": composer.checkpoint, "path": typed_for(composer.path)}
    with alone_in(folder):
        before = read_record(folder)
        pieces = {**(before.pieces if before else {}), **new}
        left_out = {**(before.left_out if before else {}), **new_left_out}
        record = {
            "nextbar": __version__,
            "run": run,
            "bars": composer.kind.to_json(),
            "pieces": pieces,
            **({"left_out": left_out} if left_out else {}),
        }
        write_json_atomically(folder / RECORD, record)


def _write_sheet(folder: Path) -> None:
    """A picture of the folder's first pieces together, those of earlier calls too."""
    record = read_record(folder)
    assert record is not None
    panels: list[picture.Panel] = []
    for name in sorted(record.pieces):
        if len(panels) == PIECES_ON_SHEET:
            break
        details = record.pieces[name]
        try:
            notes = read_piece(folder / name, record.kind).grid.notes
        except NextbarError:  # moved away by the user, or silent: nothing to draw
            continue
        metres = read_changes(details["metres"], details["bars"])
        starts = record.kind.starts_of(metres)
        title = Path(name).stem
        given, ending = details["given_bars"], details.get("ending_bars", 0)
        panels.append(picture.Panel(notes, starts, given, title, metres, ending))
    if panels:
        picture.save_png(picture.draw_contact_sheet(panels), folder / SHEET)
