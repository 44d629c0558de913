"""What an encoder reads off the frames before: the distribution that a latent is drawn from.

In the paper that is one normal distribution (:class:`Gaussian`). In a
:class:`Chain` the latent has parts, one after the other, and each part's
distribution is a :class:`Mixture` of normals that depends on the parts before
it, too: a mixture can say "this or that", which one normal cannot.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nextbar.frames.config import Sampling
from nextbar.frames.contracts import Latents, Noise, PerFrame, There
from nextbar.frames.losses import draw_latent

AS_TRAINED = Sampling()
"""Latents drawn as they were while training."""

LOG_VARIANCES = 10.0
"""Log-variances stay within plus and minus this: without normalisation over the batch nothing
else keeps a first guess from overflowing."""


class Gaussian(NamedTuple):
    """One normal distribution, mean and log-variance (B, latent). Paper Eq. 3."""

    mean: Latents
    log_variance: Latents

    def draw(
        self,
        noise: Noise,
        sampling: Sampling = AS_TRAINED,
        *,
        beginning: "Gaussian | None" = None,
    ) -> Latents:
        """A latent, (B, latent). Paper Eq. 4.

        noise: (B, latent or more), from N(0, I); the first ``latent`` numbers are
        multiplied by the temperature. beginning: what is read where there are no
        frames before; needed if ``sampling.follow`` is less than 1, which is how
        much of this reading is kept against that: the mean lies on the straight
        line from one to the other, and the deviation changes by equal ratios.
        """
        mean, log_variance = self
        if sampling.follow < 1:
            assert beginning is not None
            mean = torch.lerp(beginning.mean, mean, sampling.follow)
            log_variance = torch.lerp(beginning.log_variance, log_variance, sampling.follow)
        return draw_latent(mean, log_variance, noise[:, : mean.shape[1]] * sampling.temperature)

    def of_rows(self, n_rows: int) -> "Gaussian":
        """The same for each of ``n_rows``; self is of as many, or of one."""
        return Gaussian(*(each.expand(n_rows, -1) for each in self))

    def log_density(self, latent: Latents, there: There | None = None) -> PerFrame:
        """The logarithm of the density at a latent (B, latent), (B,).

        there: (B, parts), of a latent in parts, of which it is, if not of all.
        """
        if there is None:
            return log_normal(latent, self.mean, self.log_variance)
        at, mean, log_variance = (each.reshape(*there.shape, -1) for each in (latent, *self))
        return (log_normal(at, mean, log_variance) * there).sum(dim=1)


def only_there(latent: Latents, there: There) -> Latents:
    """The latent (B, parts * latent) with 0 in the parts that are not there."""
    return (latent.reshape(*there.shape, -1) * there[..., None]).flatten(1)


def log_normal(
    at: Float[Tensor, "*#rows latent"],
    mean: Float[Tensor, "*rows latent"],
    log_variance: Float[Tensor, "*rows latent"],
) -> Float[Tensor, "*rows"]:
    """The log-density of a normal distribution of independent dimensions, the last ones summed."""
    distance = (at - mean).square() * torch.exp(-log_variance)
    return -0.5 * (distance + log_variance + math.log(2 * math.pi)).sum(dim=-1)


class Mixture(NamedTuple):
    """For each part of a latent some normals, and how likely each is. Bishop (1994).

    log_weights: (B, parts, normals), each part's weights sum to 1. means,
    log_variances: (B, parts, normals, latent). there: (B, parts), which parts
    there are, if not all: the others are 0, and nothing is said of them.
    """

    log_weights: Float[Tensor, "batch parts normals"]
    means: Float[Tensor, "batch parts normals latent"]
    log_variances: Float[Tensor, "batch parts normals latent"]
    there: There | None = None

    def log_density(self, latent: Latents) -> PerFrame:
        """The logarithm of the density at a latent (B, parts * latent), (B,)."""
        parts = latent.view(*self.means.shape[:2], 1, -1)
        densities = self.log_weights + log_normal(parts, self.means, self.log_variances)
        of_parts = torch.logsumexp(densities, dim=2)
        return (of_parts if self.there is None else of_parts * self.there).sum(dim=1)

    def draw(
        self,
        noise: Float[Tensor, "batch parts latent"],
        choice: Float[Tensor, "batch parts"],
        temperature: float,
    ) -> Float[Tensor, "batch parts latent"]:
        """A latent for each part, (B, parts, latent).

        noise: (B, parts, latent) and choice: (B, parts), from N(0, I). The choice
        says which normal, by its place in their cumulated weights. temperature:
        takes each weight and each density to the power of 1 / temperature, so that
        likely normals become likelier, and variances are multiplied by it; 0 takes
        the mean of the likeliest.
        """
        if temperature == 0:
            nth = self.log_weights.argmax(dim=2)
        else:
            cumulated = F.softmax(self.log_weights / temperature, dim=2).cumsum(dim=2)
            nth = (cumulated < torch.special.ndtr(choice)[..., None]).sum(dim=2)
            nth = nth.clamp(max=cumulated.shape[2] - 1)  # where rounding leaves the sum under 1
        at = nth[..., None, None].expand(*nth.shape, 1, self.means.shape[3])
        mean, log_variance = (of.gather(2, at).squeeze(2) for of in self[1:3])
        return draw_latent(mean, log_variance, noise * math.sqrt(temperature))


class Chain(NamedTuple):
    """Parts that are drawn one after the other, each given those before it. Not in the paper.

    contexts: (B, parts, maps), what was read that concerns each part. state:
    (1, B, maps), what is known before the first. step: from the contexts of
    some parts in a row, for each the part before it (zeros before the first),
    the state, and which parts they are, to their mixtures and the state behind
    them. latent: dimensions of a part. there: as in :class:`Mixture`; as each
    part depends on those before it only, what is not there changes nothing.
    """

    contexts: Float[Tensor, "batch parts maps"]
    state: Float[Tensor, "1 batch maps"]
    step: Callable[[Tensor, Tensor, Tensor, slice], tuple[Mixture, Tensor]]
    latent: int
    there: There | None = None

    def of_rows(self, n_rows: int) -> "Chain":
        """The same for each of ``n_rows``; self is of as many, or of one."""
        return self._replace(
            contexts=self.contexts.expand(n_rows, -1, -1).contiguous(),
            state=self.state.expand(-1, n_rows, -1).contiguous(),
            there=None if self.there is None else self.there.expand(n_rows, -1),
        )

    def given(self, latent: Latents) -> Mixture:
        """The mixture of each part of a latent (B, parts * latent), given the parts before it."""
        parts = latent.view(*self.contexts.shape[:2], -1)
        before = F.pad(parts[:, :-1], (0, 0, 1, 0))
        mixture = self.step(self.contexts, before, self.state, slice(None))[0]
        return mixture._replace(there=self.there)

    def draw(
        self,
        noise: Noise,
        sampling: Sampling = AS_TRAINED,
        *,
        beginning: "Chain | None" = None,
    ) -> Latents:
        """A latent, (B, parts * latent), drawn part after part.

        noise: (B, parts * latent + 2 * parts), from N(0, I), or for more parts than
        there are, and a number that is left over: what moves each part, then what chooses its
        normal, then what decides if it follows. The
        temperature: see :meth:`Mixture.draw`. beginning: what is read where there
        are no frames before; needed if ``sampling.follow`` is less than 1, which is
        the probability of each part to be drawn from this reading, and not from that.
        """
        n_rows, n_parts, _ = self.contexts.shape
        n_drawn = n_parts if self.there is None else int(self.there.sum(dim=1).max())
        n_drawn_with = noise.shape[1] // (self.latent + 2)
        sizes = [n_drawn_with * self.latent, n_drawn_with, n_drawn_with]
        moves, choices, followed = torch.split(noise[:, : sum(sizes)], sizes, dim=1)
        moves = torch.unflatten(moves, 1, (n_drawn_with, self.latent))
        follows = torch.special.ndtr(followed) < sampling.follow
        part, state = noise.new_zeros(n_rows, 1, self.latent), self.state
        first_state = None if beginning is None else beginning.state
        parts = []
        for nth in range(n_drawn):
            now = slice(nth, nth + 1)
            how = (moves[:, now], choices[:, now], sampling.temperature)
            mixture, state = self.step(self.contexts[:, now], part, state, now)
            drawn = mixture.draw(*how)
            if sampling.follow < 1:
                assert beginning is not None
                assert first_state is not None
                other, first_state = beginning.step(
                    beginning.contexts[:, now], part, first_state, now
                )
                drawn = torch.where(follows[:, now, None], drawn, other.draw(*how))
            part = drawn
            parts.append(part)
        latent = F.pad(torch.cat(parts, dim=1), (0, 0, 0, n_parts - n_drawn)).flatten(1)
        return latent if self.there is None else only_there(latent, self.there)
