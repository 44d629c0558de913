"""The bars of sketches, each made of its recipe when it is asked for; the latest are remembered."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from nextbar.errors import UsageError
from nextbar.music.bars import BAR_NOTE, NOTE, BarNotes, Rolls, draw_rolls, sort_notes
from nextbar.music.grid import end_at_next_onset, transpose
from nextbar.music.metre import bar_steps
from nextbar.music.tunes import Metre
from nextbar.writing.bar_by_bar import WrittenBar, blend, notes_of_bar, write_bars
from nextbar.writing.beginning import rolls_before
from nextbar.writing.composer import Composer
from nextbar.writing.joining import join_bars
from nextbar.writing.piece import Before, Beginning, Composition, Towards
from nextbar.writing.sketch import GIVEN, NOISE, Blended, Own, Recipe, Sketch, Written, builds_on

BARS_IN_MIND: Final = 5_000
"""Written bars that a workbench remembers, some 3 KB each; others are written again.

More than a sketch may build on: none is forgotten while it is needed.
"""


@dataclass(frozen=True)
class Change:
    """A written bar that is new: which one (from 0), its name, its recipe, its roll and metre."""

    bar: int
    name: str
    recipe: Recipe
    roll: Rolls
    metre: Metre


class _Memory:
    """The latest ``size`` bars by name, in two arrays made once.

    Bars kept one by one lie between the large arrays that a network makes and
    frees, and hold their room: memory grew by 170 MB with every 500 bars.
    """

    def __init__(self, size: int, frame_shape: tuple[int, int, int], latent: int) -> None:
        self._rolls = np.empty((size, *frame_shape), np.uint8)
        self._latents = np.empty((size, latent), np.float32)
        self._slots: OrderedDict[str, tuple[int, Metre]] = OrderedDict()

    def __contains__(self, name: object) -> bool:
        return name in self._slots

    def touch(self, name: str) -> None:
        """Makes it, if it is there, the one that will be forgotten last."""
        if name in self._slots:
            self._slots.move_to_end(name)

    def put(self, name: str, bar: WrittenBar) -> None:
        """Keeps the bar, in the place of the one that was longest unused where there is none."""
        if name in self._slots:
            slot, _ = self._slots.pop(name)
        elif len(self._slots) == len(self._rolls):
            _, (slot, _) = self._slots.popitem(last=False)
        else:
            slot = len(self._slots)
        self._rolls[slot], self._latents[slot] = bar.roll, bar.latent
        self._slots[name] = slot, bar.metre

    def take(self, name: str) -> WrittenBar:
        """The bar of that name."""
        self._slots.move_to_end(name)
        slot, metre = self._slots[name]
        return WrittenBar(self._rolls[slot].copy(), self._latents[slot].copy(), metre)


class MadeBars:
    """One model and the bars it has lately written: what a sketch's recipes sound like.

    Everything it returns depends on its arguments alone; what it remembers
    only saves time. Not for several threads at once.
    """

    def __init__(self, composer: Composer) -> None:
        self.composer = composer
        kind = composer.kind
        self.memory = composer.model.memory
        self.reach = max(composer.model.config.ahead, default=0)
        self._known = _Memory(BARS_IN_MIND, kind.frame_shape, composer.model.latent_size)

    def metres(self, sketch: Sketch) -> tuple[Metre, ...]:
        """The metre of each bar, given ones first."""
        given = self._given_metres(sketch) if sketch.given_stands else ()
        return (*given, *(self._metre_of(sketch, name) for name in sketch.bars))

    def _given_metres(self, sketch: Sketch) -> tuple[Metre, ...]:
        return tuple(metre or self.composer.kind.metre for metre in sketch.given_metres)

    def _metre_of(self, sketch: Sketch, name: str) -> Metre:
        recipe = sketch.made[name]
        while isinstance(recipe, Blended):  # both ends are of one metre
            recipe = sketch.made[recipe.first]
        return recipe.metre or self.composer.kind.metre

    def _stored(self, metre: Metre) -> Metre | None:
        """The metre as a sketch holds it."""
        return None if metre == self.composer.kind.metre else metre

    def rolls(self, sketch: Sketch) -> Rolls:
        """The rolls of the written bars, (bars, channels, 88, steps), in the model's key."""
        self._check(sketch)
        bars = [self._bar(sketch, name).roll for name in sketch.bars]
        return np.stack(bars) if bars else np.empty((0, *self.composer.kind.frame_shape), np.uint8)

    def composition(self, sketch: Sketch) -> Composition:
        """The whole piece as notes, given ones first; its seed is that of its first drawn bar."""
        rolls = self.rolls(sketch)
        seeds = [recipe.seed for recipe in sketch.made.values() if isinstance(recipe, Written)]
        seed = seeds[0] if seeds else 0
        beginning = self._beginning(sketch) if sketch.given_metres else None
        if beginning and not sketch.given_stands:
            beginning = replace(beginning, notes=np.empty(0, NOTE), metres=())
        metres = self.metres(sketch)[sketch.n_given :]
        recipes = [sketch.made[name] for name in sketch.bars]
        own = {
            bar: own_notes(recipe, sketch.transposed)
            for bar, recipe in enumerate(recipes)
            if isinstance(recipe, Own)
        }
        made = join_bars(self.composer.kind, beginning, rolls, seed, metres, own=own)
        return replace(made, sound=sketch.sound or self.composer.sound)

    def notes_of(self, sketch: Sketch, change: Change) -> BarNotes:
        """The notes of a new bar in its place, those tied that the bar before holds over."""
        if change.bar == 0:
            notes = notes_of_bar(change.roll)
        else:
            before = self._bar(sketch, sketch.bars[change.bar - 1])
            starts = self.composer.kind.starts_of([before.metre, change.metre])
            notes = notes_of_bar(change.roll, before.roll, starts)
        return transpose(notes, -sketch.transposed)

    def _changed(self, sketch: Sketch, bar: int, recipe: Recipe, written: WrittenBar) -> Change:
        name = sketch.name_of(recipe)
        self._known.put(name, written)
        return Change(bar, name, recipe, written.roll, written.metre)

    def _bar(self, sketch: Sketch, name: str) -> WrittenBar:
        """The bar of a name, made from its recipe, and from what that builds on, where unknown."""
        if name not in self._known:
            missing = replace(sketch, bars=(name,)).needed(self._known)
            for recipe in missing.values():
                for each in builds_on(recipe):
                    self._known.touch(each)
            for each, recipe in missing.items():
                self._known.put(each, self._make(sketch, recipe))
        return self._known.take(name)

    def _make(self, sketch: Sketch, recipe: Recipe) -> WrittenBar:
        if isinstance(recipe, Blended):
            first, second = self._bar(sketch, recipe.first), self._bar(sketch, recipe.second)
            return blend(self.composer, first, second, [recipe.share])[0]
        if isinstance(recipe, Own):
            return self._own_bar(recipe, sketch.transposed)
        before = self._before(sketch, recipe.after)
        draw = replace(recipe.draw(), metre=recipe.metre or self.composer.kind.metre)
        return write_bars(self.composer, [before], [draw], [self._towards(sketch, recipe)])[0]

    def _own_bar(self, recipe: Own, transposed: int) -> WrittenBar:
        """The bar as the model hears it, without a latent."""
        kind, metre = self.composer.kind, recipe.metre or self.composer.kind.metre
        rows = transpose(own_notes(recipe), transposed)
        index, first = np.array([0, len(rows)]), np.zeros(1, np.intp)
        rolls = draw_rolls(rows, index, first, n_steps=kind.n_steps, onsets=kind.onsets)
        return WrittenBar(rolls[0], np.zeros(self.composer.model.latent_size, np.float32), metre)

    def _before(self, sketch: Sketch, after: tuple[str, ...]) -> Before | None:
        """The bars that a recipe's ``after`` names; noise is None."""
        if after == (NOISE,):
            return None
        bars = [self._bar(sketch, name) for name in after if name != GIVEN]
        rolls, metres = [bar.roll for bar in bars], [bar.metre for bar in bars]
        reach = self.memory - len(bars)
        if GIVEN in after and reach > 0:
            given = self._beginning(sketch).last_bars
            rolls = [*given.rolls[-reach:], *rolls]
            metres = [*given.metres[-reach:], *metres]
        return Before(np.stack(rolls), tuple(metres))

    def _towards(self, sketch: Sketch, recipe: Written) -> Towards | None:
        """The bars that a recipe leads to; None where it leads to none."""
        return self._ahead(sketch, recipe.towards, recipe.gap)

    def _ahead(self, sketch: Sketch, names: tuple[str, ...], gap: int) -> Towards | None:
        """The bars of these names, behind a gap; None of no names."""
        if not names:
            return None
        bars = [self._bar(sketch, name) for name in names]
        return Towards(np.stack([b.roll for b in bars]), tuple(b.metre for b in bars), gap)

    def _beginning(self, sketch: Sketch) -> Beginning:
        metres = self._given_metres(sketch)
        heard = transpose(sketch.given, sketch.transposed)
        rolls = rolls_before(heard, metres, self.composer.kind, memory=self.memory)
        return Beginning(sketch.given, metres, rolls, GIVEN, sketch.transposed)

    def _check(self, sketch: Sketch) -> None:
        if sketch.run != self.composer.checkpoint:
            raise UsageError(
                f"this piece was made with another run, or another state of it ({sketch.run[:8]}); "
                f"open it with that one, this is {self.composer.checkpoint[:8]}"
            )
        given, kind = sketch.given, self.composer.kind
        metres = self.metres(sketch)
        kind.numbers_of(metres[sketch.n_given :])
        given_metres = self._given_metres(sketch)
        end = kind.starts_of(given_metres)[-1]
        if len(given) and (given["start"] + given["duration"]).max() > end:
            raise UsageError(f"given notes: one lasts beyond the {len(given_metres)} given bars")
        if len(end_at_next_onset(given)) < len(given):
            raise UsageError("given notes: two of one pitch begin together; give one of them")
        for number, name in enumerate(sketch.bars, start=sketch.n_given + 1):
            if isinstance(own := sketch.made[name], Own):
                width = bar_steps(own.metre or kind.metre, kind.steps_per_quarter)
                _check_own(own, width, number)

    def _check_bar(self, sketch: Sketch, bar: int) -> None:
        if not 0 <= bar < len(sketch.bars):
            raise UsageError(
                f"written bar {bar + 1} does not exist; there are {len(sketch.bars)}, and given "
                "bars stay as they are"
            )


def own_notes(recipe: Own, semitones: int = 0) -> BarNotes:
    """The notes of a bar of somebody's own, moved up; also beyond the piano, for a way back."""
    rows = np.array(list(recipe.notes), BAR_NOTE)
    rows["pitch"] += np.uint8(semitones % 256)  # round about
    return rows


def _check_own(own: Own, n_steps: int, number: int) -> None:
    """Raises UsageError for notes that overlap, or last beyond the bar."""
    rows = np.array([note[:4] for note in own.notes], NOTE)
    if not len(rows):
        return
    if (rows["start"] + rows["duration"]).max() > n_steps:
        raise UsageError(f"bar {number}: a note lasts beyond its {n_steps} steps; shorten it")
    alone = end_at_next_onset(sort_notes(rows))
    if alone["duration"].sum() < rows["duration"].sum():
        raise UsageError(f"bar {number}: two notes of one pitch overlap; shorten one of them")
