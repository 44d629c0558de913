"""What the core is worth on clips, and what each part of it is worth there: docs/video.md.

    python examples/video/trials.py balls --size 30 --minutes 10
    python examples/video/trials.py digits --minutes 10
    python examples/video/trials.py parts --minutes 1 --seeds 2

Minutes are those of one core, for each training. Each prints a table and ends in a line of JSON.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cyclopts
import imageio.v3 as imageio
import numpy as np
import numpy.typing as npt
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn

import clips as beds
import video
from nextbar.frames.config import Config, Sampling, override
from nextbar.frames.model import Model
from nextbar.frames.rollout import next_frames

Frames = npt.NDArray[np.uint8]
"""(clips, time, height, width), 0-255."""

N_GIVEN = 5
"""Frames of digits that are given, as by Denton & Fergus."""
ADVERSARY = {"feature_weight": 0.1, "adversarial_weight": 3.0}
BLIND: dict[str, Any] = {"skips": False, "history_noise": 0.0}
"""A generator that sees nothing but its latent."""
PAPER = {
    **BLIND,
    "learned_prior": False,
    "history": (1,),
    "prior_weight": 1.0,
    "generator_updates": 2,
}
PAPER |= {"learning_rate": 0.0005, "discriminator_learning_rate": 0.0001, "momentum": 0.5}
PAPER |= {"feature_weight": 1.0, "adversarial_weight": 1.0}
SMALL: dict[str, Any] = {
    "latent": 32,
    "encoder_channels": (16, 32),
    "generator_channels": (32, 16, 16),
    "generator_strides": (2, 2),
}
"""Networks that are enough for frames of 15 x 15."""
PARTS: dict[str, dict[str, Any]] = {
    "the paper's losses, one frame": PAPER,
    "the paper's losses, four frames": {**PAPER, "history": (1, 2, 3, 4)},
    "learned prior, one frame": {**BLIND, "history": (1,)},
    "learned prior, four frames": BLIND,
    "the same, skips": {"history_noise": 0.0},
    "the same, skips and noise": {},
    "the same, skips and noise, adversary": ADVERSARY,
}
"""What each row of the table differs in from VIDEO."""


def model_of(clips: Frames, config: Config, minutes: float) -> Model:
    """A model that was trained on clips for so many minutes of a core."""
    training, pairs = video.begin(list(clips[:, :, None]), config)
    say: Callable[[str], object] = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    video.train_for(training, pairs, seconds=60 * minutes, clock=time.process_time, say=say)
    say(f"{training.step} updates")
    return training.writer


def error(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """The squared error of a frame, its pixels in [0, 1] summed; the mean over frames."""
    return float(np.square(one / 255.0 - other / 255.0).sum(axis=(-2, -1)).mean())


def next_frame_error(model: Model, clips: Frames) -> float:
    """The error of each next frame but a clip's first, the real ones before it given.

    As Gan et al. (2015) measure it; but a prediction is the likeliest latent's, no draw.
    """
    real = torch.from_numpy(clips[:, :, None]).float() / 255
    likeliest, noise = Sampling(temperature=0), torch.zeros(len(clips), model.noise_size)
    errors = []
    for now in range(1, clips.shape[1]):
        before = real[:, max(0, now - model.memory) : now]
        predicted, _ = next_frames(model, before, noise, likeliest)
        errors.append((predicted - real[:, now]).square().sum(dim=(1, 2, 3)).mean().item())
    return float(np.mean(errors))


def sharpness(frames: Frames, real: Frames) -> float:
    """How steep the edges are beside those of real frames, whose sharpness is 1; blurred: less."""

    def steepness(of: Frames) -> float:
        down, right = (np.diff(of / 255.0, axis=axis) for axis in (-2, -1))
        light = float((of / 255.0).mean())
        return float(np.square(down).mean() + np.square(right).mean()) / light if light else 0.0

    return steepness(frames) / steepness(real)


def gone_on(model: Model, clips: Frames, n_given: int, n_frames: int, times: int) -> Frames:
    """Draws of how each clip goes on, (clips, times, frames, height, width)."""
    given = clips[:, :n_given, None].repeat(times, axis=0)
    new = video.go_on(model, given, n_frames=n_frames, seeds=list(range(len(given))))
    return new.reshape(len(clips), times, n_frames, *clips.shape[2:])


def balls_row(model: Model, test: Frames) -> dict[str, float]:
    """What a model is worth on balls: the next frame, and ten frames on."""
    new, real = gone_on(model, test, 10, 20, 1)[:, 0], test[:, 10:30]
    return {
        "next": next_frame_error(model, test),
        "fifth": error(new[:, 4], real[:, 4]),
        "tenth": error(new[:, 9], real[:, 9]),
        "sharpness": sharpness(new[:, 9:], real[:, 9:]),
    }


def likeness(was: Any, now: Any) -> tuple[float, float]:
    """PSNR in decibels, no more than 50 where hardly a pixel differs, and SSIM."""
    if np.array_equal(was, now):
        return 50.0, 1.0
    signal = float(peak_signal_noise_ratio(was, now, data_range=255))
    return min(50.0, signal), float(structural_similarity(was, now, data_range=255))


def digits_row(
    new: Frames, real: Frames, which: Any, knows: Callable[..., Any]
) -> dict[str, float]:
    """What draws (clips, times, frames, height, width) are worth beside what was."""
    each = [
        [[likeness(*both) for both in zip(clip, draw, strict=True)] for draw in draws]
        for clip, draws in zip(real, new, strict=True)
    ]
    of_draws = np.array(each).mean(axis=2)  # (clips, times, 2)
    best, mean = of_draws.max(axis=1).mean(axis=0), of_draws.mean(axis=(0, 1))
    kept = {f"kept {at}": knows(new[:, :, at - 1], which) for at in (1, 10, 20)}
    return {
        "PSNR best": best[0],
        "PSNR mean": mean[0],
        "SSIM best": best[1],
        "SSIM mean": mean[1],
        "sharpness": sharpness(new, real),
        **kept,
    }


def reader_of_digits(clips: Frames, which: Any, *, updates: int = 800) -> Callable[..., float]:
    """What tells which share of frames' digits can be read: among the two likeliest, of ten."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for maps, out in ((1, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(maps, out, 3, stride=2, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 16, 10))
    optimiser = torch.optim.Adam(network.parameters(), 0.001)
    rng = np.random.default_rng(0)
    there = np.zeros((len(clips), 10), np.float32)
    np.put_along_axis(there, which, 1, axis=1)
    for _ in range(updates):
        clip, at = rng.integers(len(clips), size=64), rng.integers(clips.shape[1], size=64)
        frames = torch.from_numpy(clips[clip, at][:, None]).float() / 255
        loss = nn.functional.binary_cross_entropy_with_logits(
            network(frames), torch.from_numpy(there[clip])
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    network.eval()

    @torch.inference_mode()
    def knows(frames: Frames, which: Any) -> float:
        """frames: (clips, times, height, width). which: (clips, 2), two different digits."""
        logits = network(torch.from_numpy(frames.reshape(-1, 1, *frames.shape[2:])).float() / 255)
        likeliest = logits.topk(2).indices.numpy().reshape(*frames.shape[:2], 2, 1)
        return float((likeliest == which[:, None, None]).any(axis=2).mean())

    return knows


def show(rows: dict[str, dict[str, float]]) -> None:
    """Prints rows as a table, and as one line of JSON."""
    names = list(next(iter(rows.values())))
    print(f"| {'':40} | " + " | ".join(names) + " |")
    print(f"| {'---':40} | " + " | ".join("---:" for _ in names) + " |")
    for row, figures in rows.items():
        cells = (f"{figures[name]:.3g}" if name in figures else "" for name in names)
        print(f"| {row:40} | " + " | ".join(cells) + " |")
    print(json.dumps(rows), flush=True)


app = cyclopts.App(name="trials", help="What the core is worth on clips.")


@app.command
def balls(
    *,
    size: int = 30,
    minutes: float = 10,
    clips: int = 600,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Bouncing balls: the error of the next frame, beside what others published."""
    test = beds.balls(200, size=size, seed=1)
    model = model_of(
        beds.balls(clips, size=size, seed=2), override(video.VIDEO, seed=seed), minutes
    )
    last = np.repeat(test[:, 9:10], 20, axis=1)
    copied = {"next": error(test[:, 1:], test[:, :-1]), "fifth": error(last[:, 4], test[:, 14])}
    copied |= {"tenth": error(last[:, 9], test[:, 19]), "sharpness": 1.0}
    show({"nextbar": balls_row(model, test), "the last frame again": copied})
    if out is not None:
        both = gone_on(model, test[:3], 10, 20, 2)
        pictures(test[:3, :30], [both[:, 0], both[:, 1]], 10, out)


@app.command
def parts(*, size: int = 15, minutes: float = 1, seeds: int = 2) -> None:
    """What each part of the model is worth, on balls."""
    test, kept = beds.balls(40, size=size, seed=1), beds.balls(400, size=size, seed=2)
    rows = {}
    for name, fields in PARTS.items():
        config = override(video.VIDEO, **SMALL | fields)
        for seed in range(seeds):
            model = model_of(kept, override(config, seed=seed), minutes)
            rows[f"{name}, seed {seed}"] = balls_row(model, test)
    show(rows)


@app.command
def digits(
    *,
    minutes: float = 10,
    clips: int = 2000,
    seed: int = 0,
    times: int = 20,
    tested: int = 32,
    adversary: bool = False,
    blind: bool = False,
    out: Path | None = None,
) -> None:
    """Wandering digits, 5 frames given and 20 drawn, many times; with an adversary, or blind."""
    kept, which_kept = beds.digits(clips, seed=2)
    test, which = beds.digits(4 * tested, seed=1, held_out=True)
    two = which[:, 0] != which[:, 1]
    test, which = test[two][:tested], which[two][:tested]
    knows = reader_of_digits(kept, which_kept)
    fields = (ADVERSARY if adversary else {}) | (BLIND if blind else {})
    model = model_of(kept, override(video.VIDEO, seed=seed, **fields), minutes)
    real = test[:, N_GIVEN:]
    new = gone_on(model, test, N_GIVEN, real.shape[1], times)
    rows = {"nextbar": digits_row(new, real, which, knows)}
    last = np.repeat(test[:, N_GIVEN - 1 : N_GIVEN], real.shape[1], axis=1)[:, None]
    rows["the last frame again"] = digits_row(last, real, which, knows)
    rows["a black frame"] = digits_row(np.zeros_like(last), real, which, knows)
    kept_in = {f"kept {at}": knows(real[:, None, at - 1], which) for at in (1, 10, 20)}
    rows["real"] = {"sharpness": 1.0, **kept_in}
    show(rows)
    if out is not None:
        pictures(test, [new[:, 0], new[:, 1]], N_GIVEN, out)


def pictures(test: Frames, draws: list[Frames], n_given: int, out: Path) -> None:
    """Three clips beside some draws of how each goes on, as GIFs and on one sheet."""
    out.mkdir(parents=True, exist_ok=True)
    rows: list[video.Clip] = []
    for number, clip in enumerate(test[:3]):
        went_on = [np.concatenate([clip[:n_given], draw[number]]) for draw in draws]
        rows += [each[:, None] for each in (clip, *went_on)]
        each = video.beside(rows[-len(draws) - 1 :], n_given)
        imageio.imwrite(out / f"clip-{number}.gif", each, duration=100, loop=0)
    imageio.imwrite(out / "sheet.png", video.sheet(rows, n_given))


if __name__ == "__main__":
    app()
