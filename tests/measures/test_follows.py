import importlib
import math

import numpy as np
import pytest

from nextbar.measures import follows
from nextbar.measures.copying import TrainingBars
from nextbar.measures.pieces import Piece, reference_windows
from nextbar.measures.table import compare

from .small_pieces import make_notes, piece_in, piece_of_bars

module = importlib.import_module("nextbar.measures.follows")  # the package has the function
SCALE = (60, 62, 64, 65, 67, 69, 71)


def walks(n, *, n_bars=8, seed=0, aimless=False, up=0):
    """Tunes of four notes a bar, each beginning a step of the scale above the last one's end.

    aimless: beginning anywhere.
    """
    rng = np.random.default_rng(seed)
    pieces = []
    for _ in range(n):
        at, bars = 0, []
        for _ in range(n_bars):
            at = int(rng.integers(7)) if aimless else (at + 1) % 7
            middle = rng.integers(7, size=2).tolist()
            bars.append([SCALE[at] + up, *(SCALE[i] + up for i in middle)])
            at = int(rng.integers(7))
            bars[-1].append(SCALE[at] + up)
        pieces.append(piece_of_bars(*bars))
    return pieces


def known(pieces):
    return module.BarsOfSet.of_pieces(pieces, n_steps=16)


def test_bars_that_go_on_from_the_last_are_told_and_aimless_ones_are_not():
    learned = walks(80)
    assert follows(walks(40, seed=1), learned, n_steps=16).low > 70
    aimless = follows(walks(40, seed=2, aimless=True), learned, n_steps=16)
    assert aimless.low < 50 < aimless.high
    # What follows in music that does not follow cannot be learned.
    nothing = follows(walks(40, seed=1), walks(80, aimless=True), n_steps=16)
    assert nothing.mean < 58


def test_the_key_of_a_piece_tells_nothing_and_changes_nothing():
    # Each piece in a key of its own, beside the same pieces in C; the scale is what they show.
    pieces, learned = walks(40, seed=1), walks(80)
    moved = []
    for by, piece in enumerate(pieces):
        notes = piece.notes.copy()
        notes["pitch"] += by % 5
        moved.append(piece._replace(notes=notes))
    assert follows(moved, learned, n_steps=16) == follows(pieces, learned, n_steps=16)


def test_equally_likely_bars_count_half():
    # Three pairs, each with two others: told, told; told, equal; wrong, equal -> 1, 3/4, 1/4.
    gains = np.array([[[1.0], [2.0]], [[0.5], [0.0]], [[-1.0], [0.0]]])
    choices = module.Choices(gains, np.zeros(3, np.int64))
    assert module.chosen_rightly(choices, np.array([2.0])).tolist() == [1, 0.75, 0.25]


def test_a_rule_learns_what_speaks_for_the_next_bar_and_what_against_it():
    rng = np.random.default_rng(0)
    gains = rng.normal(size=(400, 4, 3)) + np.array([1.0, -1.0, 0.0])
    weights = module.learn_to_choose(module.Choices(gains, np.zeros(400, np.int64)))
    assert weights[0] > 0.3
    assert weights[1] < -0.3
    assert abs(weights[2]) < 0.1
    few = module.Choices(gains[:299], np.zeros(299, np.int64))
    assert module.learn_to_choose(few) is None


def test_only_what_begins_counts_and_only_where_something_does():
    # Bar 1: C; the D in it is held through bar 2, where nothing begins; bars 3 and 4: E, F.
    notes = make_notes(
        [(0, 1, 60, 90), (8, 20, 62, 90), (32, 1, 64, 90), (36, 1, 66, 10), (48, 1, 65, 90)]
    )
    bars = known([Piece(notes, 4)])
    rows, bar, n_notes = module._onsets(bars)
    assert n_notes.tolist() == [2, 0, 1, 1]  # and nobody hears a velocity of 10
    assert rows["pitch"].tolist() == [60, 62, 64, 65]
    assert bar.tolist() == [0, 0, 2, 3]
    assert module._pairs_in(bars, n_notes).tolist() == [2]


def test_pairs_are_of_one_piece_and_their_second_bar_was_composed():
    # Four bars of which two were given: bars 2-3 and 3-4 are asked about; then another piece's.
    first = piece_of_bars([60], [62], [64], [65])._replace(n_given_bars=2)
    bars = known([first, piece_of_bars([60], [62])])
    assert module._pairs_in(bars, module._onsets(bars)[2]).tolist() == [1, 2, 4]


def test_the_other_bars_are_of_other_pieces_in_the_same_metre_and_the_most_alike():
    # Pieces 0-19 in 4/4 with one note a bar, 20-39 with two; 40 and 41 in 3/4; 42 alone in 6/8.
    four, three, six = (4, 4), (3, 4), (6, 8)
    pieces = [piece_in((four, {0: 60}), (four, {0: 60})) for _ in range(20)]
    pieces += [piece_in((four, {0: 60}), (four, {0: 60, 4: 60})) for _ in range(20)]
    pieces += [piece_in((three, {0: 60}), (three, {0: 60})) for _ in range(2)]
    pieces += [piece_in((six, {0: 60}), (six, {0: 60}))]
    bars = known(pieces)
    rows, bar, n_notes = module._onsets(bars)
    facts = module._facts(rows, bar, len(n_notes))
    second = np.arange(1, 86, 2)
    piece = np.arange(43)
    others = module._others(facts, second, piece, bars.metres[second], np.random.default_rng(0))
    assert (others[:42] != second[:42, None]).all()
    of = others // 2
    assert ((of[:20] >= 0) & (of[:20] < 20)).all()
    assert ((of[20:40] >= 20) & (of[20:40] < 40)).all()
    assert of[40:42].tolist() == [[41] * 4, [40] * 4]  # the only one, as often as is wanted
    assert others[42].tolist() == [-1] * 4
    assert all(len(set(row)) == 4 for row in others[:40].tolist())  # else each another


def test_two_bars_are_beside_each_other_what_they_are_by_hand():
    # C4 at 0 and G4 with C3 at 8; then D4 at 0 and G4 at 8: of 5 onsets 1 is in both, of 2 steps 2.
    notes = [(0, 1, 60, 90), (8, 1, 48, 90), (8, 1, 67, 90), (16, 1, 62, 90), (24, 1, 67, 90)]
    rows, bar, _ = module._onsets(known([Piece(make_notes(notes), 2)]))
    beside = module._beside(module._facts(rows, bar, 2), np.array([0]), np.array([1]))[0]
    assert beside[:2].tolist() == [1 / 4, 1]
    lowest, highest = beside[2:29], beside[29:56]
    assert np.flatnonzero(lowest).tolist() == [26]  # C3 up to D4 is 14 semitones: 13 or more
    assert np.flatnonzero(highest).tolist() == [13 - 5]  # G4 down to D4
    # Pitch classes: C twice and G once by D and G once each, lengths sqrt 5 and sqrt 2.
    went = beside[56:].reshape(12, 12)
    assert went[0, 2] == pytest.approx(2 / math.sqrt(10))
    assert went[7, 7] == pytest.approx(1 / math.sqrt(10))
    assert np.count_nonzero(went) == 4


def test_all_columns_are_asked_about_as_many_pairs_and_the_report_says_how_many():
    pieces = [
        each
        for tune in walks(30, seed=3)
        for each in reference_windows([tune], n_bars=4, n_steps=16)
    ]
    training = TrainingBars.of_pieces(walks(60), n_steps=16)
    report = compare(pieces, walks(20, seed=4), n_steps=16, training_bars=training)
    columns = report.measures["follows"]
    assert columns.keys() == {"generated", "reference", "chance"}
    assert columns["generated"].low > 60
    assert columns["reference"].low > 60
    assert columns["chance"].high < 60
    # 60 tunes have 420 pairs, 40 real windows of 4 bars 120; the 60 pieces 180.
    said = "learned from 420 pairs of bars of the training tunes and asked about 120 of each"
    assert any(said in note for note in report.notes)


def test_without_training_tunes_half_of_the_real_ones_are_learned_from(monkeypatch):
    pieces = reference_windows(walks(10, seed=3), n_bars=8, n_steps=16)
    seen = {}

    def follows_in_sets(sets, real, **_):
        seen.update(sets=sets, real=real)
        return module.Followed(dict.fromkeys(sets, module.UNMEASURED), 0, 0)

    monkeypatch.setattr("nextbar.measures.table.follows_in_sets", follows_in_sets)
    # Twelve tunes of two windows, each tune on a pitch of its own.
    tunes = [piece_of_bars(*[[pitch]] * 16) for pitch in range(60, 72)]
    report = compare(pieces, tunes, n_steps=16)
    learned = set(seen["real"].bars[0]["pitch"].tolist())
    asked = {int(piece.notes["pitch"][0]) for piece in seen["sets"]["reference"].pieces}
    assert len(learned) == len(asked) == 6
    assert learned | asked == set(range(60, 72))
    assert sorted(seen["sets"]["reference"].groups.tolist()) == sorted([*range(6)] * 2)
    assert any("follows was not measured: its rule is learned from 300" in n for n in report.notes)


def test_the_seed_decides():
    pieces, learned = walks(30, seed=1), walks(80)
    first, again, other = (follows(pieces, learned, n_steps=16, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_too_little_music_gives_no_figure():
    assert math.isnan(follows(walks(5), walks(5), n_steps=16).mean)
    assert math.isnan(follows([], walks(80), n_steps=16).mean)
    assert math.isnan(follows(walks(1), walks(80), n_steps=16).mean)  # no other piece
