"""Tunes -> notes on a grid: the nearest step for each onset and end.

Two grids: of a quarter's fractions, cut into bars each of its metre
(:func:`lay_metre_grid`), and of seconds (:func:`lay_seconds_grid`), as the
paper's. Also the twelve scales: how far a tune is from C major or A minor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nextbar.music.bar_lines import Stretch, find_bar_lines
from nextbar.music.bars import LOWEST_PITCH, N_PITCHES, NOTE, Notes, join_notes
from nextbar.music.laid_bars import LaidBars, lay_bars
from nextbar.music.refusals import refuse
from nextbar.music.tunes import RawNotes, Tune

LONGEST_SECONDS: Final = 7_200
ON_GRID_QUARTERS: Final = 0.01
"""How far from a grid point an onset that is written there may be, by a file's rounding."""
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


class OffGrid(NamedTuple):
    """Chosen notes in the file's time, and how a grid lies over them.

    steps_per_unit: of a tick or a second. shift_steps: added before rounding.
    bars: of the metre grid.
    """

    raw: RawNotes
    steps_per_unit: float
    shift_steps: float = 0.0
    bars: LaidBars | None = None


def lay_metre_grid(
    tune: Tune,
    *,
    track: int | str = "all",
    steps_per_quarter: int = 4,
    pedal: bool = False,
    bar_lines: Sequence[Stretch] | None = None,
) -> OffGrid:
    """The tune's notes under a grid of ``steps_per_quarter``, and its bars, each of whole steps.

    Tempo is ignored. A pickup becomes a first bar, silent up to where it
    begins; bars that are too short end in silence. pedal: notes last as long as
    the sustain pedal holds them. bar_lines: of the tune, if they are known.
    Raises MusicFileError where the track does not exist ("no such track").
    """
    raw = tune.notes_of(track, pedal=pedal)
    if raw["duration"].min() < 0:
        raise refuse(tune.name, "bad times", "it has notes that end before they begin")
    lines = find_bar_lines(tune) if bar_lines is None else bar_lines
    bars = lay_bars(tune, lines, steps_per_quarter)
    if len(bars.ticks):
        raw = _fill_up(raw, bars.ticks, bars.lacking)
    per_tick = steps_per_quarter / tune.score.ticks_per_quarter
    return OffGrid(raw, per_tick, bars.shift_steps, bars)


def _fill_up(
    raw: RawNotes, ticks: npt.NDArray[np.float64], lacking: npt.NDArray[np.float64]
) -> RawNotes:
    """The notes with so many ticks of silence at each of these, so that bars are whole."""
    later = np.concatenate([[0], np.cumsum(lacking)])
    begin = raw["time"].astype(np.float64)
    end = begin + raw["duration"]
    moved = begin + later[np.searchsorted(ticks, begin, side="right")]
    duration = end + later[np.searchsorted(ticks, end, side="left")] - moved
    return {**raw, "time": moved, "duration": duration}


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
    tune: Tune, *, track: int | str = "all", steps_per_quarter: int = 4
) -> GridNotes:
    """The tune's notes on the grid of :func:`lay_metre_grid`.

    Raises MusicFileError as that does, and where nothing of the track lies
    between A0 and C8 ("no notes").
    """
    laid = lay_metre_grid(tune, track=track, steps_per_quarter=steps_per_quarter)
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
    why = f"no notes between A0 and C8 on track {track!r}"
    raise refuse(tune.name, "no notes", why)


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


def find_fitting_steps(laid: OffGrid, steps_per_quarter: int) -> int | None:
    """The steps a quarter of the coarsest grid on which lie most onsets that are off the other.

    laid: under a grid of ``steps_per_quarter``. None where hardly any onset
    lies off it, or no grid has four fifths of those, as in played music.
    """
    steps = laid.raw["time"].astype(np.float64) * laid.steps_per_unit + laid.shift_steps
    quarters = steps / steps_per_quarter

    def off(n_steps: int) -> int:
        distance = np.abs(quarters * n_steps - np.round(quarters * n_steps)) / n_steps
        return int((distance > ON_GRID_QUARTERS).sum())

    n_off = off(steps_per_quarter)
    if n_off < max(3, 0.02 * len(quarters)):
        return None
    finer = (n for n in (8, 12, 16, 24) if n != steps_per_quarter)
    return next((n for n in finer if 5 * off(n) <= n_off), None)


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


class Outline(NamedTuple):
    """Of the notes of a piece: the last end in steps, the pitches, and :func:`semitones_to_c`."""

    end: int
    lowest_pitch: int
    highest_pitch: int
    semitones_to_c: int


def find_outlines(pieces: Sequence[Notes]) -> list[Outline]:
    """The outline of each piece; none may be empty. Many at once cost little more than one."""
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
        shifts_to_c(classes),
    )
    return [Outline(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def shifts_to_c(classes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(pieces,): :func:`semitones_to_c` of each piece, by how often each pitch class begins.

    classes: (pieces, 12), C first. 0 where nothing begins.
    """
    shifts: npt.NDArray[np.int64] = _SHIFTS[classes[:, _SCALES].sum(axis=2).argmax(axis=1)]
    return shifts


def semitones_to_c(notes: Notes) -> int:
    """How far to transpose the notes, -5 to 6, so that the major scale they fit best is C major.

    Best is the scale with most of the onsets; of equal ones the nearest. 0 for
    no notes. Minor tunes go to A minor, its relative.
    """
    return find_outlines([notes])[0].semitones_to_c if len(notes) else 0


def transpose(notes: Notes, semitones: int) -> Notes:
    """The notes moved up by ``semitones``; those that leave A0-C8 are left out."""
    pitch = notes["pitch"].astype(np.int64) + semitones
    stays = (pitch >= LOWEST_PITCH) & (pitch < LOWEST_PITCH + N_PITCHES)
    moved = notes[stays].copy()
    moved["pitch"] = pitch[stays]
    return moved
