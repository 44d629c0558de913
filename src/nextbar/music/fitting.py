"""A corpus in the kind of bars of a model: what a model that is to be adapted can learn from.

The model's frames are of certain metres, in a certain order. Passages in these
are kept, and each is a piece; what is in another metre is left out and counted.
The piece held back, by which it is told when to stop, is the first; of one
piece only its last quarter is.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from nextbar.errors import CorpusError
from nextbar.files import write_json_atomically
from nextbar.music.bars import BAR_NOTE, BarIndex, BarNotes
from nextbar.music.corpus import Corpus, find_fingerprint
from nextbar.music.kind import BarKind, MetreNumbers
from nextbar.music.manifest import MANIFEST
from nextbar.music.metre import show_metre

FEWEST_BARS: Final = 8
"""In the model's metres, in all files together."""
SHORTEST: Final = 2
"""Bars of a passage: one pair."""
HELD_BACK: Final = 0.25
"""Of the only piece."""


@dataclass(frozen=True)
class Passage:
    """Bars that follow each other: their notes and index, the places of their metres."""

    notes: BarNotes
    index: BarIndex
    metres: MetreNumbers
    line: dict[str, Any]
    """What is recorded of it as a piece: at least its name."""


@dataclass(frozen=True)
class Fit:
    """What became of the bars of a corpus. left_out: bars, by why."""

    n_bars: int
    n_held_back: int
    left_out: dict[str, int]


def fit_corpus(
    corpus: Corpus,
    kind: BarKind,
    folder: Path,
    rehearsal: Sequence[Passage] = (),
    share: float = 1.0,
) -> Fit:
    """Writes into ``folder`` what of a corpus is of that kind, as a corpus, and says what is not.

    rehearsal: passages of no tune that are trained on beside. Where they are few the
    pieces come so often that of the bars that are trained on this ``share`` is theirs.
    Both stand behind all pieces, as transposed copies do. Raises CorpusError where too
    little is left.
    """
    passages, left_out = _passages(corpus, kind)
    n_bars = sum(len(passage.metres) for passage in passages)
    if n_bars < FEWEST_BARS:
        metres = ", ".join(map(show_metre, kind.metres))
        rest = ", ".join(f"{n} {why}" for why, n in left_out.items())
        raise CorpusError(
            f"{corpus.manifest['source']}: {n_bars} bars that this model can learn from, in its "
            f"metres ({metres}); at least {FEWEST_BARS} are needed"
            + (f"; left out: {rest}" if rest else "")
            + "; give more, or longer, files"
        )
    passages = _one_held_back(passages)
    every = int(corpus.manifest["options"]["held_out_every"])
    held_back = sum(len(passage.metres) for passage in passages[::every])
    learned = [passage for nth, passage in enumerate(passages) if nth % every]
    n_rehearsed = sum(len(passage.metres) for passage in rehearsal)
    wanted = n_rehearsed * share / (1 - share) if rehearsal else 0.0
    again = max(0, round(wanted / (n_bars - held_back)) - 1)
    _write(folder, corpus, kind, passages, [*again * learned, *rehearsal])
    return Fit(n_bars, held_back, left_out)


def _passages(corpus: Corpus, kind: BarKind) -> tuple[list[Passage], dict[str, int]]:
    place = [kind.metres.index(m) if m in kind.metres else -1 for m in corpus.metres]
    numbers = np.array(place, np.int64)[corpus.bar_metres]
    found, left_out = list[Passage](), Counter[str]()
    for piece in corpus.pieces().tolist():
        bars, line = corpus.bars_of(piece), corpus.describe(piece)
        known = numbers[bars.start : bars.stop] >= 0
        edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]])))
        runs = [(bars.start + a, bars.start + b) for a, b in edges.reshape(-1, 2).tolist()]
        for bar in np.flatnonzero(~known).tolist():
            metre = corpus.metres[int(corpus.bar_metres[bars.start + bar])]
            left_out[f"bars in {show_metre(metre)}"] += 1
        for nth, (first, last) in enumerate(runs, 1):
            if last - first < SHORTEST:
                left_out["bars alone between bars in other metres"] += last - first
                continue
            index = corpus.bar_index[first : last + 1]
            name = line["name"] if len(runs) == 1 else f"{line['name']} passage {nth}"
            found.append(
                Passage(
                    corpus.bar_notes[index[0] : index[-1]],
                    index - index[0],
                    numbers[first:last].astype(np.uint8),
                    {**line, "name": name, "bars": last - first},
                )
            )
    return found, dict(left_out.most_common())


def _one_held_back(passages: list[Passage]) -> list[Passage]:
    """The passages, one of middling length first; the only one with its end cut off and first."""
    if len(passages) > 1:
        by_length = sorted(range(len(passages)), key=lambda nth: len(passages[nth].metres))
        chosen = by_length[len(by_length) // 2]
        return [passages[chosen], *passages[:chosen], *passages[chosen + 1 :]]
    (only,) = passages
    n_bars = len(only.metres)
    cut = n_bars - max(SHORTEST, int(HELD_BACK * n_bars))
    return [_part(only, cut, n_bars, "held back"), _part(only, 0, cut, "learned from")]


def _part(passage: Passage, first: int, last: int, what: str) -> Passage:
    index = passage.index[first : last + 1]
    line = {**passage.line, "name": f"{passage.line['name']} {what}", "bars": last - first}
    notes = passage.notes[index[0] : index[-1]]
    return Passage(notes, index - index[0], passage.metres[first:last], line)


def _write(
    folder: Path,
    corpus: Corpus,
    kind: BarKind,
    passages: Sequence[Passage],
    beside: Sequence[Passage],
) -> None:
    of_all = [*passages, *beside]
    notes = np.concatenate([np.empty(0, BAR_NOTE), *(passage.notes for passage in of_all)])
    counts = np.concatenate([np.diff(passage.index) for passage in of_all])
    bars = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    lengths = [len(passage.metres) for passage in of_all]
    pieces = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    metres = np.concatenate([passage.metres for passage in of_all]).astype(np.uint8)
    for name, array in (("notes", notes), ("bars", bars), ("pieces", pieces), ("metres", metres)):
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    lines = "".join(json.dumps(passage.line, sort_keys=True) + "\n" for passage in of_all)
    (folder / "pieces.jsonl").write_text(lines, "utf-8")
    for name in ("refused.jsonl", "files.jsonl"):
        (folder / name).write_bytes((corpus.path / name).read_bytes())
    mine = np.concatenate([passage.metres for passage in passages])
    in_metres = np.bincount(mine, minlength=len(kind.metres))
    most = kind.metres[int(in_metres.argmax())]
    shown = {show_metre(m): int(n) for m, n in zip(kind.metres, in_metres, strict=True) if n}
    manifest = {
        **corpus.manifest,
        "metres": list(map(show_metre, kind.metres)),
        "usual_metre": show_metre(most),
        "n_steps": kind.n_steps,
        "bars_in": shown,
        "pieces": len(of_all),
        "bars": int(pieces[-1]),
        "pairs": int(pieces[-1]) - len(of_all),
        "notes": len(notes),
        **({"originals": len(passages)} if beside else {}),
    }
    if kind.grid == "seconds":
        del manifest["bars_in"], manifest["usual_metre"]
    manifest["fingerprint"] = find_fingerprint(manifest, notes, bars, pieces, metres)
    write_json_atomically(folder / MANIFEST, manifest)
