"""What a small transformer's music is worth, trained as long on the same notes as the model.

    python benchmarks/transformer.py CORPUS --minutes 20 [--threads 2] [--classifiers]

The peer of ``benchmarks/recipe.py``: what else one would train on a corpus of
tunes. A causal transformer reads a tune as a line of tokens, one a step of the
grid: rest, hold, or the onset of one of 88 pitches (of a chord the highest
note). It is trained on the training pieces for ``--minutes``, then writes from
the same beginnings as many pieces as recipe.py does, which are measured the same
way: 2,500 of 5 bars that go on from a bar of a held-out tune (testing model 1),
as many from nothing (testing model 2), and 200 of 32 bars. It knows no loudness:
all its notes are as loud as the corpus's median. Prints a table and, last, its
figures as one JSON line.

``--validate`` puts every tenth training tune (5, 15, 25, ...) in the place of the
held-out ones, which are then not looked at: for choosing settings.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from nextbar.files import folder_written_whole, write_bytes_atomically, write_json_atomically
from nextbar.frames.replicas import choose_precision
from nextbar.measures import Piece
from nextbar.music.bars import LOWEST_PITCH, N_PITCHES, NOTE, Notes
from nextbar.music.corpus import Corpus, Part
from nextbar.music.grid import transpose
from nextbar.music.score import to_score, write_midi
from recipe import BARS, LONG_BARS, held_out_bars, measured, real, shift, show

Tokens = npt.NDArray[np.int64]

REST, HOLD, ONSET = 0, 1, 2
"""What a step can be: silence, the note before held on, or ONSET + row of a pitch."""
N_WRITTEN = ONSET + N_PITCHES
BEGIN, AMID = N_WRITTEN, N_WRITTEN + 1
"""What stands before a window: that it begins a piece, or that it begins at any bar of one.

Any bar may be the first one, too: one that is given by itself does not say where it is from.
"""
N_READ = N_WRITTEN + 2
AT_ONCE = 250
"""Pieces that are written side by side."""
UNTOLD = -100
"""The target of a step behind a window's end."""


class Rehearsal(Corpus):
    """The corpus without its held-out pieces; pieces 5, 15, 25, ... stand in for them."""

    def pieces(self, part: Part = "all") -> npt.NDArray[np.int64]:
        """The numbers of the pieces of a part, ascending."""
        known = super().pieces("training")
        stands_in = known % 10 == 5
        chosen = {"held_out": stands_in, "training": ~stands_in, "all": known >= 0}[part]
        found: npt.NDArray[np.int64] = known[chosen]
        return found


@dataclass(frozen=True)
class Settings:
    """The network and its training.

    Its size is what a core computes without waste; that dropout of 0.2 is enough against
    learning by heart was seen on the validation tunes, after 50 epochs of a sixth of the others.
    context: bars that it sees at once. batch: steps in an update. warm_up: share of the time
    in which the rate grows. begin: share of the windows that begin a piece.
    """

    width: int = 192
    layers: int = 4
    heads: int = 3
    context: int = 32
    dropout: float = 0.2
    rate: float = 2e-3
    weight_decay: float = 0.1
    batch: int = 2048
    warm_up: float = 0.03
    begin: float = 0.25


class Line(NamedTuple):
    """A piece as tokens, (steps,) each.

    entered: as a window that begins there reads it: a note held into it is struck anew.
    """

    tokens: Tokens
    entered: Tokens


class Window(NamedTuple):
    """What is read at once of a line: where from and where to, and what stands before it."""

    line: Line
    first: int
    last: int
    before: int


def line_of(notes: Notes, n_steps: int) -> Line:
    """The highest note at each of ``n_steps`` steps as tokens."""
    sounding = np.full(n_steps, -1)
    for number in np.argsort(notes["pitch"], kind="stable"):
        note = notes[number]
        sounding[note["start"] : note["start"] + note["duration"]] = number
    onset = np.append(notes["pitch"].astype(np.int64), 0)[sounding] - LOWEST_PITCH + ONSET
    entered = np.where(sounding >= 0, onset, REST)
    held = (sounding >= 0) & (sounding == np.roll(sounding, 1))
    held[0] = False
    return Line(np.where(held, HOLD, entered), entered)


def notes_of(tokens: Tokens, velocity: int) -> list[Notes]:
    """The notes of each line of tokens, (lines, steps); a hold after a rest is a rest."""
    n_lines, n_steps = tokens.shape
    fenced = np.concatenate([tokens, np.full((n_lines, 1), REST)], axis=1)
    changes = np.flatnonzero(fenced != HOLD)
    begun = fenced.reshape(-1)[changes] >= ONSET
    lasting = np.diff(changes, append=fenced.size)[begun]
    line, start = np.divmod(changes[begun], n_steps + 1)
    notes = np.empty(len(start), NOTE)
    notes["start"], notes["duration"], notes["velocity"] = start, lasting, velocity
    notes["pitch"] = fenced[line, start] - ONSET + LOWEST_PITCH
    return np.split(notes, np.searchsorted(line, np.arange(1, n_lines)))


def lines_of(corpus: Corpus, part: Part) -> list[Line]:
    """The pieces of a part as they are in the corpus, in its common key if it has one."""
    bars = [corpus.bars_of(int(piece)) for piece in corpus.pieces(part)]
    return [line_of(corpus.notes(b.start, b.stop), len(b) * corpus.n_steps) for b in bars]


def laid(windows: Sequence[Window]) -> tuple[Tensor, Tensor]:
    """(windows, steps) of what is read and of what is to be written next; short ones padded."""
    longest = max(window.last - window.first for window in windows)
    read = np.full((len(windows), longest + 1), REST)
    told = np.full((len(windows), longest), UNTOLD)
    for row, (line, first, last, before) in enumerate(windows):
        read[row, 0], read[row, 1] = before, line.entered[first]
        read[row, 2 : last - first + 1] = line.tokens[first + 1 : last]
        told[row, : last - first] = read[row, 1 : last - first + 1]
    return torch.from_numpy(read[:, :-1].copy()), torch.from_numpy(told)


def batches(
    lines: Sequence[Line], n_steps: int, settings: Settings, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Windows from a random bar of a random piece to its end or the context's, without end.

    Windows of like length go together, so that little is padding.
    """
    bars = np.array([len(line.tokens) // n_steps for line in lines])
    longest = settings.context * n_steps
    while True:
        drawn: list[Window] = []
        for number in rng.choice(len(lines), 512, p=bars / bars.sum()):
            line, begins = lines[number], rng.random() < settings.begin
            first = 0 if begins else int(rng.integers(bars[number])) * n_steps
            last = min(len(line.tokens), first + longest)
            drawn.append(Window(line, first, last, BEGIN if begins else AMID))
        drawn.sort(key=lambda window: window.last - window.first)
        batch: list[Window] = []
        ready: list[list[Window]] = []
        for window in drawn:
            if batch and (len(batch) + 1) * (window.last - window.first) > settings.batch:
                ready.append(batch)
                batch = []
            batch.append(window)
        for number in rng.permutation(len(ready)):
            yield laid(ready[number])


class Memory:
    """Keys and values of the steps read so far, (layers, 2, pieces, heads, steps, size)."""

    def __init__(self, settings: Settings, n_pieces: int, n_steps: int) -> None:
        size = settings.width // settings.heads
        self.kept = torch.zeros(settings.layers, 2, n_pieces, settings.heads, n_steps, size)
        self.length = 0


class Block(nn.Module):
    """Attention to the steps before, then a layer of four times the width; both pre-norm."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        width = settings.width
        self.heads, self.dropout = settings.heads, settings.dropout
        self.norm_attention, self.norm_layer = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width, bias=False)
        self.answer = nn.Linear(width, width, bias=False)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, turn: Tensor, memory: Memory | None, layer: int) -> Tensor:
        """(B, T, width) -> (B, T, width)."""
        n, length, width = x.shape
        asked = self.ask(self.norm_attention(x)).view(n, length, 3, self.heads, -1)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        query, key = turned(query, turn), turned(key, turn)
        if memory is not None:
            known = memory.length + length
            memory.kept[layer, 0, :, :, memory.length : known] = key
            memory.kept[layer, 1, :, :, memory.length : known] = value
            key, value = memory.kept[layer, :, :, :, :known]
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=length > 1)
        seen = seen.transpose(1, 2).reshape(n, length, width)
        x = x + F.dropout(self.answer(seen), self.dropout, self.training)
        wide = F.gelu(self.widen(self.norm_layer(x)))
        return x + F.dropout(self.narrow(wide), self.dropout, self.training)


def turned(x: Tensor, turn: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021); turn: (2, T, size / 2), cosines and sines."""
    cosine, sine = turn.to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], dim=-1)


class Transformer(nn.Module):
    """(B, T) tokens read -> (B, T, n_written) logits of the next.

    n_steps: tokens in a bar, if all have as many: it is told which of them each is. longest: how
    many it sees at once.
    """

    turns: Tensor

    def __init__(
        self,
        settings: Settings,
        n_steps: int,
        *,
        longest: int | None = None,
        n_read: int = N_READ,
        n_written: int = N_WRITTEN,
    ) -> None:
        super().__init__()
        self.settings, self.n_steps = settings, n_steps
        self.longest = longest or settings.context * n_steps
        self.read = nn.Embedding(n_read, settings.width)
        self.place = nn.Embedding(n_steps, settings.width)
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width)
        self.write = nn.Linear(settings.width, n_written)
        size = settings.width // settings.heads
        speeds = 10_000.0 ** -(torch.arange(0, size, 2) / size)
        angles = torch.arange(self.longest)[:, None] * speeds
        self.register_buffer("turns", torch.stack([angles.cos(), angles.sin()]), persistent=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
        for block in self.blocks:
            assert isinstance(block, Block)
            for last in (block.answer, block.narrow):
                nn.init.normal_(last.weight, std=0.02 / math.sqrt(2 * settings.layers))

    def forward(self, tokens: Tensor, memory: Memory | None = None) -> Tensor:
        """Logits; with a memory, the tokens stand behind those that it has read."""
        known = 0 if memory is None else memory.length
        at = torch.arange(known, known + tokens.shape[1])
        x = self.read(tokens) + self.place(at % self.n_steps)
        x = F.dropout(x, self.settings.dropout, self.training)
        for layer, block in enumerate(self.blocks):
            x = block(x, self.turns[:, at], memory, layer)
        if memory is not None:
            memory.length += tokens.shape[1]
        logits: Tensor = self.write(self.norm(x))
        return logits


def train(
    model: Transformer,
    drawn: Iterator[tuple[Tensor, Tensor]],
    minutes: float,
    tell: Callable[[str], None],
) -> int:
    """The number of updates that the minutes were enough for; ``tell`` hears how it goes.

    drawn: batches of what is read and of what is to be written next, without end.
    The learning rate follows the time: it grows, then falls as a cosine to 0 at its end.
    """
    settings = model.settings
    in_bfloat16 = choose_precision(torch.device("cpu")) == "bfloat16"
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(
        groups,
        weight_decay=settings.weight_decay,
        betas=(0.9, 0.98),
        fused=True,
    )
    model.train()
    losses: list[float] = []
    told_at = 0.1
    began = time.monotonic()
    for step, (read, told) in enumerate(drawn):
        share = (time.monotonic() - began) / (60 * minutes)
        if share >= min(told_at, 1) and losses:
            nats = float(np.mean(losses))
            tell(f"{share * minutes:5.1f} min, {step} updates: {nats:.3f} nats a token in training")
            losses, told_at = [], told_at + 0.1
        if share >= 1:
            return step
        rate = min(1.0, share / settings.warm_up) * (1 + math.cos(math.pi * share)) / 2
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * rate
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16):
            logits = model(read)
        loss = F.cross_entropy(logits.float().flatten(0, 1), told.flatten(), ignore_index=UNTOLD)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    raise AssertionError("batches never end")


@torch.no_grad()
def nats_a_bar(model: Transformer, lines: Sequence[Line]) -> dict[str, float]:
    """Cross-entropy of a bar given those before it in the piece, its steps summed; mean over bars.

    all: of all bars. after_first: without each piece's first, as pairs of bars have it.
    A bar beyond the context is given at least three quarters of one.
    """
    model.eval()
    n_steps, longest = model.n_steps, model.longest
    costs: list[tuple[bool, float]] = []
    for line in lines:
        told_until = 0
        while told_until < len(line.tokens):
            ahead = told_until + longest // 4 if told_until else longest
            last = min(len(line.tokens), ahead)
            first = max(0, ahead - longest)
            read, told = laid([Window(line, first, last, AMID if first else BEGIN)])
            cost = F.cross_entropy(model(read)[0], told[0], reduction="none")
            by_bar = cost[told_until - first :].view(-1, n_steps).sum(dim=1).tolist()
            costs += [(told_until + bar == 0, each) for bar, each in enumerate(by_bar)]
            told_until = last
    return {
        "all": round(float(np.mean([cost for _, cost in costs])), 2),
        "after_first": round(float(np.mean([cost for first, cost in costs if not first])), 2),
    }


@torch.no_grad()
def written(
    model: Transformer, given: Tokens, n_bars: int, temperature: float, rng: torch.Generator
) -> Tokens:
    """Given tokens (pieces, 1 or more; the first is BEGIN or AMID) and what follows them.

    Returns (pieces, n_bars * n_steps), without what stands before.
    """
    model.eval()
    n_steps = n_bars * model.n_steps
    assert n_steps <= model.longest, "a piece is as long as the context at most"
    done = []
    for part in np.array_split(given, -(-len(given) // AT_ONCE)):
        memory = Memory(model.settings, len(part), n_steps)
        latest = torch.from_numpy(part)
        line = [latest[:, 1:]]
        sounds = (latest[:, -1] == HOLD) | ((latest[:, -1] >= ONSET) & (latest[:, -1] < BEGIN))
        for _ in range(n_steps - part.shape[1] + 1):
            logits = model(latest, memory)[:, -1] / max(temperature, 1e-4)
            drawn = torch.multinomial(logits.softmax(dim=1), 1, generator=rng)[:, 0]
            drawn = torch.where((drawn == HOLD) & ~sounds, REST, drawn)
            sounds = drawn != REST
            latest = drawn[:, None]
            line.append(latest)
        done.append(torch.cat(line, dim=1).numpy())
    return np.concatenate(done)


@dataclass(frozen=True)
class Writer:
    """A trained transformer that writes the sets of pieces that recipe.py does."""

    model: Transformer
    corpus: Corpus
    temperature: float
    rng: torch.Generator

    def continued(self, beginnings: Sequence[tuple[int, int]], n_bars: int) -> list[Piece]:
        """Pieces by testing model 1 from (piece, bar) each, the given bar in front."""
        corpus = self.corpus
        lines = [line_of(corpus.notes(bar, bar + 1), corpus.n_steps) for _, bar in beginnings]
        given = np.stack([np.insert(line.tokens, 0, AMID) for line in lines])
        names = [corpus.piece_name(piece) for piece, _ in beginnings]
        keys = [shift(corpus, piece) for piece, _ in beginnings]
        return self.pieces(given, n_bars, keys, names, n_given_bars=1)

    def begun(self, n: int, n_bars: int) -> list[Piece]:
        """Pieces by testing model 2, in keys drawn from the corpus's as recipe.py draws them.

        They begin at any bar of a tune, as the real windows do that they are measured beside.
        """
        shifts = [shift(self.corpus, int(piece)) for piece in self.corpus.pieces("training")]
        keys = np.random.default_rng(1).choice(shifts, n).tolist()
        names = [f"noise {i}" for i in range(n)]
        return self.pieces(np.full((n, 1), AMID), n_bars, keys, names, n_given_bars=0)

    def pieces(
        self, given: Tokens, n_bars: int, keys: list[int], names: list[str], n_given_bars: int
    ) -> list[Piece]:
        """What is written behind the given tokens, moved back by ``keys`` semitones each."""
        tokens = written(self.model, given, n_bars, self.temperature, self.rng)
        found = notes_of(tokens, round(self.corpus.kind.median_velocity))
        return [
            Piece(transpose(notes, -key), n_bars, name, n_given_bars)
            for notes, key, name in zip(found, keys, names, strict=True)
        ]


def keep(folder: Path, writer: Writer, sets: dict[str, list[Piece]], record: object) -> None:
    """Writes the weights, the record and the first ten pieces of each set that was written."""
    kind = writer.corpus.kind
    with folder_written_whole(folder) as beside:
        write_bytes_atomically(beside / "weights.safetensors", save(writer.model.state_dict()))
        write_json_atomically(beside / "record.json", record)
        for name, pieces in sets.items():
            for number, piece in enumerate(pieces[:10]):
                score = to_score(
                    piece.notes,
                    tempo=kind.tempo,
                    metre=kind.metre,
                    steps_per_quarter=kind.steps_per_quarter,
                    name=piece.name,
                )
                file = f"{name.replace(', ', '-').replace(' ', '-')}-{number:02d}.mid"
                write_midi(score, beside / file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--minutes", type=float, default=20, help="of training")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--pieces", type=int, default=2500)
    parser.add_argument("--long", type=int, default=200)
    parser.add_argument("--classifiers", action="store_true", help="ask networks too: minutes")
    parser.add_argument("--validate", action="store_true", help="on training tunes left out")
    parser.add_argument("--out", type=Path, help="a new folder for weights, record and some pieces")
    chosen = parser.parse_args()
    if chosen.out and chosen.out.exists():
        parser.error(f"--out: {chosen.out} exists already")
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(chosen.seed)  # weights and dropout
    console = Console(width=110)
    corpus = (Rehearsal if chosen.validate else Corpus).open(chosen.corpus)
    settings, n_steps = Settings(), corpus.n_steps
    model = Transformer(settings, n_steps)
    rng = np.random.default_rng(chosen.seed)
    drawn_batches = batches(lines_of(corpus, "training"), n_steps, settings, rng)
    steps = train(model, drawn_batches, chosen.minutes, console.print)
    nats = nats_a_bar(model, lines_of(corpus, "held_out"))

    began = time.monotonic()
    drawn = torch.Generator().manual_seed(chosen.seed)
    writer = Writer(model, corpus, chosen.temperature, drawn)
    given, long_given = (
        held_out_bars(corpus, chosen.pieces, BARS),
        held_out_bars(corpus, chosen.long, 2),
    )
    sets = {"model 1": writer.continued(given, BARS), "model 2": writer.begun(chosen.pieces, BARS)}
    long = {"32 bars, model 1": writer.continued(long_given, LONG_BARS)}
    seconds = time.monotonic() - began
    real_sets, real_long = real(corpus)
    columns = measured(sets | real_sets, long | real_long, corpus, classifiers=chosen.classifiers)
    columns["model 1"] = {"nats a bar": nats["after_first"], **columns["model 1"]}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    show(f"a transformer of {parameters:,} parameters, {chosen.minutes:g} minutes", columns)
    whose = "validation" if chosen.validate else "held-out"
    console.print(
        f"{nats['after_first']} nats a bar of {whose} tunes, given those before ({nats['all']} "
        f"with first bars); written in {seconds:.0f} s at temperature {chosen.temperature:g}"
    )
    record = {
        "benchmark": "transformer",
        "validation": chosen.validate,
        "minutes": chosen.minutes,
        "threads": chosen.threads,
        "seed": chosen.seed,
        "temperature": chosen.temperature,
        "settings": asdict(settings),
        "parameters": parameters,
        "steps": steps,
        "nats_a_bar": nats["after_first"],
        "nats_a_bar_with_first": nats["all"],
        "columns": columns,
    }
    if chosen.out:
        keep(chosen.out, writer, sets | long, record)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
