"""How soon a model composes in a web page, in Chromium, beside PyTorch on the same bars in one run.

    python benchmarks/web.py RUN [--rounds 5]

RUN: a run or the name of a model that comes along. Times are also given as the processor's own,
which grow little where other programs use it. Prints a table and, last, one line of JSON.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nextbar

BARS = 16
NAMES = ("chromium", "chromium-browser", "google-chrome")
FIRST_BAR = "globalThis.studio?.state.piece?.bars.length > 0"
COMPOSE = """
async (bars) => {
  const { post, stream } = await import(new URL("static/api.js", document.baseURI));
  const run = studio.state.run.fingerprint;
  const { recipe } = await post("/api/begin", { run });
  const times = [performance.now()];
  const asked = { piece: recipe, bars, seed: Math.floor(1e6 * Math.random()) };
  await stream("/api/compose", asked, new AbortController().signal, ({ event }) => {
    if (event === "bar") times.push(performance.now());
  });
  return times.slice(1).map((time, i) => time - times[i]);
}
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """The address of a plain web server of the folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def time_page(browser: Any, address: str) -> dict[str, float]:
    """Of a browser that never saw the page: seconds to the first bar, and of 16 more bars."""
    context = browser.new_context()
    page = context.new_page()
    metrics = context.new_cdp_session(page)
    metrics.send("Performance.enable")

    def processor() -> float:
        found = metrics.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in found if each["name"] == "ProcessTime"))

    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    while not page.evaluate(FIRST_BAR):
        time.sleep(0.01)
    first = time.perf_counter() - begun
    first_processor = processor()
    while page.evaluate("studio.writing.isBusy || !studio.sound.samples"):
        time.sleep(0.05)
    before = processor()
    bars = page.evaluate(COMPOSE, BARS)
    used = processor() - before
    context.close()
    return {
        "first_bar_s": first,
        "first_bar_processor_s": first_processor,
        "bar_ms": statistics.median(bars),
        "bars_s": sum(bars) / 1000,
        "bar_processor_ms": 1000 * used / BARS,
    }


def time_torch(run: Path) -> dict[str, float]:
    """The same bars by PyTorch, in milliseconds a bar: of the clock, and of the processor."""
    model = nextbar.load(run)
    how: dict[str, Any] = {"bars": BARS}
    model.compose([None], seeds=[0], **how)
    begun, used = time.perf_counter(), time.process_time()
    model.compose([None], seeds=[1], **how)
    return {
        "torch_bar_ms": 1000 * (time.perf_counter() - begun) / BARS,
        "torch_bar_processor_ms": 1000 * (time.process_time() - used) / BARS,
    }


def main() -> None:
    """Prints the medians of some rounds."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a run, or the name of a model that comes with nextbar")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    program = os.environ.get("NEXTBAR_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), "")
    if not program:
        sys.exit("there is no Chromium; install it, or set NEXTBAR_CHROMIUM to its program")
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as place:
        folder = nextbar.export_web(asked.run, Path(place) / "page")
        n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        with hosted(folder) as address, sync_playwright() as playwright:
            options = ["--no-sandbox", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=program, args=options)
            rounds = [
                {**time_page(browser, address), **time_torch(folder / "model")}
                for _ in range(asked.rounds)
            ]
            browser.close()
    figures = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    figures = {"folder_mb": n_bytes / 1e6, **figures}
    rows = [
        ("folder, MB", "folder_mb", None),
        ("first bar of a cold load, s", "first_bar_s", "first_bar_processor_s"),
        ("a bar, ms", "bar_ms", "bar_processor_ms"),
        (f"{BARS} bars, s", "bars_s", None),
        ("a bar by PyTorch, ms", "torch_bar_ms", "torch_bar_processor_ms"),
    ]
    print(f"{'':30} {'clock':>8} {'processor':>10}")
    for title, clock, processor in rows:
        used = "" if processor is None else f"{figures[processor]:10.2f}"
        print(f"{title:30} {figures[clock]:8.2f} {used}")
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
