"""Bars -> pictures: a piano roll of one piece, and a sheet of many.

Figures are made without pyplot, so nothing is shared between calls or
threads. The same notes give the same PNG bytes.
"""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from nextbar.files import write_bytes_atomically
from nextbar.music.bars import BarStarts, Notes
from nextbar.music.metre import show_metre
from nextbar.music.rhythm import is_compound
from nextbar.music.tunes import Metre

INK: Final = "#2f3437"
QUIET_INK: Final = "#8b9196"
BAR_LINE: Final = "#c9cdd1"
BEAT_LINE: Final = "#eceef0"
BLACK_KEY_LANE: Final = "#20303a0a"  # a breath of blue-grey over whatever lies below
GENERATED: Final = "#1f6f8b"
GIVEN: Final = "#c4702b"
GIVEN_GROUND: Final = "#fbf3ea"
PALEST: Final = 0.35
"""How much of a note's colour is left at velocity 1; at 127 all of it is."""

Floats = npt.NDArray[np.floating[Any]]

_NAMES: Final = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_BLACK_KEYS: Final = frozenset({1, 3, 6, 8, 10})
_FONT: Final = "DejaVu Sans"  # comes with matplotlib: the same everywhere


@dataclass(frozen=True)
class Panel:
    """One piece on a sheet.

    notes: dtype ``NOTE``, steps counted from its first bar. starts: of its
    bars. metres: of each bar, where they are known.
    """

    notes: Notes
    starts: BarStarts
    given_bars: int = 0
    title: str = ""
    metres: Sequence[Metre] = ()
    ending_bars: int = 0

    @property
    def written(self) -> tuple[int, int]:
        """The steps between which the bars lie that were not given."""
        return int(self.starts[self.given_bars]), int(self.starts[-1 - self.ending_bars])


def draw_piano_roll(
    notes: Notes,
    starts: BarStarts,
    *,
    steps_per_quarter: int,
    metres: Sequence[Metre] = (),
    given_bars: int = 0,
    ending_bars: int = 0,
    title: str = "",
) -> Figure:
    """A piano roll: time to the right in bars, pitch upwards, louder notes darker.

    notes: dtype ``NOTE``. starts: of the bars. metres: of each bar; they decide
    where its beats are, which are quarters where none are told, and where there
    are several each is named where it begins. given_bars, ending_bars: how many bars
    at the beginning and at the end were given to the model; they have a colour and a ground of
    their own.
    """
    panel = Panel(notes, starts, given_bars, title, metres, ending_bars)
    low, high = _pitch_range([panel])
    width = min(max(5.2, 1.6 + 0.62 * (len(starts) - 1)), 24.0)
    height = 1.25 + 0.105 * (high - low + 1)
    figure = _new_figure(width, height)
    left, right = 0.62 / width, 1 - 0.22 / width
    bottom, top = 0.42 / height, 1 - (0.46 if title or given_bars or ending_bars else 0.15) / height
    axes = figure.add_axes((left, bottom, right - left, top - bottom))
    _draw_panel(axes, panel, (low, high), int(starts[-1]))
    _draw_beats(axes, panel, steps_per_quarter)
    if len(set(metres)) > 1:
        _name_metres(axes, panel, size=7)
    if title:
        _write_title(figure, (left, 1 - 0.22 / height), title, size=10)
    if given_bars or ending_bars:
        _draw_legend(figure, (right, 1 - 0.16 / height))
    return figure


def draw_contact_sheet(
    panels: Sequence[Panel],
    *,
    n_columns: int = 3,
    title: str = "",
) -> Figure:
    """Many pieces on one sheet, all in one scale of pitch and of time.

    Where the sheet has several metres, each is named where it begins.
    """
    n_columns = max(1, min(n_columns, len(panels)))
    n_rows = max(1, ceil(len(panels) / n_columns))
    n_bars = max((len(panel.starts) - 1 for panel in panels), default=1)
    end = max((int(panel.starts[-1]) for panel in panels), default=1)
    has_several_metres = len({metre for panel in panels for metre in panel.metres}) > 1
    pitches = _pitch_range(panels)
    panel_width = min(max(2.6, 0.4 + 0.26 * n_bars), 12.0)
    panel_height = min(max(0.95, 0.055 * (pitches[1] - pitches[0] + 1)), 3.0)
    has_given = any(panel.given_bars or panel.ending_bars for panel in panels)
    head = 0.5 if title or has_given else 0.1
    gap_x, gap_y = 0.5, 0.5
    width = 0.15 + n_columns * (panel_width + gap_x) + 0.05
    height = head + n_rows * (panel_height + gap_y) + 0.1
    figure = _new_figure(width, height)
    for i, panel in enumerate(panels):
        row, column = divmod(i, n_columns)
        x = 0.15 + gap_x * 0.7 + column * (panel_width + gap_x)
        y = height - head - (row + 1) * (panel_height + gap_y) + 0.22
        box = (x / width, y / height, panel_width / width, panel_height / height)
        axes = figure.add_axes(box)
        _draw_panel(axes, panel, pitches, end, small=True)
        if has_several_metres:
            _name_metres(axes, panel, size=5)
        corner = (box[0], box[1] + box[3] + 0.1 / height)
        _write_title(figure, corner, panel.title, size=7)
    if title:
        _write_title(figure, ((0.15 + gap_x * 0.7) / width, 1 - 0.22 / height), title, size=11)
    if has_given:
        _draw_legend(figure, (1 - 0.2 / width, 1 - 0.16 / height))
    return figure


def save_png(figure: Figure, path: str | Path, *, dots_per_inch: int = 130) -> None:
    """Write the figure as a PNG, whole or not at all; OutputError where that cannot be."""
    write_bytes_atomically(path, png_bytes(figure, dots_per_inch=dots_per_inch))


def png_bytes(figure: Figure, *, dots_per_inch: int = 130) -> bytes:
    """The figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A title in a script that the font lacks is drawn with boxes; the picture is still right.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(
            buffer,
            format="png",
            dpi=dots_per_inch,
            metadata={"Software": None},  # it would make the bytes differ between versions
            pil_kwargs={"compress_level": 3},  # half the time for a few kB more
        )
    return buffer.getvalue()


def _new_figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _pitch_range(panels: Sequence[Panel]) -> tuple[int, int]:
    """The lowest and highest pitch to show: what sounds, two more each way, an octave at least."""
    sounding = [panel.notes["pitch"] for panel in panels if len(panel.notes)]
    if not sounding:
        return 55, 77
    pitches = np.concatenate(sounding)
    low, high = int(pitches.min()) - 2, int(pitches.max()) + 2
    missing = max(0, 12 - (high - low))
    return low - missing // 2, high + (missing + 1) // 2


def _draw_panel(
    axes: Axes, panel: Panel, pitches: tuple[int, int], end: int, *, small: bool = False
) -> None:
    """One piano roll into ``axes``; end: up to which step there is room."""
    low, high = pitches
    axes.set_xlim(0, max(end, 1))
    axes.set_ylim(low - 0.5, high + 0.5)
    _draw_ground(axes, panel, pitches)
    _draw_notes(axes, panel)
    _label_axes(axes, panel.starts, pitches, small=small)


def _draw_ground(axes: Axes, panel: Panel, pitches: tuple[int, int]) -> None:
    """Lanes of the black keys, the ground of given bars, lines of bars."""
    low, high = pitches
    starts = panel.starts
    first, end = panel.written
    for given in ((0, first), (end, int(starts[-1]))):
        if given[0] < given[1]:
            axes.axvspan(*given, color=GIVEN_GROUND, linewidth=0, zorder=0)
    lanes = np.array([p for p in range(low, high + 1) if p % 12 in _BLACK_KEYS], float)
    boxes = _boxes(np.zeros(1), starts[-1:].astype(float), lanes - 0.5, lanes + 0.5)
    axes.add_collection(
        PolyCollection(list(boxes), facecolor=BLACK_KEY_LANE, linewidth=0, zorder=1)
    )
    lines = axes.vlines(starts, low - 0.5, high + 0.5, color=BAR_LINE, linewidth=0.7, zorder=3)
    lines.set_clip_on(False)  # the last one stands on the edge


def _draw_beats(axes: Axes, panel: Panel, steps_per_quarter: int) -> None:
    """Lines of the beats within each bar."""
    bars = list(pairwise(panel.starts.tolist()))
    sizes = [beat_steps(metre, steps_per_quarter) for metre in panel.metres]
    beats = [
        beat
        for (start, end), size in zip(bars, sizes or [steps_per_quarter] * len(bars), strict=True)
        for beat in np.arange(start + size, end, size)
    ]
    axes.vlines(beats, *axes.get_ylim(), color=BEAT_LINE, linewidth=0.6, zorder=2)


def beat_steps(metre: Metre, steps_per_quarter: int) -> float:
    """Steps of a beat: dotted where the metre is compound, else a quarter, or less as it counts."""
    unit = 4 * steps_per_quarter / metre[1]
    return 3 * unit if is_compound(metre) else min(unit, steps_per_quarter)


def _name_metres(axes: Axes, panel: Panel, *, size: float) -> None:
    """Each metre above the notes where it begins, or at its next bar that has room for it."""
    steps_per_point = axes.get_xlim()[1] * axes.figure.dpi / 72 / axes.bbox.width
    free, before = 0.0, None
    for start, metre in zip(panel.starts.tolist(), panel.metres, strict=False):
        if metre != before and start >= free:
            name = show_metre(metre)
            axes.annotate(
                name,
                (start, axes.get_ylim()[1]),
                xytext=(1.5, -1.5),
                textcoords="offset points",
                va="top",
                size=size,
                color=QUIET_INK,
                family=_FONT,
            )
            before = metre
            free = start + (0.6 * size * len(name) + 2) * steps_per_point


def _draw_notes(axes: Axes, panel: Panel) -> None:
    notes = panel.notes
    left, pitch = notes["start"] + 0.08, notes["pitch"].astype(float)
    boxes = _boxes(left, left + notes["duration"] - 0.16, pitch - 0.4, pitch + 0.4)
    first, end = panel.written
    is_given = (notes["start"] < first) | (notes["start"] >= end)
    strength = PALEST + (1 - PALEST) * notes["velocity"].astype(float) / 127
    ink = np.where(is_given[:, None], to_rgb(GIVEN), to_rgb(GENERATED))
    colours = 1 - strength[:, None] * (1 - ink)
    axes.add_collection(PolyCollection(list(boxes), facecolors=colours, linewidth=0, zorder=4))


def _boxes(left: Floats, right: Floats, below: Floats, above: Floats) -> Floats:
    """(n, 4, 2): the corners of n upright boxes."""
    x = np.stack(np.broadcast_arrays(left, right, right, left), axis=-1)
    y = np.stack(np.broadcast_arrays(below, below, above, above), axis=-1)
    return np.stack(np.broadcast_arrays(x, y), axis=-1)


def _label_axes(axes: Axes, starts: BarStarts, pitches: tuple[int, int], *, small: bool) -> None:
    """Pitch names at each C (and G on a large picture), bar numbers in the middle of bars."""
    low, high = pitches
    n_bars = len(starts) - 1
    size = 6 if small else 8
    named = (0,) if small else (0, 7)
    ticks = [pitch for pitch in range(low, high + 1) if pitch % 12 in named]
    axes.set_yticks(ticks, [pitch_name(pitch) for pitch in ticks])
    every = next(step for step in (1, 2, 4, 8, 16, 32, 64, n_bars or 1) if n_bars / step <= 33)
    numbered = range(0, n_bars, every if not small else max(every, ceil(n_bars / 9)))
    middles = (starts[:-1] + starts[1:]) / 2
    axes.set_xticks(middles[list(numbered)], [str(bar + 1) for bar in numbered])
    axes.tick_params(length=0, labelsize=size, labelcolor=QUIET_INK, pad=3, labelfontfamily=_FONT)
    for side in axes.spines.values():
        side.set_visible(False)


def pitch_name(pitch: int) -> str:
    """``C4`` for 60."""
    return f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"


def _write_title(figure: Figure, position: tuple[float, float], title: str, *, size: float) -> None:
    x, y = position
    # A name is no formula, even with dollar signs in it.
    figure.text(x, y, title, size=size, color=INK, family=_FONT, va="center", parse_math=False)


def _draw_legend(figure: Figure, corner: tuple[float, float]) -> None:
    """What the two colours mean, at the upper right."""
    figure.legend(
        handles=[Patch(color=GIVEN, label="given"), Patch(color=GENERATED, label="generated")],
        loc="upper right",
        bbox_to_anchor=corner,
        ncols=2,
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=0.9,
        handleheight=0.9,
        handletextpad=0.5,
        columnspacing=1.2,
        labelcolor=INK,
        prop={"family": _FONT, "size": 8},
    )
