"""A piece in the making: what each bar was made from, so that any can be made again.

A sketch is a beginning (given notes, or nothing) and written bars. Each bar is
named by its *recipe*: the seed, temperature and follow it was drawn with and
the bars it was written after, or the two bars it is a blend of. The name is a
digest of the recipe, which names the bars it builds on, and so on down to the
beginning. So a sketch of names and numbers gives its notes exactly, also where
a bar was kept while the bars before it were written anew.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np

from nextbar._version import __version__
from nextbar.bar_by_bar import Draw, WrittenBar, blend, write_bars
from nextbar.composer import Beginning, Composer, Composition
from nextbar.errors import UsageError
from nextbar.music.bars import (
    FULL_VELOCITY,
    LOWEST_PITCH,
    N_PITCHES,
    NOTE,
    Notes,
    Rolls,
    cut_at_bar_lines,
    draw_rolls,
    sort_notes,
)
from nextbar.music.grid import end_at_next_onset, semitones_to_c, transpose
from nextbar.music.kind import BarKind

KIND: Final = "nextbar recipe"
FORMAT: Final = 2
GIVEN, NOISE = "given", "noise"
MOST_BARS: Final = 512
"""Bars of a sketch, given and written."""
MOST_RECIPES: Final = 4_096
"""Recipes that a sketch builds on, those of bars that no longer sound among them."""
BARS_IN_MIND: Final = 5_000
"""Written bars that a workbench remembers, some 3 KB each; others are written again.

More than a sketch may build on: none is forgotten while it is needed.
"""


@dataclass(frozen=True)
class Written:
    """A bar drawn with these after the bars of those names.

    after: what the model looked at, the latest last: names of bars; in front
    of them "given" where it reached back to the given bars; or only "noise".
    """

    seed: int
    position: int
    temperature: float
    follow: float
    after: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperature", float(self.temperature))  # 1 and 1.0: one name
        object.__setattr__(self, "follow", float(self.follow))
        Draw(self.seed, self.position, self.temperature, self.follow)  # refuses what cannot be
        if not self.after or GIVEN in self.after[1:] or (NOISE in self.after and self.after[1:]):
            raise UsageError(
                'after: a bar follows named bars, with "given" in front of them or not, or '
                'only "noise"'
            )


@dataclass(frozen=True)
class Blended:
    """A bar at ``share`` of the way from the bar of one name to that of another."""

    first: str
    second: str
    share: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", float(self.share))
        if not 0 <= self.share <= 1:
            raise UsageError(f"share: {self.share:g} is not between 0 and 1")


Recipe = Written | Blended


@dataclass(frozen=True)
class Sketch:
    """A piece in the making; immutable.

    run: sha256 of the weights it is made with. given: notes in front, on the
    grid. n_given: how many bars they fill. transposed: semitones from the
    given notes to the model's key. made: the recipe of each name. bars: the
    names of the written bars in order. locked: which of these are to be kept.
    """

    run: str
    given: Notes
    n_given: int
    transposed: int
    made: Mapping[str, Recipe]
    bars: tuple[str, ...]
    locked: frozenset[int] = frozenset()

    @cached_property
    def base(self) -> str:
        """What all names of this sketch's bars rest on: the run and the beginning."""
        fixed = f"{self.run} {self.n_given} {self.transposed} {self.given.tolist()}"
        return hashlib.sha256(fixed.encode()).hexdigest()

    def name_of(self, recipe: Recipe) -> str:
        """The name of the bar that the recipe gives, 32 hexadecimal digits."""
        words = [type(recipe).__name__, self.base, *map(repr, asdict(recipe).values())]
        return hashlib.sha256(" ".join(words).encode()).hexdigest()[:32]

    def before(self, bar: int, memory: int) -> tuple[str, ...]:
        """What a model looks at for a written bar (from 0): ``after`` of its recipe.

        memory: how many bars back it looks.
        """
        names = self.bars[max(0, bar - memory) : bar]
        if self.n_given and len(names) < memory:
            return (GIVEN, *names)
        return names or (NOISE,)

    def with_bar(self, bar: int, recipe: Recipe) -> "Sketch":
        """The sketch with the recipe's bar as written bar ``bar``; one past the last adds it."""
        name = self.name_of(recipe)
        bars = (*self.bars[:bar], name, *self.bars[bar + 1 :])
        return replace(self, bars=bars, made={**self.made, name: recipe})

    def needed(self, known: Container[str] = ()) -> dict[str, Recipe]:
        """The recipes that its bars rest on, each behind those that it builds on.

        known: names that need no recipe, and what they build on neither.
        """
        found: dict[str, Recipe] = {}
        to_do = [name for name in reversed(self.bars) if name not in known]
        while to_do:
            name = to_do[-1]
            builds_on = _builds_on(self.made[name])
            missing = [n for n in builds_on if n not in found and n not in known]
            if name in found or not missing:
                found.setdefault(name, self.made[name])
                to_do.pop()
            else:
                to_do.extend(missing)
        return found

    def to_json(self) -> dict[str, Any]:
        """The recipe file: all that gives this piece again, with the run that it names."""
        return {
            "kind": KIND,
            "format": FORMAT,
            "nextbar": __version__,
            "run": self.run,
            "given_bars": self.n_given,
            "given_notes": [list(row) for row in self.given.tolist()],
            "transposed": self.transposed,
            "made": {name: asdict(recipe) for name, recipe in self.needed().items()},
            "bars": list(self.bars),
            "locked": sorted(self.locked),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Sketch":
        """The sketch of a recipe file. UsageError says what in it is wrong."""
        if stored.get("kind") != KIND or stored.get("format") != FORMAT:
            raise UsageError(
                f"this is no recipe of nextbar (kind {stored.get('kind')!r}, format "
                f"{stored.get('format')!r}, not {FORMAT}); give a file that this studio saved"
            )
        try:
            made = {str(name): _read_recipe(each) for name, each in dict(stored["made"]).items()}
            given = np.array([tuple(row) for row in stored["given_notes"]], NOTE)
            sketch = cls(
                run=str(stored["run"]),
                given=given,
                n_given=int(stored["given_bars"]),
                transposed=int(stored["transposed"]),
                made=made,
                bars=tuple(map(str, stored["bars"])),
                locked=frozenset(map(int, stored["locked"])),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"this recipe is damaged: {error!r}; save it anew") from error
        sketch._check()
        return sketch

    def _check(self) -> None:
        """Raises UsageError where names, notes or numbers do not fit each other."""
        n_bars = self.n_given + len(self.bars)
        if not self.n_given >= 0 or n_bars > MOST_BARS:
            raise UsageError(f"a sketch has up to {MOST_BARS} bars; this one has {n_bars}")
        if not -11 <= self.transposed <= 11:
            raise UsageError(f"transposed: {self.transposed} is not from -11 to 11 semitones")
        check_notes(self.given)
        for name, recipe in self.made.items():
            if self.name_of(recipe) != name:
                raise UsageError(
                    f"bar {name[:8]} is not what its recipe says; the recipe was changed by hand, "
                    "or is of another beginning or another run"
                )
        if len(self.made) > MOST_RECIPES:
            raise UsageError(
                f"a sketch builds on up to {MOST_RECIPES:,} bars; this one on {len(self.made):,}"
            )
        unknown = {*self.bars}.union(*map(_builds_on, self.made.values())) - {*self.made}
        if unknown:
            raise UsageError(f"the recipe of bar {min(unknown)[:8]} is missing; save it anew")
        if not self.n_given and any(GIVEN in getattr(r, "after", ()) for r in self.made.values()):
            raise UsageError("a bar is said to follow given bars, and there are none")


@dataclass(frozen=True)
class Change:
    """A written bar that is new: which one (from 0), its name, its recipe and its roll."""

    bar: int
    name: str
    recipe: Recipe
    roll: Rolls


class _Memory:
    """The latest ``size`` bars by name, in two arrays made once.

    Bars kept one by one lie between the large arrays that a network makes and
    frees, and hold their room: memory grew by 170 MB with every 500 bars.
    """

    def __init__(self, size: int, frame_shape: tuple[int, int, int], latent: int) -> None:
        self._rolls = np.empty((size, *frame_shape), np.uint8)
        self._latents = np.empty((size, latent), np.float32)
        self._slots: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, name: object) -> bool:
        return name in self._slots

    def touch(self, name: str) -> None:
        """Makes it, if it is there, the one that will be forgotten last."""
        if name in self._slots:
            self._slots.move_to_end(name)

    def put(self, name: str, bar: WrittenBar) -> None:
        """Keeps the bar, in the place of the one that was longest unused where there is none."""
        if name in self._slots:
            slot = self._slots.pop(name)
        elif len(self._slots) == len(self._rolls):
            _, slot = self._slots.popitem(last=False)
        else:
            slot = len(self._slots)
        self._rolls[slot], self._latents[slot] = bar.roll, bar.latent
        self._slots[name] = slot

    def take(self, name: str) -> WrittenBar:
        """The bar of that name."""
        self._slots.move_to_end(name)
        slot = self._slots[name]
        return WrittenBar(self._rolls[slot].copy(), self._latents[slot].copy())


class Workbench:
    """One model and the bars it has lately written, to make and change sketches with.

    Everything it returns depends on its arguments alone; what it remembers
    only saves time. Not for several threads at once.
    """

    def __init__(self, composer: Composer) -> None:
        self.composer = composer
        kind = composer.kind
        self.memory = composer.model.memory
        self._known = _Memory(BARS_IN_MIND, kind.frame_shape, composer.model.latent_size)

    def begin(
        self, notes: Notes | None = None, n_bars: int = 0, *, transposed: int | None = None
    ) -> Sketch:
        """A sketch without written bars: begun from noise, or behind given notes.

        notes: dtype ``NOTE`` on the composer's grid. n_bars: how many bars of
        them to keep; silent ones at the end are left out, for nothing follows
        from silence. With a common key the notes are brought to it for the
        model, and what it writes is brought back. transposed: by how many
        semitones, where that is known from more than these notes.
        """
        empty = np.empty(0, NOTE)
        kept = empty if notes is None else _first_bars(notes, n_bars, self.composer.kind)
        check_notes(kept)
        if not len(kept):
            return Sketch(self.composer.checkpoint, empty, 0, 0, {}, ())
        ends = kept["start"] + kept["duration"]
        n_given = -(-int(ends.max()) // self.composer.kind.n_steps)
        if transposed is None:
            transposed = semitones_to_c(kept)
        semitones = transposed if self.composer.kind.common_key else 0
        return Sketch(self.composer.checkpoint, kept, n_given, semitones, {}, ())

    def compose(
        self, sketch: Sketch, *, bars: int, seed: int, temperature: float, follow: float
    ) -> Iterator[tuple[Sketch, Change]]:
        """The sketch with one more bar, and that bar, ``bars`` times.

        A sketch begun and composed with one seed has the bars that
        ``Composer.compose`` writes with it.
        """
        self._check(sketch)
        for bar in range(len(sketch.bars), len(sketch.bars) + bars):
            if sketch.n_given + bar >= MOST_BARS:
                raise UsageError(f"a sketch has up to {MOST_BARS} bars; begin another one")
            recipe = Written(seed, bar, temperature, follow, sketch.before(bar, self.memory))
            sketch, change = self._put(sketch, bar, recipe)
            yield sketch, change

    def roll_again(
        self,
        sketch: Sketch,
        *,
        bar: int,
        seed: int,
        temperature: float,
        follow: float,
        with_following: bool,
    ) -> Iterator[tuple[Sketch, Change]]:
        """The sketch with written bar ``bar`` drawn anew, and the change, bar by bar.

        with_following: all later bars too; each goes on from what now stands
        before it. Otherwise they stay as they sound. Locked bars stay always.
        """
        self._check(sketch)
        self._check_bar(sketch, bar)
        last = len(sketch.bars) if with_following else bar + 1
        chosen = [each for each in range(bar, last) if each not in sketch.locked]
        if not chosen:
            raise UsageError("every bar that would be rolled again is locked; unlock one")
        for each in chosen:
            recipe = Written(seed, each, temperature, follow, sketch.before(each, self.memory))
            sketch, change = self._put(sketch, each, recipe)
            yield sketch, change

    def alternatives(
        self, sketch: Sketch, *, bar: int, seeds: Sequence[int], temperature: float, follow: float
    ) -> list[Change]:
        """A bar for each seed, in the place of written bar ``bar``; the sketch stays as it is."""
        self._check(sketch)
        self._check_bar(sketch, bar)
        after = sketch.before(bar, self.memory)
        recipes = [Written(seed, bar, temperature, follow, after) for seed in seeds]
        rolls = self._rolls_of(sketch, after)
        written = write_bars(self.composer, [rolls] * len(seeds), [_draw(r) for r in recipes])
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
        ends = [self._bar(sketch, name) for name in (first, second)]
        shares = [step / (steps - 1) for step in range(steps)]
        written = blend(self.composer, ends[0], ends[1], shares)
        recipes = [Blended(first, second, share) for share in shares]
        return [self._changed(sketch, bar, r, one) for r, one in zip(recipes, written, strict=True)]

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
        if not sketch.n_given:
            return self.composer.join(None, rolls, seed)
        return self.composer.join(self._beginning(sketch), rolls, seed)

    def roll_before(self, sketch: Sketch, bar: int) -> Rolls | None:
        """The roll of the written bar before written bar ``bar``; None for the first."""
        return self._bar(sketch, sketch.bars[bar - 1]).roll if bar > 0 else None

    def _put(self, sketch: Sketch, bar: int, recipe: Recipe) -> tuple[Sketch, Change]:
        sketch = sketch.with_bar(bar, recipe)
        written = self._bar(sketch, sketch.bars[bar])
        return sketch, Change(bar, sketch.bars[bar], recipe, written.roll)

    def _changed(self, sketch: Sketch, bar: int, recipe: Recipe, written: WrittenBar) -> Change:
        name = sketch.name_of(recipe)
        self._known.put(name, written)
        return Change(bar, name, recipe, written.roll)

    def _bar(self, sketch: Sketch, name: str) -> WrittenBar:
        """The bar of a name, made from its recipe, and from what that builds on, where unknown."""
        if name not in self._known:
            missing = replace(sketch, bars=(name,)).needed(self._known)
            for recipe in missing.values():
                for each in _builds_on(recipe):
                    self._known.touch(each)
            for each, recipe in missing.items():
                self._known.put(each, self._make(sketch, recipe))
        return self._known.take(name)

    def _make(self, sketch: Sketch, recipe: Recipe) -> WrittenBar:
        if isinstance(recipe, Blended):
            first, second = self._bar(sketch, recipe.first), self._bar(sketch, recipe.second)
            return blend(self.composer, first, second, [recipe.share])[0]
        before = self._rolls_of(sketch, recipe.after)
        return write_bars(self.composer, [before], [_draw(recipe)])[0]

    def _rolls_of(self, sketch: Sketch, after: tuple[str, ...]) -> Rolls | None:
        """The bars that a recipe's ``after`` names, (bars, channels, 88, steps); noise is None."""
        if after == (NOISE,):
            return None
        written = [self._bar(sketch, name).roll for name in after if name != GIVEN]
        reach = self.memory - len(written)
        if GIVEN in after and reach > 0:
            written = [*self._beginning(sketch).rolls[-reach:], *written]
        return np.stack(written)

    def _beginning(self, sketch: Sketch) -> Beginning:
        kind = self.composer.kind
        heard, index = cut_at_bar_lines(
            transpose(sketch.given, sketch.transposed), n_steps=kind.n_steps, n_bars=sketch.n_given
        )
        last = np.arange(max(0, sketch.n_given - self.memory), sketch.n_given)
        rolls = draw_rolls(heard, index, last, n_steps=kind.n_steps, onsets=kind.onsets)
        return Beginning(sketch.given, sketch.n_given, rolls, GIVEN, sketch.transposed)

    def _check(self, sketch: Sketch) -> None:
        if sketch.run != self.composer.checkpoint:
            raise UsageError(
                f"this piece was made with another run, or another state of it ({sketch.run[:8]}); "
                f"open it with that one, this is {self.composer.checkpoint[:8]}"
            )
        given, n_steps = sketch.given, self.composer.kind.n_steps
        if len(given) and (given["start"] + given["duration"]).max() > sketch.n_given * n_steps:
            raise UsageError(f"given notes: one lasts beyond the {sketch.n_given} given bars")
        if len(end_at_next_onset(given)) < len(given):
            raise UsageError("given notes: two of one pitch begin together; give one of them")

    def _check_bar(self, sketch: Sketch, bar: int) -> None:
        if not 0 <= bar < len(sketch.bars):
            raise UsageError(
                f"written bar {bar + 1} does not exist; there are {len(sketch.bars)}, and given "
                "bars stay as they are"
            )


def check_notes(notes: Notes) -> None:
    """Raises UsageError for notes that are off the piano, off the grid or without sound."""
    if not len(notes):
        return
    pitch, velocity = notes["pitch"], notes["velocity"]
    if pitch.min() < LOWEST_PITCH or pitch.max() >= LOWEST_PITCH + N_PITCHES:
        raise UsageError("given notes: a pitch is outside of the piano, A0 (21) to C8 (108)")
    if velocity.min() < 1 or velocity.max() > FULL_VELOCITY:
        raise UsageError("given notes: a velocity is not from 1 to 127")
    if notes["start"].min() < 0 or notes["duration"].min() < 1:
        raise UsageError("given notes: one begins before the first bar, or has no duration")
    if (notes["start"].astype(np.int64) + notes["duration"]).max() > MOST_BARS * 255:
        raise UsageError(f"given notes: one lasts beyond bar {MOST_BARS}")


def _first_bars(notes: Notes, n_bars: int, kind: BarKind) -> Notes:
    """The notes of the first bars, cut off at their end, alone in their pitch."""
    check_notes(notes)
    end = n_bars * kind.n_steps
    kept = notes[notes["start"] < end].copy()
    kept["duration"] = np.minimum(kept["duration"], end - kept["start"])
    return sort_notes(end_at_next_onset(kept)) if len(kept) else kept


def _draw(recipe: Written) -> Draw:
    return Draw(recipe.seed, recipe.position, recipe.temperature, recipe.follow)


def _builds_on(recipe: Recipe) -> set[str]:
    if isinstance(recipe, Blended):
        return {recipe.first, recipe.second}
    return {*recipe.after} - {GIVEN, NOISE}


def _read_recipe(stored: Mapping[str, Any]) -> Recipe:
    if "share" in stored:
        return Blended(str(stored["first"]), str(stored["second"]), float(stored["share"]))
    return Written(
        seed=int(stored["seed"]),
        position=int(stored["position"]),
        temperature=float(stored["temperature"]),
        follow=float(stored["follow"]),
        after=tuple(map(str, stored["after"])),
    )
