"""A plain WGAN of the paper's sizes: what the paper's system is without its encoder.

    python benchmarks/peers/wgan.py CORPUS --minutes 10

Arjovsky, Chintala & Bottou (2017) with G and D of the paper's Table 1 (Akbari & Liang 2018), the
slope of D held to 1 by a penalty (Gulrajani et al. 2017). It knows no bar before: each bar of a
piece is decoded from noise of its own. A cell sounds from one half on.
"""

import torch
from torch import nn

from nextbar.frames.config import Config
from nextbar.frames.contracts import Frames, Scalar
from nextbar.frames.plane import Discriminator, Generator
from trial import BARS, Clock, arguments, batch_of, begin, descend, finish

CRITIC_UPDATES, PENALTY = 5, 10.0


def slope_penalty(critic: Discriminator, real: Frames, fake: Frames) -> Scalar:
    """How far the critic's slope is from 1, squared, between real and fake frames; the mean."""
    between = torch.rand(len(real), 1, 1, 1)
    frames = (between * real + (1 - between) * fake).requires_grad_()
    logits = critic(frames).logits.sum()
    (slope,) = torch.autograd.grad(logits, frames, create_graph=True)
    penalty: Scalar = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def main() -> None:
    chosen = arguments(__doc__).parse_args()
    tunes = begin(chosen)
    config = Config()
    shape = (1, tunes.n_rows, tunes.n_steps)
    generator, critic = Generator(shape, config), Discriminator(shape, config)
    networks = nn.ModuleList([generator, critic]).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    of_generator = torch.optim.Adam(generator.parameters(), 3e-4, (0.0, 0.9))
    of_critic = torch.optim.Adam(critic.parameters(), 3e-4, (0.0, 0.9))
    bars, clock = torch.cat(tunes.of("training"))[:, None], Clock(chosen.minutes)
    distance = 0.0
    for _ in clock.updates():
        for _ in range(CRITIC_UPDATES):
            real = bars[batch_of(bars, config.batch // 2)]
            with torch.no_grad():
                fake = generator(torch.randn(len(real), config.latent))
            apart = critic(real).logits.mean() - critic(fake).logits.mean()
            descend(of_critic, PENALTY * slope_penalty(critic, real, fake) - apart)
        distance += 0.05 * (apart.item() - distance)
        fooled = critic(generator(torch.randn(config.batch, config.latent))).logits.mean()
        descend(of_generator, -fooled)
    generator.eval()
    with torch.no_grad():
        latents = torch.randn(chosen.pieces * BARS, config.latent)
        written = torch.cat([generator(latent)[:, 0] > 0.5 for latent in torch.split(latents, 500)])
    pieces = written.reshape(-1, BARS, *shape[1:])
    finish("WGAN", chosen, tunes, clock, networks, pieces, distance=round(distance, 3))


if __name__ == "__main__":
    main()
