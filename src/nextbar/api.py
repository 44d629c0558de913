"""The verbs of nextbar, the same in Python as on the command line.

    prepare   a folder of MIDI, ABC and MusicXML files -> a corpus of bars
    train     a corpus -> a run, which is a folder with a trained model
    load      a run -> a composer, which writes music as ``symusic.Score``
    generate  a run -> a folder of MIDI, WAV and pictures
    evaluate  a folder of MIDI -> measures beside real music and chance
    inspect   a corpus or a run -> what it is and how it came about

They take paths and plain values, write only where they are told, return
ordinary objects and print nothing; the long ones call ``progress`` as they go.
"""

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nextbar.beginning import (
    HELD_OUT,
    NOISE,
    TRAINING,
    begin_from,
    begin_from_corpus,
    corpus_of,
    read_piece,
)
from nextbar.composer import Beginning, Composer, check_request, load_composer
from nextbar.errors import CorpusError, MusicFileError, UsageError
from nextbar.frames import checkpoint
from nextbar.frames.replicas import choose_device
from nextbar.measures.pieces import Piece
from nextbar.measures.table import Report, compare
from nextbar.music import audio
from nextbar.music.bars import NOTE
from nextbar.music.corpus import MANIFEST, Corpus, read_manifest
from nextbar.music.kind import BarKind
from nextbar.music.prepare import find_music_files, merge_corpora, prepare_corpus
from nextbar.music.report import write_report
from nextbar.pieces_folder import Made, Record, Written, check_folder, read_record, write_pieces
from nextbar.public_data import fetch
from nextbar.runs import train

__all__ = [
    "begin_from",
    "evaluate",
    "fetch",
    "generate",
    "inspect",
    "load",
    "merge",
    "prepare",
    "report_corpus",
    "train",
]

prepare = prepare_corpus
merge = merge_corpora
report_corpus = write_report

MOST_PIECES = 100_000
BARS_AT_ONCE = 8_000
"""Bars that are written side by side: some 45 MB of frames, however many pieces are asked for."""
PLAIN_BARS = BarKind(
    "metre", (4, 4), 16, 4, 120.0, onsets=False, common_key=False, median_velocity=90.0
)
"""What MIDI files are read as where neither a record nor a reference says otherwise."""


def load(run: str | Path, *, device: str = "auto") -> Composer:
    """The trained model in a run folder, ready to write music.

    Nothing in the folder is executed: weights are safetensors, the rest is
    JSON. Raises RunError where it is no run, or damaged.
    """
    return load_composer(Path(run), choose_device(device))


def generate(
    run: str | Path | Composer,
    out: str | Path,
    *,
    pieces: int = 10,
    bars: int = 16,
    from_bar: str = NOISE,
    track: int | str = "all",
    temperature: float = 1.0,
    threshold: float | None = None,
    seed: int = 0,
    wav: bool = True,
    pictures: bool = True,
    device: str = "auto",
    progress: Callable[[Written], None] | None = None,
) -> list[Path]:
    """The MIDI files written into the folder ``out``, with WAV and PNG beside them.

    bars: how many bars the model writes; given ones come in front and are not
    counted. from_bar: see :func:`begin_from`. Piece i has the seed
    ``seed + i`` and does not depend on how many are made with it. A file's
    name says what decided the piece; ``generated.json`` says it in full, with
    the command that makes it again.
    """
    if not 1 <= pieces <= MOST_PIECES:
        raise UsageError(f"pieces: {pieces} is not between 1 and {MOST_PIECES:,}")
    check_request(bars, temperature, threshold, [seed, seed + pieces - 1])
    if wav:
        audio.find_soundfont()  # complain before the work, not after it
    composer = run if isinstance(run, Composer) else load(run, device=device)
    check_folder(Path(out), composer)
    seeds = list(range(seed, seed + pieces))
    beginnings = _begin_all(composer, from_bar, seeds, track)
    options = {"bars": bars, "from-bar": from_bar, "track": track, "temperature": temperature}
    options |= {} if threshold is None else {"threshold": threshold}

    def make() -> Iterator[Made]:
        at_once = max(1, BARS_AT_ONCE // bars)
        for begin in range(0, pieces, at_once):
            chosen = slice(begin, begin + at_once)
            compositions = composer.compose(
                beginnings[chosen],
                bars=bars,
                seeds=seeds[chosen],
                temperature=temperature,
                threshold=threshold,
            )
            for composition, beginning in zip(compositions, beginnings[chosen], strict=True):
                name = _name_piece(NOISE if beginning is None else beginning.name, options)
                command = _command(composer, {**options, "seed": composition.seed, "pieces": 1})
                details = {"options": options, "command": command}
                yield Made(f"{name}-seed{composition.seed}", composition, details)

    return write_pieces(
        Path(out), composer, make(), pieces, wav=wav, pictures=pictures, progress=progress
    )


def _begin_all(
    composer: Composer, from_bar: str, seeds: list[int], track: int | str
) -> list[Beginning | None]:
    if from_bar in (HELD_OUT, TRAINING):
        return list(begin_from_corpus(composer, seeds=seeds, part=from_bar))
    return [begin_from(composer, from_bar, track=track)] * len(seeds)


def _name_piece(start: str, options: dict[str, Any]) -> str:
    """What decided the piece but its seed, short enough for a file name."""
    name = f"{start}-{options['bars']}bars"
    if options["temperature"] != 1:
        name += f"-temperature{options['temperature']:g}"
    if "threshold" in options:
        name += f"-threshold{options['threshold']:g}"
    return name


def _command(composer: Composer, options: dict[str, Any]) -> str:
    words = ["nextbar", "generate", str(composer.path), "--out", "FOLDER"]
    for name, value in options.items():
        if (name, value) not in (("track", "all"), ("temperature", 1.0)):
            words += [f"--{name}", str(value)]
    return shlex.join(words)


def evaluate(folder: str | Path, *, reference: str | Path | None = None, seed: int = 0) -> Report:
    """The measures of a folder of MIDI files beside real music and chance.

    reference: a corpus; its held-out tunes are the real music, its training
    tunes what copies are looked for in. For pieces that nextbar generated it
    may be left out: the corpus of their run is taken. Files that cannot be
    read are named in the report's notes; of pieces of unequal length, or
    longer than real tunes are, the first bars are measured.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; give a folder of MIDI files")
    record = read_record(folder)
    corpus, missing = _reference_corpus(record, reference)
    kind = corpus.kind if corpus else record.kind if record else PLAIN_BARS
    pieces, notes = read_folder(folder, kind, record)
    real = pieces_of_corpus(corpus, "held_out") if corpus else []
    n_bars = _bars_to_compare(pieces, real)
    if any(piece.n_bars != n_bars for piece in pieces):
        pieces = [_first_bars(piece, n_bars, kind.n_steps) for piece in pieces]
        notes.append(
            f"generated: of pieces of unequal length, or longer than real tunes are, "
            f"the first {n_bars} bars were measured"
        )
    if corpus is None:
        notes.append(f"reference: {missing}, so there is no row of real music; see --reference")
    report = compare(
        pieces,
        real,
        n_steps=kind.n_steps,
        training_bars=corpus.bars_in("training") if corpus else None,
        seed=seed,
    )
    return report.with_notes(notes)


def _reference_corpus(
    record: Record | None, reference: str | Path | None
) -> tuple[Corpus | None, str]:
    """The corpus to compare with, or None and why there is none."""
    if reference is not None:
        return Corpus.open(reference), ""
    if record is None:
        return None, "none was given"
    try:
        return corpus_of(record.run), ""
    except CorpusError as error:
        return None, str(error)


def read_folder(
    folder: Path, kind: BarKind, record: Record | None
) -> tuple[list[Piece], list[str]]:
    """The folder's pieces, and a sentence for each file that gives none."""
    found = find_music_files(folder)
    if not found.names:
        raise UsageError(f"{folder}: no MIDI or ABC files in it; give a folder of music")
    pieces, notes = [], []
    for name in found.names:
        made = record.pieces.get(name) if record else None
        try:
            read = read_piece(folder / name, kind)
            heard, n_bars = read.grid.notes, read.n_bars
        except MusicFileError as error:
            if made is None or error.reason != "no notes":
                notes.append(f"left out: {error}")
                continue
            heard, n_bars = np.empty(0, NOTE), 0  # a piece that was written silent still counts
        if made is not None:
            n_bars = int(made["bars"])
        given = 0 if made is None else int(made["given_bars"])
        pieces.append(Piece(heard, n_bars, name, given))
    if not pieces:
        raise UsageError(f"{folder}: none of its {len(found.names)} files can be used; {notes[0]}")
    return pieces, notes


def _bars_to_compare(pieces: list[Piece], real: list[Piece]) -> int:
    """The bars that all pieces have, but no more than half of the real ones have."""
    shortest = min(piece.n_bars for piece in pieces)
    lengths = sorted(piece.n_bars for piece in real)
    return min(shortest, lengths[len(lengths) // 2]) if lengths else shortest


def _first_bars(piece: Piece, n_bars: int, n_steps: int) -> Piece:
    notes = piece.notes[piece.notes["start"] < n_bars * n_steps]
    return piece._replace(notes=notes, n_bars=n_bars)


def pieces_of_corpus(corpus: Corpus, part: Any) -> list[Piece]:
    """The whole pieces of a part of a corpus ("training", "held_out"), to be measured."""
    pieces = []
    for number in corpus.pieces(part):
        bars = corpus.bars_of(number)
        notes = corpus.notes(bars.start, bars.stop)
        pieces.append(Piece(notes, len(bars), corpus.piece_name(number)))
    return pieces


def inspect(path: str | Path) -> dict[str, Any]:
    """What a corpus or a run is, what it was made from, and how it went, as plain values.

    A corpus gives its manifest (``files_taken``, ``refused``, ``pieces``,
    ``bars``, ``pairs``, ``metres``, ...), a run its configuration, origin,
    epoch and the figures of each epoch. Raises UsageError for anything else.
    """
    path = Path(path)
    if (path / checkpoint.DESCRIPTION).is_file():
        return _inspect_run(path)
    if (path / MANIFEST).is_file():
        return read_manifest(path)
    found = "does not exist" if not path.exists() else "is neither"
    raise UsageError(
        f"{path} {found}; give a corpus (made by `nextbar prepare`) or a run (by `nextbar train`)"
    )


def _inspect_run(run: Path) -> dict[str, Any]:
    config, shape, origin = checkpoint.read_description(run)
    history = checkpoint.read_history(run)
    epoch = checkpoint.read_epoch(run) if checkpoint.has_checkpoint(run) else 0
    return {
        "kind": "nextbar run",
        "epoch": epoch,
        "epochs": config.epochs,
        "config": config.to_dict(),
        "shape": list(shape),
        "origin": origin,
        "history": history,
    }
