"""Sequences of frames -> (previous, current) pairs, in batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nextbar.errors import ConfigError, CorpusError


class Frames(Protocol):
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
    full_scale: the stored value that stands for 1.0 (127 for velocities, 255
    for bytes of video, 1 for floats).
    """

    frames: Frames
    index: npt.NDArray[np.int64]
    full_scale: float = 1.0

    def fetch(self, numbers: npt.NDArray[np.int64]) -> Tensor:
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

    def epoch(
        self, epoch: int, *, skip: int = 0, rank: int = 0, world: int = 1
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """(previous, current), each (batch, channels, height, width) in [0, 1].

        Each pair comes once. The order depends on nothing but seed and epoch.
        skip: batches to leave out at the beginning. rank, world: of ``world``
        processes that share each batch the one whose share is wanted; a share
        that would be empty is the batch's first pair.
        """
        previous = previous_frames(self.sequences.index, self.chosen)
        np.random.default_rng([self.seed, epoch]).shuffle(previous)
        for begin in range(skip * self.batch, len(previous), self.batch):
            joint = previous[begin : begin + self.batch]
            numbers = joint[rank::world] if rank < len(joint) else joint[:1]
            both = self.sequences.fetch(np.concatenate([numbers, numbers + 1]))
            yield both[: len(numbers)], both[len(numbers) :]
