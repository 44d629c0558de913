"""The studio in a real browser, as somebody uses it who never saw a command line."""

import io
import json
import re
import time
import wave

import mido
import numpy as np
import pytest
import symusic

import nextbar
from nextbar.studio.messages import CONTROLS
from nextbar.writing.sketch import Sketch
from nextbar.writing.workbench import Workbench

from ...fixtures import let_it_sound
from ...music.midi_files import midi, track
from .conftest import OWN, Page


def sounding(page):
    """How loud it is now, 0-1."""
    return page.page.evaluate("studio.sound.level()")


def test_a_piece_is_composed_bar_by_bar_and_shown(page):
    page.compose(bars=6)
    assert page.page.locator("#ruler button").count() == 6
    assert sum(map(len, page.bars())) > 6
    painted = page.page.evaluate(
        """() => {
          const canvas = document.querySelector('#canvas');
          const pen = canvas.getContext('2d');
          const { data } = pen.getImageData(50, 0, canvas.width - 50, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )
    assert painted > 8  # ground, lines, and notes in shades of their loudness


def test_it_plays_at_once_without_asking_for_anything_and_is_heard_and_stops(page):
    page.compose(bars=4)
    page.until("studio.sound.samples !== null && document.querySelector('.measure') !== null")
    assert sounding(page) == 0
    page.idle()
    n_asked = len(page.asked)
    page.page.evaluate(
        """() => {
          const begin = studio.sound.begin.bind(studio.sound);
          studio.sound.begin = (at) => {
            begin(at);
            studio.delay = studio.sound.began - studio.sound.context.currentTime;
          };
        }"""
    )
    page.page.click("#play")
    page.until("studio.delay !== undefined")
    # How soon the press itself is taken depends on the machine; from there on it is 0.02 s.
    assert page.page.evaluate("studio.delay") < 0.05
    # The measures of the new piece may still be asked for; sound waits for nothing.
    assert [url for url in page.asked[n_asked:] if not url.endswith(("measures", ".svg"))] == []
    clock = page.page.evaluate("studio.sound.context.currentTime")
    loudest = 0.0
    end = time.monotonic() + 10
    while loudest < 0.01 and time.monotonic() < end:
        loudest = max(loudest, sounding(page))
    assert loudest > 0.01
    page.until(f"studio.sound.context.currentTime > {clock}")
    page.until("studio.roll.playhead > 0")
    assert page.page.get_by_role("button", name="Pause").is_visible()
    page.page.click("#play")
    page.until("!studio.sound.playing")
    page.until("studio.sound.level() < 0.001")


def test_a_machine_without_a_loudspeaker_is_told_so(page):
    page.compose(bars=1)
    page.page.evaluate("void (studio.sound.context.resume = () => new Promise(() => {}))")
    page.page.click("#play")
    assert "has no sound to play with" in page.toast()
    assert page.page.get_by_role("button", name="Play").is_visible()


def test_repeat_and_tempo_are_obeyed_while_it_plays(page):
    page.compose(bars=2)
    page.page.select_option("#repeat", "piece")
    page.page.locator("#tempo").fill("240")
    page.page.click("#play")
    # Two bars of four quarters at 240 a minute last two seconds.
    page.until("studio.sound.context.currentTime - studio.sound.began > 2.4")
    position = page.page.evaluate("studio.sound.position")
    assert 0 <= position < 32
    assert page.page.evaluate("studio.sound.playing")
    page.page.click("#play")


def test_a_locked_bar_is_unchanged_after_all_the_rest_is_rolled_again_and_undo_brings_it_back(page):
    page.compose(bars=4)
    before = page.bars()
    page.choose(3)
    page.page.click("#lock")
    page.choose(1)
    page.page.check("#with-following")
    page.page.click("#roll-again")
    page.idle()
    page.until("studio.state.canUndo")
    after = page.bars()
    assert after[2] == before[2]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, False, True, False]
    page.page.keyboard.press("Control+z")
    assert page.bars() == before
    page.page.click("#redo")
    assert page.bars() == after


def test_one_bar_is_rolled_again_and_what_follows_stays(page):
    page.compose(bars=4)
    before = page.bars()
    page.choose(2)
    page.page.click("#roll-again")
    page.idle()
    cells = page.bars()
    assert [a == b for a, b in zip(before, cells, strict=True)] == [True, False, True, True]


def test_one_of_ten_alternatives_is_seen_heard_and_used(page):
    page.compose(bars=3)
    page.choose(2)
    page.page.click("#alternatives")
    cards = page.page.locator(".strip button")
    cards.nth(9).wait_for()
    assert cards.count() == 10
    cards.nth(6).click()
    page.until("studio.sound.playing || studio.sound.level() > 0")
    shown = page.page.evaluate("studio.roll.bars[1].notes.map((n) => n.slice(0, 3))")
    page.page.get_by_role("button", name="Use it").click()
    page.idle()
    page.until("document.querySelector('#candidates').hidden")
    assert page.bars()[1] == shown


def test_alternatives_of_a_piece_go_with_it(page):
    page.compose(bars=3)
    page.choose(2)
    page.page.click("#alternatives")
    page.page.locator(".strip button").first.click()
    page.compose(bars=3, seed=2)
    page.until("document.querySelector('#candidates').hidden")
    shown = page.page.evaluate("studio.roll.bars.map((b) => b.notes.map((n) => n.slice(0, 3)))")
    assert shown == page.bars()


def test_a_blend_has_audible_steps_from_one_bar_to_another(page):
    page.compose(bars=3)
    bars = page.bars()
    page.choose(1)
    page.page.click("#blend")
    page.page.locator("#candidates select").nth(1).select_option("2")
    page.idle()
    slider = page.page.locator("#candidates input[type=range]")
    steps = []
    for step in ("0", "4", "8"):
        slider.fill(step)
        steps.append(page.page.evaluate("studio.roll.bars[0].notes.map((n) => n.slice(0, 3))"))
    assert sorted(steps[0]) == sorted(bars[0])
    assert sorted(steps[2]) == sorted(bars[2])
    assert sorted(steps[1]) not in (sorted(bars[0]), sorted(bars[2]))


def test_the_controls_have_their_bounds_from_the_server_and_begin_as_the_model_says(page):
    for name, control in CONTROLS.items():
        for bound in {"min", "max", "step"} & {*control}:
            assert float(page.page.get_attribute(f"#{name}", bound)) == control[bound]
    assert page.page.input_value("#bars") == str(CONTROLS["bars"]["value"])
    assert page.page.inner_text("#bars-now") == str(CONTROLS["bars"]["value"])
    for name, own in (("temperature", OWN.temperature), ("follow", OWN.follow)):
        assert float(page.page.input_value(f"#{name}")) == own
        assert page.page.inner_text(f"#{name}-now") == f"{own:.2f}"


def test_all_but_the_locked_bars_is_composed_anew_and_undone_in_one_step(page):
    page.compose(bars=4)
    before = page.bars()
    page.choose(2)
    page.page.click("#lock")
    page.set("seed", 7)
    page.set("bars", 6)
    page.page.click("#compose")
    page.until("studio.state.nWritten === 6")
    page.idle()
    after = page.bars()
    same = [a == b for a, b in zip(before, after, strict=False)]
    assert same == [False, True, False, False]
    page.page.click("#undo")
    assert page.bars() == before


def test_a_midi_file_is_dropped_its_track_and_bars_chosen_and_gone_on_from(page):
    high = [(i * 480, 480, 72 + i % 3, 90) for i in range(16)]
    low = [(i * 960, 960, 48, 70) for i in range(8)]
    data = midi(track(high, name="tune"), track(low, name="bass", channel=1))
    page.page.evaluate(
        """(bytes) => {
          const files = new DataTransfer();
          files.items.add(new File([new Uint8Array(bytes)], 'mine.mid', { type: 'audio/midi' }));
          const drop = new DragEvent('drop', { dataTransfer: files, bubbles: true });
          document.body.dispatchEvent(drop);
        }""",
        list(data),
    )
    page.until("document.querySelector('#file-name').textContent.startsWith('mine.mid: 4 bars')")
    page.until("studio.state.nGiven === 4")  # it stands on the roll at once
    page.page.select_option("#file-track", "2")
    page.until("studio.roll.notes.every((note) => note.pitch === 48)")
    page.choose(2)
    page.phrase("end")
    page.compose(bars=3)
    bars = page.bars()
    assert len(bars) == 5
    assert bars[:2] == [[[0, 8, 48], [8, 8, 48]]] * 2
    given = page.page.evaluate("studio.state.piece.bars.map((bar) => bar.given)")
    assert given == [True, True, False, False, False]


def test_a_file_s_tempo_and_instrument_go_into_what_is_taken_away_and_open_again(page, tmp_path):
    part = track([(i * 480, 480, 72, 90) for i in range(8)])
    part.insert(0, mido.MetaMessage("set_tempo", tempo=833_333))  # 72 quarters a minute
    part.insert(0, mido.Message("program_change", program=73))
    page.upload(midi(part))
    page.until("document.querySelector('#tempo').value === '72'")
    page.compose(bars=1)

    def says():
        tracks = mido.MidiFile(file=io.BytesIO(page.taken("mid"))).tracks
        found = [message for each in tracks for message in each]
        tempi = [message.tempo for message in found if message.type == "set_tempo"]
        return tempi, [m.program for m in found if m.type == "program_change"]

    assert says() == ([833_333], [73])
    page.page.locator("#tempo").fill("90")
    assert says() == ([666_667], [73])
    (tmp_path / "mine.json").write_bytes(page.taken("recipe"))
    page.silence()
    page.until("document.querySelector('#tempo').value === '120'")
    page.page.set_input_files("#open-recipe", tmp_path / "mine.json")
    page.until("document.querySelector('#tempo').value === '90'")
    assert says() == ([666_667], [73])


def test_a_training_tune_is_found_heard_and_gone_on_from(page):
    page.page.click("#new-tune")
    page.page.fill("#tune-search", "tune05")
    page.until("document.querySelectorAll('#tune-list option').length === 1")
    page.page.select_option("#tune-list", index=0)
    page.until("studio.sound.playing")
    page.compose(bars=2)
    given = page.page.evaluate("studio.state.piece.bars.map((bar) => bar.given)")
    assert given == [True] * 6 + [False] * 2


def test_notes_are_drawn_with_the_mouse_and_by_keyboard_and_gone_on_from(page):
    page.draw(bars=1)
    page.page.mouse.click(*page.place(0, 64))
    page.page.locator("#roll").focus()
    page.page.keyboard.press("Escape")
    for key in ("ArrowRight", "ArrowUp", "Enter"):
        page.page.keyboard.press(key)
    page.compose(bars=2)
    # the click: the first step; the keys: one quarter to the right of the start, a step above C4
    assert page.bars()[0] == [[0, 4, 64], [4, 4, 61]]


def test_everything_is_taken_away_and_opens_again_in_the_library(page, trained):
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    music21 = pytest.importorskip("music21", reason="needs the extra `folk`")
    page.compose(bars=3)
    files = {
        kind: page.taken_with_name(kind) for kind in ("mid", "wav", "musicxml", "png", "recipe")
    }
    assert [name for name, _ in files.values()] == [
        "nextbar-1.mid", "nextbar-1.wav", "nextbar-1.musicxml", "nextbar-1.png", "nextbar-1.json",
    ]  # fmt: skip
    composer = let_it_sound(nextbar.load(trained / "run"))
    made = Workbench(composer).composition(Sketch.from_json(json.loads(files["recipe"][1])))
    score = symusic.Score.from_midi(files["mid"][1])
    assert [n.pitch for n in score.tracks[0].notes] == made.notes["pitch"].tolist()
    with wave.open(io.BytesIO(files["wav"][1])) as sound:
        assert np.frombuffer(sound.readframes(-1), "<i2").any()
    sheet = music21.converter.parseData(files["musicxml"][1], format="musicxml")
    assert len(sheet.parts[0].getElementsByClass("Measure")) == 3
    assert files["png"][1].startswith(b"\x89PNG")


def test_a_recipe_file_gives_the_same_piece_on_a_fresh_page(page, chromium, address, tmp_path):
    page.compose(bars=3)
    page.choose(2)
    page.page.click("#lock")
    path = tmp_path / "piece.json"
    path.write_bytes(page.taken("recipe"))
    bars = page.bars()
    fresh = Page(chromium, address, viewport={"width": 1440, "height": 900})
    fresh.until("studio.state.nWritten === 8")  # what a fresh page begins with
    fresh.page.set_input_files("#open-recipe", path)
    fresh.until("studio.state.nWritten === 3")
    assert fresh.bars() == bars
    assert fresh.page.evaluate("studio.state.isLocked(1)")
    assert fresh.errors == []
    fresh.context.close()


def test_a_link_gives_the_same_piece_on_a_fresh_page_and_no_server_hears_of_it(page, address):
    page.compose(bars=3, seed=5)
    page.choose(2)
    page.page.click("#lock")
    page.page.click("#keeping-open")
    page.page.click('[data-kind="link"]')
    page.page.locator("#link").wait_for()
    link, bars = page.page.input_value("#link"), page.bars()
    assert re.fullmatch(rf"{re.escape(address)}/#piece=[\w-]+", link)
    page.compose(bars=2, seed=6)
    other = page.bars()
    asked = len(page.asked)
    page.page.evaluate("(link) => { location.href = link; }", link)  # on the page that is open
    page.until("studio.state.nWritten === 3")
    assert page.bars() == bars
    page.page.evaluate("localStorage.clear(), sessionStorage.clear()")
    page.page.goto("about:blank")
    page.page.goto(link)
    page.until("globalThis.studio?.state.nWritten === 3")
    page.idle()
    assert page.bars() == bars
    assert page.page.evaluate("studio.state.isLocked(1)")
    assert page.page.url == f"{address}/"
    assert bars != other
    packed = link.partition("=")[2]
    said = [url for url in page.asked[asked:] if packed[:20] in url.partition("#")[0]]
    assert said == []


def test_a_link_that_was_cut_off_is_said(page):
    page.page.evaluate("location.hash = '#piece=eJyrVspOzVOyUs'")
    assert "This link is damaged or cut off" in page.toast()
    assert page.page.evaluate("studio.state.nWritten") == 8  # as before


def test_stop_keeps_the_bars_that_are_there(page):
    page.compose(bars=5, seed=3)
    whole = page.bars()
    page.page.evaluate(
        """() => {
          const stop = document.querySelector('#stop');
          const stopOnce = () => {
            if (stop.hidden || !studio.state.isPreview) return;  // the first bar that is shown
            studio.state.removeEventListener('change', stopOnce);
            stop.click();
          };
          studio.state.addEventListener('change', stopOnce);
        }"""
    )
    page.set("bars", 64)
    page.page.fill("#seed", "3")
    page.page.click("#compose")
    page.until("studio.state.nWritten < 64 && !studio.writing.isBusy && !studio.state.isPreview")
    n_bars = len(page.bars())  # one, or some more where the machine is quick
    assert 1 <= n_bars < 64
    assert page.bars()[:5] == whole[:n_bars]
    page.page.click("#more")  # it can be gone on from
    page.until(f"studio.state.nWritten === {n_bars + 4}")
    assert page.bars()[:5] == whole


def test_what_is_kept_survives_a_reload_and_so_does_the_piece(page):
    page.compose(bars=3)
    bars = page.bars()
    page.keep()
    page.compose(bars=2, seed=8)
    page.page.reload()
    page.until("globalThis.studio?.state.nWritten === 2")
    page.page.click("#keeping-open")
    page.page.locator("#tray li button").first.click()
    page.until("studio.state.nWritten === 3")
    assert page.bars() == bars


def test_measures_and_nearness_are_shown(page):
    page.compose(bars=4)
    page.page.click("#keeping-open")
    page.page.locator(".measure").first.wait_for()
    assert "notes in a piece" in page.page.inner_text("#measures")
    page.choose(2)
    assert "Seed 1, temperature" in page.page.inner_text("#bar-facts")


def test_an_error_is_said_in_a_sentence(page):
    bad = {"name": "bad.mid", "mimeType": "audio/midi", "buffer": b"no midi"}
    page.page.set_input_files("#file", bad)
    assert "it does not begin with MThd" in page.toast()
    page.errors.clear()  # the browser itself notes the answer 400


def test_no_request_leaves_the_machine(page, address):
    page.compose(bars=2)
    page.page.click("#play")
    page.until("studio.sound.playing")
    elsewhere = [url for url in page.asked if not url.startswith((f"{address}/", "blob:"))]
    assert len(page.asked) > 8
    assert elsewhere == []


def test_all_can_be_done_by_keyboard(page):
    page.silence()
    for key in "lrab +-0":  # without a piece they do nothing
        page.page.keyboard.press(key)
    assert page.page.evaluate("studio.state.nWritten") == 0
    page.page.locator("#compose").focus()
    page.page.keyboard.press("Enter")
    page.until("studio.state.nWritten === 8")
    page.idle()
    page.page.locator("#roll").focus()
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("ArrowRight")
    assert page.page.evaluate("studio.state.selected") == 1
    page.page.keyboard.press("l")
    assert page.page.evaluate("studio.state.isLocked(1)")
    page.page.keyboard.press(" ")
    page.until("studio.sound.playing")


@pytest.mark.parametrize("kind", ["page", "phone"])
def test_an_automated_check_finds_no_barrier(kind, request):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs [dev]")
    page = request.getfixturevalue(kind)
    found = axe.Axe().run(page.page).response["violations"]
    page.compose(bars=4)
    page.choose(2)
    page.page.click("#alternatives")
    page.page.locator(".strip button").first.wait_for()
    found += axe.Axe().run(page.page).response["violations"]
    assert [(v["id"], [n["html"][:90] for n in v["nodes"]]) for v in found] == []


def test_a_phone_shows_all_of_it_without_scrolling_sideways(phone):
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    phone.page.tap("#compose")
    phone.until("studio.state.settings.seed !== 1")
    phone.idle()
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    phone.page.locator("#ruler button").nth(2).tap()
    assert phone.page.evaluate("studio.state.selected") == 2
    sharp = phone.page.evaluate(
        "document.querySelector('#canvas').width / document.querySelector('#canvas').clientWidth"
    )
    assert sharp == 2


@pytest.mark.slow
def test_a_first_visit_from_a_piece_one_likes_to_a_file_for_a_music_program_takes_six_presses(page):
    presses = []
    page.page.expose_function("pressed", lambda: presses.append(1))
    page.page.evaluate("addEventListener('pointerdown', () => pressed(), { capture: true })")
    page.press_compose()  # eight bars, another time than those that it opens with
    assert page.page.evaluate("studio.state.nWritten") == 8
    start, pitch = page.page.evaluate("[studio.roll.notes[0].start, studio.roll.notes[0].pitch]")
    page.drag((start, pitch), (start, pitch + 2))
    page.settled()
    page.choose(5)
    page.page.click("#roll-again")
    page.idle()
    data = page.taken("mid")  # opens Keep, presses MIDI, and closes it again
    first = min(note.time for note in symusic.Score.from_midi(data).tracks[0].notes)
    assert first == start * 120  # 480 ticks a quarter
    assert len(presses) - 1 == 6  # without the closing
