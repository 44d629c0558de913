import math

import numpy as np
import pytest

from nextbar.measures.chance import chance_pieces
from nextbar.measures.coherence import (
    bar_profiles,
    chance_likeness,
    coherence,
    coherence_by_bar,
    coherence_curve,
    coherence_sums,
    consecutive_likeness,
    weighted_coherence,
)
from nextbar.measures.pieces import Piece, reference_windows

from ..shared_data import shared_data
from .small_pieces import (
    N_STEPS,
    make_notes,
    midi_files,
    piece_of_bars,
    random_piece,
    read_first_instrument,
)

C, D, E, F, G = 60, 62, 64, 65, 67


def test_a_bars_profile_counts_onsets_by_pitch_class():
    # Three Cs in two octaves and four Es: (3, 4) has length 5.
    units, piece, number = bar_profiles([piece_of_bars([], [C, C, C + 12, E, E, E, E])], n_steps=16)
    assert units[1, [0, 4]] == pytest.approx([3 / 5, 4 / 5])
    assert not units[0].any()
    assert piece.tolist() == [0, 0]
    assert number.tolist() == [0, 1]


def test_a_held_note_is_an_onset_only_in_the_bar_where_it_begins():
    held = Piece(make_notes([(8, 16, C, 90), (20, 1, D, 90), (21, 1, E, 10)]), 2)
    units, _, _ = bar_profiles([held], n_steps=16)
    assert units[0].tolist() == [1.0] + [0.0] * 11
    assert units[1].tolist() == [0.0, 0.0, 1.0] + [0.0] * 9  # no tied C, no unheard E


def test_coherence_is_consecutive_likeness_less_likeness_across_pieces():
    # Piece 1 plays C | C, piece 2 plays C | D.
    # Consecutive: cos(C, C) = 1, cos(C, D) = 0: mean 1/2.
    # Across: C-C 1, C-D 0, C-C 1, C-D 0: mean 1/2. So 0.
    assert coherence([piece_of_bars([C], [C]), piece_of_bars([C], [D])], n_steps=16) == 0
    # C | C and D | D: consecutive 1, across 0.
    assert coherence([piece_of_bars([C], [C]), piece_of_bars([D], [D])], n_steps=16) == 1
    # C | D and C | D: consecutive 0; across C-C 1, C-D 0, D-C 0, D-D 1: 1/2.
    assert coherence([piece_of_bars([C], [D]), piece_of_bars([C], [D])], n_steps=16) == -0.5


def test_the_last_bar_of_a_piece_is_not_followed_by_the_first_of_the_next():
    # C | D and D | E: within, both 0. Across: only D-D of four: 1/4. A pair of D and D over
    # the border would make consecutive 1/3.
    assert coherence([piece_of_bars([C], [D]), piece_of_bars([D], [E])], n_steps=16) == -0.25


def test_pairs_with_an_empty_bar_are_left_out():
    # C | C | - | D and D | D: consecutive pairs C-C and D-D only: 1. Across: C, C, D with
    # D, D: 2 of 6 pairs are alike: 1/3.
    pieces = [piece_of_bars([C], [C], [], [D]), piece_of_bars([D], [D])]
    assert coherence(pieces, n_steps=16) == pytest.approx(1 - 1 / 3)


def test_a_set_of_one_constant_bar_is_no_more_alike_than_chance():
    pieces = [piece_of_bars([C, E, G], [C, E, G], [C, E, G])] * 4
    assert coherence(pieces, n_steps=16) == pytest.approx(0)
    assert coherence_by_bar(pieces, n_steps=16) == pytest.approx([0, 0])


def test_coherence_agrees_with_pairing_all_bars_one_by_one():
    rng = np.random.default_rng(3)
    pieces = [random_piece(rng, n_notes=8, n_bars=n) for n in (2, 5, 3, 4, 5)]
    units, piece, number = bar_profiles(pieces, n_steps=16)
    heard = units.any(axis=1)
    n = len(units)
    pairs = [(i, j) for i in range(n) for j in range(n) if heard[i] and heard[j]]
    following = [
        units[i] @ units[j] for i, j in pairs if piece[i] == piece[j] and number[j] == number[i] + 1
    ]
    across = [units[i] @ units[j] for i, j in pairs if piece[i] != piece[j]]
    assert coherence(pieces, n_steps=16) == pytest.approx(np.mean(following) - np.mean(across))


def test_coherence_by_bar_gives_each_place_its_own_chance():
    # Piece 1: C | C | D, piece 2: E | E | D.
    # 1->2: within 1; across C-E and E-C: 0. So 1.
    # 2->3: within 0; across C-D, E-D: 0. So 0.
    pieces = [piece_of_bars([C], [C], [D]), piece_of_bars([E], [E], [D])]
    assert coherence_by_bar(pieces, n_steps=16).tolist() == [1, 0]
    # Piece 1: C | E, piece 2: E | C: within 0, across C-C and E-E: 1. So -1.
    crossed = [piece_of_bars([C], [E]), piece_of_bars([E], [C])]
    assert coherence_by_bar(crossed, n_steps=16).tolist() == [-1]


def test_shorter_pieces_take_part_where_they_have_bars():
    # 1->2: within C-C and D-D 1; across 0. 2->3: within C-C of the first alone 1; across
    # only the second's D with the first's C: 0. 3->4: no second piece has either bar.
    pieces = [piece_of_bars([C], [C], [C], [C]), piece_of_bars([D], [D])]
    by_bar = coherence_by_bar(pieces, n_steps=16)
    assert by_bar[:2].tolist() == [1, 1]
    assert math.isnan(by_bar[2])


def test_nothing_to_compare_gives_nan():
    assert math.isnan(coherence([], n_steps=16))
    assert math.isnan(coherence([piece_of_bars([C], [C])], n_steps=16))
    assert math.isnan(coherence([piece_of_bars([C]), piece_of_bars([D])], n_steps=16))
    assert math.isnan(coherence([piece_of_bars([], []), piece_of_bars([], [])], n_steps=16))
    assert len(coherence_by_bar([], n_steps=16)) == 0


def test_a_piece_drawn_twice_is_not_its_own_chance():
    pieces = [piece_of_bars([C], [C]), piece_of_bars([D], [D]), piece_of_bars([E], [F])]
    sums = coherence_sums(pieces, n_steps=16)
    # The first twice, the second once: within 1, across C-D: 0. So 1. Were the copies of
    # the first different pieces, chance would be above 0.
    assert weighted_coherence(sums, np.array([[2.0, 1.0, 0.0]])) == pytest.approx([1])
    assert np.isnan(weighted_coherence(sums, np.array([[3.0, 0.0, 0.0]]))).all()


def test_by_bar_too_a_piece_drawn_twice_is_not_its_own_chance():
    pieces = [piece_of_bars([C], [C]), piece_of_bars([D], [D]), piece_of_bars([E], [F])]
    curve = coherence_curve(pieces, n_steps=16)
    # Twice C-C, once E-F: within 2/3; across C with F and E with C: 0.
    weights = np.array([[2.0, 1.0, 0.0], [3.0, 0.0, 0.0], [2.0, 0.0, 1.0]])
    assert curve(weights)[[0, 2], 0] == pytest.approx([1, 2 / 3])
    assert np.isnan(curve(weights)[1, 0])


def test_random_notes_of_one_range_have_no_coherence():
    rng = np.random.default_rng(0)
    frame = [(i, 2, p, 90) for i, p in enumerate((60, 71) * 12)]  # 12 pitches, 24 notes
    pieces = chance_pieces([Piece(make_notes(frame), 5)] * 1000, n_steps=16, rng=rng)
    assert coherence(pieces, n_steps=16) == pytest.approx(0, abs=0.01)


def test_real_tunes_follow_from_bar_to_bar_and_the_published_samples_do_not():
    real = []
    for contents in midi_files(shared_data("nottingham-524.zip")).values():
        notes = read_first_instrument(contents)
        end = int((notes["start"] + notes["duration"]).max())
        real.append(Piece(notes, -(-end // N_STEPS)))
    samples = [
        Piece(read_first_instrument(contents), 5)
        for contents in midi_files(shared_data("paper-samples-200.zip")).values()
    ]
    windows = reference_windows(real, n_bars=5, n_steps=N_STEPS)
    assert coherence(windows, n_steps=N_STEPS) == pytest.approx(0.086, abs=0.002)
    # -0.014 over all 2,553 of them; these are 200.
    assert coherence(samples, n_steps=N_STEPS) == pytest.approx(-0.014, abs=0.015)


def test_profiles_number_bars_piece_by_piece_and_leave_out_what_is_beyond():
    pieces = [piece_of_bars([C], [D]), Piece(make_notes([]), 0), piece_of_bars([E])]
    beyond = pieces[0]._replace(n_bars=1)
    units, piece, number = bar_profiles([*pieces, beyond], n_steps=16)
    assert piece.tolist() == [0, 0, 2, 3]
    assert number.tolist() == [0, 1, 0, 0]
    assert units.argmax(axis=1).tolist() == [0, 2, 4, 0]
    assert units.sum(axis=1).tolist() == [1, 1, 1, 1]


def test_the_sums_of_each_piece_are_counted_by_hand():
    # C | C E | - | E: pairs C-CE with cosine 1/sqrt 2; CE-silence and silence-E are none.
    # Three bars sound; their directions add up to C: 1 + 1/sqrt 2, E: 1/sqrt 2 + 1.
    half = math.sqrt(1 / 2)
    sums = coherence_sums([piece_of_bars([G]), piece_of_bars([C], [C, E], [], [E])], n_steps=16)
    assert sums.likeness == pytest.approx([0, half])
    assert sums.n_pairs.tolist() == [0, 1]
    assert sums.n_bars.tolist() == [1, 3]
    assert sums.direction[0].tolist() == [0] * 7 + [1] + [0] * 4
    assert sums.direction[1, [0, 4]] == pytest.approx([1 + half, 1 + half])
    assert sums.direction[1].sum() == pytest.approx(2 + 2 * half)


def test_both_parts_of_coherence_are_weighted_means():
    # Pieces C | C, C | D and D | D: likeness 1, 0, 1. Weights 2, 1, 1: (2 + 0 + 1) / 4.
    pieces = [piece_of_bars([C], [C]), piece_of_bars([C], [D]), piece_of_bars([D], [D])]
    sums = coherence_sums(pieces, n_steps=16)
    weights = np.array([[2.0, 1, 1]])
    assert consecutive_likeness(sums, weights) == pytest.approx([3 / 4])
    # Across, pairs of bars: 1 with 2: 2 * 1 * (2 of 4 alike), 1 with 3: 2 * 1 * (0 of 4),
    # 2 with 3: 1 * 1 * (2 of 4): 4 + 0 + 2 of 8 + 8 + 4.
    assert chance_likeness(sums, weights) == pytest.approx([6 / 20])
    assert weighted_coherence(sums, weights) == pytest.approx([3 / 4 - 6 / 20])
    # First bars with second bars of others: 1-2: 2 * (C-D 0), 1-3: 2 * (C-D 0),
    # 2-1: 2 * (C-C 1), 2-3: C-D 0, 3-1: 2 * (D-C 0), 3-2: D-D 1: 3 of 10.
    by_bar = coherence_curve(pieces, n_steps=16)(weights)
    assert by_bar == pytest.approx(np.array([[3 / 4 - 3 / 10]]))


def test_a_silent_bar_is_left_out_of_its_place_on_both_sides():
    # C | C, C | - and E | C. Place 1-2: within C-C 1 and E-C 0: 1/2. Across, first bars with
    # second ones that sound: first's C with third's C 1; second's C with both Cs 1, 1; third's
    # E with first's C 0: 3 of 4.
    pieces = [piece_of_bars([C], [C]), piece_of_bars([C], []), piece_of_bars([E], [C])]
    assert coherence_by_bar(pieces, n_steps=16) == pytest.approx([1 / 2 - 3 / 4])


def test_of_pieces_of_different_lengths_the_longest_has_as_many_places():
    pieces = [piece_of_bars([C], [C]), piece_of_bars([C], [C], [C], [D]), piece_of_bars([D])]
    assert len(coherence_by_bar(pieces, n_steps=16)) == 3


def test_each_place_pairs_its_own_two_bars():
    # C | D | D, E | D | G and silence | F | F. Place 1-2: C-D and E-D, none alike, and across
    # C with D, F and E with D, F neither: 0. Place 2-3: within D-D 1, D-G 0, F-F 1: 2/3. Across
    # second bars with third ones of others: of D-G, D-F, D-D, D-F, F-D, F-G one: 1/6.
    pieces = [
        piece_of_bars([C], [D], [D]),
        piece_of_bars([E], [D], [G]),
        piece_of_bars([], [F], [F]),
    ]
    assert coherence_by_bar(pieces, n_steps=16) == pytest.approx([0, 2 / 3 - 1 / 6])
