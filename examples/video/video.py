"""Clips go in, clips that go on come out: nextbar's core on sequences that are not music.

    python examples/video/clips.py balls my-clips
    python examples/video/video.py train my-clips --out my-run --size 30
    python examples/video/video.py continue my-run my-clips --out continued

A folder holds clips (GIF, MP4, WebM, ...), or folders of images, each of which is a clip. Frames
are resized to a square, and made grey where not ``--colour`` is asked for. Every tenth clip is held
out from training, and gone on from. What each choice in VIDEO is worth stands in docs/video.md.
"""

import time
from collections.abc import Callable
from pathlib import Path

import cyclopts
import imageio.v3 as imageio
import numpy as np
import numpy.typing as npt
import torch
from skimage.color import rgb2gray
from skimage.transform import resize

from nextbar.errors import NextbarError, UsageError
from nextbar.frames import training as core
from nextbar.frames.checkpoint import load_model, load_training, save_training
from nextbar.frames.config import Config, Sampling
from nextbar.frames.model import Model, build_model
from nextbar.frames.pairs import PairBatches, Sequences
from nextbar.frames.record import Description, describe_run, has_checkpoint, read_description
from nextbar.frames.replicas import choose_device, choose_precision, launch
from nextbar.frames.rollout import roll_out

Clip = npt.NDArray[np.uint8]
"""(frames, channels, height, width), 0-255."""

VIDEO = Config(
    layout="plane",  # the paper's convolutions: what is seen moves up and down, too
    learned_prior=True,
    skips=True,  # what stays as it is need not be told anew by each latent
    history=(1, 2, 3, 4),  # one frame does not say where things are going
    history_noise=0.3,  # a clip that is drawn frame by frame does not drift away
    latent=128,
    encoder_channels=(32, 64, 128),
    generator_channels=(128, 64, 32, 16),
    generator_strides=(2, 2, 2),
    discriminator_channels=(8, 16),
    feature_weight=0,  # with both weights 0 there is no discriminator
    adversarial_weight=0,
    generator_updates=1,
    epochs=1000,  # it is the clock that ends a training
    learning_rate=0.002,
    discriminator_learning_rate=0.0004,
    momentum=0.9,
    clip=20,
    average=0.995,
)
"""What is trained, where nothing else is asked for."""


def read_clips(folder: Path, size: int, *, colour: bool = False) -> list[Clip]:
    """The clips of a folder, in the order of their names; says what is left out, and why."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; give one of clips, or of folders of images")
    clips = []
    for path in sorted(folder.iterdir()):
        try:
            parts = sorted(path.iterdir()) if path.is_dir() else [path]
            frames = [frame for part in parts for frame in imageio.imiter(part)]
            clips.append(np.stack([_square(frame, size, colour=colour) for frame in frames]))
        except (OSError, ValueError, SyntaxError) as error:  # the last is a GIF cut short
            print(f"left out: {path}: {' '.join(str(error).split())[:200]}")
    if len(clips) < 2:
        raise UsageError(f"{folder}: {len(clips)} clips in it; one to train on and one to go on")
    return clips


def _square(image: npt.NDArray[np.uint8], size: int, *, colour: bool) -> npt.NDArray[np.uint8]:
    """An image, (height, width) or (height, width, colours), as (channels, size, size)."""
    image = image[..., :3] if image.ndim == 3 and image.shape[2] >= 3 else np.dstack([image] * 3)
    plane = image / 255 if colour else rgb2gray(image)[..., None]
    if plane.shape[:2] != (size, size):
        plane = resize(plane, (size, size), anti_aliasing=True)
    return np.rint(255 * plane).astype(np.uint8).transpose(2, 0, 1)


def begin(clips: list[Clip], config: Config) -> tuple[core.Training, PairBatches]:
    """A model that has learned nothing yet, and what it is to learn from."""
    index = np.cumsum([0, *map(len, clips)])
    sequences = Sequences(np.concatenate(clips), index, full_scale=255)
    every = np.arange(len(clips))
    pairs = PairBatches(sequences, every, config.batch, config.seed, config.history, config.forget)
    model = build_model(clips[0].shape[1:], config).to(choose_device("auto"))
    return core.begin_training(model), pairs


def train_for(
    training: core.Training,
    pairs: PairBatches,
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    say: Callable[[str], object] = print,
) -> None:
    """Trains a while; what is interrupted, or goes on later, goes on where it was."""
    replicas = launch(precision=choose_precision(choose_device("auto")))
    began = spoken = clock()
    try:
        for now in core.train(training, pairs, replicas):
            if clock() - spoken > 20:
                spoken = clock()
                nats = f"{now.figures.reconstruction:.1f} + {now.figures.kl:.1f} nats a frame"
                say(f"{spoken - began:5.0f} s, update {now.step}, epoch {now.epoch}: {nats}")
            if clock() - began > seconds:
                break
    except KeyboardInterrupt:
        say("interrupted: what has been learned is kept")


def go_on(
    model: Model, given: npt.NDArray[np.uint8], *, n_frames: int, seeds: list[int], **how: float
) -> npt.NDArray[np.uint8]:
    """How clips go on, (clips, n_frames, channels, height, width).

    given: (clips, T, channels, height, width). seeds: one for each clip, which decides how that
    goes on. how: ``temperature`` and the like.
    """
    first = torch.from_numpy(given[:, -model.memory :]).float() / 255
    frames = roll_out(model, first, n_frames=n_frames, seeds=seeds, sampling=Sampling(**how))
    new: npt.NDArray[np.uint8] = np.rint(255 * frames.numpy()).astype(np.uint8)
    return new


def beside(rows: list[Clip], n_given: int) -> Clip:
    """Clips beside each other, as one: a line between them is white while they are all real."""
    frames = np.stack(rows).transpose(1, 3, 0, 4, 2)  # (time, height, clips, width, channels)
    lined = np.pad(frames, ((0, 0), (0, 0), (0, 0), (1, 0), (0, 0)), constant_values=96)
    lined[:n_given, :, :, 0] = 255
    height, width = lined.shape[1], lined.shape[2] * lined.shape[3]
    wide = lined.reshape(len(lined), height, width, -1).repeat(4, axis=1).repeat(4, axis=2)
    return wide.repeat(3, axis=3) if wide.shape[3] == 1 else wide


def sheet(rows: list[Clip], n_given: int) -> npt.NDArray[np.uint8]:
    """All frames of clips on one picture, a row for each; a white line ends what was given."""
    turned = [row.transpose(1, 2, 0, 3) for row in rows]  # (channels, height, time, width)
    lines = [np.pad(row, ((0, 0), (1, 0), (0, 0), (1, 0)), constant_values=96) for row in turned]
    for line in lines:
        line[:, :, n_given, 0] = 255
    picture = np.concatenate([line.reshape(*line.shape[:2], -1) for line in lines], axis=1)
    return picture.transpose(1, 2, 0).squeeze().repeat(2, axis=0).repeat(2, axis=1)


app = cyclopts.App(name="video", help="Train on clips, and go on with them.")


@app.command
def train(
    clips: Path, *, out: Path, size: int = 32, colour: bool = False, minutes: float = 10
) -> None:
    """Trains a model on a folder of clips; the same command goes on with it."""
    read = read_clips(clips, size, colour=colour)
    kept = [clip for number, clip in enumerate(read) if not _is_held_out(number, len(read))]
    shape = read[0].shape[1:]
    begun = read_description(out) if has_checkpoint(out) else Description(VIDEO, shape, {})
    if begun.shape != shape:
        seen = f"{out} was begun on frames of {begun.shape}, and these are of {shape}"
        raise UsageError(f"{seen}; give --size {begun.shape[1]}, or another --out")
    training, pairs = begin(kept, begun.config)
    if has_checkpoint(out):
        training = load_training(out, begun.config, choose_device("auto"))
    out.mkdir(parents=True, exist_ok=True)
    describe_run(out, begun)
    train_for(training, pairs, seconds=60 * minutes)
    save_training(out, training)
    print(f"{out}: {training.step} updates on {len(pairs)} pairs of frames, {len(kept)} clips")


@app.command(name="continue")
def continue_(
    run: Path,
    clips: Path,
    *,
    out: Path,
    given: int = 5,
    frames: int = 20,
    times: int = 3,
    temperature: float = 1.0,
    mp4: bool = False,
) -> None:
    """Goes on with the clips that were held out, each several times: what was, then what may be."""
    model, _ = load_model(run, choose_device("auto"))
    channels, size, _ = model.shape
    read = read_clips(clips, size, colour=channels == 3)
    held_out = [clip for number, clip in enumerate(read) if _is_held_out(number, len(read))]
    chosen = [clip[: given + frames] for clip in held_out if len(clip) > given >= 1]
    if not chosen:
        raise UsageError(f"--given {given}: no clip that was held out has more frames, or it is 0")
    out.mkdir(parents=True, exist_ok=True)
    rows: list[Clip] = []
    for number, clip in enumerate(chosen[:8]):
        starts = np.stack([clip[:given]] * times)
        seeds = [1000 * number + nth for nth in range(times)]
        new = go_on(model, starts, n_frames=len(clip) - given, seeds=seeds, temperature=temperature)
        rows += [clip, *np.concatenate([starts, new], axis=1)]
        each = beside(rows[-times - 1 :], given)
        path = out / f"clip-{number}.{'mp4' if mp4 else 'gif'}"
        if mp4:
            imageio.imwrite(path, each, fps=10, codec="libx264", plugin="pyav")
        else:
            imageio.imwrite(path, each, duration=100, loop=0)
    shortest = min(map(len, rows))
    imageio.imwrite(out / "sheet.png", sheet([row[:shortest] for row in rows], given))
    print(f"{out}: {len(rows) // (times + 1)} clips, each real and {times} times new; sheet.png")


def _is_held_out(number: int, n_clips: int) -> bool:
    """Whether it is not trained on: every tenth, and of fewer than ten the last."""
    return number % 10 == min(10, n_clips) - 1


if __name__ == "__main__":
    try:
        app()
    except NextbarError as error:
        raise SystemExit(f"error: {error}") from error
