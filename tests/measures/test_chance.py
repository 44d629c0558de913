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


def test_pitches_and_starts_are_uniform_and_the_rest_is_dealt_each_by_itself():
    # Loud notes are long and low in the frame; in the random piece nothing goes with anything.
    rows = [(0, 4, 60, 100)] * 1000 + [(16, 1, 63, 50)] * 1000
    frame = Piece(make_notes(rows), 4, "tune", 1)
    [drawn] = chance_pieces([frame], n_steps=16, rng=np.random.default_rng(0))
    assert drawn.name == "tune"
    assert drawn.n_given_bars == 1
    notes = drawn.notes
    assert np.bincount(notes["pitch"])[60:] == pytest.approx([500] * 4, abs=70)
    assert np.bincount(notes["start"]) == pytest.approx([2000 / 64] * 64, abs=25)
    is_loud = notes["velocity"] == 100
    assert is_loud.sum() == 1000
    within = notes["start"] <= 60  # where a long note is not cut
    assert (notes["duration"][within] == 4).mean() == pytest.approx(0.5, abs=0.05)
    loud, soft = notes[is_loud], notes[~is_loud]
    assert loud["pitch"].mean() == pytest.approx(soft["pitch"].mean(), abs=0.2)
    assert loud["duration"].mean() == pytest.approx(soft["duration"].mean(), abs=0.25)


def test_faint_notes_lend_nothing_to_the_random_ones():
    frame = Piece(make_notes([(0, 1, 60, 90), (0, 1, 61, 90), (0, 9, 100, 10)]), 1)
    [drawn] = chance_pieces([frame], n_steps=16, rng=np.random.default_rng(0))
    assert len(drawn.notes) == 2
    assert drawn.notes["pitch"].max() <= 61
    assert drawn.notes["duration"].tolist() == [1, 1]
