"""A played tune set to its beats: beat k lies k quarters from the beginning, notes move along."""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from symusic.core import (
    ControlChangeTick,
    NoteTickList,
    ScoreTick,
    TempoTick,
    TimeSignatureTick,
    TrackTick,
)

from nextbar.music.beats import Beats, beats_at, onsets_of, seconds_at, usual_bar
from nextbar.music.midi import LONGEST_QUARTERS
from nextbar.music.refusals import refuse
from nextbar.music.tunes import SUSTAIN, FoundBeats, Tune

TICKS_PER_QUARTER: Final = 480
MOST_BEYOND: Final = 0.1
"""What share of the onsets may lie before the first beat of a file or behind its last."""
TEMPO_CHANGE: Final = 0.001
"""By how much of itself a tempo has to change to be stated anew."""


def set_to_beats(tune: Tune, beats: Beats) -> Tune:
    """The tune in ticks that count beats, its bars as the beats have them.

    Between two beats time is even, before the first and behind the last it goes
    on as there. A bar line is at tick 0: where notes are before the first
    downbeat, bars of the usual length go before it. Signatures stand where bars
    change their length, a tempo at every beat that brings another. A note
    that had a length keeps one. Raises MusicFileError ("bad beat file") where many
    onsets lie beyond the beats, and "too long".
    """
    onsets = seconds_at(tune.score, onsets_of(tune))
    first, last = float(beats.seconds[0]), float(beats.seconds[-1])
    margin = float(np.diff(beats.seconds).max())
    beyond = (onsets < first - margin) | (onsets > last + margin)
    if beyond.mean() > MOST_BEYOND:
        raise refuse(
            tune.name,
            "bad beat file",
            f"its beats are from {first:.1f} to {last:.1f} s, its notes from {onsets.min():.1f} to"
            f" {onsets.max():.1f} s",
        )
    grid = _Grid.of(beats, beats_at(beats.seconds, onsets.min(keepdims=True))[0])
    score = ScoreTick(TICKS_PER_QUARTER)
    for track in tune.score.tracks:
        score.tracks.append(_moved(track, tune.score, grid))
    end = score.end()
    if end > LONGEST_QUARTERS * TICKS_PER_QUARTER:
        why = f"by its beats it has {end // TICKS_PER_QUARTER:,} quarters, of {LONGEST_QUARTERS:,}"
        raise refuse(tune.name, "too long", f"{why} allowed")
    for tick, length in grid.signatures():
        score.time_signatures.append(TimeSignatureTick(tick, length, beats.unit))
    for tick, quarter in grid.tempi():
        score.tempos.append(TempoTick(tick, mspq=quarter))
    found = FoundBeats(beats.sure, grid.tempo, grid.curve(end))
    return replace(tune, score=score, pickup_quarters=0.0, short_bars=(), beats=found)


@dataclass(frozen=True)
class _Grid:
    """Beats and the bars over them. origin: the beat of the first bar line; it may be below 0.

    lines: the beats of all bar lines up to the last that is known, from origin.
    usual: how many beats most bars have. ticks_per_beat: 480 for a quarter.
    """

    seconds: npt.NDArray[np.float64]
    origin: int
    lines: npt.NDArray[np.int64]
    usual: int
    ticks_per_beat: int

    @classmethod
    def of(cls, beats: Beats, first_onset: float) -> "_Grid":
        """first_onset: in beats."""
        begins = np.flatnonzero(beats.downbeats)
        usual = usual_bar(beats.downbeats)
        # A note that is hardly before the first downbeat belongs to it.
        missing = begins[0] - min(math.floor(first_onset + 1 / 8), 0)
        before = -(-int(missing) // usual) if first_onset < begins[0] - 1 / 8 else 0
        early = begins[0] - usual * np.arange(before, 0, -1)
        lines, per_beat = np.append(early, begins), TICKS_PER_QUARTER * 4 // beats.unit
        return cls(beats.seconds, int(lines[0]), lines, usual, per_beat)

    def ticks(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The tick of each time."""
        at = (beats_at(self.seconds, seconds) - self.origin) * self.ticks_per_beat
        return np.maximum(np.floor(at + 0.5), 0).astype(np.int64)

    def seconds_of(self, beats: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """When beats are, those before the first and behind the last too."""
        at = np.clip(beats, 0, len(self.seconds) - 2)
        return np.asarray(
            self.seconds[at] + (beats - at) * (self.seconds[at + 1] - self.seconds[at])
        )

    @property
    def tempo(self) -> float:
        """Quarters a minute, by the middle one of all beats."""
        return float(60 / np.median(np.diff(self.seconds)) * self._quarters)

    @property
    def _quarters(self) -> float:
        return self.ticks_per_beat / TICKS_PER_QUARTER

    def signatures(self) -> list[tuple[int, int]]:
        """(tick, beats in a bar) where bars begin to be of that length."""
        found: list[tuple[int, int]] = []
        lengths = [*np.diff(self.lines).tolist(), self.usual]
        for line, length in zip(self.lines.tolist(), lengths, strict=True):
            if not found or found[-1][1] != length:
                found.append(((line - self.origin) * self.ticks_per_beat, length))
        return found

    def tempi(self) -> list[tuple[int, int]]:
        """(tick, microseconds a quarter) where they change."""
        found: list[tuple[int, int]] = []
        for beat, length in enumerate(np.diff(self.seconds).tolist()):
            mspq = round(length * 1e6 / self._quarters)
            if not found or abs(mspq - found[-1][1]) > TEMPO_CHANGE * found[-1][1]:
                tick = (beat - self.origin) * self.ticks_per_beat if found else 0
                found.append((max(tick, 0), mspq))
        return found

    def curve(self, end: int) -> tuple[int, ...]:
        """Quarters a minute of each bar up to the tick ``end``, rounded."""
        last = self.origin + -(-end // self.ticks_per_beat)
        more = np.arange(self.lines[-1] + self.usual, last + self.usual, self.usual)
        lines = np.append(self.lines, more)
        lines = lines[: np.searchsorted(lines, last) + 1]
        lengths = np.diff(self.seconds_of(lines))
        tempi = 60 * np.diff(lines) * self._quarters / lengths
        return tuple(np.round(tempi).astype(int).tolist())


def _moved(track: TrackTick, score: ScoreTick, grid: _Grid) -> TrackTick:
    """The track with its notes and its sustain pedal where the grid has them."""
    moved = TrackTick(track.name, track.program, track.is_drum)
    notes = track.notes.numpy()
    time = notes["time"].astype(np.int64)
    begin, end = (
        grid.ticks(seconds_at(score, ticks)) for ticks in (time, time + notes["duration"])
    )
    sign = np.sign(notes["duration"])
    duration = np.where(sign == 0, 0, sign * np.maximum(sign * (end - begin), 1))
    moved.notes = NoteTickList.from_numpy(
        begin.astype(np.int32), duration.astype(np.int32), notes["pitch"], notes["velocity"]
    )
    controls = track.controls.numpy()
    is_pedal = controls["number"] == SUSTAIN
    times = grid.ticks(seconds_at(score, controls["time"][is_pedal].astype(np.int64)))
    for tick, value in zip(times.tolist(), controls["value"][is_pedal].tolist(), strict=True):
        moved.controls.append(ControlChangeTick(tick, SUSTAIN, value))
    return moved
