"""How many files a second become bars: nextbar beside the usual way, and with two workers.

    python benchmarks/prepare.py FOLDER_OR_ZIP_OF_THE_524_FILES
    python benchmarks/prepare.py FOLDER_OR_ZIP_OF_THE_524_FILES --memory

The usual way is pretty_midi, `get_piano_roll`, slicing, as the paper's authors
and most others do it: the first instrument, 8 steps a second, bars of 16
steps. Ours is `nextbar.prepare` as it is used, from the folder to the corpus
on disk, with everything that it checks and records. The set is taken several
times, each time in other keys, so that no file equals another and what a start
costs does not decide. Both run on one core, in turns, by the time that they
keep it busy (parent and worker together), for others may use it too.

Two workers are measured beside one by the clock, in turns, and by how long
their parent and they keep a core busy for a file. While one works alone, its
parent has the other core; two share both cores with it. So by what they
compute they are at most `2 * workers / (parent + workers)` as fast as one; by
the clock less, where others use the cores too.

With --memory also: the peak memory of preparing 1,000, 10,000 and 100,000
generated files. Prints tables and, as the last line, all figures as JSON.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pretty_midi
from rich.console import Console
from rich.table import Table

import nextbar

STEPS_PER_SECOND, BAR_STEPS = 8, 16
LOWEST, N_PITCHES = 21, 88
SIZES = (1_000, 10_000, 100_000)

MEASURE = """
import json, resource, sys, time
from nextbar.music.prepare import prepare
began = time.perf_counter()
corpus = prepare(sys.argv[1], sys.argv[2], workers=int(sys.argv[3]), page=False)
seconds = time.perf_counter() - began
own, workers = (resource.getrusage(who).ru_maxrss / 1024
                for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({"seconds": round(seconds, 1), "bars": corpus.n_bars,
                  "peak_MB": round(own), "peak_MB_of_a_worker": round(workers)}))
"""


def usual_bars(path: Path) -> np.ndarray[Any, Any]:
    """(bars, 88, 16) velocities of a file's first instrument, the usual way."""
    music = pretty_midi.PrettyMIDI(str(path))
    roll = music.instruments[0].get_piano_roll(fs=STEPS_PER_SECOND)[LOWEST : LOWEST + N_PITCHES]
    n_bars = -(-roll.shape[1] // BAR_STEPS)
    roll = np.pad(roll, ((0, 0), (0, n_bars * BAR_STEPS - roll.shape[1])))
    return roll.reshape(N_PITCHES, n_bars, BAR_STEPS).transpose(1, 0, 2).clip(0, 127)


def unpack(source: Path, folder: Path) -> Path:
    """The folder of the files, unpacked if they are in an archive."""
    if source.is_dir():
        return source
    with zipfile.ZipFile(source) as archive:
        archive.extractall(folder)
    return folder


def write_copies(source: Path, folder: Path, copies: int) -> list[Path]:
    """The files once more for each of ``copies``, every copy with a text of its own at its end."""
    folder.mkdir()
    paths = []
    for original in sorted(source.rglob("*.mid")):
        data = original.read_bytes()
        for copy in range(copies):
            path = folder / f"{original.stem}-{copy}.mid"
            # A chunk of another kind, which readers have to pass over.
            path.write_bytes(data + b"XCpy\x00\x00\x00\x02" + copy.to_bytes(2, "big"))
            paths.append(path)
    return paths


def seconds(work: Callable[[], object]) -> float:
    """How long the work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def core_seconds(work: Callable[[], object]) -> tuple[float, float]:
    """How long the work keeps a core busy: this process, and those that it started and ended."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    begin = [resource.getrusage(who) for who in whose]
    work()
    end = [resource.getrusage(who) for who in whose]
    own, others = (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        for before, after in zip(begin, end, strict=True)
    )
    return own, others


def compare_bars(corpus: nextbar.Corpus, source: Path) -> dict[str, int]:
    """How many bars there are each way, and how many are equal cell by cell (velocity aside)."""
    ours = usual = equal = cells = other = 0
    for piece, path in enumerate(sorted(source.rglob("*.mid"))):
        bars = corpus.bars_of(piece)
        rolls = corpus.rolls(list(bars))[:, 0] > 0
        theirs = usual_bars(path) > 0
        ours, usual = ours + len(rolls), usual + len(theirs)
        both = min(len(rolls), len(theirs))
        equal += int((rolls[:both] == theirs[:both]).all(axis=(1, 2)).sum())
        cells += int(rolls.sum())
        other += int((rolls[:both] != theirs[:both]).sum())
    return {"ours": ours, "usual": usual, "equal": equal, "cells": cells, "other_cells": other}


def time_both(paths: list[Path], place: Path, rounds: int, sample: int) -> dict[str, float]:
    """Files a second of a core: the usual way and ours, in turns. Files a second: by workers."""
    folder = paths[0].parent
    cores = sorted(os.sched_getaffinity(0))

    def prepare(workers: int) -> None:
        out = place / f"timed{len(list(place.iterdir()))}"
        nextbar.prepare(folder, out, grid="seconds", track=1, workers=workers, page=False)

    usual, one, alone, two, parent, workers = (list[float]() for _ in range(6))
    every = max(1, len(paths) // sample)
    some = paths[::every]
    for _ in range(rounds):
        os.sched_setaffinity(0, cores[:1])
        usual.append(sum(core_seconds(lambda: [usual_bars(path) for path in some])) / len(some))
        one.append(sum(core_seconds(lambda: prepare(1))) / len(paths))
        os.sched_setaffinity(0, cores)
        if len(cores) > 1:
            alone.append(seconds(lambda: prepare(1)) / len(paths))
            begin = time.perf_counter()
            own, theirs = core_seconds(lambda: prepare(2))
            two.append((time.perf_counter() - begin) / len(paths))
            parent.append(own / len(paths))
            workers.append(theirs / len(paths))
    # Of each, the best of the rounds: what disturbs can only slow down.
    figures = {"usual_per_core_second": 1 / min(usual), "ours_per_core_second": 1 / min(one)}
    figures["ratio"] = min(usual) / min(one)
    if two:
        figures |= {"one_worker_per_second": 1 / min(alone), "two_workers_per_second": 1 / min(two)}
        figures["two_workers_ratio"] = min(alone) / min(two)
        figures["two_workers_at_most"] = 2 * min(workers) / (min(parent) + min(workers))
        figures["parent_microseconds_a_file"] = 1e6 * min(parent)
        figures["worker_microseconds_a_file"] = 1e6 * min(workers)
    return {name: round(value, 2) for name, value in figures.items()}


def generate_files(folder: Path, first: int, last: int) -> None:
    """Short tunes, each of its own, a thousand to a subfolder."""
    rng = np.random.default_rng(first)
    file = mido.MidiFile(tracks=[mido.MidiTrack()], ticks_per_beat=480)
    for _ in range(128):
        file.tracks[0].append(mido.Message("note_on", note=60, velocity=80))
        file.tracks[0].append(mido.Message("note_off", note=60, time=240))
    pattern = folder / "pattern"
    file.save(pattern)
    data = np.frombuffer(pattern.read_bytes(), np.uint8).copy()
    pattern.unlink()
    at = np.flatnonzero((data[:-2] == 60) & (data[1:-1] == 80))
    off = np.flatnonzero((data[:-2] == 60) & (data[1:-1] == 64))
    assert len(at) == len(off) == 128, "other bytes than expected"
    for number in range(first, last):
        data[at] = data[off] = rng.integers(48, 84, len(at))
        place = folder / f"{number // 1000:04d}"
        place.mkdir(exist_ok=True)
        (place / f"{number:07d}.mid").write_bytes(data.tobytes())


def measure_memory(place: Path, most: int) -> list[dict[str, Any]]:
    """Peak memory of the process that prepares, and of its largest worker, by number of files."""
    folder = place / "generated"
    folder.mkdir()
    rows, made = [], 0
    for size in (size for size in SIZES if size <= most):
        generate_files(folder, made, size)
        made = size
        command = [sys.executable, "-c", MEASURE, str(folder), str(place / "memory"), "2"]
        shutil.rmtree(place / "memory", ignore_errors=True)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append({"files": size, **json.loads(done.stdout.splitlines()[-1])})
    return rows


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Prints rows of equal keys as a table."""
    table = Table(title=title)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(f"{v:,}" if isinstance(v, (int, float)) else str(v) for v in row.values()))
    Console().print(table)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="the 524 files: a folder or a zip archive")
    parser.add_argument("--copies", type=int, default=8, help="how often the set is taken")
    parser.add_argument("--rounds", type=int, default=3, help="of both ways, in turns")
    parser.add_argument("--sample", type=int, default=262, help="files timed in the usual way")
    parser.add_argument("--memory", action="store_true", help="peak memory of many files too")
    parser.add_argument("--most", type=int, default=SIZES[-1], help="files of that, at most")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # pretty_midi's, on tempo events on other tracks
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        source = unpack(arguments.source, place / "set")
        corpus = nextbar.prepare(source, place / "corpus", grid="seconds", track=1, page=False)
        bars = compare_bars(corpus, source)
        paths = write_copies(source, place / "copies", arguments.copies)
        figures: dict[str, Any] = {"files": len(paths), "bars": bars}
        figures |= time_both(paths, place, arguments.rounds, arguments.sample)
        show("The same files, both ways", [bars])
        names = {
            "usual_per_core_second": "pretty_midi, a core",
            "ours_per_core_second": "nextbar, a core",
            "one_worker_per_second": "nextbar, one worker",
            "two_workers_per_second": "nextbar, two workers",
        }
        speeds = [
            {"way": name, "files_a_second": figures[key]}
            for key, name in names.items()
            if key in figures
        ]
        show(f"{len(paths):,} files", speeds)
        print(f"ratio on one core: {figures['ratio']:g}")
        if "two_workers_ratio" in figures:
            print(
                f"two workers over one: {figures['two_workers_ratio']:g} by the clock,"
                f" {figures['two_workers_at_most']:g} at most by what they compute:"
                f" parent {figures['parent_microseconds_a_file']:.0f} and"
                f" worker {figures['worker_microseconds_a_file']:.0f} microseconds a file"
            )
        if arguments.memory:
            figures["memory"] = measure_memory(place, arguments.most)
            show("Generated files, two workers", figures["memory"])
    figures |= {"machine": platform.machine(), "cores": os.cpu_count()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
