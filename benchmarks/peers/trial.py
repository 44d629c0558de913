"""What the peers share: the bars, the time that each has, and how its pieces are measured.

    python benchmarks/peers/trial.py FOLDER

A peer is a system of another paper on one page. It is trained on the training tunes' bars for
``--minutes`` of processor time of one core, then writes ``--pieces`` pieces of 5 bars. They
become a folder of MIDI files, ``--out``, which ``nextbar evaluate`` measures. Bars are rolls as
in the paper, but a cell sounds or does not: notes are as loud as the corpus's median, and
repeated ones merge. Only the rows are looked at that the corpus uses. Each peer prints a table
and, last, its figures as one JSON line, which stay in ``--out`` too.

Run by itself: one table in Markdown of all peers whose folders lie in FOLDER. With ``--all CORPUS``
it trains them first, one after the other, each into its folder there; one that has its figures of
the same corpus, minutes, pieces and seed already is left as it is, so that the same command goes on
where it was stopped.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import Tensor, nn

import nextbar
from nextbar.files import write_json_atomically
from nextbar.measures.intervals import Interval, interval_text
from nextbar.music.bars import N_PITCHES, equal_bars, join_at_bar_lines, read_rolls
from nextbar.music.corpus import Corpus, Part
from nextbar.music.score import to_score, write_midi
from nextbar.reproduction import ROWS
from nextbar.screen import report_table
from nextbar.writing.folder import RECORD

BARS = 5
FIGURES = "figures.json"
PEERS = ["c_rnn_gan", "midinet", "organ", "rnn_rbm", "seqgan", "vae", "vrae", "vrash", "wgan"]


@dataclass(frozen=True)
class Tunes:
    """The bars of a corpus, each piece (bars, rows, steps) of 0 and 1, and which rows those are."""

    corpus: Corpus
    low: int
    n_rows: int

    def of(self, part: Part) -> list[Tensor]:
        """The pieces of a part, one tensor each."""
        return [
            torch.from_numpy(self._rolls(self.corpus.bars_of(int(piece)))).float()
            for piece in self.corpus.pieces(part)
        ]

    def pairs(self, part: Part) -> tuple[Tensor, Tensor]:
        """All pairs of a bar and the next, none across two pieces: twice (pairs, rows, steps)."""
        pieces = [piece for piece in self.of(part) if len(piece) > 1]
        return torch.cat([piece[:-1] for piece in pieces]), torch.cat([p[1:] for p in pieces])

    def lines(self, part: Part) -> list[Tensor]:
        """The pieces step by step, each (steps, rows)."""
        return [piece.transpose(1, 2).flatten(0, 1) for piece in self.of(part)]

    def _rolls(self, bars: range) -> npt.NDArray[np.bool_]:
        sounds = self.corpus.rolls(bars)[:, 0] > 0
        cut: npt.NDArray[np.bool_] = sounds[:, self.low : self.low + self.n_rows]
        return cut

    @property
    def n_steps(self) -> int:
        """Steps of a bar."""
        return self.corpus.n_steps


class Clock:
    """Counts updates until the minutes of processor time are over."""

    def __init__(self, minutes: float) -> None:
        self.minutes, self.steps, self.seconds, self.paused = minutes, 0, 0.0, 0.0

    def updates(self) -> Iterator[float]:
        """The share of the time that is over, 0-1, before each update; at least one."""
        began = time.process_time()
        while not self.steps or self.seconds < 60 * self.minutes:
            yield min(1.0, self.seconds / (60 * self.minutes))
            self.steps += 1
            self.seconds = time.process_time() - began - self.paused

    @contextmanager
    def pause(self) -> Iterator[None]:
        """What is done meanwhile does not count."""
        began = time.process_time()
        yield
        self.paused += time.process_time() - began


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What every peer can be asked."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("corpus", type=Path, help="from: prepare FOLDER --grid seconds --track 1")
    parser.add_argument("--out", type=Path, default=Path("peer"), help="a folder for the pieces")
    add_budget(parser)
    return parser


def add_budget(parser: argparse.ArgumentParser) -> None:
    """The arguments of a budget, see :func:`budget_of`."""
    parser.add_argument("--minutes", type=float, default=10, help="of one core, to train in")
    parser.add_argument("--pieces", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)


def begin(chosen: argparse.Namespace) -> Tunes:
    """The tunes, with one thread and the seed set."""
    torch.set_num_threads(1)
    torch.manual_seed(chosen.seed)
    corpus = Corpus.open(chosen.corpus)
    used = np.flatnonzero((corpus.rolls(range(corpus.n_bars))[:, 0] > 0).any(axis=(0, 2)))
    return Tunes(corpus, int(used[0]), int(used[-1] - used[0]) + 1)


def given_bars(tunes: Tunes, n: int) -> Tensor:
    """Bars of held-out tunes to go on from, drawn with a seed of their own, (n, rows, steps)."""
    bars = torch.cat(tunes.of("held_out"))
    bars = bars[bars.flatten(1).any(dim=1)]
    return bars[torch.randint(len(bars), (n,), generator=torch.Generator().manual_seed(0))]


def batch_of(tensor: Tensor, size: int) -> Tensor:
    """Numbers of ``size`` of its rows, drawn."""
    return torch.randint(len(tensor), (size,))


def descend(optimiser: torch.optim.Optimizer, loss: Tensor, longest: float = math.inf) -> None:
    """One step down a loss; longest: what a longer gradient of all its parameters is cut to."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(
        [each for group in optimiser.param_groups for each in group["params"]], longest
    )
    optimiser.step()


class Nats:
    """What the last updates' losses were, in nats: a moving average, each update a twentieth."""

    def __init__(self, *names: str) -> None:
        self._names, self._means = names, torch.zeros(len(names))

    def add(self, *losses: Tensor) -> None:
        """Takes in an update's losses, in the order of the names."""
        self._means = self._means.lerp(torch.stack(losses).detach(), 0.05)

    def by_name(self, n_parts: int = 1) -> dict[str, float]:
        """Each by its name, of what was trained on at a time or of each of its equal parts."""
        each = zip(self._names, self._means.tolist(), strict=True)
        return {name: round(mean / n_parts, 2) for name, mean in each}


def windows(
    lines: list[Tensor], n_steps: int, size: int, every: int = 1, behind: float = 0
) -> Tensor:
    """Stretches of ``n_steps`` steps of random lines, (size, n_steps, rows).

    every: at which steps they may begin; behind: what stands behind ends, by default silence.
    """
    lengths = torch.tensor([float(len(line)) for line in lines])
    found = lines[0].new_full((size, n_steps, lines[0].shape[1]), behind)
    for row, number in zip(found, torch.multinomial(lengths, size, True).tolist(), strict=True):
        line = lines[number]
        last = max(0, len(line) - n_steps) // every
        at = every * int(torch.randint(last + 1, ()))
        stretch = line[at : at + n_steps]
        row[: len(stretch)] = stretch
    return found


def bars_of(lines: Tensor, n_steps: int) -> Tensor:
    """(pieces, steps, rows) -> (pieces, bars, rows, steps of a bar)."""
    return lines.reshape(len(lines), -1, n_steps, lines.shape[2]).transpose(2, 3)


def runs_of(line: Tensor, longest: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The notes of a line, its highest rows: row, or -1 for a rest, how many steps, first step.

    longest: in steps; what sounds longer becomes several, which a roll joins again.
    """
    heights = (line * torch.arange(1, line.shape[1] + 1)).amax(dim=1).long() - 1
    rows, steps = heights.unique_consecutive(return_counts=True)  # type: ignore[no-untyped-call]
    if longest is not None:
        parts = (steps - 1) // longest + 1
        lasts = parts.cumsum(0) - 1
        rest = steps - (parts - 1) * longest
        rows, steps = rows.repeat_interleave(parts), torch.full((int(parts.sum()),), longest)
        steps[lasts] = rest
    return rows, steps, steps.cumsum(0) - steps


class Notes:
    """Tokens: each (row, steps) that a corpus has is a word, rests of row -1 too."""

    def __init__(self, tunes: Tunes) -> None:
        self.tunes = tunes
        runs = [runs_of(line, tunes.n_steps) for line in tunes.lines("training")]
        pairs = torch.stack([torch.cat([run[part] for run in runs]) for part in (0, 1)], dim=1)
        self.words, tokens = pairs.unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
        self.texts = tokens.split([len(rows) for rows, _, _ in runs])
        self.starts = [starts for _, _, starts in runs]

    def stretches(self, length: int) -> Tensor:
        """All stretches of so many notes that begin at a bar line, (stretches, length)."""
        found = [
            text.unfold(0, length, 1)[at[: len(text) - length + 1] % self.tunes.n_steps == 0]
            for text, at in zip(self.texts, self.starts, strict=True)
            if len(text) >= length
        ]
        assert found, "no tune has as many notes"
        return torch.cat(found)

    def bars(self, texts: Tensor) -> Tensor:
        """What tokens sound like in five bars, (pieces, 5, rows, steps); the rest is cut."""
        lines = torch.zeros(len(texts), BARS * self.tunes.n_steps, self.tunes.n_rows)
        for line, text in zip(lines, texts, strict=True):
            rows, steps = self.words[text].T
            rows = rows.repeat_interleave(steps)[: len(line)]
            sounds = rows >= 0
            line[: len(rows)][sounds, rows[sounds]] = 1
        return bars_of(lines, self.tunes.n_steps)


def finish(
    name: str,
    chosen: argparse.Namespace,
    tunes: Tunes,
    clock: Clock,
    networks: nn.Module,
    written: Tensor,
    *,
    n_given: int = 0,
    **more: Any,
) -> None:
    """Writes the pieces, measures them and prints; written: (pieces, 5, rows, steps), 0 or 1."""
    parameters = sum(parameter.numel() for parameter in networks.parameters())
    write_pieces(chosen.out, tunes, written, n_given)
    report = nextbar.evaluate(chosen.out, reference=chosen.corpus, bars=BARS, seed=chosen.seed)
    figures = {
        "benchmark": name,
        **budget_of(chosen, tunes.corpus),
        "updates": clock.steps,
        "seconds": round(clock.seconds),
        "parameters": parameters,
        "given_bars": n_given,
        **more,
        "measures": report.to_json()["measures"],
    }
    write_json_atomically(chosen.out / FIGURES, figures)
    console = Console(width=110)
    console.print(report_table(report))
    console.print(
        f"{name}: {parameters:,} parameters, {clock.steps:,} updates in {clock.seconds:.0f} s of "
        f"one core; pieces in {chosen.out}"
    )
    print(json.dumps(figures))


def write_pieces(folder: Path, tunes: Tunes, written: Tensor, n_given: int) -> None:
    """The pieces as MIDI, and a record that says how many bars they have, also silent ones.

    Pieces of an earlier run there that had more are taken away.
    """
    kind = tunes.corpus.kind
    rolls = np.zeros((*written.shape[:2], 1, N_PITCHES, tunes.n_steps), np.uint8)
    rows = slice(tunes.low, tunes.low + tunes.n_rows)
    rolls[:, :, 0, rows] = written.bool().numpy() * round(kind.median_velocity)
    starts = equal_bars(written.shape[1], tunes.n_steps)
    piece = {"bars": written.shape[1], "given_bars": n_given, "metres": [[1, "4/4"]]}
    made = {f"piece-{nth:04d}.mid": piece for nth in range(len(rolls))}
    for earlier in folder.glob("piece-*.mid"):
        if earlier.name not in made:
            earlier.unlink()
    for each, file in zip(rolls, made, strict=True):
        notes = join_at_bar_lines(*read_rolls(each), starts)
        write_midi(to_score(notes, tempo=kind.tempo, name=file), folder / file)
    record = {"run": {}, "bars": kind.to_json(), "pieces": made}
    write_json_atomically(folder / RECORD, record)


TABLE: tuple[str, ...] = (*ROWS, "diversity as published", "follows")


def table_of(folder: Path) -> list[str]:
    """The lines of one table in Markdown, a column for each folder in ``folder``."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob(f"*/{FIGURES}"))]
    heads = [each["benchmark"] for each in found]
    lines = ["| " + " | ".join(["", *heads, "real", "chance"]) + " |"]
    lines.append("| --- |" + " --- |" * (len(heads) + 2))

    def cell(measures: dict[str, Any], row: str, column: str) -> str:
        measure, _, is_published = row.partition(" as ")
        known = measures[measure].get("as_published" if is_published else column)
        if known is None or (is_published and column != "generated") or known["mean"] is None:
            return "-"
        return interval_text(Interval(**known))

    shown: list[tuple[str, Callable[[dict[str, Any]], str]]] = [
        ("parameters", lambda each: f"{each['parameters']:,}"),
        ("updates", lambda each: f"{each['updates']:,}"),
        ("pieces", lambda each: f"{each['pieces']:,}"),
    ]
    for name, of in shown:
        lines.append("| " + " | ".join([name, *map(of, found), "", ""]) + " |")
    for row in TABLE:
        cells = [cell(each["measures"], row, "generated") for each in found]
        cells += [cell(found[0]["measures"], row, column) for column in ("reference", "chance")]
        lines.append("| " + " | ".join([row.replace("_", " "), *cells]) + " |")
    return lines


def budget_of(chosen: argparse.Namespace, corpus: Corpus) -> dict[str, Any]:
    """What two runs of a peer have to have in common to be the same."""
    return {
        "corpus": corpus.fingerprint,
        "minutes": chosen.minutes,
        "pieces": chosen.pieces,
        "seed": chosen.seed,
    }


def is_done(folder: Path, budget: dict[str, Any]) -> bool:
    """Whether a peer has its figures there already, with this budget."""
    path = folder / FIGURES
    return path.exists() and budget.items() <= json.loads(path.read_text()).items()


def train_all(folder: Path, chosen: argparse.Namespace) -> None:
    """Runs every peer that is not done; a failure of one ends it, and the same command goes on."""
    budget, here = budget_of(chosen, Corpus.open(chosen.all)), Path(__file__).parent
    left = [name for name in PEERS if not is_done(folder / name, budget)]
    console = Console(width=110)
    began = time.monotonic()
    for nth, name in enumerate(left):
        each = (time.monotonic() - began) / nth if nth else 60 * chosen.minutes
        says = "at least" if not nth else "about"
        minutes = each * (len(left) - nth) / 60
        console.print(f"{name}: {len(left) - nth} of {len(PEERS)} left, {says} {minutes:.3g} min")
        given = [chosen.all, "--out", folder / name, "--minutes", chosen.minutes]
        given += ["--pieces", chosen.pieces, "--seed", chosen.seed]
        words = [sys.executable, here / f"{name}.py", *given]
        subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description="One table of all peers in a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", type=Path, metavar="CORPUS", help="first train those not done")
    add_budget(parser)
    chosen = parser.parse_args()
    if chosen.all is not None:
        train_all(chosen.folder, chosen)
    print("\n".join(table_of(chosen.folder)))


if __name__ == "__main__":
    main()
