"""A corpus -> prepare-report.html: what was taken, what was not, and what the music is like.

One file that needs no other and asks no server for anything. Every name in it
came from a stranger's file and is escaped.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from nextbar.files import write_bytes_atomically
from nextbar.music.corpus import Corpus
from nextbar.music.manifest import REPORT
from nextbar.music.picture import Panel, draw_contact_sheet, pitch_name, png_bytes
from nextbar.music.summary import Summary, by_count, count_by_tempo
from nextbar.pages import page, picture, safe

SHEET_PIECES: Final = 12
SHEET_BARS: Final = 8
MOST_METRES: Final = 6

Bars = Sequence[tuple[str, int]]
"""Label and count of each bar of a chart."""

_OPTION: Final = re.compile(r"--[a-z]+(?:-[a-z]+)*(?: \d+(?:/\d+)?)?")


def write_prepare_report(corpus: Corpus) -> None:
    """Writes ``prepare-report.html`` into the corpus."""
    write_bytes_atomically(corpus.path / REPORT, _page(corpus).encode())


def _page(corpus: Corpus) -> str:
    manifest, summary = corpus.manifest, corpus.summary
    title = f"Prepared: {manifest.get('source', corpus.path.name)}"
    parts = [
        f'<p class="quiet">nextbar {safe(str(manifest["nextbar_version"]))}, '
        f"{safe(_show_options(manifest['options']))}</p>",
        _facts(manifest, summary),
        _advice(summary),
        _refusals(manifest, summary),
        "<h2>The music</h2>",
        '<div class="charts">',
        *_charts(manifest, summary),
        "</div>",
        "<h2>Some of the pieces</h2>",
        _sheet(corpus),
    ]
    return page(title, "\n".join(parts))


def _show_options(options: dict[str, Any]) -> str:
    """The options, those that say no left out."""
    return ", ".join(
        f"{k.replace('_', ' ')}: {v}" for k, v in options.items() if v not in (False, 0)
    )


def _facts(manifest: dict[str, Any], summary: Summary) -> str:
    values = {
        "files taken": manifest["files_taken"],
        "files refused": manifest["files_refused"],
        "pieces": manifest["pieces"],
        "bars": manifest["bars"],
        "pairs of bars": manifest["pairs"],
    }
    numbers = "".join(f"<div><b>{value:,}</b>{name}</div>" for name, value in values.items())
    seen = "" if summary.n_bars_seen == manifest["bars"] else f" {summary.n_bars_seen:,} looked at:"
    lines = [
        f"Bars in {safe(_show_metres(manifest))}, of at most {manifest['n_steps']} steps"
        if manifest["options"]["grid"] == "metre"
        else "Bars of 2 s, of 16 steps",
        f"of the{seen} bars {summary.n_distinct:,} are distinct, {summary.n_silent:,} silent",
        f"onsets moved by {manifest.get('mean_shift_ms', 0):g} ms on average",
    ]
    return f'<div class="facts">{numbers}</div><p>{"; ".join(lines)}.</p>'


def _show_metres(manifest: dict[str, Any]) -> str:
    """``4/4, 3/4 and 5 other metres``."""
    metres = manifest["metres"]
    shown, more = metres[:MOST_METRES], len(metres) - MOST_METRES
    return ", ".join(shown) + (f" and {more} other metres" if more > 0 else "")


def _advice(summary: Summary) -> str:
    # An option is not broken where a line ends.
    shown = (_OPTION.sub(r"<code>\g<0></code>", safe(text)) for text in summary.advice)
    items = "".join(f"<li>{text}</li>" for text in shown)
    return f'<div class="advice"><ul>{items}</ul></div>'


def _refusals(manifest: dict[str, Any], summary: Summary) -> str:
    refused = by_count(manifest["refused"])
    if not refused:
        return "<h2>Refused</h2><p>Nothing.</p>"
    rows = []
    for reason, count in refused.items():
        examples = "<br>".join(safe(text) for text in summary.examples.get(reason, []))
        rows.append(
            f'<tr><td>{safe(reason)}</td><td class="n">{count:,}</td>'
            f'<td class="example">{examples}</td></tr>'
        )
    head = "<tr><th>reason</th><th>files or tunes</th><th>as</th></tr>"
    return (
        f"<h2>Refused</h2><table>{head}{''.join(rows)}</table>"
        '<p class="quiet">All of them: refused.jsonl</p>'
    )


def _charts(manifest: dict[str, Any], summary: Summary) -> list[str]:
    bars_in, pieces_in = (
        list(by_count(manifest.get(which, {})).items())[:16] for which in ("bars_in", "pieces_in")
    )
    keys = list(by_count(manifest.get("keys", {})).items())[:24]
    tempos = count_by_tempo(summary.tempos)
    tens = range(min(tempos, default=0), max(tempos, default=0) + 10, 10)
    pitches, velocities = summary.pitches, summary.velocities
    sounding = np.flatnonzero(pitches)
    lowest, highest = (int(sounding[0]), int(sounding[-1])) if len(sounding) else (60, 71)
    by_pitch = [(pitch_name(p), int(pitches[p])) for p in range(lowest, highest + 1)]
    by_velocity = [(str(v), int(velocities[v : v + 4].sum())) for v in range(0, len(velocities), 4)]
    charts = [
        ("Metres: bars in each", bars_in),
        ("Metres: pieces with bars in each", pieces_in),
        ("Keys, by the scale that fits best", keys),
        ("Tempi, quarters a minute", [(str(ten), tempos[ten]) for ten in tens]),
        ("Pitches of notes", by_pitch),
        ("Velocities of notes, four at a time", by_velocity),
    ]
    return [_chart(title, bars) for title, bars in charts if bars]


def _chart(title: str, bars: Bars) -> str:
    """A column chart as SVG; of many columns some have no label."""
    width, height, foot, head = 480, 150, 18, 14
    step = width / len(bars)
    most = max(count for _, count in bars) or 1
    every = max(1, -(-len(bars) * 34 // width))
    shapes = []
    for i, (label, count) in enumerate(bars):
        x, tall = i * step, count / most * (height - foot - head)
        middle, gap = x + step / 2, min(2.0, step * 0.15)
        shapes.append(
            f'<rect x="{x + gap:.1f}" y="{height - foot - tall:.1f}" '
            f'width="{min(step - 2 * gap, 40):.1f}" height="{tall:.1f}">'
            f"<title>{safe(label)}: {count:,}</title></rect>"
        )
        middle = x + gap + min(step - 2 * gap, 40) / 2
        if i % every == 0:
            anchor = "start" if middle < 12 else "middle"
            at = max(middle, 0.0) if anchor == "middle" else x
            shapes.append(
                f'<text x="{at:.1f}" y="{height - 4}" text-anchor="{anchor}">{safe(label)}</text>'
            )
        if len(bars) <= 12 and count:
            y = height - foot - tall - 3
            shapes.append(
                f'<text x="{middle:.1f}" y="{y:.1f}" text-anchor="middle">{count:,}</text>'
            )
    return (
        f"<figure><h2>{safe(title)}</h2>"
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{safe(title)}">'
        f"{''.join(shapes)}</svg></figure>"
    )


def _sheet(corpus: Corpus) -> str:
    """The first bars of some pieces, evenly spread over the corpus, as one picture."""
    n_originals = int(corpus.manifest.get("originals", corpus.n_pieces))
    chosen = np.unique(np.linspace(0, n_originals - 1, SHEET_PIECES).astype(int))
    panels = []
    for piece in chosen.tolist():
        bars = corpus.bars_of(piece)[:SHEET_BARS]
        name = corpus.piece_name(piece)
        short = name if len(name) <= 44 else "..." + name[-41:]
        notes = corpus.notes(bars.start, bars.stop)
        starts = corpus.starts(bars.start, bars.stop)
        in_metres = list(corpus.metres_of(bars)) if corpus.kind.grid == "metre" else []
        panels.append(Panel(notes, starts, title=short, metres=in_metres))
    figure = draw_contact_sheet(panels, n_columns=3)
    return picture(png_bytes(figure), f"Piano rolls of the first bars of {len(panels)} pieces")
