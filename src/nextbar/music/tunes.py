"""A tune in file time: its tracks, which of them are meant, and their notes.

What makes one of a file is ``midi.py``; ``metre.py`` says where its bars are,
and ``grid.py`` puts its notes on a grid. What is left out on the way is
counted: :meth:`Tune.remarks_on`.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreSecond, ScoreTick, TrackSecond, TrackTick

from nextbar.music.refusals import refuse

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


class FoundBeats(NamedTuple):
    """How the beats of a tune were found that says nothing of them itself.

    sure: of estimated ones, 0-1; None of those from a beat file. tempo: quarters a
    minute, by the middle one of the beats. curve: the same of each bar, rounded.
    """

    sure: float | None
    tempo: float
    curve: tuple[int, ...]

    @property
    def source(self) -> str:
        """A "file", or "estimated"."""
        return "file" if self.sure is None else "estimated"


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
    where the bars begin at tick 0 (but see ``bar_lines.py``). remarks: what
    was left out or mended while it was read, and how often. drums: whether
    its notes are those of the drum channel, and not all others. short_bars:
    (tick, ticks) of bars to be filled up: where they end, what they lack.
    plays_chords: whether some of its notes are chord symbols, played. notated:
    whether it comes from notation, which has bar lines, and was not played. beats:
    of one that was played freely and is set to its beats, how they were found.
    """

    name: str
    score: ScoreTick
    pickup_quarters: float = 0.0
    remarks: dict[str, int] = field(default_factory=dict)
    drums: bool = False
    short_bars: tuple[tuple[int, int], ...] = ()
    plays_chords: bool = False
    number: int = 1
    notated: bool = False
    beats: FoundBeats | None = None

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
        chosen = [part for part in tracks if plain_name(track) in plain_name(part.track.name)]
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


def plain_name(name: str) -> str:
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
        named = [part for part in tracks if word in plain_name(part.track.name)]
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
