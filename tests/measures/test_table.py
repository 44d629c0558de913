import dataclasses
import json
import math
from functools import partial

import numpy as np
import pytest

from nextbar.errors import UsageError
from nextbar.measures import by_piece, one_set, paper
from nextbar.measures.by_piece import measure_pieces
from nextbar.measures.coherence import coherence
from nextbar.measures.copying import TrainingBars, nearest_distances
from nextbar.measures.distributions import places_in_bars
from nextbar.measures.intervals import Interval
from nextbar.measures.meanings import MEANINGS
from nextbar.measures.paper import diversity
from nextbar.measures.pieces import Piece
from nextbar.measures.report import Report
from nextbar.measures.table import compare

from .small_pieces import make_notes, piece_of_bars, random_piece, tune

NAMES = [
    "notes",
    "scale_consistency",
    "uniqueness",
    "velocity_span",
    "recurrence",
    "tone_span",
    "diversity",
    "coherence",
    "follows",
    "copied_bars",
    "copied_phrases",
    "nearest_bar",
    "nearest_phrase",
    "empty_bars",
    "polyphony",
    "clashes",
    "voice_steps",
    "pitch_entropy",
    "groove_consistency",
    "overlap_pitch_classes",
    "overlap_transitions",
    "overlap_note_lengths",
    "overlap_onset_intervals",
    "overlap_pitch_ranges",
    "overlap_notes_per_bar",
    "overlap_polyphony",
    "overlap_grooves",
]


@pytest.fixture(scope="module")
def pieces():
    rng = np.random.default_rng(0)
    return [random_piece(rng) for _ in range(40)]


@pytest.fixture(scope="module")
def tunes():
    rng = np.random.default_rng(1)
    return [random_piece(rng, n_notes=55, n_bars=11) for _ in range(35)]


@pytest.fixture(scope="module")
def training(pieces):
    rng = np.random.default_rng(2)
    more = [random_piece(rng) for _ in range(70)]  # 90 pieces have pairs enough to learn from
    return TrainingBars.of_pieces([*pieces[:20], *more], n_steps=16)


@pytest.fixture(scope="module")
def report(pieces, tunes, training):
    return compare(pieces, tunes, n_steps=16, training_bars=training, seed=3)


def test_each_piece_gets_its_own_values():
    # Bar 1: C D C D; bar 2 silent; bar 3: G. Silent piece of 3 bars behind it.
    one = piece_of_bars([60, 62, 60, 62], [], [67])
    silent = Piece(make_notes([]), 3)
    training = TrainingBars.of_pieces([piece_of_bars([67])], n_steps=16)
    values = measure_pieces([one, silent], n_steps=16, training=training)
    # 60 62 60 62 67: 5 notes, 3 different (60 %), 7 semitones, "60 62" twice.
    expected = {
        "notes": 5,
        "scale_consistency": 100,
        "uniqueness": 60,
        "velocity_span": 0,
        "recurrence": 1,
        "recurrence_as_published": 0,  # fewer than six notes
        "tone_span": 7,
        "copied_bars": 50,  # of two bars that sound, the G
        "copied_bars_any_key": 50,
        "empty_bars": 100 / 3,
    }
    for name, value in expected.items():
        assert values[name][0] == pytest.approx(value), name
        if name not in ("notes", "empty_bars"):
            assert math.isnan(values[name][1]), name
    assert values["notes"][1] == 0
    assert values["empty_bars"][1] == 100
    assert math.isnan(values["diversity"])
    assert math.isnan(values["coherence"])


def test_a_phrase_that_only_two_training_pieces_together_hold_is_no_copy():
    phrase = piece_of_bars([60, 62], [64, 65])
    apart = [piece_of_bars([67], [60, 62]), piece_of_bars([64, 65], [67])]
    for learned, share in (([phrase], 100), (apart, 0)):
        training = TrainingBars.of_pieces(learned, n_steps=16)
        values = measure_pieces([phrase], n_steps=16, training=training)
        assert values["copied_bars"] == 100  # both bars are there
        assert values["copied_phrases"] == share
    assert values["nearest_phrase"] > 0


def test_without_training_bars_copies_are_unknown_not_none(pieces):
    assert np.isnan(measure_pieces(pieces, n_steps=16)["copied_bars"]).all()


def test_the_report_has_every_measure_in_every_column(report):
    assert list(report.measures) == NAMES == list(MEANINGS)
    for name, columns in report.measures.items():
        published = name in ("scale_consistency", "recurrence", "diversity")
        assert list(columns) == ["generated", "reference", "chance"] + ["as_published"] * published
        for interval in columns.values():
            assert interval.low <= interval.mean <= interval.high, name


def test_the_means_are_those_of_the_measures_themselves(report, pieces):
    values = measure_pieces(pieces, n_steps=16)
    measures = report.measures
    for name in ("notes", "scale_consistency", "uniqueness", "velocity_span", "tone_span"):
        assert measures[name]["generated"].mean == pytest.approx(np.mean(values[name])), name
    published = np.mean(values["scale_consistency_as_published"])
    assert measures["scale_consistency"]["as_published"].mean == pytest.approx(published)
    by_hand = diversity([piece.notes for piece in pieces])
    assert measures["diversity"]["generated"].mean == pytest.approx(by_hand)
    by_hand = coherence(pieces, n_steps=16)
    assert measures["coherence"]["generated"].mean == pytest.approx(by_hand)
    # Half of the pieces are the training set; random bars are not in it by accident.
    assert measures["copied_bars"]["generated"].mean == pytest.approx(50, abs=1)
    assert measures["copied_bars"]["chance"].mean < 1


def test_the_reference_is_cut_to_the_length_of_what_was_generated(report):
    assert report.bars_per_piece == 5
    assert report.n_generated == 40
    assert report.n_reference == 70  # 35 pieces of 11 bars: two windows each
    assert report.coherence_by_bar.keys() == {"generated", "reference", "chance"}
    for curve in report.coherence_by_bar.values():
        assert len(curve) == 4
        assert all(-1 <= bar.low < bar.mean < bar.high <= 1 for bar in curve)


def test_given_bars_are_not_counted_as_copied():
    training = TrainingBars.of_pieces([piece_of_bars([60])], n_steps=16)
    generated = [piece_of_bars([60], [61], [60]), piece_of_bars([60], [61], [62])]

    def copied(n_given_bars):
        return compare(
            [piece._replace(n_given_bars=n_given_bars) for piece in generated],
            generated,
            n_steps=16,
            training_bars=training,
        ).measures["copied_bars"]

    # All bars: 2 of 3 and 1 of 3. Without the first: 1 of 2 and 0 of 2.
    assert copied(0)["generated"].mean == pytest.approx(50)
    assert copied(1)["generated"].mean == pytest.approx(25)
    assert copied(1)["reference"].mean == pytest.approx(50)  # no bar of real music was given


def test_windows_of_one_piece_widen_the_reference_interval():
    # Ten tunes of one pitch count each, cut in 20 windows.
    tunes = [piece_of_bars(*[[60] * n] * 20) for n in range(1, 11)]
    windows = [piece_of_bars([60] * n) for n in range(1, 11) for _ in range(20)]

    def width(reference):
        interval = compare(windows, reference, n_steps=16).measures["notes"]["reference"]
        return interval.high - interval.low

    assert width(tunes) > 3 * width(windows)  # sqrt(20) = 4.5


def test_the_same_seed_gives_the_same_report(report, pieces, tunes, training):
    again = compare(pieces, tunes, n_steps=16, training_bars=training, seed=3)
    other = compare(pieces, tunes, n_steps=16, training_bars=training, seed=4)
    assert again.to_json() == report.to_json()
    assert other.to_json() != report.to_json()


def test_the_json_is_plain_and_has_null_where_nothing_was_measured(pieces, tunes):
    plain = compare(pieces, tunes, n_steps=16).to_json()
    read_back = json.loads(json.dumps(plain, allow_nan=False))
    assert read_back == plain
    nothing = {"mean": None, "low": None, "high": None}
    assert plain["measures"]["copied_bars"]["generated"] == nothing
    assert plain["measures"]["notes"]["generated"]["mean"] == 25
    assert plain["n_reference"] == 70
    assert plain["bars_per_piece"] == 5
    assert plain["notes"][-1] == "copying was not measured: no training bars were given"


def test_the_rows_say_each_measure_in_plain_words(report):
    rows = report.rows()
    assert [row.name for row in rows] == NAMES
    for row in rows:
        assert row.label
        assert row.unit
        assert "good is" in row.says
        assert row.columns == report.measures[row.name]


def test_what_was_not_measured_has_no_line(pieces):
    names = {row.name for row in compare(pieces, [], n_steps=16).rows()}
    needs_real_music = ("overlap", "copied", "near", "follows")
    without_real_music = {name for name in NAMES if name.startswith(needs_real_music)}
    assert names == set(NAMES) - without_real_music


def test_few_pieces_and_silent_ones_are_said_aloud(tunes):
    generated = [tune([60, 62, 64])] * 3
    few = [Piece(notes, 5) for notes in generated] + [Piece(make_notes([]), 5)]
    notes = "\n".join(compare(few, tunes, n_steps=16).notes)
    assert "generated: only 4 pieces" in notes
    assert (
        "generated: 1 of 4 pieces have no sounding note; they count in notes and empty_bars only"
    ) in notes
    assert "with fewer than 30 the 95 % intervals mean little and come out too narrow" in notes
    assert "diversity is of" not in notes  # of all that sound
    assert "reference: only" not in notes


def test_enough_pieces_need_no_excuse(report):
    assert not any("only" in note for note in report.notes)


def test_a_drawn_diversity_is_said_aloud(pieces, tunes, monkeypatch):
    few = partial(paper.edit_distances, max_pieces=30)
    monkeypatch.setattr(one_set, "edit_distances", few)
    notes = compare(pieces, tunes, n_steps=16).notes
    assert "generated: diversity is of 30 pieces drawn from 40, all their pairs compared" in notes


def test_one_piece_gives_means_but_no_diversity(tunes):
    report = compare([piece_of_bars([60], [62])], tunes, n_steps=16)
    assert report.measures["notes"]["generated"] == Interval(2, 2, 2)
    assert math.isnan(report.measures["diversity"]["generated"].mean)
    assert math.isnan(report.measures["coherence"]["generated"].mean)


def test_what_cannot_be_compared_is_refused_with_what_to_do(pieces, tunes):
    with pytest.raises(UsageError, match=r"^generated: there is no .* generate some first$"):
        compare([], tunes, n_steps=16)
    other = [piece_of_bars([60], [62]), piece_of_bars([60], [62], [64])]
    with pytest.raises(UsageError, match=r"pieces of 2 to 5 bars.* so give pieces of one length$"):
        compare([*pieces, *other], tunes, n_steps=16)
    asked = r"none of the 1 pieces is 5 bars long.*; generate fewer bars or give longer pieces$"
    with pytest.raises(UsageError, match=asked):
        compare(pieces, [piece_of_bars([60])], n_steps=16)


def test_a_report_cannot_be_changed(report):
    assert isinstance(report, Report)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.n_generated = 1


def test_without_a_reference_its_column_is_left_out():
    report = compare([piece_of_bars([60], [62])], [], n_steps=16)
    assert report.measures["tone_span"].keys() == {"generated", "chance"}
    assert report.with_notes(["first"]).notes[0] == "first"


def test_what_is_said_of_copies_is_counted_bar_by_bar_and_phrase_by_phrase():
    # Training: C D | E, and silence | silence. The piece: C D | E | - | D E (bar 1 in D) | C D.
    training = TrainingBars.of_pieces(
        [piece_of_bars([60, 62], [64]), piece_of_bars([], [])], n_steps=16
    )
    piece = piece_of_bars([60, 62], [64], [], [62, 64], [60, 61])
    values = measure_pieces([piece, piece._replace(n_given_bars=4)], n_steps=16, training=training)
    # Of four bars that sound two are copies as they stand, and three in some key.
    assert values["copied_bars"].tolist() == [50, 0]
    assert values["copied_bars_any_key"].tolist() == [75, 0]
    # C C#: of its two notes the second's interval is another. 0, 0, silent, 0, 1/2.
    assert values["nearest_bar"] == pytest.approx([0.5 / 4, 0.5])
    # Phrases: CD E a copy; E - has one note, another than any; - DE and DE CC# are none. All
    # four sound; behind four given bars no phrase of two begins.
    assert values["copied_phrases"] == pytest.approx([25, math.nan], nan_ok=True)
    # The phrase CD E has three notes (0 C, 1 up 2, 16 up 2). E - : its first note begins as C
    # does: two of three to insert. - DE: 16 first, 17: none is alike: 1. DE CC#: two are alike
    # of four, and E for C, C#: so 2 / 4. Together with the copy: (0 + 2/3 + 1 + 2/4) / 4.
    assert values["nearest_phrase"][0] == pytest.approx((2 / 3 + 1 + 2 / 4) / 4)
    assert values["empty_bars"].tolist() == [20, 20]


def test_a_silent_phrase_is_no_copy_of_a_silent_one():
    training = TrainingBars.of_pieces([piece_of_bars([], [])], n_steps=16)
    silence_first = piece_of_bars([], [], [60])
    values = measure_pieces([silence_first], n_steps=16, training=training)
    assert values["copied_phrases"].tolist() == [0]
    assert values["copied_bars"].tolist() == [0]
    assert np.isnan(values["nearest_bar"]).all()  # nothing of training sounds


def test_no_pieces_have_no_values():
    values = measure_pieces([], n_steps=16)
    assert values["notes"].shape == values["copied_phrases"].shape == (0,)
    training = TrainingBars.of_pieces([piece_of_bars([60])], n_steps=16)
    assert measure_pieces([], n_steps=16, training=training)["nearest_bar"].shape == (0,)


def test_where_not_all_are_searched_the_same_are_drawn_again(monkeypatch):
    rng = np.random.default_rng(0)
    many = [random_piece(rng) for _ in range(20)]
    training = TrainingBars.of_pieces(many[:5], n_steps=16)
    monkeypatch.setattr(by_piece, "nearest_distances", partial(nearest_distances, most=(5, 99)))
    found = [measure_pieces(many, n_steps=16, training=training) for _ in range(2)]
    for name in ("nearest_bar", "nearest_phrase"):
        assert 0 < np.isfinite(found[0][name]).sum() <= 5
        assert np.array_equal(found[0][name], found[1][name], equal_nan=True)


def test_intervals_of_the_table_are_over_pieces_and_of_real_music_over_tunes():
    # Pieces of 1 and 3 notes; a mean of 2, drawn between 1 and 3. Real: one tune of two windows.
    generated = [piece_of_bars([60]), piece_of_bars([60, 62, 64])]
    real = [piece_of_bars([60], [60, 62, 64])]
    report = compare(generated, real, n_steps=16)
    assert vars(report.measures["notes"]["generated"]) == {"mean": 2, "low": 1, "high": 3}
    assert vars(report.measures["notes"]["reference"]) == {"mean": 2, "low": 2, "high": 2}
    assert report.n_generated == report.n_reference == 2
    assert report.pieces == ["", ""]
    assert report.values["notes"].tolist() == [1, 3]
    assert report.n_left_out == 0
    # One tune's two windows cannot be halved.
    for name in report.measures:
        if name.startswith("overlap"):
            assert math.isnan(report.measures[name]["reference"].mean)
            assert report.measures[name].keys() == {"generated", "reference", "chance"}


def set_of(pieces, *, groups=None, counting=None):
    """Pieces measured as one set: each a tune of its own, and each counting once."""
    n = len(pieces)
    return one_set.measure_set(
        pieces,
        np.arange(n) if groups is None else np.array(groups),
        np.ones(n) if counting is None else np.array(counting, float),
        n_steps=16,
        places=places_in_bars(pieces, n_steps=16),
        training=None,
        rng=np.random.default_rng(0),
    )


def test_what_counts_more_counts_more_in_diversity_and_a_silent_piece_is_not_compared():
    # One note of two in common, or none: 0.5, 1 and 1. Pairs count as their pieces together.
    pieces = [[], [60, 62], [60, 64], [70, 71]]
    measured = set_of([piece_of_bars(bar) for bar in pieces], counting=[5, 1, 1, 3])
    assert measured.intervals["diversity"].mean == pytest.approx((0.5 + 3 + 3) / 7)


def test_the_curve_by_bar_is_of_pieces_as_they_count_and_its_interval_over_tunes():
    # A bar that is said again, likeness 1, and one that is followed by something else, 0. Across:
    # the one's first bar and the other's second have nothing in common, the other way all: 0.5.
    pieces = [piece_of_bars([60, 62], [60, 62]), piece_of_bars([60, 62], [70, 75])]
    assert set_of(pieces).by_bar[0].mean == pytest.approx(1 / 2 - 0.5)
    assert set_of(pieces, counting=[3, 1]).by_bar[0].mean == pytest.approx(3 / 4 - 0.5)
    # A third, said again in other pitches, has half in common with where the second goes: of
    # pairs, as they count, 3 x 1 wholly and 1 x 1 half, in twice 3 + 3 + 1.
    three, counting = [*pieces, piece_of_bars([61, 63], [61, 63])], [3, 1, 1]
    of_one_tune = set_of(three, groups=[7, 7, 7], counting=counting).by_bar[0]
    assert of_one_tune.mean == pytest.approx(4 / 5 - 3.5 / 14)
    assert of_one_tune.low == pytest.approx(of_one_tune.high)
    of_three = set_of(three, counting=counting).by_bar[0]
    assert of_three.low < of_three.mean - 0.1


def test_the_overlap_of_real_music_is_that_of_two_halves_of_its_tunes():
    # Four tunes, each of two windows: all on one pitch class but the tunes' own. Half and half
    # have none in common; the generated pieces play the classes of all tunes.
    real = [piece_of_bars([pitch] * 4, [pitch] * 4) for pitch in (60, 62, 64, 65)]
    generated = [piece_of_bars([60, 62, 64, 65])] * 4
    row = compare(generated, real, n_steps=16).measures["overlap_pitch_classes"]
    assert row["reference"].mean == 0
    assert row["generated"].mean == pytest.approx(100)
    # Of note lengths all is common, whoever is drawn.
    row = compare(generated, real, n_steps=16).measures["overlap_note_lengths"]
    assert vars(row["reference"]) == pytest.approx({"mean": 100, "low": 100, "high": 100})


def test_the_notes_say_what_coherence_is_made_of_and_what_copies_in_any_key_come_to():
    # C | C and D | D: consecutive bars alike, bars across not: 1 - 0. In C the first is a copy.
    pieces = [piece_of_bars([60], [60]), piece_of_bars([62], [62])]
    training = TrainingBars.of_pieces([piece_of_bars([60])], n_steps=16)
    report = compare(pieces, pieces, n_steps=16, training_bars=training)
    said = "\n".join(report.notes)
    made_of = (
        "coherence is the likeness of consecutive bars less the likeness of bars of different "
        "pieces: generated 1.000 - 0.000, reference 1.000 - 0.000, chance "
    )
    assert made_of in said
    copied = "copied_bars, were transposed copies counted too: generated 100.0 %, reference 100.0 %"
    assert copied in said
    assert report.notes[-1] == (
        "nearest_bar and nearest_phrase are searched for up to 400 different bars and phrases of "
        "a column, among up to 10,000 of training"
    )
    assert report.notes[0].startswith("generated: only 2 pieces; with fewer than 30 the 95 %")
    assert report.notes[1].startswith("reference: only 2 pieces")
    # One training bar has no pair of bars.
    assert report.notes[3] == (
        "follows was not measured: its rule is learned from 300 pairs of bars and more, and the "
        "training tunes have 0"
    )
    assert len(report.notes) == 6
    assert report.measures["copied_bars"]["generated"].mean == 50


def test_thirty_pieces_are_not_few(tunes):
    rng = np.random.default_rng(0)
    for n, few in ((29, True), (30, False)):
        notes = compare([random_piece(rng) for _ in range(n)], tunes, n_steps=16).notes
        assert any("generated: only" in note for note in notes) is few


def test_diversity_as_published_is_of_the_pieces_that_diversity_compares():
    # Two tunes of two notes, one of which differs: 1 / 2, and by 80 with itself 2 / 4 / 80.
    pieces = [Piece(make_notes([]), 1), piece_of_bars([60, 62]), piece_of_bars([60, 64])]
    row = compare(pieces, [], n_steps=16).measures["diversity"]
    assert row["generated"].mean == pytest.approx(1 / 2)
    assert row["as_published"].mean == pytest.approx(1 / 160)
    assert row["as_published"].low == 0  # one of them twice
    silent = [Piece(make_notes([]), 1)] * 2
    row = compare(silent, [], n_steps=16).measures["diversity"]
    assert math.isnan(row["as_published"].mean)
    # A bar line of 3/4 cuts a whole note into 12 steps and 4, as two notes of these lengths are.
    starts = np.array([0, 12, 24])
    whole, cut = ([(0, 16, 60, 90)], [(0, 12, 60, 90), (12, 4, 60, 90)])
    alike = [Piece(make_notes(rows), 2, starts=starts) for rows in (whole, cut)]
    assert compare(alike, [], n_steps=16).measures["diversity"]["as_published"].mean == 0


def test_measures_that_are_learned_stand_below_and_notes_that_are_added_above(report):
    told = {"told_from_real": {"generated": Interval(60, 55, 65)}}
    more = report.with_measures(told).with_notes(["first", "second"])
    assert [row.name for row in more.rows()][-1] == "told_from_real"
    assert more.notes == ["first", "second", *report.notes]
    assert more.to_json()["measures"]["told_from_real"] == {
        "generated": {"mean": 60, "low": 55, "high": 65}
    }
    assert more.columns() == ["generated", "reference", "chance", "as_published"]
    plain = report.to_json()
    assert plain["n_left_out"] == 0
    assert plain["format"] == 1
    assert plain["n_generated"] == 40
    curve = report.coherence_by_bar["chance"][0]
    assert plain["coherence_by_bar"]["chance"][0] == vars(curve)


def test_short_reference_tunes_are_passed_over_and_those_behind_them_keep_their_windows():
    generated = [piece_of_bars([60], [62])] * 2
    real = [piece_of_bars([60]), piece_of_bars([60], [62], [64], [65]), piece_of_bars([70], [71])]
    report = compare(generated, real, n_steps=16)
    assert report.n_reference == 3
    assert any(note.startswith("reference: only 2 pieces") for note in report.notes)
    with pytest.raises(UsageError, match="generated: there is no piece with a bar"):
        compare([Piece(make_notes([]), 0)], real, n_steps=16)


def test_silent_phrases_are_not_among_those_that_could_be_copies():
    # CD E | - | - | CD E: phrases CD E (a copy), E -, silence, - CD, CD E (a copy): 2 of 4.
    training = TrainingBars.of_pieces([piece_of_bars([60, 62], [64])], n_steps=16)
    piece = piece_of_bars([60, 62], [64], [], [], [60, 62], [64])
    assert measure_pieces([piece], n_steps=16, training=training)["copied_phrases"] == [50]


def test_without_real_music_an_overlap_is_unknown_and_has_one_column(pieces):
    for name, row in compare(pieces, [], n_steps=16).measures.items():
        if name.startswith("overlap"):
            assert list(row) == ["generated"]
            assert math.isnan(row["generated"].mean)


def test_a_table_of_which_not_all_is_searched_is_the_same_again(pieces, monkeypatch):
    training = TrainingBars.of_pieces(pieces[:5], n_steps=16)
    monkeypatch.setattr(by_piece, "nearest_distances", partial(nearest_distances, most=(5, 99)))
    first, again = (
        compare(pieces, pieces[:3], n_steps=16, training_bars=training).values["nearest_bar"]
        for _ in range(2)
    )
    assert 0 < np.isfinite(first).sum() <= 5
    assert np.array_equal(first, again, equal_nan=True)
