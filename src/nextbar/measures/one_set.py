"""Every measure of one set of pieces, with its interval over the pieces."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from nextbar.measures.by_piece import (
    values_by_piece,
)
from nextbar.measures.coherence import (
    chance_likeness,
    coherence_curve,
    coherence_sums,
    consecutive_likeness,
    weighted_coherence,
)
from nextbar.measures.copying import TrainingBars
from nextbar.measures.distributions import (
    Counts,
    Places,
    count_features,
)
from nextbar.measures.intervals import (
    UNMEASURED,
    Interval,
    Statistic,
    bootstrap,
    bootstrap_curve,
    mean_of,
)
from nextbar.measures.paper import (
    EditDistances,
    edit_distances,
    mean_distance,
    mean_with_itself,
    published_distances,
)
from nextbar.measures.pieces import (
    FloatArray,
    IntArray,
    Piece,
    starts_of,
)

CONSECUTIVE: Final = "likeness of consecutive bars"
AT_RANDOM: Final = "likeness of bars of different pieces"


class Measured(NamedTuple):
    """One set of pieces, measured."""

    intervals: dict[str, Interval]
    by_bar: list[Interval]
    n_pieces: int
    n_independent: int
    distances: EditDistances
    values: dict[str, FloatArray]
    features: Counts
    groups: IntArray
    counting: FloatArray


def measure_set(
    pieces: Sequence[Piece],
    groups: IntArray,
    counting: FloatArray,
    *,
    n_steps: int,
    places: Places,
    training: TrainingBars | None,
    rng: np.random.Generator,
) -> Measured:
    """Means and intervals of every measure, over the pieces of one set, drawn by groups.

    counting: how much each piece counts.
    """
    values = values_by_piece(pieces, n_steps=n_steps, training=training, rng=rng)
    distances = edit_distances([piece.notes for piece in pieces], rng=rng)
    sums = coherence_sums(pieces, n_steps=n_steps)
    curve = coherence_curve(pieces, n_steps=n_steps)
    statistics: dict[str, Statistic] = {name: mean_of(each) for name, each in values.items()}
    statistics |= {
        "diversity": lambda weights: mean_distance(
            distances.matrix, weights[:, distances.compared]
        ),
        "coherence": lambda weights: weighted_coherence(sums, weights),
        CONSECUTIVE: lambda weights: consecutive_likeness(sums, weights),
        AT_RANDOM: lambda weights: chance_likeness(sums, weights),
    }
    return Measured(
        intervals=bootstrap(statistics, groups, rng=rng, counting=counting),
        by_bar=bootstrap_curve(curve, groups, rng=rng.spawn(1)[0], counting=counting),
        n_pieces=len(pieces),
        n_independent=len(np.unique(groups)),
        distances=distances,
        values=values,
        features=count_features(pieces, n_steps=n_steps, places=places),
        groups=groups,
        counting=counting,
    )


def diversity_as_published(
    pieces: Sequence[Piece], distances: EditDistances, *, n_steps: int, rng: np.random.Generator
) -> Interval:
    """The paper's form of diversity, of the same pieces that diversity compares."""
    compared = [pieces[number] for number in distances.compared]
    if not compared:
        return UNMEASURED
    matrix = published_distances(
        [piece.notes for piece in compared],
        n_steps=n_steps,
        starts=[None if p.starts is None else starts_of(p, n_steps=n_steps) for p in compared],
    )
    statistics = {"": lambda weights: mean_with_itself(matrix, weights)}
    return bootstrap(statistics, np.arange(len(compared)), rng=rng)[""]
