"""What each network is asked to change: the gradients of Eqs. 8, 9 and 10, one network each.

Nothing is stepped here; :mod:`nextbar.frames.training` does that. Each weight
multiplies once, where a total is summed.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from nextbar.frames.chain import Gaussian
from nextbar.frames.contracts import Frames, History, Scalar, Verdict
from nextbar.frames.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_matching,
    kl_from_prior,
    kl_of_draw,
    kl_to_standard_normal,
    reconstruction,
)
from nextbar.frames.model import Model, Synthesis


class Verdicts(NamedTuple):
    """Fakes, cut off from G, and D's verdicts: D is walked through once for all who ask."""

    fakes: tuple[Frames, Frames]
    real: Verdict
    predicted: Verdict
    sampled: Verdict


def verdicts_on(
    model: Model, previous: History, current: Frames, synthesis: Synthesis
) -> Verdicts | None:
    """D's verdicts on real and fake frames; None where there is no D."""
    if synthesis.sampled is None:
        return None
    predicted = synthesis.predicted.detach().requires_grad_()
    sampled = synthesis.sampled.detach().requires_grad_()
    return Verdicts(
        (predicted, sampled),
        model.judge(previous, model.shown(current)),
        model.judge(previous, predicted),
        model.judge(previous, sampled),
    )


def discriminator_gradients(
    model: Model, judged: Verdicts
) -> tuple[list[Tensor], dict[str, Scalar]]:
    """The gradient of Eq. 9 for D's parameters, and the figures."""
    assert model.discriminator is not None
    logits = (judged.real.logits, judged.predicted.logits, judged.sampled.logits)
    loss = discriminator_loss(*logits)
    gradients = torch.autograd.grad(loss, [*model.discriminator.parameters()], retain_graph=True)
    certainty = [logit.sigmoid().mean() for logit in logits]
    figures = zip(("d_real", "d_predicted", "d_sampled"), certainty, strict=True)
    return [*gradients], {"discriminator": loss, **dict(figures)}


def encoder_and_generator_gradients(
    model: Model,
    current: Frames,
    synthesis: Synthesis,
    judged: Verdicts | None,
    *,
    annealing: float = 1.0,
) -> tuple[list[Tensor], list[Tensor], dict[str, Scalar]]:
    """The gradients of Eq. 8 for E and of Eq. 10 for G, and the figures; D gets none.

    E sees the feature matching and the KL loss only: no adversarial gradient
    reaches it. With a learned prior both E and G also go down the reconstruction,
    which is not in the paper. annealing: how often the prior weight counts at this step.
    """
    config = model.config
    is_likelihood = config.has_learned_prior
    encoders, generator = model.encoder_parameters(), [*model.generator.parameters()]
    kl = prior_loss(synthesis)
    prior = config.prior_weight * annealing * kl
    with torch.set_grad_enabled(is_likelihood):
        cells = reconstruction(synthesis.drawn.levels, synthesis.drawn.gates, current)
    figures = {"kl": kl, "reconstruction": cells, "loudest": loudest(synthesis.drawn.frames())}
    if judged is None:  # what concerns the prior does not depend on G: one walk serves both
        both = torch.autograd.grad(cells + prior, [*encoders, *generator])
        totals = {"encoder": cells + prior, "generator": cells}
        return [*both[: len(encoders)]], [*both[len(encoders) :]], figures | totals

    feature = feature_matching(
        judged.real.features.detach(), judged.predicted.features, judged.sampled.features
    )
    matching = config.feature_weight * feature
    adversarial = config.adversarial_weight * adversarial_loss(
        judged.predicted.logits, judged.sampled.logits
    )
    assert synthesis.sampled is not None
    frames = (synthesis.predicted, synthesis.sampled)
    n_of_encoder = 2 if is_likelihood else 1  # in the paper the second fake is G's alone
    for_encoder = torch.autograd.grad(matching, judged.fakes[:n_of_encoder], retain_graph=True)
    for_generator = torch.autograd.grad(matching + adversarial, judged.fakes)
    by_cell = [cells] if is_likelihood else []
    encoder_gradients = torch.autograd.grad(
        [prior, *by_cell, *frames[:n_of_encoder]],
        encoders,
        [None, *(None for _ in by_cell), *for_encoder],
        retain_graph=True,
    )
    generator_gradients = torch.autograd.grad(
        [*by_cell, *frames], generator, [*(None for _ in by_cell), *for_generator]
    )
    likelihood = sum(by_cell)
    totals = {
        "encoder": prior + matching + likelihood,
        "generator": matching + adversarial + likelihood,
    }
    return [*encoder_gradients], [*generator_gradients], {**figures, "feature": feature, **totals}


def loudest(frames: Frames) -> Scalar:
    """The mean over the batch of each frame's greatest value, in [0, 1]."""
    return frames.detach().flatten(1).amax(dim=1).mean()


def prior_loss(synthesis: Synthesis) -> Scalar:
    """The KL divergence from the prior, in nats: Eq. 5, or from the learned prior."""
    own, prior, latent = synthesis.own, synthesis.prior, synthesis.latent
    if prior is None:
        return kl_to_standard_normal(*own)
    if isinstance(prior, Gaussian):
        return kl_from_prior(*own, *prior)
    return kl_of_draw(own.log_density(latent, prior.there), prior.log_density(latent))
