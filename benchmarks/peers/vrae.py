"""VRAE: a variational auto-encoder whose encoder and decoder are recurrent.

    python benchmarks/peers/vrae.py CORPUS --minutes 10

Fabius & van Amersfoort (2014), *Variational recurrent auto-encoders*: the encoder's last state
gives the distribution of one latent of 20 for a stretch of music, from which the decoder's first
state comes; the decoder reads the step before. LSTMs of 256, as the paper on semi-recurrent
VAE-GANs describes it; the KL grows to its full weight over half of the time. A piece is decoded
from N(0, I), each cell drawn by its probability.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from nextbar.frames.losses import draw_latent, kl_to_standard_normal
from trial import BARS, Clock, Nats, arguments, bars_of, begin, descend, finish, windows

Steps = Float[Tensor, "batch steps rows"]
"""Which rows sound at each step, 0 or 1."""
Latents = Float[Tensor, "batch latent"]


class Vrae(nn.Module):
    """Stretch -> latent -> stretch, step by step."""

    def __init__(self, n_rows: int, latent: int = 20, width: int = 256) -> None:
        super().__init__()
        self.encoder = nn.LSTM(n_rows, width, batch_first=True)
        self.to_latent = nn.Linear(width, 2 * latent)
        self.begin = nn.Linear(latent, 2 * width)
        self.decoder = nn.LSTM(n_rows, width, batch_first=True)
        self.to_rows = nn.Linear(width, n_rows)
        self.latent = latent

    def encode(self, lines: Steps) -> tuple[Latents, Latents]:
        """Mean and log-variance of each stretch's latent."""
        _, (last, _) = self.encoder(lines)
        mean, log_variance = self.to_latent(last[0]).chunk(2, dim=1)
        return mean, log_variance

    def beginning(self, latent: Latents) -> tuple[Tensor, Tensor]:
        """The decoder's first state."""
        state, cell = torch.tanh(self.begin(latent)).chunk(2, dim=1)
        return state[None].contiguous(), cell[None].contiguous()

    def logits(self, latent: Latents, lines: Steps) -> Steps:
        """The logit of each cell, given the latent and the steps before."""
        before = F.pad(lines[:, :-1], (0, 0, 1, 0))
        states, _ = self.decoder(before, self.beginning(latent))
        logits: Steps = self.to_rows(states)
        return logits

    @torch.no_grad()
    def write(self, n: int, n_steps: int) -> Steps:
        """Stretches from N(0, I)."""
        state = self.beginning(torch.randn(n, self.latent))
        rows, found = torch.zeros(n, 1, self.to_rows.out_features), []
        for _ in range(n_steps):
            out, state = self.decoder(rows, state)
            rows = torch.bernoulli(torch.sigmoid(self.to_rows(out)))
            found.append(rows)
        return torch.cat(found, dim=1)


def main() -> None:
    chosen = arguments(__doc__).parse_args()
    tunes = begin(chosen)
    model, clock = Vrae(tunes.n_rows), Clock(chosen.minutes)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    lines, n_steps = tunes.lines("training"), BARS * tunes.n_steps
    nats = Nats("cells", "kl")
    for share in clock.updates():
        real = windows(lines, n_steps, 32, every=tunes.n_steps)
        mean, log_variance = model.encode(real)
        latent = draw_latent(mean, log_variance, torch.randn_like(mean))
        logits = model.logits(latent, real)
        cells = F.binary_cross_entropy_with_logits(logits, real, reduction="sum") / len(real)
        kl = kl_to_standard_normal(mean, log_variance)
        descend(optimiser, cells + min(1.0, 2 * share) * kl, 5.0)
        nats.add(cells, kl)
    written = bars_of(model.write(chosen.pieces, n_steps), tunes.n_steps)
    finish("VRAE", chosen, tunes, clock, model, written, nats_a_bar=nats.by_name(BARS))


if __name__ == "__main__":
    main()
