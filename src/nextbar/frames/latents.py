"""What an encoder reads off the frames before: the distribution that a latent is drawn from.

A reading gives the latent in parts, one after the other. In the paper there is
one part, normal with a mean and a variance for each dimension
(:class:`Gaussian`); in a :class:`Chain` each part's mean and variance depend on
the parts before it, too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nextbar.frames.losses import draw_latent


class Gaussian(NamedTuple):
    """One normal distribution, mean and log-variance (B, latent). Paper Eq. 3."""

    mean: Tensor
    log_variance: Tensor

    @property
    def n_parts(self) -> int:
        """One."""
        return 1

    def part(self, nth: int, before: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Mean and log-variance of the only part there is."""
        return self.mean, self.log_variance


class Chain(NamedTuple):
    """Parts that are normal given those before them. Not in the paper.

    contexts: for each part (B, C), what was read that concerns it. steps: for
    each part the network that gives its mean and log-variance from that and
    the parts before.
    """

    contexts: Sequence[Tensor]
    steps: Sequence[nn.Module]

    @property
    def n_parts(self) -> int:
        """How many parts the latent has."""
        return len(self.steps)

    def part(self, nth: int, before: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of part ``nth``; before: (B, ...), all parts before it."""
        context = self.contexts[nth]
        moments = self.steps[nth](torch.cat([context, before.to(context.dtype)], dim=1))
        mean, log_variance = moments.float().chunk(2, dim=1)
        return mean, log_variance.clamp(-LOG_VARIANCES, LOG_VARIANCES)


LOG_VARIANCES = 10.0
"""Log-variances stay within plus and minus this: without normalisation over the batch nothing
else keeps a first guess from overflowing."""

Reading = Gaussian | Chain


def moments_of(reading: Reading, latent: Tensor) -> Gaussian:
    """Mean and log-variance of each part of a latent, given the parts before it, (B, latent)."""
    means: list[Tensor] = []
    log_variances: list[Tensor] = []
    begin = 0
    for nth in range(reading.n_parts):
        mean, log_variance = reading.part(nth, latent[:, :begin])
        means.append(mean)
        log_variances.append(log_variance)
        begin += mean.shape[1]
    return Gaussian(torch.cat(means, dim=1), torch.cat(log_variances, dim=1))


def draw_from(
    reading: Reading, noise: Tensor, *, beginning: Reading | None = None, follow: float = 1.0
) -> Tensor:
    """A latent drawn from what was read, (B, latent). Paper Eq. 4, part by part.

    noise: (B, latent), from N(0, I). beginning: what is read where there are no
    frames before; needed if follow is less than 1. follow: 0-1, how much of the
    reading is kept against that: between, a part's mean lies on the straight
    line from one to the other and its deviation changes by equal ratios.
    """
    latent = noise[:, :0]
    for nth in range(reading.n_parts):
        mean, log_variance = reading.part(nth, latent)
        if follow < 1:
            assert beginning is not None
            first_mean, first_log_variance = beginning.part(nth, latent)
            mean = torch.lerp(first_mean, mean, follow)
            log_variance = torch.lerp(first_log_variance, log_variance, follow)
        begin = latent.shape[1]
        part = draw_latent(mean, log_variance, noise[:, begin : begin + mean.shape[1]])
        latent = torch.cat([latent, part], dim=1)
    return latent
