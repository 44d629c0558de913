"""The cells of a column given each other: which of them are there, from the first row to the last.

Given a latent, cells that are decided each for itself are a little of this chord
and a little of that one. Here the logit of a cell is what the latent says and what
those before it say: the cells of lower rows of its column, earlier channels of its
row, and of the column before the cells of its row and lower ones. By one masked
linear map, as the layers of MADE are (Germain et al. 2015), so that learning
takes one product, and writing one small step for each row (as in NADE, Uria et al. 2016).
Not in the paper.
"""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

LIKELY = math.log(1 / 2)
"""The logit from which a cell is written, of one chance in three. A cell that is left out makes
those behind it less likely, too: from one chance in two on, a sixth of all notes is missing."""

Cells = Float[Tensor, "batch width cells"]
"""The cells of each column: all rows of the first channel, then of the next."""


class Below(nn.Module):
    """What the cells before each cell say of it, added to its logit; nothing at the beginning."""

    def __init__(self, channels: int, height: int) -> None:
        super().__init__()
        self.channels, self.height = channels, height
        n_cells = channels * height
        cells = torch.arange(n_cells)
        row, channel = cells % height, cells // height
        place = row * channels + channel
        of_column = place < place[:, None]
        of_last_column = row <= row[:, None]
        self.place: Tensor  # of each cell in the order of writing
        self.mask: Tensor  # (cells, 2 cells): which say something of each
        self.register_buffer("place", place, persistent=False)
        self.register_buffer(
            "mask", torch.cat([of_column, of_last_column], dim=1).float(), persistent=False
        )
        self.weight = nn.Parameter(torch.zeros(n_cells, 2 * n_cells))

    def forward(self, logits: Cells, cells: Cells) -> Cells:
        """The logits of all cells, (B, W, cells), given which are there (1, or 0 where not)."""
        last = F.pad(cells[:, :-1], (0, 0, 1, 0))
        both = torch.cat([cells, last], dim=2)
        said: Tensor = F.linear(both, self.weight * self.mask)
        return logits + said

    @torch.no_grad()
    def write(self, logits: Cells) -> Cells:
        """The same of cells that are there where that is over 0; it is more by ``-LIKELY``.

        Column after column, and in each from one cell that is there to the next, of all rows of
        the batch at once. Each step is so small that NumPy has done it before PyTorch has begun.
        """
        order = self.place.argsort()
        of_column, of_last = (self.weight * self.mask).float().chunk(2, dim=1)
        tables = [each[order][:, order].T.contiguous().cpu() for each in (of_column, of_last)]
        by_place = (logits.float() - LIKELY)[:, :, order].transpose(0, 1)  # (W, B, cells)
        padded = F.pad(by_place, (0, 0, 0, 0, 0, 1)).contiguous().cpu().numpy()
        decide(padded, *(table.numpy() for table in tables))
        written = torch.from_numpy(padded[:-1]).to(logits.device).transpose(0, 1)
        return written[:, :, self.place]


def decide(
    logits: npt.NDArray[np.float32],
    of_column: npt.NDArray[np.float32],
    of_last: npt.NDArray[np.float32],
) -> None:
    """Adds to each logit, in place, what the cells before it say, which are there over 0.

    logits: (W + 1, B, cells), the last column of no account. of_column, of_last:
    (cells, cells), what a cell adds to those of its column, and of the next one.
    """
    n_rows, n_cells = logits.shape[1:]
    cells = np.arange(n_cells)
    for column, following in pairwise(logits):
        latest = np.full((n_rows, 1), -1)  # the last cell of each row that is there, so far
        while True:
            there = (column > 0) & (cells > latest)
            found = there.any(axis=1).nonzero()[0]
            if not found.size:
                break
            cell = there[found].argmax(axis=1)
            column[found] += of_column[cell]
            following[found] += of_last[cell]
            latest[found, 0] = cell
