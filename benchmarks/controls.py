"""What temperature and follow do to a trained model's music, step by step.

    python benchmarks/controls.py [RUN] [--pieces 300]

Pieces of 8 bars by testing model 2; without RUN by the model that comes with
nextbar. Each row is one setting, the other one at its default.

    diversity     the paper's: mean edit distance of the pieces' notes as ABC text, by 80
    distinct      bars that are like no other one written, %
    alike         likeness of consecutive bars: cells in both by cells in either
    beyond        the same, less the likeness of bars of two pieces
    same seed     likeness of the first bars of equal seeds, here and in the row before

Prints a table and, last, its figures as one JSON line.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import nextbar
from nextbar import measures
from nextbar.frames.config import Sampling
from nextbar.measures import Piece
from nextbar.measures.paper import diversity_as_published
from nextbar.writing.composer import Composer
from recipe import Cells, rolls_of

BARS = 8
TEMPERATURES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5)
FOLLOWS = (0.0, 0.25, 0.5, 0.75, 1.0)


def alike(a: Cells, b: Cells) -> float:
    """Cells in both by cells in either, mean over bars."""
    return float(((a & b).sum(-1) / np.maximum((a | b).sum(-1), 1)).mean())


def written(model: Composer, n: int, sampling: Sampling) -> list[Piece]:
    """Pieces by testing model 2."""
    compositions = model.compose([None] * n, bars=BARS, seeds=range(n), sampling=sampling)
    return [Piece(each.notes, each.n_bars, f"noise {each.seed}") for each in compositions]


def row(pieces: list[Piece], n_steps: int, before: Cells | None) -> tuple[dict[str, float], Cells]:
    """The figures of one setting, and its first bars, for the next one's."""
    rolls = rolls_of(pieces, n_steps)
    notes = [measures.note_ons(piece.notes) for piece in pieces]
    bars = {bar.tobytes() for piece in rolls for bar in piece}
    following = alike(rolls[:, 1:], rolls[:, :-1])
    figures = {
        "diversity": diversity_as_published([p.notes for p in pieces], n_steps=n_steps),
        "distinct, %": 100 * len(bars) / (len(rolls) * BARS),
        "notes": float(np.mean([len(each.pitches) for each in notes])),
        "scale, %": float(np.nanmean([measures.scale_consistency(n.pitches) for n in notes])),
        "alike": following,
        "beyond": following - alike(rolls[:, 1:], np.roll(rolls, 1, axis=0)[:, :-1]),
        "same seed": float("nan") if before is None else alike(rolls[:, 0], before),
    }
    return {name: round(value, 3) for name, value in figures.items()}, rolls[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--pieces", type=int, default=300)
    chosen = parser.parse_args()
    model = nextbar.load(chosen.run)
    settings = {f"temperature {t:g}": model.asked(t, None) for t in TEMPERATURES}
    settings |= {f"follow {f:g}": model.asked(None, f) for f in FOLLOWS}
    rows: dict[str, dict[str, float]] = {}
    before = None
    for name, sampling in settings.items():
        pieces = written(model, chosen.pieces, sampling)
        rows[name], before = row(pieces, model.kind.n_steps, before)
    table = Table(title=f"{chosen.pieces} pieces of {BARS} bars")
    for column in ("", *next(iter(rows.values()))):
        table.add_column(column, justify="right" if column else "left")
    for name, figures in rows.items():
        table.add_row(name, *(f"{value:g}" for value in figures.values()))
    Console(width=110).print(table)
    finite = {n: {k: v for k, v in f.items() if v == v} for n, f in rows.items()}
    print(json.dumps({"benchmark": "controls", "pieces": chosen.pieces, "rows": finite}))


if __name__ == "__main__":
    main()
