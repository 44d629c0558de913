"""Tunes -> notes on a grid: which metre, where its bars begin, which tempo, and the nearest step.

Two grids: of a quarter's fractions, cut into bars of the tune's metre
(:func:`lay_metre_grid`), and of seconds (:func:`lay_seconds_grid`), as the
paper's. Also the twelve scales: how far a tune is from C major or A minor.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nextbar.errors import UsageError
from nextbar.music.bars import LOWEST_PITCH, N_PITCHES, NOTE, Notes, join_notes
from nextbar.music.midi import Metre, RawNotes, Tune
from nextbar.music.refusals import refuse

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


class BarLines(NamedTuple):
    """The metre of a tune, and where its bar lines are.

    first: the tick of one of them; the others stand whole bars apart, but for
    short_bars, (tick, ticks): bars that end at the tick and lack so much.
    """

    metre: Metre
    first: float = 0
    short_bars: tuple[tuple[int, int], ...] = ()


class _Span(NamedTuple):
    """A stretch of a tune under one metre, in ticks."""

    begin: int
    end: int
    metre: Metre


def find_metre(tune: Tune) -> Metre:
    """The one metre of a tune; see :func:`find_bar_lines`."""
    return find_bar_lines(tune).metre


def find_bar_lines(tune: Tune) -> BarLines:
    """The one metre of a tune and its bar lines: 4/4 from tick 0 where nothing is stated.

    Simple metres of equal bars count as one, written in quarters where that
    can be: 2/2 and 4/4 are (4, 4), 4/8 is (2, 4). Compound ones stay apart:
    6/8 is not 3/4. No change are: what is stated where nothing sounds yet; a
    signature that another overrides at nearly the same tick; a pickup, that is
    less than a bar in another metre before the first note of the main one; a
    bar that is cut in two, as where a repeat stands within it; a shorter bar
    that a pickup would make whole, which is to be filled up; and less than a
    bar at the end. Raises MusicFileError with the reason "changes metre" or
    "unusable metre".
    """
    tpq = tune.score.ticks_per_quarter
    first = tune.pickup_quarters * tpq
    stated = tune.score.time_signatures
    if len(stated) == 0:
        return BarLines((4, 4), first, tune.short_bars)
    if len(stated) == 1 and stated[0].time <= 0:
        metre = (int(stated[0].numerator), int(stated[0].denominator))
        return BarLines(_usable(metre, tune), first, tune.short_bars)
    spans = _metre_spans(tune)
    metres = list(dict.fromkeys(span.metre for span in spans))
    lengths = {m: sum(s.end - s.begin for s in spans if s.metre == m) for m in metres}
    main = max(metres, key=lambda metre: lengths[metre])
    begin = spans[0].begin or first
    if len(metres) == 1:
        return BarLines(main, begin, tune.short_bars)
    bar = 4 * main[0] * tpq / main[1]
    found = _short_bars(spans, main, bar, begin=max(begin, tune.first_tick), pickup=first)
    if found is None:
        shown = ", ".join(map(show_metre, metres[:4]))
        raise refuse(tune.name, "changes metre", f"it changes metre ({shown}); one is needed")
    begin = next(span.begin for span in spans if span.metre == main) or first
    return BarLines(main, begin, (*tune.short_bars, *found))


def _usable(metre: Metre, tune: Tune) -> Metre:
    if 0 in metre:
        raise refuse(tune.name, "unusable metre", "its time signature has a zero")
    return normal_metre(metre)


def _metre_spans(tune: Tune) -> list[_Span]:
    """The stretches of the tune under one metre, but those that are over before its first note."""
    shortest = tune.score.ticks_per_quarter / 8
    begin, end, _ = tune.span
    stated = sorted(tune.score.time_signatures, key=lambda signature: signature.time)
    events = [(max(int(s.time), 0), (int(s.numerator), int(s.denominator))) for s in stated]
    if events[0][0] > 0:
        events.insert(0, (0, (4, 4)))
    # One that another overrides at nearly the same tick has its place taken.
    kept = [events[0]]
    for tick, metre in events[1:]:
        if tick - kept[-1][0] < shortest:
            kept[-1] = (kept[-1][0], metre)
        else:
            kept.append((tick, metre))
    ends = [*(tick for tick, _ in kept[1:]), max(end, kept[-1][0])]
    spans = [_Span(tick, min(until, end), m) for (tick, m), until in zip(kept, ends, strict=True)]
    spans = [s for s in spans if s.end > begin and s.end - s.begin >= min(shortest, end - begin)]
    joined: list[_Span] = []
    for span in spans or [_Span(kept[-1][0], end, kept[-1][1])]:
        metre = _usable(span.metre, tune)
        if joined and joined[-1].metre == metre:
            joined[-1] = joined[-1]._replace(end=span.end)
        else:
            joined.append(span._replace(metre=metre))
    return joined


def _short_bars(
    spans: list[_Span], main: Metre, bar: float, *, begin: float, pickup: float
) -> list[tuple[int, int]] | None:
    """The bars that are to be filled up; None if the tune changes metre.

    bar: how long one of the main metre is. begin: of what sounds before the
    main metre begins. pickup: that of the tune, if it has no metre of its own.
    """
    is_main = [span.metre == main for span in spans]
    first, last = is_main.index(True), len(spans) - 1 - is_main[::-1].index(True)
    if first and spans[first].begin - begin >= bar:
        return None
    if last + 1 < len(spans) and spans[-1].end - spans[last].end > bar:
        return None
    # What a short bar lacks has to be in the tune: as its pickup, or as the other part of a bar.
    pickups = {round(pickup)} if pickup else set()
    if first:
        pickups.add(spans[first].begin - spans[0].begin)
    stretches = []
    for at in range(first, last):
        if spans[at].metre == main and spans[at + 1].metre != main:
            until = next(i for i in range(at + 1, last + 1) if spans[i].metre == main)
            stretches.append((spans[until].begin, spans[until].begin - spans[at].end))
            if until - at > 2:
                pickups |= {span.end - span.begin for span in spans[at + 1 : until]}
    if any(
        length > bar or (bar - length and bar - length not in pickups) for _, length in stretches
    ):
        return None
    return [(tick, round(bar - length)) for tick, length in stretches if length < bar]


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
    bar_lines: BarLines | None = None,
) -> OffGrid:
    """The tune's notes under a grid of ``steps_per_quarter``; a bar begins every bar's steps.

    Tempo is ignored. A pickup becomes a first bar, silent up to where it
    begins; bars that are too short end in silence. pedal: notes last as long as
    the sustain pedal holds them. bar_lines: of the tune, if they are known.
    Raises MusicFileError where the track does not exist ("no such track").
    """
    raw = tune.notes_of(track, pedal=pedal)
    if raw["duration"].min() < 0:
        raise refuse(tune.name, "bad times", "it has notes that end before they begin")
    lines = find_bar_lines(tune) if bar_lines is None else bar_lines
    n_steps = bar_steps(metre, steps_per_quarter)
    shift = -lines.first * steps_per_quarter / tune.score.ticks_per_quarter % n_steps
    if lines.short_bars:
        raw = _fill_up(raw, lines.short_bars)
    return OffGrid(raw, steps_per_quarter / tune.score.ticks_per_quarter, shift)


def _fill_up(raw: RawNotes, short_bars: tuple[tuple[int, int], ...]) -> RawNotes:
    """The notes with silence behind each short bar, so that it is whole."""
    ticks, lacking = np.array(sorted(short_bars), np.int64).T
    later = np.concatenate([[0], np.cumsum(lacking)])
    begin = raw["time"].astype(np.int64)
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
    why = f"no notes between A0 and C8 on track {track!r}"
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
        _SHIFTS[classes[:, _SCALES].sum(axis=2).argmax(axis=1)],
    )
    return [Outline(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


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
