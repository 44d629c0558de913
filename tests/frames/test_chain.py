"""What a latent is drawn from: one normal, a mixture, and parts one after the other."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from nextbar.frames.chain import Chain, Gaussian, Mixture
from nextbar.frames.config import Sampling

LEFT, RIGHT = -5.0, 5.0


def mixture(n_rows=1):
    """Of two normals of deviation 0.1: a quarter at LEFT, the rest at RIGHT; one part of 1."""
    return Mixture(
        torch.tensor([0.25, 0.75]).log().expand(n_rows, 1, 2),
        torch.tensor([[LEFT], [RIGHT]]).expand(n_rows, 1, 2, 1),
        torch.full((n_rows, 1, 2, 1), 2 * math.log(0.1)),
    )


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_one_normal_is_the_paper_s_latent():
    mean, log_variance = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, 2.1972246]])  # 2 log 3
    latent = Gaussian(mean, log_variance).draw(torch.tensor([[0.5, 2.0]]))
    torch.testing.assert_close(latent, torch.tensor([[1.5, 5.0]]))  # -1 + 2 * 3


def test_half_followed_a_normal_lies_half_way_and_its_deviation_at_the_root():
    beginning = Gaussian(torch.zeros(1, 1), torch.zeros(1, 1))
    reading = Gaussian(torch.full((1, 1), 4.0), torch.full((1, 1), 2 * math.log(9.0)))
    (drawn,) = reading.draw(torch.ones(1, 1), Sampling(follow=0.5), beginning=beginning)
    assert drawn.item() == pytest.approx(2 + 3)  # between 1 and 9 by equal ratios lies 3


def test_a_mixture_is_chosen_from_by_its_weights_and_nothing_lies_between():
    drawn = mixture(4000).draw(noise(4000, 1, 1), noise(4000, 1, seed=1), 1.0).flatten()
    left, right = drawn[drawn < 0], drawn[drawn > 0]
    assert len(left) / 4000 == pytest.approx(0.25, abs=0.03)  # 4 deviations of 0.007
    assert left.mean().item() == pytest.approx(LEFT, abs=0.02)
    assert right.std().item() == pytest.approx(0.1, abs=0.01)
    assert ((drawn.abs() - RIGHT).abs() < 1).all()


@pytest.mark.parametrize(
    ("temperature", "share"),
    # weights of 1 and 3 to the power of 1 / T: 1 of 10, 1 of 4, 1 of 1 + sqrt(3)
    [(0.5, 0.1), (1.0, 0.25), (2.0, 0.366)],
)
def test_the_temperature_makes_likely_normals_likelier(temperature, share):
    drawn = mixture(4000).draw(noise(4000, 1, 1), noise(4000, 1, seed=1), temperature).flatten()
    assert (drawn < 0).float().mean().item() == pytest.approx(share, abs=0.03)
    spread = (drawn - drawn.sign() * RIGHT).std().item()
    assert spread == pytest.approx(0.1 * math.sqrt(temperature), rel=0.05)


def test_without_temperature_the_likeliest_mean_is_taken():
    assert mixture().draw(noise(1, 1, 1), torch.tensor([[-9.0]]), 0).item() == RIGHT


def test_where_rounding_leaves_the_weights_under_one_the_last_normal_is_chosen():
    log_weights = torch.log_softmax(noise(1000, 1, 7, seed=3), dim=2)
    short = log_weights.softmax(dim=2).cumsum(dim=2)[:, 0, -1] < 1
    assert short.any(), "there are weights whose sum is rounded down"
    many = int(short.sum())
    means = torch.arange(7.0).expand(many, 1, 7)[..., None]
    drawn = Mixture(log_weights[short], means, torch.zeros(many, 1, 7, 1)).draw(
        torch.zeros(many, 1, 1), torch.full((many, 1), math.inf), 1.0
    )
    assert drawn.unique().tolist() == [6]


def test_extreme_noise_still_chooses_a_normal():
    for choice, expected in ((-40.0, LEFT), (40.0, RIGHT)):
        drawn = mixture().draw(torch.zeros(1, 1, 1), torch.tensor([[choice]]), 1.0)
        assert drawn.item() == expected


def test_the_density_of_a_mixture_is_that_of_torch_distributions():
    weights, means = noise(3, 4, 5).log_softmax(2), noise(3, 4, 5, 2, seed=1)
    log_variances = noise(3, 4, 5, 2, seed=2)
    latent = noise(3, 8, seed=3)
    normals = Independent(Normal(means, (log_variances / 2).exp()), 1)
    theirs = MixtureSameFamily(Categorical(logits=weights), normals)
    expected = theirs.log_prob(latent.view(3, 4, 2)).sum(dim=1)
    torch.testing.assert_close(Mixture(weights, means, log_variances).log_density(latent), expected)


def test_a_normal_and_a_mixture_of_one_have_one_density():
    mean, log_variance, latent = noise(2, 6), noise(2, 6, seed=1), noise(2, 6, seed=2)
    alone = Mixture(torch.zeros(2, 3, 1), mean.view(2, 3, 1, 2), log_variance.view(2, 3, 1, 2))
    torch.testing.assert_close(
        alone.log_density(latent), Gaussian(mean, log_variance).log_density(latent)
    )


def counting(contexts, before, state, which):  # noqa: ARG001
    """Each part is one normal of no width, one more than the part before it, and the context."""
    means = (before + 1 + contexts)[:, :, None]
    return Mixture(torch.zeros(*before.shape[:2], 1), means, torch.full_like(means, -10)), state


def test_the_parts_of_a_chain_are_drawn_one_after_the_other():
    chain = Chain(torch.tensor([[[0.0], [10.0], [0.0]]]), torch.zeros(1, 1, 1), counting, 1)
    drawn = chain.draw(torch.zeros(1, 9))
    assert drawn.tolist() == [[1, 12, 13]]  # 0 + 1, 1 + 1 + 10, 12 + 1
    means = chain.given(torch.tensor([[5.0, 7.0, 9.0]])).means.flatten()
    assert means.tolist() == [1, 16, 8]  # of the part before: none, 5, 7


def test_a_chain_half_followed_takes_each_part_from_either():
    here = Chain(torch.full((1000, 4, 1), 20.0), torch.zeros(1, 1000, 1), counting, 1)
    nothing = here._replace(contexts=torch.zeros(1000, 4, 1))
    drawn = here.draw(noise(1000, 12), Sampling(follow=0.5), beginning=nothing)
    steps = torch.diff(drawn, dim=1, prepend=torch.zeros(1000, 1))
    follows = steps > 10
    assert follows.float().mean().item() == pytest.approx(0.5, abs=0.04)
    # each part by itself: all four do in one row of 16; three deviations of 0.008
    assert follows.all(dim=1).float().mean().item() == pytest.approx(1 / 16, abs=0.025)
