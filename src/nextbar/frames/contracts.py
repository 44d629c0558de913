"""What the networks of either layout take and give: frames, what is drawn of them, verdicts."""

from typing import NamedTuple

import torch
from torch import Tensor

Shape = tuple[int, int, int]
"""(channels, height, width) of a frame."""

FIRST_BIAS = -2.0
"""Where the bias before G's Tanh begins: with frames near 0 (0.02), as most are, not at 0.5."""


class Drawn(NamedTuple):
    """What G draws of a batch of frames, each (B, C, H, W).

    levels: how much, in [0, 1]; in a plane, as in the paper, that is all. gates:
    in columns, the logit of something being there.
    """

    levels: Tensor
    gates: Tensor | None = None

    def frames(self) -> Tensor:
        """The frames, in [0, 1]: the levels, 0 where nothing is likelier than something."""
        return self.levels if self.gates is None else self.levels * (self.gates > 0)

    def shown(self) -> Tensor:
        """What D is shown: the levels, or, with gates, 1 where something is and 0 elsewhere.

        Whole, as what is perceived in the end, with the gradient of the
        probability (Bengio et al. 2013, the straight-through estimator).
        """
        if self.gates is None:
            return self.levels
        likely = torch.sigmoid(self.gates)
        return (self.gates > 0).float() + likely - likely.detach()


def levels_of(maps: Tensor) -> Tensor:
    """A generator's last maps as levels in [0, 1]: the paper's Tanh, and the paper's range."""
    return 0.5 * (1 + torch.tanh(maps))


class Verdict(NamedTuple):
    """What D says of a batch: features (B, F), D_l of Eq. 7, and logits (B,) before the Sigmoid."""

    features: Tensor
    logits: Tensor
