"""What can be chosen about the networks, their losses and their training.

Each field is explained and bounded once, here; the command line, the Python
API and the run folder take their words from it.
"""

import difflib
import types
import typing
from dataclasses import asdict, dataclass, field, fields, replace
from math import prod
from typing import Any, Literal

from nextbar.errors import ConfigError

Precision = Literal["auto", "float32", "bfloat16"]
Layout = Literal["plane", "columns"]


def _setting(
    default: Any, explained: str, *, low: float | None = None, high: float | None = None
) -> Any:
    return field(default=default, metadata={"help": explained, "low": low, "high": high})


@dataclass(frozen=True, kw_only=True)
class Config:
    """A complete configuration; the defaults are the paper's (Table 1 and section 4).

    Raises ConfigError for a value out of its range, naming the field, the
    value and the range.
    """

    layout: Layout = _setting(
        "plane",
        "plane: a frame is an image, as in the paper; columns: its columns are looked at whole, "
        "channels and rows together, and convolutions go along its width only, which is many "
        "times faster and learns sooner where a row always means the same thing, as a pitch does",
    )
    history: tuple[int, ...] = _setting(
        (1,),
        "how many frames back those lie that the encoder reads; the paper's is 1, the last frame",
        low=1,
        high=1024,
    )
    forget: float = _setting(
        0.0,
        "share of the training pairs whose history is cut off somewhere, so that the model learns "
        "to begin from few frames or from none; not in the paper",
        low=0,
        high=1,
    )
    sparse: bool = _setting(
        False,
        "frames are mostly empty: the generator says where something is apart from how much, and "
        "the discriminator is shown the where, whole; not in the paper",
    )

    latent: int = _setting(
        128,
        "dimensions of the latent that a frame is drawn from, or of each part",
        low=1,
        high=4096,
    )
    latent_in_parts: bool = _setting(
        False,
        "the latent has a part for each column of a frame, and each part's distribution is read "
        "off the frames before and the parts before: what comes late in a frame goes with what "
        "came early; columns with a learned prior only; not in the paper",
    )
    latent_mixture: int = _setting(
        1,
        "normals that each part of a latent in parts is drawn from: with several, either this or "
        "that can be likely and nothing between; the paper's is 1",
        low=1,
        high=256,
    )
    attention_heads: int = _setting(
        0,
        "heads with which each part of a latent in parts looks for its like in all columns of the "
        "history; 0: the frames of the history are only laid over each other; not in the paper",
        low=0,
        high=64,
    )
    encoder_channels: tuple[int, ...] = _setting(
        (8, 16, 32),
        "maps of the encoder's layers: in a plane 5x5 convolutions of stride 2; in columns the "
        "first looks at each column by itself, the others halve the width; with latent_in_parts "
        "there are two: what each frame of the history is read into, and all of them together",
        low=1,
        high=1024,
    )
    generator_channels: tuple[int, ...] = _setting(
        (64, 32, 16, 8),
        "maps of the generator's layers: the first are what the latent is projected to, the "
        "others come from deconvolutions, 3x3 in a plane",
        low=1,
        high=1024,
    )
    generator_strides: tuple[int, ...] = _setting(
        (1, 1, 1),
        "stride of each deconvolution; the paper's is 1, with 2 the generator starts from few "
        "positions and grows, which is many times faster",
        low=1,
        high=4,
    )
    discriminator_channels: tuple[int, ...] = _setting(
        (8, 16, 32, 64), "maps of each 3x3 convolution of the discriminator", low=1, high=1024
    )
    discriminator_strides: tuple[int, ...] = _setting(
        (1, 1, 1, 1),
        "stride of each convolution of the discriminator; the paper's is 1",
        low=1,
        high=4,
    )
    batch_norm: bool = _setting(
        True,
        "normalise the hidden maps of encoder and generator over the batch; columns have a "
        "normalisation of their own instead",
    )
    dropout: float = _setting(
        0.0,
        "share of hidden numbers that are left out, anew in each step of the training, so that "
        "tunes are not learned by heart; latent in parts only; not in the paper",
        low=0,
        high=0.9,
    )
    pair_discriminator: bool = _setting(
        False,
        "show the discriminator the last frame beside the current one, so that it judges the step "
        "from one to the other; not in the paper",
    )

    learned_prior: bool = _setting(
        False,
        "train the encoder as a prior: a second encoder, used only while training, sees the next "
        "frame too and gives the latent that is decoded; not in the paper",
    )
    reconstruction_weight: float = _setting(
        0.0,
        "weight of a cell-wise cross-entropy of the predicted frame; not in the paper",
        low=0,
        high=1e6,
    )
    prior_weight: float = _setting(
        1.0,
        "weight of the KL term, Eq. 5; with a learned prior, of the KL between the two encoders",
        low=0,
        high=1e6,
    )
    anchor_weight: float = _setting(
        0.1,
        "with a learned prior: weight of Eq. 5 on that prior, which keeps it near N(0, I), where "
        "testing model 2 begins",
        low=0,
        high=1e6,
    )
    feature_weight: float = _setting(
        1.0, "weight of the feature matching loss, Eq. 7", low=0, high=1e6
    )
    adversarial_weight: float = _setting(
        1.0, "weight of the generator's adversarial term, Eq. 10", low=0, high=1e6
    )

    warm_up: int = _setting(
        0,
        "epochs over which the prior weight grows from 0; not in the paper",
        low=0,
        high=1_000_000,
    )
    adversary_after: int = _setting(
        0, "epochs before the discriminator comes in; until then it rests", low=0, high=1_000_000
    )

    batch: int = _setting(64, "pairs of frames in one update", low=2, high=65536)
    epochs: int = _setting(300, "how often each training pair is seen", low=1, high=1_000_000)
    least_updates: int = _setting(
        0,
        "updates of encoder and generator that there are at least: a run begun on a small corpus "
        "has more epochs than its preset says, if it takes them; not in the paper",
        low=0,
        high=100_000_000,
    )
    learning_rate: float = _setting(
        0.0005, "Adam's learning rate for encoder and generator", low=1e-8, high=1
    )
    discriminator_learning_rate: float = _setting(
        0.0001, "Adam's learning rate for the discriminator", low=1e-8, high=1
    )
    momentum: float = _setting(0.5, "Adam's first beta", low=0, high=0.9999)
    clip: float = _setting(
        0.0,
        "length that a network's gradient is cut down to where it is longer, so that the first "
        "steps do not set the pace of all later ones; 0 cuts none, as in the paper",
        low=0,
        high=1e9,
    )
    weight_decay: float = _setting(
        0.0,
        "share of encoder's and generator's weights that each step takes away, by its learning "
        "rate (AdamW), so that tunes are not learned by heart; 0 is Adam, as in the paper",
        low=0,
        high=100,
    )
    settle: float = _setting(
        0.0,
        "share of the training, at its end, in which the learning rates fall to nothing (a run "
        "that is made longer afterwards has fallen once already); not in the paper",
        low=0,
        high=1,
    )
    average: float = _setting(
        0.0,
        "keep a running average of encoder's and generator's weights and write with that: how "
        "much of it stays in each step, as 0.999; not in the paper",
        low=0,
        high=0.999999,
    )
    generator_updates: int = _setting(
        2, "updates of encoder and generator for each one of the discriminator", low=1, high=100
    )
    precision: Precision = _setting(
        "auto",
        "what networks compute in while training; auto is bfloat16 where the processor has it",
    )
    temperature: float = _setting(
        1.0,
        "temperature to write with where none is given: what the noise is multiplied by",
        low=0,
        high=100,
    )
    checkpoint_epochs: int = _setting(1, "epochs between two checkpoints", low=1, high=1_000_000)
    sample_epochs: int = _setting(
        5, "epochs between two pictures of what the model writes", low=1, high=1_000_000
    )
    seed: int = _setting(
        0, "decides weights, order and noise of the whole run", low=0, high=2**63 - 1
    )

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for setting in fields(self):
            value = _as_type(setting.name, getattr(self, setting.name), hints[setting.name])
            _check_range(setting.name, value, setting.metadata["low"], setting.metadata["high"])
            object.__setattr__(self, setting.name, value)
        # The generator's first maps are a projection, which has no stride.
        for network, n_plain, which in (
            ("generator", 1, "but the first "),
            ("discriminator", 0, ""),
        ):
            channels = getattr(self, f"{network}_channels")
            strides = getattr(self, f"{network}_strides")
            if len(channels) - n_plain != len(strides):
                raise ConfigError(
                    f"{network}_strides: {len(strides)} strides for {len(channels) - n_plain} "
                    f"layers; give one for each {which}of {network}_channels {list(channels)}"
                )

        if len(set(self.history)) < len(self.history):
            raise ConfigError(f"history: {list(self.history)} names a frame twice")
        if self.pair_discriminator and 1 not in self.history:
            raise ConfigError(
                f"pair_discriminator: it looks at the last frame, which is not in history "
                f"{list(self.history)}; add 1 there"
            )

        if self.latent_in_parts and not (self.layout == "columns" and self.learned_prior):
            raise ConfigError(
                "latent_in_parts: it needs the layout columns and a learned_prior; set both, or "
                "leave it out"
            )
        if self.latent_in_parts and prod(self.generator_strides) != 1:
            raise ConfigError(
                f"generator_strides: {list(self.generator_strides)}, but with latent_in_parts the "
                "generator begins with all columns; make them 1"
            )
        if self.latent_in_parts and len(self.encoder_channels) != 2:
            raise ConfigError(
                f"encoder_channels: {list(self.encoder_channels)}; with latent_in_parts give two: "
                "for each frame of the history, and for all together"
            )
        for name, plain in (("latent_mixture", 1), ("attention_heads", 0), ("dropout", 0)):
            if getattr(self, name) != plain and not self.latent_in_parts:
                raise ConfigError(f"{name}: it needs latent_in_parts; set that, or leave it out")
        if self.attention_heads and self.encoder_channels[-1] % self.attention_heads:
            raise ConfigError(
                f"attention_heads: {self.attention_heads} heads cannot share "
                f"{self.encoder_channels[-1]} maps, the last of encoder_channels; choose a number "
                "that divides it"
            )
        if self.latent_in_parts and self.anchor_weight:
            raise ConfigError(
                f"anchor_weight: {self.anchor_weight:g}, but a latent in parts has no one prior to "
                "keep near N(0, I); make it 0"
            )

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"


def _as_type(name: str, value: Any, wanted: Any) -> Any:
    """The value as the field's type; whole floats pass for int, lists for tuples."""
    if isinstance(wanted, types.GenericAlias):  # tuple[int, ...]
        if not isinstance(value, list | tuple) or not value:
            raise ConfigError(f"{name}: {value!r} is not a list of whole numbers")
        return tuple(_as_type(name, item, int) for item in value)
    if typing.get_origin(wanted) is Literal:
        choices = typing.get_args(wanted)
        if value not in choices:
            raise ConfigError(f"{name}: {value!r} is none of {', '.join(choices)}")
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (
        wanted is int
        and is_number
        and value == value
        and abs(value) < 2**64
        and int(value) == value
    ):
        return int(value)
    if wanted is float and is_number:
        return float(value)
    if wanted is bool and isinstance(value, bool):
        return value
    kind = {int: "a whole number", float: "a number", bool: "true or false"}[wanted]
    raise ConfigError(f"{name}: {value!r} is not {kind}")


def _check_range(name: str, value: Any, low: float | None, high: float | None) -> None:
    for item in value if isinstance(value, tuple) else (value,):
        # Written so that not-a-number fails too.
        if low is not None and high is not None and not low <= item <= high:
            raise ConfigError(f"{name}: {item:g} is not between {low:g} and {high:g}")


PRESETS: dict[str, Config] = {
    "paper": Config(),
    "default": Config(
        layout="columns",
        history=(1, 2, 3, 4, 6, 8, 12, 16),
        forget=0.6,
        sparse=True,
        latent=8,
        latent_in_parts=True,
        latent_mixture=16,
        encoder_channels=(96, 192),
        generator_channels=(96, 96),
        generator_strides=(1,),
        discriminator_channels=(128, 128, 128, 128),
        discriminator_strides=(1, 2, 2, 2),
        batch_norm=False,
        dropout=0.2,
        pair_discriminator=True,
        learned_prior=True,
        reconstruction_weight=1.0,
        prior_weight=0.15,
        anchor_weight=0.0,
        feature_weight=0.0,
        adversarial_weight=0.0,
        warm_up=2,
        adversary_after=1000,
        batch=64,
        epochs=40,
        least_updates=3000,
        learning_rate=0.002,
        discriminator_learning_rate=0.0004,
        momentum=0.9,
        clip=20.0,
        settle=0.5,
        average=0.998,
        generator_updates=1,
        temperature=0.95,
    ),
}
"""Named starting points. ``paper`` is the paper's system. ``default`` has its three networks and
its testing models in columns, and is trained otherwise where that pays (the discriminator rests):
docs/recipe.md has what each difference is worth. ``small`` is the default in minutes, for the
demo."""

PRESETS["small"] = replace(PRESETS["default"], epochs=12, least_updates=1500)

DEFAULT_PRESET: Literal["default"] = "default"


def configure(preset: str = DEFAULT_PRESET, **overrides: Any) -> Config:
    """The preset with some fields changed.

    Raises ConfigError for a preset or a field that does not exist, with the
    nearest name that does.
    """
    if preset not in PRESETS:
        raise ConfigError(f"no preset {preset!r}; {_nearest(preset, list(PRESETS))}")
    return override(PRESETS[preset], **overrides)


def override(config: Config, **overrides: Any) -> Config:
    """The configuration with some fields changed. Raises ConfigError as :func:`configure`."""
    names = [setting.name for setting in fields(Config)]
    for name in overrides:
        if name not in names:
            raise ConfigError(f"no configuration field {name!r}; {_nearest(name, names)}")
    return replace(config, **overrides)
