"""Times on a grid -> notes as they are written: values, dots, ties and tuplets.

A bar is a tree: its halves or thirds, their beats, and so on down to what the
grid can halve no more. A span is written as one note where its value can be
and no beat that a reader looks for is hidden in it; else it is cut at that
beat, and tied. Where a beat's times are no halves of it, the beat is a tuplet.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import gcd
from typing import NamedTuple

from nextbar.music.metre import bar_steps
from nextbar.music.tunes import Metre


class Tuplet(NamedTuple):
    """``actual`` notes, each of value ``quarters``, in the time of ``normal``, as 3 for 2."""

    actual: int
    normal: int
    quarters: Fraction


class Written(NamedTuple):
    """One note, chord or rest as it is written.

    start, end: steps from the bar line. quarters: its value, before a tuplet
    shortens it: a power of two, or one and a half of it, which has a dot.
    opens, closes: whether it is a tuplet's first or last.
    """

    start: int
    end: int
    quarters: Fraction
    tuplet: Tuplet | None = None
    opens: bool = False
    closes: bool = False

    @property
    def n_dots(self) -> int:
        """0 or 1."""
        return int(_odd_part(self.quarters.numerator) == 3)

    @property
    def kind(self) -> Fraction:
        """The value without its dot: 1 is a quarter, 1/2 an eighth."""
        return self.quarters * Fraction(2, 3) if self.n_dots else self.quarters

    @property
    def n_flags(self) -> int:
        """1 for an eighth, 2 for a 16th; 0 from a quarter on."""
        return self.kind.denominator.bit_length() - 1


class Node(NamedTuple):
    """A part of a bar from ``start`` to ``end``, in steps, and its parts.

    beat: steps of a dotted beat where it has several of them, as a bar of 6/8; else 0.
    """

    start: int
    end: int
    parts: tuple["Node", ...] = ()
    beat: int = 0


def is_compound(metre: Metre) -> bool:
    """Whether its beats are dotted, as those of 6/8 are."""
    return metre[0] > 3 and metre[0] % 3 == 0


def write_rhythm(
    spans: Sequence[tuple[int, int, bool]], metre: Metre, steps_per_quarter: int
) -> list[list[Written]]:
    """For each span what is written for it, in order; more than one are to be tied.

    spans: (start, end, whether it is a rest), which fill a bar. What is
    written lasts as long as the spans do, to the step.
    """
    tree, cell, odd = _tree_of(metre, steps_per_quarter)
    points = {start for start, _, _ in spans}
    tuplets = [
        tuplet
        for start in range(tree.start, tree.end, cell)
        for tuplet in _find_tuplets(start, min(start + cell, tree.end), odd, points)
    ]
    edges = sorted({edge for tuplet in tuplets for edge in tuplet})
    written: list[list[Written]] = []
    for start, end, is_rest in spans:
        cuts = [start, *(edge for edge in edges if start < edge < end), end]
        symbols: list[Written] = []
        for s, e in pairwise(cuts):
            inside = next(((a, b) for a, b in tuplets if a <= s and e <= b), None)
            symbols += (
                _in_tuplet(s, e, inside, points, steps_per_quarter)
                if inside
                else [
                    Written(a, b, Fraction(b - a, steps_per_quarter))
                    for a, b in _split(s, e, tree, odd, is_rest)
                ]
            )
        written.append(symbols)
    return written


def join_by_beams(
    line: Sequence[tuple[Written, bool]], metre: Metre, steps_per_quarter: int
) -> list[list[str]]:
    """The beams of each note of a voice's bar, the topmost first; none is an empty list.

    line: what is written, and whether it is a rest. A beam does "start",
    "continue" or "stop", or is "partial-left" or "partial-right". Notes of one
    beat are joined that no rest parts; 32nds are parted in the middle of a
    quarter, but for their first beam. A beam holds tuplets whole or lies within
    one, as programs that nest them need it.
    """
    edges = _beam_edges(metre, steps_per_quarter)
    flags = [0 if is_rest else symbol.n_flags for symbol, is_rest in line]
    beams: list[list[str]] = [[] for _ in line]
    begin = 0
    for i in range(1, len(line) + 1):
        if i < len(line) and flags[i - 1] and flags[i] and line[i][0].start not in edges:
            continue
        group = [symbol for symbol, _ in line[begin:i]]
        for a, b in pairwise(_cuts_at_broken_tuplets(group)):
            starts = [symbol.start for symbol in group[a:b]]
            beams[begin + a : begin + b] = _beams_of_group(
                flags[begin + a : begin + b], starts, steps_per_quarter
            )
        begin = i
    return beams


def _cuts_at_broken_tuplets(group: Sequence[Written]) -> list[int]:
    """The group's begin and end, and where a tuplet ends or begins of which it has only a part."""
    edges = [(i, symbol) for i, symbol in enumerate(group) if symbol.opens or symbol.closes]
    cuts = [0, len(group)]
    if edges and edges[0][1].closes:
        cuts.append(edges[0][0] + 1)
    if edges and edges[-1][1].opens:
        cuts.append(edges[-1][0])
    return sorted(set(cuts))


def _beams_of_group(flags: list[int], starts: list[int], steps_per_quarter: int) -> list[list[str]]:
    """Beams of notes that the first beam joins all; one alone has none."""
    if len(flags) == 1:
        return [[]]

    def joined(left: int, level: int) -> bool:
        """Whether a beam goes on from note ``left`` to the next."""
        if left < 0 or left + 1 == len(flags):
            return False
        least = min(flags[left], flags[left + 1])
        apart = level > 1 and least > 2 and 2 * starts[left + 1] % steps_per_quarter == 0
        return least >= level and not apart

    beams = []
    for i, n_flags in enumerate(flags):
        kinds = []
        for level in range(1, n_flags + 1):
            before, after = joined(i - 1, level), joined(i, level)
            alone = "partial-left" if i else "partial-right"
            kinds.append(
                ("continue" if after else "stop") if before else "start" if after else alone
            )
        beams.append(kinds)
    return beams


@lru_cache(maxsize=64)
def _beam_edges(metre: Metre, steps_per_quarter: int) -> frozenset[int]:
    """The steps of a bar that no beam crosses: its quarters, or its groups of shorter units."""
    tree, cell, _ = _tree_of(metre, steps_per_quarter)
    if cell == steps_per_quarter:
        return frozenset(range(0, tree.end, cell))

    def groups(node: Node) -> list[int]:
        if not node.parts or node.parts[0].end - node.parts[0].start <= cell:
            return [node.start]
        return [start for part in node.parts for start in groups(part)]

    return frozenset(groups(tree))


@lru_cache(maxsize=64)
def _tree_of(metre: Metre, steps_per_quarter: int) -> tuple[Node, int, int]:
    """The bar's tree, the steps of a cell that may be a tuplet, and those of its least part.

    A cell is a quarter, or an eighth where the metre counts in eighths.
    """
    n_steps = bar_steps(metre, steps_per_quarter)
    odd = _odd_part(steps_per_quarter)
    unit, rest = divmod(4 * steps_per_quarter, metre[1])
    if rest:  # 6/8 where an eighth is no whole number of steps: in quarters, or less
        unit = steps_per_quarter
        while n_steps % unit:
            unit //= 2
        tree = _node(0, n_steps // unit, unit, lambda a, b: _halves(a, b, odd))
    elif is_compound(metre):
        tree = _node(
            0,
            metre[0] // 3,
            3 * unit,
            lambda a, b: _node(a, 3, (b - a) // 3, lambda c, d: _halves(c, d, odd)),
            beat=3 * unit,
        )
    else:
        tree = _node(0, metre[0], unit, lambda a, b: _halves(a, b, odd))
    return tree, min(unit, steps_per_quarter), odd


def _node(
    start: int, n: int, size: int, leaf: Callable[[int, int], Node], *, beat: int = 0
) -> Node:
    """``n`` things of ``size`` steps: two or three side by side, 4 as 2 + 2, 5 as 3 + 2."""
    if n == 1:
        return leaf(start, start + size)
    parts, at = [], start
    for share in [1] * n if n <= 3 else [(n + 1) // 2, n // 2]:
        parts.append(_node(at, share, size, leaf, beat=beat))
        at += share * size
    return Node(start, at, tuple(parts), beat)


def _halves(start: int, end: int, odd: int) -> Node:
    if end - start == odd:
        return Node(start, end)
    centre = (start + end) // 2
    return Node(start, end, (_halves(start, centre, odd), _halves(centre, end, odd)))


def _split(start: int, end: int, node: Node, odd: int, is_rest: bool) -> list[tuple[int, int]]:
    """The span, cut at the beats that must be seen."""
    for part in node.parts:
        if part.start <= start and end <= part.end:
            return _split(start, end, part, odd, is_rest)
    if not node.parts or _may_stand(start, end, node, odd, is_rest):
        return [(start, end)]
    lines = [part.start for part in node.parts if start < part.start < end]
    cut = lines[0]
    if any(start == part.start for part in node.parts):
        fitting = [line for line in lines if _may_stand(start, line, node, odd, is_rest)]
        cut = max(fitting, default=cut)
    return [
        *_split(start, cut, node, odd, is_rest),
        *_split(cut, end, node, odd, is_rest),
    ]


def _may_stand(start: int, end: int, node: Node, odd: int, is_rest: bool) -> bool:
    """Whether a span over several parts of the node can be read as one note, or one rest."""
    if not _is_value((end - start) // odd):
        return False
    if (start, end) == (node.start, node.end):
        return True
    if is_rest:
        return False
    if node.beat and ((start - node.start) % node.beat or (end - node.start) % node.beat):
        return False  # a dotted beat is always seen
    if len(node.parts) > 2:
        return any(start == part.start for part in node.parts)
    syncopated = start - node.start == node.end - end and 2 * (end - start) == node.end - node.start
    return start == node.start or end == node.end or syncopated


def _find_tuplets(start: int, end: int, odd: int, points: set[int]) -> list[tuple[int, int]]:
    """The parts of a cell in which something begins at no half, quarter... of it."""
    inner = [point - start for point in range(start + 1, end) if point in points]
    if all(point % odd == 0 for point in inner):
        return []
    centre, rest = divmod(start + end, 2)
    if not rest and centre in points:
        return [
            *_find_tuplets(start, centre, odd, points),
            *_find_tuplets(centre, end, odd, points),
        ]
    return [(start, end)]


def _in_tuplet(
    start: int, end: int, within: tuple[int, int], points: set[int], steps_per_quarter: int
) -> list[Written]:
    """What is written for a span, or a part of one, that lies in a tuplet."""
    a, b = within
    least = gcd(b - a, *(point - a for point in points if a < point < b))
    n_least = (b - a) // least
    actual = _odd_part(n_least)
    normal = 1 << (actual.bit_length() - 1)
    quarters = Fraction(b - a, steps_per_quarter) / normal
    block = n_least // actual  # least parts in one of the tuplet's notes
    return [
        Written(
            a + first * least,
            a + last * least,
            quarters * Fraction(last - first, block),
            Tuplet(actual, normal, quarters),
            opens=a + first * least == a,
            closes=a + last * least == b,
        )
        for first, last in _cut_units((start - a) // least, (end - a) // least, block)
    ]


def _cut_units(first: int, last: int, block: int) -> list[tuple[int, int]]:
    """A stretch of equal units, cut into values, between blocks where that can be."""
    if _is_value(last - first):
        return [(first, last)]
    if first // block == (last - 1) // block:
        return _cut_units(first, last, block // 2)
    cut = first - first % block + block
    if first % block == 0:
        longer = range(cut, last, block)
        cut = max(cut for cut in longer if _is_value(cut - first))
    return [*_cut_units(first, cut, block), *_cut_units(cut, last, block)]


def _odd_part(number: int) -> int:
    """3 of 12: what is left when it is halved as often as can be."""
    return number // (number & -number)


def _is_value(units: int) -> bool:
    """Whether so many units are one note: a power of two, or half as much again, with a dot."""
    return _odd_part(units) in (1, 3)
