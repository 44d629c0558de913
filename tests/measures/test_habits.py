import math

import numpy as np
import pytest

from nextbar.measures.habits import (
    empty_bars,
    groove_consistency,
    pitch_class_entropy,
    pitch_entropy,
    polyphony,
)
from nextbar.measures.pieces import Piece

from .small_pieces import make_notes, piece_of_bars, random_piece

muspy = pytest.importorskip("muspy")


def as_muspy(piece):
    notes = [
        muspy.Note(int(n["start"]), int(n["pitch"]), int(n["duration"]), int(n["velocity"]))
        for n in piece.notes
    ]
    return muspy.Music(resolution=4, tracks=[muspy.Track(notes=notes)])


@pytest.fixture(scope="module")
def pieces():
    rng = np.random.default_rng(0)
    return [random_piece(rng, n_notes=int(n)) for n in rng.integers(1, 40, 50)]


def test_polyphony_and_entropies_are_those_of_muspy(pieces):
    for piece in pieces:
        music = as_muspy(piece)
        assert polyphony(piece.notes) == pytest.approx(muspy.polyphony(music))
        assert pitch_entropy(piece.notes) == pytest.approx(muspy.pitch_entropy(music))
        by_class = muspy.pitch_class_entropy(music)
        assert pitch_class_entropy(piece.notes) == pytest.approx(by_class)


def test_muspy_counts_a_bar_that_is_not_there_and_we_do_not():
    # Three bars of one rhythm, the last note ends at the last bar line: nothing is empty, and
    # every bar has the groove of the one before.
    piece = Piece(make_notes([(16 * b + s, 4, 60, 90) for b in range(3) for s in (0, 12)]), 3)
    assert empty_bars(piece, n_steps=16) == 0
    assert groove_consistency(piece, n_steps=16) == 1
    music = as_muspy(piece)
    assert muspy.groove_consistency(music, 16) == pytest.approx(1 - 2 / (16 * 3))  # of four bars
    # Its note that ends at a bar line even "sounds" in the bar behind it: an empty bar is lost.
    gap = Piece(make_notes([(0, 16, 60, 90), (32, 8, 60, 90)]), 3)
    assert empty_bars(gap, n_steps=16) == pytest.approx(100 / 3)
    assert muspy.empty_measure_rate(as_muspy(gap), 16) == 0


def test_where_a_piece_ends_inside_its_last_bar_groove_is_that_of_muspy(pieces):
    for piece in pieces:
        end = int((piece.notes["start"] + piece.notes["duration"]).max())
        ours = groove_consistency(piece._replace(n_bars=end // 16 + 1), n_steps=16)
        theirs = muspy.groove_consistency(as_muspy(piece), 16)
        assert ours == pytest.approx(theirs, nan_ok=True)


def test_a_silent_piece_has_no_habits_but_empty_bars():
    silent = piece_of_bars([], [])
    assert all(math.isnan(f(silent.notes)) for f in (polyphony, pitch_entropy, pitch_class_entropy))
    assert math.isnan(groove_consistency(silent, n_steps=16))
    assert empty_bars(silent, n_steps=16) == 100
    assert math.isnan(empty_bars(silent._replace(n_bars=0), n_steps=16))
    faint = Piece(make_notes([(0, 4, 60, 10)]), 1)
    assert empty_bars(faint, n_steps=16) == 100
    assert math.isnan(polyphony(faint.notes))


def test_a_chord_held_over_a_rest_is_counted_where_it_sounds():
    # 4 steps of two pitches, 2 of one, 10 of none: 10 cells over 6 steps.
    notes = make_notes([(0, 6, 60, 90), (0, 4, 64, 90)])
    assert polyphony(notes) == pytest.approx(10 / 6)
    assert pitch_entropy(notes) == pytest.approx(1)  # two pitches, equally often
