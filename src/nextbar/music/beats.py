"""Where the beats of a played tune are.

Who plays freely leaves a file whose ticks say seconds and no beats: its notes
lie on no grid, and the bars that it states mean nothing. Such a tune is
recognised (:func:`is_played`), its beats are read from a beat file
(:func:`read_beat_file`) or estimated (``beat_tracking.py``), and
``beat_grid.set_to_beats`` moves its notes so that beat k lies k quarters from the
beginning. Whatever comes after reads it as it does a typeset one.
"""

import math
import os
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from symusic.core import ScoreTick

from nextbar.errors import MusicFileError
from nextbar.music.beat_tracking import (
    PERFECT_FIT,
    Played,
    Tracked,
    describe_beats,
    find_beats_by_click,
    find_click,
    find_downbeats,
    how_sure,
    track_beats,
    weigh_places,
)
from nextbar.music.midi import MIDI_SUFFIXES
from nextbar.music.options import BeatsFrom
from nextbar.music.refusals import refuse
from nextbar.music.tunes import DEFAULT_MSPQ, Tune

BEAT_SUFFIX: Final = ".beats.txt"
"""``song.beats.txt`` holds the beats of ``song.mid``."""
FEW_NOTES: Final = 32
LOOKED_AT: Final = 128
SHORTEST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 2_400
FEWEST_TICKS: Final = 48
"""Ticks a quarter: in fewer all notes lie in few places."""
PLACES, FULLEST, GATHERED = 24, 4, 0.4
"""Of so many places in a sixteenth the fullest four have this share of a typeset tune's onsets."""
CLEARLY: Final = 2.0
"""How many times more weight another place must have than the file's quarters, to be the beat."""


def beat_file_name(name: str) -> str | None:
    """The name of the beat file of a MIDI file; None for a file of another kind."""
    stem, suffix = os.path.splitext(name)
    return stem + BEAT_SUFFIX if suffix.lower() in MIDI_SUFFIXES else None


@dataclass(frozen=True)
class Beats:
    """The beats of a tune.

    seconds: (beats,) float64, ascending. downbeats: (beats,) bool, which of them
    begin a bar, at least one. sure: 0-1, how much speaks for them against other
    readings, of estimated ones; None of those from a file. unit: a beat is a
    quarter (4) or an eighth (8).
    """

    seconds: npt.NDArray[np.float64]
    downbeats: npt.NDArray[np.bool_]
    sure: float | None = None
    unit: int = 4


def read_beat_file(data: bytes, *, name: str) -> Beats:
    """The beats in a beat file's bytes; MusicFileError ("bad beat file") that names the line.

    A line for each beat: its time in seconds, then in one column its number in
    the bar, 1 for a downbeat (as madmom and mir_eval write), or 1 for a downbeat
    and 0 for others; or, as POP909 has it, in two columns whether it is a
    downbeat, counted in short and in long bars. The long bars are taken, but
    those that are longer than most are cut where a short one begins: six
    beats among bars of four are four and two. Where most are six, in twice
    three, beats are eighths. Empty lines and those that begin with # are passed
    over.
    """
    rows: list[tuple[float, ...]] = []
    numbers: list[int] = []
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(name, "bad beat file", "it is no text in UTF-8") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        row = _numbers_in(line)
        if row is None:
            raise _bad_line(name, number, line, "a time in seconds and one or two whole numbers")
        if rows and len(row) != len(rows[0]):
            raise _bad_line(name, number, line, f"{len(rows[0])} columns, as the lines before have")
        if rows and row[0] <= rows[-1][0]:
            raise _bad_line(name, number, line, "a later time than the line before has")
        rows.append(row)
        numbers.append(number)
    if len(rows) < 2:
        raise refuse(name, "bad beat file", f"it has {len(rows)} beats, of 2 needed")
    table = np.array(rows)
    marks = table[:, 1:].astype(np.int64)
    is_flag = marks.max() <= 1
    if marks.shape[1] == 2 and not is_flag:
        wrong = int(np.flatnonzero(marks.max(axis=1) > 1)[0])
        raise _bad_line(name, numbers[wrong], str(rows[wrong]), "two flags that are 0 or 1")
    if not is_flag:
        counted = marks[:, 0]
        follows = (counted[1:] == 1) | (counted[1:] == counted[:-1] + 1)
        if counted[0] < 1 or not follows.all():
            wrong = 0 if counted[0] < 1 else int(np.flatnonzero(~follows)[0]) + 1
            why = "1 or the number after that of the beat before"
            raise _bad_line(name, numbers[wrong], str(rows[wrong]), why)
    downbeats = _cut_long_bars(marks[:, 0] == 1, marks[:, -1] == 1)
    if not downbeats.any():
        raise refuse(name, "bad beat file", "none of its lines marks a downbeat with a 1")
    in_six = marks.shape[1] == 2 and usual_bar(downbeats) == 6 and usual_bar(marks[:, 0] == 1) == 3
    return Beats(table[:, 0], downbeats, unit=8 if in_six else 4)


def _numbers_in(line: str) -> tuple[float, ...] | None:
    """The time and the whole numbers behind it; None for what is none."""
    try:
        row = tuple(float(word) for word in line.replace(",", " ").split())
    except ValueError:
        return None
    if not 2 <= len(row) <= 3 or not all(map(math.isfinite, row)) or row[0] < 0:
        return None
    return row if all(mark.is_integer() and 0 <= mark <= 64 for mark in row[1:]) else None


def _bad_line(name: str, number: int, seen: str, wanted: str) -> MusicFileError:
    return refuse(
        name, "bad beat file", f"line {number} is {seen.strip()[:60]!r}; it needs {wanted}"
    )


def _cut_long_bars(
    short: npt.NDArray[np.bool_], long: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Where bars begin: with the long ones, and where a short one begins within too long a one."""
    begins = np.flatnonzero(long)
    if len(begins) < 2:
        return long if len(begins) else short
    lengths, usual = np.diff(begins), usual_bar(long)
    found = long.copy()
    for begin, length in zip(begins[:-1], lengths, strict=True):
        if length > usual:
            within = np.flatnonzero(short[begin + 1 : begin + length]) + 1
            # What is left in front is a usual bar where that can be.
            cut = within[within == usual] if usual in within else within[-1:]
            found[begin + cut] = True
    return found


def find_beats(tune: Tune, source: BeatsFrom, beat_file: bytes | None) -> Beats | None:
    """The beats that the tune is to be set to; None where what the file states is believed.

    source: the option. Raises MusicFileError: "bad beat file", "no beats".
    """
    if source == "stated":
        return None
    if source == "auto" and beat_file is not None:
        return read_beat_file(beat_file, name=tune.name)
    if source == "estimate":
        return estimate_beats(tune)
    if tune.notated or not is_played(tune):
        return None
    played = played_notes(tune)
    return None if why_no_beats(played) else _beats_of(played, tune.score)


def is_played(tune: Tune) -> bool:
    """Whether the tune was played, and the beats that its file states are none.

    It was, if its onsets lie anywhere between the file's sixteenths: if they
    gather neither in a few places there, as those of a typeset tune do with
    all its triplets and ornaments, nor around one, as of who plays to a click.
    Who does may be off the file's beats too: then hardly any weight is where it has
    its quarters; or its bars may be of 1/4, as of programs that know of none. A
    tune of few notes counts as typeset: they tell nothing.
    """
    tpq = tune.score.ticks_per_quarter
    if tpq % 4 == 0:
        # Nearly all files are typeset, and a look at one track tells it of nearly all of these.
        some = tune.pitched[0].notes["time"][:LOOKED_AT] % (tpq // 4)
        if len(some) >= FEW_NOTES and 4 * np.count_nonzero(some) <= len(some):
            return False
    times = [part.notes["time"] for part in tune.pitched]
    if sum(map(len, times)) < FEW_NOTES or tpq < FEWEST_TICKS:
        return False
    onsets = np.concatenate(times).astype(np.int64)
    if tpq % 4 == 0 and 2 * np.count_nonzero(onsets % (tpq // 4)) <= len(onsets):
        return False
    quarters = onsets / tpq
    click = find_click(quarters)
    if click is None:
        between = np.floor(quarters * 4 * PLACES + 0.5).astype(np.int64) % PLACES
        gathered = np.sort(np.bincount(between, minlength=PLACES))[-FULLEST:].sum()
        return bool(gathered < GATHERED * len(onsets))
    signatures = sorted(tune.score.time_signatures, key=lambda signature: signature.time)
    stated = {s.time: (int(s.numerator), int(s.denominator)) for s in signatures}
    weight = weigh_places(played_notes(tune), *click)
    is_beside = bool(weight.max() > CLEARLY * weight[0])
    if set(stated.values()) == {(1, 4)}:
        return is_beside or not _is_exact(quarters, 12, rounding=0.5 / tpq)
    return is_beside and len(set(stated.values())) < 2


def _is_exact(quarters: npt.NDArray[np.float64], parts: int, *, rounding: float) -> bool:
    """Whether nearly all onsets lie on that grid."""
    away = np.abs(quarters * parts - np.round(quarters * parts)) / parts
    return bool((away <= rounding).mean() > 0.9)


def played_notes(tune: Tune) -> Played:
    """The pitched notes of the tune, as they were played."""
    notes = {
        key: np.concatenate([part.notes[key] for part in tune.pitched]).astype(np.float64)
        for key in ("time", "duration", "pitch", "velocity")
    }
    return Played(
        seconds_at(tune.score, notes["time"]),
        seconds_at(tune.score, notes["time"] + notes["duration"]),
        notes["pitch"],
        notes["velocity"],
        notes["time"] / tune.score.ticks_per_quarter,
    )


def why_no_beats(played: Played) -> str:
    """Why no beats are looked for in these notes; "" where they are."""
    seconds = float(np.ptp(played.onset)) if len(played.onset) else 0.0
    if len(played.onset) < FEW_NOTES or seconds < SHORTEST_SECONDS:
        return f"it has {len(played.onset)} notes in {seconds:.1f} s, too few for beats"
    if seconds > LONGEST_SECONDS:
        return f"it lasts {seconds:,.0f} s, of {LONGEST_SECONDS:,} in which beats are looked for"
    return ""


def estimate_beats(tune: Tune) -> Beats:
    """The beats that its notes tell, however sure: see ``beat_tracking.py``.

    Raises MusicFileError ("no beats") where there is too little, or too much, to look at.
    """
    played = played_notes(tune)
    if why := why_no_beats(played):
        raise refuse(tune.name, "no beats", why)
    return _beats_of(played, tune.score)


def _beats_of(played: Played, score: ScoreTick) -> Beats:
    """The beats that notes tell of which there are neither too few nor too many."""
    click = find_click(played.quarters)
    if click is not None:
        quarters = find_beats_by_click(played, *click)
        seconds = seconds_at(score, quarters * score.ticks_per_quarter)
        found = Tracked(seconds, PERFECT_FIT, in_thirds=False)
    else:
        found = track_beats(played)
    seconds = found.seconds
    begin, end = beats_at(seconds, played.onset), beats_at(seconds, played.end)
    notes = {"time": begin, "duration": end - begin}
    notes |= {"pitch": played.pitch, "velocity": played.velocity}
    features = describe_beats(notes, len(seconds))
    downbeats, chance = find_downbeats(features, in_thirds=found.in_thirds)
    sure = how_sure(found.fit, chance)
    if not found.in_thirds:
        return Beats(seconds, downbeats, sure)
    # What is counted are eighths, three of them in what was found.
    n_eighths = 3 * len(seconds) - 2
    eighths = np.interp(np.arange(n_eighths) / 3, np.arange(len(seconds)), seconds)
    return Beats(eighths, np.isin(np.arange(n_eighths), 3 * np.flatnonzero(downbeats)), sure, 8)


def usual_bar(downbeats: npt.NDArray[np.bool_]) -> int:
    """How many beats most bars have; 4 where there is none that ends."""
    lengths = np.diff(np.flatnonzero(downbeats)).tolist()
    return int(Counter(lengths).most_common(1)[0][0]) if lengths else 4


def beats_at(
    seconds: npt.NDArray[np.float64], times: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """How many beats after the first each time is."""
    at = np.clip(np.searchsorted(seconds, times, side="right") - 1, 0, len(seconds) - 2)
    return np.asarray(at + (times - seconds[at]) / (seconds[at + 1] - seconds[at]))


def seconds_at(score: ScoreTick, ticks: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """When each tick is, in seconds, by the score's tempi."""
    stated = sorted(score.tempos, key=lambda tempo: tempo.time)
    times = np.array([0, *(max(tempo.time, 0) for tempo in stated)], np.float64)
    lengths = np.array([DEFAULT_MSPQ, *(tempo.mspq for tempo in stated)], np.float64)
    lengths /= 1e6 * score.ticks_per_quarter
    begins = np.concatenate([[0.0], np.cumsum(np.diff(times) * lengths[:-1])])
    governs = np.maximum(np.searchsorted(times, ticks, side="right") - 1, 0)
    return np.asarray(begins[governs] + (ticks - times[governs]) * lengths[governs])


def onsets_of(tune: Tune) -> npt.NDArray[np.int64]:
    """The onset of every pitched note, in ticks, as the tracks have them."""
    return np.concatenate([part.notes["time"] for part in tune.pitched]).astype(np.int64)
