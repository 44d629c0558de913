"""How near a bar is to those of the training tunes, and a piece beside real ones."""

import math

import numpy as np

from nextbar.measures.beside import beside_real, real_values
from nextbar.measures.nearness import KnownBars
from nextbar.measures.pieces import Piece
from nextbar.music.bars import BAR_NOTE, cut_at_bar_lines

from ..music.midi_files import make_notes

BARS = cut_at_bar_lines(
    make_notes(
        (0, 4, 60, 80), (4, 4, 62, 80), (8, 4, 64, 80),  # bar 0
        (16, 4, 60, 80), (20, 4, 62, 80), (24, 8, 67, 80),  # bar 1
    ),
    n_steps=16,
    n_bars=3,
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
    beside = {row.name: row for row in beside_real(piece, values, n_steps=16, training=None)}
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
