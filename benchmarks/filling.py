"""Whether a bar that was filled in fits the bar after it.

    python benchmarks/filling.py RUN [--bars 1500]

Bars of held-out tunes are taken out, each between bars that stay, and written
anew: by a model that reads both sides, by the same that reads only what lies
before, and, for chance, by taking a bar of another tune in the same metre. A
network then learns to tell (bar, next bar) from the real ones, with tunes of
its own to be asked about: 50 % says that it cannot tell. Beside it the nats a
bar that the KL costs with the bars after it known, and without. Prints a table
and, last, its figures as one JSON line.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import nextbar
from nextbar.frames.gradients import prior_loss
from nextbar.frames.pairs import PairBatches
from nextbar.measures import Piece
from nextbar.measures.classifiers import _split, tell_apart, windows_of
from nextbar.music.bars import join_at_bar_lines, read_rolls
from nextbar.music.corpus import Corpus, Part, corpus_of
from nextbar.music.kind import BarKind
from nextbar.music.tunes import Metre
from nextbar.training.run import sequences_of
from nextbar.writing.bar_by_bar import write_bars
from nextbar.writing.composer import Composer
from nextbar.writing.piece import Before, Draw, Towards


def places(corpus: Corpus, part: Part, n: int) -> list[tuple[int, int]]:
    """(piece, bar) of bars between two that sound."""
    sounds = np.diff(corpus.bar_index) > 0
    found = [
        (int(piece), bar)
        for piece in corpus.pieces(part)
        for bar in corpus.bars_of(int(piece))[1:-1]
        if sounds[bar - 1 : bar + 2].all()
    ]
    rng = np.random.default_rng(0)
    return [found[i] for i in rng.permutation(len(found))[:n]]


def two_bars(rolls: np.ndarray, metres: tuple[Metre, ...], kind: BarKind, name: str) -> Piece:
    """A bar and its next as a piece."""
    starts = kind.starts_of(metres)
    notes = join_at_bar_lines(*read_rolls(rolls, starts), starts)
    return Piece(notes, 2, name, 0, metres, starts)


def nats(model: Composer, corpus: Corpus, part: Part, ahead: bool) -> float:
    """KL of the next bar of those tunes, all bars before known, and those after or not."""
    config, total, n = model.model.config, 0.0, 0
    pieces = corpus.pieces(part)
    batches = PairBatches(
        sequences_of(corpus), pieces, 2, 0, config.history, 0.0, config.ahead if ahead else ()
    )
    batches = replace(batches, batch=min(250, len(batches)))
    if ahead:  # always, and none missing
        object.__setattr__(batches, "_ahead", lambda previous, _: _all_ahead(batches, previous))
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        for previous, current, kinds in batches.epoch(1):
            noise = torch.randn(len(current), model.model.noise_size, generator=generator)
            synthesis = model.model.synthesise(previous, current, noise, kinds)
            total, n = total + float(prior_loss(synthesis)) * len(current), n + len(current)
    return total / n


def _all_ahead(batches: PairBatches, previous: np.ndarray) -> np.ndarray:
    index = batches.sequences.index
    last = index[np.searchsorted(index, previous, side="right")] - 2 - previous
    return np.stack([np.ones_like(last), last])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--bars", type=int, default=1500)
    parser.add_argument("--part", choices=("held_out", "training", "all"), default="held_out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = nextbar.load(arguments.run)
    model.model.eval()
    corpus, kind, config = corpus_of(model.origin), model.kind, model.model.config
    reach = max(config.ahead)
    part: Part = arguments.part
    chosen = places(corpus, part, arguments.bars)
    befores, ends, draws = [], [], []
    for nth, (piece, bar) in enumerate(chosen):
        bars = corpus.bars_of(piece)
        front = range(max(bars.start, bar - model.model.memory), bar)
        back = range(bar + 1, min(bars.stop, bar + 1 + reach))
        befores.append(Before(corpus.rolls(list(front)), corpus.metres_of(front)))
        ends.append(Towards(corpus.rolls(list(back)), corpus.metres_of(back)))
        metre = corpus.metres_of(range(bar, bar + 1))[0]
        draws.append(Draw(nth, 0, model.sampling, metre))
    real = corpus.rolls([bar for _, bar in chosen])
    metres = [corpus.metres_of(range(bar, bar + 2)) for _, bar in chosen]
    sets = {
        "real": list(real),
        "read on both sides": [b.roll for b in write_bars(model, befores, draws, ends)],
        "read before it": [bar.roll for bar in write_bars(model, befores, draws)],
    }
    rng, others = np.random.default_rng(1), []
    pieces, ours = np.array([p for p, _ in chosen]), [metre[0] for metre in metres]
    for nth, metre in enumerate(ours):
        alike = [i for i, m in enumerate(ours) if m == metre and pieces[i] != pieces[nth]]
        others.append(real[rng.choice(alike)] if alike else real[nth])
    sets["of another tune"] = others
    groups = np.unique(pieces, return_inverse=True)[1]
    shares = _split(np.arange(groups.max() + 1), np.random.default_rng(2))
    windows = {}
    for name, rolls in sets.items():
        made = [
            two_bars(np.stack([roll, end.rolls[0]]), both, kind, str(nth))
            for nth, (roll, end, both) in enumerate(zip(rolls, ends, metres, strict=True))
        ]
        found = windows_of(made, [range(1)] * len(made), n_bars=2, n_steps=kind.n_steps)
        windows[name] = found._replace(group=groups)
    table = Table(title=f"{len(chosen)} bars of held-out tunes, each filled in before the next one")
    table.add_column("the bar")
    table.add_column("told from the real one before the same bar, %")
    figures: dict[str, object] = {"bars": len(chosen)}
    for name in list(sets)[1:]:
        told = tell_apart(windows[name], windows["real"], shares, rng=np.random.default_rng(3))
        low, high = told.accuracy.low, told.accuracy.high
        table.add_row(name, f"{told.accuracy.mean:.1f} [{low:.1f}, {high:.1f}]")
        figures[name] = [round(x, 2) for x in (told.accuracy.mean, low, high)]
    costs = {
        "with the bars after it": nats(model, corpus, part, True),
        "without": nats(model, corpus, part, False),
    }
    figures["kl"] = {name: round(value, 3) for name, value in costs.items()}
    console = Console()
    console.print(table)
    for name, value in costs.items():
        console.print(f"a bar costs {value:.2f} nats of KL {name}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
