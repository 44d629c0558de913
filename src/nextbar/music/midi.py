"""MIDI, ABC, MusicXML and kern files -> tunes and their notes in file time.

:func:`read_tunes` (file -> tunes), :meth:`Tune.notes_of` (which track);
``grid.py`` then puts the notes on a grid. The way out is ``score.py``.

symusic parses MIDI, but draws nothing here: its piano rolls crash on some
files. What it reads wrongly ``midi_events.py`` reads anew. Times are checked
before anything is allocated in proportion to them. What is left out or mended
on the way is counted: :meth:`Tune.remarks_on`.
"""

import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from symusic.core import (
    ControlChangeTick,
    NoteTickList,
    ScoreSecond,
    ScoreTick,
    TrackSecond,
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

NO_LENGTH: Final = "notes of no length, left out"
DRUMS: Final = "notes on the drum channel, left out (--track drums takes them)"
NEVER_ENDED: Final = "notes that never end, held to the end of their track"

DEFAULT_MSPQ: Final = 500_000
"""Microseconds a quarter where no tempo is stated: 120 quarters a minute."""
SUSTAIN: Final = 64
PEDAL_DOWN: Final = 64
MELODY: Final = "melody"
DRUM_TRACK: Final = "drums"
CHORDS: Final = "chords"
MELODY_WORDS: Final = (MELODY, "vocal", "lead", "voice", "solo", "sopran")
MOST_LISTED: Final = 20

Metre = tuple[int, int]
"""(numerator, denominator), as (6, 8)."""
RawNotes = dict[str, npt.NDArray[Any]]
"""Arrays ``time``, ``duration`` (ticks or seconds), ``pitch`` and ``velocity``, of one length."""


@dataclass(frozen=True)
class PitchedTrack:
    """A track that has notes and is no drums. place: among the score's tracks.

    in_ticks: the same in ticks, of one in seconds, where what has a length may have none.
    """

    place: int
    track: TrackTick | TrackSecond
    in_ticks: TrackTick | TrackSecond | None = None

    @cached_property
    def notes(self) -> RawNotes:
        """Its notes but those of no length, as arrays, made when they are asked for."""
        return _chosen(self._all_notes, self.has_length)

    @cached_property
    def has_length(self) -> npt.NDArray[np.bool_] | None:
        """Which of its notes have a length, (notes,); None if all have."""
        duration = self._all_notes["duration"]
        if self.in_ticks is not None:
            duration = self.in_ticks.notes.numpy()["duration"]
        return None if np.count_nonzero(duration) == len(duration) else duration != 0

    @cached_property
    def _all_notes(self) -> RawNotes:
        return self.track.notes.numpy()

    @property
    def n_no_length(self) -> int:
        """How many of its notes have no length."""
        return 0 if self.has_length is None else int((~self.has_length).sum())


@dataclass(frozen=True)
class Tune:
    """One readable piece of music, in ticks.

    name: the file's name, with ``#3`` for tune 3 of a file of many. number: which
    it is of its file, from 1.
    pickup_quarters: how much sounds before the first bar line; 0.0 for MIDI,
    where the bars begin at tick 0 (but see ``grid.find_metre``). remarks: what
    was left out or mended while it was read, and how often. drums: whether
    its notes are those of the drum channel, and not all others. short_bars:
    (tick, ticks) of bars to be filled up: where they end, what they lack.
    plays_chords: whether some of its notes are chord symbols, played.
    """

    name: str
    score: ScoreTick
    pickup_quarters: float = 0.0
    remarks: dict[str, int] = field(default_factory=dict)
    drums: bool = False
    short_bars: tuple[tuple[int, int], ...] = ()
    plays_chords: bool = False
    number: int = 1

    @cached_property
    def pitched(self) -> list[PitchedTrack]:
        """The tracks that have notes and are no drums (or are drums), in the file's order."""
        return pitched_tracks(self.score, drums=self.drums)

    @cached_property
    def n_drum_notes(self) -> int:
        """How many notes are left out as those of drums."""
        if self.drums or len(self.pitched) == len(self.score.tracks):
            return 0
        tracks = self.score.tracks
        return sum(len(track.notes) for track in tracks if track.is_drum)

    @cached_property
    def span(self) -> tuple[int, int, int]:
        """First onset, last end, and shortest duration of the pitched notes, in ticks."""
        if not any(len(part.notes["time"]) for part in self.pitched):
            return 0, 0, 0
        time = _join([part.notes["time"] for part in self.pitched])
        duration = _join([part.notes["duration"] for part in self.pitched])
        end = int((time.astype(np.int64) + duration).max())
        return int(time.min()), end, int(duration.min())

    @property
    def first_tick(self) -> int:
        """When the first pitched note begins."""
        return self.span[0]

    def notes_of(
        self, track: int | str = "all", *, in_seconds: bool = False, pedal: bool = False
    ) -> RawNotes:
        """The notes of the chosen tracks, in ticks or seconds: see :func:`choose_notes`."""
        chosen = self.choose(track)
        if not any(len(part.notes["time"]) for part in chosen):
            raise refuse(self.name, "no notes", "none of its notes has a length")
        tempos = self.score.tempos
        if in_seconds and not pedal and (not len(tempos) or _is_one_from_the_beginning(tempos)):
            # As symusic would, to the last bit, in a third of the time.
            quarter = (tempos[0].mspq if len(tempos) else DEFAULT_MSPQ) / 1e6
            tick = quarter / self.score.ticks_per_quarter
            return _in_seconds(_merge([part.notes for part in chosen]), tick)
        score: Any = self.score
        if in_seconds:
            score = score.to("second")
            there = score.tracks
            chosen = [PitchedTrack(p.place, there[p.place], p.track) for p in chosen]
        if not pedal:
            return _merge([part.notes for part in chosen])
        return _merge([held_by_pedal(part, chosen, end=score.end()) for part in chosen])

    def remarks_on(self, track: int | str = "all") -> dict[str, int]:
        """What was left out or mended of the chosen tracks, and of drums, and how often."""
        chosen = self.choose(track)
        if not self.n_drum_notes and all(part.has_length is None for part in chosen):
            return self.remarks
        no_length = sum(part.n_no_length for part in chosen)
        found = {DRUMS: self.n_drum_notes, NO_LENGTH: no_length}
        return dict(Counter(self.remarks) + Counter(found))

    def choose(self, track: int | str = "all") -> list[PitchedTrack]:
        """The chosen tracks: see :func:`choose_tracks`; "chords", all if it plays chord symbols."""
        if track not in self._chosen and track == CHORDS and self.plays_chords:
            self._chosen[track] = self.pitched
        elif track not in self._chosen:
            self._chosen[track] = choose_tracks(self.pitched, track, name=self.name)
        return self._chosen[track]

    @cached_property
    def _chosen(self) -> dict[int | str, list[PitchedTrack]]:
        return {}


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
    stated = [s for s in score.time_signatures if s.time == 0 and s.denominator]
    bar = 4 * stated[-1].numerator / stated[-1].denominator if stated else 4.0
    pickup = converted.pickup_quarters if converted.pickup_quarters < bar else 0.0
    told = {**converted.remarks, **remarks}
    return Tune(name, score, pickup, remarks=told, plays_chords=converted.plays_chords)


def _checked(tune: Tune, *, drums: bool = False) -> Tune:
    """The same tune, if it has pitched notes at times that make sense; else MusicFileError."""
    if drums and not any(DRUM_TRACK in _plain(part.track.name) for part in tune.pitched):
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


def pitched_tracks(score: ScoreTick | ScoreSecond, *, drums: bool = False) -> list[PitchedTrack]:
    """The tracks that have notes and are not drums, or only those, in the file's order."""
    tracks: Sequence[TrackTick | TrackSecond] = score.tracks
    return [
        PitchedTrack(i, track)
        for i, track in enumerate(tracks)
        if track.is_drum == drums and len(track.notes)
    ]


def last_note_end(score: ScoreTick | ScoreSecond) -> float:
    """When the last note ends, in the score's unit; 0 without notes.

    symusic's own ``end()`` counts what makes no sound too, as a pedal let go much later.
    """
    arrays = [track.notes.numpy() for track in score.tracks if len(track.notes)]
    return max(
        (float((a["time"].astype(np.float64) + a["duration"]).max()) for a in arrays), default=0
    )


def choose_notes(
    score: ScoreTick | ScoreSecond, track: int | str = "all", *, name: str = "this file"
) -> RawNotes:
    """The notes of the chosen track, in the score's unit of time; see :func:`choose_tracks`."""
    return _merge([part.notes for part in choose_tracks(pitched_tracks(score), track, name=name)])


def choose_tracks(
    tracks: Sequence[PitchedTrack], track: int | str = "all", *, name: str = "this file"
) -> list[PitchedTrack]:
    """The chosen ones of the tracks that have notes and are no drums.

    track: "all"; a number takes the N-th, from 1; "melody" takes the one that
    :func:`find_melody` finds; anything else, every track whose name contains
    it, in any case. Of a tune of drums "drums" takes all. Raises
    MusicFileError (reason "no such track"), which lists the tracks there are.
    """
    if isinstance(track, str) and track.strip().isdecimal():
        track = int(track)
    if track == "all":
        chosen = list(tracks)
    elif isinstance(track, int):
        chosen = list(tracks[track - 1 : track]) if track >= 1 else []
    elif track.casefold() == MELODY and tracks:
        chosen = find_melody(tracks)
    elif track.casefold() == DRUM_TRACK and all(part.track.is_drum for part in tracks):
        chosen = list(tracks)
    else:
        chosen = [part for part in tracks if _plain(track) in _plain(part.track.name)]
    if not chosen:
        there_are = ", ".join(
            f'{i} "{part.track.name}" ({len(part.notes["time"])} notes)'
            for i, part in enumerate(tracks[:MOST_LISTED], start=1)
        )
        more = f", and {len(tracks) - MOST_LISTED} more" if len(tracks) > MOST_LISTED else ""
        raise refuse(
            name, "no such track", f"no track {track!r}; it has {there_are or 'none'}{more}"
        )
    return chosen


def _plain(name: str) -> str:
    """The name in small letters, characters that look alike being one."""
    return unicodedata.normalize("NFKD", name).casefold()


def find_melody(tracks: Sequence[PitchedTrack]) -> list[PitchedTrack]:
    """The track with the melody; several if several are named so. At least one of ``tracks``.

    The rules, in turn: tracks whose names contain "melody"; those whose names
    contain "vocal", "lead", "voice", "solo" or "sopran", the first word that
    any has; else, of the tracks that have at least a quarter of the notes of
    the fullest one, those that play one note at a time (nine tenths of their
    onsets have one note), or all if there is none, and of these the one that
    lies highest (by its median pitch), the first of equal ones.
    """
    for word in MELODY_WORDS:
        named = [part for part in tracks if word in _plain(part.track.name)]
        if named:
            return named
    most = max(len(part.notes["time"]) for part in tracks)
    full = [part for part in tracks if 4 * len(part.notes["time"]) >= most]
    single = [part for part in full if _is_one_at_a_time(part.notes["time"])]
    return [max(single or full, key=lambda part: float(np.median(part.notes["pitch"])))]


def _is_one_at_a_time(onsets: npt.NDArray[Any]) -> bool:
    _, counts = np.unique(onsets, return_counts=True)
    return bool((counts == 1).mean() >= 0.9)


def held_by_pedal(part: PitchedTrack, tracks: Sequence[PitchedTrack], *, end: float) -> RawNotes:
    """The notes of a track, each that ends under the sustain pedal ending when it is let go.

    A pedal holds the notes of its own track; where one only of the chosen
    ``tracks`` has a pedal, as with one hand of a piano on each, those of all.
    A pedal that is never let go holds to ``end``. A note's next onset still
    ends it, as on a piano (see ``grid.quantise_all``).
    """
    own = _pedals(part.track, end)
    if not len(own):
        others = [pedals for other in tracks if len(pedals := _pedals(other.track, end))]
        own = others[0] if len(others) == 1 else own
    return _held(part.notes, own) if len(own) else part.notes


def _pedals(track: TrackTick | TrackSecond, end: float) -> npt.NDArray[Any]:
    """(begin, end) of each time that the sustain pedal is down, in order; the last may be open."""
    controls = track.controls.numpy()
    of_pedal = np.flatnonzero(controls["number"] == SUSTAIN)
    time = controls["time"][of_pedal]
    order = np.argsort(time, kind="stable")
    down = controls["value"][of_pedal][order] >= PEDAL_DOWN
    changes = np.flatnonzero(np.diff(down, prepend=False))
    times = np.append(time[order][changes], np.asarray(end, time.dtype))
    times = times[: len(times) // 2 * 2]
    return times.reshape(-1, 2)


def _held(notes: RawNotes, pedals: npt.NDArray[Any]) -> RawNotes:
    begin, let_go = pedals.T
    ends = notes["time"] + notes["duration"]
    pressed = np.searchsorted(begin, ends, side="right") - 1
    held = np.where(pressed >= 0, let_go[np.maximum(pressed, 0)], ends)
    duration = np.maximum(held, ends) - notes["time"]
    return {**notes, "duration": duration.astype(notes["duration"].dtype)}


def _is_one_from_the_beginning(tempos: Any) -> bool:
    return len(tempos) == 1 and tempos[0].time <= 0


def _in_seconds(notes: RawNotes, seconds_per_tick: float) -> RawNotes:
    start = (notes["time"] * seconds_per_tick).astype(np.float32)
    end = ((notes["time"] + notes["duration"]) * seconds_per_tick).astype(np.float32)
    return {**notes, "time": start, "duration": end - start}


def _chosen(notes: RawNotes, which: npt.NDArray[np.bool_] | None) -> RawNotes:
    return notes if which is None else {key: values[which] for key, values in notes.items()}


def _merge(parts: Sequence[RawNotes]) -> RawNotes:
    if len(parts) == 1:
        return parts[0]
    keys = ("time", "duration", "pitch", "velocity")
    return {key: np.concatenate([notes[key] for notes in parts]) for key in keys}


def _join(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
