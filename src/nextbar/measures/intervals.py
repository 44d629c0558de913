"""How sure a mean over pieces is: bootstrap intervals.

Pieces are drawn again with replacement, as many as there are, and each
statistic computed anew; the middle 95 % of 1,000 such values is the interval
(the percentile bootstrap). A draw is written as *weights*, how often each
piece was drawn, so that any statistic that can be written with weights (a
mean, a mean over pairs of pieces) takes all draws in one matrix product.
Pieces that are not independent, windows of one tune, are drawn together; or
the interval would come out too narrow. Pieces that count more or less than
once to begin with, so that two sets have their metres in equal shares, do so
in each draw.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64

from nextbar.measures.pieces import FloatArray, IntArray

N_RESAMPLES: Final = 1000
_CELLS_AT_ONCE: Final = 2_000_000  # 16 MB of weights, whatever the number of pieces

Statistic = Callable[[FloatArray], FloatArray]
"""(weightings, pieces) -> (weightings,); NaN where a weighting leaves nothing to measure."""


@dataclass(frozen=True)
class Interval:
    """A mean, and the 95 % interval around it; all three NaN where nothing could be measured."""

    mean: float
    low: float
    high: float

    @property
    def decimals(self) -> int:
        """How many decimals it is worth showing with, 1-3: more where it is narrow.

        Half of its width has one digit, or two if it begins with a 1 or a 2; an
        interval without width shows one.
        """
        half = (self.high - self.low) / 2
        if not half > 0:
            return 1
        return min(max(math.ceil(-math.log10(half / 3)), 1), 3)


UNMEASURED: Final = Interval(np.nan, np.nan, np.nan)
"""Where there was nothing to measure."""


def interval_text(interval: Interval | None) -> str:
    """``12.3 ± 0.4``, mean and half of the interval's width; ``-`` where nothing was measured.

    A mean without an interval stands alone.
    """
    mean, ends = mean_and_ends(interval)
    if interval is None or not ends:
        return mean
    return f"{mean} ± {(interval.high - interval.low) / 2:.{interval.decimals}f}"


def mean_and_ends(interval: Interval | None) -> tuple[str, str]:
    """``12.3`` and ``11.9 to 12.7``; ``-`` where nothing was measured, and no ends.

    The ends are empty too for a mean without an interval.
    """
    if interval is None or not math.isfinite(interval.mean):
        return "-", ""
    # The z writes 0.0 for what would be rounded to -0.0.
    mean, low, high = (f"{value:z.{interval.decimals}f}" for value in vars(interval).values())
    return mean, f"{low} to {high}" if math.isfinite(interval.high) else ""


def mean_of(values: Float64[FloatArray, " pieces"]) -> Statistic:
    """The statistic "mean of ``values`` (pieces,)", over the pieces whose value is not NaN."""
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)

    def weighted_mean(
        weights: Float64[FloatArray, "weightings pieces"],
    ) -> Float64[FloatArray, " weightings"]:
        return divide(weights @ filled, weights @ known.astype(np.float64))

    return weighted_mean


def divide(numerator: FloatArray, denominator: FloatArray | float) -> FloatArray:
    """The quotient, NaN (without a warning) where the denominator is 0."""
    quotient: FloatArray = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient


def bootstrap(
    statistics: Mapping[str, Statistic],
    groups: Int64[IntArray, " pieces"],
    *,
    rng: np.random.Generator,
    counting: Float64[FloatArray, " pieces"] | None = None,
) -> dict[str, Interval]:
    """For each statistic its value over all pieces and its 95 % interval.

    groups: (pieces,), numbered from 0: pieces of one group are drawn together;
    all different for independent pieces. counting: how much each piece counts,
    once if not given. All statistics see the same draws. A draw in which a
    statistic is NaN is left out of its interval.
    """
    counting = np.ones(len(groups)) if counting is None else counting
    plain = {name: float(take(counting[None])[0]) for name, take in statistics.items()}
    drawn: dict[str, list[FloatArray]] = {name: [] for name in statistics}
    for weights in _draws(groups, rng):
        weights *= counting
        for name, take in statistics.items():
            drawn[name].append(take(weights))
    return {name: _interval(mean, np.concatenate(drawn[name])) for name, mean in plain.items()}


def bootstrap_curve(
    curve: Statistic,
    groups: Int64[IntArray, " pieces"],
    *,
    rng: np.random.Generator,
    counting: Float64[FloatArray, " pieces"] | None = None,
) -> list[Interval]:
    """The same of a statistic that gives several values at once, (weightings, values)."""
    counting = np.ones(len(groups)) if counting is None else counting
    plain = curve(counting[None])[0]
    drawn = np.concatenate([curve(weights * counting) for weights in _draws(groups, rng)])
    return [_interval(float(mean), each) for mean, each in zip(plain, drawn.T, strict=True)]


def _draws(groups: IntArray, rng: np.random.Generator) -> Iterator[FloatArray]:
    """``N_RESAMPLES`` draws as weights (some, pieces), a few million cells at a time."""
    n_groups = int(groups.max()) + 1
    at_once = max(1, min(N_RESAMPLES, _CELLS_AT_ONCE // len(groups)))
    for done in range(0, N_RESAMPLES, at_once):
        n_draws = min(at_once, N_RESAMPLES - done)
        drawn = rng.integers(n_groups, size=(n_draws, n_groups))
        cells = (drawn + np.arange(n_draws)[:, None] * n_groups).ravel()
        counts = np.bincount(cells, minlength=n_draws * n_groups)
        yield counts.reshape(n_draws, n_groups)[:, groups].astype(np.float64)


def _interval(mean: float, drawn: FloatArray) -> Interval:
    known = drawn[~np.isnan(drawn)]
    if np.isnan(mean) or not len(known):
        return Interval(mean, np.nan, np.nan)
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(mean, float(low), float(high))
