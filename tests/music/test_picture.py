import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from nextbar.errors import OutputError
from nextbar.music.picture import (
    GENERATED,
    GIVEN,
    Panel,
    draw_contact_sheet,
    draw_piano_roll,
    pitch_name,
    save_png,
)

from .midi_files import make_notes

NOTES = make_notes((0, 4, 60, 127), (8, 4, 64, 1), (16, 16, 67, 127))


def roll(notes=NOTES, n_bars=2, **options):
    return draw_piano_roll(notes, n_bars, 16, steps_per_quarter=4, **options)


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
        Panel(make_notes((0, 4, 50 + 5 * i, 90)), n_bars=2 + i, given_bars=i % 2, title=f"tune {i}")
        for i in range(5)
    ]
    figure = draw_contact_sheet(panels, 16, steps_per_quarter=4, title="All")
    assert len(figure.axes) == 5
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert len(figure.legends) == 1
    texts = [text.get_text() for text in figure.texts]
    assert texts == [*(f"tune {i}" for i in range(5)), "All"]
    save_png(figure, tmp_path / "sheet.png")


def test_a_sheet_of_nothing_or_one_is_drawn_too(tmp_path):
    for panels in ([], [Panel(NOTES, 2)]):
        save_png(draw_contact_sheet(panels, 16, steps_per_quarter=4), tmp_path / "sheet.png")


def test_pyplot_is_not_touched():
    roll(title="tune")
    from matplotlib import _pylab_helpers

    assert not _pylab_helpers.Gcf.figs


def test_a_picture_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="could not be written"):
        save_png(roll(), tmp_path / "file" / "a.png")
