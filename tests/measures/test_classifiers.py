import math

import numpy as np
import pytest
import torch

from nextbar.measures import classifiers
from nextbar.measures.classifiers import (
    follows,
    next_bar_told_from_real,
    real_told_from_real,
    told_from_real,
    windows_of,
)
from nextbar.measures.pieces import Piece, reference_windows

from .small_pieces import make_notes, piece_of_bars, random_piece

SCALE = np.array([0, 2, 4, 5, 7, 9, 11])


def tunes(n, *, n_bars=8, seed=0, duration=1, aimless=False):
    """Tunes of eight notes a bar, all bars of a tune on one pitch of its own; aimless, on any."""
    rng = np.random.default_rng(seed)
    pieces = []
    for own in 60 + rng.choice(SCALE, n):
        pitches = 60 + rng.choice(SCALE, n_bars) if aimless else [own] * n_bars
        rows = [
            (16 * bar + 2 * i, duration, pitch, 90)
            for bar, pitch in enumerate(pitches)
            for i in np.sort(rng.choice(8, 5, replace=False))
        ]
        pieces.append(Piece(make_notes(rows), n_bars))
    return pieces


def first_bars(pieces, n_bars, given=0):
    cut = [reference_windows([piece], n_bars=n_bars, n_steps=16)[0] for piece in pieces]
    return [piece._replace(n_given_bars=given) for piece in cut]


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    from nextbar.measures import judge_network

    monkeypatch.setattr(judge_network, "MOST_EPOCHS", 5)


def test_pieces_of_another_kind_are_told_and_pieces_of_the_same_are_not():
    real = tunes(60)
    other = told_from_real(first_bars(tunes(80, seed=1, duration=2), 3), real, n_steps=16, n_bars=3)
    assert other.accuracy.mean > 90
    same = told_from_real(first_bars(tunes(80, seed=2), 3), real, n_steps=16, n_bars=3)
    assert same.accuracy.low < 55
    assert same.n_tested[0] == 20  # a quarter


def test_one_half_of_the_real_tunes_is_not_told_from_the_other():
    real = [*tunes(60), *tunes(5, n_bars=2, seed=1)]
    verdict = real_told_from_real(real, n_steps=16, n_bars=3)
    assert verdict.accuracy.low < 55
    # A quarter of 30 tunes: two windows end to end of ours, six of theirs; short tunes not.
    assert verdict.n_tested == (16, 48)
    assert math.isnan(real_told_from_real(real, n_steps=16, n_bars=9).accuracy.mean)


def test_bars_that_keep_to_their_tune_follow_and_aimless_ones_do_not():
    assert follows(tunes(60), n_steps=16).accuracy.mean > 75
    assert follows(tunes(60, aimless=True), n_steps=16).accuracy.low < 53


def test_a_next_bar_that_ignores_the_given_one_is_told():
    real = tunes(60)
    kept = first_bars(tunes(60), 2, given=1)  # goes on as the very tune does
    others = tunes(60, seed=9)
    lost = [
        piece._replace(notes=np.concatenate([piece.notes[:5], other.notes[5:10]]))
        for piece, other in zip(kept, others, strict=True)
    ]
    assert next_bar_told_from_real(kept, real, n_steps=16).accuracy.low < 53
    assert next_bar_told_from_real(lost, real, n_steps=16).accuracy.mean > 58
    ungiven = [piece._replace(n_given_bars=0) for piece in kept]
    assert math.isnan(next_bar_told_from_real(ungiven, real, n_steps=16).accuracy.mean)


def test_the_seed_decides_and_the_global_generator_is_left_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    pieces, real = first_bars(tunes(20, seed=1), 2), tunes(20)
    first, again, other = (
        told_from_real(pieces, real, n_steps=16, n_bars=2, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert torch.equal(torch.get_rng_state(), before)


def test_a_piece_begun_with_a_bar_of_a_tune_stands_in_the_part_of_that_tune():
    rng = np.random.default_rng(0)
    real = [random_piece(rng) for _ in range(40)]  # no two begin alike
    begun = first_bars(real, 2, given=1)
    found = classifiers._tunes_begun_with(begun, real, 16, np.random.default_rng(0))
    assert found.tolist() == list(range(40))
    strange = [piece_of_bars([30, 31], [32])._replace(n_given_bars=1)]
    assert classifiers._tunes_begun_with(strange, real, 16, np.random.default_rng(0)) == [-1]


def test_tunes_are_split_whole_in_the_shares_that_are_stated():
    part = classifiers._split(np.repeat(np.arange(20), 3), np.random.default_rng(0))
    assert np.bincount(part).tolist() == [12, 3, 5]


def test_false_pairs_have_the_same_second_bars_but_never_their_own_tune():
    rng = np.random.default_rng(0)
    pieces = [random_piece(rng, n_notes=80) for _ in range(12)]  # no two bars are alike
    pairs = windows_of(pieces, [range(4)] * 12, n_bars=2, n_steps=16)
    part = classifiers._split(pairs.group, np.random.default_rng(0))
    dealt = classifiers._dealt_anew(pairs, part, 16, np.random.default_rng(1))
    second = {
        roll.tobytes(): group
        for roll, group in zip(pairs.rolls[..., 16:], pairs.group, strict=True)
    }
    for roll, group in zip(dealt.rolls, dealt.group, strict=True):
        source = second[roll[..., 16:].tobytes()]
        assert source != group
        assert part[source] == part[group]


def test_a_window_shows_what_sounds_and_what_begins_and_no_loudness():
    # A note held over the bar line, one too faint, one above the piano.
    notes = make_notes([(14, 6, 60, 90), (18, 1, 62, 10), (20, 2, 120, 90), (22, 2, 64, 30)])
    rolls, group = windows_of([Piece(notes, 2)], [[1]], n_bars=1, n_steps=16)
    sounds, begins = (np.argwhere(channel).tolist() for channel in rolls[0])
    assert sounds == [[39, 0], [39, 1], [39, 2], [39, 3], [43, 6], [43, 7]]
    assert begins == [[39, 0], [43, 6]]  # held into the window, it begins with it
    assert group.tolist() == [0]


def test_too_few_pieces_to_split_give_no_figure():
    verdict = told_from_real(first_bars(tunes(1), 2), tunes(2), n_steps=16)
    assert math.isnan(verdict.accuracy.mean)
    assert verdict.n_tested == (0, 0)
