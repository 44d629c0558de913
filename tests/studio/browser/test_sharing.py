"""Pieces that somebody sends, opened where the model is another one; models of one's own."""

import json
import time

import pytest

from nextbar.shipped import MODELS
from nextbar.studio.app import make_app

from ...fixtures import write_tunes
from ..serving import serving
from .conftest import WIDE, Page


@pytest.fixture(scope="module")
def chorales():
    """The address of a studio with one of the models that come along."""
    app = make_app([MODELS["chorales"].folder])
    with serving(app) as address:
        while app.state.shelf.is_loading:
            time.sleep(0.05)
        yield address


@pytest.fixture
def other(chromium, chorales):
    """A page of it."""
    opened = Page(chromium, chorales, **WIDE)
    yield opened
    opened.context.close()


def open_file(page, path):
    page.page.evaluate("void (globalThis.before = studio.state.piece)")
    with page.panel("keeping"):
        page.page.set_input_files("#open-recipe", str(path))
    page.until("studio.state.piece !== before && !studio.writing.isBusy")


def test_a_piece_of_a_run_that_is_not_here_opens_as_notes_and_says_what_is_missing(
    page, other, tmp_path
):
    page.compose(bars=3)
    (tmp_path / "sent.json").write_bytes(page.taken("recipe"))
    open_file(other, tmp_path / "sent.json")
    assert "This piece was made with run, which is not open here" in other.toast()
    assert "Chorales goes on from them" in other.toast()
    assert [note for bar in other.bars() for note in bar] == [
        note for bar in page.bars() for note in bar
    ]
    given = other.page.evaluate("studio.state.piece.bars.map((bar) => bar.given)")
    assert given == [True] * 3
    other.page.click("#toast-close")
    other.page.click("#more")
    other.until("studio.state.piece.bars.length === 7 && !studio.writing.isBusy")
    assert [error for error in other.errors if "404" not in error] == []


def test_a_piece_of_a_model_that_comes_along_opens_where_another_is_open(other, tmp_path):
    from nextbar.studio.desk import Desk

    desk = Desk(MODELS["fiddle"].folder, "Fiddle tunes")
    sampling = desk.composer.sampling
    *_, (sketch, _) = desk.bench.compose(desk.bench.begin(), bars=2, seed=4, sampling=sampling)
    (tmp_path / "sent.json").write_text(json.dumps(sketch.to_json()))
    open_file(other, tmp_path / "sent.json")
    shown = [[note[:3] for note in bar["notes"]] for bar in desk.show(sketch)["bars"]]
    assert other.bars() == shown
    with other.panel("making"):
        names = other.page.locator("#run option").all_inner_texts()
    assert sorted(names) == ["Chorales", "Fiddle tunes"]
    assert other.errors == []


def test_a_damaged_file_of_another_run_is_refused_in_a_sentence(page, other, tmp_path):
    page.compose(bars=1)
    sent = json.loads(page.taken("recipe"))
    sent["heard"]["bars"] = [{"notes": [[0, 1, 500, 80, False]], "metre": "4/4"}]
    (tmp_path / "sent.json").write_text(json.dumps(sent))
    with other.panel("keeping"):
        other.page.set_input_files("#open-recipe", str(tmp_path / "sent.json"))
    assert "it is above 108" in other.toast()


@pytest.mark.slow
def test_a_model_of_one_s_own_files_learns_while_one_waits_and_then_composes(
    chromium, chorales, tmp_path
):
    page = Page(chromium, chorales, **WIDE)
    tunes = sorted(write_tunes(tmp_path / "own", 5).iterdir())
    page.page.set_input_files("#own-files", list(map(str, tunes)))
    page.page.fill("#own-name", "Mine")
    assert page.page.inner_text("#own-start") == "Learn from these 5"
    page.page.click("#own-start")
    page.until("document.querySelector('#own-jobs progress')?.value > 0", 300)
    page.page.click("#own-jobs >> text=Stop")
    page.until("document.querySelector('#own-jobs').innerText.includes('stopped')", 120)
    page.page.click("#own-jobs >> text=Go on")
    page.until("studio.state.run.name === 'Mine'", 900)
    page.compose(bars=2)
    assert page.page.evaluate("studio.state.runOfPiece.name") == "Mine"
    assert "ready" in page.page.inner_text("#own-jobs")
    page.context.close()
    assert page.errors == []


def test_several_files_that_are_dropped_are_to_be_learnt_from(other):
    other.page.evaluate(
        """() => {
          const files = new DataTransfer();
          for (const name of ["a.mid", "b.mid"]) files.items.add(new File(["x"], name));
          const drop = new DragEvent("drop", { dataTransfer: files, bubbles: true });
          document.body.dispatchEvent(drop);
        }"""
    )
    assert other.page.inner_text("#own-list") == "a.mid, b.mid"
    assert other.page.inner_text("#own-start") == "Learn from these 2"
    assert other.page.evaluate("scrollY") == 0  # the panel goes along, not the page
    assert other.errors == []
