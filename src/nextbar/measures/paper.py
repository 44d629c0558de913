"""The six measures of the paper's section 4.1, of one piece each but the last.

Meaning
    Akbari & Liang (2018) take five of them from C-RNN-GAN's published code
    (Mogren 2016) and the sixth, diversity, from ORGAN (Guimaraes et al. 2017).
    None of them says by itself that music is good: each is read beside real
    music of the same length and beside random notes.

Conventions
    The input is the piece's sequence of note-ons that are heard: velocity above
    10, in order of start, simultaneous ones in the order given (a ``Notes``
    array has them by pitch). ``note_ons`` makes it. Where C-RNN-GAN's code
    computes something other than it says, there are two functions: the plain
    name is correct, ``*_as_published`` keeps the defect, so that the paper's
    figures can be met. A piece without a note gives NaN.

Units
    Percent are 0-100, velocities 0-127, pitches and spans semitones,
    recurrence a count of pairs, diversity a share of 0-1.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64, Integer
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from nextbar.measures.intervals import divide
from nextbar.measures.pieces import FloatArray, IntArray, NoteArray, sounding_notes
from nextbar.music.bars import Array

Sequence1D = Integer[Array[np.integer], " notes"]
"""(notes,): one whole number a note-on, in the order heard."""
Distances = Float32[Array[np.float32], "pieces pieces"]
"""(pieces, pieces): how far each is from each."""
Weights = Float64[FloatArray, "weightings pieces"]
"""(weightings, pieces): how often each piece counts."""

_MAJOR: Final = (0, 2, 4, 5, 7, 9, 11)
_NATURAL_MINOR: Final = (0, 2, 3, 5, 7, 8, 10)
_HARMONIC_MINOR: Final = (0, 2, 3, 5, 7, 8, 11)
_SCALES: Final = np.array(
    [
        [(pitch_class - root) % 12 in scale for pitch_class in range(12)]
        for root in range(12)
        for scale in (_MAJOR, _NATURAL_MINOR, _HARMONIC_MINOR)
    ],
    dtype=np.int64,
)  # (36, 12): 1 where the pitch class belongs to the scale
_ABOVE_ROOT: Final = np.arange(12) >= np.repeat(np.arange(12), 3)[:, None]  # (36, 12)

MAX_DIVERSITY_PIECES: Final = 3000
"""How many pieces are compared in pairs (4.5 million of them, a second or two for short
pieces); of more, this many are drawn."""
PUBLISHED_DIVISOR: Final = 80
"""What ORGAN's code divides an edit distance by, however long the texts are."""


class NoteOns(NamedTuple):
    """What a piece plays, in the order heard: pitches and velocities, each (notes,)."""

    pitches: Sequence1D
    velocities: Sequence1D


def note_ons(notes: NoteArray) -> NoteOns:
    """The note-ons of a piece that are heard: velocity above 10, by start, then as given."""
    heard = sounding_notes(notes)
    return NoteOns(heard["pitch"].astype(np.int64), heard["velocity"].astype(np.int64))


def scale_consistency(pitches: Sequence1D) -> float:
    """Percent of note-ons in the scale that fits best, of 36. 0-100; no note gives NaN.

    Major, natural minor and harmonic minor on each of 12 roots. High says that
    the piece keeps to a key; random pitches already reach about 75, as some of
    36 scales always fits.
    """
    return _best_scale_percent(pitches, _SCALES)


def scale_consistency_as_published(pitches: Sequence1D) -> float:
    """The same as C-RNN-GAN's code has it: tests ``tone % 12 - root`` without modulo 12.

    So pitch classes below a scale's root never count, and only scales on C are
    whole. Never above :func:`scale_consistency`; changes when a piece is transposed.
    """
    return _best_scale_percent(pitches, _SCALES * _ABOVE_ROOT)


def _best_scale_percent(pitches: Sequence1D, scales: IntArray) -> float:
    if not len(pitches):
        return np.nan
    counts = np.bincount(pitches % 12, minlength=12)
    return float(100 * (scales @ counts).max() / len(pitches))


def unique_tones(pitches: Sequence1D) -> int:
    """How many different pitches occur; octaves are different pitches."""
    return len(np.unique(pitches))


def uniqueness(pitches: Sequence1D) -> float:
    """Different pitches in percent of note-ons. Above 0, to 100; no note gives NaN.

    Falls with length by itself, so compare pieces of one length only.
    """
    if not len(pitches):
        return np.nan
    return 100 * unique_tones(pitches) / len(pitches)


def velocity_span(velocities: Sequence1D) -> float:
    """Loudest less softest velocity, 0-116 (what is heard is 11-127); no note gives NaN.

    0 where all notes are equally loud, as in the paper's own training data.
    """
    return float(np.ptp(velocities)) if len(velocities) else np.nan


def tone_span(pitches: Sequence1D) -> float:
    """Highest less lowest pitch in semitones, 0-127; no note gives NaN."""
    return float(np.ptp(pitches)) if len(pitches) else np.nan


def recurrence(pitches: Sequence1D) -> float:
    """Pairs of places, not overlapping, at which the same two pitches follow each other.

    0 and up; fewer than four notes give 0, no note NaN. Not divided by the
    length (it grows with its square), so compare pieces of one length only.
    """
    if not len(pitches):
        return np.nan
    strings = pitches[:-1].astype(np.int64) * 128 + pitches[1:]  # (notes - 1,)
    _, counts = np.unique(strings, return_counts=True)
    n_equal = int((counts * (counts - 1) // 2).sum())
    # Neighbouring strings share a note; they are equal where three equal pitches follow.
    n_overlapping = int(np.count_nonzero(strings[1:] == strings[:-1]))
    return float(n_equal - n_overlapping)


def recurrence_as_published(pitches: Sequence1D) -> float:
    """The same as C-RNN-GAN's code has it: the last note is never part of a string.

    Its loops over places end one too early, and it counts nothing at all in
    fewer than six notes.
    """
    if not len(pitches):
        return np.nan
    return recurrence(pitches[:-1]) if len(pitches) >= 6 else 0.0


class EditDistances(NamedTuple):
    """How far pieces are from each other, and which pieces were compared."""

    matrix: Distances
    """(compared, compared), 0-1, symmetric, zeros on the diagonal."""
    compared: IntArray
    """(compared,): which of the given pieces each row is of."""
    n_silent: int
    """Pieces left out because they have no note."""


def diversity(
    pieces: Sequence[NoteArray], *, seed: int = 0, max_pieces: int = MAX_DIVERSITY_PIECES
) -> float:
    """Mean normalised edit distance between two different pieces, 0-1.

    0 where all pieces are the same, 1 where no two have a token in common. Of
    more than ``max_pieces`` pieces that many are drawn with the seed, and all
    their pairs compared. Fewer than two pieces with notes give NaN.

    A token is a note's (pitch, duration in steps), the two things that make a
    tune; velocity and rests are left out. The number of insertions, deletions
    and substitutions is divided by the longer piece's number of notes. For the
    paper's 0.59 see :func:`diversity_as_published`.
    """
    rng = np.random.default_rng(seed)
    matrix = edit_distances(pieces, rng=rng, max_pieces=max_pieces).matrix
    return float(mean_distance(matrix, np.ones((1, len(matrix))))[0])


def diversity_as_published(pieces: Sequence[NoteArray], *, n_steps: int) -> float:
    """Mean edit distance of the pieces' ABC notes, by 80; each piece paired with itself too.

    0 and up; long pieces pass 1. n_steps: steps in a bar. The paper gives 0.59.
    ORGAN's code divides by a fixed 80, and compares texts; neither says how notes
    become text. A note in ABC text is written anew whenever any note begins or
    ends and at each bar line; with those tokens (:func:`abc_tokens`) the authors'
    samples come to 0.62, and to 0.59 with the text of the program midi2abc
    itself, which spells some lengths alike that differ here. Notes of any
    velocity count, as they do in text. Fewer than one piece with notes: NaN.
    """
    matrix = published_distances([notes for notes in pieces if len(notes)], n_steps=n_steps)
    return float(mean_with_itself(matrix, np.ones((1, len(matrix))))[0])


def published_distances(
    pieces: Sequence[NoteArray],
    *,
    n_steps: int,
    starts: Sequence[Int64[IntArray, " _"] | None] | None = None,
) -> Distances:
    """Edit distances of ABC notes by 80, of all pairs, (pieces, pieces); all have notes.

    starts: of each piece where its bars begin, None of one whose bars are even.
    """
    if not len(pieces):
        return np.zeros((0, 0), np.float32)
    lines = [None] * len(pieces) if starts is None else starts
    texts = as_texts(
        [abc_tokens(*each, n_steps=n_steps) for each in zip(pieces, lines, strict=True)]
    )
    matrix: Distances = cdist(texts, texts, scorer=Levenshtein.distance, dtype=np.float32)
    return matrix / np.float32(PUBLISHED_DIVISOR)


def abc_tokens(
    notes: NoteArray, starts: Int64[IntArray, " edges"] | None = None, *, n_steps: int
) -> Int64[IntArray, " tokens"]:
    """The notes that ABC text of one voice has: a note is written anew at each change.

    Returns (tokens,): pitch << 32 | length in steps; in a chord the length is
    written once for all, so its notes have length 0. starts: where bars begin; without
    it, every ``n_steps`` steps.
    """
    start, pitch = notes["start"].astype(np.int64), notes["pitch"].astype(np.int64)
    end = start + notes["duration"]
    lines = np.arange(0, end.max() + n_steps, n_steps) if starts is None else starts
    cuts = np.unique(np.concatenate([start, end, lines]))
    lengths = np.diff(cuts)
    first, last = np.searchsorted(cuts, start), np.searchsorted(cuts, end)
    counts = last - first
    part = np.repeat(first, counts) + (
        np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    )
    written = np.unique(part << 8 | np.repeat(pitch, counts))  # by time, then pitch
    part, pitch = written >> 8, written & 0xFF
    n_together = np.bincount(part, minlength=len(lengths))[part]
    return (pitch << 32) + np.where(n_together == 1, lengths[part], 0)


def mean_with_itself(matrix: Distances, weights: Weights) -> Float64[FloatArray, " weightings"]:
    """Mean over all pairs, those of a piece with itself too, under each weighting."""
    distance = np.einsum("wp,wp->w", weights.astype(np.float32) @ matrix, weights)
    return divide(distance, weights.sum(axis=1) ** 2)


def edit_distances(
    pieces: Sequence[NoteArray], *, rng: np.random.Generator, max_pieces: int = MAX_DIVERSITY_PIECES
) -> EditDistances:
    """Normalised edit distances between all pairs of pieces that have notes.

    Of more than ``max_pieces`` such pieces, that many are drawn by ``rng``.
    """
    heard = [sounding_notes(notes) for notes in pieces]
    compared = np.flatnonzero([len(notes) > 0 for notes in heard])
    n_silent = len(pieces) - len(compared)
    if len(compared) > max_pieces:
        compared = np.sort(rng.choice(compared, max_pieces, replace=False))
    if not len(compared):
        return EditDistances(np.zeros((0, 0), np.float32), compared, n_silent)
    texts = as_texts([_note_tokens(heard[p]) for p in compared])
    matrix = cdist(texts, texts, scorer=Levenshtein.normalized_distance, dtype=np.float32)
    return EditDistances(matrix, compared, n_silent)


def _note_tokens(notes: NoteArray) -> Int64[IntArray, " notes"]:
    tokens: IntArray = notes["pitch"].astype(np.int64) << 32 | notes["duration"]
    return tokens


def as_texts(pieces: Sequence[Int64[IntArray, " _"]]) -> list[str]:
    """Each piece's tokens as a string of one character each, equal tokens equal characters.

    It is the fastest way to give them to rapidfuzz. There is a piece at least.
    """
    _, tokens = np.unique(np.concatenate(pieces), return_inverse=True)
    assert tokens.max() < 0x110000, "more different notes than there are characters"
    ends = np.cumsum([len(piece) for piece in pieces])
    return [
        part.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")
        for part in np.split(tokens, ends[:-1])
    ]


def mean_distance(matrix: Distances, weights: Weights) -> Float64[FloatArray, " weightings"]:
    """Mean distance of two different pieces under each weighting, (weightings,).

    weights: (weightings, compared), how often each piece counts; ones for the
    plain mean. A piece drawn twice is not paired with itself. NaN where fewer
    than two pieces count.
    """
    total = weights.sum(axis=1)
    n_pairs = total**2 - (weights**2).sum(axis=1)
    distance = np.einsum("wp,wp->w", weights.astype(np.float32) @ matrix, weights)
    return divide(distance, n_pairs)
