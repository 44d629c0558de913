"""Figure 3 of the paper: what measures come to over many pieces."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nextbar.measures.intervals import Interval
from nextbar.measures.paper import (
    NoteOns,
    note_ons,
    recurrence,
    scale_consistency,
    tone_span,
    uniqueness,
    velocity_span,
)
from nextbar.measures.pieces import FloatArray, Piece

OF_FIGURE_3: Final[Mapping[str, tuple[Callable[[NoteOns], float], str]]] = {
    "scale consistency %": (lambda tones: scale_consistency(tones.pitches), "#4a7ebb"),
    "velocity span": (lambda tones: velocity_span(tones.velocities), "#be4b48"),
    "uniqueness %": (lambda tones: uniqueness(tones.pitches), "#7f9a48"),
    "tone span": (lambda tones: tone_span(tones.pitches), "#7d60a0"),
    "recurrence": (lambda tones: recurrence(tones.pitches), "#46aac5"),
}
"""The five measures of Figure 3, with their colours there."""


def values_of_figure_3(pieces: list[Piece]) -> dict[str, FloatArray]:
    """Each measure of Figure 3 for each piece that sounds, in the order of the pieces."""
    tones = [note_ons(piece.notes) for piece in pieces]
    heard = [each for each in tones if len(each.pitches)]
    return {
        name: np.array([measure(each) for each in heard], np.float64)
        for name, (measure, _) in OF_FIGURE_3.items()
    }


def draw_figure_3(rows: Mapping[str, Mapping[str, FloatArray]], *, n_shown: int = 300) -> Figure:
    """Figure 3 of the paper, a row for each set of pieces.

    rows: title -> measure -> (pieces,) values. Left, the first ``n_shown``
    pieces as the paper shows them, one after the other; right, all of them as
    distributions, which say what the left side hides.
    """
    figure = Figure(figsize=(11, 3.1 * len(rows)), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), 2, squeeze=False, width_ratios=(2, 1))
    bins = np.linspace(0, 127, 65)
    for (left, right), (title, values) in zip(grid, rows.items(), strict=True):
        for name, of_pieces in values.items():
            colour = OF_FIGURE_3[name][1]
            left.plot(of_pieces[:n_shown], color=colour, linewidth=0.7, label=name)
            right.hist(of_pieces, bins=bins, color=colour, histtype="stepfilled", alpha=0.55)
        left.set_title(title, fontsize=9, loc="left")
        left.set_xlabel("piece", fontsize=8)
        left.set_ylim(-3, 127)
        left.set_xlim(0, n_shown)
        left.legend(fontsize=7, ncols=5, frameon=False, loc="upper right")
        right.set_xlabel("value, all pieces", fontsize=8)
        right.set_ylabel("pieces", fontsize=8)
        right.set_yscale("log")
        for axes in (left, right):
            axes.tick_params(labelsize=7)
            axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_coherence_by_bar(rows: Mapping[str, Sequence[Interval]]) -> Figure:
    """How far each bar follows from the one before: a curve for each set, in its 95 % band.

    rows: generated, reference, chance -> coherence of bar 1 with 2, 2 with 3, ...
    (``Report.coherence_by_bar``). Level is good; down to 0 is drift, up to 1 freezing.
    """
    figure = Figure(figsize=(8, 3.4), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.axhline(0, color="#999999", linewidth=0.8)
    looks = {
        "generated": ("#be4b48", "o", "generated"),
        "reference": ("#4a7ebb", "s", "real"),
        "chance": ("#999999", "x", "chance"),
    }
    longest = max((len(values) for values in rows.values()), default=0)
    for name, curve in rows.items():
        colour, marker, label = looks[name]
        places = np.arange(2, len(curve) + 2)
        values = np.array([(each.mean, each.low, each.high) for each in curve]).reshape(-1, 3)
        axes.fill_between(places, *values[:, 1:].T, color=colour, alpha=0.15, linewidth=0)
        axes.plot(places, values[:, 0], color=colour, marker=marker, markersize=4, label=label)
    axes.set_xlabel("bar, beside the one before it", fontsize=9)
    axes.set_ylabel("coherence", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=16))
    axes.set_xlim(1.5, max(longest, 1) + 1.5)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if rows:
        figure.legend(fontsize=8, frameon=False, ncols=3, loc="outside upper right")
    return figure
