"""Encoder, generator and discriminator that look at a frame's columns whole. Not in the paper.

A frame (channels, height, width) is read as ``width`` columns of channels x
height numbers, and convolutions go along the width only. In music a column is
a step in time and a row a pitch: what a pitch means does not move with it, as
an edge in an image does, and a convolution over pitches would have to find that
out. One step of training costs a twentieth of the paper's networks' and teaches
more (docs/recipe.md). In and out go the same shapes as in
:mod:`nextbar.frames.networks`, whose contracts these networks keep.
"""

from math import ceil, prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nextbar.frames.config import Config
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


class ColumnEncoder(nn.Module):
    """A frame -> mean and log-variance of the next frame's latent, as ``Encoder``. Paper Eq. 3.

    The first layer looks at each column by itself, each other one halves the
    width; a residual block behind each; one fully connected layer.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, height, width = shape
        first, *others = config.encoder_channels
        layers: list[nn.Module] = [nn.Conv1d(channels * height, first, 1), Residual(first)]
        maps = first
        for out in others:
            layers += [nn.Conv1d(maps, out, 4, 2, padding=1), Residual(out)]
            maps, width = out, width // 2
        self.hidden = nn.Sequential(*layers, nn.ReLU())
        self.output = nn.Linear(maps * width, 2 * config.latent)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """frames: (B, C, H, W) in [0, 1]. Returns (mean, log_variance), each (B, latent)."""
        hidden = self.hidden(frames.flatten(1, 2)).flatten(1)  # (B, maps * width)
        mean, log_variance = self.output(hidden).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-LOG_VARIANCES, LOG_VARIANCES)


LOG_VARIANCES = 10.0
"""Log-variances stay within plus and minus this: without normalisation over the batch nothing
else keeps a first guess from overflowing."""


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
        self.start = (first, ceil(width / prod(config.generator_strides)))
        self.project = nn.Linear(config.latent, prod(self.start))
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
        start = self.project(torch.cat(latents)).view(-1, *self.start)  # (all B, maps, columns)
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
