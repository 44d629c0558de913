"""Habits of a piece: polyphony, entropy, groove, clashes, steps of the voices.

Meaning
    The names and formulas of most are MusPy's (Dong et al. 2020). Two of its figures
    are off: it numbers bars to ``length // bar + 1``, so a piece that ends at a
    bar line gets a phantom last bar, which is empty and breaks its groove. Here
    a piece has the bars that it says it has.

    Two are our own: how often notes clash, and how far the outer voices step. Of six that were
    tried on chorales and on piano they alone tell real music from damaged: hand spans, parallel and
    contrary motion, and parallel fifths and octaves do not.

Conventions
    Only what is heard counts: velocity above 10. A piece without a sounding note
    gives NaN, but is all empty bars.

Units
    Polyphony: pitches at once, 1 and up. Entropies: bits, 0 to log2 of 128 or
    12. Groove consistency: 0-1. Clashes: percent of chords. Voice steps: semitones.
"""

import numpy as np
from jaxtyping import UInt8

from nextbar.measures.pieces import (
    FloatArray,
    NoteArray,
    Piece,
    bars_of_pieces,
    chords_at_onsets,
    metres_of_bars,
    pitches_at_once,
    sounding_notes,
    starts_of,
)
from nextbar.music.bars import Array


def polyphony(notes: NoteArray) -> float:
    """Mean number of pitches at once, over the steps in which any sounds. 1 and up; none: NaN.

    The same as ``muspy.polyphony``: unisons count once, rests not at all. High is chords.
    """
    heard = sounding_notes(notes)
    return float(pitches_at_once(heard).mean()) if len(heard) else np.nan


def clashes(notes: NoteArray) -> float:
    """Percent of the chords in which two pitch classes are a semitone apart, 0-100.

    A chord is what sounds where a note begins, of two pitch classes or more. Good is near real
    music: of 8 bars, chorales have 9 %, 22 % with a tenth of their notes moved, and random notes
    66 %; classical piano 13, 24 and 56 %. NaN without a chord.
    """
    sounds = chords_at_onsets(notes)
    octaves = np.pad(sounds, ((0, 0), (0, 4)))  # (onsets, 132), 11 octaves
    classes = np.any(octaves.reshape(len(sounds), 11, 12), axis=1)
    classes = classes[classes.sum(axis=1) > 1]
    if not len(classes):
        return np.nan
    return 100 * float(np.mean(np.any(classes & np.roll(classes, 1, axis=1), axis=1)))


def voice_steps(notes: NoteArray) -> float:
    """Mean step of the highest and of the lowest voice from onset to onset, in semitones.

    The voices are the outer pitches of what sounds where a note begins. Good is near real music:
    in 8 bars of chorales 1.9, and 4.4 if their pitches are dealt anew; of classical piano 4.1
    and 7.2. It does not see a tenth of the notes moved. NaN for fewer than two onsets.
    """
    sounds = chords_at_onsets(notes)
    if len(sounds) < 2:
        return np.nan
    lowest = np.argmax(sounds, axis=1)
    highest = sounds.shape[1] - 1 - np.argmax(sounds[:, ::-1], axis=1)
    return float(np.mean([np.abs(np.diff(voice)).mean() for voice in (lowest, highest)]))


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


def _entropy(numbers: UInt8[Array[np.uint8], " notes"]) -> float:
    if not len(numbers):
        return np.nan
    shares: FloatArray = np.unique(numbers, return_counts=True)[1] / len(numbers)
    return float(abs(np.sum(shares * np.log2(shares))))
