import os
import struct

import pytest

from nextbar.errors import MusicFileError
from nextbar.music.midi import LARGEST_FILE_BYTES, NEVER_ENDED, parse_tunes, read_tunes
from nextbar.music.tunes import choose_notes

from .midi_files import midi, only_tune, raw_midi, track, tune_bytes

END_OF_TRACK = b"\x00\xff\x2f\x00"
NOTE_ON_AND_OFF = b"\x00\x90\x3c\x50\x60\x80\x3c\x00"  # pitch 60, velocity 80, 96 ticks


def refusal(data, name="tune.mid"):
    tunes, [error] = parse_tunes(data, name=name)
    assert not tunes
    return error


def first_notes(data):
    notes = choose_notes(only_tune(data).score)
    return list(zip(*(notes[key].tolist() for key in notes), strict=True))


def test_a_file_that_mido_wrote_is_read_note_for_note():
    rows = [(0, 480, 60, 90), (240, 480, 64, 1), (960, 10, 67, 127)]
    assert first_notes(midi(track(rows))) == rows


def test_running_status_is_understood():
    data = raw_midi(b"\x00\x90\x3c\x50\x60\x3c\x00" + END_OF_TRACK)  # 2nd event without a status
    assert first_notes(data) == [(0, 96, 60, 80)]


def test_a_missing_end_of_track_does_no_harm():
    assert first_notes(raw_midi(NOTE_ON_AND_OFF)) == [(0, 96, 60, 80)]


def test_a_note_that_never_ends_lasts_to_the_end_of_its_track_and_is_told():
    hanging = b"\x00\x90\x40\x50"
    later_end = b"\x60\xff\x2f\x00"  # 96 ticks after the other note's end
    data = raw_midi(hanging + NOTE_ON_AND_OFF + later_end)
    assert first_notes(data) == [(0, 192, 64, 80), (0, 96, 60, 80)]
    assert only_tune(data).remarks == {NEVER_ENDED: 1}
    error = refusal(raw_midi(hanging + END_OF_TRACK))  # it begins where the track ends
    assert str(error) == "tune.mid: it has no notes that begin and end"
    assert error.reason == "no notes"


def test_a_velocity_beyond_127_is_brought_back_to_it():
    data = raw_midi(b"\x00\x90\x3c\xd0\x60\x80\x3c\x00" + END_OF_TRACK)
    assert first_notes(data) == [(0, 96, 60, 127)]


def test_a_midi_file_in_a_riff_wrapper_is_read():
    inside = tune_bytes()
    size = struct.pack("<I", len(inside))
    wrapped = b"RIFF" + struct.pack("<I", len(inside) + 12) + b"RMIDdata" + size + inside
    assert first_notes(wrapped) == first_notes(inside)


@pytest.mark.parametrize(
    ("data", "reason", "text"),
    [
        (b"", "empty file", "tune.mid: it has no content"),
        (b" \n", "empty file", "tune.mid: it has no content"),
        (b"hello" * 9, "not a MIDI file", "tune.mid: it does not begin with MThd"),
        (b"RIFF1234WAVEfmt ", "not a MIDI file", "tune.mid: it does not begin with MThd"),
        (
            raw_midi(NOTE_ON_AND_OFF, division=0),
            "no time division",
            "tune.mid: it states 0 ticks a quarter note",
        ),
        (
            raw_midi(NOTE_ON_AND_OFF, division=0xE728),
            "time in frames",
            "tune.mid: its times are in SMPTE frames, not in beats",
        ),
        (
            raw_midi(NOTE_ON_AND_OFF + END_OF_TRACK)[:-5],
            "damaged",
            "tune.mid: Invalid chunk length 12 (remaining bytes after header: 7)",
        ),
        (
            midi(track([(0, 480, 36, 90)], channel=9)),
            "only drums",
            "tune.mid: all its notes are on the drum channel",
        ),
        (
            midi(track([(480 * 20_000, 480, 60, 90)])),
            "too long",
            "tune.mid: its last note ends after 20,001 quarters, of 14,400 allowed",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "tune" not in value else "",
)
def test_a_file_that_cannot_be_used_is_refused_with_a_reason(data, reason, text):
    error = refusal(data)
    assert (error.reason, str(error), error.name) == (reason, text, "tune.mid")


def test_times_that_overflow_are_refused_and_allocate_nothing():
    far = b"\xff\xff\xff\x7f"  # the largest delta there is: 2**28 - 1 ticks
    data = raw_midi((far + b"\x90\x3c\x50" + far + b"\x80\x3c\x00") * 9 + END_OF_TRACK)
    assert refusal(data).reason == "bad times"


def test_a_file_cut_anywhere_is_read_or_refused_but_never_a_crash():
    data = midi(track([(i * 480, 480, 60, 90) for i in range(4)]))
    for length in range(len(data)):
        tunes, errors = parse_tunes(data[:length], name="tune.mid")
        assert len(tunes) + len(errors) == 1


def test_suffixes_are_read_in_any_case(tmp_path):
    for name in ("a.MID", "b.Midi", "c.mid"):
        (tmp_path / name).write_bytes(tune_bytes())
        tunes, errors = read_tunes(tmp_path / name)
        assert [tune.name for tune in tunes] == [name]
        assert not errors


def test_a_file_that_is_not_there_or_too_large_is_refused(tmp_path):
    _, [missing] = read_tunes(tmp_path / "none.mid")
    assert (missing.reason, str(missing)) == ("unreadable", "none.mid: it is no file")
    large = tmp_path / "large.mid"
    large.touch()
    os.truncate(large, LARGEST_FILE_BYTES + 1)
    _, [error] = read_tunes(large)
    assert (error.reason, str(error)) == ("too large", "large.mid: it has over 16 MB")


def three_tracks():
    return only_tune(
        midi(
            track([], name="Notes from the composer"),
            track([(0, 480, 72, 90)], name="Melody"),
            track([(0, 480, 36, 90)], channel=9, name="Drum kit"),
            track([(0, 960, 48, 60)], channel=1, name="Bass melody"),
        )
    ).score


def test_all_tracks_but_drums_are_merged():
    assert sorted(choose_notes(three_tracks())["pitch"].tolist()) == [48, 72]


@pytest.mark.parametrize("second", [2, "2"])
def test_a_number_takes_the_nth_track_that_has_notes_not_counting_drums(second):
    assert choose_notes(three_tracks(), 1)["pitch"].tolist() == [72]
    assert choose_notes(three_tracks(), second)["pitch"].tolist() == [48]


def test_a_name_takes_every_track_that_contains_it_in_any_case():
    assert choose_notes(three_tracks(), "BASS")["pitch"].tolist() == [48]
    assert sorted(choose_notes(three_tracks(), "melody")["pitch"].tolist()) == [48, 72]


@pytest.mark.parametrize("wrong", [0, 3, -1, "drum", "violin"])
def test_a_track_that_is_not_there_lists_those_that_are(wrong):
    with pytest.raises(MusicFileError) as caught:
        choose_notes(three_tracks(), wrong, name="song.mid")
    assert str(caught.value) == (
        f'song.mid: no track {wrong!r}; it has 1 "Melody" (1 notes), 2 "Bass melody" (1 notes)'
    )
    assert caught.value.reason == "no such track"
