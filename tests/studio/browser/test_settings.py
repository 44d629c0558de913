"""Settings, tempo and seed belong to the piece and its undo; a slider is of what comes next."""

import io

import mido
import pytest


def settings(page):
    return page.page.evaluate("studio.state.settings")


def test_a_slider_remakes_nothing_and_is_of_what_is_composed_next(page):
    page.compose(bars=4)
    page.page.click("#more")
    page.until("studio.state.nWritten === 8 && !studio.writing.isBusy")
    before = page.bars()
    page.page.click("#play")
    page.until("studio.sound.playing")
    for name, value in (("temperature", 0), ("follow", 0.5), ("bars", 12)):
        page.set(name, value)
    assert page.bars() == before
    assert page.page.evaluate("studio.sound.playing")
    page.page.click("#more")
    page.until("studio.state.nWritten === 12 && !studio.writing.isBusy")
    assert page.bars()[:8] == before
    drawn = page.page.evaluate("studio.state.piece.bars.map((bar) => bar.recipe.temperature)")
    assert drawn == [0.85] * 8 + [0] * 4  # as the run says, and as was chosen


@pytest.mark.slow
def test_an_alternative_that_was_chosen_stays_when_a_slider_is_moved(page):
    page.compose(bars=3)
    page.choose(2)
    page.page.click("#alternatives")
    page.page.locator(".strip button").nth(4).click()
    page.page.click("#use")
    chosen = page.bars()
    page.set("temperature", 0.2)
    page.page.click("#more")
    page.until("studio.state.nWritten === 7 && !studio.writing.isBusy")
    assert page.bars()[:3] == chosen


@pytest.mark.slow
def test_undo_and_a_reload_give_the_seed_and_the_settings_that_are_shown(page):
    page.compose(bars=4, seed=11)
    first = page.bars()
    page.set("temperature", 0.3)
    page.page.locator("#tempo").fill("90")
    page.compose(bars=5, seed=12)
    second = page.bars()
    page.page.click("#undo")  # of what was composed
    shown = settings(page)
    assert (page.bars(), page.page.input_value("#tempo")) == (first, "90")
    assert (shown["seed"], shown["temperature"]) == (12, 0.3)  # chosen, and not yet used
    for _ in range(4):  # the seed, the bars, the tempo, the temperature
        page.page.click("#undo")
    assert page.bars() == first
    assert settings(page)["seed"] == 11
    assert page.page.input_value("#seed") == "11"
    assert page.page.input_value("#temperature") == "0.85"
    assert page.page.input_value("#tempo") == "120"
    for _ in range(5):
        page.page.click("#redo")
    assert page.bars() == second
    page.page.reload()
    page.ready()
    page.until("studio.state.nWritten === 5")
    assert (page.bars(), page.page.input_value("#seed")) == (second, "12")
    assert page.page.input_value("#temperature") == "0.3"
    assert page.page.input_value("#tempo") == "90"
    page.press_compose()  # with all that is shown
    assert page.bars() == second


@pytest.mark.slow
def test_many_moves_of_one_slider_are_one_step_of_undo(page):
    page.compose(bars=1)
    page.page.locator("#tempo").fill("150")
    page.page.locator("#tempo").fill("160")
    page.page.locator("#tempo").fill("170")
    page.page.click("#undo")
    assert page.page.input_value("#tempo") == "120"


def test_notes_are_drawn_composed_from_and_composed_from_again_and_played(page):
    page.draw(bars=2)
    page.page.mouse.click(*page.place(0, 64))
    page.page.mouse.click(*page.place(8, 67))
    page.page.click("#play")  # what is drawn, and nothing that is hidden
    page.until("studio.sound.playing")
    heard = page.page.evaluate("studio.sound.notes.map(({ start, pitch }) => [start, pitch])")
    assert heard == [[0, 64], [8, 67]]
    page.page.click("#play")
    page.compose(bars=2, seed=1)
    first = page.bars()
    page.compose(bars=2, seed=2)
    second = page.bars()
    assert page.errors == []
    # the second drawn bar was empty: the model writes from there
    assert first[0] == second[0] == [[0, 4, 64], [8, 4, 67]]
    assert len(first) == 3
    assert first[1:] != second[1:]


@pytest.mark.slow
def test_a_file_stands_on_the_roll_before_anything_is_composed_and_is_undone(page, trained):
    page.compose(bars=2)
    before = page.bars()
    page.upload(next(trained.parent.rglob("tune03.mid")).read_bytes())
    assert page.page.evaluate("studio.state.piece.bars.every((bar) => bar.given)")
    assert len(page.bars()) == 6
    page.page.click("#undo")
    assert page.bars() == before


@pytest.mark.slow
def test_a_bar_that_is_rolled_again_while_it_plays_is_heard_as_it_stands(page):
    page.compose(bars=4)
    page.page.select_option("#repeat", "piece")
    page.page.click("#play")
    page.until("studio.sound.playing")
    page.choose(3)
    page.page.click("#roll-again")
    page.until("studio.state.canUndo && !studio.writing.isBusy")
    page.idle()
    heard, shown = page.page.evaluate(
        """[studio.sound.notes, studio.roll.notes].map((notes) => (
             notes.map(({ start, duration, pitch }) => [start, duration, pitch])))"""
    )
    assert heard == shown
    assert page.page.evaluate("studio.sound.playing")


@pytest.mark.slow
def test_play_goes_on_while_many_bars_are_composed(page):
    page.compose(bars=2)
    page.page.locator("#tempo").fill("240")
    page.page.click("#play")
    page.until("studio.sound.playing")
    page.set("bars", 64)
    page.press_compose()
    assert page.page.evaluate("studio.sound.playing")
    assert page.page.evaluate("studio.sound.to") == 64 * 16


@pytest.mark.slow
def test_the_focus_stays_where_it_was_after_composing(page):
    page.page.locator("#compose").focus()
    page.page.keyboard.press("Enter")
    page.until("studio.state.settings.seed !== 1 && !studio.writing.isBusy")
    assert page.page.evaluate("document.activeElement.id") == "compose"


@pytest.mark.slow
def test_an_instrument_is_heard_and_goes_with_the_piece_and_its_undo(page):
    page.compose(bars=1)
    page.until("studio.sound.samples !== null")
    page.page.evaluate("void (globalThis.piano = studio.sound.samples)")
    page.page.select_option("#instrument", "73")
    page.until("studio.sound.samples !== piano")
    tracks = mido.MidiFile(file=io.BytesIO(page.taken("mid"))).tracks
    assert [m.program for t in tracks for m in t if m.type == "program_change"] == [73]
    page.page.click("#undo")
    assert page.page.input_value("#instrument") == "0"


@pytest.mark.slow
def test_a_kept_piece_has_the_name_that_it_is_given(page):
    page.compose(bars=1)
    page.page.click("#keeping-open")
    page.page.fill("#keep-name", "The first one")
    page.page.click("#keep")
    assert page.page.locator("#tray span").all_inner_texts() == ["The first one"]
    assert page.page.input_value("#keep-name") == ""


def test_swing_is_heard_as_it_is_taken_away_and_is_undone(page):
    page.compose(bars=2)
    page.page.evaluate(
        """void (globalThis.heard = [], studio.sound.strike = (pitch, velocity, when) => {
             heard.push([Math.round((when - studio.sound.began) * 960), pitch]);
           })"""
    )
    page.page.locator("#swing").fill("75")
    assert page.page.inner_text("#swing-now") == "75 %"
    page.page.click("#play")
    page.until("heard.length && !studio.sound.playing")
    # at 120 quarters a minute one of 480 ticks lasts half a second
    file = mido.MidiFile(file=io.BytesIO(page.taken("mid")))
    taken, now = [], 0
    for message in file.tracks[-1]:
        now += message.time
        if message.type == "note_on" and message.velocity:
            taken.append([now, message.note])
    assert sorted(page.page.evaluate("heard")) == sorted(taken)
    assert any(tick % 480 == 360 for tick, _ in taken)  # a second eighth is among them
    page.page.click("#undo")
    assert page.page.inner_text("#swing-now") == "straight"


def test_the_playhead_follows_the_swing_and_a_place_is_where_it_is_written(page):
    page.compose(bars=1)
    found = page.page.evaluate(
        """(async () => {
             const { timing } = await import("/static/swing.js");
             const bars = [{ metre: "4/4", n_steps: 16 }, { metre: "6/8", n_steps: 12 }];
             const { heard, written } = timing(bars, 75, 4);
             const steps = [...Array(57).keys()].map((i) => i / 2);
             const apart = steps.map((step) => Math.abs(written(heard(step)) - step));
             return [heard(2), heard(6), heard(16), heard(18), Math.max(...apart)];
           })()"""
    )
    assert found[:4] == [3, 7, 16, 18]  # the second eighth of a quarter of 4 steps at 3
    assert found[4] < 1e-9
