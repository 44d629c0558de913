"""Training: one step, one loop.

The loop yields what happened, epoch by epoch and step by step; whoever runs it
shows that, saves checkpoints, or stops. Nothing random is hidden: the order of
pairs depends on (seed, epoch) and the noise on (seed, step), so that a run
continued from a checkpoint is the run that was never interrupted.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nextbar.errors import TrainingError
from nextbar.frames.config import Config
from nextbar.frames.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_matching,
    kl_between,
    kl_to_standard_normal,
    reconstruction,
)
from nextbar.frames.model import Model, Synthesis
from nextbar.frames.networks import Verdict
from nextbar.frames.pairs import PairBatches


class Figures(NamedTuple):
    """What one step, or an epoch on average, came to.

    encoder, generator, discriminator: the totals of Eqs. 8, 10 and 9;
    reconstruction: cross-entropy of a frame in nats; feature: Eq. 7; kl: Eq. 5,
    or the KL between the encoders of a learned prior, in nats; d_real,
    d_predicted, d_sampled: mean probability D gives to real frames, to G(z_t)
    and to the other fake. What a step does not compute is not-a-number in it.
    """

    encoder: float
    generator: float
    kl: float
    reconstruction: float
    feature: float = math.nan
    discriminator: float = math.nan
    d_real: float = math.nan
    d_predicted: float = math.nan
    d_sampled: float = math.nan


class Progress(NamedTuple):
    """One step done, of ``n_steps`` in all; epoch and step count from 1.

    figures: averages over the epoch so far; where it was cut short and is
    continued, over what came since.
    """

    epoch: int
    step: int
    n_steps: int
    ends_epoch: bool
    figures: Figures


@dataclass
class Training:
    """A model under training: the networks, their optimisers, and how far it is."""

    model: Model
    encoder_optimiser: torch.optim.Adam
    generator_optimiser: torch.optim.Adam
    discriminator_optimiser: torch.optim.Adam
    epoch: int = 0
    step: int = 0

    @property
    def optimisers(self) -> dict[str, torch.optim.Adam]:
        """The optimisers by the name of their network."""
        return {
            "encoder": self.encoder_optimiser,
            "generator": self.generator_optimiser,
            "discriminator": self.discriminator_optimiser,
        }


def begin_training(model: Model) -> Training:
    """A model with fresh Adam optimisers, one a network, at the rates of its configuration."""
    config = model.config

    def adam(parameters: list[nn.Parameter], rate: float) -> torch.optim.Adam:
        # Not fused: that kernel takes gradients to be laid out like their weights, unchecked.
        return torch.optim.Adam(parameters, lr=rate, betas=(config.momentum, 0.999))

    return Training(
        model,
        adam(model.encoder_parameters(), config.learning_rate),
        adam(list(model.generator.parameters()), config.learning_rate),
        adam(list(model.discriminator.parameters()), config.discriminator_learning_rate),
    )


def train(training: Training, pairs: PairBatches) -> Iterator[Progress]:
    """Trains until ``config.epochs`` epochs are done, yielding after each step.

    Continues behind ``training.epoch``. Raises TrainingError where a loss is
    no longer a finite number.
    """
    model, config = training.model, training.model.config
    device = next(model.parameters()).device
    dtype = choose_precision(config, device)
    model.train()
    while training.epoch < config.epochs:
        epoch = training.epoch + 1
        adversary = training.epoch >= config.adversary_after
        totals = np.zeros(len(Figures._fields))
        done = training.step - training.epoch * pairs.n_batches  # of an epoch cut short
        for nth, (previous, current) in enumerate(pairs.epoch(epoch, skip=done), 1):
            noises = draw_noises(config, training.step, len(previous)).to(device)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                figures = train_step(
                    training,
                    previous.to(device),
                    current.to(device),
                    noises,
                    adversary=adversary,
                )
            training.step += 1
            totals += figures
            _check_finite(epoch, training.step, figures, adversary)
            ends_epoch = training.step == epoch * pairs.n_batches
            training.epoch += ends_epoch
            averages = Figures(*(totals / nth).tolist())
            n_steps = config.epochs * pairs.n_batches
            yield Progress(epoch, training.step, n_steps, ends_epoch, averages)


def choose_precision(config: Config, device: torch.device) -> torch.dtype:
    """What the networks compute in: weights and losses stay in float32 whatever it is."""
    if config.precision == "auto":
        has_bfloat16 = (
            torch.cuda.is_bf16_supported()
            if device.type == "cuda"
            else device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
        )
        return torch.bfloat16 if has_bfloat16 else torch.float32
    return torch.bfloat16 if config.precision == "bfloat16" else torch.float32


def draw_noises(config: Config, step: int, batch: int) -> Tensor:
    """The noise z_p of each update of E and G in a step, (updates, batch, latent), from N(0, I)."""
    rng = np.random.default_rng([config.seed, 1, step])
    size = (config.generator_updates, batch, config.latent)
    return torch.from_numpy(rng.standard_normal(size, dtype=np.float32))


def train_step(
    training: Training, previous: Tensor, current: Tensor, noises: Tensor, *, adversary: bool
) -> Figures:
    """D once, E and G ``generator_updates`` times (the paper: twice) on one batch of pairs.

    previous, current: (B, C, H, W) in [0, 1]; noises: (updates, B, latent).
    D comes first: E and G have not moved yet when their first update comes, so
    that it uses the very fakes that D was shown. adversary: without it D rests
    and E and G learn from what needs no D.
    """
    model = training.model
    synthesis = model.synthesise(previous, current, noises[0], both=adversary)
    d_figures, real = {}, None
    if adversary:
        d_figures = update_discriminator(training, current, synthesis)
        with torch.no_grad():
            real = model.discriminator(current)
    for nth, noise in enumerate(noises):
        if nth:
            synthesis = model.synthesise(previous, current, noise, both=adversary)
        figures = update_encoder_and_generator(training, current, real, synthesis)
    return Figures(**figures, **d_figures)


def update_discriminator(
    training: Training, current: Tensor, synthesis: Synthesis
) -> dict[str, float]:
    """One step of D down Eq. 9; E and G get no gradient."""
    discriminator = training.model.discriminator
    fakes = synthesis.fakes().detach()
    logits = discriminator(torch.cat([current, fakes])).logits
    real, predicted, sampled = logits.chunk(3)
    loss = discriminator_loss(real, predicted, sampled)
    parameters = list(discriminator.parameters())
    _apply(training.discriminator_optimiser, parameters, _gradients(loss, parameters))
    return {
        "discriminator": loss.item(),
        "d_real": real.sigmoid().mean().item(),
        "d_predicted": predicted.sigmoid().mean().item(),
        "d_sampled": sampled.sigmoid().mean().item(),
    }


def update_encoder_and_generator(
    training: Training, current: Tensor, real: Verdict | None, synthesis: Synthesis
) -> dict[str, float]:
    """One step of E down Eq. 8 and of G down Eq. 10; D gets no gradient.

    real: D's verdict on the current frames, None without an adversary. E sees
    the feature matching and the KL loss only: no adversarial gradient reaches
    it. Weights that the paper does not have are 0 in the ``paper`` preset.
    """
    model, config = training.model, training.model.config
    kl, prior_total = prior_losses(synthesis, config)
    cells = reconstruction(synthesis.predicted, current)
    shared = config.reconstruction_weight * cells
    adversarial = torch.zeros(())
    figures = {"kl": kl.item(), "reconstruction": cells.item()}
    if real is not None:
        verdict = model.discriminator(synthesis.fakes())
        feature = feature_matching(real.features, *verdict.features.chunk(2))
        shared = shared + config.feature_weight * feature
        adversarial = config.adversarial_weight * adversarial_loss(*verdict.logits.chunk(2))
        figures["feature"] = feature.item()
    encoder_total = shared + prior_total
    generator_total = shared + adversarial
    # Both gradients are taken before either network moves. One pass gives both where nothing but
    # the shared loss reaches G; otherwise the adversarial one must stay out of E's.
    encoders, generator = model.encoder_parameters(), list(model.generator.parameters())
    if real is None:
        gradients = _gradients(encoder_total, [*encoders, *generator])
        encoder_gradients, generator_gradients = (
            gradients[: len(encoders)],
            gradients[len(encoders) :],
        )
    else:
        encoder_gradients = _gradients(encoder_total, encoders, keep_graph=True)
        generator_gradients = _gradients(generator_total, generator)
    _apply(training.encoder_optimiser, encoders, encoder_gradients)
    _apply(training.generator_optimiser, generator, generator_gradients)
    return {**figures, "encoder": encoder_total.item(), "generator": generator_total.item()}


def prior_losses(synthesis: Synthesis, config: Config) -> tuple[Tensor, Tensor]:
    """The KL divergence in nats, and the weighted sum of all that concerns the prior."""
    if synthesis.prior is None:
        kl = kl_to_standard_normal(synthesis.mean, synthesis.log_variance)
        return kl, config.prior_weight * kl
    kl = kl_between(synthesis.mean, synthesis.log_variance, *synthesis.prior)
    anchor = kl_to_standard_normal(*synthesis.prior)
    return kl, config.prior_weight * kl + config.anchor_weight * anchor


def _gradients(
    loss: Tensor, parameters: list[nn.Parameter], *, keep_graph: bool = False
) -> Sequence[Tensor]:
    return torch.autograd.grad(loss, parameters, retain_graph=keep_graph)


def _apply(
    optimiser: torch.optim.Optimizer, parameters: list[nn.Parameter], gradients: Sequence[Tensor]
) -> None:
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimiser.step()
    optimiser.zero_grad()


def _check_finite(epoch: int, step: int, figures: Figures, adversary: bool) -> None:
    """Raises TrainingError that names what is no longer a finite number."""
    computed = figures if adversary else figures[: Figures._fields.index("feature")]
    if math.isfinite(sum(computed)):
        return
    broken = [
        name for name, x in zip(Figures._fields, computed, strict=False) if not math.isfinite(x)
    ]
    raise TrainingError(
        f"training diverged in epoch {epoch}, step {step}: {', '.join(broken)} is no longer a "
        "finite number; the last checkpoint is kept: begin a new run with lower learning rates"
    )
