"""What a small transformer's music of several voices is worth, trained as long on the same notes.

    python benchmarks/remi.py CORPUS --minutes 30 [--threads 1] [--classifiers]

The peer of ``benchmarks/recipe.py`` where several notes sound at once, in one metre or in many:
the network of ``benchmarks/transformer.py`` over MidiTok's REMI tokens (Huang & Yang 2020; bar,
time signature, position, pitch, duration). It is trained on the training pieces for
``--minutes``, then writes from the same beginnings as recipe.py, and from nothing, ``--pieces``
pieces of 5 bars each, which are measured the same way. It knows no loudness. Prints a table
and, last, its figures as one JSON line. Needs ``pip install miditok``.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional as F

from nextbar.measures import Piece
from nextbar.music.bars import NOTE, Notes
from nextbar.music.corpus import Corpus, Part
from nextbar.music.grid import transpose
from nextbar.music.metre import bar_steps, parse_metre, show_metre
from nextbar.music.score import to_score
from nextbar.music.tunes import Metre
from recipe import BARS, held_out_bars, measured, real, shift, show
from transformer import AT_ONCE, UNTOLD, Memory, Settings, Transformer, train

LONGEST = 768
"""Tokens that it sees at once."""
PEER = Settings(batch=6144)


class Read(NamedTuple):
    """A piece as tokens, (tokens,), and where each of its bars begins among them."""

    tokens: npt.NDArray[np.int64]
    bars: npt.NDArray[np.int64]


class Words:
    """MidiTok's REMI for a corpus: notes <-> tokens. Behind its words BEGIN and AMID are read."""

    def __init__(self, corpus: Corpus) -> None:
        from miditok import REMI, TokenizerConfig

        self.corpus = corpus
        metres: dict[int, list[int]] = {}
        for beats, unit in corpus.metres:
            metres.setdefault(unit, []).append(beats)
        settings = TokenizerConfig(
            pitch_range=(21, 109),
            beat_res={(0, 16): corpus.kind.steps_per_quarter},
            use_velocities=False,
            use_time_signatures=True,
            time_signature_range=metres,
            special_tokens=["PAD"],
        )
        self.remi: Any = REMI(settings)
        self.words = {number: word for word, number in self.remi.vocab.items()}
        self.bar = self.remi.vocab["Bar_None"]
        self.begin, self.amid = len(self.words), len(self.words) + 1

    def of(self, notes: Notes, metres: Sequence[Metre]) -> npt.NDArray[np.int64]:
        """The tokens of notes in bars of these metres, up to the last note's bar."""
        per_quarter = self.corpus.kind.steps_per_quarter
        score = to_score(notes, metres=metres, steps_per_quarter=per_quarter)
        (found,) = self.remi(score)
        return np.array(found.ids, np.int64)

    def piece(self, bars: range) -> Read:
        """Bars of the corpus in its common key, if it has one."""
        notes = self.corpus.notes(bars.start, bars.stop)
        tokens = self.of(notes, self.corpus.metres_of(bars))
        return Read(tokens, np.flatnonzero(tokens == self.bar))

    def notes(self, tokens: npt.NDArray[np.int64], n_bars: int) -> tuple[Notes, tuple[Metre, ...]]:
        """What is written in the first ``n_bars`` bars, and their metres."""
        per_quarter = self.corpus.kind.steps_per_quarter
        bar, start, at, pitch, metre = -1, 0, 0, 0, self.corpus.metres[0]
        metres: list[Metre] = []
        rows: list[tuple[int, int, int]] = []
        for token in tokens.tolist():
            kind, _, value = self.words[token].partition("_")
            if kind == "Bar":
                if bar >= 0:
                    start += bar_steps(metre, per_quarter)
                    metres.append(metre)
                bar += 1
                if bar == n_bars:
                    break
                at = 0
            elif kind == "TimeSig":
                metre = parse_metre(value)
            elif kind == "Position":
                at = int(value)
            elif kind == "Pitch":
                pitch = int(value)
            elif kind == "Duration" and bar >= 0 and at < bar_steps(metre, per_quarter):
                beats, parts, of = map(int, value.split("."))
                rows.append((start + at, beats * per_quarter + parts * per_quarter // of, pitch))
        while len(metres) < n_bars:
            metres.append(metre)
        end = self.corpus.kind.starts_of(metres)[-1]
        notes = np.zeros(len(rows), NOTE)
        columns = np.array(rows, np.int64).reshape(-1, 3)
        notes["start"], notes["duration"], notes["pitch"] = columns.T
        notes["duration"] = np.minimum(notes["duration"], end - notes["start"])
        notes["velocity"] = round(self.corpus.kind.median_velocity)
        notes = np.sort(notes, order=["start", "pitch", "duration"])
        return notes[notes["duration"] > 0], tuple(metres)


def batches(
    pieces: Sequence[Read], words: Words, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows from a random bar of a random piece on, those of one length together, endless."""
    weights = np.array([len(piece.tokens) for piece in pieces], float)
    while True:
        windows = []
        for number in rng.choice(len(pieces), 256, p=weights / weights.sum()):
            tokens, bars = pieces[number]
            begins = rng.random() < PEER.begin
            first = 0 if begins else int(rng.choice(bars))
            before = words.begin if begins else words.amid
            windows.append(np.concatenate([[before], tokens[first : first + LONGEST]]))
        windows.sort(key=len)
        at_once = max(1, PEER.batch // LONGEST)
        parts = [windows[i : i + at_once] for i in range(0, len(windows), at_once)]
        for number in rng.permutation(len(parts)):
            yield laid(parts[number])


def laid(windows: Sequence[npt.NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    """(windows, tokens) of what is read and of what is to be written next."""
    longest = max(map(len, windows)) - 1
    read, told = np.zeros((2, len(windows), longest), np.int64)
    told[:] = UNTOLD
    for row, window in enumerate(windows):
        read[row, : len(window) - 1], told[row, : len(window) - 1] = window[:-1], window[1:]
    return torch.from_numpy(read), torch.from_numpy(told)


@torch.no_grad()
def nats_a_bar(model: Transformer, pieces: Sequence[Read], words: Words) -> float:
    """Cross-entropy of a bar behind the first, given those before it, its tokens summed; mean.

    A token beyond the context is given at least half of one.
    """
    model.eval()
    nats, n_bars, half = 0.0, 0, LONGEST // 2
    for tokens, bars in pieces:
        told_until = int(bars[1]) if len(bars) > 1 else len(tokens)
        n_bars += len(bars) - 1
        while told_until < len(tokens):
            first = max(0, told_until - half)
            window = tokens[first : first + LONGEST]
            read, told = laid([np.insert(window, 0, words.amid if first else words.begin)])
            cost = F.cross_entropy(model(read)[0], told[0], reduction="none")
            nats += float(cost[told_until - first :].sum())
            told_until = first + len(window)
    return round(nats / n_bars, 2)


@torch.no_grad()
def written(
    model: Transformer, given: Sequence[npt.NDArray[np.int64]], words: Words, rng: torch.Generator
) -> list[npt.NDArray[np.int64]]:
    """Given tokens, the first BEGIN or AMID, and what follows, until BARS bars are full."""
    model.eval()
    done: list[npt.NDArray[np.int64]] = []
    for begin in range(0, len(given), AT_ONCE):
        part = given[begin : begin + AT_ONCE]
        memory = Memory(model.settings, len(part), LONGEST)
        prompt = np.full((len(part), LONGEST), -1)
        for row, tokens in enumerate(part):
            prompt[row, : len(tokens)] = tokens
        lines = torch.from_numpy(prompt)
        n_bars = torch.zeros(len(part), dtype=torch.int64)
        for at in range(LONGEST - 1):
            logits = model(lines[:, at : at + 1], memory)[:, -1]
            logits[:, 0] = -torch.inf  # padding
            drawn = torch.multinomial(logits.softmax(dim=1), 1, generator=rng)[:, 0]
            nth = at + 1
            lines[:, nth] = torch.where(lines[:, nth] < 0, drawn, lines[:, nth])
            n_bars += lines[:, nth] == words.bar
            if bool((n_bars > BARS).all()):
                break
        done += [line[line >= 0] for line in lines[:, 1 : nth + 1].numpy()]
    return done


def pieces_of(
    model: Transformer, words: Words, beginnings: Sequence[tuple[int, int] | None], seed: int
) -> list[Piece]:
    """Pieces behind the (piece, bar) of each, or behind nothing, in the tunes' own keys."""
    corpus, rng = words.corpus, np.random.default_rng(1)
    shifts = [shift(corpus, int(piece)) for piece in corpus.pieces("training")]
    given, keys, names = [], [], []
    for nth, beginning in enumerate(beginnings):
        if beginning is None:
            given.append(np.array([words.amid]))
            keys.append(int(rng.choice(shifts)))
            names.append(f"noise {nth}")
            continue
        piece, bar = beginning
        given.append(np.insert(words.piece(range(bar, bar + 1)).tokens, 0, words.amid))
        keys.append(shift(corpus, piece))
        names.append(corpus.piece_name(piece))
    lines = written(model, given, words, torch.Generator().manual_seed(seed))
    pieces = []
    for line, key, name, beginning in zip(lines, keys, names, beginnings, strict=True):
        notes, metres = words.notes(line, BARS)
        starts = corpus.kind.starts_of(metres)
        n_given = 0 if beginning is None else 1
        pieces.append(Piece(transpose(notes, -key), BARS, name, n_given, metres, starts))
    return pieces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--minutes", type=float, default=30, help="of training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pieces", type=int, default=1000)
    parser.add_argument("--classifiers", action="store_true", help="ask networks too: minutes")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(chosen.seed)  # weights and dropout
    console = Console(width=110)
    corpus = Corpus.open(chosen.corpus)
    words = Words(corpus)

    def read(part: Part) -> list[Read]:
        return [words.piece(corpus.bars_of(int(piece))) for piece in corpus.pieces(part)]

    model = Transformer(
        PEER,
        1,
        longest=LONGEST,
        n_read=len(words.words) + 2,
        n_written=len(words.words),
    )
    rng = np.random.default_rng(chosen.seed)
    steps = train(model, batches(read("training"), words, rng), chosen.minutes, console.print)
    nats = nats_a_bar(model, read("held_out"), words)
    began = time.monotonic()
    sets = {
        "model 1": pieces_of(model, words, held_out_bars(corpus, chosen.pieces, BARS), chosen.seed),
        "model 2": pieces_of(model, words, [None] * chosen.pieces, chosen.seed),
    }
    seconds = time.monotonic() - began
    columns = measured(sets | real(corpus)[0], {}, corpus, classifiers=chosen.classifiers)
    columns["model 1"] = {"nats a bar": nats, **columns["model 1"]}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    metres = ", ".join(map(show_metre, corpus.metres[:4]))
    show(f"a transformer of {parameters:,} parameters, {chosen.minutes:g} min ({metres})", columns)
    console.print(f"{steps} updates; written in {seconds:.0f} s at temperature 1")
    print(
        json.dumps(
            {
                "benchmark": "remi",
                "minutes": chosen.minutes,
                "threads": chosen.threads,
                "seed": chosen.seed,
                "parameters": parameters,
                "steps": steps,
                "columns": columns,
            }
        )
    )


if __name__ == "__main__":
    main()
