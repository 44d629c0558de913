"""What can be chosen about the networks, their losses, their training and the way they write.

Each field is explained and bounded once, here; the command line, the Python
API, the studio and the run folder take their words and bounds from it.
"""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from nextbar.errors import ConfigError, UsageError
from nextbar.settings import check_names, check_settings, setting

SLOTS = 16
"""Sequences are computed in groups of exactly this many, the last one padded. The kernels of
a matrix product are chosen by its size, and round differently; in groups of one size a
sequence is the same to the bit however many others are asked for. A frame that is chosen is one
of so many."""
Layout = Literal["plane", "columns"]
Emission = Literal["independent", "causal"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """A complete configuration; the defaults are the paper's (Table 1 and section 4).

    Raises ConfigError for a value out of its range, naming the field, the
    value and the range.
    """

    layout: Layout = setting(
        "plane",
        "plane: a frame is an image, and is learned from as the paper has it; columns: its "
        "columns are looked at whole, channels and rows together, each has a part of the latent, "
        "and the encoder is trained as a learned prior, by the likelihood of frames that are "
        "mostly empty (docs/recipe.md)",
    )
    history: tuple[int, ...] = setting(
        (1,),
        "how many frames back those lie that the encoder reads; the paper's is 1, the last frame",
        low=1,
        high=1024,
    )
    learned_prior: bool = setting(
        False,
        "plane only: train the encoder as a learned prior, by the likelihood of the frames, as in "
        "columns: the latent is read off the next frame by a second encoder, and the first says "
        "what it will be; not in the paper",
        only="plane",
    )
    skips: bool = setting(
        False,
        "plane only, with a learned prior: the generator sees the history too, at each of its own "
        "scales, so that a latent tells what changes and not what stays; not in the paper",
        only="plane",
    )
    history_noise: float = setting(
        0.0,
        "plane only: standard deviation up to which noise is added to the frames of the history "
        "while training, so that what is drawn from frames that were drawn themselves does not "
        "drift away; not in the paper",
        low=0,
        high=1,
        only="plane",
    )
    forget: float = setting(
        0.0,
        "share of the training pairs whose history is cut off somewhere, so that the model learns "
        "to begin from few frames or from none; not in the paper",
        low=0,
        high=1,
    )
    ahead: tuple[int, ...] = setting(
        (),
        "columns only: how many frames ahead those lie that the encoder reads where they are "
        "there already, so that a frame fits what comes after it, too; not in the paper",
        low=1,
        high=1024,
        only="columns",
    )

    repeats: tuple[int, ...] = setting(
        (),
        "columns only: how many frames back those lie that may come again as they stand; behind "
        "the rest a network learns when the next frame is one of these to the cell, and which, "
        "and only else a frame is drawn; none: all are drawn; not in the paper",
        low=1,
        high=1024,
        only="columns",
    )

    latent: int = setting(
        128,
        "dimensions of the latent that a frame is drawn from; in columns, of each part of it",
        low=1,
        high=4096,
    )
    latent_mixture: int = setting(
        1,
        "columns only: normals that each part of the latent is drawn from: with several, either "
        "this or that can be likely and nothing between",
        low=1,
        high=256,
        only="columns",
    )
    emission: Emission = setting(
        "independent",
        "columns only: independent: the latent alone says which cells are there; causal: so do "
        "the cells of lower rows, and those of the column before, so that cells go together",
        only="columns",
    )
    attention_heads: int = setting(
        0,
        "columns only: heads with which each part of the latent looks for its like in all columns "
        "of the history; 0: the frames of the history are only laid over each other",
        low=0,
        high=64,
        only="columns",
    )
    dropout: float = setting(
        0.0,
        "columns only: share of hidden numbers that are left out, anew in each step of the "
        "training, so that sequences are not learned by heart",
        low=0,
        high=0.9,
        only="columns",
    )
    encoder_channels: tuple[int, ...] = setting(
        (8, 16, 32),
        "maps of the encoder's layers: in a plane 5x5 convolutions of stride 2; in columns two "
        "numbers, what each frame of the history is read into, and all of them together",
        low=1,
        high=1024,
    )
    generator_channels: tuple[int, ...] = setting(
        (64, 32, 16, 8),
        "maps of the generator's layers: the first are what the latent is projected to, the "
        "others come from deconvolutions, 3x3 in a plane",
        low=1,
        high=1024,
    )
    generator_strides: tuple[int, ...] = setting(
        (),
        "plane only: stride of each deconvolution, 1 where none is given, as in the paper; with 2 "
        "the generator starts from few positions and grows, which is many times faster",
        low=1,
        high=4,
        only="plane",
    )
    discriminator_channels: tuple[int, ...] = setting(
        (8, 16, 32, 64),
        "maps of each convolution of the discriminator: in a plane 3x3, of stride 1; in columns "
        "all but the first halve the width",
        low=1,
        high=1024,
    )
    batch_norm: bool = setting(
        True,
        "plane only: normalise the hidden maps of encoder and generator over the batch",
        only="plane",
    )
    discriminator_batch_norm: bool = setting(
        False,
        "plane only: normalise the discriminator's hidden maps too, real frames and each kind of "
        "generated ones over their own batch (docs/reproduction.md has what came of it)",
        only="plane",
    )

    prior_weight: float = setting(
        1.0,
        "weight of the KL term, Eq. 5; with a learned prior, as in columns, of the KL between what "
        "the next frame says of its latent and what the frames before say",
        low=0,
        high=1e6,
    )
    feature_weight: float = setting(
        1.0,
        "weight of the feature matching loss, Eq. 7; where this and adversarial_weight are 0 "
        "there is no discriminator",
        low=0,
        high=1e6,
    )
    adversarial_weight: float = setting(
        1.0, "weight of the generator's adversarial term, Eq. 10", low=0, high=1e6
    )
    phrase_updates: int = setting(
        0,
        "columns only: updates of a discriminator of phrases, four frames together, that when all "
        "else is trained learns to tell what the model writes from what is real, and chooses "
        "among frames while writing; 0: there is none",
        low=0,
        high=1_000_000,
        only="columns",
    )
    warm_up: int = setting(
        0,
        "epochs over which the prior weight grows from 0; not in the paper",
        low=0,
        high=1_000_000,
    )
    prior_growth: float = setting(
        1.0,
        "how many times the prior weight there is in the end, to which it grows as the learning "
        "rates settle: first a latent is to be used, then what is drawn is to be like what was "
        "read; 1: it stays; not in the paper",
        low=0,
        high=1e6,
    )

    batch: int = setting(64, "pairs of frames in one update", low=2, high=65536)
    epochs: int = setting(300, "how often each training pair is seen", low=1, high=1_000_000)
    generator_updates: int = setting(
        2, "updates of encoder and generator for each one of the discriminator", low=1, high=100
    )
    learning_rate: float = setting(
        0.0005, "Adam's learning rate for encoder and generator", low=1e-8, high=1
    )
    discriminator_learning_rate: float = setting(
        0.0001, "Adam's learning rate for the discriminator", low=1e-8, high=1
    )
    momentum: float = setting(0.5, "Adam's first beta", low=0, high=0.9999)
    clip: float = setting(
        0.0,
        "length that a network's gradient is cut down to where it is longer, so that the first "
        "steps do not set the pace of all later ones; 0 cuts none, as in the paper",
        low=0,
        high=1e9,
    )
    weight_decay: float = setting(
        0.0,
        "share of encoder's and generator's weights that each step takes away, by its learning "
        "rate (AdamW), so that sequences are not learned by heart; 0 is Adam, as in the paper",
        low=0,
        high=100,
    )
    settle: float = setting(
        0.0,
        "share of the training, at its end, in which the learning rates fall to nothing (a run "
        "that is made longer afterwards has fallen once already); not in the paper",
        low=0,
        high=1,
    )
    average: float = setting(
        0.0,
        "keep a running average of encoder's and generator's weights and write with that: how "
        "much of it stays in each step, as 0.999; not in the paper",
        low=0,
        high=0.999999,
    )
    seed: int = setting(
        0, "decides weights, order and noise of the whole run", low=0, high=2**63 - 1
    )

    def __post_init__(self) -> None:
        check_settings(self, ConfigError)
        for each in fields(self):
            only, value = each.metadata.get("only"), getattr(self, each.name)
            if only not in (None, self.layout) and value != each.default:
                raise ConfigError(
                    f"{each.name}: it says something of the layout {only} only, and this is "
                    f"{self.layout}; leave it out"
                )
        if not (self.has_learned_prior or self.has_adversary):
            raise ConfigError(
                "feature_weight, adversarial_weight: both 0, and in a plane the generator learns "
                "from the discriminator alone; raise one, or choose learned_prior or the layout "
                "columns"
            )
        if self.skips and not self.learned_prior:
            raise ConfigError(
                "skips: a generator that sees the history is for a learned prior, as in the paper "
                "it is to draw from the latent alone; choose learned_prior too"
            )
        for name in ("history", "ahead", "repeats"):
            lags = getattr(self, name)
            if len(set(lags)) < len(lags):
                raise ConfigError(f"{name}: {list(lags)} names a frame twice")
        if len(self.generator_strides) >= len(self.generator_channels):
            raise ConfigError(
                f"generator_strides: {len(self.generator_strides)} strides for the "
                f"{len(self.generator_channels) - 1} deconvolutions behind the first of "
                f"generator_channels {list(self.generator_channels)}"
            )
        if self.layout == "columns" and len(self.encoder_channels) != 2:
            raise ConfigError(
                f"encoder_channels: {list(self.encoder_channels)}; in columns give two: for each "
                "frame of the history, and for all together"
            )
        if self.attention_heads and self.encoder_channels[-1] % self.attention_heads:
            raise ConfigError(
                f"attention_heads: {self.attention_heads} heads cannot share "
                f"{self.encoder_channels[-1]} maps, the last of encoder_channels; choose a number "
                "that divides it"
            )

    @property
    def lags(self) -> tuple[int, ...]:
        """How many frames back each frame lies that the encoder reads; those ahead, less than 0."""
        return (*self.history, *(-lag for lag in self.ahead))

    @property
    def latest(self) -> int:
        """The place in the history of its latest frame, in the paper the only one."""
        return self.history.index(min(self.history))

    @property
    def has_learned_prior(self) -> bool:
        """Whether the encoder is trained as a learned prior, and G by the frames' likelihood."""
        return self.layout == "columns" or self.learned_prior

    @property
    def has_adversary(self) -> bool:
        """Whether there is a discriminator: whether anything is learned from one."""
        return self.feature_weight > 0 or self.adversarial_weight > 0

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How latents are drawn while writing; the defaults are the paper's.

    Raises UsageError for a value out of its range.
    """

    temperature: float = setting(
        1.0,
        "how far each frame strays from the likeliest: 0 not at all, 1 as in training",
        low=0,
        high=100,
    )
    follow: float = setting(
        1.0,
        "how closely each frame follows those before it: 1 as the model has learned, 0 not at all",
        low=0,
        high=1,
    )
    choose: float = setting(
        0.0,
        "how much the discriminator of phrases decides, where there is one: each frame is one of "
        "16 that are drawn side by side, taken by its odds of being real, 1; 0: the first is "
        "taken, which is faster where many sequences are written",
        low=0,
        high=10,
    )
    repeat: float = setting(
        1.0,
        "how readily a whole frame comes again as it stands, where the model has learned when "
        "(repeats): the odds of that are multiplied by this; 1 as it has learned, 0 never",
        low=0,
        high=10,
    )

    def __post_init__(self) -> None:
        check_settings(self, UsageError)


def override(config: Config, **overrides: Any) -> Config:
    """The configuration with some fields changed.

    Raises ConfigError for a field that does not exist, with the nearest that does.
    """
    check_names(Config, overrides, "configuration field", ConfigError)
    return replace(config, **overrides)
