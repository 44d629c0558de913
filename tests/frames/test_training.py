import math

import numpy as np
import pytest
import torch

from nextbar.errors import TrainingError
from nextbar.frames.config import configure, override
from nextbar.frames.gradients import (
    discriminator_gradients,
    encoder_and_generator_gradients,
    judge,
    turned,
)
from nextbar.frames.losses import adversarial_loss, feature_matching, kl_to_standard_normal
from nextbar.frames.model import build_model
from nextbar.frames.pairs import PairBatches
from nextbar.frames.replicas import launch
from nextbar.frames.training import _apply, begin_training, draw_noises, train, train_step

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
    """A training, and one batch with its noise."""
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    training = begin_training(build_model(SHAPE, tiny))
    previous, current = next(pairs.epoch(1))
    noises = draw_noises(tiny, 0, len(previous), tiny.latent)
    return training, previous, current, noises


def looked_at(training, previous, current, noise):
    """What a first pass through the networks gives: the fakes, D's verdicts, D's gradients."""
    synthesis = training.model.synthesise(previous, current, noise)
    judged = judge(training.model, previous, current, synthesis, d_learns=True)
    d_update, at_fakes, _ = discriminator_gradients(training.model, judged)
    return synthesis, judged, d_update, at_fakes


@pytest.mark.parametrize(
    ("network", "others"),
    [
        ("encoder", {"generator", "discriminator"}),
        ("generator", {"encoder", "discriminator"}),
        ("discriminator", {"encoder", "generator"}),
    ],
)
def test_each_network_moves_in_its_own_update_and_the_other_two_do_not(prepared, network, others):
    training, previous, current, noises = prepared
    synthesis, judged, d_update, at_fakes = looked_at(training, previous, current, noises[0])
    e_update, g_update, _ = encoder_and_generator_gradients(
        training.model, current, synthesis, judged, at_fakes
    )
    updates = {"encoder": e_update, "generator": g_update, "discriminator": d_update}
    before = {name: weights(training, name) for name in NETWORKS}
    _apply(training.optimisers[network], updates[network])
    assert moved(training, before) == {network} == set(NETWORKS) - others


def gradients_by_hand(training, previous, current, noise):
    """Eq. 9 for D, Eq. 8 for E and Eq. 10 for G, each differentiated by itself."""
    model = training.model
    mean, log_variance = model.encoder(previous)
    fakes = model.generator(mean + noise * (log_variance / 2).exp()), model.generator(noise)
    real, predicted, sampled = (model.discriminator(x) for x in (current, *fakes))
    shown = [model.discriminator(x.detach()).logits for x in fakes]
    discriminator_loss = -(
        real.logits.sigmoid().log()
        + (1 - shown[0].sigmoid()).log()
        + (1 - shown[1].sigmoid()).log()
    ).mean()
    feature = feature_matching(real.features.detach(), predicted.features, sampled.features)
    encoder_loss = feature + kl_to_standard_normal(mean, log_variance)
    generator_loss = adversarial_loss(predicted.logits, sampled.logits) + feature
    return [
        torch.autograd.grad(loss, list(getattr(model, network).parameters()), retain_graph=True)
        for network, loss in (
            ("discriminator", discriminator_loss),
            ("encoder", encoder_loss),
            ("generator", generator_loss),
        )
    ]


@pytest.mark.parametrize("first_pass", [True, False])
def test_gradients_are_those_of_equations_8_9_and_10(prepared, first_pass):
    training, previous, current, noises = prepared
    with torch.no_grad():  # a D that is sure of itself, so that it matters what is weighed how
        training.model.discriminator.output.weight.mul_(20)
    expected = gradients_by_hand(training, previous, current, noises[0])
    synthesis, judged, d_update, at_fakes = looked_at(training, previous, current, noises[0])
    e_update, g_update, _ = encoder_and_generator_gradients(
        training.model, current, synthesis, judged, at_fakes if first_pass else None
    )
    for ours, by_hand in zip((d_update, e_update, g_update), expected, strict=True):
        for a, b in zip(ours, by_hand, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_no_adversarial_gradient_reaches_the_encoder(prepared):
    training, previous, current, noises = prepared
    taken = {}
    for weight in (0.0, 100.0):
        training.model.config = override(training.model.config, adversarial_weight=weight)
        synthesis, judged, _, at_fakes = looked_at(training, previous, current, noises[0])
        taken[weight] = encoder_and_generator_gradients(
            training.model, current, synthesis, judged, at_fakes
        )
    for a, b in zip(taken[0.0][0], taken[100.0][0], strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(taken[0.0][1][0], taken[100.0][1][0])


def test_the_generators_adversarial_gradient_is_the_discriminators_turned_round():
    logits = torch.tensor([-70.0, -2.0, 0.0, 3.0], requires_grad=True)
    # Eq. 9 has the slope sigmoid(l) for a fake, Eq. 10 the slope -sigmoid(-l).
    d_slope = torch.sigmoid(logits.detach()).view(4, 1, 1, 1)
    (g_slope,) = torch.autograd.grad(torch.nn.functional.softplus(-logits).sum(), [logits])
    ours = turned(d_slope, logits).flatten()
    torch.testing.assert_close(ours[1:], g_slope[1:])
    assert -1 < ours[0] < 0, "where exp would overflow the gradient fades, and stays finite"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_second_update_sees_the_weights_that_the_first_one_made(
    moving_squares, tiny, precision
):
    config = override(tiny, precision=precision, learning_rate=0.05, batch_norm=False)
    replicas = launch(config, device="cpu")
    pairs = PairBatches(moving_squares, np.arange(20), config.batch, config.seed)
    previous, current = next(pairs.epoch(1))
    noises = draw_noises(config, 0, len(previous), config.latent)
    both = begin_training(build_model(SHAPE, config))
    train_step(both, previous, current, noises, adversary=True, joint=replicas.joint(16))
    # The same, the passes by hand, with D's weights put where the first pass has left them.
    by_hand = begin_training(build_model(SHAPE, config))
    for nth in range(2):
        with replicas.joint(16).autocast():
            synthesis = by_hand.model.synthesise(previous, current, noises[nth])
            judged = judge(by_hand.model, previous, current, synthesis, d_learns=not nth)
        d_update, at_fakes = None, None
        if not nth:
            d_update, at_fakes, _ = discriminator_gradients(by_hand.model, judged)
        e_update, g_update, _ = encoder_and_generator_gradients(
            by_hand.model, current, synthesis, judged, at_fakes
        )
        if d_update:
            _apply(by_hand.discriminator_optimiser, d_update)
        _apply(by_hand.encoder_optimiser, e_update)
        _apply(by_hand.generator_optimiser, g_update)
    assert moved(both, {name: weights(by_hand, name) for name in NETWORKS}) == set()


def test_bfloat16_takes_nearly_the_steps_of_float32(moving_squares, tiny):
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    previous, current = next(pairs.epoch(1))
    noises = draw_noises(tiny, 0, len(previous), tiny.latent)
    figures = {}
    for precision in ("float32", "bfloat16"):
        config = override(tiny, precision=precision)
        training = begin_training(build_model(SHAPE, config))
        joint = launch(config, device="cpu").joint(16)
        for _ in range(3):
            latest = train_step(training, previous, current, noises, adversary=True, joint=joint)
        figures[precision] = latest
    for exact, near in zip(figures["float32"], figures["bfloat16"], strict=True):
        assert near == pytest.approx(exact, rel=0.1, abs=0.01)


def test_the_noise_of_the_predicted_frame_is_the_noise_that_is_decoded_by_itself(prepared):
    training, previous, current, (noise, _) = prepared
    model = training.model.eval()
    synthesis = model.synthesise(previous, current, noise)
    mean, log_variance = model.encoder(previous)
    torch.testing.assert_close(synthesis.sampled, model.generator(noise))
    latent = mean + noise * (0.5 * log_variance).exp()
    torch.testing.assert_close(synthesis.predicted, model.generator(latent))


def test_encoder_and_generator_are_updated_twice_and_the_discriminator_once(prepared, alone):
    training, previous, current, noises = prepared
    train_step(training, previous, current, noises, adversary=True, joint=alone.joint(16))
    steps = {
        name: optimiser.state_dict()["state"][0]["step"].item()
        for name, optimiser in training.optimisers.items()
    }
    assert steps == {"encoder": 2, "generator": 2, "discriminator": 1}


def test_a_learned_prior_trains_posterior_and_prior(moving_squares, tiny, alone):
    config = override(tiny, learned_prior=True, reconstruction_weight=1.0, adversary_after=2)
    pairs = PairBatches(moving_squares, np.arange(20), config.batch, config.seed)
    training = begin_training(build_model(SHAPE, config))
    before = {network: weights(training, network) for network in (*NETWORKS, "posterior")}
    progress = [now for now in train(training, pairs, alone) if now.ends_epoch]
    assert moved(training, before) == {"encoder", "posterior", "generator"}, "D rests at first"
    assert math.isnan(progress[-1].figures.d_real)


def test_the_core_learns_where_a_moving_square_goes_next(moving_squares, alone):
    config = configure(
        "paper",
        encoder_channels=(8, 16, 32),
        prior_weight=0.3,
        feature_weight=0.1,
        adversarial_weight=0.3,
        anchor_weight=0.01,
        latent=16,
        learned_prior=True,
        reconstruction_weight=1.0,
        adversary_after=100,
        generator_channels=(16, 16, 8),
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
    ends = [now.figures.reconstruction for now in train(training, pairs, alone) if now.ends_epoch]
    assert ends[-1] < 0.3 * ends[0]
    model = training.model.eval()
    previous, current = next(pairs.epoch(1))
    with torch.no_grad():
        drawn = model.generator(model.encoder(previous)[0])
    overlap = (drawn * current).sum() / current.sum()
    elsewhere = (drawn * (1 - current)).sum() / (1 - current).sum()
    assert overlap > 0.5
    assert elsewhere < 0.1


def run(pairs, config, alone, *, epochs=None):
    training = begin_training(build_model(SHAPE, config))
    for now in train(training, pairs, alone):
        if epochs is not None and now.epoch == epochs and now.ends_epoch:
            break
    return training


def test_the_same_seed_trains_the_same_weights_and_another_seed_others(moving_squares, tiny, alone):
    def trained(seed):
        pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, seed)
        return run(pairs, override(tiny, seed=seed), alone)

    first, again, other = trained(0), trained(0), trained(1)
    assert moved(first, {n: weights(again, n) for n in NETWORKS}) == set()
    assert moved(first, {n: weights(other, n) for n in NETWORKS}) == set(NETWORKS)


def test_progress_counts_epochs_and_steps_and_gives_averages(moving_squares, tiny, alone):
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    progress = list(train(begin_training(build_model(SHAPE, tiny)), pairs, alone))
    # 20 videos of 8 frames: 140 pairs, 9 batches of 16, in 2 epochs
    assert [now.step for now in progress] == list(range(1, 19))
    assert {now.n_steps for now in progress} == {18}
    assert [now.step for now in progress if now.ends_epoch] == [9, 18]
    assert all(0 < now.figures.d_real < 1 for now in progress)


def test_training_that_diverges_stops_and_says_where(moving_squares, tiny, alone):
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    training = begin_training(build_model(SHAPE, tiny))
    with torch.no_grad():
        training.model.generator.project.weight.fill_(math.nan)
    with pytest.raises(TrainingError, match=r"diverged in epoch 1, step 1: .*generator"):
        list(train(training, pairs, alone))
