"""Named starting points: a configuration, how long is enough, and how to write with it."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final, Literal

from nextbar.errors import ConfigError
from nextbar.frames.config import Config, Sampling, override
from nextbar.settings import nearest


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named starting point.

    config: what is trained. least_updates, most_updates: of encoder and
    generator: on a small corpus there are more epochs than the configuration
    says, and on a large one fewer. sampling: how to write where nothing else is
    asked for.
    """

    config: Config
    least_updates: int = 0
    most_updates: int | None = None
    sampling: Sampling = Sampling()

    def epochs_for(self, n_pairs: int, config: Config) -> int:
        """How many epochs of ``n_pairs`` training pairs are enough."""
        updates_an_epoch = ceil(n_pairs / config.batch) * config.generator_updates
        epochs = max(config.epochs, ceil(self.least_updates / updates_an_epoch))
        if self.most_updates is None:
            return epochs
        return max(1, min(epochs, self.most_updates // updates_an_epoch))


_DEFAULT: Final = Preset(
    config=Config(
        layout="columns",
        history=(1, 2, 3, 4, 6, 8, 12, 16),
        forget=0.6,
        ahead=(1, 2, 3, 4),
        repeats=(1, 2, 3, 4, 5, 8, 9, 16, 17),
        latent=8,
        latent_mixture=64,
        emission="causal",
        dropout=0.2,
        encoder_channels=(96, 192),
        generator_channels=(96, 96),
        discriminator_channels=(128, 128, 128, 128),
        prior_weight=0.15,
        feature_weight=0.0,
        adversarial_weight=0.0,
        phrase_updates=1000,
        warm_up=2,
        prior_growth=3.0,
        batch=64,
        epochs=40,
        generator_updates=1,
        learning_rate=0.002,
        discriminator_learning_rate=0.0004,
        momentum=0.9,
        clip=20.0,
        weight_decay=0.5,
        settle=0.5,
        average=0.998,
    ),
    least_updates=3000,
    most_updates=12_000,
    sampling=Sampling(temperature=0.95, choose=1, repeat=0.5),
)

PRESETS: Final[dict[str, Preset]] = {
    "paper": Preset(config=Config()),
    "default": _DEFAULT,
    "small": replace(
        _DEFAULT,
        config=replace(_DEFAULT.config, epochs=12, phrase_updates=300),
        least_updates=1500,
        most_updates=2500,
    ),
}
"""``paper`` is the paper's system. ``default`` has its encoder, its generator and its testing
models in columns, and is trained otherwise where that pays (its discriminator is one of phrases):
docs/recipe.md has what each difference is worth. ``small`` is the default in minutes, for the
demo."""

DEFAULT_PRESET: Literal["default"] = "default"


def find_preset(name: str) -> Preset:
    """The preset of that name; ConfigError with the nearest one where there is none."""
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}; {nearest(name, list(PRESETS))}")
    return PRESETS[name]


def configure(preset: str = DEFAULT_PRESET, **overrides: Any) -> Config:
    """A preset's configuration with some fields changed.

    Raises ConfigError for a preset or a field that does not exist, with the
    nearest name that does.
    """
    return override(find_preset(preset).config, **overrides)
