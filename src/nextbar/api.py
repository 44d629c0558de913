"""The verbs of nextbar, the same in Python as on the command line.

    prepare   a folder of MIDI, ABC and MusicXML files -> a corpus of bars
    train     a corpus -> a run, which is a folder with a trained model
    export    a run -> a smaller one, to give away
    load      a run -> a composer, which writes music as ``symusic.Score``
    generate  a run -> a folder of MIDI, WAV and pictures
    evaluate  a folder of MIDI -> measures beside real music and chance
    inspect   a corpus or a run -> what it is and how it came about

They take paths and plain values, write only where they are told, return
ordinary objects and print nothing; the long ones call ``progress`` as they go.
"""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nextbar.beginning import (
    HELD_OUT,
    NOISE,
    TRAINING,
    begin_from,
    begin_from_corpus,
)
from nextbar.composer import Beginning, Composer, check_request, load_composer
from nextbar.errors import UsageError
from nextbar.frames import checkpoint
from nextbar.frames.replicas import choose_device
from nextbar.measures.pieces import Piece, reference_windows
from nextbar.measures.report_files import write_report
from nextbar.measures.table import Report, compare
from nextbar.music import audio
from nextbar.music.corpus import MANIFEST, read_manifest
from nextbar.music.prepare import merge_corpora, prepare_corpus
from nextbar.music.report import write_prepare_report as report_corpus
from nextbar.pieces_folder import Made, Written, check_folder, read_record, write_pieces
from nextbar.public_data import fetch
from nextbar.real_music import ask_networks, find_reference
from nextbar.real_music import pieces_of_corpus as pieces_of_corpus
from nextbar.real_music import read_folder as read_folder
from nextbar.runs import export, train
from nextbar.shipped import FOLDER as SHIPPED

__all__ = [
    "begin_from",
    "evaluate",
    "export",
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

MOST_PIECES = 100_000
BARS_AT_ONCE = 8_000
"""Bars that are written side by side: some 45 MB of frames, however many pieces are asked for."""


def load(run: str | Path | None = None, *, device: str = "auto") -> Composer:
    """The trained model in a run folder, ready to write music; without one, nextbar's own.

    Nothing in the folder is executed: weights are safetensors, the rest is
    JSON. Raises RunError where it is no run, or damaged.
    """
    return load_composer(SHIPPED if run is None else Path(run), choose_device(device))


def generate(
    run: str | Path | Composer | None,
    out: str | Path,
    *,
    pieces: int = 10,
    bars: int = 16,
    from_bar: str = NOISE,
    track: int | str = "all",
    temperature: float | None = None,
    follow: float = 1.0,
    threshold: float | None = None,
    seed: int = 0,
    wav: bool = True,
    pictures: bool = True,
    device: str = "auto",
    progress: Callable[[Written], None] | None = None,
) -> list[Path]:
    """The MIDI files written into the folder ``out``, with WAV and PNG beside them.

    run: None takes the trained model that comes with nextbar.
    bars: how many bars the model writes; given ones come in front and are not
    counted. from_bar: see :func:`begin_from`. temperature, follow, threshold: see
    ``Composer.generate``. Piece i has the seed
    ``seed + i`` and does not depend on how many are made with it. A file's
    name says what decided the piece; ``generated.json`` says it in full, with
    the command that makes it again.
    """
    if not 1 <= pieces <= MOST_PIECES:
        raise UsageError(f"pieces: {pieces} is not between 1 and {MOST_PIECES:,}")
    seeds = list(range(seed, seed + pieces))
    wanted = 1.0 if temperature is None else temperature
    check_request(bars, wanted, threshold, [seeds[0], seeds[-1]], follow=follow)
    if wav:
        audio.find_soundfont()  # complain before the work, not after it
    composer = run if isinstance(run, Composer) else load(run, device=device)
    temperature = composer.temperature if temperature is None else temperature
    check_folder(Path(out), composer)
    beginnings = _begin_all(composer, from_bar, seeds, track)
    options = {"bars": bars, "from-bar": from_bar, "track": track, "temperature": temperature}
    options |= {} if follow == 1 else {"follow": follow}
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
                follow=follow,
                threshold=threshold,
            )
            for composition, beginning in zip(compositions, beginnings[chosen], strict=True):
                start = NOISE if beginning is None else beginning.name
                name = _name_piece(composer, start, options)
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


def _name_piece(composer: Composer, start: str, options: dict[str, Any]) -> str:
    """What decided the piece but its seed, short enough for a file name."""
    name = f"{start}-{options['bars']}bars"
    if options["temperature"] != composer.temperature:
        name += f"-temperature{options['temperature']:g}"
    for option in ("follow", "threshold"):
        if option in options:
            name += f"-{option}{options[option]:g}"
    return name


def _command(composer: Composer, options: dict[str, Any]) -> str:
    run = [] if composer.path == SHIPPED else [str(composer.path)]
    words = ["nextbar", "generate", *run, "--out", "FOLDER"]
    for name, value in options.items():
        if (name, value) not in (("track", "all"), ("temperature", composer.temperature)):
            words += [f"--{name}", str(value)]
    return shlex.join(words)


def evaluate(
    folder: str | Path,
    *,
    reference: str | Path | None = None,
    training: str | Path | None = None,
    out: str | Path | None = None,
    bars: int | None = None,
    classifiers: bool = False,
    seed: int = 0,
) -> Report:
    """The measures of a folder of MIDI files beside real music and chance.

    reference: a corpus, whose held-out tunes are the real music, or a folder of
    MIDI files. For pieces that nextbar generated it may be left out: the
    corpus of their run is taken. training: a corpus in whose training tunes
    copies are looked for, the reference's if not given. out: a folder to
    write the report to, as files (``measures.report_files``). classifiers: ask
    networks too whether they can tell; that takes minutes, the rest seconds.
    Files that cannot be read are named in the report's notes and counted. bars:
    how many bars of each piece are measured; a piece that has fewer is taken to
    end in silence. If not given, as many as keep the most music; pieces that
    have fewer are then left out, of longer ones the first bars are measured.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "there is no such folder"
        raise UsageError(f"{folder}: {what}; give a folder of MIDI files")
    record = read_record(folder)
    real_music = find_reference(record, reference, training)
    kind = real_music.kind
    pieces, notes = read_folder(folder, kind, record)
    real = real_music.pieces
    n_bars = _bars_to_compare(pieces, real) if bars is None else bars
    if n_bars < 1:
        raise UsageError(f"bars: {bars} is not 1 or more")
    n_left_out, n_long = len(notes), sum(piece.n_bars > n_bars for piece in pieces)
    n_short = sum(piece.n_bars < n_bars for piece in pieces)
    if n_short and bars is None:
        n_left_out += n_short
        notes.append(
            f"generated: {n_short} of {len(pieces)} pieces are shorter than {n_bars} bars and were "
            "left out; --bars takes them to end in silence, or cuts all to fewer"
        )
    elif n_short:
        notes.append(f"generated: {n_short} pieces of fewer bars were taken to end in silence")
    if n_long:
        notes.append(f"generated: of {n_long} longer pieces the first {n_bars} bars were measured")
    pieces = [
        _first_bars(piece, n_bars, kind.n_steps)
        for piece in pieces
        if piece.n_bars >= n_bars or bars is not None
    ]
    notes += real_music.notes
    report = compare(
        pieces, real, n_steps=kind.n_steps, training_bars=real_music.training, seed=seed
    )
    report = replace(report.with_notes(notes), n_left_out=n_left_out)
    if classifiers:
        report = ask_networks(report, pieces, real_music, record, n_steps=kind.n_steps, seed=seed)
    if out is not None:
        windows = reference_windows(real, n_bars=n_bars, n_steps=kind.n_steps)
        write_report(
            out,
            report,
            pieces,
            windows,
            n_steps=kind.n_steps,
            steps_per_quarter=kind.steps_per_quarter,
            title=f"Measures of {folder.name or folder.resolve().name}",
        )
    return report


def _bars_to_compare(pieces: list[Piece], real: list[Piece]) -> int:
    """The bars that keep the most music, but no more than half of the real pieces have.

    Of n pieces with at least b bars, n * b bars can be compared. One short piece
    among a hundred should not cut all to its length.
    """
    lengths = sorted(piece.n_bars for piece in real)
    most = lengths[len(lengths) // 2] if lengths else max(piece.n_bars for piece in pieces)
    longest_first = sorted((min(piece.n_bars, most) for piece in pieces), reverse=True)
    kept = [n * bars for n, bars in enumerate(longest_first, 1)]
    return longest_first[kept.index(max(kept))]


def _first_bars(piece: Piece, n_bars: int, n_steps: int) -> Piece:
    notes = piece.notes[piece.notes["start"] < n_bars * n_steps]
    return piece._replace(notes=notes, n_bars=n_bars)


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
