"""A folder of music files -> a corpus on disk, with the reason for every file refused."""

import importlib.util
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from nextbar._version import __version__
from nextbar.errors import CorpusError, OutputError
from nextbar.files import folder_written_whole, write_json_atomically
from nextbar.music.bars import cut_at_bar_lines
from nextbar.music.corpus import (
    FILES,
    FORMAT,
    KIND,
    MANIFEST,
    Corpus,
    find_fingerprint,
    read_manifest,
)
from nextbar.music.grid import (
    parse_metre,
    show_metre,
)
from nextbar.music.midi import MUSIC_SUFFIXES, Metre, refuse
from nextbar.music.reading import (
    CorpusOptions,
    FileResult,
    Piece,
    Refusal,
    other_metre,
    read_pieces,
    refusal_of,
)

MUSIC21: Final = "music21:"


@dataclass(frozen=True)
class FoundFiles:
    """Music files, relative to their folder and sorted; how many others there are, by suffix."""

    names: list[str]
    ignored: dict[str, int]


@dataclass(frozen=True)
class Progress:
    """How far the preparation is, after ``file``."""

    n_done: int
    n_files: int
    n_pieces: int
    n_refused: int
    file: str


def prepare_corpus(
    source: str | Path,
    out: str | Path,
    *,
    grid: Literal["metre", "seconds"] = "metre",
    metre: str = "auto",
    track: int | str = "all",
    onsets: bool = False,
    common_key: bool = False,
    steps_per_quarter: int = 4,
    min_bars: int = 2,
    held_out_every: int = 10,
    duplicates: Literal["auto", "refuse", "keep"] = "auto",
    report: Callable[[Progress], None] | None = None,
) -> Corpus:
    """The corpus of all music files in the folder ``source``, written to the folder ``out``.

    source: a folder, searched with its subfolders, or ``music21:NAME`` for a
    collection of an installed music21. The other options: see
    :class:`CorpusOptions`. report: called after each file. The same files and
    options give the same bytes. A corpus already in ``out`` is replaced, in
    one step and only on success; anything else there is an OutputError.
    Raises CorpusError where there is nothing to take.
    """
    options = CorpusOptions(
        grid=grid,
        metre=metre,
        track=track,
        onsets=onsets,
        common_key=common_key,
        steps_per_quarter=steps_per_quarter,
        min_bars=min_bars,
        held_out_every=held_out_every,
        duplicates=duplicates,
    )
    folder, source_name = find_source(source)
    out = Path(out)
    _check_out(out)
    found = find_music_files(folder)
    if not found.names:
        raise CorpusError(_say_nothing_found(folder, found.ignored))
    with folder_written_whole(out, replace=True) as beside:
        results = _read_all(folder, found.names, options, report)
        _write_corpus(beside, results, options, source_name, folder, found.ignored)
    return Corpus.open(out)


def find_source(source: str | Path) -> tuple[Path, str]:
    """The folder that ``source`` means, and the name to keep of it; CorpusError if none."""
    if str(source).startswith(MUSIC21):
        return _find_music21_collection(str(source).removeprefix(MUSIC21)), str(source)
    folder = Path(source)
    if not folder.exists():
        raise CorpusError(f"{folder} does not exist; check the path of the folder of music files")
    if not folder.is_dir():
        raise CorpusError(f"{folder} is a file; give the folder that holds your music files")
    return folder, folder.resolve().name


def _find_music21_collection(name: str) -> Path:
    spec = importlib.util.find_spec("music21")
    if spec is None or not spec.submodule_search_locations:
        raise CorpusError(
            f"{MUSIC21}{name} needs the package music21, which is not installed;"
            " install it with: pip install 'nextbar[folk]'"
        )
    corpus = Path(spec.submodule_search_locations[0], "corpus")
    collections = [p for p in sorted(corpus.iterdir()) if any(p.glob("*.abc"))]
    for collection in collections:
        if collection.name.casefold() == name.casefold():
            return collection
    names = ", ".join(collection.name for collection in collections)
    raise CorpusError(f"music21 has no collection {name!r} of ABC tunes; it has: {names}")


def find_music_files(folder: Path) -> FoundFiles:
    """The MIDI and ABC files in ``folder`` and below, as sorted relative paths with ``/``.

    Hidden files and folders and ``__MACOSX`` are passed over, and so is a link
    that leads out of the folder. Raises CorpusError for a subfolder that
    cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise CorpusError(f"{error.filename} cannot be read: {error.strerror}") from error

    root = folder.resolve()
    names: list[str] = []
    ignored: Counter[str] = Counter()
    for place, subfolders, files in os.walk(folder, onerror=fail):
        subfolders[:] = [s for s in subfolders if not s.startswith(".") and s != "__MACOSX"]
        for file in files:
            path = Path(place, file)
            if file.startswith("."):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                ignored["link out of the folder"] += 1
            elif path.suffix.lower() in MUSIC_SUFFIXES:
                names.append(path.relative_to(folder).as_posix())
            else:
                ignored[path.suffix.lower() or "no suffix"] += 1
    return FoundFiles(sorted(names), dict(sorted(ignored.items())))


def _read_all(
    folder: Path,
    names: list[str],
    options: CorpusOptions,
    report: Callable[[Progress], None] | None,
) -> list[FileResult]:
    results: list[FileResult] = []
    first_with: dict[str, str] = {}
    n_pieces = n_refused = 0
    for name in names:
        result = read_pieces(folder / name, name=name, options=options)
        twin = first_with.setdefault(result.sha256, result.file) if result.sha256 else result.file
        if twin != result.file and not options.keeps_duplicates:
            result = _refuse_duplicate(result, twin)
        results.append(result)
        n_pieces += len(result.pieces)
        n_refused += not result.pieces
        if report is not None:
            report(Progress(len(results), len(names), n_pieces, n_refused, result.file))
    return results


def _refuse_duplicate(result: FileResult, twin: str) -> FileResult:
    error = refuse(result.file, "duplicate", f"duplicate of {twin}, byte for byte")
    return FileResult(result.file, result.sha256, refusals=[refusal_of(error)])


def _choose_metre(results: list[FileResult], options: CorpusOptions) -> Metre:
    """The metre asked for; with "auto", 4/4 unless more than half of the pieces share another."""
    if options.metre != "auto":
        return parse_metre(options.metre)
    metres = Counter(piece.metre for result in results for piece in result.pieces)
    metre, count = max(metres.items(), key=lambda item: item[1], default=((4, 4), 0))
    return metre if metre and 2 * count > metres.total() else (4, 4)


def _keep_metre(result: FileResult, metre: Metre) -> FileResult:
    """The same result with the pieces of other metres refused."""
    kept = [piece for piece in result.pieces if piece.metre in (metre, None)]
    others = [piece for piece in result.pieces if piece.metre not in (metre, None)]
    refusals = [refusal_of(other_metre(p.name, p.metre, metre)) for p in others if p.metre]
    return FileResult(result.file, result.sha256, kept, [*result.refusals, *refusals])


def _write_corpus(
    folder: Path,
    results: list[FileResult],
    options: CorpusOptions,
    source_name: str,
    source_folder: Path,
    ignored: dict[str, int],
) -> None:
    metre = _choose_metre(results, options)
    results = [_keep_metre(result, metre) for result in results]
    pieces = [piece for result in results for piece in result.pieces]
    refusals = [refusal for result in results for refusal in result.refusals]
    if not pieces:
        raise CorpusError(_say_all_refused(source_folder, len(results), refusals))
    arrays = _join_pieces(pieces)
    for name, array in arrays.items():
        np.save(folder / name, array, allow_pickle=False)
    rows = [_piece_row(piece, result.sha256) for result in results for piece in result.pieces]
    _write_json_lines(folder / "pieces.jsonl", rows)
    _write_json_lines(folder / "refused.jsonl", map(asdict, refusals))
    manifest = _describe(results, pieces, arrays, options, metre) | {
        "source": source_name,
        "ignored": ignored,
    }
    notes, bars, starts = arrays.values()
    manifest["fingerprint"] = find_fingerprint(manifest, notes, bars, starts)
    write_json_atomically(folder / MANIFEST, manifest)


def _join_pieces(pieces: list[Piece]) -> dict[str, npt.NDArray[Any]]:
    """The three arrays of a corpus, by file name."""
    cut = [
        cut_at_bar_lines(piece.grid.notes, n_steps=piece.n_steps, n_bars=piece.n_bars)
        for piece in pieces
    ]
    rows_a_bar = np.concatenate([np.diff(index) for _, index in cut])
    return {
        "notes.npy": np.concatenate([rows for rows, _ in cut]),
        "bars.npy": np.concatenate([[0], np.cumsum(rows_a_bar)]).astype(np.int64),
        "pieces.npy": np.cumsum([0, *(piece.n_bars for piece in pieces)]).astype(np.int64),
    }


def _piece_row(piece: Piece, sha256: str) -> dict[str, Any]:
    return {
        "name": piece.name,
        "sha256": sha256,
        "bars": piece.n_bars,
        "notes": len(piece.grid.notes),
        "metre": show_metre(piece.metre) if piece.metre else None,
        "tempo": round(piece.tempo, 3),
        "transposed": piece.transposed,
        "off_grid_steps": round(piece.grid.mean_shift_steps, 4),
        "dropped_notes": piece.grid.n_dropped,
        "merged_notes": piece.grid.n_merged,
    }


def _describe(
    results: list[FileResult],
    pieces: list[Piece],
    arrays: dict[str, npt.NDArray[Any]],
    options: CorpusOptions,
    metre: Metre,
) -> dict[str, Any]:
    """The manifest but for its source and fingerprint."""
    in_seconds = options.grid == "seconds"
    n_taken = sum(bool(result.pieces) for result in results)
    n_bars = len(arrays["bars.npy"]) - 1
    return {
        "kind": KIND,
        "format": FORMAT,
        "nextbar_version": __version__,
        "options": asdict(options),
        "metre": show_metre(metre),
        "n_steps": pieces[0].n_steps,
        # A step of the seconds grid is 0.125 s: a sixteenth at 120 quarters a minute.
        "steps_per_quarter": 4 if in_seconds else options.steps_per_quarter,
        "tempo": 120.0 if in_seconds else round(median(p.tempo for p in pieces), 3),
        "files_taken": n_taken,
        "files_refused": len(results) - n_taken,
        "refused": _count(refusal.reason for result in results for refusal in result.refusals),
        "metres": _count(show_metre(piece.metre) for piece in pieces if piece.metre),
        "pieces": len(pieces),
        "bars": n_bars,
        "pairs": n_bars - len(pieces),
        "notes": sum(len(piece.grid.notes) for piece in pieces),
        "median_velocity": float(np.median(arrays["notes.npy"]["velocity"])),
        "held_out_every": options.held_out_every,
    }


def _count(values: Iterable[str]) -> dict[str, int]:
    """How often each occurs, the most frequent first, ties by name."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _write_json_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    lines = [json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows]
    path.write_bytes("".join(lines).encode("utf-8", "backslashreplace"))


def _check_out(out: Path) -> None:
    """OutputError unless ``out`` is free, empty, or a corpus and nothing but a corpus."""
    if not out.exists():
        return
    if not out.is_dir():
        raise OutputError(f"{out} is a file; choose a new folder for the corpus")
    inside = {path.name for path in out.iterdir()}
    if not inside:
        return
    try:
        read_manifest(out)
    except CorpusError as error:
        raise OutputError(
            f"{out} exists and is no corpus, so it is not replaced; choose a new folder"
        ) from error
    if others := sorted(inside - set(FILES)):
        raise OutputError(
            f"{out} holds other things than its corpus ({', '.join(others[:3])}), so it is not"
            " replaced; move them, or choose a new folder"
        )


def _say_nothing_found(folder: Path, ignored: dict[str, int]) -> str:
    """Why a folder gave no file to read."""
    wanted = "MIDI (.mid, .midi) or ABC (.abc) files"
    if not ignored:
        return f"{folder} is empty; put {wanted} into it, or give another folder"
    seen = ", ".join(f"{count} {suffix}" for suffix, count in ignored.items())
    return f"{folder} has no {wanted}; seen: {seen}; give the folder that holds your music"


def _say_all_refused(folder: Path, n_files: int, refusals: list[Refusal]) -> str:
    """Why a folder of music files gave no piece."""
    counts = _count(refusal.reason for refusal in refusals)
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    return (
        f"{folder}: none of its {n_files} music files can be used ({reasons});"
        f" the first: {refusals[0].message}"
    )
