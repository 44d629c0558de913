"""What symusic alone does not read: notes without ends and lengths, and programs that change."""

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextbar.errors import MusicFileError
from nextbar.music.grid import quantise_to_metre
from nextbar.music.midi import NEVER_ENDED, parse_tunes
from nextbar.music.midi_events import normal_header, read_parts, show_bytes
from nextbar.music.tunes import DRUMS, NO_LENGTH

from .midi_files import any_notes, midi, only_tune, raw_midi, track

END = b"\x00\xff\x2f\x00"


def on(time, pitch, channel=0):
    return bytes([time, 0x90 | channel, pitch, 80])


def off(time, pitch, channel=0):
    return bytes([time, 0x80 | channel, pitch, 0])


def rows(data, track="all"):
    """(start, duration, pitch) of a file's notes, by start and pitch."""
    notes = only_tune(data).notes_of(track)
    columns = (notes[key].tolist() for key in ("time", "duration", "pitch"))
    return sorted(zip(*columns, strict=True), key=lambda row: (row[0], row[2]))


def test_a_note_of_no_length_written_off_then_on_does_not_last_until_its_pitch_ends_again():
    # Of pitch 71: off and on at 0, then a note from 20 to 30. Of 72: a note from 0 to 10.
    data = raw_midi(
        off(0, 71) + on(0, 71) + on(0, 72) + off(10, 72) + on(10, 71) + off(10, 71) + END
    )
    assert rows(data) == [(0, 10, 72), (20, 10, 71)]
    assert only_tune(data).remarks_on() == {NO_LENGTH: 1}


def test_two_such_notes_in_a_row_are_both_left_out():
    data = raw_midi(off(0, 71) + on(0, 71) + off(9, 71) + on(0, 71) + on(9, 71) + off(9, 71) + END)
    assert rows(data) == [(18, 9, 71)]
    assert only_tune(data).remarks_on() == {NO_LENGTH: 2}


def test_a_note_that_is_ended_before_it_begins_as_some_programs_do_is_kept():
    data = raw_midi(off(0, 60) + on(0, 60) + off(9, 60) + off(1, 60) + on(0, 60) + off(9, 60) + END)
    assert rows(data) == [(0, 9, 60), (10, 9, 60)]
    assert only_tune(data).remarks_on() == {}


def test_a_note_repeated_without_a_gap_is_two_notes():
    data = raw_midi(on(0, 60) + off(9, 60) + on(0, 60) + off(9, 60) + END)
    assert rows(data) == [(0, 9, 60), (9, 9, 60)]


def test_a_note_that_ends_as_it_begins_is_left_out_and_counted():
    data = raw_midi(on(0, 73) + off(0, 73) + on(0, 72) + off(96, 72) + on(0, 73) + off(0, 73) + END)
    assert rows(data) == [(0, 96, 72)]
    assert only_tune(data).remarks_on() == {NO_LENGTH: 2}


@pytest.mark.parametrize("events", [on(0, 73) + off(0, 73), off(0, 73) + on(0, 73)])
def test_a_file_whose_notes_have_no_length_says_so(events):
    tunes, errors = parse_tunes(raw_midi(events + END), name="a.mid")
    if tunes:
        with pytest.raises(MusicFileError) as caught:
            quantise_to_metre(tunes[0])
        errors = [caught.value]
    assert [error.reason for error in errors] == ["no notes"]


def test_notes_that_never_end_last_to_the_end_of_their_own_track():
    # The first track ends at 30, with 60 open since 0 and 64 since 10; the second at 50.
    first = on(0, 60) + on(10, 64) + on(0, 65) + off(10, 65) + b"\x0a\xff\x2f\x00"
    second = on(0, 48, 1) + off(50, 48, 1) + END
    data = raw_midi(first, second)
    assert rows(data) == [(0, 50, 48), (0, 30, 60), (10, 20, 64), (10, 10, 65)]
    assert only_tune(data).remarks_on() == {NEVER_ENDED: 2}


def test_an_open_note_does_not_take_the_ends_of_the_later_ones_of_its_pitch():
    data = raw_midi(on(0, 60) + on(100, 60) + off(5, 60) + on(95, 60) + off(5, 60) + END)
    # Open since 0 and held to the end at 205; on the grid its pitch's next note ends it.
    assert rows(data) == [(0, 205, 60), (100, 5, 60), (200, 5, 60)]
    assert only_tune(data).remarks_on() == {NEVER_ENDED: 1}


def test_of_two_notes_of_a_pitch_that_overlap_the_first_has_the_first_end():
    data = raw_midi(on(0, 60) + on(10, 60) + off(10, 60) + off(10, 60) + END)
    assert rows(data) == [(0, 20, 60), (10, 20, 60)]


def tune_with_programs(*programs, name="Tune"):
    """Eight quarters in one track, with programs at the beginning and in the middle; a bass."""
    part = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
    for i, pitch in enumerate([60, 62, 64, 65, 67, 69, 71, 72]):
        if i % 4 == 0:
            part.append(mido.Message("program_change", program=programs[i // 4]))
        part.append(mido.Message("note_on", note=pitch, velocity=80))
        part.append(mido.Message("note_off", note=pitch, time=480))
    bass = track([(i * 960, 960, 40, 80) for i in range(4)], channel=1)
    return midi(part, bass)


@pytest.mark.parametrize("name", ["Tune", ""])
def test_a_track_whose_program_changes_stays_one_track(name):
    data = tune_with_programs(73, 40, name=name)
    assert [pitch for _, _, pitch in rows(data, "melody")] == [60, 62, 64, 65, 67, 69, 71, 72]
    assert [pitch for _, _, pitch in rows(data, 2)] == [40] * 4
    assert [part.track.program for part in only_tune(data).pitched] == [73, 0]


def test_a_program_that_changes_while_a_note_sounds_ends_nothing():
    data = raw_midi(
        b"\x00\xc0\x05" + on(0, 60) + b"\x0a\xc0\x07" + off(10, 60) + on(0, 62) + off(9, 62)
    )
    assert rows(data) == [(0, 20, 60), (20, 9, 62)]
    assert len(only_tune(data).pitched) == 1


def test_channels_of_one_track_are_tracks_in_their_order():
    data = raw_midi(
        b"\x00\xc3\x05" + on(0, 70, 3) + on(0, 60, 1) + off(10, 60, 1) + off(0, 70, 3) + END
    )
    assert [part.track.notes[0].pitch for part in only_tune(data).pitched] == [60, 70]
    assert [part.track.program for part in only_tune(data).pitched] == [0, 5]


@settings(max_examples=40, deadline=None)
@given(st.lists(any_notes(max_notes=20), min_size=1, max_size=3), st.sampled_from([1, 999, 45_000]))
def test_the_exact_reader_and_the_quick_one_agree_where_both_read(parts, ticks):
    # Times between events take one to four bytes.
    tracks = [
        track(
            [(s * ticks, d * ticks, p, v) for s, d, p, v in notes.tolist()],
            channel=i,
            name=f"{i}",
        )
        for i, notes in enumerate(parts)
    ]
    data = midi(*tracks)
    tune, exact = only_tune(data), read_parts(data)
    assert not tune.remarks
    for quick, part in zip(tune.pitched, exact, strict=True):
        columns = [quick.notes[key] for key in ("time", "duration", "pitch", "velocity")]
        order = [np.lexsort((a[2], a[0])) for a in (columns, part.notes.T)]
        assert np.array_equal(np.stack(columns)[:, order[0]], part.notes.T[:, order[1]])


def test_a_header_that_is_longer_than_six_bytes_is_read():
    data = midi(track([(0, 480, 60, 90)]))
    long = data[:4] + b"\x00\x00\x00\x08" + data[8:14] + b"\x01\x02" + data[14:]
    assert normal_header(long) == data
    assert rows(long) == rows(data) == [(0, 480, 60)]
    assert parse_tunes(long[:4] + b"\xff" * 4 + long[8:], name="a.mid")[1][0].reason == "damaged"


def test_drums_are_counted_and_can_be_taken_as_pitches():
    data = midi(
        track([(0, 480, 72, 90), (480, 480, 74, 90)], channel=9),
        track([(0, 960, 40, 90)], channel=1),
    )
    assert rows(data) == [(0, 960, 40)]
    assert only_tune(data).remarks_on() == {DRUMS: 2}
    [tune], _ = parse_tunes(data, name="a.mid", drums=True)
    assert tune.notes_of("drums")["pitch"].tolist() == [72, 74]
    assert tune.remarks_on("drums") == {}
    steel = midi(track([(0, 480, 60, 90)], name="Steel Drums"), track([(0, 9, 36, 9)], channel=9))
    [tune], _ = parse_tunes(steel, name="a.mid", drums=True)
    assert tune.notes_of("drums")["pitch"].tolist() == [60]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Flöte", "latin-1"),
        ("Mélodie", "latin-1"),
        ("Clé à près", "latin-1"),
        ("Bob\u2019s lead", "cp1252"),
        ("Flöte", "utf-8"),
        ("ピアノ メロディ", "shift_jis"),
        ("主旋律", "shift_jis"),
        ("ﾒﾛﾃﾞｨ", "shift_jis"),
        ("ピアノ", "utf-8"),
        ("Piano", "ascii"),
        ("主旋律", "gbk"),
        ("钢琴", "gbk"),  # which might be half-width kana
        ("左手 2", "gbk"),
        ("今天下雨", "gbk"),
        ("Мелодия", "cp1251"),
        ("гитара соло", "cp1251"),
        ("Бас", "cp1251"),
        ("СКРИПКА Ёлка", "cp1251"),
        ("Мелодия", "koi8_r"),
        ("Hände", "latin-1"),
        ("Señor Ñandú", "latin-1"),
        ("Åäö", "utf-8"),
    ],
)
def test_a_tracks_name_is_shown_as_it_was_written_and_can_be_chosen(text, encoding):
    assert show_bytes(text.encode(encoding)) == text
    name = text.encode(encoding)
    head = b"\x00\xff\x03" + bytes([len(name)]) + name
    other = on(0, 40, 1) + off(10, 40, 1) + END
    data = raw_midi(head + on(0, 60) + off(10, 60) + END, other)
    assert [part.track.name for part in only_tune(data).pitched] == [text, ""]
    assert rows(data, text) == [(0, 10, 60)]
    assert rows(data, text[:3].upper()) == [(0, 10, 60)]


def test_a_name_in_half_width_kana_is_chosen_by_the_usual_ones():
    name = "ﾒﾛﾃﾞｨ".encode("shift_jis")
    data = raw_midi(b"\x00\xff\x03" + bytes([len(name)]) + name + on(0, 60) + off(10, 60) + END)
    assert rows(data, "メロディ") == [(0, 10, 60)]


def test_a_pedal_that_is_never_let_go_holds_to_the_end_of_the_music():
    pedal = b"\x00\xb0\x40\x7f"
    data = raw_midi(
        on(0, 60) + pedal + off(10, 60) + on(10, 62) + off(10, 62) + END,
        on(0, 40, 1) + off(90, 40, 1) + END,
    )
    tune = only_tune(data)
    notes = tune.notes_of(1, pedal=True)
    # Held from 0 and from 20 to 90, the end of the other hand.
    assert (notes["time"] + notes["duration"]).tolist() == [90, 90]
    seconds = tune.notes_of(1, pedal=True, in_seconds=True)  # 480 ticks are half a second
    assert (seconds["time"] + seconds["duration"]).tolist() == pytest.approx([90 / 960] * 2)
    pressed_later = raw_midi(on(0, 60) + off(10, 60) + pedal + on(0, 62) + off(10, 62) + END)
    assert [row[1] for row in held_rows(pressed_later)] == [20, 10]


def held_rows(data):
    notes = only_tune(data).notes_of(pedal=True)
    return list(zip(*(notes[key].tolist() for key in ("time", "duration", "pitch")), strict=True))
