"""How near a bar is to those of the training tunes, and a piece beside real ones."""

import math
from functools import partial

import numpy as np

from nextbar.measures import by_piece
from nextbar.measures.bands import ranges_of
from nextbar.measures.beside import beside_real, real_values
from nextbar.measures.copying import TrainingBars, nearest_distances
from nextbar.measures.nearness import KnownBars
from nextbar.measures.pieces import Piece
from nextbar.music.bars import BAR_NOTE, cut_at_bar_lines, equal_bars

from ..music.midi_files import make_notes
from .small_pieces import random_piece

BARS = cut_at_bar_lines(
    make_notes(
        (0, 4, 60, 80), (4, 4, 62, 80), (8, 4, 64, 80),  # bar 0
        (16, 4, 60, 80), (20, 4, 62, 80), (24, 8, 67, 80),  # bar 1
    ),
    equal_bars(3, 16),
)  # fmt: skip


def bar(*rows):
    return np.array([(*row, False) for row in rows], BAR_NOTE)


def test_nearness_is_the_share_of_notes_in_both_of_those_in_either():
    known = KnownBars(*BARS)
    two_of_bar_0 = bar((4, 4, 62, 80), (8, 4, 64, 80), (12, 4, 65, 80))
    assert known.nearest(two_of_bar_0) == (2 / 4, 0)
    assert known.nearest(bar((0, 4, 60, 50), (4, 4, 62, 99), (8, 8, 67, 80))) == (1.0, 1)


def test_a_bar_that_shares_no_note_is_near_to_none_and_silence_has_no_nearness():
    known = KnownBars(*BARS)
    assert known.nearest(bar((0, 3, 60, 80))) == (0.0, -1)
    nearness, number = known.nearest(bar((0, 4, 60, 10)))  # velocity 10 is not heard
    assert math.isnan(nearness)
    assert number == -1


def test_a_piece_stands_beside_the_range_of_real_windows_of_its_length():
    rows = [(4 * i, 4, 60 + i % 3, 80) for i in range(32)]
    real = [Piece(make_notes(*rows[: 16 * n]), 4 * n) for n in (1, 2)]
    values = real_values(real, n_bars=4, n_steps=16, training=None)
    assert len(values["notes"]) == 3  # one window of 4 bars, and two of 8 bars
    piece = Piece(make_notes((0, 4, 60, 80), (4, 4, 72, 80)), 4)
    beside = {
        row.name: row for row in beside_real(piece, ranges_of(values), n_steps=16, training=None)
    }
    assert beside["notes"][4:] == (2, 16, 16, 16)
    assert beside["tone_span"][4:] == (12, 2, 2, 2)
    assert beside["empty_bars"].value == 75
    assert "diversity" not in beside
    assert math.isnan(beside["copied_bars"].value)


def test_without_real_music_of_that_length_there_is_no_range():
    assert real_values([], n_bars=4, n_steps=16, training=None) == {}
    piece = Piece(make_notes((0, 4, 60, 80)), 4)
    row = beside_real(piece, {}, n_steps=16, training=None)[0]
    assert row.value == 1
    assert math.isnan(row.low)


def test_notes_in_either_are_counted_once_and_silent_bars_have_a_number_too():
    # A silent bar first and last: the known bar is number 1.
    bars = cut_at_bar_lines(
        make_notes((16, 4, 60, 80), (20, 4, 62, 80)), equal_bars(3, 16)
    )  # fmt: skip
    known = KnownBars(*bars)
    doubled = bar((0, 4, 60, 80), (0, 4, 60, 20), (8, 4, 64, 80))
    assert known.nearest(doubled) == (1 / 3, 1)  # 60 of 60, 62, 64
    # 3 in common of 4 are more than 2 of 2 are of 4: the share counts, not the number.
    bars = cut_at_bar_lines(
        make_notes(
            *[(i, 1, 60 + i, 80) for i in range(12)],
            *[(16 + i, 1, 60 + i, 80) for i in range(2)],
        ),
        equal_bars(2, 16),
    )  # fmt: skip
    three = bar((0, 1, 60, 80), (1, 1, 61, 80), (2, 1, 62, 80))
    assert KnownBars(*bars).nearest(three) == (2 / 3, 1)  # against 3 / 12


def test_of_equally_near_bars_the_first_is_named():
    bars = cut_at_bar_lines(make_notes((16, 4, 60, 80), (32, 4, 60, 80)), equal_bars(3, 16))
    assert KnownBars(*bars).nearest(bar((0, 4, 60, 80))) == (1.0, 1)


def test_the_range_is_the_middle_nine_tenths_of_what_was_measured():
    values = {"notes": np.array([math.nan, *range(101)])}
    piece = Piece(make_notes((0, 4, 60, 80)), 4)
    [row] = [
        each for each in beside_real(piece, ranges_of(values), n_steps=16, training=None)
        if each.name == "notes"
    ]  # fmt: skip
    assert row[4:] == (1, 5, 50, 95)
    assert row.label == "notes in a piece"


def test_copies_are_looked_for_among_the_training_bars_on_both_sides(monkeypatch):
    rng = np.random.default_rng(0)
    pieces = [random_piece(rng, n_bars=4) for _ in range(12)]
    training = TrainingBars.of_pieces(pieces[:6], n_steps=16)
    real = real_values(pieces, n_bars=4, n_steps=16, training=training)
    assert real["copied_bars"].tolist() == [100] * 6 + [0] * 6
    [row] = [
        each for each in beside_real(pieces[0], ranges_of(real), n_steps=16, training=training)
        if each.name == "copied_bars"
    ]  # fmt: skip
    assert row[4:] == (100, 0, 50, 100)
    # Where not all can be searched, the same are drawn each time.
    few = partial(nearest_distances, most=(3, 10))
    monkeypatch.setattr(by_piece, "nearest_distances", few)
    drawn = [real_values(pieces, n_bars=4, n_steps=16, training=training) for _ in range(2)]
    assert np.isfinite(drawn[0]["nearest_bar"]).sum() <= 3
    assert np.array_equal(drawn[0]["nearest_bar"], drawn[1]["nearest_bar"], equal_nan=True)
    rows = [beside_real(pieces[7], {}, n_steps=16, training=training) for _ in range(2)]
    values = [[each.value for each in row] for row in rows]
    assert np.array_equal(*values, equal_nan=True)


def test_bars_behind_the_last_that_shares_a_note_are_known_too():
    bars = cut_at_bar_lines(
        make_notes((0, 4, 60, 80), (16, 4, 62, 80), (32, 4, 64, 80)), equal_bars(3, 16)
    )
    assert KnownBars(*bars).nearest(bar((0, 4, 62, 80))) == (1.0, 1)
