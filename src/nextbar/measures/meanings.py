"""What each measure is called, counted in, and says, in words for the screen."""

from collections.abc import Mapping
from typing import Final, NamedTuple

COLUMNS: Final[Mapping[str, str]] = {
    "generated": "generated",
    "reference": "real",
    "chance": "chance",
    "as_published": "as published",
}
"""The columns of a report, in their order, and what they are called for readers."""


class Meaning(NamedTuple):
    """A measure in plain words: what it is called, counted in, and says."""

    label: str
    unit: str
    says: str


def _overlap(what: str) -> Meaning:
    says = "0-100; good is near real beside real: 100 if composed and real have them alike"
    return Meaning(f"distributions of {what} in common with real music", "%", says)


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
        "-1 to 1; good is near real music; in one key all bars are alike, and it sees little",
    ),
    "follows": Meaning(
        "the next bar is told from a like one of another piece",
        "% right",
        "0-100; good is near real music: 50 if the next bar says nothing of the last",
    ),
    "copied_bars": Meaning(
        "bars that equal a training bar",
        "%",
        "0-100; good is no more than unseen real music has: higher is copying",
    ),
    "copied_phrases": Meaning(
        "two-bar phrases that equal a training phrase in some key",
        "%",
        "0-100; good is no more than unseen real music has: higher is copying",
    ),
    "nearest_bar": Meaning(
        "notes to change to reach the nearest training bar, in any key",
        "share",
        "0-1; good is near unseen real music: lower is copying, higher is far from the style",
    ),
    "nearest_phrase": Meaning(
        "the same of two-bar phrases", "share", "0-1; good is near unseen real music"
    ),
    "empty_bars": Meaning(
        "bars in which nothing sounds", "%", "0-100; good is near real music, mostly 0"
    ),
    "polyphony": Meaning(
        "pitches at once, where any sounds", "pitches", "1 and up; good is near real music"
    ),
    "clashes": Meaning(
        "chords in which two notes are a semitone apart, in any octave",
        "%",
        "0-100; good is near real music: high is wrong notes",
    ),
    "voice_steps": Meaning(
        "steps of the highest and the lowest voice",
        "semitones",
        "0 and up; good is near real music: high are voices that do not lead on",
    ),
    "pitch_entropy": Meaning(
        "how varied the pitches are",
        "bits",
        "0-7; good is near real music: 3 is as varied as 8 equally used pitches",
    ),
    "groove_consistency": Meaning(
        "how alike the onsets of consecutive bars are",
        "share",
        "0-1; good is near real music: 1 if all bars have one rhythm",
    ),
    "overlap_pitch_classes": _overlap("pitch classes"),
    "overlap_transitions": _overlap("steps from pitch class to pitch class"),
    "overlap_note_lengths": _overlap("note lengths"),
    "overlap_onset_intervals": _overlap("times from note to note"),
    "overlap_pitch_ranges": _overlap("pitch ranges of pieces"),
    "overlap_notes_per_bar": _overlap("notes in a bar"),
    "overlap_polyphony": _overlap("pitches at once"),
    "overlap_grooves": _overlap("places in the bar"),
}
"""The measures, in the order of the table."""

LEARNED: Final[Mapping[str, Meaning]] = {
    "told_from_real": Meaning(
        "a network tells five-bar windows from real ones",
        "% right",
        "50-100; good is 50: it cannot tell; no figure under 1,000 pieces",
    ),
    "next_bar_told_from_real": Meaning(
        "a network tells a real bar and the composed next from real pairs",
        "% right",
        "50-100; good is 50: it cannot tell; no figure under 1,000 pieces",
    ),
}
"""The measures that a network learns, in the order of the table; only where asked for."""
