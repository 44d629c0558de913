"""What each measure is called, counted in, and says, in words for the screen."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Meaning(NamedTuple):
    """A measure in plain words: what it is called, counted in, and says."""

    label: str
    unit: str
    says: str


MEANINGS: Final[Mapping[str, Meaning]] = {
    "notes": Meaning(
        "notes in a piece", "a piece", "0 and up; good is near real music: neither bare nor crowded"
    ),
    "scale_consistency": Meaning(
        "notes in the best-fitting scale",
        "%",
        "0-100; good is near real music (about 99), random notes reach about 75",
    ),
    "uniqueness": Meaning(
        "different pitches among the notes",
        "%",
        "0-100; good is near real music: low repeats itself, high wanders",
    ),
    "velocity_span": Meaning(
        "loudest less softest note",
        "of 127",
        "0-116; good is near real music: 0 if all is equally loud, high may be noise",
    ),
    "recurrence": Meaning(
        "pairs of equal two-note turns",
        "pairs",
        "0 and up; good is near real music, random notes give about 1 in ten seconds",
    ),
    "tone_span": Meaning(
        "highest less lowest note", "semitones", "0-127; good is near real music: 12 is an octave"
    ),
    "diversity": Meaning(
        "how much pieces differ",
        "share",
        "0-1; good is near real music: 0 if all pieces are the same",
    ),
    "coherence": Meaning(
        "next bar alike to the last, beyond chance",
        "cosine",
        "-1 to 1; good is near real music: 0 if bars do not follow from each other",
    ),
    "copied_bars": Meaning(
        "bars that equal a training bar",
        "%",
        "0-100; good is no more than unseen real music has: higher is copying",
    ),
    "empty_bars": Meaning(
        "bars in which nothing sounds", "%", "0-100; good is near real music, mostly 0"
    ),
}
"""The measures, in the order of the table."""
