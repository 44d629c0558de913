"""What a file gives to a corpus; runs in a worker."""

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from nextbar.errors import MusicFileError
from nextbar.music.bars import BAR_NOTE, bar_starts, cut_at_bar_lines, join_notes
from nextbar.music.earlier import Earlier
from nextbar.music.metre import steps_of
from nextbar.music.options import CorpusOptions
from nextbar.music.read_piece import ReadPiece, describe_piece
from nextbar.music.reading import FileResult, ParsedFile, finish, parse_file, refusal_of
from nextbar.music.sources import read_beat_file_of, read_source, show_name
from nextbar.music.spool import FileParts, PieceBars, make_batch, pack, show_refusal


def read_source_file(
    item: str,
    *,
    folder: Path,
    options: CorpusOptions,
    refused: dict[str, MusicFileError] | None = None,
    earlier: Earlier | None = None,
) -> ParsedFile | FileParts:
    """What a file gives, for :func:`pack_all`; runs in a worker.

    refused: items that are refused unread. earlier: what need not be parsed again.
    """
    if refused and item in refused:
        return refused_file(refused[item])
    name = show_name(item)
    try:
        data = read_source(folder, item)
        beat_file = read_beat_file_of(folder, item)
    except MusicFileError as error:
        return ParsedFile(FileResult(name, "", refusals=[refusal_of(error)]), [])
    if earlier is not None:
        of_beats = "" if beat_file is None else hashlib.sha256(beat_file).hexdigest()
        number = earlier.find(name, hashlib.sha256(data).hexdigest(), of_beats)
        if number is not None:
            return earlier.take(number)
    return parse_file(data, name=name, options=options, beat_file=beat_file)


def refused_file(error: MusicFileError) -> FileParts:
    """What a file gives that is refused unread."""
    refusals = [show_refusal(refusal_of(error))]
    header = {"file": error.name, "bytes": 0, "sha256": "", "pieces": [], "refusals": refusals}
    return FileParts(header, [])


def pack_all(files: list[ParsedFile | FileParts], options: CorpusOptions) -> bytes:
    """The batch of the files, packed."""
    results = finish([file for file in files if isinstance(file, ParsedFile)], options)
    cut = _cut_all([piece for result in results for piece in result.pieces])
    finished = iter([_parts_of(result, cut, options) for result in results])
    return pack(
        make_batch(next(finished) if isinstance(file, ParsedFile) else file for file in files)
    )


def _cut_all(pieces: list[ReadPiece]) -> Iterator[PieceBars]:
    """The bars of each piece; they are put behind each other and cut in one go."""
    if not pieces:
        return
    n_bars = [piece.n_bars for piece in pieces]
    first = np.concatenate([[0], np.cumsum(n_bars)])
    codes = np.concatenate([piece.codes for piece in pieces])
    starts = bar_starts(steps_of(codes, pieces[0].steps_per_quarter))
    notes = join_notes([piece.grid.notes for piece in pieces])
    n_notes = [len(piece.grid.notes) for piece in pieces]
    notes["start"] += np.repeat(starts[first[:-1]], n_notes).astype(np.int32)
    rows, index = cut_at_bar_lines(notes, starts)
    counts = (index[1:] - index[:-1]).astype("<u2").tobytes()
    metres, data, size = codes.astype("<u2").tobytes(), rows.tobytes(), BAR_NOTE.itemsize
    for bar, end in pairwise(first.tolist()):
        row, row_end = int(index[bar]) * size, int(index[end]) * size
        of_bars = slice(2 * bar, 2 * end)
        yield PieceBars(counts[of_bars], metres[of_bars], data[row:row_end])


def _parts_of(result: FileResult, cut: Iterator[PieceBars], options: CorpusOptions) -> FileParts:
    notes = [next(cut) for _ in result.pieces]
    header = {
        "file": result.file,
        "bytes": result.n_bytes,
        "sha256": result.sha256,
        "beats_sha256": result.beats_sha256,
        "pieces": [{**describe_piece(p, options), "sha256": result.sha256} for p in result.pieces],
        "refusals": [show_refusal(refusal) for refusal in result.refusals],
    }
    sizes = [len(bars.rows) // BAR_NOTE.itemsize for bars in notes]
    places = [(0, 0, p.n_bars, 0, size) for p, size in zip(result.pieces, sizes, strict=True)]
    return FileParts(header, places, notes)
