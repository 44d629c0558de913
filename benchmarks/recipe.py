"""What a trained model's music is worth, beside held-out real tunes in their own keys.

    python benchmarks/recipe.py RUN [--pieces 2500] [--long 200] [--classifiers]

2,500 pieces of 5 bars by testing model 1, each from a bar of a held-out tune
and back in that tune's key; as many by model 2, in keys drawn from those of the
corpus; and 200 pieces of 32 bars by model 1. Beside them real windows of the
held-out tunes, in their keys too: in one common key all bars are a little alike,
and coherence would be small for real music. Copies are looked for in the
training tunes. Nats a bar are an upper bound of what the next bar of a
held-out tune costs in the corpus's key, given all bars before it that the model
remembers, or the last one alone. Prints a table and, last, its figures as one
JSON line.
"""

import argparse
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import nextbar
from nextbar import measures
from nextbar.frames.config import Sampling
from nextbar.frames.gradients import prior_loss
from nextbar.frames.losses import reconstruction
from nextbar.frames.model import Model
from nextbar.frames.pairs import PairBatches, Pairs
from nextbar.frames.pointer import said_again, surprise
from nextbar.measures import Piece, TrainingBars
from nextbar.music.bars import Notes, draw_rolls
from nextbar.music.corpus import Corpus, corpus_of
from nextbar.music.grid import transpose
from nextbar.training.run import sequences_of
from nextbar.writing.composer import Composer
from nextbar.writing.piece import Beginning, Composition

BARS, LONG_BARS = 5, 32
LAGS = (1, 2, 4, 8)
Sets = dict[str, list[Piece]]
Columns = dict[str, dict[str, float]]
"""For each set of pieces its figures, by the name of the row."""
Cells = npt.NDArray[np.bool_]


def shift(corpus: Corpus, piece: int) -> int:
    """Semitones that the piece was moved by for the common key."""
    return int(corpus.describe(piece).get("transposed", 0))


def tune(corpus: Corpus, piece: int) -> Piece:
    """The whole piece in its own key."""
    bars = corpus.bars_of(piece)
    notes = transpose(corpus.notes(bars.start, bars.stop), -shift(corpus, piece))
    starts = corpus.starts(bars.start, bars.stop)
    return Piece(notes, len(bars), corpus.piece_name(piece), 0, corpus.metres_of(bars), starts)


def written_piece(composition: Composition, notes: Notes, name: str, model: Composer) -> Piece:
    """What was written as a piece to be measured, with these notes."""
    metres, n_given = composition.metres, composition.n_given_bars
    return Piece(notes, len(metres), name, n_given, metres, model.kind.starts_of(metres))


def held_out_bars(corpus: Corpus, n: int, n_bars: int) -> list[tuple[int, int]]:
    """(piece, bar) of n held-out bars that sound, with n_bars - 1 behind them; repeats if few."""
    pieces = [int(piece) for piece in corpus.pieces("held_out")]
    found = [
        (piece, bar)
        for piece in pieces
        for bar in corpus.bars_of(piece)[: max(0, len(corpus.bars_of(piece)) - n_bars + 1)]
        if corpus.bar_index[bar + 1] > corpus.bar_index[bar]
    ]
    rng = np.random.default_rng(0)
    return [found[i] for i in rng.choice(len(found), n, replace=n > len(found))]


def continued(
    model: Composer,
    corpus: Corpus,
    n: int,
    n_bars: int,
    sampling: Sampling | None = None,
) -> list[Piece]:
    """Pieces by testing model 1, the given bar in front."""
    beginnings = []
    for piece, bar in held_out_bars(corpus, n, n_bars if n_bars == BARS else 2):
        moved = shift(corpus, piece)
        notes = transpose(corpus.notes(bar, bar + 1), -moved)
        name = corpus.piece_name(piece)
        metres = corpus.metres_of(range(bar, bar + 1))
        beginnings.append(Beginning(notes, metres, corpus.rolls([bar]), name, moved))
    written = model.compose(beginnings, bars=n_bars - 1, seeds=range(n), sampling=sampling)
    return [
        written_piece(composition, composition.notes, beginning.name, model)
        for composition, beginning in zip(written, beginnings, strict=True)
    ]


def begun(
    model: Composer,
    corpus: Corpus,
    n: int,
    n_bars: int,
    sampling: Sampling | None = None,
) -> list[Piece]:
    """Pieces by testing model 2, in keys and metres drawn from the corpus's."""
    rng = np.random.default_rng(1)
    shifts = [shift(corpus, int(piece)) for piece in corpus.pieces("training")]
    keys = rng.choice(shifts, n)
    numbers = rng.choice(corpus.bar_metres, n)
    pieces: dict[int, Piece] = {}
    for number in np.unique(numbers):
        seeds = np.flatnonzero(numbers == number).tolist()
        metre = corpus.metres[number]
        none = [None] * len(seeds)
        written = model.compose(none, bars=n_bars, seeds=seeds, sampling=sampling, metre=metre)
        for i, composition in zip(seeds, written, strict=True):
            notes = transpose(composition.notes, -int(keys[i]))
            pieces[i] = written_piece(composition, notes, f"noise {i}", model)
    return [pieces[i] for i in range(n)]


def rolls_of(pieces: list[Piece], n_steps: int) -> Cells:
    """(pieces, bars, cells) of what sounds and begins."""
    rows, index = measures.bars_of_pieces(pieces, n_steps=n_steps)
    drawn = draw_rolls(rows, index, np.arange(len(index) - 1), n_steps=n_steps, onsets=True) > 0
    return drawn.reshape(len(pieces), pieces[0].n_bars, -1)


def likeness(pieces: list[Piece], n_steps: int) -> list[float]:
    """How alike bars at each lag are: cells in both by cells in either, mean over bars."""
    rolls = rolls_of(pieces, n_steps)
    result = []
    for lag in LAGS:
        a, b = rolls[:, :-lag], rolls[:, lag:]
        both, either = (a & b).sum(axis=2), (a | b).sum(axis=2)
        result.append(round(float((both / np.maximum(either, 1)).mean()), 3))
    return result


def figures(pieces: list[Piece], training: TrainingBars, n_steps: int) -> dict[str, float]:
    """The rows of the table for a set of pieces of equal length."""
    notes = [measures.note_ons(piece.notes) for piece in pieces]
    by_bar = measures.coherence_by_bar(pieces, n_steps=n_steps)

    def mean(values: list[float]) -> float:
        found = [value for value in values if np.isfinite(value)]
        return round(float(np.mean(found)), 2) if found else math.nan

    rows = {
        "scale consistency, %": mean([measures.scale_consistency(n.pitches) for n in notes]),
        "notes": mean([len(n.pitches) for n in notes]),
        "uniqueness, %": mean([measures.uniqueness(n.pitches) for n in notes]),
        "tone span": mean([measures.tone_span(n.pitches) for n in notes]),
        "recurrence": mean([measures.recurrence(n.pitches) for n in notes]),
        "velocity span": mean([measures.velocity_span(n.velocities) for n in notes]),
    }
    for bar in (1, 2, 3, 4, 31):
        if bar <= len(by_bar):
            rows[f"coherence {bar} -> {bar + 1}"] = round(float(by_bar[bar - 1]), 3)
    bars = measures.bars_of_pieces(pieces, n_steps=n_steps)
    rows["copied bars, %"] = round(measures.copied_bars(bars, training.bars), 1)
    return rows


def part_of(piece: Piece, first_bar: int, n_steps: int) -> Notes:
    """The notes of five bars of a long piece, from ``first_bar``, counted from 0, on."""
    starts = measures.pieces.starts_of(piece, n_steps=n_steps)
    begin, end = starts[[first_bar, first_bar + BARS]]
    start = piece.notes["start"]
    notes: Notes = piece.notes[(start >= begin) & (start < end)].copy()
    notes["start"] -= begin
    return notes


def written(
    model: Composer,
    corpus: Corpus,
    n: int,
    n_long: int,
    sampling: Sampling | None = None,
) -> tuple[Sets, Sets]:
    """The sets of ``BARS`` bars, n pieces each, and that of ``LONG_BARS`` that the model writes.

    sampling: how; None is the run's own.
    """
    sets = {
        "model 1": continued(model, corpus, n, BARS, sampling),
        "model 2": begun(model, corpus, n, BARS, sampling),
    }
    return sets, {"32 bars, model 1": continued(model, corpus, n_long, LONG_BARS, sampling)}


def real(corpus: Corpus) -> tuple[Sets, Sets]:
    """The held-out tunes' windows of ``BARS`` and of ``LONG_BARS`` bars, in their own keys."""
    tunes = [tune(corpus, int(piece)) for piece in corpus.pieces("held_out")]
    short, long = (
        measures.reference_windows(tunes, n_bars=n_bars, n_steps=corpus.n_steps)
        for n_bars in (BARS, LONG_BARS)
    )
    return {"real": short}, {"32 bars, real": long}


def measured(sets: Sets, long: Sets, corpus: Corpus, *, classifiers: bool) -> Columns:
    """A column of figures for each set of pieces of ``BARS`` and of ``LONG_BARS`` bars.

    sets: "model 1", "model 2" and "real", or some of them, in the tunes' own keys.
    classifiers: ask networks, too, which takes minutes. A figure that there is none of, as of
    silent pieces, is left out.
    """
    n_steps = corpus.n_steps
    training = TrainingBars.of_pieces(
        [tune(corpus, int(piece)) for piece in corpus.pieces("training")], n_steps=n_steps
    )
    columns = {name: figures(pieces, training, n_steps) for name, pieces in (sets | long).items()}
    for name, pieces in sets.items():
        columns[name]["diversity"] = round(measures.diversity([p.notes for p in pieces[:500]]), 3)
    for name, pieces in long.items():
        for where, first_bar in (("first", 0), ("last", LONG_BARS - BARS)):
            parts = [part_of(piece, first_bar, n_steps) for piece in pieces[:500]]
            value = measures.diversity(parts)
            columns[name][f"diversity of the {where} 5 bars"] = round(value, 3)
        for lag, alike in zip(LAGS, likeness(pieces, n_steps), strict=True):
            columns[name][f"likeness at lag {lag}"] = alike
    if classifiers:
        all_tunes = [tune(corpus, int(piece)) for piece in corpus.pieces("all")]
        for name in sets:
            if name == "real":
                verdict = measures.real_told_from_real(all_tunes, n_steps=n_steps)
            else:
                verdict = measures.told_from_real(sets[name], all_tunes, n_steps=n_steps)
            columns[name]["told from real, %"] = round(verdict.accuracy.mean, 1)
            if name == "model 1":
                verdict = measures.next_bar_told_from_real(sets[name], all_tunes, n_steps=n_steps)
                columns[name]["next bar told from real, %"] = round(verdict.accuracy.mean, 1)
    return {
        name: {row: value for row, value in column.items() if np.isfinite(value)}
        for name, column in columns.items()
    }


def nats_a_bar(model: Model, corpus: Corpus) -> dict[str, float]:
    """An upper bound of what a held-out bar costs in nats, given those before; mean over bars.

    In columns reconstruction + KL from the learned prior, unweighted, of one draw each; where bars
    may come again as they stand, what it costs to say so, or that this one is new, and these of new
    ones alone. In a plane what is decoded is drawn from what was read off the bar before: it costs
    nothing by itself, and the bound is the reconstruction, which is the cross-entropy of other
    numbers: compare within a layout. "after one": the bars before the last one are forgotten.
    """
    config = model.config
    sequences = sequences_of(corpus)
    held_out = corpus.pieces("held_out")
    pairs = PairBatches(sequences, held_out, 1, seed=0, history=config.history)
    pairs = replace(pairs, batch=min(250, len(pairs)))
    of_pointer = replace(pairs, history=config.repeats or (1,))  # the same pairs, in one order
    noises = torch.Generator().manual_seed(0)
    totals = {"nats a bar": 0.0, "nats a bar after one": 0.0}
    model.eval()
    with torch.no_grad():
        for each, again in zip(pairs.epoch(1), of_pointer.epoch(1), strict=True):
            noise = torch.randn(len(each.current), model.noise_size, generator=noises)
            totals["nats a bar"] += _nats(model, each, again, noise)
            each, again = _after_one(each, pairs.history), _after_one(again, of_pointer.history)
            totals["nats a bar after one"] += _nats(model, each, again, noise)
    return {row: round(total / len(pairs), 2) for row, total in totals.items()}


def _after_one(pairs: Pairs, history: tuple[int, ...]) -> Pairs:
    """The pairs, of whose history all but the last frame is forgotten."""
    channels = pairs.current.shape[1]
    last = torch.tensor(history).eq(1).repeat_interleave(channels)
    return pairs._replace(previous=pairs.previous * last[:, None, None])


def _nats(model: Model, pairs: Pairs, of_pointer: Pairs, noise: Tensor) -> float:
    """What the current frames cost, summed. of_pointer: the same with the frames it points at."""
    total, is_new = 0.0, torch.ones(len(noise), dtype=torch.bool)
    if model.pointer is not None:
        again = said_again(of_pointer.previous, of_pointer.current, of_pointer.kinds)
        odds = model.pointer(of_pointer.previous, of_pointer.kinds)
        total = surprise(odds, again).sum().item()
        is_new = ~again.any(dim=1)
    if not is_new.any():
        return total
    previous, current = pairs.previous[is_new], pairs.current[is_new]
    kinds = None if pairs.kinds is None else pairs.kinds[is_new]
    synthesis = model.synthesise(previous, current, noise[is_new], kinds)
    cost = reconstruction(synthesis.drawn.levels, synthesis.drawn.gates, current)
    if synthesis.prior is not None:
        cost = cost + prior_loss(synthesis)
    return total + cost.item() * int(is_new.sum())


def show(title: str, columns: Columns) -> None:
    """Prints the columns side by side; a row that a column has not is left empty in it."""
    table = Table(title=title)
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    rows = dict.fromkeys(row for column in columns.values() for row in column)
    for row in rows:
        table.add_row(row, *(f"{column.get(row, '')}" for column in columns.values()))
    Console(width=110).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--pieces", type=int, default=2500)
    parser.add_argument("--long", type=int, default=200)
    parser.add_argument("--temperature", type=float, help="the run's own, if not given")
    parser.add_argument("--follow", type=float, help="how much of the bars before")
    parser.add_argument("--classifiers", action="store_true", help="ask networks too: minutes")
    chosen = parser.parse_args()
    model = nextbar.load(chosen.run)
    corpus = corpus_of(model.origin)
    began = time.monotonic()
    sampling = model.asked(chosen.temperature, chosen.follow)
    sets, long = written(model, corpus, chosen.pieces, chosen.long, sampling)
    seconds = time.monotonic() - began
    real_sets, real_long = real(corpus)
    columns = measured(sets | real_sets, long | real_long, corpus, classifiers=chosen.classifiers)
    columns["model 1"] = nats_a_bar(model.model, corpus) | columns["model 1"]
    show(f"{chosen.run}: {model.model.config.epochs} epochs", columns)
    follows = "" if sampling.follow == 1 else f", follow {sampling.follow:g}"
    print(f"written in {seconds:.0f} s at temperature {sampling.temperature:g}{follows}")
    print(json.dumps({"benchmark": "recipe", "run": str(chosen.run), "columns": columns}))


if __name__ == "__main__":
    main()
