"""What bars are asked to be: how many notes, how high, on which chords.

Nothing is trained for it. A bar is one of several that are drawn side by side,
the one nearest to what is asked for, and the bars behind it follow from that.
On a given chord nothing else is written: the other rows of the roll are closed
while the cells are decided, so that what stands goes together.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Bool
from torch import Tensor

from nextbar.errors import UsageError
from nextbar.frames.contracts import Frames, PerFrame
from nextbar.frames.phrases import Candidates, Wish
from nextbar.music.bars import LOWEST_PITCH, N_PITCHES
from nextbar.music.sheet import load_music21

MOST_NOTES: Final = 200.0
"""Notes a bar that may be asked for."""
OCTAVE: Final = 12
NO_CHORD: Final = ("N", "NC", "N.C.")


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What is asked of the written bars; what is None, or no chord, is not asked.

    density: notes that begin in a bar. register: the mean pitch of what sounds,
    as a MIDI number. chords: for each bar in turn, and from the first again,
    the pitch classes (0-11, C is 0) that it keeps to, or none for any. Raises
    UsageError for what no bar can be.
    """

    density: float | None = None
    register: float | None = None
    chords: tuple[frozenset[int], ...] = ()

    def __post_init__(self) -> None:
        high = LOWEST_PITCH + N_PITCHES - 1
        if self.density is not None and not 0 < self.density <= MOST_NOTES:
            raise UsageError(f"density: {self.density:g} is not above 0 and at most {MOST_NOTES:g}")
        if self.register is not None and not LOWEST_PITCH <= self.register <= high:
            raise UsageError(f"register: {self.register:g} is not from {LOWEST_PITCH} to {high}")

    @property
    def any(self) -> bool:
        """Whether anything is asked."""
        return self.density is not None or self.register is not None or bool(self.chords)

    def rows(self, n_bars: int, transposed: int) -> Bool[Tensor, "bars pitches"] | None:
        """Which pitches each bar may have, for a model that hears them so many semitones higher."""
        if not self.chords:
            return None
        classes = (torch.arange(N_PITCHES) + LOWEST_PITCH - transposed) % OCTAVE
        rows = torch.ones(n_bars, N_PITCHES, dtype=torch.bool)
        for bar in range(n_bars):
            chord = self.chords[bar % len(self.chords)]
            if chord:
                rows[bar] = torch.isin(classes, torch.tensor(sorted(chord)))
        return rows

    def wish(self, transposed: int) -> Wish:
        """How far off each of several bars is from what is asked.

        An octave counts as much as twice the notes asked for, and as much as all notes lost to
        a chord.
        """

        def off_by(candidates: Candidates) -> PerFrame:
            heard, free = candidates.frames, candidates.free
            off = torch.zeros(len(heard))
            if self.density is not None:
                off += (notes_in(heard) - self.density).abs() / self.density
            if self.register is not None:
                off += (mean_pitch(heard) - transposed - self.register).abs() / OCTAVE
            if self.chords:
                off += 1 - notes_in(heard) / notes_in(free).clamp(min=1)
            return off

        return off_by


def notes_in(frames: Frames) -> Tensor:
    """How many notes begin in each bar, (B,); those of frames without onsets after silence."""
    sounds = frames[:, 0] > 0
    if frames.shape[1] > 1:
        return (frames[:, 1] > 0).flatten(1).sum(dim=1).float()
    before = torch.nn.functional.pad(sounds[..., :-1], (1, 0))
    return (sounds & ~before).flatten(1).sum(dim=1).float()


def mean_pitch(frames: Frames) -> Tensor:
    """The mean MIDI pitch of all that sounds in each bar, (B,); far off where nothing does."""
    per_pitch = (frames[:, 0] > 0).sum(dim=2).float()  # (B, pitches)
    pitches = torch.arange(per_pitch.shape[1]) + LOWEST_PITCH
    cells = per_pitch.sum(dim=1)
    return torch.where(cells > 0, (per_pitch * pitches).sum(dim=1) / cells.clamp(min=1), -1000.0)


def read_register(text: str) -> float:
    """A pitch as a MIDI number, from one or from a note's name: ``C4`` is 60."""
    match = re.fullmatch(r"([A-Ga-g])([#b]?)(-?\d)", text.strip())
    if match:
        name = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))[match[1].upper()]
        return name + {"": 0, "#": 1, "b": -1}[match[2]] + OCTAVE * (int(match[3]) + 1)
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"register: {text!r} is no pitch; give one as C4, F#3 or 60") from None


def read_chords(text: str | Sequence[str]) -> tuple[frozenset[int], ...]:
    """The pitch classes of each chord: symbols as in ``C Am F G7``, notes as in ``C,E,G``.

    N is any note. Symbols are read by music21 (the extra folk). Raises UsageError for
    one that is none.
    """
    return tuple(map(_read_chord, text.split() if isinstance(text, str) else text))


def _read_chord(symbol: str) -> frozenset[int]:
    if symbol in NO_CHORD:
        return frozenset()
    music21 = load_music21()
    from music21 import harmony  # of the package that is there

    try:
        if "," in symbol:
            names = [name.replace("b", "-") for name in symbol.split(",")]
            return frozenset(music21.pitch.Pitch(name).pitchClass for name in names)
        root = re.sub(r"^([A-G])b", r"\1-", symbol)
        root = re.sub(r"/([A-G])b$", r"/\1-", root)
        pitches = harmony.ChordSymbol(root).pitches
    except Exception as error:  # music21 has many
        raise UsageError(
            f"chords: {symbol!r} is no chord ({error}); give symbols as C, Am, F#m7, Bb/D, notes "
            "as C,E,G, or N for any"
        ) from error
    if not pitches:
        raise UsageError(f"chords: {symbol!r} has no notes; give symbols as C, Am, F#m7 or Bb/D")
    return frozenset(pitch.pitchClass for pitch in pitches)
