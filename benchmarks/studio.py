"""How soon the studio's page is there, beside what importing PyTorch alone takes, in one run.

    python benchmarks/studio.py RUN [--rounds 5]
    python benchmarks/studio.py RUN --page [--trades 1000] [--beside]

With --page in a real browser, without a window (Chromium, found as $NEXTBAR_CHROMIUM or on the
path): from pressing Play to the first sound, frames a second while 200 bars play, and trades with
a scripted player, a bar of 2/4 (or the run's first metre) each at 200 quarters a minute: when the
first bar of each answer was ready, counted from the bar line on which it begins, up to what moment
the model had heard the player, and how many notes came late. --beside: while another tab composes
64 bars, again and again. It takes as long as the music.

Prints a table and, last, one line of JSON.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

FAKE_MIDI = Path(__file__).parents[1] / "tests" / "studio" / "browser" / "fake_midi.js"
TEMPO = 200
TRADES_A_PIECE = 250  # a piece has up to 512 bars
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]

CLICK_TO_SOUND = """async () => {
  studio.transport.stop();
  await new Promise((done) => setTimeout(done, 400));
  const begun = performance.now();
  document.querySelector("#play").click();
  while (studio.sound.level() < 0.001 && performance.now() - begun < 5000) {
    await new Promise((done) => setTimeout(done, 1));
  }
  return performance.now() - begun;
}"""
FRAMES = """(seconds) => new Promise((done) => {
  studio.roll.zoom(4);
  studio.transport.play(0);
  const begun = performance.now(), times = [];
  const frame = (now) => {
    times.push(now);
    if (now - begun < 1000 * seconds) requestAnimationFrame(frame);
    else { studio.transport.stop(); done(times); }
  };
  requestAnimationFrame(frame);
})"""
TRADE = """async ([nTrades]) => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  studio.live.start();
  while (!studio.live.isOn) await wait(5);
  const { session } = studio.live, { barSteps } = session;
  for (let trade = 0; trade < nTrades && studio.live.isOn; trade++) {
    const notes = [];
    for (let step = 0; step < barSteps; step += 2) {
      notes.push([step, 2, 60 + (7 * trade + 5 * step) % 13, 80]);
    }
    await fakeMidi.play(notes, 2 * trade * barSteps);
  }
  while (studio.live.isOn && !(session.isMine && session.log.length >= nTrades)) await wait(5);
  const { log, problem } = session;
  session.stop();
  return { log, problem: problem?.message ?? null };
}"""
BUSY = """async () => {
  studio.state.set("bars", 64);
  globalThis.isBusy = true;
  while (globalThis.isBusy) await studio.writing.compose();
}"""


def time_import() -> float:
    """Seconds until a new Python has imported PyTorch."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - begun


@contextmanager
def studio(run: str) -> Iterator[str]:
    """The address of a studio in a process of its own, as soon as it says it."""
    words = [sys.executable, "-m", "nextbar", "studio", run, "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the studio did not start"
        try:
            yield found[0]
        finally:
            process.send_signal(signal.SIGINT)


def wait_until_loaded(address: str) -> None:
    while json.load(urllib.request.urlopen(address + "api/runs"))["loading"]:
        time.sleep(0.2)


def time_studio(run: str) -> tuple[float, float]:
    """Seconds from the command to the page, and to the loaded model."""
    begun = time.perf_counter()
    with studio(run) as address:
        with urllib.request.urlopen(address) as page:
            page.read()
        page_there = time.perf_counter() - begun
        wait_until_loaded(address)
        loaded = time.perf_counter() - begun
    return page_there, loaded


def time_start(run: str, rounds: int) -> dict[str, float]:
    """Medians of some rounds, each of one of both; they are printed."""
    rows = [(time_import(), *time_studio(run)) for _ in range(rounds)]
    torch, page, loaded = (statistics.median(column) for column in zip(*rows, strict=True))
    for name, seconds in (("import torch", torch), ("page", page), ("model loaded", loaded)):
        print(f"{name:14} {seconds:6.2f} s  {seconds / torch:5.2f} of importing PyTorch")
    return {"import_torch_s": torch, "page_s": page, "loaded_s": loaded, "ratio": page / torch}


def time_page(
    run: str, *, trades: int, beside: bool, rounds: int, bars: int, seconds: float
) -> dict[str, float]:
    """Click to sound, frames a second, and trades, in a real browser; they are printed."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("NEXTBAR_CHROMIUM") or next(filter(None, map(shutil.which, names)))
    with studio(run) as address, sync_playwright() as playwright:
        wait_until_loaded(address)
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = _opened(browser, address, bars=bars)
        sounds = [page.evaluate(CLICK_TO_SOUND) for _ in range(rounds)]
        times = np.diff(page.evaluate(FRAMES, seconds))
        figures = {
            "click_to_sound_ms": statistics.median(sounds),
            "frames_a_second": 1000 / float(np.mean(times)),
            "frames_over_34_ms": int((times > 34).sum()),
        }
        print(f"click to sound {figures['click_to_sound_ms']:8.1f} ms, median of {rounds}")
        print(f"frames a second{figures['frames_a_second']:8.1f} while {bars} bars play")
        page.context.close()
        if trades:
            figures |= time_trades(browser, address, trades, beside=beside)
        browser.close()
    return figures


def _opened(browser: Any, address: str, bars: int) -> Any:
    """A page with so many bars of its own making, and a MIDI keyboard."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(path=str(FAKE_MIDI))
    page.goto(address)
    _until(page, "globalThis.studio?.state.piece?.bars.length && !studio.writing.isBusy")
    page.evaluate("(bars) => { studio.state.set('bars', bars); }", bars)
    page.evaluate("async () => { await studio.writing.compose(); }")
    return page


def _until(page: Any, expression: str) -> None:
    while not page.evaluate(expression):
        time.sleep(0.05)


def time_trades(browser: Any, address: str, n_trades: int, *, beside: bool) -> dict[str, float]:
    """When answers were ready, counted from the bar line, in milliseconds; before it is below 0."""
    page = _opened(browser, address, bars=2)
    page.click("#live-open")
    page.click("#midi-connect")
    page.select_option("#live-bars", "1")
    page.evaluate("(tempo) => { studio.state.setTempo(tempo); }", TEMPO)
    other = _opened(browser, address, bars=2) if beside else None
    if other is not None:
        other.evaluate(f"void ({BUSY})()")
    log: list[dict[str, float]] = []
    while len(log) < n_trades:
        told = page.evaluate(TRADE, [min(TRADES_A_PIECE, n_trades - len(log))])
        assert told["problem"] is None, told["problem"]
        log += told["log"]
        print(f"{len(log)} trades", file=sys.stderr, flush=True)
    composed = 0 if other is None else other.evaluate("studio.state.version")
    if other is not None:
        other.evaluate("void (globalThis.isBusy = false)")
    ready = np.array([each["ready"] for each in log])
    heard = np.array([each["heard"] for each in log])
    waited = np.maximum(ready, 0)
    figures = {
        "trades": len(log),
        "ready_p50_ms": float(np.percentile(ready, 50)),
        "ready_p95_ms": float(np.percentile(ready, 95)),
        "ready_p99_ms": float(np.percentile(ready, 99)),
        "waited_p95_ms": float(np.percentile(waited, 95)),
        "waited_p99_ms": float(np.percentile(waited, 99)),
        "not_ready": int((ready > 0).sum()),
        "late_notes": int(sum(each["late"] for each in log)),
        "heard_until_p50_ms": float(np.percentile(heard, 50)),
        "heard_until_p5_ms": float(np.percentile(heard, 5)),
        "pieces_composed_beside": composed,
    }
    for name, value in figures.items():
        print(f"{name:24} {value:10.1f}")
    page.context.close()
    return figures


def main() -> None:
    """Prints what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a folder made by `nextbar train`, or a model that comes along")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", action="store_true", help="in a real browser")
    parser.add_argument("--trades", type=int, default=0)
    parser.add_argument("--beside", action="store_true", help="while another tab composes")
    parser.add_argument("--bars", type=int, default=200, help="that play while frames are counted")
    parser.add_argument("--seconds", type=float, default=10, help="for how long")
    asked = parser.parse_args()
    if asked.page:
        figures = time_page(
            asked.run,
            trades=asked.trades,
            beside=asked.beside,
            rounds=asked.rounds,
            bars=asked.bars,
            seconds=asked.seconds,
        )
    else:
        figures = time_start(asked.run, asked.rounds)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
