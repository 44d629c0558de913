import dataclasses
import json
import math
from functools import partial

import numpy as np
import pytest

from nextbar.errors import UsageError
from nextbar.measures import paper, table
from nextbar.measures.coherence import coherence
from nextbar.measures.copying import TrainingBars
from nextbar.measures.paper import diversity
from nextbar.measures.pieces import Piece
from nextbar.measures.table import MEANINGS, Interval, Report, compare, measure_pieces

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
    "copied_bars",
    "copied_phrases",
    "nearest_bar",
    "nearest_phrase",
    "empty_bars",
    "polyphony",
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
def report(pieces, tunes):
    training = TrainingBars.of_pieces(pieces[:20], n_steps=16)
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


def test_the_same_seed_gives_the_same_report(report, pieces, tunes):
    training = TrainingBars.of_pieces(pieces[:20], n_steps=16)
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
    without_real_music = {name for name in NAMES if name.startswith(("overlap", "copied", "near"))}
    assert names == set(NAMES) - without_real_music


def test_few_pieces_and_silent_ones_are_said_aloud(tunes):
    generated = [tune([60, 62, 64])] * 3
    few = [Piece(notes, 5) for notes in generated] + [Piece(make_notes([]), 5)]
    notes = "\n".join(compare(few, tunes, n_steps=16).notes)
    assert "generated: only 4 pieces" in notes
    assert "generated: 1 of 4 pieces have no sounding note" in notes
    assert "reference: only" not in notes


def test_enough_pieces_need_no_excuse(report):
    assert not any("only" in note for note in report.notes)


def test_a_drawn_diversity_is_said_aloud(pieces, tunes, monkeypatch):
    few = partial(paper.edit_distances, max_pieces=30)
    monkeypatch.setattr(table, "edit_distances", few)
    notes = compare(pieces, tunes, n_steps=16).notes
    assert "generated: diversity is of 30 pieces drawn from 40, all their pairs compared" in notes


def test_one_piece_gives_means_but_no_diversity(tunes):
    report = compare([piece_of_bars([60], [62])], tunes, n_steps=16)
    assert report.measures["notes"]["generated"] == Interval(2, 2, 2)
    assert math.isnan(report.measures["diversity"]["generated"].mean)
    assert math.isnan(report.measures["coherence"]["generated"].mean)


def test_what_cannot_be_compared_is_refused_with_what_to_do(pieces, tunes):
    with pytest.raises(UsageError, match="generated: there is no piece"):
        compare([], tunes, n_steps=16)
    with pytest.raises(UsageError, match=r"pieces of 2 to 5 bars.*one length"):
        compare([*pieces, piece_of_bars([60], [62])], tunes, n_steps=16)
    with pytest.raises(UsageError, match="none of the 1 pieces is 5 bars long"):
        compare(pieces, [piece_of_bars([60])], n_steps=16)


def test_a_report_cannot_be_changed(report):
    assert isinstance(report, Report)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.n_generated = 1


def test_without_a_reference_its_column_is_left_out():
    report = compare([piece_of_bars([60], [62])], [], n_steps=16)
    assert report.measures["tone_span"].keys() == {"generated", "chance"}
    assert report.with_notes(["first"]).notes[0] == "first"
