import itertools
import math

import numpy as np
import pytest

from nextbar.measures import intervals
from nextbar.measures.intervals import (
    Interval,
    bootstrap,
    bootstrap_curve,
    divide,
    interval_text,
    mean_and_ends,
    mean_of,
)


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide_each_way():
    values = np.random.default_rng(0).normal(10, 3, 400)
    found = bootstrap({"x": mean_of(values)}, np.arange(400), rng=np.random.default_rng(1))["x"]
    error = values.std() / 20  # sqrt(400)
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def test_pieces_of_one_group_are_drawn_together():
    # 20 groups of 20 equal values: no more is known than from 20 values.
    values = np.repeat(np.random.default_rng(0).normal(0, 1, 20), 20)
    groups = np.repeat(np.arange(20), 20)
    alone = bootstrap({"x": mean_of(values)}, np.arange(400), rng=np.random.default_rng(1))["x"]
    together = bootstrap({"x": mean_of(values)}, groups, rng=np.random.default_rng(1))["x"]
    # The standard error grows by sqrt(20) = 4.5.
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(math.sqrt(20), rel=0.15)


@pytest.mark.parametrize(
    ("half", "decimals"),
    [(4.3, 1), (0.8, 1), (0.31, 1), (0.29, 2), (0.04, 2), (0.015, 3), (0.0001, 3), (0, 1)],
)
def test_narrow_intervals_show_more_decimals(half, decimals):
    assert Interval(5, 5 - half, 5 + half).decimals == decimals


@pytest.mark.parametrize(
    ("interval", "text", "ends"),
    [
        (Interval(12.34, 11.94, 12.76), "12.3 ± 0.4", "11.9 to 12.8"),  # half 0.41
        (Interval(93.94, 93.82, 94.08), "93.94 ± 0.13", "93.82 to 94.08"),  # begins with a 1
        (Interval(0.8321, 0.8304, 0.8344), "0.832 ± 0.002", "0.830 to 0.834"),
        (Interval(100, 100, 100), "100.0 ± 0.0", "100.0 to 100.0"),
        (Interval(-0.0001, -0.02, 0.02), "0.000 ± 0.020", "-0.020 to 0.020"),  # no -0.000
        (Interval(7.25, math.nan, math.nan), "7.2", ""),  # a mean, and nothing to say how sure
        (Interval(math.nan, math.nan, math.nan), "-", ""),
        (None, "-", ""),
    ],
)
def test_an_interval_is_shown_with_the_decimals_that_it_is_worth(interval, text, ends):
    assert interval_text(interval) == text
    assert mean_and_ends(interval) == (text.split(" ± ")[0], ends)


def test_each_value_of_a_curve_has_the_interval_that_it_has_alone():
    values = np.random.default_rng(0).normal(0, 1, (40, 3))
    groups = np.arange(40) // 2
    curve = bootstrap_curve(
        lambda weights: weights @ values / 40, groups, rng=np.random.default_rng(1)
    )
    for found, column in zip(curve, values.T, strict=True):
        alone = bootstrap({"x": mean_of(column)}, groups, rng=np.random.default_rng(1))["x"]
        assert vars(found) == pytest.approx(vars(alone))


def test_values_that_are_nan_are_left_out():
    values = np.array([1.0, math.nan, 3.0])
    found = bootstrap({"x": mean_of(values)}, np.arange(3), rng=np.random.default_rng(0))["x"]
    assert found.mean == 2
    assert (found.low, found.high) == (1, 3)


def test_nothing_but_nan_gives_nan():
    nothing = np.full(5, math.nan)
    found = bootstrap({"x": mean_of(nothing)}, np.arange(5), rng=np.random.default_rng(0))["x"]
    assert np.isnan([found.mean, found.low, found.high]).all()


def test_the_same_seed_gives_the_same_interval_however_draws_are_cut(monkeypatch):
    values = np.random.default_rng(0).normal(size=50)

    def interval(seed):
        rng = np.random.default_rng(seed)
        return bootstrap({"x": mean_of(values)}, np.arange(50), rng=rng)["x"]

    whole = interval(1)
    assert interval(2) != whole
    monkeypatch.setattr(intervals, "_CELLS_AT_ONCE", 50 * 7)
    assert interval(1) == whole


def test_dividing_by_nothing_gives_nan_without_a_warning():
    assert divide(np.array([1.0, 0.0]), np.array([4.0, 0.0]))[0] == 0.25
    assert math.isnan(divide(np.array([1.0, 0.0]), np.array([4.0, 0.0]))[1])


def test_a_draw_is_of_as_many_groups_as_there_are_and_all_of_one_group_come_along():
    groups = np.array([0, 0, 1, 2, 2, 2])
    drawn = np.concatenate(list(intervals._draws(groups, np.random.default_rng(0))))
    assert drawn.shape == (1000, 6)
    assert (drawn[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert (drawn[:, [0, 3, 3]] == drawn[:, [1, 4, 5]]).all()
    # Of three draws, each group is in none with (2/3)^3 = 8/27, in all with 1/27.
    share = [np.mean(drawn[:, 2] == n) for n in range(4)]
    assert share == pytest.approx([8 / 27, 12 / 27, 6 / 27, 1 / 27], abs=0.04)
    assert len(np.unique(drawn[:20], axis=0)) > 5  # draws differ from each other


def test_the_interval_holds_the_middle_95_percent_of_the_draws():
    # The statistic is the number of the call: the plain value is 0, the draws are 1 to 1000.
    counter = itertools.count()

    def number(weights):
        return np.array([float(next(counter)) for _ in weights])

    found = bootstrap({"x": number}, np.arange(1), rng=np.random.default_rng(0))["x"]
    assert found.mean == 0
    assert found.low == pytest.approx(1 + 0.025 * 999)
    assert found.high == pytest.approx(1 + 0.975 * 999)


def test_draws_in_which_nothing_is_measured_are_left_out():
    # Of two pieces the first alone has a value: draws of the second alone have none.
    values = np.array([5.0, math.nan])
    found = bootstrap({"x": mean_of(values)}, np.arange(2), rng=np.random.default_rng(0))["x"]
    assert tuple(vars(found).values()) == (5, 5, 5)
    # Measured in none of the draws, though plainly: only a mean is known.
    once = iter([np.array([3.0])])
    found = bootstrap(
        {"x": lambda weights: next(once, np.full(len(weights), math.nan))},
        np.arange(2),
        rng=np.random.default_rng(0),
    )["x"]
    assert found.mean == 3
    assert np.isnan([found.low, found.high]).all()


def test_a_weighted_mean_leaves_out_what_is_nan_whatever_its_weight():
    weighted = mean_of(np.array([1.0, math.nan, 4.0]))
    found = weighted(np.array([[1.0, 5, 1], [3, 0, 1], [0, 2, 0]]))
    assert found[:2] == pytest.approx([2.5, 7 / 4])
    assert math.isnan(found[2])


def test_very_many_pieces_are_drawn_a_few_weightings_at_a_time(monkeypatch):
    sizes = []

    def seen(weights):
        sizes.append(weights.shape)
        return weights.sum(axis=1)

    monkeypatch.setattr(intervals, "_CELLS_AT_ONCE", 2100)
    bootstrap({"x": seen}, np.arange(7), rng=np.random.default_rng(0))
    assert sizes == [(1, 7), (300, 7), (300, 7), (300, 7), (100, 7)]
    sizes.clear()
    monkeypatch.setattr(intervals, "_CELLS_AT_ONCE", 3)  # fewer than pieces
    bootstrap({"x": seen}, np.arange(7), rng=np.random.default_rng(0))
    assert sizes == [(1, 7)] * 1001


def test_one_number_can_be_divided_by_many_and_many_by_one():
    assert divide(np.array([1.0]), np.array([2.0, 4.0])).tolist() == [0.5, 0.25]
    assert divide(np.array([1.0, 3.0]), 2.0).tolist() == [0.5, 1.5]


def test_pieces_that_count_more_do_so_in_every_draw():
    # Two windows of one tune, 0 and 4; the second counts 3: (0 + 12) / 4, and in each draw too.
    mean = mean_of(np.array([0.0, 4]))
    together, counting = np.zeros(2, np.int64), np.array([1.0, 3])
    found = bootstrap({"": mean}, together, rng=np.random.default_rng(0), counting=counting)[""]
    assert vars(found) == {"mean": 3, "low": 3, "high": 3}
    [found] = bootstrap_curve(
        lambda weights: mean(weights)[:, None],
        together,
        rng=np.random.default_rng(0),
        counting=counting,
    )
    assert vars(found) == {"mean": 3, "low": 3, "high": 3}
