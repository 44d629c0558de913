"""A judge that is no network: whether it tells written phrases from real ones.

    python benchmarks/second_judge.py RUN [--choose 0 1] [--pieces 1000] [--seeds 3] [--network]

Boosted trees (scikit-learn) learn from some 150 numbers that a musician could name: how many
notes each bar has, where in it they begin and how long they are held, how high, which pitch
classes, which intervals follow each other and which sound together, and how alike bars are one
to four bars apart. The discriminator that chooses bars is a network of convolutions over cells;
the judge of `nextbar evaluate` is another. Split by tune, as that one's windows are.

How much this judge can see is tried on real windows, each as it is, with one note in ten moved to
another pitch, and with two bars swapped. Prints a table and, last, its figures as one JSON line.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier

import nextbar
import recipe
from nextbar.measures import Piece
from nextbar.measures.classifiers import TwoSampleTest, told_from_real
from nextbar.measures.judge_network import Rolls, Scores, Sides
from nextbar.music.corpus import Corpus, corpus_of

Numbers = npt.NDArray[Any]
INTERVALS = 12
LENGTHS = (1, 2, 3, 4, 6, 8, 12, 16)


def numbers_of(rolls: Rolls, n_bars: int) -> Numbers:
    """(windows, numbers): what each window is like; see the module.

    rolls: (windows, 2, pitches, steps), what sounds and what begins.
    """
    sounds, begins = rolls[:, 0].astype(np.float32), rolls[:, 1].astype(np.float32)
    n, height, steps = sounds.shape
    width = steps // n_bars
    pitch = np.arange(height, dtype=np.float32)
    bars = begins.reshape(n, height, n_bars, width)
    of_bar = bars.sum(axis=(1, 3))  # notes a bar
    heights = (bars.sum(axis=3) * pitch[:, None]).sum(axis=1) / np.maximum(of_bar, 1)
    voices = sounds.sum(axis=1)  # sounding at each step
    onsets = begins.sum(axis=1)
    where = onsets.reshape(n, n_bars, width)
    classes = _by_class(sounds.sum(axis=2))
    columns: list[Numbers] = [
        of_bar, heights, sounds.reshape(n, height, n_bars, width).any(axis=3).sum(axis=1),
        _extreme(begins, highest=False), _extreme(begins, highest=True),
        where.mean(axis=1), (where > 0).mean(axis=1), np.sort(classes, axis=1),
        classes / np.maximum(classes.sum(axis=1, keepdims=True), 1),
        *_shares(voices, range(7)), *_shares(onsets, range(6)), _lengths(sounds, begins),
        _intervals(begins, highest=True), _intervals(begins, highest=False),
        _together(begins), _together(sounds),
    ]  # fmt: skip
    cells: Numbers = bars.transpose(0, 2, 1, 3)
    some: list[Numbers] = [np.asarray(cells.any(axis=axis)) for axis in (2, 3)]
    views = [cells, *some, _by_class(some[1])]
    for lag in range(1, n_bars):
        columns += [_alike(seen[:, lag:], seen[:, :-lag]) for seen in views]
    return np.concatenate([np.asarray(c, np.float64).reshape(n, -1) for c in columns], axis=1)


def _by_class(of_pitches: Numbers) -> Numbers:
    """Sums over octaves; the last axis has the pitches."""
    more = [(0, 0)] * (of_pitches.ndim - 1) + [(0, -of_pitches.shape[-1] % 12)]
    octaves = np.pad(of_pitches, more).reshape(*of_pitches.shape[:-1], -1, 12)
    summed: Numbers = octaves.sum(axis=-2)
    return summed


def _shares(counts: Numbers, of: range) -> list[Numbers]:
    return [(counts == number).mean(axis=1) for number in of]


def _extreme(begins: Numbers, *, highest: bool) -> Numbers:
    """Mean and deviation of the highest, or lowest, pitch that begins, over steps with one."""
    line, some = _line(begins, highest=highest)
    count = np.maximum(some.sum(axis=1), 1)
    mean = (line * some).sum(axis=1) / count
    spread = np.sqrt((np.square(line - mean[:, None]) * some).sum(axis=1) / count)
    return np.stack([mean, spread], axis=1)


def _line(begins: Numbers, *, highest: bool) -> tuple[Numbers, Numbers]:
    height = begins.shape[1]
    found = height - 1 - begins[:, ::-1].argmax(axis=1) if highest else begins.argmax(axis=1)
    return found.astype(np.float64), np.asarray(begins.any(axis=1))


def _intervals(begins: Numbers, *, highest: bool) -> Numbers:
    """How often the outer line moves by so many semitones, -12 to 12, farther ones at the ends."""
    line, some = _line(begins, highest=highest)
    counts = np.zeros((len(line), 2 * INTERVALS + 1))
    for nth in range(len(line)):
        moves = np.diff(line[nth][some[nth]]).clip(-INTERVALS, INTERVALS).astype(int) + INTERVALS
        counts[nth] = np.bincount(moves, minlength=2 * INTERVALS + 1) / max(len(moves), 1)
    return counts


def _together(cells: Numbers) -> Numbers:
    """How often two pitches 1 to 12 semitones apart are in one step, of steps with two."""
    found = [(cells[:, gap:] * cells[:, :-gap]).sum(axis=(1, 2)) for gap in range(1, INTERVALS + 1)]
    several = np.maximum((cells.sum(axis=1) > 1).sum(axis=1), 1)
    return np.asarray(np.stack(found, axis=1) / several[:, None])


def _lengths(sounds: Numbers, begins: Numbers) -> Numbers:
    """Of notes the share that is held for at least so many steps."""
    n_notes = np.maximum(begins.sum(axis=(1, 2)), 1)
    held = (sounds > 0) & (begins == 0)
    going, shares = begins > 0, []
    for steps in range(2, max(LENGTHS) + 1):
        going = np.pad(going[:, :, :-1], [(0, 0), (0, 0), (1, 0)]) & held
        if steps in LENGTHS:
            shares.append(going.sum(axis=(1, 2)) / n_notes)
    return np.stack(shares, axis=1)


def _alike(first: Numbers, second: Numbers) -> Numbers:
    """Cells in both by cells in either, mean over the pairs of bars."""
    axes = tuple(range(2, first.ndim))
    one, other = first > 0, second > 0
    both, either = (one & other).sum(axis=axes), (one | other).sum(axis=axes)
    return np.asarray((both / np.maximum(either, 1)).mean(axis=1))


def judge_by_trees(
    training: Sides, stopping: Sides, asked: Sides, *, seed: int
) -> tuple[Scores, Scores]:
    """The scores of both sides that it is asked about, above 0 for the first."""
    n_bars = recipe.BARS

    def told(sides: Sides) -> tuple[Numbers, npt.NDArray[np.float64]]:
        read = [numbers_of(side, n_bars) for side in sides]
        return np.concatenate(read), np.repeat([1.0, 0.0], [len(side) for side in read])

    (x, y), (x_stop, y_stop) = told(training), told(stopping)
    weights = [np.where(of == 1, 0.5 / of.mean(), 0.5 / (1 - of.mean())) for of in (y, y_stop)]
    trees = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=600, max_leaf_nodes=12, min_samples_leaf=20,
        l2_regularization=1.0, max_features=0.3, early_stopping=True, n_iter_no_change=40,
        random_state=seed,
    )  # fmt: skip
    trees.fit(
        x, y, sample_weight=weights[0], X_val=x_stop, y_val=y_stop, sample_weight_val=weights[1]
    )
    first, second = (trees.decision_function(numbers_of(side, n_bars)) for side in asked)
    return first.astype(np.float64), second.astype(np.float64)


def untouched(piece: Piece, _: np.random.Generator) -> Piece:
    """The piece."""
    return piece


def a_tenth_moved(piece: Piece, rng: np.random.Generator) -> Piece:
    """One note in ten up or down by one to six semitones."""
    notes = piece.notes.copy()
    moved = rng.random(len(notes)) < 0.1
    steps = rng.integers(1, 7, len(notes)) * rng.choice([-1, 1], len(notes))
    notes["pitch"] = np.where(moved, np.clip(notes["pitch"] + steps, 21, 108), notes["pitch"])
    return piece._replace(notes=notes)


def two_bars_swapped(piece: Piece, _: np.random.Generator) -> Piece:
    """The third bar and the fourth, where both are of one width."""
    starts = np.asarray(piece.starts)
    if starts[3] - starts[2] != starts[4] - starts[3]:
        return piece
    notes, width = piece.notes.copy(), starts[3] - starts[2]
    third = (notes["start"] >= starts[2]) & (notes["start"] < starts[3])
    fourth = (notes["start"] >= starts[3]) & (notes["start"] < starts[4])
    notes["start"] += width * third.astype(notes["start"].dtype)
    notes["start"] -= width * fourth.astype(notes["start"].dtype)
    order = np.lexsort((notes["pitch"], notes["start"]))
    return piece._replace(notes=notes[order])


FAULTS: dict[str, Callable[[Piece, np.random.Generator], Piece]] = {
    "real, as it is": untouched,
    "real, one note in ten moved": a_tenth_moved,
    "real, bars 3 and 4 swapped": two_bars_swapped,
}


def windows(corpus: Corpus, n: int) -> list[Piece]:
    """N windows of real tunes, no tune's twice unless there are few."""
    tunes = [recipe.tune(corpus, int(piece)) for piece in corpus.pieces("all")]
    long = [tune for tune in tunes if tune.n_bars >= recipe.BARS]
    rng, found = np.random.default_rng(3), []
    for nth in range(n):
        piece = long[nth % len(long)]
        first = int(rng.integers(piece.n_bars - recipe.BARS + 1))
        starts = np.asarray(piece.starts)[first : first + recipe.BARS + 1]
        notes = recipe.part_of(piece, first, corpus.n_steps)
        metres = piece.metres[first : first + recipe.BARS]
        # Its first bar is taken for one that was given: so its tune is in one part of the split.
        found.append(Piece(notes, recipe.BARS, piece.name, 1, metres, starts - starts[0]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--choose", type=float, nargs="+", default=[0, 1])
    parser.add_argument("--pieces", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--network", action="store_true", help="the judge of evaluate, too")
    words = parser.parse_args()
    model = nextbar.load(words.run)
    corpus = corpus_of(model.origin)
    real = [recipe.tune(corpus, int(piece)) for piece in corpus.pieces("all")]
    sets: dict[str, Sequence[Piece]] = {}
    for name, fault in FAULTS.items():
        rng = np.random.default_rng(4)
        sets[name] = [fault(piece, rng) for piece in windows(corpus, words.pieces)]
    for choose in words.choose:
        how = model.asked(None, None, choose)
        sets[f"written, --choose {choose:g}"] = recipe.continued(
            model, corpus, words.pieces, recipe.BARS, how
        )
    judges = {"trees": judge_by_trees} | ({"network": None} if words.network else {})
    table = Table("told from real, %", *judges, title=f"{words.pieces} pieces of five bars")
    found: dict[str, dict[str, list[list[float]]]] = {}
    for name, pieces in sets.items():
        found[name] = {}
        for judge, asked in judges.items():
            tests = [
                told_from_real(pieces, real, n_steps=corpus.n_steps, seed=seed, judge=asked)
                for seed in range(words.seeds)
            ]
            found[name][judge] = [[round(x, 1) for x in _figures(test)] for test in tests]
        table.add_row(name, *(_words(of) for of in found[name].values()))
    Console(width=120).print(table)
    print(json.dumps({"run": words.run, "told": found}))


def _figures(test: TwoSampleTest) -> tuple[float, float, float]:
    return test.accuracy.mean, test.accuracy.low, test.accuracy.high


def _words(tests: list[list[float]]) -> str:
    mean = np.mean([test[0] for test in tests])
    each = ", ".join(f"{test[0]:.1f} [{test[1]:.1f}, {test[2]:.1f}]" for test in tests)
    return f"{mean:.1f}: {each}"


if __name__ == "__main__":
    main()
