"""What a piece goes on from: noise, a bar of the corpus, or a file of the user's."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from nextbar.errors import CorpusError, MusicFileError, UsageError
from nextbar.music.bars import cut_at_bar_lines, draw_rolls, join_at_bar_lines
from nextbar.music.corpus import corpus_of
from nextbar.music.grid import normal_metre, semitones_to_c, show_metre, transpose
from nextbar.music.kind import BarKind
from nextbar.music.reading import (
    FileResult,
    ReadPiece,
    options_of_kind,
    read_pieces,
    show_path,
    split_tune_number,
)
from nextbar.music.score import Sound, sound_of
from nextbar.writing.composer import Composer
from nextbar.writing.piece import HELD_OUT, NOISE, TRAINING, Beginning

LONGEST_STEM: Final = 60
LONGEST_TRACK: Final = 24
"""Bytes of a source's and a track's name in the names of files, which may have 255 in all."""


def begin_from(
    composer: Composer, start: str = NOISE, *, seed: int = 0, track: int | str = "all"
) -> Beginning | None:
    """What a piece goes on from.

    start: "noise" (gives None: testing model 2); "held-out" or "training", a
    bar drawn by the seed from those tunes of the corpus that the run was
    trained on; or a file of music, ``FILE:k`` for its bar k counted from 1,
    ``FILE`` for its last that sounds, ``FILE#2:k`` for tune 2 of a file of
    several, of which else the first is taken that can be. All its bars up to
    that one are kept, but those that are silent before its first note, and so
    are its tempo, its metre and its instrument. Raises UsageError for a bar
    that does not exist or is silent, MusicFileError for a file that cannot be
    read, CorpusError where the corpus is gone or was changed.
    """
    if start == NOISE:
        return None
    if start in (HELD_OUT, TRAINING):
        return begin_from_corpus(composer, seeds=[seed], part=start)[0]
    return begin_from_file(composer.kind, start, track=track, memory=composer.model.memory)


def begin_from_corpus(composer: Composer, *, seeds: list[int], part: str) -> list[Beginning]:
    """A bar for each seed, drawn from the sounding ones of the held-out or the training tunes."""
    corpus = corpus_of(composer.origin)
    pieces = corpus.pieces("held_out" if part == HELD_OUT else "training")
    bars = np.concatenate([np.arange(0), *(corpus.bars_of(piece) for piece in pieces)])
    sounding = bars[np.diff(corpus.bar_index)[bars] > 0]
    if not len(sounding):
        raise CorpusError(
            f"{corpus.path} has no {part} bar that sounds; begin from noise or a file"
        )
    chosen = [int(np.random.default_rng([seed, 2]).choice(sounding)) for seed in seeds]
    rolls = corpus.rolls(chosen)
    return [
        Beginning(corpus.notes(bar, bar + 1), 1, roll[None], part)
        for bar, roll in zip(chosen, rolls, strict=True)
    ]


def begin_from_file(
    kind: BarKind, start: str, *, track: int | str = "all", memory: int = 1
) -> Beginning:
    """The bars of ``FILE#n:k`` up to bar k, on the grid of the composer's music.

    memory: how many of the last ones the model may look at.
    """
    place = split_place(start)
    found, piece = _read(place, kind, track)
    shown, n_steps = show_path(piece.name), kind.n_steps
    bar_notes, index = cut_at_bar_lines(piece.grid.notes, n_steps=n_steps, n_bars=piece.n_bars)
    sounding = np.flatnonzero(np.diff(index)) + 1
    chosen = int(sounding[-1]) if place.bar is None else place.bar
    if not 1 <= chosen <= piece.n_bars:
        raise UsageError(f"{shown} has bars 1 to {piece.n_bars}, there is no bar {chosen}")
    if chosen not in sounding:
        near = int(sounding[np.abs(sounding - chosen).argmin()])
        raise UsageError(
            f"bar {chosen} of {shown} is silent; the nearest that sounds is bar {near}"
        )
    first = int(sounding[0])
    kept = join_at_bar_lines(bar_notes, index[first - 1 : chosen + 1], n_steps=n_steps)
    semitones = semitones_to_c(piece.grid.notes) if kind.common_key else 0
    n_kept = chosen - first + 1
    heard, index = cut_at_bar_lines(transpose(kept, semitones), n_steps=n_steps, n_bars=n_kept)
    last = np.arange(max(0, n_kept - memory), n_kept)
    begun = Beginning(
        notes=kept,
        n_bars=n_kept,
        rolls=draw_rolls(heard, index, last, n_steps=n_steps, onsets=kind.onsets),
        name=f"{_name_of(place.path, found, piece)}-bar{chosen}",
        transposed=semitones,
        sound=sound_of_piece(piece, kind),
        left_out=what_is_left_out(piece),
        origin={
            "file": show_path(place.path.name),
            "sha256": found.sha256,
            "tune": piece.number,
            "tunes": found.n_tunes,
            "track": piece.track,
            "bars": [first, chosen],
            "of_bars": piece.n_bars,
            "left_out": what_is_left_out(piece),
        },
    )
    return replace(begun, says=tuple(_sentences(begun, found, piece, kind)))


class Place(NamedTuple):
    """A bar of a tune of a file, both counted from 1; None where it is not said which."""

    path: Path
    tune: int | None
    bar: int | None


def split_place(start: str) -> Place:
    """What ``FILE#n:k`` names; a file whose own name ends so is taken as it is called."""
    if os.path.exists(start):
        return Place(Path(start), None, None)
    match = re.fullmatch(r"(.+):(-?[0-9]{1,9})", start, re.DOTALL)
    before, bar = (match[1], int(match[2])) if match else (start, None)
    return Place(*split_tune_number(before), bar)


def _read(place: Place, kind: BarKind, track: int | str) -> tuple[FileResult, ReadPiece]:
    """What the file gave, and the tune that is gone on from."""
    if not os.path.isfile(place.path):
        there = "it is a folder" if os.path.isdir(place.path) else "there is no such file"
        raise UsageError(
            f"{show_path(str(place.path))}: {there}; give a MIDI, ABC or MusicXML file, held-out, "
            "training or noise"
        )
    options = options_of_kind(kind, track=track)
    found = read_pieces(
        place.path, name=place.path.name, options=options, tune=place.tune, command="generate"
    )
    if not found.pieces:
        refusal, its = found.refusals[0], found.refusals[0].metre
        message = refusal.message
        if its is not None:
            ours = show_metre(kind.metre)
            message = (
                f"{refusal.file}: it is in {its}, and this model writes {ours}; give a piece in "
                f"{ours}, or a model of pieces in {its}: nextbar prepare --metre {its}, then train"
            )
        raise MusicFileError(message, name=refusal.file, reason=refusal.reason)
    return found, found.pieces[0]


def sound_of_piece(piece: ReadPiece, kind: BarKind) -> Sound:
    """How the piece sounds, in the metre that is written in its file.

    On the seconds grid steps are times: their tempo and metre are the model's.
    """
    sound = sound_of(piece.tune, piece.track)
    if kind.grid == "seconds":
        return sound._replace(tempo=kind.tempo, metre=kind.metre)
    stated = [(int(s.numerator), int(s.denominator)) for s in piece.tune.score.time_signatures]
    same = (metre for metre in stated if 0 not in metre and normal_metre(metre) == kind.metre)
    return sound._replace(metre=next(same, kind.metre))


def what_is_left_out(piece: ReadPiece) -> dict[str, int]:
    """What of the file is not in the piece's notes, and how often."""
    more = {
        "notes outside of A0 to C8, left out": piece.grid.n_dropped,
        "notes that begin with another of their pitch, left out": piece.grid.n_merged,
    }
    # What a corpus can be made with is no choice here.
    read = {what.removesuffix(" (--chords plays them)"): n for what, n in piece.left_out.items()}
    return {**read, **{what: n for what, n in more.items() if n}}


def _sentences(
    begun: Beginning, found: FileResult, piece: ReadPiece, kind: BarKind
) -> Iterator[str]:
    """What is to be known before anything is written."""
    sound = begun.sound or Sound()
    first, last = begun.origin["bars"]
    name, which = show_path(piece.name), ""
    if found.n_tunes > 1:
        which = f", tune {piece.number} of {found.n_tunes} (choose with {found.file}#1 and so on)"
    by = f' as "{sound.name}"' if sound.name else ""
    yield (
        f"{name}: goes on behind bar {last} of {piece.n_bars}{which}, at {sound.tempo:.4g} "
        f"quarters a minute, with program {sound.program}{by}"
    )
    before = {f"{found.file}#{number}" for number in range(1, piece.number)}
    passed = [refusal for refusal in found.refusals if refusal.file in before]
    if passed:
        more = f", and {len(passed) - 1} more tunes" if passed[1:] else ""
        yield f"passed over: {passed[0].message.partition(';')[0]}{more}"
    if first > 1:
        silent = "bar 1 is" if first == 2 else f"bars 1 to {first - 1} are"
        yield f"{name}: {silent} silent and left out; the piece begins with its bar {first}"
    for what, n in begun.left_out.items():
        yield f"{name}: {n} {what}"
    if piece.fitting_steps:
        yield (
            f"{name}: its onsets lie between the steps of this model, {kind.steps_per_quarter} a "
            f"quarter, and are moved to them; a model of a corpus prepared with "
            f"--steps-per-quarter {piece.fitting_steps} has a step for them"
        )


def _name_of(path: Path, found: FileResult, piece: ReadPiece) -> str:
    """For file names: what was given, and six digits that tell it from all else of that name."""
    given = f"{found.sha256} {piece.number} {piece.track}"
    name = _for_file_name(path.stem, LONGEST_STEM) or "tune"
    name += f"-{hashlib.sha256(given.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
    if found.n_tunes > 1:
        name += f"-tune{piece.number}"
    if piece.track != "all":
        name += f"-track{_for_file_name(str(piece.track), LONGEST_TRACK)}"
    return name


def _for_file_name(text: str, most_bytes: int) -> str:
    """The text in characters that any system takes in a file's name, and a picture in its title."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(c if c.isprintable() and c not in '<>:"/\\|?*$' else "_" for c in text)
    return text.encode()[:most_bytes].decode("utf-8", "ignore").strip(" .")
