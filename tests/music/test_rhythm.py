"""What is written for times on a grid, as a musician would write it."""

from fractions import Fraction

import pytest

from nextbar.music.rhythm import join_by_beams, write_rhythm


def values(ends, metre=(4, 4), steps_per_quarter=4, rests=()):
    """What is written between the times, as steps; a tuplet's as "steps/3". Tied ones share a list.

    ends: where each span ends, the first from 0. rests: which spans are.
    """
    starts = [0, *ends[:-1]]
    spans = [(s, e, i in rests) for i, (s, e) in enumerate(zip(starts, ends, strict=True))]
    return [
        [
            f"{w.end - w.start}/{w.tuplet.actual}" if w.tuplet else w.end - w.start
            for w in symbols
        ]
        for symbols in write_rhythm(spans, metre, steps_per_quarter)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([16], [[16]]),  # a whole note
        ([12, 16], [[12], [4]]),  # a dotted half
        ([4, 12, 16], [[4], [8], [4]]),  # quarter, half, quarter: a syncopation all read
        ([2, 6, 8, 16], [[2], [4], [2], [8]]),  # eighth, quarter, eighth in half a bar
        ([6, 8, 16], [[6], [2], [8]]),  # a dotted quarter
        ([4, 10, 16], [[4], [4, 2], [6]]),  # the middle of the bar is seen
        ([6, 10, 16], [[6], [2, 2], [6]]),
        ([2, 8, 16], [[2], [6], [8]]),  # eighth and dotted quarter
        ([14, 16], [[8, 6], [2]]),  # half and dotted quarter: no second dot
        ([1, 4, 16], [[1], [3], [12]]),  # a 16th, then a dotted eighth
        ([3, 5, 8, 16], [[3], [1, 1], [3], [8]]),  # a beat is not hidden by a 16th's shift
        ([1, 3, 4, 16], [[1], [2], [1], [12]]),  # 16th, eighth, 16th in a beat
        ([5, 16], [[4, 1], [3, 8]]),
    ],
)
def test_four_quarters_are_cut_where_their_beats_must_be_seen(ends, expected):
    assert values(ends) == expected


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([12], [[12]]),  # a dotted half
        ([6, 12], [[6], [6]]),
        ([4, 6, 12], [[4], [2], [6]]),  # quarter and eighth in a dotted beat
        ([2, 6, 12], [[2], [4], [6]]),
        ([8, 12], [[6, 2], [4]]),  # no half note from one dotted beat into the next
        ([4, 8, 12], [[4], [2, 2], [4]]),
    ],
)
def test_six_eighths_show_their_two_dotted_beats(ends, expected):
    assert values(ends, (6, 8)) == expected


def test_three_and_five_quarters():
    assert values([12], (3, 4)) == [[12]]
    assert values([8, 12], (3, 4)) == [[8], [4]]
    assert values([4, 12], (3, 4)) == [[4], [8]]
    assert values([10, 12], (3, 4)) == [[8, 2], [2]]
    assert values([6, 12], (3, 4)) == [[6], [2, 4]]  # a third beat is seen
    assert values([20], (5, 4)) == [[12, 8]]  # a dotted half and a half
    assert values([8, 16, 20], (5, 4)) == [[8], [4, 4], [4]]


def test_rests_hide_no_beat_at_all():
    assert values([4, 12, 16], rests=(1,)) == [[4], [4, 4], [4]]
    assert values([4, 16], rests=(1,)) == [[4], [4, 8]]
    assert values([8, 16], rests=(1,)) == [[8], [8]]
    assert values([2, 6, 16], rests=(1,)) == [[2], [2, 2], [2, 8]]
    assert values([6, 12], (6, 8), rests=(0,)) == [[6], [6]]  # dotted, as the beat is


def test_on_a_grid_of_twelve_a_beat_of_thirds_is_a_triplet_and_one_of_quarters_is_none():
    whole = values([4, 8, 12, 15, 18, 21, 24, 48], steps_per_quarter=12)
    assert whole == [["4/3"], ["4/3"], ["4/3"], [3], [3], [3], [3], [24]]
    # two thirds and a third; the held half is cut at the triplet
    assert values([8, 36, 48], steps_per_quarter=12) == [["8/3"], ["4/3", 24], [12]]


def test_six_in_a_beat_are_two_triplets_and_what_crosses_its_half_makes_one():
    assert values([2, 4, 6, 8, 10, 12, 48], steps_per_quarter=12)[:6] == [["2/3"]] * 6
    spans = [(2 * i, 2 * i + 2, False) for i in range(6)] + [(12, 48, False)]
    written = [symbol for symbols in write_rhythm(spans, (4, 4), 12) for symbol in symbols]
    assert [(w.opens, w.closes) for w in written[:6]] == [
        (True, False), (False, False), (False, True),
    ] * 2  # fmt: skip
    assert {w.tuplet.quarters for w in written[:6]} == {Fraction(1, 4)}  # 16ths
    # a third, a half's rest and a third: one triplet of eighths, and of halves of such
    [[a], [b], [c]] = write_rhythm([(0, 4, False), (4, 10, True), (10, 12, False)], (1, 4), 12)
    assert [w.quarters for w in (a, b, c)] == [Fraction(1, 2), Fraction(3, 4), Fraction(1, 4)]
    assert {w.tuplet[:2] for w in (a, b, c)} == {(3, 2)}


def test_a_triplet_is_of_a_quarter_where_the_metre_counts_in_halves():
    assert values([4, 30, 48], (2, 2), 12) == [["4/3"], ["8/3", 12, 6], [18]]


def test_five_sixths_of_a_beat_are_two_thirds_and_a_sixth():
    [sounding, _] = write_rhythm([(0, 10, False), (10, 12, True)], (1, 4), 12)
    assert [w.quarters for w in sounding] == [
        1,
        Fraction(1, 4),
    ]  # a quarter and a 16th of a triplet
    [_, sounding] = write_rhythm([(0, 2, True), (2, 12, False)], (1, 4), 12)
    assert [w.quarters for w in sounding] == [Fraction(1, 4), 1]


def test_a_grid_of_three_steps_a_quarter_has_triplets_of_eighths():
    assert values([1, 2, 3, 6, 12], steps_per_quarter=3) == [["1/3"]] * 3 + [[3], [6]]


def test_fifths_and_sevenths_of_a_beat_are_tuplets_of_five_and_seven():
    [[first], [rest], _] = write_rhythm([(0, 1, False), (1, 5, False), (5, 10, False)], (2, 4), 5)
    assert first.tuplet == (5, 4, Fraction(1, 4))  # five 16ths in the time of four
    assert (first.quarters, rest.quarters) == (Fraction(1, 4), Fraction(1))
    [[seventh], *_] = write_rhythm([(0, 1, False), (1, 7, False)], (1, 4), 7)
    assert seventh.tuplet == (7, 4, Fraction(1, 4))


def beams(ends, metre=(4, 4), steps_per_quarter=4, rests=()):
    starts = [0, *ends[:-1]]
    spans = [(s, e, i in rests) for i, (s, e) in enumerate(zip(starts, ends, strict=True))]
    written = write_rhythm(spans, metre, steps_per_quarter)
    line = [(w, span[2]) for span, symbols in zip(spans, written, strict=True) for w in symbols]
    short = {"start": "(", "continue": "-", "stop": ")", "partial-left": "<", "partial-right": ">"}
    return [
        "".join(short[kind] for kind in kinds)
        for kinds in join_by_beams(line, metre, steps_per_quarter)
    ]


def test_beams_join_what_is_shorter_than_a_quarter_within_a_beat():
    assert beams([2, 4, 8, 16]) == ["(", ")", "", ""]
    assert beams([3, 4, 5, 8, 16]) == ["(", ")<", "(>", ")", ""]  # dotted eighths and 16ths
    assert beams([1, 2, 4, 6, 7, 8, 16]) == ["((", "-)", ")", "(", "-(", "))", ""]
    assert beams([1, 3, 4, 16]) == ["(>", "-", ")<", ""]
    assert beams([2, 6, 8, 16]) == ["", "", "", ""]  # nothing is joined over a quarter


def test_a_rest_parts_beams():
    assert beams([1, 2, 3, 4, 16], rests=(2,)) == ["((", "))", "", "", ""]


def test_dotted_beats_and_groups_of_eighths_are_joined_whole():
    assert beams([2, 4, 6, 8, 10, 12], (6, 8)) == ["(", "-", ")"] * 2
    assert beams([2, 4, 6], (3, 8)) == ["(", "-", ")"]
    assert beams([2, 4, 6, 8, 10], (5, 8)) == ["(", "-", ")", "(", ")"]


def test_thirty_seconds_are_parted_in_the_middle_of_a_quarter_but_for_one_beam():
    eight = [*range(1, 9), 32]
    assert beams(eight, steps_per_quarter=8)[:8] == [
        "(((", "---", "---", "-))", "-((", "---", "---", ")))",
    ]  # fmt: skip


def test_triplets_are_joined_as_any_beat():
    assert beams([4, 8, 12, 48], steps_per_quarter=12) == ["(", "-", ")", ""]


def test_a_beam_holds_tuplets_whole_or_lies_within_one():
    six_eight = {"metre": (6, 8), "steps_per_quarter": 12}  # an eighth has six steps
    triplet_first = [2, 4, 6, 12, 18, 36]
    assert beams(triplet_first, **six_eight) == ["((", "--", "-)", "-", ")", ""]
    # its first third is a rest: what is left of the triplet is joined by itself
    assert beams(triplet_first, rests=(0,), **six_eight) == ["", "((", "))", "(", ")", ""]
    # its last third is a rest
    triplet_last = [6, 12, 14, 16, 18, 36]
    assert beams(triplet_last, rests=(4,), **six_eight) == ["(", ")", "((", "))", "", ""]
    # a half of a beat is a triplet, the other is none: 16th, 16th, then rest and two thirds
    assert beams([3, 6, 8, 10, 12, 48], steps_per_quarter=12, rests=(4,))[:5] == [
        "((", "))", "((", "))", "",
    ]  # fmt: skip
    # of two triplets in a beat, the first begins and the second ends with a rest
    two = [2, 4, 6, 8, 10, 12, 48]
    assert beams(two, steps_per_quarter=12, rests=(0, 5))[:6] == ["", "((", "))", "((", "))", ""]
    # alone in what is left, a note has a flag
    assert beams([4, 6, 12, 18, 36], rests=(0,), **six_eight)[:4] == ["", "", "(", ")"]
