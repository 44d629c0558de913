"""What the networks of either layout take and give: frames, what is drawn of them, verdicts.

Shapes stand in annotations, which the tests check at every call and which cost
a user nothing: within one call a name stands for one number.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Shape = tuple[int, int, int]
"""(channels, height, width) of a frame."""

Frames = Float[Tensor, "batch channels height width"]
"""A batch of frames, values in [0, 1] where nothing else is said."""
History = Float[Tensor, "batch history_channels height width"]
"""The frames of the history, one behind the other along the channels."""
Consecutive = Float[Tensor, "batch time channels height width"]
"""Frames that follow each other, the latest last."""
Written = Float[Tensor, "batch written channels height width"]
"""The same, of as many as were asked for."""
Columns = Float[Tensor, "batch width maps"]
"""Maps of a frame's columns, inside networks that look at these whole."""
Latents = Float[Tensor, "batch latent"]
"""Whole latents, all their parts together."""
Parts = Float[Tensor, "*rows latent"]
"""Latents, or the parts of some: of any number of rows."""
Kinds = Int[Tensor, "batch kinds"]
"""Of some frames the number of their kind, where there are kinds: frames of one kind have as
many columns, and are empty beyond. Of the history's frames, in its order, then of the next."""
There = Bool[Tensor, "batch width"]
"""Which columns of a frame are there; of a narrower one the last are not."""
Rows = Bool[Tensor, "batch height"]
"""Which rows of a frame may have anything in them."""
Noise = Float[Tensor, "batch noise"]
"""Numbers from N(0, I), as many for each row as a latent is drawn with."""
Features = Float[Tensor, "batch features"]
"""What D_l of Eq. 7 gives."""
PerFrame = Float[Tensor, "batch"]
"""One number for each frame of a batch."""
Scalar = Float[Tensor, ""]
"""One number: a loss, averaged over its batch."""

NEVER = -1e4
"""A logit, or a score, of what cannot be: its probability is 0, and so is its gradient."""
FIRST_BIAS = -2.0
"""Where the bias before G's Tanh begins: with frames near 0 (0.02), as most are, not at 0.5."""


class Drawn(NamedTuple):
    """What G draws of a batch of frames, each (B, C, H, W).

    levels: how much, in [0, 1]; in a plane, as in the paper, that is all. gates:
    in columns, the logit of something being there.
    """

    levels: Frames
    gates: Frames | None = None

    def within(self, there: There | None) -> "Drawn":
        """The same, with nothing in the columns that are not there; needs gates, or all columns."""
        if there is None:
            return self
        assert self.gates is not None
        is_there = there[:, None, None]
        return Drawn(self.levels * is_there, torch.where(is_there, self.gates, NEVER))

    def frames(self) -> Frames:
        """The frames, in [0, 1]: the levels, 0 where nothing is likelier than something."""
        return self.levels if self.gates is None else self.levels * (self.gates > 0)

    def shown(self) -> Frames:
        """What D is shown: the levels, or, with gates, 1 where something is and 0 elsewhere.

        Whole, as what is perceived in the end, with the gradient of the
        probability (Bengio et al. 2013, the straight-through estimator).
        """
        if self.gates is None:
            return self.levels
        likely = torch.sigmoid(self.gates)
        return (self.gates > 0).float() + likely - likely.detach()


def levels_of(maps: Frames) -> Frames:
    """A generator's last maps as levels in [0, 1]: the paper's Tanh, and the paper's range."""
    return 0.5 * (1 + torch.tanh(maps))


class Verdict(NamedTuple):
    """What D says of a batch: features (B, F), D_l of Eq. 7, and logits (B,) before the Sigmoid."""

    features: Features
    logits: PerFrame
