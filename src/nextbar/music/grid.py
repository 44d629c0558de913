"""Tunes -> notes on a grid: which metre, which tempo, and the nearest step.

Two grids: of a quarter's fractions, cut into bars of the tune's metre
(:func:`quantise_to_metre`), and of seconds (:func:`quantise_to_seconds`), as
the paper's.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from symusic.core import ScoreTick

from nextbar.errors import UsageError
from nextbar.music.bars import LOWEST_PITCH, N_PITCHES, NOTE, Notes, sort_notes
from nextbar.music.midi import Metre, RawNotes, Tune, choose_notes, last_note_end, refuse

LONGEST_SECONDS: Final = 7_200
C_MAJOR: Final = (0, 2, 4, 5, 7, 9, 11)


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
    end = int(last_note_end(score))
    stated = sorted(score.time_signatures, key=lambda signature: signature.time)
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
    first = int(choose_notes(tune.score)["time"].min())
    stated = sorted(tune.score.tempos, key=lambda tempo: tempo.time)
    governing = [t.mspq for t in stated if t.time <= first and 60_000 <= t.mspq <= 6_000_000]
    return 60_000_000 / governing[-1] if governing else 120.0


def quantise_to_metre(
    tune: Tune, metre: Metre, *, track: int | str = "all", steps_per_quarter: int = 4
) -> GridNotes:
    """The tune's notes on a grid of ``steps_per_quarter``; a bar begins every bar's steps.

    Tempo is ignored. A pickup becomes a first bar, silent up to where it
    begins. Raises MusicFileError where the track does not exist ("no such
    track") or nothing of it lies between A0 and C8 ("no notes").
    """
    raw = choose_notes(tune.score, track, name=tune.name)
    pickup = pickup_quarters(tune)
    n_steps = bar_steps(metre, steps_per_quarter)
    shift = n_steps - pickup * steps_per_quarter if pickup else 0.0
    steps_per_tick = steps_per_quarter / tune.score.ticks_per_quarter
    return _not_empty(quantise(raw, steps_per_unit=steps_per_tick, shift_steps=shift), tune, track)


def quantise_to_seconds(
    tune: Tune, *, track: int | str = "all", steps_per_second: float = 8.0
) -> GridNotes:
    """The tune's notes on a grid of seconds, its tempo map honoured; the paper's way.

    Raises MusicFileError as :func:`quantise_to_metre` does, and with reason
    "too long" or "bad times".
    """
    raw = choose_notes(tune.score.to("second"), track, name=tune.name)  # type: ignore[arg-type]
    ends = raw["time"].astype(np.float64) + raw["duration"]
    if not np.isfinite(ends).all() or raw["time"].min() < 0 or raw["duration"].min() < 0:
        raise refuse(tune.name, "bad times", "its tempo map gives times that are no numbers")
    if ends.max() > LONGEST_SECONDS:
        why = f"its last note ends after {ends.max():,.0f} s, of {LONGEST_SECONDS:,} allowed"
        raise refuse(tune.name, "too long", why)
    return _not_empty(quantise(raw, steps_per_unit=steps_per_second), tune, track)


def _not_empty(grid: GridNotes, tune: Tune, track: int | str) -> GridNotes:
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
    """Raw notes on a grid: start and end each at the nearest step, at least one step long.

    steps_per_unit: of a tick or a second. shift_steps: added before rounding.
    Afterwards notes of one pitch never overlap: a later onset ends the earlier
    note, and of notes that begin together the longest stays, of equally long
    ones the loudest.
    """
    audible = (raw["velocity"] > 0) & (raw["pitch"] >= LOWEST_PITCH)
    audible &= raw["pitch"] < LOWEST_PITCH + N_PITCHES
    start_time = raw["time"][audible].astype(np.float64)
    onset = start_time * steps_per_unit + shift_steps
    end = (start_time + raw["duration"][audible]) * steps_per_unit + shift_steps
    notes = np.empty(len(onset), NOTE)
    notes["start"] = np.floor(onset + 0.5)
    notes["duration"] = np.maximum(np.floor(end + 0.5) - notes["start"], 1)
    notes["pitch"], notes["velocity"] = raw["pitch"][audible], raw["velocity"][audible]
    alone = end_at_next_onset(notes)
    return GridNotes(
        notes=alone,
        mean_shift_steps=float(np.abs(onset - notes["start"]).mean()) if len(notes) else 0.0,
        n_dropped=len(audible) - len(notes),
        n_merged=len(notes) - len(alone),
    )


def semitones_to_c(notes: Notes) -> int:
    """How far to transpose the notes, -5 to 6, so that the major scale they fit best is C major.

    Best is the scale with most of the onsets; of equal ones the nearest. 0 for
    no notes. Minor tunes go to A minor, its relative.
    """
    counts = np.bincount(notes["pitch"] % 12, minlength=12)
    shifts = sorted(range(-5, 7), key=lambda shift: (abs(shift), shift))
    return max(shifts, key=lambda shift: int(np.roll(counts, shift)[list(C_MAJOR)].sum()))


def transpose(notes: Notes, semitones: int) -> Notes:
    """The notes moved up by ``semitones``; those that leave A0-C8 are left out."""
    pitch = notes["pitch"].astype(np.int64) + semitones
    stays = (pitch >= LOWEST_PITCH) & (pitch < LOWEST_PITCH + N_PITCHES)
    moved = notes[stays].copy()
    moved["pitch"] = pitch[stays]
    return moved


def end_at_next_onset(notes: Notes) -> Notes:
    """The notes, sorted, without overlaps in one pitch; see :func:`quantise` for which stay."""
    order = np.lexsort(
        (-notes["velocity"].astype(np.int16), -notes["duration"], notes["start"], notes["pitch"])
    )
    notes = notes[order]
    same_pitch = notes["pitch"][1:] == notes["pitch"][:-1]
    same_onset = same_pitch & (notes["start"][1:] == notes["start"][:-1])
    notes = notes[np.concatenate([np.ones(min(len(notes), 1), bool), ~same_onset])]
    same_pitch = notes["pitch"][1:] == notes["pitch"][:-1]
    room = np.where(same_pitch, np.diff(notes["start"]), np.iinfo(np.int32).max)
    notes["duration"][:-1] = np.minimum(notes["duration"][:-1], room)
    return sort_notes(notes)
