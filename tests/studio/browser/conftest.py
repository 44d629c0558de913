"""A real browser, and a studio that it can reach; both skip with the way to have them."""

import os
import shutil
import time

import pytest

pytest.importorskip("playwright", reason="needs playwright: pip install 'nextbar[dev]'")
pytest.importorskip("uvicorn", reason="needs the extra `studio`")

from playwright.sync_api import sync_playwright

from nextbar.frames.config import Sampling
from nextbar.studio.app import make_app

from ...fixtures import let_it_sound
from ..serving import serving

OWN = Sampling(temperature=0.85, follow=0.9)
"""How the run says that it writes."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
]


@pytest.fixture(scope="session")
def address(trained):
    """The address of a studio whose model sounds."""
    app = make_app([trained / "run"])
    with serving(app) as address:
        while app.state.shelf.is_loading:
            time.sleep(0.05)
        (desk,) = app.state.shelf.desks.values()
        let_it_sound(desk.composer).sampling = OWN
        yield address


@pytest.fixture(scope="module")
def chromium():
    """The system's Chromium, without a window; while it is open, this thread has an event loop."""
    program = os.environ.get("NEXTBAR_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), "")
    if not program:
        pytest.skip(
            "there is no Chromium; install it (Debian: apt-get install chromium), or set "
            "NEXTBAR_CHROMIUM to its program"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


class Page:
    """A page of the studio, ready to be used; what it asked for and what went wrong is kept."""

    def __init__(self, browser, address, **options):
        self.context = browser.new_context(accept_downloads=True, **options)
        self.page = self.context.new_page()
        self.asked, self.errors = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda said: said.type == "error" and self.errors.append(said.text),
        )
        self.page.goto(address)
        self.until("!document.querySelector('#compose').disabled")

    def until(self, expression, seconds=20.0):
        """Waits for an expression to be true; the page's policy forbids what playwright has."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"never came: {expression}"
            time.sleep(0.02)

    def idle(self):
        """Waits until the model is asked for nothing."""
        self.until("document.querySelector('#stop').hidden")

    def compose(self, bars=4, seed=1):
        """A piece of so many bars."""
        self.page.evaluate(f"document.querySelector('#bars').value = {bars}")
        self.page.uncheck("#new-seed")
        self.page.fill("#seed", str(seed))
        before = self.page.evaluate("studio.state.piece")
        self.page.click("#compose")
        self.until(f"studio.state.nWritten === {bars}")
        self.idle()
        return before

    def bars(self):
        """The notes of every bar: start, duration, pitch each."""
        return self.page.evaluate(
            "studio.state.piece.bars.map((bar) => bar.notes.map((note) => note.slice(0, 3)))"
        )

    def choose(self, bar):
        """Selects a bar, counted from 1."""
        self.page.locator("#ruler button").nth(bar - 1).click()


@pytest.fixture
def page(chromium, address):
    """A fresh page on a wide screen; it may not have had an error."""
    opened = Page(chromium, address, viewport={"width": 1440, "height": 900})
    yield opened
    opened.context.close()
    assert opened.errors == []


@pytest.fixture
def phone(chromium, address):
    """A fresh page on a phone."""
    opened = Page(
        chromium,
        address,
        viewport={"width": 390, "height": 844},
        device_scale_factor=2,
        has_touch=True,
        is_mobile=True,
    )
    yield opened
    opened.context.close()
    assert opened.errors == []
