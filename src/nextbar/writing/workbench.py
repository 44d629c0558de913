"""A model at work on sketches: bars composed, rolled again, laid side by side, blended."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import takewhile

import numpy as np

from nextbar.errors import CopiedError, UsageError
from nextbar.frames.config import Sampling
from nextbar.music.bars import NOTE, BarNotes, Notes, Rolls, sort_notes
from nextbar.music.grid import end_at_next_onset, semitones_to_c, transpose
from nextbar.music.metre import normal_metre
from nextbar.music.score import Sound
from nextbar.music.tunes import Metre
from nextbar.writing.bar_by_bar import blend, write_bars
from nextbar.writing.made_bars import Change, MadeBars, own_notes
from nextbar.writing.no_copies import NoCopies, first_new
from nextbar.writing.other_hand import (
    check_hand,
    kept_of,
    other_hand,
    why_no_other_hand,
)
from nextbar.writing.piece import (
    MOST_DRAWS,
    Before,
    Keep,
    Side,
)
from nextbar.writing.sketch import (
    MOST_BARS,
    Blended,
    Own,
    Sketch,
    Written,
    check_notes,
)


class Workbench(MadeBars):
    """One model and the bars it has lately written, to make and change sketches with."""

    def begin(
        self,
        notes: Notes | None = None,
        n_bars: int = 0,
        *,
        metres: Sequence[Metre] | None = None,
        transposed: int | None = None,
        sound: Sound | None = None,
    ) -> Sketch:
        """A sketch without written bars: begun from noise, or behind given notes.

        notes: dtype ``NOTE`` on the composer's grid. n_bars: how many bars of
        them to keep; silent ones at the end are left out, for nothing follows
        from silence. metres: of each of these bars; None is the model's most
        frequent. With a common key the notes are brought to it for the
        model, and what it writes is brought back. transposed: by how many
        semitones, where that is known from more than these notes. sound: how
        the piece is to sound, as a :class:`Beginning` says it.
        """
        empty, kind = np.empty(0, NOTE), self.composer.kind
        given_metres = (kind.metre,) * n_bars if metres is None else tuple(metres[:n_bars])
        if len(given_metres) < n_bars:
            raise UsageError(f"metres: there are {len(given_metres)}, for {n_bars} bars")
        starts = kind.starts_of(given_metres)
        kept = empty if notes is None else _first_bars(notes, int(starts[-1]))
        check_notes(kept)
        if not len(kept):
            return Sketch(self.composer.checkpoint, empty, (), 0, {}, (), sound=sound)
        end = int((kept["start"] + kept["duration"]).max())
        given_metres = given_metres[: int(np.searchsorted(starts, end))]
        kind.number_of(given_metres[-1])
        if transposed is None:
            transposed = semitones_to_c(kept)
        semitones = transposed if kind.common_key else 0
        stored = tuple(map(self._stored, given_metres))
        return Sketch(self.composer.checkpoint, kept, stored, semitones, {}, (), sound=sound)

    def compose(
        self,
        sketch: Sketch,
        *,
        bars: int,
        seed: int,
        sampling: Sampling,
        metre: Metre | None = None,
        no_copies: NoCopies | None = None,
    ) -> Iterator[tuple[Sketch, Change]]:
        """The sketch with one more bar, and that bar, ``bars`` times.

        metre: of these bars; None is that of the bar before. A sketch begun and
        composed with one seed has the bars that ``Composer.compose`` writes with it.
        no_copies: what no bar may be, from ``Composer.no_copies``; CopiedError where all
        draws of one are copies.
        """
        self._check(sketch)
        for bar in range(len(sketch.bars), len(sketch.bars) + bars):
            if sketch.n_given + bar >= MOST_BARS:
                raise UsageError(f"a sketch has up to {MOST_BARS} bars; begin another one")
            last = self.metres(sketch)[-1:] or (self.composer.kind.metre,)
            recipe = self._written(sketch, seed, bar, sampling, metre or last[0])
            sketch, change = self._put(sketch, bar, recipe, no_copies)
            yield sketch, change

    def recompose(
        self,
        sketch: Sketch,
        *,
        bars: int,
        seed: int,
        sampling: Sampling,
        metre: Metre | None = None,
        no_copies: NoCopies | None = None,
    ) -> Iterator[tuple[Sketch, Change]]:
        """The sketch composed anew to ``bars`` written bars, but for its locked ones, bar by bar.

        Locked bars keep their places, and the sketch is as long as these take.
        Without any it is the beginning that is composed from. metre: of the
        bars that are written; None is what stood in each one's place.
        """
        self._check(sketch)
        stood = self.metres(sketch)[sketch.n_given :]
        locked = [bar for bar in sketch.locked if bar < len(sketch.bars)]
        kept = max(min(bars, len(sketch.bars)), max(locked) + 1) if locked else 0
        if bars <= kept == len(locked):
            raise UsageError("every bar that would be composed anew is locked; unlock one")
        sketch = sketch.cut(kept)
        if len(locked) < kept:
            steps = self.roll_again(
                sketch,
                bar=0,
                seed=seed,
                sampling=sampling,
                with_following=True,
                metre=metre,
                no_copies=no_copies,
            )
            for sketch, change in steps:
                yield sketch, change
        for bar in range(kept, bars):
            now = metre or (stood[bar] if bar < len(stood) else None)
            one = self.compose(
                sketch, bars=1, seed=seed, sampling=sampling, metre=now, no_copies=no_copies
            )
            for sketch, change in one:
                yield sketch, change

    def roll_again(
        self,
        sketch: Sketch,
        *,
        bar: int,
        seed: int,
        sampling: Sampling,
        with_following: bool,
        metre: Metre | None = None,
        no_copies: NoCopies | None = None,
    ) -> Iterator[tuple[Sketch, Change]]:
        """The sketch with written bar ``bar`` drawn anew, and the change, bar by bar.

        with_following: all later bars too; each goes on from what now stands
        before it. Otherwise they stay as they sound. Locked bars stay always.
        metre: of the bars that are drawn; None is that of each as it is. A
        model that reads ahead leads to the bars behind that stay.
        """
        last = len(sketch.bars) if with_following else bar + 1
        yield from self.fill(
            sketch,
            bars=range(bar, last),
            seed=seed,
            sampling=sampling,
            metre=metre,
            no_copies=no_copies,
        )

    def fill(
        self,
        sketch: Sketch,
        *,
        bars: Sequence[int],
        seed: int,
        sampling: Sampling,
        metre: Metre | None = None,
        no_copies: NoCopies | None = None,
    ) -> Iterator[tuple[Sketch, Change]]:
        """The sketch with these written bars drawn anew, in their order, and the change, each.

        All others stay, and so do those of these that are locked; with a model
        that reads ahead what is drawn fits the bars on both sides. metre: see
        :meth:`roll_again`. One bar alone is a new one, and none that comes again as it stands.
        """
        self._check(sketch)
        for bar in bars:
            self._check_bar(sketch, bar)
        chosen = sorted(each for each in {*bars} if each not in sketch.locked)
        if not chosen:
            raise UsageError("every bar that would be rolled again is locked; unlock one")
        if len(chosen) == 1:
            sampling = replace(sampling, repeat=0)
        for each in chosen:
            now = metre or self._metre_of(sketch, sketch.bars[each])
            stay = {*range(len(sketch.bars))} - {*chosen}
            recipe = self._written(sketch, seed, each, sampling, now, stay)
            behind = each + 1 if each + 1 in stay else None
            sketch, change = self._put(sketch, each, recipe, no_copies, behind)
            yield sketch, change

    def harmonise(
        self,
        sketch: Sketch,
        *,
        bars: Sequence[int],
        keep: Keep,
        side: Side,
        seed: int,
        sampling: Sampling,
    ) -> Iterator[tuple[Sketch, Change]]:
        """The sketch with the other hand written in these written bars, and the change, each.

        keep, side: what of each bar stays, to the note, and on which side of it is written;
        all else in it goes. The bar is then one of somebody's own, and locked. The model hears
        the bars around that have several voices; of ``sampling`` only the temperature counts.
        Raises UsageError for a bar without notes, and for a model of one voice.
        """
        self._check(sketch)
        check_hand(keep, side)
        if self.why_no_other_hand:
            raise UsageError(f"other hand: {self.why_no_other_hand} Choose a model of several.")
        to_do = sorted({*bars})
        for bar in to_do:
            self._check_bar(sketch, bar)
        for nth, bar in enumerate(to_do):
            sketch, change = self._with_other_hand(
                sketch, bar, to_do[nth:], keep, side, seed=seed, sampling=sampling
            )
            yield sketch, change

    def _with_other_hand(
        self,
        sketch: Sketch,
        bar: int,
        to_do: Sequence[int],
        keep: Keep,
        side: Side,
        *,
        seed: int,
        sampling: Sampling,
    ) -> tuple[Sketch, Change]:
        metre = self._metre_of(sketch, sketch.bars[bar])
        rows = self._rows_of(sketch, bar)
        kept = rows[kept_of(rows, keep)]
        if not len(kept):
            raise UsageError(
                f"bar {sketch.n_given + bar + 1} has no notes to keep; choose bars that have some"
            )
        several = {i for i in range(len(sketch.bars)) if self._has_several(sketch, i)}
        names, gap = sketch.behind(bar, self.reach, several - {*to_do})
        written = other_hand(
            self.composer,
            transpose(kept, sketch.transposed),
            metre,
            before=_of_several(self._before(sketch, sketch.before(bar, self.memory))),
            towards=self._ahead(sketch, names, gap),
            side=side,
            seed=seed,
            position=bar,
            sampling=sampling,
            transposed=sketch.transposed,
        )
        both = [*kept.tolist(), *transpose(written, -sketch.transposed).tolist()]
        own = Own(tuple(sorted(both)), self._stored(metre))
        sketch = sketch.with_bar(bar, own)
        sketch = replace(sketch, locked=sketch.locked | {bar})
        made = self._bar(sketch, sketch.bars[bar])
        return sketch, Change(bar, sketch.bars[bar], own, made.roll, metre)

    @cached_property
    def why_no_other_hand(self) -> str:
        """Why the model cannot write the other hand; "" where it can."""
        return why_no_other_hand(self.composer)

    def _rows_of(self, sketch: Sketch, bar: int) -> BarNotes:
        """The notes of a written bar, in the key that is heard."""
        name, recipe = sketch.bars[bar], sketch.made[sketch.bars[bar]]
        if isinstance(recipe, Own):
            return own_notes(recipe)
        made = self._bar(sketch, name)
        return self.notes_of(sketch, Change(bar, name, recipe, made.roll, made.metre))

    def _has_several(self, sketch: Sketch, bar: int) -> bool:
        return _sounds_together(self._bar(sketch, sketch.bars[bar]).roll)

    def alternatives(
        self,
        sketch: Sketch,
        *,
        bar: int,
        seeds: Sequence[int],
        sampling: Sampling,
        no_copies: NoCopies | None = None,
    ) -> list[Change]:
        """A bar for each seed, in the place of written bar ``bar``; the sketch stays as it is.

        New ones, and none that comes again as it stands.
        """
        sampling = replace(sampling, repeat=0)
        self._check(sketch)
        self._check_bar(sketch, bar)
        after = sketch.before(bar, self.memory)
        metre = self._metre_of(sketch, sketch.bars[bar])
        stay = {*range(len(sketch.bars))} - {bar}
        recipes = [self._written(sketch, seed, bar, sampling, metre, stay) for seed in seeds]
        if no_copies is not None:
            behind = bar + 1 if bar + 1 < len(sketch.bars) else None
            new = [self._new(sketch, bar, recipe, no_copies, behind) for recipe in recipes]
            made = {**sketch.made, **{sketch.name_of(recipe): recipe for recipe in new}}
            known = replace(sketch, made=made)
            bars = [self._bar(known, sketch.name_of(recipe)) for recipe in new]
            return [self._changed(sketch, bar, *both) for both in zip(new, bars, strict=True)]
        before = self._before(sketch, after)
        draws = [replace(recipe.draw(), metre=metre) for recipe in recipes]
        towards = [self._towards(sketch, recipe) for recipe in recipes]
        written = write_bars(self.composer, [before] * len(seeds), draws, towards)
        return [self._changed(sketch, bar, r, one) for r, one in zip(recipes, written, strict=True)]

    def blends(
        self, sketch: Sketch, *, bar: int, first: str, second: str, steps: int
    ) -> list[Change]:
        """``steps`` bars on the even way from one bar to another, both ends among them."""
        self._check(sketch)
        self._check_bar(sketch, bar)
        for name in (first, second):
            if name not in sketch.made:
                raise UsageError(f"there is no bar {name[:8]} to blend; choose two written bars")
            if isinstance(sketch.made[name], Own):
                raise UsageError("blend: a bar set by hand has no latent; choose two written bars")
        ends = [self._bar(sketch, name) for name in (first, second)]
        shares = [step / (steps - 1) for step in range(steps)]
        written = blend(self.composer, ends[0], ends[1], shares)
        recipes = [Blended(first, second, share) for share in shares]
        return [self._changed(sketch, bar, r, one) for r, one in zip(recipes, written, strict=True)]

    def _put(
        self,
        sketch: Sketch,
        bar: int,
        recipe: Written,
        no_copies: NoCopies | None = None,
        behind: int | None = None,
    ) -> tuple[Sketch, Change]:
        if no_copies is not None:
            recipe = self._new(sketch, bar, recipe, no_copies, behind)
        sketch = sketch.with_bar(bar, recipe)
        written = self._bar(sketch, sketch.bars[bar])
        name = sketch.bars[bar]
        return sketch, Change(bar, name, recipe, written.roll, written.metre)

    def _new(
        self, sketch: Sketch, bar: int, recipe: Written, no_copies: NoCopies, behind: int | None
    ) -> Written:
        """The recipe of the first draw for this place that is no copy.

        behind: the bar that stays behind it. Raises CopiedError where all draws are copies.
        """
        before, towards = self._before(sketch, recipe.after), self._towards(sketch, recipe)
        next_bar = None if behind is None else self._bar(sketch, sketch.bars[behind])
        first = replace(recipe.draw(), metre=recipe.metre or self.composer.kind.metre)
        found, draw = first_new(
            self.composer, before, first, no_copies, towards=towards, behind=next_bar
        )
        if found is None:
            raise CopiedError(
                f"bar {sketch.n_given + bar + 1}: all {MOST_DRAWS} draws were copies of the "
                "training tunes; choose another seed or a higher temperature, or allow copies"
            )
        temperature = draw.sampling.temperature
        return replace(recipe, attempt=draw.attempt, rank=draw.rank, temperature=temperature)

    def _written(
        self,
        sketch: Sketch,
        seed: int,
        bar: int,
        sampling: Sampling,
        metre: Metre,
        stay: Collection[int] = (),
    ) -> Written:
        """The recipe of a written bar in its place. stay: which bars behind it are kept."""
        self.composer.kind.number_of(metre)  # refuses what the model does not know
        after = sketch.before(bar, self.memory)
        how = (sampling.temperature, sampling.follow)
        towards, gap = sketch.behind(bar, self.reach, stay)
        stored = self._stored(normal_metre(metre))
        return Written(
            seed, bar, *how, after, stored, towards, gap, sampling.choose, repeat=sampling.repeat
        )


def _sounds_together(roll: Rolls) -> bool:
    """Whether notes of a bar sound together."""
    return bool((roll[0] > 0).sum(axis=0).max() > 1)


def _of_several(before: Before | None) -> Before | None:
    """The last bars that have several voices; None where the very last has not."""
    rolls = [] if before is None else list(before.rolls)
    n_bars = sum(1 for _ in takewhile(_sounds_together, reversed(rolls)))
    if before is None or not n_bars:
        return None
    return Before(before.rolls[-n_bars:], before.metres[-n_bars:])


def _first_bars(notes: Notes, end: int) -> Notes:
    """The notes before the step ``end``, cut off there, alone in their pitch."""
    check_notes(notes)
    kept = notes[notes["start"] < end].copy()
    kept["duration"] = np.minimum(kept["duration"], end - kept["start"])
    return sort_notes(end_at_next_onset(kept)) if len(kept) else kept
