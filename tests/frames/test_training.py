import math

import numpy as np
import pytest
import torch

from nextbar.errors import TrainingError
from nextbar.frames.config import configure, override
from nextbar.frames.losses import adversarial_loss, feature_matching, kl_to_standard_normal
from nextbar.frames.model import build_model
from nextbar.frames.pairs import PairBatches
from nextbar.frames.training import (
    begin_training,
    draw_noises,
    train,
    train_step,
    update_discriminator,
    update_encoder_and_generator,
)

from .conftest import SHAPE

NETWORKS = ("encoder", "generator", "discriminator")


def weights(training, network):
    module = getattr(training.model, network)
    return [parameter.detach().clone() for parameter in module.parameters()]


def moved(training, before):
    return {
        network
        for network in before
        if any(
            not torch.equal(a, b)
            for a, b in zip(weights(training, network), before[network], strict=True)
        )
    }


@pytest.fixture
def prepared(moving_squares, tiny):
    """A training, and one batch with D's verdict on it."""
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    training = begin_training(build_model(SHAPE, tiny))
    previous, current = next(pairs.epoch(1))
    noise = draw_noises(tiny, 0, len(previous))[0]
    return training, previous, current, noise


def test_the_discriminator_moves_in_its_own_update_and_the_others_do_not(prepared):
    training, previous, current, noise = prepared
    before = {network: weights(training, network) for network in NETWORKS}
    synthesis = training.model.synthesise(previous, current, noise)
    update_discriminator(training, current, synthesis)
    assert moved(training, before) == {"discriminator"}


def test_encoder_and_generator_move_in_their_update_and_the_discriminator_does_not(prepared):
    training, previous, current, noise = prepared
    before = {network: weights(training, network) for network in NETWORKS}
    real = training.model.discriminator(current)
    synthesis = training.model.synthesise(previous, current, noise)
    update_encoder_and_generator(training, current, real, synthesis)
    assert moved(training, before) == {"encoder", "generator"}


def gradients_by_hand(training, previous, current, noise):
    """Eq. 8 for E and Eq. 10 for G, each differentiated by itself."""
    model = training.model
    synthesis = model.synthesise(previous, current, noise)
    real = model.discriminator(current)
    predicted, sampled = (model.discriminator(x) for x in (synthesis.predicted, synthesis.sampled))
    feature = feature_matching(real.features.detach(), predicted.features, sampled.features)
    encoder_loss = feature + kl_to_standard_normal(synthesis.mean, synthesis.log_variance)
    generator_loss = adversarial_loss(predicted.logits, sampled.logits) + feature
    return (
        torch.autograd.grad(encoder_loss, list(model.encoder.parameters()), retain_graph=True),
        torch.autograd.grad(generator_loss, list(model.generator.parameters())),
    )


def test_gradients_are_those_of_equations_8_and_10(prepared, monkeypatch):
    training, previous, current, noise = prepared
    expected = gradients_by_hand(training, previous, current, noise)
    taken = []
    monkeypatch.setattr(
        "nextbar.frames.training._apply", lambda _, __, gradients: taken.append(gradients)
    )
    real = training.model.discriminator(current)
    synthesis = training.model.synthesise(previous, current, noise)
    update_encoder_and_generator(training, current, real, synthesis)
    for ours, by_hand in zip(taken, expected, strict=True):
        for a, b in zip(ours, by_hand, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_no_adversarial_gradient_reaches_the_encoder(prepared, monkeypatch):
    training, previous, current, noise = prepared
    taken = []
    monkeypatch.setattr(
        "nextbar.frames.training._apply", lambda _, __, gradients: taken.append(gradients)
    )
    for weight in (0.0, 100.0):
        training.model.config = override(training.model.config, adversarial_weight=weight)
        real = training.model.discriminator(current)
        synthesis = training.model.synthesise(previous, current, noise)
        update_encoder_and_generator(training, current, real, synthesis)
    without_encoder, without_generator, with_encoder, with_generator = taken
    for a, b in zip(without_encoder, with_encoder, strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(without_generator[0], with_generator[0])


def test_the_noise_of_the_predicted_frame_is_the_noise_that_is_decoded_by_itself(prepared):
    training, previous, current, noise = prepared
    model = training.model.eval()
    synthesis = model.synthesise(previous, current, noise)
    mean, log_variance = model.encoder(previous)
    torch.testing.assert_close(synthesis.sampled, model.generator(noise))
    latent = mean + noise * (0.5 * log_variance).exp()
    torch.testing.assert_close(synthesis.predicted, model.generator(latent))


def test_encoder_and_generator_are_updated_twice_and_the_discriminator_once(prepared):
    training, previous, current, noise = prepared
    noises = torch.stack([noise, -noise])
    train_step(training, previous, current, noises, adversary=True)
    steps = {
        name: optimiser.state_dict()["state"][0]["step"].item()
        for name, optimiser in training.optimisers.items()
    }
    assert steps == {"encoder": 2, "generator": 2, "discriminator": 1}


def test_a_learned_prior_trains_posterior_and_prior(moving_squares, tiny):
    config = override(tiny, learned_prior=True, reconstruction_weight=1.0, adversary_after=2)
    pairs = PairBatches(moving_squares, np.arange(20), config.batch, config.seed)
    training = begin_training(build_model(SHAPE, config))
    before = {network: weights(training, network) for network in (*NETWORKS, "posterior")}
    progress = [now for now in train(training, pairs) if now.ends_epoch]
    assert moved(training, before) == {"encoder", "posterior", "generator"}, "D rests at first"
    assert math.isnan(progress[-1].figures.d_real)


def test_the_core_learns_where_a_moving_square_goes_next(moving_squares):
    config = configure(
        "small",
        latent=16,
        learned_prior=True,
        reconstruction_weight=1.0,
        adversary_after=100,
        generator_channels=(16, 8),
        generator_strides=(2, 2),
        discriminator_channels=(4, 4),
        discriminator_strides=(2, 2),
        batch=20,
        epochs=25,
        learning_rate=0.003,
        momentum=0.9,
        batch_norm=False,
        generator_updates=1,
        precision="float32",
    )
    pairs = PairBatches(moving_squares, np.arange(20), config.batch, config.seed)
    training = begin_training(build_model(SHAPE, config))
    ends = [now.figures.reconstruction for now in train(training, pairs) if now.ends_epoch]
    assert ends[-1] < 0.3 * ends[0]
    model = training.model.eval()
    previous, current = next(pairs.epoch(1))
    with torch.no_grad():
        drawn = model.generator(model.encoder(previous)[0])
    overlap = (drawn * current).sum() / current.sum()
    elsewhere = (drawn * (1 - current)).sum() / (1 - current).sum()
    assert overlap > 0.5
    assert elsewhere < 0.1


def run(pairs, config, *, epochs=None):
    training = begin_training(build_model(SHAPE, config))
    for now in train(training, pairs):
        if epochs is not None and now.epoch == epochs and now.ends_epoch:
            break
    return training


def test_the_same_seed_trains_the_same_weights_and_another_seed_others(moving_squares, tiny):
    def trained(seed):
        pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, seed)
        return run(pairs, override(tiny, seed=seed))

    first, again, other = trained(0), trained(0), trained(1)
    assert moved(first, {n: weights(again, n) for n in NETWORKS}) == set()
    assert moved(first, {n: weights(other, n) for n in NETWORKS}) == set(NETWORKS)


def test_progress_counts_epochs_and_steps_and_gives_averages(moving_squares, tiny):
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    progress = list(train(begin_training(build_model(SHAPE, tiny)), pairs))
    # 20 videos of 8 frames: 140 pairs, 9 batches of 16, in 2 epochs
    assert [now.step for now in progress] == list(range(1, 19))
    assert {now.n_steps for now in progress} == {18}
    assert [now.step for now in progress if now.ends_epoch] == [9, 18]
    assert all(0 < now.figures.d_real < 1 for now in progress)


def test_training_that_diverges_stops_and_says_where(moving_squares, tiny):
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    training = begin_training(build_model(SHAPE, tiny))
    with torch.no_grad():
        training.model.generator.project.weight.fill_(math.nan)
    with pytest.raises(TrainingError, match=r"diverged in epoch 1, step 1: .*generator"):
        list(train(training, pairs))
