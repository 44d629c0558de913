"""A music file that is gone on from: which of its tunes, how it sounds, what it is called.

No PyTorch: the studio reads files in processes of their own.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from nextbar.errors import MusicFileError, UsageError
from nextbar.music.beats import beat_file_name
from nextbar.music.kind import BarKind
from nextbar.music.metre import normal_metre, show_metre
from nextbar.music.read_piece import ReadPiece
from nextbar.music.reading import (
    FileResult,
    options_of_kind,
    pieces_from_bytes,
    read_pieces,
    show_path,
    split_tune_number,
)
from nextbar.music.score import Sound, sound_of
from nextbar.music.tunes import Metre

LONGEST_STEM: Final = 60
LONGEST_TRACK: Final = 24
"""Bytes of a source's and a track's name in the names of files, which may have 255 in all."""
MOST_TRACKS: Final = 8
"""So many are listed by name."""


class Place(NamedTuple):
    """A bar of a tune of a file, both counted from 1; None where it is not said which."""

    path: Path
    tune: int | None
    bar: int | None


def split_place(start: str) -> Place:
    """What ``FILE#2:8`` names; a file whose own name ends so is taken as it is called."""
    if os.path.exists(start):
        return Place(Path(start), None, None)
    match = re.fullmatch(r"(.+):(-?[0-9]{1,9})", start, re.DOTALL)
    before, bar = (match[1], int(match[2])) if match else (start, None)
    return Place(*split_tune_number(before), bar)


@dataclass(frozen=True)
class Source:
    """A tune of a music file, on the grid of a kind of bars. found: what the file gave.

    In some bar at least it is in a metre of that kind.
    """

    kind: BarKind
    found: FileResult
    piece: ReadPiece

    @cached_property
    def sound(self) -> Sound:
        """How the tune sounds. On the seconds grid steps are times: their tempo is the model's."""
        sound = sound_of(self.piece.tune, self.piece.track)
        return sound._replace(tempo=self.kind.tempo) if self.kind.grid == "seconds" else sound

    @cached_property
    def metres(self) -> tuple[Metre, ...]:
        """The metre of each bar, as its file has it: 2/2 where that is stated, and not 4/4."""
        if self.kind.grid == "seconds":
            return self.piece.metres
        stated = self.piece.tune.score.time_signatures
        metres = [(int(each.numerator), int(each.denominator)) for each in stated]
        as_stated = {normal_metre(metre): metre for metre in reversed(metres) if 0 not in metre}
        return tuple(as_stated.get(metre, metre) for metre in self.piece.metres)

    @cached_property
    def left_out(self) -> dict[str, int]:
        """What of the file is not in what is gone on from, and how often."""
        grid, tune = self.piece.grid, self.piece.tune
        programs = {part.track.program for part in tune.choose(self.piece.track)}
        more = {
            "changes of tempo, left out": self._n_tempo_changes(),
            "other instruments than that of its fullest track, left out": len(programs) - 1,
            "notes outside of A0 to C8, left out": grid.n_dropped,
            "notes that begin with another of their pitch, left out": grid.n_merged,
        }
        return {**self.piece.left_out, **{what: n for what, n in more.items() if n}}

    def _n_tempo_changes(self) -> int:
        """How often the tempo changes behind the first note; on the seconds grid that is heard."""
        tune = self.piece.tune
        stated = sorted((tempo.time, tempo.mspq) for tempo in tune.score.tempos)
        heard = [mspq for time, mspq in stated if time > tune.first_tick]
        before = [mspq for time, mspq in stated if time <= tune.first_tick]
        changes = sum(a != b for a, b in pairwise([*(before[-1:] or [500_000]), *heard]))
        return 0 if self.kind.grid == "seconds" else changes

    def sentences(self, bar: int) -> Iterator[str]:
        """What is to be known before anything is written behind the bar."""
        piece, found, sound = self.piece, self.found, self.sound
        name, which = show_path(piece.name), ""
        if found.n_tunes > 1:
            which = (
                f", tune {piece.number} of {found.n_tunes} (choose with {found.file}#1 and so on)"
            )
        by = f' as "{sound.name}"' if sound.name else ""
        yield (
            f"{name}: goes on behind bar {bar} of {piece.n_bars}{which}, at {sound.tempo:.4g} "
            f"quarters a minute, with program {sound.program}{by}"
        )
        yield from self.remarks()

    def remarks(self) -> Iterator[str]:
        """What was passed over, left out or moved, in sentences."""
        piece, found = self.piece, self.found
        name, n_silent = show_path(piece.name), piece.n_silent_bars
        before = {f"{found.file}#{number}" for number in range(1, piece.number)}
        passed = [refusal for refusal in found.refusals if refusal.file in before]
        why = [refusal.message.partition(";")[0] for refusal in passed]
        why += [say_metre(each, self.kind) for each in found.pieces[: found.pieces.index(piece)]]
        if why:
            more = f", and {len(why) - 1} more tunes" if why[1:] else ""
            yield f"passed over: {why[0]}{more}"
        if n_silent:
            silent = "bar 1 is" if n_silent == 1 else f"bars 1 to {n_silent} are"
            yield (
                f"{name}: {silent} silent and left out; the piece begins with its bar "
                f"{n_silent + 1}"
            )
        if piece.track == "all" and len(piece.tracks) > 1:
            named = [
                f"{n} ({track})" if track else f"{n}"
                for n, (track, _) in enumerate(piece.tracks, start=1)
            ]
            more = f" and {len(named) - MOST_TRACKS} more" if named[MOST_TRACKS:] else ""
            yield (
                f"{name}: its {len(named)} tracks are gone on from as one; --track takes one of"
                f" them: {', '.join(named[:MOST_TRACKS])}{more}"
            )
        beats = piece.tune.beats
        if beats is not None and beats.sure is None:
            yield f"{name}: its beats are those of the beat file beside it"
        elif beats is not None:
            yield (
                f"{name}: it was played freely, and its beats were estimated (sure: "
                f"{beats.sure:.2f} of 1); if its bars begin at wrong places, put a beat file "
                f"beside it: {beat_file_name(name)}"
            )
        for what, n in self.left_out.items():
            yield f"{name}: {n} {what}"
        if piece.fitting_steps:
            yield (
                f"{name}: its onsets lie between the steps of this model, "
                f"{self.kind.steps_per_quarter} a quarter, and are moved to them; a model of a "
                f"corpus prepared with --steps-per-quarter {piece.fitting_steps} has a step for "
                "them"
            )

    def name_for_files(self, stem: str) -> str:
        """What was given, with six digits that tell it from all else of that name."""
        found, piece = self.found, self.piece
        given = f"{found.sha256} {piece.number} {piece.track}"
        name = _for_file_name(stem, LONGEST_STEM) or "tune"
        name += f"-{hashlib.sha256(given.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
        if found.n_tunes > 1:
            name += f"-tune{piece.number}"
        if piece.track != "all":
            name += f"-track{_for_file_name(str(piece.track), LONGEST_TRACK)}"
        return name

    def to_json(self) -> dict[str, Any]:
        """What is to be recorded of it."""
        beats = self.piece.tune.beats
        return {
            "file": self.found.file,
            "sha256": self.found.sha256,
            "tune": self.piece.number,
            "tunes": self.found.n_tunes,
            "track": self.piece.track,
            "of_bars": self.piece.n_bars,
            "left_out": self.left_out,
            **({} if beats is None else {"beats": beats.source, "sure": beats.sure}),
        }


def read_source(place: Place, kind: BarKind, *, track: int | str = "all") -> Source:
    """The tune of the file at that place. Raises UsageError or MusicFileError."""
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
    return _source_of(found, kind)


def source_from_bytes(
    data: bytes, *, name: str, kind: BarKind, track: int | str = "all", tune: int | None = None
) -> Source:
    """As :func:`read_source`, from a file's bytes. Raises MusicFileError.

    tune: from 1; None is the first that can be gone on from.
    """
    options = options_of_kind(kind, track=track)
    found = pieces_from_bytes(data, name=name, options=options, tune=tune, command="generate")
    return _source_of(found, kind)


def _source_of(found: FileResult, kind: BarKind) -> Source:
    usable = usable_pieces(found, kind)
    if usable:
        return Source(kind, found, usable[0])
    if found.pieces:
        piece = found.pieces[0]
        ours, its = " or ".join(map(show_metre, kind.metres)), show_metre(piece.metre)
        raise MusicFileError(
            f"{say_metre(piece, kind)}; give a piece in {ours}, or a model of pieces in {its}: "
            f"nextbar prepare --metre {its}, then train",
            name=piece.name,
            reason=f"metre {its}",
        )
    refusal = found.refusals[0]
    raise MusicFileError(refusal.message, name=refusal.file, reason=refusal.reason)


def usable_pieces(found: FileResult, kind: BarKind) -> list[ReadPiece]:
    """The pieces of a file that can be gone on from: some bar is in a metre of that kind."""
    return [piece for piece in found.pieces if {*piece.metres} & {*kind.metres}]


def say_metre(piece: ReadPiece, kind: BarKind) -> str:
    """That a piece is in another metre than those of a model."""
    known = ", ".join(map(show_metre, kind.metres))
    return f"{piece.name}: it is in {show_metre(piece.metre)}, and this model writes {known}"


def _for_file_name(text: str, most_bytes: int) -> str:
    """The text in characters that any system takes in a file's name, and a picture in its title."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(c if c.isprintable() and c not in '<>:"/\\|?*$' else "_" for c in text)
    return text.encode()[:most_bytes].decode("utf-8", "ignore").strip(" .")
