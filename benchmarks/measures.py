"""How long the whole table takes, beside the straightforward form of the published code.

    python benchmarks/measures.py [--pieces 2553]

Random five-bar pieces of 25 notes, as many real windows and training bars; one
thread. The plain form is C-RNN-GAN's loops and ORGAN's edit distance in
Python, timed on a part of the pieces and of their pairs, and scaled.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from nextbar.measures.copying import TrainingBars
from nextbar.measures.paper import edit_distances, note_ons
from nextbar.measures.pieces import Piece
from nextbar.measures.table import compare
from nextbar.music.bars import NOTE, sort_notes

N_STEPS, N_BARS = 16, 5
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 8, 11))


def random_piece(rng: np.random.Generator, n_notes: int = 25, n_bars: int = N_BARS) -> Piece:
    """Notes drawn from a walk in two octaves."""
    notes = np.empty(n_notes, NOTE)
    notes["start"] = np.sort(rng.integers(n_bars * N_STEPS - 4, size=n_notes))
    notes["duration"] = rng.integers(1, 5, size=n_notes)
    notes["pitch"] = 60 + rng.integers(0, 24, size=n_notes)
    notes["velocity"] = 90
    return Piece(sort_notes(notes), n_bars)


def plain_measures(pitches: list[int], velocities: list[int]) -> list[float]:
    """Scale consistency, uniqueness, recurrence and the two spans, loop by loop."""
    best = 0
    for root in range(12):
        for scale in SCALES:
            best = max(best, sum(1 for tone in pitches if tone % 12 - root in scale))
    repeated = 0
    for i in range(len(pitches) - 4):
        for j in range(i + 2, len(pitches) - 2):
            repeated += pitches[i : i + 2] == pitches[j : j + 2]
    return [
        best / len(pitches),
        len(set(pitches)) / len(pitches),
        repeated,
        max(pitches) - min(pitches),
        max(velocities) - min(velocities),
    ]


def plain_edit_distance(first: list[int], second: list[int]) -> int:
    """Levenshtein's table, row by row."""
    row = list(range(len(second) + 1))
    for i, one in enumerate(first, 1):
        above, row[0] = row[0], i
        for j, other in enumerate(second, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (one != other))
    return row[-1]


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Prints the table and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pieces", type=int, default=2553)
    n = parser.parse_args().pieces
    rng = np.random.default_rng(0)
    pieces = [random_piece(rng) for _ in range(n)]
    real = [random_piece(rng, 25 * 7, N_BARS * 7) for _ in range(max(n // 7, 2))]
    training = TrainingBars.of_pieces(real, n_steps=N_STEPS)

    whole = seconds(lambda: compare(pieces, real, n_steps=N_STEPS, training_bars=training))
    half = seconds(
        lambda: compare(
            pieces[: n // 2], real[: len(real) // 2], n_steps=N_STEPS, training_bars=training
        )
    )
    notes = [piece.notes for piece in pieces]
    pairs = seconds(lambda: edit_distances(notes, rng=rng, max_pieces=n))

    lists = [[column.tolist() for column in note_ons(each)] for each in notes]
    some = lists[:200]
    plain = seconds(lambda: [plain_measures(*each) for each in some]) / len(some) * n
    few = [pitches for pitches, _ in lists[:60]]
    plain_pairs = seconds(lambda: [plain_edit_distance(a, b) for a in few for b in few])
    plain_pairs *= (n / len(few)) ** 2
    rows = {
        "whole table, three columns, with intervals": whole,
        "the same of half of the pieces": half,
        f"edit distances of all {n * (n - 1) // 2:,} pairs": pairs,
        "plain Python: five measures, one column": plain,
        "plain Python: edit distances of all pairs": plain_pairs,
    }
    print(f"{n:,} pieces of {N_BARS} bars, CPU seconds")
    for name, spent in rows.items():
        print(f"  {name:<52}{spent:10.1f}")
    print(
        json.dumps(
            {
                "pieces": n,
                "whole_s": round(whole, 2),
                "whole_to_half": round(whole / half, 2),
                "pairs_s": round(pairs, 2),
                "plain_to_ours_pairs": round(plain_pairs / pairs, 1),
                "plain_to_whole": round((plain + plain_pairs) / whole, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
