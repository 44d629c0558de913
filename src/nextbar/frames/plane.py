"""Encoder, generator and discriminator of Table 1, for frames of any (channels, height, width).

What the paper leaves open, and what stands here:

- padding: half the kernel, so that a layer of stride 1 keeps the size;
- normalisation: batch normalisation of the hidden maps of E and G, as was the
  custom (DCGAN); none in D, whose features Eq. 7 compares between batches of
  real and of generated frames, unless ``discriminator_batch_norm`` asks for it;
- Tanh: the paper has G end in a Tanh and give values in [0, 1]; both are true
  of (1 + tanh) / 2;
- D: a last convolution to one map, flattened, is the "1-D feature map" D_l of
  Eq. 7; a fully connected unit stands between it and the Sigmoid.
"""

from math import ceil, prod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nextbar.errors import ConfigError
from nextbar.frames.chain import LOG_VARIANCES, Gaussian
from nextbar.frames.config import Config
from nextbar.frames.contracts import (
    FIRST_BIAS,
    Drawn,
    Frames,
    History,
    Latents,
    Shape,
    Verdict,
    levels_of,
)

THIN = 8
"""Maps up to this many are normalised in the plain layout: with the channels innermost the
CPU's kernel has nothing to vectorise over, and takes ten times as long."""


class Norm(nn.BatchNorm2d):
    """Batch normalisation, (B, maps, height, width) -> the same, channels innermost."""

    def forward(self, maps: Frames) -> Frames:
        """As ``torch.nn.BatchNorm2d``."""
        if self.num_features > THIN:
            return super().forward(maps)
        return super().forward(maps.contiguous()).contiguous(memory_format=torch.channels_last)


class Encoder(nn.Module):
    """A frame -> mean and log-variance of the next frame's latent. Paper Eq. 3.

    Convolutions 5x5 of stride 2 with ELU, then one fully connected layer.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = []
        for out in config.encoder_channels:
            layers.append(
                nn.Conv2d(channels, out, 5, stride=2, padding=2, bias=not config.batch_norm)
            )
            if config.batch_norm:
                layers.append(Norm(out))
            layers.append(nn.ELU())
            channels, height, width = out, ceil(height / 2), ceil(width / 2)
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(channels * height * width, 2 * config.latent)
        self.is_bounded = config.learned_prior

    def forward(self, frames: History) -> Gaussian:
        """frames: (B, C, H, W) in [0, 1]. Returns (mean, log_variance), each (B, latent)."""
        hidden = self.hidden(frames).flatten(1)  # (B, maps * height * width)
        mean, log_variance = self.output(hidden).float().chunk(2, dim=1)
        if self.is_bounded:
            log_variance = log_variance.clamp(-LOG_VARIANCES, LOG_VARIANCES)
        return Gaussian(mean, log_variance)


class Pyramid(nn.Module):
    """The history as maps at each scale at which the generator has some, the coarsest first.

    Convolutions 3x3, of the strides of the deconvolutions that they stand beside, and as many
    maps. Not in the paper: Denton & Fergus (2018) show their decoder the frames before so.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, height, width = shape
        strides = deconvolution_strides(config)
        growth = prod(strides)
        self.missing = (0, -width % growth, 0, -height % growth)
        maps = channels * len(config.history)
        layers = []
        finest_first = zip(config.generator_channels[::-1], (1, *strides[::-1]), strict=True)
        for out, stride in finest_first:
            convolution = nn.Conv2d(maps, out, 3, stride, 1, bias=not config.batch_norm)
            norm = [Norm(out)] if config.batch_norm else []
            layers.append(nn.Sequential(convolution, *norm, nn.ReLU(inplace=True)))
            maps = out
        self.layers = nn.ModuleList(layers)

    def forward(self, history: History) -> list[Float[Tensor, "batch _ _ _"]]:
        """history: (B, K C, H, W). Returns maps, each (B, maps, height, width)."""
        maps = F.pad(history, self.missing)
        found = []
        for layer in self.layers:
            maps = layer(maps)
            found.append(maps)
        return found[::-1]


class Generator(nn.Module):
    """A latent -> a frame with values in [0, 1]. Paper Eq. 6.

    A projection to the first maps, deconvolutions 3x3 to the others, each
    followed by ReLU; one more convolution to the frame's channels; Tanh. With
    strides of 1 (the paper's) the projection has the frame's full height and
    width. Departure: with ``skips`` each convolution sees the history beside
    its maps, too, by a :class:`Pyramid`.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        strides = deconvolution_strides(config)
        growth = prod(strides)
        first, *others = config.generator_channels
        self.start = (ceil(self.height / growth), ceil(self.width / growth), first)
        self.project = nn.Linear(config.latent, prod(self.start))
        self.pyramid = Pyramid(shape, config) if config.skips else None
        beside = 2 if config.skips else 1
        layers: list[nn.Module] = [Norm(first)] if config.batch_norm else []
        layers.append(nn.ReLU(inplace=config.batch_norm))  # never on a view of the projection
        maps = first
        for out, stride in zip(others, strides, strict=True):
            seen, more = beside * maps, stride - 1
            layers.append(
                nn.ConvTranspose2d(seen, out, 3, stride, 1, more, bias=not config.batch_norm)
            )
            if config.batch_norm:
                layers.append(Norm(out))
            layers.append(nn.ReLU(inplace=True))
            maps = out
        last = nn.Conv2d(beside * maps, channels, 3, padding=1)
        nn.init.constant_(last.bias, FIRST_BIAS)  # type: ignore[arg-type]
        self.layers = nn.Sequential(*layers, last)

    def forward(self, latent: Latents, history: History | None = None) -> Frames:
        """latent: (B, latent); history: see :meth:`decode`. Returns frames (B, C, H, W), 0-1."""
        return self.decode(latent, history=history)[0].frames()

    def decode(
        self, *latents: Float[Tensor, "_ latent"], history: History | None = None
    ) -> list[Drawn]:
        """What is drawn of several batches of latents, each (B, latent).

        The projection, which has nearly all the parameters, is computed once
        for all; each batch is normalised by itself. history: (B, K C, H, W),
        looked at, and needed, with ``skips``.
        """
        seen = None if self.pyramid is None else self.pyramid(history)
        projected = self.project(torch.cat(latents))  # (all B, height * width * maps)
        starts = torch.split(projected, [len(z) for z in latents])
        return [self._grow(start, seen) for start in starts]

    def _grow(
        self, start: Float[Tensor, "batch height_width_maps"], seen: list[Tensor] | None
    ) -> Drawn:
        maps = start.view(-1, *self.start).permute(0, 3, 1, 2)  # (B, maps, height, width)
        scales = iter(seen or [])
        for layer in self.layers:
            if seen is not None and isinstance(layer, nn.ConvTranspose2d | nn.Conv2d):
                maps = torch.cat([maps, next(scales)], dim=1)
            maps = layer(maps)
        maps = maps[:, :, : self.height, : self.width]  # strides may overshoot
        return Drawn(levels_of(maps.float()))


class Discriminator(nn.Module):
    """A frame -> its features D_l and the logit of its being real. Paper Eqs. 7 and 9.

    Convolutions 3x3 with LeakyReLU, one more to a single map, which is D_l.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = []
        for out in config.discriminator_channels:
            normed = config.discriminator_batch_norm
            layers.append(nn.Conv2d(channels, out, 3, padding=1, bias=not normed))
            if normed:
                layers.append(Norm(out))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            channels = out
        layers.append(nn.Conv2d(channels, 1, 3, padding=1))
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(height * width, 1)

    def forward(self, frames: Frames) -> Verdict:
        """frames: (B, C, H, W) in [0, 1]."""
        features = self.hidden(frames).flatten(1)  # (B, height * width)
        return Verdict(features.float(), self.output(features).squeeze(1).float())


def deconvolution_strides(config: Config) -> tuple[int, ...]:
    """The stride of each deconvolution: 1, as in the paper, where none is given."""
    n_deconvolutions = len(config.generator_channels) - 1
    return (*config.generator_strides, *[1] * n_deconvolutions)[:n_deconvolutions]


def check_sides(shape: Shape, config: Config) -> None:
    """Raises ConfigError where frames are too small for the networks' strides."""
    _, height, width = shape
    for name, reduction in (
        ("encoder_channels", 2 ** len(config.encoder_channels)),
        ("generator_strides", prod(config.generator_strides)),
    ):
        if min(height, width) < reduction:
            raise ConfigError(
                f"{name}: frames of {height} x {width} are too small for layers that divide "
                f"each side by {reduction}; use fewer layers or smaller strides, or larger frames"
            )
