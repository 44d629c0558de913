"""MIDI, ABC, MusicXML and kern files -> tunes.

:func:`read_tunes`; what can be asked of a tune stands in ``tunes.py``. The way
out is ``score.py``.

symusic parses MIDI, but draws nothing here: its piano rolls crash on some
files. What it reads wrongly ``midi_events.py`` reads anew. Times are checked
before anything is allocated in proportion to them. What is left out or mended
on the way is counted: ``Tune.remarks``.
"""

import os
import stat
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from symusic.core import (
    ControlChangeTick,
    NoteTickList,
    ScoreTick,
    TrackTick,
    TrackTickList,
)

from nextbar.errors import MusicFileError
from nextbar.music import abc_tunes, musicxml
from nextbar.music.midi_events import (
    FAR_TICKS,
    HEADER_BYTES,
    ask_of_ends,
    normal_header,
    read_parts,
    show_bytes,
    to_arrays,
)
from nextbar.music.refusals import refuse
from nextbar.music.tunes import DRUM_TRACK, NEVER_ENDED, NO_LENGTH, SUSTAIN, Tune, plain_name

MIDI_SUFFIXES: Final = (".mid", ".midi", ".kar", ".rmi", ".smf")
MUSIC_SUFFIXES: Final = (
    *MIDI_SUFFIXES,
    ".abc",
    *musicxml.SUFFIXES,
    *musicxml.KERN_SUFFIXES,
)
LARGEST_FILE_BYTES: Final = 16 * 2**20
"""Larger files are refused: an hour of dense piano is about 1 MB."""
LONGEST_QUARTERS: Final = 14_400
"""Two hours at 120 quarters a minute; a stray event far out would make millions of silent bars."""
MOST_SEQUENCES: Final = 1_000
"""Tracks of a file of type 2 that are read: each is a piece."""


def read_tunes(
    path: str | Path, *, name: str | None = None
) -> tuple[list[Tune], list[MusicFileError]]:
    """The readable tunes of a music file, and an error for each that is not.

    name: what to call the file in names and messages; its own name if None.
    A MIDI file is one tune, or of type 2 (patterns of their own) one for each
    track; an ABC file may hold many, and one that is broken does not lose the
    others. The errors are returned, never raised; their
    reasons: "unreadable", "too large", "empty file", "not a MIDI file", "not
    MusicXML", "not kern", "needs music21", "damaged archive", "damaged", "time in frames",
    "no time division", "no notes", "only drums", "too long", "bad times", "no
    tune".
    """
    path = Path(path)
    name = path.name if name is None else name
    try:
        return parse_tunes(read_bytes(path, name=name), name=name)
    except MusicFileError as error:
        return [], [error]


def read_bytes(path: str | Path, *, name: str) -> bytes:
    """The bytes of a music file; MusicFileError ("unreadable", "too large") if there are none."""
    try:
        # A pipe must not keep us waiting; Windows ends text at a byte if not told otherwise.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(path, flags), "rb", buffering=0) as file:
            there = os.fstat(file.fileno())
            if not stat.S_ISREG(there.st_mode):
                raise refuse(name, "unreadable", "it is no file")
            if there.st_size > LARGEST_FILE_BYTES:
                raise refuse(name, "too large", f"it has over {LARGEST_FILE_BYTES // 2**20} MB")
            return file.read()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise refuse(name, "unreadable", "it is no file") from error
    except OSError as error:
        raise refuse(name, "unreadable", error.strerror or str(error)) from error
    except ValueError as error:  # a name that no file can have
        raise refuse(name, "unreadable", "it is no file") from error


def parse_tunes(
    data: bytes, *, name: str, drums: bool = False, chords: bool = False
) -> tuple[list[Tune], list[MusicFileError]]:
    """As :func:`read_tunes`, from a file's bytes; the suffix of ``name`` tells what it is.

    drums: a tune's notes are to be those of its drum channel, if it has any and
    no other track that is called drums. chords: chord symbols are to be played.
    """
    if not data[:4096].strip() and not data.strip():
        return [], [refuse(name, "empty file", "it has no content")]
    suffix = os.path.splitext(name)[1].lower()
    if suffix == ".abc":
        return _parse_abc(data, name, drums=drums, chords=chords)
    if suffix in musicxml.SUFFIXES:
        return _parse_notated(data, name, musicxml.read_musicxml, drums=drums, chords=chords)
    if suffix in musicxml.KERN_SUFFIXES:
        return _parse_notated(data, name, musicxml.read_kern, drums=drums, chords=chords)
    tunes: list[Tune] = []
    errors: list[MusicFileError] = []
    try:
        sequences = _split_sequences(_unwrap(data, name))
    except MusicFileError as error:
        return [], [error]
    for number, sequence in enumerate(sequences, start=1):
        tune_name = name if len(sequences) == 1 else f"{name}#{number}"
        try:
            score, remarks = read_score(sequence, tune_name)
            tune = Tune(tune_name, score, remarks=remarks, number=number)
            tunes.append(_checked(tune, drums=drums))
        except MusicFileError as error:
            errors.append(error)
    return tunes, errors


def _parse_notated(
    data: bytes, name: str, read: Any, *, drums: bool, chords: bool
) -> tuple[list[Tune], list[MusicFileError]]:
    try:
        notated: musicxml.Notated = read(data, name, chords=chords)
        tune = Tune(
            name,
            notated.score,
            notated.pickup_quarters,
            remarks=notated.remarks,
            short_bars=notated.short_bars,
            plays_chords=notated.plays_chords,
            notated=True,
        )
        return [_checked(tune, drums=drums)], []
    except MusicFileError as error:
        return [], [error]


def _unwrap(data: bytes, name: str) -> bytes:
    """The MIDI file in the bytes, out of an RMID wrapper if need be."""
    if data[:4] == b"RIFF":
        data = data[max(data.find(b"MThd"), 0) :]
    if data[:4] != b"MThd":
        raise refuse(name, "not a MIDI file", "it does not begin with MThd")
    return data


def _split_sequences(data: bytes) -> list[bytes]:
    """The file; of one of type 2, whose tracks are not played at once, each as a file of its own.

    At most ``MOST_SEQUENCES`` of them.
    """
    if data[8:10] != b"\x00\x02":
        return [data]
    begin = 8 + int.from_bytes(data[4:8], "big")
    head = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01" + data[12:14]
    found: list[bytes] = []
    while begin + 8 <= len(data) and len(found) < MOST_SEQUENCES:
        end = begin + 8 + int.from_bytes(data[begin + 4 : begin + 8], "big")
        if data[begin : begin + 4] == b"MTrk":
            found.append(head + data[begin:end])
        begin = end
    return found or [data]


def parse_score(data: bytes, name: str) -> ScoreTick:
    """The score in a MIDI file's bytes, its notes and times unchecked; else MusicFileError."""
    return read_score(data, name)[0]


def read_score(data: bytes, name: str) -> tuple[ScoreTick, dict[str, int]]:
    """As :func:`parse_score`, and what was left out or mended, by kind.

    Every channel of a track is one track, whatever programs it plays with.
    Notes that never end last to the end of their track.
    """
    data = normal_header(_unwrap(data, name))
    if len(data) < HEADER_BYTES:
        raise refuse(name, "damaged", "it ends within its header")
    division = int.from_bytes(data[12:14], "big")
    if division & 0x8000:
        raise refuse(name, "time in frames", "its times are in SMPTE frames, not in beats")
    if division == 0:
        raise refuse(name, "no time division", "it states 0 ticks a quarter note")
    asked = ask_of_ends(data)
    if asked is not None:
        try:
            score = ScoreTick.from_midi(asked, sanitize_data=True)
        except (RuntimeError, ValueError, OverflowError):
            pass  # it is damaged in places: below it is told how
        else:
            if not _is_doubtful(score):
                return score, {}
    try:
        score = ScoreTick.from_midi(data, sanitize_data=True)
    except (RuntimeError, ValueError, OverflowError) as error:
        detail = str(error).removeprefix("MiniMidi: ").removesuffix(": iostream error")
        raise refuse(name, "damaged", detail) from error
    try:
        return score, _read_tracks_anew(score, data)
    except OverflowError:
        return score, {}  # its times are refused later


def _is_doubtful(score: ScoreTick) -> bool:
    """Whether symusic may have read a track wrongly: see ``midi_events``."""
    if not -1 < score.end() < FAR_TICKS:
        return True
    heads = {(track.name, track.program) for track in score.tracks}
    names = dict(heads)
    # Two programs under one name may be one track in which the program changes.
    return len(heads) > len(names) or "\ufffd" in "".join(names)


def _read_tracks_anew(score: ScoreTick, data: bytes) -> dict[str, int]:
    """Puts exact tracks in the place of the score's own; returns what is to be told of them."""
    remarks: Counter[str] = Counter()
    tracks = []
    for part in read_parts(data):
        track = TrackTick(show_bytes(part.name), part.program, part.is_drum)
        arrays = to_arrays(part.notes)
        keys = ("time", "duration", "pitch", "velocity")
        track.notes = NoteTickList.from_numpy(*(arrays[key] for key in keys))
        for time, value in part.pedals.tolist():
            track.controls.append(ControlChangeTick(time, SUSTAIN, value))
        tracks.append(track)
        if not part.is_drum:
            remarks[NO_LENGTH] += part.n_grace
            remarks[NEVER_ENDED] += part.n_unended
    score.tracks = TrackTickList(tracks)
    return dict(+remarks)


def _parse_abc(
    data: bytes, name: str, *, drums: bool, chords: bool
) -> tuple[list[Tune], list[MusicFileError]]:
    text = musicxml.decode_text(data)
    texts = abc_tunes.split_tunes(text.replace("\r\n", "\n").replace("\r", "\n"))
    if not texts:
        return [], [refuse(name, "no tune", "it has no ABC tune (no line X: or K:)")]
    tunes: list[Tune] = []
    errors: list[MusicFileError] = []
    for number, tune_text in enumerate(texts, start=1):
        tune_name = name if len(texts) == 1 else f"{name}#{number}"
        try:
            tune = replace(_tune_from_abc(tune_text, tune_name, chords), number=number)
            tunes.append(_checked(tune, drums=drums))
        except MusicFileError as error:
            errors.append(error)
    return tunes, errors


def _tune_from_abc(text: str, name: str, chords: bool) -> Tune:
    converted = abc_tunes.convert_tune(text, chords=chords)
    if converted.midi is None:
        raise refuse(name, "damaged", "abc2midi makes nothing of this tune")
    score, remarks = read_score(converted.midi, name)
    pickup, short_bars = abc_tunes.find_bars(text, score, converted.bar_lines)
    return Tune(
        name,
        score,
        pickup,
        remarks={**converted.remarks, **remarks},
        short_bars=short_bars,
        plays_chords=converted.plays_chords,
        notated=True,
    )


def _checked(tune: Tune, *, drums: bool = False) -> Tune:
    """The same tune, if it has pitched notes at times that make sense; else MusicFileError."""
    if drums and not any(DRUM_TRACK in plain_name(part.track.name) for part in tune.pitched):
        of_drums = replace(tune, drums=True)
        tune = of_drums if of_drums.pitched else tune
    if not tune.pitched:
        if any(len(track.notes) for track in tune.score.tracks):
            raise refuse(tune.name, "only drums", "all its notes are on the drum channel")
        raise refuse(tune.name, "no notes", "it has no notes that begin and end")
    tpq = tune.score.ticks_per_quarter
    if tune.score.start() >= 0 and 0 <= tune.score.end() <= LONGEST_QUARTERS * tpq:
        return tune  # as all events are, notes among them: only a duration may still be negative
    start, end, shortest = tune.span
    if start < 0 or shortest < 0:
        raise refuse(tune.name, "bad times", "it has notes before its beginning")
    quarters = end / tpq
    if quarters > LONGEST_QUARTERS:
        why = f"its last note ends after {quarters:,.0f} quarters, of {LONGEST_QUARTERS:,} allowed"
        raise refuse(tune.name, "too long", why)
    return tune
