"""Notes set, moved, stretched and taken away on the roll, by mouse, by touch and by keys."""

import io

import mido
import pytest

STEP = 120  # ticks of a sixteenth


def exported(page):
    """(step, steps, pitch, velocity) of each note of the MIDI file, by mido."""
    found, open_notes = [], {}
    for each in mido.MidiFile(file=io.BytesIO(page.taken("mid"))).tracks:
        now = 0
        for message in each:
            now += message.time
            if message.type == "note_on" and message.velocity:
                open_notes[message.note] = now, message.velocity
            elif message.type in ("note_on", "note_off"):
                start, velocity = open_notes.pop(message.note)
                found.append([start // STEP, (now - start) // STEP, message.note, velocity])
    return sorted(found)


def shown(page):
    """The same of what stands on the roll."""
    return sorted(
        page.page.evaluate(
            "studio.roll.notes.map((n) => [n.start, n.duration, n.pitch, n.velocity])"
        )
    )


def drawn(page, *notes):
    """Two bars with these notes, (start, duration, pitch), and nothing else."""
    page.draw(bars=2)
    for start, duration, pitch in notes:
        page.drag((start, pitch), (start + duration - 1, pitch))
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("s")
    page.settled()


def notes(page):
    return [note[:3] for note in shown(page)]


def test_a_note_is_set_moved_stretched_made_louder_and_deleted_with_the_mouse(page):
    drawn(page, (0, 4, 60), (16, 2, 67))
    assert notes(page) == [[0, 4, 60], [16, 2, 67]]
    page.drag((1, 60), (6, 64))
    assert notes(page) == [[5, 4, 64], [16, 2, 67]]
    page.drag((8.4, 64), (11, 64))  # at its end it is stretched
    assert notes(page)[0] == [5, 7, 64]
    page.page.locator("#note-velocity").fill("33")
    page.settled()
    assert shown(page)[0] == [5, 7, 64, 33]
    assert exported(page) == shown(page)
    page.page.click("#undo")  # the loudness
    page.page.click("#undo")  # the length
    page.page.click("#undo")  # the place
    assert notes(page) == [[0, 4, 60], [16, 2, 67]]
    for _ in range(3):
        page.page.click("#redo")
    assert shown(page)[0] == [5, 7, 64, 33]
    page.page.mouse.click(*page.place(6, 64), button="right")
    assert notes(page) == [[16, 2, 67]]


@pytest.mark.slow
def test_several_notes_in_a_frame_are_moved_together_and_none_leaves_the_piece(page):
    drawn(page, (0, 2, 60), (4, 2, 64), (20, 2, 67))
    page.drag((8, 66), (0, 58))  # the first two
    assert page.page.inner_text("#note-title") == "2 notes"
    page.drag((4, 64), (6, 65))
    assert notes(page) == [[2, 2, 61], [6, 2, 65], [20, 2, 67]]
    page.drag((6, 65), (0, 65))  # six steps earlier: there is room for two
    assert notes(page) == [[0, 2, 61], [4, 2, 65], [20, 2, 67]]
    page.page.keyboard.press("Control+a")
    page.page.keyboard.press("Delete")
    assert notes(page) == []
    page.page.click("#undo")
    assert len(notes(page)) == 3


def test_a_bar_that_is_changed_is_the_musician_s_and_stays_when_all_else_is_composed(page):
    page.compose(bars=4)
    before = page.bars()
    bar, (start, _, pitch) = next((i, rows[0]) for i, rows in enumerate(before) if rows)
    page.page.mouse.click(*page.place(16 * bar + start, pitch))
    page.page.keyboard.press("ArrowUp")
    page.page.keyboard.press("ArrowUp")
    page.settled()
    changed = page.bars()
    assert sorted(changed[bar]) != sorted(before[bar])
    own = page.page.evaluate("studio.state.piece.bars.map((bar) => bar.own)")
    assert own[bar] is True
    assert page.page.evaluate(f"studio.state.isLocked({bar})")
    page.compose(bars=4, seed=9)
    after = page.bars()
    assert after[bar] == changed[bar]
    assert after != changed
    assert exported(page) == shown(page)
    page.page.reload()
    page.ready()
    assert page.bars() == after


@pytest.mark.slow
def test_notes_are_chosen_moved_stretched_and_set_by_keys_alone(page):
    drawn(page, (0, 2, 60), (4, 2, 64))
    page.page.locator("#roll").focus()
    page.page.keyboard.press("n")
    page.page.keyboard.press("n")
    assert "E4, bar 1" in page.page.inner_text("#said")
    for key in ("ArrowRight", "Shift+ArrowRight", "Shift+ArrowUp", "]"):
        page.page.keyboard.press(key)
    assert shown(page)[1] == [5, 3, 76, 88]  # a step later and longer, an octave and 8 up
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("d")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
        page.page.keyboard.press(key)
    # the place begins at C4 in the first step; a press to the right is a quarter
    assert [8, 4, 59] in notes(page)
    page.page.keyboard.press("Enter")
    assert [8, 4, 59] not in notes(page)


@pytest.mark.slow
def test_a_note_over_a_bar_line_is_one_and_both_bars_are_the_musician_s(page):
    page.compose(bars=3)
    page.page.keyboard.press("d")
    page.drag((13, 90), (18, 90))
    page.settled()
    assert [13, 6, 90] in notes(page)
    own = page.page.evaluate("studio.state.piece.bars.map((bar) => bar.own)")
    assert own == [True, True, False]
    assert exported(page) == shown(page)
    page.page.keyboard.press("Delete")
    page.settled()
    assert [13, 6, 90] not in notes(page)
    assert exported(page) == shown(page)


@pytest.mark.slow
def test_a_given_bar_is_changed_after_the_model_has_gone_on_from_it(page):
    drawn(page, (0, 4, 60), (16, 4, 62))
    page.compose(bars=2)
    written = page.bars()[2:]
    page.drag((1, 60), (1, 65))
    page.settled()
    assert page.bars()[0] == [[0, 4, 65]]
    assert page.bars()[2:] == written
    assert page.page.evaluate("studio.state.piece.bars.map((b) => b.own)") == [
        True, True, False, False,
    ]  # fmt: skip
    page.compose(bars=2, seed=7)  # two bars of the model behind the two of the musician
    assert page.bars()[:2] == [[[0, 4, 65]], [[0, 4, 62]]]
    assert len(page.bars()) == 4
    assert page.bars()[2:] != written
    assert exported(page) == shown(page)


@pytest.mark.slow
def test_notes_are_copied_and_pasted_into_another_bar(page):
    drawn(page, (2, 2, 60), (6, 2, 64))
    page.page.keyboard.press("Control+a")
    page.page.keyboard.press("Control+c")
    page.page.keyboard.press("Control+v")
    assert notes(page) == [[2, 2, 60], [6, 2, 64], [18, 2, 60], [22, 2, 64]]


@pytest.mark.slow
def test_while_the_model_writes_notes_stay_and_it_is_said_why(page):
    drawn(page, (0, 4, 60))
    page.page.evaluate("Object.defineProperty(studio.writing, 'isBusy', { get: () => true })")
    page.drag((1, 60), (1, 65))
    assert "The model is writing" in page.toast()
    assert notes(page) == [[0, 4, 60]]


@pytest.mark.slow
def test_notes_are_set_and_moved_by_touch(phone):
    phone.draw(bars=1)
    client = phone.context.new_cdp_session(phone.page)

    def touch(kind, *places):
        points = [{"x": x, "y": y} for x, y in places]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def drag(start, end):
        (x, y), (to_x, to_y) = phone.place(*start), phone.place(*end)
        touch("touchStart", (x, y))
        for share in (0.3, 0.6, 1):
            touch("touchMove", (x + share * (to_x - x), y + share * (to_y - y)))
        touch("touchEnd")

    drag((0, 60), (7, 60))
    assert notes(phone) == [[0, 8, 60]]
    phone.page.get_by_role("radio", name="Select").check()
    drag((2, 60), (4, 63))
    assert notes(phone) == [[2, 8, 63]]
    phone.page.tap("#note-delete")
    assert notes(phone) == []
    phone.page.tap("#undo")
    width = phone.page.evaluate("studio.roll.stepWidth")
    x, y = phone.place(8, 58)
    touch("touchStart", (x - 30, y))
    touch("touchStart", (x - 30, y), (x + 30, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    assert phone.page.evaluate("studio.roll.stepWidth") > 1.5 * width  # two fingers apart
    assert notes(phone) == [[2, 8, 63]]
