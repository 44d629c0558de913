"""What all files gave -> a corpus folder: the pieces that are kept, their bars, the manifest."""

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np
import numpy.typing as npt
import symusic

from nextbar._version import __version__
from nextbar.files import write_json_atomically
from nextbar.music.bars import BAR_NOTE, FULL_VELOCITY, LOWEST_PITCH, N_PITCHES
from nextbar.music.corpus import Lines, find_fingerprint
from nextbar.music.grid import bar_steps, parse_metre, show_metre
from nextbar.music.manifest import FORMAT, KIND, MANIFEST
from nextbar.music.midi import Metre
from nextbar.music.options import CorpusOptions
from nextbar.music.reading import SECONDS_BAR_STEPS, other_metre, refusal_of
from nextbar.music.spool import PLACE_FIELDS, Gathered, Header, Stored

ROWS_AT_ONCE: Final = 2**20
READER: Final = f"2, symusic {symusic.__version__}"
"""Raised whenever the same file may give other notes: then nothing is taken from earlier runs."""


_ENCODER: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


@dataclass
class Tally:
    """What is counted while the lines of a corpus are written."""

    kept: "array[int]" = field(default_factory=lambda: array("b"))
    refused: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    tempos: "array[float]" = field(default_factory=lambda: array("d"))
    files_taken: int = 0
    files_refused: int = 0
    notes: int = 0
    shift_ms: float = 0.0
    first_refusal: str = ""


def choose_metre(metres: Counter[str], options: CorpusOptions) -> Metre:
    """The metre asked for; with "auto", 4/4 unless more than half of the pieces share another."""
    if options.metre != "auto":
        return parse_metre(options.metre)
    metre, count = max(metres.items(), key=lambda item: item[1], default=("4/4", 0))
    return parse_metre(metre) if 2 * count > metres.total() else (4, 4)


def write_lines(folder: Path, gathered: Gathered, metre: Metre) -> Tally:
    """Writes pieces.jsonl, refused.jsonl and files.jsonl; pieces of other metres are refused."""
    tally = Tally()
    names = ("pieces", "refused", "files")
    files = [(folder / f"{n}.jsonl").open("w", encoding="utf-8", newline="\n") for n in names]
    pieces_file, refused_file, files_file = files
    try:
        for header in gathered.headers():
            pieces, refusals = _keep_metre(header, metre, tally)
            for piece in pieces:
                _write_line(pieces_file, piece)
                tally.keys[piece["key"]] += 1
                tally.tempos.append(piece["tempo"])
                tally.notes += piece["notes"]
                tally.shift_ms += piece["off_grid_ms"] * piece["notes"]
            for refusal in refusals:
                _write_line(refused_file, refusal)
                tally.refused[refusal["reason"]] += 1
                tally.first_refusal = tally.first_refusal or refusal["message"]
            tally.files_taken += bool(pieces)
            tally.files_refused += not pieces
            _write_line(files_file, _describe_file(header, pieces, refusals))
    finally:
        for file in files:
            file.close()
    return tally


def _keep_metre(
    header: Header, metre: Metre, tally: Tally
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A file's pieces in the metre, and its refusals with those of the others."""
    shown, pieces, refusals = show_metre(metre), [], list(header["refusals"])
    for piece in header["pieces"]:
        is_kept = piece["metre"] in (shown, None)
        tally.kept.append(is_kept)
        if is_kept:
            pieces.append(piece)
        else:
            its = parse_metre(piece["metre"])
            refusals.append(asdict(refusal_of(other_metre(piece["name"], its, metre), its)))
    return pieces, refusals


def _describe_file(
    header: Header, pieces: list[dict[str, Any]], refusals: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "file": header["file"],
        "bytes": header["bytes"],
        "sha256": header["sha256"],
        "pieces": len(pieces),
        "refused": len(refusals),
        "reasons": count_up(refusal["reason"] for refusal in refusals) if refusals else {},
    }


def _write_line(file: TextIO, row: dict[str, Any]) -> None:
    file.write(_ENCODER.encode(row) + "\n")


def count_up(values: Iterable[str]) -> dict[str, int]:
    """How often each occurs, the most frequent first, ties by name."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def write_arrays(
    folder: Path, sources: list[Stored], places: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Writes notes.npy, bars.npy, pieces.npy; returns how many rows have each velocity, (128,).

    places: (pieces, 6) int64: each piece's ``Place``, and by how many semitones to transpose it.
    """
    source, first_bar, n_bars, first_row, n_rows, semitones = places.T
    starts = np.concatenate([[0], np.cumsum(n_bars)]).astype(np.int64)
    np.save(folder / "pieces.npy", starts, allow_pickle=False)
    velocities = np.zeros(FULL_VELOCITY + 1, np.int64)
    total = 0
    with (folder / "notes.npy").open("wb") as notes_file, (folder / "bars.npy").open("wb") as bars:
        _write_npy_header(notes_file, BAR_NOTE, int(n_rows.sum()))
        _write_npy_header(bars, np.dtype(np.int64), int(starts[-1]) + 1)
        bars.write(bytes(8))
        for begin, end in _stretches(places):
            stored, count = sources[source[begin]], int(n_rows[begin:end].sum())
            rows = stored.read_notes(int(first_row[begin]), count)
            rows["pitch"] += np.uint8(semitones[begin] % 256)
            index = stored.read_bars(int(first_bar[begin]) + 1, int(n_bars[begin:end].sum()))
            notes_file.write(rows.tobytes())
            bars.write((index + (total - int(first_row[begin]))).tobytes())
            velocities += np.bincount(rows["velocity"], minlength=len(velocities))
            total += count
    return velocities


def _write_npy_header(file: Any, dtype: np.dtype[Any], length: int) -> None:
    descr = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, header)


def _stretches(places: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """(begin, end) of pieces that follow each other in their source, some rows at a time."""
    source, first_bar, n_bars, first_row, n_rows, semitones = places.T
    block = np.cumsum(n_rows) // ROWS_AT_ONCE
    follows = first_bar[1:] == first_bar[:-1] + n_bars[:-1]
    follows &= first_row[1:] == first_row[:-1] + n_rows[:-1]
    for column in (source, semitones, block):
        follows &= column[1:] == column[:-1]
    begins = [0, *(np.flatnonzero(~follows) + 1).tolist()]
    return zip(begins, [*begins[1:], len(places)], strict=True)


def add_transpositions(
    folder: Path, places: npt.NDArray[np.int64], options: CorpusOptions
) -> npt.NDArray[np.int64]:
    """The places with a column of semitones, and behind all pieces the copies of training pieces.

    Their lines are added to pieces.jsonl. A copy that would leave A0-C8 is not made.
    """
    wide = np.zeros((len(places), PLACE_FIELDS + 1), np.int64)
    wide[:, :PLACE_FIELDS] = places
    if not options.augment:
        return wide
    lines = Lines(folder / "pieces.jsonl")
    parts = [wide]
    amounts = [n for n in range(-options.augment, options.augment + 1) if n]
    with (folder / "pieces.jsonl").open("a", encoding="utf-8", newline="\n") as file:
        for semitones in amounts:
            chosen = []
            for number, line in enumerate(lines):
                if len(places) > 1 and number % options.held_out_every == 0:
                    continue
                low, high = line["lowest_pitch"] + semitones, line["highest_pitch"] + semitones
                if low < LOWEST_PITCH or high >= LOWEST_PITCH + N_PITCHES:
                    continue
                moved = {"lowest_pitch": low, "highest_pitch": high, "transposed": semitones}
                name = f"{line['name']} {semitones:+d}"
                _write_line(file, {**line, **moved, "name": name, "copy_of": number})
                chosen.append(number)
            part = wide[chosen].copy()
            part[:, PLACE_FIELDS] = semitones
            parts.append(part)
    return np.concatenate(parts)


def write_manifest(
    folder: Path,
    tally: Tally,
    places: npt.NDArray[np.int64],
    velocities: npt.NDArray[np.int64],
    metres: Counter[str],
    options: CorpusOptions,
    facts: dict[str, Any],
) -> None:
    """Writes manifest.json. facts: what else it is to say, among it ``metre``."""
    in_seconds = options.grid == "seconds"
    n_originals, n_pieces, n_bars = len(tally.tempos), len(places), int(places[:, 2].sum())
    metre = parse_metre(facts["metre"])
    manifest = {
        "kind": KIND,
        "format": FORMAT,
        "nextbar_version": __version__,
        "reader": READER,
        "options": asdict(options),
        "n_steps": SECONDS_BAR_STEPS if in_seconds else bar_steps(metre, options.steps_per_quarter),
        # A step of the seconds grid is 0.125 s: a sixteenth at 120 quarters a minute.
        "steps_per_quarter": 4 if in_seconds else options.steps_per_quarter,
        "tempo": 120.0 if in_seconds else round(float(np.median(tally.tempos)), 3),
        "files_taken": tally.files_taken,
        "files_refused": tally.files_refused,
        "refused": _by_count(tally.refused),
        "metres": _by_count(metres),
        "keys": _by_count(tally.keys),
        "pieces": n_pieces,
        "bars": n_bars,
        "pairs": n_bars - n_pieces,
        "notes": tally.notes,
        "mean_shift_ms": round(tally.shift_ms / max(tally.notes, 1), 2),
        "median_velocity": _median(velocities),
        "held_out_every": options.held_out_every,
        **({"originals": n_originals} if n_pieces > n_originals else {}),
        **facts,
    }
    arrays = [
        np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))
        for name in ("notes.npy", "bars.npy", "pieces.npy")
    ]
    manifest["fingerprint"] = find_fingerprint(manifest, *arrays)
    write_json_atomically(folder / MANIFEST, manifest)


def _by_count(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _median(counts: npt.NDArray[np.int64]) -> float:
    """The median of values of which value i occurs ``counts[i]`` times."""
    below = np.cumsum(counts)
    total = int(below[-1])
    middle = [int(np.searchsorted(below, rank, "right")) for rank in ((total - 1) // 2, total // 2)]
    return sum(middle) / 2
