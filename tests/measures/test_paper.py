import io
import json
import math
import zipfile

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbar.measures import paper
from nextbar.measures.paper import (
    abc_tokens,
    diversity,
    diversity_as_published,
    edit_distances,
    note_ons,
    recurrence,
    recurrence_as_published,
    scale_consistency,
    scale_consistency_as_published,
    tone_span,
    unique_tones,
    uniqueness,
    velocity_span,
)

from ..shared_data import shared_data
from .small_pieces import make_notes, midi_files, random_piece, read_first_instrument, tune

C_MAJOR = np.array([60, 62, 64, 65, 67, 69, 71])
pitch_lists = st.lists(st.integers(21, 108), min_size=1, max_size=40).map(np.array)


def test_notes_of_velocity_ten_are_not_heard_and_of_eleven_are():
    notes = make_notes([(0, 1, 60, 10), (1, 1, 62, 11), (2, 1, 64, 127), (3, 1, 65, 0)])
    tones = note_ons(notes)
    assert tones.pitches.tolist() == [62, 64]
    assert tones.velocities.tolist() == [11, 127]


def test_note_ons_come_by_start_and_simultaneous_ones_as_given():
    notes = make_notes([(4, 1, 60, 90), (0, 1, 72, 90), (0, 1, 64, 90)])
    assert note_ons(notes).pitches.tolist() == [64, 72, 60]
    unsorted = notes[[1, 0, 2]]  # 72 before 64, as a file may have them
    assert note_ons(unsorted).pitches.tolist() == [72, 64, 60]


def test_scale_consistency_counts_the_notes_of_the_best_scale():
    # C D E F G A B: all of C major.
    assert scale_consistency(C_MAJOR) == 100
    # C C# D D#: C and D of C major; C C# D# of A-flat major (C, Db, Eb): 3 of 4;
    # D-flat harmonic minor is Db Eb E Gb Ab A C: 3 of 4. All four fit no scale, as
    # none has three semitones in a row.
    assert scale_consistency(np.array([60, 61, 62, 63])) == 75
    # A B C D E F G#: only A harmonic minor has all seven.
    assert scale_consistency(np.array([69, 71, 72, 74, 76, 77, 80])) == 100


def test_published_scale_consistency_misses_the_pitch_classes_below_the_root():
    # D major, D E F# G A B C#. As published, D major lacks C# (1 < 2): 6 of 7. C major has
    # D E G A B: 5 of 7. C# on its own scales: C# natural minor has C# D# E F# G# A B: 5 of 7.
    # B natural minor is D major too, but only B is not below it. So 6 of 7.
    d_major = C_MAJOR + 2
    assert scale_consistency(d_major) == 100
    assert scale_consistency_as_published(d_major) == pytest.approx(100 * 6 / 7)
    assert scale_consistency_as_published(C_MAJOR) == 100


@given(pitch_lists)
def test_published_scale_consistency_is_never_above_the_correct_one(pitches):
    assert scale_consistency_as_published(pitches) <= scale_consistency(pitches)


@given(pitch_lists, st.integers(-11, 11))
def test_transposing_changes_no_measure_of_pitches(pitches, semitones):
    for measure in (scale_consistency, uniqueness, tone_span, recurrence):
        assert measure(pitches + semitones) == measure(pitches)


@given(pitch_lists)
def test_scale_consistency_does_not_hear_octaves(pitches):
    octaves = 12 * np.arange(len(pitches)) % 36
    assert scale_consistency(pitches + octaves) == scale_consistency(pitches)


def test_uniqueness_counts_different_pitches_and_octaves_are_different():
    pitches = np.array([60, 72, 60, 64])  # 60, 72, 64: 3 of 4
    assert unique_tones(pitches) == 3
    assert uniqueness(pitches) == 75


def test_spans_are_highest_less_lowest_whatever_the_order():
    assert tone_span(np.array([64, 60, 79, 67])) == 19  # 79 - 60
    assert velocity_span(np.array([90, 40, 101])) == 61  # 101 - 40
    # Bytes must not wrap round.
    assert tone_span(np.array([108, 21], np.uint8)) == 87


def test_recurrence_counts_pairs_of_equal_strings_that_do_not_overlap():
    # ab c ab d ab: ab at 0, 3, 6: three pairs. bc, ca, bd, da once each.
    assert recurrence(np.array([60, 62, 64, 60, 62, 65, 60, 62])) == 3
    # a a a a: aa at 0, 1, 2; only 0 and 2 do not overlap.
    assert recurrence(np.array([60, 60, 60, 60])) == 1
    # a a a: only overlapping ones.
    assert recurrence(np.array([60, 60, 60])) == 0
    # ab and ba are different strings: ab at 0 and 2.
    assert recurrence(np.array([60, 62, 60, 62])) == 1


def test_published_recurrence_never_uses_the_last_note():
    # ab c ab d ab without its last note: ab at 0 and 3, one pair.
    assert recurrence_as_published(np.array([60, 62, 64, 60, 62, 65, 60, 62])) == 1
    # Five notes: 5 // 2 = 2 is not above 2, so its loop over lengths never runs.
    assert recurrence_as_published(np.array([60, 60, 60, 60, 60])) == 0
    # Six: aa at 0, 1, 2, 3 (not 4): pairs 0-2, 0-3, 1-3.
    assert recurrence_as_published(np.array([60] * 6)) == 3


@given(pitch_lists)
def test_recurrence_is_what_counting_pair_by_pair_gives(pitches):
    tones = pitches.tolist()
    n = len(tones)

    def count(end):  # end 1: to the last place; end 0: one too early
        return sum(
            tones[i : i + 2] == tones[j : j + 2]
            for i in range(n - 4 + end)
            for j in range(i + 2, n - 2 + end)
        )

    assert recurrence(pitches) == count(1)
    assert recurrence_as_published(pitches) == (count(0) if n >= 6 else 0)


def test_a_piece_without_notes_gives_nan():
    tones = note_ons(make_notes([(0, 4, 60, 10)]))  # a note, but not heard
    for measure in (
        scale_consistency,
        scale_consistency_as_published,
        uniqueness,
        tone_span,
        recurrence,
        recurrence_as_published,
    ):
        assert math.isnan(measure(tones.pitches))
    assert math.isnan(velocity_span(tones.velocities))
    assert unique_tones(tones.pitches) == 0


def test_diversity_is_the_mean_over_pairs_of_edits_by_the_longer_length():
    a, b, c = tune([60, 62, 64, 65]), tune([60, 62, 64]), tune([70, 71])
    # a-b: one deletion of 4. a-c: nothing in common, 4 of 4. b-c: 3 of 3.
    assert diversity([a, b, c]) == pytest.approx((1 / 4 + 1 + 1) / 3)


def test_diversity_leaves_out_self_pairs():
    # The one pair is wholly different; with self-pairs the mean would be 1/2.
    assert diversity([tune([60, 62]), tune([64, 65])]) == 1


def test_diversity_hears_durations_but_neither_loudness_nor_rests():
    a = tune([60, 62])
    assert diversity([a, tune([60, 62], duration=4)]) == 1
    assert diversity([a, tune([60, 62], velocity=40)]) == 0
    late = a.copy()
    late["start"] += 8
    assert diversity([a, late]) == 0


def test_diversity_leaves_out_silent_pieces_and_needs_two_others():
    silent = make_notes([])
    assert diversity([tune([60]), silent, tune([60]), silent]) == 0
    assert math.isnan(diversity([tune([60]), silent]))
    assert math.isnan(diversity([]))
    assert edit_distances([silent, tune([60])], rng=np.random.default_rng(0)).n_silent == 1


def test_of_many_pieces_a_seeded_draw_is_compared():
    rng = np.random.default_rng(4)
    pieces = [random_piece(rng).notes for _ in range(40)]
    drawn = edit_distances(pieces, rng=np.random.default_rng(7), max_pieces=35)
    assert drawn.matrix.shape == (35, 35)
    assert len(set(drawn.compared.tolist())) == 35
    by_hand = diversity([pieces[p] for p in drawn.compared])
    assert diversity(pieces, seed=7, max_pieces=35) == pytest.approx(by_hand)


@pytest.fixture(scope="module")
def published():
    """Name -> (pitches, velocities, published values), read in file order."""
    expected = json.loads(shared_data("paper-samples-200.json").read_text())["files"]
    files = {}
    with zipfile.ZipFile(shared_data("paper-samples-200.zip")) as archive:
        for name in archive.namelist():
            midi = mido.MidiFile(file=io.BytesIO(archive.read(name)))
            heard = [
                (event.note, event.velocity)
                for track in midi.tracks
                for event in track
                if event.type == "note_on" and event.velocity > 10
            ]
            pitches, velocities = np.array(heard).T
            short = name.rsplit("/", 1)[-1]
            files[short] = (pitches, velocities, expected[short])
    return files


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("notes", len),
        ("unique_tones", unique_tones),
        ("scale_consistency", scale_consistency),
        ("scale_consistency_as_published", scale_consistency_as_published),
        ("uniqueness", uniqueness),
        ("recurrence", recurrence),
        ("recurrence_as_published", recurrence_as_published),
        ("tone_span", tone_span),
        ("velocity_span", velocity_span),
    ],
)
def test_every_published_file_has_the_value_that_others_computed(published, name, measure):
    assert len(published) == 200
    different = {
        file: (measure(velocities if name == "velocity_span" else pitches), values[name])
        for file, (pitches, velocities, values) in published.items()
        if measure(velocities if name == "velocity_span" else pitches)
        != pytest.approx(values[name], abs=1e-4)
    }
    assert not different


def test_abc_notes_are_written_anew_at_each_change_and_bar_line():
    # C held over the bar line, E in its middle: C3, [CE], C11 | C4 in bars of 16 steps.
    notes = make_notes([(0, 20, 60, 90), (3, 2, 64, 5)])
    tokens = [(int(t) >> 32, int(t) & 0xFFFF) for t in abc_tokens(notes, n_steps=16)]
    assert tokens == [(60, 3), (60, 0), (64, 0), (60, 11), (60, 4)]


def test_diversity_as_published_divides_by_80_and_pairs_a_piece_with_itself():
    # One note of four is another: distance 1 for two of the four pairs. 2 / 4 / 80.
    pieces = [tune([60, 62, 64, 65]), tune([60, 62, 64, 67])]
    assert diversity_as_published(pieces, n_steps=16) == pytest.approx(1 / 160)
    assert math.isnan(diversity_as_published([], n_steps=16))


def test_diversity_of_the_published_samples_is_near_what_the_paper_says():
    files = midi_files(shared_data("paper-samples-200.zip"))
    pieces = [read_first_instrument(contents) for contents in files.values()]
    # The paper: 0.59. The text of midi2abc for these 200: 0.594.
    assert diversity_as_published(pieces, n_steps=16) == pytest.approx(0.619, abs=0.002)


def test_tokens_are_characters_also_where_unicode_has_surrogates():
    # 60,000 different tokens: numbers 0xD800 to 0xDFFF among them, which are no characters.
    tokens = np.arange(60_000)
    [text, other] = paper.as_texts([tokens, tokens[::-1] + 0])
    assert [len(text), len(other)] == [60_000, 60_000]
    assert text == other[::-1]
    assert len(set(text)) == 60_000


def test_an_abc_chord_has_its_length_once_and_a_bar_line_inside_a_rest_counts():
    # Bar of 4 steps. C and G together for 2, rest, then E over a bar line: 5-9.
    notes = make_notes([(0, 2, 60, 90), (0, 2, 67, 90), (5, 4, 64, 90)])
    tokens = [(int(t) >> 32, int(t) & 0xFFFF) for t in abc_tokens(notes, n_steps=4)]
    assert tokens == [(60, 0), (67, 0), (64, 3), (64, 1)]
    # A note that ends at a bar line is not written on beyond it.
    one = make_notes([(0, 4, 60, 90)])
    assert [int(t) & 0xFFFF for t in abc_tokens(one, n_steps=4)] == [4]


def test_pieces_drawn_more_than_once_weigh_more_and_are_no_pair_with_themselves():
    # Distances a-b 1/2, a-c 1, b-c 1/4. a twice and b and c once: of 4 drawn, 12 ordered pairs
    # less the two of a with a: 2 * (2 * 1/2 + 2 * 1 + 1/4) / 10.
    matrix = np.array([[0, 0.5, 1], [0.5, 0, 0.25], [1, 0.25, 0]], np.float32)
    weights = np.array([[2.0, 1, 1], [1, 1, 1], [2, 0, 0], [0, 0, 0]])
    found = paper.mean_distance(matrix, weights)
    assert found[:2] == pytest.approx([6.5 / 10, 2 * 1.75 / 6])
    assert np.isnan(found[2:]).all()
    # With itself: all 16, or all 9, ordered pairs; a alone is at no distance from itself.
    found = paper.mean_with_itself(matrix, weights)
    assert found[:3] == pytest.approx([6.5 / 16, 3.5 / 9, 0])
    assert np.isnan(found[3])


def test_distances_say_whose_they_are_and_how_many_were_silent():
    silent = make_notes([(0, 1, 60, 10)])
    found = edit_distances(
        [silent, tune([60, 62]), silent, tune([60, 64])], rng=np.random.default_rng(0)
    )
    assert found.compared.tolist() == [1, 3]
    assert found.n_silent == 2
    assert found.matrix.tolist() == [[0, 0.5], [0.5, 0]]  # one of two notes is another
    none = edit_distances([silent], rng=np.random.default_rng(0))
    assert none.matrix.shape == (0, 0)
    assert none.compared.tolist() == []
    assert none.n_silent == 1
    exactly = [tune([60 + p]) for p in range(5)]
    found = edit_distances(exactly, rng=np.random.default_rng(0), max_pieces=5)
    assert found.compared.tolist() == [0, 1, 2, 3, 4]


def test_published_distances_count_every_velocity_and_are_not_normalised():
    faint = tune([60, 62, 64], velocity=5)
    # All three notes are others: 3 edits, by 80.
    matrix = paper.published_distances([faint, tune([61, 63, 65])], n_steps=16)
    assert matrix == pytest.approx(np.array([[0, 3 / 80], [3 / 80, 0]]))
    assert paper.published_distances([], n_steps=16).shape == (0, 0)
    # Silent pieces are left out: one of three notes alone is at no distance from itself.
    assert diversity_as_published([make_notes([]), faint], n_steps=16) == 0


def test_each_scale_of_the_36_is_whole_on_each_root():
    major = np.array([0, 2, 4, 5, 7, 9, 11])
    natural, harmonic = np.array([0, 2, 3, 5, 7, 8, 10]), np.array([0, 2, 3, 5, 7, 8, 11])
    for root in range(12):
        for scale in (major, natural, harmonic):
            assert scale_consistency(48 + root + scale) == 100
    # Whole tones C D E F# G# A#: no scale has more than 4 of them (C major: C D E).
    # Harmonic minor on F: F G Ab Bb C Db E has C E G# A#: 4 of 6.
    assert scale_consistency(60 + 2 * np.arange(6)) == pytest.approx(100 * 4 / 6)


def test_six_notes_are_enough_for_the_published_recurrence_and_five_are_not():
    pitches = np.array([60, 62, 60, 62, 64, 65])
    assert recurrence_as_published(pitches) == 1  # ab at 0 and 2
    assert recurrence_as_published(pitches[:5]) == 0
    assert recurrence(np.array([60])) == 0
    assert recurrence(np.array([60, 127, 61, 0, 60, 127])) == 1  # no pair runs into another
