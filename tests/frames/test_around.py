"""Frames drawn around cells that are given."""

import math

import numpy as np
import torch

from nextbar.frames.around import PARTICLES, Held, decode_around, draw_around, resampled
from nextbar.frames.config import Config
from nextbar.frames.model import build_model

SHAPE = (2, 6, 4)


def small(emission):
    config = Config(
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


def test_those_that_are_likely_go_on_as_often_as_their_weight_says():
    rng = np.random.default_rng(0)
    assert resampled(np.array([0.5, 0.0, 0.25, 0.25]), rng).tolist() == [0, 0, 2, 3]
    counts = np.bincount(resampled(np.array([0.7, 0.1, 0.1, 0.1]), rng), minlength=4)
    assert counts[0] in (2, 3)


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
