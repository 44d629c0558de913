"""Results of files on their way into a corpus: packed by a worker, kept on disk.

A worker (:mod:`nextbar.music.file_parts`) makes of consecutive files one
:class:`Batch`: arrays, and the lines of the corpus's files as they will stand
there. Whoever gathers them looks at the arrays only and writes all else
through. Nothing here holds the notes of more than a stretch of a corpus at a
time, so that memory does not grow with the number of files.
"""

import json
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nextbar.music.bars import BAR_NOTE, BarNotes
from nextbar.music.metre import MetreCodes, codes_of, parse_metre
from nextbar.music.reading import Refusal

Header = dict[str, Any]
"""What a file gave but for its notes: file, bytes, sha256, pieces and refusals as JSON."""
Place = tuple[int, int, int, int, int]
"""Where a piece's bars are: source, first bar, bars, first row of notes, rows."""
PLACE: Final = ("source", "first_bar", "bars", "first_row", "rows")

FILE: Final = np.dtype(
    [("digest", "V16"), ("pieces", "<u4"), ("refusals", "<u4"), ("line", "<u4"), ("known", "?")]
)
"""Of a file: half of its SHA-256 (zeros without content), counts, bytes of its line, whether
it was taken from an earlier corpus."""
PIECE: Final = np.dtype(
    [(name, "<i8") for name in (*PLACE, "notes")]
    + [("tempo", "<f8"), ("off_grid_ms", "<f8"), ("key", "S8"), ("line", "<u4")]
)
"""Of a piece: its place, what is counted of it, its line's bytes.
What is new has the source 0, and its first bar and row follow from the pieces before it."""
REFUSAL: Final = np.dtype([("line", "<u4")])
"""Of a refusal: the bytes of its line."""
NO_DIGEST: Final = bytes(16)


_ENCODER: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


def line_of(row: dict[str, Any]) -> bytes:
    """The row as a line of a corpus's file."""
    return (_ENCODER.encode(row) + "\n").encode()


def show_refusal(refusal: Refusal) -> dict[str, Any]:
    """The refusal as a line of ``refused.jsonl`` has it."""
    return {key: value for key, value in vars(refusal).items() if value is not None}


def count_up(values: Iterable[str]) -> dict[str, int]:
    """How often each occurs, the most frequent first, ties by name."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def describe_file(header: Header) -> dict[str, Any]:
    """The file as a line of ``files.jsonl`` has it."""
    refusals = header["refusals"]
    return {
        "file": header["file"],
        "bytes": header["bytes"],
        "sha256": header["sha256"],
        **({"beats_sha256": header["beats_sha256"]} if header.get("beats_sha256") else {}),
        "pieces": len(header["pieces"]),
        "refused": len(refusals),
        "reasons": count_up(refusal["reason"] for refusal in refusals) if refusals else {},
    }


class Batch(NamedTuple):
    """What consecutive files gave.

    files, pieces, refusals: one record each, dtypes ``FILE``, ``PIECE`` and
    ``REFUSAL``. file_lines, piece_lines, refusal_lines: bytes of JSON lines, one
    for each record. counts: uint16, how many rows each bar has, of the pieces
    of source 0; metres: of these bars; rows: bytes of those rows.
    """

    files: npt.NDArray[np.void]
    pieces: npt.NDArray[np.void]
    refusals: npt.NDArray[np.void]
    file_lines: bytes
    piece_lines: bytes
    refusal_lines: bytes
    counts: npt.NDArray[np.uint16]
    metres: MetreCodes
    rows: bytes


class PieceBars(NamedTuple):
    """The bars of a piece as bytes: how many rows each has and its metre, uint16; and the rows."""

    counts: bytes
    metres: bytes
    rows: bytes


class FileParts(NamedTuple):
    """What one file gives to a :class:`Batch`. notes: the bars of each new piece."""

    header: Header
    places: Sequence[Place]
    notes: Sequence[PieceBars] = ()
    known: bool = False


def make_batch(parts: Iterable[FileParts]) -> Batch:
    """The batch of consecutive files."""
    files, pieces, refusals = list[Any](), list[Any](), list[Any]()
    file_lines, piece_lines, refusal_lines = list[bytes](), list[bytes](), list[bytes]()
    notes: list[PieceBars] = []
    for part in parts:
        header = part.header
        line = line_of(describe_file(header))
        file_lines.append(line)
        digest = bytes.fromhex(header["sha256"])[:16] or NO_DIGEST
        n_pieces, n_refusals = len(header["pieces"]), len(header["refusals"])
        files.append((digest, n_pieces, n_refusals, len(line), part.known))
        for piece, place in zip(header["pieces"], part.places, strict=True):
            line = line_of(piece)
            piece_lines.append(line)
            counted = (piece["notes"], piece["tempo"], piece["off_grid_ms"])
            pieces.append((*place, *counted, piece["key"].encode(), len(line)))
        for refusal in header["refusals"]:
            line = line_of(refusal)
            refusal_lines.append(line)
            refusals.append((len(line),))
        notes += part.notes
    return Batch(
        np.array(files, FILE),
        np.array(pieces, PIECE),
        np.array(refusals, REFUSAL),
        b"".join(file_lines),
        b"".join(piece_lines),
        b"".join(refusal_lines),
        np.frombuffer(b"".join(bars.counts for bars in notes), "<u2"),
        np.frombuffer(b"".join(bars.metres for bars in notes), "<u2"),
        b"".join(bars.rows for bars in notes),
    )


def pack(batch: Batch) -> bytes:
    """The batch as bytes, for :func:`unpack`: the length of each part, then the parts."""
    parts = [part if isinstance(part, bytes) else part.tobytes() for part in batch]
    return b"".join([struct.pack("<9Q", *map(len, parts)), *parts])


def unpack(data: bytes) -> Batch:
    """What :func:`pack` packed; ValueError for what it cannot have packed."""
    sizes = struct.unpack_from("<9Q", data) if len(data) >= 72 else ()
    if not sizes or 72 + sum(sizes) != len(data):
        raise ValueError("a batch has another length than it says")
    parts, at = list[bytes](), 72
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    files, pieces, refusals, *lines, counts, metres, rows = parts
    return Batch(
        np.frombuffer(files, FILE),
        np.frombuffer(pieces, PIECE),
        np.frombuffer(refusals, REFUSAL),
        *(lines[0], lines[1], lines[2]),
        np.frombuffer(counts, "<u2"),
        np.frombuffer(metres, "<u2"),
        rows,
    )


@dataclass(frozen=True)
class Stored:
    """Bar notes, their index and the metres of bars in files, read where they are asked for.

    codes: of the metres that the file of a corpus counts; None where it has the codes.
    """

    notes: Path
    bars: Path
    metres: Path
    codes: MetreCodes | None = None
    notes_begin: int = 0
    bars_begin: int = 0
    metres_begin: int = 0

    @classmethod
    def of_corpus(cls, path: Path, metres: Sequence[str]) -> "Stored":
        """Those of a corpus of these metres."""
        paths = (path / "notes.npy", path / "bars.npy", path / "metres.npy")
        codes = codes_of([parse_metre(metre) for metre in metres])
        return cls(*paths, codes, *map(_content_begins, paths))

    def read_notes(self, first: int, count: int) -> BarNotes:
        """``count`` rows from row ``first`` on."""
        begin = self.notes_begin + first * BAR_NOTE.itemsize
        return np.fromfile(self.notes, BAR_NOTE, count, offset=begin)

    def read_bars(self, first: int, count: int) -> npt.NDArray[np.int64]:
        """``count`` entries of the index from entry ``first`` on."""
        return np.fromfile(self.bars, np.int64, count, offset=self.bars_begin + first * 8)

    def read_metres(self, first: int, count: int) -> MetreCodes:
        """The metres of ``count`` bars from bar ``first`` on."""
        if self.codes is None:
            return np.fromfile(self.metres, "<u2", count, offset=first * 2)
        places = np.fromfile(self.metres, np.uint8, count, offset=self.metres_begin + first)
        return self.codes[places]


def _content_begins(path: Path) -> int:
    """Where the numbers of a .npy file begin."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        return file.tell()


class Gathered:
    """What all files gave, in the order of the files, on disk.

    sources: where bars are. twins: the numbers of files that have the bytes of
    one before, and its name. Records and lines can be had when it is closed.
    """

    LINES: Final = ("files", "pieces", "refused")

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.sources = [Stored(folder / "notes", folder / "bars", folder / "metres")]
        self.twins: dict[int, str] = {}
        self._n_files = self._n_rows = 0
        self._open = {
            name: (folder / name).open("wb")
            for name in (
                "notes",
                "bars",
                "metres",
                *self.LINES,
                *(f"{n}.jsonl" for n in self.LINES),
            )
        }
        self._open["bars"].write(bytes(8))

    def add(self, batch: Batch, twins: dict[int, str]) -> None:
        """Takes what consecutive files gave. twins: as ``self.twins``, numbers within the batch."""
        self.twins |= {self._n_files + number: first for number, first in twins.items()}
        self._n_files += len(batch.files)
        lines = (batch.file_lines, batch.piece_lines, batch.refusal_lines)
        for name, records, text in zip(self.LINES, batch[:3], lines, strict=True):
            self._open[name].write(records.data)
            self._open[f"{name}.jsonl"].write(text)
        if len(batch.counts):
            index = self._n_rows + np.cumsum(batch.counts, dtype=np.int64)
            self._n_rows = int(index[-1])
            self._open["bars"].write(index.data)
            self._open["metres"].write(batch.metres.data)
            self._open["notes"].write(batch.rows)

    def close(self) -> None:
        """Nothing more is added; what was added can be read."""
        for file in self._open.values():
            file.close()

    def lines(self, name: str) -> Path:
        """The lines of all files, pieces or refusals ("refused")."""
        return self._folder / f"{name}.jsonl"

    @cached_property
    def files(self) -> npt.NDArray[np.void]:
        """The record of each file, dtype ``FILE``."""
        return np.fromfile(self._folder / "files", FILE)

    @cached_property
    def refusals(self) -> npt.NDArray[np.void]:
        """The record of each refusal, dtype ``REFUSAL``."""
        return np.fromfile(self._folder / "refused", REFUSAL)

    @cached_property
    def pieces(self) -> npt.NDArray[np.void]:
        """The record of each piece, dtype ``PIECE``, with where it is."""
        pieces = np.fromfile(self._folder / "pieces", PIECE)
        new = pieces["source"] == 0
        for first, count in (("first_bar", "bars"), ("first_row", "rows")):
            counts = pieces[count][new]
            pieces[first][new] = np.cumsum(counts) - counts
        return pieces

    @property
    def n_known(self) -> int:
        """How many files were taken from an earlier corpus."""
        return int(self.files["known"].sum())

    def is_new(self) -> npt.NDArray[np.bool_]:
        """Of each piece, whether its file is no twin."""
        is_new = np.ones(len(self.files), bool)
        is_new[list(self.twins)] = False
        return np.repeat(is_new, self.files["pieces"])

    def places(self) -> npt.NDArray[np.int64]:
        """(pieces, 5): the :data:`Place` of each piece, in order."""
        return np.stack([self.pieces[name] for name in PLACE], axis=1)
