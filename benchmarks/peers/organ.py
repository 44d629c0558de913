"""ORGAN: SeqGAN whose generator is rewarded for an objective, too.

    python benchmarks/peers/organ.py CORPUS --minutes 10

Guimaraes et al. (2017), *Objective-reinforced generative adversarial networks*: the reward is a
mean of what D says and of an objective, here of the two that they have for music: tonality, the
share of notes that follow at a perfect fifth, and the ratio of steps. Texts that a batch has more
than once are rewarded by the objective for one only. ``seqgan.py`` is all the rest.
"""

import torch

from seqgan import Texts, compete
from trial import Notes, arguments

FIFTH, STEPS = 7, (1, 2)
"""Semitones."""


def ratios(notes: Notes, texts: Texts) -> tuple[torch.Tensor, torch.Tensor]:
    """The shares of fifths and of steps among all pairs of successive notes, (batch,) each."""
    fifths, steps = [], []
    for text in texts:
        rows = notes.words[text, 0]
        leaps = rows[rows >= 0].diff().abs()
        fifths.append((leaps == FIFTH).sum() / max(1, len(leaps)))
        steps.append(((leaps >= STEPS[0]) & (leaps <= STEPS[1])).sum() / max(1, len(leaps)))
    return torch.stack(fifths), torch.stack(steps)


def objective(notes: Notes, texts: Texts) -> torch.Tensor:
    """The mean of both, by how often a text is there, (batch,)."""
    copies = (texts[:, None] == texts).all(dim=2).sum(dim=1)
    fifths, steps = ratios(notes, texts)
    return (fifths + steps) / 2 / copies


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--weight", type=float, default=0.5, help="of the objective, 0-1")
    chosen = parser.parse_args()
    compete("ORGAN", chosen, objective, chosen.weight)


if __name__ == "__main__":
    main()
