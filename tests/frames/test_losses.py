import math

import pytest
import torch

from nextbar.frames.chain import Gaussian
from nextbar.frames.losses import (
    adversarial_loss,
    discriminator_loss,
    draw_latent,
    feature_matching,
    kl_from_prior,
    kl_of_draw,
    kl_to_standard_normal,
    reconstruction,
)


def test_a_latent_is_the_mean_plus_noise_times_the_standard_deviation():
    # variance 4 -> standard deviation 2: 1 + 2 * 0.5 = 2 and -1 + 1 * 3 = 2
    mean, log_variance = torch.tensor([[1.0, -1.0]]), torch.tensor([[math.log(4), 0.0]])
    latent = draw_latent(mean, log_variance, torch.tensor([[0.5, 3.0]]))
    torch.testing.assert_close(latent, torch.tensor([[2.0, 2.0]]))


def test_drawn_latents_have_the_variance_that_the_kl_speaks_of():
    noise = torch.randn(200_000, 1, generator=torch.Generator().manual_seed(0))
    log_variance = torch.full_like(noise, 0.7)
    latent = draw_latent(torch.zeros_like(noise), log_variance, noise)
    # Eq. 4 as printed, with exp(e), would give exp(1.4) = 4.06
    assert latent.var().item() == pytest.approx(math.exp(0.7), rel=0.02)


def test_kl_is_zero_for_the_standard_normal_and_for_nothing_else():
    zeros = torch.zeros(3, 5)
    assert kl_to_standard_normal(zeros, zeros).item() == 0
    assert kl_to_standard_normal(zeros + 0.1, zeros).item() > 0
    assert kl_to_standard_normal(zeros, zeros - 0.1).item() > 0


def test_kl_by_hand():
    # one sample: 1/2 (mu^2 + exp(e) - e - 1), summed over two dimensions
    # mu = 2, e = 0:        1/2 (4 + 1 - 0 - 1) = 2
    # mu = 0, e = log 3:    1/2 (0 + 3 - 1.0986 - 1) = 0.4507
    # a second sample at the prior: 0; the mean of both is half the sum
    mean = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    log_variance = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
    expected = (2 + 0.5 * (2 - math.log(3))) / 2
    assert kl_to_standard_normal(mean, log_variance).item() == pytest.approx(expected)


def test_the_kl_from_a_learned_prior_by_hand_and_from_the_standard_normal_that_of_eq_5():
    # one dimension each, mean 1 and variance 2, prior of mean 3 and variance 4:
    # 1/2 ((2 + (1 - 3)^2) / 4 + log 4 - log 2 - 1) = 1/2 (1.5 + 0.6931 - 1); two of them: twice
    two = torch.ones(1, 2)
    found = kl_from_prior(two, math.log(2) * two, 3 * two, math.log(4) * two)
    assert found.item() == pytest.approx(0.5 + math.log(2))
    mean, log_variance = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.2, -0.4]])
    zeros = torch.zeros(1, 2)
    of_eq_5 = kl_to_standard_normal(mean, log_variance)
    torch.testing.assert_close(kl_from_prior(mean, log_variance, zeros, zeros), of_eq_5)
    assert kl_from_prior(mean, log_variance, mean, log_variance).item() == pytest.approx(0)
    # the mean over the batch: of a row of it and a row of 0, half
    both = (torch.cat([mean, zeros]), torch.cat([log_variance, zeros]))
    none = torch.zeros(2, 2)
    assert kl_from_prior(*both, none, none).item() == pytest.approx(of_eq_5.item() / 2)


def test_the_kl_of_many_draws_is_that_of_the_closed_form():
    mean, log_variance = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.2, -0.4]])
    prior = torch.zeros(1, 2), torch.tensor([[0.3, 0.0]])
    normal = torch.distributions.Normal
    exact = torch.distributions.kl_divergence(
        normal(mean, (log_variance / 2).exp()), normal(prior[0], (prior[1] / 2).exp())
    ).sum()
    noise = torch.randn(20000, 2, generator=torch.Generator().manual_seed(0))
    own, prior = (
        Gaussian(*(each.expand(20000, 2) for each in moments))
        for moments in ((mean, log_variance), prior)
    )
    latent = own.draw(noise)
    drawn = kl_of_draw(own.log_density(latent), prior.log_density(latent))
    assert drawn.item() == pytest.approx(exact.item(), abs=0.03)


def test_feature_matching_has_both_halves():
    real, predicted, sampled = (
        torch.tensor([[0.0, 0.0]]),
        torch.tensor([[3.0, 4.0]]),
        torch.tensor([[0.0, 2.0]]),
    )
    # 1/2 * (9 + 16) + 1/2 * 4 = 14.5; with the second half missing, 12.5
    assert feature_matching(real, predicted, sampled).item() == pytest.approx(14.5)


def test_discriminator_loss_by_hand():
    # D(real) = 0.9, D(predicted) = 0.2, D(sampled) = 0.5
    real, predicted, sampled = (torch.tensor([p]).logit() for p in (0.9, 0.2, 0.5))
    expected = -(math.log(0.9) + math.log(0.8) + math.log(0.5))
    assert discriminator_loss(real, predicted, sampled).item() == pytest.approx(expected)


def test_adversarial_loss_by_hand():
    predicted, sampled = torch.tensor([0.2]).logit(), torch.tensor([0.5]).logit()
    expected = -(math.log(0.2) + math.log(0.5))
    assert adversarial_loss(predicted, sampled).item() == pytest.approx(expected)


def test_losses_stay_finite_where_the_discriminator_is_certain():
    sure, wrong = torch.tensor([200.0]), torch.tensor([-200.0])
    assert discriminator_loss(wrong, sure, sure).item() == pytest.approx(600)
    assert adversarial_loss(wrong, wrong).item() == pytest.approx(400)


def test_reconstruction_is_least_at_the_frame_itself_and_sums_over_cells():
    current = torch.tensor([[[[0.0, 1.0], [0.25, 1.0]]]])
    exact = reconstruction(current, None, current).item()
    # only the cell of 0.25 has an entropy: -(1/4 log 1/4 + 3/4 log 3/4) = 0.5623
    assert exact == pytest.approx(0.5623, abs=1e-4)
    assert reconstruction(current * 0.9 + 0.05, None, current).item() > exact


def test_with_gates_where_and_how_much_are_measured_apart():
    current = torch.tensor([[[[0.0, 0.8], [0.0, 0.0]]]])
    gates = torch.tensor([[[[0.0, 2.0], [-3.0, -3.0]]]])
    levels = torch.tensor([[[[0.9, 0.4], [0.9, 0.9]]]])
    # where: log 2, log(1 + e^-2), 2 log(1 + e^-3); how much, at the one cell: (0.4 / 0.2)^2 / 2
    by_hand = math.log(2) + math.log1p(math.exp(-2)) + 2 * math.log1p(math.exp(-3)) + 2
    assert reconstruction(levels, gates, current).item() == pytest.approx(by_hand, rel=1e-5)
    other = torch.where(current > 0, levels, 0.1)
    assert torch.equal(
        reconstruction(other, gates, current), reconstruction(levels, gates, current)
    )


def test_losses_do_not_grow_with_the_batch():
    generator = torch.Generator().manual_seed(2)
    a, b, c = torch.randn(3, 4, 5, generator=generator)
    cells = torch.rand(2, 4, 1, 1, 5, generator=generator)
    for loss, arguments in (
        (kl_to_standard_normal, (a, b)),
        (kl_of_draw, (a[:, 0], b[:, 0])),
        (lambda levels, current: reconstruction(levels, None, current), cells[:2]),
        (reconstruction, (cells[0], a[:, None, None], cells[1])),
        (feature_matching, (a, b, c)),
        (discriminator_loss, (a[:, 0], b[:, 0], c[:, 0])),
        (adversarial_loss, (a[:, 0], b[:, 0])),
    ):
        doubled = [torch.cat([argument, argument]) for argument in arguments]
        torch.testing.assert_close(loss(*doubled), loss(*arguments))


def test_what_is_faint_is_there_all_the_same():
    # a level of 0.3 is something and its gate is asked to open: log(1 + e^-2) for it, shut, 2 more
    current, levels = torch.tensor([[[[0.3]]]]), torch.tensor([[[[0.3]]]])
    opened = reconstruction(levels, torch.tensor([[[[2.0]]]]), current).item()
    shut = reconstruction(levels, torch.tensor([[[[-2.0]]]]), current).item()
    assert opened == pytest.approx(math.log1p(math.exp(-2)), rel=1e-5)
    assert shut == pytest.approx(2 + math.log1p(math.exp(-2)), rel=1e-5)


def test_reconstruction_is_the_mean_over_a_batch_of_frames_that_differ():
    # cross-entropies of two frames of one cell: log 2 and log 4; their mean is 1.5 log 2
    levels, current = torch.tensor([0.5, 0.25]).view(2, 1, 1, 1), torch.ones(2, 1, 1, 1)
    assert reconstruction(levels, None, current).item() == pytest.approx(1.5 * math.log(2))
    # the same by gates alone, whose levels are exact: logits 0 and -log 3 are 1/2 and 1/4
    gates = torch.tensor([0.0, -math.log(3)]).view(2, 1, 1, 1)
    assert reconstruction(current, gates, current).item() == pytest.approx(1.5 * math.log(2))
