"""C-RNN-GAN: a recurrent GAN of notes that are four continuous numbers each.

    python benchmarks/peers/c_rnn_gan.py CORPUS --minutes 10

Mogren (2016), *C-RNN-GAN: continuous recurrent neural networks with adversarial training*: a note
is its length, height, intensity and the time since the last one began. G, two LSTMs of 350, reads
noise and its own last note; D, two of 350 in both directions, judges each note, and the mean of
its verdicts counts. G first learns to say the next note (squared error), then matches the mean of
D's last features; whoever's loss is below 0.7 of the other's waits. Departures: Adam for plain
descent, heights in semitones for frequencies, each number standardised. All intensities of the
corpus are alike, so that this number says nothing here.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from trial import BARS, Clock, Tunes, arguments, bars_of, batch_of, begin, descend, finish, runs_of

Tuples = Float[Tensor, "batch notes 4"]
"""Of each note its length, height, intensity, and the time since the last began; standardised."""
WIDTH, NOTES, ALONE, FREEZE, LONGEST = 350, 32, 0.3, 0.7, 5.0


def tuples_of(line: Tensor) -> Tensor:
    """Length and since in steps, height in rows, intensity 1: (notes, 4); rests are no notes."""
    rows, steps, starts = runs_of(line)
    rows, steps, starts = (each[rows >= 0] for each in (rows, steps, starts))
    since = torch.cat([starts.new_zeros(1), starts.diff()])[: len(starts)]
    return torch.stack([steps, rows, torch.ones_like(rows), since], dim=1).float()


def stretches_of(tunes: Tunes, length: int) -> Tensor:
    """All stretches of so many notes of the training tunes, (stretches, notes, 4)."""
    lines = [tuples_of(line) for line in tunes.lines("training")]
    found = [line.unfold(0, length, 1).transpose(1, 2) for line in lines if len(line) >= length]
    assert found, "no tune has as many notes"
    return torch.cat(found)


def line_of(tuples: Tensor, n_steps: int, n_rows: int) -> Tensor:
    """What the notes sound like, one at a time, (steps, rows)."""
    line = torch.zeros(n_steps, n_rows)
    lengths, heights, _, since = tuples.round().long().T
    starts = since.clamp(min=0).cumsum(0) - since[0].clamp(min=0)
    ends = torch.minimum(
        starts + lengths.clamp(min=1), torch.cat([starts[1:], starts[-1:] + n_steps])
    )
    for start, end, row in zip(starts, ends, heights.clamp(0, n_rows - 1), strict=True):
        line[start:end, row] = 1
    return line


class Generator(nn.Module):
    """Noise and the last note -> the next note, again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, WIDTH, 2, batch_first=True)
        self.output = nn.Linear(WIDTH, 4)

    def forward(self, many: int, length: int) -> Tuples:
        """New notes."""
        note, state, found = torch.zeros(many, 1, 4), None, []
        for _ in range(length):
            out, state = self.lstm(torch.cat([torch.rand(many, 1, 4), note], dim=2), state)
            note = self.output(out)
            found.append(note)
        return torch.cat(found, dim=1)

    def following(self, notes: Tuples) -> Tuples:
        """What it expects for each note, given those before."""
        before = F.pad(notes[:, :-1], (0, 0, 1, 0))
        expected: Tuples = self.output(
            self.lstm(torch.cat([torch.rand_like(before), before], dim=2))[0]
        )
        return expected


class Discriminator(nn.Module):
    """Notes -> the last features of each, and the mean probability of being real."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, WIDTH, 2, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * WIDTH, 1)

    def forward(self, notes: Tuples) -> tuple[Tensor, Tensor]:
        """(batch, notes, features) and (batch,)."""
        features = self.lstm(notes)[0]
        verdicts = self.output(features)[..., 0].sigmoid().mean(dim=1)
        return features, verdicts.clamp(1e-6, 1 - 1e-6)


def main() -> None:
    chosen = arguments(__doc__).parse_args()
    tunes = begin(chosen)
    raw = stretches_of(tunes, min(NOTES, min(map(len, map(tuples_of, tunes.lines("training"))))))
    middle, spread = raw.mean(dim=(0, 1)), raw.std(dim=(0, 1)).clamp(min=0.1)
    notes = (raw - middle) / spread
    generator, discriminator = Generator(), Discriminator()
    of_generator = torch.optim.Adam(generator.parameters(), 1e-3, weight_decay=1e-5)
    of_discriminator = torch.optim.Adam(discriminator.parameters(), 3e-4, weight_decay=1e-5)
    clock, waited, updates = Clock(chosen.minutes), [0, 0], 0
    for share in clock.updates():
        real = notes[batch_of(notes, 20)]
        if share < ALONE:
            descend(of_generator, F.mse_loss(generator.following(real), real), LONGEST)
            continue
        of_generator.param_groups[0]["lr"] = 1e-4
        updates += 1
        fake = generator(len(real), real.shape[1])
        says_real, says_fake = discriminator(real)[1], discriminator(fake.detach())[1]
        of_d = -(says_real.log() + (1 - says_fake).log()).mean()
        fooled = -says_fake.log().mean().item()
        if of_d.item() >= FREEZE * fooled:
            descend(of_discriminator, of_d, LONGEST)
        else:
            waited[1] += 1
        if fooled >= FREEZE * of_d.item():
            with torch.no_grad():
                wanted = discriminator(real)[0].mean(dim=0)
            apart = (discriminator(fake)[0].mean(dim=0) - wanted).square().sum(dim=1).mean()
            descend(of_generator, apart, LONGEST)
        else:
            waited[0] += 1
    n_steps = BARS * tunes.n_steps
    with torch.no_grad():
        written = generator(chosen.pieces, n_steps) * spread + middle
    lines = torch.stack([line_of(each, n_steps, tunes.n_rows) for each in written])
    networks = nn.ModuleList([generator, discriminator])
    finish(
        "C-RNN-GAN",
        chosen,
        tunes,
        clock,
        networks,
        bars_of(lines, tunes.n_steps),
        adversarial_updates=updates,
        g_waited=waited[0],
        d_waited=waited[1],
    )


if __name__ == "__main__":
    main()
