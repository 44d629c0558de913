"""What has gone wrong with a training, told from its figures."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nextbar.frames.training import Figures

IGNORED_NATS = 0.1
"""Under this KL divergence, for a whole frame, the latent tells nothing of it."""
CHANCE = 1 / 3
"""What D gives everything when it knows nothing: one frame in three that it sees is real."""
NEAR_CHANCE = 0.02
SILENT = 0.05
"""Frames whose greatest value is under this on average show nothing."""


def diagnose(figures: "Figures") -> list[str]:
    """A sentence for each thing that has gone wrong in an epoch; none where nothing has.

    figures: averages over the epoch.
    """
    found = []
    if figures.kl < IGNORED_NATS:
        found.append(
            f"KL is {figures.kl:.2f} nats a frame: the latent says nothing of the frame before, "
            "and what is generated does not follow from it (posterior collapse)"
        )
    verdicts = (figures.d_real, figures.d_predicted, figures.d_sampled)
    if all(math.isfinite(p) and abs(p - CHANCE) < NEAR_CHANCE for p in verdicts):
        found.append(
            f"D gives real frames {figures.d_real:.2f} and generated ones "
            f"{figures.d_predicted:.2f} and {figures.d_sampled:.2f}: it has collapsed to its prior "
            "of a third and teaches G nothing"
        )
    if figures.loudest < SILENT:
        found.append(
            f"the greatest value in a generated frame is {figures.loudest:.2f} on average: G is "
            "silent"
        )
    return found
