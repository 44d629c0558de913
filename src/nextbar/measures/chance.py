"""The chance row: what random notes with a piece's own frame would score.

A measure means little before one knows what comes of no skill at all: scale
consistency, say, gives random notes some 75 %.
"""

from collections.abc import Sequence

import numpy as np

from nextbar.measures.pieces import NoteArray, Piece, sounding_notes, starts_of
from nextbar.music.bars import sort_notes


def chance_pieces(
    pieces: Sequence[Piece], *, n_steps: int, rng: np.random.Generator
) -> list[Piece]:
    """One piece of random notes for each piece, as long and with as many sounding notes.

    Its bars have the metres of the piece's. n_steps: steps in a bar, of pieces that do
    not say where theirs begin. Pitches are uniform between the piece's own lowest
    and highest, starts uniform over its steps; its own durations and
    velocities are dealt out anew, each by itself, and a note that would ring
    on beyond the piece ends with it. A piece without notes stays without.
    """
    ends = [int(starts_of(piece, n_steps=n_steps)[-1]) for piece in pieces]
    return [
        piece._replace(notes=_random_notes(piece, end, rng))
        for piece, end in zip(pieces, ends, strict=True)
    ]


def _random_notes(piece: Piece, end: int, rng: np.random.Generator) -> NoteArray:
    """Random notes in the frame of a piece that lasts ``end`` steps."""
    notes = sounding_notes(piece.notes)
    n = len(notes)
    if not n:
        return notes
    drawn = np.empty_like(notes)
    drawn["pitch"] = rng.integers(notes["pitch"].min(), notes["pitch"].max(), n, endpoint=True)
    drawn["start"] = rng.integers(end, size=n)
    drawn["duration"] = np.minimum(rng.permutation(notes["duration"]), end - drawn["start"])
    drawn["velocity"] = rng.permutation(notes["velocity"])
    return sort_notes(drawn)
