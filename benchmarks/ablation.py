"""What each step from the paper's system to the preset ``default`` is worth, on equal terms.

    python benchmarks/ablation.py CORPUS --out FOLDER [--minutes 3] [--seeds 2] [--threads 1]

Each step of ``STEPS`` adds to the one before, and the last is the default; those
of ``BESIDE`` change one thing about it. All are trained on the same corpus for
as many minutes of processor time on each thread, each with the epochs that these
are enough for (one, if even that takes longer), and measured as
``benchmarks/recipe.py`` does: 1,000 pieces of 5 bars by each testing model and
100 of 32 bars, beside real windows of the held-out tunes. Runs and measures are
kept in FOLDER; what is there already is not done again, so that the same command
goes on where it was stopped.

Prints a table, of which the minutes are by the clock: means over the seeds, and
half of what lies between the least and the greatest. Last, its figures as one
JSON line. Nats of ``paper``, a step in a plane, are not those of the others.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import nextbar
from nextbar.files import write_json_atomically
from nextbar.frames.config import Config
from nextbar.frames.model import build_model
from nextbar.frames.record import read_description, read_history
from nextbar.frames.replicas import choose_precision, launch
from nextbar.frames.training import begin_training
from nextbar.frames.training import train as train_model
from nextbar.music.corpus import Corpus
from nextbar.training.presets import configure
from nextbar.training.run import training_pairs
from recipe import Columns, measured, nats_a_bar, real, written


@dataclass(frozen=True)
class Step:
    """A configuration to try: what it is about, and how it differs from its preset."""

    why: str
    preset: str
    fields: dict[str, Any]


BARE: dict[str, Any] = {"latent_mixture": 1, "prior_weight": 1.0, "dropout": 0.0}
"""The default without what the steps below bring."""
ON_THE_WAY: dict[str, tuple[str, tuple[str, ...]]] = {
    "parts": (
        "a bar is looked at step by step, with bars further back in memory, and has a latent for "
        "every step, each drawn given those before it",
        (),
    ),
    "mixture": (
        "each of them from a mixture of normals: either this or that",
        ("latent_mixture",),
    ),
    "sharp": (
        "the KL counts less, so that the latent says more and the generator has less to guess",
        ("prior_weight",),
    ),
    "dropout": (
        "maps are left out while training: the default",
        ("dropout",),
    ),
}
"""Why each step is taken, and which fields of ``BARE`` it gives back to the default."""


def on_the_way() -> dict[str, Step]:
    """The steps from the paper to the default, each without one thing less than the one before."""
    steps = {"paper": Step("the system as published", "paper", {})}
    left = dict(BARE)
    for name, (why, given_back) in ON_THE_WAY.items():
        left = {field: value for field, value in left.items() if field not in given_back}
        steps[name] = Step(why, "default", left)
    return steps


STEPS = on_the_way()
LAST = next(reversed(STEPS))
assert configure(STEPS[LAST].preset, **STEPS[LAST].fields) == configure("default")
BESIDE = {
    "memory of one": Step("the paper's memory", "default", {"history": (1,)}),
    "adversary throughout": Step(
        "a discriminator of steps learns along, and the generator hears it",
        "default",
        {"adversarial_weight": 1.0},
    ),
    "latent of 4": Step("half the numbers for each step of the bar", "default", {"latent": 4}),
    "cells by themselves": Step(
        "each cell is decided by the latent alone", "default", {"emission": "independent"}
    ),
    "prior weight 1": Step("the KL counts in full", "default", {"prior_weight": 1.0}),
    "no decay": Step("weights do not decay", "default", {"weight_decay": 0.0}),
    "nothing ahead": Step("bars that come after are never read", "default", {"ahead": ()}),
    "attention": Step(
        "parts look for their like in all of the history", "default", {"attention_heads": 4}
    ),
}
ALL = STEPS | BESIDE

TIMED = 20
"""Iterations that say how long an epoch takes, after three for warm-up."""
PATIENCE = 30.0
"""Seconds after which fewer have to do."""


@dataclass(frozen=True)
class Options:
    """What is the same for all steps. pieces, long: as many are written and measured."""

    out: Path
    minutes: float
    pieces: int
    long: int
    classifiers: bool


def config_of(step: Step, epochs: int, seed: int) -> Config:
    """The configuration that a step is trained with; no phrases choose what it writes."""
    alone = {} if step.preset == "paper" else {"phrase_updates": 0, "repeats": ()}
    return configure(step.preset, **step.fields, **alone, epochs=epochs, seed=seed)


def seconds_an_epoch(config: Config, corpus: Corpus) -> float:
    """How long an epoch takes, from a few iterations on the corpus.

    In the processor's time, so that what else the machine does changes nothing.
    """
    pairs = training_pairs(corpus, config)
    replicas = launch(device="cpu", precision=choose_precision(torch.device("cpu")))
    training = begin_training(build_model(corpus.kind.frame_shape, config))
    times = []
    began = latest = time.process_time()
    for _ in train_model(training, pairs, replicas):
        now = time.process_time()
        times.append(now - latest)
        latest = now
        if len(times) == TIMED + 3 or (len(times) > 3 and now - began > PATIENCE):
            break
    return statistics.median(times[3:] or times) * pairs.n_batches / torch.get_num_threads()


def epochs_for(step: Step, corpus: Corpus, minutes: float) -> int:
    """How many epochs a step has in the minutes, at least one."""
    return max(1, round(60 * minutes / seconds_an_epoch(config_of(step, 1000, 0), corpus)))


def folder_of(name: str, seed: int, options: Options) -> Path:
    return options.out / f"{name.replace(' ', '-')}-seed{seed}"


def kept(file: Path, make: Callable[[], Any]) -> Any:
    """What the JSON file holds; made and written where there is none."""
    if not file.exists():
        write_json_atomically(file, make())
    return json.loads(file.read_text())


def trial(name: str, seed: int, corpus: Corpus, options: Options) -> dict[str, Any]:
    """Trains a step with a seed, or what is left of that, and measures it."""
    folder, step = folder_of(name, seed, options), ALL[name]
    begun = [run for each in range(seed + 1) if (run := folder_of(name, each, options)).exists()]
    if begun:  # all seeds are trained for as many epochs, and a run goes on as it was begun
        epochs = read_description(begun[-1]).config.epochs
    else:
        epochs = epochs_for(step, corpus, options.minutes)
    config = config_of(step, epochs, seed)
    nextbar.train(corpus, folder, preset=step.preset, config=asdict(config), device="cpu")
    seconds = [float(line["seconds"] or 0) for line in read_history(folder)]
    model = nextbar.load(folder, device="cpu")
    pieces = written(model, corpus, options.pieces, options.long)
    columns = measured(*pieces, corpus, classifiers=options.classifiers)
    columns["model 1"] = nats_a_bar(model.model, corpus) | columns["model 1"]
    return {
        "step": name,
        "why": step.why,
        "config": config.to_dict(),
        "parameters": sum(weights.numel() for weights in model.model.parameters()),
        "minutes": sum(seconds) / 60,
        "seconds an epoch": statistics.median(seconds),
        "epochs": epochs,
        "columns": columns,
    }


MAIN: dict[str, tuple[int, str, tuple[str, ...]]] = {
    "nats a bar": (2, "model 1", ("nats a bar",)),
    "nats a bar after one": (2, "model 1", ("nats a bar after one",)),
    "scale, %": (1, "model 1", ("scale consistency, %",)),
    "notes": (1, "model 1", ("notes",)),
    "uniqueness, %": (1, "model 1", ("uniqueness, %",)),
    "tone span": (1, "model 1", ("tone span",)),
    "recurrence": (1, "model 1", ("recurrence",)),
    "velocity span": (1, "model 1", ("velocity span",)),
    "coherence": (3, "model 1", tuple(f"coherence {bar} -> {bar + 1}" for bar in (1, 2, 3, 4))),
    "coherence at bar 31": (3, "32 bars, model 1", ("coherence 31 -> 32",)),
    "likeness at lag 8": (2, "32 bars, model 1", ("likeness at lag 8",)),
    "copied bars, %": (1, "model 1", ("copied bars, %",)),
    "model 1 told from real, %": (1, "model 1", ("told from real, %",)),
    "model 2 told from real, %": (1, "model 2", ("told from real, %",)),
    "next bar told from real, %": (1, "model 1", ("next bar told from real, %",)),
}
"""The table's columns: decimals, the set of pieces, and the rows of recipe.py that they average."""
COSTS = {"minutes": 1, "seconds an epoch": 1, "epochs": 0}


def figure_of(heading: str, columns: Columns) -> float | None:
    """A figure of the table, None where it was not measured."""
    _, whose, rows = MAIN[heading]
    found = [columns[whose][row] for row in rows if row in columns[whose]]
    return statistics.mean(found) if found else None


def told(values: list[float | None], decimals: int) -> str:
    """The mean, and half of what lies between the least and the greatest."""
    found = [value for value in values if value is not None]
    if not found:
        return ""
    mean, half = statistics.mean(found), (max(found) - min(found)) / 2
    return f"{mean:.{decimals}f}" + (f"±{half:.{decimals}f}" if len(found) > 1 else "")


def show(title: str, real_columns: Columns, trials: dict[str, list[dict[str, Any]]]) -> None:
    """Prints a line for the real windows and one for each step."""
    table = Table(title=title, padding=(0, 0))
    for heading in ("", *COSTS, *MAIN):
        table.add_column(heading, justify="right" if heading else "left")
    as_ours = {f"{which}model 1": real_columns[f"{which}real"] for which in ("", "32 bars, ")}
    as_ours["model 2"] = real_columns["real"]
    measures_of_real = (told([figure_of(h, as_ours)], n) for h, (n, _, _) in MAIN.items())
    table.add_row("real", *("" for _ in COSTS), *measures_of_real, end_section=True)
    for name, seeds in trials.items():
        costs = (told([seed[cost] for seed in seeds], n) for cost, n in COSTS.items())
        found = (
            told([figure_of(heading, seed["columns"]) for seed in seeds], n)
            for heading, (n, _, _) in MAIN.items()
        )
        table.add_row(name, *costs, *found, end_section=name == LAST)
    Console(width=240).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="a folder for runs and measures")
    parser.add_argument("--minutes", type=float, default=3, help="of training, each")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", nargs="+", choices=ALL, default=list(ALL), metavar="NAME")
    parser.add_argument("--pieces", type=int, default=1000)
    parser.add_argument("--long", type=int, default=100)
    parser.add_argument("--no-classifiers", action="store_true", help="networks are not asked")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    os.environ["OMP_NUM_THREADS"] = str(chosen.threads)  # or columns would take one
    corpus = Corpus.open(chosen.corpus)
    ask = not chosen.no_classifiers
    options = Options(chosen.out, chosen.minutes, chosen.pieces, chosen.long, ask)
    options.out.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    real_columns: Columns = kept(
        options.out / "real.json", lambda: measured(*real(corpus), corpus, classifiers=ask)
    )
    trials: dict[str, list[dict[str, Any]]] = {}
    # All steps with the first seed, then all with the next: stopped, a whole table is there.
    for seed in range(chosen.seeds):
        for name in (name for name in ALL if name in chosen.steps):
            file = folder_of(name, seed, options).with_suffix(".json")
            if not file.exists():
                console.print(f"{name}, seed {seed}: {ALL[name].why}", soft_wrap=True)
            made = kept(file, lambda: trial(name, seed, corpus, options))  # noqa: B023
            trials.setdefault(name, []).append(made)
    title = f"{chosen.corpus}: {chosen.minutes:g} minutes each, {chosen.threads} threads"
    show(title, real_columns, trials)
    print(json.dumps({
        "benchmark": "ablation",
        "corpus": str(chosen.corpus),
        "minutes": chosen.minutes,
        "threads": chosen.threads,
        "seeds": chosen.seeds,
        "real": real_columns,
        "steps": trials,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
