"""Notes on a grid -> scores, and scores -> MIDI files.

A score (symusic's) is a piece with all that decides how it sounds: its
tracks with their names and programs, tempo and metres. ``audio.py`` and
``sheet.py`` write it as sound and as notation. Where its bars begin is told by
its time signatures. How many it has it does not hold: a last bar that ends in
silence is told by ``n_bars``.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import mido
import numpy as np
import numpy.typing as npt
from symusic.core import NoteTickList, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from nextbar.errors import UsageError
from nextbar.files import write_bytes_atomically
from nextbar.music.bars import BarStarts, Notes, bar_starts
from nextbar.music.metre import bar_steps, find_tempo
from nextbar.music.tunes import Metre, Tune, choose_tracks, last_note_end

TICKS_PER_STEP: Final = 120
"""A step of a quarter's fourth in files of 480 ticks a quarter, which every program can read."""
STRAIGHT: Final = 50
MOST_SWING: Final = 75
"""Where in a quarter its second eighth begins, in percent: 50 is the middle, 67 as of triplets."""


class Track(NamedTuple):
    """What one instrument plays, or one hand of a pianist.

    notes: dtype ``NOTE``. program: 0-127, of General MIDI; 0 is a piano, 73 a flute.
    """

    notes: Notes
    name: str = ""
    program: int = 0


class Bars(NamedTuple):
    """The bars of a score: the metre of each, and where they begin, in ticks."""

    metres: list[Metre]
    starts: BarStarts


class Sound(NamedTuple):
    """How a piece sounds; its fields are arguments of :func:`to_score`.

    tempo: quarters a minute. program: 0-127. name: of the track. swing: where in a
    quarter its second eighth begins, in percent, 50-75.
    """

    tempo: float = 120.0
    program: int = 0
    name: str = ""
    swing: int = STRAIGHT


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
    metres: Sequence[Metre] = (),
    steps_per_quarter: int = 4,
    name: str = "",
    program: int = 0,
    swing: int = STRAIGHT,
) -> ScoreTick:
    """A score with a track for each part; the same music gives the same score.

    music: parts, or the notes of one part, which has then ``name`` and
    ``program``. tempo: quarters a minute. On the seconds grid, a step of
    0.125 s is a quarter's fourth at 120. metre: of all bars. metres: of each
    bar, where they are not all of one; the last goes on. A time signature
    stands at the beginning and where the metre changes. Reading it back and
    quantising gives the same notes, if they are straight. swing: see :class:`Sound` and
    :func:`swung`. Raises UsageError for a program or a swing that is
    none, and for a bar of no whole number of steps.
    """
    check_swing(swing)
    of_bars = list(metres or [metre])
    parts = [Track(music, name, program)] if isinstance(music, np.ndarray) else list(music)
    score = ScoreTick(TICKS_PER_STEP * steps_per_quarter)
    score.tempos.append(TempoTick(0, tempo))
    for signature in _signatures(of_bars, steps_per_quarter):
        score.time_signatures.append(signature)
    for part in parts:
        if not 0 <= part.program <= 127:
            raise UsageError(f"program: {part.program} is not between 0 and 127")
        track = TrackTick(part.name, part.program, False)
        starts, ends = (
            swung(steps * TICKS_PER_STEP, of_bars, steps_per_quarter, swing)
            for steps in (part.notes["start"], part.notes["start"] + part.notes["duration"])
        )
        track.notes = NoteTickList.from_numpy(
            starts.astype(np.int32),
            (ends - starts).astype(np.int32),
            part.notes["pitch"].astype(np.int8),
            part.notes["velocity"].astype(np.int8),
        )
        score.tracks.append(track)
    return score


def check_swing(swing: int) -> None:
    """Raises UsageError for what is no swing."""
    if not STRAIGHT <= swing <= MOST_SWING:  # not-a-number fails too
        raise UsageError(
            f"swing: {swing:g} is not between {STRAIGHT} (straight) and {MOST_SWING} percent"
        )


def swung(
    ticks: npt.NDArray[np.int64], metres: Sequence[Metre], steps_per_quarter: int, swing: int
) -> npt.NDArray[np.int64]:
    """When what is written at these ticks sounds, in ticks.

    In bars counted in quarters or halves, of every quarter the first half lasts ``swing``
    percent and the second the rest, and what lies in a half lies evenly in it: quarters and bar
    lines stay, and nothing changes its order. Other bars, as of 6/8, stay as they are. metres: of
    each bar; the last goes on.
    """
    if swing == STRAIGHT:
        return ticks
    quarter = TICKS_PER_STEP * steps_per_quarter
    lines = bar_starts([bar_steps(metre, steps_per_quarter) for metre in metres]) * TICKS_PER_STEP
    bar = np.clip(np.searchsorted(lines, ticks, "right") - 1, 0, len(metres) - 1)
    swings = np.array([metre[1] in (1, 2, 4) for metre in metres])[bar]
    within = (ticks - lines[bar]) % quarter
    half, longer = quarter / 2, quarter * swing / 100
    second = longer + (within - half) * (quarter - longer) / half
    bent = np.rint(np.where(within < half, within * longer / half, second)).astype(np.int64)
    return np.where(swings, ticks - within + bent, ticks)


def _signatures(metres: Sequence[Metre], steps_per_quarter: int) -> list[TimeSignatureTick]:
    """The time signatures of bars of these metres: the first's, and one at each change."""
    starts = bar_starts([bar_steps(metre, steps_per_quarter) for metre in metres])
    ticks = (starts[:-1] * TICKS_PER_STEP).tolist()
    return [
        TimeSignatureTick(tick, *metre)
        for tick, metre, before in zip(ticks, metres, [None, *metres[:-1]], strict=True)
        if metre != before
    ]


def tempo_of(score: ScoreTick) -> float:
    """The score's first tempo, in quarters a minute; 120.0 where it has none."""
    return 60e6 / max(score.tempos[0].mspq, 1) if len(score.tempos) else 120.0


def bars_of(score: ScoreTick, n_bars: int | None = None) -> Bars:
    """The score's bars by its time signatures; 4/4 until one is stated.

    n_bars: how many are known to be there; the bars up to its last note and
    signature where they are more, or None is given. A signature that stands
    within a bar counts from the next one on.
    """
    stated = [signature.time for signature in score.time_signatures]
    return _bars_until(score, max(int(last_note_end(score)), *stated, 0), n_bars or 0)


def bar_seconds(score: ScoreTick, n_bars: int) -> float:
    """How long the first ``n_bars`` bars last at the score's first tempo."""
    quarters = float(_bars_until(score, 0, n_bars).starts[-1]) / score.ticks_per_quarter
    return quarters * 60 / tempo_of(score)


def _bars_until(score: ScoreTick, end: int, n_bars: int) -> Bars:
    """So many bars, or as many as it takes to the tick ``end``."""
    coming = [
        (int(stated.time), (int(stated.numerator), int(stated.denominator)))
        for stated in sorted(score.time_signatures, key=lambda signature: signature.time)[::-1]
        if stated.numerator and stated.denominator
    ]
    metre: Metre = (4, 4)
    metres: list[Metre] = []
    starts = [0]
    while starts[-1] < end or len(metres) < n_bars:
        while coming and coming[-1][0] <= starts[-1]:
            metre = coming.pop()[1]
        metres.append(metre)
        starts.append(starts[-1] + max(4 * score.ticks_per_quarter * metre[0] // metre[1], 1))
    return Bars(metres, np.array(starts, np.int64))


def midi_bytes(score: ScoreTick, *, n_bars: int | None = None) -> bytes:
    """The score as a MIDI file, each of whose tracks ends where the last bar ends.

    So a program that repeats it, or puts another behind it, is in time. n_bars:
    see :func:`bars_of`.
    """
    end = int(bars_of(score, n_bars).starts[-1])
    # symusic ends a track a tick behind its last event, and drops silence.
    file = mido.MidiFile(file=io.BytesIO(score.dumps_midi()))
    for track in file.tracks:
        before = sum(message.time for message in track[:-1])
        track[-1].time = max(end - before, 0)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def write_midi(score: ScoreTick, path: str | Path, *, n_bars: int | None = None) -> None:
    """Write :func:`midi_bytes`, whole or not at all; OutputError where that cannot be."""
    write_bytes_atomically(path, midi_bytes(score, n_bars=n_bars))
