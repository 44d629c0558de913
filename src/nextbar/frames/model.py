"""The three networks together."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nextbar.frames.columns import (
    ChainEncoder,
    ColumnDiscriminator,
    ColumnEncoder,
    ColumnGenerator,
    PartsEncoder,
)
from nextbar.frames.config import Config
from nextbar.frames.latents import Gaussian, Mixture, Reading
from nextbar.frames.networks import (
    Discriminator,
    Drawn,
    Encoder,
    Generator,
    Shape,
    Verdict,
    check_shape,
    shown,
)


class Synthesis(NamedTuple):
    """What E and G make of a batch of pairs. Paper Eqs. 3, 4 and 6.

    drawn: G(z_t). predicted: the same as D is shown it, (B, C, H, W). sampled:
    so too, G(z_p) (with ``learned_prior``: decoded from a draw of that prior),
    or None where nobody looks at it. latent: z_t, (B, latent). own: what it was
    drawn from. prior: what E says of it where that was not E's own
    (``learned_prior``): of a latent in parts, of each part given those before it.
    """

    drawn: Drawn
    predicted: Tensor
    sampled: Tensor | None
    latent: Tensor
    own: Gaussian
    prior: Gaussian | Mixture | None


class Posterior(nn.Module):
    """Two consecutive frames -> mean and log-variance of the second one's latent.

    Used only while training, and only with ``learned_prior``: an encoder whose
    input has the channels of the history's frames and of the current one; of a
    latent in parts, of the current one alone. Not in the paper.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        channels, height, width = shape
        both = ((len(config.history) + 1) * channels, height, width)
        self.sees_previous = not config.latent_in_parts
        self.encoder: Encoder | ColumnEncoder | PartsEncoder
        if config.latent_in_parts:
            self.encoder = PartsEncoder(shape, config)
        else:
            self.encoder = (ColumnEncoder if config.layout == "columns" else Encoder)(both, config)

    def forward(self, previous: Tensor, current: Tensor) -> Gaussian:
        """previous: (B, K C, H, W), current: (B, C, H, W). Returns (mean, log_variance)."""
        seen = torch.cat([previous, current], dim=1) if self.sees_previous else current
        moments: Gaussian = self.encoder(seen)
        return moments


class Model(nn.Module):
    """Encoder, generator and discriminator for frames of one shape.

    ``model.encoder(frames)`` and ``model.generator(latent)`` are ordinary
    modules and can be called by themselves.
    """

    def __init__(self, shape: Shape, config: Config) -> None:
        super().__init__()
        check_shape(shape, config)
        self.shape = shape
        self.config = config
        channels, height, width = shape
        in_columns = config.layout == "columns"
        history = (len(config.history) * channels, height, width)
        self.encoder: Encoder | ColumnEncoder | ChainEncoder
        if config.latent_in_parts:
            self.encoder = ChainEncoder(history, config)
        else:
            self.encoder = (ColumnEncoder if in_columns else Encoder)(history, config)
        self.posterior = Posterior(shape, config) if config.learned_prior else None
        self.generator = (ColumnGenerator if in_columns else Generator)(shape, config)
        judged = (channels, height, (1 + config.pair_discriminator) * width)
        self.discriminator = (ColumnDiscriminator if in_columns else Discriminator)(judged, config)
        # Convolutions on a CPU run several times faster with the channels innermost.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encoder_parameters(self) -> list[nn.Parameter]:
        """The parameters of E, and of the posterior where there is one: what Eq. 8 trains."""
        posterior = [] if self.posterior is None else list(self.posterior.parameters())
        return [*self.encoder.parameters(), *posterior]

    def synthesise(
        self, previous: Tensor, current: Tensor, noise: Tensor, *, both: bool = True
    ) -> Synthesis:
        """Both fakes for a batch of pairs, decoded in one pass, or the first alone. Paper Eq. 6.

        previous: (B, K C, H, W), the K frames of the history; current: (B, C, H,
        W), seen only by the posterior of a ``learned_prior``. noise: (B,
        ``noise_size``), z_p, drawn from N(0, I).
        """
        reading: Reading = self.encoder(previous)
        own = reading if self.posterior is None else self.posterior(previous, current)
        assert isinstance(own, Gaussian)
        latent = own.draw(noise[:, : self.latent_size])
        prior = None if self.posterior is None else reading.given(latent)
        if not both:
            (drawn,) = self.generator.decode(latent)
            return Synthesis(drawn, drawn.shown(), None, latent, own, prior)
        # The second fake is what a rollout would decode: from N(0, I), or from the learned prior.
        other = noise if prior is None else reading.draw(noise)
        drawn, sampled = self.generator.decode(latent, other)
        return Synthesis(drawn, drawn.shown(), sampled.shown(), latent, own, prior)

    def judge(self, previous: Tensor, frames: Tensor) -> Verdict:
        """D's verdict on frames, (B, C, H, W), as they are shown to it.

        With ``pair_discriminator`` the last frame of ``previous`` (B, K C, H,
        W) stands in front of each, side by side.
        """
        if self.config.pair_discriminator:
            nth, channels = self.config.history.index(1), self.shape[0]
            last = previous[:, nth * channels : (nth + 1) * channels]
            frames = torch.cat([shown(last, self.config), frames], dim=3)
        verdict: Verdict = self.discriminator(frames)
        return verdict

    def history_of(self, frames: Sequence[Tensor]) -> Tensor:
        """What the encoder reads of the frames so far, (B, K C, H, W).

        frames: each (B, C, H, W), the latest last, at least one. Where they do
        not reach back far enough there are zeros, as in training.
        """
        nothing = torch.zeros_like(frames[-1])
        lags = self.config.history
        return torch.cat([frames[-lag] if lag <= len(frames) else nothing for lag in lags], dim=1)

    def beginning(self, noise: Tensor) -> Reading:
        """What the first frame's latent is drawn from in testing model 2.

        N(0, I), as in the paper; where the encoder has learned what to say of
        no history at all (``forget``), what it says. noise: (B, ``noise_size``),
        for its size and device.
        """
        if not self.config.forget:
            return Gaussian(torch.zeros_like(noise), torch.zeros_like(noise))
        channels, height, width = self.shape
        shape = (len(noise), len(self.config.history) * channels, height, width)
        reading: Reading = self.encoder(noise.new_zeros(shape))
        return reading

    @property
    def latent_size(self) -> int:
        """Dimensions of a whole latent, all its parts together."""
        return latent_size(self.shape, self.config)

    @property
    def noise_size(self) -> int:
        """Numbers from N(0, I) that a latent is drawn with: of one in parts, two more for each."""
        return self.latent_size + (2 * self.shape[2] if self.config.latent_in_parts else 0)

    @property
    def memory(self) -> int:
        """How many frames back the history reaches."""
        return max(self.config.history)


def latent_size(shape: Shape, config: Config) -> int:
    """Dimensions of a whole latent, all its parts together, for frames of that shape."""
    return (shape[2] if config.latent_in_parts else 1) * config.latent


def build_model(shape: Shape, config: Config) -> Model:
    """A model with fresh weights, decided by ``config.seed`` alone.

    Weights begin as PyTorch's own layers begin them; the global random state
    is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return Model(shape, config)
