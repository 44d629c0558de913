"""What a piece that was read says of itself."""

from dataclasses import replace

import pytest

from nextbar.music.metre import codes_of
from nextbar.music.options import CorpusOptions
from nextbar.music.read_piece import MOST_CHANGES, describe_piece, show_scale
from nextbar.music.reading import read_tune
from nextbar.music.tunes import FoundBeats

from .midi_files import make_notes, midi, track, tune_bytes


@pytest.fixture
def piece(tmp_path):
    """Four bars of quarters."""
    (tmp_path / "a.mid").write_bytes(tune_bytes(n_bars=4))
    return read_tune(tmp_path / "a.mid", options=CorpusOptions())


def test_a_scale_is_named_by_its_major_key_and_the_minor_one_of_the_same_notes():
    # G major comes to C five semitones up, F major seven; of both the minor key is three below.
    shown = [show_scale(semitones) for semitones in (0, 5, 7, -7, 2)]
    assert shown == ["C/Am", "G/Em", "F/Dm", "G/Em", "Bb/Gm"]


def test_changes_of_metre_are_listed_up_to_two_dozen(piece):
    metres = [(4, 4), (3, 4)] * MOST_CHANGES
    for n_changes in (MOST_CHANGES, MOST_CHANGES + 1):
        changing = replace(piece, codes=codes_of(metres[: n_changes + 1]))
        said = describe_piece(changing, CorpusOptions())
        assert sorted(said["metres"]) == ["3/4", "4/4"]
        listed = [[bar, "4/4" if bar % 2 else "3/4"] for bar in range(1, n_changes + 2)]
        assert said.get("changes") == (listed if n_changes == MOST_CHANGES else None)


def test_the_tempo_curve_of_a_passage_is_that_of_its_own_bars(piece):
    found = FoundBeats(sure=None, tempo=100.0, curve=(90, 91, 92, 93, 94, 95, 96))
    passage = replace(
        piece,
        tune=replace(piece.tune, beats=found),
        first_bar=2,
        codes=codes_of([(4, 4)] * 3),
    )
    assert describe_piece(passage, CorpusOptions())["tempo_curve"] == [92, 93, 94]


def test_a_step_is_a_part_of_a_quarter_or_the_eighth_of_a_second_whatever_the_tempo(piece):
    for options, expected in (
        (CorpusOptions(), 37.5),  # a quarter is 600 ms, a sixteenth 150
        (CorpusOptions(steps_per_quarter=8), 18.75),
        (CorpusOptions(grid="seconds"), 31.25),
    ):
        slower = replace(piece, tempo=100.0, grid=replace(piece.grid, mean_shift_steps=0.25))
        assert describe_piece(slower, options)["off_grid_ms"] == expected


def test_the_metres_of_a_piece_begin_with_that_of_most_bars_and_are_not_of_the_seconds_grid(piece):
    changing = replace(piece, codes=codes_of([(3, 4), (4, 4), (4, 4), (3, 4), (4, 4)]))
    assert describe_piece(changing, CorpusOptions())["metres"] == ["4/4", "3/4"]
    assert changing.metre == (4, 4)
    in_seconds = describe_piece(changing, CorpusOptions(grid="seconds"))
    assert not {"metres", "changes"} & in_seconds.keys()


@pytest.mark.parametrize(("first", "n_silent"), [(0, 0), (31, 1), (32, 2), (33, 2)])
def test_bars_are_silent_up_to_the_one_in_which_the_first_note_begins(piece, first, n_silent):
    notes = make_notes((first, 4, 60, 80), (48, 4, 62, 80))  # bars of 16 steps
    assert replace(piece, grid=replace(piece.grid, notes=notes)).n_silent_bars == n_silent


def test_all_tracks_can_be_chosen_whichever_was(tmp_path):
    quarters = [(480 * nth, 480, 60 + nth, 80) for nth in range(8)]
    parts = [track(quarters[:n], name=name) for name, n in (("air", 8), ("bass", 5))]
    (tmp_path / "two.mid").write_bytes(midi(*parts))
    second = read_tune(tmp_path / "two.mid", options=CorpusOptions(track=2))
    assert second.tracks == (("air", 8), ("bass", 5))
    assert second.instruments == ("bass",)
