"""Notes -> staves: which hand plays what, the clef, the key and how pitches are spelt in it."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nextbar.music.bars import Notes
from nextbar.music.grid import C_MAJOR, semitones_to_c

LOWEST_ON_TREBLE: Final = 53
"""F3, three ledger lines under the treble staff; a melody down to it needs no other clef."""
HIGHEST_ON_BASS: Final = 67
"""G4, three ledger lines over the bass staff."""
KEYBOARDS: Final = frozenset({*range(24), 46})
"""Programs of two hands: pianos, mallets, organs and accordions, and the harp."""

_LINE_OF_FIFTHS: Final = "FCGDAEB"
_SPLITS: Final = np.arange(47, 75)
"""Lowest pitch of the right hand, from B2 to D5."""
_MIDDLE_C: Final = 60
_WIDEST_HAND: Final = 14
"""Semitones that a hand spans without strain: a ninth."""


class Spelling(NamedTuple):
    """step: ``C`` to ``B``. alter: semitones, -1 for a flat. octave: 4 from middle C on."""

    step: str
    alter: int
    octave: int


def sharps_of(notes: Notes) -> int:
    """The key signature of the major scale that fits best: 1 for one sharp, -2 for two flats.

    From -5 to 6; 0 for no notes.
    """
    fifths = -7 * semitones_to_c(notes) % 12
    return fifths - 12 if fifths > 6 else fifths


def spell(pitch: int, sharps: int) -> Spelling:
    """How a pitch is written in a key: the key's own seven notes, others as its minor has them.

    So in C major, or A minor: C#, E flat, F#, G#, B flat. No double
    sharps or flats.
    """
    lowest = sharps - 3
    fifths = lowest + (7 * pitch - lowest) % 12  # on the line of fifths, C is 0, G is 1
    if fifths > 12:
        fifths -= 12
    if fifths < -8:
        fifths += 12
    alter, step = divmod(fifths + 1, 7)
    return Spelling(_LINE_OF_FIFTHS[step], alter, (pitch - alter) // 12 - 1)


def signature(sharps: int) -> dict[str, int]:
    """What the key's signature says of each step: 1 of F in one sharp, -1 of B in one flat."""
    scale = (7 * sharps + degree for degree in C_MAJOR)
    spellings = [spell(60 + pitch % 12, sharps) for pitch in scale]
    return {spelling.step: spelling.alter for spelling in spellings}


def needs_two_staves(notes: Notes, program: int) -> bool:
    """Whether no one staff can show the notes, and they are a keyboard's or several at once."""
    if not len(notes):
        return False
    if notes["pitch"].min() >= LOWEST_ON_TREBLE or notes["pitch"].max() <= HIGHEST_ON_BASS:
        return False
    ends = np.maximum.accumulate(notes["start"] + notes["duration"])
    return program in KEYBOARDS or bool((notes["start"][1:] < ends[:-1]).any())


def is_treble(notes: Notes, *, otherwise: bool = True) -> bool:
    """Whether the treble clef needs fewer ledger lines than the bass clef; if equal, ``otherwise``.

    By how many semitones notes lie outside of what a clef holds well.
    """
    pitch = notes["pitch"].astype(np.int64)
    treble = (np.maximum(57 - pitch, 0) + np.maximum(pitch - 86, 0)).sum()
    bass = (np.maximum(36 - pitch, 0) + np.maximum(pitch - 64, 0)).sum()
    return bool(treble < bass) if treble != bass else otherwise


def is_right_hand(notes: Notes) -> npt.NDArray[np.bool_]:
    """Which notes the right hand plays: those from a pitch on that moves with the music.

    It stays near middle C, moves as little as can be, keeps what begins
    together within a hand's reach and on its own staff; the cheapest way
    through the whole piece is taken (Viterbi).
    """
    if not len(notes):
        return np.zeros(0, bool)
    _, onset = np.unique(notes["start"], return_inverse=True)
    costs = _costs(notes["pitch"].astype(np.int64), onset)
    moving = 0.5 * np.abs(_SPLITS[:, None] - _SPLITS)
    best, came_from = costs[0], np.zeros(costs.shape, np.int64)
    for i in range(1, len(costs)):
        ways = best[:, None] + moving
        came_from[i] = ways.argmin(axis=0)
        best = ways.min(axis=0) + costs[i]
    chosen = np.empty(len(costs), np.int64)
    chosen[-1] = best.argmin()
    for i in range(len(costs) - 1, 0, -1):
        chosen[i - 1] = came_from[i, chosen[i]]
    right: npt.NDArray[np.bool_] = notes["pitch"] >= _SPLITS[chosen][onset]
    return right


def _costs(pitch: npt.NDArray[np.int64], onset: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """(onsets, splits): far from middle C, off their staves, and out of a hand's reach."""
    n_onsets = int(onset[-1]) + 1
    right = pitch[:, None] >= _SPLITS
    off_staff = np.where(
        right, np.maximum(57 - pitch, 0)[:, None], np.maximum(pitch - 63, 0)[:, None]
    )
    costs = np.tile(0.2 * np.abs(_SPLITS - _MIDDLE_C), (n_onsets, 1))
    np.add.at(costs, onset, off_staff)
    for hand in (right, ~right):
        lowest = np.full(costs.shape, 127)
        highest = np.zeros(costs.shape, np.int64)
        np.minimum.at(lowest, onset, np.where(hand, pitch[:, None], 127))
        np.maximum.at(highest, onset, np.where(hand, pitch[:, None], 0))
        costs += 2.0 * np.maximum(highest - lowest - _WIDEST_HAND, 0)
    return costs
