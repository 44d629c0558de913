"""Frames drawn around cells that are given."""

import math
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nextbar.frames import around
from nextbar.frames.around import PARTICLES, Held, decode_around, draw_around, resampled
from nextbar.frames.chain import Chain, Mixture
from nextbar.frames.config import Config
from nextbar.frames.model import After, build_model

SHAPE = (2, 6, 4)


def small(emission, **more):
    config = Config(
        **more,
        layout="columns",
        emission=emission,
        latent=2,
        latent_mixture=2,
        seed=3,
        encoder_channels=(8, 8),
        generator_channels=(8,),
        generator_strides=(),
    )
    model = build_model(SHAPE, config).eval()
    generator = model.generator
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(
                0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
            )
    return model, generator


def held(*cells, decided=()):
    """Cells (channel, row, column) that are there, and others that are not."""
    both = [torch.zeros(SHAPE, dtype=torch.bool) for _ in range(2)]
    for cell in (*cells, *decided):
        both[0][cell] = True
    for cell in cells:
        both[1][cell] = True
    return Held(*both)


@torch.no_grad()
def test_held_cells_are_as_they_are_held_and_the_others_as_the_latent_says():
    for emission in ("independent", "causal"):
        _, generator = small(emission)
        latent = torch.randn(3, 8, generator=torch.Generator().manual_seed(2))
        free, likely = decode_around(generator, latent, held(), None)
        assert torch.equal(free > 0, generator(latent) > 0)
        assert torch.equal(likely, torch.zeros(3, 4))
        here = held((0, 2, 1), (1, 5, 3), decided=[(0, 0, 0), (1, 2, 1)])
        frames, _ = decode_around(generator, latent, here, None)
        there = frames > 0
        assert there[:, 0, 2, 1].all()
        assert there[:, 1, 5, 3].all()
        assert not there[:, 0, 0, 0].any()
        assert not there[:, 1, 2, 1].any()


@torch.no_grad()
def test_how_likely_held_cells_are_is_the_product_of_their_probabilities():
    _, generator = small("independent")
    latent = torch.randn(1, 8, generator=torch.Generator().manual_seed(2))
    gates = generator.decode(latent)[0].gates[0]
    _, likely = decode_around(
        generator, latent, held((0, 2, 1), (1, 4, 1), decided=[(0, 0, 3)]), None
    )
    on = [math.log(1 / (1 + math.exp(-float(gates[cell])))) for cell in [(0, 2, 1), (1, 4, 1)]]
    off = math.log(1 / (1 + math.exp(float(gates[0, 0, 3]))))
    assert torch.allclose(likely[0], torch.tensor([0, sum(on), 0, off]), atol=1e-4)


@torch.no_grad()
def test_cells_above_are_given_those_that_are_held_below():
    _, generator = small("causal")
    latent = torch.randn(1, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        generator.below.weight.zero_()
        generator.below.weight[3, 1] = 50.0  # row 1 of channel 0 brings row 3 of its column
    without, _ = decode_around(generator, latent, held(decided=[(0, 1, 2)]), None)
    brought, _ = decode_around(generator, latent, held((0, 1, 2)), None)
    assert brought[0, 0, 3, 2] > 0
    assert torch.equal(without[0, 0, :1] > 0, brought[0, 0, :1] > 0)
    # held, too, it costs nothing where the row below has brought it, and much where that is not
    _, cheap = decode_around(generator, latent, held((0, 1, 2), (0, 3, 2)), None)
    _, dear = decode_around(generator, latent, held((0, 3, 2), decided=[(0, 1, 2)]), None)
    gate = float(generator.decode(latent, current=torch.zeros(1, *SHAPE))[0].gates[0, 0, 1, 2])
    alone = float(generator.decode(latent, current=torch.zeros(1, *SHAPE))[0].gates[0, 0, 3, 2])
    assert cheap[0, 2].item() == pytest.approx(-math.log1p(math.exp(-gate)), abs=1e-4)
    off, on = -math.log1p(math.exp(gate)), -math.log1p(math.exp(-alone))
    assert dear[0, 2].item() == pytest.approx(off + on, abs=1e-4)


@torch.no_grad()
def test_nothing_is_written_where_no_column_is_nor_where_nothing_is_held():
    _, generator = small("causal")
    latent = torch.randn(3, 8, generator=torch.Generator().manual_seed(2))
    generator.layers[-1].product.bias.fill_(5.0)  # everywhere something is likely
    there = torch.tensor([[True, True, False, False]]).expand(3, -1)
    frames, _ = decode_around(generator, latent, held((0, 2, 1), decided=[(0, 3, 0)]), there)
    assert frames[..., :2].any()
    assert not frames[:, 0, 3, 0].any()
    assert not frames[..., 2:].any()


def test_those_that_are_likely_go_on_as_often_as_their_weight_says():
    rng = np.random.default_rng(0)
    assert resampled(np.array([0.5, 0.0, 0.25, 0.25]), rng).tolist() == [0, 0, 2, 3]
    counts = np.bincount(resampled(np.array([0.7, 0.1, 0.1, 0.1]), rng), minlength=4)
    assert counts[0] in (2, 3)
    first = [(resampled(np.array([0.3, 0.7]), rng) == 0).sum() for _ in range(2000)]
    assert np.mean(first) == pytest.approx(0.6, abs=0.05)  # 2 x 0.3; four deviations of 0.011


def test_a_frame_around_held_cells_is_likelier_than_one_that_was_drawn_without_them():
    model, generator = small("causal")
    here = held((0, 2, 0), (0, 3, 1), (0, 2, 2), (0, 3, 3), decided=[(0, 4, i) for i in range(4)])
    weighed, plain = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        drawn = draw_around(model, None, here, ends=[1, 2, 3, 4], rng=rng)
        assert (drawn.frame[0] > 0)[here.there[0]].all()
        weighed.append(drawn.log_likelihood)
        noise = torch.from_numpy(rng.standard_normal((PARTICLES, model.noise_size), np.float32))
        latents = model.beginning(noise).draw(noise)
        with torch.no_grad():
            plain.append(float(decode_around(generator, latents, here, None)[1].sum(1).mean()))
    assert np.mean(weighed) > np.mean(plain)
    again = draw_around(model, None, here, ends=[1, 2, 3, 4], rng=np.random.default_rng(7))
    assert again.log_likelihood == weighed[-1]


LEANING = torch.tensor([1.0, -1.5, 2.0, -1.0])
"""How much each part by itself leans to 1, and not to -1."""


def leaning(contexts, before, state, which):
    """Each part is 1 or -1: as its context leans, and against the sum of the parts before."""
    assert contexts[0].flatten().tolist() == LEANING[which].tolist()
    state = state + before.transpose(0, 1)
    logit = (contexts[:, 0] - 1.2 * state[0])[:, None]  # (B, 1, 1)
    weights = torch.cat([F.logsigmoid(-logit), F.logsigmoid(logit)], dim=2)
    assert which.stop - which.start == 1
    means = torch.tensor([-1.0, 1.0])[:, None].expand(len(weights), 1, 2, 1)
    return Mixture(weights, means, torch.full_like(means, -30.0)), state


def fit(parts):
    """How likely the cells of each column are held, log, given its part and the one before it."""
    before = F.pad(parts[:, :-1], (1, 0))
    return F.logsigmoid(-1.5 * parts + 1.5 * parts * before)


@pytest.fixture
def two_ways(monkeypatch):
    """A model whose parts are 1 or -1, so that all their sequences can be counted."""
    chain = Chain(LEANING.view(1, 4, 1), torch.zeros(1, 1, 1), leaning, 1)
    monkeypatch.setattr(around, "_reading", lambda *_: chain)

    def decoded(_, latent, *__):
        return latent[:, None, None].expand(-1, *SHAPE[:2], -1), fit(latent.round())

    monkeypatch.setattr(around, "decode_around", decoded)
    return small("causal")[0]


def test_what_is_drawn_is_as_likely_as_it_is_and_as_the_held_cells_are_under_it(two_ways):
    ways = torch.tensor(list(product((-1.0, 1.0), repeat=4)))  # (16, 4)
    sums = F.pad(ways.cumsum(dim=1)[:, :-1], (1, 0))
    exact = torch.exp((F.logsigmoid(ways * (LEANING - 1.2 * sums)) + fit(ways)).sum(dim=1))
    exact = (exact / exact.sum()).numpy()
    n = 600
    drawn = [
        draw_around(two_ways, None, held(), ends=[1, 3, 4], rng=np.random.default_rng(seed))
        for seed in range(n)
    ]
    signs = torch.stack([each.frame[0, 0] for each in drawn])
    likely = [each.log_likelihood for each in drawn]
    torch.testing.assert_close(torch.tensor(likely), fit(signs.round()).sum(dim=1))
    numbers = (signs > 0).int() @ torch.tensor([8, 4, 2, 1], dtype=torch.int32)
    found = np.bincount(numbers.numpy(), minlength=16) / n
    # of 600 draws half of all differences is some 0.06, by chance alone
    assert np.abs(found - exact).sum() / 2 < 0.1


def test_without_temperature_each_part_is_the_likeliest(two_ways):
    rng = np.random.default_rng(0)
    drawn = draw_around(two_ways, None, held(), ends=[2, 4], rng=rng, temperature=0)
    # 1; -1.5 - 1.2; 2 - 0; -1 - 1.2
    assert drawn.frame[0, 0].tolist() == [1, -1, 1, -1]


@torch.no_grad()
def test_the_frames_behind_are_read_too_where_a_model_reads_ahead():
    model, _ = small("causal", ahead=(1,))
    rng = torch.Generator().manual_seed(0)
    before, behind = (torch.rand(1, 1, *SHAPE, generator=rng).round() for _ in range(2))
    with_it, without = (
        around._reading(model, before, None, after) for after in (After(behind), None)
    )
    expected = model.read(model.history_of([before[:, 0]], After(behind)))
    torch.testing.assert_close(with_it.contexts, expected.contexts)
    assert not torch.allclose(with_it.contexts, without.contexts)
