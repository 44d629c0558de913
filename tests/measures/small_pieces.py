"""Notes written out by hand, and the published files where they are at hand."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import mido
import numpy as np

from nextbar.measures.pieces import Piece
from nextbar.music.bars import NOTE, Notes, sort_notes

STEP_SECONDS = 0.125
N_STEPS = 16  # bars of two seconds


def make_notes(rows: Iterable[tuple[int, int, int, int]]) -> Notes:
    """Notes of (start, duration, pitch, velocity)."""
    return sort_notes(np.array(list(rows), NOTE))


def tune(pitches: Sequence[int], *, duration: int = 2, velocity: int = 90) -> Notes:
    """One note after the other, each of one duration."""
    return make_notes((i * duration, duration, p, velocity) for i, p in enumerate(pitches))


def piece_of_bars(*bars: Sequence[int], n_steps: int = N_STEPS) -> Piece:
    """A piece whose bars play the given pitches, one a step from the bar line on."""
    rows = [(b * n_steps + i, 1, p, 90) for b, bar in enumerate(bars) for i, p in enumerate(bar)]
    return Piece(make_notes(rows), len(bars))


def random_piece(rng: np.random.Generator, *, n_notes: int = 25, n_bars: int = 5) -> Piece:
    """Random notes of 48-83, 1-8 steps, velocity 20-119."""
    rows = zip(
        rng.integers(n_bars * N_STEPS - 8, size=n_notes).tolist(),
        rng.integers(1, 9, size=n_notes).tolist(),
        rng.integers(48, 84, size=n_notes).tolist(),
        rng.integers(20, 120, size=n_notes).tolist(),
        strict=True,
    )
    return Piece(make_notes(rows), n_bars)


def midi_files(archive: Path) -> dict[str, bytes]:
    """File name -> contents, in the order of names."""
    with zipfile.ZipFile(archive) as files:
        names = sorted(name for name in files.namelist() if name.endswith(".mid"))
        return {name.rsplit("/", 1)[-1]: files.read(name) for name in names}


def read_first_instrument(contents: bytes) -> Notes:
    """The notes of the first track that has any, on a grid of 0.125 s at 120 bpm."""
    midi = mido.MidiFile(file=io.BytesIO(contents))
    ticks_per_step = midi.ticks_per_beat * 2 * STEP_SECONDS
    for track in midi.tracks:
        rows: list[tuple[int, int, int, int]] = []
        open_notes: dict[int, list[tuple[int, int]]] = {}
        tick = 0
        for event in track:
            tick += event.time
            if event.type not in ("note_on", "note_off"):
                continue
            step = round(tick / ticks_per_step)
            if event.type == "note_on" and event.velocity:
                open_notes.setdefault(event.note, []).append((step, event.velocity))
            elif open_notes.get(event.note):
                start, velocity = open_notes[event.note].pop(0)
                rows.append((start, max(1, step - start), event.note, velocity))
        if rows:
            return make_notes(rows)
    return make_notes([])


WIDTHS = {(4, 4): 16, (3, 4): 12, (6, 8): 12, (2, 4): 8, (9, 8): 18}
"""Steps of a bar, four to a quarter."""


def piece_in(
    *bars: tuple[tuple[int, int], dict[int, int]], name: str = "", given: int = 0
) -> Piece:
    """A piece of (metre, {step of the bar: pitch}), each note one step long."""
    metres = tuple(metre for metre, _ in bars)
    starts = np.cumsum([0, *(WIDTHS[metre] for metre in metres)])
    rows = [
        (int(start) + step, 1, pitch, 90)
        for start, (_, notes) in zip(starts, bars, strict=False)
        for step, pitch in notes.items()
    ]
    return Piece(make_notes(rows), len(bars), name, given, metres, starts)
