"""Fingerprints: the training bars, hashed, by which copies are found without the tunes.

Meaning
    Every bar and every two-bar phrase of the training tunes as a number of 36
    bits (BLAKE2b). They travel with a model that is given away. Whoever has a
    bar can ask whether it was learned from; the tunes cannot be read off them.

Conventions
    A bar is what ``copying.py`` has it be: its metre and its set of (start,
    duration, pitch), pitches counted from the lowest, so in any key; without
    velocities, without notes of velocity 10 or less. A phrase is two bars that
    follow each other in one piece, in any key together.

    Not counted as copies, for they are nobody's:
    - *plain* bars, in which nothing sounds or one note does, and phrases of two such;
    - *common* bars and phrases, found in at least 10 training tunes, and in at
      least 1 % of them. Transposed copies of a tune are that tune.

    A bar is *near* a training bar (strictness 2) where the two have all notes
    but one in common, in some key: one note is another, or one has it more.
    At least three notes must be in common; bars near to common bars alone are new.

Units
    Verdicts are names. Of 10^5 fingerprints and a bar that is none of theirs,
    one in 7 * 10^5 bars is taken for a copy.

On disk
    Ascending, each as its distance from the one before, deflated: 3 bytes each.
"""

import hashlib
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Int64
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nextbar.errors import CorpusError, RunError
from nextbar.measures.copying import TrainingBars, bar_contents, phrase_contents, phrase_firsts
from nextbar.measures.pieces import BarNoteArray, IntArray
from nextbar.music.bars import BarIndex
from nextbar.music.corpus import Corpus, corpus_of

FILE: Final = "fingerprints.safetensors"
"""Beside the weights of a model that is given away."""
FORMAT: Final = "2"
OLDER_FORMAT: Final = "1"
"""Of models that were given away before: 40 bits each, as they are."""
COMMON_TUNES: Final = 10
COMMON_SHARE: Final = 0.01
"""A bar in so many training tunes, and in such a share of them, is nobody's."""
LEAST_SHARED: Final = 3
"""Notes that a bar has in common at least with one that it is near to."""
DIGEST_BITS: Final = 36
OLDER_BYTES: Final = 5
_LESS: Final = 8 * OLDER_BYTES - DIGEST_BITS
_ARRAYS: Final = ("bars", "common", "near", "phrases")
MOST_BYTES: Final = 1 << 28
"""Of one array, unpacked; what claims to hold more is damaged."""
STRICTEST: Final = 2

Digests = npt.NDArray[np.uint64]
"""Fingerprints, ascending, each once."""
Verdict = Literal["new", "plain", "common", "near", "copy"]
ALLOWED: Final = ("new", "plain", "common")
"""The verdicts on a bar that is no copy."""


class Verdicts(NamedTuple):
    """What was found of the bars of pieces laid end to end.

    bars: the verdict on each. phrases: whether each bar and the one before it in
    its piece are a phrase of a training tune.
    """

    bars: list[Verdict]
    phrases: list[bool]

    @property
    def n_copies(self) -> int:
        """How many bars are copies, or nearer than they may be."""
        return sum(verdict not in ALLOWED for verdict in self.bars)

    @property
    def are_new(self) -> bool:
        """Whether nothing is copied."""
        return not self.n_copies and not any(self.phrases)


@dataclass(frozen=True)
class Fingerprints:
    """Of training bars. n_tunes, n_bars: of how many. knows_metres: not so on the seconds grid.

    bars: of all with two notes or more, common ones too. near: of bars with one
    note left out, not of common ones. phrases: but for common ones.
    """

    n_tunes: int
    n_bars: int
    knows_metres: bool
    bars: Digests
    common: Digests
    near: Digests
    phrases: Digests

    @classmethod
    def of_corpus(cls, corpus: Corpus) -> "Fingerprints":
        """Of the training tunes of a corpus."""
        training = TrainingBars.of_corpus(corpus)
        originals = int(corpus.manifest.get("originals", corpus.n_pieces))
        n_tunes = int((corpus.pieces("training") < originals).sum())  # copies stand behind them
        return cls.of_bars(training, n_tunes)

    @classmethod
    def of_bars(cls, training: TrainingBars, n_tunes: int | None = None) -> "Fingerprints":
        """Of training bars. n_tunes: the first so many pieces, if the others are no tunes."""
        n_bars = training.n_bars[:n_tunes]
        total, (rows, index) = int(n_bars.sum()), training.bars
        index = index[: total + 1]
        metres = None if training.metres is None else training.metres[:total]
        tune = np.repeat(np.arange(len(n_bars)), n_bars)
        contents = bar_contents(rows, index, any_key=True, metres=metres)
        firsts = phrase_firsts(n_bars, 2)
        phrases = phrase_contents(rows, index, firsts, 2, metres)
        is_plain = np.array([_n_notes(content) < 2 for content in contents], bool)
        some = ~(is_plain[firsts] & is_plain[firsts + 1]) if len(firsts) else np.zeros(0, bool)
        of_bars = _tunes_with(contents, tune, ~is_plain)
        of_phrases = _tunes_with(phrases, tune[firsts], some)
        many = max(COMMON_TUNES, ceil(COMMON_SHARE * len(n_bars)))
        rare = [content for content, tunes in of_bars.items() if tunes < many]
        return cls(
            n_tunes=len(n_bars),
            n_bars=total,
            knows_metres=metres is not None,
            bars=_digests(of_bars),
            common=_digests(content for content, tunes in of_bars.items() if tunes >= many),
            near=_digests(part for content in rare for part in _less_one(content)),
            phrases=_digests(phrase for phrase, tunes in of_phrases.items() if tunes < many),
        )

    def joined(self, other: "Fingerprints") -> "Fingerprints":
        """Those of both: a bar that is common to one of the two is common."""
        assert self.knows_metres == other.knows_metres
        arrays = {name: np.union1d(getattr(self, name), getattr(other, name)) for name in _ARRAYS}
        n_tunes, n_bars = self.n_tunes + other.n_tunes, self.n_bars + other.n_bars
        return Fingerprints(n_tunes, n_bars, self.knows_metres, **arrays)

    def to_bytes(self) -> bytes:
        """The file ``FILE`` with them."""
        packed = {name: np.frombuffer(_packed(getattr(self, name)), np.uint8) for name in _ARRAYS}
        facts = f"{FORMAT} {self.n_tunes} {self.n_bars} {int(self.knows_metres)}"
        return save(packed, {"nextbar": facts})

    @classmethod
    def open(cls, folder: Path) -> "Fingerprints":
        """Those in a folder. Raises RunError where they are damaged."""
        path = folder / FILE
        try:
            with safe_open(path, framework="np") as file:
                facts = (file.metadata() or {})["nextbar"].split()
                stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if facts[0] not in (FORMAT, OLDER_FORMAT):
                raise RunError(f"{path}: of another version of nextbar; export the model anew")
            read = _unpacked if facts[0] == FORMAT else _of_older
            arrays = {name: read(stored[name]) for name in _ARRAYS}
            return cls(int(facts[1]), int(facts[2]), facts[3] == "1", **arrays)
        except (SafetensorError, OSError, KeyError, IndexError, ValueError, zlib.error) as error:
            raise RunError(f"{path} is damaged ({error}); restore it") from error

    def verdicts(
        self,
        bar_notes: BarNoteArray,
        index: Int64[BarIndex, " edges"],
        metres: Int64[IntArray, " bars"] | None,
        n_bars: Int64[IntArray, " pieces"],
        *,
        strictness: int = STRICTEST,
    ) -> Verdicts:
        """What each bar is, and which phrases are taken, of pieces laid end to end.

        metres: of the bars (``pieces.metres_of_bars``); not looked at where those of
        the training bars are not known. n_bars: of each piece.
        """
        metres = metres if self.knows_metres else None
        contents = bar_contents(bar_notes, index, any_key=True, metres=metres)
        bars = [self._verdict(content, strictness) for content in contents]
        firsts = phrase_firsts(n_bars, 2)
        phrases = [False] * len(bars)
        found = phrase_contents(bar_notes, index, firsts, 2, metres)
        for first, content in zip(firsts.tolist(), found, strict=True):
            if bars[first] == bars[first + 1] == "plain":
                continue
            phrases[first + 1] = _is_in(digest_of(content), self.phrases)
        return Verdicts(bars, phrases)

    def _verdict(self, content: bytes, strictness: int) -> Verdict:
        if _n_notes(content) < 2:
            return "plain"
        whole = digest_of(content)
        if _is_in(whole, self.common):
            return "common"
        if _is_in(whole, self.bars):
            return "copy"
        if strictness < STRICTEST:
            return "new"
        if _n_notes(content) >= LEAST_SHARED and _is_in(whole, self.near):
            return "near"  # a training bar has one note more
        for part in _less_one(content):
            less = digest_of(part)
            more = _is_in(less, self.bars) and not _is_in(less, self.common)
            if more or _is_in(less, self.near):
                return "near"  # has one note more, or another in its place
        return "new"

    def share_of_phrases(self, training: TrainingBars) -> float:
        """Of the phrases of some bars the share that are among these, 0-1; of none 0."""
        firsts = phrase_firsts(training.n_bars, 2)
        metres = training.metres if self.knows_metres else None
        contents = phrase_contents(*training.bars, firsts, 2, metres)
        sounding = [content for content in contents if _n_notes(content) > 2]
        found = sum(_is_in(digest_of(content), self.phrases) for content in sounding)
        return found / len(sounding) if sounding else 0.0


def fingerprints_of(run: Path, origin: Mapping[str, Any]) -> Fingerprints:
    """Those of the bars that a run was trained on: of its folder, or made of its corpus.

    origin: of the run. Raises RunError where there is neither.
    """
    if (run / FILE).is_file():
        return Fingerprints.open(run)
    why = f"{run}: it cannot be told what is a copy: it came without {FILE}"
    if "base" in origin:
        raise RunError(f"{why}, as did the model that it was adapted from; adapt a later one")
    try:
        return Fingerprints.of_corpus(corpus_of(origin))
    except CorpusError as error:
        corpus = origin.get("corpus", {}).get("path", "its corpus")
        raise RunError(
            f"{why}, and {corpus} is not at hand; export the model anew where its corpus is"
        ) from error


def digest_of(content: bytes) -> int:
    """The fingerprint of a bar or a phrase, 36 bits."""
    of_older = hashlib.blake2b(content, digest_size=OLDER_BYTES).digest()
    return int.from_bytes(of_older, "little") >> _LESS


def _digests(contents: Iterable[bytes]) -> Digests:
    return np.array(sorted({digest_of(content) for content in contents}), np.uint64)


def _is_in(digest: int, digests: Digests) -> bool:
    place = int(np.searchsorted(digests, np.uint64(digest)))
    return place < len(digests) and int(digests[place]) == digest


def _packed(digests: Digests) -> bytes:
    """Their distances, byte by byte: all least bytes, then all next ones, deflated."""
    distances = np.diff(digests, prepend=np.uint64(0)).astype("<u8")
    return zlib.compress(distances.view(np.uint8).reshape(-1, 8).T.tobytes(), 9)


def _unpacked(stored: npt.NDArray[np.uint8]) -> Digests:
    """What :func:`_packed` has packed."""
    if stored.dtype != np.uint8 or stored.ndim != 1:
        raise ValueError("an array in it is no fingerprints")
    unpacking = zlib.decompressobj()
    planes = unpacking.decompress(stored.tobytes(), MOST_BYTES)
    if not unpacking.eof or len(planes) % 8:
        raise ValueError("an array in it is cut off")
    columns = np.frombuffer(planes, np.uint8).reshape(8, -1).T
    distances = np.ascontiguousarray(columns).view("<u8").reshape(-1)
    return np.cumsum(distances, dtype=np.uint64)


def _of_older(stored: npt.NDArray[np.uint8]) -> Digests:
    """Of rows of 5 bytes, least first."""
    if stored.dtype != np.uint8 or stored.ndim != 2 or stored.shape[1] != OLDER_BYTES:
        raise ValueError("an array in it is no fingerprints")
    wide = np.zeros((len(stored), 8), np.uint8)
    wide[:, :OLDER_BYTES] = stored
    return np.unique(wide.view("<u8").reshape(-1).astype(np.uint64) >> np.uint64(_LESS))


def _n_notes(content: bytes) -> int:
    return len(content) // 8


def _tunes_with(
    contents: Sequence[bytes], tune: npt.NDArray[np.integer], chosen: npt.NDArray[np.bool_]
) -> dict[bytes, int]:
    """In how many tunes each content occurs, of those that are chosen."""
    tunes = defaultdict[bytes, set[int]](set)
    for content, number, is_chosen in zip(contents, tune.tolist(), chosen.tolist(), strict=True):
        if is_chosen:
            tunes[content].add(number)
    return {content: len(numbers) for content, numbers in tunes.items()}


def _less_one(content: bytes) -> list[bytes]:
    """The bar with each of its notes left out, in any key; none of fewer notes than may be near."""
    n_notes = _n_notes(content)
    if n_notes <= LEAST_SHARED:
        return []
    pitches = content[1::8]  # from the lowest, which is 0
    alone = pitches.index(0) if pitches.count(0) == 1 else -1
    parts = [content[: 8 * nth] + content[8 * nth + 8 :] for nth in range(n_notes) if nth != alone]
    if alone >= 0:  # without its lowest note it counts from another
        left = np.delete(np.frombuffer(content, "<i8"), alone)
        parts.append((left - (int((left >> 8 & 0xFF).min()) << 8)).tobytes())
    return parts
