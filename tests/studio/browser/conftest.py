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

    def __init__(self, browser, address, *, before="", **options):
        """before: a script that runs before the page's own."""
        self.context = browser.new_context(accept_downloads=True, **options)
        self.context.add_init_script(before)
        self.context.set_default_timeout(90_000)
        self.page = self.context.new_page()
        self.asked, self.errors = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda said: said.type == "error" and self.errors.append(said.text),
        )
        self.page.goto(address)
        self.ready()

    def ready(self):
        """Waits until the page has begun: with a piece that can be played."""
        self.until("globalThis.studio?.state.piece && studio.state.run && !studio.writing.isBusy")
        self.until("document.querySelector('#compose').getAttribute('aria-disabled') === 'false'")

    def until(self, expression, seconds=90.0):
        """Waits for an expression to be true; the page's policy forbids what playwright has."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"never came: {expression}"
            time.sleep(0.02)

    def idle(self):
        """Waits until the model is asked for nothing."""
        self.until("document.querySelector('#stop').hidden")

    def settled(self):
        """Waits until the server has seen what was changed by hand."""
        self.until("!studio.state.piece.isLocal && !studio.writing.isBusy")

    @contextmanager
    def panel(self, name):
        """With a panel open: "making" or "keeping"; it stays open where it was."""
        was_hidden = self.page.locator(f"#{name}").is_hidden()
        if was_hidden:
            self.page.click(f"#{name}-open")
        yield
        if was_hidden:
            self.page.click(f"#{name}-open" if self.is_wide else f"#{name}-close")

    @property
    def is_wide(self):
        return self.page.viewport_size["width"] > 900

    def set(self, name, value):
        """Moves a control of what is composed next."""
        with self.panel("making"):
            self.page.locator(f"#{name}").fill(str(value))

    def compose(self, bars=4, seed=1):
        """A piece of so many bars."""
        with self.panel("making"):
            self.page.locator("#bars").fill(str(bars))
            self.page.uncheck("#new-seed")
            self.page.fill("#seed", str(seed))
        self.press_compose()
        assert self.page.evaluate("studio.state.settings.bars") == bars

    def press_compose(self):
        """Presses Compose, and waits for the new piece."""
        self.page.evaluate("void (globalThis.before = studio.state.piece)")
        self.page.click("#compose")
        self.until(
            "studio.state.piece !== before && !studio.writing.isBusy && !studio.state.isPreview"
        )

    def silence(self):
        """No piece: as if nothing had been composed."""
        with self.panel("making"):
            self.page.click("#new-silence")

    def draw(self, bars=1):
        """Empty bars to draw in."""
        with self.panel("making"):
            self.page.select_option("#draw-bars", str(bars))
            self.page.click("#new-draw")

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
        return self.taken_with_name(kind)[1]

    def taken_with_name(self, kind):
        """The name and the bytes of the file that is taken away."""
        with self.panel("keeping"), self.page.expect_download() as waiting:
            self.page.click(f'[data-kind="{kind}"]')
        return waiting.value.suggested_filename, waiting.value.path().read_bytes()

    def keep(self):
        """Keeps the piece."""
        with self.panel("keeping"):
            self.page.click("#keep")

    def upload(self, data, name="own.mid"):
        """Chooses a file of one's own, and waits until its notes are on the roll."""
        self.page.evaluate("void (globalThis.before = studio.state.piece)")
        file = {"name": name, "mimeType": "audio/midi", "buffer": data}
        self.page.set_input_files("#file", file)
        self.until("studio.state.piece !== before && !studio.writing.isBusy")

    def choose(self, bar, last=None):
        """Selects a bar, counted from 1, or the bars up to another."""
        buttons = self.page.locator("#ruler button")
        buttons.nth(bar - 1).click()
        if last is not None:
            buttons.nth(last - 1).click(modifiers=["Shift"])

    def phrase(self, name):
        """Does something with the selected bars as a phrase, by its button's name."""
        if self.page.locator("#phrase-tools").is_hidden():
            self.page.click("#phrase")
        self.page.click(f"#bars-{name}")

    def place(self, step, pitch):
        """Where the middle of a cell of the roll is, in the window."""
        return self.page.evaluate(
            """([step, pitch]) => {
              const { roll } = studio, box = roll.canvas.getBoundingClientRect();
              const y = box.top + roll.yOf(pitch) + roll.rowHeight / 2;
              return [box.left + roll.xOf(step + 0.5), y];
            }""",
            [step, pitch],
        )

    def drag(self, start, end, **options):
        """Presses at a place of the roll, (step, pitch), and lets go at another."""
        mouse = self.page.mouse
        mouse.move(*self.place(*start))
        mouse.down(**options)
        mouse.move(*self.place(*end), steps=4)
        mouse.up(**options)

    def toast(self):
        """What went wrong, as the page says it."""
        self.until("!document.querySelector('#toast').hidden")
        return self.page.inner_text("#toast-says")


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
