"""Days of electricity demand as frames: tomorrow's curve, beside "the same as today".

    python examples/video/load_curves.py

Half an hour is a pixel and three hours are a column, so that a day is a frame of 6 x 8. The demand
of England and Wales in the summer of 2000, twelve weeks of it, comes with pmdarima. The last three
weeks are held out; a day is said from the seven before it, as the paper says a bar from the last.
"""

import numpy as np
import torch
from pmdarima.datasets import load_taylor

import video
from nextbar.frames.config import Sampling, override
from nextbar.frames.rollout import next_frames

LEAST, MOST, HELD_OUT = 18_000.0, 40_000.0, 21


def main(*, seconds: float = 10, seed: int = 0) -> dict[str, float]:
    """The mean errors, in MW, of tomorrow by a model, as today, and as this day a week ago."""
    demand = (load_taylor().reshape(84, 1, 8, 6).transpose(0, 1, 3, 2) - LEAST) / (MOST - LEAST)
    days = np.rint(255 * demand.clip(0, 1)).astype(np.uint8)
    fields = {
        "encoder_channels": (32, 64),
        "generator_channels": (64, 32),
        "history": (1, 2, 3, 4, 5, 6, 7),
    }
    config = override(video.VIDEO, **fields, generator_strides=(), latent=8, batch=16, seed=seed)
    training, pairs = video.begin([days[:-HELD_OUT]], config)
    video.train_for(training, pairs, seconds=seconds)
    weeks = np.stack([days[day - 7 : day] for day in range(84 - HELD_OUT, 84)])
    before = torch.from_numpy(weeks).float() / 255
    noise = torch.zeros(HELD_OUT, training.model.noise_size)
    predicted, _ = next_frames(training.writer, before, noise, Sampling(temperature=0))
    said = {"nextbar": predicted.numpy(), "as today": demand[-HELD_OUT - 1 : -1]}
    said |= {"as a week ago": demand[-HELD_OUT - 7 : -7]}
    real = demand[-HELD_OUT:]
    return {who: float(np.abs(day - real).mean() * (MOST - LEAST)) for who, day in said.items()}


if __name__ == "__main__":
    print("\n".join(f"{who:16} {error:6.0f} MW" for who, error in main().items()))
