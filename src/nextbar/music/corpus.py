"""A corpus on disk: bars of many pieces, and where each piece begins.

A corpus is a folder, written whole by ``prepare.py`` and never changed after:

    manifest.json   what it is, how it was made, its counts, its fingerprint
    notes.npy       rows of dtype ``BAR_NOTE``: 5 bytes a note
    bars.npy        int64 (bars + 1,): bar b's notes are rows bars[b] to bars[b + 1]
    metres.npy      uint8 (bars,): the place of each bar's metre among the manifest's metres
    pieces.npy      int64 (pieces + 1,): piece p's bars are pieces[p] to pieces[p + 1]
    pieces.jsonl    one line a piece: its name, metres, key, tempo, and where it came from
    refused.jsonl   one line for each file or tune that was refused, and why
    files.jsonl     one line a file: its size, its hash, and what it gave
    prepare-report.html    the same for human eyes, unless it was not wanted

Pieces and files are in the order of their names; the lines of ``pieces.jsonl``
and ``refused.jsonl`` follow each other as the files do. So corpora made of
consecutive stretches of one list of files can be merged by putting their
arrays behind each other, the places of metres counted anew.

The arrays are memory-mapped, so that a corpus may be larger than memory.
"""

import hashlib
import json
import mmap
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt

from nextbar.errors import CorpusError
from nextbar.music.bars import (
    BAR_NOTE,
    BarIndex,
    BarNotes,
    BarStarts,
    Notes,
    Rolls,
    draw_rolls,
    join_at_bar_lines,
)
from nextbar.music.kind import BarKind, MetreNumbers
from nextbar.music.manifest import MANIFEST, damaged, read_manifest
from nextbar.music.metre import parse_metre
from nextbar.music.tunes import Metre

if TYPE_CHECKING:
    from nextbar.music.summary import Summary

HASHED_AT_ONCE: Final = 2**24
"""Bytes of a mapped array that are in memory at a time while it is hashed."""

Part = Literal["training", "held_out", "all"]


class Corpus:
    """An opened corpus. Bars are counted through all pieces: 0 to ``n_bars`` - 1.

    path, manifest: where it is, and its manifest.json. metres: those of its
    bars, the most frequent first. bar_metres: (n_bars,) uint8, the place of
    each bar's among them.
    bar_notes, bar_index: its notes by bar, see ``bars.py``; memory-mapped.
    piece_index: (n_pieces + 1,) int64; piece p has the bars piece_index[p] to
    piece_index[p + 1].
    """

    def __init__(
        self,
        path: Path,
        manifest: dict[str, Any],
        bar_notes: BarNotes,
        bar_index: BarIndex,
        piece_index: npt.NDArray[np.int64],
        bar_metres: MetreNumbers,
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.bar_notes = bar_notes
        self.bar_index = bar_index
        self.piece_index = piece_index
        self.n_steps = int(manifest["n_steps"])
        self.onsets = bool(manifest["options"]["onsets"])
        self.metres: tuple[Metre, ...] = tuple(map(parse_metre, manifest["metres"]))
        self.tempo = float(manifest["tempo"])
        self.steps_per_quarter = int(manifest["steps_per_quarter"])
        self.fingerprint = str(manifest["fingerprint"])
        self.n_pieces = len(piece_index) - 1
        self.n_bars = len(bar_index) - 1
        self.bar_metres = bar_metres

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The corpus in the folder ``path``; CorpusError where there is none or it is damaged.

        It reads all bytes once, to compare them with the fingerprint.
        """
        path = Path(path)
        manifest = read_manifest(path)
        notes = _load_array(path, "notes.npy", BAR_NOTE)
        bars = _load_array(path, "bars.npy", np.dtype(np.int64))
        pieces = _load_array(path, "pieces.npy", np.dtype(np.int64))
        metres = _load_array(path, "metres.npy", np.dtype(np.uint8))
        fit = _is_index_of(len(notes), bars) and _is_index_of(len(bars) - 1, pieces)
        if not fit or len(metres) != len(bars) - 1:
            raise damaged(path, "its arrays do not fit each other")
        if find_fingerprint(manifest, notes, bars, pieces, metres) != manifest.get("fingerprint"):
            raise damaged(path, "its content is not what its fingerprint says")
        try:
            corpus = cls(path, manifest, notes, bars, pieces, metres)
            lines = len(corpus._piece_lines)  # every line is whole where their number is right
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise damaged(path, f"{MANIFEST} or pieces.jsonl cannot be read") from error
        if lines != corpus.n_pieces:
            raise damaged(path, f"pieces.jsonl has {lines} pieces for {corpus.n_pieces}")
        return corpus

    @cached_property
    def _piece_lines(self) -> "Lines":
        return Lines(self.path / "pieces.jsonl")

    @property
    def kind(self) -> BarKind:
        """What kind of bars these are."""
        usual = self.manifest.get("usual_metre")
        return BarKind(
            grid=str(self.manifest["options"]["grid"]),
            metres=self.metres,
            steps_per_quarter=self.steps_per_quarter,
            tempo=self.tempo,
            onsets=self.onsets,
            common_key=bool(self.manifest["options"]["common_key"]),
            median_velocity=float(self.manifest["median_velocity"]),
            usual_metre=None if usual is None else parse_metre(str(usual)),
        )

    def pieces(self, part: Part = "all") -> npt.NDArray[np.int64]:
        """The numbers of the pieces of a part, ascending.

        Held out is every ``held_out_every``-th piece from the first, in the
        order of the corpus: 0, 10, 20, ...; with fewer pieces than that, the
        first, or none where there is one only. Transposed copies, which stand
        behind all pieces, are of training pieces and for training only.
        """
        every = int(self.manifest["options"]["held_out_every"])
        numbers = np.arange(self.n_pieces, dtype=np.int64)
        n_originals = int(self.manifest.get("originals", self.n_pieces))
        is_held_out = (numbers % every == 0) & (numbers < n_originals) & (n_originals > 1)
        chosen = {"held_out": is_held_out, "training": ~is_held_out, "all": numbers >= 0}[part]
        return np.flatnonzero(chosen)

    @property
    def n_held_out(self) -> int:
        """How many pieces are kept from training."""
        return len(self.pieces("held_out"))

    def bars_of(self, piece: int) -> range:
        """The numbers of a piece's bars."""
        return range(int(self.piece_index[piece]), int(self.piece_index[piece + 1]))

    def bars_in(self, part: Part) -> tuple[BarNotes, BarIndex]:
        """Bar notes and their index of all bars of a part's pieces, bars renumbered from 0."""
        bars = np.concatenate([np.arange(0), *(self.bars_of(int(p)) for p in self.pieces(part))])
        first, counts = self.bar_index[bars], np.diff(self.bar_index)[bars]
        index = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.repeat(first - index[:-1], counts) + np.arange(index[-1])
        return self.bar_notes[rows], index

    def rolls(self, bars: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Rolls:
        """(len(bars), 1 or 2, 88, n_steps) uint8: the chosen bars, in any order, repeats allowed.

        Velocities 0-127; the second channel, of a corpus with onsets, is 127 at each onset.
        """
        chosen = np.asarray(bars, np.int64)
        return draw_rolls(
            self.bar_notes, self.bar_index, chosen, n_steps=self.n_steps, onsets=self.onsets
        )

    def notes(self, first_bar: int, last_bar: int) -> Notes:
        """The notes of the bars from ``first_bar`` up to, not with, ``last_bar``; steps from 0."""
        index = self.bar_index[first_bar : last_bar + 1]
        return join_at_bar_lines(self.bar_notes, index, self.starts(first_bar, last_bar))

    def metres_of(self, bars: range) -> tuple[Metre, ...]:
        """The metre of each of these bars."""
        numbers = self.bar_metres[bars.start : bars.stop].tolist()
        return tuple(self.metres[number] for number in numbers)

    def starts(self, first_bar: int, last_bar: int) -> BarStarts:
        """Where those bars begin, steps from 0."""
        return self.kind.starts(self.bar_metres[first_bar:last_bar])

    def piece_name(self, piece: int) -> str:
        """The name of the file that a piece came from, ``#3`` added for tune 3 of many."""
        return str(self.describe(piece)["name"])

    def describe(self, piece: int) -> dict[str, Any]:
        """What is recorded of a piece: its line of ``pieces.jsonl``."""
        return self._piece_lines[piece]

    @cached_property
    def summary(self) -> "Summary":
        """What its music is like, and what that means for training."""
        from nextbar.music.summary import summarise

        return summarise(self)

    def refused(self) -> list[dict[str, str]]:
        """What was refused when the corpus was made: ``file``, ``reason``, ``message`` each."""
        return read_json_lines(self.path / "refused.jsonl")


def find_fingerprint(
    manifest: dict[str, Any],
    notes: BarNotes,
    bars: BarIndex,
    pieces: npt.NDArray[np.int64],
    metres: MetreNumbers,
) -> str:
    """sha256 over all that decides what a model sees: the arrays, the grid, and the split."""
    options = manifest.get("options")
    options = options if isinstance(options, dict) else {}
    decides = {
        key: manifest.get(key) for key in ("format", "n_steps", "steps_per_quarter", "metres")
    }
    decides |= {key: options.get(key) for key in ("grid", "onsets", "held_out_every")}
    decides |= {key: manifest[key] for key in ("originals",) if key in manifest}
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode())
    for array in (notes, bars, pieces, metres):
        digest.update(f"{len(array)} {array.dtype.str}".encode())
        at_once = HASHED_AT_ONCE // array.itemsize
        for begin in range(0, len(array), at_once):
            digest.update(array[begin : begin + at_once].data)
            _let_go(array)
    return digest.hexdigest()


def _let_go(array: npt.NDArray[Any]) -> None:
    """Tells the system that the pages of a mapped array are not needed in memory for now."""
    mapped = getattr(array.base, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


class Lines:
    """The objects of a file with one in each line, read when they are asked for.

    A last line without its end does not count. ValueError for a line that is no JSON object.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        ends = [np.zeros(1, np.int64)]
        with path.open("rb") as file:
            begin = 0
            while block := file.read(HASHED_AT_ONCE):
                found = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
                ends.append(found + (begin + 1))
                begin += len(block)
        self._ends = np.concatenate(ends)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> dict[str, Any]:
        begin, end = self._ends[number : number + 2].tolist()
        with self._path.open("rb") as file:
            file.seek(begin)
            return _json_object(file.read(end - begin))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as file:
            for _ in range(len(self)):
                yield _json_object(file.readline())


def _json_object(line: bytes) -> dict[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("a line is no JSON object")
    return value


def corpus_of(origin: Mapping[str, Any]) -> Corpus:
    """The corpus that a run of this origin was trained on, if it is still there and unchanged."""
    recorded = origin["corpus"]
    if "path" not in recorded:
        raise CorpusError(
            "the model came without the corpus that it was trained on; begin from noise or a file"
        )
    try:
        corpus = Corpus.open(recorded["path"])
    except CorpusError as error:
        raise CorpusError(
            f"the corpus that this run was trained on cannot be used: {error}; "
            "or begin from noise or a file"
        ) from error
    if corpus.fingerprint != recorded["fingerprint"]:
        raise CorpusError(
            f"{corpus.path} is no longer the corpus that this run was trained on; prepare it as "
            "it was, or begin from noise or a file"
        )
    return corpus


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The object on each line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _load_array(path: Path, name: str, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    try:
        array = np.load(path / name, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, f"{name} is missing or cut short") from error
    if array.dtype != dtype or array.ndim != 1:
        raise damaged(path, f"{name} is not an array of {dtype}")
    return np.asarray(array)  # still mapped; plain arrays are indexed faster than memmaps


def _is_index_of(length: int, index: npt.NDArray[np.int64]) -> bool:
    if len(index) < 2 or index[0] != 0 or index[-1] != length:
        return False
    return bool((np.diff(index) >= 0).all())
