"""Notes on a grid -> scores, and scores -> MIDI files.

A score (symusic's) is a piece with all that decides how it sounds: its
tracks with their names and programs, tempo and metre. ``audio.py`` and
``sheet.py`` write it as sound and as notation. How many bars it has it does
not hold: a last bar that ends in silence is told by ``n_bars``.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import mido
import numpy as np
from symusic.core import NoteTickList, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from nextbar.errors import UsageError
from nextbar.files import write_bytes_atomically
from nextbar.music.bars import Notes
from nextbar.music.metre import find_tempo
from nextbar.music.tunes import Metre, Tune, choose_tracks, last_note_end

TICKS_PER_STEP: Final = 120
"""A step of a quarter's fourth in files of 480 ticks a quarter, which every program can read."""


class Track(NamedTuple):
    """What one instrument plays, or one hand of a pianist.

    notes: dtype ``NOTE``. program: 0-127, of General MIDI; 0 is a piano, 73 a flute.
    """

    notes: Notes
    name: str = ""
    program: int = 0


class Sound(NamedTuple):
    """How a piece sounds; its fields are arguments of :func:`to_score`.

    tempo: quarters a minute. program: 0-127. name: of the track. metre: as it is written.
    """

    tempo: float = 120.0
    program: int = 0
    name: str = ""
    metre: Metre = (4, 4)


def sound_of(tune: Tune, track: int | str = "all") -> Sound:
    """The tune's tempo, and of its chosen tracks the program and name of the one with most notes.

    So what is written on from a file keeps its sound. Raises MusicFileError
    where the track does not exist ("no such track").
    """
    chosen = choose_tracks(tune.pitched, track, name=tune.name)
    fullest = max(chosen, key=lambda part: len(part.track.notes)).track
    return Sound(find_tempo(tune), int(fullest.program), fullest.name)


def to_score(
    music: Notes | Sequence[Track],
    *,
    tempo: float = 120.0,
    metre: Metre = (4, 4),
    steps_per_quarter: int = 4,
    name: str = "",
    program: int = 0,
) -> ScoreTick:
    """A score with a track for each part; the same music gives the same score.

    music: parts, or the notes of one part, which has then ``name`` and
    ``program``. tempo: quarters a minute. On the seconds grid, a step of
    0.125 s is a quarter's fourth at 120. Reading it back and quantising gives
    the same notes. Raises UsageError for a program that is none.
    """
    parts = [Track(music, name, program)] if isinstance(music, np.ndarray) else list(music)
    score = ScoreTick(TICKS_PER_STEP * steps_per_quarter)
    score.tempos.append(TempoTick(0, tempo))
    score.time_signatures.append(TimeSignatureTick(0, *metre))
    for part in parts:
        if not 0 <= part.program <= 127:
            raise UsageError(f"program: {part.program} is not between 0 and 127")
        track = TrackTick(part.name, part.program, False)
        track.notes = NoteTickList.from_numpy(
            (part.notes["start"] * TICKS_PER_STEP).astype(np.int32),
            (part.notes["duration"] * TICKS_PER_STEP).astype(np.int32),
            part.notes["pitch"].astype(np.int8),
            part.notes["velocity"].astype(np.int8),
        )
        score.tracks.append(track)
    return score


def metre_of(score: ScoreTick) -> Metre:
    """The score's first time signature; (4, 4) where it has none."""
    stated = score.time_signatures
    return (int(stated[0].numerator), int(stated[0].denominator)) if len(stated) else (4, 4)


def tempo_of(score: ScoreTick) -> float:
    """The score's first tempo, in quarters a minute; 120.0 where it has none."""
    return 60e6 / max(score.tempos[0].mspq, 1) if len(score.tempos) else 120.0


def bars_of(score: ScoreTick, n_bars: int | None = None) -> tuple[int, int]:
    """How many bars the score has, and how many ticks a bar.

    n_bars: how many are known to be there; the bars of its notes where they
    are more, or None is given.
    """
    numerator, denominator = metre_of(score)
    bar_ticks = 4 * score.ticks_per_quarter * numerator // denominator
    return max(-(-int(last_note_end(score)) // bar_ticks), n_bars or 0), bar_ticks


def bar_seconds(score: ScoreTick) -> float:
    """How long a bar lasts at the score's first metre and tempo."""
    numerator, denominator = metre_of(score)
    return 4 * numerator / denominator * 60 / tempo_of(score)


def midi_bytes(score: ScoreTick, *, n_bars: int | None = None) -> bytes:
    """The score as a MIDI file, each of whose tracks ends where the last bar ends.

    So a program that repeats it, or puts another behind it, is in time. n_bars:
    see :func:`bars_of`.
    """
    n_bars, bar_ticks = bars_of(score, n_bars)
    # symusic ends a track a tick behind its last event, and drops silence.
    file = mido.MidiFile(file=io.BytesIO(score.dumps_midi()))
    for track in file.tracks:
        before = sum(message.time for message in track[:-1])
        track[-1].time = max(n_bars * bar_ticks - before, 0)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def write_midi(score: ScoreTick, path: str | Path, *, n_bars: int | None = None) -> None:
    """Write :func:`midi_bytes`, whole or not at all; OutputError where that cannot be."""
    write_bytes_atomically(path, midi_bytes(score, n_bars=n_bars))
