import math

import numpy as np
import pytest

from nextbar.measures import copying
from nextbar.measures.copying import (
    TrainingBars,
    bar_contents,
    copied_bars,
    find_copies,
    nearest_distances,
    pack_notes,
    phrase_contents,
    phrase_firsts,
)
from nextbar.measures.pieces import Piece, bars_of_pieces
from nextbar.music.bars import BAR_NOTE

from ..music.midi_files import tune_bytes
from ..music.prepared import prepare
from .small_pieces import make_notes, piece_of_bars, random_piece


def bars_of(*pieces):
    return bars_of_pieces(pieces, n_steps=16)


def test_the_share_is_of_bars_that_sound():
    training = bars_of(piece_of_bars([60, 62], [64]))
    # Copy, not, silent, copy: 2 of 3.
    bars = bars_of(piece_of_bars([60, 62], [60, 63], [], [64]))
    assert copied_bars(bars, training) == pytest.approx(100 * 2 / 3)
    copies = find_copies(bars, training)
    assert copies.is_copy.tolist() == [True, False, False, True]
    assert copies.is_silent.tolist() == [False, False, True, False]


def test_a_silent_training_bar_makes_no_silent_bar_a_copy():
    silent = bars_of(piece_of_bars([], []))
    assert math.isnan(copied_bars(silent, silent))
    assert not find_copies(silent, silent).is_copy.any()


def test_the_training_set_itself_is_all_copies():
    rng = np.random.default_rng(1)
    bars = bars_of(*[random_piece(rng, n_notes=40) for _ in range(20)])
    assert copied_bars(bars, bars) == 100
    assert copied_bars(bars, bars, any_key=True) == 100


@pytest.mark.parametrize("changed", [(1, 4, 60, 90), (0, 3, 60, 90), (0, 4, 61, 90)])
def test_another_start_duration_or_pitch_is_another_bar(changed):
    training = bars_of(Piece(make_notes([(0, 4, 60, 90), (8, 4, 64, 90)]), 1))
    bar = bars_of(Piece(make_notes([changed, (8, 4, 64, 90)]), 1))
    assert copied_bars(bar, training) == 0


def test_a_part_of_a_training_bar_is_no_copy():
    training = bars_of(piece_of_bars([60, 62, 64]))
    assert copied_bars(bars_of(piece_of_bars([60, 62])), training) == 0
    assert copied_bars(training, bars_of(piece_of_bars([60, 62]))) == 0


def test_loudness_and_unheard_notes_and_doubled_notes_hide_no_copy():
    training = bars_of(Piece(make_notes([(0, 4, 60, 90)]), 1))
    bar = bars_of(Piece(make_notes([(0, 4, 60, 31), (0, 4, 60, 70), (5, 1, 80, 10)]), 1))
    assert copied_bars(bar, training) == 100


def test_a_tie_from_the_bar_before_hides_no_copy():
    training = bars_of(piece_of_bars([60]))  # a C of one step at the bar line
    held = bars_of(Piece(make_notes([(15, 2, 60, 90)]), 2))  # one that ends there
    assert find_copies(held, training).is_copy.tolist() == [False, True]


def test_only_any_key_finds_a_transposed_bar():
    training = bars_of(piece_of_bars([60, 64, 67]))
    assert copied_bars(bars_of(piece_of_bars([65, 69, 72])), training) == 0
    assert copied_bars(bars_of(piece_of_bars([65, 69, 72])), training, any_key=True) == 100
    assert copied_bars(bars_of(piece_of_bars([65, 68, 72])), training, any_key=True) == 0  # minor


def test_the_order_of_rows_within_a_bar_does_not_matter():
    rows = np.array([(0, 1, 60, 90, False), (0, 1, 64, 90, False)], BAR_NOTE)
    index = np.array([0, 2], np.int64)
    assert copied_bars((rows[::-1], index), (rows, index)) == 100


def test_a_slice_of_an_index_takes_those_bars_only():
    bar_notes, index = bars_of(piece_of_bars([60], [62], [64]))
    assert len(bar_contents(bar_notes, index[1:])) == 2
    assert copied_bars((bar_notes, index[1:]), (bar_notes, index[2:])) == 50  # 62 no, 64 yes


def phrases(*pieces, n=2):
    bars = bars_of_pieces(pieces, n_steps=16)
    return phrase_contents(*bars, np.arange(len(bars[1]) - n), n)


def test_a_phrase_is_the_same_in_any_key_but_not_shifted_in_time():
    tune_in_c = piece_of_bars([60, 64, 67], [72, 60])
    in_d = piece_of_bars([62, 66, 69], [74, 62])
    late = Piece(make_notes([(1, 1, 60, 90), (2, 1, 64, 90), (16, 1, 67, 90)]), 2)
    assert phrases(tune_in_c) == phrases(in_d)
    assert phrases(tune_in_c) != phrases(late)
    assert phrases(piece_of_bars([], [])) == [b""]


def test_the_nearest_phrase_is_counted_in_notes_to_change():
    training = phrases(piece_of_bars([60, 62, 64, 65], [67, 69, 71, 72]), piece_of_bars([50], [51]))
    # Its last note is another: one of eight notes to replace. A wrong note inside: two intervals.
    last = phrases(piece_of_bars([60, 62, 64, 65], [67, 69, 71, 74]))
    inside = phrases(piece_of_bars([60, 62, 63, 65], [67, 69, 71, 72]))
    rng = np.random.default_rng(0)
    assert nearest_distances(last, training, rng=rng).tolist() == [pytest.approx(1 / 8)]
    assert nearest_distances(inside, training, rng=rng).tolist() == [pytest.approx(2 / 8)]
    assert nearest_distances(phrases(piece_of_bars([70], [71])), training, rng=rng).tolist() == [0]
    assert np.isnan(nearest_distances([b""], training, rng=rng)).all()


def test_phrases_begin_where_they_end_in_the_same_piece():
    n_bars = np.array([3, 1, 0, 2])
    assert phrase_firsts(n_bars, 1).tolist() == [0, 1, 2, 3, 4, 5]
    assert phrase_firsts(n_bars, 2).tolist() == [0, 1, 4]
    assert phrase_firsts(np.array([], np.int64), 2).tolist() == []


def test_of_very_many_phrases_some_are_drawn_and_copies_are_still_found():
    rng = np.random.default_rng(3)
    pieces = [random_piece(rng) for _ in range(30)]
    known = phrases(*pieces)
    distances = nearest_distances(known, known, rng=rng, most=(10, 5))
    assert np.count_nonzero(~np.isnan(distances)) == 10
    assert np.nanmax(distances) == 0


def test_the_training_bars_of_a_corpus_are_those_of_its_training_tunes(tmp_path):
    # 7 tunes of 2 to 8 bars, every third held out: 0, 3 and 6 of the corpus's order.
    (tmp_path / "songs").mkdir()
    for i in range(7):
        (tmp_path / "songs" / f"{i}.mid").write_bytes(tune_bytes(transpose=i, n_bars=2 + i))
    corpus = prepare(tmp_path / "songs", tmp_path / "corpus", held_out_every=3)
    training = TrainingBars.of_corpus(corpus)
    assert training.n_bars.tolist() == [3, 4, 6, 7]
    tunes = [corpus.bars_of(number) for number in (1, 2, 4, 5)]
    by_tune = [corpus.notes(bars.start, bars.stop) for bars in tunes]
    pieces = [Piece(notes, len(bars)) for notes, bars in zip(by_tune, tunes, strict=True)]
    same = TrainingBars.of_pieces(pieces, n_steps=16)
    assert same.n_bars.tolist() == training.n_bars.tolist()
    assert bar_contents(*same.bars) == bar_contents(*training.bars)
    assert len(TrainingBars.of_pieces([], n_steps=16).n_bars) == 0


def test_notes_are_packed_once_each_in_the_order_of_bar_start_and_pitch():
    rows = [(4, 2, 64, 90), (4, 2, 60, 90), (4, 3, 60, 90), (4, 2, 60, 20), (0, 9, 80, 11)]
    bars = np.array([(*row, False) for row in rows] + [(1, 1, 61, 10, True)], BAR_NOTE)
    packed = pack_notes(bars, np.array([0, 0, 5, 6]))
    unpacked = [(n >> 24, n >> 16 & 0xFF, n >> 8 & 0xFF, n & 0xFF) for n in packed.tolist()]
    assert unpacked == [(1, 0, 80, 9), (1, 4, 60, 2), (1, 4, 60, 3), (1, 4, 64, 2)]
    assert len(bar_contents(bars, np.array([0, 0, 5, 6]))) == 3


def test_bars_of_the_highest_and_longest_notes_are_told_apart():
    one = bars_of(Piece(make_notes([(0, 16, 127, 127)]), 1))
    other = bars_of(Piece(make_notes([(0, 16, 0, 127)]), 1))
    assert copied_bars(one, other) == 0
    assert copied_bars(one, other, any_key=True) == 100
    lower = [(0, 1, 50, 90), (0, 1, 62, 90)]  # an octave, against an octave from above
    upper = [(0, 1, 70, 90), (0, 1, 82, 90)]
    bars = [bars_of(Piece(make_notes(rows), 1)) for rows in (lower, upper)]
    assert copied_bars(*bars, any_key=True) == 100
    assert bar_contents(*bars[0], any_key=True) == bar_contents(*bars[1], any_key=True)


def test_in_which_bar_of_a_phrase_a_note_begins_belongs_to_the_phrase():
    early, late = piece_of_bars([60], []), piece_of_bars([], [60])
    assert phrases(early) != phrases(late)
    assert phrases(early, n=1) == [*phrases(late, n=1)[::-1]]
    # In any key a single note is like any other; two differ by their interval, up or down.
    assert phrases(piece_of_bars([60], [62])) == phrases(piece_of_bars([50], [52]))
    assert phrases(piece_of_bars([60], [62])) != phrases(piece_of_bars([60], [58]))
    assert phrases(piece_of_bars([0, 127], [])) != phrases(piece_of_bars([127, 0], []))
    # The tune goes on in the third bar: what follows is no part of the first phrase.
    assert phrases(piece_of_bars([60], [62], [64]))[0] == phrases(piece_of_bars([60], [62]))[0]
    # What stands before is none either, though the interval from it is another.
    assert phrases(piece_of_bars([90], [60], [62]))[1] == phrases(piece_of_bars([60], [62]))[0]


def test_durations_belong_to_a_phrase():
    short, long = (Piece(make_notes([(0, n, 60, 90), (8, 1, 62, 90)]), 1) for n in (1, 2))
    assert phrases(short, n=1) != phrases(long, n=1)


def test_silent_phrases_and_those_not_drawn_have_no_distance():
    rng = np.random.default_rng(0)
    known = phrases(piece_of_bars([60, 62], [64]), piece_of_bars([], []))
    new = phrases(piece_of_bars([60, 62], [65]))
    found = nearest_distances([b"", *new, b"", *new], known, rng=rng)
    # C D | F for C D | E: one of three notes.
    assert found == pytest.approx([math.nan, 1 / 3, math.nan, 1 / 3], nan_ok=True)
    assert np.isnan(nearest_distances(new, [b""], rng=rng)).all()
    assert len(nearest_distances([], known, rng=rng)) == 0
    nothing_alike = phrases(piece_of_bars([60], [61, 61, 61]))
    only = nearest_distances(nothing_alike, phrases(piece_of_bars([], [60, 70])), rng=rng)
    assert only == pytest.approx([1])


def test_a_draw_is_random_sorted_and_without_repeats():
    known = [bytes([n] * 8) for n in range(50)]
    drawn = [copying._drawn(known, 10, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert sorted(set(drawn[0])) == drawn[0]
    assert len(drawn[0]) == 10
    assert drawn[0] != known[:10]
    assert copying._drawn(known, 50, np.random.default_rng(0)) == known


def test_bars_are_compared_in_their_own_key_unless_any_is_asked_for():
    # Bar 1 a third from C, bar 2 a third from A: in any key they are one bar, each by itself.
    training, bars = bars_of(piece_of_bars([60, 64])), bars_of(piece_of_bars([69, 73], [60, 64]))
    assert find_copies(bars, training).is_copy.tolist() == [False, True]
    assert find_copies(bars, training, any_key=True).is_copy.tolist() == [True, True]
