from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb

from nextbar.errors import OutputError
from nextbar.music.bars import bar_starts, equal_bars
from nextbar.music.picture import (
    BAR_LINE,
    BEAT_LINE,
    GENERATED,
    GIVEN,
    GIVEN_GROUND,
    Panel,
    draw_contact_sheet,
    draw_piano_roll,
    pitch_name,
    png_bytes,
    save_png,
)

from .midi_files import make_notes

NOTES = make_notes((0, 4, 60, 127), (8, 4, 64, 1), (16, 16, 67, 127))


def roll(notes=NOTES, n_bars=2, **options):
    return draw_piano_roll(notes, equal_bars(n_bars, 16), steps_per_quarter=4, **options)


def note_boxes(figure):
    """(left, right, lowest, highest, colour) of each note; notes are drawn last, on top."""
    [axes] = figure.axes
    collection = max(axes.collections, key=lambda drawn: drawn.get_zorder())
    corners = [path.vertices for path in collection.get_paths()]
    return [
        (*corner.min(axis=0), *corner.max(axis=0), colour[:3])
        for corner, colour in zip(corners, collection.get_facecolor(), strict=True)
    ]


def pixels(path):
    return mpl.image.imread(path)


def test_each_note_is_a_box_at_its_time_and_pitch():
    boxes = note_boxes(roll())
    assert len(boxes) == 3
    left, low, right, high, _ = boxes[2]
    assert (left, right) == (pytest.approx(16, abs=0.1), pytest.approx(32, abs=0.1))
    assert (low + high) / 2 == pytest.approx(67)


def test_louder_notes_are_darker():
    loud, soft, _ = (sum(box[4]) for box in note_boxes(roll()))
    assert loud < soft


def test_given_bars_have_another_colour_and_a_legend():
    figure = roll(given_bars=1)
    first, _, third = (box[4] for box in note_boxes(figure))
    assert first == pytest.approx(to_rgb(GIVEN))  # velocity 127: the full colour
    assert third == pytest.approx(to_rgb(GENERATED))
    [legend] = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["given", "generated"]
    assert not roll().legends


def test_bars_are_numbered_from_one_in_their_middle():
    [axes] = roll(n_bars=3).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3"]
    assert axes.get_xticks().tolist() == [8, 24, 40]


def test_of_many_bars_some_are_numbered():
    [axes] = roll(n_bars=100).axes
    labels = [int(label.get_text()) for label in axes.get_xticklabels()]
    assert labels[:3] == [1, 5, 9]


def test_the_pitches_shown_are_those_that_sound_and_an_octave_at_least():
    [axes] = roll().axes
    low, high = axes.get_ylim()
    assert low < 58 < 69 < high
    assert high - low == 13  # 13 keys: an octave with both its ends
    [wide] = roll(make_notes((0, 1, 30, 90), (0, 1, 90, 90))).axes
    assert wide.get_ylim() == (27.5, 92.5)  # two keys more each way


def test_keys_are_named_as_musicians_do():
    assert [pitch_name(pitch) for pitch in (21, 60, 61, 108)] == ["A0", "C4", "C♯4", "C8"]
    [axes] = roll().axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["C4", "G4"]


def test_the_same_notes_give_the_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        save_png(roll(given_bars=1, title="tune"), tmp_path / name)
    data = (tmp_path / "a.png").read_bytes()
    assert data == (tmp_path / "b.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert b"Software" not in data
    assert b"matplotlib" not in data


def test_a_title_is_no_formula_and_may_have_any_letters(tmp_path):
    figure = roll(title="$x^2 生 \\frac$")
    save_png(figure, tmp_path / "a.png")
    assert "$x^2 生 \\frac$" in [text.get_text() for text in figure.texts]


def test_silence_has_a_picture_too(tmp_path):
    save_png(roll(NOTES[:0]), tmp_path / "silent.png")
    assert pixels(tmp_path / "silent.png").shape[2] == 4


def test_notes_leave_their_colour_in_the_picture(tmp_path):
    save_png(roll(given_bars=1), tmp_path / "a.png")
    seen = pixels(tmp_path / "a.png")[:, :, :3]
    for colour in (GIVEN, GENERATED):
        close = np.abs(seen - to_rgb(colour)).max(axis=2) < 0.01
        assert close.sum() > 200


def test_a_sheet_has_a_panel_for_each_piece_all_in_one_scale(tmp_path):
    panels = [
        Panel(make_notes((0, 4, 50 + 5 * i, 90)), equal_bars(2 + i, 16), i % 2, f"tune {i}")
        for i in range(5)
    ]
    figure = draw_contact_sheet(panels, title="All")
    assert len(figure.axes) == 5
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert len(figure.legends) == 1
    texts = [text.get_text() for text in figure.texts]
    assert texts == [*(f"tune {i}" for i in range(5)), "All"]
    save_png(figure, tmp_path / "sheet.png")


def test_a_sheet_of_nothing_or_one_is_drawn_too(tmp_path):
    for panels in ([], [Panel(NOTES, equal_bars(2, 16))]):
        save_png(draw_contact_sheet(panels), tmp_path / "sheet.png")


def lines_at(axes, colour):
    """Where upright lines of a colour stand, in steps."""
    drawn = [c for c in axes.collections if isinstance(c, LineCollection)]
    found = [c for c in drawn if np.allclose(c.get_colors()[:, :3], to_rgb(colour))]
    return [float(segment[0, 0]) for each in found for segment in each.get_segments()]


def names(axes):
    """(step, text) of what is written into a panel."""
    return [(float(text.xy[0]), text.get_text()) for text in axes.texts]


CHANGING = [(3, 4), (6, 8), (6, 8), (3, 8), (2, 2)]
LINES = np.array([0, 12, 24, 36, 42, 58])  # 12, 12, 12, 6 and 16 steps, four a quarter


def test_bars_of_several_metres_have_their_own_lines_and_beats_and_metres_are_named():
    figure = draw_piano_roll(NOTES, LINES, steps_per_quarter=4, metres=CHANGING, given_bars=2)
    [axes] = figure.axes
    assert lines_at(axes, BAR_LINE) == [0, 12, 24, 36, 42, 58]
    # quarters, dotted quarters, those again, eighths, and quarters
    assert lines_at(axes, BEAT_LINE) == [4, 8, 18, 30, 38, 40, 46, 50, 54]
    assert names(axes) == [(0, "3/4"), (12, "6/8"), (36, "3/8"), (42, "2/2")]
    assert axes.get_xlim() == (0, 58)
    assert axes.get_xticks().tolist() == [6, 18, 30, 39, 50]
    # two bars of 24 steps were given, so the note at 16 was
    assert note_boxes(figure)[2][4] == pytest.approx(to_rgb(GIVEN))
    [ground] = [patch for patch in axes.patches if patch.get_width() == 24]
    assert ground.get_facecolor()[:3] == pytest.approx(to_rgb(GIVEN_GROUND))


def test_beats_are_of_each_bar_where_bars_are_no_whole_quarters_and_no_metre_is_told():
    [axes] = draw_piano_roll(NOTES, LINES, steps_per_quarter=4).axes
    assert lines_at(axes, BEAT_LINE) == [4, 8, 16, 20, 28, 32, 40, 46, 50, 54]
    assert names(axes) == []


def test_a_picture_of_one_metre_does_not_name_it_and_is_the_same_whether_it_is_told_or_not():
    plain, told = roll(given_bars=1, title="a"), roll(given_bars=1, title="a", metres=[(4, 4)] * 2)
    assert png_bytes(plain) == png_bytes(told)
    panels = [Panel(NOTES, equal_bars(2, 16), 1, "a", metres) for metres in ((), ((4, 4), (4, 4)))]
    plain, told = (png_bytes(draw_contact_sheet([panel])) for panel in panels)
    assert plain == told


def test_a_sheet_of_several_metres_names_them_in_every_panel_in_one_scale_of_time():
    even = Panel(NOTES, equal_bars(2, 16), metres=[(4, 4)] * 2)
    changing = Panel(NOTES, LINES, metres=CHANGING)
    first, second = draw_contact_sheet([even, changing]).axes
    assert names(first) == [(0, "4/4")]
    assert names(second) == [(0, "3/4"), (12, "6/8"), (36, "3/8"), (42, "2/2")]
    assert lines_at(first, BAR_LINE) == [0, 16, 32]
    assert first.get_xlim() == second.get_xlim() == (0, 58)
    # two pieces of one metre each are two metres
    waltz = Panel(NOTES, equal_bars(2, 12), metres=[(3, 4)] * 2)
    assert [names(axes) for axes in draw_contact_sheet([even, waltz]).axes] == [
        [(0, "4/4")],
        [(0, "3/4")],
    ]


def test_names_of_metres_do_not_stand_on_each_other():
    metres = [(12, 8), (3, 8)] * 200
    starts = bar_starts([24, 6] * 200)
    figure = draw_piano_roll(NOTES, starts, steps_per_quarter=4, metres=metres)
    png_bytes(figure)
    [axes] = figure.axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) > 40
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
    metre_at = dict(zip(starts.tolist(), ["12/8", "3/8"] * 200, strict=False))
    assert all(metre_at[step] == name for step, name in names(axes))


def test_pyplot_is_not_touched():
    roll(title="tune")
    from matplotlib import _pylab_helpers

    assert not _pylab_helpers.Gcf.figs


def test_a_picture_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="could not be written"):
        save_png(roll(), tmp_path / "file" / "a.png")
