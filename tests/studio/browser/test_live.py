"""Playing along: a keyboard is heard and recorded, and bars are traded with the model, in time."""

from pathlib import Path

import pytest

from .conftest import WIDE, Page

FAKE = (Path(__file__).parent / "fake_midi.js").read_text()
BEAT, BAR = 4, 16  # in steps


@pytest.fixture
def page(chromium, address):
    """A fresh page with a MIDI keyboard and a synthesiser."""
    opened = Page(chromium, address, before=FAKE, **WIDE)
    opened.page.click("#live-open")
    opened.page.click("#midi-connect")
    opened.until("document.querySelector('#midi-says').textContent === 'Plays: Keys 25'")
    yield opened
    opened.context.close()
    assert opened.errors == []


def start(page, mode="trade", *, bars=1, tempo=90, behind=False):
    page.page.check(f'[name="live-mode"][value="{mode}"]', force=True)
    if mode == "trade":
        page.page.select_option("#live-bars", str(bars))
    page.page.set_checked("#live-behind", behind)
    page.page.locator("#tempo").fill(str(tempo))
    page.page.click("#live-start")
    page.until("studio.live.isOn")


def play(page, notes, at=0):
    page.page.evaluate("([notes, from]) => fakeMidi.play(notes, from)", [notes, at])


def stop(page):
    page.page.click("#live-start")
    page.until("!studio.live.isOn")


TUNE = [(0, 4, 60, 70), (4, 2, 64, 90), (6, 2, 67, 90), (8, 8, 72, 100)]
"""Of a bar."""
AS_PLAYED = [[start, steps, pitch] for start, steps, pitch, _ in TUNE]


def test_what_is_played_on_a_midi_keyboard_is_recorded_on_the_roll_as_it_was_played(page):
    start(page, "record")
    play(page, TUNE)
    play(page, TUNE[:1], at=2 * BAR)  # bar 2 is left out
    page.until(f"studio.live.session.now > {2 * BAR + 5}")
    stop(page)
    page.settled()
    assert page.bars() == [AS_PLAYED, [], AS_PLAYED[:1]]
    velocities = page.page.evaluate("studio.state.piece.bars[0].notes.map((note) => note[3])")
    assert velocities == [70, 90, 90, 100]
    page.page.click("#undo")
    assert page.bars() != [AS_PLAYED, [], AS_PLAYED[:1]]


def test_nothing_is_changed_where_nothing_was_played(page):
    before = page.bars()
    start(page, "record", tempo=200)
    page.until(f"studio.live.session.now > {BAR}")
    stop(page)
    assert page.bars() == before
    assert "Nothing was played" in page.page.inner_text("#status")


def test_bars_are_traded_and_what_was_played_is_kept_as_a_piece(page):
    start(page, bars=1)
    for trade in range(2):
        play(page, TUNE, at=2 * trade * BAR)
    page.until("studio.live.session.isMine && studio.live.session.log.length === 2")
    line = page.page.evaluate("studio.live.session.bars.map((bar) => Boolean(bar.own))")
    stop(page)
    assert line == [True, False, True, False]
    page.settled()
    bars = page.bars()
    assert bars[0] == bars[2] == AS_PLAYED
    assert len(bars[1]) > 0
    assert page.page.evaluate("studio.state.piece.recipe.locked") == [0, 2]
    kept = page.page.evaluate("studio.state.piece.bars.map((bar) => bar.recipe?.seed ?? null)")
    seed = page.page.evaluate("studio.state.settings.seed")
    assert kept == [None, seed, None, seed]
    page.page.reload()  # it is a piece like any other: its recipe gives it again
    page.ready()
    assert page.bars() == bars


def test_it_answers_what_was_played_and_waits_until_something_is(page):
    start(page, bars=1, tempo=200)
    page.until(f"studio.live.session.now > {2 * BAR + 4}")  # two bars nobody has played in
    assert page.page.evaluate("studio.live.session.bars.length") == 0
    assert page.page.inner_text("#live-turn") == "Play, it listens"
    first = page.page.evaluate("studio.live.session.first") + BAR
    play(page, TUNE, at=first)
    page.until("studio.live.session.bars.length === 2")
    stop(page)
    page.settled()
    assert page.bars()[0] == AS_PLAYED


def test_a_trade_may_go_on_behind_the_piece_that_stands_there(page):
    page.compose(bars=2)
    before = page.bars()
    start(page, bars=1, behind=True)
    play(page, TUNE)
    page.until("studio.live.session.isMine && studio.live.session.log.length === 1")
    stop(page)
    page.settled()
    assert page.bars()[:3] == [*before, AS_PLAYED]
    assert len(page.bars()) == 4


def test_a_key_struck_a_little_before_the_bar_line_is_of_the_bar_behind_it(page):
    start(page, bars=1)
    play(page, TUNE)
    play(page, [(-0.4, 4, 62, 80)], at=2 * BAR)  # while the model's bar still sounds
    page.until(f"studio.live.session.now > {2 * BAR + 6}")
    stop(page)
    page.settled()
    [[start_step, steps, pitch]] = page.bars()[2]
    assert (start_step, pitch) == (0, 62)
    assert 2 <= steps <= 5  # by the clock of a busy machine


def test_the_computer_s_keys_play_and_do_nothing_else_while_the_strip_is_open(page):
    start(page, "record", tempo=120)
    page.until("studio.live.session.now > 0")
    keyboard = page.page.keyboard
    keyboard.down("a")  # C4; elsewhere it asks for ten other bars
    page.page.wait_for_timeout(150)
    keyboard.up("a")
    keyboard.press("x")  # an octave higher
    keyboard.down("w")
    page.page.wait_for_timeout(150)
    keyboard.up("w")
    stop(page)
    page.settled()
    pitches = [note[2] for bar in page.bars() for note in bar]
    assert pitches == [60, 73]
    page.page.click("#live-open")
    keyboard.press("a")
    assert page.page.evaluate("studio.state.piece.bars.flatMap((bar) => bar.notes).length") == 2


def test_fingers_play_on_the_keyboard_of_a_phone(chromium, address):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = Page(chromium, address, **phone)
    page.page.click("#live-open")
    start(page, "record", tempo=120)
    page.until("studio.live.session.now > 0")
    page.page.tap('[data-pitch="64"]')
    page.until(f"studio.live.session.now > {BEAT}")
    stop(page)
    page.settled()
    assert [note[2] for note in page.bars()[0]] == [64]
    assert page.page.evaluate("document.documentElement.scrollWidth") == 390
    page.context.close()
    assert page.errors == []


def test_the_pedal_holds_what_the_keys_let_go(page):
    start(page, "record", tempo=120)
    page.until("studio.live.session.now > 0.1")
    page.page.evaluate("fakeMidi.send([0xb0, 64, 127])")
    page.page.evaluate("fakeMidi.on(60)")
    page.page.evaluate("fakeMidi.off(60)")
    page.until("studio.live.session.now > 8.5")
    page.page.evaluate("fakeMidi.send([0xb0, 64, 0])")
    page.until("studio.live.session.now > 12")
    stop(page)
    page.settled()
    [[_, steps, pitch]] = page.bars()[0]
    assert pitch == 60
    assert 7 <= steps <= 10


def test_it_sounds_by_a_synthesiser_that_is_chosen_and_falls_silent_there(page):
    page.compose(bars=1)
    page.page.select_option("#midi-out", "synth")
    page.page.evaluate("fakeMidi.output.sent.length = 0")
    page.page.click("#play")
    page.until("!studio.sound.playing")
    sent = page.page.evaluate("fakeMidi.output.sent")
    struck = [(pitch, velocity) for status, pitch, velocity, *_ in sent if status == 0x90]
    written = page.page.evaluate("studio.roll.notes.map((n) => [n.pitch, n.velocity])")
    assert sorted(struck) == sorted(map(tuple, written))
    assert len([1 for status, *_ in sent if status == 0x80]) >= len(struck)
    assert [0xB0, 123, 0] in [message[:3] for message in sent]  # all notes off
    times = [message[3] for message in sent if message[0] == 0x90]
    steps = page.page.evaluate("studio.roll.notes.map((n) => n.start)")
    step = 1000 * page.page.evaluate("studio.transport.secondsPerStep")
    heard = [(time - times[0]) / step for time in times]
    assert heard == pytest.approx([each - steps[0] for each in steps], abs=0.15)
    assert page.page.evaluate("studio.sound.level()") < 0.001  # here nothing sounds


def test_a_tempo_changed_meanwhile_is_kept_and_the_trade_goes_on(page):
    start(page, bars=1)
    page.until("studio.live.session.now > 1")
    page.page.locator("#tempo").fill("200")
    play(page, TUNE)
    page.until("studio.live.session.bars.length === 2")
    stop(page)
    page.settled()
    assert page.page.evaluate("studio.state.piece.recipe.sound.tempo") == 200


def test_what_is_played_in_another_key_is_answered_in_that_key_and_comes_again(page):
    sharp = [(start, steps, pitch + 6, velocity) for start, steps, pitch, velocity in TUNE]
    start(page, bars=1)
    play(page, sharp)
    page.until("studio.live.session.isMine && studio.live.session.log.length === 1")
    answered = page.page.evaluate("studio.live.session.bars[1].notes.map((n) => n.slice(0, 3))")
    stop(page)
    page.settled()
    assert page.bars() == [[[s, n, p] for s, n, p, _ in sharp], answered]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_strip_can_be_used_by_everybody_also_while_it_plays(page, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs [dev]")
    page.page.evaluate(f"document.documentElement.dataset.theme = {theme!r}")
    for is_on in (False, True):
        if is_on:
            start(page)
        page.until("!document.getAnimations().length")  # colours on their way are neither
        found = axe.Axe().run(page.page).response["violations"]
        assert [violation["id"] for violation in found] == []
    stop(page)
