"""Hands, clefs, keys and spelling."""

import numpy as np
import pytest

from nextbar.music.staves import (
    is_right_hand,
    is_treble,
    needs_two_staves,
    sharps_of,
    signature,
    spell,
)

from .midi_files import make_notes


def line(*pitches):
    return make_notes(*((4 * i, 4, pitch, 80) for i, pitch in enumerate(pitches)))


MAJOR = np.array([0, 2, 4, 5, 7, 9, 11])


@pytest.mark.parametrize(
    ("tonic", "sharps"),
    [(60, 0), (67, 1), (62, 2), (64, 4), (65, -1), (58, -2), (63, -3), (61, -5), (66, 6)],
)
def test_a_major_scale_has_its_signature(tonic, sharps):
    assert sharps_of(line(*(tonic + MAJOR))) == sharps


def test_a_minor_key_has_that_of_its_relative_major_and_silence_none():
    assert sharps_of(line(57, 59, 60, 62, 64, 65, 67)) == 0
    assert sharps_of(line()[:0]) == 0


def names(pitches, sharps):
    signs = {-1: "b", 0: "", 1: "#"}
    return " ".join(s.step + signs[s.alter] for s in (spell(pitch, sharps) for pitch in pitches))


def test_pitches_are_spelt_as_their_key_has_them():
    assert names(range(60, 72), 0) == "C C# D Eb E F F# G G# A Bb B"
    assert names(63 + MAJOR, -3) == "Eb F G Ab Bb C D"
    assert names(66 + MAJOR, 6) == "F# G# A# B C# D# E#"
    assert names([71], -3) == "B"  # the leading note of C minor
    assert names([61], 4) == "C#"


def test_every_spelling_sounds_as_its_pitch_with_one_sign_at_most():
    steps = dict(zip("CDEFGAB", MAJOR, strict=True))
    for sharps in range(-6, 7):
        for pitch in range(21, 109):
            step, alter, octave = spell(pitch, sharps)
            assert steps[step] + alter + 12 * (octave + 1) == pitch
            assert abs(alter) <= 1


def test_a_signature_says_which_steps_it_alters():
    assert signature(2) == {"C": 1, "D": 0, "E": 0, "F": 1, "G": 0, "A": 0, "B": 0}
    assert signature(-1) == {"C": 0, "D": 0, "E": 0, "F": 0, "G": 0, "A": 0, "B": -1}


def test_the_clef_is_the_one_with_fewer_ledger_lines():
    assert is_treble(line(60, 67, 79))
    assert not is_treble(line(40, 52, 65))
    assert [is_treble(line(60), otherwise=either) for either in (True, False)] == [True, False]


def test_one_staff_is_enough_for_a_melody_and_for_what_lies_close():
    assert not needs_two_staves(line(55, 88), 0)
    assert not needs_two_staves(line(30, 67), 0)
    assert needs_two_staves(line(40, 76), 0)
    assert not needs_two_staves(line(40, 76), 42)  # a cello's line
    assert needs_two_staves(make_notes((0, 8, 40, 80), (0, 8, 76, 80)), 48)  # strings in parts
    assert not needs_two_staves(line()[:0], 0)


def test_hands_are_parted_near_middle_c():
    notes = make_notes((0, 16, 48, 80), (0, 4, 72, 80), (4, 4, 74, 80))
    assert is_right_hand(notes).tolist() == [False, True, True]


def test_a_melody_that_dips_below_middle_c_stays_in_its_hand():
    melody = [72, 67, 64, 60, 58, 60, 64, 67]
    rows = [(4 * i, 4, pitch, 80) for i, pitch in enumerate(melody)]
    bass = [(8 * i, 8, 41, 80) for i in range(4)]
    notes = make_notes(*rows, *bass)
    assert is_right_hand(notes).tolist() == (notes["pitch"] > 41).tolist()


def test_without_another_reason_the_right_hand_begins_at_middle_c():
    assert is_right_hand(line(58, 62, 59, 60)).tolist() == [False, True, False, True]


def test_hands_stay_where_they_are_when_both_could_play_on():
    # E4 under A5 is out of the right hand's reach; the D4 after it goes on in the left
    notes = make_notes((0, 4, 64, 80), (0, 4, 81, 80), (4, 4, 62, 80))
    assert is_right_hand(notes).tolist() == [False, True, False]


def test_a_hand_stretches_rather_than_go_far_off_its_staff():
    # a tenth and more: the lower note is the left hand's near its staff, not six semitones above it
    assert is_right_hand(make_notes((0, 4, 62, 80), (0, 4, 79, 80))).tolist() == [False, True]
    assert is_right_hand(make_notes((0, 4, 69, 80), (0, 4, 86, 80))).tolist() == [True, True]


def test_a_hand_does_not_reach_further_than_a_ninth_where_the_other_can_help():
    # C4 under a right hand at E5 to C6 is the left one's, though it is middle C
    notes = make_notes((0, 4, 60, 80), (0, 4, 76, 80), (0, 4, 79, 80), (0, 4, 84, 80))
    assert is_right_hand(notes).tolist() == [False, True, True, True]
