"""A piece in the making: what each bar was made from, so that any can be made again.

A sketch is a beginning (given notes, or nothing) and bars behind it. Each bar is
named by its *recipe*: the seed, temperature and follow it was drawn with and
the bars it was written after; or the two bars it is a blend of; or the notes
themselves, where somebody set them by hand. The name is a
digest of the recipe, which names the bars it builds on, and so on down to the
beginning. So a sketch of names and numbers gives its notes exactly, also where
a bar was kept while the bars before it were written anew.
"""

import hashlib
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from itertools import takewhile
from typing import Any, Final

import numpy as np

from nextbar._version import __version__
from nextbar.errors import UsageError
from nextbar.frames.config import Sampling
from nextbar.music.bars import FULL_VELOCITY, LOWEST_PITCH, N_PITCHES, NOTE, Notes
from nextbar.music.metre import read_metre, show_metre
from nextbar.music.score import STRAIGHT, Sound, check_swing
from nextbar.music.tunes import Metre
from nextbar.writing.piece import Draw, check_tempo

KIND: Final = "nextbar recipe"
FORMAT: Final = 5
FORMATS_READ: Final = (2, 3, 4, FORMAT)
"""Format 2 says nothing of how a piece sounds; 2 and 3 know one metre, the model's; none before 5
has bars of somebody's own, or such as lead to others."""
LATER: Final = (
    ("metre", None),
    ("towards", ()),
    ("gap", 0),
    ("choose", 0.0),
    ("attempt", 0),
    ("rank", 0),
    ("repeat", 1.0),
)
"""What recipes could not say once, and where it is not said is no part of a bar's name."""
GIVEN, NOISE = "given", "noise"
MOST_BARS: Final = 512
"""Bars of a sketch, given and written."""
MOST_RECIPES: Final = 4_096
"""Recipes that a sketch builds on, those of bars that no longer sound among them."""
MOST_GIVEN_NOTES: Final = 8_192
MOST_OWN_NOTES: Final = 2_048
"""Notes of one bar that was set by hand."""
MOST_STEPS: Final = MOST_BARS * 255
"""Where the last given note ends at the latest: no bar has more steps."""
MOST_SEMITONES: Final = 11
"""By which the model's key may be away from that of the given notes."""


@dataclass(frozen=True)
class Written:
    """A bar drawn with these after the bars of those names.

    after: what the model looked at, the latest last: names of bars; in front
    of them "given" where it reached back to the given bars; or only "noise".
    metre: None is the model's most frequent. towards: the bars that it leads to,
    the nearest first, and gap: how many stood between it and these. attempt, rank: draws for
    its place that were put away before, as copies; see :class:`Draw`.
    """

    seed: int
    position: int
    temperature: float
    follow: float
    after: tuple[str, ...]
    metre: Metre | None = None
    towards: tuple[str, ...] = ()
    gap: int = 0
    choose: float = 0.0
    attempt: int = 0
    rank: int = 0
    repeat: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperature", float(self.temperature))  # 1 and 1.0: one name
        object.__setattr__(self, "follow", float(self.follow))
        object.__setattr__(self, "choose", float(self.choose))
        object.__setattr__(self, "repeat", float(self.repeat))
        self.draw()  # refuses what cannot be
        if not self.after or GIVEN in self.after[1:] or (NOISE in self.after and self.after[1:]):
            raise UsageError(
                'after: a bar follows named bars, with "given" in front of them or not, or '
                'only "noise"'
            )
        if {GIVEN, NOISE} & {*self.towards} or not 0 <= self.gap <= MOST_BARS:
            raise UsageError("towards: a bar leads to named bars, with few or none between")

    def draw(self) -> Draw:
        """How the bar is drawn. Raises UsageError for what no bar can be drawn with."""
        sampling = Sampling(
            temperature=self.temperature,
            follow=self.follow,
            choose=self.choose,
            repeat=self.repeat,
        )
        return Draw(self.seed, self.position, sampling, self.metre, self.attempt, self.rank)


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


OwnNote = tuple[int, int, int, int, bool]
"""Start and duration in steps of the bar, pitch, velocity, and whether it goes on from the bar
before."""


@dataclass(frozen=True)
class Own:
    """A bar of somebody's own, as its notes stand: a bar note each, in the key that is heard.

    metre: None is the model's most frequent. Raises UsageError for notes that
    no bar can have.
    """

    notes: tuple[OwnNote, ...]
    metre: Metre | None = None

    def __post_init__(self) -> None:
        if len(self.notes) > MOST_OWN_NOTES:
            raise UsageError(f"own bar: {len(self.notes):,} notes, more than {MOST_OWN_NOTES:,}")
        check_notes(np.array([note[:4] for note in self.notes], NOTE), "own bar")


Recipe = Written | Blended | Own


@dataclass(frozen=True)
class Sketch:
    """A piece in the making; immutable.

    run: sha256 of the weights it is made with. given: notes in front, on the
    grid. given_metres: of each bar that they fill; None is the model's most
    frequent. transposed: semitones from the given notes to the model's key.
    made: the recipe of each name. bars: the names of the bars behind the given
    ones in order. locked: which of these are to be kept. sound: its tempo and
    instrument, which decide no bar; None is as the model's own music.
    given_stands: whether the given bars stand in the piece. Where they do not,
    they are only what its oldest bars were written after: they have become bars
    of somebody's own, or were taken out.
    """

    run: str
    given: Notes
    given_metres: tuple[Metre | None, ...]
    transposed: int
    made: Mapping[str, Recipe]
    bars: tuple[str, ...]
    locked: frozenset[int] = frozenset()
    sound: Sound | None = None
    given_stands: bool = True

    @property
    def n_given(self) -> int:
        """How many given bars stand in front."""
        return len(self.given_metres) if self.given_stands else 0

    @cached_property
    def base(self) -> str:
        """What all names of this sketch's bars rest on: the run and the beginning."""
        fixed = f"{self.run} {len(self.given_metres)} {self.transposed} {self.given.tolist()}"
        if any(self.given_metres):  # names are older than metres
            fixed += f" {self.given_metres}"
        return hashlib.sha256(fixed.encode()).hexdigest()

    def name_of(self, recipe: Recipe) -> str:
        """The name of the bar that the recipe gives, 32 hexadecimal digits."""
        said = [(each.name, getattr(recipe, each.name)) for each in fields(recipe)]
        values = [value for name, value in said if (name, value) not in LATER]
        words = [type(recipe).__name__, self.base, *map(repr, values)]
        return hashlib.sha256(" ".join(words).encode()).hexdigest()[:32]

    def before(self, bar: int, memory: int) -> tuple[str, ...]:
        """What a model looks at for a written bar (from 0): ``after`` of its recipe.

        memory: how many bars back it looks.
        """
        names = self.bars[max(0, bar - memory) : bar]
        if self.n_given and len(names) < memory:
            return (GIVEN, *names)
        return names or (NOISE,)

    def behind(self, bar: int, reach: int, kept: Collection[int]) -> tuple[tuple[str, ...], int]:
        """What a model that reads ``reach`` bars ahead looks at behind a written bar, and the gap.

        kept: which of the bars behind it stay as they are.
        """
        ahead = range(bar + 1, min(len(self.bars), bar + 1 + reach))
        first = next((each for each in ahead if each in kept), None)
        if first is None:
            return (), 0
        names = takewhile(lambda each: each in kept, range(first, ahead.stop))
        return tuple(self.bars[each] for each in names), first - bar - 1

    def with_bar(self, bar: int, recipe: Recipe) -> "Sketch":
        """The sketch with the recipe's bar as written bar ``bar``; one past the last adds it."""
        name = self.name_of(recipe)
        bars = (*self.bars[:bar], name, *self.bars[bar + 1 :])
        return replace(self, bars=bars, made={**self.made, name: recipe})

    def cut(self, n_bars: int) -> "Sketch":
        """The sketch with its first written bars only."""
        locked = frozenset(bar for bar in self.locked if bar < n_bars)
        return replace(self, bars=self.bars[:n_bars], locked=locked)

    def needed(self, known: Container[str] = ()) -> dict[str, Recipe]:
        """The recipes that its bars rest on, each behind those that it builds on.

        known: names that need no recipe, and what they build on neither.
        """
        found: dict[str, Recipe] = {}
        to_do = [name for name in reversed(self.bars) if name not in known]
        while to_do:
            name = to_do[-1]
            rests_on = builds_on(self.made[name])
            missing = [n for n in rests_on if n not in found and n not in known]
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
            "given_bars": len(self.given_metres),
            "given_stands": self.given_stands,
            "given_metres": [m if m is None else show_metre(m) for m in self.given_metres],
            "given_notes": [list(row) for row in self.given.tolist()],
            "transposed": self.transposed,
            "made": {name: recipe_to_json(recipe) for name, recipe in self.needed().items()},
            "bars": list(self.bars),
            "locked": sorted(self.locked),
            "sound": sound_to_json(self.sound),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Sketch":
        """The sketch of a recipe file. UsageError says what in it is wrong.

        A bar of somebody's own may stand among the ``bars`` itself, in the place of its name.
        """
        if stored.get("kind") != KIND or stored.get("format") not in FORMATS_READ:
            raise UsageError(
                f"this is no recipe of nextbar (kind {stored.get('kind')!r}, format "
                f"{stored.get('format')!r}, not {' or '.join(map(str, FORMATS_READ))}); give a "
                "file that this studio saved"
            )
        try:
            made = {str(name): _read_recipe(each) for name, each in dict(stored["made"]).items()}
            given = np.array([tuple(row) for row in stored["given_notes"]], NOTE)
            n_given = int(stored["given_bars"])
            metres = stored.get("given_metres") or [None] * max(0, n_given)
            sketch = cls(
                run=str(stored["run"]),
                given=given,
                given_metres=tuple(map(_metre_or_none, metres)),
                transposed=int(stored["transposed"]),
                made=made,
                bars=(),
                locked=frozenset(map(int, stored["locked"])),
                sound=sound_from_json(stored.get("sound")),
                given_stands=bool(stored.get("given_stands", True)),
            )
            sketch = sketch._with_bars(stored["bars"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UsageError(f"this recipe is damaged: {error!r}; save it anew") from error
        if len(metres) != n_given:
            raise UsageError(f"given_bars: {n_given}, and {len(metres)} metres of them")
        sketch._check()
        return sketch

    def _with_bars(self, stored: Sequence[Any]) -> "Sketch":
        """The sketch with these bars: names, or what a bar of somebody's own is."""
        made, names = dict(self.made), []
        for bar in stored:
            if isinstance(bar, Mapping):
                own = _read_own(bar)
                made[name := self.name_of(own)] = own
            else:
                name = str(bar)
            names.append(name)
        return replace(self, made=made, bars=tuple(names))

    def _check(self) -> None:
        """Raises UsageError where names, notes or numbers do not fit each other."""
        n_bars = self.n_given + len(self.bars)
        if n_bars > MOST_BARS:
            raise UsageError(f"a sketch has up to {MOST_BARS} bars; this one has {n_bars}")
        if abs(self.transposed) > MOST_SEMITONES:
            raise UsageError(
                f"transposed: {self.transposed} is not from -{MOST_SEMITONES} to {MOST_SEMITONES} "
                "semitones"
            )
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
        unknown = {*self.bars}.union(*map(builds_on, self.made.values())) - {*self.made}
        if unknown:
            raise UsageError(f"the recipe of bar {min(unknown)[:8]} is missing; save it anew")
        follow = any(GIVEN in getattr(r, "after", ()) for r in self.made.values())
        if follow and not self.given_metres:
            raise UsageError("a bar is said to follow given bars, and there are none")
        blends = [recipe for recipe in self.made.values() if isinstance(recipe, Blended)]
        if any(isinstance(self.made[end], Own) for each in blends for end in builds_on(each)):
            raise UsageError("a bar is said to be a blend of one set by hand, which has no latent")


def sound_to_json(sound: Sound | None) -> dict[str, Any] | None:
    """The sound as a recipe holds it, its swing where it has one."""
    if sound is None:
        return None
    stored = sound._asdict()
    if sound.swing == STRAIGHT:
        del stored["swing"]  # as it was written before there was such a thing
    return stored


def sound_from_json(stored: Mapping[str, Any] | None) -> Sound | None:
    """The sound of a recipe; UsageError for a tempo, program or swing that is none."""
    if stored is None:
        return None
    tempo, program, name = float(stored["tempo"]), int(stored["program"]), str(stored["name"])
    check_tempo(tempo)
    if not 0 <= program <= 127:
        raise UsageError(f"program: {program} is not between 0 and 127")
    swing = int(stored.get("swing", STRAIGHT))
    check_swing(swing)
    return Sound(tempo, program, name, swing)


def check_notes(notes: Notes, which: str = "given notes") -> None:
    """Raises UsageError for notes that are off the piano, off the grid or without sound."""
    if not len(notes):
        return
    if len(notes) > MOST_GIVEN_NOTES:
        raise UsageError(f"{which}: there are {len(notes):,}, more than {MOST_GIVEN_NOTES:,}")
    pitch, velocity = notes["pitch"], notes["velocity"]
    if pitch.min() < LOWEST_PITCH or pitch.max() >= LOWEST_PITCH + N_PITCHES:
        raise UsageError(f"{which}: a pitch is outside of the piano, A0 (21) to C8 (108)")
    if velocity.min() < 1 or velocity.max() > FULL_VELOCITY:
        raise UsageError(f"{which}: a velocity is not from 1 to 127")
    if notes["start"].min() < 0 or notes["duration"].min() < 1:
        raise UsageError(f"{which}: one begins before the first bar, or has no duration")
    if (notes["start"].astype(np.int64) + notes["duration"]).max() > MOST_STEPS:
        raise UsageError(f"{which}: one lasts beyond bar {MOST_BARS}")


def builds_on(recipe: Recipe) -> set[str]:
    """The names of the bars that a recipe builds on."""
    if isinstance(recipe, Blended):
        return {recipe.first, recipe.second}
    if isinstance(recipe, Own):
        return set()
    return {*recipe.after, *recipe.towards} - {GIVEN, NOISE}


def recipe_to_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON can hold it; its metre as "6/8"."""
    stored = asdict(recipe)
    if stored.get("metre") is not None:
        stored["metre"] = show_metre(stored["metre"])
    for name in ("attempt", "rank"):
        if not stored.get(name):
            stored.pop(name, None)  # as it was written before there was such a thing
    return stored


def _metre_or_none(stored: Any) -> Metre | None:
    return None if stored is None else read_metre(str(stored))


def _read_recipe(stored: Mapping[str, Any]) -> Recipe:
    if "share" in stored:
        return Blended(str(stored["first"]), str(stored["second"]), float(stored["share"]))
    if "notes" in stored:
        return _read_own(stored)
    return Written(
        seed=int(stored["seed"]),
        position=int(stored["position"]),
        temperature=float(stored["temperature"]),
        follow=float(stored["follow"]),
        after=tuple(map(str, stored["after"])),
        metre=_metre_or_none(stored.get("metre")),
        towards=tuple(map(str, stored.get("towards", ()))),
        gap=int(stored.get("gap", 0)),
        choose=float(stored.get("choose", 0)),
        attempt=int(stored.get("attempt", 0)),
        rank=int(stored.get("rank", 0)),
        repeat=float(stored.get("repeat", 1)),
    )


def _read_own(stored: Mapping[str, Any]) -> Own:
    rows = [
        (int(start), int(duration), int(pitch), int(velocity), bool(tied))
        for start, duration, pitch, velocity, tied in stored["notes"]
    ]
    return Own(tuple(sorted(rows)), _metre_or_none(stored.get("metre")))
