"""An earlier corpus taken up again: what its files gave need not be read anew."""

import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nextbar.music.corpus import Lines
from nextbar.music.manifest import read_manifest
from nextbar.music.spool import FileParts, Stored
from nextbar.workers import CRASHED, TOO_LONG, TOO_MUCH

FLEETING: Final = frozenset(
    {"duplicate", "unreadable", CRASHED, TOO_LONG, TOO_MUCH, "needs music21"}
)
"""Reasons that the next run may not find again: such a file is read anew."""


def find_key(name: str, sha256: str, beats_sha256: str = "") -> bytes:
    """What a file's result depends on but for the options: its name, its content, its beats."""
    key = f"{name}\0{sha256}\0{beats_sha256}"
    return hashlib.sha256(key.encode()).hexdigest().encode()


def _key_of(line: dict[str, Any]) -> bytes:
    """The same of a file that is a line of ``files.jsonl``."""
    return find_key(line["file"], line["sha256"], line.get("beats_sha256", ""))


class Earlier:
    """The results of the files of a corpus, to be taken over into another.

    path: a corpus with ``files.jsonl``. source: its number among the sources.
    """

    def __init__(self, path: Path, source: int) -> None:
        self.manifest = read_manifest(path)
        self.stored = Stored.of_corpus(path, self.manifest["metres"])
        self._source = source
        self._files, self._pieces, self._refused = (
            Lines(path / f"{name}.jsonl") for name in ("files", "pieces", "refused")
        )
        self._piece_index = np.load(path / "pieces.npy", mmap_mode="r", allow_pickle=False)
        keys, counts = [], []
        for line in self._files:
            is_fleeting = not line["sha256"] or FLEETING & set(line["reasons"])
            keys.append(b"" if is_fleeting else _key_of(line))
            counts.append((line["pieces"], line["refused"]))
        begins = np.cumsum(np.array([(0, 0), *counts], np.int64), axis=0)
        self._begins: npt.NDArray[np.int64] = begins
        unsorted = np.array(keys, "S64")
        self._order = np.argsort(unsorted, kind="stable")
        self._keys: npt.NDArray[np.bytes_] = unsorted[self._order]

    def __len__(self) -> int:
        return len(self._files)

    def find(self, name: str, sha256: str, beats_sha256: str = "") -> int | None:
        """The number of the file of this name and content, if it need not be read anew."""
        key = find_key(name, sha256, beats_sha256)
        at = int(np.searchsorted(self._keys, key))
        return int(self._order[at]) if at < len(self._keys) and self._keys[at] == key else None

    def take(self, number: int) -> FileParts:
        """What a file gave, and where its bars are."""
        line = self._files[number]
        (piece, refusal), (piece_end, refusal_end) = self._begins[number : number + 2].tolist()
        header = {
            "file": line["file"],
            "bytes": line["bytes"],
            "sha256": line["sha256"],
            "beats_sha256": line.get("beats_sha256", ""),
            "pieces": [self._pieces[i] for i in range(piece, piece_end)],
            "refusals": [self._refused[i] for i in range(refusal, refusal_end)],
        }
        bars = self._piece_index[piece : piece_end + 1].tolist()
        places = []
        for first, last in pairwise(bars):
            ends = self.stored.read_bars(first, last - first + 1)
            row, row_end = int(ends[0]), int(ends[-1])
            places.append((self._source, first, last - first, row, row_end - row))
        return FileParts(header, places, known=True)
