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
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from nextbar.errors import UsageError
from nextbar.measures.chance import chance_pieces
from nextbar.measures.coherence import (
    chance_likeness,
    coherence,
    coherence_by_bar,
    coherence_sums,
    consecutive_likeness,
    weighted_coherence,
)
from nextbar.measures.copying import find_copies
from nextbar.measures.intervals import Interval, Statistic, bootstrap, divide, mean_of
from nextbar.measures.meanings import MEANINGS, Meaning
from nextbar.measures.paper import (
    EditDistances,
    NoteOns,
    diversity,
    edit_distances,
    mean_distance,
    note_ons,
    recurrence,
    recurrence_as_published,
    scale_consistency,
    scale_consistency_as_published,
    tone_span,
    uniqueness,
    velocity_span,
)
from nextbar.measures.pieces import (
    BoolArray,
    FloatArray,
    IntArray,
    Piece,
    bars_of_pieces,
    reference_windows,
    sum_by_piece,
)
from nextbar.music.bars import BarIndex, BarNotes

__all__ = [
    "MEANINGS",
    "Interval",
    "Meaning",
    "Piece",
    "Report",
    "Row",
    "compare",
    "measure_pieces",
    "reference_windows",
]

AS_PUBLISHED: Final = "_as_published"
CONSECUTIVE: Final = "likeness of consecutive bars"
AT_RANDOM: Final = "likeness of bars of different pieces"
COPIED_ANY_KEY: Final = "copied_bars_any_key"
FEW_PIECES: Final = 30


_PER_PIECE: Final[Mapping[str, Callable[[NoteOns], float]]] = {
    "notes": lambda tones: float(len(tones.pitches)),
    "scale_consistency": lambda tones: scale_consistency(tones.pitches),
    "scale_consistency" + AS_PUBLISHED: lambda tones: scale_consistency_as_published(tones.pitches),
    "uniqueness": lambda tones: uniqueness(tones.pitches),
    "velocity_span": lambda tones: velocity_span(tones.velocities),
    "recurrence": lambda tones: recurrence(tones.pitches),
    "recurrence" + AS_PUBLISHED: lambda tones: recurrence_as_published(tones.pitches),
    "tone_span": lambda tones: tone_span(tones.pitches),
}

TrainingBars = tuple[BarNotes, BarIndex]


@dataclass(frozen=True)
class Row:
    """One line of the screen table; ``columns`` holds those that the measure has."""

    name: str
    label: str
    unit: str
    says: str
    columns: dict[str, Interval]


@dataclass(frozen=True)
class Report:
    """Every measure of the generated pieces beside real music and random notes."""

    measures: dict[str, dict[str, Interval]]
    """Measure name -> column (generated, reference, chance, as_published) -> interval."""
    n_generated: int
    n_reference: int
    """Windows of real music, not whole pieces."""
    bars_per_piece: int
    coherence_by_bar: dict[str, list[float]]
    """Column -> coherence of bar 1 with 2, 2 with 3, and so on."""
    notes: list[str]
    """What a reader of the figures should know, one sentence each."""

    def to_json(self) -> dict[str, Any]:
        """The report as plain dicts, lists and numbers; not-a-number becomes None."""
        return {
            "measures": {
                name: {
                    column: {key: _plain(value) for key, value in vars(interval).items()}
                    for column, interval in columns.items()
                }
                for name, columns in self.measures.items()
            },
            "coherence_by_bar": {
                column: [_plain(value) for value in values]
                for column, values in self.coherence_by_bar.items()
            },
            "n_generated": self.n_generated,
            "n_reference": self.n_reference,
            "bars_per_piece": self.bars_per_piece,
            "notes": list(self.notes),
        }

    def with_notes(self, notes: Sequence[str]) -> "Report":
        """The same report with more notes, in front of its own."""
        return replace(self, notes=[*notes, *self.notes])

    def rows(self) -> list[Row]:
        """The lines of a table for the screen, with each measure's meaning in plain words."""
        return [Row(name, *MEANINGS[name], columns) for name, columns in self.measures.items()]


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def measure_pieces(
    pieces: Sequence[Piece], *, n_steps: int, training: TrainingBars | None = None
) -> dict[str, FloatArray | float]:
    """Every measure by name: (pieces,) values, or one number for diversity and coherence.

    n_steps: steps in a bar. training: bar notes and index to look for copies
    in; without it copied_bars is all NaN. Besides the names of ``MEANINGS``
    there are ``scale_consistency_as_published``, ``recurrence_as_published`` and
    ``copied_bars_any_key`` (copies up to transposition).
    A piece without a sounding note is NaN except in notes and empty_bars.
    """
    values: dict[str, FloatArray | float] = dict(_piece_values(pieces, n_steps, training))
    values["diversity"] = diversity([piece.notes for piece in pieces])
    values["coherence"] = coherence(pieces, n_steps=n_steps)
    return values


def _piece_values(
    pieces: Sequence[Piece], n_steps: int, training: TrainingBars | None
) -> dict[str, FloatArray]:
    """The measures that each piece has by itself, (pieces,) each."""
    tones = [note_ons(piece.notes) for piece in pieces]
    values = {
        name: np.array([measure(piece) for piece in tones], np.float64)
        for name, measure in _PER_PIECE.items()
    }
    return values | _bar_values(pieces, n_steps, training)


def _bar_values(
    pieces: Sequence[Piece], n_steps: int, training: TrainingBars | None
) -> dict[str, FloatArray]:
    """Percent of each piece's bars that are copies (of those composed and sounding), or empty."""
    bars = bars_of_pieces(pieces, n_steps=n_steps)
    n_bars = np.array([piece.n_bars for piece in pieces], np.int64)
    piece = np.repeat(np.arange(len(pieces)), n_bars)
    number = np.arange(len(piece)) - np.repeat(np.cumsum(n_bars) - n_bars, n_bars)
    is_composed = number >= np.repeat([piece.n_given_bars for piece in pieces], n_bars)

    def percent(is_counted: BoolArray, is_among: BoolArray) -> FloatArray:
        counted = sum_by_piece(is_counted & is_among, piece, len(pieces))
        return 100 * divide(counted, sum_by_piece(is_among, piece, len(pieces)))

    nowhere: TrainingBars = (bars[0][:0], np.zeros(1, np.int64))
    values = {}
    for name, any_key in (("copied_bars", False), (COPIED_ANY_KEY, True)):
        is_copy, is_silent = find_copies(bars, training or nowhere, any_key=any_key)
        shares = percent(is_copy, is_composed & ~is_silent)
        values[name] = shares if training else np.full(len(pieces), np.nan)
    values["empty_bars"] = percent(is_silent, np.ones_like(is_silent))
    return values


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
    for the intervals. training_bars: bar notes and index to look for copies in.
    Bars that a piece was given, not composed, are left out of copied_bars. An
    empty reference leaves its column out. The same seed gives the same report.
    UsageError if there is nothing to compare.
    """
    n_bars = _common_length(generated)
    windows, tune = _windows_and_tunes(reference, n_bars=n_bars, n_steps=n_steps)
    rng = np.random.default_rng(seed)
    chance = chance_pieces(generated, n_steps=n_steps, rng=rng)
    each = np.arange(len(generated))
    measure = partial(_measure_set, n_steps=n_steps, training=training_bars, rng=rng)
    columns = {
        "generated": measure(generated, each),
        **({"reference": measure(windows, tune)} if windows else {}),
        "chance": measure(chance, each),
    }
    return Report(
        measures={name: _columns_of(name, columns) for name in MEANINGS},
        n_generated=len(generated),
        n_reference=len(windows),
        bars_per_piece=n_bars,
        coherence_by_bar={name: measured.by_bar for name, measured in columns.items()},
        notes=_notes(columns, training_bars),
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


def _windows_and_tunes(
    reference: Sequence[Piece], *, n_bars: int, n_steps: int
) -> tuple[list[Piece], IntArray]:
    """The windows of all reference pieces, and for each the number of the piece it is of."""
    by_tune = [reference_windows([tune], n_bars=n_bars, n_steps=n_steps) for tune in reference]
    by_tune = [windows for windows in by_tune if windows]
    if not by_tune and reference:
        raise UsageError(
            f"reference: none of the {len(reference)} pieces is {n_bars} bars long, as the "
            "generated ones are; generate fewer bars or give longer pieces"
        )
    n_windows = np.array([len(windows) for windows in by_tune], np.int64)
    tune = np.repeat(np.arange(len(by_tune)), n_windows)
    return [window for windows in by_tune for window in windows], tune


class _Measured(NamedTuple):
    """One set of pieces, measured."""

    intervals: dict[str, Interval]
    by_bar: list[float]
    n_pieces: int
    n_independent: int
    distances: EditDistances


def _measure_set(
    pieces: Sequence[Piece],
    groups: IntArray,
    *,
    n_steps: int,
    training: TrainingBars | None,
    rng: np.random.Generator,
) -> _Measured:
    """Means and intervals of every measure, over the pieces of one set, drawn by groups."""
    values = _piece_values(pieces, n_steps, training)
    distances = edit_distances([piece.notes for piece in pieces], rng=rng)
    sums = coherence_sums(pieces, n_steps=n_steps)
    statistics: dict[str, Statistic] = {name: mean_of(each) for name, each in values.items()}
    statistics |= {
        "diversity": lambda weights: mean_distance(
            distances.matrix, weights[:, distances.compared]
        ),
        "coherence": lambda weights: weighted_coherence(sums, weights),
        CONSECUTIVE: lambda weights: consecutive_likeness(sums, weights),
        AT_RANDOM: lambda weights: chance_likeness(sums, weights),
    }
    return _Measured(
        intervals=bootstrap(statistics, groups, rng=rng),
        by_bar=coherence_by_bar(pieces, n_steps=n_steps).tolist(),
        n_pieces=len(pieces),
        n_independent=len(np.unique(groups)),
        distances=distances,
    )


def _columns_of(name: str, columns: Mapping[str, _Measured]) -> dict[str, Interval]:
    row = {column: measured.intervals[name] for column, measured in columns.items()}
    as_published = columns["generated"].intervals.get(name + AS_PUBLISHED)
    if as_published is not None:
        row["as_published"] = as_published
    return row


def _notes(columns: Mapping[str, _Measured], training: TrainingBars | None) -> list[str]:
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
    if training is None:
        return [*notes, "copied_bars was not measured: no training bars were given"]
    shares = ", ".join(
        f"{column} {each.intervals[COPIED_ANY_KEY].mean:.1f} %" for column, each in columns.items()
    )
    return [*notes, f"copied_bars, were transposed copies counted too: {shares}"]


def _notes_on_set(column: str, measured: _Measured) -> list[str]:
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
