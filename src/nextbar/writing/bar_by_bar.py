"""Writing one bar at a time: the same bars as ``Composer.compose``, each by itself.

A bar is decided by the bars before it and by a :class:`Draw`. So any bar can be
written again, alone or with what follows; alternatives for it can be laid side
by side; and two bars can be blended through the latents they were decoded from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nextbar.errors import UsageError
from nextbar.frames.config import Sampling
from nextbar.frames.model import After
from nextbar.frames.rollout import (
    candidate_noise,
    decode,
    latent_noise,
    next_frames,
    next_frames_by_score,
)
from nextbar.music.bars import FULL_VELOCITY, BarNotes, BarStarts, Rolls, read_rolls
from nextbar.music.metre import show_metre
from nextbar.music.tunes import Metre
from nextbar.writing.composer import Composer
from nextbar.writing.hearing import hear, kinds_of, to_frames
from nextbar.writing.piece import Before, Draw, Towards

Latent = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WrittenBar:
    """A bar as it is heard, (channels, 88, steps) uint8, and the latent it was decoded from.

    metre: of the bar; in a roll of more steps than it has the last are empty.
    """

    roll: Rolls
    latent: Latent
    metre: Metre


def write_bars(
    composer: Composer,
    after: Sequence[Before | None],
    draws: Sequence[Draw],
    towards: Sequence[Towards | None] | None = None,
    *,
    threshold: float | None = None,
) -> list[WrittenBar]:
    """A bar for each draw, computed side by side, each as if it were written alone.

    after: for each the bars before it, in the composer's key, the latest last
    and at least one; None begins from noise. Of these the model's memory takes the latest. The bars
    are those that ``Composer.compose`` writes, to the note. towards: for each the
    bars that it leads to, in the composer's key, or None; UsageError of a model
    that does not read ahead. threshold: from which a cell is heard; None is the
    composer's.
    """
    ends = [None] * len(draws) if towards is None else towards
    alike: dict[tuple[bool, Sampling, int | None], list[int]] = {}
    for i, (draw, end) in enumerate(zip(draws, ends, strict=True)):
        gap = None if end is None else end.gap
        alike.setdefault((after[i] is None, draw.sampling, gap), []).append(i)
    written: list[WrittenBar | None] = [None] * len(draws)
    for (_, sampling, _), chosen in alike.items():
        if composer.model.chooses(sampling):  # each is chosen of a whole group by itself
            for i in chosen:
                by_score, metre = _by_score(composer, after[i], draws[i], ends[i], threshold)
                frame, latent = (each[draws[i].rank, None] for each in by_score)
                (written[i],) = _bars_of(composer, frame, latent, [metre], threshold)
            continue
        metres = [_metre_of(composer, after[i], draws[i]) for i in chosen]
        first, kinds, ahead = _surroundings(
            composer, [after[i] for i in chosen], [ends[i] for i in chosen], metres
        )
        noise = torch.stack([_noise_of(composer, draws[i]) for i in chosen])
        frames, latents = next_frames(composer.model, first, noise, sampling, kinds, ahead)
        bars = _bars_of(composer, frames, latents, metres, threshold)
        for i, bar in zip(chosen, bars, strict=True):
            written[i] = bar
    return [bar for bar in written if bar is not None]


def write_candidates(
    composer: Composer,
    before: Before | None,
    draw: Draw,
    towards: Towards | None = None,
    *,
    threshold: float | None = None,
) -> list[WrittenBar]:
    """All bars among which the discriminator of phrases chooses for a draw, best first.

    The bar at ``rank`` is what :func:`write_bars` gives for the draw of that rank, with the same
    arguments; of a model that has such a discriminator, where ``sampling.choose`` is over 0.
    """
    (frames, latents), metre = _by_score(composer, before, draw, towards, threshold)
    return _bars_of(composer, frames, latents, [metre] * len(frames), threshold)


def _by_score(
    composer: Composer,
    before: Before | None,
    draw: Draw,
    towards: Towards | None,
    threshold: float | None,
) -> tuple[tuple[Tensor, Tensor], Metre]:
    """The frames and latents of a draw's candidates, best first, and their metre."""
    heard_from = composer.threshold if threshold is None else threshold
    metre = _metre_of(composer, before, draw)
    first, kinds, ahead = _surroundings(composer, [before], [towards], [metre])
    noise, luck = _candidates_of(composer, draw)
    by_score = next_frames_by_score(
        composer.model,
        first,
        noise,
        luck,
        draw.sampling,
        perceive=lambda drawn: hear(drawn, heard_from),
        kinds=kinds,
        after=ahead,
    )
    return by_score, metre


def _surroundings(
    composer: Composer,
    after: Sequence[Before | None],
    ends: Sequence[Towards | None],
    metres: Sequence[Metre],
) -> tuple[Tensor | None, Tensor | None, After | None]:
    """The frames before, the kinds and the frames behind of bars that are written side by side.

    All of them have bars before them or none has, and all lead to bars as far away, or none does.
    """
    memory = composer.model.memory
    befores = [
        Before(before.rolls[-memory:], before.metres[-memory:])
        for before in after
        if before is not None
    ]
    behind = [end for end in ends if end is not None]
    kinds = kinds_of(composer.kind, befores, [[metre] for metre in metres])
    first = to_frames(befores) if befores else None
    ahead = composer.after(behind)._replace(gap=behind[0].gap) if behind else None
    return first, kinds, ahead


def blend(
    composer: Composer, first: WrittenBar, second: WrittenBar, shares: Sequence[float]
) -> list[WrittenBar]:
    """The bars on the way from one to the other in latent space, one for each share.

    shares: 0-1, how far along; 0 gives the first bar and 1 the second, to the
    note. The way is an arc: the latent's direction turns evenly and its length
    changes evenly, for the middle of a straight line is nearer to 0 than any
    latent the generator has seen (White 2016, "Sampling Generative Networks").
    Raises UsageError for bars of two metres.
    """
    if not all(0 <= share <= 1 for share in shares):
        raise UsageError("share: how far to blend is from 0 (the first bar) to 1 (the second)")
    if first.metre != second.metre:
        shown = f"{show_metre(first.metre)} and {show_metre(second.metre)}"
        raise UsageError(f"blend: the bars are in {shown}; choose two of one metre")
    latents = torch.from_numpy(
        np.stack([_on_the_arc(first.latent, second.latent, share) for share in shares])
    )
    metres = [first.metre] * len(latents)
    kinds = kinds_of(composer.kind, [], [[metre] for metre in metres])
    return _bars_of(composer, decode(composer.model, latents, kinds), latents, metres)


def notes_of_bar(
    roll: Rolls, before: Rolls | None = None, starts: BarStarts | None = None
) -> BarNotes:
    """The bar's notes, dtype ``BAR_NOTE``; those that go on from the bar before are tied.

    starts: of both bars, where not all bars have all steps of their roll.
    """
    rolls = roll[None] if before is None else np.stack([before, roll])
    bar_notes, index = read_rolls(rolls, starts)
    return bar_notes[index[-2] :]


def _metre_of(composer: Composer, before: Before | None, draw: Draw) -> Metre:
    if draw.metre is not None:
        return draw.metre
    return composer.kind.metre if before is None else before.metres[-1]


def _noise_of(composer: Composer, draw: Draw) -> Tensor:
    size = composer.model.noise_size
    if (
        draw.attempt
    ):  # the seed's noise goes on bar by bar, so that what is drawn again stands apart
        rng = np.random.default_rng([draw.seed, 3, draw.position, draw.attempt])
        return torch.from_numpy(rng.standard_normal(size, dtype=np.float32))
    return latent_noise([draw.seed], draw.position + 1, size)[0, -1]


def _candidates_of(composer: Composer, draw: Draw) -> tuple[Tensor, Tensor]:
    """The noise of all bars of which one is chosen, the draw's own first, and their luck."""
    if draw.attempt:
        key = (draw.seed, 3, draw.position, draw.attempt)
        noise, luck = candidate_noise(key, _noise_of(composer, draw)[None])
    else:
        own = latent_noise([draw.seed], draw.position + 1, composer.model.noise_size)[0]
        noise, luck = candidate_noise((draw.seed,), own)
    return noise[:, -1], luck[-1]


def _bars_of(
    composer: Composer,
    frames: Tensor,
    latents: Tensor,
    metres: Sequence[Metre],
    threshold: float | None = None,
) -> list[WrittenBar]:
    heard = hear(frames, composer.threshold if threshold is None else threshold)
    rolls = (heard * FULL_VELOCITY).round().to(torch.uint8).numpy()
    made = zip(rolls, latents.numpy(), metres, strict=True)
    return [WrittenBar(roll, latent, metre) for roll, latent, metre in made]


def _on_the_arc(first: Latent, second: Latent, share: float) -> Latent:
    """The point at ``share`` of the way from one latent to the other; the ends are exact."""
    if share in (0, 1):
        return second if share else first
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    line = (1 - share) * first + share * second
    if min(lengths) == 0:
        return line.astype(np.float32)
    cosine = float(np.clip(np.dot(first, second) / (lengths[0] * lengths[1]), -1, 1))
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-4:  # the same direction, or the opposite one, where no arc is shortest
        return line.astype(np.float32)
    direction = np.sin((1 - share) * angle) * first / lengths[0]
    direction = (direction + np.sin(share * angle) * second / lengths[1]) / np.sin(angle)
    length = (1 - share) * lengths[0] + share * lengths[1]
    return np.asarray(direction * length, np.float32)
