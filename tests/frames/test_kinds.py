"""Frames of several kinds, each with columns of its own number, in one sequence."""

import numpy as np
import pytest
import torch

from nextbar.errors import ConfigError
from nextbar.frames import checkpoint, record
from nextbar.frames.chain import Gaussian, Mixture
from nextbar.frames.chain_encoder import there_of
from nextbar.frames.config import Sampling, override
from nextbar.frames.gradients import encoder_and_generator_gradients, verdicts_on
from nextbar.frames.model import build_model
from nextbar.frames.pairs import PairBatches, Sequences
from nextbar.frames.record import Description
from nextbar.frames.rollout import latent_noise, next_frames, roll_out
from nextbar.frames.training import begin_training, train

SHAPE = (1, 16, 16)
WIDTHS = (16, 12, 12, 6)
NARROW = torch.tensor([[3, 1, 1], [1, 3, 1], [1, 1, 3]])
"""The kinds of two frames of the history and of a current one: none is wider than 12."""


def squares_in_kinds(*, n_videos=24, n_frames=8):
    """Videos of one kind each: squares high up in kind 1, low in the others, where there is room.

    Some change to kind 3 at their fifth frame.
    """
    kinds = np.repeat(np.arange(n_videos) % 3, n_frames)
    kinds[np.arange(len(kinds)) % 16 >= 12] = 3
    frames = np.zeros((len(kinds), *SHAPE), np.uint8)
    for number, kind in enumerate(kinds):
        top = 1 if kind == 1 else 11
        left = (2 * number) % (WIDTHS[kind] - 3)
        frames[number, 0, top : top + 4, left : left + 4] = 255
    index = np.arange(0, len(kinds) + 1, n_frames)
    return Sequences(frames, index, full_scale=255, kinds=kinds, widths=WIDTHS)


def pairs_of(config, sequences):
    return PairBatches(
        sequences,
        np.arange(len(sequences.index) - 1),
        config.batch,
        config.seed,
        config.history,
        config.forget,
    )


def some_pairs(kinds, width=16, seed=0):
    """A history of two frames and a current one, random within the widths of their kinds."""
    rng = torch.Generator().manual_seed(seed)
    frames = torch.rand(*kinds.shape, *SHAPE, generator=rng).gt(0.8).float()
    frames *= there_of(kinds, WIDTHS, 16)[:, :, None, None]
    frames = frames[..., :width]
    return frames[:, :-1].flatten(1, 2), frames[:, -1]


def test_all_pairs_come_once_with_their_kinds_and_trimmed_to_the_widest():
    kinds = squares_in_kinds().kinds
    frames = np.zeros((len(kinds), *SHAPE), np.uint8)
    frames[:, 0, 0, 0] = np.arange(len(kinds)) + 1  # each says its number
    sequences = Sequences(frames, np.arange(0, 193, 8), kinds=kinds, widths=WIDTHS)
    batches = list(PairBatches(sequences, np.arange(24), 16, 0, history=(1, 2)).epoch(1))
    assert [len(batch.current) for batch in batches] == [*[16] * 10, 8]  # 24 x 7 = 168 pairs
    seen = []
    for previous, current, of_batch in batches:
        widest = max(WIDTHS[kind] for kind in of_batch.flatten().tolist())
        assert previous.shape[2:] == current.shape[2:] == (16, widest)
        numbers = (current[:, 0, 0, 0] - 1).int().tolist()
        before = (previous[:, :, 0, 0] - 1).int().tolist()
        for number, (last, one_more), row in zip(numbers, before, of_batch.tolist(), strict=True):
            assert last == number - 1
            assert [row[0], row[2]] == [kinds[number - 1], kinds[number]]
            if number % 8 > 1:  # two frames back lies in the same video
                assert one_more == number - 2
                assert row[1] == kinds[number - 2]
        seen += numbers
    assert sorted(seen) == [n for n in range(192) if n % 8]


def test_most_batches_are_of_frames_of_one_width():
    sequences = squares_in_kinds(n_videos=240)
    pairs = PairBatches(sequences, np.arange(240), 16, 0)
    widths = [{WIDTHS[k] for k in kinds[:, -1].tolist()} for _, _, kinds in pairs.epoch(1)]
    # 105 batches in stretches of 64 and 41, each with 16 | 12 | 6: two batches are mixed in each,
    # and the last one may be
    assert sum(len(each) > 1 for each in widths) <= 5
    firsts = [min(each) for each in widths]
    assert firsts != sorted(firsts), "batches of one width come at any time"


def test_a_model_of_one_kind_is_the_model_without_kinds(columns):
    model, same = build_model(SHAPE, columns), build_model(SHAPE, columns, (16,))
    assert same.widths == ()
    ours, theirs = model.state_dict(), same.state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_kinds_of_one_width_begin_alike(columns):
    model = build_model(SHAPE, columns, WIDTHS).eval()
    plain = build_model(SHAPE, columns).eval()
    previous, current = some_pairs(torch.zeros(3, 3, dtype=torch.int64))  # all of 16 columns
    noise = latent_noise(range(3), 1, model.noise_size)[:, 0]
    with torch.no_grad():
        a = model.synthesise(previous, current, noise, torch.zeros(3, 3, dtype=torch.int64))
        b = plain.synthesise(previous, current, noise)
    torch.testing.assert_close(a.drawn.levels, b.drawn.levels)
    torch.testing.assert_close(a.prior.log_density(a.latent), b.prior.log_density(b.latent))


def test_what_stands_beyond_a_frames_width_changes_nothing(columns):
    model = build_model(SHAPE, columns, WIDTHS).eval()
    previous, current = some_pairs(NARROW)
    there = there_of(NARROW, WIDTHS, 16)
    noise = torch.rand(3, 3, *SHAPE, generator=torch.Generator().manual_seed(5))
    beyond = noise * ~there[:, :, None, None]
    full_previous = previous + beyond[:, :-1].flatten(1, 2)
    full_current = current + beyond[:, -1]
    latent = latent_noise(range(3), 1, model.latent_size)[:, 0]
    with torch.no_grad():
        a, b = model.read(previous, NARROW), model.read(full_previous, NARROW)
        torch.testing.assert_close(a.given(latent).log_density(latent),
                                   b.given(latent).log_density(latent))  # fmt: skip
        a, b = (model.posterior(each, there[:, -1]) for each in (current, full_current))
        of_a, of_b = (each.log_density(latent, there[:, -1]) for each in (a, b))
        torch.testing.assert_close(of_a, of_b)
        wide = latent.view(3, 16, 2) * there[:, -1, :, None]
        moved = wide + 7 * ~there[:, -1, :, None]
        drawn = [model.draw(each.flatten(1), there[:, -1]) for each in (wide, moved)]
    torch.testing.assert_close(*drawn)


@pytest.mark.parametrize("heads", [0, 2])
def test_frames_trimmed_to_the_widest_are_learned_from_as_the_whole_ones(columns, heads):
    config = override(columns, attention_heads=heads)
    gradients = []
    for width in (16, 12):
        model = build_model(SHAPE, config, WIDTHS).eval()  # without dropout
        previous, current = some_pairs(NARROW, width)
        noise = latent_noise(range(3), 1, model.noise_size)[:, 0]
        synthesis = model.synthesise(previous, current, noise, NARROW)
        judged = verdicts_on(model, previous, current, synthesis)
        of_encoder, of_generator, figures = encoder_and_generator_gradients(
            model, current, synthesis, judged
        )
        gradients.append([*of_encoder, *of_generator, *figures.values()])
    for whole, trimmed in zip(*gradients, strict=True):
        torch.testing.assert_close(trimmed, whole, rtol=1e-4, atol=1e-5)


def test_a_density_is_of_the_parts_that_are_there():
    there = torch.tensor([[True, False]])
    zeros, latent = torch.zeros(1, 2), torch.tensor([[1.0, 5.0]])
    # of one number at 1 in N(0, 1): -1/2 - ln(2 pi) / 2 = -1.4189
    of_one = pytest.approx(-1.4189, abs=1e-4)
    assert Gaussian(zeros, zeros).log_density(latent, there).item() == of_one
    mixture = Mixture(torch.zeros(1, 2, 1), zeros[:, :, None, None], zeros[:, :, None, None], there)
    assert mixture.log_density(latent).item() == of_one


def test_what_is_drawn_and_where_it_ends(columns):
    model = build_model(SHAPE, columns, WIDTHS)
    kinds = torch.tensor([[0, 1, 3, 0], [3, 3, 3, 3], [2, 0, 1, 3]])
    first = torch.ones(3, 1, *SHAPE) * there_of(kinds[:, :1], WIDTHS, 16)[:, :, None, None]
    frames = roll_out(model, first, n_frames=3, seeds=[0, 1, 2], kinds=kinds)
    there = there_of(kinds[:, 1:], WIDTHS, 16)[:, :, None, None]
    assert not (frames * ~there).any()
    from_noise = roll_out(model, None, n_frames=4, seeds=[0, 1, 2], kinds=kinds)
    assert not (from_noise * ~there_of(kinds, WIDTHS, 16)[:, :, None, None]).any()


def test_a_frame_does_not_depend_on_the_widths_of_others_that_are_written_beside_it(columns):
    model = build_model(SHAPE, columns, WIDTHS)
    kinds = torch.tensor([[3, 1], [3, 3], [0, 0]])
    before = torch.rand(3, 1, *SHAPE, generator=torch.Generator().manual_seed(0)).gt(0.7).float()
    noise = latent_noise(range(3), 1, model.noise_size)[:, 0]
    for sampling in (Sampling(), Sampling(follow=0.5)):
        together, latents = next_frames(model, before, noise, sampling, kinds)
        for row in range(3):
            one = slice(row, row + 1)
            alone, latent = next_frames(model, before[one], noise[one], sampling, kinds[one])
            assert torch.equal(alone, together[one])
            assert torch.equal(latent, latents[one])


def test_of_each_frame_of_the_history_its_own_columns_are_read(columns):
    encoder = build_model(SHAPE, columns, WIDTHS).encoder.eval()
    laid = []
    encoder.together.register_forward_pre_hook(lambda _, given: laid.append(given[0]))
    kinds = torch.tensor([[3, 1, 0], [0, 3, 1]])  # 6 and 12 columns before 16, 16 and 6 before 12
    encoder(torch.ones(2, 2, 16, 16), kinds)
    n_read = laid[0][..., -2:].sum(dim=1)  # the last two maps say which there are of either frame
    assert n_read.tolist() == [[6, 12], [16, 6]]


def test_a_latent_has_the_parts_of_the_frame_that_comes_and_not_of_those_before(columns):
    model = build_model(SHAPE, columns, WIDTHS).eval()
    reading = model.read(some_pairs(NARROW)[0], NARROW)
    assert reading.there.sum(dim=1).tolist() == [12, 12, 6]  # before the last two of 12


def test_what_is_read_is_told_the_kind_of_the_frame_that_comes(columns):
    model = build_model(SHAPE, columns, WIDTHS).eval()
    with torch.no_grad():
        model.encoder.place_in_kind.copy_(torch.arange(4.0)[:, None, None])
        history = some_pairs(torch.ones(1, 3, dtype=torch.int64))[0]
        ones, comes, was = (
            model.read(history, torch.tensor([kinds])).contexts
            for kinds in ([1, 1, 1], [1, 1, 2], [2, 1, 1])  # both of 12 columns
        )
    torch.testing.assert_close(comes - ones, torch.ones_like(ones))
    torch.testing.assert_close(was, ones)


def test_the_end_of_the_latest_frame_is_what_the_first_part_begins_from(columns):
    encoder = build_model(SHAPE, columns, WIDTHS).encoder
    columns_ = torch.arange(16.0).view(1, 16, 1).expand(3, 16, 8)
    there = there_of(torch.tensor([[1, 0, 3], [3, 0, 0], [0, 0, 1]]), WIDTHS, 16)
    known = there[:, :-1].clone()
    known[2] = False  # nothing came before: then it is where the frame that comes will end
    ends = encoder._end(columns_, known, there)[:, :, 0]
    assert ends.tolist() == [[10, 11], [4, 5], [10, 11]]


@pytest.mark.slow
@pytest.mark.trains
def test_kinds_of_one_width_are_told_apart_from_the_first_frame_on(columns, alone):
    config = override(
        columns,
        epochs=40,
        forget=0.6,
        dropout=0.0,
        attention_heads=0,
        feature_weight=0.0,
        adversarial_weight=0.0,
        average=0.9,
        learning_rate=0.005,
        encoder_channels=(16, 16),
        generator_channels=(16, 16),
    )
    training = begin_training(build_model(SHAPE, config, WIDTHS))
    for _ in train(training, pairs_of(config, squares_in_kinds()), alone):
        pass
    for kind, rows in ((1, slice(0, 6)), (2, slice(10, 16))):
        kinds = torch.full((16, 3), kind)
        frames = roll_out(training.writer, None, n_frames=3, seeds=list(range(16)), kinds=kinds)
        heard = (frames > 0.5).float().sum(dim=(0, 1, 2, 4))  # by row
        assert heard.sum() > 16 * 3 * 4, "at least a fourth of a square in each frame"
        assert heard[rows].sum() > 0.9 * heard.sum(), f"squares of kind {kind} are where they were"


def test_a_plane_has_frames_of_one_kind(tiny):
    with pytest.raises(ConfigError, match="layout: a plane has frames of one kind, and these"):
        build_model(SHAPE, tiny, WIDTHS)
    build_model(SHAPE, tiny, (16,))


def test_a_run_keeps_the_widths_of_its_kinds(columns, tmp_path):
    training = begin_training(build_model(SHAPE, columns, WIDTHS))
    record.describe_run(tmp_path, Description(columns, SHAPE, {}, WIDTHS))
    checkpoint.save_training(tmp_path, training)
    model, _ = checkpoint.load_model(tmp_path, torch.device("cpu"))
    assert model.widths == WIDTHS
    again = checkpoint.load_training(tmp_path, columns, torch.device("cpu"))
    assert again.model.widths == WIDTHS
    checkpoint.export_model(tmp_path, tmp_path / "out", {}, {})
    assert record.read_description(tmp_path / "out").widths == WIDTHS
