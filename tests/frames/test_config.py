import math
from dataclasses import fields

import pytest

from nextbar.errors import ConfigError, UsageError
from nextbar.frames.config import Config, Sampling, override
from nextbar.frames.plane import deconvolution_strides
from nextbar.settings import bounds
from nextbar.training.presets import PRESETS, configure


def test_the_paper_preset_is_section_4():
    paper = PRESETS["paper"].config
    assert paper.latent == 128
    assert paper.encoder_channels == (8, 16, 32)
    assert paper.generator_channels == (64, 32, 16, 8)
    assert paper.discriminator_channels == (8, 16, 32, 64)
    assert deconvolution_strides(paper) == (1, 1, 1)
    assert (paper.batch, paper.epochs, paper.momentum) == (64, 300, 0.5)
    assert (paper.learning_rate, paper.discriminator_learning_rate) == (0.0005, 0.0001)
    assert paper.generator_updates == 2
    # what the paper does not have is off
    assert paper.layout == "plane"
    assert not paper.has_learned_prior
    assert (paper.prior_weight, paper.feature_weight, paper.adversarial_weight) == (1, 1, 1)
    assert (paper.warm_up, paper.clip, paper.weight_decay, paper.settle, paper.average) == (0,) * 5
    assert (PRESETS["paper"].least_updates, PRESETS["paper"].most_updates) == (0, None)
    assert PRESETS["paper"].sampling == Sampling(temperature=1.0, follow=1.0)


def test_a_field_that_does_not_exist_is_answered_with_the_nearest():
    with pytest.raises(
        ConfigError, match=r"no configuration field 'epoch'; did you mean 'epochs'\?"
    ):
        configure("small", epoch=3)


def test_a_preset_that_does_not_exist_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"no preset 'papr'; did you mean 'paper'\?"):
        configure("papr")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("batch", 0, "batch: 0 is not between 2 and 65536"),
        ("learning_rate", -1.0, "learning_rate: -1 is not between 1e-08 and 1"),
        ("learning_rate", math.nan, "learning_rate: nan is not between"),
        ("epochs", 2.5, "epochs: 2.5 is not a whole number"),
        ("epochs", True, "epochs: True is not a whole number"),
        ("epochs", math.inf, "epochs: inf is not a whole number"),
        ("latent", "many", "latent: 'many' is not a whole number"),
        ("batch_norm", 1, "batch_norm: 1 is not true or false"),
        ("encoder_channels", [], r"encoder_channels: it needs a number at least"),
        ("encoder_channels", [8, -1], "encoder_channels: -1 is not between 1 and 1024"),
        ("layout", "rows", "layout: 'rows' is none of plane, columns"),
        ("generator_strides", [1] * 4, "generator_strides: 4 strides for the 3 deconvolutions"),
    ],
)
def test_absurd_values_are_refused_by_name_and_range(field, value, says):
    with pytest.raises(ConfigError, match=says):
        configure("paper", **{field: value})


def test_a_configuration_survives_json():
    for preset in PRESETS.values():
        assert Config(**preset.config.to_dict()) == preset.config


def test_overriding_changes_what_is_named_and_nothing_else():
    changed = override(Config(), epochs=3.0)
    assert changed.epochs == 3
    assert override(changed, epochs=300) == Config()


def test_every_field_is_explained():
    for field in fields(Config):
        assert len(field.metadata["help"]) > 10, field.name


@pytest.mark.parametrize(
    ("layout", "name", "value"),
    [
        ("plane", "latent_mixture", 3),
        ("plane", "attention_heads", 1),
        ("plane", "dropout", 0.1),
        ("columns", "generator_strides", (2,)),
        ("columns", "batch_norm", False),
        ("columns", "learned_prior", True),
        ("columns", "skips", True),
        ("columns", "history_noise", 0.1),
    ],
)
def test_what_says_nothing_of_a_layout_is_refused_there(layout, name, value):
    other = "columns" if layout == "plane" else "plane"
    with pytest.raises(
        ConfigError, match=f"{name}: it says something of the layout {other} only, and this is"
    ):
        Config(layout=layout, encoder_channels=(8, 8), **{name: value})


def test_what_cannot_be_combined_is_refused_with_the_reason():
    with pytest.raises(ConfigError, match="names a frame twice"):
        Config(history=(1, 1))
    with pytest.raises(ConfigError, match=r"encoder_channels: \[8\]; in columns give two"):
        configure("default", encoder_channels=(8,))
    with pytest.raises(ConfigError, match="attention_heads: 5 heads cannot share 192 maps"):
        configure("default", attention_heads=5)
    with pytest.raises(ConfigError, match="the generator learns from the discriminator alone"):
        Config(feature_weight=0, adversarial_weight=0)
    Config(feature_weight=0, adversarial_weight=0, learned_prior=True)
    with pytest.raises(ConfigError, match=r"skips: .* choose learned_prior too"):
        Config(skips=True)


def test_there_is_a_discriminator_where_anything_is_learned_from_one():
    assert Config().has_adversary
    assert Config(feature_weight=0).has_adversary
    assert Config(adversarial_weight=0).has_adversary
    assert not configure("default").has_adversary


def test_how_latents_are_drawn_is_bounded_in_one_place():
    assert bounds(Sampling, "temperature") == (0, 100)
    assert bounds(Sampling, "follow") == (0, 1)
    for name, value in (("temperature", -0.1), ("temperature", math.nan), ("follow", 1.01)):
        with pytest.raises(UsageError, match=f"{name}: .* is not between 0 and"):
            Sampling(**{name: value})


@pytest.mark.parametrize(
    ("n_pairs", "generator_updates", "expected"),
    [
        (6400, 1, 40),  # 100 updates an epoch: 40 epochs are 4,000, enough
        (640, 1, 300),  # 10 an epoch: 3,000 take 300 epochs
        (640, 2, 150),  # 20 an epoch: 150 epochs
        (641, 1, 273),  # 11 batches, the last of one pair: 3,000 / 11 = 272.7
        (64_000, 1, 12),  # 1,000 an epoch: 12,000 are enough, and more take long
        (64_000 * 13, 1, 1),  # 13,000 an epoch: one at least
    ],
)
def test_a_small_corpus_is_seen_until_there_are_enough_updates_and_a_large_one_no_longer(
    n_pairs, generator_updates, expected
):
    config = configure("default", generator_updates=generator_updates)
    assert PRESETS["default"].epochs_for(n_pairs, config) == expected
