"""Cells of a column given each other: who says something of whom, and writing row by row."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nextbar.frames.chain_encoder import there_of
from nextbar.frames.columns import columns_of
from nextbar.frames.config import override
from nextbar.frames.emission import Below, decide
from nextbar.frames.model import build_model
from nextbar.frames.rollout import decode, latent_noise, next_frames, roll_out

SHAPE = (2, 8, 6)


def below(channels=2, height=3, *, deviation=1.0, seed=0):
    emission = Below(channels, height)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        emission.weight.normal_(0, deviation, generator=rng)
    return emission


def causal_model(columns, shape=SHAPE, widths=()):
    """A model whose cells are there here and there, and say something of each other."""
    model = build_model(shape, override(columns, emission="causal"), widths).eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        last = model.generator.layers[-1].product
        last.weight.normal_(0, 0.7, generator=rng)
        last.bias.fill_(-0.5)
        model.generator.below.weight.normal_(0, 0.5, generator=rng)
    return model


def test_a_logit_is_moved_by_the_cells_before_it_alone():
    # cells of 2 channels and 3 rows: 0, 1, 2 of the first channel, 3, 4, 5 of the second; of cell 1
    # (row 1, first channel): its column's row 0, 0 and 3; of the last column rows 0 and 1
    # of cell 4 (row 1, second channel): the same, and cell 1, which is of its row
    said_of = {1: ({0, 3}, {0, 1, 3, 4}), 4: ({0, 1, 3}, {0, 1, 3, 4}), 0: (set(), {0, 3})}
    emission, logits = below(), torch.zeros(1, 3, 6)
    none = emission(logits, torch.zeros(1, 3, 6))
    assert not none.any()
    for cell, (of_column, of_last_column) in said_of.items():
        for column, expected in ((1, of_column), (0, of_last_column), (2, set())):
            found = set()
            for other in range(6):
                cells = torch.zeros(1, 3, 6)
                cells[0, column, other] = 1
                if emission(logits, cells)[0, 1, cell] != 0:
                    found.add(other)
            assert found == expected


def test_cells_are_decided_one_after_the_other_by_hand():
    # two columns of three rows and a third of no account; one channel
    logits = np.array([[[1, 1, -1]], [[-1, -1, -1]], [[0, 0, 0]]], np.float32)
    of_column = np.array([[0, -2, 3], [0, 0, 9], [0, 0, 0]], np.float32)
    of_last = np.array([[4, 0, 0], [0, 9, 9], [0, 0, 5]], np.float32)
    decide(logits, of_column, of_last)
    # first column: row 0 is there; row 1 is 1 - 2 = -1, not; row 2 is -1 + 3 = 2, there
    assert logits[0, 0].tolist() == [1, -1, 2]
    # second: row 0 is -1 + 4 = 3, there; row 1 is -1 - 2 = -3, not; row 2 is -1 + 3 + 5 = 7
    assert logits[1, 0].tolist() == [3, -3, 7]


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 5, 7), (2, 9, 4), (3, 4, 1)])
def test_what_is_written_is_what_it_is_given_itself(channels, height, width):
    emission = below(channels, height, deviation=0.7)
    rng = torch.Generator().manual_seed(2)
    logits = torch.randn(5, width, channels * height, generator=rng) - 0.5
    written = emission.write(logits)
    there = (written > 0).float()
    assert 0.1 < there.mean() < 0.9
    assert (there != (logits > 0)).any(), "some cells are otherwise than by themselves"
    with torch.no_grad():
        # a cell is written from one chance in three on: ln (1/3 : 2/3) = -0.6931
        torch.testing.assert_close(emission(logits, there), written - 0.6931, rtol=0, atol=1e-4)


def test_at_the_beginning_cells_are_what_they_are_by_themselves(columns):
    alone = build_model(SHAPE, override(columns, emission="independent")).eval()
    causal = build_model(SHAPE, override(columns, emission="causal")).eval()
    latent = latent_noise(range(4), 1, alone.latent_size)[:, 0]
    with torch.no_grad():
        ours, theirs = alone.generator.decode(latent)[0], causal.generator.decode(latent)[0]
        (given,) = causal.generator.decode(latent, current=torch.ones(4, *SHAPE))
    assert torch.equal(ours.gates, given.gates)
    torch.testing.assert_close(ours.gates + 0.6931, theirs.gates, rtol=0, atol=1e-4)
    assert torch.equal(ours.levels, theirs.levels)


def test_learning_is_given_the_real_cells_and_writing_those_that_are_written(columns):
    model = causal_model(columns)
    rng = torch.Generator().manual_seed(3)
    previous = torch.rand(3, 4, 8, 6, generator=rng)
    current = torch.rand(3, 2, 8, 6, generator=rng).gt(0.7).float()
    noise = latent_noise(range(3), 1, model.noise_size)[:, 0]
    with torch.no_grad():
        synthesis = model.synthesise(previous, current, noise)
        (by_hand,) = model.generator.decode(synthesis.latent, current=torch.zeros_like(current))
        said = model.generator.below(torch.zeros(3, 6, 16), columns_of(current))
    said = said.transpose(1, 2).unflatten(1, (2, 8))
    torch.testing.assert_close(synthesis.drawn.gates, by_hand.gates + said)
    drawn = model.draw(synthesis.latent)
    with torch.no_grad():
        (given_itself,) = model.generator.decode(synthesis.latent, current=drawn)
    assert torch.equal(drawn > 0, given_itself.gates > -0.6931)
    assert not torch.equal(drawn > 0, synthesis.drawn.gates > 0)


def test_a_fake_that_is_judged_moves_the_generator(columns):
    model = causal_model(columns)
    (drawn,) = model.generator.decode(torch.ones(2, 12))
    drawn.shown().sum().backward()
    assert model.generator.below.weight.grad.abs().sum() > 0
    with torch.no_grad():
        assert torch.equal(model.generator.decode(torch.ones(2, 12))[0].gates > 0, drawn.gates > 0)


def test_a_frame_is_the_same_to_the_bit_whatever_is_written_beside_it(columns):
    model = causal_model(columns)
    together = roll_out(model, None, n_frames=3, seeds=list(range(20)))
    assert 0.05 < together.gt(0).float().mean() < 0.95
    for seed in (0, 7, 19):
        assert torch.equal(roll_out(model, None, n_frames=3, seeds=[seed])[0], together[seed])
    noise = latent_noise(range(3), 1, model.noise_size)[:, 0]
    frames, latents = next_frames(model, together[:3, :2], noise)
    assert torch.equal(decode(model, latents), frames)


def test_what_stands_beyond_a_narrow_frame_says_nothing(columns):
    widths = (6, 4)
    model = causal_model(columns, widths=widths)
    there = there_of(torch.tensor([[1, 1], [0, 0]]), widths, 6)[:, -1]
    latent = latent_noise(range(2), 1, model.latent_size)[:, 0].view(2, 6, 2)
    moved = latent + 5 * ~there[..., None]
    with torch.no_grad():
        frames = [model.draw(each.flatten(1), there) for each in (latent, moved)]
    assert torch.equal(*frames)
    assert frames[0].any()
    assert not frames[0][0, :, :, 4:].any()


@pytest.mark.trains
def test_either_of_two_chords_is_learned_whole_where_the_latent_says_nothing():
    chords = torch.tensor([[1.0, 0, 1, 0], [0, 1, 0, 1]])[:, None]
    emission, logits = Below(1, 4), torch.zeros(4, requires_grad=True)
    optimiser = torch.optim.Adam([logits, emission.weight], 0.1)
    for _ in range(300):
        given = emission(logits.expand(2, 1, 4), chords)
        loss = F.binary_cross_entropy_with_logits(given, chords, reduction="none").sum(2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    # which of the two costs ln 2 = 0.69, and by each cell itself it would be 4 ln 2 = 2.77
    assert loss.item() == pytest.approx(0.693, abs=0.02)
    for pushed, chord in zip((1.0, -1.0), chords, strict=True):
        written = emission.write((logits + torch.tensor([pushed, 0, 0, 0])).view(1, 1, 4))
        assert torch.equal((written > 0)[0].float(), chord)
