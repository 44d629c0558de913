import numpy as np
from hypothesis import given

from nextbar.music.bars import (
    BAR_NOTE,
    bar_starts,
    cut_at_bar_lines,
    draw_rolls,
    equal_bars,
    join_at_bar_lines,
    read_rolls,
)

from .midi_files import any_notes, make_notes


def rows_of(bar_notes):
    return [tuple(row) for row in bar_notes.tolist()]


def n_bars_of(notes, n_steps=16):
    return -(-int((notes["start"] + notes["duration"]).max()) // n_steps)


def test_a_note_over_a_bar_line_gives_a_row_in_each_bar_and_the_later_ones_are_tied():
    notes = make_notes((14, 20, 60, 90))  # steps 14-33: 2 in bar 0, 16 in bar 1, 2 in bar 2
    bar_notes, index = cut_at_bar_lines(notes, equal_bars(3, 16))
    assert rows_of(bar_notes) == [
        (14, 2, 60, 90, False),
        (0, 16, 60, 90, True),
        (0, 2, 60, 90, True),
    ]
    assert index.tolist() == [0, 1, 2, 3]


def test_a_note_that_ends_on_the_bar_line_stays_in_its_bar():
    bar_notes, index = cut_at_bar_lines(make_notes((12, 4, 60, 90)), equal_bars(2, 16))
    assert rows_of(bar_notes) == [(12, 4, 60, 90, False)]
    assert index.tolist() == [0, 1, 1]


def test_silent_bars_have_no_rows():
    notes = make_notes((0, 1, 60, 90), (48, 1, 62, 90))
    _, index = cut_at_bar_lines(notes, equal_bars(5, 16))
    assert index.tolist() == [0, 1, 1, 1, 2, 2]


def test_what_lies_beyond_the_last_bar_is_cut_off():
    notes = make_notes((14, 20, 60, 90), (40, 1, 62, 90))
    bar_notes, index = cut_at_bar_lines(notes, equal_bars(1, 16))
    assert rows_of(bar_notes) == [(14, 2, 60, 90, False)]
    assert index.tolist() == [0, 1]


def test_rows_are_sorted_by_bar_then_start_then_pitch():
    notes = make_notes((0, 40, 72, 90), (17, 1, 60, 90), (16, 1, 80, 90))
    bar_notes, index = cut_at_bar_lines(notes, equal_bars(3, 16))
    in_bar_1 = bar_notes[index[1] : index[2]]
    assert in_bar_1["pitch"].tolist() == [72, 80, 60]


def test_a_repeated_note_at_a_bar_line_is_not_joined_to_the_one_before():
    notes = make_notes((12, 4, 60, 90), (16, 4, 60, 90))
    bar_notes, index = cut_at_bar_lines(notes, equal_bars(2, 16))
    assert np.array_equal(join_at_bar_lines(bar_notes, index, equal_bars(2, 16)), notes)


def test_a_note_held_into_a_window_of_bars_begins_with_the_window():
    notes = make_notes((14, 20, 60, 90))
    bar_notes, index = cut_at_bar_lines(notes, equal_bars(3, 16))
    window = join_at_bar_lines(bar_notes, index[1:], equal_bars(2, 16))
    assert np.array_equal(window, make_notes((0, 18, 60, 90)))


@given(any_notes())
def test_cutting_at_bar_lines_and_joining_again_loses_nothing(notes):
    for n_steps in (16, 12, 5):
        bar_notes, index = cut_at_bar_lines(notes, equal_bars(n_bars_of(notes, n_steps), n_steps))
        assert np.array_equal(
            join_at_bar_lines(bar_notes, index, equal_bars(len(index) - 1, n_steps)), notes
        )


def test_a_roll_has_the_velocity_of_a_note_in_its_cells_and_nothing_elsewhere():
    notes = make_notes((2, 3, 21, 50), (15, 1, 108, 127))
    bar_notes, index = cut_at_bar_lines(notes, equal_bars(1, 16))
    roll = draw_rolls(bar_notes, index, np.array([0]), n_steps=16, onsets=False)
    assert roll.shape == (1, 1, 88, 16)
    assert roll.dtype == np.uint8
    assert roll[0, 0, 0].tolist() == [0, 0, 50, 50, 50] + [0] * 11  # A0 is row 0
    assert roll[0, 0, 87, 15] == 127  # C8 is row 87
    assert np.count_nonzero(roll) == 4


def test_the_onset_channel_marks_where_notes_begin_but_not_where_they_go_on():
    notes = make_notes((12, 8, 60, 90), (20, 4, 60, 70))  # held into bar 1, then struck again
    bar_notes, index = cut_at_bar_lines(notes, equal_bars(2, 16))
    rolls = draw_rolls(bar_notes, index, np.array([0, 1]), n_steps=16, onsets=True)
    assert np.flatnonzero(rolls[0, 1, 60 - 21]).tolist() == [12]
    assert np.flatnonzero(rolls[1, 1, 60 - 21]).tolist() == [4]
    assert rolls[1, 1].max() == 127
    assert rolls[1, 0, 60 - 21, :9].tolist() == [90] * 4 + [70] * 4 + [0]


def test_rolls_come_in_the_order_asked_for_repeats_too():
    notes = make_notes((0, 1, 60, 10), (16, 1, 60, 20), (32, 1, 60, 30))
    bar_notes, index = cut_at_bar_lines(notes, equal_bars(4, 16))
    rolls = draw_rolls(bar_notes, index, np.array([2, 3, 0, 2]), n_steps=16, onsets=False)
    assert rolls[:, 0, 60 - 21, 0].tolist() == [30, 0, 10, 30]


def test_no_bars_give_no_rolls():
    bar_notes, index = np.empty(0, BAR_NOTE), np.zeros(1, np.int64)
    rolls = draw_rolls(bar_notes, index, np.zeros(0, np.int64), n_steps=16, onsets=True)
    assert rolls.shape == (0, 2, 88, 16)


def test_one_channel_merges_repeated_notes_and_two_keep_them_apart():
    notes = make_notes((0, 4, 60, 90), (4, 4, 60, 90))
    bar_notes, index = cut_at_bar_lines(notes, equal_bars(1, 16))

    def there_and_back(onsets):
        rolls = draw_rolls(bar_notes, index, np.array([0]), n_steps=16, onsets=onsets)
        return join_at_bar_lines(*read_rolls(rolls), equal_bars(1, 16))

    assert np.array_equal(there_and_back(False), make_notes((0, 8, 60, 90)))
    assert np.array_equal(there_and_back(True), notes)


def test_a_note_is_read_from_rolls_over_the_bar_line_with_the_velocity_of_its_first_cell():
    rolls = np.zeros((2, 1, 88, 16), np.uint8)
    rolls[0, 0, 39, 14:] = [80, 20]
    rolls[1, 0, 39, :3] = 5
    bar_notes, index = read_rolls(rolls)
    assert rows_of(bar_notes) == [(14, 2, 60, 80, False), (0, 3, 60, 80, True)]
    assert index.tolist() == [0, 1, 2]


def test_an_onset_without_sound_gives_no_note():
    rolls = np.zeros((1, 2, 88, 16), np.uint8)
    rolls[0, 1, 39, 3] = 127
    bar_notes, index = read_rolls(rolls)
    assert len(bar_notes) == 0
    assert index.tolist() == [0, 0]


@given(any_notes())
def test_notes_come_back_from_rolls_with_onsets_unchanged(notes):
    n_bars = n_bars_of(notes)
    bar_notes, index = cut_at_bar_lines(notes, equal_bars(n_bars, 16))
    rolls = draw_rolls(bar_notes, index, np.arange(n_bars), n_steps=16, onsets=True)
    again, again_index = read_rolls(rolls)
    assert np.array_equal(again, bar_notes)
    assert np.array_equal(again_index, index)


def test_bars_of_several_widths_are_cut_at_their_own_lines():
    starts = bar_starts([12, 16, 8])  # 0, 12, 28, 36
    assert starts.tolist() == [0, 12, 28, 36]
    notes = make_notes((10, 20, 60, 90), (28, 8, 62, 90), (30, 90, 64, 90), (36, 1, 65, 90))
    bar_notes, index = cut_at_bar_lines(notes, starts)
    assert rows_of(bar_notes) == [
        (10, 2, 60, 90, False),  # steps 10 and 11 of bar 0
        (0, 16, 60, 90, True),  # all of bar 1
        (0, 2, 60, 90, True),  # 30 - 28 = 2 of bar 2
        (0, 8, 62, 90, False),
        (2, 6, 64, 90, False),  # cut off at 36, where the last bar ends; 65 begins there
    ]
    assert index.tolist() == [0, 1, 2, 5]
    kept = make_notes((10, 20, 60, 90), (28, 8, 62, 90), (30, 6, 64, 90))
    assert np.array_equal(join_at_bar_lines(bar_notes, index, starts), kept)
    later = join_at_bar_lines(bar_notes, index[1:], starts[1:])  # steps count from 12
    assert np.array_equal(later, make_notes((0, 18, 60, 90), (16, 8, 62, 90), (18, 6, 64, 90)))


@given(any_notes())
def test_rolls_of_several_widths_say_nothing_beyond_the_end_of_a_bar(notes):
    end = int((notes["start"] + notes["duration"]).max())
    widths = np.resize([8, 12, 16], end // 8 + 1)  # enough for all notes
    starts = bar_starts(widths)
    bar_notes, index = cut_at_bar_lines(notes, starts)
    rolls = draw_rolls(bar_notes, index, np.arange(len(widths)), n_steps=16, onsets=True)
    beyond = np.arange(16) >= widths[:, None]  # (bars, steps)
    assert not rolls.transpose(0, 3, 1, 2)[beyond].any()
    rolls.transpose(0, 3, 1, 2)[beyond] = 99  # what a network might have drawn there
    again, again_index = read_rolls(rolls, starts)
    assert np.array_equal(again, bar_notes)
    assert np.array_equal(again_index, index)
