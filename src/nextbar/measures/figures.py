"""Pictures of measures: Figure 3 of the paper, and coherence from bar to bar."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
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
    pieces one after the other, as the paper shows them; in the middle all of
    them, each measure sorted by itself; right, the distributions.
    """
    figure = Figure(figsize=(12, 0.5 + 2.9 * len(rows)), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), 3, squeeze=False, sharey=True, width_ratios=(5, 3, 3))
    for panels, (title, values) in zip(grid, rows.items(), strict=True):
        for place, (name, of_pieces) in enumerate(values.items()):
            colour = OF_FIGURE_3[name][1]
            panels[0].plot(of_pieces[:n_shown], color=colour, linewidth=0.7)
            share = 100 * (np.arange(len(of_pieces)) + 0.5) / max(len(of_pieces), 1)
            panels[1].plot(share, np.sort(of_pieces), color=colour, linewidth=1.4, label=name)
            _draw_distribution(panels[2], place, of_pieces, colour)
        for axes, what in zip(panels, ("piece", "% of pieces, sorted", ""), strict=True):
            axes.set_xlabel(what, fontsize=8)
            axes.tick_params(labelsize=7, labelleft=True)
            axes.spines[["top", "right"]].set_visible(False)
        panels[0].set_title(title, fontsize=9, loc="left")
        panels[0].set_xlim(0, n_shown)
        panels[0].set_ylim(-3, 127)
        panels[1].set_xlim(0, 100)
        panels[2].set_xticks(range(len(values)), [name.replace(" ", "\n") for name in values])
    if rows:
        handles, names = grid[0, 1].get_legend_handles_labels()
        figure.legend(handles, names, fontsize=8, ncols=5, frameon=False, loc="outside upper right")
    return figure


def _draw_distribution(axes: Axes, place: int, values: FloatArray, colour: str) -> None:
    """How often each value occurs, as a shape around ``place``; a line at the middle one.

    Values over 127 count as 127.
    """
    if not len(values):
        return
    counts, edges = np.histogram(np.minimum(values, 127), bins=np.linspace(0, 128, 65))
    half = np.append(0.45 * counts / max(counts.max(), 1), 0)
    axes.fill_betweenx(
        edges, place - half, place + half, step="post", color=colour, alpha=0.6, lw=0
    )
    axes.hlines(np.median(values), place - 0.3, place + 0.3, color="black", linewidth=1)


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
        axes.vlines(places, *values[:, 1:].T, color=colour, linewidth=0.8)
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
