"""Measures of music, each beside real music and chance.

One function a measure, on NumPy arrays; ``piece_of_score`` makes a ``Piece`` of
any ``symusic.Score``. Each says its range, direction, units, empty case and
source. Nothing here needs PyTorch but the networks (``told_from_real``,
``real_told_from_real``, ``next_bar_told_from_real``), and those only when called.

Bars may be of several metres: a ``Piece`` then says that of each bar and where it
begins. What cannot be compared across metres is compared within one; real music
counts by metre as often as the composed pieces have it (``metres.py``).

    of the pitches of a piece     scale_consistency, uniqueness, recurrence, tone_span
    of its velocities             velocity_span
    of its notes                  polyphony, clashes, voice_steps, pitch_entropy,
                                  pitch_class_entropy
    of a piece                    groove_consistency, empty_bars
    of a set of pieces            coherence, coherence_by_bar, diversity
    of two sets                   follows, overlap, metre_overlap, copied_bars, nearest_distances,
                                  told_from_real, real_told_from_real, next_bar_told_from_real
    all of them                   compare, measure_pieces
"""

from nextbar.measures.by_piece import measure_pieces
from nextbar.measures.classifiers import (
    TwoSampleTest,
    next_bar_told_from_real,
    real_told_from_real,
    told_from_real,
)
from nextbar.measures.coherence import coherence, coherence_by_bar
from nextbar.measures.copying import TrainingBars, copied_bars, nearest_distances, phrase_contents
from nextbar.measures.distributions import count_features, overlap, overlaps
from nextbar.measures.follows import follows
from nextbar.measures.habits import (
    clashes,
    empty_bars,
    groove_consistency,
    pitch_class_entropy,
    pitch_entropy,
    polyphony,
    voice_steps,
)
from nextbar.measures.intervals import Interval
from nextbar.measures.metres import MetreOverlap, metre_overlap
from nextbar.measures.paper import (
    diversity,
    diversity_as_published,
    note_ons,
    recurrence,
    recurrence_as_published,
    scale_consistency,
    scale_consistency_as_published,
    tone_span,
    unique_tones,
    uniqueness,
    velocity_span,
)
from nextbar.measures.pieces import Piece, bars_of_pieces, piece_of_score, reference_windows
from nextbar.measures.report import Report
from nextbar.measures.table import compare

__all__ = [
    "Interval",
    "MetreOverlap",
    "Piece",
    "Report",
    "TrainingBars",
    "TwoSampleTest",
    "bars_of_pieces",
    "clashes",
    "coherence",
    "coherence_by_bar",
    "compare",
    "copied_bars",
    "count_features",
    "diversity",
    "diversity_as_published",
    "empty_bars",
    "follows",
    "groove_consistency",
    "measure_pieces",
    "metre_overlap",
    "nearest_distances",
    "next_bar_told_from_real",
    "note_ons",
    "overlap",
    "overlaps",
    "phrase_contents",
    "piece_of_score",
    "pitch_class_entropy",
    "pitch_entropy",
    "polyphony",
    "real_told_from_real",
    "recurrence",
    "recurrence_as_published",
    "reference_windows",
    "scale_consistency",
    "scale_consistency_as_published",
    "told_from_real",
    "tone_span",
    "unique_tones",
    "uniqueness",
    "velocity_span",
    "voice_steps",
]
