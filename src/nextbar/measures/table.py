"""The measures side by side: composed pieces, real music, random notes.

``measure_pieces`` gives the value of every measure for every piece;
``compare`` gives the means with their intervals in columns:

- *generated*: the pieces asked about.
- *reference*: real music, cut in windows of as many bars.
- *chance*: random notes with the note count, range, durations and velocities
  of each generated piece (``chance.py``).
- *as_published*: the generated pieces again, by C-RNN-GAN's defective code,
  where that differs (``paper.py``); this is the column to hold against the
  paper's figures.

Nothing is good or bad by its figure alone: good is *generated* near
*reference* and away from *chance*.

Where bars are of several metres, windows of real music count so that as much of
them is in each metre as of the generated pieces (``metres.py``).
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from nextbar.errors import UsageError
from nextbar.measures.by_piece import (
    AS_PUBLISHED,
    COPIED_ANY_KEY,
)
from nextbar.measures.chance import chance_pieces
from nextbar.measures.copying import MOST_SEARCHED, MOST_TRAINING, TrainingBars
from nextbar.measures.distributions import (
    halves,
    overlaps,
    places_in_bars,
)
from nextbar.measures.follows import LEAST_PAIRS, Asked, Followed, follows_in_sets
from nextbar.measures.intervals import (
    UNMEASURED,
    Interval,
)
from nextbar.measures.meanings import MEANINGS
from nextbar.measures.metres import (
    LEAST_BARS,
    MetreOverlap,
    Metres,
    bars_in_metres,
    counting_like,
    metre_overlap,
    metres_of_each,
    show_metres,
)
from nextbar.measures.one_set import (
    AT_RANDOM,
    CONSECUTIVE,
    Measured,
    diversity_as_published,
    measure_set,
)
from nextbar.measures.pieces import (
    FloatArray,
    IntArray,
    Piece,
    metres_alike,
    reference_windows,
)
from nextbar.measures.report import Report
from nextbar.music.metre import show_metre

FEW_PIECES: Final = 30


def compare(
    generated: Sequence[Piece],
    reference: Sequence[Piece],
    *,
    n_steps: int,
    training_bars: TrainingBars | None = None,
    seed: int = 0,
) -> Report:
    """The report on generated pieces: each measure's mean and 95 % interval, in columns.

    generated: pieces of one length in bars. reference: real music, best not
    trained on; it is cut here into windows of that length. Give whole pieces:
    windows of one piece are no independent witnesses, and are drawn together
    for the intervals. training_bars: where copies are looked for. n_steps: steps
    in a bar, of pieces that do not say where theirs begin.
    Bars that a piece was given, not composed, are left out of copied_bars. An
    empty reference leaves its column out. The same seed gives the same report.
    UsageError if there is nothing to compare.
    """
    n_bars = _common_length(generated)
    generated, reference = metres_alike(generated, reference)
    real = _real_windows(reference, generated, n_bars=n_bars, n_steps=n_steps)
    rng = np.random.default_rng(seed)
    chance = chance_pieces(generated, n_steps=n_steps, rng=rng)
    each, once = np.arange(len(generated)), np.ones(len(generated))
    places = places_in_bars(real.windows or generated, n_steps=n_steps)
    measure = partial(measure_set, n_steps=n_steps, places=places, training=training_bars, rng=rng)
    columns = {
        "generated": measure(generated, each, once),
        **({"reference": measure(*real[:3])} if real.windows else {}),
        "chance": measure(chance, each, once),
    }
    measures = {name: _columns_of(name, columns) for name in columns["generated"].intervals}
    measures["diversity"]["as_published"] = diversity_as_published(
        generated, columns["generated"].distances, n_steps=n_steps, rng=rng
    )
    measures |= _overlaps(columns, rng)
    followed = _follows(
        {"generated": (generated, each, once), "chance": (chance, each, once)},
        real,
        training_bars,
        n_steps=n_steps,
        rng=rng.spawn(1)[0],
    )
    measures["follows"] = {name: followed.intervals.get(name, UNMEASURED) for name in columns}
    metres = None
    if all(piece.metres for piece in (*generated, *reference)):
        metres = metre_overlap(generated, reference, seed=seed)
    return Report(
        measures={name: measures[name] for name in MEANINGS},
        n_generated=len(generated),
        n_reference=len(real.windows),
        bars_per_piece=n_bars,
        coherence_by_bar={name: measured.by_bar for name, measured in columns.items()},
        notes=[
            *_notes(columns, followed, training_bars),
            *real.notes,
            *(_notes_on_metres(metres) if metres is not None else []),
        ],
        pieces=[piece.name for piece in generated],
        values=columns["generated"].values,
        metres=metres,
    )


def _common_length(generated: Sequence[Piece]) -> int:
    lengths = sorted({piece.n_bars for piece in generated})
    if not lengths or lengths[0] < 1:
        raise UsageError("generated: there is no piece with a bar to measure; generate some first")
    if len(lengths) > 1:
        raise UsageError(
            f"generated: pieces of {lengths[0]} to {lengths[-1]} bars; several measures grow with "
            "length, so give pieces of one length"
        )
    return lengths[0]


class _RealWindows(NamedTuple):
    """Windows of real music beside which the generated pieces stand.

    tune: (windows,), the number of the piece that each is of. counting:
    (windows,), how much each counts. notes: what to know of the metres.
    """

    windows: list[Piece]
    tune: IntArray
    counting: FloatArray
    notes: list[str]


def _real_windows(
    reference: Sequence[Piece], generated: Sequence[Piece], *, n_bars: int, n_steps: int
) -> _RealWindows:
    """The windows of all reference pieces in the metres of the generated ones."""
    by_tune = [reference_windows([tune], n_bars=n_bars, n_steps=n_steps) for tune in reference]
    by_tune = [windows for windows in by_tune if windows]
    if not by_tune and reference:
        raise UsageError(
            f"reference: none of the {len(reference)} pieces is {n_bars} bars long, as the "
            "generated ones are; generate fewer bars or give longer pieces"
        )
    n_windows = np.array([len(windows) for windows in by_tune], np.int64)
    tune = np.repeat(np.arange(len(by_tune)), n_windows)
    windows = [window for windows in by_tune for window in windows]
    theirs, ours = metres_of_each(windows), metres_of_each(generated)
    counting = counting_like(theirs, ours)
    counted = np.flatnonzero(counting)
    notes = _notes_on_matching(theirs, ours, counting) if windows else []
    return _RealWindows(
        [windows[i] for i in counted],
        np.unique(tune[counted], return_inverse=True)[1],
        counting[counted],
        notes,
    )


def _notes_on_matching(
    theirs: Sequence[Metres], ours: Sequence[Metres], counting: FloatArray
) -> list[str]:
    """What was done so that both sides have the same metres."""
    notes = []
    if np.any(counting != 1):
        n_left_out = int(np.count_nonzero(counting == 0))
        notes.append(
            f"reference: its {len(theirs) - n_left_out:,} windows count by their metres, so that "
            f"as much is in each as of the generated pieces; {n_left_out:,} windows of metres "
            "that no generated piece has were left out"
        )
    if any(theirs) and any(ours):
        for metres, n in Counter(ours).items():
            if metres not in theirs:
                notes.append(
                    f"generated: {n:,} pieces are in {show_metres(metres)}, and no window of real "
                    "music is; what is said of real music is of the others"
                )
    return notes


def _overlaps(
    columns: Mapping[str, Measured], rng: np.random.Generator
) -> dict[str, dict[str, Interval]]:
    """Feature -> column -> overlap with the real windows; of those, of two halves."""
    if "reference" not in columns:
        return {name: {"generated": UNMEASURED} for name in columns["generated"].features}
    real = columns["reference"]
    found = {}
    for column, measured in columns.items():
        if column == "reference":
            sides = [np.asarray(half) for half in halves(real.groups, rng)]
            counts = [{n: rows[half] for n, rows in real.features.items()} for half in sides]
            groups = [np.unique(real.groups[half], return_inverse=True)[1] for half in sides]
            counting = [real.counting[half] for half in sides]
        else:
            counts = [measured.features, real.features]
            groups = [measured.groups, real.groups]
            counting = [measured.counting, real.counting]
        found[column] = overlaps(
            *counts,
            groups=(groups[0], groups[1]),
            rng=rng,
            counting=(counting[0], counting[1]),
        )
    return {
        name: {column: intervals[name] for column, intervals in found.items()}
        for name in real.features
    }


def _follows(
    sets: Mapping[str, tuple[Sequence[Piece], IntArray, FloatArray]],
    real: _RealWindows,
    training: TrainingBars | None,
    *,
    n_steps: int,
    rng: np.random.Generator,
) -> Followed:
    """Follows of each set and of the real windows.

    The rule is learned from the training bars; without them from the windows of half of the
    real tunes, and the other half is asked.
    """
    asked = {name: Asked(*each) for name, each in sets.items()}
    windows, tune, counting = real[:3]
    if training is None:
        learned, kept = halves(tune, rng)
        learn_from = [windows[i] for i in learned]
        training = TrainingBars.of_pieces(learn_from, n_steps=n_steps)
        windows, tune, counting = [windows[i] for i in kept], tune[kept], counting[kept]
    if windows:
        groups = np.unique(tune, return_inverse=True)[1]
        asked["reference"] = Asked(windows, groups, counting)
    return follows_in_sets(asked, training, n_steps=n_steps, rng=rng)


def _note_on_follows(followed: Followed, training: TrainingBars | None) -> str:
    where = "the training tunes" if training else "half of the real tunes"
    if not followed.n_asked:
        return (
            f"follows was not measured: its rule is learned from {LEAST_PAIRS} pairs of bars and "
            f"more, and {where} have {followed.n_learned}"
            if followed.n_learned < LEAST_PAIRS
            else "follows was not measured: no two consecutive bars have onsets"
        )
    return (
        f"follows: the rule is learned from {followed.n_learned:,} pairs of bars of {where} and "
        f"asked about {followed.n_asked:,} of each column; 50 is chance"
    )


def _columns_of(name: str, columns: Mapping[str, Measured]) -> dict[str, Interval]:
    row = {column: measured.intervals[name] for column, measured in columns.items()}
    as_published = columns["generated"].intervals.get(name + AS_PUBLISHED)
    if as_published is not None:
        row["as_published"] = as_published
    return row


def _notes(
    columns: Mapping[str, Measured], followed: Followed, training: TrainingBars | None
) -> list[str]:
    """What a reader of the figures should know."""
    notes = []
    for column, measured in columns.items():
        if column != "chance":
            notes += _notes_on_set(column, measured)
    parts = ", ".join(
        f"{column} {each.intervals[CONSECUTIVE].mean:.3f} - {each.intervals[AT_RANDOM].mean:.3f}"
        for column, each in columns.items()
    )
    notes.append(f"coherence is the {CONSECUTIVE} less the {AT_RANDOM}: {parts}")
    notes.append(_note_on_follows(followed, training))
    if training is None:
        return [*notes, "copying was not measured: no training bars were given"]
    shares = ", ".join(
        f"{column} {each.intervals[COPIED_ANY_KEY].mean:.1f} %" for column, each in columns.items()
    )
    notes.append(f"copied_bars, were transposed copies counted too: {shares}")
    return [
        *notes,
        f"nearest_bar and nearest_phrase are searched for up to {MOST_SEARCHED} different bars and "
        f"phrases of a column, among up to {MOST_TRAINING:,} of training",
    ]


def _notes_on_metres(found: MetreOverlap) -> list[str]:
    """How many bars there are of each metre, and whose onsets those of each are like."""
    if len(found.metres) < 2:
        return []
    notes = [f"bars by metre: {bars_in_metres(found)}"]
    for at, metre in enumerate(found.metres):
        own = found.overlap[at, at]
        others = np.delete(found.overlap[at], at)
        if not math.isfinite(own):
            continue
        name = show_metre(metre)
        said = (
            f"{name}: the places in the bar where notes begin have {own:.0f} % in common with "
            f"real {name} (two halves of that: {found.real[at, at]:.0f} %)"
        )
        if np.any(np.isfinite(others)):
            nearest = int(np.nanargmax(others))
            other = found.metres[nearest + (nearest >= at)]
            said += f", with other metres {np.nanmax(others):.0f} % ({show_metre(other)}) at most"
        notes.append(said)
    if not np.all(np.isfinite(np.diagonal(found.overlap))):
        notes.append(f"metres of fewer than {LEAST_BARS} bars on either side are not compared so")
    return notes


def _notes_on_set(column: str, measured: Measured) -> list[str]:
    """What to know of one set of pieces: too few, silent ones, not all compared."""
    notes = []
    n_silent, compared = measured.distances.n_silent, len(measured.distances.compared)
    n_heard = measured.n_pieces - n_silent
    if measured.n_independent < FEW_PIECES:
        notes.append(
            f"{column}: only {measured.n_independent} pieces; with fewer than {FEW_PIECES} the "
            "95 % intervals mean little and come out too narrow"
        )
    if n_silent:
        notes.append(
            f"{column}: {n_silent} of {measured.n_pieces} pieces have no sounding note; they "
            "count in notes and empty_bars only"
        )
    if compared < n_heard:
        notes.append(
            f"{column}: diversity is of {compared:,} pieces drawn from {n_heard:,}, all their "
            "pairs compared"
        )
    return notes
