"""The benchmarks still run, each as the README has it, and end in figures.

Letter for letter, with a run, a corpus and a folder of small tunes in the place
of what stands in capitals; only what makes them small is added behind.
"""

import json
import os
import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import torch

import nextbar
from nextbar.frames.model import build_model

from .fixtures import SEVERAL_METRES, let_run_sound, write_tune
from .test_readme import ROOT, commands

SMALLER = {
    "beats": "--typeset FOLDER --play FOLDER",
    "ablation": "--minutes 0.001 --seeds 1 --steps dropout --pieces 4 --long 2 --no-classifiers",
    "controls": "--pieces 2",
    "filling": "--bars 60 --part training",
    "hands": "--bars 2",
    "generate": "--pieces 3 --single 2",
    "measures": "--pieces 30",
    "metres": "--files 3",
    "prepare": "--copies 1 --rounds 1 --sample 4",
    "recipe": "--pieces 4 --long 2",
    "remi": "--minutes 0.01 --pieces 4",
    "second_judge": "--choose 0 --pieces 40 --seeds 1",
    "studio": "--rounds 1",
    "training": "--iterations 1 --threads 1 --batch 2 --pairs 128 --side 64",
    "web": "--rounds 1",
    "transformer": "--minutes 0.01 --threads 1 --pieces 4 --long 2",
}
COMMANDS = {Path(words[1]).stem: words[1:] for words in commands() if words[0] == "python"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with FOLDER, a CORPUS of it, and a RUN that was trained on that, for a second."""
    place = tmp_path_factory.mktemp("benchmarks")
    for number in range(12):
        write_tune(place / "FOLDER" / f"tune{number:02}.mid", n_bars=36, seed=number)
    corpus = nextbar.prepare(place / "FOLDER", place / "CORPUS")
    for song in sorted((place / "FOLDER").glob("*.mid"))[:2]:  # at 120, in 4/4
        beats = "".join(f"{0.5 * beat} {beat % 4 + 1}\n" for beat in range(145))
        song.with_suffix(".beats.txt").write_text(beats)
    nextbar.train(corpus, place / "RUN", **SEVERAL_METRES)
    let_run_sound(place / "RUN", share=0.01)  # of 88 x 16 cells some 14
    (place / "demo").mkdir()
    (place / "demo" / "run").symlink_to(place / "RUN")
    return place


@pytest.fixture(autouse=True)
def threads_and_path_as_before(monkeypatch):
    """Benchmarks choose how many threads there are, and import each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(words, monkeypatch, capsys):
    """What a benchmark prints, and the figures that are its last line."""
    monkeypatch.setattr(sys, "argv", words)
    runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    *table, last = capsys.readouterr().out.splitlines()
    return table, json.loads(last, parse_constant=pytest.fail)


def test_each_benchmark_is_in_the_readme_and_tried_here():
    files = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert files == set(COMMANDS) == set(SMALLER)


@pytest.mark.parametrize("name", sorted(SMALLER))
def test_a_benchmark_ends_in_a_table_and_finite_figures(name, place, monkeypatch, capsys):
    if name == "web" and not any(map(shutil.which, ("chromium", "chromium-browser"))):
        pytest.skip("there is no Chromium; install it (Debian: apt-get install chromium)")
    monkeypatch.chdir(place)
    table, figures = run([*COMMANDS[name], *shlex.split(SMALLER[name])], monkeypatch, capsys)
    assert len(table) >= 3
    CHECKS.get(name, bool)(figures)


def check_training(figures):
    # One in float32 is 6e-8: the port and ours add in another order, and nothing else.
    assert figures["losses_agree_within"] < 1e-6
    assert set(figures["seconds"]) >= {"port", "careful port", "nextbar, float32", "default"}


def check_recipe(figures):
    columns = figures["columns"]
    assert set(columns) == {"model 1", "model 2", "real", "32 bars, model 1", "32 bars, real"}
    # All that was written for the test is quarters in C: 4 a bar, in 5 bars, and in 32.
    assert columns["real"]["notes"] == 20
    assert columns["32 bars, real"]["notes"] == 128
    assert columns["real"]["scale consistency, %"] == 100
    assert columns["model 1"]["nats a bar"] > 0
    assert "told from real, %" in columns["model 2"]


def check_metres(figures):
    # Tunes in 4/4 from the first tick on, of 36 bars each.
    assert (figures["files"], figures["wholly_alike"]) == (3, 3)
    assert figures["alike"] == figures["on a line"] == figures["bars"] == 3 * 36


def check_beats(figures):
    assert figures["songs"] == 2
    assert figures["taken with beat files"] == figures["onsets within a fifth of a sixteenth"] == 1
    assert figures["beat F"] > 0.98  # the last beat of the file is behind the notes
    assert figures["pretty_midi, beat F"] > 0.9
    assert figures["typeset"]["tunes"] == 12
    assert figures["typeset"]["false alarms"] == 0
    assert figures["played"]["4/4"]["tunes"] == 12
    assert 0 <= figures["played"]["4/4"]["downbeat_recall"] <= 1


def check_ablation(figures):
    (step,) = figures["steps"]["dropout"]
    assert step["epochs"] == 1
    assert step["config"] == nextbar.PRESETS["default"].config.to_dict() | {
        "epochs": 1,
        "phrase_updates": 0,
        "repeats": [],
    }


CHECKS = {
    "beats": check_beats,
    "training": check_training,
    "recipe": check_recipe,
    "ablation": check_ablation,
    "metres": check_metres,
}


@pytest.mark.slow  # the quick tests trade bars in tests/studio/browser/test_live.py
def test_the_studio_s_benchmark_trades_bars_in_a_browser(place, monkeypatch, capsys):
    pytest.importorskip("playwright", reason="needs playwright: pip install 'nextbar[dev]'")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("there is no Chromium; install it (Debian: apt-get install chromium)")
    monkeypatch.chdir(place)
    small = shlex.split("--page --trades 2 --beside --rounds 1 --bars 8 --seconds 0.5")
    table, figures = run([*COMMANDS["studio"], *small], monkeypatch, capsys)
    assert len(table) >= 3
    assert figures["trades"] == 2
    assert figures["click_to_sound_ms"] > 0


def test_every_step_of_the_ablation_changes_something_and_makes_a_model():
    ablation = runpy.run_path(str(ROOT / "benchmarks" / "ablation.py"))
    configs = [ablation["config_of"](step, 1, 0) for step in ablation["ALL"].values()]
    assert len({str(config) for config in configs}) == len(configs)
    for config in configs:
        build_model((2, 88, 16), config)
