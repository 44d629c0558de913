"""A run whose discriminator of phrases is trained behind the rest, and chooses while writing."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

import nextbar
from nextbar.cli import main
from nextbar.errors import UsageError
from nextbar.frames import phrases
from nextbar.frames.config import Sampling
from nextbar.frames.record import DESCRIPTION
from nextbar.training import adapt as adapting
from nextbar.writing.bar_by_bar import write_bars
from nextbar.writing.joining import join_bars
from nextbar.writing.piece import Before, Draw
from nextbar.writing.sketch import Sketch
from nextbar.writing.workbench import Workbench

from ..fixtures import SEVERAL_METRES, let_it_sound, write_tune

FIELDS = {**SEVERAL_METRES, "phrase_updates": 6}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("phrases")
    for number in range(16):
        write_tune(place / "tunes" / f"{number:02}.mid", n_bars=12, seed=number)
    nextbar.prepare(place / "tunes", place / "corpus", page=False)
    return place


@pytest.fixture(autouse=True)
def few_rollouts(monkeypatch):
    monkeypatch.setattr("nextbar.frames.phrase_training.ROLLOUTS", 30)


@pytest.fixture
def run(place):
    nextbar.train(place / "corpus", place / "run", **FIELDS)
    return place / "run"


def test_it_is_trained_once_behind_the_epochs_and_anew_where_there_are_more(place, tmp_path):
    told = []

    def note(*now):
        told.append(now[:2])

    run = tmp_path / "run"
    nextbar.train(place / "corpus", run, **FIELDS, phrase_progress=note)
    assert told == [(nth, 6) for nth in range(1, 7)]
    first = nextbar.load(run).checkpoint
    nextbar.train(place / "corpus", run, phrase_progress=note)
    assert len(told) == 6
    assert nextbar.load(run).checkpoint == first
    nextbar.train(place / "corpus", run, epochs=2, phrase_progress=note)
    assert len(told) == 12


def test_an_interrupt_while_it_learns_leaves_the_rest_and_the_same_command_begins_it_again(
    place, tmp_path, run
):
    def interrupt(n_done, *_):
        if n_done == 3:
            raise KeyboardInterrupt

    broken = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        nextbar.train(place / "corpus", broken, **FIELDS, phrase_progress=interrupt)
    assert not nextbar.load(broken).model.phrases.n_updates
    nextbar.train(place / "corpus", broken)
    assert (broken / "checkpoint.safetensors").read_bytes() == (
        run / "checkpoint.safetensors"
    ).read_bytes()


def test_a_run_without_it_is_given_one_later_and_writes_as_before_unless_it_chooses(
    place, tmp_path
):
    run = tmp_path / "run"
    nextbar.train(place / "corpus", run, **SEVERAL_METRES)
    (plain,) = let_it_sound(nextbar.load(run)).compose([None], bars=4, seeds=[3])
    with pytest.raises(UsageError, match=r"choose: .* has no discriminator of phrases"):
        nextbar.load(run).generate(bars=1, choose=1)
    nextbar.train(place / "corpus", run, phrase_updates=6)
    model = let_it_sound(nextbar.load(run))
    how = {"bars": 4, "seeds": [3]}
    (off,) = model.compose([None], sampling=replace(model.sampling, choose=0), **how)
    (on,) = model.compose([None], sampling=replace(model.sampling, choose=3), **how)
    assert off.notes.tolist() == plain.notes.tolist()
    assert on.notes.tolist() != plain.notes.tolist()


def test_what_is_exported_chooses_too(run, tmp_path):
    exported = nextbar.export(run, tmp_path / "exported")
    model = nextbar.load(exported)
    assert model.model.chooses(model.sampling)
    words = ["generate", str(exported), "--out", str(tmp_path / "music"), "--pieces", "1"]
    assert main([*words, "--bars", "2", "--choose", "0.5", "--no-wav", "--no-pictures"]) == 0
    (path,) = (tmp_path / "music").glob("*.mid")
    assert "-choose0.5-" in path.name


def test_bars_one_by_one_are_those_of_the_piece_where_they_are_chosen(run):
    model = let_it_sound(nextbar.load(run))
    sampling = Sampling(choose=2)
    bars, after = [], None
    for nth in range(6):
        (bar,) = write_bars(model, [after], [Draw(5, nth, sampling)])
        bars.append(bar)
        after = Before(np.stack([b.roll for b in bars]), tuple(b.metre for b in bars))
    (whole,) = model.compose([None], bars=6, seeds=[5], sampling=sampling)
    alone = join_bars(model.kind, None, np.stack([bar.roll for bar in bars]), 5, whole.metres)
    assert alone.notes.tolist() == whole.notes.tolist()
    (plain,) = model.compose([None], bars=6, seeds=[5], sampling=Sampling())
    assert plain.notes.tolist() != whole.notes.tolist()


def test_pieces_too_short_for_phrases_train_without_it(tmp_path):
    for number in range(16):
        write_tune(tmp_path / "tunes" / f"{number:02}.mid", n_bars=phrases.WRITTEN, seed=number)
    corpus = nextbar.prepare(tmp_path / "tunes", tmp_path / "corpus", page=False)
    run = nextbar.train(corpus, tmp_path / "run", **FIELDS)
    model = nextbar.load(run.path)
    assert not model.model.chooses(model.sampling)
    assert model.generate(bars=2).note_num() >= 0


def test_adapted_it_has_no_discriminator_of_phrases_and_is_not_written_by_one(
    run, place, tmp_path, monkeypatch
):
    monkeypatch.setattr(adapting, "MOST_UPDATES", 2)
    monkeypatch.setattr(adapting, "REHEARSED", 32)
    monkeypatch.setattr(adapting, "ASKED_PIECES", 2)
    described = json.loads((run / DESCRIPTION).read_text())
    described["origin"]["sampling"]["choose"] = 1.0
    (run / DESCRIPTION).write_text(json.dumps(described))
    assert nextbar.load(run).sampling.choose == 1
    adapted = nextbar.load(nextbar.adapt(run, place / "tunes", tmp_path / "adapted").path)
    assert adapted.sampling == replace(nextbar.load(run).sampling, choose=0)
    assert adapted.model.config.phrase_updates == 0


# ------------------------------------------------------------------- which bar comes again


@pytest.fixture
def few_pointed(monkeypatch):
    monkeypatch.setattr("nextbar.frames.pointer.UPDATES", 10)
    monkeypatch.setattr("nextbar.training.run.UPDATES", 10)


POINTING = {**FIELDS, "repeats": (1, 2, 8)}


@pytest.mark.usefixtures("few_pointed")
def test_what_says_which_bar_comes_again_is_trained_once_and_phrases_are_told_by_what_it_writes(
    place, tmp_path
):
    told = []
    run = tmp_path / "run"
    how = {
        "pointer_progress": lambda *now: told.append(("pointer", *now[:2])),
        "phrase_progress": lambda *now: told.append(("phrases", *now[:2])),
    }
    learned = [
        *(("pointer", nth, 10) for nth in range(1, 11)),
        *(("phrases", nth, 6) for nth in range(1, 7)),
    ]
    nextbar.train(place / "corpus", run, **POINTING, **how)
    assert told == learned
    model = nextbar.load(run).model
    assert model.pointer.n_updates == 10
    nextbar.train(place / "corpus", run, epochs=2, **how)  # it looks at real bars alone
    assert told == [*learned, *learned[10:]]
    again = nextbar.load(run).model
    for name, tensor in model.pointer.state_dict().items():
        assert (again.pointer.state_dict()[name] == tensor).all()
    told.clear()
    nextbar.train(place / "corpus", run, repeats=(1, 2), **how)  # other bars: learned anew
    assert told == learned
    assert nextbar.load(run).model.memory == 16
    assert nextbar.inspect(run)["config"]["repeats"] == [1, 2]


@pytest.mark.usefixtures("few_pointed")
def test_a_run_is_given_it_later_and_the_networks_that_draw_stay(place, tmp_path):
    given = tmp_path / "run"
    nextbar.train(place / "corpus", given, **FIELDS)
    before = nextbar.load(given).model
    assert before.pointer is None
    nextbar.train(place / "corpus", given, repeats=(1, 2, 8))
    after = nextbar.load(given).model
    for network in ("encoder", "generator", "posterior"):
        ours, theirs = (getattr(model, network).state_dict() for model in (before, after))
        assert all((ours[name] == tensor).all() for name, tensor in theirs.items())
    nextbar.train(place / "corpus", tmp_path / "whole", **POINTING)
    whole = nextbar.load(tmp_path / "whole").model
    for name, tensor in whole.pointer.state_dict().items():
        assert (after.pointer.state_dict()[name] == tensor).all(), name


@pytest.mark.usefixtures("few_pointed")
def test_what_is_exported_points_too_and_what_is_adapted_from_it(place, tmp_path, monkeypatch):
    monkeypatch.setattr(adapting, "MOST_UPDATES", 2)
    monkeypatch.setattr(adapting, "REHEARSED", 32)
    monkeypatch.setattr(adapting, "ASKED_PIECES", 2)
    nextbar.train(place / "corpus", tmp_path / "run", **POINTING)
    pointer = nextbar.load(tmp_path / "run").model.pointer
    nextbar.export(tmp_path / "run", tmp_path / "small.nextbar")
    small = nextbar.load(tmp_path / "small.nextbar").model.pointer
    assert small.n_updates == pointer.n_updates == 10
    for name, tensor in pointer.state_dict().items():
        assert np.allclose(small.state_dict()[name], tensor, atol=1e-3), name
    for number in range(3):
        write_tune(tmp_path / "mine" / f"{number}.mid", n_bars=8, seed=40 + number)
    nextbar.adapt(tmp_path / "run", tmp_path / "mine", tmp_path / "adapted")
    adapted = nextbar.load(tmp_path / "adapted").model.pointer
    for name, tensor in pointer.state_dict().items():
        assert (adapted.state_dict()[name] == tensor).all(), name


@pytest.fixture
def going_round(few_pointed, place, tmp_path):  # noqa: ARG001
    """A model in which the bar two before comes again, or a new one, as often as not."""
    nextbar.train(place / "corpus", tmp_path / "run", **POINTING)
    model = let_it_sound(nextbar.load(tmp_path / "run"))
    verdict = model.model.pointer.verdict[-1]
    with torch.no_grad():
        verdict.weight.zero_()
        verdict.bias.fill_(-50)
        verdict.bias[[1, -1]] = 0
    return model


def test_a_bar_that_comes_again_is_the_same_bar_by_itself_and_in_the_piece(going_round):
    model = going_round
    for choose in (0, 1):
        sampling = Sampling(choose=choose)
        (whole,) = model.compose([None], bars=8, seeds=[4], sampling=sampling)
        bars = []
        for position in range(8):
            rolls = np.stack([bar.roll for bar in bars]) if bars else None
            before = None if rolls is None else Before(rolls, tuple(bar.metre for bar in bars))
            bars += write_bars(model, [before], [Draw(4, position, sampling)])
        piece = join_bars(
            model.kind, None, np.stack([bar.roll for bar in bars]), 4, whole.metres, None
        )
        assert np.array_equal(piece.notes, whole.notes)
        again = [np.array_equal(bars[nth].roll, bars[nth - 2].roll) for nth in range(2, 8)]
        assert any(again)
        assert not all(again)


def rolls_of(model, piece):
    """A number for each of its bars, the same for equal ones."""
    starts = model.kind.starts_of(piece.metres)
    notes = [
        piece.notes[(piece.notes["start"] >= a) & (piece.notes["start"] < b)]
        for a, b in pairwise(starts)
    ]
    return [
        tuple((n["start"] - a, n["duration"], n["pitch"]) for n in each)
        for a, each in zip(starts, notes, strict=False)
    ]


def test_bars_come_again_as_readily_as_is_asked(going_round):
    def n_again(**options):
        n = 0
        for seed in range(4):
            sampling = Sampling(**options)
            (piece,) = going_round.compose([None], bars=10, seeds=[seed], sampling=sampling)
            bars = rolls_of(going_round, piece)
            n += sum(bars[nth] == bars[nth - 2] for nth in range(2, 10))
        return n

    never, usual, often = (n_again(repeat=each) for each in (0, 1, 10))
    assert never == 0
    assert 8 < usual < 24 < often
    score = going_round.generate(bars=4, seed=1, repeat=0)
    assert score.note_num() == going_round.generate(bars=4, seed=1, repeat=0).note_num()


def test_who_has_not_learned_it_cannot_be_asked_to(run):
    with pytest.raises(UsageError, match=r"repeat: .* has not learned when bars come again"):
        nextbar.load(run).generate(bars=1, repeat=0)


def test_a_bar_that_is_rolled_again_alone_is_a_new_one_and_so_are_all_others_for_its_place(
    going_round,
):
    bench, sampling = Workbench(going_round), Sampling()
    sketch = bench.begin()
    for grown, _ in bench.compose(sketch, bars=8, seed=3, sampling=sampling):
        sketch = grown
    found = bench.rolls(sketch)
    (again,) = [nth for nth in range(2, 8) if np.array_equal(found[nth], found[nth - 2])][:1]
    ((rolled, change),) = bench.roll_again(
        sketch, bar=again, seed=9, sampling=sampling, with_following=False
    )
    assert change.recipe.repeat == 0
    assert not np.array_equal(change.roll, found[again])
    others = bench.alternatives(sketch, bar=again, seeds=range(8), sampling=sampling)
    assert not any(np.array_equal(each.roll, found[again - 2]) for each in others)
    # The recipe says so, and the names of all other bars are as they were without it.
    stored = json.loads(json.dumps(rolled.to_json()))
    assert Sketch.from_json(stored).bars == rolled.bars
    assert stored["made"][change.name]["repeat"] == 0
    assert rolled.bars[again - 1] == sketch.bars[again - 1]
    following = [
        step.recipe.repeat
        for _, step in bench.roll_again(
            sketch, bar=5, seed=9, sampling=sampling, with_following=True
        )
    ]
    assert following == [1, 1, 1]
