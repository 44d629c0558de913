"""What a piece that was read says of itself."""

from dataclasses import replace

import pytest

from nextbar.music.metre import codes_of
from nextbar.music.options import CorpusOptions
from nextbar.music.read_piece import MOST_CHANGES, describe_piece, show_scale
from nextbar.music.reading import read_tune
from nextbar.music.tunes import FoundBeats

from .midi_files import tune_bytes


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
