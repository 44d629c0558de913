"""Tunes -> notes on a grid: which metre, which tempo, and the nearest step.

Two grids: of a quarter's fractions, cut into bars of the tune's metre
(:func:`quantise_to_metre`), and of seconds (:func:`quantise_to_seconds`), as
the paper's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick

from nextbar.errors import UsageError
from nextbar.music.bars import LOWEST_PITCH, N_PITCHES, NOTE, Notes, join_notes
from nextbar.music.midi import Metre, RawNotes, Tune, last_note_end, refuse

LONGEST_SECONDS: Final = 7_200
C_MAJOR: Final = (0, 2, 4, 5, 7, 9, 11)
_SHIFTS: Final = np.array(sorted(range(-5, 7), key=lambda shift: (abs(shift), shift)))
_SCALES: Final = np.array([[(tone - shift) % 12 for tone in C_MAJOR] for shift in _SHIFTS])
"""Which pitch classes each shift would bring into C major, the nearest shift first."""


@dataclass(frozen=True)
class GridNotes:
    """Notes on a grid, and what putting them there has cost.

    mean_shift_steps: mean distance of an onset from its grid point, 0-0.5.
    n_dropped: notes outside A0-C8 or of velocity 0.
    n_merged: notes that fell on the onset of another of their pitch.
    """

    notes: Notes
    mean_shift_steps: float
    n_dropped: int
    n_merged: int


def find_metre(tune: Tune) -> Metre:
    """The one metre of a tune: (4, 4) where none is stated, or where it is 2/2 (see below).

    Simple metres of equal bars count as one, written in quarters where that
    can be: 2/2 and 4/4 are (4, 4), 4/8 is (2, 4). Compound ones stay apart:
    6/8 is not 3/4. A shorter first bar with a signature of its own, as
    notation programs write a pickup, is not a change. Raises MusicFileError
    with the reason "changes metre" or "unusable metre".
    """
    spans = _metre_spans(tune.score)
    if _short_first_bar_ticks(spans, tune.score.ticks_per_quarter):
        spans = spans[1:]
    metres = list(dict.fromkeys(normal_metre(metre) for _, metre in spans))
    if any(n == 0 or d == 0 for n, d in metres):
        raise refuse(tune.name, "unusable metre", "its time signature has a zero")
    if len(metres) > 1:
        shown = ", ".join(map(show_metre, metres[:4]))
        raise refuse(tune.name, "changes metre", f"it changes metre ({shown}); one is needed")
    return metres[0]


def pickup_quarters(tune: Tune) -> float:
    """What sounds before the first whole bar, in quarters: an ABC pickup, or a short first bar."""
    tpq = tune.score.ticks_per_quarter
    return tune.pickup_quarters or _short_first_bar_ticks(_metre_spans(tune.score), tpq) / tpq


def normal_metre(metre: Metre) -> Metre:
    """The form by which metres of equal bars and equal kind are one: (2, 2) -> (4, 4)."""
    numerator, denominator = metre
    is_compound = numerator > 3 and numerator % 3 == 0
    if denominator == 0 or is_compound or (4 * numerator) % denominator:
        return metre
    quarters = 4 * numerator // denominator
    would_be_compound = quarters > 3 and quarters % 3 == 0
    return metre if would_be_compound else (quarters, 4)


def parse_metre(text: str) -> Metre:
    """(6, 8) from ``6/8``, in its normal form; UsageError for what is no metre."""
    match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(1|2|4|8|16|32)\s*", text)
    if not match or int(match[1]) == 0:
        raise UsageError(f"{text!r} is no metre; write it as 4/4, 3/4 or 6/8")
    return normal_metre((int(match[1]), int(match[2])))


def show_metre(metre: Metre) -> str:
    """``6/8`` from (6, 8)."""
    return f"{metre[0]}/{metre[1]}"


def _metre_spans(score: ScoreTick) -> list[tuple[int, Metre]]:
    """(tick, metre) of each signature that governs some time before the last note's end."""
    stated = sorted(score.time_signatures, key=lambda signature: signature.time)
    if not stated:
        return [(0, (4, 4))]
    if len(stated) == 1 and stated[0].time <= 0:
        return [(0, (int(stated[0].numerator), int(stated[0].denominator)))]
    end = int(last_note_end(score))
    events = [(0, (4, 4))]
    events += [(max(int(s.time), 0), (int(s.numerator), int(s.denominator))) for s in stated]
    ends = [*(tick for tick, _ in events[1:]), end]
    governing = [
        event for event, until in zip(events, ends, strict=True) if event[0] < min(until, end)
    ]
    spans = [governing[0]] if governing else [events[-1]]
    spans += [b for a, b in pairwise(governing) if a[1] != b[1]]
    return spans


def _short_first_bar_ticks(spans: list[tuple[int, Metre]], ticks_per_quarter: int) -> int:
    """The length of a first bar that has a signature of its own and is shorter; else 0."""
    if len(spans) < 2:
        return 0
    (_, first), (second_tick, second) = spans[:2]
    if 0 in (*first, *second):
        return 0
    first_bar, second_bar = (4 * n * ticks_per_quarter / d for n, d in (first, second))
    return second_tick if second_tick == first_bar < second_bar else 0


def find_tempo(tune: Tune) -> float:
    """Quarters a minute at the tune's first note; 120.0 where none, or none usable, is stated."""
    stated = sorted(tune.score.tempos, key=lambda tempo: tempo.time)
    usable = [(t.time, t.mspq) for t in stated if 60_000 <= t.mspq <= 6_000_000]
    if len(usable) == 1 and usable[0][0] <= 0:
        return 60_000_000 / usable[0][1]
    governing = [mspq for time, mspq in usable if time <= tune.first_tick]
    return 60_000_000 / governing[-1] if governing else 120.0


class OffGrid(NamedTuple):
    """Chosen notes in the file's time, and how a grid lies over them.

    steps_per_unit: of a tick or a second. shift_steps: added before rounding.
    """

    raw: RawNotes
    steps_per_unit: float
    shift_steps: float = 0.0


def lay_metre_grid(
    tune: Tune,
    metre: Metre,
    *,
    track: int | str = "all",
    steps_per_quarter: int = 4,
    pedal: bool = False,
) -> OffGrid:
    """The tune's notes under a grid of ``steps_per_quarter``; a bar begins every bar's steps.

    Tempo is ignored. A pickup becomes a first bar, silent up to where it
    begins. pedal: notes last as long as the sustain pedal holds them. Raises
    MusicFileError where the track does not exist ("no such track").
    """
    raw = tune.notes_of(track, pedal=pedal)
    if raw["duration"].min() < 0:
        raise refuse(tune.name, "bad times", "it has notes that end before they begin")
    pickup = pickup_quarters(tune)
    n_steps = bar_steps(metre, steps_per_quarter)
    shift = n_steps - pickup * steps_per_quarter if pickup else 0.0
    return OffGrid(raw, steps_per_quarter / tune.score.ticks_per_quarter, shift)


def lay_seconds_grid(
    tune: Tune, *, track: int | str = "all", steps_per_second: float = 8.0, pedal: bool = False
) -> OffGrid:
    """The tune's notes under a grid of seconds, its tempo map honoured; the paper's way.

    Raises MusicFileError as :func:`lay_metre_grid` does, and with reason "too
    long" or "bad times".
    """
    raw = tune.notes_of(track, in_seconds=True, pedal=pedal)
    both = np.concatenate([raw["time"], raw["duration"]])
    if both.min() >= 0 and both.max() <= LONGEST_SECONDS / 2:
        return OffGrid(raw, steps_per_second)
    ends = raw["time"].astype(np.float64) + raw["duration"]
    end = float(ends.max())  # not a number if any is none
    if not np.isfinite(end) or raw["time"].min() < 0 or raw["duration"].min() < 0:
        raise refuse(tune.name, "bad times", "its tempo map gives times that are no numbers")
    if end > LONGEST_SECONDS:
        why = f"its last note ends after {end:,.0f} s, of {LONGEST_SECONDS:,} allowed"
        raise refuse(tune.name, "too long", why)
    return OffGrid(raw, steps_per_second)


def quantise_to_metre(
    tune: Tune, metre: Metre, *, track: int | str = "all", steps_per_quarter: int = 4
) -> GridNotes:
    """The tune's notes on the grid of :func:`lay_metre_grid`.

    Raises MusicFileError as that does, and where nothing of the track lies
    between A0 and C8 ("no notes").
    """
    laid = lay_metre_grid(tune, metre, track=track, steps_per_quarter=steps_per_quarter)
    return not_empty(quantise_all([laid])[0], tune, track)


def quantise_to_seconds(
    tune: Tune, *, track: int | str = "all", steps_per_second: float = 8.0
) -> GridNotes:
    """The tune's notes on the grid of :func:`lay_seconds_grid`; errors as with the other."""
    laid = lay_seconds_grid(tune, track=track, steps_per_second=steps_per_second)
    return not_empty(quantise_all([laid])[0], tune, track)


def not_empty(grid: GridNotes, tune: Tune, track: int | str) -> GridNotes:
    """The same notes; MusicFileError ("no notes") if there are none."""
    if len(grid.notes):
        return grid
    why = f"no notes between A0 and C8 on track {track!r}; choose another track with --track"
    raise refuse(tune.name, "no notes", why)


def bar_steps(metre: Metre, steps_per_quarter: int) -> int:
    """Steps in a bar: 16 for 4/4 at 4 steps a quarter; UsageError if that is no whole number."""
    steps, rest = divmod(4 * metre[0] * steps_per_quarter, metre[1])
    if rest or not 1 <= steps <= 255:
        n, d = metre
        raise UsageError(
            f"a bar of {n}/{d} has {4 * n * steps_per_quarter / d:g} steps at {steps_per_quarter}"
            " steps a quarter; a whole number from 1 to 255 is needed; choose other steps"
        )
    return steps


def quantise(raw: RawNotes, *, steps_per_unit: float, shift_steps: float = 0.0) -> GridNotes:
    """Raw notes on a grid: see :func:`quantise_all`."""
    return quantise_all([OffGrid(raw, steps_per_unit, shift_steps)])[0]


def quantise_all(tunes: Sequence[OffGrid]) -> list[GridNotes]:
    """Each tune on its grid: start and end of a note at the nearest step, at least one step long.

    Afterwards notes of one pitch never overlap: a later onset ends the earlier
    note, and of notes that begin together the longest stays, of equally long
    ones the loudest. Many tunes at once cost little more than one: they are
    put behind each other in time, where they cannot overlap.
    """
    if not tunes:
        return []
    counts = np.array([len(tune.raw["pitch"]) for tune in tunes])
    per_unit = np.repeat(np.array([tune.steps_per_unit for tune in tunes], np.float64), counts)
    shift = np.repeat(np.array([tune.shift_steps for tune in tunes], np.float64), counts)
    piece = np.repeat(np.arange(len(tunes)), counts)
    time, duration, pitch, velocity = (
        np.concatenate([tune.raw[key] for tune in tunes])
        for key in ("time", "duration", "pitch", "velocity")
    )
    audible = (velocity > 0) & (pitch >= LOWEST_PITCH) & (pitch < LOWEST_PITCH + N_PITCHES)
    if not audible.all():
        time, duration, pitch, velocity = (
            values[audible] for values in (time, duration, pitch, velocity)
        )
        per_unit, shift, piece = per_unit[audible], shift[audible], piece[audible]
    time = time.astype(np.float64)
    onset = time * per_unit + shift
    start = np.floor(onset + 0.5)
    end = np.floor((time + duration) * per_unit + shift + 0.5)
    heard = np.bincount(piece, minlength=len(tunes))
    moved = np.bincount(piece, np.abs(onset - start), minlength=len(tunes))
    notes = np.empty(len(start), NOTE)
    notes["start"], notes["duration"] = start, np.maximum(end - start, 1)
    notes["pitch"], notes["velocity"] = pitch, velocity
    alone, begins = _end_all_at_next_onset(notes, piece, len(tunes))
    kept = begins[1:] - begins[:-1]
    return [
        GridNotes(alone[first:last], shifted / max(n_heard, 1), n_all - n_heard, n_heard - n_kept)
        for first, last, shifted, n_all, n_heard, n_kept in zip(
            *(a.tolist() for a in (begins[:-1], begins[1:], moved, counts, heard, kept)),
            strict=True,
        )
    ]


def end_at_next_onset(notes: Notes) -> Notes:
    """The notes, sorted, without overlaps in one pitch; see :func:`quantise_all` for which stay."""
    return _end_all_at_next_onset(notes, np.zeros(len(notes), np.int64), 1)[0]


def _end_all_at_next_onset(
    notes: Notes, piece: npt.NDArray[np.int64], n_pieces: int
) -> tuple[Notes, npt.NDArray[np.int64]]:
    """Notes without overlaps, by piece, start and pitch, and where each piece's begin.

    piece: of each note, ascending.
    """
    start, duration = notes["start"].astype(np.int64), notes["duration"].astype(np.int64)
    pitch, velocity = notes["pitch"].astype(np.int64), notes["velocity"].astype(np.int64)
    last = np.zeros(n_pieces, np.int64)
    np.maximum.at(last, piece, start + duration)
    offset = np.cumsum(last) - last  # where each piece begins when they stand behind each other
    start += offset[piece]
    order = _order(start, -duration, -velocity)
    # Bytes are sorted by counting, in no time; what was in order stays so within a pitch.
    order = order[np.argsort(pitch[order].astype(np.uint8), kind="stable")]
    start, duration, pitch, velocity = (a[order] for a in (start, duration, pitch, velocity))
    first = np.ones(len(start), bool)
    first[1:] = (pitch[1:] != pitch[:-1]) | (start[1:] != start[:-1])
    if not first.all():
        start, duration, pitch, velocity = (a[first] for a in (start, duration, pitch, velocity))
    room = np.where(pitch[1:] == pitch[:-1], start[1:] - start[:-1], duration[:-1])
    np.minimum(duration[:-1], room, out=duration[:-1])
    order = _order(start, pitch)
    start = start[order]
    begins = np.append(np.searchsorted(start, offset), len(start))
    # A silent piece has no length: those after it begin where it does.
    alone = np.empty(len(start), NOTE)
    alone["start"] = start - np.repeat(offset, np.diff(begins))
    alone["duration"], alone["pitch"] = duration[order], pitch[order]
    alone["velocity"] = velocity[order]
    return alone, begins


def _order(*keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The order by the first key, then the second, ...; of equal ones the earlier first."""
    packed, bits = np.zeros(len(keys[0]), np.int64), 0
    if not len(packed):
        return packed
    for key in keys:
        low = int(key.min())
        width = (int(key.max()) - low).bit_length()
        bits += width
        packed = (packed << width) | (key - low)
    # One number to compare is several times quicker than several, where they fit into it.
    return np.argsort(packed, kind="stable") if bits < 63 else np.lexsort(keys[::-1])


class Shape(NamedTuple):
    """Of the notes of a piece: the last end in steps, the pitches, and :func:`semitones_to_c`."""

    end: int
    lowest_pitch: int
    highest_pitch: int
    semitones_to_c: int


def find_shapes(pieces: Sequence[Notes]) -> list[Shape]:
    """The shape of each piece; none may be empty. Many at once cost little more than one."""
    if not pieces:
        return []
    counts = [len(notes) for notes in pieces]
    notes = join_notes(pieces)
    pitch = notes["pitch"].astype(np.int64)
    begins = np.cumsum([0, *counts[:-1]])
    piece = np.repeat(np.arange(len(pieces)) * 12, counts)
    classes = np.bincount(piece + pitch % 12, minlength=12 * len(pieces)).reshape(-1, 12)
    ends = np.maximum.reduceat(notes["start"] + notes["duration"], begins)
    columns = (
        ends,
        np.minimum.reduceat(pitch, begins),
        np.maximum.reduceat(pitch, begins),
        _SHIFTS[classes[:, _SCALES].sum(axis=2).argmax(axis=1)],
    )
    return [Shape(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def semitones_to_c(notes: Notes) -> int:
    """How far to transpose the notes, -5 to 6, so that the major scale they fit best is C major.

    Best is the scale with most of the onsets; of equal ones the nearest. 0 for
    no notes. Minor tunes go to A minor, its relative.
    """
    return find_shapes([notes])[0].semitones_to_c if len(notes) else 0


def transpose(notes: Notes, semitones: int) -> Notes:
    """The notes moved up by ``semitones``; those that leave A0-C8 are left out."""
    pitch = notes["pitch"].astype(np.int64) + semitones
    stays = (pitch >= LOWEST_PITCH) & (pitch < LOWEST_PITCH + N_PITCHES)
    moved = notes[stays].copy()
    moved["pitch"] = pitch[stays]
    return moved
