"""A corpus -> what its music is like, in figures, and what that means for training, in words."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nextbar.music.bars import FULL_VELOCITY, BarIndex, BarNotes, BarStarts
from nextbar.music.corpus import Corpus, Lines
from nextbar.music.refusals import ADVICE, advice_on
from nextbar.music.sources import NOTATION

MOST_BARS: Final = 100_000
"""Larger corpora are described by so many bars, in stretches evenly spread over them."""
STRETCH_BARS: Final = 2_000
MOST_EXAMPLES: Final = 3
MOST_PIECES: Final = 200_000

FEW_PAIRS: Final = 2_000
"""About what a model of a few minutes' training learns by heart instead of learning from it."""
FEW_HELD_OUT: Final = 5
GUESSED: Final = 0.5
"""How sure estimated beats are at most that are little more than a guess."""
FEW_BARS: Final = 200
"""In one metre: some ten tunes, of which a bar or two of each is held out."""


@dataclass
class Summary:
    """What the music of a corpus is like.

    pitches, velocities: how many notes have each, (128,). tempos: of each
    piece. n_bars_seen: how many bars were looked at; n_distinct, how many of
    them differ from each other as the networks see them. repeated: the share
    of notes that begin where a note of their pitch ends. left_out: what was
    left out or mended in reading, by kind, and in how many pieces. fitting_steps:
    how many pieces would be on a grid of so many steps a quarter. beats: of the
    pieces whose beats were found, "file" or "estimated", how sure each is (1 of
    those from a file) and, as "ms", by how much the onsets of each were moved. examples: for
    each reason of refusal, the first sentences.
    """

    pitches: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(FULL_VELOCITY + 1, np.int64)
    )
    velocities: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(FULL_VELOCITY + 1, np.int64)
    )
    tempos: list[float] = field(default_factory=list)
    n_bars_seen: int = 0
    n_distinct: int = 0
    n_silent: int = 0
    repeated: float = 0.0
    off_grid_steps: float = 0.0
    dropped_notes: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    pieces_left_out: Counter[str] = field(default_factory=Counter)
    fitting_steps: Counter[int] = field(default_factory=Counter)
    beats: dict[str, list[float]] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)


def summarise(corpus: Corpus) -> Summary:
    """The summary of a corpus, its advice included."""
    summary = Summary()
    _count_notes(corpus, summary)
    _count_pieces(corpus, summary)
    for refusal in Lines(corpus.path / "refused.jsonl"):
        examples = summary.examples.setdefault(refusal["reason"], [])
        if len(examples) < MOST_EXAMPLES:
            examples.append(refusal["message"])
    summary.advice = advise(corpus.manifest, summary, corpus.n_held_out)
    return summary


def _stretches(n_bars: int) -> Iterator[tuple[int, int]]:
    """(first, last) of stretches of bars: all there are, or evenly spread ones of very many."""
    every = STRETCH_BARS * max(1, -(-n_bars // MOST_BARS))
    for first in range(0, n_bars, every):
        yield first, min(first + STRETCH_BARS, n_bars)


def _count_notes(corpus: Corpus, summary: Summary) -> None:
    seen: set[bytes] = set()
    n_repeated = n_notes = 0
    for first, last in _stretches(corpus.n_bars):
        index = corpus.bar_index[first : last + 1]
        rows = corpus.bar_notes[index[0] : index[-1]]
        begun = rows[~rows["tied"]]
        summary.pitches += np.bincount(begun["pitch"], minlength=FULL_VELOCITY + 1)
        summary.velocities += np.bincount(begun["velocity"], minlength=FULL_VELOCITY + 1)
        n_notes += len(begun)
        n_repeated += _count_repeated(rows, index, corpus.starts(first, last))
        metres = corpus.bar_metres[first:last].tolist()
        for metre, roll in zip(metres, corpus.rolls(np.arange(first, last)), strict=True):
            seen.add(hashlib.blake2b(roll, digest_size=8, salt=bytes([metre])).digest())
        summary.n_bars_seen += last - first
        summary.n_silent += int((np.diff(index) == 0).sum())
    summary.n_distinct = len(seen)
    summary.repeated = n_repeated / max(n_notes, 1)


def _count_repeated(rows: BarNotes, index: BarIndex, starts: BarStarts) -> int:
    """Notes that begin where another of their pitch ends."""
    bar = np.repeat(np.arange(len(index) - 1), np.diff(index))
    start = starts[bar] + rows["start"]
    order = np.lexsort((start, rows["pitch"]))
    pitch, start, rows = rows["pitch"][order], start[order], rows[order]
    meets = start[:-1] + rows["duration"][:-1] == start[1:]
    return int((meets & (pitch[:-1] == pitch[1:]) & ~rows["tied"][1:]).sum())


def _count_pieces(corpus: Corpus, summary: Summary) -> None:
    moved = notes = 0.0
    for piece in islice(Lines(corpus.path / "pieces.jsonl"), MOST_PIECES):
        if "copy_of" in piece:
            break
        summary.tempos.append(piece["tempo"])
        summary.dropped_notes += piece["dropped_notes"]
        for kind, count in piece.get("left_out", {}).items():
            summary.left_out[kind] += count
            summary.pieces_left_out[kind] += 1
        if "fitting_steps" in piece:
            summary.fitting_steps[piece["fitting_steps"]] += 1
        if "beats" in piece:
            summary.beats.setdefault(piece["beats"], []).append(piece.get("sure", 1.0))
            summary.beats.setdefault("ms", []).append(piece["off_grid_ms"])
        moved += piece["off_grid_steps"] * piece["notes"]
        notes += piece["notes"]
    summary.off_grid_steps = moved / max(notes, 1)


def advise(manifest: dict[str, Any], summary: Summary, n_held_out: int) -> list[str]:
    """What the figures mean for training, and what could be done: a sentence for each finding."""
    found = [
        *_advise_on_size(manifest, summary, n_held_out),
        *_advise_on_metres(manifest),
        *_advise_on_notes(manifest, summary),
        *_advise_on_refusals(manifest),
    ]
    told = [*_tell_beats(summary), *_tell_left_out(summary), *_tell_passed_over(manifest)]
    return [*(found or ["Nothing here stands in the way of training."]), *told]


def _tell_beats(summary: Summary) -> Iterator[str]:
    """Of pieces that were played: how their beats were found, and what that cost."""
    by_file, sure = len(summary.beats.get("file", [])), summary.beats.get("estimated", [])
    if by_file:
        pieces = "piece was" if by_file == 1 else "pieces were"
        yield f"{by_file:,} {pieces} read by the beat files beside them."
    if sure:
        pieces, have = ("piece was", "has") if len(sure) == 1 else ("pieces were", "have")
        yield (
            f"{len(sure):,} {pieces} played freely and {have} estimated beats, of whose bars about"
            f" {np.mean(sure):.0%} begin where they should (the least sure: {min(sure):.0%}):"
            " beat files (SONG.beats.txt) are surer, and --grid seconds needs none."
        )
    guessed = sum(each < GUESSED for each in sure)
    if guessed:
        pieces = "piece are" if guessed == 1 else "pieces are"
        yield (
            f"The beats of {guessed:,} {pieces} little more than guessed (sure under {GUESSED:.0%};"
            " pieces.jsonl says which)."
        )
    if by_file or sure:
        moved = np.mean(summary.beats["ms"])
        yield (
            "Their expressive timing was levelled: beats are even, and onsets were moved by"
            f" {moved:.0f} ms more on average; pieces.jsonl keeps the tempo of each bar."
        )


def _tell_left_out(summary: Summary) -> Iterator[str]:
    if summary.dropped_notes:
        yield f"{summary.dropped_notes:,} notes lie outside A0-C8 or are silent, and were left out."
    for kind, count in summary.left_out.most_common():
        n_pieces = summary.pieces_left_out[kind]
        pieces = "piece" if n_pieces == 1 else "pieces"
        yield f"In {n_pieces:,} {pieces}: {count:,} {kind}."


def _tell_passed_over(manifest: dict[str, Any]) -> Iterator[str]:
    passed_over = by_count(manifest.get("ignored", {}))
    if not passed_over:
        return
    other = {suffix: n for suffix, n in passed_over.items() if suffix not in NOTATION}
    if notation := {suffix: n for suffix, n in passed_over.items() if suffix in NOTATION}:
        seen = ", ".join(f"{count:,} {suffix}" for suffix, count in notation.items())
        yield (
            f"Passed over: {seen}, which cannot be read here; export them as MusicXML or MIDI from"
            " the program that made them."
        )
    if other:
        seen = _shorten(", ".join(f"{count:,} {suffix}" for suffix, count in other.items()))
        yield f"Passed over as no music files: {seen}."


def _advise_on_size(manifest: dict[str, Any], summary: Summary, n_held_out: int) -> Iterator[str]:
    options, pairs = manifest["options"], manifest["pairs"]
    if pairs < FEW_PAIRS:
        more = "" if options.get("augment") or options["common_key"] else ", or --augment 5"
        yield f"Only {pairs:,} pairs of bars: expect copying; add files{more}."
    if n_held_out == 0:
        yield "One piece only: none is held out, so nothing can be measured honestly."
    elif n_held_out < FEW_HELD_OUT:
        pieces = "piece is" if n_held_out == 1 else "pieces are"
        yield (
            f"Only {n_held_out} {pieces} held out: measures will be rough;"
            " add files, or hold out more with --held-out-every."
        )
    if summary.n_bars_seen >= 200 and 5 * summary.n_distinct < summary.n_bars_seen:
        yield (
            f"Of {summary.n_bars_seen:,} bars only {summary.n_distinct:,} are distinct:"
            " there is less to learn than it seems."
        )


def _advise_on_metres(manifest: dict[str, Any]) -> Iterator[str]:
    bars = manifest.get("bars_in", {})
    few = {metre: n for metre, n in by_count(bars).items() if n < FEW_BARS}
    if few and len(few) < len(bars):
        metres = "metre" if len(few) == 1 else "metres"
        each = "" if len(few) == 1 else " each"
        yield (
            f"{sum(few.values()):,} of {sum(bars.values()):,} bars are in {len(few)} {metres} with"
            f" under {FEW_BARS} bars{each} ({_shorten(', '.join(few))}): the model will know little"
            " of these."
        )


def _advise_on_notes(manifest: dict[str, Any], summary: Summary) -> Iterator[str]:
    options = manifest["options"]
    used = np.flatnonzero(summary.velocities)
    if len(used) == 1:
        yield f"All velocities are equal ({used[0]}): dynamics cannot be learnt."
    if not options["onsets"] and summary.repeated > 0.05:
        yield (
            f"{summary.repeated:.0%} of the notes repeat the one before without a gap, and without"
            " onsets they merge into long ones: try --onsets."
        )
    if summary.fitting_steps:
        steps, count = max(summary.fitting_steps.items())[0], summary.fitting_steps.total()
        pieces = "piece has" if count == 1 else "pieces have"
        yield (
            f"{count:,} {pieces} triplets, swing or shorter notes that a grid of"
            f" {options['steps_per_quarter']} steps a quarter makes uneven:"
            f" --steps-per-quarter {steps} keeps them."
        )
    elif options["grid"] == "metre" and summary.off_grid_steps > 0.12:
        finer = "" if options["steps_per_quarter"] > 4 else ", or --steps-per-quarter 12 (triplets)"
        yield (
            f"Notes lie {summary.off_grid_steps:.2f} steps off the grid on average"
            f" ({manifest['mean_shift_ms']:.0f} ms), as played music or triplets do:"
            f" try --grid seconds{finer}."
        )
    if not options["common_key"] and not options.get("augment"):
        yield from _advise_on_keys(manifest)


def _advise_on_keys(manifest: dict[str, Any]) -> Iterator[str]:
    keys = by_count(manifest.get("keys", {}))
    total = sum(keys.values())
    if total < 10 or manifest["pairs"] > 50_000:
        return
    best, count = next(iter(keys.items()))
    if 2 * count < total:
        yield (
            f"The pieces are in {len(keys)} keys, of which the most frequent, {best}, has"
            f" {count / total:.0%}: --common-key makes a small corpus easier to learn."
        )


def _advise_on_refusals(manifest: dict[str, Any]) -> Iterator[str]:
    n_files = manifest["files_taken"] + manifest["files_refused"]
    for reason, count in by_count(manifest["refused"]).items():
        advice = advice_on(reason)
        if advice and reason in ADVICE and reason != "duplicate" and 10 * count > n_files:
            yield f"{count:,} refusals in {n_files:,} files for one reason ({reason}): {advice}."
    if manifest["refused"].get("duplicate", 0) * 10 > n_files:
        yield f"{manifest['refused']['duplicate']:,} files are copies of others, and count once."


def by_count(counts: dict[str, int]) -> dict[str, int]:
    """The same counts, the largest first, ties by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def count_by_tempo(tempos: list[float]) -> Counter[int]:
    """How many pieces have a tempo of 40-49, 50-59, ... quarters a minute, by the lower end."""
    return Counter(int(tempo) // 10 * 10 for tempo in tempos)


def _shorten(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 4].rsplit(",", 1)[0] + ", ..."
