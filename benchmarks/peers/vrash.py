"""VRASH: a variational recurrent auto-encoder whose decoder is supported by history.

    python benchmarks/peers/vrash.py CORPUS --minutes 10

Tikhonov & Yamshchikov (2017), *Music generation with variational recurrent autoencoder supported by
history*: a stretch of notes, each the embeddings of its pitch class, octave and length one behind
the other, becomes one latent; a recurrent highway network says the notes again, and reads at each
the latent and, which is the support by history, what it has written so far. The KL grows to its
full weight over half of the time. A piece is decoded from N(0, I). The paper has no figure that
another corpus could be held against.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from nextbar.frames.losses import draw_latent, kl_to_standard_normal
from trial import BARS, Clock, Nats, Notes, arguments, batch_of, begin, descend, finish

Texts = Int[Tensor, "batch length"]
Latents = Float[Tensor, "batch latent"]
LENGTH, WIDTH, LATENT, DEPTH = 36, 256, 32, 2


class Highway(nn.Module):
    """A recurrent highway network: each step goes through DEPTH gates that carry or change."""

    def __init__(self, n_inputs: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(n_inputs, 2 * WIDTH)
        layers = [nn.Linear(WIDTH, 2 * WIDTH) for _ in range(DEPTH)]
        self.layers = nn.ModuleList(layers)
        for layer in layers:
            nn.init.constant_(layer.bias[WIDTH:], -2.0)  # gates that carry, at first

    def forward(self, inputs: Tensor, state: Tensor) -> Tensor:
        """The next state, (batch, width)."""
        given = self.inputs(inputs)
        for layer in self.layers:
            change, gate = (layer(state) + given).chunk(2, dim=1)
            state = state.lerp(change.tanh(), gate.sigmoid())
            given = torch.zeros_like(given)  # the first layer alone reads
        return state


class Vrash(nn.Module):
    """Notes -> latent -> notes, each from the latent and from those before."""

    def __init__(self, words: Int[Tensor, "words 2"]) -> None:
        super().__init__()
        rows, steps = words.T
        sounds = rows >= 0
        self.parts = torch.stack(
            [torch.where(sounds, rows % 12, 12), torch.where(sounds, rows // 12, 8), steps], dim=1
        )
        self.embeddings = nn.ModuleList(
            nn.Embedding(n, width) for n, width in ((13, 24), (9, 8), (int(steps.max()) + 1, 16))
        )
        self.encoder = nn.LSTM(48, WIDTH, batch_first=True, bidirectional=True)
        self.to_latent = nn.Linear(2 * WIDTH, 2 * LATENT)
        self.begin = nn.Linear(LATENT, WIDTH)
        self.decoder = Highway(48 + LATENT)
        self.output = nn.Linear(WIDTH, len(words))

    def embedded(self, texts: Texts) -> Float[Tensor, "batch length 48"]:
        """Pitch class, octave and length, one behind the other."""
        parts = self.parts[texts]
        each = [embed(parts[..., nth]) for nth, embed in enumerate(self.embeddings)]
        return torch.cat(each, dim=2)

    def encode(self, texts: Texts) -> tuple[Latents, Latents]:
        """Mean and log-variance of each stretch's latent."""
        _, (last, _) = self.encoder(self.embedded(texts))
        mean, log_variance = self.to_latent(torch.cat([last[0], last[1]], dim=1)).chunk(2, dim=1)
        return mean, log_variance

    def logits(self, latent: Latents, texts: Texts) -> Float[Tensor, "batch length words"]:
        """Of each note, given the latent and the notes before it."""
        history = F.pad(self.embedded(texts)[:, :-1], (0, 0, 1, 0))
        state, found = torch.tanh(self.begin(latent)), []
        for before in history.unbind(dim=1):
            state = self.decoder(torch.cat([before, latent], dim=1), state)
            found.append(state)
        logits: Tensor = self.output(torch.stack(found, dim=1))
        return logits

    @torch.no_grad()
    def write(self, n: int, length: int) -> Texts:
        """Stretches from N(0, I), drawn."""
        latent = torch.randn(n, LATENT)
        state, before, found = torch.tanh(self.begin(latent)), torch.zeros(n, 48), []
        for _ in range(length):
            state = self.decoder(torch.cat([before, latent], dim=1), state)
            found.append(torch.multinomial(self.output(state).softmax(dim=1), 1))
            before = self.embedded(found[-1])[:, 0]
        return torch.cat(found, dim=1)


def main() -> None:
    chosen = arguments(__doc__).parse_args()
    tunes = begin(chosen)
    notes = Notes(tunes)
    texts = notes.stretches(min(LENGTH, *map(len, notes.texts)))
    model, clock = Vrash(notes.words), Clock(chosen.minutes)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    nats = Nats("notes", "kl")
    for share in clock.updates():
        real = texts[batch_of(texts, 64)]
        mean, log_variance = model.encode(real)
        logits = model.logits(draw_latent(mean, log_variance, torch.randn_like(mean)), real)
        said = F.cross_entropy(logits.transpose(1, 2), real, reduction="sum") / len(real)
        kl = kl_to_standard_normal(mean, log_variance)
        descend(optimiser, said + min(1.0, 2 * share) * kl, 5.0)
        nats.add(said, kl)
    written = notes.bars(model.write(chosen.pieces, BARS * tunes.n_steps))
    finish("VRASH", chosen, tunes, clock, model, written, nats_a_stretch=nats.by_name())


if __name__ == "__main__":
    main()
