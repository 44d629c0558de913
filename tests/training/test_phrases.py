"""A run whose discriminator of phrases is trained behind the rest, and chooses while writing."""

import json
from dataclasses import replace

import numpy as np
import pytest

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
