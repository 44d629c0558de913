"""What bars cost a model that were kept from it: by that a training is told to stop."""

from dataclasses import replace

import numpy as np
import torch

from nextbar.frames.gradients import prior_loss
from nextbar.frames.losses import reconstruction
from nextbar.frames.model import Model
from nextbar.frames.pairs import PairBatches
from nextbar.frames.replicas import few_threads

AT_ONCE = 250


def nats_a_frame(model: Model, pairs: PairBatches, *, seed: int = 0) -> float:
    """An upper bound of what a frame costs in nats, given those before; the mean over pairs.

    In columns reconstruction + KL from the learned prior, unweighted, of one draw
    each, decided by the seed. In a plane the reconstruction, which is the
    cross-entropy of other numbers: compare within a layout.
    """
    rng, total, was_training = np.random.default_rng(seed), 0.0, model.training
    device = next(model.parameters()).device
    pairs = replace(pairs, batch=min(AT_ONCE, len(pairs)), forget=0.0)
    model.eval()
    with torch.no_grad(), few_threads(model.config):
        for previous, current, kinds in pairs.epoch(1):
            noise = rng.standard_normal((len(current), model.noise_size), dtype=np.float32)
            synthesis = model.synthesise(
                previous.to(device),
                current.to(device),
                torch.from_numpy(noise).to(device),
                None if kinds is None else kinds.to(device),
            )
            drawn = synthesis.drawn
            cost = reconstruction(drawn.levels, drawn.gates, current.to(device))
            if synthesis.prior is not None:
                cost = cost + prior_loss(synthesis)
            total += cost.item() * len(current)
    model.train(was_training)
    return total / len(pairs)
