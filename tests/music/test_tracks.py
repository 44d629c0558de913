"""Which notes of a file are taken: melody, pedal, patterns of their own."""

import mido
import numpy as np
import pytest

from nextbar.music.grid import quantise_to_metre
from nextbar.music.midi import parse_tunes
from nextbar.music.tunes import choose_notes

from .midi_files import make_notes, midi, only_tune, track
from .prepared import prepare


def melody_of(*tracks):
    notes = choose_notes(only_tune(midi(*tracks)).score, "melody")
    return sorted(set(notes["pitch"].tolist()))


def line(pitch, n_notes=8, **named):
    """Notes of a quarter, one at a time."""
    return track([(480 * i, 480, pitch, 90) for i in range(n_notes)], **named)


def chords(*pitches, n_notes=8, **named):
    return track([(480 * i, 480, p, 90) for i in range(n_notes) for p in pitches], **named)


def test_a_track_named_melody_is_the_melody_whatever_it_plays():
    assert melody_of(line(80), chords(40, 44, name="My Melody 1")) == [40, 44]


def test_other_names_for_a_melody_count_in_their_order():
    assert melody_of(line(80, name="solo"), line(50, channel=1, name="Vocals")) == [50]
    assert melody_of(line(80), line(50, channel=1, name="Soprano")) == [50]


def test_without_a_name_the_highest_track_that_plays_one_note_at_a_time_is_the_melody():
    parts = (line(40), line(60, channel=1), chords(70, 74, 77, channel=2))
    assert melody_of(*parts) == [60]


def test_a_few_notes_on_top_are_no_melody():
    assert melody_of(line(60, 20), line(90, 4, channel=1)) == [60]
    assert melody_of(line(60, 20), line(90, 5, channel=1)) == [90]  # a quarter as many


def test_where_all_tracks_play_chords_the_highest_is_the_melody():
    assert melody_of(chords(40, 44), chords(60, 64, channel=1)) == [60, 64]


def test_the_melody_can_be_asked_for_by_the_corpus(tmp_path):
    (tmp_path / "in").mkdir()
    data = midi(chords(48, 52, 55), line(72, channel=1))
    (tmp_path / "in" / "a.mid").write_bytes(data)
    corpus = prepare(tmp_path / "in", tmp_path / "out", track="melody")
    assert set(corpus.bar_notes["pitch"].tolist()) == {72}


def pedal(*events):
    """A track of (tick, value) of the sustain pedal, to be merged with notes."""
    return [
        (tick, mido.Message("control_change", control=64, value=value)) for tick, value in events
    ]


def piano(notes, events, channel=0):
    """A track of notes (start, duration, pitch) and pedal events."""
    timed = [(tick, 2, message.copy(channel=channel)) for tick, message in pedal(*events)]
    for start, duration, pitch in notes:
        on = mido.Message("note_on", note=pitch, velocity=90, channel=channel)
        off = mido.Message("note_off", note=pitch, channel=channel)
        timed += [(start, 1, on), (start + duration, 0, off)]
    now, part = 0, mido.MidiTrack()
    for tick, _, message in sorted(timed, key=lambda event: event[:2]):
        part.append(message.copy(time=tick - now))
        now = tick
    return part


def held(*tracks):
    tune = only_tune(midi(*tracks))
    notes = tune.notes_of(pedal=True)
    ends = notes["time"] + notes["duration"]
    return sorted(zip(notes["pitch"].tolist(), ends.tolist(), strict=True))


def test_a_note_that_ends_under_the_pedal_lasts_until_it_is_let_go():
    part = piano([(0, 240, 60), (480, 240, 64), (1920, 240, 67)], [(100, 127), (960, 0)])
    assert held(part) == [(60, 960), (64, 960), (67, 2160)]


def test_a_pedal_does_not_hold_what_ended_before_it():
    assert held(piano([(0, 240, 60)], [(300, 127), (960, 0)])) == [(60, 240)]


def test_a_pedal_of_one_track_holds_both_hands_but_two_pedals_hold_their_own():
    right, left = [(0, 240, 72)], [(0, 240, 48)]
    assert held(piano(right, [(0, 127), (960, 0)]), piano(left, [], 1)) == [(48, 960), (72, 960)]
    both = (piano(right, [(0, 127), (960, 0)]), piano(left, [(0, 127), (480, 0)], 1))
    assert held(*both) == [(48, 480), (72, 960)]


def test_under_the_pedal_a_repeated_note_still_ends_the_one_before(tmp_path):
    (tmp_path / "in").mkdir()
    part = piano([(0, 120, 60), (480, 120, 60)], [(0, 127), (3840, 0)])
    (tmp_path / "in" / "a.mid").write_bytes(midi(part))
    corpus = prepare(tmp_path / "in", tmp_path / "out", pedal=True)
    assert np.array_equal(corpus.notes(0, 2), make_notes((0, 4, 60, 90), (4, 28, 60, 90)))
    for grid in ("metre", "seconds"):
        dry = prepare(tmp_path / "in", tmp_path / "dry", grid=grid, min_bars=1)
        assert dry.notes(0, 1)["duration"].tolist() == [1, 1]


def type_two(*tracks):
    data = bytearray(midi(*tracks))
    data[9] = 2
    return bytes(data)


def test_each_track_of_a_file_of_type_two_is_a_piece_of_its_own():
    tunes, errors = parse_tunes(type_two(line(60), line(64)), name="two.mid")
    # mido writes a track for the tempo only if there is one; these are the two patterns.
    assert [tune.name for tune in tunes] == ["two.mid#1", "two.mid#2"]
    assert not errors
    pitches = [quantise_to_metre(tune).notes["pitch"][0] for tune in tunes]
    assert pitches == [60, 64]


def test_a_broken_pattern_of_type_two_does_not_lose_the_others():
    data = type_two(line(60), line(64))
    at = data.rindex(b"MTrk") + 8
    tunes, [error] = parse_tunes(data[:at] + b"\xff" * (len(data) - at), name="two.mid")
    assert [tune.name for tune in tunes] == ["two.mid#1"]
    assert str(error).startswith("two.mid#2: ")


@pytest.mark.parametrize("file_type", [0, 1])
def test_files_of_type_nought_and_one_are_one_piece(file_type):
    data = bytearray(midi(line(60)) if file_type == 0 else midi(line(60), line(64)))
    data[9] = file_type
    assert len(parse_tunes(bytes(data), name="a.mid")[0]) == 1
