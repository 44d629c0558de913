"""The three networks together."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nextbar.frames.config import Config
from nextbar.frames.losses import draw_latent
from nextbar.frames.networks import Discriminator, Encoder, Generator, Posterior, Shape, check_shape


class Synthesis(NamedTuple):
    """What E and G make of a batch of pairs. Paper Eqs. 3, 4 and 6.

    predicted: G(z_t), sampled: G(z_p) (with ``learned_prior``: decoded from a
    draw of that prior), each (B, C, H, W); sampled is None where nobody looks
    at it. mean, log_variance: of the distribution z_t was drawn from,
    (B, latent). prior: E's mean and log-variance where that distribution was
    not E's own (``learned_prior``).
    """

    predicted: Tensor
    sampled: Tensor | None
    mean: Tensor
    log_variance: Tensor
    prior: tuple[Tensor, Tensor] | None


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
        self.encoder = Encoder(shape, config)
        self.posterior = Posterior(shape, config) if config.learned_prior else None
        self.generator = Generator(shape, config)
        self.discriminator = Discriminator(shape, config)
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

        previous, current: (B, C, H, W); current is seen only by the posterior
        of a ``learned_prior``. noise: (B, latent), z_p, drawn from N(0, I).
        """
        mean, log_variance = self.encoder(previous)
        prior = None
        if self.posterior is not None:
            prior = mean, log_variance
            mean, log_variance = self.posterior(previous, current)
        latent = draw_latent(mean, log_variance, noise)
        if not both:
            return Synthesis(self.generator(latent), None, mean, log_variance, prior)
        # The second fake is what a rollout would decode: from N(0, I), or from the learned prior.
        other = noise if prior is None else draw_latent(*prior, noise)
        predicted, sampled = self.generator.decode(latent, other)
        return Synthesis(predicted, sampled, mean, log_variance, prior)


def build_model(shape: Shape, config: Config) -> Model:
    """A model with fresh weights, decided by ``config.seed`` alone.

    Weights begin as PyTorch's own layers begin them; the global random state
    is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return Model(shape, config)
