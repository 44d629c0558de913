"""Copying: whether bars are taken from the training data.

Meaning
    The share of composed bars that equal some bar of the training set, as they
    stand or up to transposition. Real tunes borrow too: a third of the bars of
    unseen folk tunes occur in others, so compare with real music, not with 0.

Conventions
    A bar is its set of (start, duration, pitch) within its bar lines. Velocity
    is left out, or one step of loudness would hide a copy; so are notes of
    velocity 10 or less, which are not heard, and doubled notes. Whether a
    note is tied from the bar before is left out as well: that is a fact about
    the bar before, and what sounds is the same. Bars in which nothing sounds
    are not counted. Bars are compared whole and exactly, with no near misses.
    A bar of 6/8 is none of 3/4, whatever its notes; where one of the two sides
    does not say its metres, notes alone are compared.

    Phrases are two bars of one piece, whole. The nearest training phrase is searched in any
    key: a phrase is the sequence of its notes, each (start, duration, interval
    from the note before), and the distance to another is the share of notes to
    insert, delete or replace (edit distance by the longer one's notes). One
    wrong pitch changes two intervals. Notes in bars of two metres are never alike.

Units
    Percent, 0-100. High is copying. Distances 0-1: 0 is a copy in some key, and
    high is far from all that was learned. No bar that sounds gives NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from nextbar.measures.paper import as_texts
from nextbar.measures.pieces import (
    SILENT_VELOCITY,
    BarNoteArray,
    BoolArray,
    FloatArray,
    IndexedBars,
    IntArray,
    Piece,
    bars_of_pieces,
    metres_of_bars,
)
from nextbar.music.bars import BarIndex
from nextbar.music.corpus import Corpus
from nextbar.music.metre import codes_of

MOST_SEARCHED: Final = 400
"""Phrases whose nearest is searched; of more different ones, this many are drawn."""
MOST_TRAINING: Final = 10_000
"""Different training phrases that are searched; of more, this many are drawn."""

MetresOfBoth = tuple[Int64[IntArray, " bars"] | None, Int64[IntArray, " learned"] | None]
"""The metre of each bar of the one side and of the other (``pieces.metres_of_bars``)."""
Phrases = list[bytes]
"""Each phrase's notes in any key, 8 bytes a note; a silent phrase has none."""


@dataclass(frozen=True)
class TrainingBars:
    """The bars in which copies are looked for, and which of them make up a piece."""

    bars: IndexedBars
    """Bar notes and their index, the pieces laid end to end."""
    n_bars: Int64[IntArray, " pieces"]
    """(pieces,): how many bars each piece has, in their order; no phrase goes on into the next."""
    metres: Int64[IntArray, " bars"] | None = None
    """(bars,): their metres (``music.metre.codes_of``); None where they are not known."""

    @classmethod
    def of_corpus(cls, corpus: Corpus) -> "TrainingBars":
        """The training tunes of a corpus."""
        tunes = corpus.pieces("training")
        bars = [corpus.bars_of(int(tune)) for tune in tunes]
        n_bars = np.array([len(each) for each in bars], np.int64)
        return cls(corpus.bars_in("training"), n_bars, _metres_of_corpus(corpus, bars))

    @classmethod
    def of_pieces(cls, pieces: Sequence[Piece], *, n_steps: int) -> "TrainingBars":
        """Pieces of any origin; ``n_steps``: steps in a bar."""
        n_bars = np.array([piece.n_bars for piece in pieces], np.int64)
        return cls(bars_of_pieces(pieces, n_steps=n_steps), n_bars, metres_of_bars(pieces))


def _metres_of_corpus(corpus: Corpus, pieces: Sequence[range]) -> Int64[IntArray, " bars"] | None:
    """The metres of the bars of pieces as numbers; on the seconds grid there are none."""
    if corpus.kind.grid == "seconds":
        return None
    places = np.concatenate(
        [np.zeros(0, np.uint8), *(corpus.bar_metres[each.start : each.stop] for each in pieces)]
    )
    codes: IntArray = codes_of(corpus.metres).astype(np.int64)[places]
    return codes


class Copies(NamedTuple):
    """Of each bar, whether it is in the training set, and whether it is silent."""

    is_copy: BoolArray
    """(bars,): False where nothing sounds."""
    is_silent: BoolArray
    """(bars,)"""


def copied_bars(
    bars: IndexedBars,
    training: IndexedBars,
    *,
    any_key: bool = False,
    metres: MetresOfBoth | None = None,
) -> float:
    """Percent of the bars that sound and equal a training bar, 0-100; none gives NaN.

    bars, training: bar notes (dtype ``BAR_NOTE``) and index. any_key: count a
    bar that equals a training bar after transposition, octaves included.
    metres: of both (``pieces.metres_of_bars``), so that only bars of one metre are equal.
    """
    copies = find_copies(bars, training, any_key=any_key, metres=metres)
    n_sounding = int(np.count_nonzero(~copies.is_silent))
    return 100 * int(copies.is_copy.sum()) / n_sounding if n_sounding else np.nan


def find_copies(
    bars: IndexedBars,
    training: IndexedBars,
    *,
    any_key: bool = False,
    metres: MetresOfBoth | None = None,
) -> Copies:
    """Which bars equal some training bar, and which are silent."""
    of_bars, of_training = known_on_both(metres)
    known = set(bar_contents(*training, any_key=any_key, metres=of_training))
    contents = bar_contents(*bars, any_key=any_key, metres=of_bars)
    return Copies(
        is_copy=np.array([bool(content) and content in known for content in contents], bool),
        is_silent=np.array([not content for content in contents], bool),
    )


def known_on_both(metres: MetresOfBoth | None) -> MetresOfBoth:
    """The metres of the bars of two sides, None for both where either side knows none."""
    if metres is None or any(side is None or not side.any() for side in metres):
        return None, None
    return metres


def bar_contents(
    bar_notes: BarNoteArray,
    index: Int64[BarIndex, " edges"],
    *,
    any_key: bool = False,
    metres: Int64[IntArray, " bars"] | None = None,
) -> list[bytes]:
    """Each bar's metre and set of (start, duration, pitch) as bytes: equal bytes, equal bars.

    A silent bar gives no bytes. any_key: pitches count from the bar's lowest.
    metres: without them notes alone make a bar.
    """
    n_bars = len(index) - 1
    packed = pack_notes(bar_notes, index)
    if any_key:
        packed = from_the_lowest(packed, n_bars)
    bar, content = packed >> 24, packed & 0xFFFFFF
    if metres is not None:
        content |= metres[bar] << 24
    text = content.astype("<i8").tobytes()
    ends = 8 * np.searchsorted(bar, np.arange(n_bars + 1))
    return [text[a:b] for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]


def pack_notes(
    bar_notes: BarNoteArray, index: Int64[BarIndex, " edges"]
) -> Int64[IntArray, " distinct"]:
    """Each bar's set of heard notes as numbers, bar << 24 | start << 16 | pitch << 8 | duration.

    Sorted, so by bar, then start, then pitch; doubled notes once.
    """
    rows = bar_notes[index[0] : index[-1]]
    heard = rows["velocity"] > SILENT_VELOCITY
    rows, bar = rows[heard], np.repeat(np.arange(len(index) - 1), np.diff(index))[heard]
    start, pitch = rows["start"].astype(np.int64), rows["pitch"].astype(np.int64)
    return np.unique(bar << 24 | start << 16 | pitch << 8 | rows["duration"])


def from_the_lowest(
    packed: Int64[IntArray, " distinct"], n_bars: int
) -> Int64[IntArray, " distinct"]:
    """The notes of ``pack_notes`` with pitches that count from the lowest of each bar."""
    bar, pitch = packed >> 24, packed >> 8 & 0xFF
    lowest = np.full(n_bars, 255)
    np.minimum.at(lowest, bar, pitch)
    moved: IntArray = packed - (lowest[bar] << 8)
    return moved


def phrase_firsts(
    n_bars: Int64[IntArray, " pieces"], n_together: int
) -> Int64[IntArray, " phrases"]:
    """The bars at which ``n_together`` bars of one piece begin, pieces laid end to end.

    n_bars: (pieces,), how many bars each has.
    """
    number = np.arange(n_bars.sum()) - np.repeat(np.cumsum(n_bars) - n_bars, n_bars)
    return np.flatnonzero(number + n_together <= np.repeat(n_bars, n_bars))


def phrase_contents(
    bar_notes: BarNoteArray,
    index: Int64[BarIndex, " edges"],
    firsts: Int64[IntArray, " phrases"],
    n_bars: int,
    metres: Int64[IntArray, " bars"] | None = None,
) -> Phrases:
    """The phrases of ``n_bars`` bars that begin at the bars ``firsts``, in any key.

    Equal bytes, equal phrases up to transposition, bars of equal metres where ``metres``
    tells them.
    """
    packed = pack_notes(bar_notes, index)
    pitch = packed >> 8 & 0xFF
    interval = np.diff(pitch, prepend=pitch[:1]) + 128
    begins = np.searchsorted(packed >> 24, np.arange(len(index)))
    notes = (interval << 32 | packed & 0xFF00FF).astype("<i8")
    if metres is not None:  # where the pitch was, and above the start
        of_note = metres[packed >> 24]
        notes |= (of_note & 0xFF) << 8 | (of_note >> 8) << 24
    contents = []
    for first in firsts.tolist():
        rows_of = slice(begins[first], begins[first + n_bars])
        phrase = notes[rows_of] | ((packed[rows_of] >> 24) - first) << 48
        phrase[:1] &= ~(0xFFFF << 32)  # what comes before the phrase does not belong to it
        contents.append(phrase.tobytes())
    return contents


def nearest_distances(
    phrases: Phrases,
    training: Phrases,
    *,
    rng: np.random.Generator,
    most: tuple[int, int] = (MOST_SEARCHED, MOST_TRAINING),
) -> Float64[FloatArray, " phrases"]:
    """For each phrase the distance to the nearest training phrase, (phrases,) 0-1.

    NaN for silent phrases and for those that were not drawn: of more than
    ``most[0]`` different phrases that many are searched for, among at most
    ``most[1]`` different training phrases. Exact copies are always found.
    """
    distinct = sorted({phrase for phrase in phrases if phrase})
    known = sorted({phrase for phrase in training if phrase})
    if not distinct or not known:
        return np.full(len(phrases), np.nan)
    copies = set(known).intersection(distinct)
    searched = _drawn(distinct, most[0], rng)
    among = _drawn(known, most[1], rng)
    texts = as_texts([np.frombuffer(phrase, "<i8") for phrase in (*searched, *among)])
    matrix = cdist(
        texts[: len(searched)],
        texts[len(searched) :],
        scorer=Levenshtein.normalized_distance,
        dtype=np.float32,
    )
    found = dict(zip(searched, matrix.min(axis=1).tolist(), strict=True))
    found |= dict.fromkeys(copies.intersection(searched), 0.0)
    return np.array([found.get(phrase, np.nan) for phrase in phrases], np.float64)


def _drawn(phrases: Phrases, most: int, rng: np.random.Generator) -> Phrases:
    if len(phrases) <= most:
        return phrases
    return [phrases[i] for i in np.sort(rng.choice(len(phrases), most, replace=False))]
