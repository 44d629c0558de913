"""How fast a run writes music: many pieces side by side, and one piece at a time.

    python benchmarks/generate.py [RUN]

Both ways write the same five-bar pieces as MIDI in the same process; the
figure to hold on to is their ratio, for absolute times drift between machines.
Then how long one bar takes, from a loaded model to its notes. Prints a table
and, as the last line, all figures as JSON.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

import nextbar

BARS = 5


def seconds(work: Callable[[], object]) -> float:
    """How long the work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", nargs="?", help="a folder; without it the model of nextbar's own")
    parser.add_argument("--pieces", type=int, default=2500, help="pieces written side by side")
    parser.add_argument("--single", type=int, default=100, help="pieces written one at a time")
    arguments = parser.parse_args()
    model = nextbar.load(arguments.run)
    model.generate(bars=1)  # the first call of all loads kernels

    def write(folder: Path, first: int, pieces: int) -> None:
        nextbar.generate(
            model, folder, pieces=pieces, bars=BARS, seed=first, wav=False, pictures=False
        )

    with tempfile.TemporaryDirectory() as place:
        together = seconds(lambda: write(Path(place, "together"), 0, arguments.pieces))
        alone = sum(
            seconds(partial(write, Path(place, "alone", str(i)), i, 1))
            for i in range(arguments.single)
        )
        for number in range(arguments.single):
            (path,) = Path(place, "alone", str(number)).glob("*.mid")
            same = Path(place, "together", path.name)
            assert not same.exists() or same.read_bytes() == path.read_bytes(), "other pieces"
    first_bar = statistics.median(
        seconds(partial(model.generate, bars=1, seed=seed)) for seed in range(50)
    )
    figures = {
        "pieces": arguments.pieces,
        "bars": BARS,
        "together_seconds": round(together, 2),
        "together_pieces_per_second": round(arguments.pieces / together, 1),
        "alone_pieces_per_second": round(arguments.single / alone, 1),
        "ratio": round(arguments.pieces / together * alone / arguments.single, 1),
        "first_bar_milliseconds": round(1000 * first_bar, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    table = Table(title=f"{BARS}-bar pieces, generated and written as MIDI")
    for title in ("way", "pieces a second", "ratio"):
        table.add_column(title)
    table.add_row("one at a time", str(figures["alone_pieces_per_second"]), "1")
    table.add_row(
        f"{arguments.pieces} side by side",
        str(figures["together_pieces_per_second"]),
        str(figures["ratio"]),
    )
    Console().print(table, f"one bar of one piece: {figures['first_bar_milliseconds']} ms (median)")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
