"""Where frames and music meet: bars as frames, and frames as they are heard.

Frames become heard notes at a threshold, and what is fed back to the encoder
is exactly what is heard. So a piece is determined by its notes: continued from
its own file it goes on as it would have gone on by itself.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nextbar.frames.model import After
from nextbar.music.bars import FULL_VELOCITY, Rolls
from nextbar.music.kind import BarKind
from nextbar.music.tunes import Metre
from nextbar.writing.piece import Before, Towards


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


def kinds_of(
    kind: BarKind, befores: Sequence[Before], metres: Sequence[Sequence[Metre]]
) -> Tensor | None:
    """The kinds of frames that a rollout is told, of bars before and of those to be written.

    befores: as for :func:`to_frames`, or none from noise. None where the
    model has bars of one metre.
    """
    if len(kind.metres) == 1:
        return None
    known = [kind.numbers_of(before.metres) for before in befores] or [np.empty(0, np.uint8)] * len(
        metres
    )
    longest = max(map(len, known))
    rows = [
        np.concatenate([np.zeros(longest - len(given), np.uint8), given, numbers])
        for given, numbers in zip(known, map(kind.numbers_of, metres), strict=True)
    ]
    return torch.from_numpy(np.stack(rows).astype(np.int64))


def frames_behind(bars: Sequence[Before | Towards], kind: BarKind, reach: int) -> After:
    """The bars behind those to be written, for each piece, as a rollout is told.

    reach: how many of them a model reads ahead.
    """
    rolls = np.zeros((len(bars), reach, *kind.frame_shape), np.uint8)
    numbers = np.zeros((len(bars), reach), np.int64)
    for row, of_row, each in zip(rolls, numbers, bars, strict=True):
        n_bars = min(reach, len(each.rolls))
        row[:n_bars] = each.rolls[:n_bars]
        of_row[:n_bars] = kind.numbers_of(each.metres[:n_bars])
    kinds = torch.from_numpy(numbers) if len(kind.metres) > 1 else None
    return After(torch.from_numpy(rolls).float() / FULL_VELOCITY, kinds=kinds)


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
