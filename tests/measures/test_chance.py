import numpy as np
import pytest

from nextbar.measures.chance import chance_pieces
from nextbar.measures.paper import note_ons, scale_consistency, tone_span
from nextbar.measures.pieces import Piece

from .small_pieces import N_STEPS, make_notes, random_piece


@pytest.fixture
def pieces():
    rng = np.random.default_rng(2)
    return [random_piece(rng) for _ in range(50)]


def test_random_notes_keep_count_range_velocities_and_length(pieces):
    drawn = chance_pieces(pieces, n_steps=N_STEPS, rng=np.random.default_rng(0))
    for piece, chance in zip(pieces, drawn, strict=True):
        assert chance.n_bars == piece.n_bars
        assert len(chance.notes) == len(piece.notes)
        assert chance.notes["pitch"].min() >= piece.notes["pitch"].min()
        assert chance.notes["pitch"].max() <= piece.notes["pitch"].max()
        assert sorted(chance.notes["velocity"]) == sorted(piece.notes["velocity"])
        ends = chance.notes["start"] + chance.notes["duration"]
        assert ends.max() <= piece.n_bars * N_STEPS
        assert chance.notes["duration"].min() >= 1
        assert (np.diff(chance.notes["start"]) >= 0).all()


def test_both_ends_of_the_range_and_all_steps_are_drawn():
    frame = Piece(make_notes([(0, 1, 60, 90)] * 500 + [(0, 1, 62, 90)] * 500), 1)
    [drawn] = chance_pieces([frame], n_steps=16, rng=np.random.default_rng(0))
    assert set(drawn.notes["pitch"].tolist()) == {60, 61, 62}
    assert set(drawn.notes["start"].tolist()) == set(range(16))


def test_only_a_note_that_would_ring_beyond_the_piece_is_cut():
    frame = Piece(make_notes([(0, 5, 60, 90)] * 300), 2)
    [drawn] = chance_pieces([frame], n_steps=16, rng=np.random.default_rng(0))
    assert drawn.notes["duration"].tolist() == np.minimum(5, 32 - drawn.notes["start"]).tolist()


def test_notes_that_are_not_heard_are_not_counted_and_silence_stays():
    silent = Piece(make_notes([(0, 1, 60, 10)]), 3, "rest")
    [drawn] = chance_pieces([silent], n_steps=16, rng=np.random.default_rng(0))
    assert len(drawn.notes) == 0
    assert drawn.n_bars == 3


def test_the_same_generator_state_gives_the_same_notes(pieces):
    first, again, other = (
        chance_pieces(pieces, n_steps=N_STEPS, rng=np.random.default_rng(seed))
        for seed in (5, 5, 6)
    )
    assert all((a.notes == b.notes).all() for a, b in zip(first, again, strict=True))
    assert any((a.notes != b.notes).any() for a, b in zip(first, other, strict=True))


def test_25_random_notes_in_14_semitones_reach_a_scale_consistency_of_76():
    # The figure that was measured independently of this code is 76.2.
    frame = [(i, 1, p, 90) for i, p in enumerate([60, 74] + [65] * 23)]
    pieces = chance_pieces(
        [Piece(make_notes(frame), 5)] * 2000, n_steps=16, rng=np.random.default_rng(0)
    )
    pitches = [note_ons(piece.notes).pitches for piece in pieces]
    assert np.mean([scale_consistency(p) for p in pitches]) == pytest.approx(76.2, abs=0.5)
    assert max(tone_span(p) for p in pitches) == 14
