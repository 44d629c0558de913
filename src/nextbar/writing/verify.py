"""Holding files against training tunes anew: which bars and phrases of them are copies.

Nothing is taken from what the writer of a file says of its bars but how many of
them were given to it. No PyTorch.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nextbar.errors import CorpusError, MusicFileError, RunError, UsageError
from nextbar.frames import record
from nextbar.measures.fingerprints import ALLOWED, Fingerprints, fingerprints_of
from nextbar.measures.nearness import KnownTunes, NearestTraining
from nextbar.music.bars import cut_at_bar_lines
from nextbar.music.corpus import Corpus, corpus_of
from nextbar.music.kind import BarKind
from nextbar.music.manifest import MANIFEST
from nextbar.music.metre import codes_of
from nextbar.music.prepare import find_music_files
from nextbar.music.reading import read_piece
from nextbar.shipped import find_run, typed_for
from nextbar.writing.folder import read_record

GIVEN = "given"
"""The verdict on a bar that a piece went on from, in a folder that nextbar wrote."""


@dataclass(frozen=True)
class BarVerdict:
    """What a bar is: new, plain, common, near, copy (``measures.fingerprints``), or given.

    is_phrase: whether it and the bar before are a phrase of a training tune.
    nearest: the training bar most like it, where the tunes are at hand.
    """

    verdict: str
    is_phrase: bool = False
    nearest: NearestTraining | None = None

    @property
    def is_copied(self) -> bool:
        """Whether the bar, or the phrase that it ends, is a copy."""
        return self.is_phrase or self.verdict not in (*ALLOWED, GIVEN)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        nearest = None if self.nearest is None else self.nearest._asdict()
        found = {"verdict": self.verdict, "phrase": self.is_phrase, "nearest": nearest}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class FileVerdict:
    """What the bars of a file are. refused: why it could not be read, "" where it could."""

    file: str
    bars: tuple[BarVerdict, ...] = ()
    refused: str = ""

    @property
    def copied(self) -> list[int]:
        """The bars, from 1, that are copies or end a phrase that is one."""
        return [nth for nth, bar in enumerate(self.bars, 1) if bar.is_copied]

    @property
    def is_passed(self) -> bool:
        """Whether it could be read, and nothing in it is copied."""
        return not self.refused and not self.copied

    @property
    def counts(self) -> dict[str, int]:
        """How many bars there are of each verdict."""
        return dict(Counter(bar.verdict for bar in self.bars).most_common())

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "file": self.file,
            "passed": self.is_passed,
            "copied_bars": self.copied,
            "counts": self.counts,
            "bars": [bar.to_json() for bar in self.bars],
            **({"refused": self.refused} if self.refused else {}),
        }


@dataclass(frozen=True)
class Certificate:
    """What files are beside training tunes. training: where those are from."""

    training: str
    strictness: int
    n_tunes: int
    n_training_bars: int
    files: tuple[FileVerdict, ...] = field(default=())

    @property
    def is_passed(self) -> bool:
        """Whether all files passed."""
        return all(each.is_passed for each in self.files)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "kind": "nextbar certificate",
            "passed": self.is_passed,
            "training": self.training,
            "training_tunes": self.n_tunes,
            "training_bars": self.n_training_bars,
            "strictness": self.strictness,
            "files": [each.to_json() for each in self.files],
        }


@dataclass(frozen=True)
class _Learned:
    """Training tunes: the kind of their bars, their fingerprints, and they, if at hand."""

    kind: BarKind
    fingerprints: Fingerprints
    tunes: KnownTunes | None


def verify(
    files: str | Path | Sequence[str | Path],
    training: str | Path | None = None,
    *,
    strictness: int = 1,
) -> Certificate:
    """Which bars and two-bar phrases of music files are copies of training tunes, in any key.

    files: music files, or folders of them. training: a corpus, a run, or a model
    that was exported; None is the model that comes with nextbar. strictness: 1, or
    2 for bars that differ in one note, too. Of a folder that nextbar wrote the
    given bars are not judged. A file that cannot be read has not passed. Raises
    UsageError where there is nothing to look at, RunError and CorpusError for what
    cannot be compared with.
    """
    if strictness not in (1, 2):
        raise UsageError(f"strictness: {strictness} is not 1 or 2")
    source = find_run(training)
    learned = _open_training(source)
    given = [files] if isinstance(files, str | Path) else files
    paths = [path for each in given for path in _music_in(Path(each))]
    if not paths:
        raise UsageError("there is no file to verify; give MIDI files, or a folder of them")
    verdicts = tuple(_verify_file(path, learned, strictness) for path in paths)
    prints = learned.fingerprints
    return Certificate(typed_for(source), strictness, prints.n_tunes, prints.n_bars, verdicts)


def _open_training(source: Path) -> _Learned:
    if (source / MANIFEST).is_file():
        corpus = Corpus.open(source)
        return _Learned(corpus.kind, Fingerprints.of_corpus(corpus), KnownTunes(corpus))
    if not (source / record.DESCRIPTION).is_file():
        found = "is neither" if source.exists() else "does not exist"
        raise UsageError(f"{source} {found}; give --training a corpus, a run or a model")
    origin = record.read_description(source).origin
    try:
        kind = BarKind.from_json(origin["corpus"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{source} was not trained on music: {error} is missing") from error
    try:
        tunes = KnownTunes(corpus_of(origin))
    except CorpusError:
        tunes = None
    return _Learned(kind, fingerprints_of(source, origin), tunes)


def _music_in(path: Path) -> list[Path]:
    """The file itself; of a folder the music in it, but for what a piece has as MusicXML too."""
    if not path.is_dir():
        return [path]
    written = read_record(path)
    if written is not None:
        return [path / name for name in sorted(written.pieces) if (path / name).is_file()]
    return [path / name for name in find_music_files(path).names]


def _verify_file(path: Path, learned: _Learned, strictness: int) -> FileVerdict:
    if not path.is_file():
        return FileVerdict(str(path), refused=f"{path}: there is no such file")
    kind = learned.kind
    try:
        piece = read_piece(path, kind)
    except MusicFileError as error:
        return FileVerdict(str(path), refused=str(error))
    in_bars = kind.grid != "seconds"
    bar_notes, index = cut_at_bar_lines(piece.grid.notes, piece.starts)
    metres = piece.metres if in_bars else ()
    bars, phrases = learned.fingerprints.verdicts(
        bar_notes,
        index,
        codes_of(metres).astype(np.int64) if in_bars else None,
        np.array([piece.n_bars], np.int64),
        strictness=strictness,
    )
    written = _written(path, piece.n_bars)
    found = []
    for nth, (verdict, is_phrase) in enumerate(zip(bars, phrases, strict=True)):
        if nth not in written:
            found.append(BarVerdict(GIVEN))
            continue
        nearest = None
        if learned.tunes is not None:
            notes = bar_notes[index[nth] : index[nth + 1]]
            nearest = learned.tunes.nearest(notes, metres[nth] if in_bars else None)
        found.append(BarVerdict(verdict, is_phrase, nearest))
    return FileVerdict(str(path), tuple(found))


def _written(path: Path, n_bars: int) -> range:
    """The bars, from 0, that were not given to a piece of nextbar, as the record beside it says."""
    record_of_all = read_record(path.parent)
    made = {} if record_of_all is None else record_of_all.pieces.get(path.name, {})
    last = int(made["bars"]) - int(made.get("ending_bars", 0)) if made else n_bars
    return range(int(made.get("given_bars", 0)), max(last, 0))
