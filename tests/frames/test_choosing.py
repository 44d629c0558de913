"""Sequences in which each frame is one of several that were drawn, in rows that may be closed."""

from dataclasses import replace

import pytest
import torch

from nextbar.frames.config import Sampling
from nextbar.frames.model import After, build_model
from nextbar.frames.rollout import SLOTS, next_latent, roll_out, roll_out_choosing

SHAPE = (2, 6, 4)


@pytest.fixture
def model(columns):
    """A fresh model in which half of all cells are there, another half for each latent."""
    made = build_model(SHAPE, columns).eval()
    last = made.generator.layers[-1].product
    with torch.no_grad():
        last.bias.zero_()
        last.weight.mul_(20)
    return made


def only(nth):
    """A wish for the candidate of that number."""
    return lambda _: (torch.arange(SLOTS) != nth).float()


def test_without_choice_a_sequence_is_as_it_was(model):
    (plain,) = roll_out(model, None, n_frames=3, seeds=[5])
    (chosen,) = roll_out_choosing(model, None, seed=5, n_frames=3)
    (other,) = roll_out_choosing(model, None, seed=5, n_frames=3, wish=only(SLOTS - 1))
    assert torch.equal(plain > 0, chosen > 0)
    torch.testing.assert_close(plain, chosen)
    assert not torch.equal(plain > 0, other > 0)


@pytest.mark.parametrize("follow", [1, 0.5])
def test_what_all_candidates_go_on_from_is_read_once_and_says_the_same(columns, follow):
    model = build_model(SHAPE, replace(columns, attention_heads=2, ahead=(1,)), (4, 3)).eval()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_(0, 0.3, generator=rng)
    two, one = (
        (torch.rand(1, n, *SHAPE, generator=rng) < 0.5).float().expand(4, -1, -1, -1, -1)
        for n in (2, 1)
    )
    before, after = two, After(one, 0)
    after = after._replace(kinds=torch.tensor([[1]] * 4))
    kinds = torch.tensor([[0, 1, 1]] * 4)
    noise = torch.randn(4, model.noise_size, generator=rng)
    sampling = Sampling(follow=follow)
    with torch.no_grad():
        for behind, ahead in ((before, after), (before, None), (None, after), (None, None)):
            of = kinds if behind is not None else kinds[:, -1:]
            apart, once = (
                next_latent(model, behind, noise, sampling, of, ahead, alike=alike)
                for alike in (False, True)
            )
            assert not torch.allclose(apart[0], apart[1])  # each by its own noise
            torch.testing.assert_close(once, apart)


def test_closed_rows_are_empty_and_a_chosen_frame_is_gone_on_from(model):
    with torch.no_grad():
        model.generator.layers[-1].product.bias.fill_(50)  # something is likely everywhere
    rows = torch.tensor([[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 0, 0]], dtype=torch.bool)
    (made,) = roll_out_choosing(model, None, seed=1, n_frames=2, wish=only(3), rows=rows)
    assert (made[0].amax(dim=(0, 2)) > 0).tolist() == rows[0].tolist()
    assert (made[1].amax(dim=(0, 2)) > 0).tolist() == rows[1].tolist()
