"""What each network is asked to change, beside each equation differentiated by itself."""

import numpy as np
import pytest
import torch

from nextbar.frames.config import override
from nextbar.frames.gradients import (
    discriminator_gradients,
    encoder_and_generator_gradients,
    loudest,
    verdicts_on,
)
from nextbar.frames.losses import adversarial_loss, feature_matching, kl_to_standard_normal
from nextbar.frames.model import build_model
from nextbar.frames.pairs import PairBatches
from nextbar.frames.training import apply, begin_training

from .conftest import SHAPE

NETWORKS = ("encoder", "generator", "discriminator")
WEIGHTS = {"prior_weight": 0.7, "feature_weight": 1.3, "adversarial_weight": 2.5}
"""None is 0 or 1, so that one too many, or one too few, shows."""


@pytest.fixture
def plane(tiny, moving_squares):
    return prepared(override(tiny, **WEIGHTS), moving_squares)


@pytest.fixture
def with_learned_prior(learned, moving_squares):
    return prepared(override(learned, **WEIGHTS), moving_squares)


@pytest.fixture
def in_columns(columns, moving_squares):
    return prepared(override(columns, dropout=0.0, forget=0.0, **WEIGHTS), moving_squares)


def prepared(config, sequences):
    """A model, a batch of pairs, and noise for it."""
    pairs = PairBatches(sequences, np.arange(20), config.batch, config.seed, config.history)
    model = build_model(SHAPE, config)
    previous, current, _ = next(pairs.epoch(1))
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(len(previous), model.noise_size, generator=generator)
    with torch.no_grad():  # a D that is sure of itself, so that it matters what is weighed how
        model.discriminator.output.weight.mul_(20)
        if config.layout == "columns":  # a G that draws something already
            model.generator.layers[-1].product.bias.zero_()
    return model, previous, current, noise


def ours(model, previous, current, noise, **how):
    """The gradients for E, G and D, and the figures."""
    synthesis = model.synthesise(previous, current, noise)
    judged = verdicts_on(model, previous, current, synthesis)
    d_update, of_d = discriminator_gradients(model, judged)
    e_update, g_update, figures = encoder_and_generator_gradients(
        model, current, synthesis, judged, **how
    )
    return (e_update, g_update, d_update), figures | of_d


def differentiated(model, encoder_loss, generator_loss, d_loss):
    parameters = (
        model.encoder_parameters(),
        [*model.generator.parameters()],
        [*model.discriminator.parameters()],
    )
    losses = (encoder_loss, generator_loss, d_loss)
    return [
        torch.autograd.grad(loss, of, retain_graph=True)
        for loss, of in zip(losses, parameters, strict=True)
    ]


def d_loss_of(real, predicted, sampled):
    """Eq. 9, from probabilities. 0.3 nats more would not show in a gradient: no constant."""
    real, predicted, sampled = (logits.sigmoid() for logits in (real, predicted, sampled))
    return -(real.log() + (1 - predicted).log() + (1 - sampled).log()).mean()


def all_close(ours, by_hand):
    for a_network, the_same in zip(ours, by_hand, strict=True):
        for a, b in zip(a_network, the_same, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("annealing", [1.0, 0.25])
def test_in_a_plane_gradients_are_those_of_equations_8_9_and_10(plane, annealing):
    model, previous, current, noise = plane
    mean, log_variance = model.encoder(previous)
    fakes = model.generator(mean + noise * (log_variance / 2).exp()), model.generator(noise)
    real, predicted, sampled = (model.discriminator(x) for x in (current, *fakes))
    shown = [model.discriminator(x.detach()).logits for x in fakes]
    matching = 1.3 * feature_matching(real.features.detach(), predicted.features, sampled.features)
    by_hand = differentiated(
        model,
        matching + annealing * 0.7 * kl_to_standard_normal(mean, log_variance),
        matching + 2.5 * adversarial_loss(predicted.logits, sampled.logits),
        d_loss_of(real.logits, *shown),
    )
    all_close(ours(*plane, annealing=annealing)[0], by_hand)


@pytest.mark.parametrize("annealing", [1.0, 0.25])
def test_in_a_plane_with_a_learned_prior_the_likelihood_comes_to_it(with_learned_prior, annealing):
    model, previous, current, noise = with_learned_prior
    own, reading = model.posterior(current), model.encoder(previous)
    latents = (each.mean + noise * (each.log_variance / 2).exp() for each in (own, reading))
    fakes = predicted, _ = [model.generator(latent) for latent in latents]
    cells = -(current * predicted.log() + (1 - current) * (1 - predicted).log())
    likelihood = cells.flatten(1).sum(1).mean()
    normals = (
        torch.distributions.Normal(x.mean, (x.log_variance / 2).exp()) for x in (own, reading)
    )
    kl = torch.distributions.kl_divergence(*normals).sum(1).mean()
    real, of_predicted, of_sampled = (model.discriminator(x) for x in (current, *fakes))
    shown = [model.discriminator(x.detach()).logits for x in fakes]
    features = (each.features for each in (of_predicted, of_sampled))
    matching = 1.3 * feature_matching(real.features.detach(), *features)
    by_hand = differentiated(
        model,
        likelihood + matching + annealing * 0.7 * kl,
        likelihood + matching + 2.5 * adversarial_loss(of_predicted.logits, of_sampled.logits),
        d_loss_of(real.logits, *shown),
    )
    all_close(ours(*with_learned_prior, annealing=annealing)[0], by_hand)


@pytest.mark.parametrize("annealing", [1.0, 0.25])
def test_in_columns_the_likelihood_comes_to_it_and_the_prior_is_the_learned_one(
    in_columns, annealing
):
    model, previous, current, noise = in_columns
    own, reading = model.posterior(current), model.encoder(previous)
    latent = own.mean + noise[:, :32] * (own.log_variance / 2).exp()  # 16 parts of 2
    drawn, sampled = model.generator.decode(latent, reading.draw(noise))
    is_there = (current > 0).float()
    cells = torch.nn.functional.binary_cross_entropy_with_logits(
        drawn.gates, is_there, reduction="none"
    )
    levels = 0.5 * is_there * ((drawn.levels - current) / 0.2) ** 2
    likelihood = (cells + levels).flatten(1).sum(1).mean()
    kl = (own.log_density(latent) - reading.given(latent).log_density(latent)).mean()
    last = (previous[:, :1] > 0).float()
    fakes = drawn.shown(), sampled.shown()
    real, predicted, other = (
        model.discriminator(torch.cat([last, x], dim=3)) for x in (is_there, *fakes)
    )
    shown = [model.discriminator(torch.cat([last, x.detach()], dim=3)).logits for x in fakes]
    matching = 1.3 * feature_matching(real.features.detach(), predicted.features, other.features)
    by_hand = differentiated(
        model,
        likelihood + matching + annealing * 0.7 * kl,
        likelihood + matching + 2.5 * adversarial_loss(predicted.logits, other.logits),
        d_loss_of(real.logits, *shown),
    )
    all_close(ours(*in_columns, annealing=annealing)[0], by_hand)


def test_without_a_discriminator_both_go_down_the_likelihood_and_the_encoder_the_kl(
    columns, moving_squares
):
    resting = override(columns, dropout=0.0, feature_weight=0.0, adversarial_weight=0.0)
    pairs = PairBatches(moving_squares, np.arange(20), 16, 0, resting.history)
    model = build_model(SHAPE, override(resting, prior_weight=0.7))
    previous, current, _ = next(pairs.epoch(1))
    noise = torch.randn(16, model.noise_size, generator=torch.Generator().manual_seed(5))
    synthesis = model.synthesise(previous, current, noise)
    assert verdicts_on(model, previous, current, synthesis) is None
    assert synthesis.sampled is None
    e_update, g_update, figures = encoder_and_generator_gradients(
        model, current, synthesis, None, annealing=0.5
    )
    cells, kl = figures["reconstruction"], figures["kl"]
    torch.testing.assert_close(figures["encoder"], cells + 0.5 * 0.7 * kl)
    torch.testing.assert_close(figures["generator"], cells)
    synthesis = model.synthesise(previous, current, noise)
    _, _, again = encoder_and_generator_gradients(
        model, current, model.synthesise(previous, current, noise), None
    )
    own, latent = synthesis.own, synthesis.latent
    kl = (own.log_density(latent) - synthesis.prior.log_density(latent)).mean()
    torch.testing.assert_close(again["kl"], kl)
    is_there = (current > 0).float()
    gates, levels = synthesis.drawn.gates, synthesis.drawn.levels
    cells = torch.nn.functional.binary_cross_entropy_with_logits(gates, is_there, reduction="none")
    cells = (cells + 0.5 * is_there * ((levels - current) / 0.2) ** 2).flatten(1).sum(1).mean()
    parameters = [model.encoder_parameters(), [*model.generator.parameters()]]
    by_hand = [
        torch.autograd.grad(loss, of, retain_graph=True)
        for loss, of in zip((cells + 0.35 * kl, cells), parameters, strict=True)
    ]
    all_close((e_update, g_update), by_hand)


@pytest.mark.parametrize("layout", ["plane", "with_learned_prior", "in_columns"])
def test_the_figures_are_the_totals_of_equations_8_9_and_10(layout, request):
    prepared = request.getfixturevalue(layout)
    _, figures = ours(*prepared, annealing=0.5)
    synthesis = prepared[0].synthesise(*prepared[1:])
    verdicts = verdicts_on(*prepared[:3], synthesis)
    likelihood = 0 if layout == "plane" else figures["reconstruction"]
    adversarial = adversarial_loss(verdicts.predicted.logits, verdicts.sampled.logits)
    matching = 1.3 * figures["feature"]
    torch.testing.assert_close(
        figures["encoder"], likelihood + matching + 0.5 * 0.7 * figures["kl"]
    )
    torch.testing.assert_close(figures["generator"], likelihood + matching + 2.5 * adversarial)
    for name, verdict in (
        ("d_real", verdicts.real),
        ("d_predicted", verdicts.predicted),
        ("d_sampled", verdicts.sampled),
    ):
        torch.testing.assert_close(figures[name], verdict.logits.sigmoid().mean())
    assert len({round(figures[name].item(), 6) for name in ("d_real", "d_predicted")}) == 2


def test_the_second_fake_is_decoded_from_the_learned_prior_and_not_from_noise(in_columns):
    model, previous, current, noise = in_columns
    sampled = model.synthesise(previous, current, noise).sampled
    reading = model.encoder(previous)
    (expected,) = model.generator.decode(reading.draw(noise))
    torch.testing.assert_close(sampled, expected.shown())
    (of_noise,) = model.generator.decode(noise[:, :32])
    assert not torch.allclose(sampled, of_noise.shown())


@pytest.mark.parametrize("layout", ["plane", "with_learned_prior", "in_columns"])
def test_no_adversarial_gradient_reaches_the_encoder(layout, request):
    model, *batch = request.getfixturevalue(layout)
    taken = {}
    for weight in (0.0, 100.0):
        model.config = override(model.config, adversarial_weight=weight)
        taken[weight] = ours(model, *batch)[0]
    for a, b in zip(taken[0.0][0], taken[100.0][0], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(taken[0.0][1][0], taken[100.0][1][0])


@pytest.mark.parametrize("layout", ["plane", "with_learned_prior", "in_columns"])
@pytest.mark.parametrize("network", NETWORKS)
def test_each_network_moves_in_its_own_update_and_the_other_two_do_not(layout, network, request):
    model, *batch = request.getfixturevalue(layout)
    training = begin_training(model)
    updates = dict(zip(NETWORKS, ours(model, *batch)[0], strict=True))

    def weights(name):
        return [parameter.detach().clone() for parameter in getattr(model, name).parameters()]

    before = {name: weights(name) for name in NETWORKS}
    apply(training.optimisers[network], updates[network], 1.0, 0.0)
    moved = {
        name
        for name in NETWORKS
        if any(not torch.equal(a, b) for a, b in zip(weights(name), before[name], strict=True))
    }
    assert moved == {network}


def test_the_loudest_cell_of_each_frame_is_averaged():
    # greatest values of the two frames: 0.9 and 0.5
    frames = torch.tensor([[0.1, 0.9], [0.5, 0.2]]).view(2, 1, 1, 2)
    assert loudest(frames).item() == pytest.approx(0.7)
