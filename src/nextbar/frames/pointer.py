"""Whether the next frame says again what one before it said, and which. Not in the paper.

A frame that is drawn is hardly ever one of those before it to the cell, and music says whole
bars again: of folk tunes every second bar. So what comes next is a mixture: with some
probability one of the frames before as it stands, else one that is drawn, as in a pointer
sentinel mixture (Merity et al. 2017).
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nextbar.frames.chain import AS_TRAINED
from nextbar.frames.columns import Along, columns_of
from nextbar.frames.config import Config, Sampling
from nextbar.frames.contracts import NEVER, Frames, History, Kinds, PerFrame, Shape
from nextbar.frames.pairs import PairBatches, Pairs, previous_frames

READ: Final = 32
"""Numbers that each frame is read into."""
HIDDEN: Final = 128
UPDATES: Final = 1000
BATCH: Final = 64
LEARNING_RATE: Final = 2e-3
WEIGHT_DECAY: Final = 0.5
ROUNDS: Final = 5
"""How often held-back pairs are asked; the best of these states is kept."""
ASKED: Final = 4000
"""Held-back pairs that are asked, at most."""
HELD_BACK: Final = 7
"""Of so many sequences one says when to stop, and is not learned from."""

Again = Bool[Tensor, "batch frames"]
"""Which of the frames before the next one is, to the cell."""
LogOdds = Float[Tensor, "batch frames_and_new"]
"""The logarithm of the probability of each of the frames before, and last of none of them."""


class Pointer(nn.Module):
    """The frames before -> how likely each of them comes again, and how likely none does.

    It reads how alike any two of them are, for what has come again goes on coming
    again, and a little of each. Frames that come after, where they are known, are read as well.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        self.channels, height, _ = shape
        self.n_frames = len(config.repeats) + len(config.ahead)
        self.read = nn.Linear(self.channels * height, READ)
        self.along = Along(READ, READ)
        pairs = torch.triu_indices(self.n_frames, self.n_frames, 1)
        self.pairs: Tensor
        self.register_buffer("pairs", pairs, persistent=False)
        self.verdict = nn.Sequential(
            nn.Linear(self.n_frames * (READ + 1) + 2 * pairs.shape[1], HIDDEN),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, self.n_frames + 1),
        )
        self.n_updates: Tensor  # that it has learned from; 0: it knows nothing yet
        self.register_buffer("n_updates", torch.zeros((), dtype=torch.int64))

    def forward(self, frames: History, kinds: Kinds | None = None) -> LogOdds:
        """frames: (B, K C, H, W) in [0, 1], those of ``repeats``, then all those ahead, or none.

        kinds: (B, K + 1), of these and of the next one, which can be only one of its own kind.
        """
        each = torch.unflatten(frames, 1, (-1, self.channels)) > 0  # (B, K, C, H, W)
        n_left_out = self.n_frames - each.shape[1]
        each = F.pad(each, (0, 0, 0, 0, 0, 0, 0, n_left_out)).float()
        cells = each.flatten(2)
        both = cells @ cells.transpose(1, 2)  # (B, frames, frames), counts
        n_cells = both.diagonal(dim1=1, dim2=2)
        either = n_cells[:, :, None] + n_cells[:, None] - both
        first, second = self.pairs
        alike = (both / either.clamp(min=1))[:, first, second]
        known = n_cells > 0
        columns = columns_of(each.flatten(0, 1))
        sounds = columns.any(dim=2, keepdim=True).float()  # a frame is the same however wide it is
        seen = F.relu(self.along(F.relu(self.read(columns)) * sounds)) * sounds
        seen = seen.sum(dim=1) / sounds.sum(dim=1).clamp(min=1)
        inputs = [seen.view(len(each), -1), known.float(), alike, (alike == 1).float()]
        logits: Tensor = self.verdict(torch.cat(inputs, dim=1))
        may = known
        if kinds is not None:
            is_of_kind = kinds[:, :-1] == kinds[:, -1:]
            may = known & F.pad(is_of_kind, (0, n_left_out))
        return F.log_softmax(logits.masked_fill(F.pad(~may, (0, 1)), NEVER), dim=1)


def said_again(frames: History, current: Frames, kinds: Kinds | None = None) -> Again:
    """Which of the frames the current one is, to the cell, however loud; of a silent one none.

    frames, kinds: as for :class:`Pointer`. current: (B, C, H, W).
    """
    each = torch.unflatten(frames, 1, (-1, current.shape[1])) > 0
    now = current > 0
    again = (each == now[:, None]).flatten(2).all(dim=2) & now.flatten(1).any(dim=1)[:, None]
    return again if kinds is None else again & (kinds[:, :-1] == kinds[:, -1:])


def surprise(odds: LogOdds, again: Again) -> PerFrame:
    """How unlikely what came was, in nats, >= 0: one of those that it is, or a new one. (B,)."""
    of_new = ~again.any(dim=1, keepdim=True)
    none = again.new_zeros(len(again), odds.shape[1] - again.shape[1] - 1)
    came = torch.cat([again, none, of_new], dim=1)
    return -odds.masked_fill(~came, NEVER).logsumexp(dim=1)


Which = Int[Tensor, "batch"]
"""The number of a frame."""


def pointed_at(odds: LogOdds, choice: PerFrame, sampling: Sampling = AS_TRAINED) -> Which:
    """The number of the frame that comes again, (B,); that of the last of ``odds`` for a new one.

    choice: (B,), from N(0, I), which says it by its place in the cumulated probabilities. Odds of
    coming again are multiplied by ``repeat``, and what is drawn then is dropped as often as
    ``follow`` says, for a new one. That is so at any temperature, for it is of what is new; at 0
    the likeliest is taken.
    """
    likely = odds.exp()
    likely = torch.cat([likely[:, :-1] * sampling.repeat, likely[:, -1:]], dim=1)
    likely = likely / likely.sum(dim=1, keepdim=True)
    of_each = likely[:, :-1] * sampling.follow
    if sampling.temperature == 0:
        return torch.cat([of_each, likely[:, -1:]], dim=1).argmax(dim=1)
    place = torch.special.ndtr(choice)[:, None]
    found: Which = (of_each.cumsum(dim=1) < place).sum(dim=1)
    return found


def learn_to_point(pointer: Pointer, pairs: PairBatches, config: Config) -> Iterator[float]:
    """Trains the pointer on real frames, yielding the mean :func:`surprise` of each update.

    pairs: those that E and G were trained on. Of their sequences every ``HELD_BACK``-th says
    when to stop: at the end it is the state that did best on these. Where there are too few
    sequences it is the last, or nothing is learned. Decided by the configuration's seed alone.
    """
    is_back = np.arange(len(pairs.chosen)) % HELD_BACK == HELD_BACK // 2
    learn_from, stop_by = (_pairs_of(pairs, part, config) for part in (~is_back, is_back))
    if learn_from is None:
        return
    optimiser = torch.optim.AdamW(pointer.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best, least = copy.deepcopy(pointer.state_dict()), math.inf
    device = next(pointer.parameters()).device
    rng = np.random.default_rng([config.seed, 6])
    for nth, batch in zip(range(UPDATES), _endless(learn_from), strict=False):
        pointer.train()
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, 2 * (1 - nth / UPDATES))
        with torch.random.fork_rng(
            [] if device.type == "cpu" else [device], device_type=device.type
        ):
            torch.manual_seed(int(rng.integers(2**63)))  # what is left out
            loss = _asked(pointer, batch).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if (nth + 1) % (UPDATES // ROUNDS) == 0:
            now = -math.inf if stop_by is None else mean_surprise(pointer, stop_by)
            if stop_by is None or now < least:
                best, least = copy.deepcopy(pointer.state_dict()), now
        yield loss.item()
    pointer.load_state_dict(best)
    pointer.n_updates.fill_(UPDATES)
    pointer.eval()


def _pairs_of(
    pairs: PairBatches, part: npt.NDArray[np.bool_], config: Config
) -> PairBatches | None:
    """The pairs of a part of the sequences, with the frames before that are pointed at, if any."""
    chosen = pairs.chosen[part]
    n_pairs = len(previous_frames(pairs.sequences.index, chosen))
    if not n_pairs:
        return None
    return replace(pairs, chosen=chosen, batch=min(BATCH, n_pairs), history=config.repeats)


@torch.no_grad()
def mean_surprise(pointer: Pointer, pairs: PairBatches) -> float:
    """:func:`surprise` of the first ``ASKED`` pairs of an epoch, in nats."""
    pointer.eval()
    costs = list[float]()
    for each in pairs.epoch(0):
        costs += _asked(pointer, each).tolist()
        if len(costs) >= ASKED:
            break
    return float(np.mean(costs))


def _asked(pointer: Pointer, pairs: Pairs) -> PerFrame:
    device = next(pointer.parameters()).device
    previous, current = pairs.previous.to(device), pairs.current.to(device)
    kinds = None if pairs.kinds is None else pairs.kinds.to(device)
    return surprise(pointer(previous, kinds), said_again(previous, current, kinds))


def _endless(pairs: PairBatches) -> Iterator[Pairs]:
    epoch = 0
    while True:
        epoch += 1
        yield from pairs.epoch(epoch)
