"""SeqGAN: a GAN of note tokens whose generator learns by policy gradient.

    python benchmarks/peers/seqgan.py CORPUS --minutes 10

Yu et al. (2017), *SeqGAN: sequence generative adversarial nets with policy gradient*: G, an LSTM
of 32 on embeddings of 32, first learns to say the next token; then each token that it draws is
rewarded by what D, a CNN over embedded tokens, says on average of sequences that G ends from
there on (rollouts), by a copy that follows slowly. A token is a note, row and length, as in the
notes of ABC that ORGAN has. Departures: four rollouts for 16, windows of 1-5 tokens for 1-20, and
of each reward the batch's mean at its place is taken away, which changes no gradient on average.
``organ.py`` rewards an objective, too.
"""

import copy
from argparse import Namespace
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from trial import BARS, Clock, Notes, arguments, batch_of, begin, descend, finish

Texts = Int[Tensor, "batch length"]
Rewards = Float[Tensor, "batch length"]
Objective = Callable[[Notes, Texts], Float[Tensor, " batch"]]
LENGTH, ROLLOUTS, BATCH = 36, 4, 16
TEACHING, LEARNING_TO_JUDGE = 0.5, 0.6
"""The shares of the time at which G's teaching and D's first learning end."""


class Generator(nn.Module):
    """The tokens so far -> the logits of the next."""

    def __init__(self, n_words: int, width: int = 32) -> None:
        super().__init__()
        self.start = n_words
        self.embedding = nn.Embedding(n_words + 1, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.output = nn.Linear(width, n_words)

    def logits(self, texts: Texts) -> Float[Tensor, "batch length words"]:
        """Of each token given those before it."""
        before = F.pad(texts[:, :-1], (1, 0), value=self.start)
        logits: Tensor = self.output(self.lstm(self.embedding(before))[0])
        return logits

    @torch.no_grad()
    def write(self, begun: Texts, length: int) -> Texts:
        """Texts that go on from those begun, which may have no token yet."""
        before = F.pad(begun, (1, 0), value=self.start)
        found = [begun]
        out, state = self.lstm(self.embedding(before))
        for _ in range(length - begun.shape[1]):
            token = torch.multinomial(self.output(out[:, -1]).softmax(dim=1), 1)
            found.append(token)
            out, state = self.lstm(self.embedding(token), state)
        return torch.cat(found, dim=1)


class Discriminator(nn.Module):
    """Texts -> the logit of being real: what windows of 1-5 tokens find, through a highway."""

    def __init__(self, n_words: int, width: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_words, width)
        self.windows = nn.ModuleList(nn.Conv1d(width, 64, size) for size in range(1, 6))
        self.highway, self.gate = nn.Linear(320, 320), nn.Linear(320, 320)
        self.output = nn.Sequential(nn.Dropout(0.25), nn.Linear(320, 1))

    def forward(self, texts: Texts) -> Float[Tensor, " batch"]:
        """The logits."""
        words = self.embedding(texts).transpose(1, 2)
        found = torch.cat([window(words).relu().amax(dim=2) for window in self.windows], dim=1)
        gate = self.gate(found).sigmoid()
        found = gate * self.highway(found).relu() + (1 - gate) * found
        logits: Tensor = self.output(found)[:, 0]
        return logits


@torch.no_grad()
def rewards_of(
    texts: Texts, policy: Generator, judge: Callable[[Texts], Float[Tensor, " batch"]]
) -> Rewards:
    """What the judge says of texts that go on from each token, the mean of the rollouts."""
    length, rewards = texts.shape[1], []
    for place in range(1, length):
        ends = policy.write(texts[:, :place].repeat(ROLLOUTS, 1), length)
        rewards.append(judge(ends).view(ROLLOUTS, -1).mean(dim=0))
    return torch.stack([*rewards, judge(texts)], dim=1)


def compete(
    name: str, chosen: Namespace, objective: Objective | None = None, weight: float = 0
) -> None:
    """Trains, writes and measures; weight: how much of the reward is the objective's, 0-1."""
    tunes = begin(chosen)
    notes = Notes(tunes)
    texts = notes.stretches(min(LENGTH, *map(len, notes.texts)))
    generator, discriminator = Generator(len(notes.words)), Discriminator(len(notes.words))
    policy = copy.deepcopy(generator)
    of_generator = torch.optim.Adam(generator.parameters(), 1e-2)
    of_discriminator = torch.optim.Adam(discriminator.parameters(), 1e-3)
    nothing = texts.new_zeros(BATCH, 0)
    clock, rewarded = Clock(chosen.minutes), [0.0, 0.0]

    def judge(drawn: Texts) -> Tensor:
        real: Tensor = discriminator(drawn).sigmoid()
        if objective is None:
            return real
        return (1 - weight) * real + weight * objective(notes, drawn)

    for share in clock.updates():
        real = texts[batch_of(texts, 64)]
        if share < TEACHING:
            logits = generator.logits(real)
            descend(of_generator, F.cross_entropy(logits.transpose(1, 2), real))
            continue
        discriminator.train()
        fake = generator.write(texts.new_zeros(len(real), 0), real.shape[1])
        says = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
        descend(of_discriminator, says)
        if share < LEARNING_TO_JUDGE:
            policy.load_state_dict(generator.state_dict())
            of_generator.param_groups[0]["lr"] = 1e-3
            continue
        discriminator.eval()
        drawn = generator.write(nothing, real.shape[1])
        rewards = rewards_of(drawn, policy, judge)
        likely = F.cross_entropy(generator.logits(drawn).transpose(1, 2), drawn, reduction="none")
        regret = (likely * (rewards - rewards.mean(dim=0))).sum(dim=1).mean()
        descend(of_generator, regret, 5.0)
        with torch.no_grad():
            for slow, fast in zip(policy.parameters(), generator.parameters(), strict=True):
                slow.lerp_(fast, 0.2)
        rewarded = [
            rewarded[0] + 1,
            rewarded[1] + 0.05 * (rewards[:, -1].mean().item() - rewarded[1]),
        ]
    written = generator.write(texts.new_zeros(chosen.pieces, 0), BARS * tunes.n_steps)
    networks = nn.ModuleList([generator, discriminator])
    finish(
        name,
        chosen,
        tunes,
        clock,
        networks,
        notes.bars(written),
        rewarded_updates=int(rewarded[0]),
        reward=round(rewarded[1], 3),
    )


def main() -> None:
    compete("SeqGAN", arguments(__doc__).parse_args())


if __name__ == "__main__":
    main()
