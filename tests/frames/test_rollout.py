import pytest
import torch

from nextbar.frames.config import Sampling, override
from nextbar.frames.model import build_model
from nextbar.frames.rollout import SLOTS, decode, latent_noise, next_frames, next_latent, roll_out

from .conftest import SHAPE

STILL = Sampling(temperature=0)


@pytest.fixture
def model(tiny):
    return build_model(SHAPE, tiny).eval()


def test_model_2_begins_with_the_decoded_noise(model):
    frames = roll_out(model, None, n_frames=2, seeds=[7])
    noise = latent_noise([7], 2, model.config.latent)
    with torch.no_grad():
        first = model.generator(noise[:, 0])
        mean, log_variance = model.encoder(first)
        second = model.generator(mean + noise[:, 1] * (0.5 * log_variance).exp())
    torch.testing.assert_close(frames[:, 0], first)
    torch.testing.assert_close(frames[:, 1], second)


def test_model_1_goes_on_from_the_given_frame_and_does_not_return_it(model):
    given = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    frames = roll_out(model, given[:, None], n_frames=1, seeds=[7], sampling=STILL)
    with torch.no_grad():
        expected = model.generator(model.encoder(given)[0])
    torch.testing.assert_close(frames[:, 0], expected)


def test_a_sequence_is_the_same_to_the_bit_however_many_are_asked_for(model):
    many = roll_out(model, None, n_frames=3, seeds=range(40))
    assert len(many) == 40
    for seed in (0, 15, 16, 39):
        (alone,) = roll_out(model, None, n_frames=3, seeds=[seed])
        assert torch.equal(alone, many[seed])


def test_longer_sequences_begin_like_shorter_ones(model):
    short, long = (roll_out(model, None, n_frames=n, seeds=[3, 4]) for n in (2, 9))
    assert torch.equal(short, long[:, :2])


def test_other_seeds_give_other_sequences_and_no_temperature_the_same(model):
    a, b = roll_out(model, None, n_frames=2, seeds=[1, 2])
    assert not torch.equal(a, b)
    a, b = roll_out(model, None, n_frames=2, seeds=[1, 2], sampling=STILL)
    assert torch.equal(a, b)


def test_what_is_perceived_is_returned_and_fed_back(model):
    seen = []

    def perceive(frames):
        seen.append(frames.clone())
        return torch.zeros_like(frames)

    frames = roll_out(model, None, n_frames=3, seeds=[0], sampling=STILL, perceive=perceive)
    assert frames.abs().max() == 0
    assert torch.equal(seen[1], seen[2]), "both were decoded from the same silent frame"


def test_a_silent_frame_on_the_way_is_gone_on_from(model):
    silent = torch.zeros(2, 1, *SHAPE)
    frames = roll_out(model, silent, n_frames=4, seeds=[0, 1])
    assert torch.isfinite(frames).all()


def test_frames_are_computed_in_groups_of_one_size_whatever_their_number(model):
    sizes = []

    def perceive(frames):
        sizes.append(len(frames))
        return frames

    for n_seeds in (1, SLOTS, SLOTS + 1):
        roll_out(model, None, n_frames=1, seeds=range(n_seeds), perceive=perceive)
    assert sizes == [SLOTS] * 4


def test_a_step_by_itself_is_that_of_a_rollout_to_the_bit(model):
    given = torch.rand(20, 1, *SHAPE, generator=torch.Generator().manual_seed(0))
    noise = latent_noise(range(20), 1, model.noise_size)[:, 0]
    for before in (given, None):
        frames, latents = next_frames(model, before, noise)
        assert frames.shape == (20, *SHAPE)
        assert torch.equal(frames, roll_out(model, before, n_frames=1, seeds=range(20))[:, 0])
        assert torch.equal(frames, decode(model, latents))
        assert latents.shape == (20, model.latent_size)


def test_a_generator_with_skips_is_shown_the_frames_before_in_training_and_in_writing(learned):
    model = build_model(SHAPE, override(learned, skips=True)).eval()
    given = torch.rand(20, 3, *SHAPE, generator=torch.Generator().manual_seed(0))
    noise = latent_noise(range(20), 2, model.noise_size)
    whole = roll_out(model, given, n_frames=2, seeds=range(20))
    frames, latents = next_frames(model, given, noise[:, 0])
    assert torch.equal(frames, whole[:, 0])
    assert torch.equal(frames, decode(model, latents, before=given))
    both = torch.cat([given, frames[:, None]], dim=1)
    then, latents = next_frames(model, both, noise[:, 1])
    assert torch.equal(then, whole[:, 1])
    with torch.no_grad():  # the two latest frames, the latest first
        history = torch.cat([both[:, -1], both[:, -2]], dim=1)
        torch.testing.assert_close(model.generator(latents, history), then)
        drawn = model.synthesise(history, then, noise[:, 0]).drawn.frames()
        latent = model.posterior(then).draw(noise[:, 0])
        torch.testing.assert_close(drawn, model.generator(latent, history))
    # from nothing: a history of empty frames
    alone, latents = next_frames(model, None, noise[:, 0])
    with torch.no_grad():
        torch.testing.assert_close(alone, model.generator(latents, 0 * history))


def test_from_nothing_there_is_nothing_to_follow_less_closely(model):
    noise = latent_noise(range(2), 1, model.noise_size)[:, 0]
    whole = next_latent(model, None, noise)
    assert torch.equal(next_latent(model, None, noise, Sampling(follow=0.5)), whole)
    still = next_latent(model, None, noise, Sampling(temperature=0, follow=0.5))
    assert not still.any()
