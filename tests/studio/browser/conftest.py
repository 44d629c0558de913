"""A real browser, and a studio that it can reach; both skip with the way to have them."""

import os
import shutil
import time
from contextlib import contextmanager

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
    with _sounding(trained / "run") as address:
        yield address


@pytest.fixture(scope="session")
def address_of_two(run_of_two):
    """The address of one with a run of two metres."""
    with _sounding(run_of_two) as address:
        yield address


@contextmanager
def _sounding(run):
    app = make_app([run])
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

    def metres(self):
        """The metre of every bar."""
        return self.page.evaluate("studio.state.piece.bars.map((bar) => bar.metre)")

    def taken(self, kind):
        """The bytes of the file that is taken away."""
        with self.page.expect_download() as waiting:
            self.page.click(f'[data-kind="{kind}"]')
        return waiting.value.path().read_bytes()

    def upload(self, data, name="own.mid"):
        """Chooses a file of one's own, and waits until it is read."""
        self.page.get_by_role("radio", name="My file").check()
        file = {"name": name, "mimeType": "audio/midi", "buffer": data}
        self.page.set_input_files("#file", file)
        self.page.locator("#file-choices").wait_for()

    def choose(self, bar):
        """Selects a bar, counted from 1."""
        self.page.locator("#ruler button").nth(bar - 1).click()


WIDE = {"viewport": {"width": 1440, "height": 900}}
NARROW = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}


@pytest.fixture
def page(chromium, address):
    """A fresh page on a wide screen; it may not have had an error."""
    with _fresh(chromium, address, WIDE) as opened:
        yield opened


@pytest.fixture
def phone(chromium, address):
    """A fresh page on a phone."""
    with _fresh(chromium, address, NARROW) as opened:
        yield opened


@pytest.fixture
def page_of_two(chromium, address_of_two):
    """A fresh page on a wide screen, of a run of two metres."""
    with _fresh(chromium, address_of_two, WIDE) as opened:
        yield opened


@pytest.fixture
def phone_of_two(chromium, address_of_two):
    """The same on a phone."""
    with _fresh(chromium, address_of_two, NARROW) as opened:
        yield opened


@contextmanager
def _fresh(chromium, address, options):
    opened = Page(chromium, address, **options)
    yield opened
    opened.context.close()
    assert opened.errors == []
