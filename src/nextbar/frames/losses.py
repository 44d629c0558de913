"""Equations 4 to 10 of Akbari & Liang (2018), one pure function each.

Each loss is a mean over the batch, so that its size does not depend on the
batch; sums over the dimensions of a latent or of a feature map are sums, as
the paper writes them. Weights are applied where a total is summed, in
``gradients.py``, and nowhere here. The two that are not the paper's say so.
"""

import torch
import torch.nn.functional as F

from nextbar.frames.contracts import Features, Frames, Latents, Parts, PerFrame, Scalar


def draw_latent(mean: Parts, log_variance: Parts, noise: Parts) -> Parts:
    """A latent drawn from the encoder's distribution, (batch, latent). Paper Eq. 4.

    z = mu + z_p * exp(e / 2), where the noise z_p ~ N(0, I) is the very vector
    that G decodes on its own in Eq. 6.

    Departure: Eq. 4 has exp(e), Eq. 5 is a KL divergence only if the variance
    is exp(e); both cannot hold, and we keep the one that makes Eq. 5 right.
    """
    return mean + noise * torch.exp(0.5 * log_variance)


def kl_to_standard_normal(mean: Latents, log_variance: Latents) -> Scalar:
    """KL divergence of N(mean, exp(log_variance)) from N(0, I), in nats, >= 0. Paper Eq. 5.

    mean, log_variance: (batch, latent). Returns a scalar, the mean over the batch.
    """
    per_dimension = mean.square() + log_variance.exp() - log_variance - 1
    return 0.5 * per_dimension.sum(dim=1).mean()


def kl_from_prior(
    mean: Latents, log_variance: Latents, prior_mean: Latents, prior_log_variance: Latents
) -> Scalar:
    """KL divergence of a normal distribution from a learned prior that is one, in nats, >= 0.

    All four (batch, latent), the dimensions independent. Returns a scalar, the
    mean over the batch. From N(0, I) it is Eq. 5. Not in the paper.
    """
    distance = (mean - prior_mean).square() + log_variance.exp()
    per_dimension = distance * torch.exp(-prior_log_variance) + prior_log_variance - log_variance
    return 0.5 * (per_dimension - 1).sum(dim=1).mean()


def kl_of_draw(log_density: PerFrame, prior_log_density: PerFrame) -> Scalar:
    """The KL divergence from a prior, in nats, as a draw tells it: unbiased, but noisy.

    log_density, prior_log_density: (batch,), of the latents that were drawn, under
    the distribution that they were drawn from and under the prior. Returns a
    scalar, the mean over the batch. For a prior without a KL divergence in
    closed form, as a mixture is. Not in the paper.
    """
    return (log_density - prior_log_density).mean()


def reconstruction(levels: Frames, gates: Frames | None, current: Frames) -> Scalar:
    """How unlikely the current frame is, its cells summed, in nats. Not in the paper.

    levels, current: (batch, C, H, W) in [0, 1]. Without gates the cross-entropy
    of the levels, least where they are equal. gates: logits of there being
    something; then their cross-entropy, and where there is something the
    level's distance in a normal distribution of deviation LEVEL_SPREAD.
    Returns a scalar, the mean over the batch.
    """
    if gates is None:
        likely = levels.clamp(1e-7, 1 - 1e-7)  # not-a-number passes, to be noticed by the loop
        cells = -(current * likely.log() + (1 - current) * (1 - likely).log())
    else:
        is_there = (current > 0).float()
        cells = F.binary_cross_entropy_with_logits(gates, is_there, reduction="none")
        cells = cells + 0.5 * is_there * ((levels - current) / LEVEL_SPREAD).square()
    return cells.flatten(1).sum(dim=1).mean()


LEVEL_SPREAD = 0.2
"""How far off a level may be, of 1. Where levels vary, as the loudness of played music does, a
latent that has to say them exactly has little left to say what is there (docs/recipe.md)."""


def feature_matching(real: Features, predicted: Features, sampled: Features) -> Scalar:
    """Half the squared distance of D's features of real frames to both fakes', >= 0. Paper Eq. 7.

    real, predicted, sampled: (batch, features), D_l of x_t, of G(z_t) and of
    G(z_p). Returns a scalar, the mean over the batch.
    """
    to_predicted = (real - predicted).square().sum(dim=1)
    to_sampled = (real - sampled).square().sum(dim=1)
    return 0.5 * (to_predicted + to_sampled).mean()


def discriminator_loss(real: PerFrame, predicted: PerFrame, sampled: PerFrame) -> Scalar:
    """-(log D(x_t) + log(1 - D(G(z_t))) + log(1 - D(G(z_p)))), in nats, >= 0. Paper Eq. 9.

    real, predicted, sampled: (batch,) logits of D, whose Sigmoid stands here
    in its stable form, -log sigmoid(l) = softplus(-l). Returns a scalar.
    """
    return (F.softplus(-real) + F.softplus(predicted) + F.softplus(sampled)).mean()


def adversarial_loss(predicted: PerFrame, sampled: PerFrame) -> Scalar:
    """-(log D(G(z_t)) + log D(G(z_p))), in nats, >= 0. The first part of paper Eq. 10.

    predicted, sampled: (batch,) logits of D. Returns a scalar.
    """
    return (F.softplus(-predicted) + F.softplus(-sampled)).mean()
