"""One music file -> its pieces as notes on the grid, or why it gives none.

Nothing here looks at more than one file, so that files can be read in any
order and anywhere.
"""

import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from nextbar.errors import MusicFileError, UsageError
from nextbar.music.grid import (
    GridNotes,
    bar_steps,
    find_metre,
    find_tempo,
    parse_metre,
    quantise_to_metre,
    quantise_to_seconds,
    semitones_to_c,
    show_metre,
    transpose,
)
from nextbar.music.kind import BarKind
from nextbar.music.midi import Metre, Tune, parse_tunes, read_bytes, refuse

STEPS_PER_SECOND: Final = 8.0
"""The paper's grid: 2 s bars of 16 steps."""
SECONDS_BAR_STEPS: Final = 16


@dataclass(frozen=True)
class CorpusOptions:
    """How a corpus is made; each wrong value is a UsageError.

    grid: "metre" (fractions of a quarter, bars of one metre, tempo ignored) or
    "seconds" (the paper's: 8 steps a second, bars of 2 s).
    metre: "auto" or the one to take, as "6/8"; nothing to the seconds grid.
    track: "all" but drums, the number of a track that has notes, or a part of its name.
    onsets: rolls have a second channel, of onsets, so that repeated notes stay apart.
    common_key: every piece is transposed to C major or A minor, as its notes fit best.
    steps_per_quarter: of the metre grid; 4 is a grid of sixteenths.
    min_bars: shorter pieces are refused.
    held_out_every: every so many-th piece is kept from training.
    duplicates: "refuse" or "keep" files that equal another byte for byte; "auto"
    keeps them on the seconds grid only, as the paper's authors did, who count
    18,798 bars with one tune twice. A kept twin of a held-out piece is trained on.
    """

    grid: Literal["metre", "seconds"] = "metre"
    metre: str = "auto"
    track: int | str = "all"
    onsets: bool = False
    common_key: bool = False
    steps_per_quarter: int = 4
    min_bars: int = 2
    held_out_every: int = 10
    duplicates: Literal["auto", "refuse", "keep"] = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.track, str) and self.track.strip().isdecimal():
            object.__setattr__(self, "track", int(self.track))
        if self.grid not in ("metre", "seconds"):
            raise UsageError(f"grid {self.grid!r} is unknown; choose metre or seconds")
        if self.duplicates not in ("auto", "refuse", "keep"):
            raise UsageError(
                f"duplicates {self.duplicates!r} is unknown; choose auto, refuse or keep"
            )
        if self.metre != "auto":
            if self.grid == "seconds":
                raise UsageError("a metre has no meaning on the seconds grid; leave it out")
            bar_steps(parse_metre(self.metre), self.steps_per_quarter)
        for name, lowest, highest in (
            ("steps_per_quarter", 1, 48),
            ("min_bars", 1, 10_000),
            ("held_out_every", 2, 1_000_000),
        ):
            if not lowest <= getattr(self, name) <= highest:
                raise UsageError(
                    f"{name} is {getattr(self, name)}; it must be from {lowest} to {highest}"
                )

    @property
    def keeps_duplicates(self) -> bool:
        """Whether files that equal another are taken."""
        return self.duplicates == "keep" or (self.duplicates == "auto" and self.grid == "seconds")


def options_of_kind(kind: BarKind, *, track: int | str = "all") -> CorpusOptions:
    """How a file is read to stand beside bars of this kind; a common key is not its matter."""
    in_seconds = kind.grid == "seconds"
    return CorpusOptions(
        grid="seconds" if in_seconds else "metre",
        metre="auto" if in_seconds else show_metre(kind.metre),
        track=track,
        steps_per_quarter=kind.steps_per_quarter,
        min_bars=1,
    )


@dataclass(frozen=True)
class Piece:
    """One tune as notes on the grid; ``metre`` is None on the seconds grid.

    transposed: by how many semitones, to come to the common key.
    """

    name: str
    metre: Metre | None
    tempo: float
    n_steps: int
    grid: GridNotes
    transposed: int

    @property
    def n_bars(self) -> int:
        """Bars up to the end of the last note, the last one padded."""
        notes = self.grid.notes
        return -(-int((notes["start"] + notes["duration"]).max()) // self.n_steps)


@dataclass(frozen=True)
class Refusal:
    """A file, or a tune of one, that was refused, and why: countable, and as a sentence."""

    file: str
    reason: str
    message: str


@dataclass(frozen=True)
class FileResult:
    """What one file gave."""

    file: str
    sha256: str
    pieces: list[Piece] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


def read_pieces(path: Path, *, name: str, options: CorpusOptions) -> FileResult:
    """The pieces of one file, or why it gives none. Depends on the file and the options only."""
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    try:
        data = read_bytes(path, name=shown)
    except MusicFileError as error:
        return FileResult(shown, "", refusals=[refusal_of(error)])
    tunes, errors = parse_tunes(data, name=shown)
    result = FileResult(shown, hashlib.sha256(data).hexdigest())
    result.refusals.extend(map(refusal_of, errors))
    for tune in tunes:
        try:
            result.pieces.append(_piece_from_tune(tune, options))
        except MusicFileError as error:
            result.refusals.append(refusal_of(error))
    return result


def refusal_of(error: MusicFileError) -> Refusal:
    """The error as it is kept in a corpus."""
    return Refusal(error.name, error.reason, str(error))


def _piece_from_tune(tune: Tune, options: CorpusOptions) -> Piece:
    metre, n_steps = None, SECONDS_BAR_STEPS
    if options.grid == "seconds":
        grid = quantise_to_seconds(tune, track=options.track, steps_per_second=STEPS_PER_SECOND)
    else:
        metre = find_metre(tune)
        if options.metre != "auto" and metre != parse_metre(options.metre):
            raise other_metre(tune.name, metre, parse_metre(options.metre))
        try:
            n_steps = bar_steps(metre, options.steps_per_quarter)
        except UsageError as error:
            raise refuse(tune.name, f"metre {show_metre(metre)}", str(error)) from error
        grid = quantise_to_metre(
            tune, metre, track=options.track, steps_per_quarter=options.steps_per_quarter
        )
    semitones = semitones_to_c(grid.notes) if options.common_key else 0
    grid = replace(grid, notes=transpose(grid.notes, semitones))
    if not len(grid.notes):
        raise refuse(tune.name, "no notes", "transposed to the common key it leaves A0-C8")
    piece = Piece(tune.name, metre, find_tempo(tune), n_steps, grid, semitones)
    if piece.n_bars < options.min_bars:
        why = f"it has {piece.n_bars} bars, of {options.min_bars} needed; see --min-bars"
        raise refuse(tune.name, f"fewer than {options.min_bars} bars", why)
    return piece


def other_metre(name: str, metre: Metre, wanted: Metre) -> MusicFileError:
    """The error by which a tune of another metre than the corpus's is refused."""
    shown = show_metre(metre)
    why = (
        f"it is in {shown}, and this corpus in {show_metre(wanted)};"
        f" for a corpus of pieces in {shown} use --metre {shown}"
    )
    return refuse(name, f"metre {shown}", why)
