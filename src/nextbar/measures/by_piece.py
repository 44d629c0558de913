"""The value of every measure for each piece by itself."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64

from nextbar.measures.coherence import coherence
from nextbar.measures.copying import (
    Phrases,
    TrainingBars,
    find_copies,
    known_on_both,
    nearest_distances,
    phrase_contents,
    phrase_firsts,
)
from nextbar.measures.habits import (
    clashes,
    groove_consistency,
    pitch_entropy,
    polyphony,
    voice_steps,
)
from nextbar.measures.intervals import divide
from nextbar.measures.paper import (
    NoteOns,
    diversity,
    note_ons,
    recurrence,
    recurrence_as_published,
    scale_consistency,
    scale_consistency_as_published,
    tone_span,
    uniqueness,
    velocity_span,
)
from nextbar.measures.pieces import (
    BoolArray,
    FloatArray,
    IntArray,
    Piece,
    bars_of_pieces,
    metres_of_bars,
    sum_by_piece,
)

AS_PUBLISHED: Final = "_as_published"
COPIED_ANY_KEY: Final = "copied_bars_any_key"

_OF_TONES: Final[Mapping[str, Callable[[NoteOns], float]]] = {
    "notes": lambda tones: float(len(tones.pitches)),
    "scale_consistency": lambda tones: scale_consistency(tones.pitches),
    "scale_consistency" + AS_PUBLISHED: lambda tones: scale_consistency_as_published(tones.pitches),
    "uniqueness": lambda tones: uniqueness(tones.pitches),
    "velocity_span": lambda tones: velocity_span(tones.velocities),
    "recurrence": lambda tones: recurrence(tones.pitches),
    "recurrence" + AS_PUBLISHED: lambda tones: recurrence_as_published(tones.pitches),
    "tone_span": lambda tones: tone_span(tones.pitches),
}


def measure_pieces(
    pieces: Sequence[Piece], *, n_steps: int, training: TrainingBars | None = None
) -> dict[str, Float64[FloatArray, " pieces"] | float]:
    """Every measure by name: (pieces,) values, or one number for diversity and coherence.

    n_steps: steps in a bar, of pieces that do not say where theirs begin.
    training: where copies are looked for; without it what is said of copies is
    all NaN. Besides the names of ``MEANINGS`` there are ``scale_consistency_as_published``,
    ``recurrence_as_published`` and ``copied_bars_any_key`` (copies up to
    transposition). A piece without a sounding note is NaN except in notes and
    empty_bars.
    """
    rng = np.random.default_rng(0)
    values: dict[str, FloatArray | float] = dict(
        values_by_piece(pieces, n_steps=n_steps, training=training, rng=rng)
    )
    values["diversity"] = diversity([piece.notes for piece in pieces])
    values["coherence"] = coherence(pieces, n_steps=n_steps)
    return values


def values_by_piece(
    pieces: Sequence[Piece],
    *,
    n_steps: int,
    training: TrainingBars | None,
    rng: np.random.Generator,
) -> dict[str, Float64[FloatArray, " pieces"]]:
    """The measures that each piece has by itself, (pieces,) each; ``rng`` draws what is searched.

    nearest_bar and nearest_phrase are NaN for pieces none of whose bars was drawn.
    """
    tones = [note_ons(piece.notes) for piece in pieces]
    columns = {name: [measure(each) for each in tones] for name, measure in _OF_TONES.items()}
    columns["polyphony"] = [polyphony(piece.notes) for piece in pieces]
    columns["clashes"] = [clashes(piece.notes) for piece in pieces]
    columns["voice_steps"] = [voice_steps(piece.notes) for piece in pieces]
    columns["pitch_entropy"] = [pitch_entropy(piece.notes) for piece in pieces]
    columns["groove_consistency"] = [groove_consistency(piece, n_steps=n_steps) for piece in pieces]
    values = {name: np.array(column, np.float64) for name, column in columns.items()}
    return values | _bar_values(pieces, n_steps, training, rng)


def _bar_values(
    pieces: Sequence[Piece],
    n_steps: int,
    training: TrainingBars | None,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """What is a mean over a piece's bars: how many are empty, copied, how far the nearest is."""
    bars = bars_of_pieces(pieces, n_steps=n_steps)
    n_bars = np.array([piece.n_bars for piece in pieces], np.int64)
    piece = np.repeat(np.arange(len(pieces)), n_bars)
    number = np.arange(len(piece)) - np.repeat(np.cumsum(n_bars) - n_bars, n_bars)
    is_composed = number >= np.repeat([each.n_given_bars for each in pieces], n_bars)

    def percent(is_counted: BoolArray, is_among: BoolArray) -> FloatArray:
        counted = sum_by_piece(is_counted & is_among, piece, len(pieces))
        return 100 * divide(counted, sum_by_piece(is_among, piece, len(pieces)))

    learned = training.bars if training else (bars[0][:0], np.zeros(1, np.int64))
    metres = known_on_both((metres_of_bars(pieces), training.metres if training else None))
    values = {}
    for name, any_key in (("copied_bars", False), (COPIED_ANY_KEY, True)):
        is_copy, is_silent = find_copies(bars, learned, any_key=any_key, metres=metres)
        shares = percent(is_copy, is_composed & ~is_silent)
        values[name] = shares if training else np.full(len(pieces), np.nan)
    values["empty_bars"] = percent(is_silent, np.ones_like(is_silent))
    for name, n_together in (("bar", 1), ("phrase", 2)):
        firsts = phrase_firsts(n_bars, n_together)
        firsts = firsts[is_composed[firsts]]
        phrases = phrase_contents(*bars, firsts, n_together, metres[0])
        known = None
        if training is not None:
            its_firsts = phrase_firsts(training.n_bars, n_together)
            known = phrase_contents(*training.bars, its_firsts, n_together, metres[1])
        found = _nearness(name, phrases, piece[firsts], known, len(pieces), rng)
        values = {**found, **values}  # copied_bars, of the key as it stands, is there already
    return values


def _nearness(
    name: str,
    phrases: Phrases,
    piece: Int64[IntArray, " phrases"],
    learned: Phrases | None,
    n_pieces: int,
    rng: np.random.Generator,
) -> dict[str, FloatArray]:
    """Of each piece's composed phrases the mean distance to training, and percent of copies.

    piece: (phrases,), whose each is. learned: the training phrases, None where there are none.
    """
    if learned is None:
        return dict.fromkeys((f"nearest_{name}", f"copied_{name}s"), np.full(n_pieces, np.nan))
    distance = nearest_distances(phrases, learned, rng=rng)
    known = ~np.isnan(distance)
    total = sum_by_piece(np.where(known, distance, 0.0), piece, n_pieces)
    among = set(learned) - {b""}
    is_copy = np.array([phrase in among for phrase in phrases], bool)
    sounds = np.array([bool(phrase) for phrase in phrases], bool)
    copied = sum_by_piece(is_copy, piece, n_pieces)
    return {
        f"nearest_{name}": divide(total, sum_by_piece(known, piece, n_pieces)),
        f"copied_{name}s": 100 * divide(copied, sum_by_piece(sounds, piece, n_pieces)),
    }
