"""What a piece goes on from: noise, a bar of the corpus, or a file of the user's."""

from pathlib import Path
from typing import Any

import numpy as np

from nextbar.composer import Beginning, Composer
from nextbar.errors import CorpusError, MusicFileError, UsageError
from nextbar.music.bars import cut_at_bar_lines, draw_rolls, join_at_bar_lines
from nextbar.music.corpus import Corpus
from nextbar.music.grid import semitones_to_c, transpose
from nextbar.music.kind import BarKind
from nextbar.music.reading import ReadPiece, options_of_kind, read_pieces

NOISE, HELD_OUT, TRAINING = "noise", "held-out", "training"


def begin_from(
    composer: Composer, start: str = NOISE, *, seed: int = 0, track: int | str = "all"
) -> Beginning | None:
    """What a piece goes on from.

    start: "noise" (gives None: testing model 2); "held-out" or "training", a
    bar drawn by the seed from those tunes of the corpus that the run was
    trained on; or a MIDI or ABC file, ``FILE:k`` for its bar k counted from 1,
    ``FILE`` for its last that sounds. All its bars up to that one are kept.
    Raises UsageError for a bar that does not exist or is silent,
    MusicFileError for a file that cannot be read, CorpusError where the
    corpus is gone or was changed.
    """
    if start == NOISE:
        return None
    if start in (HELD_OUT, TRAINING):
        return begin_from_corpus(composer, seeds=[seed], part=start)[0]
    return begin_from_file(composer.kind, start, track=track, memory=composer.model.memory)


def begin_from_corpus(composer: Composer, *, seeds: list[int], part: str) -> list[Beginning]:
    """A bar for each seed, drawn from the sounding ones of the held-out or the training tunes."""
    corpus = corpus_of(composer.origin)
    pieces = corpus.pieces("held_out" if part == HELD_OUT else "training")
    bars = np.concatenate([np.arange(0), *(corpus.bars_of(piece) for piece in pieces)])
    sounding = bars[np.diff(corpus.bar_index)[bars] > 0]
    if not len(sounding):
        raise CorpusError(
            f"{corpus.path} has no {part} bar that sounds; begin from noise or a file"
        )
    chosen = [int(np.random.default_rng([seed, 2]).choice(sounding)) for seed in seeds]
    rolls = corpus.rolls(chosen)
    return [
        Beginning(corpus.notes(bar, bar + 1), 1, roll[None], part)
        for bar, roll in zip(chosen, rolls, strict=True)
    ]


def corpus_of(origin: dict[str, Any]) -> Corpus:
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


def begin_from_file(
    kind: BarKind, start: str, *, track: int | str = "all", memory: int = 1
) -> Beginning:
    """The bars of ``FILE:k`` up to bar k, on the grid of the composer's music.

    memory: how many of the last ones the model may look at.
    """
    path, bar = _split_bar_number(start)
    piece = read_piece(path, kind, track=track)
    notes, n_steps = piece.grid.notes, kind.n_steps
    bar_notes, index = cut_at_bar_lines(notes, n_steps=n_steps, n_bars=piece.n_bars)
    sounding = np.flatnonzero(np.diff(index)) + 1
    chosen = int(sounding[-1]) if bar is None else bar
    if not 1 <= chosen <= piece.n_bars:
        raise UsageError(f"{path} has bars 1 to {piece.n_bars}, there is no bar {chosen}")
    if chosen not in sounding:
        near = int(sounding[np.abs(sounding - chosen).argmin()])
        raise UsageError(f"bar {chosen} of {path} is silent; the nearest that sounds is bar {near}")
    kept = join_at_bar_lines(bar_notes, index[: chosen + 1], n_steps=n_steps)
    semitones = semitones_to_c(notes) if kind.common_key else 0
    heard, index = cut_at_bar_lines(transpose(notes, semitones), n_steps=n_steps, n_bars=chosen)
    last = np.arange(max(0, chosen - memory), chosen)
    rolls = draw_rolls(heard, index, last, n_steps=n_steps, onsets=kind.onsets)
    return Beginning(kept, chosen, rolls, f"{path.stem}-bar{chosen}", semitones)


def read_piece(path: Path, kind: BarKind, *, track: int | str = "all") -> ReadPiece:
    """The first tune of a file on the kind's grid. Raises UsageError or MusicFileError."""
    if not path.is_file():
        raise UsageError(
            f"{path}: there is no such file; give a MIDI or ABC file, held-out, training or noise"
        )
    result = read_pieces(path, name=path.name, options=options_of_kind(kind, track=track))
    if not result.pieces:
        refusal = result.refusals[0]
        raise MusicFileError(refusal.message, name=path.name, reason=refusal.reason)
    return result.pieces[0]


def _split_bar_number(start: str) -> tuple[Path, int | None]:
    path, colon, number = start.rpartition(":")
    if colon and number.lstrip("-").isdecimal() and not Path(start).exists():
        return Path(path), int(number)
    return Path(start), None
