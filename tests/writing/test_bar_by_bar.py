"""Bars written one by one: the same as a piece at once, and what can be done with them."""

import json
from dataclasses import replace

import numpy as np
import pytest

import nextbar
from nextbar.errors import UsageError
from nextbar.frames.config import Sampling
from nextbar.frames.rollout import SLOTS
from nextbar.writing.bar_by_bar import (
    WrittenBar,
    _candidates_of,
    blend,
    notes_of_bar,
    write_bars,
)
from nextbar.writing.beginning import begin_from
from nextbar.writing.piece import Before, Draw
from nextbar.writing.sketch import Sketch, Written
from nextbar.writing.workbench import Workbench

from ..fixtures import REMEMBERING, let_it_sound, write_tune
from ..music.midi_files import make_notes

PLAIN = {"sampling": Sampling()}


@pytest.fixture(scope="module", params=["one bar", "four bars"])
def model(request, trained, tmp_path_factory):
    """A model that sounds: of the paper's kind, or one that looks at four bars."""
    if request.param == "one bar":
        return let_it_sound(nextbar.load(trained / "run"))
    place = tmp_path_factory.mktemp("remembering")
    corpus = nextbar.prepare(
        trained / "tunes", place / "corpus", onsets=True, common_key=True, page=False
    )
    nextbar.train(corpus, place / "run", **REMEMBERING)
    return let_it_sound(nextbar.load(place / "run"))


@pytest.fixture
def bench(model):
    return Workbench(model)


def composed(bench, n_bars=4, *, sketch=None, seed=1, **options):
    """A sketch with so many more bars."""
    sketch = sketch or bench.begin()
    sampling = Sampling(**options)
    for grown, _ in bench.compose(sketch, bars=n_bars, seed=seed, sampling=sampling):
        sketch = grown
    return sketch


def test_each_bar_and_each_further_attempt_has_candidates_and_luck_of_its_own(model):
    draws = [Draw(5, 0, Sampling()), Draw(5, 1, Sampling())]
    draws += [Draw(5, 1, Sampling(), attempt=attempt) for attempt in (1, 2)]
    drawn = [_candidates_of(model, draw) for draw in draws]
    rows = [tuple(row.tolist()) for noise, _ in drawn for row in noise]
    lucks = [tuple(luck.tolist()) for _, luck in drawn]
    assert len(rows) == len({*rows}) == 4 * SLOTS
    assert len({*lucks}) == 4


def test_bars_written_one_by_one_are_those_of_a_piece_written_at_once(bench):
    asked = Sampling(temperature=0.8, follow=0.5)
    (at_once,) = bench.composer.compose([None], bars=6, seeds=[5], sampling=asked)
    sketch = composed(bench, 6, seed=5, temperature=0.8, follow=0.5)
    one_by_one = bench.composition(sketch)
    assert len(at_once.notes) > 6
    np.testing.assert_array_equal(one_by_one.notes, at_once.notes)
    assert (one_by_one.n_bars, one_by_one.n_given_bars) == (6, 0)


def befores(composer, *rolls):
    """What stood before, all in the composer's metre."""
    return [
        None if each is None else Before(each, (composer.kind.metre,) * len(each)) for each in rolls
    ]


def test_a_recipe_names_the_bars_that_the_model_looked_at(bench):
    a, b, c, d, e, _ = composed(bench, 6).bars
    after = [composed(bench, 6).made[name].after for name in (a, b, c, d, e)]
    if bench.memory == 1:
        assert after == [("noise",), (a,), (b,), (c,), (d,)]
    else:
        assert after == [("noise",), (a,), (a, b), (a, b, c), (a, b, c, d)]


def test_given_bars_are_looked_at_as_far_back_as_the_memory_reaches(bench):
    given = make_notes(*((16 * bar, 8, 60 + bar, 80) for bar in range(6)))
    sketch = composed(bench, 5, sketch=bench.begin(given, 6))
    after = [sketch.made[name].after for name in sketch.bars]
    if bench.memory == 1:
        assert after == [("given",), *((name,) for name in sketch.bars[:4])]
        return
    a, b, c, d, _ = sketch.bars
    assert after == [("given",), ("given", a), ("given", a, b), ("given", a, b, c), (a, b, c, d)]
    # Bars 3 to 6 are all that decides the first written one, and 5 and 6 are not enough.
    for n_bars, always_same in ((4, True), (2, False)):
        begin = 6 - n_bars
        fewer = given[begin:].copy()
        fewer["start"] -= 16 * begin
        same = []
        for seed in range(1, 7):
            other = bench.begin(fewer, n_bars, transposed=sketch.transposed)
            of_all, of_fewer = (
                composed(bench, 1, sketch=each, seed=seed)
                for each in (bench.begin(given, 6), other)
            )
            same.append(np.array_equal(bench.rolls(of_all)[0], bench.rolls(of_fewer)[0]))
            assert list(of_all.made.values()) == list(of_fewer.made.values())
        assert all(same) == always_same


def test_bars_farther_back_than_the_last_decide_too_and_those_beyond_the_memory_do_not(model):
    rng = np.random.default_rng(0)
    history = (90 * (rng.random((9, *model.kind.frame_shape)) < 0.05)).astype(np.uint8)
    memory = model.model.memory
    whole, reached, short = write_bars(
        model, befores(model, history, history[-memory:], history[-1:]), [Draw(1, 0)] * 3
    )
    np.testing.assert_array_equal(whole.latent, reached.latent)
    assert (whole.latent == short.latent).all() == (memory == 1)


def test_a_files_bars_are_gone_on_from_as_the_command_line_does(bench, tmp_path):
    beginning = begin_from(bench.composer, f"{write_tune(tmp_path / 'tune.mid')}:3")
    (at_once,) = bench.composer.compose([beginning], bars=4, seeds=[2], **PLAIN)
    sketch = bench.begin(beginning.notes, 3)
    assert sketch.n_given == 3
    grown = bench.composition(composed(bench, 4, sketch=sketch, seed=2))
    np.testing.assert_array_equal(grown.notes, at_once.notes)


def test_at_follow_0_a_bar_does_not_depend_on_the_one_before_and_is_drawn_from_the_prior(model):
    silent, loud = (np.full((1, *model.kind.frame_shape), v, np.uint8) for v in (0, 90))
    draws = [Draw(3, 2, Sampling(follow=0))] * 2
    after_silence, after_noise = write_bars(model, befores(model, silent, loud), draws)
    (from_noise,) = write_bars(model, [None], [Draw(3, 2)])
    np.testing.assert_array_equal(after_silence.roll, after_noise.roll)
    np.testing.assert_array_equal(after_silence.latent, from_noise.latent)
    one, other = write_bars(model, befores(model, silent, loud), [Draw(3, 2)] * 2)
    assert (one.latent != other.latent).any()


def test_bars_side_by_side_are_as_if_written_alone(model):
    one, three = (np.full((n, *model.kind.frame_shape), 60, np.uint8) for n in (1, 3))
    rolls = befores(model, None, one, None, three)
    half = Sampling(temperature=0.5, follow=0.7)
    draws = [Draw(1, 0), Draw(2, 1, half), Draw(3, 0, Sampling(temperature=2)), Draw(4, 3, half)]
    together = write_bars(model, rolls, draws)
    for roll, draw, bar in zip(rolls, draws, together, strict=True):
        (alone,) = write_bars(model, [roll], [draw])
        np.testing.assert_array_equal(alone.roll, bar.roll)


def test_rolling_a_bar_again_changes_it_alone_or_with_what_follows_but_nothing_locked(bench):
    sketch = composed(bench, 6)
    locked = replace(sketch, locked=frozenset({4}))

    def rolled(with_following):
        *_, (changed, _) = bench.roll_again(
            locked, bar=2, seed=99, with_following=with_following, **PLAIN
        )
        return [a == b for a, b in zip(sketch.bars, changed.bars, strict=True)]

    assert rolled(False) == [True, True, False, True, True, True]
    assert rolled(True) == [True, True, False, False, True, False]


def test_a_locked_bar_sounds_the_same_after_the_rest_is_rolled_again_and_is_gone_on_from(bench):
    sketch = composed(bench, 4)
    before = bench.rolls(sketch)
    locked = replace(sketch, locked=frozenset({1}))
    changes = list(bench.roll_again(locked, bar=0, seed=7, with_following=True, **PLAIN))
    after = bench.rolls(changes[-1][0])
    assert [change.bar for _, change in changes] == [0, 2, 3]
    np.testing.assert_array_equal(after[1], before[1])
    (expected,) = write_bars(bench.composer, befores(bench.composer, after[:2]), [Draw(7, 2)])
    np.testing.assert_array_equal(after[2], expected.roll)


def test_alternatives_are_different_bars_for_one_place(bench):
    sketch = composed(bench, 3)
    found = bench.alternatives(sketch, bar=1, seeds=range(10), **PLAIN)
    assert [change.recipe.seed for change in found] == list(range(10))
    assert len({change.roll.tobytes() for change in found}) > 1
    put = sketch.with_bar(1, found[4].recipe)
    np.testing.assert_array_equal(bench.rolls(put)[1], found[4].roll)


def test_a_blend_begins_with_one_bar_and_ends_with_the_other(bench):
    sketch = composed(bench, 5)
    first, last = sketch.bars[0], sketch.bars[4]
    steps = bench.blends(sketch, bar=2, first=first, second=last, steps=9)
    rolls = bench.rolls(sketch)
    assert len(steps) == 9
    np.testing.assert_array_equal(steps[0].roll, rolls[0])
    np.testing.assert_array_equal(steps[8].roll, rolls[4])
    assert [step.recipe.share for step in steps][:3] == [0, 0.125, 0.25]


def test_the_way_of_a_blend_is_an_arc_whose_length_changes_evenly(model):
    latent = np.zeros(model.model.latent_size, np.float32)
    along, across = latent.copy(), latent.copy()
    along[0], across[1] = 1.0, 3.0
    ends = [WrittenBar(np.empty(0, np.uint8), each, (4, 4)) for each in (along, across)]
    (middle,) = blend(model, *ends, [0.5])
    # half of 90 degrees, half of 1 to 3: (cos 45, sin 45) * 2
    np.testing.assert_allclose(middle.latent[:2], [2**0.5, 2**0.5], rtol=1e-6)


def test_a_recipe_gives_the_piece_again_exactly_also_after_locks_and_blends(bench, tmp_path):
    beginning = begin_from(bench.composer, f"{write_tune(tmp_path / 'tune.mid')}:2")
    sketch = composed(bench, 4, sketch=bench.begin(beginning.notes, 2), temperature=1)
    locked = replace(sketch, locked=frozenset({2}))
    *_, (sketch, _) = bench.roll_again(locked, bar=0, seed=8, with_following=True, **PLAIN)
    blended = bench.blends(sketch, bar=3, first=sketch.bars[0], second=sketch.bars[2], steps=3)[1]
    sketch = sketch.with_bar(3, blended.recipe)
    stored = json.loads(json.dumps(sketch.to_json()))
    opened = Sketch.from_json(stored)
    assert opened.locked == {2}
    np.testing.assert_array_equal(
        Workbench(bench.composer).composition(opened).notes, bench.composition(sketch).notes
    )
    # The locked bar keeps the two bars before it, on which it rests and which no longer sound.
    assert len(stored["made"]) == 4 + 2


def test_a_chain_of_bars_far_longer_than_python_recurses_is_laid_out_in_order(bench):
    sketch = bench.begin()
    made, name = {}, "noise"
    for seed in range(4_000):
        recipe = Written(seed, 0, 1.0, 1.0, (name,))
        name = sketch.name_of(recipe)
        made[name] = recipe
    needed = replace(sketch, made=made, bars=(name,)).needed()
    assert [recipe.seed for recipe in needed.values()] == list(range(4_000))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "song"}, "no recipe of nextbar"),
        ({"format": 1}, "no recipe of nextbar .*format 1, not 2"),
        ({"bars": ["0" * 32]}, "the recipe of bar 00000000 is missing"),
        ({"given_notes": [[0, 4, 5, 80]]}, "outside of the piano"),
        ({"given_notes": [[0, 4]]}, "damaged"),
        ({"given_notes": [[0, 4, 60, 900]]}, "damaged"),
        ({"given_bars": 600}, "up to 512 bars"),
        ({"transposed": 40}, "semitones"),
        ({"bars": 3}, "damaged"),
        ({"made": {}}, "is missing"),
    ],
)
def test_a_recipe_that_is_damaged_is_refused_with_a_sentence(bench, change, says):
    stored = {**composed(bench, 2).to_json(), **change}
    with pytest.raises(UsageError, match=says):
        Sketch.from_json(stored)


def test_a_recipe_changed_by_hand_or_of_another_run_is_refused(bench):
    stored = composed(bench, 2).to_json()
    name = stored["bars"][1]
    changed = {**stored["made"], name: {**stored["made"][name], "seed": 12}}
    with pytest.raises(UsageError, match="is not what its recipe says"):
        Sketch.from_json({**stored, "made": changed})
    with pytest.raises(UsageError, match="made with another run"):
        bench.rolls(replace(composed(bench, 1), run="f" * 64, made={}, bars=()))


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ({"seed": -1}, "seed"),
        ({"temperature": float("nan")}, "temperature"),
        ({"follow": 1.5}, "follow: 1.5 is not between 0 and 1"),
        ({"position": 10_000}, "bars"),
        ({"after": ()}, "a bar follows named bars"),
        ({"after": ("noise", "0" * 32)}, "a bar follows named bars"),
        ({"after": ("0" * 32, "given")}, "a bar follows named bars"),
    ],
)
def test_what_no_bar_can_be_drawn_with_is_refused(recipe, says):
    fine = {"seed": 1, "position": 0, "temperature": 1.0, "follow": 1.0}
    with pytest.raises(UsageError, match=says):
        Written(**{**fine, "after": ("noise",), **recipe})


def test_silent_bars_at_the_end_of_what_is_given_are_left_out(bench):
    notes = make_notes((0, 4, 60, 80), (20, 4, 64, 80))
    assert bench.begin(notes, 4).n_given == 2
    assert bench.begin(notes, 1).given.tolist() == [(0, 4, 60, 80)]
    assert bench.begin(notes[:0], 3).n_given == 0


def test_a_bar_begun_while_a_note_still_sounds_is_tied_to_the_bar_before():
    held = np.zeros((1, 88, 16), np.uint8)
    held[0, 39, 12:] = 80
    after = np.zeros((1, 88, 16), np.uint8)
    after[0, 39, :4] = 80
    assert notes_of_bar(after, held).tolist() == [(0, 4, 60, 80, True)]
    assert notes_of_bar(after, None).tolist() == [(0, 4, 60, 80, False)]


def test_a_workbench_that_remembers_two_bars_writes_the_same_piece(bench, monkeypatch):
    sketch = composed(bench, 6)
    sketch = sketch.with_bar(
        2,
        bench.blends(sketch, bar=2, first=sketch.bars[0], second=sketch.bars[5], steps=3)[1].recipe,
    )
    monkeypatch.setattr("nextbar.writing.made_bars.BARS_IN_MIND", 2)
    forgetful = Workbench(bench.composer)
    np.testing.assert_array_equal(forgetful.rolls(sketch), bench.rolls(sketch))
