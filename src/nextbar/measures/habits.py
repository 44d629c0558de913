"""Habits of a piece that users of other tools expect: polyphony, entropy, groove.

Meaning
    The names and formulas are MusPy's (Dong et al. 2020). Two of its figures
    are off: it numbers bars to ``length // bar + 1``, so a piece that ends at a
    bar line gets a phantom last bar, which is empty and breaks its groove. Here
    a piece has the bars that it says it has.

Conventions
    Only what is heard counts: velocity above 10. A piece without a sounding note
    gives NaN, but is all empty bars.

Units
    Polyphony: pitches at once, 1 and up. Entropies: bits, 0 to log2 of 128 or
    12. Groove consistency: 0-1.
"""

import numpy as np
import numpy.typing as npt
from jaxtyping import UInt8

from nextbar.measures.pieces import (
    FloatArray,
    NoteArray,
    Piece,
    bars_of_pieces,
    metres_of_bars,
    pitches_at_once,
    sounding_notes,
    starts_of,
)


def polyphony(notes: NoteArray) -> float:
    """Mean number of pitches at once, over the steps in which any sounds. 1 and up; none: NaN.

    The same as ``muspy.polyphony``: unisons count once, rests not at all. High is chords.
    """
    heard = sounding_notes(notes)
    return float(pitches_at_once(heard).mean()) if len(heard) else np.nan


def pitch_entropy(notes: NoteArray) -> float:
    """Entropy of the pitches of the notes, 0-7 bits; no note gives NaN. As ``muspy.pitch_entropy``.

    0 where there is one pitch only; 3 is as varied as eight pitches equally often.
    """
    return _entropy(sounding_notes(notes)["pitch"])


def pitch_class_entropy(notes: NoteArray) -> float:
    """Entropy of the pitch classes of the notes, 0-3.58 bits; no note gives NaN.

    The same as ``muspy.pitch_class_entropy``. A scale's seven equally often give 2.8.
    """
    return _entropy(sounding_notes(notes)["pitch"] % 12)


def groove_consistency(piece: Piece, *, n_steps: int) -> float:
    """How alike the onset patterns of consecutive bars are, 0-1; one bar or no note gives NaN.

    One less the share of a bar's steps at which just one of the two has an onset
    (``muspy.groove_consistency`` without its phantom bar). High by itself where
    bars are bare, so read it beside real music. A bar behind one of another
    metre is left out: places in two metres are not the same places.
    """
    heard = sounding_notes(piece.notes)
    starts, metres = starts_of(piece, n_steps=n_steps), metres_of_bars([piece])
    widths = np.diff(starts)
    is_like_last = np.zeros(piece.n_bars, bool)
    is_like_last[1:] = (metres[1:] == metres[:-1]) & (widths[1:] == widths[:-1])
    if not np.any(is_like_last) or not len(heard):
        return np.nan
    pattern = np.zeros(int(starts[-1]), bool)
    pattern[heard["start"][heard["start"] < starts[-1]]] = True
    compared = np.flatnonzero(np.repeat(is_like_last, widths))
    before = compared - np.repeat(widths, widths)[compared]
    return 1 - float(np.mean(pattern[compared] != pattern[before]))


def empty_bars(piece: Piece, *, n_steps: int) -> float:
    """Percent of the bars in which nothing sounds, 0-100; a piece of no bars gives NaN.

    A bar into which a note is held is not empty. (``muspy.empty_measure_rate``
    counts a phantom last bar; MuseGAN's gives the bars that are *not* empty.)
    """
    if piece.n_bars < 1:
        return np.nan
    heard = piece._replace(notes=sounding_notes(piece.notes))
    _, index = bars_of_pieces([heard], n_steps=n_steps)
    return 100 * float(np.mean(np.diff(index) == 0))


def _entropy(numbers: UInt8[npt.NDArray[np.uint8], " notes"]) -> float:
    if not len(numbers):
        return np.nan
    shares: FloatArray = np.unique(numbers, return_counts=True)[1] / len(numbers)
    return float(abs(np.sum(shares * np.log2(shares))))
