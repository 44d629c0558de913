"""Results of files on their way into a corpus: packed by a worker, kept on disk, put together.

Nothing here holds the notes of more than a stretch of a corpus at a time, so
that memory does not grow with the number of files.
"""

import hashlib
import json
import struct
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from nextbar.errors import MusicFileError
from nextbar.music.bars import BAR_NOTE, BarNotes, cut_at_bar_lines, join_notes
from nextbar.music.corpus import Lines, read_manifest
from nextbar.music.reading import (
    CorpusOptions,
    FileResult,
    ParsedFile,
    ReadPiece,
    describe_piece,
    finish,
    parse_file,
    refusal_of,
)
from nextbar.music.sources import read_source, show_name

Header = dict[str, Any]
"""What a file gave but for its notes: file, bytes, sha256, pieces and refusals as JSON."""
Place = tuple[int, int, int, int, int]
"""Where a piece's bars are: source, first bar, bars, first row of notes, rows."""
PLACE_FIELDS: Final = 5

FLEETING: Final = frozenset(
    {
        "duplicate",
        "unreadable",
        "crashed the reader",
        "took too long",
        "needs too much memory",
        "needs music21",
    }
)
"""Reasons that the next run may not find again: such a file is read anew."""


def read_source_file(
    item: str,
    *,
    folder: Path,
    options: CorpusOptions,
    known: npt.NDArray[np.bytes_] | None = None,
) -> ParsedFile | bytes:
    """What a file gives, to be packed by :func:`pack_all`; runs in a worker.

    known: sorted keys (:func:`find_key`) of files that need not be parsed.
    """
    name = show_name(item)
    try:
        data = read_source(folder, item)
    except MusicFileError as error:
        return ParsedFile(FileResult(name, "", refusals=[refusal_of(error)]), [])
    if known is not None and len(known):
        sha256 = hashlib.sha256(data).hexdigest()
        key = find_key(name, sha256)
        if known[min(int(np.searchsorted(known, key)), len(known) - 1)] == key:
            return _frame({"file": name, "sha256": sha256, "known": True}, b"", b"")
    return parse_file(data, name=name, options=options)


def find_key(name: str, sha256: str) -> bytes:
    """What a file's result depends on but for the options: its name and its content."""
    return hashlib.sha256(f"{name}\0{sha256}".encode()).hexdigest().encode()


def pack_all(files: list[ParsedFile | bytes], options: CorpusOptions) -> list[bytes]:
    """Each file's result as bytes: a header in JSON, how many rows each bar has, and the rows."""
    parsed = [file for file in files if not isinstance(file, bytes)]
    results = finish(parsed, options)
    cut = _cut_all([piece for result in results for piece in result.pieces])
    packed = iter([_pack(result, cut, options) for result in results])
    return [file if isinstance(file, bytes) else next(packed) for file in files]


def _cut_all(pieces: list[ReadPiece]) -> Iterator[tuple[bytes, bytes]]:
    """For each piece how many rows each of its bars has (uint16), and the rows, as bytes.

    Pieces of equal bars are put behind each other and cut in one go.
    """
    cut: list[tuple[bytes, bytes]] = [(b"", b"")] * len(pieces)
    for n_steps in {piece.n_steps for piece in pieces}:
        chosen = [i for i, piece in enumerate(pieces) if piece.n_steps == n_steps]
        n_bars = np.array([pieces[i].n_bars for i in chosen])
        first = np.concatenate([[0], np.cumsum(n_bars)])
        n_notes = [len(pieces[i].grid.notes) for i in chosen]
        notes = join_notes([pieces[i].grid.notes for i in chosen])
        notes["start"] += np.repeat(first[:-1] * n_steps, n_notes).astype(np.int32)
        rows, index = cut_at_bar_lines(notes, n_steps=n_steps, n_bars=int(first[-1]))
        counts = (index[1:] - index[:-1]).astype("<u2").tobytes()
        data, size = rows.tobytes(), BAR_NOTE.itemsize
        for i, bar, end in zip(chosen, first[:-1].tolist(), first[1:].tolist(), strict=True):
            row, row_end = int(index[bar]) * size, int(index[end]) * size
            cut[i] = counts[2 * bar : 2 * end], data[row:row_end]
    return iter(cut)


def _pack(result: FileResult, cut: Iterator[tuple[bytes, bytes]], options: CorpusOptions) -> bytes:
    pieces = [{**describe_piece(p, options), "sha256": result.sha256} for p in result.pieces]
    bars = [next(cut) for _ in result.pieces]
    header = {
        "file": result.file,
        "bytes": result.n_bytes,
        "sha256": result.sha256,
        "pieces": pieces,
        "refusals": [_show_refusal(asdict(refusal)) for refusal in result.refusals],
    }
    return _frame(header, b"".join(c for c, _ in bars), b"".join(rows for _, rows in bars))


def _show_refusal(refusal: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in refusal.items() if value is not None}


def _frame(header: Header, counts: bytes, rows: bytes) -> bytes:
    text = json.dumps(header).encode()
    return b"".join([struct.pack("<II", len(text), len(counts)), text, counts, rows])


def unpack(data: bytes) -> "Unpacked":
    """What :func:`pack_all` packed."""
    n_text, n_counts = struct.unpack_from("<II", data)
    text = data[8 : 8 + n_text].decode()
    counts = np.frombuffer(data, "<u2", n_counts // 2, offset=8 + n_text)
    return Unpacked(json.loads(text), counts, memoryview(data)[8 + n_text + n_counts :], text)


class Unpacked(NamedTuple):
    """A header, how many rows each bar has, the bytes of the rows, and the header as it came."""

    header: Header
    counts: npt.NDArray[np.uint16]
    rows: memoryview
    text: str


@dataclass(frozen=True)
class Stored:
    """Bar notes and their index in two files, of which only what is asked for is read."""

    notes: Path
    bars: Path
    notes_begin: int = 0
    bars_begin: int = 0

    @classmethod
    def of_corpus(cls, path: Path) -> "Stored":
        """Those of a corpus."""
        notes, bars = path / "notes.npy", path / "bars.npy"
        return cls(notes, bars, _content_begins(notes), _content_begins(bars))

    def read_notes(self, first: int, count: int) -> BarNotes:
        """``count`` rows from row ``first`` on."""
        begin = self.notes_begin + first * BAR_NOTE.itemsize
        return np.fromfile(self.notes, BAR_NOTE, count, offset=begin)

    def read_bars(self, first: int, count: int) -> npt.NDArray[np.int64]:
        """``count`` entries of the index from entry ``first`` on."""
        return np.fromfile(self.bars, np.int64, count, offset=self.bars_begin + first * 8)


def _content_begins(path: Path) -> int:
    """Where the numbers of a .npy file begin."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        return file.tell()


class Gathered:
    """What all files gave, in the order of the files, on disk.

    sources: where bars are. metres: how many pieces could be had in each.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.sources = [Stored(folder / "notes", folder / "bars")]
        self.metres: Counter[str] = Counter()
        self.n_known = 0
        self._notes = self.sources[0].notes.open("wb")
        self._bars = self.sources[0].bars.open("wb")
        self._headers_path = folder / "headers"
        self._headers = self._headers_path.open("w", encoding="utf-8")
        self._places = array("q")
        self._n_rows = self._n_bars = 0
        self._bars.write(bytes(8))

    def add(self, packed: Unpacked) -> None:
        """Takes what a worker read."""
        header, counts, rows, text = packed
        if len(counts):
            index = self._n_rows + np.cumsum(counts, dtype=np.int64)
            self._bars.write(index.tobytes())
            self._notes.write(rows)
            begin, bar = self._n_rows, 0
            for piece in header["pieces"]:
                end = int(index[bar + piece["bars"] - 1])
                place = (0, self._n_bars + bar, piece["bars"], begin, end - begin)
                self._places.extend(place)
                begin, bar = end, bar + piece["bars"]
            self._n_rows, self._n_bars = begin, self._n_bars + bar
        self._note(header, text)

    def add_refused(self, header: Header) -> None:
        """Takes a file that has no pieces."""
        assert not header["pieces"]
        self._note(header, json.dumps(header))

    def add_known(self, header: Header, places: list[Place]) -> None:
        """Takes what is in one of the other sources already."""
        for place in places:
            self._places.extend(place)
        self.n_known += 1
        self._note(header, json.dumps(header))

    def _note(self, header: Header, text: str) -> None:
        found = [item["metre"] for item in header["pieces"] if item["metre"]]
        found += [item["metre"] for item in header["refusals"] if "metre" in item]
        self.metres.update(found)
        self._headers.write(text + "\n")

    def headers(self) -> Iterator[Header]:
        """What each file gave, in order."""
        with self._headers_path.open(encoding="utf-8") as file:
            yield from map(json.loads, file)

    def places(self) -> npt.NDArray[np.int64]:
        """(pieces, 5): the :data:`Place` of each piece, in order."""
        return np.array(self._places, np.int64).reshape(-1, PLACE_FIELDS)

    def close(self) -> None:
        """Nothing more is added; what was added can be read."""
        self._notes.close()
        self._bars.close()
        self._headers.close()


class Earlier:
    """The results of the files of a corpus, to be taken over into another.

    path: a corpus with ``files.jsonl``. source: its number among the sources.
    """

    def __init__(self, path: Path, source: int) -> None:
        self.manifest = read_manifest(path)
        self.stored = Stored.of_corpus(path)
        self._source = source
        self._files, self._pieces, self._refused = (
            Lines(path / f"{name}.jsonl") for name in ("files", "pieces", "refused")
        )
        self._piece_index = np.load(path / "pieces.npy", mmap_mode="r", allow_pickle=False)
        keys, counts = [], []
        for line in self._files:
            is_fleeting = not line["sha256"] or FLEETING & set(line["reasons"])
            keys.append(b"" if is_fleeting else find_key(line["file"], line["sha256"]))
            counts.append((line["pieces"], line["refused"]))
        begins = np.cumsum(np.array([(0, 0), *counts], np.int64), axis=0)
        self._begins: npt.NDArray[np.int64] = begins
        unsorted = np.array(keys, "S64")
        self._order = np.argsort(unsorted, kind="stable")
        self.keys: npt.NDArray[np.bytes_] = unsorted[self._order]

    def __len__(self) -> int:
        return len(self._files)

    def find(self, name: str, sha256: str) -> int:
        """The number of the file of this name and content; it must be among the keys."""
        return int(self._order[np.searchsorted(self.keys, find_key(name, sha256))])

    def take(self, number: int) -> tuple[Header, list[Place]]:
        """What a file gave, and where its bars are."""
        line = self._files[number]
        (piece, refusal), (piece_end, refusal_end) = self._begins[number : number + 2].tolist()
        header = {
            "file": line["file"],
            "bytes": line["bytes"],
            "sha256": line["sha256"],
            "pieces": [self._pieces[i] for i in range(piece, piece_end)],
            "refusals": [self._refused[i] for i in range(refusal, refusal_end)],
        }
        bars = self._piece_index[piece : piece_end + 1].tolist()
        places = []
        for first, last in pairwise(bars):
            ends = self.stored.read_bars(first, last - first + 1)
            row, row_end = int(ends[0]), int(ends[-1])
            places.append((self._source, first, last - first, row, row_end - row))
        return header, places
