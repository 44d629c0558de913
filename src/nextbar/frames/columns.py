"""Encoder, generator and discriminator that look at a frame's columns whole. Not in the paper.

A frame (channels, height, width) is read as ``width`` columns of channels x
height numbers, and convolutions go along the width only. In music a column is
a step in time and a row a pitch: what a pitch means does not move with it, as
an edge in an image does, and a convolution over pitches would have to find that
out. It costs a fraction of the paper's networks and learns more (docs/recipe.md).
In and out go the same shapes as in
:mod:`nextbar.frames.networks`, whose contracts these networks keep.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nextbar.frames.config import Config
from nextbar.frames.latents import LOG_VARIANCES, Chain, Gaussian
from nextbar.frames.networks import FIRST_BIAS, Drawn, Shape, Verdict, drawn_from


class Residual(nn.Module):
    """(B, maps, width) -> the same, with something added to it; nothing at the beginning."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, maps)
        self.first = nn.Conv1d(maps, maps, 3, padding=1)
        self.second = nn.Conv1d(maps, maps, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, maps: Tensor) -> Tensor:
        """maps: (B, maps, width)."""
        added: Tensor = self.second(F.relu(self.first(F.relu(self.norm(maps)))))
        return maps + added


def halving_layers(n_rows: int, channels: Sequence[int]) -> nn.Sequential:
    """Layers from (B, n_rows, width) to (B, channels[-1], columns).

    The first looks at each column by itself, each other one halves the width
    (rounded up); a residual block behind each, and nothing behind the last.
    """
    first = channels[0]
    layers: list[nn.Module] = [nn.Conv1d(n_rows, first, 1), Residual(first)]
    return nn.Sequential(*layers, *(_halving(*pair) for pair in pairwise(channels)))


def _halving(maps: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(maps, out, 3, stride=2, padding=1), Residual(out))


def halved(width: int, times: int) -> int:
    """The width after so many halvings."""
    return -(-width // (1 << times))


def n_first_columns(width: int, config: Config) -> int:
    """How many columns the generator begins with: one for each part of the latent."""
    return ceil(width / prod(config.generator_strides))


def halvings_to_parts(config: Config) -> int:
    """How often the width is halved to come to the columns that the generator begins with."""
    return prod(config.generator_strides).bit_length() - 1


class ColumnEncoder(nn.Module):
    """A frame -> mean and log-variance of the next frame's latent, as ``Encoder``. Paper Eq. 3."""

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, height, width = shape
        self.hidden = halving_layers(channels * height, config.encoder_channels)
        columns = halved(width, len(config.encoder_channels) - 1)
        self.output = nn.Linear(config.encoder_channels[-1] * columns, 2 * config.latent)

    def forward(self, frames: Tensor) -> Gaussian:
        """frames: (B, C, H, W) in [0, 1]. Returns (mean, log_variance), each (B, latent)."""
        hidden = F.relu(self.hidden(frames.flatten(1, 2))).flatten(1)  # (B, maps * columns)
        mean, log_variance = self.output(hidden).float().chunk(2, dim=1)
        return Gaussian(mean, log_variance.clamp(-LOG_VARIANCES, LOG_VARIANCES))


class ChainEncoder(nn.Module):
    """A frame -> the distribution of the next frame's latent, part after part.

    Each part of ``latent_in_parts`` has a small network of its own. It sees
    what was read off the whole frame, what was read at its own column, and the
    parts before it.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, height, width = shape
        maps = config.encoder_channels
        n_halvings = halvings_to_parts(config)
        self.near = halving_layers(channels * height, maps[: n_halvings + 1])
        self.far = nn.Sequential(*(_halving(*pair) for pair in pairwise(maps[n_halvings:])))
        columns = halved(width, len(maps) - 1)
        self.context = nn.Sequential(
            nn.Linear(maps[-1] * columns, 2 * CONTEXT),
            nn.ReLU(),
            nn.Linear(2 * CONTEXT, CONTEXT),
            nn.ReLU(),
        )
        seen = CONTEXT + maps[n_halvings]
        self.steps = nn.ModuleList(
            nn.Sequential(
                nn.Linear(seen + nth * config.latent, CONTEXT),
                nn.ReLU(),
                nn.Linear(CONTEXT, CONTEXT),
                nn.ReLU(),
                nn.Linear(CONTEXT, 2 * config.latent),
            )
            for nth in range(n_first_columns(width, config))
        )

    def forward(self, frames: Tensor) -> Chain:
        """frames: (B, C, H, W) in [0, 1]."""
        near = self.near(frames.flatten(1, 2))  # (B, maps, parts)
        far = F.relu(self.far(near)).flatten(1)  # (B, maps * columns)
        context = self.context(far)
        contexts = [torch.cat([context, at], dim=1) for at in F.relu(near).unbind(dim=2)]
        return Chain(contexts, [*self.steps])


CONTEXT = 256
"""Numbers that are handed to the networks of the parts."""


class PartsEncoder(nn.Module):
    """A frame -> mean and log-variance of its own latent in parts, one for each column.

    The posterior of ``latent_in_parts``: all parts at once, since it sees the
    whole frame.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, height, _ = shape
        used = config.encoder_channels[: halvings_to_parts(config) + 1]
        self.hidden = halving_layers(channels * height, used)
        self.output = nn.Conv1d(used[-1], 2 * config.latent, 1)

    def forward(self, frames: Tensor) -> Gaussian:
        """frames: (B, C, H, W) in [0, 1]. Returns (mean, log_variance), (B, parts * latent)."""
        hidden = F.relu(self.hidden(frames.flatten(1, 2)))
        moments = self.output(hidden).float()  # (B, 2 latent, parts)
        mean, log_variance = (half.transpose(1, 2).flatten(1) for half in moments.chunk(2, dim=1))
        return Gaussian(mean, log_variance.clamp(-LOG_VARIANCES, LOG_VARIANCES))


class ColumnGenerator(nn.Module):
    """A latent -> a frame, as ``Generator``. Paper Eq. 6.

    A projection to few columns, deconvolutions that widen them, a residual
    block behind each, and one more convolution to all rows of all channels.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        self.shape, self.sparse = shape, config.sparse
        channels, height, width = shape
        first, *others = config.generator_channels
        self.start = (first, n_first_columns(width, config))
        self.in_parts = config.latent_in_parts
        self.project = (
            nn.Conv1d(config.latent, first, 3, padding=1)
            if self.in_parts
            else nn.Linear(config.latent, prod(self.start))
        )
        layers: list[nn.Module] = [Residual(first), Residual(first)]
        maps = first
        for out, stride in zip(others, config.generator_strides, strict=True):
            layers += [nn.ConvTranspose1d(maps, out, stride + 2, stride, padding=1), Residual(out)]
            maps = out
        layers += [Residual(maps), nn.ReLU()]
        last = nn.Conv1d(maps, channels * height * (1 + self.sparse), 3, padding=1)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        with torch.no_grad():
            assert last.bias is not None
            # A gate of twice the bias is as likely as (1 + tanh) / 2 of it is great.
            last.bias[: channels * height] = FIRST_BIAS * (1 + self.sparse)
        self.layers = nn.Sequential(*layers, last)

    def forward(self, latent: Tensor) -> Tensor:
        """latent: (B, latent). Returns frames (B, C, H, W) in [0, 1]."""
        return self.decode(latent)[0].frames()

    def decode(self, *latents: Tensor) -> list[Drawn]:
        """What is drawn of several batches of latents, each (B, latent), in one pass."""
        latent = torch.cat(latents)
        if self.in_parts:
            latent = latent.view(len(latent), self.start[1], -1).transpose(1, 2)
        start = self.project(latent).view(-1, *self.start)  # (all B, maps, columns)
        columns = self.layers(start)[:, :, : self.shape[2]]  # strides may overshoot
        maps = columns.float().unflatten(1, (-1, self.shape[1]))  # (all B, C or 2 C, H, W)
        counts = [len(latent) for latent in latents]
        return [drawn_from(part, sparse=self.sparse) for part in torch.split(maps, counts)]


class ColumnDiscriminator(nn.Module):
    """A frame -> its features D_l and the logit of its being real, as ``Discriminator``.

    Convolutions along the width with LeakyReLU; the last one's maps are D_l.
    Paper Eqs. 7 and 9.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, height, width = shape
        maps = channels * height
        layers: list[nn.Module] = []
        for out, stride in zip(
            config.discriminator_channels, config.discriminator_strides, strict=True
        ):
            layers += [nn.Conv1d(maps, out, 3, stride, 1), nn.LeakyReLU(0.2)]
            maps, width = out, ceil(width / stride)
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(maps * width, 1)

    def forward(self, frames: Tensor) -> Verdict:
        """frames: (B, C, H, W) in [0, 1]."""
        features = self.hidden(frames.flatten(1, 2)).flatten(1)  # (B, maps * width)
        return Verdict(features.float(), self.output(features).squeeze(1).float())
