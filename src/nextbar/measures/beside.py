"""One piece beside real ones: each measure of it, and where real music lies."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nextbar.measures.bands import UNKNOWN, Ranges
from nextbar.measures.by_piece import values_by_piece
from nextbar.measures.copying import TrainingBars
from nextbar.measures.meanings import MEANINGS
from nextbar.measures.metres import metres_in, metres_of_each
from nextbar.measures.pieces import FloatArray, Piece, reference_windows
from nextbar.music.tunes import Metre


class Beside(NamedTuple):
    """A measure of one piece, and its range in real music: 90 of 100 windows lie in it.

    ``low`` and ``high`` leave 5 of 100 on either side; ``middle`` is the median.
    All three and ``value`` are NaN where nothing was measured.
    """

    name: str
    label: str
    unit: str
    says: str
    value: float
    low: float
    middle: float
    high: float


def real_values(
    real: Sequence[Piece],
    *,
    n_bars: int,
    n_steps: int,
    training: TrainingBars | None,
    metres: Sequence[Metre] = (),
) -> dict[str, FloatArray]:
    """Each measure of every window of ``n_bars`` bars of real music; none gives no values.

    metres: of the bars of the piece that is to stand beside them: only windows
    of the same metres count, that of most bars the same. Music that does not
    say its metres counts whole.
    """
    windows = [
        window
        for piece in real
        for window in reference_windows([piece], n_bars=n_bars, n_steps=n_steps)
    ]
    told = metres_of_each(windows)
    if metres and any(told):
        wanted = metres_in(metres)
        windows = [window for window, its in zip(windows, told, strict=True) if its == wanted]
    if not windows:
        return {}
    rng = np.random.default_rng(0)
    return values_by_piece(windows, n_steps=n_steps, training=training, rng=rng)


def beside_real(
    piece: Piece,
    real: Ranges,
    *,
    n_steps: int,
    training: TrainingBars | None,
) -> list[Beside]:
    """The measures of a piece, in the order of ``MEANINGS``, beside those of real windows.

    real: where windows of as many bars lie, as of :func:`nextbar.measures.bands.ranges_of`
    of :func:`real_values`. Measures that only a set of pieces has are left out.
    """
    rng = np.random.default_rng(0)
    values = values_by_piece([piece], n_steps=n_steps, training=training, rng=rng)
    return [
        Beside(name, *MEANINGS[name], float(values[name][0]), *real.get(name, UNKNOWN))
        for name in MEANINGS
        if name in values
    ]
