"""The other hand: what is kept stays to the note, and what is written goes on the other side."""

import numpy as np
import pytest
import torch

import nextbar
from nextbar.errors import UsageError
from nextbar.music.bars import BAR_NOTE, NOTE
from nextbar.writing.other_hand import check_hand, held_by, kept_of, within
from nextbar.writing.sketch import Own, Sketch
from nextbar.writing.workbench import Workbench


def rows(*notes):
    """Notes of a bar: (start, duration, pitch)."""
    made = [(start, duration, pitch, 90, False) for start, duration, pitch in notes]
    return np.array(made, BAR_NOTE)


@pytest.fixture(scope="module")
def bench():
    return Workbench(nextbar.load("chorales"))


def melody(bench, *bars, transposed=0):
    """A piece of bars of somebody's own, each of (start, duration, pitch)."""
    own = [{"notes": [[*note, 77, False] for note in bar], "metre": None} for bar in bars]
    empty = Sketch(bench.composer.checkpoint, np.empty(0, NOTE), (), transposed, {}, ())
    return Sketch.from_json({**empty.to_json(), "bars": own})


def harmonised(bench, sketch, **asked):
    asked = {"keep": "all", "side": "below", "seed": 1, **asked}
    asked.setdefault("bars", range(len(sketch.bars)))
    for now, _ in bench.harmonise(sketch, sampling=bench.composer.sampling, **asked):
        sketch = now
    own = [sketch.made[name] for name in sketch.bars]
    return sketch, [set(each.notes) for each in own if isinstance(each, Own)]


def test_the_lines_are_the_outermost_notes_where_they_begin():
    # 60 is under 72 where it begins, 67 is alone; 64 and 65 begin while 50 sounds
    bar = rows((0, 4, 72), (0, 8, 60), (8, 4, 67), (12, 4, 50), (13, 1, 64), (14, 1, 65))
    assert kept_of(bar, "top").tolist() == [True, False, True, True, True, True]
    assert kept_of(bar, "bottom").tolist() == [False, True, True, True, False, False]
    assert kept_of(bar, "all").all()


def test_the_side_of_what_is_kept_begins_at_the_outermost_that_sounds():
    kept = rows((0, 1, 64), (0, 1, 60), (2, 1, 62))  # rows 43, 39 and 41; nothing at step 1
    below = held_by(kept, "below", 3, (2, 88, 4))
    assert [int(below.decided[0, :, step].int().argmax()) for step in range(3)] == [39, 39, 41]
    assert below.decided[:, 43:, :3].all()
    assert not below.decided[:, :, 3].any()  # the bar has three steps
    above = held_by(kept, "above", 3, (2, 88, 4))
    assert [int(above.decided[0, :, step].sum()) for step in range(3)] == [44, 44, 42]
    there = torch.nonzero(below.there).tolist()
    assert there == [[0, 39, 0], [0, 41, 2], [0, 43, 0], [1, 39, 0], [1, 41, 2], [1, 43, 0]]


def test_nothing_is_written_that_would_leave_the_piano_on_the_way_back():
    free = held_by(rows((0, 1, 108)), "below", 1, (1, 88, 1))
    assert within(free, 3).decided[0, :, 0].nonzero().flatten().tolist() == [0, 1, 2, 87]
    assert within(free, -2).decided[0, :, 0].nonzero().flatten().tolist() == [86, 87]


def test_below_a_lowest_line_nothing_can_be_written():
    check_hand("bottom", "above")
    for keep, side in (("bottom", "below"), ("top", "above")):
        with pytest.raises(UsageError, match="choose the other side"):
            check_hand(keep, side)


def test_a_melody_is_kept_to_the_note_and_all_else_stands_below_it(bench):
    bars = [[(0, 4, 67), (4, 4, 69), (8, 8, 71)], [(0, 8, 72), (8, 3, 69), (12, 4, 71)]]
    before = melody(bench, *bars, transposed=5)
    after, found = harmonised(bench, before)
    assert after.locked == {0, 1}
    for bar, notes in zip(bars, found, strict=True):
        kept = {(*note, 77, False) for note in bar}
        assert kept < notes  # and something was written
        for start, duration, pitch, *_ in notes - kept:
            together = [p for s, d, p in bar if s < start + duration and start < s + d]
            assert all(pitch < other for other in together)
    assert harmonised(bench, before)[1] == found  # the same seed, the same notes
    assert harmonised(bench, before, seed=2)[1] != found


def test_only_the_chosen_bars_are_written_in_and_of_a_line_the_rest_goes(bench):
    two = [(0, 8, 72), (0, 8, 40), (8, 8, 71), (8, 8, 41)]
    before = melody(bench, two, two)
    after, (first, second) = harmonised(bench, before, bars=[1], keep="top")
    assert first == {(*note, 77, False) for note in two}
    assert {(0, 8, 72, 77, False), (8, 8, 71, 77, False)} < second
    assert not {(0, 8, 40, 77, False), (8, 8, 41, 77, False)} & second
    assert after.locked == {1}
    _, (_, above) = harmonised(bench, before, bars=[1], keep="bottom", side="above")
    assert {(0, 8, 40, 77, False), (8, 8, 41, 77, False)} < above
    assert all(pitch > 40 for _, _, pitch, velocity, _ in above if velocity != 77)


def test_a_bar_without_notes_and_a_model_of_one_voice_are_refused(bench):
    with pytest.raises(UsageError, match="bar 2 has no notes to keep"):
        harmonised(bench, melody(bench, [(0, 4, 60)], []), bars=[1])
    one_voice = Workbench(nextbar.load("fiddle"))
    with pytest.raises(UsageError, match="writes one voice"):
        harmonised(one_voice, melody(one_voice, [(0, 4, 60)]))


def test_bars_that_a_model_wrote_are_kept_as_they_sound(bench):
    sampling = bench.composer.sampling
    *_, (sketch, _) = bench.compose(bench.begin(), bars=2, seed=3, sampling=sampling)
    made = bench.composition(sketch).notes
    end = 16  # of the first bar, in 4/4
    before = {tuple(row) for row in made[made["start"] < end].tolist()}
    after, _ = harmonised(bench, sketch, bars=[1], keep="top")
    again = bench.composition(after).notes
    assert before == {tuple(row) for row in again[again["start"] < end].tolist()}
    assert isinstance(after.made[after.bars[1]], Own)
