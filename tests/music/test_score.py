"""What goes out as a MIDI file."""

import io

import mido
import numpy as np
import pytest
import symusic
from hypothesis import given, settings

from nextbar.errors import MusicFileError, OutputError, UsageError
from nextbar.music.grid import quantise_to_metre, quantise_to_seconds
from nextbar.music.midi import read_tunes
from nextbar.music.score import (
    Sound,
    Track,
    bars_of,
    midi_bytes,
    sound_of,
    swung,
    to_score,
    write_midi,
)

from .midi_files import any_notes, make_notes, midi, only_tune, track


def by_mido(data):
    return mido.MidiFile(file=io.BytesIO(data))


def last_tick(part):
    return sum(message.time for message in part)


@settings(max_examples=40, deadline=None)
@given(any_notes())
def test_notes_that_go_out_come_back_unchanged(tmp_path_factory, notes):
    path = tmp_path_factory.mktemp("law") / "tune.mid"
    for metre, steps_per_quarter in (((4, 4), 4), ((6, 8), 6), ((3, 4), 3)):
        score = to_score(
            notes, tempo=97, metre=metre, steps_per_quarter=steps_per_quarter, name="law"
        )
        write_midi(score, path)
        [tune], _ = read_tunes(path)
        again = quantise_to_metre(tune, steps_per_quarter=steps_per_quarter)
        assert np.array_equal(again.notes, notes)
        assert again.mean_shift_steps == 0


@settings(max_examples=40, deadline=None)
@given(any_notes())
def test_notes_of_the_seconds_grid_come_back_unchanged(notes):
    tune = only_tune(to_score(notes).dumps_midi())
    assert np.array_equal(quantise_to_seconds(tune).notes, notes)


def test_the_same_notes_give_the_same_bytes(tmp_path):
    notes = make_notes((0, 4, 60, 90), (0, 4, 64, 90), (4, 4, 60, 80))
    for name in ("a.mid", "b.mid"):
        write_midi(to_score(notes, tempo=100, name="x"), tmp_path / name)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()


def test_mido_reads_what_was_written(tmp_path):
    notes = make_notes((0, 4, 60, 90), (4, 4, 60, 80))
    write_midi(to_score(notes, tempo=90, metre=(6, 8), name="Tune"), tmp_path / "tune.mid")
    file = mido.MidiFile(tmp_path / "tune.mid")
    messages = {message.type: message for part in file.tracks for message in part}
    assert file.ticks_per_beat == 480
    assert messages["set_tempo"].tempo == round(60e6 / 90)
    assert (messages["time_signature"].numerator, messages["time_signature"].denominator) == (6, 8)
    assert "Tune" in [part.name for part in file.tracks]
    ons = [m for part in file.tracks for m in part if m.type == "note_on" and m.velocity]
    assert [(m.note, m.velocity) for m in ons] == [(60, 90), (60, 80)]


def test_a_score_is_symusics_own_kind_and_may_be_silent():
    score = to_score(make_notes()[:0])
    assert isinstance(score, symusic.Score)
    assert score.note_num() == 0


def test_a_midi_file_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of this path is a file, not a folder"):
        write_midi(to_score(make_notes((0, 1, 60, 90))), tmp_path / "file" / "tune.mid")


def test_a_file_ends_where_its_last_bar_ends_though_that_is_silent():
    notes = make_notes((0, 4, 60, 90), (56, 4, 60, 90))  # up to a quarter before the 4th bar's end
    assert by_mido(midi_bytes(to_score(notes))).length == 8.0  # 4 bars of 2 s, not 7.5
    assert by_mido(midi_bytes(to_score(notes), n_bars=6)).length == 12.0
    # a waltz: 5 bars of 12 steps hold 60 steps, 5 * 3 quarters at 60 a minute are 15 s
    waltz = to_score(notes, metre=(3, 4), tempo=60)
    assert by_mido(midi_bytes(waltz)).length == 15.0
    # bars of 6/8 on a grid of 12 have 36 steps: two of them last 6 quarters, 3 s
    assert by_mido(midi_bytes(to_score(notes, metre=(6, 8), steps_per_quarter=12))).length == 3.0


def test_music_beyond_the_bars_that_are_told_is_kept_to_the_end_of_its_bar():
    score = to_score(make_notes((17, 1, 60, 90)))
    assert bars_of(score, 1).starts.tolist() == [0, 1920, 3840]
    assert by_mido(midi_bytes(score, n_bars=1)).length == 4.0


def signatures(file):
    """(tick, numerator, denominator) of each time signature that mido finds."""
    found = []
    for part in file.tracks:
        tick = 0
        for message in part:
            tick += message.time
            if message.type == "time_signature":
                found.append((tick, message.numerator, message.denominator))
    return found


CHANGING = ((4, 4), (3, 4), (3, 4), (6, 8), (4, 4))
# of 16, 12, 12, 12 and 16 steps of 120 ticks: lines at 0, 1920, 3360, 4800, 6240 and 8160


def test_a_time_signature_stands_where_the_metre_changes_and_nowhere_else():
    score = to_score(make_notes((0, 1, 60, 90)), metres=CHANGING)
    file = by_mido(midi_bytes(score, n_bars=5))
    assert signatures(file) == [(0, 4, 4), (1920, 3, 4), (4800, 6, 8), (6240, 4, 4)]
    assert [last_tick(part) for part in file.tracks] == [8160]
    # on a grid of 12 a step is a twelfth of a quarter of 1440 ticks: the same in threes
    finer = to_score(make_notes((0, 1, 60, 90)), metres=CHANGING, steps_per_quarter=12)
    threes = [(0, 4, 4), (5760, 3, 4), (14400, 6, 8), (18720, 4, 4)]
    assert signatures(by_mido(midi_bytes(finer))) == threes


def test_bars_of_several_metres_end_where_their_last_bar_ends():
    score = to_score(make_notes((0, 1, 60, 90), (28, 1, 60, 90)), metres=CHANGING[:3])
    assert bars_of(score).starts.tolist() == [0, 1920, 3360, 4800]
    assert bars_of(score).metres == [(4, 4), (3, 4), (3, 4)]
    # at 120 a minute 480 ticks are half a second: 4800 of them 5 s
    assert by_mido(midi_bytes(score)).length == 5.0
    # bars beyond those that have a metre of their own are of the last: 6240 ticks
    assert by_mido(midi_bytes(score, n_bars=4)).length == 6.5
    # what is told of bars that nothing sounds in holds for all tracks
    silent = to_score([Track(make_notes((0, 1, 60, 90)))] * 2, metres=CHANGING)
    assert {last_tick(part) for part in by_mido(midi_bytes(silent)).tracks} == {6240}


def test_of_random_metres_every_signature_and_the_end_are_at_their_ticks():
    random = np.random.default_rng(1)
    among = [(4, 4), (3, 4), (2, 4), (6, 8), (9, 8), (12, 8), (5, 4), (2, 2), (3, 8)]
    for grid in (4, 8, 12):
        metres = [among[i] for i in random.integers(0, len(among), 40)]
        ticks = [480 * grid * n // d for n, d in metres]
        lines = [sum(ticks[:bar]) for bar in range(41)]
        notes = make_notes(*((line // 120, 1, 60, 90) for line in lines[:40]))
        score = to_score(notes, metres=metres, steps_per_quarter=grid)
        file = by_mido(midi_bytes(score, n_bars=40))
        changes = [bar for bar in range(40) if bar == 0 or metres[bar] != metres[bar - 1]]
        assert signatures(file) == [(lines[bar], *metres[bar]) for bar in changes]
        assert {last_tick(part) for part in file.tracks} == {lines[40]}


def test_a_signature_within_a_bar_counts_from_the_next_bar_line_and_the_last_of_several():
    score = to_score(make_notes((0, 60, 60, 90)))
    for tick, metre in ((480, (2, 4)), (1440, (3, 4)), (1440, (6, 8)), (1800, (0, 4))):
        score.time_signatures.append(symusic.TimeSignature(tick, *metre))
    # 7200 ticks: a bar of 1920 and four of 1440
    assert bars_of(score).metres == [(4, 4), *[(6, 8)] * 4]
    assert bars_of(score).starts.tolist() == [0, 1920, 3360, 4800, 6240, 7680]


def test_bars_of_no_whole_number_of_steps_are_refused():
    with pytest.raises(UsageError, match=r"a bar of 3/8 has 1\.5 steps at 1 steps a quarter"):
        to_score(make_notes((0, 1, 60, 90)), metres=[(4, 4), (3, 8)], steps_per_quarter=1)


def test_silence_is_as_long_as_its_bars():
    file = by_mido(midi_bytes(to_score(make_notes()[:0]), n_bars=3))
    assert file.length == 6.0
    assert only_notes(file) == []


def only_notes(file):
    return [m for part in file.tracks for m in part if m.type == "note_on" and m.velocity]


def test_two_hands_are_two_tracks_that_end_together_with_names_and_programs():
    right, left = make_notes((0, 4, 72, 90)), make_notes((8, 8, 48, 70), (16, 1, 50, 70))
    score = to_score([Track(right, "Right hand — é", 73), Track(left, "Left", 42)], tempo=72)
    data = midi_bytes(score, n_bars=3)
    parts = by_mido(data).tracks
    assert [last_tick(part) for part in parts] == [3 * 1920, 3 * 1920]
    programs = [[m.program for m in part if m.type == "program_change"] for part in parts]
    assert programs == [[73], [42]]
    channels = [{m.channel for m in part if m.type == "note_on"} for part in parts]
    assert channels[0].isdisjoint(channels[1])
    names = mido.MidiFile(file=io.BytesIO(data), charset="utf-8").tracks
    assert [part.name for part in names] == ["Right hand — é", "Left"]
    assert [m.note for m in only_notes(by_mido(data))] == [72, 48, 50]


@pytest.mark.parametrize("program", [-1, 128])
def test_a_program_that_is_none_is_refused(program):
    with pytest.raises(UsageError, match=f"program: {program} is not between 0 and 127"):
        to_score(make_notes((0, 4, 60, 90)), program=program)


def test_the_sound_of_a_file_goes_on_in_what_is_written_after_it():
    file = midi(
        mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=round(60e6 / 72))]),
        mido.MidiTrack(
            [mido.Message("program_change", program=73), *track([(0, 480, 72, 90)], name="Flute")]
        ),
        track([(0, 480, 40, 90), (480, 480, 43, 90)], channel=1, name="Harp"),
    )
    tune = only_tune(file)
    assert sound_of(tune) == Sound(pytest.approx(72, abs=1e-4), 0, "Harp")  # it has most notes
    flute = sound_of(tune, "flute")
    assert flute == Sound(pytest.approx(72, abs=1e-4), 73, "Flute")
    again = by_mido(midi_bytes(to_score(make_notes((0, 4, 60, 90)), **flute._asdict())))
    messages = {message.type: message for part in again.tracks for message in part}
    assert messages["set_tempo"].tempo == round(60e6 / 72)
    assert messages["program_change"].program == 73
    assert messages["track_name"].name == "Flute"
    with pytest.raises(MusicFileError, match="no track 'oboe'"):
        sound_of(tune, "oboe")


def ticks_of(notes, **asked):
    """Start and duration in ticks of each note, as mido reads them."""
    file = by_mido(midi_bytes(to_score(notes, **asked)))
    found, now, open_ = [], 0, {}
    for message in file.tracks[-1]:
        now += message.time
        if message.type == "note_on" and message.velocity:
            open_[message.note] = now
        elif message.type in ("note_on", "note_off"):
            begun = open_.pop(message.note)
            found.append((begun, now - begun))
    return sorted(found)


def test_a_swung_eighth_begins_where_the_share_of_its_quarter_says():
    eighths = make_notes(*((2 * i, 2, 60 + i, 90) for i in range(4)))
    # of 480 ticks 75 % are 360, and 120 are left
    assert ticks_of(eighths, swing=75) == [(0, 360), (360, 120), (480, 360), (840, 120)]
    sixteenths = make_notes(*((i, 1, 60 + i, 90) for i in range(4)))
    # evenly within each half: 360 / 2 and 120 / 2
    assert ticks_of(sixteenths, swing=75) == [(0, 180), (180, 180), (360, 60), (420, 60)]
    # held from an off-beat over the bar line to the next off-beat: 66 % of 480 are 316.8
    assert ticks_of(make_notes((14, 4, 60, 90)), swing=66) == [(1757, 480)]


def test_only_bars_that_are_counted_in_quarters_or_halves_swing():
    notes = make_notes((2, 2, 60, 90), (14, 2, 62, 90), (26, 2, 64, 90))
    metres = [(6, 8), (4, 4)]  # the first has 12 steps: the others lie 2 and 14 behind its end
    assert ticks_of(notes, swing=75, metres=metres) == [(240, 240), (1800, 120), (3240, 120)]


@settings(max_examples=30, deadline=None)
@given(any_notes())
def test_swing_keeps_quarters_and_the_order_and_none_is_as_before(notes):
    straight = to_score(notes).dumps_midi()
    assert to_score(notes, swing=50).dumps_midi() == straight
    at = np.arange(0, 16 * 120, 30)
    moved = swung(at, [(4, 4)], 4, 71)
    assert (np.diff(moved) > 0).all()
    assert np.array_equal(moved[::16], at[::16])


def test_a_swing_that_is_none_is_refused():
    for swing in (49, 76):
        with pytest.raises(UsageError, match="swing"):
            to_score(make_notes((0, 4, 60, 90)), swing=swing)
