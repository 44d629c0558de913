"""The RNN-RBM against its own paper: nats a time step on four sets of polyphonic music.

    python benchmarks/peers/polyphony.py FILE.mat --minutes 10

FILE.mat: rolls in the standard splits of Boulanger-Lewandowski et al. (2012), as the repositories
of later papers have them (``traindata``, ``validdata``, ``testdata``, each a row of (steps, 88)
matrices). That paper: Nottingham 2.39, JSB chorales 6.27, MuseData 6.01, Piano-midi 7.09, partition
functions estimated by annealed importance sampling, as here: on average below the true ones, so
that the nats, too, are on average no more than the true ones; with more temperatures by less.
The state with the fewest nats on validation pieces is kept. Needs SciPy.
"""

import argparse
import copy
import json
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from scipy.io import loadmat
from torch import Tensor

from nextbar.measures.intervals import Interval, interval_text
from rnn_rbm import RATE, RnnRbm, fit
from trial import Clock

PUBLISHED = {"Nottingham": 2.39, "JSB_Chorales": 6.27, "MuseData": 6.01, "Piano_midi": 7.09}
TEMPERATURES = 1000
"""Of a validation; the test has a tenth of them, as many, and --temperatures."""
LOOKS, LOOK_STEPS, TEST_STEPS = 4, 400, 1500
"""Validations, spread over the second half of the time; how many steps each and the test take."""


def mean_nats(model: RnnRbm, lines: list[Tensor], temperatures: int, most: int) -> Interval:
    """Nats a step, of about ``most`` steps, equally far from each other in all pieces."""
    every = max(1, sum(map(len, lines)) // most)
    nats = model.nats(lines, temperatures, 1, every)
    half = 1.96 * float(nats.std(correction=0)) / len(nats) ** 0.5
    mean = float(nats.mean())
    return Interval(mean, mean - half, mean + half)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=10, help="of one core, to train in")
    parser.add_argument("--rate", type=float, default=RATE, help="of learning")
    parser.add_argument("--temperatures", type=int, default=10_000, help="at most, for the test")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(chosen.seed)
    found = loadmat(chosen.file)
    training, validation, test = (
        [torch.from_numpy(roll).float() for roll in found[f"{part}data"][0]]
        for part in ("train", "valid", "test")
    )
    console = Console(width=110)
    model = RnnRbm(training[0].shape[1])
    model.begin_as(training)
    best, kept, looks, clock = float("inf"), model, 0, Clock(chosen.minutes)
    for share in fit(model, training, clock, chosen.rate):
        if share < 0.5 + looks / (2 * LOOKS):
            continue
        looks += 1
        with clock.pause():
            heard = mean_nats(model, validation, TEMPERATURES, LOOK_STEPS).mean
        console.print(f"{clock.seconds:.0f} s, {clock.steps:,} updates: {heard:.3f} (validation)")
        if heard < best:
            best, kept = heard, copy.deepcopy(model)
    published = PUBLISHED.get(chosen.file.stem)
    nats = {
        f"{n:,} temperatures": mean_nats(kept, test, n, TEST_STEPS)
        for n in (TEMPERATURES // 10, TEMPERATURES, chosen.temperatures)
    }
    figures = {
        "benchmark": "polyphony",
        "set": chosen.file.stem,
        "minutes": chosen.minutes,
        "updates": clock.steps,
        "nats a step": {name: asdict(each) for name, each in nats.items()},
        "published": published,
        "parameters": sum(parameter.numel() for parameter in kept.parameters()),
    }
    table = Table("", "here", "its paper", title=f"RNN-RBM on {chosen.file.stem}, nats a test step")
    for name, each in nats.items():
        table.add_row(name, interval_text(each), str(published or "-"))
    console.print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
