"""A report as files: for programs, for spreadsheets, and for people.

report.json           every figure; docs/report.md says what is in it
pieces.csv            a row for each piece, a column for each measure that it has by itself
report.html           the table and the pictures in one file that asks for nothing else
figure-3.png          five measures over the pieces, as the paper's Figure 3
coherence-by-bar.png  whether bars follow from each other, from the first to the last
first-pieces.png      the first pieces as piano rolls
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from nextbar._version import __version__
from nextbar.files import write_bytes_atomically, write_json_atomically
from nextbar.measures.figures import draw_coherence_by_bar, draw_figure_3, values_of_figure_3
from nextbar.measures.intervals import Interval, mean_and_ends
from nextbar.measures.meanings import COLUMNS
from nextbar.measures.metres import LEAST_BARS, MetreOverlap
from nextbar.measures.pieces import FloatArray, Piece, starts_of
from nextbar.measures.report import Report
from nextbar.music.metre import show_metre
from nextbar.music.picture import Panel, draw_contact_sheet, save_png
from nextbar.pages import page, picture, printable, safe

SHEET_PIECES: Final = 24
MOST_METRES: Final = 12
"""In the table of the page."""


def write_measures_report(
    folder: str | Path,
    report: Report,
    pieces: Sequence[Piece],
    real: Sequence[Piece],
    *,
    n_steps: int,
    title: str,
) -> list[Path]:
    """The files written into ``folder``, which is made if need be; each is whole or not there.

    pieces: what was measured, in the report's order. real: windows of the
    reference, may be empty. title: what the report is of. OutputError where
    a file cannot be written.
    """
    folder = Path(folder)
    rows = {f"{len(pieces):,} generated pieces": values_of_figure_3(list(pieces))}
    if real:
        rows[f"{len(real):,} real windows"] = values_of_figure_3(list(real))
    figures = {
        "figure-3.png": draw_figure_3(rows, n_shown=min(300, max(len(pieces), 2))),
        "coherence-by-bar.png": draw_coherence_by_bar(report.coherence_by_bar),
        "first-pieces.png": _draw_first(pieces, n_steps),
    }
    for name, figure in figures.items():
        save_png(figure, folder / name)
    pictures = {name: (folder / name).read_bytes() for name in figures}
    write_json_atomically(folder / "report.json", {"nextbar": __version__, **report.to_json()})
    write_bytes_atomically(folder / "pieces.csv", printable(to_csv(report)).encode())
    write_bytes_atomically(folder / "report.html", to_html(report, pictures, title).encode())
    return [folder / name for name in ("report.json", "pieces.csv", "report.html", *figures)]


def to_csv(report: Report) -> str:
    """A row for each piece with its name and its measures; empty where it has none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    known: dict[str, FloatArray] = report.values
    writer.writerow(["piece", *known])
    for number, name in enumerate(report.pieces):
        cells = [_number(float(column[number])) for column in known.values()]
        # A spreadsheet would take a name that begins so for a formula.
        writer.writerow([f"'{name}" if name[:1] in ("=", "+", "-", "@") else name, *cells])
    return text.getvalue()


def _number(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""


def to_html(report: Report, pictures: Mapping[str, bytes], title: str) -> str:
    """The report as one page: table, notes, pictures (name -> PNG); nothing is loaded for it."""
    rows = report.rows()
    columns = report.columns()
    head = "".join(f"<th>{COLUMNS[name]}</th>" for name in columns)
    lines = [
        f"<tr><td>{safe(row.name.replace('_', ' '))}, {safe(row.unit)}"
        f"<small>{safe(row.label)}: {safe(row.says)}</small></td>"
        + "".join(f"<td>{_cell(row.columns.get(name))}</td>" for name in columns)
        + "</tr>"
        for row in rows
    ]
    parts = [
        f"<p>{_summary(report)}</p>",
        '<div class="wide"><table class="figures">',
        f"<thead><tr><th>measure</th>{head}</tr></thead><tbody>",
        *lines,
        "</tbody></table></div>",
        *(_metre_table(report.metres) if report.metres else ()),
        "<h2>What to know</h2><ul>",
        *(f"<li>{safe(note)}</li>" for note in report.notes),
        "</ul>",
    ]
    for name, png in pictures.items():
        parts += [f"<h2>{safe(_TITLES[name])}</h2>", picture(png, _TITLES[name])]
    return page(title, "\n".join(parts))


def _metre_table(found: MetreOverlap) -> list[str]:
    """A line for each metre: how many bars, and what they have in common with real ones."""
    if len(found.metres) < 2:
        return []
    names = [show_metre(metre) for metre in found.metres[:MOST_METRES]]
    head = "".join(f"<th>real {name}</th>" for name in names)
    lines = []
    for at, name in enumerate(names):
        cells = [_in_common(found, at, beside) for beside in range(len(names))]
        lines.append(
            f"<tr><td>{name}<small>{found.n_generated[at]:,} bars generated, "
            f"{found.n_real[at]:,} real</small></td>"
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + "</tr>"
        )
    more = len(found.metres) - len(names)
    return [
        "<h2>Metre by metre</h2>",
        "<p>Where in the bar notes begin: percent that generated bars of each metre have in "
        "common with real ones of each; below it, real bars beside each other, of one metre two "
        f"halves. Good is near that. Metres of fewer than {LEAST_BARS} bars on either side are "
        f"not compared{f'; {more} rare metres more are not shown' if more > 0 else ''}.</p>",
        '<div class="wide"><table class="figures">',
        f"<thead><tr><th>metre</th>{head}</tr></thead><tbody>",
        *lines,
        "</tbody></table></div>",
    ]


def _in_common(found: MetreOverlap, at: int, beside: int) -> str:
    ours, real = found.overlap[at, beside], found.real[at, beside]
    shown = f"{ours:.0f}" if math.isfinite(ours) else "-"
    return f"{shown}<small>{real:.0f}</small>" if math.isfinite(real) else shown


def _summary(report: Report) -> str:
    return (
        f"{report.n_generated:,} generated pieces of {report.bars_per_piece} bars, beside "
        f"{report.n_reference:,} windows of real music as long and {report.n_generated:,} pieces "
        f"of random notes; {report.n_left_out:,} files left out. Mean, and the 95 % interval "
        "below it. Good is near <em>real</em> and away from <em>chance</em>."
    )


_TITLES: Final = {
    "figure-3.png": "Five measures: piece by piece, sorted, and as distributions",
    "coherence-by-bar.png": "Does the next bar follow from the last? Bar by bar, with 95 % bands",
    "first-pieces.png": "The first pieces",
}


def _cell(interval: Interval | None) -> str:
    mean, ends = mean_and_ends(interval)
    return f"{mean}<small>{ends}</small>" if ends else mean


def _draw_first(pieces: Sequence[Piece], n_steps: int) -> Figure:
    panels = [
        Panel(
            piece.notes,
            starts_of(piece, n_steps=n_steps),
            piece.n_given_bars,
            printable(Path(piece.name).stem),
            piece.metres[: piece.n_bars],
        )
        for piece in pieces[:SHEET_PIECES]
    ]
    return draw_contact_sheet(panels)
