"""Small files of kinds that went wrong in neighbouring tools, where they are at hand."""

import numpy as np
import pytest

from nextbar.music.midi import parse_tunes
from nextbar.music.options import CorpusOptions
from nextbar.music.prepare import find_music_files
from nextbar.music.reading import read_tune

from ..shared_data import shared_data


def read(name, **options):
    tune = options.pop("tune", None)
    return read_tune(shared_data("hard-files") / name, options=CorpusOptions(**options), tune=tune)


def rows(piece):
    """(start, duration, pitch) in quarters."""
    grid, steps = piece.grid.notes, 4
    return [(n["start"] / steps, n["duration"] / steps, int(n["pitch"])) for n in grid]


SCALE = [60, 62, 64, 65, 67, 69, 71, 72]


def test_grace_notes_and_ties():
    piece = read("grace_ties.musicxml")
    # Ties over bar lines: 3 quarters of F, 7 of G; the grace note is left out and told.
    assert rows(piece) == [
        (0, 1, 72), (1, 1, 74), (2, 1, 76), (3, 3, 77), (6, 7, 79), (13, 1, 74), (14, 1, 72),
        (15, 1, 71),
    ]  # fmt: skip
    assert sum(piece.left_out.values()) == 1


def test_notes_of_no_length():
    assert rows(read("off_before_on.mid")) == [(0, 1, 72), (16, 1, 71)]
    piece = read("zero_dur.mid")
    assert {duration for _, duration, _ in rows(piece)} == {1}
    assert 73 not in [pitch for _, _, pitch in rows(piece)]
    assert sum(piece.left_out.values()) == 8


def test_a_program_that_changes():
    assert [p for _, _, p in rows(read("progchange.mid", track="melody"))][:8] == SCALE
    assert len(rows(read("progchange.mid", track="melody"))) == 16
    assert {pitch for _, _, pitch in rows(read("progchange.mid", track=2))} == {40}


def test_transposing_instruments():
    flute, clarinet = (read("flute_clarinet.musicxml", track=i) for i in (1, 2))
    assert rows(flute) == rows(clarinet)
    assert {pitch for _, _, pitch in rows(flute)} == {72}


def test_metres():
    pickup = read("pickup_last34.mid")
    assert (pickup.metre, pickup.n_bars) == ((4, 4), 5)
    assert [start for start, _, _ in rows(pickup)] == list(range(3, 19))
    assert read("countin44_then34.mid").metre == (3, 4)
    assert read("own34.mid").metre == (3, 4)


def test_the_tune_that_is_read_is_named_and_can_be_chosen():
    for name in ("jig_then_reel.abc", "type2.mid"):
        first, second = read(name, tune=1), read(name, tune=2)
        assert (first.metre, second.metre) == ((6, 8), (4, 4))
        assert read(name, metre="4/4").name == f"{name}#2"
        assert second.tracks == read(name, metre="4/4").tracks


def test_encodings():
    assert len(rows(read("utf16.musicxml"))) == 20
    piece = read("sjis.mid", track="メロディ")
    assert (piece.instruments, len(rows(piece))) == (("ピアノ\u3000メロディ",), 16)


def test_notes_that_never_end():
    piece = read("hanging.mid", min_bars=1)
    assert rows(piece)[-2:] == [(7, 1, 48), (7, 1, 72)]
    assert sum(piece.left_out.values()) == 2


def test_a_pedal_that_is_never_let_go():
    path = shared_data("hard-files") / "pedal_open.mid"
    [tune], _ = parse_tunes(path.read_bytes(), name=path.name)
    notes = tune.notes_of(pedal=True)
    ends = notes["time"] + notes["duration"]
    assert set(ends[notes["time"] >= 1920].tolist()) == {tune.score.end()}


def test_every_ending_that_can_be_read_is():
    folder = shared_data("hard-files")
    found = find_music_files(folder)
    assert found.ignored == {".md": 1}
    assert len(rows(read("karaoke.kar"))) > 0


def test_what_is_gone_on_from():
    piece = read("own72.mid")
    programs = [part.track.program for part in piece.tune.pitched]
    assert (round(piece.tempo), programs, piece.instruments) == (72, [73], ("Flute",))
    assert read("starts_bar33.mid").n_silent_bars == 32
    assert (read("two_hands.mid", track=1).instruments) == ("Piano",)


def test_ties_and_chord_symbols_of_abc():
    assert [p for s, _, p in rows(read("tie_end.abc")) if s in (6, 12)] == [79, 79]
    assert [pitch for _, _, pitch in rows(read("chords.abc"))] == [72, 76, 79, 76, 81]


def test_triplets():
    piece = read("triplets.mid")
    assert piece.fitting_steps == 12
    fine = read("triplets.mid", steps_per_quarter=piece.fitting_steps)
    assert np.diff(fine.grid.notes["start"]).tolist() == [4] * 47


@pytest.mark.parametrize("name", ["stray.mid"])
def test_a_note_an_hour_away_is_read_as_it_stands(name):
    assert read(name).n_bars > 1_000
