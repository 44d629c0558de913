"""What each network is asked to change: the gradients of Eqs. 8, 9 and 10, one network each.

Nothing is stepped here; :mod:`nextbar.frames.training` does that.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nextbar.frames.config import Config
from nextbar.frames.latents import Gaussian
from nextbar.frames.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_matching,
    kl_between,
    kl_of_draw,
    kl_to_standard_normal,
    reconstruction,
)
from nextbar.frames.model import Model, Synthesis
from nextbar.frames.networks import Verdict, shown


class Judged(NamedTuple):
    """Fakes, cut off from G, and D's verdicts: D is walked through once for all who ask."""

    fake_predicted: Tensor
    fake_sampled: Tensor
    real: Verdict
    predicted: Verdict
    sampled: Verdict


def judge(
    model: Model, previous: Tensor, current: Tensor, synthesis: Synthesis, *, d_learns: bool
) -> Judged | None:
    """D's verdicts on real and fake frames; None where the second fake was not made.

    d_learns: whether D's own gradient will be asked for.
    """
    if synthesis.sampled is None:
        return None
    predicted, sampled = (
        fake.detach().requires_grad_() for fake in (synthesis.predicted, synthesis.sampled)
    )
    with torch.set_grad_enabled(d_learns):
        real = model.judge(previous, shown(current, model.config))
    return Judged(
        predicted,
        sampled,
        real,
        model.judge(previous, predicted),
        model.judge(previous, sampled),
    )


def discriminator_gradients(
    model: Model, judged: Judged
) -> tuple[list[Tensor], tuple[Tensor, Tensor], dict[str, Tensor]]:
    """The gradient of Eq. 9 for D's parameters, that at both fakes, and the figures."""
    parameters = list(model.discriminator.parameters())
    logits = (judged.real.logits, judged.predicted.logits, judged.sampled.logits)
    loss = discriminator_loss(*logits)
    *gradients, at_predicted, at_sampled = torch.autograd.grad(
        loss, [*parameters, judged.fake_predicted, judged.fake_sampled], retain_graph=True
    )
    certainty = [logit.sigmoid().mean() for logit in logits]
    figures = zip(("d_real", "d_predicted", "d_sampled"), certainty, strict=True)
    return gradients, (at_predicted, at_sampled), {"discriminator": loss, **dict(figures)}


MOST_CERTAIN = 60.0
"""Logits of fakes below minus this give a fading adversarial gradient: exp would overflow."""


def turned(d_gradient: Tensor, logits: Tensor) -> Tensor:
    """The gradient of G's adversarial loss at the fakes, from that of D's loss at them.

    For a fake of logit l, Eq. 9 has the slope sigmoid(l) and Eq. 10 the slope
    -sigmoid(-l): the same way back through D, times -exp(-l).
    d_gradient: (B, C, H, W); logits: (B,).
    """
    scale = -torch.exp(-logits.detach().clamp(min=-MOST_CERTAIN))
    return d_gradient * scale.view(-1, 1, 1, 1)


def encoder_and_generator_gradients(
    model: Model,
    current: Tensor,
    synthesis: Synthesis,
    judged: Judged | None,
    d_gradients: tuple[Tensor, Tensor] | None = None,
    *,
    warmth: float = 1.0,
) -> tuple[list[Tensor], list[Tensor], dict[str, Tensor]]:
    """The gradients of Eq. 8 for E and of Eq. 10 for G, and the figures; D gets none.

    E sees the feature matching and the KL loss only: no adversarial gradient
    reaches it. Weights that the paper does not have are 0 in the ``paper``
    preset. d_gradients: those of D's loss at the fakes, where they are known,
    which saves a walk back through D. warmth: 0-1, how much of the prior weight
    counts already.
    """
    config = model.config
    encoders = model.encoder_parameters()
    generator = list(model.generator.parameters())
    kl, prior_total = prior_losses(synthesis, config, warmth)
    drawn = synthesis.drawn
    with torch.set_grad_enabled(judged is None or config.reconstruction_weight > 0):
        cells = reconstruction(drawn.levels, drawn.gates, current)
    by_cell = config.reconstruction_weight * cells
    figures = {"kl": kl, "reconstruction": cells, "loudest": loudest(drawn.frames())}
    totals = {"encoder": by_cell + prior_total, "generator": by_cell}
    if judged is None:
        both = torch.autograd.grad(totals["encoder"], [*encoders, *generator])
        return [*both[: len(encoders)]], [*both[len(encoders) :]], figures | totals
    features = (judged.real.features.detach(), judged.predicted.features, judged.sampled.features)
    feature = feature_matching(*features)
    matching = config.feature_weight * feature
    adversarial = config.adversarial_weight * adversarial_loss(
        judged.predicted.logits, judged.sampled.logits
    )
    for_encoder, for_generator = _asked_of_fakes(matching, adversarial, judged, d_gradients, config)
    assert synthesis.sampled is not None
    frames = (synthesis.predicted, synthesis.sampled)
    encoder_gradients = _gradients(
        encoders, totals["encoder"], zip(frames, for_encoder, strict=True), retain_graph=True
    )
    generator_gradients = _gradients(
        generator, by_cell, zip(frames, for_generator, strict=True), retain_graph=False
    )
    totals["encoder"] = totals["encoder"] + matching
    totals["generator"] = totals["generator"] + matching + adversarial
    return encoder_gradients, generator_gradients, {**figures, "feature": feature, **totals}


def _gradients(
    parameters: list[nn.Parameter],
    loss: Tensor,
    asked_of_frames: Iterable[tuple[Tensor, Tensor | None]],
    *,
    retain_graph: bool,
) -> list[Tensor]:
    """The gradient of a loss, and of what is asked of frames, for the parameters."""
    roots: list[tuple[Tensor, Tensor | None]] = [
        (frame, asked) for frame, asked in asked_of_frames if asked is not None
    ]
    if loss.requires_grad:
        roots.append((loss, None))
    outputs, asked = zip(*roots, strict=True)
    return [*torch.autograd.grad(outputs, parameters, asked, retain_graph=retain_graph)]


def _asked_of_fakes(
    matching: Tensor,
    adversarial: Tensor,
    judged: Judged,
    d_gradients: tuple[Tensor, Tensor] | None,
    config: Config,
) -> tuple[list[Tensor | None], list[Tensor]]:
    """The gradients at both fakes: of Eq. 7, for E; with the adversarial loss, for G.

    E has made the second fake only with a learned prior; else nothing is asked of it there.
    """
    fakes = (judged.fake_predicted, judged.fake_sampled)
    logits = (judged.predicted.logits, judged.sampled.logits)
    for_encoder: list[Tensor | None] = []
    for_generator = []
    for nth, fake in enumerate(fakes):
        made_by_encoder = nth == 0 or config.learned_prior
        if d_gradients is None and not made_by_encoder:
            (total,) = torch.autograd.grad(matching + adversarial, [fake], retain_graph=True)
            for_encoder.append(None)
            for_generator.append(total)
            continue
        (asked,) = torch.autograd.grad(matching, [fake], retain_graph=True)
        if d_gradients is None:
            (adversary,) = torch.autograd.grad(adversarial, [fake], retain_graph=True)
        else:
            adversary = config.adversarial_weight * turned(d_gradients[nth], logits[nth])
        for_encoder.append(asked if made_by_encoder else None)
        for_generator.append(asked + adversary)
    return for_encoder, for_generator


def loudest(frames: Tensor) -> Tensor:
    """The mean over the batch of each frame's greatest value, in [0, 1]."""
    return frames.detach().flatten(1).amax(dim=1).mean()


def prior_losses(
    synthesis: Synthesis, config: Config, warmth: float = 1.0
) -> tuple[Tensor, Tensor]:
    """The KL divergence in nats, and the weighted sum of all that concerns the prior.

    warmth: 0-1, how much of the prior weight counts already.
    """
    weight = config.prior_weight * warmth
    own, prior = synthesis.own, synthesis.prior
    if prior is None:
        kl = kl_to_standard_normal(*own)
        return kl, weight * kl
    if isinstance(prior, Gaussian):
        kl = kl_between(*own, *prior)
        return kl, weight * kl + config.anchor_weight * kl_to_standard_normal(*prior)
    latent = synthesis.latent
    kl = kl_of_draw(own.log_density(latent), prior.log_density(latent))
    return kl, weight * kl
