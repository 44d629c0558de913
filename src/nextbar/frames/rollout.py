"""Writing a sequence frame by frame: testing models 1 and 2 of the paper (Fig. 1b)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nextbar.frames.chain import AS_TRAINED, Chain, Gaussian, only_there
from nextbar.frames.config import SLOTS, Sampling
from nextbar.frames.contracts import (
    Consecutive,
    Frames,
    History,
    Kinds,
    Latents,
    Noise,
    Rows,
    There,
    Written,
)
from nextbar.frames.model import After, Model
from nextbar.frames.phrases import PHRASE, Candidates, Luck, Score, Wish, scorer
from nextbar.frames.pointer import Pointer, pointed_at
from nextbar.frames.pointer import said_again as is_one_of
from nextbar.frames.replicas import few_threads

ECHO = 1000.0
"""What is taken off the score of a frame that is an echo: it is chosen only where all are."""
Comes = Bool[Tensor, "batch"]
"""Which frames are one of those before as it stands, and were not drawn."""


def roll_out(
    model: Model,
    first: Consecutive | None,
    *,
    n_frames: int,
    seeds: Sequence[int],
    sampling: Sampling = AS_TRAINED,
    perceive: Callable[[Frames], Frames] = lambda frames: frames,
    kinds: Kinds | None = None,
    after: After | None = None,
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
    paper encodes the raw output; that is the default here. kinds:
    (len(seeds), T + n_frames), of the first frames and of those to come, where
    there are kinds. after: frames that come behind those written, for each
    sequence as many; what is written leads to them, if the model reads ahead.
    Where the discriminator of phrases has a say (``sampling.choose``), see
    :func:`roll_out_choosing`.
    """
    if model.chooses(sampling):
        return torch.cat(
            [
                roll_out_choosing(
                    model,
                    None if first is None else first[nth : nth + 1],
                    seed=seed,
                    n_frames=n_frames,
                    sampling=sampling,
                    perceive=perceive,
                    kinds=None if kinds is None else kinds[nth : nth + 1],
                    after=None if after is None else row_of(after, nth),
                )
                for nth, seed in enumerate(seeds)
            ]
        )
    groups = []
    noise = latent_noise(seeds, n_frames, model.noise_size)
    for begin in range(0, len(seeds), SLOTS):
        end = min(begin + SLOTS, len(seeds))
        start = None if first is None else _pad(first[begin:end])
        with few_threads(model.config):
            chosen = None if kinds is None else _pad(kinds[begin:end])
            ahead = None if after is None else _of_rows(after, slice(begin, end))
            args = (model, start, _pad(noise[begin:end]), sampling, perceive, chosen, ahead)
            group = _roll_out_group(*args)
        groups.append(group[: end - begin])
    return torch.cat(groups)


def roll_out_choosing(
    model: Model,
    first: Consecutive | None,
    *,
    seed: int,
    n_frames: int,
    sampling: Sampling = AS_TRAINED,
    perceive: Callable[[Frames], Frames] = lambda frames: frames,
    kinds: Kinds | None = None,
    after: After | None = None,
    wish: Wish | None = None,
    rows: Bool[Tensor, "written height"] | None = None,
) -> Written:
    """One sequence as of :func:`roll_out`, each frame one of ``SLOTS`` drawn side by side.

    first, kinds, after: as there, of one row. Which is taken: by the
    discriminator of phrases (``sampling.choose``), and by the wish, see
    :func:`nextbar.frames.phrases.chooser`. The first is drawn with the seed's own
    noise: where neither has a say, the sequence is that of :func:`roll_out`, but for rounding.
    rows: for each frame those in which something may be; in columns only. A
    sequence alone costs little more than without.
    """
    own = latent_noise([seed], n_frames, model.noise_size)[0]
    noise, luck = candidate_noise((seed,), own)
    score = scorer(model.phrases if model.chooses(sampling) else None, sampling, luck, wish)
    start = None if first is None else _pad(first)
    of_all = None if kinds is None else _pad(kinds)
    ahead = None if after is None else _of_rows(after, slice(None))
    with few_threads(model.config):
        args = (model, start, noise, sampling, perceive, of_all, ahead, score, rows)
        return _roll_out_group(*args)[:1]


def candidate_noise(
    key: tuple[int, ...], own: Float[Tensor, "time noise"]
) -> tuple[Float[Tensor, "slots time noise"], Float[Tensor, "time slots"]]:
    """The noise of all candidates, the own one first, and what decides between equal ones.

    key: what the others are drawn by. Asking for more frames leaves the earlier ones.
    """
    shape = tuple(own.shape)
    rngs = [np.random.default_rng([*key, other]) for other in range(1, SLOTS)]
    others = [torch.from_numpy(rng.standard_normal(shape, np.float32)) for rng in rngs]
    luck = np.random.default_rng([*key, SLOTS]).gumbel(size=(len(own), SLOTS))
    return torch.stack([own, *others]), torch.from_numpy(luck).float()


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
    kinds: Kinds | None,
    after: After | None,
    score: Score | None = None,
    rows: Bool[Tensor, "written height"] | None = None,
) -> Written:
    model.eval()
    device = _device(model)
    ahead = None if after is None else _to(after, device)
    given = [] if first is None else list(first.to(device).unbind(dim=1))
    frames = list(given)
    of_all = None if kinds is None else kinds.to(device)
    for nth, noise_now in enumerate(noise.to(device).unbind(dim=1)):
        before = torch.stack(frames[-model.memory :], dim=1) if frames else None
        n_frames = len(frames)
        now = None if of_all is None else of_all[:, max(0, n_frames - model.memory) : n_frames + 1]
        if ahead is not None:
            ahead = ahead._replace(gap=noise.shape[1] - 1 - nth)
        latent = next_latent(
            model, before, noise_now, sampling, now, ahead, alike=score is not None
        )
        there = model.there_in(now, model.shape[2])
        may_be = None if rows is None else rows[nth].to(device).expand(SLOTS, -1)
        drawn = model.draw(latent, there, may_be, before)
        around = (before, now, ahead) if score is None else _of_one(before, now, ahead)
        drawn, comes = said_again(model, drawn, noise_now, sampling, *around, rows=may_be)
        drawn = perceive(drawn)
        if score is not None:
            free = drawn
            if may_be is not None:
                unbound = perceive(model.draw(latent, there))
                free = torch.where(comes[:, None, None, None], drawn, unbound)
            scores = score(Candidates(drawn.cpu(), free.cpu(), _latest(frames), nth))
            scores = scores - ECHO * echoes(model, drawn, comes, *around).cpu()
            chosen = int(scores.argmax())
            drawn = drawn[chosen : chosen + 1].expand_as(drawn).contiguous()
        frames.append(drawn)
    return torch.stack(frames[len(given) :], dim=1).cpu()


def said_again(
    model: Model,
    drawn: Frames,
    noise: Noise,
    sampling: Sampling,
    before: Float[Tensor, "around time channels height width"] | None,
    kinds: Int[Tensor, "around kinds"] | None,
    after: After | None,
    *,
    rows: Rows | None = None,
) -> tuple[Frames, Comes]:
    """The drawn frames, (B, C, H, W), or in their place one that comes again; and which do.

    before, kinds, after: as for :func:`next_latent`, of as many rows, or of one, of which all are
    alike. rows: (B, H), those in which something may be: a frame with more does not come again.
    """
    n_rows = len(drawn)
    pointed = _pointed_at_by(model, before, kinds, after)
    if pointed is None:
        return drawn, drawn.new_zeros(n_rows, dtype=torch.bool)
    pointer, found, of_all = pointed
    odds = pointer(found, of_all).expand(n_rows, -1)
    each = torch.unflatten(found, 1, (-1, model.shape[0])).expand(n_rows, -1, -1, -1, -1)
    nth = pointed_at(odds, noise[:, -1], sampling)
    comes = nth < each.shape[1]
    again = each[torch.arange(n_rows, device=nth.device), nth.where(comes, 0)]
    if rows is not None:
        comes = comes & ~((again.amax(dim=(1, 3)) > 0) & ~rows).any(dim=1)
    return torch.where(comes[:, None, None, None], again, drawn), comes


def echoes(
    model: Model,
    frames: Frames,
    comes: Comes,
    before: Float[Tensor, "around time channels height width"] | None,
    kinds: Int[Tensor, "around kinds"] | None,
    after: After | None,
) -> Comes:
    """Which frames, as perceived, are one that might have come again, and yet were drawn.

    A drawn one stands for a new one: were these taken too, more would come again than is learned.
    """
    pointed = _pointed_at_by(model, before, kinds, after)
    if pointed is None:
        return torch.zeros_like(comes)
    _, found, of_all = pointed
    n_rows = len(frames)
    rows = None if of_all is None else of_all.expand(n_rows, -1)
    found = found.expand(n_rows, -1, -1, -1)
    return is_one_of(found, frames, rows).any(dim=1) & ~comes


def _pointed_at_by(
    model: Model,
    before: Float[Tensor, "around time channels height width"] | None,
    kinds: Int[Tensor, "around kinds"] | None,
    after: After | None,
) -> tuple[Pointer, History, Int[Tensor, "around of_all"] | None] | None:
    """What has learned to point, what it points at, and the kinds; None where nothing can be."""
    pointer, lags = model.pointer, model.config.repeats
    if pointer is None or not pointer.n_updates or (before is None and after is None):
        return None
    frames = [] if before is None else before.unbind(dim=1)
    return pointer, model.history_of(frames, after, lags), model.kinds_of(kinds, after, lags)


def _with_latents(
    latent: Latents, frames: Frames, comes: Comes, model: Model, there: There | None
) -> tuple[Frames, Latents]:
    """The frames, and what they are decoded from, or where they come again nearly so."""
    if not comes.any():
        return frames, latent
    assert model.posterior is not None
    own = model.posterior(frames) if there is None else model.posterior(frames, there)
    read = own.mean if there is None else only_there(own.mean, there)
    return frames, torch.where(comes[:, None], read, latent)


def next_latent(
    model: Model,
    before: Consecutive | None,
    noise: Noise,
    sampling: Sampling = AS_TRAINED,
    kinds: Kinds | None = None,
    after: After | None = None,
    *,
    alike: bool = False,
) -> Latents:
    """What the next frame is decoded from, (B, latent).

    before: (B, T, C, H, W), the frames before, the latest last, or None: the
    noise itself, as in the paper's testing model 2, or what E has learned to
    say of nothing (``forget``). ``sampling.follow``: how much of E's distribution
    is kept against that one, whose mean and log-variance are 0 in the paper: 1
    is E's, as there; 0 forgets the frames before; between, see ``draw`` of
    :mod:`nextbar.frames.chain`. Departure: the paper has no such choice. kinds:
    (B, T + 1), of the frames before and of the next, where there are kinds.
    after: what comes behind; no frame is bound to follow it, as ``follow`` speaks
    of frames before. alike: all rows have the same frames and kinds, which are then read once;
    only their noise differs.
    """
    n_rows = len(noise)
    seen = noise[:1] if alike else noise
    if alike:
        before, kinds, after = _of_one(before, kinds, after)
    if after is not None and not any(after.place(lag) is not None for lag in model.config.ahead):
        after = None
    if before is None:
        sampling = replace(sampling, follow=1)
    if before is None and after is None:
        return model.beginning(seen, kinds).of_rows(n_rows).draw(noise, sampling)
    # One memory layout, whoever made the frames: kernels are chosen by it, and round differently.
    frames = [] if before is None else before.unbind(dim=1)
    history = model.history_of(frames, after).contiguous(memory_format=torch.channels_last)
    reading = model.read(history, model.kinds_of(kinds, after)).of_rows(n_rows)
    if sampling.follow == 1:
        return reading.draw(noise, sampling)
    beginning = model.beginning(seen, kinds).of_rows(n_rows)
    if isinstance(reading, Gaussian):
        assert isinstance(beginning, Gaussian)
        return reading.draw(noise, sampling, beginning=beginning)
    assert isinstance(beginning, Chain)
    return reading.draw(noise, sampling, beginning=beginning)


def next_frames(
    model: Model,
    before: Consecutive | None,
    noise: Noise,
    sampling: Sampling = AS_TRAINED,
    kinds: Kinds | None = None,
    after: After | None = None,
) -> tuple[Frames, Latents]:
    """One step of :func:`roll_out` by itself: raw frames (B, C, H, W), and their latents.

    before: (B, T, C, H, W) or None, kinds and after as for :func:`next_latent`. noise: (B,
    ``noise_size``). Frames are the same to the bit as in a rollout, and decoded
    from the returned latents again; one that comes again as it stands is what it was, and its
    latent what the posterior reads off it.
    """
    latents, frames = [], []
    for begin in range(0, len(noise), SLOTS):
        chosen = slice(begin, begin + SLOTS)
        n_rows = len(noise[chosen])
        with torch.inference_mode(), few_threads(model.config):
            model.eval()
            device = _device(model)
            start = None if before is None else _pad(before[chosen]).to(device)
            of_group = None if kinds is None else _pad(kinds[chosen]).to(device)
            noise_now = _pad(noise[chosen]).to(device)
            ahead = None if after is None else _to(_of_rows(after, chosen), device)
            latent = next_latent(model, start, noise_now, sampling, of_group, ahead)
            there = model.there_in(of_group, model.shape[2])
            drawn = model.draw(latent, there, before=start)
            args = (model, drawn, noise_now, sampling, start, of_group, ahead)
            drawn, latent = _with_latents(latent, *said_again(*args), model, there)
        frames.append(drawn[:n_rows].cpu())
        latents.append(latent[:n_rows].cpu())
    return torch.cat(frames), torch.cat(latents)


@torch.inference_mode()
def next_frames_by_score(
    model: Model,
    before: Float[Tensor, "1 time channels height width"] | None,
    noise: Float[Tensor, "slots noise"],
    luck: Luck,
    sampling: Sampling,
    *,
    perceive: Callable[[Frames], Frames],
    kinds: Kinds | None = None,
    after: After | None = None,
) -> tuple[Float[Tensor, "slots channels height width"], Float[Tensor, "slots latent"]]:
    """One step of :func:`roll_out_choosing` by itself: all its candidates, and their latents.

    Raw frames (SLOTS, C, H, W), the one that is taken first, then the one that would be taken of
    the others, and so on. before, kinds, after: of one row. noise: (SLOTS, ``noise_size``) and
    luck: as :func:`candidate_noise` gives them, of this frame.
    """
    model.eval()
    with few_threads(model.config):
        device = _device(model)
        start = None if before is None else _pad(before).to(device)
        of_all = None if kinds is None else _pad(kinds).to(device)
        ahead = None if after is None else _to(_of_rows(after, slice(None)), device)
        latent = next_latent(model, start, noise.to(device), sampling, of_all, ahead, alike=True)
        there = model.there_in(of_all, model.shape[2])
        around = _of_one(start, of_all, ahead)
        drawn, comes = said_again(
            model, model.draw(latent, there), noise.to(device), sampling, *around
        )
        drawn, latent = _with_latents(latent, drawn, comes, model, there)
        heard = perceive(drawn).cpu()
        scores = scorer(model.phrases, sampling, luck[None])(Candidates(heard, heard, before, 0))
        scores = scores - ECHO * echoes(model, heard.to(device), comes, *around).cpu()
        order = scores.argsort(descending=True, stable=True).to(device)
    return drawn[order].cpu(), latent[order].cpu()


@torch.inference_mode()
def decode(
    model: Model,
    latents: Latents,
    kinds: Kinds | None = None,
    before: Consecutive | None = None,
) -> Frames:
    """The raw frames of latents (B, latent), (B, C, H, W), computed in groups as a rollout's.

    kinds: (B, ...), the last of each row is that of the frame, where there are kinds.
    before: (B, T, C, H, W), for a generator that sees the frames before (``skips``).
    """
    model.eval()
    frames = []
    for begin in range(0, len(latents), SLOTS):
        group = latents[begin : begin + SLOTS]
        with few_threads(model.config):
            device = _device(model)
            of_group = None if kinds is None else _pad(kinds[begin : begin + SLOTS]).to(device)
            there = model.there_in(of_group, model.shape[2])
            seen = None if before is None else _pad(before[begin : begin + SLOTS]).to(device)
            drawn = model.draw(_pad(group).to(device), there, before=seen)
            frames.append(drawn[: len(group)].cpu())
    return torch.cat(frames)


def _device(model: Model) -> torch.device:
    return next(model.parameters()).device


def _latest(
    frames: Sequence[Frames],
) -> Float[Tensor, "1 time channels height width"] | None:
    """The last frames of the first row, as many as a phrase has beside its last one."""
    last = [frame[:1].cpu() for frame in frames[-(PHRASE - 1) :]]
    return torch.stack(last, dim=1) if last else None


def row_of(after: After, nth: int) -> After:
    """What comes behind one of several sequences."""
    return _of_some(after, slice(nth, nth + 1))


def _of_rows(after: After, rows: slice) -> After:
    some = _of_some(after, rows)
    kinds = None if some.kinds is None else _pad(some.kinds)
    return After(_pad(some.frames), some.gap, kinds)


def _of_some(after: After, rows: slice) -> After:
    kinds = None if after.kinds is None else after.kinds[rows]
    return After(after.frames[rows], after.gap, kinds)


def _to(after: After, device: torch.device) -> After:
    kinds = None if after.kinds is None else after.kinds.to(device)
    return After(after.frames.to(device), after.gap, kinds)


def _pad(group: Tensor) -> Tensor:
    """The group filled up to SLOTS rows with copies of its first."""
    missing = SLOTS - len(group)
    return torch.cat([group, group[:1].expand(missing, *group.shape[1:])]) if missing else group


def _of_one(
    before: Consecutive | None, kinds: Kinds | None, after: After | None
) -> tuple[
    Float[Tensor, "1 time channels height width"] | None,
    Int[Tensor, "1 kinds"] | None,
    After | None,
]:
    """What lies around the frame that comes, of the first row: of candidates it is all alike."""
    return (
        None if before is None else before[:1],
        None if kinds is None else kinds[:1],
        None if after is None else row_of(after, 0),
    )
