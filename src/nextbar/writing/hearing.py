"""Where frames and music meet: bars as frames, and frames as they are heard.

Frames become heard notes at a threshold, and what is fed back to the encoder
is exactly what is heard. So a piece is determined by its notes: continued from
its own file it goes on as it would have gone on by itself.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nextbar.music.bars import FULL_VELOCITY, Rolls
from nextbar.writing.piece import Before


def stack_rolls(histories: Sequence[Rolls]) -> Rolls:
    """Rolls of several histories, each (bars, channels, 88, steps), side by side.

    Shorter ones have silent bars in front, which to the model is no bar at all.
    """
    longest = max(len(history) for history in histories)
    stacked = np.zeros((len(histories), longest, *histories[0].shape[1:]), np.uint8)
    for row, history in zip(stacked, histories, strict=True):
        row[longest - len(history) :] = history
    return stacked


def to_frames(befores: Sequence[Before]) -> Tensor:
    """The bars before, side by side, as frames (B, bars, channels, 88, steps) in [0, 1]."""
    return torch.from_numpy(stack_rolls([before.rolls for before in befores])).float() / (
        FULL_VELOCITY
    )


def hear(frames: Tensor, threshold: float) -> Tensor:
    """Frames as they will be heard: silent below the threshold, velocities whole.

    frames: (B, 1 or 2, 88, steps) in [0, 1]. Channel 0 becomes 0 where it is
    under the threshold and k / 127, k = 1-127, elsewhere. Channel 1, the
    onsets, becomes 1 where it is at least 0.5 and something sounds, or where
    sound follows silence, and 0 elsewhere.
    """
    velocity = (frames[:, :1] * FULL_VELOCITY).round().clamp(min=1) / FULL_VELOCITY
    sounds = frames[:, :1] >= threshold
    heard = torch.where(sounds, velocity, 0.0)
    if frames.shape[1] == 1:
        return heard
    after_silence = sounds.clone()
    after_silence[..., 1:] &= ~sounds[..., :-1]
    after_silence[..., 0] = False  # what sounded in the bar before is not known here
    onsets = (sounds & (frames[:, 1:] >= 0.5)) | after_silence
    return torch.cat([heard, onsets.float()], dim=1)
