"""Whether the other hand, written to what is kept of a real bar, goes with it.

    python benchmarks/hands.py RUN [--bars 200]

Of bars of held-out pieces the highest line is kept and what lies below it is written anew, or the
lowest and what lies above, with the real bars on both sides. Beside it what really stood there,
and, for chance, what stood there in a bar of another piece in the same metre and, with a common
key, the same key. What is counted, where a note begins: how often a kept and another pitch class
are a semitone apart (clashes), and how often all that sounds lies in one major or minor triad; then
the notes. Prints a table and, last, its figures as one JSON line.
"""

import argparse
import json
import time

import numpy as np
from rich.console import Console
from rich.table import Table

import nextbar
from nextbar.music.bars import BarNotes
from nextbar.music.corpus import Corpus, corpus_of
from nextbar.writing.composer import Composer
from nextbar.writing.other_hand import kept_of, other_hand
from nextbar.writing.piece import Before, Keep, Side, Towards

TRIADS = [{root, (root + third) % 12, (root + 7) % 12} for root in range(12) for third in (3, 4)]


class Count:
    """What is counted of bars with two hands."""

    def __init__(self) -> None:
        self.places = self.clashes = self.triads = self.notes = self.bars = 0

    def add(self, kept: BarNotes, other: BarNotes) -> None:
        """One bar more."""
        self.bars, self.notes = self.bars + 1, self.notes + len(other)
        for step in {*kept["start"].tolist(), *other["start"].tolist()}:
            one, two = sounding(kept, step), sounding(other, step)
            if one and two:
                self.places += 1
                self.clashes += any((a - b) % 12 in (1, 11) for a in one for b in two)
                self.triads += any(one | two <= triad for triad in TRIADS)

    def figures(self) -> dict[str, float]:
        """Percent of the places, and notes a bar."""
        of_places = 100 / max(self.places, 1)
        return {
            "clashes": round(of_places * self.clashes, 1),
            "triads": round(of_places * self.triads, 1),
            "notes": round(self.notes / max(self.bars, 1), 1),
        }


def sounding(rows: BarNotes, step: int) -> set[int]:
    """The pitch classes that sound at a step of a bar."""
    sounds = (rows["start"] <= step) & (rows["start"].astype(int) + rows["duration"] > step)
    return {int(pitch) % 12 for pitch in rows["pitch"][sounds]}


def bar(corpus: Corpus, number: int) -> BarNotes:
    """The notes of a bar."""
    first, last = corpus.bar_index[number : number + 2]
    return corpus.bar_notes[first:last]


def written(
    model: Composer, corpus: Corpus, piece: range, number: int, keep: Keep, side: Side
) -> BarNotes:
    """The other hand of a bar, between the bars of its piece."""
    memory, reach = model.model.memory, max(model.model.config.ahead, default=0)
    before = range(max(piece.start, number - memory), number)
    behind = range(number + 1, min(piece.stop, number + 1 + reach))
    rows = bar(corpus, number)
    return other_hand(
        model,
        rows[kept_of(rows, keep)],
        corpus.metres_of(range(number, number + 1))[0],
        before=Before(corpus.rolls([*before]), corpus.metres_of(before)) if before else None,
        towards=Towards(corpus.rolls([*behind]), corpus.metres_of(behind)) if behind else None,
        side=side,
        seed=0,
        position=number,
        sampling=model.sampling,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--bars", type=int, default=200)
    parser.add_argument("--corpus", help="the run's corpus, where it came without")
    asked = parser.parse_args()
    model = nextbar.load(asked.run)
    corpus = Corpus.open(asked.corpus) if asked.corpus else corpus_of(model.origin)
    pieces = {
        number: corpus.bars_of(int(piece))
        for piece in corpus.pieces("held_out")
        for number in corpus.bars_of(int(piece))
    }
    rng = np.random.default_rng(0)
    sound = [number for number in pieces if len(bar(corpus, number))]
    chosen = [sound[i] for i in rng.permutation(len(sound))[: asked.bars]]
    table = Table("", "", "clashes, %", "triads, %", "notes a bar")
    figures: dict[str, dict[str, dict[str, float]]] = {}
    seconds = []
    ways: list[tuple[Keep, Side]] = [("top", "below"), ("bottom", "above")]
    for keep, side in ways:
        counts = {name: Count() for name in ("written", "real", "of another bar")}
        for number in chosen:
            rows = bar(corpus, number)
            kept = kept_of(rows, keep)
            metre = corpus.metres_of(range(number, number + 1))
            others = [
                n
                for n in sound
                if pieces[n] != pieces[number] and corpus.metres_of(range(n, n + 1)) == metre
            ]
            began = time.perf_counter()
            made = written(model, corpus, pieces[number], number, keep, side)
            seconds.append(time.perf_counter() - began)
            counts["written"].add(rows[kept], made)
            counts["real"].add(rows[kept], rows[~kept])
            if others:
                other = bar(corpus, others[rng.integers(len(others))])
                counts["of another bar"].add(rows[kept], other[~kept_of(other, keep)])
        figures[side] = {name: count.figures() for name, count in counts.items()}
        for name, each in figures[side].items():
            table.add_row(f"{side} the {keep} line", name, *map(str, each.values()))
    Console().print(table)
    took = round(float(np.median(seconds)), 2)
    print(json.dumps({"bars": len(chosen), "median_seconds_a_bar": took, **figures}))


if __name__ == "__main__":
    main()
