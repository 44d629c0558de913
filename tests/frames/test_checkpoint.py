import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nextbar.errors import RunError
from nextbar.frames.checkpoint import load_model, load_training, save_training
from nextbar.frames.config import override
from nextbar.frames.model import build_model
from nextbar.frames.pairs import PairBatches
from nextbar.frames.record import (
    Description,
    append_history,
    describe_run,
    read_description,
    read_history,
)
from nextbar.frames.training import Figures, begin_training, train

from .conftest import SHAPE

CPU = torch.device("cpu")


@pytest.fixture
def saved(tmp_path, moving_squares, tiny, alone):
    """A run saved after 5 steps of its first epoch of 9, and its pairs."""
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    training = begin_training(build_model(SHAPE, tiny))
    for now in train(training, pairs, alone):
        if now.step == 5:
            break
    describe_run(tmp_path, Description(tiny, SHAPE, {"made": "by a test"}))
    save_training(tmp_path, training)
    return tmp_path, pairs


def state(training):
    tensors = dict(training.model.state_dict())
    for name, optimiser in training.optimisers.items():
        for nth, moments in optimiser.state_dict()["state"].items():
            tensors |= {f"{name}.{nth}.{kind}": tensor for kind, tensor in moments.items()}
    return tensors


def test_a_training_continued_from_within_an_epoch_is_the_one_never_interrupted(saved, tiny, alone):
    run, pairs = saved
    uninterrupted = begin_training(build_model(SHAPE, tiny))
    list(train(uninterrupted, pairs, alone))
    continued = load_training(run, tiny, CPU)
    assert (continued.epoch, continued.step) == (0, 5)
    list(train(continued, pairs, alone))
    expected, ours = state(uninterrupted), state(continued)
    assert expected.keys() == ours.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, ours[name]), name


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux shows what is mapped")
def test_no_file_that_was_read_stays_mapped_for_windows_would_not_let_it_be_replaced(saved, tiny):
    run, _ = saved
    training, (model, _) = load_training(run, tiny, CPU), load_model(run, CPU)
    assert str(run) not in Path("/proc/self/maps").read_text()
    assert (training.step, model.training) == (5, False)


def test_the_networks_alone_can_be_loaded(saved):
    model, epoch = load_model(saved[0], CPU)
    assert epoch == 0
    assert not model.training


def test_a_run_is_safetensors_and_json_and_nothing_else(saved):
    names = sorted(path.name for path in saved[0].iterdir())
    assert names == ["checkpoint.safetensors", "run.json"]
    assert json.loads((saved[0] / "run.json").read_text())["origin"] == {"made": "by a test"}


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"is not a run: it has no run.json"):
        read_description(tmp_path)
    with pytest.raises(RunError, match=r"there is no such folder"):
        read_description(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"kind": "nextbar run"}'])
def test_a_damaged_description_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=r"run.json is damaged"):
        read_description(tmp_path)


def test_a_description_of_another_version_is_refused(saved):
    path = saved[0] / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(RunError, match="another version"):
        read_description(saved[0])


def test_a_truncated_checkpoint_is_refused_and_left_as_it_is(saved):
    path = saved[0] / "checkpoint.safetensors"
    half = path.read_bytes()[:1000]
    path.write_bytes(half)
    with pytest.raises(RunError, match="truncated or no checkpoint"):
        load_model(saved[0], CPU)
    assert path.read_bytes() == half


def test_a_checkpoint_of_other_networks_is_refused(saved, tiny):
    run, _ = saved
    save_training(run, begin_training(build_model(SHAPE, override(tiny, latent=9))))
    with pytest.raises(RunError, match=r"does not fit run.json"):
        load_model(run, CPU)


def test_a_missing_checkpoint_says_to_train(saved):
    (saved[0] / "checkpoint.safetensors").unlink()
    with pytest.raises(RunError, match="run `nextbar train` again"):
        load_model(saved[0], CPU)


def test_history_has_a_line_an_epoch_and_drops_those_of_lost_work(tmp_path):
    figures = Figures(*range(5))  # the discriminator rests
    for epoch in (1, 2, 3, 2):
        append_history(tmp_path, epoch, figures._asdict(), 1.5)
    history = read_history(tmp_path)
    assert [line["epoch"] for line in history] == [1, 2]
    assert history[0]["generator"] == 1
    assert history[0]["seconds"] == 1.5
    assert history[0]["d_real"] is None
    assert "NaN" not in (tmp_path / "history.jsonl").read_text(), "that would not be JSON"


def test_a_pickle_in_place_of_a_checkpoint_is_not_executed(saved):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    torch.save(Bomb(), saved[0] / "checkpoint.safetensors")
    with pytest.raises(RunError, match="truncated or no checkpoint"):
        load_model(saved[0], CPU)
