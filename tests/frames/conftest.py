"""Moving squares: the smallest video there is, to train the core on what is not music."""

import numpy as np
import pytest
import torch

from nextbar.frames.config import Config, override
from nextbar.frames.pairs import Sequences
from nextbar.frames.replicas import Replicas, launch

SHAPE = (1, 16, 16)


@pytest.fixture(autouse=True)
def global_random_state_is_left_alone():
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state()), "something drew from the global generator"


@pytest.fixture
def moving_squares() -> Sequences:
    """20 videos of 8 frames, 16 x 16: a 4 x 4 square that moves to the right."""
    return squares(n_videos=20)


def squares(*, n_videos: int, n_frames: int = 8) -> Sequences:
    """Videos of a square that moves to the right."""
    frames = np.zeros((n_videos * n_frames, *SHAPE), np.uint8)
    for number in range(len(frames)):
        video, time = divmod(number, n_frames)
        top, left = (video * 3) % 12, (2 * (time + video)) % 14
        frames[number, 0, top : top + 4, left : left + 4] = 255
    return Sequences(frames, np.arange(0, len(frames) + 1, n_frames), full_scale=255)


@pytest.fixture
def tiny() -> Config:
    """The paper's structure and losses, small enough for a test."""
    return Config(
        latent=8,
        encoder_channels=(4, 8),
        generator_channels=(8, 8, 4),
        generator_strides=(2, 2),
        discriminator_channels=(4, 8),
        batch=16,
        epochs=2,
    )


@pytest.fixture
def learned(tiny) -> Config:
    """The same, with a learned prior."""
    return override(tiny, learned_prior=True, history=(1, 2))


@pytest.fixture
def columns() -> Config:
    """All that the layout columns adds to the paper, small enough for a test."""
    return Config(
        layout="columns",
        history=(1, 2),
        forget=0.6,
        latent=2,
        latent_mixture=3,
        attention_heads=2,
        dropout=0.2,
        encoder_channels=(8, 8),
        generator_channels=(8, 8),
        discriminator_channels=(8, 8),
        prior_weight=0.15,
        feature_weight=0.1,
        adversarial_weight=0.1,
        warm_up=1,
        batch=16,
        epochs=2,
        generator_updates=1,
        learning_rate=0.002,
        discriminator_learning_rate=0.0004,
        momentum=0.9,
        clip=20.0,
        settle=0.5,
        average=0.998,
    )


@pytest.fixture
def alone() -> Replicas:
    """Training in one process on the CPU."""
    return launch(device="cpu")
