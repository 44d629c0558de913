"""Encoder, generator and discriminator of Table 1, for frames of any (channels, height, width).

What the paper leaves open, and what stands here:

- padding: half the kernel, so that a layer of stride 1 keeps the size;
- normalisation: batch normalisation of the hidden maps of E and G, as was the
  custom (DCGAN); none in D, whose features Eq. 7 compares between batches of
  real and of generated frames;
- Tanh: the paper has G end in a Tanh and give values in [0, 1]; both are true
  of (1 + tanh) / 2;
- D: a last convolution to one map, flattened, is the "1-D feature map" D_l of
  Eq. 7; a fully connected unit stands between it and the Sigmoid.
"""

from math import ceil, prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nextbar.errors import ConfigError
from nextbar.frames.config import Config
from nextbar.frames.latents import Gaussian

Shape = tuple[int, int, int]
"""(channels, height, width) of a frame."""


FIRST_BIAS = -2.0
"""Where the bias before G's Tanh begins: frames near 0 (0.02), as sparse as music, not at 0.5."""


class Drawn(NamedTuple):
    """What G draws of a batch of frames, each (B, C, H, W).

    levels: how much, in [0, 1]; in the paper that is all. gates: with
    ``sparse``, the logit of something being there.
    """

    levels: Tensor
    gates: Tensor | None = None

    def frames(self) -> Tensor:
        """The frames, in [0, 1]: the levels, 0 where nothing is likelier than something."""
        return self.levels if self.gates is None else self.levels * (self.gates > 0)

    def shown(self) -> Tensor:
        """What D is shown: the levels, or, with gates, 1 where something is and 0 elsewhere.

        Whole, as what is heard in the end, with the gradient of the
        probability (Bengio et al. 2013, the straight-through estimator).
        """
        if self.gates is None:
            return self.levels
        likely = torch.sigmoid(self.gates)
        return (self.gates > 0).float() + likely - likely.detach()


def shown(frames: Tensor, config: Config) -> Tensor:
    """Real frames as D is shown them, beside :meth:`Drawn.shown`."""
    return (frames > 0).float() if config.sparse else frames


def drawn_from(maps: Tensor, *, sparse: bool) -> Drawn:
    """What the last maps of a generator say: (B, C, H, W), or (B, 2 C, H, W) if sparse."""
    if not sparse:
        return Drawn(0.5 * (1 + torch.tanh(maps)))
    gates, levels = maps.chunk(2, dim=1)
    return Drawn(0.5 * (1 + torch.tanh(levels)), gates)


THIN = 8
"""Maps up to this many are normalised in the plain layout: with the channels innermost the
CPU's kernel has nothing to vectorise over, and takes ten times as long."""


class Norm(nn.BatchNorm2d):
    """Batch normalisation, (B, maps, height, width) -> the same, channels innermost."""

    def forward(self, maps: Tensor) -> Tensor:
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

    def forward(self, frames: Tensor) -> Gaussian:
        """frames: (B, C, H, W) in [0, 1]. Returns (mean, log_variance), each (B, latent)."""
        hidden = self.hidden(frames).flatten(1)  # (B, maps * height * width)
        mean, log_variance = self.output(hidden).float().chunk(2, dim=1)
        return Gaussian(mean, log_variance)


class Generator(nn.Module):
    """A latent -> a frame with values in [0, 1]. Paper Eq. 6.

    A projection to the first maps, deconvolutions 3x3 to the others, each
    followed by ReLU; one more convolution to the frame's channels; Tanh. With
    strides of 1 (the paper's) the projection has the frame's full height and
    width.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        growth = prod(config.generator_strides)
        first, *others = config.generator_channels
        self.start = (ceil(self.height / growth), ceil(self.width / growth), first)
        self.project = nn.Linear(config.latent, prod(self.start))
        layers: list[nn.Module] = [Norm(first)] if config.batch_norm else []
        layers.append(nn.ReLU(inplace=config.batch_norm))  # never on a view of the projection
        maps = first
        for out, stride in zip(others, config.generator_strides, strict=True):
            layers.append(
                nn.ConvTranspose2d(
                    maps, out, 3, stride, 1, output_padding=stride - 1, bias=not config.batch_norm
                )
            )
            if config.batch_norm:
                layers.append(Norm(out))
            layers.append(nn.ReLU(inplace=True))
            maps = out
        self.sparse = config.sparse
        last = nn.Conv2d(maps, channels * (1 + config.sparse), 3, padding=1)
        nn.init.constant_(last.bias, FIRST_BIAS)  # type: ignore[arg-type]
        self.layers = nn.Sequential(*layers, last)

    def forward(self, latent: Tensor) -> Tensor:
        """latent: (B, latent). Returns frames (B, C, H, W) in [0, 1]."""
        return self.decode(latent)[0].frames()

    def decode(self, *latents: Tensor) -> list[Drawn]:
        """What is drawn of several batches of latents, each (B, latent).

        The projection, which has nearly all the parameters, is computed once
        for all; each batch is normalised by itself.
        """
        projected = self.project(torch.cat(latents))  # (all B, height * width * maps)
        return [self._grow(start) for start in torch.split(projected, [len(z) for z in latents])]

    def _grow(self, start: Tensor) -> Drawn:
        maps = start.view(-1, *self.start).permute(0, 3, 1, 2)  # (B, maps, height, width)
        maps = self.layers(maps)[:, :, : self.height, : self.width]  # strides may overshoot
        return drawn_from(maps.float(), sparse=self.sparse)


class Verdict(NamedTuple):
    """What D says of a batch: features (B, F), D_l of Eq. 7, and logits (B,) before the Sigmoid."""

    features: Tensor
    logits: Tensor


class Discriminator(nn.Module):
    """A frame -> its features D_l and the logit of its being real. Paper Eqs. 7 and 9.

    Convolutions 3x3 with LeakyReLU, one more to a single map, which is D_l.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = []
        for out, stride in zip(
            config.discriminator_channels, config.discriminator_strides, strict=True
        ):
            layers += [nn.Conv2d(channels, out, 3, stride, 1), nn.LeakyReLU(0.2, inplace=True)]
            channels, height, width = out, ceil(height / stride), ceil(width / stride)
        layers.append(nn.Conv2d(channels, 1, 3, padding=1))
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(height * width, 1)

    def forward(self, frames: Tensor) -> Verdict:
        """frames: (B, C, H, W) in [0, 1]."""
        features = self.hidden(frames).flatten(1)  # (B, height * width)
        return Verdict(features.float(), self.output(features).squeeze(1).float())


def check_shape(shape: Shape, config: Config) -> None:
    """Raises ConfigError where frames are too small for the networks' strides."""
    _, height, width = shape
    in_columns = config.layout == "columns"
    sides, named = ((width,), "the width") if in_columns else ((height, width), "each side")
    halvings = len(config.encoder_channels) - in_columns
    for name, reduction in (
        ("encoder_channels", 2**halvings),
        ("generator_strides", prod(config.generator_strides)),
        ("discriminator_strides", prod(config.discriminator_strides)),
    ):
        if min(sides) < reduction:
            raise ConfigError(
                f"{name}: frames of {height} x {width} are too small for layers that divide "
                f"{named} by {reduction}; use fewer layers or smaller strides, or larger frames"
            )
