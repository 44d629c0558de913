"""A model trained on with a few files: what it becomes, what it keeps, and what it refuses."""

import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import nextbar
from nextbar.cli import main
from nextbar.errors import CorpusError, OutputError, RunError, UsageError
from nextbar.frames.record import WEIGHTS
from nextbar.measures.fingerprints import FILE as FINGERPRINTS
from nextbar.music.bars import NOTE
from nextbar.music.corpus import corpus_of
from nextbar.music.score import to_score, write_midi
from nextbar.training import adapt as adapting
from nextbar.training.adapt import ASKED, BEST, held_back_pairs
from nextbar.training.held_back import nats_a_frame
from nextbar.writing.composer import Composer

from ..fixtures import SEVERAL_METRES, write_tune, write_tunes


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    place = tmp_path_factory.mktemp("base")
    corpus = nextbar.prepare(write_tunes(place / "tunes"), place / "corpus", workers=1, page=False)
    nextbar.train(corpus, place / "run", precision="float32", **SEVERAL_METRES)
    return place / "run"


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(adapting, "MOST_UPDATES", 12)
    monkeypatch.setattr(adapting, "ASKED_EVERY", 2)
    monkeypatch.setattr(adapting, "REHEARSED", 32)
    monkeypatch.setattr(adapting, "ASKED_PIECES", 2)


@pytest.fixture
def mine(tmp_path):
    """Three tunes that the base has not seen."""
    for seed in range(100, 103):
        write_tune(tmp_path / "mine" / f"{seed}.mid", n_bars=8, seed=seed)
    return tmp_path / "mine"


def in_three_four(path):
    """Eight bars of 3/4."""
    notes = np.empty(24, NOTE)
    notes["start"], notes["duration"], notes["velocity"] = 4 * np.arange(24), 4, 80
    notes["pitch"] = 60 + np.arange(24) % 7
    write_midi(to_score(notes, metres=[(3, 4)] * 8), path)


def test_it_becomes_another_model_and_says_of_what(base, mine, tmp_path):
    said = []
    run = nextbar.adapt(base, mine, tmp_path / "run", say=said.append)
    before, after = (nextbar.load(path).model.state_dict() for path in (base, run.path))
    assert any(not torch.equal(before[name], weight) for name, weight in after.items())
    origin = nextbar.inspect(run.path)["origin"]
    assert origin["base"]["checkpoint"] == nextbar.load(base).checkpoint
    assert [line["file"] for line in origin["files"]] == ["100.mid", "101.mid", "102.mid"]
    assert "3 files: 24 bars, of which 8 are held back" in said[0]
    assert "a bar that was held back costs" in said[-1]
    asked = [json.loads(line) for line in (run.path / ASKED).read_text().splitlines()]
    costs = [line["nats"] for line in asked[:-1]]
    assert asked[-1]["finished"]
    assert 0.5 <= asked[-1]["share"] <= 1
    assert run.epoch == [line["epoch"] for line in asked[:-1]][costs.index(min(costs))], (
        "the best one"
    )
    assert not (run.path / BEST).exists()


def test_the_corpus_is_the_files_and_what_is_rehearsed_is_no_tune_of_theirs(base, mine, tmp_path):
    run = nextbar.adapt(base, mine, tmp_path / "run")
    corpus = corpus_of(nextbar.load(run.path).origin)
    names = [corpus.piece_name(piece) for piece in range(corpus.n_pieces)]
    assert names[:3] == ["101.mid", "100.mid", "102.mid"], "one of middling length is held back"
    assert corpus.pieces("held_out").tolist() == [0]
    assert sum(name.startswith("rehearsal") for name in names) == 2  # of 16 bars
    fingerprints = nextbar.load(run.path).fingerprints
    theirs = nextbar.load(base).fingerprints
    # those of the base's tunes, and of two of the three
    assert fingerprints.n_tunes == theirs.n_tunes + 2
    assert {*theirs.bars.tolist()} < {*fingerprints.bars.tolist()}


# 3 % more than 100 are 103: the third share, 0.9, is the first to leave that; or none is.
@pytest.mark.parametrize(
    ("wanted", "own", "taken", "why"),
    [
        (None, [100, 105, 104, 102.9, 90], 0.9, "so that the base's style is kept"),
        (None, [100, *[120] * 10, 112], 0.5, "the least, at which .* cost 12 % more"),
        (1, [], 1.0, "as was asked"),
        (0.25, [], 0.25, "as was asked"),
    ],
)
def test_the_best_state_is_taken_as_far_as_the_base_s_style_allows(
    base, mine, tmp_path, monkeypatch, wanted, own, taken, why
):
    monkeypatch.setattr(adapting, "MOST_FILES", 3)  # as many as there are
    monkeypatch.setattr(adapting, "MOST_UPDATES", 60)
    monkeypatch.setattr(adapting, "ASKED_EVERY", 6)
    # Four looks after the 30 nothing was better; then what was kept costs 30, what is taken 31.
    held_back = iter([50, 40, 45, 30, 35, 30, 35, 36, 30, 31])
    own = iter(own)
    states, first = [], nextbar.load(base).model.state_dict()

    def cost(model, pairs):
        if pairs.chosen.tolist() != [0]:
            return next(own)
        states.append({name: weight.clone() for name, weight in model.state_dict().items()})
        return next(held_back)

    monkeypatch.setattr(adapting, "nats_a_frame", cost)
    said = []
    run = nextbar.adapt(base, mine, tmp_path / "run", share=wanted, say=said.append)
    # 14 pairs of theirs and 30 of two rehearsals in batches of 16: three an epoch.
    assert run.config.epochs == 60 // 3
    *asked, last = [json.loads(line) for line in (run.path / ASKED).read_text().splitlines()]
    assert [line["epoch"] for line in asked] == [0, 2, 4, 6, 8, 10, 12, 14]
    assert last == {"finished": True, "share": taken, "nats_of_it": 31}
    assert run.epoch == 6
    assert "costs 31.0 nats, of the base 50.0; best after 6 of 14 epochs (30.0)" in said[-1]
    assert re.search(rf"of which {100 * taken:.0f} % was taken, {why}$", said[-1])
    for name, weight in nextbar.load(run.path).model.state_dict().items():
        expected = first[name] + taken * (states[3][name] - first[name])
        torch.testing.assert_close(weight, expected, rtol=2**-10, atol=1e-6)


def test_it_begins_from_the_base_s_weights_and_is_trained_with_settings_of_its_own(
    base, mine, tmp_path
):
    run = nextbar.adapt(base, mine, tmp_path / "run", seed=4)
    before = nextbar.load(base).model.config
    assert (before.warm_up, before.settle, before.batch) == (2, 0.5, 16)
    config = run.config
    assert (config.learning_rate, config.average) == (0.0005, 0.99)
    assert (config.warm_up, config.settle, config.batch, config.seed) == (0, 0.0, 16, 4)
    pairs = held_back_pairs(corpus_of(nextbar.load(run.path).origin), config)
    asked = json.loads((run.path / ASKED).read_text().splitlines()[0])
    of_base = nats_a_frame(nextbar.load(base).model, pairs)
    assert asked == {"epoch": 0, "nats": pytest.approx(of_base, rel=1e-5)}


def test_what_is_rehearsed_and_what_it_is_asked_by_are_other_bars_with_each_seed(
    base, mine, tmp_path, monkeypatch
):
    written, compose = [], Composer.compose

    def noted(composer, beginnings, *, bars, seeds, **how):
        if bars == adapting.REHEARSED_PIECE:  # the others are for a picture
            written.append({*seeds})
        return compose(composer, beginnings, bars=bars, seeds=seeds, **how)

    monkeypatch.setattr(Composer, "compose", noted)
    for seed in (0, 5):
        nextbar.adapt(base, mine, tmp_path / str(seed), seed=seed)
    assert [len(seeds) for seeds in written] == [2] * 4
    assert len(set.union(*written)) == 8


@pytest.mark.parametrize(
    ("bars_in", "expected"), [({"4/4": 90, "6/8": 270}, 0.25), ({"4/4": 7}, 1), ({}, 0.5)]
)
def test_what_is_rehearsed_is_in_the_base_s_metres_as_often_as_its_bars_were(bars_in, expected):
    drawn = {}

    def compose(beginnings, *, metre, **_):
        drawn[metre] = len(beginnings)
        return []

    base = SimpleNamespace(
        kind=SimpleNamespace(metres=[(4, 4), (6, 8)]),
        origin={"corpus": {"bars_in": bars_in}},
        compose=compose,
    )
    adapting._written(base, 1000, seed=0)
    assert sum(drawn.values()) == 1000
    assert drawn[4, 4] / 1000 == pytest.approx(expected, abs=0.05)  # three standard errors


def test_the_files_are_read_as_the_base_s_were_and_none_twice(base, mine, tmp_path):
    shutil.copy(mine / "100.mid", mine / "again.mid")
    said = []
    run = nextbar.adapt(base, mine, tmp_path / "run", track=1, say=said.append)
    assert said[0].startswith("refused  again.mid")
    corpus = corpus_of(nextbar.load(run.path).origin)
    theirs = corpus_of(nextbar.load(base).origin)
    for option in ("grid", "onsets", "common_key", "steps_per_quarter"):
        assert corpus.manifest["options"][option] == theirs.manifest["options"][option]
    assert corpus.manifest["options"]["track"] == 1


def test_what_an_end_before_the_first_step_left_behind_is_no_obstacle(base, mine, tmp_path):
    (tmp_path / "run" / "corpus").mkdir(parents=True)
    (tmp_path / "run" / FINGERPRINTS).write_bytes(b"")
    run = nextbar.adapt(base, mine, tmp_path / "run")
    further = nextbar.adapt(run.path, mine, tmp_path / "further")
    origin = nextbar.inspect(further.path)["origin"]
    assert origin["base"]["checkpoint"] == nextbar.load(run.path).checkpoint
    assert origin["base"]["base"]["checkpoint"] == nextbar.load(base).checkpoint


def test_interrupted_it_goes_on_to_the_same_weights(base, mine, tmp_path):
    whole = nextbar.adapt(base, mine, tmp_path / "whole", seed=3)

    def stop(now):
        if now.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nextbar.adapt(base, mine, tmp_path / "run", seed=3, progress=stop)
    with pytest.raises(RunError, match="begun with seed 3, not 4"):
        nextbar.adapt(base, mine, tmp_path / "run", seed=4)
    write_tune(tmp_path / "other" / "a.mid", n_bars=12, seed=7)
    with pytest.raises(RunError, match="was begun on other files"):
        nextbar.adapt(base, tmp_path / "other", tmp_path / "run", seed=3)
    with (tmp_path / "run" / ASKED).open("a") as file:
        file.write('{"epoch": 4, "nats": 0.0}\n')  # asked, but not reached when it was laid down
    again = nextbar.adapt(base, mine, tmp_path / "run", seed=3)
    ours, theirs = (load_file(run.path / WEIGHTS) for run in (again, whole))
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, rtol=0, atol=0)
    said = []
    nextbar.adapt(base, mine, tmp_path / "run", seed=3, say=said.append)
    assert "is finished" in said[0]


def test_a_model_that_somebody_sent_is_adapted_and_is_not_needed_afterwards(base, mine, tmp_path):
    sent = nextbar.export(base, tmp_path / "sent")
    run = nextbar.adapt(sent, mine, tmp_path / "run").path
    shutil.rmtree(sent)
    paths = nextbar.generate(
        run, tmp_path / "out", pieces=1, bars=2, wav=False, pictures=False, no_copies=True
    )
    assert len(paths) == 1
    small = nextbar.export(run, tmp_path / "small")
    assert str(tmp_path) not in (small / "run.json").read_text()
    assert nextbar.load(small).no_copies()
    with pytest.raises(RunError, match="is not a run"):
        nextbar.adapt(sent, mine, tmp_path / "again")


def test_one_file_holds_back_its_last_quarter(base, tmp_path):
    write_tune(tmp_path / "one" / "a.mid", n_bars=16, seed=5)
    said = []
    run = nextbar.adapt(base, tmp_path / "one", tmp_path / "run", say=said.append)
    assert "16 bars, of which 4 are held back" in said[0]
    corpus = corpus_of(nextbar.load(run.path).origin)
    assert [len(corpus.bars_of(piece)) for piece in (0, 1)] == [4, 12]


def test_too_little_music_and_other_metres_are_refused_with_counts(base, tmp_path):
    write_tune(tmp_path / "short" / "a.mid", n_bars=3)
    with pytest.raises(CorpusError, match=r"3 bars that this model can learn from, in its metres"):
        nextbar.adapt(base, tmp_path / "short", tmp_path / "run")
    assert not (tmp_path / "run" / "corpus").exists()
    for number in range(3):
        in_three_four(tmp_path / "waltzes" / f"{number}.mid")
    with pytest.raises(CorpusError, match=r"left out: .* bars in 3/4"):
        nextbar.adapt(base, tmp_path / "waltzes", tmp_path / "run")


def test_what_does_not_fit_is_left_out_and_counted(base, mine, tmp_path):
    in_three_four(mine / "waltz.mid")
    said = []
    nextbar.adapt(base, mine, tmp_path / "run", say=said.append)
    assert "24 bars" in said[0]
    assert "left out: 8 bars in 3/4" in said[0]


def test_a_file_that_the_base_was_trained_on_is_told(base, mine, tmp_path):
    write_tune(mine / "known.mid", seed=3)  # the base's tune03.mid
    said = []
    nextbar.adapt(base, mine, tmp_path / "run", say=said.append)
    known = [sentence for sentence in said if "was trained on it" in sentence]
    assert len(known) == 1
    assert known[0].startswith("known.mid")


def test_what_is_rehearsed_is_not_told_to_be_the_base_s(base, mine, tmp_path, monkeypatch):
    monkeypatch.setattr(adapting, "KNOWN", 0.0)  # whatever it shares with the base's tunes
    said = []
    nextbar.adapt(base, mine, tmp_path / "run", say=said.append)
    known = [sentence for sentence in said if "was trained on it" in sentence]
    assert sorted(sentence[:7] for sentence in known) == ["100.mid", "101.mid", "102.mid"]


def test_what_makes_no_sense_is_refused(base, mine, tmp_path, monkeypatch):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="is not a run"):
        nextbar.adapt(base, mine, tmp_path / "taken")
    with pytest.raises(RunError, match="was begun by nextbar train"):
        nextbar.adapt(base, mine, base)
    for share in (0, 1.5):
        with pytest.raises(UsageError, match=rf"share: {share} is not above 0"):
            nextbar.adapt(base, mine, tmp_path / "run", share=share)
    monkeypatch.setattr(adapting, "MOST_FILES", 2)
    with pytest.raises(UsageError, match="holds 3 files; up to 2"):
        nextbar.adapt(base, mine, tmp_path / "run")


def test_mixed_it_lies_between_the_two(base, mine, tmp_path, capsys):
    run = nextbar.adapt(base, mine, tmp_path / "run").path
    words = ["mix", str(base), str(run), "--out"]
    assert main([*words, str(tmp_path / "half"), "--share", "0.25"]) == 0
    assert nextbar.inspect(tmp_path / "half")["origin"]["mixed"]["share"] == 0.25
    weights = [nextbar.load(path).model.generator.state_dict() for path in (base, run)]
    mixed = nextbar.load(tmp_path / "half").model.generator.state_dict()
    for name, weight in mixed.items():
        expected = 0.75 * weights[0][name] + 0.25 * weights[1][name]
        torch.testing.assert_close(weight, expected, rtol=2**-10, atol=1e-6)
    assert main([*words, str(tmp_path / "x"), "--share", "2"]) == 2
    assert main(["mix", str(run), str(base), "--out", str(tmp_path / "x")]) == 1
    assert "was not adapted from" in " ".join(capsys.readouterr().err.split())
