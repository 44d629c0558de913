"""The other hand, on the page: what is kept stays to the note, and undo takes away the rest."""

import time

import pytest

from nextbar.shipped import find_run
from nextbar.studio.app import make_app

from ...music.midi_files import midi, track
from ..serving import serving
from .conftest import WIDE, Page


@pytest.fixture(scope="module")
def choir(chromium):
    """A page with the model of chorales, in four voices, and that of fiddle tunes, in one."""
    app = make_app([find_run("chorales"), find_run("fiddle")])
    with serving(app) as address:
        while app.state.shelf.is_loading:
            time.sleep(0.05)
        opened = Page(chromium, address, **WIDE)
        yield opened
        opened.context.close()
    assert opened.errors == []


def write(page, what):
    """Writes the other hand in the selected bars, as the list says it."""
    if page.page.locator("#hand-tools").is_hidden():
        page.page.click("#hand")
    page.page.select_option("#hand-what", what)
    page.page.evaluate("void (globalThis.before = studio.state.piece)")
    page.page.click("#hand-write")
    page.until("studio.state.piece !== before && !studio.writing.isBusy && !studio.state.isPreview")


def test_a_tune_of_ones_own_gets_a_hand_below_and_is_kept_to_the_note(choir):
    tune = [(480 * i, 480, 67 + [0, 2, 4, 5][i % 4], 80) for i in range(8)]  # two bars of quarters
    choir.upload(midi(track(tune)))
    before = choir.page.evaluate("studio.state.piece.bars.map((bar) => bar.notes)")
    choir.choose(1, 2)
    write(choir, "all below")
    after = choir.page.evaluate("studio.state.piece.bars.map((bar) => bar.notes)")
    for old, new in zip(before, after, strict=True):
        assert all(note in new for note in old)
        added = [note for note in new if note not in old]
        assert added
        assert max(note[2] for note in added) < 72  # the highest of the tune
    assert choir.page.evaluate("studio.state.isLocked(0) && studio.state.isLocked(1)")
    choir.page.click("#undo")
    assert choir.page.evaluate("studio.state.piece.bars.map((bar) => bar.notes)") == before


def test_of_a_bar_that_the_model_wrote_the_highest_line_is_kept(choir):
    choir.silence()
    choir.compose(bars=3, seed=4)
    before = choir.bars()
    choir.choose(2)
    write(choir, "top below")
    after = choir.bars()
    assert after[0] == before[0]
    assert after[2] == before[2]
    assert after[1] != before[1]
    first = max(note for note in before[1] if note[0] == 0)
    highest = max((note for note in before[1] if note[0] == first[0]), key=lambda note: note[2])
    assert highest in after[1]
    kinds = choir.page.evaluate("studio.state.piece.bars.map((bar) => Boolean(bar.own))")
    assert kinds == [False, True, False]


def test_with_a_model_of_one_voice_it_is_said_why_there_is_no_other_hand(choir):
    fiddle = choir.page.evaluate("studio.state.runs.find((run) => run.why_no_other_hand).name")
    with choir.panel("making"):
        choir.page.select_option("#run", label=fiddle)
    choir.choose(3)
    if choir.page.locator("#hand-tools").is_hidden():
        choir.page.keyboard.press("h")
    assert choir.page.get_attribute("#hand-write", "aria-disabled") == "true"
    says = choir.page.inner_text("#hand-says")
    assert "one voice" in says
    assert says.endswith("Chorales can.")
    choir.page.click("#undo")
