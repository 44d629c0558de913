import pytest
import torch

from nextbar.errors import ConfigError
from nextbar.frames.config import Config, override
from nextbar.frames.model import build_model
from nextbar.frames.plane import deconvolution_strides


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("shape", [(1, 88, 16), (2, 88, 12), (3, 17, 29)])
def test_frames_of_any_size_come_back_in_their_size(shape):
    model = build_model(shape, Config())
    frames = torch.zeros(3, *shape)
    mean, log_variance = model.encoder(frames)
    assert mean.shape == log_variance.shape == (3, model.config.latent)
    drawn = model.generator(mean)
    assert drawn.shape == frames.shape
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    verdict = model.discriminator(frames)
    assert verdict.logits.shape == (3,)
    assert verdict.features.ndim == 2


def test_the_paper_preset_has_the_sizes_of_table_1():
    model = build_model((1, 88, 16), Config())
    # conv 5x5 without bias + batch norm (2 a map): 25*8 + 25*8*16 + 25*16*32 + 2*(8+16+32)
    # fully connected: 32 maps of 11x2 -> 256 units
    assert count(model.encoder) == 200 + 3200 + 12800 + 112 + (32 * 11 * 2 + 1) * 256
    # projection 128 -> 64 x 88 x 16, then 3x3: 64-32-16-8-1
    layers = 9 * (64 * 32 + 32 * 16 + 16 * 8) + 2 * (64 + 32 + 16 + 8) + 9 * 8 + 1
    assert count(model.generator) == (128 + 1) * 64 * 88 * 16 + layers
    # 3x3: 1-8-16-32-64-1 with biases, then 88 * 16 features -> 1 logit
    convolutions = 9 * (8 + 8 * 16 + 16 * 32 + 32 * 64 + 64) + (8 + 16 + 32 + 64 + 1)
    assert count(model.discriminator) == convolutions + 88 * 16 + 1


def test_a_learned_prior_reads_the_history_and_a_second_encoder_the_next_frame(learned):
    model = build_model((1, 16, 16), learned)
    history = torch.rand(3, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    assert model.encoder(history).mean.shape == (3, 8)
    assert model.posterior(history[:, :1]).mean.shape == (3, 8)
    # 5x5 on two frames for one: 25 weights more for each of 4 maps
    assert count(model.encoder) - count(model.posterior) == 25 * 4
    assert len(model.encoder_parameters()) == 2 * len([*model.encoder.parameters()])
    with torch.no_grad():
        model.encoder.output.bias.fill_(1000)
    assert model.encoder(history).log_variance.max() == 10
    assert build_model((1, 16, 16), Config()).posterior is None


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 17, 29)])
def test_a_generator_with_skips_sees_the_history_at_each_of_its_scales(learned, shape):
    model = build_model(shape, override(learned, skips=True)).eval()
    channels, height, width = shape
    history = torch.rand(2, 2 * channels, *shape[1:], generator=torch.Generator().manual_seed(0))
    # a quarter, half and all of each side, rounded up to what the strides overshoot
    tall, wide = 4 * -(-height // 4), 4 * -(-width // 4)
    sizes = [tuple(maps.shape) for maps in model.generator.pyramid(history)]
    assert sizes == [(2, maps, tall // by, wide // by) for maps, by in ((8, 4), (8, 2), (4, 1))]
    latents = torch.zeros(2, 8)
    drawn = model.generator(latents, history)
    assert drawn.shape == (2, *shape)
    for nth in range(2 * channels):  # each frame of it, each of its colours
        other = history.clone()
        other[:, nth, 5, 5] += 1
        assert not torch.equal(model.generator(latents, other), drawn)
    plain = build_model(shape, learned).generator
    # each convolution has as many maps of the history beside its own
    twice = 9 * (8 * 8 + 8 * 4 + 4 * channels)
    assert count(model.generator) - count(plain) == twice + count(model.generator.pyramid)


def test_the_features_of_eq_7_are_a_map_and_not_the_logit():
    verdict = build_model((1, 88, 16), Config()).discriminator(torch.zeros(2, 1, 88, 16))
    assert verdict.features.shape == (2, 88 * 16)


def test_a_normalised_discriminator_sees_real_and_generated_frames_each_among_their_like():
    shape, config = (1, 16, 16), Config()
    frames = torch.rand(8, *shape, generator=torch.Generator().manual_seed(0))
    plain = build_model(shape, config).discriminator
    normed = build_model(shape, override(config, discriminator_batch_norm=True)).discriminator
    # Each of the four convolutions has a scale and a shift a map for a bias.
    assert count(normed) - count(plain) == 8 + 16 + 32 + 64
    # Twice as bright is the same beside its like; the frames' mean and spread are divided out.
    alone, beside = normed(frames[:4]), normed(torch.cat([frames[:4], 0 * frames[4:]]))
    torch.testing.assert_close(normed(2 * frames[:4]).features, alone.features, atol=1e-2, rtol=0)
    assert (alone.features - beside.features[:4]).abs().max() > 0.1
    torch.testing.assert_close(
        plain(torch.cat([frames[:4], 0 * frames[4:]])).features[:4], plain(frames[:4]).features
    )


def test_the_same_seed_builds_the_same_weights_and_another_others(tiny):
    first, again = build_model((1, 16, 16), tiny), build_model((1, 16, 16), tiny)
    for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    other = build_model((1, 16, 16), override(tiny, seed=1))
    assert not torch.equal(other.encoder.output.bias[:8], first.encoder.output.bias[:8])


@pytest.fixture(autouse=True)
def _fixed_weights():
    with torch.random.fork_rng(devices=[]):
        yield


def test_the_paper_has_no_posterior_and_what_is_never_learned_from_is_not_there(tiny, columns):
    assert build_model((1, 16, 16), tiny).posterior is None
    resting = override(columns, feature_weight=0, adversarial_weight=0)
    assert build_model((1, 16, 16), resting).discriminator is None
    assert build_model((1, 16, 16), columns).discriminator is not None


def test_strides_that_are_not_given_are_one():
    config = Config(generator_strides=(2,))
    assert deconvolution_strides(config) == (2, 1, 1)
    generator = build_model((1, 88, 16), config).generator
    assert generator.start == (44, 8, 64)


def test_frames_too_small_for_the_strides_are_refused():
    with pytest.raises(ConfigError, match=r"frames of 88 x 4 .* divide each side by 8"):
        build_model((1, 88, 4), Config())
