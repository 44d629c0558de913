"""A frame drawn around cells that are given: what else is there, as far as the latent can say.

Where the cells before each are known when it is decided (:mod:`nextbar.frames.emission`), cells
that are held take part as if they had been written. What they say of the latent is weighed: many
latents are drawn side by side, some columns at a time; behind each stretch those under which the
held cells are likely are drawn on from, more than once, and the others no more (a particle filter,
Gordon et al. 1993). Of the last ones one is taken as they are likely. In columns only; not in the
paper.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from nextbar.frames.chain import Chain
from nextbar.frames.columns import ColumnGenerator, columns_of
from nextbar.frames.contracts import (
    NEVER,
    Consecutive,
    Frames,
    Kinds,
    Latents,
    There,
)
from nextbar.frames.model import After, Model
from nextbar.frames.replicas import few_threads

PARTICLES: Final = 64
"""Latents that are drawn side by side."""


class Held(NamedTuple):
    """What is decided of a frame, each (C, H, W): which cells, and which of these are there."""

    decided: Bool[Tensor, "channels height width"]
    there: Bool[Tensor, "channels height width"]


class Around(NamedTuple):
    """A frame with the held cells, (C, H, W) in [0, 1], and how likely these were under it, log."""

    frame: Float[Tensor, "channels height width"]
    log_likelihood: float


def decode_around(
    generator: ColumnGenerator, latent: Latents, held: Held, there: There | None
) -> tuple[Frames, Float[Tensor, "batch width"]]:
    """Frames with the held cells, (B, C, H, W), and in each column how likely these were, log.

    latent: (B, width * latent). there: (B, W), the columns that are drawn, if not all.
    """
    gates, levels = generator.by_latent(latent, there)
    decided, on = (columns_of(each[None].float()) > 0 for each in held)  # (1, W, C H)
    written = torch.where(decided, torch.where(on, -NEVER, NEVER), gates)
    if generator.below is not None:
        written = generator.below.write(written)
        gates = generator.below(gates, (written > 0).to(gates.dtype))
    of_held = torch.where(decided, F.logsigmoid(torch.where(on, gates, -gates)), 0.0).sum(dim=2)
    return generator.drawn(written, levels).frames(), of_held


@torch.inference_mode()
def draw_around(
    model: Model,
    before: Consecutive | None,
    held: Held,
    *,
    ends: Sequence[int],
    rng: np.random.Generator,
    temperature: float = 1.0,
    kinds: Kinds | None = None,
    after: After | None = None,
) -> Around:
    """One frame around the held cells.

    before, kinds, after: as for :func:`nextbar.frames.rollout.next_latent`, of one row. ends: of
    the stretches of columns, the last is that of the frame. rng: decides all chance.
    """
    model.eval()
    generator = model.generator
    assert isinstance(generator, ColumnGenerator)
    with few_threads(model.config):
        reading = _reading(model, before, kinds, after).of_rows(PARTICLES)
        there = model.there_in(kinds, model.shape[2])
        there = None if there is None else there.expand(PARTICLES, -1)
        known = torch.zeros(PARTICLES, 0, reading.latent)
        state, so_far = reading.state, torch.zeros(PARTICLES)
        frames, of_held = torch.empty(0), torch.empty(0)
        for begin, end in zip([0, *ends], ends, strict=False):
            parts, states = _drawn_on(reading, known, state, ends[-1], rng, temperature)
            missing = reading.contexts.shape[1] - ends[-1]
            latent = F.pad(parts, (0, 0, 0, missing)).flatten(1)
            frames, of_held = decode_around(generator, latent, held, there)
            now = of_held[:, :end].sum(dim=1)
            weights = torch.softmax((now - so_far).double(), dim=0).numpy()
            if end == ends[-1]:
                break
            chosen = torch.from_numpy(resampled(weights, rng))
            known, so_far = parts[chosen, :end], now[chosen]
            state = states[end - begin][:, chosen]
    taken = int(np.searchsorted(np.cumsum(weights), rng.random()).clip(max=PARTICLES - 1))
    return Around(frames[taken], float(of_held[taken].sum()))


def resampled(weights: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Which go on, as many as there are: each as often as its weight says, give or take one.

    weights: their sum is 1.
    """
    places = (np.arange(len(weights)) + rng.random()) / len(weights)
    return np.searchsorted(np.cumsum(weights), places).clip(max=len(weights) - 1)


def _reading(
    model: Model, before: Consecutive | None, kinds: Kinds | None, after: After | None
) -> Chain:
    """What is read of the frames around, of one row."""
    if after is not None and not any(after.place(lag) is not None for lag in model.config.ahead):
        after = None
    if before is None and after is None:
        channels, height, width = model.shape
        n_frames = len(model.config.history)
        of_all = None if kinds is None else kinds[:, -1:].expand(-1, n_frames + 1)
        reading = model.read(torch.zeros(1, n_frames * channels, height, width), of_all)
    else:
        frames = [] if before is None else before.unbind(dim=1)
        history = model.history_of(frames, after).contiguous(memory_format=torch.channels_last)
        reading = model.read(history, model.kinds_of(kinds, after))
    assert isinstance(reading, Chain)
    return reading


def _drawn_on(
    chain: Chain,
    known: Float[Tensor, "batch known latent"],
    state: Float[Tensor, "1 batch maps"],
    end: int,
    rng: np.random.Generator,
    temperature: float,
) -> tuple[Float[Tensor, "batch parts latent"], list[Tensor]]:
    """The known parts and those drawn behind them up to ``end``; the state before each of these."""
    n_rows, first, latent = known.shape
    shape = (n_rows, end - first)
    moves = torch.from_numpy(rng.standard_normal((*shape, latent), np.float32))
    choices = torch.from_numpy(rng.standard_normal(shape, np.float32))
    part = known[:, -1:] if first else known.new_zeros(n_rows, 1, latent)
    parts, states = [known], [state]
    for nth in range(end - first):
        now, here = slice(nth, nth + 1), slice(first + nth, first + nth + 1)
        mixture, state = chain.step(chain.contexts[:, here], part, state, here)
        part = mixture.draw(moves[:, now], choices[:, now], temperature)
        parts.append(part)
        states.append(state)
    return torch.cat(parts, dim=1), states
