"""MIDI and ABC files <-> tunes and their notes in file time.

The way in: :func:`read_tunes` (file -> tunes), :func:`choose_notes` (which
track); ``grid.py`` then puts the notes on a grid. The way out:
:func:`to_score`, :func:`write_midi`. Notes that went out come back unchanged.

symusic parses, but draws nothing here: its piano rolls crash on some files.
Times are checked before anything is allocated in proportion to them. What it
does not tell: notes that never end are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from symusic.core import (
    NoteTickList,
    ScoreSecond,
    ScoreTick,
    TempoTick,
    TimeSignatureTick,
    TrackSecond,
    TrackTick,
)

from nextbar.errors import MusicFileError
from nextbar.files import write_bytes_atomically
from nextbar.music import abc_tunes
from nextbar.music.bars import Notes

MUSIC_SUFFIXES: Final = (".mid", ".midi", ".abc")
LARGEST_FILE_BYTES: Final = 16 * 2**20
"""Larger files are refused: an hour of dense piano is about 1 MB."""
LONGEST_QUARTERS: Final = 14_400
"""Two hours at 120 quarters a minute; a stray event far out would make millions of silent bars."""
TICKS_PER_STEP: Final = 120
"""A step of a quarter's fourth in files of 480 ticks a quarter, which every program can read."""

Metre = tuple[int, int]
"""(numerator, denominator), as (6, 8)."""
RawNotes = dict[str, npt.NDArray[Any]]
"""Arrays ``time``, ``duration`` (ticks or seconds), ``pitch`` and ``velocity``, of one length."""


@dataclass(frozen=True)
class Tune:
    """One readable piece of music, in ticks.

    name: the file's name, with ``#3`` for tune 3 of an ABC file of many.
    pickup_quarters: how much sounds before the first bar line; 0.0 for MIDI,
    where the bars begin at tick 0 (but see ``grid.find_metre``).
    """

    name: str
    score: ScoreTick
    pickup_quarters: float = 0.0


def read_tunes(
    path: str | Path, *, name: str | None = None
) -> tuple[list[Tune], list[MusicFileError]]:
    """The readable tunes of a MIDI or ABC file, and an error for each that is not.

    name: what to call the file in names and messages; its own name if None.
    A MIDI file is one tune; an ABC file may hold many, and one that is broken
    does not lose the others. The errors are returned, never raised; their
    reasons: "unreadable", "too large", "empty file", "not a MIDI file",
    "damaged", "time in frames", "no time division", "no notes", "only drums",
    "too long", "bad times", "no tune".
    """
    path = Path(path)
    name = path.name if name is None else name
    try:
        return parse_tunes(read_bytes(path, name=name), name=name)
    except MusicFileError as error:
        return [], [error]


def read_bytes(path: Path, *, name: str) -> bytes:
    """The bytes of a music file; MusicFileError ("unreadable", "too large") if there are none."""
    try:
        if not path.is_file():
            raise refuse(name, "unreadable", "it is no file")
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise refuse(name, "too large", f"it has over {LARGEST_FILE_BYTES // 2**20} MB")
        return path.read_bytes()
    except OSError as error:
        raise refuse(name, "unreadable", error.strerror or str(error)) from error


def parse_tunes(data: bytes, *, name: str) -> tuple[list[Tune], list[MusicFileError]]:
    """As :func:`read_tunes`, from a file's bytes; ``name`` tells ABC from MIDI by its suffix."""
    if not data.strip():
        return [], [refuse(name, "empty file", "it has no content")]
    if Path(name).suffix.lower() == ".abc":
        return _parse_abc(data, name)
    try:
        return [_checked(Tune(name, parse_score(data, name)))], []
    except MusicFileError as error:
        return [], [error]


def parse_score(data: bytes, name: str) -> ScoreTick:
    """The score in a MIDI file's bytes, its notes and times unchecked; else MusicFileError."""
    if data[:4] == b"RIFF":  # an RMID wrapper; the MIDI file is inside, unchanged
        data = data[max(data.find(b"MThd"), 0) :]
    if data[:4] != b"MThd":
        raise refuse(name, "not a MIDI file", "it does not begin with MThd")
    division = int.from_bytes(data[12:14], "big")
    if division & 0x8000:
        raise refuse(name, "time in frames", "its times are in SMPTE frames, not in beats")
    if division == 0:
        raise refuse(name, "no time division", "it states 0 ticks a quarter note")
    try:
        return ScoreTick.from_midi(data, sanitize_data=True)
    except (RuntimeError, ValueError, OverflowError) as error:
        detail = str(error).removeprefix("MiniMidi: ").removesuffix(": iostream error")
        raise refuse(name, "damaged", f"{detail}; save it anew from a music program") from error


def _parse_abc(data: bytes, name: str) -> tuple[list[Tune], list[MusicFileError]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    texts = abc_tunes.split_tunes(text.replace("\r\n", "\n").replace("\r", "\n"))
    if not texts:
        return [], [refuse(name, "no tune", "it has no ABC tune (no line X: or K:)")]
    tunes: list[Tune] = []
    errors: list[MusicFileError] = []
    for number, tune_text in enumerate(texts, start=1):
        tune_name = name if len(texts) == 1 else f"{name}#{number}"
        try:
            tunes.append(_tune_from_abc(tune_text, tune_name))
        except MusicFileError as error:
            errors.append(error)
    return tunes, errors


def _tune_from_abc(text: str, name: str) -> Tune:
    score, pickup = abc_tunes.convert_tune(text)
    if score is None:
        raise refuse(name, "damaged", "abc2midi makes nothing of this tune")
    tune = _checked(Tune(name, score))
    stated = [s for s in score.time_signatures if s.time == 0 and s.denominator]
    bar = 4 * stated[-1].numerator / stated[-1].denominator if stated else 4.0
    return Tune(name, tune.score, pickup if pickup < bar else 0.0)


def _checked(tune: Tune) -> Tune:
    """The same tune, if it has pitched notes at times that make sense; else MusicFileError."""
    if not any(len(track.notes) for track in tune.score.tracks):
        raise refuse(tune.name, "no notes", "it has no notes that begin and end")
    if not pitched_tracks(tune.score):
        raise refuse(tune.name, "only drums", "all its notes are on the drum channel")
    notes = _merge(pitched_tracks(tune.score))
    start, end = notes["time"].min(), (notes["time"].astype(np.int64) + notes["duration"]).max()
    if start < 0 or notes["duration"].min() < 0:
        raise refuse(tune.name, "bad times", "it has notes before its beginning")
    quarters = int(end) / tune.score.ticks_per_quarter
    if quarters > LONGEST_QUARTERS:
        why = f"its last note ends after {quarters:,.0f} quarters, of {LONGEST_QUARTERS:,} allowed"
        raise refuse(tune.name, "too long", why)
    return tune


def refuse(name: str, reason: str, why: str) -> MusicFileError:
    """The error by which ``name`` is refused: a countable reason, and why in a sentence."""
    return MusicFileError(f"{name}: {why}", reason=reason, name=name)


def pitched_tracks(score: ScoreTick | ScoreSecond) -> list[TrackTick | TrackSecond]:
    """The tracks that have notes and are not drums, in the file's order."""
    return [track for track in score.tracks if len(track.notes) and not track.is_drum]


def last_note_end(score: ScoreTick | ScoreSecond) -> float:
    """When the last note ends, in the score's unit; 0 without notes.

    symusic's own ``end()`` counts what makes no sound too, as a pedal let go much later.
    """
    tracks = [track for track in score.tracks if len(track.notes)]
    if not tracks:
        return 0
    notes = _merge(tracks)
    return float((notes["time"].astype(np.float64) + notes["duration"]).max())


def choose_notes(
    score: ScoreTick | ScoreSecond, track: int | str = "all", *, name: str = "this file"
) -> RawNotes:
    """The notes of the chosen track, in the score's unit of time.

    track: "all" merges every track but drums; a number takes the N-th track
    that has notes, from 1, drums not counted; anything else, every track
    whose name contains it, in any case. Raises MusicFileError (reason "no
    such track"), which lists the tracks there are.
    """
    tracks = pitched_tracks(score)
    if isinstance(track, str) and track.strip().isdecimal():
        track = int(track)
    if track == "all":
        chosen = tracks
    elif isinstance(track, int):
        chosen = tracks[track - 1 : track] if track >= 1 else []
    else:
        chosen = [t for t in tracks if track.casefold() in t.name.casefold()]
    if not chosen:
        there_are = ", ".join(
            f'{i} "{t.name}" ({len(t.notes)} notes)' for i, t in enumerate(tracks, start=1)
        )
        raise refuse(name, "no such track", f"no track {track!r}; it has {there_are or 'none'}")
    return _merge(chosen)


def _merge(tracks: Sequence[TrackTick | TrackSecond]) -> RawNotes:
    arrays = [track.notes.numpy() for track in tracks]
    return {key: np.concatenate([a[key] for a in arrays]) for key in arrays[0]}


def to_score(
    notes: Notes,
    *,
    tempo: float = 120.0,
    metre: Metre = (4, 4),
    steps_per_quarter: int = 4,
    name: str = "",
    program: int = 0,
) -> ScoreTick:
    """A score of one track; the same notes give the same score.

    notes: dtype ``NOTE``. tempo: quarters a minute. On the seconds grid, a
    step of 0.125 s is a quarter's fourth at 120. Reading it back and
    quantising gives the same notes.
    """
    score = ScoreTick(TICKS_PER_STEP * steps_per_quarter)
    score.tempos.append(TempoTick(0, tempo))
    score.time_signatures.append(TimeSignatureTick(0, *metre))
    track = TrackTick(name, program, False)
    track.notes = NoteTickList.from_numpy(
        (notes["start"] * TICKS_PER_STEP).astype(np.int32),
        (notes["duration"] * TICKS_PER_STEP).astype(np.int32),
        notes["pitch"].astype(np.int8),
        notes["velocity"].astype(np.int8),
    )
    score.tracks.append(track)
    return score


def write_midi(score: ScoreTick, path: str | Path) -> None:
    """Write the score as a MIDI file, whole or not at all; OutputError where that cannot be."""
    write_bytes_atomically(path, score.dumps_midi())
