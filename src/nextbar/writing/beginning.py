"""What a piece goes on from: noise, a bar of the corpus, or a file of the user's."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nextbar.errors import CorpusError, UsageError
from nextbar.music.bars import Notes, Rolls, cut_at_bar_lines, draw_rolls, join_at_bar_lines
from nextbar.music.corpus import Corpus, corpus_of
from nextbar.music.grid import semitones_to_c, transpose
from nextbar.music.kind import BarKind
from nextbar.music.metre import normal_metre, show_metre
from nextbar.music.reading import show_path
from nextbar.music.tunes import Metre
from nextbar.writing.composer import Composer
from nextbar.writing.piece import HELD_OUT, NOISE, TRAINING, Beginning, Ending
from nextbar.writing.source import Source, read_source, split_place


def begin_from(
    composer: Composer, start: str = NOISE, *, seed: int = 0, track: int | str = "all"
) -> Beginning | None:
    """What a piece goes on from.

    start: "noise" (gives None: testing model 2); "held-out" or "training", a
    bar drawn by the seed from those tunes of the corpus that the run was
    trained on; or a file of music, ``FILE:k`` for its bar k counted from 1,
    ``FILE`` for its last that sounds, ``FILE#2:k`` for tune 2 of a file of
    several, of which else the first is taken that can be. All its bars up to
    that one are kept, but those that are silent before its first note, and so
    are its tempo, its metre and its instrument. Raises UsageError for a bar
    that does not exist or is silent, MusicFileError for a file that cannot be
    read, CorpusError where the corpus is gone or was changed.
    """
    if start == NOISE:
        return None
    if start in (HELD_OUT, TRAINING):
        return begin_from_corpus(composer, seeds=[seed], part=start)[0]
    return begin_from_file(composer.kind, start, track=track, memory=composer.model.memory)


def begin_from_corpus(composer: Composer, *, seeds: list[int], part: str) -> list[Beginning]:
    """A bar for each seed, drawn from the sounding ones of the held-out or the training tunes."""
    corpus = corpus_of(composer.origin)
    pieces = corpus.pieces("held_out" if part == HELD_OUT else "training")
    bars = np.concatenate([np.arange(0), *(corpus.bars_of(piece) for piece in pieces)])
    sounding = bars[np.diff(corpus.bar_index)[bars] > 0]
    if not len(sounding):
        raise CorpusError(
            f"{corpus.path} has no {part} bar that sounds; begin from noise or a file"
        )
    chosen = [int(np.random.default_rng([seed, 2]).choice(sounding)) for seed in seeds]
    return begin_from_bars(corpus, chosen, part)


def begin_from_bars(corpus: Corpus, bars: Sequence[int], name: str) -> list[Beginning]:
    """A beginning of one bar for each of these bars of a corpus."""
    return [
        Beginning(
            corpus.notes(bar, bar + 1), corpus.metres_of(range(bar, bar + 1)), roll[None], name
        )
        for bar, roll in zip(bars, corpus.rolls(bars), strict=True)
    ]


def rolls_before(notes: Notes, metres: Sequence[Metre], kind: BarKind, *, memory: int) -> Rolls:
    """The rolls of the last bars, (bars, channels, 88, steps): as many as a model may look at.

    That is ``memory`` of them, but none before a bar in a metre that it does not know.
    """
    n_known = min(_n_known(metres[::-1], kind), memory)
    return _rolls(notes, metres, kind, range(len(metres) - n_known, len(metres)))


def rolls_after(notes: Notes, metres: Sequence[Metre], kind: BarKind, *, reach: int) -> Rolls:
    """The rolls of the first bars, as :func:`rolls_before`; reach: how many a model reads ahead."""
    return _rolls(notes, metres, kind, range(min(_n_known(metres, kind), reach)))


def _n_known(metres: Sequence[Metre], kind: BarKind) -> int:
    """How many bars there are before the first in a metre that the model does not know."""
    known = [normal_metre(metre) in kind.metres for metre in metres]
    return known.index(False) if False in known else len(known)


def _rolls(notes: Notes, metres: Sequence[Metre], kind: BarKind, bars: range) -> Rolls:
    bar_notes, index = cut_at_bar_lines(notes, kind.starts_of(metres))
    return draw_rolls(
        bar_notes, index, np.array(bars, np.int64), n_steps=kind.n_steps, onsets=kind.onsets
    )


def _unknown(metre: Metre, kind: BarKind, near: int | None) -> str:
    known, its = ", ".join(map(show_metre, kind.metres)), show_metre(metre)
    which = "a bar in one of these" if near is None else f"bar {near}, the nearest in one of these"
    return f"is in {its}, and this model writes {known}; give {which}, or a model of music in {its}"


def begin_from_file(
    kind: BarKind, start: str, *, track: int | str = "all", memory: int = 1
) -> Beginning:
    """The bars of ``FILE#n:k`` up to bar k, on the grid of the composer's music.

    memory: how many of the last ones the model may look at.
    """
    place = split_place(start)
    source = read_source(place, kind, track=track)
    sounding, chosen = _choose_bar(source, place.bar, kind, usual=-1)
    first = int(sounding[0])
    kept, metres = _bars_between(source, first, chosen)
    semitones = semitones_to_c(source.piece.grid.notes) if kind.common_key else 0
    heard = transpose(kept, semitones)
    return Beginning(
        notes=kept,
        metres=metres,
        rolls=rolls_before(heard, metres, kind, memory=memory),
        name=f"{source.name_for_files(place.path.stem)}-bar{chosen}",
        transposed=semitones,
        sound=source.sound,
        left_out=source.left_out,
        says=tuple(source.sentences(chosen)),
        origin={**source.to_json(), "bars": [first, chosen]},
    )


def end_at(
    composer: Composer,
    end: str,
    *,
    beginning: Beginning | None = None,
    track: int | str = "all",
) -> Ending:
    """What a piece leads to: the bars of a file of music from one to its last that sounds.

    end: ``FILE:k``, from its bar k, ``FILE`` from its first that sounds; the rest
    and the errors as for :func:`begin_from`. beginning: what the piece goes on
    from, whose key it is in for the model.
    """
    composer.check_reads_ahead()
    kind, place = composer.kind, split_place(end)
    source = read_source(place, kind, track=track)
    sounding, chosen = _choose_bar(source, place.bar, kind, usual=0)
    last = int(sounding[-1])
    kept, metres = _bars_between(source, chosen, last)
    semitones = semitones_to_c(source.piece.grid.notes) if kind.common_key else 0
    if beginning is not None:
        semitones = beginning.transposed
    name = show_path(source.piece.name)
    return Ending(
        notes=kept,
        metres=metres,
        rolls=rolls_after(
            transpose(kept, semitones), metres, kind, reach=max(composer.model.config.ahead)
        ),
        name=f"{source.name_for_files(place.path.stem)}-bar{chosen}",
        transposed=semitones,
        sound=source.sound,
        says=(f"{name}: leads to bar {chosen} of {source.piece.n_bars}", *source.remarks()),
        origin={**source.to_json(), "bars": [chosen, last]},
    )


def _choose_bar(
    source: Source, asked: int | None, kind: BarKind, *, usual: int
) -> tuple[npt.NDArray[np.int64], int]:
    """The bars of a source that sound, and the chosen one, from 1.

    asked: None is the first (``usual`` 0) or the last (-1) in a metre that the model knows.
    """
    piece, shown = source.piece, show_path(source.piece.name)
    _, index = cut_at_bar_lines(piece.grid.notes, piece.starts)
    sounding = np.flatnonzero(np.diff(index)) + 1
    known = [int(bar) for bar in sounding if normal_metre(source.metres[bar - 1]) in kind.metres]
    chosen = (known or [int(sounding[usual])])[usual] if asked is None else asked
    if not 1 <= chosen <= piece.n_bars:
        raise UsageError(f"{shown} has bars 1 to {piece.n_bars}, there is no bar {chosen}")
    if chosen not in sounding:
        near = int(sounding[np.abs(sounding - chosen).argmin()])
        raise UsageError(
            f"bar {chosen} of {shown} is silent; the nearest that sounds is bar {near}"
        )
    if chosen not in known:
        nearest = min(known, key=lambda bar: abs(bar - chosen), default=None)
        metre = source.metres[chosen - 1]
        raise UsageError(f"bar {chosen} of {shown} {_unknown(metre, kind, nearest)}")
    return sounding, chosen


def _bars_between(source: Source, first: int, last: int) -> tuple[Notes, tuple[Metre, ...]]:
    """The notes of these bars, both from 1, as a piece by themselves, and their metres."""
    starts = source.piece.starts[first - 1 : last + 1]
    bar_notes, index = cut_at_bar_lines(source.piece.grid.notes, source.piece.starts)
    kept = join_at_bar_lines(bar_notes, index[first - 1 : last + 1], starts)
    return kept, source.metres[first - 1 : last]
