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

from functools import partial
from math import ceil
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from nextbar.frames.chain import LOG_VARIANCES, Chain, Gaussian, Mixture
from nextbar.frames.config import Config
from nextbar.frames.contracts import (
    FIRST_BIAS,
    NEVER,
    Columns,
    Drawn,
    Frames,
    History,
    Kinds,
    Latents,
    Rows,
    Shape,
    There,
    Verdict,
    levels_of,
)
from nextbar.frames.emission import LIKELY, Below


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


class ChainEncoder(nn.Module):
    """The frames before -> the distribution of the next frame's latent, part after part.

    Every frame of the history is read by the same layers, column by column, and
    what they read at a column is put together; convolutions then look along the
    columns. Each column has a part of the latent, whose distribution depends on
    that, on a summary of all columns, and on the parts before (:class:`Parts`).

    With ``attention_heads`` the parts also look for what they need in all
    columns of the history (:class:`Remembered`).

    With frames of several kinds, of ``widths`` columns, it is told the kind of
    the frame that comes, and reads of each frame the columns that are there.

    With ``ahead`` it reads frames that come after, too, where they are known.
    """

    def __init__(self, shape: Shape, config: Config, widths: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.channels, height, width = shape[0] // len(config.lags), shape[1], shape[2]
        self.latent, self.n_frames = config.latent, len(config.lags)
        self.latest, self.width = config.latest, width
        first, maps = config.encoder_channels
        n_heads = config.attention_heads
        self.each = Layers(
            nn.Linear(self.channels * height, first),
            *(Residual(first, spread=spread) for spread in ((1, 2) if n_heads else (1,))),
        )
        self.remember = Remember(first, maps, width, config) if n_heads else None
        self.together = Layers(
            nn.Linear(self.n_frames * (first + 1), maps),
            *(Residual(maps, spread=spread, dropout=config.dropout) for spread in SPREADS),
        )
        few = ceil(maps / 4)
        self.summary = nn.Sequential(
            Along(maps, few, stride=2),
            nn.ReLU(),
            Along(few, few, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(few * halved(width, 2), maps),
            nn.ReLU(),
            nn.Linear(maps, maps),
        )
        self.place = nn.Parameter(torch.zeros(width, maps))
        self.widths = widths
        if widths:
            self.place_in_kind = nn.Parameter(torch.zeros(len(widths), width, maps))
        self.state = nn.Linear(LAST * maps, maps)
        self.parts = Parts(maps, config)

    def forward(self, frames: History, kinds: Kinds | None = None) -> Chain:
        """frames: (B, K C, H, W) in [0, 1], the K frames of the history; W may be less than most.

        kinds: (B, K + 1), of these and of the frame that comes; None where all are of one. Frames
        ahead come behind the history, or are left out together where none is known.
        """
        each = frames.reshape(len(frames), -1, self.channels, *frames.shape[2:])
        width = frames.shape[3]
        there = there_of(kinds, self.widths, width)  # (B, K + 1, W)
        if there is None:
            known = each.flatten(2).amax(dim=2).gt(0)[..., None].expand(-1, -1, width)
        else:
            each = each * there[:, :-1, None, None]
            known = each.flatten(2).amax(dim=2).gt(0)[..., None] & there[:, :-1]
        read = self._read(each, known, there)
        remembered = None if self.remember is None else self.remember(read, known)
        step = partial(self.parts, remembered=remembered)
        laid, is_known = read.transpose(1, 2), known.transpose(1, 2).float()  # (B, W, K, ...)
        n_left_out = self.n_frames - each.shape[1]
        laid = F.pad(laid * is_known[..., None], (0, 0, 0, n_left_out)).flatten(2)
        laid = torch.cat([laid, F.pad(is_known, (0, n_left_out))], dim=2)
        if there is None:
            columns = self.together(laid)
            contexts = columns + self.summary(columns)[:, None] + self.place
            state = self.state(columns[:, -LAST:].flatten(1))[None]
            return Chain(contexts, state, step, self.latent)
        assert kinds is not None
        any_there = known.any(dim=1) | there[:, -1]
        columns = self.together(laid, any_there)
        widest = F.pad(columns * any_there[..., None], (0, 0, 0, self.width - width))
        place = (self.place + self.place_in_kind[kinds[:, -1]])[:, :width]
        contexts = columns + self.summary(widest)[:, None] + place
        state = self.state(self._end(columns, known, there).flatten(1))[None]
        return Chain(contexts, state, step, self.latent, there[:, -1])

    def _read(
        self,
        each: Float[Tensor, "batch history channels height width"],
        known: Bool[Tensor, "batch history width"],
        there: Bool[Tensor, "batch frames width"] | None,
    ) -> Float[Tensor, "batch history width first"]:
        """What is read in each column of each frame.

        In training those that are not known are passed over; in writing a frame is the same to
        the bit whatever else is computed with it.
        """
        frames = each.flatten(0, 1)
        of_each = None if there is None else there[:, :-1].flatten(0, 1)
        if not self.training:
            all_read: Tensor = self.each(columns_of(frames), of_each)
            return all_read.view(*each.shape[:2], *all_read.shape[1:])
        chosen = known.any(dim=2).flatten().nonzero().squeeze(1)
        some = self.each(columns_of(frames[chosen]), None if of_each is None else of_each[chosen])
        read: Tensor = some.new_zeros(len(frames), *some.shape[1:]).index_copy(0, chosen, some)
        return read.view(*each.shape[:2], *some.shape[1:])

    def _end(
        self,
        columns: Columns,
        known: Bool[Tensor, "batch history width"],
        there: Bool[Tensor, "batch frames width"],
    ) -> Float[Tensor, "batch last maps"]:
        """The columns at the end of the latest frame; where there is none, of the next one."""
        latest = known[:, self.latest]
        is_last = torch.where(latest.any(dim=1, keepdim=True), latest, there[:, -1])
        end = is_last.sum(dim=1, keepdim=True)  # (B, 1)
        at = (end + torch.arange(-LAST, 0, device=end.device)).clamp(min=0)  # (B, LAST)
        return columns.gather(1, at[..., None].expand(-1, -1, columns.shape[2]))


def there_of(
    kinds: Kinds | None, widths: tuple[int, ...], width: int
) -> Bool[Tensor, "batch frames width"] | None:
    """Which of ``width`` columns frames of these kinds have; None where all frames are of one.

    widths: the columns of frames of each kind.
    """
    if kinds is None:
        return None
    ends = torch.tensor(widths, device=kinds.device)[kinds]  # (B, frames)
    return torch.arange(width, device=kinds.device) < ends[..., None]


SPREADS = (1, 2, 4)
"""How far the convolutions along the history's columns reach: together 7 columns to each side."""
LAST = 2
"""Columns at the frames' end that the first part begins from."""


class Remembered(NamedTuple):
    """The columns of the history, and one that says nothing, for parts to look for.

    keys, values: (B, heads, 1 + K W, maps / heads). scores: (B, heads, W, 1 + K W), added to the
    likeness of each part's query and each key: how far a column lies back, and if it is there.
    """

    keys: Float[Tensor, "batch heads looked_at each"]
    values: Float[Tensor, "batch heads looked_at each"]
    scores: Float[Tensor, "batch heads width looked_at"]


class Remember(nn.Module):
    """What was read in each column of the history -> what attention finds there.

    Attention as in Vaswani et al. (2017), with a learned score for each distance in time, as
    Raffel et al. (2020) have it: what comes back does so after so many columns, wherever frames
    begin; of several widths each is counted as the widest.
    """

    def __init__(self, read: int, maps: int, width: int, config: Config) -> None:
        super().__init__()
        self.heads = config.attention_heads
        self.key_and_value = nn.Sequential(nn.LayerNorm(read), nn.Linear(read, 2 * maps))
        lags, columns = torch.tensor(config.lags), torch.arange(width)
        farthest = (max(config.ahead) + 1) * width if config.ahead else 0
        distance = (lags * width)[None, :, None] + columns[:, None, None] - columns + farthest
        n_distances = (max(config.history) + 1) * width + farthest
        self.distance: Tensor
        self.register_buffer("distance", distance, persistent=False)  # (W, K, W)
        self.scores = nn.Parameter(torch.zeros(self.heads, n_distances))
        self.nothing = nn.Parameter(torch.zeros(2 * maps))

    def forward(
        self,
        read: Float[Tensor, "batch history width maps"],
        known: Bool[Tensor, "batch history width"],
    ) -> Remembered:
        """read: (B, K, W, read). known: (B, K, W), which columns there are."""
        width = read.shape[2]
        found = self.key_and_value(read.flatten(1, 2))  # (B, K W, 2 maps)
        nothing = self.nothing.to(found.dtype).expand(len(found), 1, -1)
        found = torch.cat([nothing, found], dim=1)  # (B, 1 + K W, 2 maps)
        found = found.view(*found.shape[:2], 2, self.heads, -1)
        keys, values = found.permute(2, 0, 3, 1, 4)
        absent = (~known).flatten(1) * NEVER  # (B, K W)
        distance = self.distance[:width, : read.shape[1], :width].flatten(1)  # (W, K W)
        scores = self.scores[:, distance] + absent[:, None, None]
        return Remembered(keys, values, F.pad(scores, (1, 0)).to(keys.dtype))


class Parts(nn.Module):
    """What was read for each part, and the parts before -> each part's mixture of normals.

    A recurrent unit (GRU, Cho et al. 2014) carries the parts before along; what
    it carries is looked for in the history, if that is remembered: where the
    sequence was at this turn before, and what came then.
    """

    def __init__(self, maps: int, config: Config) -> None:
        super().__init__()
        self.n_normals, self.latent = config.latent_mixture, config.latent
        self.before = nn.Linear(config.latent, maps)
        self.recurrent = nn.GRU(maps, maps, batch_first=True)
        self.carried = nn.Linear(maps, maps)
        self.dropout = MapDropout(config.dropout)
        if config.attention_heads:
            self.query = nn.Sequential(nn.LayerNorm(maps), nn.Linear(maps, maps))
            self.found = nn.Linear(maps, maps)
        self.output = nn.Sequential(
            nn.LayerNorm(maps),
            nn.Linear(maps, maps),
            nn.ReLU(),
            nn.Linear(maps, config.latent_mixture * (1 + 2 * config.latent)),
        )

    def forward(
        self,
        contexts: Float[Tensor, "batch parts maps"],
        before: Float[Tensor, "batch parts latent"],
        state: Float[Tensor, "1 batch maps"],
        which: slice,
        *,
        remembered: Remembered | None,
    ) -> tuple[Mixture, Float[Tensor, "1 batch maps"]]:
        """The mixtures of n parts in a row, and the state behind them.

        contexts: (B, n, maps). before: (B, n, latent), for each part the one before
        it. state: (1, B, maps). which: the n parts among all.
        """
        seen = contexts + self.before(before)
        carried, state = self.recurrent(seen, state.to(seen.dtype))
        hidden = seen + self.carried(self.dropout(carried))
        if remembered is not None:
            keys, values, scores = remembered
            query = self.query(hidden).unflatten(2, (keys.shape[1], -1)).transpose(1, 2)
            # What is remembered may be the same for all rows.
            keys, values, scores = (
                each.expand(len(query), -1, -1, -1) for each in (keys, values, scores[:, :, which])
            )
            found = F.scaled_dot_product_attention(query, keys, values, attn_mask=scores)
            hidden = hidden + self.found(self.dropout(found.transpose(1, 2).flatten(2)))
        output = self.output(hidden).float()
        weights, normals = output.tensor_split([self.n_normals], dim=2)
        means, log_variances = normals.unflatten(2, (2, self.n_normals, self.latent)).unbind(2)
        log_variances = log_variances.clamp(-LOG_VARIANCES, LOG_VARIANCES)
        return Mixture(F.log_softmax(weights, dim=2), means, log_variances), state


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
        channels, height, _ = self.shape
        latent = torch.cat(latents)
        latent = latent.view(len(latent), -1, self.latent)  # (all B, W, latent)
        of_all = None if there is None else there.repeat(len(latents), 1)
        columns = self.layers(self.project(latent, of_all), of_all)  # (all B, W, 2 C H)
        if rows is not None:
            open_rows = F.pad(rows.repeat(1, channels), (0, channels * height), value=True)
            columns = columns.masked_fill(~open_rows[:, None], NEVER)
        if self.below is not None:
            gates, levels = columns.chunk(2, dim=2)
            gates = gates.float()
            if of_all is not None:  # nothing is written where no column is
                gates = gates.masked_fill(~of_all[..., None], NEVER)
            columns = torch.cat([self._given_cells(gates, current), levels], dim=2)
        maps = columns.transpose(1, 2).float().unflatten(1, (2, channels, height))
        drawn = [Drawn(levels_of(p[:, 1]), p[:, 0]) for p in maps.split(list(map(len, latents)))]
        return [each.within(there) for each in drawn]

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
