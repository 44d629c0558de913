import math

import numpy as np
import pytest

from nextbar.measures.distributions import count_features, halves, overlap, overlaps
from nextbar.measures.pieces import Piece

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
