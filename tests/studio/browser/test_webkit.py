"""The page in the engine of Safari: WebKitGTK, by WebDriver. Slow; skipped where it is absent."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

MINI = "usr/lib/*/webkit2gtk-4.1/MiniBrowser"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # as WebDriver names what it has found

pytestmark = pytest.mark.slow


@contextmanager
def running(*words, **options):
    """A program that is ended in the end."""
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()


@contextmanager
def display():
    """An X server without a screen; gives its name."""
    read, write = os.pipe()
    size = ("-screen", "0", "1440x900x24", "-nolisten", "tcp")
    with running("Xvfb", "-displayfd", str(write), *size, pass_fds=[write]):
        os.close(write)
        with os.fdopen(read) as said:
            yield f":{said.readline().strip()}"


class WebKit:
    """A window of WebKit, by the commands of WebDriver."""

    def __init__(self, url):
        self.url = url

    def ask(self, method, path, **body):
        asked = {"json": body} if method == "POST" else {}
        answer = httpx2.request(method, f"{self.url}{path}", timeout=120, **asked)
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value

    def js(self, expression):
        return self.ask("POST", "/execute/sync", script=f"return ({expression})", args=[])

    def until(self, expression, seconds=90.0):
        end = time.monotonic() + seconds
        while not self.js(expression):
            assert time.monotonic() < end, f"never came: {expression}"
            time.sleep(0.05)

    def click(self, selector):
        found = self.ask("POST", "/element", using="css selector", value=selector)
        self.ask("POST", f"/element/{found[ELEMENT]}/click")

    def drag(self, start, end=None):
        """Presses at a cell of the roll, (step, pitch), and lets go there or at another."""
        places = self.js(
            f"""{[list(start), list(end or start)]}.map(([step, pitch]) => {{
              const {{ roll }} = studio, box = roll.canvas.getBoundingClientRect();
              const y = box.top + roll.yOf(pitch) + roll.rowHeight / 2;
              return [Math.round(box.left + roll.xOf(step + 0.5)), Math.round(y)];
            }})"""
        )
        first, last = (
            {"type": "pointerMove", "x": x, "y": y, "origin": "viewport", "duration": 100}
            for x, y in places
        )
        press = [{"type": f"pointer{which}", "button": 0} for which in ("Down", "Up")]
        hand = {"type": "pointer", "id": "mouse", "actions": [first, press[0], last, press[1]]}
        self.ask("POST", "/actions", actions=[hand])

    def bars(self):
        return self.js("studio.state.piece.bars.map((bar) => bar.notes.map((n) => n.slice(0, 3)))")


@pytest.fixture(scope="module")
def webkit(address):
    """The studio's page in WebKit, ready to be used."""
    browser = next(map(str, Path("/").glob(MINI)), None)
    for program in ("WebKitWebDriver", "Xvfb"):
        if not browser or not shutil.which(program):
            pytest.skip(
                f"there is no {program if browser else 'MiniBrowser'} of WebKitGTK; install it "
                "(Debian: apt-get install webkit2gtk-driver xvfb)"
            )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        display() as name,
        running("WebKitWebDriver", f"--port={port}", env={**os.environ, "DISPLAY": name}),
    ):
        driver = f"http://127.0.0.1:{port}"
        for _ in range(200):
            with suppress(httpx2.HTTPError):
                httpx2.get(f"{driver}/status")
                break
            time.sleep(0.1)
        how = {"binary": browser, "args": ["--automation"]}
        asked = {"alwaysMatch": {"webkitgtk:browserOptions": how}}
        begun = httpx2.post(f"{driver}/session", json={"capabilities": asked}, timeout=120)
        session = begun.json()["value"]["sessionId"]
        page = WebKit(f"{driver}/session/{session}")
        page.ask("POST", "/window/rect", width=1440, height=900)
        page.ask("POST", "/url", url=address)
        page.until("globalThis.studio?.state.piece?.bars.length && !studio.writing.isBusy")
        yield page
        page.ask("DELETE", "")


def nothing_went_wrong(page):
    return page.js("document.getElementById('toast').hidden")


def test_webkit_composes_and_rolls_a_bar_again_and_takes_it_back(webkit):
    webkit.click("#compose")
    webkit.until("!studio.writing.isBusy && !studio.state.isPreview")
    before = webkit.bars()
    assert len(before) == 8
    webkit.click("#ruler button:nth-child(3)")
    webkit.click("#roll-again")
    webkit.until("studio.state.canUndo && !studio.writing.isBusy && !studio.state.isPreview")
    after = webkit.bars()
    assert after[2] != before[2]
    assert after[:2] + after[3:] == before[:2] + before[3:]
    webkit.click("#undo")
    assert webkit.bars() == before
    assert nothing_went_wrong(webkit)


def test_webkit_sets_a_note_and_moves_it_and_the_server_has_it_so(webkit):
    webkit.click("#new-draw")
    webkit.drag((4, 64))
    assert webkit.bars()[0] == [[4, 4, 64]]
    webkit.click("label:has([value=select])")
    webkit.drag((5, 64), (9, 67))
    webkit.until("!studio.state.piece.isLocal")
    assert webkit.bars()[0] == [[8, 4, 67]]
    webkit.click("#undo")
    assert webkit.bars()[0] == [[4, 4, 64]]
    assert nothing_went_wrong(webkit)


def test_webkit_plays_what_stands_on_the_roll(webkit):
    webkit.click("#compose")
    webkit.until("studio.state.nWritten > 0 && !studio.writing.isBusy && !studio.state.isPreview")
    webkit.until("studio.sound.samples !== null")
    webkit.js("void (globalThis.struck = 0, globalThis.loudest = 0)")
    webkit.js(
        """void (() => {
             const { sound } = studio, strike = sound.strike.bind(sound);
             sound.strike = (...note) => { struck += 1; strike(...note); };
           })()"""
    )
    webkit.click("#play")
    webkit.until("(loudest = Math.max(loudest, studio.sound.level())) > 0.01 && struck > 2")
    assert webkit.js("studio.sound.context.state") == "running"
    webkit.until("studio.sound.position > 8")
    webkit.click("#play")
    assert not webkit.js("studio.sound.playing")
    assert nothing_went_wrong(webkit)


def test_webkit_gives_a_link_that_opens_to_the_same_bars(webkit, address):
    before = webkit.bars()
    webkit.click("#keeping-open")
    webkit.click('[data-kind="link"]')
    webkit.until("document.getElementById('link').value.includes('#')")
    link = webkit.js("document.getElementById('link').value")
    assert link.startswith(address)
    webkit.ask("POST", "/url", url="about:blank")
    webkit.ask("POST", "/url", url=link)
    webkit.until("globalThis.studio?.state.piece?.bars.length && !studio.writing.isBusy")
    webkit.until("document.getElementById('status').textContent.includes('link')")
    assert webkit.bars() == before
