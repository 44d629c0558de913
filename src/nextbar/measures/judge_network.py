"""The network that judges whether a window is of the first kind or of the second.

The one room of the measures that knows PyTorch; ``classifiers.py`` enters it
when a classifier is asked for. It sees windows in three ways: as a picture, time
across and pitch up, folded to the 12 pitch classes, and as a rhythm without
pitch, so that keys, contours and rhythms are equally plain to it.
"""

import copy
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Rolls = npt.NDArray[np.bool_]
"""(windows, 2, pitches, steps): what sounds, and what begins."""
Scores = npt.NDArray[np.float64]
"""(windows,): above 0 says the first kind."""

SEMITONES: Final = 3
"""Windows are transposed by up to this much while training: 5,000 of them are few."""
BATCH: Final = 64
MOST_EPOCHS: Final = 14
PATIENCE: Final = 4
RATE: Final = 1.5e-3


class Sides(NamedTuple):
    """Windows of the first kind and of the second."""

    first: Rolls
    second: Rolls


class JudgedBy(Protocol):
    """Whatever learns to tell two kinds of windows apart, as :func:`train_and_ask` does."""

    def __call__(
        self, training: Sides, stopping: Sides, asked: Sides, *, seed: int
    ) -> tuple[Scores, Scores]:
        """The scores of both sides that it is asked about."""
        ...


class Judge(nn.Module):
    """(windows, 2, pitches, steps) of 0 and 1 -> (windows,) scores."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.picture = nn.Sequential(
            *_convolved(nn.Conv2d(2, 2 * width, (5, 4), (1, 4), (2, 0), bias=False)),
            *_convolved(nn.Conv2d(2 * width, 2 * width, (5, 3), 2, (2, 1), bias=False)),
            *_convolved(nn.Conv2d(2 * width, 4 * width, 3, 2, 1, bias=False)),
            *_convolved(nn.Conv2d(4 * width, 6 * width, 3, 2, 1, bias=False)),
        )
        self.harmony = nn.Sequential(
            *_convolved(nn.Conv1d(2 * 12, 4 * width, 5, 2, 2, bias=False)),
            *_convolved(nn.Conv1d(4 * width, 6 * width, 5, 2, 2, bias=False)),
            *_convolved(nn.Conv1d(6 * width, 8 * width, 5, 2, 2, bias=False)),
        )
        self.rhythm = nn.Sequential(
            *_convolved(nn.Conv1d(3, 2 * width, 4, 4, bias=False)),
            *_convolved(nn.Conv1d(2 * width, 2 * width, 3, 1, 1, bias=False)),
            *_convolved(nn.Conv1d(2 * width, 4 * width, 3, 2, 1, bias=False)),
        )
        self.verdict = nn.Sequential(
            nn.Linear(2 * 18 * width, 4 * width), nn.ReLU(), nn.Linear(4 * width, 1)
        )

    def forward(self, rolls: Tensor) -> Tensor:
        """Scores, above 0 for the first kind."""
        seen = self.picture(rolls).flatten(2)  # (B, 6 * width, places)
        padded = F.pad(rolls, (0, 0, 0, -rolls.shape[2] % 12))
        octaves = torch.stack(torch.split(padded, 12, 2), 2)
        heard = self.harmony(octaves.amax(2).flatten(1, 2))  # (B, 8 * width, times)
        lines = torch.cat([rolls.amax(2), rolls[:, 1:].sum(2)], 1)  # (B, 3, steps)
        beaten = self.rhythm(lines)
        views = (seen, heard, beaten)
        summary = [pool for view in views for pool in (view.mean(2), view.amax(2))]
        verdict: Tensor = self.verdict(torch.cat(summary, 1))
        return verdict[:, 0]


def train_and_ask(
    training: Sides, stopping: Sides, asked: Sides, *, seed: int
) -> tuple[Scores, Scores]:
    """The trained network's scores of the windows ``asked``, of either side.

    training: learned from, both sides equally often. stopping: the state of the
    network that does best on these is the one that is asked.
    """
    generator = torch.Generator().manual_seed(seed)
    low, high = _pitches_in([*training, *stopping, *asked])
    training, stopping, asked = (
        Sides(*(_crop(rolls, low, high) for rolls in sides))
        for sides in (training, stopping, asked)
    )
    judge = _new_judge(generator)
    optimiser = torch.optim.AdamW(judge.parameters(), RATE, weight_decay=0.05)
    n_batches = -(-2 * max(map(len, training)) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, MOST_EPOCHS * n_batches)
    best, best_loss, best_epoch = copy.deepcopy(judge.state_dict()), float("inf"), 0
    for epoch in range(MOST_EPOCHS):
        judge.train()
        for rolls, labels in _batches(training, n_batches, generator):
            loss = F.binary_cross_entropy_with_logits(judge(rolls), labels)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        stop_loss = _balanced_loss(judge, stopping)
        if stop_loss < best_loss:
            best, best_loss, best_epoch = copy.deepcopy(judge.state_dict()), stop_loss, epoch
        if epoch - best_epoch >= PATIENCE:
            break
    judge.load_state_dict(best)
    return _ask(judge, asked.first), _ask(judge, asked.second)


def _convolved(convolution: nn.Conv1d | nn.Conv2d) -> tuple[nn.Module, nn.Module, nn.Module]:
    norm = nn.BatchNorm2d if isinstance(convolution, nn.Conv2d) else nn.BatchNorm1d
    return convolution, norm(convolution.out_channels), nn.ReLU()


def _new_judge(generator: torch.Generator) -> Judge:
    """A network with weights drawn by the generator; PyTorch's global one is as it was."""
    with torch.random.fork_rng(devices=[]):
        judge = Judge()
    for parameter in judge.parameters():
        if parameter.dim() > 1:
            nn.init.kaiming_normal_(parameter, generator=generator)
    for layer in judge.modules():
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    return judge


def _pitches_in(rolls: list[Rolls]) -> tuple[int, int]:
    """The lowest pitch row that sounds anywhere, and the one behind the highest."""
    rows = np.flatnonzero(np.any([each.any(axis=(0, 1, 3)) for each in rolls], axis=0))
    return (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 12)


def _crop(rolls: Rolls, low: int, high: int) -> Rolls:
    """Only the rows low to high, and empty ones on either side to transpose from.

    What is transposed beyond the rows low to high is not seen.
    """
    return np.pad(rolls[:, :, low:high], ((0, 0), (0, 0), (SEMITONES, SEMITONES), (0, 0)))


def _batches(
    sides: Sides, n_batches: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of half of each side, transposed; an epoch is the larger side once."""
    half = BATCH // 2
    orders = [_repeated(len(rolls), n_batches * half, generator) for rolls in sides]
    labels = torch.cat([torch.ones(half), torch.zeros(half)])
    for begin in range(0, n_batches * half, half):
        rolls = np.concatenate(
            [side[order[begin : begin + half]] for side, order in zip(sides, orders, strict=True)]
        )
        by = int(torch.randint(2 * SEMITONES + 1, (1,), generator=generator))
        yield _as_frames(rolls, by), labels


def _repeated(n: int, length: int, generator: torch.Generator) -> npt.NDArray[np.int64]:
    """The numbers 0 to n - 1 in random order, over and over, ``length`` of them."""
    rounds = [torch.randperm(n, generator=generator) for _ in range(-(-length // n))]
    return torch.cat(rounds)[:length].numpy()


def _as_frames(rolls: Rolls, by: int = SEMITONES) -> Tensor:
    height = rolls.shape[2] - 2 * SEMITONES
    return torch.from_numpy(rolls[:, :, by : by + height].astype(np.float32))


@torch.no_grad()
def _ask(judge: Judge, rolls: Rolls) -> Scores:
    judge.eval()
    scores = [judge(_as_frames(rolls[i : i + 250])) for i in range(0, len(rolls), 250)]
    return torch.cat(scores).double().numpy()


def _balanced_loss(judge: Judge, sides: Sides) -> float:
    first, second = (torch.from_numpy(_ask(judge, rolls)) for rolls in sides)
    return float(F.softplus(-first).mean() + F.softplus(second).mean()) / 2
