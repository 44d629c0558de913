import io

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from symusic.core import ControlChangeTick

from nextbar.errors import MusicFileError, UsageError
from nextbar.music.bars import NOTE, bar_starts
from nextbar.music.grid import (
    end_at_next_onset,
    lay_metre_grid,
    quantise,
    quantise_all,
    quantise_to_metre,
    quantise_to_seconds,
    semitones_to_c,
    transpose,
)
from nextbar.music.laid_bars import CUT_BARS, ENDED_BARS, SHORT_BARS, cut_long, fit_bar
from nextbar.music.metre import bar_steps, find_tempo, normal_metre, parse_metre, steps_of
from nextbar.music.refusals import with_advice
from nextbar.music.tunes import choose_notes

from .midi_files import (
    any_notes,
    make_notes,
    metre_of_all,
    metres_of,
    midi,
    only_tune,
    signature,
    track,
)


def raw(*rows):
    columns = zip(*rows, strict=True)
    return {
        key: np.array(list(column))
        for key, column in zip(("time", "duration", "pitch", "velocity"), columns, strict=True)
    }


def tune_with(*events, notes=((0, 480, 60, 90), (7200, 480, 62, 90))):
    return only_tune(midi(mido.MidiTrack(events), track(notes)))


def test_start_and_end_go_to_the_nearest_step():
    # At 120 ticks a step: 59 -> step 0, 60 -> step 1; ends 59 + 122 = 181 -> 2, 60 + 119 = 179 -> 1
    grid = quantise(raw((59, 122, 60, 90), (60, 239, 64, 90)), steps_per_unit=1 / 120)
    assert np.array_equal(grid.notes, make_notes((0, 2, 60, 90), (1, 1, 64, 90)))


def test_the_shortest_note_lasts_one_step():
    grid = quantise(raw((240, 0, 60, 90)), steps_per_unit=1 / 120)
    assert np.array_equal(grid.notes, make_notes((2, 1, 60, 90)))


def test_the_mean_shift_of_onsets_is_told_in_steps():
    grid = quantise(raw((0, 9, 60, 90), (150, 9, 62, 90)), steps_per_unit=1 / 120)
    assert grid.mean_shift_steps == pytest.approx(0.125)  # (0 + 0.25) / 2


def test_a_later_onset_ends_the_note_of_its_pitch():
    grid = quantise(
        raw((0, 960, 60, 90), (480, 240, 60, 70), (480, 960, 61, 80)), steps_per_unit=1 / 120
    )
    assert np.array_equal(grid.notes, make_notes((0, 4, 60, 90), (4, 2, 60, 70), (4, 8, 61, 80)))


def test_of_notes_that_begin_together_the_longest_stays_of_equal_ones_the_loudest():
    grid = quantise(
        raw((0, 120, 60, 127), (10, 240, 60, 40), (5, 240, 60, 50), (0, 120, 61, 30)),
        steps_per_unit=1 / 120,
    )
    assert np.array_equal(grid.notes, make_notes((0, 2, 60, 50), (0, 1, 61, 30)))
    assert grid.n_merged == 2


def test_notes_outside_the_piano_and_of_no_velocity_are_dropped_and_counted():
    grid = quantise(
        raw((0, 9, 20, 90), (0, 9, 21, 90), (0, 9, 108, 90), (0, 9, 109, 90), (0, 9, 60, 0)),
        steps_per_unit=1,
    )
    assert grid.notes["pitch"].tolist() == [21, 108]
    assert grid.n_dropped == 3


@given(any_notes())
def test_quantising_notes_of_the_grid_changes_nothing(notes):
    fields = {"time": "start", "duration": "duration", "pitch": "pitch", "velocity": "velocity"}
    again = quantise({key: notes[field] for key, field in fields.items()}, steps_per_unit=1.0)
    assert np.array_equal(again.notes, notes)
    assert (again.mean_shift_steps, again.n_dropped, again.n_merged) == (0, 0, 0)


@given(any_notes())
def test_notes_of_one_pitch_never_overlap(notes):
    doubled = np.concatenate([notes, notes])
    doubled["start"][len(notes) :] += 1
    alone = end_at_next_onset(doubled)
    for pitch in np.unique(alone["pitch"]):
        same = alone[alone["pitch"] == pitch]
        assert (same["start"][1:] >= (same["start"] + same["duration"])[:-1]).all()


@pytest.mark.parametrize(
    ("metre", "normal"),
    [
        ((4, 4), (4, 4)),
        ((2, 2), (4, 4)),
        ((8, 8), (4, 4)),
        ((4, 8), (2, 4)),
        ((6, 8), (6, 8)),
        ((3, 4), (3, 4)),
        ((12, 8), (12, 8)),
        ((6, 4), (6, 4)),
        ((3, 2), (3, 2)),
        ((7, 8), (7, 8)),
    ],
)
def test_metres_of_equal_bars_and_kind_have_one_form(metre, normal):
    assert normal_metre(metre) == normal


def test_a_tune_without_a_signature_is_in_four_four():
    assert metre_of_all(tune_with()) == (4, 4)


def test_a_change_between_two_two_and_four_four_is_none():
    assert metre_of_all(tune_with(signature(2, 2), signature(4, 4, time=1920))) == (4, 4)


def test_six_eight_is_not_three_four():
    # 7,680 ticks are 16 quarters: a bar of 6/8 is three of them, and four and a third are left.
    tune = tune_with(signature(6, 8), signature(3, 4, time=1440))
    assert metres_of(tune) == [((6, 8), 1), ((3, 4), 5)]


def test_signatures_after_the_last_note_and_overridden_ones_do_not_count():
    after = [signature(5, 4), signature(3, 4), signature(4, 4, time=7680)]
    tune = tune_with(*after)
    pedal_much_later = ControlChangeTick(9999, 64, 0)
    tune.score.tracks[0].controls.append(pedal_much_later)
    assert metre_of_all(tune) == (3, 4)


def test_a_signature_of_zero_is_unusable():
    data = bytearray(midi(mido.MidiTrack([signature(3, 4)]), track([(0, 480, 60, 90)])))
    data[data.index(b"\xff\x58\x04") + 3] = 0
    with pytest.raises(MusicFileError) as caught:
        metre_of_all(only_tune(bytes(data)))
    assert caught.value.reason == "unusable metre"


def test_a_short_first_bar_with_a_signature_of_its_own_is_a_pickup():
    # A quarter's pickup, then 4/4: the first whole bar begins at tick 480, which is step 16.
    tune = tune_with(
        signature(1, 4), signature(4, 4, time=480), notes=[(0, 480, 67, 90), (480, 1920, 72, 90)]
    )
    assert metre_of_all(tune) == (4, 4)
    grid = quantise_to_metre(tune)
    assert np.array_equal(grid.notes, make_notes((12, 4, 67, 90), (16, 16, 72, 90)))


def test_tempo_is_the_one_at_the_first_note():
    events = [
        mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(90)),
        mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(100), time=480),
        mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(60), time=480),
    ]
    assert find_tempo(tune_with(*events, notes=[(480, 9, 60, 90)])) == pytest.approx(100)
    assert find_tempo(tune_with()) == 120


def test_the_metre_grid_ignores_tempo_and_the_seconds_grid_honours_it():
    events = [mido.MetaMessage("set_tempo", tempo=1_000_000)]  # a quarter lasts a second
    tune = tune_with(*events, notes=[(0, 480, 60, 90), (480, 480, 62, 90)])
    in_quarters = quantise_to_metre(tune).notes
    in_seconds = quantise_to_seconds(tune).notes
    assert np.array_equal(in_quarters, make_notes((0, 4, 60, 90), (4, 4, 62, 90)))
    assert np.array_equal(in_seconds, make_notes((0, 8, 60, 90), (8, 8, 62, 90)))


def test_a_tempo_that_changes_is_followed_in_seconds():
    events = [
        mido.MetaMessage("set_tempo", tempo=500_000),
        mido.MetaMessage("set_tempo", tempo=250_000, time=480),
    ]
    tune = tune_with(*events, notes=[(480, 480, 60, 90), (1440, 480, 62, 90)])
    # 0.5 s for the first quarter, 0.25 s each after: 0.5-0.75 s and 1.0-1.25 s.
    assert np.array_equal(
        quantise_to_seconds(tune).notes, make_notes((4, 2, 60, 90), (8, 2, 62, 90))
    )


@given(
    any_notes(last_start=5_000), st.integers(60_000, 2_000_000), st.sampled_from([96, 480, 1024])
)
def test_seconds_at_one_tempo_are_those_of_the_library_that_parses(notes, tempo, ticks):
    event = mido.MetaMessage("set_tempo", tempo=tempo)
    rows = [tuple(row) for row in notes.tolist()]
    tune = only_tune(midi(mido.MidiTrack([event]), track(rows), ticks_per_quarter=ticks))
    ours, theirs = tune.notes_of(in_seconds=True), choose_notes(tune.score.to("second"))
    for key in ("time", "duration", "pitch", "velocity"):
        assert np.array_equal(ours[key], theirs[key]), key


def test_a_tempo_so_slow_that_the_music_takes_hours_is_refused_in_seconds():
    events = [mido.MetaMessage("set_tempo", tempo=16_000_000)]
    tune = tune_with(*events, notes=[(480 * 500, 480, 60, 90)])
    with pytest.raises(MusicFileError) as caught:
        quantise_to_seconds(tune)
    assert str(caught.value) == "tune.mid: its last note ends after 8,016 s, of 7,200 allowed"
    assert caught.value.reason == "too long"


def test_a_track_without_notes_on_the_piano_says_what_to_do():
    tune = only_tune(midi(track([(0, 480, 120, 90)]), track([(0, 480, 60, 90)])))
    with pytest.raises(MusicFileError) as caught:
        quantise_to_metre(tune, track=1)
    assert str(caught.value) == "tune.mid: no notes between A0 and C8 on track 1"
    assert with_advice(caught.value).endswith(
        "; choose another track with --track, or leave it out"
    )
    assert caught.value.reason == "no notes"


def test_a_bar_has_as_many_steps_as_its_quarters_give():
    assert bar_steps((4, 4), 4) == 16
    assert bar_steps((6, 8), 4) == 12
    assert bar_steps((7, 8), 4) == 14
    assert bar_steps((3, 4), 6) == 18


def test_a_bar_of_no_whole_number_of_steps_says_so():
    with pytest.raises(UsageError) as caught:
        bar_steps((7, 8), 1)
    assert str(caught.value) == (
        "a bar of 7/8 has 3.5 steps at 1 steps a quarter; a whole number from 1 to 255 is needed;"
        " choose other steps"
    )


def test_a_metre_is_read_from_its_usual_form_only():
    assert parse_metre("6/8") == (6, 8)
    assert parse_metre(" 2/2 ") == (4, 4)
    for wrong in ("", "4", "4/3", "0/4", "four/four", "4/4/4"):
        with pytest.raises(UsageError, match="is no metre; write it as 4/4, 3/4 or 6/8"):
            parse_metre(wrong)


def notes_of(*pitches):
    notes = np.zeros(len(pitches), NOTE)
    notes["start"] = 4 * np.arange(len(pitches))
    notes["duration"], notes["pitch"], notes["velocity"] = 4, pitches, 90
    return notes


@pytest.mark.parametrize("shift", range(-5, 7))
def test_a_major_scale_in_any_key_is_brought_to_c_by_the_shortest_way(shift):
    c_major = [60, 62, 64, 65, 67, 69, 71]
    assert semitones_to_c(notes_of(*(pitch - shift for pitch in c_major))) == shift


def test_a_minor_tune_goes_to_a_minor():
    # D minor: D E F G A Bb C, the notes of F major; up 7 or down 5 to C
    assert semitones_to_c(notes_of(62, 64, 65, 67, 69, 70, 72)) == -5


def test_no_notes_need_no_transposition_and_of_equal_fits_the_nearest_stands():
    assert semitones_to_c(notes_of()) == 0
    assert semitones_to_c(notes_of(60, 67)) == 0


def test_transposing_there_and_back_gives_the_same_notes_but_those_that_left_the_piano():
    notes = notes_of(22, 60, 107)
    assert np.array_equal(transpose(transpose(notes_of(60, 64), 5), -5), notes_of(60, 64))
    assert transpose(notes, 2)["pitch"].tolist() == [24, 62]
    assert transpose(notes, -2)["pitch"].tolist() == [58, 105]
    assert notes["pitch"].tolist() == [22, 60, 107], "the notes themselves are not changed"


def bars(*metres, first=0):
    """A tune of quarters without a rest, with a signature for each (numerator, bars)."""
    events, time, length = [], 0, 0
    for n_beats, n_bars in metres:
        events.append(signature(n_beats, 4, time=time))
        time = n_beats * n_bars * 480
        length += n_beats * n_bars
    notes = [(480 * i, 480, 60 + i % 12, 90) for i in range(first, length)]
    return tune_with(*events, notes=notes)


def starts(tune):
    grid = quantise_to_metre(tune)
    return (grid.notes["start"] / 4).tolist()


def test_a_last_bar_that_completes_the_pickup_is_no_change_of_metre():
    tune = bars((1, 1), (4, 3), (3, 1))
    assert metre_of_all(tune) == (4, 4)
    # The pickup ends a first bar: 16 quarters from quarter 3 on, nothing moved against another.
    assert starts(tune) == list(range(3, 19))


def test_a_bar_cut_in_two_by_a_repeat_is_no_change_of_metre():
    # 1/4 | 4/4 4/4 | 3/4 :| 1/4 | 4/4 4/4 | 3/4, as notation programs play a repeat.
    tune = bars((1, 1), (4, 2), (3, 1), (1, 1), (4, 2), (3, 1))
    assert metre_of_all(tune) == (4, 4)
    assert starts(tune) == list(range(3, 3 + 24))


def test_a_short_bar_before_a_repeat_without_its_pickup_is_filled_up():
    # 1/4 |: 4/4 4/4 3/4 :| 4/4 4/4 3/4: the second time begins a bar line, behind a quarter's rest.
    tune = bars((1, 1), (4, 2), (3, 1), (4, 2), (3, 1))
    assert metre_of_all(tune) == (4, 4)
    assert starts(tune) == [*range(3, 15), *range(16, 27)]
    # The note before the silence is not held into it.
    assert set(quantise_to_metre(tune).notes["duration"].tolist()) == {4}


def test_a_note_held_over_a_filled_bar_lasts_as_much_longer():
    events = [signature(1, 4), signature(4, 4, time=480), signature(3, 4, time=1920)]
    events += [signature(4, 4, time=1440)]
    notes = [(0, 480, 60, 90), (480, 3840, 62, 90), (3840, 1920, 64, 90)]
    tune = tune_with(*events, notes=notes)
    grid = quantise_to_metre(tune).notes
    # 62 sounds from the first bar line to a beat behind the short bar's end at tick 3840,
    # where 64 begins: (480 to 4320) + 480 of silence that is filled in.
    assert np.array_equal(grid, make_notes((12, 4, 60, 90), (16, 36, 62, 90), (48, 16, 64, 90)))


@pytest.mark.parametrize(
    ("metres", "found"),
    [
        # A bar of 2/4 that no pickup completes is one of its own.
        ([(4, 4), (2, 1), (4, 4)], [(4, 4), (2, 1), (4, 4)]),
        ([(4, 4), (2, 1), (4, 4), (2, 1), (4, 4)], [(4, 4), (2, 1), (4, 4), (2, 1), (4, 4)]),
        ([(4, 4), (3, 4)], [(4, 4), (3, 4)]),
        ([(3, 2), (4, 4)], [(3, 2), (4, 4)]),
        ([(4, 1), (3, 3)], [(4, 1), (3, 3)]),
        # 2/4 and a pickup of 1/4 make no bar; the pickup is padded.
        ([(1, 1), (4, 2), (2, 1), (4, 2)], [(4, 3), (2, 1), (4, 2)]),
        # 3/4 and a pickup of 1/4 do, and 2/4 is in a metre of its own.
        ([(1, 1), (4, 2), (3, 1), (4, 2), (2, 3)], [(4, 6), (2, 3)]),
        # Two bars of 2/4 amid 4/4 are one that is cut in two; three are a change.
        ([(4, 2), (2, 2), (4, 2)], [(4, 5)]),
        ([(4, 2), (2, 3), (4, 2)], [(4, 2), (2, 3), (4, 2)]),
        ([(4, 2), (2, 1)], [(4, 2), (2, 1)]),
        # Half a bar, and half a one at the end, are a pickup and what completes it.
        ([(2, 1), (4, 3), (2, 1)], [(4, 5)]),
        # At the end 2/4 completes no pickup of 1/4.
        ([(1, 1), (4, 3), (2, 1)], [(4, 4), (2, 1)]),
    ],
)
def test_each_bar_is_in_the_metre_that_is_stated_for_it(metres, found):
    tune = bars(*metres)
    assert metres_of(tune) == [((n, 4), times) for n, times in found]


def test_the_bars_behind_a_change_begin_where_it_stands():
    # Two bars of 4/4, one of 3/4, two of 4/4, in sixteenths: lines at 0, 16, 32, 44, 60.
    laid = lay_metre_grid(bars((4, 2), (3, 1), (4, 2)))
    codes, told = laid.bars.up_to(76)
    assert bar_starts(steps_of(codes, 4)).tolist() == [0, 16, 32, 44, 60, 76]
    assert told == {}
    assert starts(bars((4, 2), (3, 1), (4, 2))) == list(range(19))


def changing(*at, notes=8):
    """Quarters, and (quarter, numerator, denominator) of each change."""
    events, before = [], 0
    for quarter, n, d in at:
        events.append(signature(n, d, time=round(480 * quarter) - before))
        before = round(480 * quarter)
    return tune_with(*events, notes=[(480 * i, 480, 60 + i, 90) for i in range(notes)])


def told_of(tune, steps_per_quarter=4):
    laid = lay_metre_grid(tune, steps_per_quarter=steps_per_quarter)
    notes = quantise_all([laid])[0].notes
    return laid.bars.up_to(int((notes["start"] + notes["duration"]).max()))[1]


def test_a_change_in_the_middle_of_a_bar_ends_it_there_in_the_metre_of_its_length():
    # From quarter 4 on a bar of 4/4, of which the change leaves three quarters.
    tune = changing((0, 4, 4), (7, 6, 8), notes=10)
    assert metres_of(tune) == [((4, 4), 1), ((3, 4), 1), ((6, 8), 1)]
    assert told_of(tune) == {ENDED_BARS: 1}
    assert starts(tune) == list(range(10))
    # Of 12/8 half a bar is 6/8 and not 3/4.
    assert metres_of(changing((0, 12, 8), (9, 2, 4), notes=11)) == [
        ((12, 8), 1), ((6, 8), 1), ((2, 4), 1)
    ]  # fmt: skip


def test_what_is_left_of_a_bar_in_no_usual_metre_is_filled_up_with_silence():
    # 1.25 quarters are left of the second bar: they become 3/8, a sixteenth being silent.
    tune = changing((0, 4, 4), (5.25, 3, 4), notes=10)
    assert metres_of(tune) == [((4, 4), 1), ((3, 8), 1), ((3, 4), 2)]
    assert told_of(tune) == {SHORT_BARS: 1}
    # What sounds from the change on is a sixteenth later than it was.
    assert starts(tune) == [0, 1, 2, 3, 4, 5, 6.25, 7.25, 8.25, 9.25]


@pytest.mark.parametrize("ticks", [-20, 20])
def test_a_change_that_stands_a_little_beside_a_bar_line_stands_on_it(ticks):
    tune = changing((0, 4, 4), (4 + ticks / 480, 3, 4), notes=10)
    assert metres_of(tune) == [((4, 4), 1), ((3, 4), 2)]
    assert starts(tune) == list(range(10))
    assert told_of(tune) == {}


def test_a_part_that_ends_before_the_others_has_bars_up_to_its_end():
    events = mido.MidiTrack([signature(4, 4), signature(3, 4, time=3840)])
    whole = track([(480 * i, 480, 60, 90) for i in range(14)])
    tune = only_tune(midi(events, whole))
    bars = lay_metre_grid(tune).bars  # at 0 and 16 of 4/4, at 32 and 44 of 3/4
    counts = {end: len(bars.up_to(end)[0]) for end in (1, 16, 17, 32, 33, 44, 45)}
    assert counts == {1: 1, 16: 1, 17: 2, 32: 2, 33: 3, 44: 3, 45: 4}


def test_what_stands_beside_bar_lines_does_not_add_up():
    # Eight bars, 4/4 and 3/4 in turns, each 20 ticks longer than it should be: 160 in the end.
    events, notes, now = [], [], 0
    for nth in range(8):
        n_beats = 4 - nth % 2
        notes.append((now, 480, 60 + nth, 90))
        events.append(signature(n_beats, 4, time=0 if nth == 0 else notes[-1][0] - notes[-2][0]))
        now += 480 * n_beats + 20
    assert starts(tune_with(*events, notes=notes)) == [0, 4, 7, 11, 14, 18, 21, 25]


@pytest.mark.parametrize(
    ("metre", "parts"),
    [
        ((4, 4), [(4, 4)]),
        ((12, 8), [(12, 8)]),  # six quarters are not longer than six
        ((4, 2), [(4, 4), (4, 4)]),
        ((7, 4), [(4, 4), (3, 4)]),
        ((12, 4), [(6, 4), (6, 4)]),
        ((15, 8), [(9, 8), (6, 8)]),  # at a beat of three, not after 8 of 15 eighths
        ((18, 8), [(9, 8), (9, 8)]),
        ((13, 4), [(5, 4), (4, 4), (4, 4)]),
        ((2, 1), [(4, 4), (4, 4)]),
        ((3, 1), [(4, 4), (4, 4), (4, 4)]),
    ],
)
def test_long_bars_are_cut_into_the_fewest_of_six_quarters_at_most(metre, parts):
    assert list(cut_long(metre)) == parts


def test_no_part_of_a_long_bar_has_more_steps_than_a_corpus_can_count():
    # At 48 steps a quarter 255 steps are a little over five quarters.
    assert cut_long((6, 4), 48) == ((3, 4), (3, 4))
    for numerator in range(1, 256):
        for denominator in (1, 2, 4, 8, 16, 32):
            for steps in (1, 3, 4, 12, 48):
                parts = fit_bar(normal_metre((numerator, denominator)), steps)
                assert all(bar_steps(part.metre, steps) <= 255 for part in parts)
                quarters = sum(part.quarters for part in parts)
                assert quarters == pytest.approx(4 * numerator / denominator)
                assert max(4 * part.metre[0] / part.metre[1] for part in parts) <= 6


def test_long_bars_are_told_and_cut_where_nothing_moves():
    tune = changing((0, 4, 2), notes=20)  # two and a half bars of eight quarters
    assert metres_of(tune) == [((4, 4), 5)]
    assert told_of(tune) == {CUT_BARS: 3}
    assert starts(tune) == list(range(20))
    # A pickup of a quarter before a bar of 4/2: the half bar of silence before it is no bar.
    pickup = bars((1, 1), (8, 1))
    assert metres_of(pickup) == [((4, 4), 3)]
    assert starts(pickup) == list(range(3, 12))


def test_bars_of_no_whole_number_of_steps_are_filled_up_to_the_next():
    # At one step a quarter a bar of 7/8 has 3.5: it gets four, of which half a one is silent.
    notes = [(1680 * i, 480, 60 + i, 90) for i in range(3)]
    tune = tune_with(signature(7, 8), notes=notes)
    assert metres_of(tune, 1) == [((4, 4), 3)]
    assert told_of(tune, 1) == {SHORT_BARS: 3}
    grid = quantise_to_metre(tune, steps_per_quarter=1)
    assert grid.notes["start"].tolist() == [0, 4, 8]
    # And so where another metre follows.
    mixed = tune_with(signature(7, 8), signature(3, 4, time=3360), notes=notes)
    assert metres_of(mixed, 1) == [((4, 4), 2), ((3, 4), 1)]
    assert quantise_to_metre(mixed, steps_per_quarter=1).notes["start"].tolist() == [0, 4, 8]


def test_a_silent_count_in_in_another_metre_is_not_the_metre_of_the_music():
    tune = bars((4, 1), (3, 4), first=4)
    assert metre_of_all(tune) == (3, 4)
    # A bar line stands at quarter 4: in bars of three quarters the music begins at the third.
    assert starts(tune) == list(range(6, 18))
    assert starts(bars((3, 1), (4, 4), first=3)) == list(range(4, 20))
    # However long it is: 32 quarters in 4/4, then 12 in 3/4 from the next bar line on.
    assert metre_of_all(bars((4, 8), (3, 4), first=32)) == (3, 4)


def test_a_count_in_that_ends_with_a_pickup_is_none_either():
    tune = bars((4, 1), (3, 4), first=3)
    assert metre_of_all(tune) == (3, 4)
    assert starts(tune) == list(range(5, 18))


@pytest.mark.parametrize("ticks", [0, 1, 24, 59])
def test_of_two_signatures_at_nearly_the_same_tick_the_later_counts(ticks):
    notes = [(480 * i, 480, 60, 90) for i in range(12)]
    tune = tune_with(signature(4, 4), signature(3, 4, time=ticks), notes=notes)
    assert metre_of_all(tune) == (3, 4)
    assert starts(tune) == list(range(12))


def test_seconds_go_to_the_nearest_step_and_not_to_the_one_before():
    # Triplet quarters at 120: steps 0, 5.33, 10.67, 16 of 0.125 s, as in `ashover17`. The nearest
    # are 0, 5, 11, 16. Cutting off, as pretty_midi's rasterisation does, gives 0, 5, 10, 16: then
    # cell 10, of which the second note fills two thirds, would be the third one's.
    notes = [(0, 640, 60, 90), (640, 640, 62, 90), (1280, 640, 64, 90)]
    data = midi(track(notes))
    grid = quantise_to_seconds(only_tune(data)).notes
    assert np.array_equal(grid, make_notes((0, 5, 60, 90), (5, 6, 62, 90), (11, 5, 64, 90)))


def test_a_note_shorter_than_a_step_is_not_lost_in_seconds():
    # From step 0.2 to 0.4 nothing is left where both ends are cut off to 0.
    notes = [(24, 24, 60, 90), (960, 960, 62, 90)]
    grid = quantise_to_seconds(only_tune(midi(track(notes)))).notes
    assert np.array_equal(grid, make_notes((0, 1, 60, 90), (8, 8, 62, 90)))


def test_pretty_midi_cuts_times_off_where_they_go_to_the_nearest_step_here():
    pretty_midi = pytest.importorskip("pretty_midi")
    data = midi(track([(0, 640, 60, 90), (640, 640, 62, 90), (1280, 640, 64, 90)]))
    roll = pretty_midi.PrettyMIDI(io.BytesIO(data)).instruments[0].get_piano_roll(fs=8) > 0
    assert [np.flatnonzero(roll[pitch]).tolist() for pitch in (60, 62, 64)] == [
        [0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14, 15]
    ]  # fmt: skip
