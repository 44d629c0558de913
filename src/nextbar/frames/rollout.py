"""Writing a sequence frame by frame: testing models 1 and 2 of the paper (Fig. 1b)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from nextbar.frames.losses import draw_latent
from nextbar.frames.model import Model

SLOTS = 16
"""Sequences are computed in groups of exactly this many, the last one padded. The kernels of
a matrix product are chosen by its size, and round differently; in groups of one size a
sequence is the same to the bit however many others are asked for."""


def roll_out(
    model: Model,
    first: Tensor | None,
    *,
    n_frames: int,
    seeds: Sequence[int],
    temperature: float = 1.0,
    perceive: Callable[[Tensor], Tensor] = lambda frames: frames,
) -> Tensor:
    """New frames, (len(seeds), n_frames, C, H, W) in [0, 1].

    first: (len(seeds), C, H, W), the real frame x_0 that each sequence goes on
    from (testing model 1; it is not part of the result), or None: the first
    frame is decoded from noise (testing model 2). Sequence i depends on
    ``seeds[i]``, its first frame and the temperature alone. temperature: what
    the noise is multiplied by, 0 takes the mean of every distribution.
    perceive: what becomes of a generated frame before it is encoded again and
    returned (for music: the notes that will be heard). Departure: the paper
    encodes the raw output; that is the default here.
    """
    groups = []
    noise = latent_noise(seeds, n_frames, model.config.latent) * temperature
    for begin in range(0, len(seeds), SLOTS):
        end = min(begin + SLOTS, len(seeds))
        start = None if first is None else _pad(first[begin:end])
        group = _roll_out_group(model, start, _pad(noise[begin:end]), perceive)
        groups.append(group[: end - begin])
    return torch.cat(groups)


def latent_noise(seeds: Sequence[int], n_frames: int, latent: int) -> Tensor:
    """N(0, I) for each sequence and frame, (len(seeds), n_frames, latent).

    Row i depends on ``seeds[i]`` alone, and asking for more frames leaves the
    earlier ones as they were.
    """
    rows = [
        np.random.default_rng(seed).standard_normal((n_frames, latent), dtype=np.float32)
        for seed in seeds
    ]
    return torch.from_numpy(np.stack(rows))


@torch.inference_mode()
def _roll_out_group(
    model: Model, first: Tensor | None, noise: Tensor, perceive: Callable[[Tensor], Tensor]
) -> Tensor:
    model.eval()
    frames: list[Tensor] = []
    device = next(model.parameters()).device
    last = None if first is None else first.to(device)
    for noise_now in noise.to(device).unbind(dim=1):
        if last is None:
            latent = noise_now
        else:
            mean, log_variance = model.encoder(last)
            latent = draw_latent(mean, log_variance, noise_now)
        last = perceive(model.generator(latent))
        frames.append(last)
    return torch.stack(frames, dim=1).cpu()


def _pad(group: Tensor) -> Tensor:
    """The group filled up to SLOTS rows with copies of its first."""
    missing = SLOTS - len(group)
    return torch.cat([group, group[:1].expand(missing, *group.shape[1:])]) if missing else group
