"""A plain VAE of the paper's sizes: what the paper's system is without its adversary.

    python benchmarks/peers/vae.py CORPUS --minutes 10

Kingma & Welling (2014) with E and G of the paper's Table 1 (Akbari & Liang 2018): a bar is encoded
and decoded again, cross-entropy on its cells and the KL divergence go down together. It knows no
bar before: each bar of a piece is decoded from a latent of its own, drawn from N(0, I), and a cell
sounds where that is likelier than not.
"""

import torch
from torch import nn

from nextbar.frames.config import Config
from nextbar.frames.losses import draw_latent, kl_to_standard_normal, reconstruction
from nextbar.frames.plane import Encoder, Generator
from trial import BARS, Clock, Nats, arguments, batch_of, begin, descend, finish


def main() -> None:
    chosen = arguments(__doc__).parse_args()
    tunes = begin(chosen)
    config = Config()
    shape = (1, tunes.n_rows, tunes.n_steps)
    encoder, generator = Encoder(shape, config), Generator(shape, config)
    networks = nn.ModuleList([encoder, generator]).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(networks.parameters(), 1e-3)
    bars, clock = torch.cat(tunes.of("training"))[:, None], Clock(chosen.minutes)
    nats = Nats("cells", "kl")
    for _ in clock.updates():
        real = bars[batch_of(bars, config.batch)]
        with torch.autocast("cpu", torch.bfloat16):
            mean, log_variance = encoder(real)
            latent = draw_latent(mean, log_variance, torch.randn_like(mean))
            drawn = generator.decode(latent)[0]
        cells = reconstruction(drawn.levels, None, real)
        kl = kl_to_standard_normal(mean, log_variance)
        descend(optimiser, cells + kl)
        nats.add(cells, kl)
    networks.eval()
    with torch.no_grad():
        latents = torch.randn(chosen.pieces * BARS, config.latent)
        written = torch.cat([generator(latent)[:, 0] > 0.5 for latent in torch.split(latents, 500)])
    pieces = written.reshape(-1, BARS, *shape[1:])
    finish("VAE", chosen, tunes, clock, networks, pieces, nats_a_bar=nats.by_name())


if __name__ == "__main__":
    main()
