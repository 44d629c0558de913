import numpy as np
import symusic

from nextbar import measures
from nextbar.measures.pieces import Piece, bars_of_pieces, reference_windows

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
