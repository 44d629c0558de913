"""Sequences in which each frame is one of several that were drawn, in rows that may be closed."""

import pytest
import torch

from nextbar.frames.model import build_model
from nextbar.frames.rollout import SLOTS, roll_out, roll_out_choosing

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


def test_without_choice_a_sequence_is_as_it_was_to_the_bit(model):
    (plain,) = roll_out(model, None, n_frames=3, seeds=[5])
    (chosen,) = roll_out_choosing(model, None, seed=5, n_frames=3)
    (other,) = roll_out_choosing(model, None, seed=5, n_frames=3, wish=only(SLOTS - 1))
    assert torch.equal(plain, chosen)
    assert not torch.equal(plain, other)


def test_closed_rows_are_empty_and_a_chosen_frame_is_gone_on_from(model):
    with torch.no_grad():
        model.generator.layers[-1].product.bias.fill_(50)  # something is likely everywhere
    rows = torch.tensor([[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 0, 0]], dtype=torch.bool)
    (made,) = roll_out_choosing(model, None, seed=1, n_frames=2, wish=only(3), rows=rows)
    assert (made[0].amax(dim=(0, 2)) > 0).tolist() == rows[0].tolist()
    assert (made[1].amax(dim=(0, 2)) > 0).tolist() == rows[1].tolist()
