import itertools
import math

import numpy as np
import pytest

from nextbar.measures import distributions
from nextbar.measures.distributions import (
    count_features,
    halves,
    note_length_counts,
    notes_per_bar_counts,
    onset_interval_counts,
    overlap,
    overlaps,
    pitch_range_counts,
    polyphony_counts,
    transition_counts,
)
from nextbar.measures.pieces import Piece
from nextbar.music.bars import equal_bars

from .small_pieces import make_notes, piece_of_bars, random_piece


def test_overlap_is_the_area_under_both_histograms_whatever_their_sizes():
    # Shares 1/4 3/4 0 and 1/2 0 1/2: only the first cell is common, 1/4 of the area.
    assert overlap(np.array([1.0, 3, 0]), np.array([10.0, 0, 10])) == pytest.approx(25)
    assert overlap(np.array([1.0, 3]), np.array([2.0, 6])) == pytest.approx(100)
    assert overlap(np.array([1.0, 0]), np.array([0.0, 7])) == 0
    assert math.isnan(overlap(np.zeros(2), np.array([0.0, 7])))


def test_every_feature_of_a_small_piece_is_counted_by_hand():
    # Two bars of 16: C4 for 4 steps and E4 with it for 2; then D5 in bar 2, unheard G left out.
    notes = make_notes([(0, 4, 60, 90), (0, 2, 64, 90), (20, 70, 74, 90), (24, 1, 67, 5)])
    counts = {
        name: {int(i): rows[0][i] for i in np.flatnonzero(rows[0])}
        for name, rows in count_features([Piece(notes, 2)], n_steps=16).items()
    }
    assert counts == {
        "overlap_pitch_classes": {0: 1, 2: 1, 4: 1},
        "overlap_transitions": {12 * 0 + 4: 1, 12 * 4 + 2: 1},
        "overlap_note_lengths": {1: 1, 3: 1, 63: 1},  # cells of 2, 4, and 64 steps or more
        "overlap_onset_intervals": {0: 1, 20: 1},
        "overlap_pitch_ranges": {14: 1},
        "overlap_polyphony": {0: 2 + 70, 1: 2},
        "overlap_notes_per_bar": {1: 1, 2: 1},
        "overlap_grooves": {0: 2, 4: 1},
    }


def test_the_interval_of_an_overlap_holds_the_overlap_and_narrows_with_pieces():
    rng = np.random.default_rng(0)
    sets = [count_features([random_piece(rng) for _ in range(n)], n_steps=16) for n in (400, 300)]
    few = [{name: rows[:40] for name, rows in counts.items()} for counts in sets]
    every = (np.arange(400), np.arange(300))
    many = overlaps(*sets, groups=every, rng=np.random.default_rng(1))
    some = overlaps(*few, groups=(np.arange(40),) * 2, rng=np.random.default_rng(1))
    for name, interval in many.items():
        assert interval.mean == pytest.approx(overlap(sets[0][name].sum(0), sets[1][name].sum(0)))
        assert interval.low <= interval.mean <= interval.high
        assert interval.high - interval.low < some[name].high - some[name].low
    # Random pitches are spread alike: all but the noise of 10,000 notes is common.
    assert many["overlap_pitch_classes"].mean > 95


def test_windows_of_one_tune_are_never_in_both_halves():
    groups = np.repeat(np.arange(9), 4)
    first, second = halves(groups, np.random.default_rng(0))
    assert set(first) | set(second) == set(range(36))
    assert not set(groups[first]) & set(groups[second])
    assert len(first) == 16  # 4 of 9 tunes


def test_an_empty_set_overlaps_with_nothing():
    counts = count_features([piece_of_bars([60], [62])], n_steps=16)
    none = count_features([], n_steps=16)
    one, no = np.arange(1), np.arange(0)
    found = overlaps(counts, none, groups=(one, no), rng=np.random.default_rng(0))
    assert all(math.isnan(interval.mean) for interval in found.values())


def test_what_is_beyond_the_last_cell_counts_in_it_and_the_last_cell_is_its_own():
    # Lengths 63, 64 and 200 steps: cells 62, 63 and 63.
    lengths = note_length_counts(make_notes([(0, n, 60, 90) for n in (63, 64, 200)]))
    assert np.flatnonzero(lengths).tolist() == [62, 63]
    assert lengths[62:].tolist() == [1, 2]
    assert len(lengths) == 64
    # Starts 0, 0, 62, 125, 225: 0, 62, 63 and 100 steps apart.
    starts = onset_interval_counts(make_notes([(n, 1, 60, 90) for n in (0, 0, 62, 125, 225)]))
    assert {int(i): starts[i] for i in np.flatnonzero(starts)} == {0: 1, 62: 1, 63: 2}
    assert len(starts) == 64
    # 70 notes in bar 1, 63 in bar 2, none in bar 3, one beyond the piece.
    many = make_notes([(0, 1, p, 90) for p in range(70)] + [(16, 1, p, 90) for p in range(63)])
    bars = notes_per_bar_counts(many, equal_bars(3, 16))
    assert {int(i): bars[i] for i in np.flatnonzero(bars)} == {0: 1, 63: 2}
    beyond = make_notes([(0, 1, 60, 90), (48, 1, 60, 90)])
    bars = notes_per_bar_counts(beyond, equal_bars(3, 16))
    assert bars[:2].tolist() == [2, 1]
    assert bars.sum() == 3
    # 14 pitches at once for a step, 12 for another.
    chords = make_notes([(0, 1, p, 90) for p in range(14)] + [(1, 1, p, 90) for p in range(12)])
    assert polyphony_counts(chords).tolist() == [0] * 11 + [2]
    assert pitch_range_counts(make_notes([(0, 1, 0, 90), (0, 1, 127, 90)]))[127] == 1


def test_transitions_go_from_the_earlier_note_to_the_later_in_every_octave():
    # B3 to C6: from pitch class 11 to 0. And C to B: cell 0 * 12 + 11.
    counts = transition_counts(make_notes([(0, 1, 59, 90), (1, 1, 84, 90), (2, 1, 59, 90)]))
    assert {int(i): counts[i] for i in np.flatnonzero(counts)} == {11 * 12 + 0: 1, 0 * 12 + 11: 1}
    assert len(counts) == 144


def test_pitches_that_sound_twice_at_once_are_one_and_rests_are_none():
    # Two Cs over each other on steps 0-3 and 2-5, rest on 6-9, C and E on 10: 7 steps in all.
    notes = make_notes([(0, 4, 60, 90), (2, 4, 60, 90), (10, 1, 60, 90), (10, 1, 64, 90)])
    assert polyphony_counts(notes)[:3].tolist() == [6, 1, 0]


def test_a_silent_piece_counts_nothing_but_its_empty_bars():
    counts = count_features([Piece(make_notes([(0, 4, 60, 10)]), 3)], n_steps=16)
    assert {name: rows.sum() for name, rows in counts.items()} == {
        **dict.fromkeys(counts, 0),
        "overlap_notes_per_bar": 3,
    }
    assert {name: rows.shape for name, rows in counts.items()} == {
        "overlap_pitch_classes": (1, 12),
        "overlap_transitions": (1, 144),
        "overlap_note_lengths": (1, 64),
        "overlap_onset_intervals": (1, 64),
        "overlap_pitch_ranges": (1, 128),
        "overlap_polyphony": (1, 12),
        "overlap_notes_per_bar": (1, 64),
        "overlap_grooves": (1, 16),
    }


# Cells A, B, C. First set: pieces (3, 1, 0) and (1, 0, 3), together (4, 1, 3) of 8.
# Second set: pieces (1, 1, 0) and (1, 0, 1), together (2, 1, 1) of 4.
# Shares 4/8 1/8 3/8 and 2/4 1/4 1/4: A is equal, B is lower in the first, C in the second.
# The overlap is 1/2 + 1/8 + 1/4 = 7/8.
FIRST = np.array([[3.0, 1, 0], [1, 0, 3]])
SECOND = np.array([[1.0, 1, 0], [1, 0, 1]])


def by_hand(w, x, y, z):
    """The overlap where the first set's pieces count w and x times, the second's y and z.

    Of A each set gives half of its share, of B the first gives all, of C the second.
    """
    first = (w * (3 / 2 + 1) + x * (1 / 2)) / (4 * w + 4 * x)
    second = (y * (1 / 2) + z * (1 / 2 + 1)) / (2 * y + 2 * z)
    return min(100 * (first + second), 100)


def test_of_a_cell_in_which_both_sets_are_equal_each_gives_half():
    weights = np.array([[1.0, 1, 1, 1], [2, 0, 1, 1], [0, 2, 1, 1], [1, 2, 3, 0], [1, 3, 2, 1]])
    found = distributions._overlap_of(FIRST, SECOND)(weights)
    assert found == pytest.approx([by_hand(*row) for row in weights])
    # 3/8 + 1/2, and of the first set its first piece alone 5/8, its second alone 1/8.
    assert found[:3] == pytest.approx([87.5, 100, 62.5])


def test_the_interval_with_an_equal_cell_is_that_of_all_draws_counted_out():
    # All 4 ** 4 draws of four pieces; those without a piece of either set say nothing.
    values = []
    for drawn in itertools.product(range(4), repeat=4):
        w, x, y, z = (drawn.count(piece) for piece in range(4))
        if w + x and y + z:
            values.append(by_hand(w, x, y, z))
    groups = (np.arange(2), np.arange(2))
    found = overlaps({"x": FIRST}, {"x": SECOND}, groups=groups, rng=np.random.default_rng(0))["x"]
    assert found.mean == pytest.approx(87.5)
    assert [found.low, found.high] == pytest.approx(np.quantile(values, [0.025, 0.975]))
    # Exchanged, the other set gives the other half: the same overlap.
    other = overlaps({"x": SECOND}, {"x": FIRST}, groups=groups, rng=np.random.default_rng(0))["x"]
    assert vars(other) == pytest.approx(vars(found))


def test_no_more_than_all_can_be_in_common_in_any_draw():
    # Shares 1/2 1/2 and 3/4 1/4; of the first set its own lower cell alone, of the second too.
    first, second = np.array([[2.0, 0], [0, 2]]), np.array([[3.0, 0], [0, 1]])
    found = distributions._overlap_of(first, second)(np.array([[1.0, 0, 0, 1], [1, 1, 1, 1]]))
    assert found == pytest.approx([100, 75])


def test_sets_that_are_alike_in_every_cell_have_all_in_common_in_every_draw():
    counts = {"x": np.array([[1.0, 2, 0], [0, 1, 5]])}
    groups = (np.arange(2), np.arange(2))
    found = overlaps(counts, counts, groups=groups, rng=np.random.default_rng(0))["x"]
    assert tuple(vars(found).values()) == pytest.approx((100, 100, 100))


def test_pieces_of_one_group_are_drawn_together_in_either_set():
    # Two groups of first pieces that are alike each as a group, though not piece by piece.
    first = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])
    second = np.array([[1.0, 0], [0, 3]])
    together, apart = (
        overlaps(
            {"x": first},
            {"x": second},
            groups=(np.array(groups), np.zeros(2, np.int64)),
            rng=np.random.default_rng(0),
        )["x"]
        for groups in ([0, 0, 1, 1], [0, 1, 2, 3])
    )
    # Shares 1/2 1/2 and 1/4 3/4: 3/4 common, whatever group is drawn.
    assert tuple(vars(together).values()) == pytest.approx((75, 75, 75))
    assert apart.high - apart.low > 20


def test_either_empty_set_gives_nothing():
    counts = count_features([piece_of_bars([60], [62])], n_steps=16)
    none = count_features([], n_steps=16)
    assert {name: rows.shape for name, rows in none.items()} == {
        name: (0, rows.shape[1]) for name, rows in counts.items()
    }
    one, no = np.arange(1), np.arange(0)
    for sets, groups in (((none, none), (no, no)), ((counts, counts), (no, one))):
        found = overlaps(*sets, groups=groups, rng=np.random.default_rng(0))
        assert found.keys() == counts.keys()
        for interval in found.values():
            assert np.isnan([interval.mean, interval.low, interval.high]).all()


def test_halves_are_random_and_of_an_odd_number_the_first_is_the_smaller():
    groups = np.arange(21)
    drawn = [halves(groups, np.random.default_rng(seed))[0].tolist() for seed in range(20)]
    assert {len(first) for first in drawn} == {10}
    assert len({tuple(first) for first in drawn}) == 20
    assert [each.tolist() for each in halves(np.arange(0), np.random.default_rng(0))] == [[], []]


def test_groups_of_the_second_set_are_others_than_those_of_the_first():
    # Three first pieces and one second; all 4 ** 4 draws. Shares 3/6 2/6 1/6 and 1/4 2/4 1/4:
    # A is lower in the second set, B and C in the first.
    first, second = np.array([[3.0, 0, 0], [0, 2, 0], [0, 0, 1]]), np.array([[1.0, 2, 1]])
    values = []
    for drawn in itertools.product(range(4), repeat=4):
        w, x, y, z = (drawn.count(piece) for piece in range(4))
        if w + x + y and z:
            values.append(min(100 * ((2 * x + y) / (3 * w + 2 * x + y) + 1 / 4), 100))
    found = overlaps(
        {"x": first}, {"x": second}, groups=(np.arange(3), np.arange(1)),
        rng=np.random.default_rng(0),
    )["x"]  # fmt: skip
    assert found.mean == pytest.approx(75)
    assert [found.low, found.high] == pytest.approx(np.quantile(values, [0.025, 0.975]))
