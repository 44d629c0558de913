"""Bars that were written and what they stand between, as one piece of notes. No PyTorch."""

from collections.abc import Mapping

import numpy as np

from nextbar.music.bars import BarIndex, BarNotes, Rolls, join_at_bar_lines, read_rolls, sort_notes
from nextbar.music.grid import transpose
from nextbar.music.kind import BarKind
from nextbar.music.score import Sound
from nextbar.music.tunes import Metre
from nextbar.writing.piece import Beginning, Composition, Ending


def join_bars(
    kind: BarKind,
    beginning: Beginning | None,
    written: Rolls,
    seed: int,
    metres: tuple[Metre, ...],
    ending: Ending | None = None,
    own: Mapping[int, BarNotes] | None = None,
) -> Composition:
    """The written rolls (bars, channels, 88, steps) behind the beginning, as one piece.

    metres: of the written bars. ending: what stands behind them. own: the
    notes of some of them (from 0), in the key of the rolls, that stand
    whatever their roll can tell.
    """
    starts, sound = kind.starts_of(metres), Sound(kind.tempo)
    rows, index = _with_own(*read_rolls(written, starts), own or {})
    notes = join_at_bar_lines(rows, index, starts)
    given = [each for each in (beginning, ending) if each is not None]
    if not given:
        return Composition(notes, metres, 0, seed, sound)
    in_front = () if beginning is None else beginning.metres
    notes = transpose(notes, -given[0].transposed)
    notes["start"] += kind.starts_of(in_front)[-1]
    parts = [notes] if beginning is None else [beginning.notes, notes]
    if ending is not None:
        behind = ending.notes.copy()
        behind["start"] += kind.starts_of(in_front + metres)[-1]
        parts.append(behind)
    return Composition(
        notes=sort_notes(np.concatenate(parts)),
        metres=in_front + metres + (() if ending is None else ending.metres),
        n_given_bars=len(in_front),
        seed=seed,
        sound=next((each.sound for each in given if each.sound is not None), sound),
        n_ending_bars=0 if ending is None else ending.n_bars,
    )


def _with_own(
    rows: BarNotes, index: BarIndex, own: Mapping[int, BarNotes]
) -> tuple[BarNotes, BarIndex]:
    """The bar notes and their index, with the own ones in their places."""
    if not own:
        return rows, index
    n_bars = len(index) - 1
    parts = [own.get(bar, rows[index[bar] : index[bar + 1]]) for bar in range(n_bars)]
    return np.concatenate(parts), np.cumsum([0, *map(len, parts)])
