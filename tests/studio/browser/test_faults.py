"""What went wrong once: tabs that took each other's pieces, a damaged tray, colours that vanish."""

import time
from pathlib import Path

import pytest

from nextbar.shipped import MODELS
from nextbar.studio.app import make_app

from ...fixtures import let_it_sound
from ...music.midi_files import midi, track
from ..serving import serving
from .conftest import NARROW, WIDE, Page

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_written_can_be_read_in_every_state_of_every_button(chromium, address, scheme):
    page = Page(chromium, address, color_scheme=scheme, **WIDE)
    page.compose(bars=2)
    page.page.click("#keeping-open")
    page.choose(1)
    page.page.click("#phrase")
    page.page.click("#lock")
    page.choose(2)
    page.page.click("#alternatives")
    page.page.locator(".strip button").nth(2).click()
    found = {"as it is": page.page.evaluate(CONTRAST)}
    client = page.context.new_cdp_session(page.page)
    client.send("DOM.enable")
    client.send("CSS.enable")
    root = client.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
    buttons = client.send(
        "DOM.querySelectorAll", {"nodeId": root, "selector": "button, .button, select"}
    )["nodeIds"]
    for state in (["hover"], ["active", "hover"], ["focus", "focus-visible"]):
        for node in buttons:
            client.send("CSS.forcePseudoState", {"nodeId": node, "forcedPseudoClasses": state})
        page.page.wait_for_timeout(250)  # until the colours have changed
        found[" ".join(state)] = page.page.evaluate(CONTRAST)
    page.context.close()
    assert found == {state: [] for state in found}


@pytest.mark.slow
def test_two_tabs_keep_and_discard_their_own_pieces(page, address):
    page.compose(bars=2, seed=21)
    page.keep()
    other = Page.__new__(Page)
    other.context, other.asked, other.errors = page.context, [], []
    other.page = page.context.new_page()
    other.page.set_viewport_size({"width": 1440, "height": 900})
    other.page.goto(address)
    other.ready()
    other.compose(bars=3, seed=22)
    other.keep()
    page.page.click("#keeping-open")
    page.until("document.querySelectorAll('#tray li').length === 2")  # told by the other tab
    titles = page.page.locator("#tray li span").all_inner_texts()
    assert ["seed 22" in titles[0], "seed 21" in titles[1]] == [True, True]
    other.page.click("#keeping-open")
    page.page.evaluate("removeEventListener('storage', () => {})")
    page.page.get_by_label(f"Discard {titles[0]}").click()
    other.page.get_by_label(f"Discard {titles[1]}").click()
    other.until("document.querySelectorAll('#tray li').length === 0")
    # each goes on with the piece that it had
    page.page.reload()
    page.ready()
    assert page.page.evaluate("studio.state.nWritten") == 2
    other.page.reload()
    other.ready()
    assert other.page.evaluate("studio.state.nWritten") == 3


@pytest.mark.slow
def test_a_damaged_entry_of_the_tray_is_said_and_stops_nothing(page):
    page.compose(bars=2)
    page.keep()
    page.page.evaluate(
        """() => {
          const key = 'nextbar-studio-tray', kept = JSON.parse(localStorage.getItem(key));
          const damaged = [null, 7, {}, { title: 'x', recipe: {}, bars: [{ notes: 'no' }] }];
          localStorage.setItem(key, JSON.stringify([...damaged, ...kept]));
        }"""
    )
    page.page.reload()
    page.ready()
    page.page.click("#keeping-open")
    assert page.page.locator("#tray li").count() == 1
    assert "4 kept pieces are damaged" in page.page.inner_text("#tray-damaged")
    page.page.click("#discard-damaged")
    assert page.page.locator("#tray-damaged").is_hidden()
    assert page.page.locator("#tray li").count() == 1


@pytest.mark.slow
def test_all_notes_are_seen_after_fit_on_any_screen(chromium, address):
    notes = [(i * 480, 480, pitch, 90) for i, pitch in enumerate((24, 104, 30, 96) * 4)]
    for screen in (WIDE, NARROW):
        page = Page(chromium, address, **screen)
        page.upload(midi(track(notes)))
        hidden = page.page.evaluate(
            """studio.roll.notes.filter((note) => {
                 const y = studio.roll.yOf(note.pitch), x = studio.roll.xOf(note.start);
                 return y < 0 || y + studio.roll.rowHeight > studio.roll.height + 1
                   || x < 0 || x > studio.roll.box.clientWidth;
               }).length"""
        )
        assert hidden == 0
        page.context.close()


@pytest.mark.slow
def test_composing_again_on_a_phone_leaves_the_roll_and_the_buttons_in_sight(phone):
    phone.page.tap("#compose")
    phone.until("studio.state.settings.seed !== 1 && !studio.writing.isBusy")
    phone.press_compose()
    for thing in ("#roll", "#play", "#compose"):
        box = phone.page.locator(thing).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 844
    assert phone.page.evaluate("scrollY") == 0
    phone.page.tap("#making-open")
    assert phone.page.locator("#compose").is_visible()
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    phone.page.keyboard.press("Escape")
    assert phone.page.locator("#making").is_hidden()
    assert phone.page.evaluate("document.activeElement.id") == "making-open"


@pytest.mark.slow
def test_a_refused_file_s_reason_stays_until_another_is_chosen(page):
    bad = {"name": "bad.mid", "mimeType": "audio/midi", "buffer": b"no midi"}
    page.page.set_input_files("#file", bad)
    assert "bad.mid" in page.toast()
    page.page.keyboard.press("Escape")
    assert page.page.locator("#toast").is_hidden()
    assert "it does not begin with MThd" in page.page.inner_text("#file-problem")
    page.upload(midi(track([(i * 480, 480, 60, 90) for i in range(4)])))
    assert page.page.locator("#file-problem").is_hidden()
    page.errors.clear()  # the browser itself notes the answer 400


@pytest.mark.slow
def test_escape_closes_the_alternatives_and_the_bar_is_as_it_was(page):
    page.compose(bars=3)
    page.choose(2)
    page.page.click("#alternatives")
    page.page.locator(".strip button").nth(5).click()
    page.page.keyboard.press("Escape")
    assert page.page.locator("#candidates").is_hidden()
    shown = page.page.evaluate("studio.roll.bars.map((b) => b.notes.map((n) => n.slice(0, 3)))")
    assert shown == page.bars()
    assert page.page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(
        "Bar 2"
    )


@pytest.mark.slow
def test_play_and_locks_can_be_seen_where_the_system_has_its_own_colours(chromium, address):
    page = Page(chromium, address, forced_colors="active", **WIDE)
    page.compose(bars=2)
    page.choose(1)
    page.page.click("#lock")
    painted = page.page.evaluate(
        """[...document.querySelectorAll('.when-paused, .ruler svg:not(.away)')].map((svg) => (
             getComputedStyle(svg).fill
               !== getComputedStyle(svg.closest('button')).backgroundColor))"""
    )
    page.context.close()
    assert painted == [True, True]


@pytest.mark.slow
def test_another_model_is_chosen_and_the_piece_stays(chromium, trained, run_of_two):
    app = make_app([trained / "run", run_of_two])
    with serving(app) as address:
        while app.state.shelf.is_loading:
            time.sleep(0.05)
        for desk in app.state.shelf.desks.values():
            let_it_sound(desk.composer)
        page = Page(chromium, address, **WIDE)
        page.compose(bars=3)
        before = page.bars()
        page.page.select_option("#run", index=1)
        assert page.bars() == before
        page.page.click("#more")
        page.until("studio.state.piece.bars.length === 7 && !studio.writing.isBusy")
        after = page.bars()
        runs = list(app.state.shelf.desks)
        assert page.page.evaluate("studio.state.piece.recipe.run") == runs[1]
        page.page.click("#undo")
        assert page.bars() == before
        page.context.close()
        assert page.errors == []
    assert [sorted(bar) for bar in after[:3]] == [sorted(bar) for bar in before]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_automated_check_finds_no_barrier_in_any_state(chromium, address, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs [dev]")
    found = []
    for screen in (WIDE, NARROW):
        page = Page(chromium, address, color_scheme=scheme, **screen)

        def check(page=page):
            found.extend(axe.Axe().run(page.page).response["violations"])

        page.page.locator("#roll").focus()
        page.page.keyboard.press("Control+a")
        check()
        page.choose(2)
        page.page.click("#phrase")
        page.page.click("#lock")
        check()
        for name in ("making", "keeping"):
            with page.panel(name):
                check()
        page.page.click("#help-open")
        check()
        page.context.close()
    assert [(v["id"], [n["html"][:90] for n in v["nodes"]]) for v in found] == []


def test_a_piece_of_a_model_that_comes_along_stands_beside_real_tunes(chromium):
    app = make_app([MODELS["fiddle"].folder])
    with serving(app) as address:
        page = Page(chromium, address, **WIDE)
        page.compose(bars=8)
        with page.panel("keeping"):
            page.until("document.querySelectorAll('#measures .band').length >= 8")
            assert page.page.locator("#measures-none").is_hidden()
        page.context.close()
        assert page.errors == []


def test_no_copies_are_written_where_that_is_asked_for(page):
    page.page.locator("#no-copies").check()
    page.compose(bars=6, seed=3)
    copies = page.page.evaluate("studio.state.piece.bars.map((bar) => bar.is_copy)")
    assert not any(copies)
    assert page.page.locator("#no-copies").is_checked()
    page.page.reload()
    page.ready()
    assert page.page.locator("#no-copies").is_checked()  # it belongs to the piece's settings
