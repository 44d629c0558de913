"""Where real music lies, kept with a model that is given away without it.

For passages of as many bars, in the same metres, the range in which nine of ten
lie, of each measure that a piece has by itself; copies are not among them, for
these are of the training tunes. A few numbers for each: no tune can be read in them.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from nextbar.errors import CorpusError, RunError
from nextbar.measures.by_piece import values_by_piece
from nextbar.measures.meanings import MEANINGS
from nextbar.measures.metres import metres_in, metres_of_each
from nextbar.measures.pieces import FloatArray, Piece, pieces_of_corpus, reference_windows
from nextbar.music.corpus import Corpus, corpus_of
from nextbar.music.metre import read_metre, show_metre
from nextbar.music.tunes import Metre

FILE: Final = "bands.json"
FORMAT: Final = 1
LOW, HIGH = 5, 95
LONGEST: Final = 64
"""Bars of a passage."""
FEWEST: Final = 20
"""Passages: of fewer a twentieth is less than one."""
MOST: Final = 400
"""Passages that are measured; of more, so many evenly through all, for each takes milliseconds."""
DIGITS: Final = 4


class Range(NamedTuple):
    """A measure in real music: 90 of 100 passages lie from ``low`` to ``high``; the median.

    NaN where nothing was measured.
    """

    low: float
    middle: float
    high: float


UNKNOWN: Final = Range(np.nan, np.nan, np.nan)
Ranges = Mapping[str, Range]


def range_of(values: FloatArray) -> Range:
    """The range of a measure's values; those that are not finite are left out."""
    known = values[np.isfinite(values)]
    if not len(known):
        return UNKNOWN
    low, middle, high = np.percentile(known, [LOW, 50, HIGH])
    return Range(float(low), float(middle), float(high))


def ranges_of(values: Mapping[str, FloatArray]) -> dict[str, Range]:
    """The range of each measure."""
    return {name: range_of(each) for name, each in values.items()}


@dataclass(frozen=True)
class Bands:
    """The ranges by metres (that of most bars first) and number of bars."""

    ranges: Mapping[tuple[tuple[Metre, ...], int], Ranges]

    def of(self, metres: Sequence[Metre]) -> Ranges:
        """Those of passages of as many bars, in the same metres; none gives no ranges."""
        alone = self.ranges.get(((), len(metres)), {})  # of music that says no metres
        return self.ranges.get((metres_in(metres), len(metres)), alone)

    @classmethod
    def of_pieces(cls, pieces: Sequence[Piece], *, n_steps: int) -> "Bands":
        """Of real pieces; n_steps: of a bar where they do not say it."""
        found: dict[tuple[tuple[Metre, ...], int], Ranges] = {}
        longest = max((piece.n_bars for piece in pieces), default=0)
        for n_bars in range(1, min(longest, LONGEST) + 1):
            alike = defaultdict[tuple[Metre, ...], list[Piece]](list)
            windows = reference_windows(
                [piece for piece in pieces if piece.n_bars >= n_bars],
                n_bars=n_bars,
                n_steps=n_steps,
            )
            for window, metres in zip(windows, metres_of_each(windows), strict=True):
                alike[metres].append(window)
            for metres, chosen in alike.items():
                if len(chosen) >= FEWEST:
                    even = np.linspace(0, len(chosen) - 1, min(len(chosen), MOST)).round()
                    chosen = [chosen[nth] for nth in even.astype(int)]
                    rng = np.random.default_rng(0)
                    values = values_by_piece(chosen, n_steps=n_steps, training=None, rng=rng)
                    known = {n: r for n, r in ranges_of(values).items() if np.isfinite(r.low)}
                    found[metres, n_bars] = {n: r for n, r in known.items() if n in MEANINGS}
        return cls(found)

    @classmethod
    def of_corpus(cls, corpus: Corpus) -> "Bands":
        """Of the held-out pieces."""
        return cls.of_pieces(pieces_of_corpus(corpus, "held_out"), n_steps=corpus.kind.n_steps)

    def to_bytes(self) -> bytes:
        """The file: JSON, numbers of four digits."""
        bands = defaultdict[str, dict[str, Any]](dict)
        for (metres, n_bars), ranges in self.ranges.items():
            rows = {n: [float(f"{x:.{DIGITS}g}") for x in each] for n, each in ranges.items()}
            bands[" ".join(map(show_metre, metres))][str(n_bars)] = rows
        stored = {"kind": "nextbar bands", "format": FORMAT, "bands": bands}
        return json.dumps(stored, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> "Bands":
        """What a file holds. RunError where it is damaged; ``name`` is said."""
        try:
            stored = json.loads(data)
            if (stored["kind"], stored["format"]) != ("nextbar bands", FORMAT):
                raise ValueError(f"format {stored['format']}")
            return cls(dict(_read(stored["bands"].items())))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunError(f"{name} is damaged: {error!r}; export the model anew") from error


def _read(
    stored: Iterable[tuple[str, Mapping[str, Any]]],
) -> Iterable[tuple[tuple[tuple[Metre, ...], int], Ranges]]:
    for shown, by_bars in stored:
        metres = tuple(map(read_metre, shown.split()))
        for n_bars, rows in by_bars.items():
            ranges = {str(name): Range(*map(float, row)) for name, row in rows.items()}
            yield (metres, int(n_bars)), ranges


def bands_of(run: Path, origin: Mapping[str, Any]) -> Bands:
    """Those that came with a run, or those of its corpus; without either there are none.

    origin: of the run. Raises RunError where its file is damaged.
    """
    if (run / FILE).is_file():
        return Bands.from_bytes((run / FILE).read_bytes(), str(run / FILE))
    try:
        return Bands.of_corpus(corpus_of(origin))
    except CorpusError:
        return Bands({})
