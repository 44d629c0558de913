"""RNN-RBM: a recurrent network says the biases of a restricted Boltzmann machine for each step.

    python benchmarks/peers/rnn_rbm.py CORPUS --minutes 10

Boulanger-Lewandowski, Bengio & Vincent (2012), *Modeling temporal dependencies in
high-dimensional sequences*: 150 hidden units, 100 recurrent ones, contrastive divergence of 1 to
15 steps, 25 Gibbs steps for each step written. As there, the RBM is trained by itself first, here
for 0.3 of the time, its biases the same at each step; Adam, not plain descent. ``polyphony.py``
holds it against its paper's nats a step. Pieces begin from nothing.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from trial import BARS, Clock, arguments, bars_of, begin, descend, finish, windows

Steps = Float[Tensor, "batch steps rows"]
"""Which rows sound at each step, 0 or 1; in training, -1 behind the end of a line."""
Rows = Float[Tensor, "many rows"]
Hidden = Float[Tensor, "many hidden"]
GIBBS, WRITING = 15, 25
"""Gibbs steps of the last updates (the first have one), and of each step that is written."""
ALONE, RATE = 0.3, 6e-3
"""The share of the time in which the RBM is trained by itself; the learning rate."""


class RnnRbm(nn.Module):
    """p(v_t | v_1 ... v_{t-1}): an RBM whose biases are linear in the state of an RNN."""

    def __init__(self, n_rows: int, hidden: int = 150, recurrent: int = 100) -> None:
        super().__init__()
        self.weights = nn.Parameter(0.01 * torch.randn(n_rows, hidden))
        self.start = nn.Parameter(torch.zeros(recurrent))
        self.rnn = nn.RNN(n_rows, recurrent, batch_first=True)
        self.to_rows, self.to_hidden = nn.Linear(recurrent, n_rows), nn.Linear(recurrent, hidden)
        for layer in (self.to_rows, self.to_hidden):  # the RNN says nothing at first
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def biases(self, lines: Steps, alone: bool = False) -> tuple[Rows, Hidden]:
        """The biases at each step given those before it, (batch * steps, rows) and so on.

        alone: without the RNN, the same at each step.
        """
        if alone:
            many = lines.shape[0] * lines.shape[1]
            return self.to_rows.bias.expand(many, -1), self.to_hidden.bias.expand(many, -1)
        first = self.start.expand(1, len(lines), -1).contiguous()
        states, _ = self.rnn(lines[:, :-1], first)
        before = torch.cat([first[0][:, None], states], dim=1).flatten(0, 1)
        return self.to_rows(before), self.to_hidden(before)

    def gibbs(self, rows: Rows, of_rows: Rows, of_hidden: Hidden, n: int) -> Rows:
        """Rows after n steps of Gibbs sampling."""
        for _ in range(n):
            hidden = drawn(rows @ self.weights + of_hidden)
            rows = drawn(hidden @ self.weights.T + of_rows)
        return rows

    def free_energy(self, rows: Rows, of_rows: Rows, of_hidden: Hidden) -> Tensor:
        """-log of the unnormalised probability, hidden units summed out, (many,)."""
        hidden = F.softplus(rows @ self.weights + of_hidden).sum(dim=1)
        return -(rows * of_rows).sum(dim=1) - hidden

    def begin_as(self, lines: list[Tensor]) -> None:
        """Row biases that give each row the share of steps in which it sounds."""
        with torch.no_grad():
            self.to_rows.bias.copy_(torch.cat(lines).mean(dim=0).clamp(1e-4, 1 - 1e-4).logit())

    def loss(self, lines: Steps, n_gibbs: int, alone: bool = False) -> Tensor:
        """Contrastive divergence: its gradient is nearly that of -log p, for each step."""
        heard = lines.flatten(0, 1)[:, 0] >= 0
        lines = lines.clamp(min=0)
        of_rows, of_hidden = (biases[heard] for biases in self.biases(lines, alone))
        real = lines.flatten(0, 1)[heard]
        with torch.no_grad():
            fancied = self.gibbs(real, of_rows, of_hidden, n_gibbs)
        energies = [self.free_energy(rows, of_rows, of_hidden) for rows in (real, fancied)]
        return (energies[0] - energies[1]).mean()

    @torch.no_grad()
    def log_partition(
        self, of_rows: Rows, of_hidden: Hidden, temperatures: int, chains: int
    ) -> Tensor:
        """The log Z of each RBM, (many,), by annealed importance sampling; on average not above.

        Salakhutdinov & Murray (2008), from the RBM with the same row biases and no weights.
        """
        many = len(of_rows)
        of_rows, of_hidden = of_rows.repeat(chains, 1), of_hidden.repeat(chains, 1)
        rows = drawn(of_rows)
        weight = of_rows.new_zeros(len(of_rows))
        cool = 0.0
        for nth in range(1, temperatures + 1):
            heat = nth / temperatures
            reached = rows @ self.weights + of_hidden
            weight += (F.softplus(heat * reached) - F.softplus(cool * reached)).sum(dim=1)
            rows = drawn(heat * (drawn(heat * reached) @ self.weights.T) + of_rows)
            cool = heat
        first = F.softplus(of_rows[:many]).sum(dim=1) + of_hidden.shape[1] * torch.log(
            torch.tensor(2.0)
        )
        weights = weight.view(chains, many)
        return first + weights.logsumexp(dim=0) - torch.log(torch.tensor(float(chains)))

    @torch.no_grad()
    def nats(
        self, lines: list[Tensor], temperatures: int, chains: int = 1, every: int = 1
    ) -> Tensor:
        """-log p of each step of pieces given those before it in its piece, (steps,), in nats.

        lines: (steps, rows) each; every: of every so many steps alone.
        """
        biases = [self.biases(line[None]) for line in lines]
        of_rows, of_hidden = (
            torch.cat([each[part][::every] for each in biases]) for part in (0, 1)
        )
        log_partition = self.log_partition(of_rows, of_hidden, temperatures, chains)
        rows = torch.cat([line[::every] for line in lines])
        return self.free_energy(rows, of_rows, of_hidden) + log_partition

    @torch.no_grad()
    def write(self, n: int, n_steps: int) -> Steps:
        """New lines from nothing, drawn."""
        n_rows = len(self.weights)
        state = self.start.expand(1, n, -1).contiguous()
        rows, found = self.weights.new_zeros(n, n_rows), []
        for _ in range(n_steps):
            biases = self.to_rows(state[0]), self.to_hidden(state[0])
            rows = self.gibbs(rows, *biases, WRITING)
            found.append(rows)
            _, state = self.rnn(rows[:, None], state)
        return torch.stack(found, dim=1)


def drawn(logits: Tensor) -> Tensor:
    """0 or 1 each, by its probability."""
    return (torch.rand_like(logits) < torch.sigmoid(logits)).float()


def fit(model: RnnRbm, lines: list[Tensor], clock: Clock, rate: float = RATE) -> Iterator[float]:
    """Trains on stretches of 100 steps until the clock stops, the rate falling to nothing.

    The share of the time that is over, with each update.
    """
    optimiser = torch.optim.Adam(model.parameters(), rate)
    for share in clock.updates():
        optimiser.param_groups[0]["lr"] = rate * (1 - share)
        together = (share - ALONE) / (1 - ALONE)
        n_gibbs = 1 + round((GIBBS - 1) * max(0.0, together))
        loss = model.loss(windows(lines, 100, 16, behind=-1), n_gibbs, alone=together < 0)
        descend(optimiser, loss, 1.0)
        yield share


def main() -> None:
    chosen = arguments(__doc__).parse_args()
    tunes = begin(chosen)
    model, clock = RnnRbm(tunes.n_rows), Clock(chosen.minutes)
    lines = tunes.lines("training")
    model.begin_as(lines)
    for _ in fit(model, lines, clock):
        pass
    lines = tunes.lines("held_out")[:20]
    held_out = model.nats(lines, 1000, every=10)
    written = bars_of(model.write(chosen.pieces, BARS * tunes.n_steps), tunes.n_steps)
    finish(
        "RNN-RBM",
        chosen,
        tunes,
        clock,
        model,
        written,
        nats_a_step=round(held_out.mean().item(), 3),
    )


if __name__ == "__main__":
    main()
