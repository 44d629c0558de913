"""What is compared with what: pieces of a folder, real music beside them, and chance."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from nextbar.errors import CorpusError, MusicFileError, UsageError
from nextbar.measures.classifiers import (
    LEAST_PIECES,
    SPREAD_OF_TRAININGS,
    WINDOW_BARS,
    TwoSampleTest,
    next_bar_told_from_real,
    real_told_from_real,
    told_from_real,
)
from nextbar.measures.copying import TrainingBars
from nextbar.measures.intervals import UNMEASURED
from nextbar.measures.meanings import LEARNED
from nextbar.measures.metres import windows_like
from nextbar.measures.pieces import (
    Piece,
    first_bars,
    in_c,
    in_metres,
    pieces_of_corpus,
    reference_windows,
)
from nextbar.measures.report import Report
from nextbar.measures.report_files import write_measures_report
from nextbar.measures.table import compare
from nextbar.music.bars import NOTE
from nextbar.music.corpus import Corpus, corpus_of
from nextbar.music.kind import BarKind
from nextbar.music.manifest import MANIFEST
from nextbar.music.metre import read_changes
from nextbar.music.prepare import find_music_files
from nextbar.music.reading import read_piece
from nextbar.music.sheet import SUFFIX as MUSICXML_SUFFIX
from nextbar.writing.folder import Record, read_record
from nextbar.writing.piece import HELD_OUT, NOISE, TRAINING

PLAIN_BARS = BarKind(
    "metre", ((4, 4),), 4, 120.0, onsets=False, common_key=False, median_velocity=90.0
)
"""What MIDI files are read as where neither a record nor a reference says otherwise."""


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
    Where the bars of the reference are in one key, the pieces are brought to it.
    Each piece is read in its own metres; real music counts by metre as often as
    the pieces have it (``measures.metres``).
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "there is no such folder"
        raise UsageError(f"{folder}: {what}; give a folder of MIDI files")
    record = read_record(folder)
    real_music = find_reference(record, reference, training)
    kind = real_music.kind
    pieces, notes = read_folder(folder, kind, record)
    pieces, n_moved = in_common_key(pieces, kind, record)
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
        first_bars(piece, n_bars, n_steps=kind.n_steps)
        for piece in pieces
        if piece.n_bars >= n_bars or bars is not None
    ]
    if n_moved:
        notes.append(f"generated: {n_moved} pieces {_MOVED}")
    notes += real_music.notes
    report = compare(
        pieces, real, n_steps=kind.n_steps, training_bars=real_music.training, seed=seed
    )
    report = replace(report.with_notes(notes), n_left_out=n_left_out)
    if classifiers:
        report = ask_networks(report, pieces, real_music, record, n_steps=kind.n_steps, seed=seed)
    if out is not None:
        windows = windows_like(reference_windows(real, n_bars=n_bars, n_steps=kind.n_steps), pieces)
        write_measures_report(
            out,
            report,
            pieces,
            windows,
            n_steps=kind.n_steps,
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


@dataclass(frozen=True)
class RealMusic:
    """What to measure beside.

    kind: what bars the pieces are read as. pieces: real music that was not
    learned from, whole; may be none. everything: all that there is of it, for
    the networks to split. training: bars in which copies are looked for.
    notes: what a reader should know, a sentence each.
    """

    kind: BarKind
    pieces: list[Piece] = field(default_factory=list)
    everything: list[Piece] = field(default_factory=list)
    training: TrainingBars | None = None
    notes: list[str] = field(default_factory=list)


def find_reference(
    record: Record | None, reference: str | Path | None, training: str | Path | None
) -> RealMusic:
    """The real music to measure pieces beside; without any, why not, as a note.

    record: what is known of the pieces; its run's corpus is taken where no
    reference is given. Raises UsageError for a reference or training corpus in
    another kind of bars.
    """
    learned = None if training is None else Corpus.open(training)
    if reference is not None and not (Path(reference) / MANIFEST).exists():
        return _from_folder(Path(reference), record, learned)
    if reference is not None:
        corpus = Corpus.open(reference)
    else:
        if record is None:
            why = "none was given"
            return _without(why, learned.kind if learned else PLAIN_BARS, learned)
        try:
            corpus = corpus_of(record.run)
        except CorpusError as error:
            return _without(str(error), record.kind, learned)
    kind = corpus.kind
    if record is not None:
        _check_bars("reference", kind, record.kind, "the pieces")
        kind = replace(kind, common_key=record.kind.common_key)
    if learned is not None:
        _check_bars("training", learned.kind, corpus.kind, "the reference")
    return RealMusic(
        kind=kind,
        pieces=pieces_of_corpus(corpus, "held_out", kind),
        everything=pieces_of_corpus(corpus, "all", kind),
        training=_training_bars(learned or corpus, kind),
    )


def _training_bars(corpus: Corpus, kind: BarKind) -> TrainingBars:
    """The training bars of a corpus, in one key where the kind is and in their own where not."""
    if corpus.kind.common_key == kind.common_key:
        return TrainingBars.of_corpus(corpus)
    tunes = pieces_of_corpus(corpus, "training", kind)
    return TrainingBars.of_pieces(tunes, n_steps=corpus.n_steps)


def _without(why: str, kind: BarKind, learned: Corpus | None) -> RealMusic:
    note = f"reference: {why}, so there is no real music to compare with; see --reference"
    bars = _training_bars(learned, kind) if learned else None
    return RealMusic(kind, training=bars, notes=[note])


def _from_folder(folder: Path, record: Record | None, learned: Corpus | None) -> RealMusic:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "there is no such corpus or folder"
        raise UsageError(f"{folder}: {what}; give --reference another")
    kind = record.kind if record else learned.kind if learned else PLAIN_BARS
    if learned is not None:
        _check_bars("training", learned.kind, kind, "the pieces")
    of_folder = read_record(folder)
    pieces, notes = read_folder(folder, kind, of_folder)
    pieces, n_moved = in_common_key(pieces, kind, of_folder)
    notes += [f"{n_moved} pieces {_MOVED}"] if n_moved else []
    return RealMusic(
        kind,
        pieces,
        pieces,
        _training_bars(learned, kind) if learned else None,
        [f"reference, {note}" for note in notes],
    )


def _check_bars(name: str, seen: BarKind, wanted: BarKind, of: str) -> None:
    """Raises UsageError where bars of two kinds would be measured as if they were of one."""
    if (seen.grid, seen.steps_per_quarter) != (wanted.grid, wanted.steps_per_quarter):
        raise UsageError(
            f"{name}: its bars are {_describe(seen)}, those of {of} {_describe(wanted)}; measures "
            "of the two cannot be compared. Give one that was prepared like the other"
        )


def _describe(kind: BarKind) -> str:
    if kind.grid == "seconds":
        return f"of 2 seconds in {kind.n_steps} steps"
    return f"of {kind.steps_per_quarter} steps a quarter"


def ask_networks(
    report: Report,
    pieces: list[Piece],
    real: RealMusic,
    record: Record | None,
    *,
    n_steps: int,
    seed: int,
) -> Report:
    """The report with what networks can tell; each figure takes up to a minute or so.

    record: what is known of the pieces, for where their given bars are from.
    """
    tunes, n_bars = real.everything, min(WINDOW_BARS, report.bars_per_piece)
    found: dict[str, dict[str, TwoSampleTest]] = {}
    notes = [
        "told_from_real, next_bar_told_from_real: 50 says that the network cannot tell; the "
        "intervals leave out what another training would change, some "
        f"{SPREAD_OF_TRAININGS} (standard deviation)"
    ]
    if tunes:
        found["told_from_real"] = {
            "generated": told_from_real(pieces, tunes, n_steps=n_steps, n_bars=n_bars, seed=seed),
            "reference": real_told_from_real(tunes, n_steps=n_steps, n_bars=n_bars, seed=seed),
        }
    if tunes and any(piece.n_given_bars for piece in pieces):
        of_held_out = _given_from(record) == {HELD_OUT}
        begun_in = real.pieces if of_held_out else tunes
        verdict = next_bar_told_from_real(pieces, begun_in, n_steps=n_steps, seed=seed)
        found["next_bar_told_from_real"] = {"generated": verdict}
        which = "held-out tunes, as the given bars are" if of_held_out else "tunes of the reference"
        notes.append(f"next_bar_told_from_real: the real pairs are of the {len(begun_in)} {which}")
    if any(not each.n_tested[0] for verdicts in found.values() for each in verdicts.values()):
        notes.append(
            "the networks: too few pieces or tunes to train on some, stop by some and ask about "
            "others; what is missing needs dozens of each"
        )
    for name, verdicts in found.items():
        if verdicts["generated"].n_tested[0]:
            notes.append(f"{name}: {_power(verdicts['generated'])}")
    measures = {
        name: {
            column: UNMEASURED
            if column == "generated" and not verdict.is_enough
            else verdict.accuracy
            for column, verdict in found[name].items()
        }
        for name in LEARNED
        if name in found
    }
    return report.with_measures(measures).with_notes(notes)


def _power(verdict: TwoSampleTest) -> str:
    """What a network could have seen with so many pieces."""
    if verdict.is_enough:
        return (
            f"of {verdict.n_pieces:,} pieces a quarter was asked about, {verdict.n_tested[0]:,} "
            f"windows; {verdict.smallest_seen:.1f} % and more it would have told from 50"
        )
    so = (
        "even so they are told, more often than by chance"
        if verdict.accuracy.low > 50
        else "that so few are not told says nothing"
    )
    return (
        f"too few to tell: {verdict.n_pieces:,} pieces, of {LEAST_PIECES:,} that a network needs "
        f"to learn from, so no figure is given; {so}"
    )


def _given_from(record: Record | None) -> set[str]:
    """Where the given bars of a folder's pieces are from: held-out, training, files."""
    made = record.pieces.values() if record else []
    return {str(piece.get("options", {}).get("from-bar", NOISE)) for piece in made} - {NOISE}


def read_folder(
    folder: Path, kind: BarKind, record: Record | None
) -> tuple[list[Piece], list[str]]:
    """The folder's pieces, and a sentence for each file that gives none."""
    found = find_music_files(folder)
    if not found.names:
        raise UsageError(f"{folder}: no MIDI or ABC files in it; give a folder of music")
    pieces, notes = [], []
    reasons = defaultdict[str, list[str]](list)
    written = record.pieces if record else {}
    notated = {str(Path(name).with_suffix(MUSICXML_SUFFIX)) for name in written}
    for name in found.names:
        if name in notated:  # a piece of the record once more
            continue
        made = written.get(name)
        try:
            read = read_piece(folder / name, kind)
            piece = in_metres(Piece(read.grid.notes, read.n_bars, name), read.metres, kind)
        except MusicFileError as error:
            if made is None or error.reason != "no notes":
                notes.append(f"left out: {error}")
                reasons[error.reason].append(notes[-1])
                continue
            piece = Piece(np.empty(0, NOTE), 0, name)  # one that was written silent still counts
        if made is not None:
            piece = piece._replace(n_bars=int(made["bars"]), n_given_bars=int(made["given_bars"]))
            piece = in_metres(piece, read_changes(made["metres"], piece.n_bars), kind)
        pieces.append(piece)
    if not pieces:
        of_one_reason = max(reasons.values(), key=len)
        raise UsageError(
            f"{folder}: none of its {len(found.names)} files can be used; "
            f"{len(of_one_reason)} of them alike, {of_one_reason[0]}"
        )
    return pieces, notes


_MOVED = "were brought to C major or A minor, in which the bars are that they stand beside"


def in_common_key(
    pieces: Sequence[Piece], kind: BarKind, record: Record | None
) -> tuple[list[Piece], int]:
    """The pieces of a folder in the key of bars of this kind, and how many had to be moved.

    Where bars are in one key, each is moved by the scale that it fits best, as prepare
    does. Those that a model in that key wrote from noise or from a tune of its corpus are
    in it, whatever they fit.
    """
    if not kind.common_key:
        return list(pieces), 0
    there = {
        name
        for name, made in (record.pieces.items() if record and record.kind.common_key else ())
        if made.get("options", {}).get("from-bar", NOISE) in (NOISE, HELD_OUT, TRAINING)
    }
    moved = [piece if piece.name in there else in_c(piece) for piece in pieces]
    return moved, sum(new is not old for new, old in zip(moved, pieces, strict=True))
