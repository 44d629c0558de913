"""The encoder in columns: the frames before -> a distribution for each part of the next latent.

What is read of the history stands in :class:`ChainEncoder`; how each part's
distribution follows from that and from the parts before, in :class:`Parts`.
Not in the paper: see :mod:`nextbar.frames.columns`.
"""

from functools import partial
from math import ceil
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from nextbar.frames.chain import LOG_VARIANCES, Chain, Mixture
from nextbar.frames.columns import Along, Layers, MapDropout, Residual, columns_of, halved
from nextbar.frames.config import Config
from nextbar.frames.contracts import (
    NEVER,
    Columns,
    History,
    Kinds,
    Shape,
)


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
