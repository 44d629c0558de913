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
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from scipy.io import loadmat
from torch import Tensor

from rnn_rbm import RnnRbm, fit
from trial import Clock

PUBLISHED = {"Nottingham": 2.39, "JSB_Chorales": 6.27, "MuseData": 6.01, "Piano_midi": 7.09}
LOOKS = 8
"""Validations, spread evenly over the time."""


def mean_nats(model: RnnRbm, lines: list[Tensor], temperatures: int, chains: int = 1) -> float:
    """Nats a step of all steps of all pieces."""
    return float(torch.cat([model.nats(line, temperatures, chains) for line in lines]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=10, help="of one core, to train in")
    parser.add_argument("--temperatures", type=int, default=1000)
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
    best, kept, updates, seconds = float("inf"), model, 0, 0.0
    for look in range(LOOKS):
        clock = Clock(chosen.minutes / LOOKS)
        fit(model, training, clock, 2e-3 * 0.6**look)
        updates, seconds = updates + clock.steps, seconds + clock.seconds
        nats = mean_nats(model, validation[:40], 100)
        console.print(f"{seconds:.0f} s, {updates:,} updates: {nats:.3f} nats a step (validation)")
        if nats < best:
            best, kept = nats, copy.deepcopy(model)
    published = PUBLISHED.get(chosen.file.stem)
    figures = {
        "benchmark": "polyphony",
        "set": chosen.file.stem,
        "minutes": chosen.minutes,
        "updates": updates,
        "nats a step, 100 temperatures": round(mean_nats(kept, test, 100), 3),
        "nats a step": round(mean_nats(kept, test, chosen.temperatures), 3),
        "published": published,
        "parameters": sum(parameter.numel() for parameter in kept.parameters()),
    }
    table = Table("", "here", "its paper", title=f"RNN-RBM on {chosen.file.stem}, test pieces")
    for name in ("nats a step, 100 temperatures", "nats a step"):
        table.add_row(name, str(figures[name]), str(published or "-"))
    console.print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
