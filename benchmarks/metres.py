"""Whether each bar has the metre that its file states: nextbar's bars beside music21's signatures.

    python benchmarks/metres.py FOLDER

FOLDER is a folder or a zip archive of MIDI files, of which 200 are taken, evenly
spread. Which time signatures there are, and when, is read by music21; the
bars are those of `nextbar prepare --beats stated`, put back into the file's own
time. A bar is alike if it is of the metre in force where it begins, or part
of a bar of it that has over six quarters. What is not alike is one of: a silent
bar before the first note, or a pickup's, which are of the metre behind them; a
bar that is cut in two by signatures, and whole here; a bar that a signature ends
early; others, each printed. Of what is alike it is counted too how many bars begin a whole
number of bars behind their signature. Prints a table and, as the last line, all figures as
JSON.
"""

import argparse
import json
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from music21.meter.base import TimeSignature
from music21.midi import MidiFile, translate
from rich.console import Console
from rich.table import Table

from nextbar.errors import MusicFileError
from nextbar.music.grid import lay_metre_grid, quantise_all
from nextbar.music.laid_bars import cut_long
from nextbar.music.metre import metre_of, normal_metre, show_metre, steps_of
from nextbar.music.midi import parse_tunes
from nextbar.music.tunes import Metre, Tune

SLACK = 1 / 8
"""Quarters by which a signature may stand beside its bar line."""


def read_files(source: Path, n_files: int) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of MIDI files, evenly spread."""
    if source.is_dir():
        paths = sorted(path for path in source.rglob("*.mid") if path.is_file())
        for path in paths[:: max(1, len(paths) // n_files)][:n_files]:
            yield path.name, path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".mid"))
        for name in names[:: max(1, len(names) // n_files)][:n_files]:
            yield name, archive.read(name)


def signatures_of(data: bytes) -> list[tuple[float, Metre]]:
    """(quarter, metre) of each time signature, as music21 reads them; the last of a tick counts."""
    file = MidiFile()
    file.readstr(data)
    found: dict[int, Metre] = {0: (4, 4)}
    for track in file.tracks:
        for tick, item in translate.getMetaEvents(translate.getTimeForEvents(track)):
            if isinstance(item, TimeSignature):
                found[tick] = (int(item.numerator), int(item.denominator))
    quarter = file.ticksPerQuarterNote
    return [(tick / quarter, metre) for tick, metre in sorted(found.items())]


def bars_of(tune: Tune) -> list[tuple[float, Metre]]:
    """(quarter, metre) of each bar of nextbar's, in the file's own time."""
    laid = lay_metre_grid(tune)
    assert laid.bars is not None
    notes = quantise_all([laid])[0].notes
    codes, _ = laid.bars.up_to(int((notes["start"] + notes["duration"]).max()))
    widths = steps_of(codes, laid.bars.steps_per_quarter)
    steps = np.cumsum(widths) - widths
    ticks = (steps - laid.shift_steps) / laid.steps_per_unit
    later = np.concatenate([[0], np.cumsum(laid.bars.lacking)])
    behind = np.searchsorted(laid.bars.ticks + later[1:], ticks + 1e-6, side="right")
    quarters = (ticks - later[behind]) / tune.score.ticks_per_quarter
    return list(zip(quarters.tolist(), map(metre_of, codes.tolist()), strict=True))


def compare(tune: Tune, stated: list[tuple[float, Metre]]) -> tuple[Counter[str], list[str]]:
    """How many bars are alike and how many not, by why not; and the others, in words."""
    counts, others = Counter[str](), list[str]()
    bars = bars_of(tune)
    begins = [quarter for quarter, _ in bars]
    first = tune.first_tick / tune.score.ticks_per_quarter
    for (begin, metre), until in zip(bars, [*begins[1:], None], strict=True):
        since, governing = next((s for s in stated[::-1] if s[0] <= begin + SLACK), stated[0])
        length = float(Fraction(4 * metre[0], metre[1]))
        end = begin + length if until is None else until
        within = [q for q, _ in stated if begin + SLACK < q < min(end, begin + length) - SLACK]
        if metre in {normal_metre(governing), *cut_long(normal_metre(governing))}:
            why = "alike"
            bar = 4 * governing[0] / governing[1]
            parts = np.cumsum([0, *(4 * n / d for n, d in cut_long(governing))])[:-1]
            beside = [abs((begin - since - part + bar / 2) % bar - bar / 2) for part in parts]
            counts["on a line"] += bool(min(beside) <= SLACK)
        elif end <= first + SLACK:
            why = "silent before the first note"
        elif begin <= first + SLACK:
            why = "pickup"
        elif within or length > 4 * governing[0] / governing[1]:
            why = "cut in two"
        elif any(abs(q - end) <= SLACK for q, _ in stated) or end - begin < length - SLACK:
            why = "ended early"
        else:
            why = "other"
            others.append(f"{tune.name}: quarter {begin:g}, {metre} for {governing}")
        counts[why] += 1
    return counts, others


def main() -> None:
    """Compares and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="a folder or a zip archive of MIDI files")
    parser.add_argument("--files", type=int, default=200, help="how many are looked at")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # music21's, on names of instruments
    counts, metres = Counter[str](), Counter[str]()
    n_files = n_alike = n_changing = 0
    for name, data in read_files(arguments.source, arguments.files):
        try:
            [tune], _ = parse_tunes(data, name=name)
            found, others = compare(tune, signatures_of(data))
        except (MusicFileError, ValueError) as error:
            print(f"left out: {name}: {error}")
            continue
        n_files += 1
        n_alike += set(found) <= {"alike", "on a line"}
        here = {show_metre(metre) for _, metre in bars_of(tune)}
        metres.update(here)
        n_changing += len(here) > 1
        counts += found
        print("\n".join(others), end="\n" if others else "")
    print(f"{n_files} files, {n_changing} of them in several metres, {n_alike} wholly alike")
    table = Table()
    table.add_column("bars")
    table.add_column("how many", justify="right")
    for why, n in counts.most_common():
        table.add_row(why, f"{n:,}")
    Console().print(table)
    figures: dict[str, Any] = {"files": n_files, "changing": n_changing, "wholly_alike": n_alike}
    figures |= {
        "bars": counts.total() - counts["on a line"],
        **counts,
        "metres": dict(metres.most_common()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
