"""Sequences of frames -> (previous, current) pairs, in batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from nextbar.errors import ConfigError, CorpusError
from nextbar.frames.contracts import Frames, History, Kinds

ALIKE_WITHIN: Final = 64
"""Batches, drawn at random, within which frames of one width come together."""
SHOWN_AHEAD: Final = 0.4
"""Share of the pairs whose frames ahead are shown, where any are read: mostly there are none."""
NONE_MISSING: Final = 0.5
"""Share of these whose very next frame is shown; in the others one or more are missing."""


@runtime_checkable
class StoredFrames(Protocol):
    """Frames that can be fetched by number: a NumPy array, a memory map, or what draws them."""

    def __len__(self) -> int:
        """How many frames there are."""
        ...

    def __getitem__(self, numbers: npt.NDArray[np.int64], /) -> npt.NDArray[Any]:
        """(len(numbers), channels, height, width), unsigned integers or floats."""
        ...


@dataclass(frozen=True)
class Sequences:
    """Frames and where each sequence begins.

    frames: (all frames of all sequences, one after the other). index:
    (sequences + 1,), sequence s is frames ``index[s]`` to ``index[s + 1]``.
    full_scale: the stored value that stands for 1.0 (255 for bytes of video, 1
    for floats). kinds: (frames,), the number of each frame's kind, where there
    are several. widths: of each kind, how many columns its frames have; beyond
    they are empty.
    """

    frames: StoredFrames
    index: npt.NDArray[np.int64]
    full_scale: float = 1.0
    kinds: npt.NDArray[np.integer] | None = None
    widths: tuple[int, ...] = ()

    def fetch(self, numbers: npt.NDArray[np.int64]) -> Frames:
        """The frames as float32 in [0, 1], (len(numbers), channels, height, width)."""
        stored = torch.from_numpy(np.ascontiguousarray(self.frames[numbers]))
        return stored.to(torch.float32).div_(self.full_scale)


def previous_frames(
    index: npt.NDArray[np.int64], chosen: npt.NDArray[np.integer]
) -> npt.NDArray[np.int64]:
    """The number of each pair's previous frame; its current one is the next number.

    Pairs never cross two sequences: a sequence of n frames gives n - 1 pairs.
    index: as in :class:`Sequences`. chosen: which sequences.
    """
    first, last = index[chosen], index[np.asarray(chosen) + 1]
    counts = np.maximum(last - first - 1, 0)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    numbers: npt.NDArray[np.int64] = np.repeat(first, counts) + within
    return numbers


class Pairs(NamedTuple):
    """Some pairs: (batch, K channels, height, width), the K frames of the history (and behind
    them those ahead) along the channels, and (batch, channels, height, width), the current ones.

    kinds: (batch, K + 1), of these and of those, where there are kinds; the
    width is then that of the widest frame among them.
    """

    previous: History
    current: Frames
    kinds: Kinds | None = None


@dataclass(frozen=True)
class PairBatches:
    """The pairs of the chosen sequences, in batches, in an order decided by seed and epoch.

    Raises CorpusError where there is no pair, ConfigError where the batch is
    larger than the number of pairs.
    """

    sequences: Sequences
    chosen: npt.NDArray[np.integer]
    batch: int
    seed: int
    history: tuple[int, ...] = (1,)
    """How many frames back each of the frames lies that stand for "previous"."""
    forget: float = 0.0
    """Share of the pairs whose history is cut off somewhere, drawn anew each epoch."""
    ahead: tuple[int, ...] = ()
    """How many frames ahead each of those lies that are read where they are there."""

    def __post_init__(self) -> None:
        n_pairs = len(self)
        if n_pairs == 0:
            raise CorpusError(
                "no pair of consecutive frames to train on: every training sequence "
                "has fewer than two frames; add longer ones"
            )
        if self.batch > n_pairs:
            raise ConfigError(
                f"batch: {self.batch} is more than the {n_pairs} training pairs there are; "
                f"choose a batch of at most {n_pairs}, or add data"
            )

    def __len__(self) -> int:
        """The number of pairs."""
        return self._n_pairs

    @cached_property
    def _n_pairs(self) -> int:
        return int(np.maximum(np.diff(self.sequences.index)[self.chosen] - 1, 0).sum())

    @property
    def n_batches(self) -> int:
        """Batches in one epoch; the last may be smaller."""
        return -(-len(self) // self.batch)

    def batch_size(self, number: int) -> int:
        """Pairs in the batch of that number, from 0; the last one may be smaller."""
        return min(self.batch, len(self) - number * self.batch)

    def epoch(self, epoch: int, *, skip: int = 0, rank: int = 0, world: int = 1) -> Iterator[Pairs]:
        """The pairs of each batch, values in [0, 1].

        The history is in its order, zeros where the sequence had not begun or it
        is forgotten. Frames ahead are shown in ``SHOWN_AHEAD`` of the pairs, in the
        others they are zeros, and so are those beyond the sequence's end; where
        they are shown the first may be missing, as where several frames are to be
        filled in. Each pair comes once. The order depends on nothing but seed
        and epoch; where there are kinds, frames of one width come together, for
        narrow ones cost less by themselves. skip: batches to leave out at the
        beginning. rank, world: of ``world`` processes that share each batch the
        one whose share is wanted; a share that would be empty is the batch's
        first pair.
        """
        rng = np.random.default_rng([self.seed, epoch])
        previous = previous_frames(self.sequences.index, self.chosen)
        rng.shuffle(previous)
        if self.sequences.kinds is not None:
            widths = np.array(self.sequences.widths)[self.sequences.kinds[previous + 1]]
            previous = previous[self._alike_together(widths, rng)]
        reach = self._reach(previous, rng)
        span = self._ahead(previous, rng)
        for begin in range(skip * self.batch, len(previous), self.batch):
            joint = np.arange(begin, min(begin + self.batch, len(previous)))
            share = joint[rank::world] if rank < len(joint) else joint[:1]
            yield self._fetch(previous[share], reach[share], span[:, share])

    def _alike_together(
        self, widths: npt.NDArray[np.integer], rng: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        """An order of the pairs in which most batches are of one width.

        It changes nothing beyond a stretch of ``ALIKE_WITHIN`` batches, whose
        batches come in any order; the last batch of all stays the last.
        """
        orders, at_once = list[npt.NDArray[np.int64]](), ALIKE_WITHIN * self.batch
        for begin in range(0, len(widths), at_once):
            order = begin + np.argsort(widths[begin : begin + at_once], kind="stable")
            n_whole = len(order) // self.batch
            whole = order[: n_whole * self.batch].reshape(n_whole, self.batch)
            orders += [rng.permutation(whole).ravel(), order[n_whole * self.batch :]]
        return np.concatenate(orders)

    def _reach(
        self, previous: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        """How many frames back each pair's history goes: to the sequence's first, or less."""
        index = self.sequences.index
        reach = previous + 1 - index[np.searchsorted(index, previous, side="right") - 1]
        if self.forget:
            cut = rng.choice([0, *self.history], len(previous))
            reach = np.where(rng.random(len(previous)) < self.forget, np.minimum(reach, cut), reach)
        return reach

    def _ahead(
        self, previous: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        """Which frames ahead each pair is shown, (2, pairs): from the first number to the last."""
        if not self.ahead:
            return np.zeros((2, len(previous)), np.int64)
        index = self.sequences.index
        last = index[np.searchsorted(index, previous, side="right")] - 2 - previous
        n_missing = rng.choice(self.ahead, len(previous))
        n_missing[rng.random(len(previous)) < NONE_MISSING] = 0
        is_shown = rng.random(len(previous)) < SHOWN_AHEAD
        return np.stack([n_missing + 1, np.where(is_shown, last, 0)])

    def _fetch(
        self,
        previous: npt.NDArray[np.int64],
        reach: npt.NDArray[np.int64],
        span: npt.NDArray[np.int64],
    ) -> Pairs:
        lags = np.array([*self.history, *(-lag for lag in self.ahead)])
        current = previous + 1
        first, last = span
        is_ahead = (first <= -lags[:, None]) & (-lags[:, None] <= last)
        is_known = np.where(lags[:, None] > 0, lags[:, None] <= reach, is_ahead)  # (K, batch)
        numbers = np.where(is_known, current - lags[:, None], current)
        both = self.sequences.fetch(np.concatenate([numbers.ravel(), current]))
        before, now = both[: numbers.size], both[numbers.size :]
        if not is_known.all():
            before[torch.from_numpy(~is_known.ravel())] = 0
        before = before.view(len(lags), len(current), *before.shape[1:])
        pairs = Pairs(before.transpose(0, 1).flatten(1, 2), now)
        if self.sequences.kinds is None:
            return pairs
        kinds = self.sequences.kinds[np.concatenate([numbers, current[None]])].T  # (batch, K + 1)
        widest = int(np.array(self.sequences.widths)[kinds].max())
        return Pairs(
            pairs.previous[..., :widest],
            pairs.current[..., :widest],
            torch.from_numpy(kinds.astype(np.int64)),
        )
