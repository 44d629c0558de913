"""Phrases to learn from: what a model rolls out, beside real sequences of the same kinds."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from nextbar.frames.config import Sampling
from nextbar.frames.contracts import Frames
from nextbar.frames.model import Model
from nextbar.frames.pairs import Sequences
from nextbar.frames.phrases import (
    HELD_BACK,
    ROLLOUTS,
    WRITTEN,
    Examples,
    Learned,
    ends_of,
    learn_phrases,
)
from nextbar.frames.rollout import roll_out


def train_phrases(
    model: Model,
    sequences: Sequences,
    chosen: npt.NDArray[np.integer],
    *,
    sampling: Sampling,
    perceive: Callable[[Frames], Frames],
) -> Iterator[float]:
    """Trains the model's discriminator of phrases, yielding the loss after each update.

    chosen: the sequences that E and G were trained on; every ``HELD_BACK``-th
    says when to stop. sampling: how latents are drawn while writing. perceive:
    as for :func:`roll_out`. Where no sequence is long enough there is nothing to
    learn from, and nothing is learned. Decided by the configuration's seed alone.
    """
    config, discriminator = model.config, model.phrases
    assert discriminator is not None
    rng = np.random.default_rng([config.seed, 5])
    is_back = np.arange(len(chosen)) % HELD_BACK == HELD_BACK // 2
    learned, back = (_firsts(sequences, chosen[part]) for part in (~is_back, is_back))
    if not (len(learned) and len(back)):
        return
    parts = [
        _learn_from(model, sequences, firsts, n, sampling, perceive, rng)
        for firsts, n in ((learned, ROLLOUTS), (back, ROLLOUTS // HELD_BACK))
    ]
    seed = int(rng.integers(2**31))
    yield from learn_phrases(discriminator, *parts, n_updates=config.phrase_updates, seed=seed)


def _learn_from(
    model: Model,
    sequences: Sequences,
    firsts: npt.NDArray[np.int64],
    n: int,
    sampling: Sampling,
    perceive: Callable[[Frames], Frames],
    rng: np.random.Generator,
) -> Examples:
    """Real sequences, rolled out ones behind a real frame, and such from noise, n of each."""
    real = _real(sequences, firsts[rng.integers(len(firsts), size=n)])
    numbers = firsts[rng.integers(len(firsts), size=n)]
    first = sequences.fetch(numbers)[:, None]
    plain = replace(sampling, choose=0)
    kinds = None
    if sequences.kinds is not None:
        behind = numbers[:, None] + np.arange(WRITTEN + 1)
        kinds = torch.from_numpy(sequences.kinds[behind].astype(np.int64))
    seeds = rng.integers(2**62, size=2 * n).tolist()
    going_on = roll_out(
        model, first, n_frames=WRITTEN, seeds=seeds[:n], sampling=plain, perceive=perceive,
        kinds=kinds,
    )  # fmt: skip
    begun = roll_out(
        model, None, n_frames=WRITTEN + 1, seeds=seeds[n:], sampling=plain, perceive=perceive,
        kinds=kinds,
    )  # fmt: skip
    width = begun.shape[-1]
    first = torch.nn.functional.pad(first, (0, width - first.shape[-1]))
    return Examples(
        Learned(real, ends_of(n, 0, rng)),
        Learned(torch.cat([first, going_on], dim=1) > 0, ends_of(n, 1, rng)),
        Learned(begun > 0, ends_of(n, 0, rng)),
    )


def _firsts(sequences: Sequences, chosen: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """The numbers of all frames of these sequences that have ``WRITTEN`` behind them."""
    first, last = sequences.index[chosen], sequences.index[np.asarray(chosen) + 1]
    counts = np.maximum(last - first - WRITTEN, 0)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    found: npt.NDArray[np.int64] = np.repeat(first, counts) + within
    return found


def _real(sequences: Sequences, firsts: npt.NDArray[np.int64]) -> torch.Tensor:
    rows = [sequences.fetch(number + np.arange(WRITTEN + 1)) > 0 for number in firsts]
    return torch.stack(rows)
