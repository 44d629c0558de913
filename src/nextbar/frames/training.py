"""Training: one step, one loop.

The loop yields what happened, epoch by epoch and step by step; whoever runs it
shows that, saves checkpoints, or stops. Nothing random is hidden: the order of
pairs depends on (seed, epoch) and the noise on (seed, step), so that a run
continued from a checkpoint is the run that was never interrupted.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nextbar.errors import TrainingError
from nextbar.frames.config import Config
from nextbar.frames.contracts import Frames, History, Kinds
from nextbar.frames.gradients import (
    discriminator_gradients,
    encoder_and_generator_gradients,
    verdicts_on,
)
from nextbar.frames.model import Model
from nextbar.frames.pairs import PairBatches
from nextbar.frames.replicas import Joint, Replicas


class Figures(NamedTuple):
    """What one step, or an epoch on average, came to.

    encoder, generator, discriminator: the totals of Eqs. 8, 10 and 9;
    reconstruction: how unlikely a frame is, in nats; feature: Eq. 7; kl: Eq. 5,
    or in columns the KL from the learned prior, in nats; d_real,
    d_predicted, d_sampled: mean probability D gives to real frames, to G(z_t)
    and to the other fake; loudest: mean over the predicted frames of each one's
    greatest value. What a step does not compute is not-a-number in it.
    """

    encoder: float
    generator: float
    kl: float
    reconstruction: float
    loudest: float
    feature: float = math.nan
    discriminator: float = math.nan
    d_real: float = math.nan
    d_predicted: float = math.nan
    d_sampled: float = math.nan


class StepDone(NamedTuple):
    """One step done, of ``n_steps`` in all; epoch and step count from 1.

    n_pairs: how many pairs the step saw. figures: averages over the epoch so
    far; where it was cut short and is continued, over what came since.
    """

    epoch: int
    step: int
    n_steps: int
    n_pairs: int
    ends_epoch: bool
    figures: Figures


@dataclass
class Training:
    """A model under training: the networks, their optimisers, and how far it is."""

    model: Model
    encoder_optimiser: torch.optim.Adam
    generator_optimiser: torch.optim.Adam
    discriminator_optimiser: torch.optim.Adam | None
    epoch: int = 0
    step: int = 0
    steps_per_epoch: int = 1
    averaged: Model | None = None
    """The networks with the running average of their weights, where there is one."""

    @property
    def writer(self) -> Model:
        """The networks to write with."""
        return self.model if self.averaged is None else self.averaged

    @property
    def optimisers(self) -> dict[str, torch.optim.Adam]:
        """The optimisers by the name of their network."""
        found = {"encoder": self.encoder_optimiser, "generator": self.generator_optimiser}
        if self.discriminator_optimiser is not None:
            found["discriminator"] = self.discriminator_optimiser
        return found


def begin_training(model: Model) -> Training:
    """A model with fresh Adam optimisers, one a network, at the rates of its configuration.

    Where weights decay, they do so apart from the gradients: Loshchilov & Hutter (2019), AdamW.
    """
    config = model.config

    def adam(parameters: list[nn.Parameter], rate: float, decay: float = 0) -> torch.optim.Adam:
        fused = parameters[0].device.type in ("cpu", "cuda")
        betas = (config.momentum, 0.999)
        return torch.optim.AdamW(parameters, rate, betas, weight_decay=decay, fused=fused)

    of_discriminator = None
    if model.discriminator is not None:
        parameters = [*model.discriminator.parameters()]
        of_discriminator = adam(parameters, config.discriminator_learning_rate)
    return Training(
        model,
        adam(model.encoder_parameters(), config.learning_rate, config.weight_decay),
        adam([*model.generator.parameters()], config.learning_rate, config.weight_decay),
        of_discriminator,
        averaged=copy.deepcopy(model).requires_grad_(False) if config.average else None,
    )


def train(training: Training, pairs: PairBatches, replicas: Replicas) -> Iterator[StepDone]:
    """Trains until ``config.epochs`` epochs are done, yielding after each step.

    Continues behind ``training.epoch``. replicas: the processes that train
    together, each on its share of every batch (:mod:`nextbar.frames.replicas`);
    the model is on their device. Raises TrainingError where a loss is no
    longer a finite number.
    """
    model, config = training.model, training.model.config
    device = replicas.device
    model.train()
    training.steps_per_epoch = pairs.n_batches
    while training.epoch < config.epochs:
        epoch = training.epoch + 1
        totals = np.zeros(len(Figures._fields))
        done = training.step - training.epoch * pairs.n_batches  # of an epoch cut short
        batches = pairs.epoch(epoch, skip=done, rank=replicas.rank, world=replicas.world)
        for nth, (previous, current, kinds) in enumerate(batches, 1):
            n_joint = pairs.batch_size(done + nth - 1)
            noises = draw_noises(config, training.step, n_joint, model.noise_size)
            noises = replicas.share(noises, dim=1)
            if config.history_noise:
                spoilt = draw_history_noise(config, training.step, n_joint, previous.shape[1:])
                previous = (previous + replicas.share(spoilt, dim=0)).clamp(0, 1)
            with _dropout_decided(training, replicas):
                figures = train_step(
                    training,
                    previous.to(device),
                    current.to(device),
                    noises.to(device),
                    None if kinds is None else kinds.to(device),
                    joint=replicas.joint(n_joint),
                )
            training.step += 1
            _follow_average(training)
            totals += figures
            _check_finite(training, epoch, figures)
            ends_epoch = training.step == epoch * pairs.n_batches
            training.epoch += ends_epoch
            averages = Figures(*(totals / nth).tolist())
            n_steps = config.epochs * pairs.n_batches
            yield StepDone(epoch, training.step, n_steps, n_joint, ends_epoch, averages)


@contextmanager
def _dropout_decided(training: Training, replicas: Replicas) -> Iterator[None]:
    """What is left out depends on seed, step and process alone; PyTorch's own state stays."""
    config = training.model.config
    if not config.dropout:
        yield
        return
    devices = [] if replicas.device.type == "cpu" else [replicas.device]
    with torch.random.fork_rng(devices, device_type=replicas.device.type):
        rng = np.random.default_rng([config.seed, 2, training.step, replicas.rank])
        torch.manual_seed(int(rng.integers(2**63)))
        yield


def annealing(training: Training) -> float:
    """How often the prior weight counts at this step: from 0 to 1, in the end ``prior_growth``."""
    config = training.model.config
    steps = config.warm_up * training.steps_per_epoch
    warm = min(1.0, (training.step + 1) / steps) if steps else 1.0
    return warm * (1 + (config.prior_growth - 1) * (1 - calm(training)))


def calm(training: Training) -> float:
    """What the learning rates are multiplied by at this step: 1, falling to nearly 0 at the end."""
    config = training.model.config
    n_steps = config.epochs * training.steps_per_epoch
    falling = config.settle * n_steps
    return min(1.0, (n_steps - training.step) / falling) if falling else 1.0


def _follow_average(training: Training) -> None:
    """Moves the running average towards the weights as they are; faster in the first steps."""
    if training.averaged is None:
        return
    kept = min(training.model.config.average, training.step / (training.step + 9))
    ours, theirs = training.averaged.state_dict(), training.model.state_dict()
    weights = [name for name, tensor in ours.items() if tensor.is_floating_point()]
    torch._foreach_lerp_([ours[n] for n in weights], [theirs[n] for n in weights], 1 - kept)


def draw_noises(
    config: Config, step: int, batch: int, size: int
) -> Float[Tensor, "updates {batch} {size}"]:
    """The noise z_p of each update of E and G in a step, (updates, batch, size), from N(0, I)."""
    rng = np.random.default_rng([config.seed, 1, step])
    shape = (config.generator_updates, batch, size)
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))


def draw_history_noise(
    config: Config, step: int, batch: int, frames: Sequence[int]
) -> Float[Tensor, "{batch} history_channels height width"]:
    """What is added to the histories of a step: noise, of each as strong as is drawn for it.

    Its standard deviation lies between 0 and ``history_noise``. Not in the paper: noise on what
    was seen keeps long rollouts from drifting (Sanchez-Gonzalez et al. 2020).
    """
    rng = np.random.default_rng([config.seed, 3, step])
    strength = config.history_noise * rng.random((batch, 1, 1, 1), dtype=np.float32)
    return torch.from_numpy(strength * rng.standard_normal((batch, *frames), dtype=np.float32))


def train_step(
    training: Training,
    previous: History,
    current: Frames,
    noises: Float[Tensor, "updates batch noise"],
    kinds: Kinds | None = None,
    *,
    joint: Joint,
) -> Figures:
    """D once, E and G ``generator_updates`` times (the paper: twice) on one batch of pairs.

    previous, current: (B, C, H, W) in [0, 1]; noises: (updates, B, ``noise_size``).
    kinds: see :class:`nextbar.frames.pairs.Pairs`.
    The first update of E and G and that of D are taken from the same forward
    pass, as in Larsen et al. (2016), Algorithm 1, which the paper builds on;
    the others follow. joint: computes in the chosen precision and averages
    gradients over the processes that train together.
    """
    model, optimisers = training.model, training.optimisers
    figures: dict[str, Tensor] = {}
    for nth, noise in enumerate(noises):
        updates = {}
        # A context of its own for each pass: within one, autocast keeps the weights as they were.
        with joint.autocast():
            synthesis = model.synthesise(previous, current, noise, kinds)
            judged = verdicts_on(model, previous, current, synthesis)
        if judged is not None and nth == 0:
            updates["discriminator"], of_d = discriminator_gradients(model, judged)
            figures |= of_d
        updates["encoder"], updates["generator"], latest = encoder_and_generator_gradients(
            model, current, synthesis, judged, annealing=annealing(training)
        )
        figures |= latest
        for network, gradients in updates.items():
            apply(optimisers[network], joint.average(gradients), calm(training), model.config.clip)
    with torch.no_grad():
        joint.average_buffers(model)
        values = joint.average([torch.stack([value.detach() for value in figures.values()])])[0]
    return Figures(**dict(zip(figures, values.tolist(), strict=True)))


def apply(
    optimiser: torch.optim.Optimizer, gradients: Sequence[Tensor], rate: float, clip: float
) -> None:
    """One step of the optimiser down the given gradients, one for each of its parameters.

    rate: what its learning rate is multiplied by, for this step. clip: the
    greatest length of all gradients together, 0 for any.
    """
    for group in optimiser.param_groups:
        group["lr"] = optimiser.defaults["lr"] * rate
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        # The fused kernel walks weight and gradient side by side, whatever their layouts.
        if gradient.stride() != parameter.stride():
            gradient = torch.empty_like(parameter).copy_(gradient)
        parameter.grad = gradient
    if clip:
        nn.utils.clip_grad_norm_(parameters, clip)
    optimiser.step()
    optimiser.zero_grad()


def _check_finite(training: Training, epoch: int, figures: Figures) -> None:
    """Raises TrainingError that names what was computed and is no longer a finite number."""
    of_all = [name for name in Figures._fields if name not in Figures._field_defaults]
    computed = of_all if training.model.discriminator is None else Figures._fields
    broken = [name for name in computed if not math.isfinite(getattr(figures, name))]
    if not broken:
        return
    raise TrainingError(
        f"training diverged in epoch {epoch}, step {training.step}: {', '.join(broken)} is no "
        "longer a finite number: begin a new run with lower learning rates"
    )
