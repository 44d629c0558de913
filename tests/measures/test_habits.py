import math

import numpy as np
import pytest

from nextbar.measures.habits import (
    clashes,
    empty_bars,
    groove_consistency,
    pitch_class_entropy,
    pitch_entropy,
    polyphony,
    voice_steps,
)
from nextbar.measures.pieces import Piece

from .small_pieces import make_notes, piece_of_bars, random_piece, tune

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


def test_entropies_are_in_bits_and_of_what_is_heard():
    # C four times, C an octave up twice, G twice; a faint E is not heard.
    pitches = [60] * 4 + [72] * 2 + [67] * 2
    notes = make_notes([(i, 1, p, 90) for i, p in enumerate(pitches)] + [(0, 1, 64, 10)])
    # Pitches 1/2, 1/4, 1/4: 1/2 * 1 + 2 * 1/4 * 2 = 1.5. Classes 3/4 and 1/4: 0.811.
    assert pitch_entropy(notes) == pytest.approx(1.5)
    by_class = 0.75 * math.log2(4 / 3) + 0.25 * math.log2(4)
    assert pitch_class_entropy(notes) == pytest.approx(by_class)
    one = make_notes([(0, 1, 60, 90)])
    assert math.copysign(1, pitch_entropy(one)) == 1  # 0, and not -0


def test_groove_is_counted_step_by_step():
    # Onsets at 0, 4 | 0, 8 | none: 2 of 16 steps differ, then 2: 1 - 4 / 32. Two notes at once
    # are one onset, faint ones and those beyond the last bar are none.
    rows = [(0, 1, 60, 90), (0, 1, 64, 90), (4, 1, 60, 90), (16, 1, 60, 90), (24, 1, 60, 90)]
    piece = Piece(make_notes([*rows, (40, 1, 60, 10), (48, 1, 60, 90)]), 3)
    assert groove_consistency(piece, n_steps=16) == pytest.approx(1 - 4 / 32)
    assert math.isnan(groove_consistency(piece._replace(n_bars=1), n_steps=16))
    assert groove_consistency(piece._replace(n_bars=2), n_steps=16) == pytest.approx(1 - 2 / 16)


def test_a_bar_into_which_a_note_is_held_is_not_empty():
    piece = Piece(make_notes([(0, 17, 60, 90), (32, 1, 60, 10)]), 4)
    assert empty_bars(piece, n_steps=16) == 50  # bars 3 and 4
    assert empty_bars(piece._replace(n_bars=1), n_steps=16) == 0


def test_polyphony_is_of_what_is_heard():
    notes = make_notes([(0, 4, 60, 90), (0, 4, 64, 11), (0, 4, 67, 10)])
    assert polyphony(notes) == 2


def test_a_chord_clashes_where_two_pitch_classes_are_a_semitone_apart():
    # C E G; C and B an octave up: a major seventh; F alone; D and E flat two octaves up; G.
    chord, seventh = [(0, 2, pitch, 90) for pitch in (60, 64, 67)], [(2, 2, 60, 90), (2, 2, 83, 90)]
    rest = [(4, 1, 65, 90), (5, 4, 62, 90), (6, 1, 87, 90), (7, 1, 67, 90), (7, 1, 68, 10)]
    notes = make_notes([*chord, *seventh, *rest])
    # Chords are at 0, 2, 6 (D is held into it) and 7 (D and G): two of four clash.
    assert clashes(notes) == 50
    assert math.isnan(clashes(tune([60, 61, 60])))  # one note at a time
    assert math.isnan(clashes(make_notes([(0, 1, 60, 90), (0, 1, 72, 90)])))  # octaves
    assert math.isnan(clashes(make_notes([])))
    assert clashes(make_notes([(0, 1, 60, 90), (0, 1, 71, 90)])) == 100  # C and B, round the octave


def test_the_voices_step_from_onset_to_onset():
    # Highest 67 67 72, lowest 60 55 72 (60 ends, 55 does too, and 67 is held to the second).
    notes = make_notes([(0, 2, 60, 90), (0, 4, 67, 90), (2, 2, 55, 90), (4, 1, 72, 90)])
    assert voice_steps(notes) == ((0 + 5) / 2 + (5 + 17) / 2) / 2
    assert voice_steps(tune([60, 62, 59])) == 2.5
    assert math.isnan(voice_steps(tune([60])))
    assert math.isnan(voice_steps(make_notes([])))
