"""Writing without copies: a bar that is a training tune's is put away, and another taken.

One seed still decides: the first draw of each bar is the one that is written
without this, and every further draw has noise of its own, from the seed, the
place of the bar and the number of the draw. Where the discriminator of phrases chooses among
16 bars, the next of these is the one that it would take without those put away. Where 16 draws
were copies, the temperature rises by 0.25, and by as much after each further 16; at a
temperature of 0, at which all draws are one, after the first. A bar of which
all 64 draws are copies ends the piece: it is said, and not given out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from nextbar.errors import UsageError
from nextbar.frames.config import SLOTS, Sampling
from nextbar.measures.fingerprints import STRICTEST, Fingerprints, Verdicts
from nextbar.measures.pieces import SILENT_VELOCITY
from nextbar.music.bars import FULL_VELOCITY, BarIndex, BarNotes, cut_at_bar_lines, read_rolls
from nextbar.music.kind import BarKind
from nextbar.music.metre import codes_of, normal_metre
from nextbar.music.tunes import Metre
from nextbar.writing.bar_by_bar import WrittenBar, write_bars, write_candidates
from nextbar.writing.composer import Composer
from nextbar.writing.joining import join_bars
from nextbar.writing.piece import (
    MOST_DRAWS,
    Before,
    Beginning,
    Check,
    Composition,
    Draw,
    Towards,
)

DRAWS_AS_WARM: Final = 16
"""Draws of a bar before the temperature rises."""
WARMER: Final = 0.25


@dataclass(frozen=True)
class NoCopies:
    """What no written bar may be.

    fingerprints: of the training tunes. strictness: 1: no bar and no two-bar
    phrase is one of theirs in any key; 2: nor is any bar so but for one note,
    which is another, is missing, or is one more (``measures.fingerprints``).
    """

    fingerprints: Fingerprints
    strictness: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.strictness <= STRICTEST:
            raise UsageError(
                f"strictness: {self.strictness} is not 1 (no bar is a copy) or 2 (nor is one but "
                "for one note)"
            )

    def verdicts(
        self,
        bar_notes: BarNotes,
        index: BarIndex,
        metres: Sequence[Metre],
        n_bars: Sequence[int],
        kind: BarKind,
    ) -> Verdicts:
        """What the bars of pieces laid end to end are. n_bars: of each piece."""
        codes = codes_of([normal_metre(metre) for metre in metres]).astype(np.int64)
        return self.fingerprints.verdicts(
            bar_notes,
            index,
            None if kind.grid == "seconds" else codes,
            np.array(n_bars, np.int64),
            strictness=self.strictness,
        )

    def verdicts_on(self, composition: Composition, kind: BarKind) -> Verdicts:
        """What the written bars of a piece are, as its notes say."""
        bar_notes, index = cut_at_bar_lines(composition.notes, kind.starts_of(composition.metres))
        n_bars, given = composition.n_bars, composition.n_given_bars
        of_all = self.verdicts(bar_notes, index, composition.metres, [n_bars], kind)
        return Verdicts(of_all.bars[given:], of_all.phrases[given:])


class NewBar(NamedTuple):
    """A bar that is no copy, and the draw that it came of, whose ``sampling`` may be warmer.

    bar: None where all draws were copies; draw is then the last.
    """

    bar: WrittenBar | None
    draw: Draw


def write_new_bars(
    composer: Composer,
    after: Sequence[Before | None],
    draws: Sequence[Draw],
    no_copies: NoCopies,
    *,
    threshold: float | None = None,
) -> list[NewBar]:
    """A bar for each draw that is no copy, and makes no phrase of the bar before it.

    after, draws, threshold: as for :func:`nextbar.writing.bar_by_bar.write_bars`;
    what a draw's ``attempt`` and ``rank`` say was put away before. The returned draws give the
    bars again by that function, without fingerprints.
    """
    found: list[NewBar | None] = [None] * len(draws)
    n_tried = [0] * len(draws)
    for i, draw in enumerate(draws):
        if composer.model.chooses(draw.sampling):
            found[i] = first_new(composer, after[i], draw, no_copies, threshold=threshold)
    while pending := [i for i, bar in enumerate(found) if bar is None]:
        chosen = list[tuple[int, Draw]]()
        for i, is_extra in _filling_slots(pending):
            following = again(draws[i], n_tried[i])
            # what is drawn at another temperature would be computed by itself
            if following is None or (is_extra and following.sampling != draws[i].sampling):
                continue
            chosen.append((i, following))
            n_tried[i] += 1
        befores = [after[i] for i, _ in chosen]
        tried = [draw for _, draw in chosen]
        written = write_bars(composer, befores, tried, threshold=threshold)
        are_new = _are_new(composer.kind, befores, written, no_copies)
        for (i, draw), bar, is_new in zip(chosen, written, are_new, strict=True):
            if found[i] is None and is_new:
                found[i] = NewBar(bar, draw)
            elif found[i] is None and again(draws[i], n_tried[i]) is None:
                found[i] = NewBar(None, draw)
    return [each for each in found if each is not None]


def first_new(
    composer: Composer,
    before: Before | None,
    first: Draw,
    no_copies: NoCopies,
    *,
    towards: Towards | None = None,
    behind: WrittenBar | None = None,
    threshold: float | None = None,
) -> NewBar:
    """The first bar for the draw that is no copy, and the draw that it came of.

    towards: the bars that it leads to, as for :func:`nextbar.writing.bar_by_bar.write_bars`.
    behind: the bar that stays next to it, with which it is no copied phrase, either.
    """
    chooses = composer.model.chooses(first.sampling)
    attempts = range(0, MOST_DRAWS, SLOTS) if chooses else range(MOST_DRAWS)
    latest = first
    for attempt in attempts:
        draw = again(first, attempt)
        assert draw is not None, "no attempt is behind the last"
        if chooses:
            bars = write_candidates(composer, before, draw, towards, threshold=threshold)
        else:
            bars = write_bars(composer, [before], [draw], [towards], threshold=threshold)
        are_new = _are_new(composer.kind, [before] * len(bars), bars, no_copies)
        for rank, (bar, is_new) in enumerate(zip(bars, are_new, strict=True)):
            latest = replace(draw, rank=rank)
            if is_new and _ends_new(composer.kind, bar, behind, no_copies):
                return NewBar(bar, latest)
    return NewBar(None, latest)


def again(first: Draw, attempt: int) -> Draw | None:
    """The draw that follows when ``attempt`` draws were put away; None behind the last."""
    if attempt >= MOST_DRAWS:
        return None
    temperature = first.sampling.temperature
    n_cold = DRAWS_AS_WARM if temperature else 1  # without temperature all draws are one
    n_warmer = 0 if attempt < n_cold else 1 + (attempt - n_cold) // DRAWS_AS_WARM
    warmed = replace(first.sampling, temperature=temperature + n_warmer * WARMER)
    return replace(first, attempt=attempt, sampling=warmed)


def compose_new(
    composer: Composer,
    beginnings: Sequence[Beginning | None],
    metres: Sequence[tuple[Metre, ...]],
    *,
    seeds: Sequence[int],
    sampling: Sampling,
    threshold: float,
    no_copies: NoCopies,
) -> list[Composition]:
    """As ``Composer.compose``, each piece with its ``check``; one that has not passed ends early.

    metres: of the bars to be written of each piece, which are as many in all.
    """
    memory = composer.model.memory
    befores = [None if each is None else each.last_bars for each in beginnings]
    written = [list[WrittenBar]() for _ in seeds]
    checks = [Check(no_copies.strictness) for _ in seeds]
    for nth in range(len(metres[0])):
        going_on = [i for i, check in enumerate(checks) if check.is_passed]
        after = [_before(befores[i], written[i], memory) for i in going_on]
        draws = [Draw(seeds[i], nth, sampling, metres[i][nth]) for i in going_on]
        new = write_new_bars(composer, after, draws, no_copies, threshold=threshold)
        for i, (bar, draw) in zip(going_on, new, strict=True):
            is_warmer = bar is not None and draw.sampling != sampling
            checks[i] = replace(
                checks[i],
                n_again=checks[i].n_again + draw.attempt + draw.rank,
                n_warmer=checks[i].n_warmer + is_warmer,
                stuck_at=nth + 1 if bar is None else None,
            )
            if bar is not None:
                written[i].append(bar)
    pieces = []
    for i, seed in enumerate(seeds):
        bars = np.zeros((0, *composer.kind.frame_shape), np.uint8)
        rolls = np.stack([bar.roll for bar in written[i]]) if written[i] else bars
        piece = join_bars(composer.kind, beginnings[i], rolls, seed, metres[i][: len(written[i])])
        verdicts = no_copies.verdicts_on(piece, composer.kind)
        check = replace(checks[i], n_common=verdicts.bars.count("common"))
        assert verdicts.are_new or not check.is_passed, "a bar is what was heard of it"
        pieces.append(replace(piece, check=check))
    return pieces


def _filling_slots(pending: Sequence[int]) -> list[tuple[int, bool]]:
    """Each of these once, then again in turn till groups are full, which costs no more.

    With each whether it is one more.
    """
    n_slots = -(-len(pending) // SLOTS) * SLOTS
    return [(pending[slot % len(pending)], slot >= len(pending)) for slot in range(n_slots)]


def _before(given: Before | None, written: Sequence[WrittenBar], memory: int) -> Before | None:
    """The last bars before the one that is to be written; None at the beginning of a piece."""
    rolls = [bar.roll for bar in written[-memory:]]
    metres = [bar.metre for bar in written[-memory:]]
    n_given = memory - len(rolls)
    if given is not None and n_given:
        rolls = [*given.rolls[-n_given:], *rolls]
        metres = [*given.metres[-n_given:], *metres]
    return Before(np.stack(rolls), tuple(metres)) if rolls else None


def _ends_new(
    kind: BarKind, bar: WrittenBar, behind: WrittenBar | None, no_copies: NoCopies
) -> bool:
    """Whether the bar makes no phrase with the one behind it, if there is one."""
    if behind is None:
        return True
    heard, index = read_rolls(
        np.stack([bar.roll, behind.roll]), kind.starts_of([bar.metre, behind.metre])
    )
    heard["velocity"] = FULL_VELOCITY
    return not no_copies.verdicts(heard, index, [bar.metre, behind.metre], [2], kind).phrases[1]


def _are_new(
    kind: BarKind,
    befores: Sequence[Before | None],
    written: Sequence[WrittenBar],
    no_copies: NoCopies,
) -> list[bool]:
    """Whether each bar is no copy, nor a phrase with the bar before it."""
    rolls, metres, n_bars = [], list[Metre](), []
    for before, bar in zip(befores, written, strict=True):
        if before is not None:
            rolls.append(before.rolls[-1])
            metres.append(before.metres[-1])
        rolls.append(bar.roll)
        metres.append(bar.metre)
        n_bars.append(1 if before is None else 2)
    heard, index = read_rolls(np.stack(rolls), kind.starts_of(metres))
    all_heard = heard.copy()
    all_heard["velocity"] = FULL_VELOCITY
    # A held note is as loud as it began, bars ago: where some are faint, both ways must be new.
    ways = [all_heard, heard] if (heard["velocity"] <= SILENT_VELOCITY).any() else [all_heard]
    last = np.cumsum(n_bars) - 1
    are_new = np.ones(len(n_bars), bool)
    for notes in ways:
        bars, phrases = no_copies.verdicts(notes, index, metres, n_bars, kind)
        copied = np.array([verdict in ("copy", "near") for verdict in bars]) | np.array(phrases)
        are_new &= ~copied[last]
    return are_new.tolist()
