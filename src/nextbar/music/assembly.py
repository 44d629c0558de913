"""What all files gave -> a corpus folder: the pieces that are kept, their bars, the manifest."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import symusic

from nextbar._version import __version__
from nextbar.files import write_json_atomically
from nextbar.music.bars import BAR_NOTE, FULL_VELOCITY, LOWEST_PITCH, N_PITCHES
from nextbar.music.corpus import Lines, find_fingerprint
from nextbar.music.manifest import FORMAT, KIND, MANIFEST
from nextbar.music.metre import MetreCodes, metre_of, show_metre, steps_of
from nextbar.music.options import CorpusOptions
from nextbar.music.reading import refusal_of
from nextbar.music.refusals import refuse
from nextbar.music.spool import (
    PLACE,
    Gathered,
    Stored,
    describe_file,
    line_of,
    show_refusal,
)

ROWS_AT_ONCE: Final = 2**18
BYTES_AT_ONCE: Final = 2**24
READER: Final = f"5, symusic {symusic.__version__}"
"""Raised whenever the same file may give other notes: then nothing is taken from earlier runs."""


@dataclass(frozen=True)
class Tally:
    """What the lines of a corpus say. kept: which of the gathered pieces are in it."""

    kept: npt.NDArray[np.bool_]
    refused: Counter[str]
    keys: Counter[str]
    tempos: npt.NDArray[np.float64]
    files_taken: int
    files_refused: int
    notes: int
    shift_ms: float
    first_refusal: str


def write_lines(folder: Path, gathered: Gathered) -> Tally:
    """Writes pieces.jsonl, refused.jsonl and files.jsonl; twins are refused."""
    pieces, files = gathered.pieces, gathered.files
    kept = gathered.is_new()
    if gathered.twins:
        _write_changed_lines(folder, gathered)
    else:
        for name in gathered.LINES:
            gathered.lines(name).replace(folder / f"{name}.jsonl")
    refused, first_refusal = Counter[str](), ""
    for line in Lines(folder / "refused.jsonl"):
        refused[line["reason"]] += 1
        first_refusal = first_refusal or line["message"]
    file_of_piece = np.repeat(np.arange(len(files)), files["pieces"])
    taken = int((np.bincount(file_of_piece[kept], minlength=len(files)) > 0).sum())
    notes = pieces["notes"][kept]
    return Tally(
        kept=kept,
        refused=refused,
        keys=Counter(key.decode() for key in pieces["key"][kept].tolist()),
        tempos=pieces["tempo"][kept],
        files_taken=taken,
        files_refused=len(files) - taken,
        notes=int(notes.sum()),
        shift_ms=float((pieces["off_grid_ms"][kept] * notes).sum()),
        first_refusal=first_refusal,
    )


class MetreCounts(NamedTuple):
    """The metres of bars, that of most bars first, and how many bars and pieces are in each."""

    codes: MetreCodes
    bars: dict[str, int]
    pieces: dict[str, int]


class _Changed:
    """The gathered lines of one kind on their way into the corpus, with others for some files."""

    def __init__(self, source: Path, target: Path, sizes: npt.NDArray[np.int64]) -> None:
        """sizes: how many bytes each file's lines have."""
        self._source, self._target = source.open("rb"), target.open("wb")
        self._ends = np.cumsum(sizes)

    def take(self, number: int) -> list[bytes]:
        """The lines of a file; all before that were not taken are written as they are."""
        begin, end = (int(self._ends[n]) if n >= 0 else 0 for n in (number - 1, number))
        self._copy_up_to(begin)
        return self._source.read(end - begin).splitlines(keepends=True)

    def write(self, lines: Iterable[bytes]) -> None:
        """Writes these."""
        self._target.writelines(lines)

    def close(self) -> None:
        """Writes what is left."""
        self._copy_up_to(int(self._ends[-1]))
        self._source.close()
        self._target.close()

    def _copy_up_to(self, end: int) -> None:
        while (left := end - self._source.tell()) > 0:
            self._target.write(self._source.read(min(left, BYTES_AT_ONCE)))


def _write_changed_lines(folder: Path, gathered: Gathered) -> None:
    """Writes the lines where some files are twins."""
    files = gathered.files
    texts = []
    for name, counts, records in (
        ("files", np.ones(len(files), np.int64), files),
        ("pieces", files["pieces"], gathered.pieces),
        ("refused", files["refusals"], gathered.refusals),
    ):
        ends = np.concatenate([[0], np.cumsum(records["line"], dtype=np.int64)])
        sizes = np.diff(ends[np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])])
        texts.append(_Changed(gathered.lines(name), folder / f"{name}.jsonl", sizes))
    file_text, piece_text, refusal_text = texts
    for number, first in sorted(gathered.twins.items()):
        header = json.loads(b"".join(file_text.take(number)))
        piece_text.take(number)
        refusal_text.take(number)
        refusal = _refuse_twin(header["file"], first)
        header |= {"pieces": [], "refusals": [json.loads(refusal)]}
        file_text.write([line_of(describe_file(header))])
        refusal_text.write([refusal])
    for text in texts:
        text.close()


def _refuse_twin(name: str, first: str) -> bytes:
    error = refuse(name, "duplicate", f"duplicate of {first}, byte for byte")
    return line_of(show_refusal(refusal_of(error)))


def count_metres(sources: list[Stored], places: npt.NDArray[np.int64]) -> MetreCounts:
    """How many bars, and how many pieces, are in each metre; places: as in :func:`write_arrays`."""
    bars, pieces = np.zeros(2**16, np.int64), np.zeros(2**16, np.int64)
    for begin, end in _stretches(places):
        codes = sources[places[begin, 0]].read_metres(*_bars_of(places[begin:end]))
        bars += np.bincount(codes, minlength=len(bars))
        piece = np.repeat(np.arange(end - begin), places[begin:end, 2])
        changes = np.ones(len(codes), bool)  # most bars are like the one before
        changes[1:] = (np.diff(codes) != 0) | (np.diff(piece) != 0)
        found = np.unique(piece[changes] * len(bars) + codes[changes])
        pieces += np.bincount(found % len(bars), minlength=len(bars))
    there = np.flatnonzero(bars)
    named = {code: show_metre(metre_of(code)) for code in there.tolist()}
    order = sorted(named, key=lambda code: (-bars[code], named[code]))
    return MetreCounts(
        np.array(order, np.uint16),
        {named[code]: int(bars[code]) for code in order},
        {named[code]: int(pieces[code]) for code in order},
    )


def _bars_of(places: npt.NDArray[np.int64]) -> tuple[int, int]:
    """The first bar and the number of bars of pieces that follow each other."""
    return int(places[0, 1]), int(places[:, 2].sum())


def write_arrays(
    folder: Path, sources: list[Stored], places: npt.NDArray[np.int64], metres: MetreCodes
) -> npt.NDArray[np.int64]:
    """Writes the arrays of a corpus; returns how many rows have each velocity, (128,).

    places: (pieces, 6) int64: each piece's ``Place``, and by how many semitones to transpose it.
    metres: those that bars have, the most frequent first.
    """
    source, _, n_bars, first_row, n_rows, semitones = places.T
    starts = np.concatenate([[0], np.cumsum(n_bars)]).astype(np.int64)
    np.save(folder / "pieces.npy", starts, allow_pickle=False)
    velocities = np.zeros(FULL_VELOCITY + 1, np.int64)
    place_of = np.zeros(2**16, np.uint8)
    place_of[metres] = np.arange(len(metres))
    total = 0
    with (
        (folder / "notes.npy").open("wb") as notes_file,
        (folder / "bars.npy").open("wb") as bars,
        (folder / "metres.npy").open("wb") as metres_file,
    ):
        _write_npy_header(notes_file, BAR_NOTE, int(n_rows.sum()))
        _write_npy_header(bars, np.dtype(np.int64), int(starts[-1]) + 1)
        _write_npy_header(metres_file, np.dtype(np.uint8), int(starts[-1]))
        bars.write(bytes(8))
        for begin, end in _stretches(places):
            stored, count = sources[source[begin]], int(n_rows[begin:end].sum())
            rows = stored.read_notes(int(first_row[begin]), count)
            if semitones[begin]:
                rows["pitch"] += np.uint8(semitones[begin] % 256)
            first, n_there = _bars_of(places[begin:end])
            index = stored.read_bars(first + 1, n_there)
            notes_file.write(rows.data)
            metres_file.write(place_of[stored.read_metres(first, n_there)].data)
            bars.write((index + (total - int(first_row[begin]))).data)
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
    wide = np.zeros((len(places), len(PLACE) + 1), np.int64)
    wide[:, : len(PLACE)] = places
    if not options.augment:
        return wide
    lines = Lines(folder / "pieces.jsonl")
    parts = [wide]
    amounts = [n for n in range(-options.augment, options.augment + 1) if n]
    with (folder / "pieces.jsonl").open("ab") as file:
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
                file.write(line_of({**line, **moved, "name": name, "copy_of": number}))
                chosen.append(number)
            part = wide[chosen].copy()
            part[:, len(PLACE)] = semitones
            parts.append(part)
    return np.concatenate(parts)


def write_manifest(
    folder: Path,
    tally: Tally,
    places: npt.NDArray[np.int64],
    velocities: npt.NDArray[np.int64],
    metres: MetreCounts,
    options: CorpusOptions,
    facts: dict[str, Any],
) -> None:
    """Writes manifest.json. facts: what else it is to say."""
    in_seconds = options.grid == "seconds"
    n_originals, n_pieces, n_bars = len(tally.tempos), len(places), int(places[:, 2].sum())
    # A step of the seconds grid is 0.125 s: a sixteenth at 120 quarters a minute.
    steps_per_quarter = 4 if in_seconds else options.steps_per_quarter
    manifest = {
        "kind": KIND,
        "format": FORMAT,
        "nextbar_version": __version__,
        "reader": READER,
        "options": asdict(options),
        "n_steps": int(steps_of(metres.codes, steps_per_quarter).max()),
        "steps_per_quarter": steps_per_quarter,
        "tempo": 120.0 if in_seconds else round(float(np.median(tally.tempos)), 3),
        "files_taken": tally.files_taken,
        "files_refused": tally.files_refused,
        "refused": _by_count(tally.refused),
        "metres": list(metres.bars),
        **({} if in_seconds else {"bars_in": metres.bars, "pieces_in": metres.pieces}),
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
        for name in ("notes.npy", "bars.npy", "pieces.npy", "metres.npy")
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
