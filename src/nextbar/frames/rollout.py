"""Writing a sequence frame by frame: testing models 1 and 2 of the paper (Fig. 1b)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nextbar.frames.chain import AS_TRAINED
from nextbar.frames.config import Sampling
from nextbar.frames.contracts import Consecutive, Frames, Latents, Noise, Written
from nextbar.frames.model import Model
from nextbar.frames.replicas import few_threads

SLOTS = 16
"""Sequences are computed in groups of exactly this many, the last one padded. The kernels of
a matrix product are chosen by its size, and round differently; in groups of one size a
sequence is the same to the bit however many others are asked for."""


def roll_out(
    model: Model,
    first: Consecutive | None,
    *,
    n_frames: int,
    seeds: Sequence[int],
    sampling: Sampling = AS_TRAINED,
    perceive: Callable[[Frames], Frames] = lambda frames: frames,
) -> Written:
    """New frames, (len(seeds), n_frames, C, H, W) in [0, 1].

    first: (len(seeds), T, C, H, W), the real frames that each sequence goes on
    from (testing model 1, in the paper one, x_0; they are not part of the
    result), or None: the first frame is decoded from noise (testing model 2).
    What the history does not reach back to is not looked at. Sequence i depends
    on ``seeds[i]``, its first frames and the sampling alone. sampling: how
    latents are drawn; at a temperature of 0 the mean of every distribution is
    taken, for ``follow`` see :func:`next_latent`. perceive: what becomes of a
    generated frame before it is encoded again and returned. Departure: the
    paper encodes the raw output; that is the default here.
    """
    groups = []
    noise = latent_noise(seeds, n_frames, model.noise_size)
    for begin in range(0, len(seeds), SLOTS):
        end = min(begin + SLOTS, len(seeds))
        start = None if first is None else _pad(first[begin:end])
        with few_threads(model.config):
            group = _roll_out_group(model, start, _pad(noise[begin:end]), sampling, perceive)
        groups.append(group[: end - begin])
    return torch.cat(groups)


def latent_noise(
    seeds: Sequence[int], n_frames: int, size: int
) -> Float[Tensor, "seeds {n_frames} {size}"]:
    """N(0, I) for each sequence and frame, (len(seeds), n_frames, size).

    Row i depends on ``seeds[i]`` alone, and asking for more frames leaves the
    earlier ones as they were.
    """
    rows = [
        np.random.default_rng(seed).standard_normal((n_frames, size), dtype=np.float32)
        for seed in seeds
    ]
    return torch.from_numpy(np.stack(rows))


@torch.inference_mode()
def _roll_out_group(
    model: Model,
    first: Consecutive | None,
    noise: Float[Tensor, "batch written noise"],
    sampling: Sampling,
    perceive: Callable[[Frames], Frames],
) -> Written:
    model.eval()
    device = _device(model)
    given = [] if first is None else list(first.to(device).unbind(dim=1))
    frames = list(given)
    for noise_now in noise.to(device).unbind(dim=1):
        before = torch.stack(frames[-model.memory :], dim=1) if frames else None
        latent = next_latent(model, before, noise_now, sampling)
        frames.append(perceive(model.generator(latent)))
    return torch.stack(frames[len(given) :], dim=1).cpu()


def next_latent(
    model: Model,
    before: Consecutive | None,
    noise: Noise,
    sampling: Sampling = AS_TRAINED,
) -> Latents:
    """What the next frame is decoded from, (B, latent).

    before: (B, T, C, H, W), the frames before, the latest last, or None: the
    noise itself, as in the paper's testing model 2, or what E has learned to
    say of nothing (``forget``). ``sampling.follow``: how much of E's distribution
    is kept against that one, whose mean and log-variance are 0 in the paper: 1
    is E's, as there; 0 forgets the frames before; between, see ``draw`` of
    :mod:`nextbar.frames.chain`. Departure: the paper has no such choice.
    """
    if before is None:
        return model.beginning(noise).draw(noise, replace(sampling, follow=1))
    # One memory layout, whoever made the frames: kernels are chosen by it, and round differently.
    history = model.history_of(before.unbind(dim=1)).contiguous(memory_format=torch.channels_last)
    reading = model.encoder(history)
    beginning = model.beginning(noise) if sampling.follow < 1 else None
    latent: Tensor = reading.draw(noise, sampling, beginning=beginning)
    return latent


def next_frames(
    model: Model,
    before: Consecutive | None,
    noise: Noise,
    sampling: Sampling = AS_TRAINED,
) -> tuple[Frames, Latents]:
    """One step of :func:`roll_out` by itself: raw frames (B, C, H, W), and their latents.

    before: (B, T, C, H, W) or None, as for :func:`next_latent`. noise: (B,
    ``noise_size``). Frames are the same to the bit as in a rollout, and decoded
    from the returned latents again.
    """
    latents, frames = [], []
    for begin in range(0, len(noise), SLOTS):
        chosen = slice(begin, begin + SLOTS)
        n_rows = len(noise[chosen])
        with torch.inference_mode(), few_threads(model.config):
            model.eval()
            start = None if before is None else _pad(before[chosen]).to(_device(model))
            latent = next_latent(model, start, _pad(noise[chosen]).to(_device(model)), sampling)
        latents.append(latent[:n_rows].cpu())
        frames.append(decode(model, latents[-1]))
    return torch.cat(frames), torch.cat(latents)


@torch.inference_mode()
def decode(model: Model, latents: Latents) -> Frames:
    """The raw frames of latents (B, latent), (B, C, H, W), computed in groups as a rollout's."""
    model.eval()
    frames = []
    for begin in range(0, len(latents), SLOTS):
        group = latents[begin : begin + SLOTS]
        with few_threads(model.config):
            frames.append(model.generator(_pad(group).to(_device(model)))[: len(group)].cpu())
    return torch.cat(frames)


def _device(model: Model) -> torch.device:
    return next(model.parameters()).device


def _pad(group: Tensor) -> Tensor:
    """The group filled up to SLOTS rows with copies of its first."""
    missing = SLOTS - len(group)
    return torch.cat([group, group[:1].expand(missing, *group.shape[1:])]) if missing else group
