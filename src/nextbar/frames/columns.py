"""Encoder, generator and discriminator that look at a frame's columns whole. Not in the paper.

A frame (channels, height, width) is read as ``width`` columns of channels x
height numbers, and convolutions go along the width only, which is for frames
whose rows mean something by themselves: what a row says does not move with it,
as an edge in an image does. It costs a fraction of the paper's networks and
learns more (docs/recipe.md). In and out go the same shapes as in
:mod:`nextbar.frames.plane`.

Inside, maps are the last axis, (B, width, maps), and every convolution is one
matrix product: several times as fast on a CPU as convolution kernels are.
"""

from math import ceil

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nextbar.frames.chain import LOG_VARIANCES, Gaussian
from nextbar.frames.config import Config
from nextbar.frames.contracts import (
    FIRST_BIAS,
    NEVER,
    Columns,
    Drawn,
    Frames,
    Latents,
    Rows,
    Shape,
    There,
    Verdict,
    levels_of,
)
from nextbar.frames.emission import LIKELY, Below, Cells


def columns_of(frames: Frames) -> Float[Tensor, "batch width rows"]:
    """The columns of frames (B, C, H, W), (B, W, C * H)."""
    return frames.flatten(1, 2).transpose(1, 2)


class Along(nn.Module):
    """A convolution along the width: (B, width, maps) -> (B, width / stride, out), rounded up.

    Three columns go into one; ``spread`` is how far apart they lie.
    """

    def __init__(self, maps: int, out: int, *, stride: int = 1, spread: int = 1) -> None:
        super().__init__()
        self.stride, self.spread = stride, spread
        self.product = nn.Linear(3 * maps, out)

    def forward(
        self, columns: Columns, there: There | None = None
    ) -> Float[Tensor, "batch strided out"]:
        """columns: (B, width, maps). there: what lies where nothing is, is taken for 0.

        So it is beyond the edges, too: a frame gives the same whatever stands beyond its width.
        """
        if there is not None:
            columns = columns * there[..., None]
        width, spread = columns.shape[1], self.spread
        padded = F.pad(columns, (0, 0, spread, spread))
        three = [padded[:, at : at + width : self.stride] for at in (0, spread, 2 * spread)]
        product: Tensor = self.product(torch.cat(three, dim=2))
        return product


class MapDropout(nn.Module):
    """(B, width, maps) -> the same; in training some maps are left out, along all columns alike.

    As Gal & Ghahramani (2016) have it for recurrent networks; and few numbers are to be drawn.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, columns: Columns) -> Columns:
        """columns: (B, width, maps)."""
        if not (self.training and self.share):
            return columns
        return columns * F.dropout(columns.new_ones(len(columns), 1, columns.shape[2]), self.share)


class Residual(nn.Module):
    """(B, width, maps) -> the same, with something added to it; nothing at the beginning."""

    def __init__(self, maps: int, *, spread: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(maps)
        self.along = Along(maps, maps, spread=spread)
        self.dropout = MapDropout(dropout)
        self.last = nn.Linear(maps, maps)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, columns: Columns, there: There | None = None) -> Columns:
        """columns: (B, width, maps). there: see :class:`Along`."""
        hidden = F.relu(self.along(F.relu(self.norm(columns)), there))
        added: Tensor = self.last(self.dropout(hidden))
        return columns + added


class Layers(nn.Sequential):
    """Layers one behind the other, those along the width told which columns are there."""

    def forward(
        self, columns: Columns, there: There | None = None
    ) -> Float[Tensor, "batch width _"]:
        """columns: (B, width, maps)."""
        for layer in self:
            along = isinstance(layer, (Along, Residual))
            columns = layer(columns, there) if along else layer(columns)
        return columns


def halved(width: int, times: int) -> int:
    """The width after so many halvings."""
    return -(-width // (1 << times))


def moments(maps: Float[Tensor, "batch *parts both"]) -> Gaussian:
    """Means, then log-variances, of the last axis, as a distribution of all the others flattened.

    maps: (B, ..., 2 latent).
    """
    mean, log_variance = (half.flatten(1) for half in maps.float().chunk(2, dim=-1))
    return Gaussian(mean, log_variance.clamp(-LOG_VARIANCES, LOG_VARIANCES))


class PartsEncoder(nn.Module):
    """A frame -> mean and log-variance of its own latent in parts, one for each column.

    The posterior, used only while training: all parts at once, since it sees
    the whole frame. It sees nothing else: what a latent means does not depend
    on the frames before, which leaves the prior less to learn.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, height, _ = shape
        maps = config.encoder_channels[-1]
        self.layers = Layers(
            nn.Linear(channels * height, maps),
            Residual(maps, dropout=config.dropout),
            Residual(maps, dropout=config.dropout),
            nn.LayerNorm(maps),
            nn.ReLU(),
            nn.Linear(maps, 2 * config.latent),
        )

    def forward(self, frames: Frames, there: There | None = None) -> Gaussian:
        """frames: (B, C, H, W) in [0, 1]. Returns (mean, log_variance), (B, parts * latent).

        there: (B, W), which columns there are, if not all.
        """
        return moments(self.layers(columns_of(frames), there))


class ColumnGenerator(nn.Module):
    """A latent, with a part for each column -> a frame, as ``Generator``. Paper Eq. 6.

    A projection, then maps of each of ``generator_channels``, two residual
    blocks behind each, and one more convolution to all rows of all channels,
    which says where something is (a gate) apart from how much (a level). With a
    causal emission a gate also depends on the cells before it (:class:`Below`).
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        self.shape = shape
        channels, height, _ = shape
        first, *others = config.generator_channels
        self.project = Along(config.latent, first)
        layers: list[nn.Module] = [Residual(first), Residual(first)]
        maps = first
        for out in others:
            layers += [Along(maps, out), Residual(out), Residual(out)]
            maps = out
        last = Along(maps, 2 * channels * height)
        nn.init.zeros_(last.product.bias)
        with torch.no_grad():
            # A gate of twice the bias is as likely as (1 + tanh) / 2 of it is great.
            last.product.bias[: channels * height] = 2 * FIRST_BIAS
        self.latent = config.latent
        self.layers = Layers(*layers, nn.LayerNorm(maps), nn.ReLU(), last)
        self.below = Below(channels, height) if config.emission == "causal" else None

    def forward(
        self, latent: Latents, there: There | None = None, rows: Rows | None = None
    ) -> Frames:
        """latent: (B, width * latent). Returns frames (B, C, H, W) in [0, 1].

        there: (B, W), the columns that are drawn, if not all; the others are 0.
        rows: (B, H), those in which something may be, if not all.
        """
        return self.decode(latent, there=there, rows=rows)[0].frames()

    def decode(
        self,
        *latents: Float[Tensor, "_ latent"],
        there: There | None = None,
        current: Frames | None = None,
        rows: Rows | None = None,
    ) -> list[Drawn]:
        """What is drawn of several batches of latents, each (B, width * latent), in one pass.

        current: (B, C, H, W), the frames that the first latents were read off; with a causal
        emission the gates of these are then given its cells, and not given those drawn before.
        rows: where nothing may be, nothing is, and the cells above know of it.
        """
        of_all = None if there is None else there.repeat(len(latents), 1)
        gates, levels = self.by_latent(torch.cat(latents), of_all, rows)
        if self.below is not None:
            gates = self._given_cells(gates, current)
        lengths = list(map(len, latents))
        of_each = zip(torch.split(gates, lengths), torch.split(levels, lengths), strict=True)
        return [self.drawn(*each).within(there) for each in of_each]

    def by_latent(
        self,
        latent: Latents,
        there: There | None,
        rows: Rows | None = None,
    ) -> tuple[Cells, Cells]:
        """Gates and levels of the cells of all columns as the latent alone has them, (B, W, C H).

        there, rows: as for :meth:`forward`; elsewhere no gate is open, so that nothing is written.
        """
        parts = latent.view(len(latent), -1, self.latent)  # (B, W, latent)
        gates, levels = self.layers(self.project(parts, there), there).float().chunk(2, dim=2)
        if rows is not None:
            gates = gates.masked_fill(~rows.repeat(1, self.shape[0])[:, None], NEVER)
        if there is not None:
            gates = gates.masked_fill(~there[..., None], NEVER)
        return gates, levels

    def drawn(self, gates: Cells, levels: Cells) -> Drawn:
        """What is drawn by the gates and levels of columns, each (B, W, C H)."""
        rows = self.shape[:2]
        gate, level = (torch.unflatten(each.transpose(1, 2), 1, rows) for each in (gates, levels))
        return Drawn(levels_of(level), gate)

    def _given_cells(
        self, gates: Float[Tensor, "all width cells"], current: Frames | None
    ) -> Float[Tensor, "all width cells"]:
        """Gates of columns, (all B, W, C H), given the cells before each: of current, or drawn."""
        assert self.below is not None
        if current is None and not torch.is_grad_enabled():
            return self.below.write(gates)
        n_given = 0 if current is None else len(current)
        cells = [] if current is None else [columns_of(current) > 0]
        if n_given < len(gates):
            cells.append(self.below.write(gates[n_given:].detach()) > 0)
        given: Tensor = self.below(gates, torch.cat(cells).to(gates.dtype))
        return torch.cat([given[:n_given], given[n_given:] - LIKELY])


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
        for nth, out in enumerate(config.discriminator_channels):
            stride = 2 if nth else 1
            layers += [Along(maps, out, stride=stride), nn.LeakyReLU(0.2)]
            maps, width = out, ceil(width / stride)
        self.hidden = nn.Sequential(*layers, nn.Flatten())
        self.output = nn.Linear(maps * width, 1)

    def forward(self, frames: Frames) -> Verdict:
        """frames: (B, C, H, W) in [0, 1]."""
        features = self.hidden(columns_of(frames))  # (B, width * maps)
        return Verdict(features.float(), self.output(features).squeeze(1).float())
