"""Shapes in annotations: a wrong one is noticed while tests run."""

import os

import pytest
import torch
from jaxtyping import TypeCheckError

from nextbar.frames.contracts import levels_of
from nextbar.frames.losses import draw_latent, feature_matching
from nextbar.frames.model import build_model
from nextbar.frames.rollout import roll_out

from .conftest import SHAPE

checked = pytest.mark.skipif(
    "MUTANT_UNDER_TEST" in os.environ, reason="shapes are not checked where mutants are tried"
)


@checked
@pytest.mark.parametrize(
    "wrong",
    [
        lambda: draw_latent(torch.zeros(3, 4), torch.zeros(3, 4), torch.zeros(4)),
        lambda: feature_matching(*torch.zeros(3, 2, 5)[:2], torch.zeros(2, 4)),
        lambda: levels_of(torch.zeros(2, 88, 16)),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_noticed(wrong):
    with pytest.raises(TypeCheckError, match="Expected type"):
        wrong()


@checked
def test_one_frame_where_several_are_wanted_is_noticed(tiny):
    model = build_model(SHAPE, tiny)
    with pytest.raises(TypeCheckError, match="parameter 'first'"):
        roll_out(model, torch.zeros(1, *SHAPE), n_frames=1, seeds=[0])


def test_levels_run_from_0_to_1_and_are_a_half_at_0():
    maps = torch.tensor([-30.0, 0.0, 0.5493061, 30.0]).view(1, 1, 1, 4)  # atanh 0.5
    torch.testing.assert_close(levels_of(maps).flatten(), torch.tensor([0.0, 0.5, 0.75, 1.0]))
