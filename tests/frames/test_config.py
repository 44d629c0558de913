import math

import pytest

from nextbar.errors import ConfigError
from nextbar.frames.config import PRESETS, Config, configure, override


def test_the_paper_preset_is_section_4():
    paper = PRESETS["paper"]
    assert paper.latent == 128
    assert paper.encoder_channels == (8, 16, 32)
    assert paper.generator_channels == (64, 32, 16, 8)
    assert paper.discriminator_channels == (8, 16, 32, 64)
    assert set(paper.generator_strides + paper.discriminator_strides) == {1}
    assert (paper.batch, paper.epochs, paper.momentum) == (64, 300, 0.5)
    assert (paper.learning_rate, paper.discriminator_learning_rate) == (0.0005, 0.0001)
    assert paper.generator_updates == 2
    # what the paper does not have is off
    assert not paper.learned_prior
    assert paper.reconstruction_weight == 0
    assert paper.adversary_after == 0


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
        ("encoder_channels", [], r"encoder_channels: \[\] is not a list of whole numbers"),
        ("encoder_channels", [8, -1], "encoder_channels: -1 is not between 1 and 1024"),
        ("precision", "float8", "precision: 'float8' is none of auto, float32, bfloat16"),
        ("generator_strides", [1, 1], "generator_strides: 2 strides for 3 layers"),
    ],
)
def test_absurd_values_are_refused_by_name_and_range(field, value, says):
    with pytest.raises(ConfigError, match=says):
        configure("paper", **{field: value})


def test_a_configuration_survives_json():
    for preset in PRESETS.values():
        assert Config(**preset.to_dict()) == preset


def test_overriding_changes_what_is_named_and_nothing_else():
    changed = override(PRESETS["paper"], epochs=3.0)
    assert changed.epochs == 3
    assert override(changed, epochs=300) == PRESETS["paper"]


def test_every_field_is_explained():
    from dataclasses import fields

    for field in fields(Config):
        assert len(field.metadata["help"]) > 10, field.name
