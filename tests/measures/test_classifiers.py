import itertools
import math

import numpy as np
import pytest
import torch

from nextbar.measures import classifiers
from nextbar.measures.classifiers import (
    TwoSampleTest,
    next_bar_told_from_real,
    real_told_from_real,
    told_from_real,
    windows_of,
)
from nextbar.measures.intervals import UNMEASURED, Interval
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


@pytest.mark.trains
def test_pieces_of_another_kind_are_told_and_pieces_of_the_same_are_not():
    real = tunes(60)
    other = told_from_real(first_bars(tunes(80, seed=1, duration=2), 3), real, n_steps=16, n_bars=3)
    assert other.accuracy.mean > 90
    same = told_from_real(first_bars(tunes(80, seed=2), 3), real, n_steps=16, n_bars=3)
    assert same.accuracy.low < 55
    assert same.n_tested[0] == 20  # a quarter


@pytest.mark.trains
def test_one_half_of_the_real_tunes_is_not_told_from_the_other():
    real = [*tunes(60), *tunes(5, n_bars=2, seed=1)]
    verdict = real_told_from_real(real, n_steps=16, n_bars=3)
    assert verdict.accuracy.low < 55
    # A quarter of 30 tunes: two windows end to end of ours, six of theirs; short tunes not.
    assert verdict.n_tested == (16, 48)
    assert math.isnan(real_told_from_real(real, n_steps=16, n_bars=9).accuracy.mean)


@pytest.mark.trains
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


@pytest.mark.trains
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


def on_one_pitch(pitch, n_bars, *, given=0):
    """A tune that has one note a bar, on a pitch of its own, a step later in each bar."""
    rows = [(17 * bar, 1, pitch, 90) for bar in range(n_bars)]
    return Piece(make_notes(rows), n_bars, n_given_bars=given)


def pitches_of(rolls):
    """The pitch of each window, (windows,), where all of its notes are of one."""
    rows = rolls[:, 0].any(axis=2)  # (windows, pitches)
    assert rows.sum(axis=1).tolist() == [1] * len(rows)
    return (rows.argmax(axis=1) + 21).tolist()


@pytest.fixture
def network(monkeypatch):
    """What the network is given; instead of learning from it, it says what ``says`` has."""
    from nextbar.measures import judge_network

    class Untrained:
        says = staticmethod(lambda n: np.ones(n))
        parts = seed = None

        def train_and_ask(self, *parts, seed):
            self.parts, self.seed = parts, seed
            return tuple(self.says(len(rolls)) for rolls in parts[2])

    network = Untrained()
    monkeypatch.setattr(judge_network, "train_and_ask", network.train_and_ask)
    return network


def test_all_windows_of_a_tune_stand_in_one_part_of_the_split(network):
    # 20 tunes of 8 bars: windows of 3 from bars 0 to 5. 20 pieces of 8 bars: from bars 0 and 3.
    real = [on_one_pitch(pitch, 8) for pitch in range(30, 50)]
    pieces = [on_one_pitch(pitch, 8) for pitch in range(60, 80)]
    verdict = told_from_real(pieces, real, n_steps=16, n_bars=3)
    for side, tunes, n_windows in ((0, pieces, 2), (1, real, 6)):
        found = [pitches_of(part[side]) for part in network.parts]
        # 60, 15 and 25 % of 20 tunes, each with every one of its windows.
        assert [len(set(part)) for part in found] == [12, 3, 5]
        assert [len(part) for part in found] == [12 * n_windows, 3 * n_windows, 5 * n_windows]
        own = [int(tune.notes["pitch"][0]) for tune in tunes]
        assert sorted(itertools.chain(*found)) == sorted(own * n_windows)  # so none is in two parts
    assert verdict.n_tested == (10, 30)
    # The composed windows are end to end: the note stands a step later in each bar.
    begins = {tuple(np.flatnonzero(roll[1].any(axis=0))) for roll in network.parts[0].first}
    assert begins == {(0, 17, 34), (3, 20, 37)}


def test_half_against_half_no_tune_is_on_both_sides_or_in_two_parts(network):
    real = [on_one_pitch(pitch, 4) for pitch in range(30, 71)]  # 41 tunes: 21 and 20
    verdict = real_told_from_real(real, n_steps=16, n_bars=3)
    found = [set(pitches_of(rolls)) for part in network.parts for rolls in part]
    assert sum(map(len, found)) == len(set.union(*found)) == 41
    # 60 % and 75 % of 21 are 12.6 and 15.75; one window of ours a tune, two of theirs.
    assert [len(part) for part in found] == [13, 12, 3, 3, 5, 5]
    assert verdict.n_tested == (5, 10)


def test_half_against_half_the_order_of_the_tunes_decides_nothing(network):
    real = [on_one_pitch(pitch, 4) for pitch in range(30, 70)]
    real_told_from_real(real, n_steps=16, n_bars=3)
    firsts = {pitch for part in network.parts for pitch in pitches_of(part.first)}
    assert firsts not in (set(range(30, 70, 2)), set(range(31, 70, 2)))


def test_a_begun_piece_stands_in_the_part_of_the_tune_that_its_bar_is_of(network):
    # The second bar of each tune is given, and followed by a bar on a higher pitch.
    real = [on_one_pitch(pitch, 4) for pitch in range(30, 50)]
    begun = []
    for tune in real:
        rows = [(1, 1, int(tune.notes["pitch"][0]), 90), (16, 1, 100, 90)]
        begun.append(Piece(make_notes(rows), 2, n_given_bars=1))
    ungiven = [begun[0]._replace(n_given_bars=0), begun[1]._replace(n_given_bars=2)]
    verdict = next_bar_told_from_real([*ungiven, *begun], real, n_steps=16)
    for part in network.parts:
        given = (part.first[:, 0, :, :16].any(axis=2).argmax(axis=1) + 21).tolist()
        assert set(given) == set(pitches_of(part.second))
        assert len(given) == len(set(given))
        assert part.first[:, 0, 100 - 21, 16].all()
    assert verdict.n_tested == (5, 15)  # three pairs of bars a tune


def test_the_pair_that_is_asked_about_is_the_last_given_bar_and_the_first_composed_one(network):
    real = [on_one_pitch(pitch, 4) for pitch in range(30, 50)]
    begun = [tune._replace(n_given_bars=3) for tune in real]  # bars 0-2 given, bar 3 composed
    next_bar_told_from_real(begun, real, n_steps=16)
    for part in network.parts:
        assert {tuple(np.flatnonzero(roll[1].any(axis=0))) for roll in part.first} == {(2, 19)}


def test_accuracy_is_the_mean_of_both_sides_whatever_their_numbers(network):
    # Of 10 composed windows 8 are called composed; of 30 real ones 15 are not: 80 and 50 %.
    # All together that would be 23 of 40. A score of 0 does not say composed.
    says = {10: np.array([0.5] * 8 + [0, -1]), 30: np.array([-2.0] * 14 + [0] + [3] * 15)}
    network.says = says.__getitem__
    real = [on_one_pitch(pitch, 8) for pitch in range(30, 50)]
    pieces = [on_one_pitch(pitch, 8) for pitch in range(60, 80)]
    verdict = told_from_real(pieces, real, n_steps=16, n_bars=3)
    assert verdict.accuracy.mean == pytest.approx((80 + 50) / 2)
    assert verdict.accuracy.low < 65 < verdict.accuracy.high


def test_a_verdict_names_its_pieces_and_the_smallest_difference_that_it_could_have_seen():
    # Half of 44 to 52 is 4; twice 1.5 is 3; together 5.
    verdict = TwoSampleTest(Interval(48, 44, 52), (250, 600), 1000)
    assert verdict.smallest_seen == pytest.approx(55)
    assert verdict.is_enough
    assert not verdict._replace(n_pieces=999).is_enough
    assert math.isnan(TwoSampleTest(UNMEASURED, (0, 0)).smallest_seen)


@pytest.mark.usefixtures("network")
def test_pieces_and_not_their_windows_are_counted():
    real = [on_one_pitch(pitch, 8) for pitch in range(30, 50)]
    pieces = [on_one_pitch(pitch, 8) for pitch in range(60, 80)]  # two windows of three bars each
    assert told_from_real(pieces, real, n_steps=16, n_bars=3).n_pieces == 20


def test_the_interval_is_over_tunes_and_not_over_their_windows(network):
    # Of 4 tunes 2 train (60 %), one stops, one is asked about: one a side, so that all draws
    # with both sides in them are alike, though every second window is called wrongly.
    network.says = lambda n: np.resize([1.0, -1.0], n)
    real = [on_one_pitch(pitch, 8) for pitch in range(30, 34)]
    pieces = [on_one_pitch(pitch, 8) for pitch in range(60, 64)]
    verdict = told_from_real(pieces, real, n_steps=16, n_bars=1)
    assert verdict.n_tested == (8, 8)
    assert tuple(vars(verdict.accuracy).values()) == (50, 50, 50)


def test_windows_are_never_longer_than_the_shortest_piece(network):
    real = [on_one_pitch(pitch, 8) for pitch in range(30, 40)]
    pieces = [on_one_pitch(pitch, 6) for pitch in range(60, 69)] + [on_one_pitch(69, 2)]
    told_from_real(pieces, real, n_steps=16)
    assert network.parts[0].first.shape[1:] == (2, 88, 32)
    assert network.parts[2].second.shape[1:] == (2, 88, 32)


def test_of_very_many_windows_some_are_drawn_on_either_side(network, monkeypatch):
    monkeypatch.setattr(classifiers, "MOST_WINDOWS", 50)
    real = [on_one_pitch(pitch, 12) for pitch in range(30, 50)]  # 200 windows
    pieces = [on_one_pitch(pitch, 12) for pitch in range(60, 80)]  # 80 windows
    told_from_real(pieces, real, n_steps=16, n_bars=3)
    for side in (0, 1):
        windows = np.concatenate([part[side] for part in network.parts])
        assert len(windows) == 50
        assert len(np.unique(windows, axis=0)) == 50  # none twice


@pytest.mark.usefixtures("network")
def test_tunes_just_as_long_as_a_window_take_part_half_against_half():
    tunes = [on_one_pitch(pitch, 3) for pitch in range(30, 50)]
    short = [on_one_pitch(pitch, 2) for pitch in range(60, 80)]
    assert real_told_from_real([*tunes, *short], n_steps=16, n_bars=3).n_tested == (2, 2)


def test_the_same_seed_gives_the_same_split_and_another_seed_another(network):
    real = [on_one_pitch(pitch, 2) for pitch in range(30, 50)]
    pieces = [on_one_pitch(pitch, 2) for pitch in range(60, 80)]
    begun = [piece._replace(n_given_bars=1) for piece in pieces]
    for ask in (
        lambda seed: told_from_real(pieces, real, n_steps=16, n_bars=2, seed=seed),
        lambda seed: next_bar_told_from_real(begun, real, n_steps=16, seed=seed),
        lambda seed: real_told_from_real(real, n_steps=16, n_bars=2, seed=seed),
    ):
        asked = []
        for seed in (0, 0, 1):
            ask(seed)
            asked.append((network.seed, pitches_of(network.parts[2].first)))
        assert asked[0] == asked[1]
        assert asked[0][0] != asked[2][0]
        assert asked[0][1] != asked[2][1]


def test_half_against_half_the_seed_decides_how_each_half_is_split_too(monkeypatch):
    seeds = []

    def told(*_, seed, **__):
        seeds.append(seed)
        return TwoSampleTest(UNMEASURED, (0, 0))

    monkeypatch.setattr(classifiers, "told_from_real", told)
    real_told_from_real([on_one_pitch(60, 5)] * 4, n_steps=16, seed=7)
    assert seeds == [7]


def test_the_lowest_and_the_highest_key_of_a_piano_are_seen_and_what_is_beyond_is_not():
    notes = make_notes([(i, 1, pitch, 90) for i, pitch in enumerate((20, 21, 108, 109))])
    rolls, _ = windows_of([Piece(notes, 1)], [[0]], n_bars=1, n_steps=16)
    assert np.argwhere(rolls[0, 0]).tolist() == [[0, 1], [87, 2]]


@pytest.mark.usefixtures("network")
def test_where_one_part_of_the_split_is_empty_nothing_is_told():
    # Of three tunes 60 % are 2 and 75 % are 2: none is left to say when to stop.
    real = [on_one_pitch(pitch, 4) for pitch in range(30, 33)]
    pieces = [on_one_pitch(pitch, 4) for pitch in range(60, 80)]
    for ours, theirs in ((pieces, real), (real, pieces)):
        assert told_from_real(ours, theirs, n_steps=16, n_bars=2).n_tested == (0, 0)
    assert told_from_real([], pieces, n_steps=16, n_bars=2).n_tested == (0, 0)
