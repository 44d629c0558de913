"""The beats and the bars of a tune that was played freely, estimated from its notes.

First the beats. Every note counts by how long and how low it is. Where the
notes lie on a grid that is only shifted against the file's quarters, as of
those who play to a click, the file's quarters are the beats, and it is asked
by how much. Otherwise the best sequence of beats is found by dynamic
programming over times and lengths of a beat (Ellis 2007, Beat tracking by
dynamic programming; with the tempo as a state, as Krebs, Boeck and Widmer 2015
have it): notes lie on beats, on halves and on quarters of them, each as often
as is usual, and the tempo changes little from beat to beat. The same is tried with
beats in three parts, as a jig has them, which are taken where they explain
clearly more.

Then the bars: a hidden Markov model over the place of a beat in a bar of four,
three or two (of three or two where beats are in three parts), which sees of each
beat what begins there (bass, length, chord) and how much harmony and rhythm change there.
"""

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nextbar.music.tunes import RawNotes

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

CLICK: Final = 0.3
"""How strongly onsets must agree on where in a sixteenth they lie; by chance it is 0.03."""
FRAME: Final = 0.01
"""Seconds: what beats are looked for in."""
LENGTHS: Final = np.unique(np.round(np.geomspace(28, 150, 44)).astype(int))
"""Frames that a beat may last: 40 to 214 a minute."""
USUAL_BEAT: Final = 0.62
BEAT_SPREAD: Final = 0.45
"""The beat in seconds that is likeliest before anything is heard, and its logarithm's spread."""
STIFFNESS: Final = 14.0
"""By how much a change of tempo is unlikely, for each unit of its logarithm."""
Places = tuple[tuple[float, float], ...]
IN_HALVES: Final[Places] = (
    (0, 0.40),
    (1 / 2, 0.22),
    (1 / 4, 0.09),
    (3 / 4, 0.09),
    (1 / 3, 0.035),
    (2 / 3, 0.035),
)
IN_THIRDS: Final[Places] = (
    (0, 0.42),
    (1 / 3, 0.17),
    (2 / 3, 0.22),
    (1 / 2, 0.02),
    (1 / 6, 0.02),
    (5 / 6, 0.03),
)
"""Where in a beat notes begin, and how often; what is left is spread evenly."""
CLEARLY_THIRDS: Final = 0.25
"""By how much more thirds must explain, in the unit of :class:`Tracked`'s fit.

Of 90 tunes in 4/4, 3/4 and 2/4 that were played by wandering tempi 0.22 was the most (a waltz
whose bar is taken for a beat), of 23 jigs in 6/8 and 9/8 0.28 the least but one.
"""
ONSET_SPREAD: Final = 0.022
"""Seconds by which an onset lies beside its place."""
SNAP: Final = 0.045
"""Seconds around a beat in which its onsets say where exactly it is."""
FIT_BY_CHANCE, GOOD_FIT = 0.2, 0.45
"""What :func:`track_beats` says of notes thrown anywhere, and of real tunes."""
PERFECT_FIT: Final = float("inf")
"""Of beats that are a file's own, only shifted."""
SURE_AT_EVEN_ODDS: Final = 0.1
SURE_BY_ODDS, SURE_BY_ODDS_OF_CLICK = 0.31, 0.55
"""The log odds that a bar begins rightly: where the model's are even, and for each unit of these.

Fitted to 130 typeset tunes that were played by wandering tempi, and to 228 songs played to a click.
"""
SUREST_OF_CLICK: Final = 0.78
"""As many of the downbeats of songs were right where the model had no doubt.

A tenth of the songs' beat files have their bars a beat before the bass and the chords.
"""

BAR_LENGTHS: Final = (4, 3, 2)
PLACES_IN_BARS: Final = np.array([0, 2, 1, 2, 0, 2, 2, 0, 2])
"""Of each state, the beats of a bar of 4, of 3, of 2: downbeat (0), half (1) or other (2)."""
FIRST: Final = np.array([0, 4, 7])
LAST: Final = np.array([3, 6, 8])
PLACES_OF_FOUR: Final = slice(0, 4)
NEVER: Final = -1e4
NEXT_BAR: Final = np.array([[0, -5, -2], [-5, 0, -5], [-1.5, -5, -0.7]])
NEXT_BAR_OF_THIRDS: Final = np.array([[NEVER] * 3, [NEVER, 0, -5], [NEVER, -5, 0]])
"""Log odds of a bar of 4, 3, 2 (columns) behind one of 4, 3, 2 (rows)."""
WEIGHTS: Final = np.array([
    [-0.089, 0.028, 0.114, 0.190, 0.121, 0.046, 0.149,
     0.171, 0.039, -0.008, 0.094, 0.013, 0.145, 0.023],
    [-0.162, -0.037, 0.121, -0.055, 0.155, -0.025, 0.117,
     -0.139, -0.122, 0.009, -0.005, -0.073, -0.075, -0.003],
    [0.251, 0.009, -0.235, -0.135, -0.276, -0.021, -0.265,
     -0.032, 0.083, -0.001, -0.089, 0.060, -0.070, -0.020],
])  # fmt: skip
"""How much each feature of :func:`describe_beats` speaks for a downbeat, a half, another beat.

Fitted by logistic regression to 150 piano arrangements of songs and 300 classical
tunes in 4/4, 3/4 and 2/4, of equal weight; the share of each kind is taken off.
"""
BIASES: Final = np.array([-0.073, 0.059, 0.014])


class Played(NamedTuple):
    """Notes as they were played: onsets and ends in seconds, pitches and velocities, of one length.

    quarters: the onsets in the file's quarters.
    """

    onset: Floats
    end: Floats
    pitch: Floats
    velocity: Floats
    quarters: Floats

    @property
    def salience(self) -> Floats:
        """How much each note says of the beat: longer and lower ones more."""
        length = np.minimum(self.end - self.onset, 2 * USUAL_BEAT) / USUAL_BEAT
        return np.asarray(0.1 + length + lowness(self.pitch))


def lowness(pitch: Floats) -> Floats:
    """Octaves below the middle one of the pitches, 0-3."""
    return np.clip((np.median(pitch) - pitch) / 12, 0, 3)


def find_click(quarters: Floats) -> tuple[int, float] | None:
    """On which grid onsets lie that is shifted against the quarters: parts of a quarter, shift.

    shift: in quarters, less than one part. None where they lie on none.
    """
    best, parts, shift = 0.0, 0, 0.0
    for n in (4, 3):
        mean = np.exp(2j * np.pi * n * quarters).mean()
        if abs(mean) > max(best, CLICK):
            best, parts, shift = abs(mean), n, float(np.angle(mean) / (2 * np.pi * n))
    return (parts, shift) if parts else None


def weigh_places(played: Played, parts: int, shift: float) -> Floats:
    """(parts,): how much salience lies on each part of the quarters."""
    place = np.round((played.quarters - shift) * parts).astype(np.int64)
    return np.bincount(place % parts, played.salience, minlength=parts).astype(np.float64)


def find_beats_by_click(played: Played, parts: int, shift: float) -> Floats:
    """The beats in quarters, of one who played to the file's click: where most salience lies."""
    first = shift + int(weigh_places(played, parts, shift).argmax()) / parts
    begin = int(np.floor(played.quarters.min() - first + 1 / (2 * parts)))
    end = int(np.ceil(played.quarters.max() - first)) + 2
    return first + np.arange(begin, max(end, begin + 2), dtype=np.float64)


class Tracked(NamedTuple):
    """The beats in seconds of one who played freely, and what they explain.

    fit: how much better they explain the notes than chance, in nats a beat's salience;
    0 where notes lie anywhere. in_thirds: they are divided in three, not in two.
    """

    seconds: Floats
    fit: float
    in_thirds: bool


def track_beats(played: Played) -> Tracked:
    """The beats of one who played freely."""
    start = float(played.onset.min())
    frame = np.round((played.onset - start) / FRAME).astype(np.int64) + LENGTHS[-1]
    n_frames = int(frame.max()) + LENGTHS[-1] + 1
    heard: Floats = np.bincount(frame, played.salience, minlength=n_frames).astype(np.float64)
    # A chord counts more than a note, but not as many times as it has notes.
    around = np.convolve(heard, np.ones(5), "same")
    heard = np.where(around > 0, heard / np.sqrt(np.maximum(around, 1e-9)), 0)
    n_events = max(int(np.count_nonzero(np.diff(np.flatnonzero(heard), prepend=-9) > 3)), 1)
    heard = np.asarray(heard * (n_events / float(heard.sum())))
    seconds = LENGTHS * FRAME
    prior = -0.5 * (np.log(seconds / USUAL_BEAT) / BEAT_SPREAD) ** 2 * seconds
    gain = np.empty((n_frames, 2, len(LENGTHS)), np.float32)
    for kind, places in enumerate((IN_HALVES, IN_THIRDS)):
        for column, length in enumerate(LENGTHS.tolist()):
            gain[:, kind, column] = _fit(heard, length, places) + prior[column]
    paths, scores = _best_paths(gain, first=int(LENGTHS[-1]), last=int(frame.max()))
    fits = scores / n_events
    in_thirds = bool(fits[1] > fits[0] + CLEARLY_THIRDS)
    beats = (paths[in_thirds] - LENGTHS[-1]) * FRAME + start
    return Tracked(_snap(beats, played), float(fits[int(in_thirds)]), in_thirds)


def _fit(heard: Floats, length: int, places: Places) -> Floats:
    """For each frame how well a beat of that length that begins there explains what is heard."""
    at = np.arange(length) / length
    spread = ONSET_SPREAD / FRAME / length
    density = np.full(length, 1 - sum(share for _, share in places))
    for place, share in places:
        away = np.abs((at - place + 0.5) % 1 - 0.5)
        density += share * np.exp(-0.5 * (away / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    template = np.log(density / density.mean())
    return np.asarray(np.correlate(np.append(heard, np.zeros(length - 1)), template, "valid"))


def _best_paths(
    gain: Singles, *, first: int, last: int
) -> tuple[list[npt.NDArray[np.int64]], Floats]:
    """Of each kind of beats the frames of the best sequence, and its score.

    gain: (frames, kinds, lengths) of a beat of a length that begins at a frame. The
    sequences go from about ``first`` to behind ``last``.
    """
    n_frames, n_kinds, n_lengths = gain.shape
    of_length = np.arange(n_lengths)
    of_kind = np.arange(n_kinds)[:, None]
    logs = np.log(LENGTHS)
    change = (-STIFFNESS * np.abs(logs[:, None] - logs[None])).astype(np.float32)
    # The best up to a beat at a frame: by the length of the next beat, and of the one before.
    onward = np.full(gain.shape, -np.inf, np.float32)
    before = np.zeros(gain.shape, np.int8)
    ended = np.full((n_frames - last, n_kinds, n_lengths), -np.inf, np.float32)
    # Frames closer than the shortest beat do not know of each other, and are looked at together.
    for begin in range(0, n_frames, int(LENGTHS[0])):
        frames = np.arange(begin, min(begin + int(LENGTHS[0]), n_frames))
        begun = frames[:, None, None] - LENGTHS
        at = np.maximum(begun, 0), of_kind, of_length
        best = np.where(begun >= 0, onward[at] + gain[at], -np.inf)
        best[frames <= first] = np.maximum(best[frames <= first], 0)
        ended[frames[frames >= last] - last] = best[frames >= last]
        reached = best[:, :, None] + change
        chosen = reached.argmax(axis=3)
        before[frames] = chosen
        onward[frames] = np.take_along_axis(reached, chosen[..., None], axis=3)[..., 0]
    paths, scores = [], np.empty(n_kinds)
    for kind in range(n_kinds):
        frame, length = divmod(int(ended[:, kind].argmax()), n_lengths)
        scores[kind], frame = ended[frame, kind, length], frame + last
        path = [frame]
        while frame > first and frame >= LENGTHS[length]:
            frame -= int(LENGTHS[length])
            path.append(frame)
            length = before[frame, kind, length]
        paths.append(np.array(path[::-1]))
    return paths, scores


def _snap(beats: Floats, played: Played) -> Floats:
    """The beats, each moved to the onsets that are nearly there."""
    order = np.argsort(played.onset, kind="stable")
    onset, salience = played.onset[order], played.salience[order]
    moved = beats.copy()
    for i, beat in enumerate(beats.tolist()):
        low, high = np.searchsorted(onset, [beat - SNAP, beat + SNAP])
        if high > low:
            near = np.exp(-(((onset[low:high] - beat) / 0.03) ** 2)) * salience[low:high]
            moved[i] = np.average(onset[low:high], weights=near)
    return moved


def how_sure(fit: float, chance: float) -> float:
    """What share of the downbeats is right, as far as can be told, 0-1.

    fit: of :class:`Tracked`, ``PERFECT_FIT`` where beats are a file's own. chance: of
    :func:`find_downbeats`, which takes what it sees of neighbouring beats for
    independent and is surer than it should be: its odds are levelled by as much as
    it was wrong on tunes of known bars (Platt 1999).
    """
    chance = min(max(chance, 1e-3), 1 - 1e-3)
    slope = SURE_BY_ODDS_OF_CLICK if fit == PERFECT_FIT else SURE_BY_ODDS
    bars = 1 / (1 + math.exp(-SURE_AT_EVEN_ODDS - slope * math.log(chance / (1 - chance))))
    if fit == PERFECT_FIT:
        return min(bars, SUREST_OF_CLICK)
    return bars * min(max((fit - FIT_BY_CHANCE) / (GOOD_FIT - FIT_BY_CHANCE), 0.0), 1.0)


def describe_beats(notes: RawNotes, n_beats: int) -> Floats:
    """(beats, features): what each beat is like beside the others of the tune.

    notes: time and duration in beats. The features are in units of their spread.
    """
    time, duration = notes["time"].astype(np.float64), notes["duration"].astype(np.float64)
    beat = np.floor(time + 1 / 8).astype(np.int64)
    inside = (beat >= 0) & (beat < n_beats)
    beat, time, duration = beat[inside], time[inside], np.maximum(duration[inside], 0)
    pitch, velocity = (notes[key][inside].astype(np.float64) for key in ("pitch", "velocity"))
    on = np.abs(time - beat) < 1 / 8
    classes = pitch.astype(np.int64) % 12
    loud = (velocity - velocity.mean()) / (velocity.std() + 5)
    low_on = -_most(beat[on], -pitch[on], n_beats, -999)
    lowest = -_most(beat, -pitch, n_beats, -999)
    floor = np.lib.stride_tricks.sliding_window_view(np.pad(lowest, 4, constant_values=999), 9).min(
        axis=1
    )
    has = low_on < 999
    n_on = np.bincount(beat[on], minlength=n_beats)
    bass = np.zeros((n_beats, 12))
    bass[lowest < 999, lowest[lowest < 999].astype(np.int64) % 12] = 1
    rhythm = np.zeros((n_beats, 4))
    np.add.at(rhythm, (beat, np.clip(np.round((time - beat) * 4), 0, 3).astype(np.int64)), 1)
    harmony = _harmony(time, duration, classes, n_beats)
    rows = [
        np.log1p(n_on),
        np.log1p(np.bincount(beat[~on], minlength=n_beats)),
        np.where(has, np.clip((np.median(pitch) - low_on) / 12, -1, 3), -1),
        _most(beat[on], np.log1p(np.minimum(duration[on], 8)), n_beats, 0),
        np.log1p(np.bincount(beat[on], np.minimum(duration[on], 4), minlength=n_beats)),
        _most(beat[on], loud[on], n_beats, 0),
        *(_novelty(harmony, width) for width in (1, 2, 4, 8)),
        _bass_changes(np.where(low_on <= floor + 7, low_on % 12, -1)),
        _novelty(bass, 2),
        *(_novelty(np.minimum(rhythm, 3), width) for width in (4, 8)),
    ]
    table = np.stack(rows, axis=1)
    return np.asarray((table - table.mean(axis=0)) / (table.std(axis=0) + 0.1))


def _most(index: npt.NDArray[np.int64], values: Floats, length: int, nothing: float) -> Floats:
    """The largest value of each index, ``nothing`` where there is none."""
    most = np.full(length, -np.inf)
    np.maximum.at(most, index, values)
    return np.where(np.isfinite(most), most, nothing)


def _harmony(
    time: Floats, duration: Floats, classes: npt.NDArray[np.int64], n_beats: int
) -> Floats:
    """(beats, 12): how long each pitch class sounds in a beat, in eighths of it, twice at most."""
    n = 8 * n_beats
    begin = np.clip(np.round(time * 8).astype(np.int64), 0, n)
    lasts = np.maximum(np.round(np.minimum(duration, 4) * 8).astype(np.int64), 1)
    sounding = np.zeros((n + 1, 12))
    np.add.at(sounding, (begin, classes), 1)
    np.add.at(sounding, (np.clip(begin + lasts, 0, n), classes), -1)
    sounding = np.minimum(np.cumsum(sounding, axis=0)[:-1], 2)
    return np.asarray(sounding.reshape(n_beats, 8, 12).sum(axis=1))


def _novelty(table: Floats, width: int) -> Floats:
    """How little the ``width`` rows from each on are like those before: 1 less the cosine."""
    sums = np.vstack([np.zeros((1, table.shape[1])), np.cumsum(table, axis=0)])
    at = np.arange(len(table))
    before = sums[at] - sums[np.maximum(at - width, 0)]
    behind = sums[np.minimum(at + width, len(table))] - sums[at]
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(behind, axis=1)
    products = (before * behind).sum(axis=1)
    return np.where(norms > 0, 1 - products / np.maximum(norms, 1e-9), 0)


def _bass_changes(bass: Floats) -> Floats:
    """1 where the bass (a pitch class, -1 for none) is another than the last one, else 0."""
    changes = np.zeros(len(bass))
    there = np.flatnonzero(bass >= 0)
    changes[there] = np.diff(bass[there], prepend=-1) != 0
    return changes


def find_downbeats(
    features: Floats, *, in_thirds: bool = False
) -> tuple[npt.NDArray[np.bool_], float]:
    """Which beats begin a bar, by the likeliest path, and how likely each of them is, on average.

    features: of :func:`describe_beats`. The second is the mean of what forward
    and backward passes say of each downbeat that was chosen, 0-1. in_thirds: bars
    are of 6/8 or 9/8; one of 12/8 is read as two of 6/8: what happens at every second
    bar line does not tell them apart.
    """
    seen = (features @ WEIGHTS.T + BIASES)[:, PLACES_IN_BARS]
    if in_thirds:
        seen[:, PLACES_OF_FOUR] = NEVER
    n_states = len(PLACES_IN_BARS)
    moves = np.full((n_states, n_states), NEVER)
    for first, last in zip(FIRST, LAST, strict=True):
        for state in range(first, last):
            moves[state, state + 1] = 0
    moves[np.ix_(LAST, FIRST)] = NEXT_BAR_OF_THIRDS if in_thirds else NEXT_BAR
    path = _likeliest(seen, moves)
    is_downbeat = np.isin(path, FIRST)
    chance = _chances(seen, moves)[:, FIRST].sum(axis=1)
    return is_downbeat, float(chance[is_downbeat].mean()) if is_downbeat.any() else 0.0


def _likeliest(seen: Floats, moves: Floats) -> npt.NDArray[np.int64]:
    """The states of the likeliest path (Viterbi 1967)."""
    best = seen[0]
    before = np.zeros(seen.shape, np.int64)
    for i in range(1, len(seen)):
        reached = best[:, None] + moves
        before[i] = reached.argmax(axis=0)
        best = reached.max(axis=0) + seen[i]
    path = np.empty(len(seen), np.int64)
    state = int(best.argmax())
    for i in range(len(seen) - 1, -1, -1):
        path[i] = state
        state = before[i, state]
    return path


def _chances(seen: Floats, moves: Floats) -> Floats:
    """(beats, states): how likely each state is, all that is seen considered."""
    forward, backward = seen.copy(), np.zeros(seen.shape)
    for i in range(1, len(seen)):
        forward[i] += _log_sum(forward[i - 1][:, None] + moves, 0)
    for i in range(len(seen) - 2, -1, -1):
        backward[i] = _log_sum(moves + (seen[i + 1] + backward[i + 1])[None], 1)
    total = _log_sum(forward[-1], 0)
    return np.asarray(np.exp(forward + backward - total))


def _log_sum(values: Floats, axis: int) -> Floats:
    most = values.max(axis=axis, keepdims=True)
    return np.asarray(
        (most + np.log(np.exp(values - most).sum(axis=axis, keepdims=True))).squeeze(axis)
    )
