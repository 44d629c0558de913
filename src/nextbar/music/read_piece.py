"""One tune, or a passage of one, on the grid, and the line that a corpus keeps of it."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from nextbar.music.bars import BarStarts, bar_starts
from nextbar.music.grid import GridNotes
from nextbar.music.metre import MetreCodes, metre_of, show_metre, steps_of
from nextbar.music.options import CorpusOptions
from nextbar.music.tunes import Metre, Tune

STEPS_PER_SECOND: Final = 8.0
"""The paper's grid: 2 s bars of 16 steps."""
MOST_CHANGES: Final = 24
"""Of a piece that changes metre more often, it is not listed where."""
SCALES: Final = (
    "C/Am", "Db/Bbm", "D/Bm", "Eb/Cm", "E/C#m", "F/Dm", "F#/D#m", "G/Em", "Ab/Fm", "A/F#m",
    "Bb/Gm", "B/G#m",
)  # fmt: skip
"""The twelve scales, each by its major and its minor key, as key signatures are usually written."""


@dataclass(frozen=True)
class ReadPiece:
    """One tune, or a passage of one, as notes on the grid.

    steps_per_quarter: of the grid; 4 of the seconds grid, where a bar counts as 4/4.
    codes: the metre of each bar, up to the end of the last note, which is padded.
    transposed: by how many semitones, to come to the common key. scale: the
    semitones by which it would come there. pitches: the lowest and the highest.
    fitting_steps: the steps a quarter of a grid on which lie nearly all the
    onsets that this one moves, as of triplets and swing; None where there are
    few, or no such grid. left_out: what was left out or mended, and how often.
    tune: what it was read from. track: the tracks that were asked for. first_bar:
    which of the tune's bars its first one is, from 0.
    """

    name: str
    tempo: float
    steps_per_quarter: int
    codes: MetreCodes
    grid: GridNotes
    transposed: int
    scale: int
    pitches: tuple[int, int]
    fitting_steps: int | None
    left_out: dict[str, int]
    tune: Tune = field(repr=False)
    track: int | str = "all"
    first_bar: int = 0

    @property
    def n_bars(self) -> int:
        """How many bars it has."""
        return len(self.codes)

    @property
    def metres(self) -> tuple[Metre, ...]:
        """The metre of each bar; 4/4 on the seconds grid."""
        return tuple(map(metre_of, self.codes.tolist()))

    @property
    def metre(self) -> Metre:
        """The metre of most of its bars."""
        return main_metres(self.codes)[0]

    @property
    def starts(self) -> BarStarts:
        """Where its bars begin, in steps, (bars + 1,)."""
        return bar_starts(steps_of(self.codes, self.steps_per_quarter))

    @property
    def number(self) -> int:
        """Which tune of its file it is, from 1."""
        return self.tune.number

    @property
    def n_silent_bars(self) -> int:
        """How many bars are silent before its first note."""
        first = int(self.grid.notes["start"].min())
        return int(np.searchsorted(self.starts, first, side="right")) - 1

    @property
    def instruments(self) -> tuple[str, ...]:
        """The names of the chosen tracks; one that has none is ""."""
        return tuple(part.track.name for part in self.tune.choose(self.track))

    @property
    def tracks(self) -> tuple[tuple[str, int], ...]:
        """Name and number of notes of each track that can be chosen, in the order of numbers."""
        return tuple((part.track.name, len(part.notes["time"])) for part in self.tune.pitched)


def main_metres(codes: MetreCodes) -> list[Metre]:
    """The metres of bars, that of most bars first."""
    found, counts = np.unique(codes, return_counts=True)
    return [metre_of(code) for code in found[np.argsort(-counts, kind="stable")].tolist()]


def describe_piece(piece: ReadPiece, options: CorpusOptions) -> dict[str, Any]:
    """The piece as a line of ``pieces.jsonl`` has it, but for the file's hash."""
    in_seconds = options.grid == "seconds"
    step_ms = (
        1000 / STEPS_PER_SECOND if in_seconds else 60_000 / piece.tempo / options.steps_per_quarter
    )
    return {
        "name": piece.name,
        "bars": piece.n_bars,
        "notes": len(piece.grid.notes),
        **({} if in_seconds else _describe_metres(piece)),
        "tempo": round(piece.tempo, 3),
        "key": show_scale(piece.scale),
        "lowest_pitch": piece.pitches[0],
        "highest_pitch": piece.pitches[1],
        "transposed": piece.transposed,
        "off_grid_steps": round(piece.grid.mean_shift_steps, 4),
        "off_grid_ms": round(piece.grid.mean_shift_steps * step_ms, 2),
        "dropped_notes": piece.grid.n_dropped,
        "merged_notes": piece.grid.n_merged,
        **_describe_beats(piece),
        **({"fitting_steps": piece.fitting_steps} if piece.fitting_steps else {}),
        **({"left_out": piece.left_out} if piece.left_out else {}),
    }


def _describe_beats(piece: ReadPiece) -> dict[str, Any]:
    """How its beats were found, of one that was played, and its tempo in each bar."""
    found = piece.tune.beats
    if found is None:
        return {}
    sure = {} if found.sure is None else {"sure": round(found.sure, 3)}
    curve = found.curve[piece.first_bar :][: piece.n_bars]
    return {"beats": found.source, **sure, "tempo_curve": list(curve)}


def _describe_metres(piece: ReadPiece) -> dict[str, Any]:
    """The metres of a piece, that of most bars first, and where it changes, if that is not often.

    changes: (bar, metre), bars from 1.
    """
    codes = piece.codes
    lines = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    if not len(lines):
        return {"metres": [show_metre(metre_of(int(codes[0])))]}
    metres = {"metres": [show_metre(metre) for metre in main_metres(codes)]}
    if len(lines) > MOST_CHANGES:
        return metres
    begins = [0, *lines.tolist()]
    changes = [[bar + 1, show_metre(metre_of(int(codes[bar])))] for bar in begins]
    return {**metres, "changes": changes}


def show_scale(semitones_to_c: int) -> str:
    """``G/Em`` for 5: the major key that its notes fit best and the minor one of the same notes.

    Which of the two it is, notes alone do not tell.
    """
    return SCALES[-semitones_to_c % 12]
