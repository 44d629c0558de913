"""The other hand: a bar's melody is kept, and what goes below is written, or the other way round.

A line of the bar, or all that stands in it, is kept to the note. The model hears it as if it had
written it, and draws what else is there (:mod:`nextbar.frames.around`), on one side of it only.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool

from nextbar.errors import UsageError
from nextbar.frames.around import Held, draw_around
from nextbar.frames.config import SLOTS, Sampling
from nextbar.frames.rollout import roll_out
from nextbar.music.bars import (
    FULL_VELOCITY,
    LOWEST_PITCH,
    N_PITCHES,
    BarNotes,
    draw_rolls,
    read_rolls,
)
from nextbar.music.metre import bar_steps
from nextbar.music.tunes import Metre
from nextbar.writing.composer import Composer
from nextbar.writing.hearing import hear, kinds_of, to_frames
from nextbar.writing.piece import Before, Keep, Side, Towards

SIDES: Final[dict[Keep, tuple[Side, ...]]] = {
    "top": ("below",), "bottom": ("above",), "all": ("below", "above"),
}  # fmt: skip
STRETCH: Final = 2
"""Columns that are drawn at a time. The kept cells of a bar of chorales then cost 5 nats, with four
at a time 10, with all at once 40."""
SEVERAL: Final = 1.2
"""Notes at once, of a model that writes several voices."""


def check_hand(keep: Keep, side: Side) -> None:
    """Raises UsageError where nothing can be written on that side of what is kept."""
    if side not in SIDES[keep]:
        raise UsageError(f"{side} the {keep} line stands what is not kept; choose the other side")


def kept_of(rows: BarNotes, keep: Keep) -> npt.NDArray[np.bool_]:
    """Which notes of a bar are kept: all, or those that are the outermost where they begin."""
    if keep == "all":
        return np.ones(len(rows), bool)
    starts, ends = rows["start"].astype(int), rows["start"].astype(int) + rows["duration"]
    sound = (starts[None] <= starts[:, None]) & (ends[None] > starts[:, None])  # (note, others)
    pitches = rows["pitch"].astype(int)[None]
    if keep == "top":
        outermost = np.where(sound, pitches, -1).max(axis=1, initial=-1)
    else:
        outermost = np.where(sound, pitches, 128).min(axis=1, initial=128)
    return np.asarray(rows["pitch"] == outermost)


def held_by(kept: BarNotes, side: Side, n_steps: int, shape: tuple[int, int, int]) -> Held:
    """The cells that kept notes decide, (channels, 88, steps): their own, and all on their side.

    Where none of them sounds, the outermost of them says where their side begins.
    """
    channels, _, width = shape
    index, first = np.array([0, len(kept)]), np.zeros(1, np.intp)
    (roll,) = draw_rolls(kept, index, first, n_steps=width, onsets=channels > 1)
    there = roll > 0
    outermost = kept["pitch"].astype(int) - LOWEST_PITCH
    rows = np.arange(N_PITCHES)
    decided = np.zeros(shape, bool)
    for step in range(n_steps):
        sounding = np.flatnonzero(there[0, :, step])
        now = sounding if len(sounding) else outermost
        decided[:, :, step] = rows >= now.min() if side == "below" else rows <= now.max()
    return Held(torch.from_numpy(decided), torch.from_numpy(there))


def within(held: Held, transposed: int) -> Held:
    """The same, and nothing where the way back to the key that is heard leaves the piano."""
    pitches = torch.arange(N_PITCHES) - transposed
    off: Bool[torch.Tensor, " rows"] = (pitches < 0) | (pitches >= N_PITCHES)
    return held._replace(decided=held.decided | off[:, None])


def other_hand(
    composer: Composer,
    kept: BarNotes,
    metre: Metre,
    *,
    before: Before | None,
    towards: Towards | None,
    side: Side,
    seed: int,
    position: int,
    sampling: Sampling,
    transposed: int = 0,
) -> BarNotes:
    """The notes of the other hand of a bar, in the model's key as those that are kept.

    before, towards: the bars on both sides, as for ``write_bars``. seed, position: decide all
    chance. ``sampling`` gives the temperature. No note is tied to the bar before.
    """
    kind = composer.kind
    n_steps = bar_steps(metre, kind.steps_per_quarter)
    held = within(held_by(kept, side, n_steps, kind.frame_shape), transposed)
    befores = [] if before is None else [before]
    drawn = draw_around(
        composer.model,
        to_frames(befores) if befores else None,
        held,
        ends=[*range(STRETCH, n_steps, STRETCH), n_steps],
        rng=np.random.default_rng([seed, 5, position]),
        temperature=sampling.temperature,
        kinds=kinds_of(composer.kind, befores, [[metre]]),
        after=None if towards is None else composer.after([towards])._replace(gap=towards.gap),
    )
    heard = hear(drawn.frame[None], composer.threshold) * ~held.decided
    roll = (heard * FULL_VELOCITY).round().to(torch.uint8).numpy()
    rows, _ = read_rolls(roll, kind.starts_of([metre]))
    return rows


def why_no_other_hand(composer: Composer) -> str:
    """Why a model cannot write it, in a sentence; "" where it can.

    It takes several voices, which are heard in what the model writes by itself.
    """
    if composer.model.config.layout != "columns":
        return "This model is in a plane, as the paper's is: it cannot write around what is kept."
    seeds = range(SLOTS)
    drawn = roll_out(
        composer.model,
        None,
        n_frames=1,
        seeds=seeds,
        kinds=kinds_of(composer.kind, [], [[composer.kind.metre]] * SLOTS),
    )
    at_once = (hear(drawn[:, 0], composer.threshold)[:, 0] > 0).sum(dim=1).flatten()
    if not at_once.any() or at_once[at_once > 0].float().mean() < SEVERAL:
        return "This model writes one voice: it has learnt nothing of another hand."
    return ""
