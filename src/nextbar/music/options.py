"""How a corpus is made: each option explained, bounded and given its default once. No NumPy."""

from dataclasses import dataclass
from typing import Final, Literal, TypedDict

from nextbar.errors import UsageError
from nextbar.settings import check_settings, setting

Grid = Literal["metre", "seconds"]
Duplicates = Literal["auto", "refuse", "keep"]
BeatsFrom = Literal["auto", "stated", "estimate"]
ALL_METRES: Final = "all"


@dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """How a corpus is made; each wrong value is a UsageError.

    ``onsets`` and ``common_key`` become what the grid wants where they are None.
    """

    grid: Grid = setting(
        "metre",
        "metre: fractions of a quarter, in bars each of its metre, tempo ignored. seconds: bars of "
        "2 s, 8 steps a second, as in the paper.",
    )
    metre: str = setting(
        ALL_METRES,
        "all, or one as 6/8: then pieces in it, and of pieces that change metre the passages in "
        "it, are taken. It says nothing to the seconds grid.",
    )
    beats: BeatsFrom = setting(
        "auto",
        "Where the beats of the metre grid come from. auto: SONG.beats.txt beside SONG.mid, where "
        "there is one (a line for each beat: its time in seconds, its number in the bar); else, "
        "where the notes lie on no grid, as someone played them, an estimate from the notes, and "
        "a piece whose beats are not clear is refused; else what the file states. stated: always "
        "what the file states. estimate: always an estimate.",
    )
    track: int | str = setting(
        "all",
        "all but drums, melody, drums, chords (all, and the chord symbols above them, played), the "
        "number of a track that has notes (from 1), or a part of its name. melody is the track so "
        "named; else, of the tracks with many notes, the highest that plays one note at a time.",
    )
    onsets: bool | None = setting(
        None,
        "Keep note beginnings in a second channel, so that repeated notes stay apart; by default "
        "on the metre grid.",
    )
    common_key: bool | None = setting(
        None,
        "Transpose every piece to C major or A minor first: a small corpus teaches more that way; "
        "by default on the metre grid, unless it is augmented. New bars of your own tune come back "
        "in your key.",
    )
    augment: int = setting(
        0,
        "Train on every piece in other keys too, up to so many semitones down and up, where its "
        "notes stay on the piano. Held-out pieces stay as they are.",
        low=0,
        high=12,
    )
    pedal: bool = setting(False, "Let notes last as long as the sustain pedal holds them.")
    steps_per_quarter: int = setting(
        4,
        "Steps of the metre grid: 4 is a grid of sixteenths, 12 has triplets too.",
        low=1,
        high=48,
    )
    min_bars: int = setting(2, "Pieces of fewer bars than this are refused.", low=1, high=10_000)
    held_out_every: int = setting(
        10,
        "Every so many-th piece is kept from training, for honest measures.",
        low=2,
        high=1_000_000,
    )
    duplicates: Duplicates = setting(
        "auto",
        "refuse or keep files that equal another byte for byte. auto keeps them on the seconds "
        "grid only, as the paper's authors did, who count 18,798 bars with one tune twice. A kept "
        "twin of a held-out piece is trained on.",
    )

    def __post_init__(self) -> None:
        check_settings(self, UsageError)
        in_bars = self.grid == "metre"
        if isinstance(self.track, str) and self.track.strip().isdecimal():
            object.__setattr__(self, "track", int(self.track))
        if self.onsets is None:
            object.__setattr__(self, "onsets", in_bars)
        if self.common_key is None:
            object.__setattr__(self, "common_key", in_bars and not self.augment)
        if self.beats != "auto" and not in_bars:
            raise UsageError("beats have no meaning on the seconds grid; leave them out")
        if self.metre != ALL_METRES:
            from nextbar.music.laid_bars import cut_long  # with NumPy
            from nextbar.music.metre import bar_steps, parse_metre, show_metre

            if not in_bars:
                raise UsageError("a metre has no meaning on the seconds grid; leave it out")
            parts = cut_long(parse_metre(self.metre), self.steps_per_quarter)
            if len(parts) > 1:
                shown = " + ".join(map(show_metre, parts))
                raise UsageError(
                    f"bars of {self.metre} are long, and cut into {shown}; leave --metre out"
                )
            bar_steps(parts[0], self.steps_per_quarter)
        if self.common_key and self.augment:
            raise UsageError(
                "augment undoes what common_key does; leave one of them out:"
                " one key, or every piece in many"
            )

    @property
    def keeps_duplicates(self) -> bool:
        """Whether files that equal another are taken."""
        return self.duplicates == "keep" or (self.duplicates == "auto" and self.grid == "seconds")


class OptionsGiven(TypedDict, total=False):
    """The fields of :class:`CorpusOptions` as keywords, for who checks types; a test compares."""

    grid: Grid
    metre: str
    beats: BeatsFrom
    track: int | str
    onsets: bool | None
    common_key: bool | None
    augment: int
    pedal: bool
    steps_per_quarter: int
    min_bars: int
    held_out_every: int
    duplicates: Duplicates
