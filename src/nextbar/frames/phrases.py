"""A discriminator of phrases: what tells several frames that a model wrote from real ones.

A single next frame that a trained model writes can often not be told from the
real one, and a discriminator of frames has nothing to teach. Some frames in a
row can be told: the signal is in phrases. So this one looks at ``PHRASE`` frames
together, when everything else is trained, and learns Eq. 9 from what the model
rolls out by itself: the frames that go on from a real one (testing model 1)
stand where G(z_t) does, and those begun from noise (model 2) where G(z_p) does.
Nothing flows back into E and G. It works while writing: of several frames that
are drawn side by side one is taken by its odds, D / (1 - D), as in
discriminator rejection sampling (Azadi et al. 2018), so that what is written is
distributed more as what is real. Departure: in the paper D looks at one frame,
and its gradient trains G.
"""

import copy
import math
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nextbar.frames.config import Sampling
from nextbar.frames.contracts import Frames, PerFrame, Shape
from nextbar.frames.losses import discriminator_loss

PHRASE: Final = 4
"""Frames that are looked at together: the one in question and those before it."""
WRITTEN: Final = 7
"""Frames that are rolled out to learn from, behind the first."""
ROLLOUTS: Final = 1000
"""Sequences that are rolled out to learn from, by each testing model."""
WINDOWS: Final = 4
"""Phrases that are taken of each."""
HELD_BACK: Final = 7
"""Of so many sequences one says when to stop, and is not learned from."""
BATCH: Final = 24
"""Phrases of each of the three kinds in an update."""
ROWS_MOVED: Final = 3
"""Phrases are moved by up to so many rows while training: what is known by heart looks new."""
LEARNING_RATE: Final = 1.5e-3
WEIGHT_DECAY: Final = 0.05
ROUNDS: Final = 6
"""How often the held-back phrases are asked; the best of these states is kept."""
MAPS: Final = (32, 32, 64, 96)

Phrases = Bool[Tensor, "batch frames channels height width"]
"""Frames in a row, the latest last; what is not known is empty."""


class PhraseDiscriminator(nn.Module):
    """``PHRASE`` frames side by side -> the logit of their being real. Paper Eq. 9.

    Convolutions over rows and columns, as the paper's D has them, with strides,
    and at the end the mean and the greatest value of each map.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        first, *others = MAPS
        layers = [*_layer(nn.Conv2d(shape[0], first, (5, 4), (1, 4), (2, 0), bias=False))]
        maps = first
        for out in others:
            layers += _layer(nn.Conv2d(maps, out, 3, 2, 1, bias=False))
            maps = out
        self.hidden = nn.Sequential(*layers)
        self.verdict = nn.Sequential(nn.Linear(2 * maps, 64), nn.ReLU(), nn.Linear(64, 1))
        self.n_updates: Tensor  # that it has learned from; 0: it knows nothing yet
        self.register_buffer("n_updates", torch.zeros((), dtype=torch.int64))

    def forward(self, phrases: Phrases) -> PerFrame:
        """phrases: (B, PHRASE, C, H, W). Above 0 says real."""
        side_by_side = phrases.permute(0, 2, 3, 1, 4).flatten(3).float()
        found = self.hidden(side_by_side).flatten(2)
        logits: Tensor = self.verdict(torch.cat([found.mean(dim=2), found.amax(dim=2)], dim=1))
        return logits.squeeze(1).float()

    def while_writing(self) -> "PhraseDiscriminator":
        """The same as it is now, each normalisation within its convolution: in a third of the time.

        Nothing can be learned any more.
        """
        other = copy.deepcopy(self).eval().requires_grad_(False)
        layers: list[nn.Module] = []
        for layer in other.hidden:
            last = layers[-1] if layers else None
            if isinstance(layer, nn.BatchNorm2d) and isinstance(last, nn.Conv2d):
                layers[-1] = fuse_conv_bn_eval(last, layer)
            else:
                layers.append(layer)
        other.hidden = nn.Sequential(*layers)
        return other


def _layer(convolution: nn.Conv2d) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()]


def phrase_of(frames: Float[Tensor, "batch time channels height width"]) -> Phrases:
    """The last ``PHRASE`` frames, as they are looked at; empty ones where there are fewer."""
    last = frames[:, -PHRASE:] > 0
    return F.pad(last, (0, 0, 0, 0, 0, 0, PHRASE - last.shape[1], 0))


class Learned(NamedTuple):
    """Sequences of as many frames, and of how many there are phrases to learn from.

    frames: (sequences, WRITTEN + 1, C, H, W), what is there. ends: (phrases, 2),
    the sequence of each phrase and its last frame.
    """

    frames: Bool[Tensor, "sequences time channels height width"]
    ends: npt.NDArray[np.int64]

    def phrases(self, chosen: npt.NDArray[np.int64]) -> Phrases:
        """The phrases of these numbers, (chosen, PHRASE, C, H, W)."""
        rows, ends = self.ends[chosen].T
        before = ends[:, None] + np.arange(1 - PHRASE, 1)
        found = self.frames[torch.from_numpy(rows)[:, None], torch.from_numpy(before.clip(min=0))]
        known = torch.from_numpy(before >= 0)
        return found & known[..., None, None, None]


class Examples(NamedTuple):
    """Real sequences, those that go on from a real frame, and those begun from noise."""

    real: Learned
    predicted: Learned
    sampled: Learned


def learn_phrases(
    discriminator: PhraseDiscriminator,
    learn_from: Examples,
    stop_by: Examples,
    *,
    n_updates: int,
    seed: int,
) -> Iterator[float]:
    """Trains the discriminator, yielding the loss of Eq. 9 after each update.

    At the end it is the state that did best on ``stop_by``.
    """
    rng = np.random.default_rng([seed, 4])
    optimiser = torch.optim.AdamW(
        discriminator.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY
    )
    best, least = copy.deepcopy(discriminator.state_dict()), math.inf
    device = next(discriminator.parameters()).device
    asked_every = max(1, n_updates // ROUNDS)
    for nth in range(n_updates):
        discriminator.train()
        # The rate rises, and falls to nothing, as half a turn of a circle.
        rate = LEARNING_RATE * math.sin(math.pi * (nth + 1) / (n_updates + 1))
        for group in optimiser.param_groups:
            group["lr"] = rate
        moved = int(rng.integers(-ROWS_MOVED, ROWS_MOVED + 1))
        chosen = [of.phrases(rng.integers(len(of.ends), size=BATCH)) for of in learn_from]
        phrases = torch.roll(torch.cat(chosen), moved, dims=3).to(device)
        loss = discriminator_loss(*discriminator(phrases).split(BATCH))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if (nth + 1) % asked_every == 0:
            now = held_back_loss(discriminator, stop_by)
            if now < least:
                best, least = copy.deepcopy(discriminator.state_dict()), now
        yield loss.item()
    discriminator.load_state_dict(best)
    discriminator.n_updates.fill_(n_updates)
    discriminator.eval()


@torch.inference_mode()
def held_back_loss(discriminator: PhraseDiscriminator, of: Examples) -> float:
    """Eq. 9 of all these phrases."""
    discriminator.eval()
    device = next(discriminator.parameters()).device
    logits = []
    for each in of:
        numbers = np.arange(len(each.ends))
        parts = [each.phrases(numbers[i : i + 128]) for i in range(0, len(numbers), 128)]
        logits.append(torch.cat([discriminator(part.to(device)) for part in parts]))
    fewest = min(map(len, logits))
    return discriminator_loss(*(each[:fewest] for each in logits)).item()


def ends_of(n_sequences: int, first: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """(phrases, 2): of each sequence ``WINDOWS`` frames from ``first`` on, at which phrases end."""
    return np.array(
        [
            (row, end)
            for row in range(n_sequences)
            for end in rng.choice(np.arange(first, WRITTEN + 1), WINDOWS, replace=False)
        ],
        np.int64,
    )


class Candidates(NamedTuple):
    """Frames drawn side by side, one of which is to be taken.

    frames: (n, C, H, W), as perceived. free: what they had been with all rows
    open. before: (1, T, C, H, W), the frames before, or None. nth: the number of
    the frame in its sequence, from 0.
    """

    frames: Frames
    free: Frames
    before: Float[Tensor, "1 time channels height width"] | None
    nth: int

    def phrases(self) -> Phrases:
        """Each of the frames with those before it."""
        now = self.frames[:, None]
        if self.before is None:
            return phrase_of(now)
        before = self.before[:, -(PHRASE - 1) :].expand(len(now), -1, -1, -1, -1)
        return phrase_of(torch.cat([before, now], dim=1))


Luck = Float[Tensor, "slots"]
"""What decides between equal candidates, a number for each."""
Score = Callable[[Candidates], PerFrame]
"""How much speaks for each candidate: the one with the greatest is taken."""
Wish = Callable[[Candidates], PerFrame]
"""How far off each candidate is from what is asked for, 0 or more."""
WISH: Final = 20.0
"""How much nearer to a wish a frame must be, of 1, to be taken at odds of e to this power."""


def scorer(
    discriminator: PhraseDiscriminator | None,
    sampling: Sampling,
    luck: Float[Tensor, "time candidates"],
    wish: Wish | None = None,
) -> Score:
    """By its scores each candidate is the greatest as often as its odds to the power of
    ``sampling.choose`` say.

    luck: from a Gumbel distribution, for each frame and candidate: of their sums
    with the logits the greatest is so distributed, of the others the next one, and so
    on. wish: then mostly the nearest to it is the greatest.
    """
    judge = None
    if discriminator is not None and sampling.choose:
        judge = discriminator.while_writing()

    @torch.inference_mode()
    def scores(candidates: Candidates) -> PerFrame:
        score = torch.zeros(len(candidates.frames))
        if judge is not None:
            device = next(judge.parameters()).device
            logits = judge(candidates.phrases().to(device)).cpu()
            score = score + sampling.choose * logits + luck[candidates.nth]
        if wish is not None:
            score = score - WISH * wish(candidates)
        return score

    return scores
