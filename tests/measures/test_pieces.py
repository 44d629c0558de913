import numpy as np
import symusic

from nextbar import measures
from nextbar.measures.pieces import (
    Piece,
    bars_of_pieces,
    pitches_at_once,
    reference_windows,
    sounding_notes,
    sum_by_piece,
)
from nextbar.music.bars import NOTE

from .small_pieces import make_notes, piece_of_bars, random_piece


def test_pieces_are_laid_end_to_end_and_nothing_rings_into_the_next():
    first = Piece(make_notes([(12, 9, 60, 90), (16, 1, 61, 90)]), 1)  # beyond its one bar
    bar_notes, index = bars_of_pieces([first, piece_of_bars([62], [64])], n_steps=16)
    assert index.tolist() == [0, 1, 2, 3]
    assert bar_notes["pitch"].tolist() == [60, 62, 64]
    assert bar_notes["duration"].tolist() == [4, 1, 1]
    assert first.notes["duration"].tolist() == [9, 1]  # the caller's notes are untouched


def test_no_pieces_have_no_bars():
    bar_notes, index = bars_of_pieces([], n_steps=16)
    assert len(bar_notes) == 0
    assert index.tolist() == [0]


def test_windows_do_not_overlap_and_leave_out_the_rest():
    tune = piece_of_bars([60], [61], [62], [63], [64])._replace(name="tune")
    windows = reference_windows([tune, piece_of_bars([70])], n_bars=2, n_steps=16)
    assert [window.notes["pitch"].tolist() for window in windows] == [[60, 61], [62, 63]]
    assert [window.notes["start"].tolist() for window in windows] == [[0, 16], [0, 16]]
    assert [window.n_bars for window in windows] == [2, 2]
    assert [window.name for window in windows] == ["tune from bar 1", "tune from bar 3"]


def test_a_note_over_a_windows_edge_is_a_note_in_both():
    held = Piece(make_notes([(10, 40, 60, 90)]), 4)  # steps 10-49; windows are 32 steps
    first, second = reference_windows([held], n_bars=2, n_steps=16)
    # 10-31 is 22 steps, over a bar line but one note; 32-49 is 18 steps from the beginning.
    assert first.notes[["start", "duration"]].tolist() == [(10, 22)]
    assert second.notes[["start", "duration"]].tolist() == [(0, 18)]


def test_cutting_windows_again_changes_nothing():
    piece = random_piece(np.random.default_rng(0), n_notes=60, n_bars=12)
    windows = reference_windows([piece], n_bars=4, n_steps=16)
    again = reference_windows(windows, n_bars=4, n_steps=16)
    assert len(windows) == 3
    assert all((a.notes == b.notes).all() for a, b in zip(windows, again, strict=True))


def test_a_window_of_silence_is_kept():
    windows = reference_windows([piece_of_bars([], [], [60], [62])], n_bars=2, n_steps=16)
    assert [len(window.notes) for window in windows] == [0, 2]


def test_any_score_can_be_measured_with_drums_left_out_and_its_bars_counted():
    score = symusic.Score(480)
    for is_drum, pitch in ((False, 60), (True, 38)):
        track = symusic.Track(is_drum=is_drum)
        track.notes.append(symusic.Note(480 * 4, 480, pitch, 90))  # the first beat of bar 2
        score.tracks.append(track)
    piece = measures.piece_of_score(score)
    assert piece.notes.tolist() == [(16, 4, 60, 90)]
    assert piece.n_bars == 2
    assert measures.empty_bars(piece, n_steps=16) == 50
    assert measures.piece_of_score(symusic.Score(480)).n_bars == 0


def test_every_exported_measure_exists_and_is_documented():
    for name in measures.__all__:
        assert getattr(measures, name).__doc__, name


def test_pitches_at_once_are_counted_where_any_sounds():
    # C 0-3 and again 2-5; E 3; rest; G 10-11: steps 0-5 and 10-11.
    notes = make_notes([(0, 4, 60, 90), (2, 4, 60, 90), (3, 1, 64, 90), (10, 2, 67, 90)])
    assert pitches_at_once(notes).tolist() == [1, 1, 1, 2, 1, 1, 1, 1]
    assert pitches_at_once(make_notes([])).tolist() == []
    # The highest pitch of one step and the lowest of the next are two steps.
    edge = make_notes([(0, 1, 127, 90), (1, 1, 0, 90)])
    assert pitches_at_once(edge).tolist() == [1, 1]


def test_sums_by_piece_have_a_place_for_pieces_without_a_value():
    values, piece = np.array([1.5, 2, 4]), np.array([2, 0, 2])
    assert sum_by_piece(values, piece, 4).tolist() == [2, 0, 5.5, 0]
    counted = sum_by_piece(np.array([True, False, True]), piece, 3)
    assert counted.tolist() == [0, 0, 2]
    assert counted.dtype == np.float64


def test_a_score_has_the_bars_and_the_grid_that_it_is_said_to_have():
    score = symusic.Score(480)
    for name, pitches in (("low", (40, 41)), ("high", (80,))):
        track = symusic.Track(name)
        for i, pitch in enumerate(pitches):
            track.notes.append(symusic.Note(480 * 3 * i, 480, pitch, 90))
        score.tracks.append(track)
    # In 3/4 of eighths: 6 steps a bar, 2 a quarter. The last note begins with bar 2.
    piece = measures.piece_of_score(score, n_steps=6, steps_per_quarter=2, track=1)
    assert piece.notes.tolist() == [(0, 2, 40, 90), (6, 2, 41, 90)]
    assert piece.n_bars == 2
    # All tracks, by default 16 steps a bar and 4 a quarter: steps 0-3, 12-15 are one bar.
    piece = measures.piece_of_score(score)
    assert piece.notes.tolist() == [(0, 4, 40, 90), (0, 4, 80, 90), (12, 4, 41, 90)]
    assert piece.n_bars == 1
    # A note that ends a step behind a bar line makes another bar.
    score.tracks[1].notes.append(symusic.Note(480 * 4, 120, 80, 90))
    assert measures.piece_of_score(score).n_bars == 2
    nothing = measures.piece_of_score(symusic.Score(480))
    assert nothing.notes.tolist() == []
    assert nothing.notes.dtype == NOTE
    assert nothing.n_bars == 0


def test_heard_notes_keep_their_order_where_they_begin_together():
    notes = make_notes([(4, 1, 60, 90), (0, 1, 72, 11), (0, 1, 64, 90), (0, 1, 50, 10)])[::-1]
    assert sounding_notes(notes)["pitch"].tolist() == [72, 64, 60]


def test_a_piece_as_long_as_a_window_is_the_window_with_nothing_given():
    piece = piece_of_bars([60], [62])._replace(n_given_bars=1, name="tune")
    [window] = reference_windows([piece], n_bars=2, n_steps=16)
    assert window.n_given_bars == 0
    assert window.name == "tune"
    assert window.notes.tolist() == piece.notes.tolist()
    longer = piece_of_bars([60], [62], [64])._replace(n_given_bars=2)
    [window] = reference_windows([longer], n_bars=2, n_steps=16)
    assert window.n_given_bars == 0
    assert window.name == "from bar 1"
    # The last whole window counts, and the pieces behind a piece of just that length.
    windows = reference_windows([piece, longer, piece], n_bars=1, n_steps=16)
    assert [w.notes["pitch"].tolist() for w in windows] == [
        [60],
        [62],
        [60],
        [62],
        [64],
        [60],
        [62],
    ]


def test_bars_of_later_pieces_stand_behind_those_of_earlier_ones_in_any_grid():
    pieces = [piece_of_bars([60], n_steps=12), Piece(make_notes([(11, 4, 64, 90)]), 2)]
    bar_notes, index = bars_of_pieces(pieces, n_steps=12)
    assert index.tolist() == [0, 1, 2, 3]
    rows = bar_notes[["start", "duration", "pitch", "tied"]].tolist()
    assert rows == [(0, 1, 60, False), (11, 1, 64, False), (0, 3, 64, True)]


def test_the_order_of_very_many_notes_that_begin_together_is_kept():
    pitches = np.random.default_rng(0).permutation(128)
    notes = np.array([(i % 2, 1, pitch, 90) for i, pitch in enumerate(pitches)], NOTE)
    heard = sounding_notes(notes)
    assert heard["pitch"].tolist() == [*pitches[::2], *pitches[1::2]]
