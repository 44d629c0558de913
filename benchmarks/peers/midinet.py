"""MidiNet: a convolutional GAN of bars, its generator conditioned on the bar before.

    python benchmarks/peers/midinet.py CORPUS --minutes 10

Yang, Chou & Yang (2017), *MidiNet*, the melody model: G grows a bar from noise, two columns to
sixteen, and at each width reads what a conditioner CNN made of the bar before; D sees bars alone.
One-sided label smoothing, feature matching of the mean bar and of D's first maps, G twice for each
update of D, batch normalisation, one pitch a step. Departures: a row more says that nothing sounds
(its data have no rests), and columns are a softmax in training (there a Sigmoid, binarised at the
end). Pieces go on from a bar of a held-out tune, as there from a bar that is given.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from trial import BARS, Clock, arguments, batch_of, begin, descend, finish, given_bars

Bars = Float[Tensor, "batch rows steps"]
"""One row of each column is 1, the last where nothing sounds."""
NOISE, MAPS, CONDITIONS = 100, 256, 16
OF_BAR, OF_MAPS = 0.1, 1.0
"""Weights of feature matching: of the mean bar, and of D's first maps."""


def one_hot(rolls: Float[Tensor, "batch rows steps"]) -> Bars:
    """The highest row that sounds at each step; a row more, the last, where none does."""
    n_rows = rolls.shape[1]
    heights = torch.arange(1, n_rows + 1)[:, None]
    highest = (rolls * heights).amax(dim=1).long() - 1  # (batch, steps)
    return F.one_hot(highest % (n_rows + 1), n_rows + 1).transpose(1, 2).float()


class Generator(nn.Module):
    """Noise and the bar before -> the next bar."""

    def __init__(self, n_rows: int, n_steps: int) -> None:
        super().__init__()
        self.start = n_steps // 8
        self.dense = nn.Sequential(
            nn.Linear(NOISE, 1024),
            nn.BatchNorm1d(1024),
            nn.ReLU(),
            nn.Linear(1024, MAPS * self.start),
            nn.BatchNorm1d(MAPS * self.start),
            nn.ReLU(),
        )
        # The conditioner: the bar's columns, then half, a quarter, an eighth of their number.
        sizes = [n_rows, *[CONDITIONS] * 4]
        self.conditioner = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(before, CONDITIONS, 1 if not nth else 2, 1 if not nth else 2),
                nn.BatchNorm1d(CONDITIONS),
                nn.LeakyReLU(0.2),
            )
            for nth, before in enumerate(sizes[:4])
        )
        self.grow = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose1d(MAPS + CONDITIONS, MAPS, 2, 2), nn.BatchNorm1d(MAPS), nn.ReLU()
            )
            for _ in range(3)
        )
        self.last = nn.Conv1d(MAPS + CONDITIONS, n_rows, 1)

    def forward(self, noise: Float[Tensor, "batch noise"], before: Bars) -> Bars:
        """The probability of each row in each column."""
        conditions = []
        for layer in self.conditioner:
            before = layer(before)
            conditions.append(before)
        maps = self.dense(noise).view(len(noise), MAPS, self.start)
        for layer in self.grow:
            maps = layer(torch.cat([maps, conditions.pop()], dim=1))
        rows: Bars = self.last(torch.cat([maps, conditions.pop()], dim=1)).softmax(dim=1)
        return rows


class Discriminator(nn.Module):
    """A bar -> its first maps, and the logit of its being real."""

    def __init__(self, n_rows: int, n_steps: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(n_rows, 14, 2, 2)
        self.second = nn.Conv1d(14, 77, 4, 2)
        self.norm = nn.BatchNorm1d(77)
        self.dense = nn.Linear(77 * ((n_steps // 2 - 4) // 2 + 1), 1024)
        self.output = nn.Linear(1024, 1)

    def forward(self, bars: Bars) -> tuple[Tensor, Tensor]:
        """(batch, maps, steps / 2) and (batch,)."""
        first = F.leaky_relu(self.first(bars), 0.2)
        second = F.leaky_relu(self.norm(self.second(first)), 0.2).flatten(1)
        return first, self.output(F.leaky_relu(self.dense(second), 0.2))[:, 0]


def main() -> None:
    chosen = arguments(__doc__).parse_args()
    tunes = begin(chosen)
    before, now = map(one_hot, tunes.pairs("training"))
    sizes = (tunes.n_rows + 1, tunes.n_steps)
    generator, discriminator = Generator(*sizes), Discriminator(*sizes)
    adam = [
        torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (generator, discriminator)
    ]
    clock, certainty = Clock(chosen.minutes), torch.zeros(2)
    for _ in clock.updates():
        rows = batch_of(now, 72)
        real = now[rows]
        for nth in range(2):
            fake = generator(torch.randn(len(rows), NOISE), before[rows])
            if nth == 0:
                says = [discriminator(bars)[1] for bars in (real, fake.detach())]
                smooth = torch.full_like(says[0], 0.9)
                loss = (
                    F.binary_cross_entropy_with_logits(says[0], smooth) + F.softplus(says[1]).mean()
                )
                descend(adam[1], loss)
                certainty = certainty.lerp(
                    torch.stack([s.sigmoid().mean() for s in says]).detach(), 0.05
                )
            with torch.no_grad():
                of_real, _ = discriminator(real)
            of_fake, fooled = discriminator(fake)
            alike = OF_BAR * (real.mean(dim=0) - fake.mean(dim=0)).square().sum()
            alike = alike + OF_MAPS * (of_real.mean(dim=0) - of_fake.mean(dim=0)).square().sum()
            descend(adam[0], F.softplus(-fooled).mean() + alike)
    generator.eval()
    line = [one_hot(given_bars(tunes, chosen.pieces))]
    with torch.no_grad():
        for _ in range(BARS - 1):
            likely = generator(torch.randn(chosen.pieces, NOISE), line[-1])
            line.append(F.one_hot(likely.argmax(dim=1), sizes[0]).transpose(1, 2).float())
    written = torch.stack(line, dim=1)[:, :, :-1]
    networks = nn.ModuleList([generator, discriminator])
    says_real, says_fake = (round(each, 3) for each in certainty.tolist())
    finish(
        "MidiNet",
        chosen,
        tunes,
        clock,
        networks,
        written,
        n_given=1,
        d_real=says_real,
        d_fake=says_fake,
    )


if __name__ == "__main__":
    main()
