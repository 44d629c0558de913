"""Writing one bar at a time: the same bars as ``Composer.compose``, each by itself.

A bar is decided by the bars before it and by a :class:`Draw`. So any bar can be
written again, alone or with what follows; alternatives for it can be laid side
by side; and two bars can be blended through the latents they were decoded from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nextbar.errors import UsageError
from nextbar.frames.rollout import decode, latent_noise, next_frames
from nextbar.music.bars import FULL_VELOCITY, BarNotes, Rolls, read_rolls
from nextbar.writing.composer import Composer, hear, stack_rolls
from nextbar.writing.piece import Draw

Latent = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WrittenBar:
    """A bar as it is heard, (channels, 88, steps) uint8, and the latent it was decoded from."""

    roll: Rolls
    latent: Latent


def write_bars(
    composer: Composer, after: Sequence[Rolls | None], draws: Sequence[Draw]
) -> list[WrittenBar]:
    """A bar for each draw, computed side by side, each as if it were written alone.

    after: for each the rolls of the bars before it, (bars, channels, 88,
    steps) uint8 in the composer's key, the latest last and at least one; None
    begins from noise. Of these the model's memory takes the latest. The bars
    are those that ``Composer.compose`` writes, to the note, at its default
    threshold.
    """
    memory = composer.model.memory
    written: list[WrittenBar | None] = [None] * len(draws)
    for from_noise in (True, False):
        for sampling in dict.fromkeys(draw.sampling for draw in draws):
            chosen = [
                i
                for i, draw in enumerate(draws)
                if draw.sampling == sampling and (after[i] is None) == from_noise
            ]
            if not chosen:
                continue
            noise = torch.stack([_noise_of(composer, draws[i]) for i in chosen])
            histories = [rolls[-memory:] for i in chosen if (rolls := after[i]) is not None]
            before = (
                torch.from_numpy(stack_rolls(histories)).float() / FULL_VELOCITY
                if histories
                else None
            )
            frames, latents = next_frames(composer.model, before, noise, sampling)
            for i, bar in zip(chosen, _bars_of(composer, frames, latents), strict=True):
                written[i] = bar
    return [bar for bar in written if bar is not None]


def blend(
    composer: Composer, first: WrittenBar, second: WrittenBar, shares: Sequence[float]
) -> list[WrittenBar]:
    """The bars on the way from one to the other in latent space, one for each share.

    shares: 0-1, how far along; 0 gives the first bar and 1 the second, to the
    note. The way is an arc: the latent's direction turns evenly and its length
    changes evenly, for the middle of a straight line is nearer to 0 than any
    latent the generator has seen (White 2016, "Sampling Generative Networks").
    """
    if not all(0 <= share <= 1 for share in shares):
        raise UsageError("share: how far to blend is from 0 (the first bar) to 1 (the second)")
    latents = torch.from_numpy(
        np.stack([_on_the_arc(first.latent, second.latent, share) for share in shares])
    )
    return _bars_of(composer, decode(composer.model, latents), latents)


def notes_of_bar(roll: Rolls, before: Rolls | None) -> BarNotes:
    """The bar's notes, dtype ``BAR_NOTE``; those that go on from the bar before are tied."""
    rolls = roll[None] if before is None else np.stack([before, roll])
    bar_notes, index = read_rolls(rolls)
    return bar_notes[index[-2] :]


def _noise_of(composer: Composer, draw: Draw) -> Tensor:
    return latent_noise([draw.seed], draw.position + 1, composer.model.noise_size)[0, -1]


def _bars_of(composer: Composer, frames: Tensor, latents: Tensor) -> list[WrittenBar]:
    heard = hear(frames, composer.threshold)
    rolls = (heard * FULL_VELOCITY).round().to(torch.uint8).numpy()
    return [WrittenBar(roll, latent) for roll, latent in zip(rolls, latents.numpy(), strict=True)]


def _on_the_arc(first: Latent, second: Latent, share: float) -> Latent:
    """The point at ``share`` of the way from one latent to the other; the ends are exact."""
    if share in (0, 1):
        return second if share else first
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    line = (1 - share) * first + share * second
    if min(lengths) == 0:
        return line.astype(np.float32)
    cosine = float(np.clip(np.dot(first, second) / (lengths[0] * lengths[1]), -1, 1))
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-4:  # the same direction, or the opposite one, where no arc is shortest
        return line.astype(np.float32)
    direction = np.sin((1 - share) * angle) * first / lengths[0]
    direction = (direction + np.sin(share * angle) * second / lengths[1]) / np.sin(angle)
    length = (1 - share) * lengths[0] + share * lengths[1]
    return np.asarray(direction * length, np.float32)
