"""Runs that survive, and what one sees of them."""

import json
import os
import signal
import struct
import subprocess
import sys
import time

import pytest
from tensorboardX.proto.event_pb2 import Event

import nextbar
from nextbar.cli import main
from nextbar.errors import RunError, TrainingError
from nextbar.frames.config import override
from nextbar.frames.diagnosis import diagnose
from nextbar.frames.record import read_history
from nextbar.frames.training import Figures
from nextbar.training.presets import PRESETS
from nextbar.training.run import fitted

from ..fixtures import QUICK

HEALTHY = Figures(
    encoder=5, generator=2, kl=4, reconstruction=30, loudest=0.7, feature=1, discriminator=1.5,
    d_real=0.6, d_predicted=0.3, d_sampled=0.2,
)  # fmt: skip


def train_command(corpus, run, epochs):
    fields = [
        word
        for name, value in {**QUICK, "epochs": epochs}.items()
        if not isinstance(value, bool)
        for word in (
            f"--{name.replace('_', '-')}",
            *(map(str, value) if isinstance(value, list) else [str(value)]),
        )
    ]
    return [
        sys.executable, "-m", "nextbar", "train", str(corpus), "--out", str(run),
        "--sample-epochs", "1000", *fields,
    ]  # fmt: skip


ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def wait_for(path, process, seconds=60):
    until = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, "training ended before there was a checkpoint"
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_run_killed_at_any_moment_goes_on_to_the_very_bits_of_one_never_killed(trained, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = subprocess.Popen(train_command(trained / "corpus", killed, 2000), env=ONE_THREAD)
    wait_for(killed / "checkpoint.safetensors", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done_before = nextbar.inspect(killed)["epoch"]
    assert 1 <= done_before < 2000
    for run in (killed, whole):
        assert main(train_command(trained / "corpus", run, done_before + 3)[3:]) == 0
    for name in ("checkpoint.safetensors", "run.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    for run in (killed, whole):
        assert [line["epoch"] for line in read_history(run)] == [*range(1, done_before + 4)]


@pytest.mark.slow
def test_a_killed_process_ends_all_that_train_with_it_and_the_run_goes_on(trained, tmp_path):
    words = train_command(trained / "corpus", tmp_path / "run", 2000)
    together = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
        *words[1:],
    ]  # fmt: skip
    process = subprocess.Popen(together, env=ONE_THREAD, stderr=subprocess.DEVNULL)
    wait_for(tmp_path / "run" / "checkpoint.safetensors", process)
    children = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    os.kill(int(children[-1]), signal.SIGKILL)
    assert process.wait(timeout=60) != 0
    epoch = nextbar.inspect(tmp_path / "run")["epoch"]
    further = [word if word != "2000" else str(epoch + 2) for word in together]
    done = subprocess.run(further, env=ONE_THREAD, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained ") == 1, "only one process speaks"
    assert nextbar.inspect(tmp_path / "run")["epoch"] == epoch + 2


def test_the_command_line_trains_in_two_processes_it_starts_itself(trained, tmp_path):
    words = [*train_command(trained / "corpus", tmp_path / "run", 1), "--devices", "2"]
    done = subprocess.run(words, env=ONE_THREAD, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained 1 epochs") == 1
    assert nextbar.inspect(tmp_path / "run")["epoch"] == 1


def events(run):
    """Every scalar of a run's event files: a record is length, crc, data, crc."""
    found = []
    for path in sorted((run / "events").iterdir()):
        data = path.read_bytes()
        at = 0
        while at < len(data):
            (length,) = struct.unpack("<Q", data[at : at + 8])
            event = Event.FromString(data[at + 12 : at + 12 + length])
            found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            at += 12 + length + 4
    return found


def test_a_small_corpus_is_seen_often_enough_and_its_batch_fits(trained):
    corpus = nextbar.prepare(trained / "tunes", trained / "fitted", page=False)
    # 12 tunes of 6 bars, two of them held out: 10 * 5 = 50 pairs, under a batch of 64
    preset, paper = PRESETS["default"], PRESETS["paper"]
    small = preset.config
    assert fitted(preset, small, corpus, ()).batch == 50
    assert fitted(preset, small, corpus, ()).epochs == 3000
    eight = fitted(preset, override(small, batch=20), corpus, ["batch"])
    assert (eight.batch, eight.epochs) == (20, 1000), "3 batches an epoch, 3,000 updates"
    twice = fitted(preset, override(small, batch=20, generator_updates=2), corpus, ["batch"])
    assert twice.epochs == 500, "two updates a batch"
    assert fitted(preset, override(small, epochs=7), corpus, ["epochs", "batch"]).epochs == 7
    assert fitted(paper, paper.config, corpus, ["batch"]) == paper.config


def test_a_run_says_how_to_write_with_it_and_what_it_was_computed_in(trained, tmp_path):
    origin = nextbar.inspect(trained / "run")["origin"]
    papers = {"temperature": 1.0, "follow": 1.0, "choose": 0.0, "repeat": 1.0}
    assert origin["sampling"] == papers
    assert origin["precision"] == "float32"
    shorter = {name: value for name, value in QUICK.items() if name != "precision"}
    run = tmp_path / "run"
    nextbar.train(trained / "corpus", run, precision="bfloat16", **{**shorter, "epochs": 1})
    with pytest.raises(RunError, match="begun with precision bfloat16, not float32; leave it out"):
        nextbar.train(trained / "corpus", run, precision="float32", epochs=2)
    nextbar.train(trained / "corpus", run, epochs=2)
    assert nextbar.inspect(run)["origin"]["precision"] == "bfloat16", "what it was begun with"


def test_a_run_says_how_many_bars_of_each_metre_its_corpus_has_where_that_is_known(
    trained, tmp_path
):
    of = nextbar.inspect(trained / "run")["origin"]["corpus"]
    assert of["bars_in"] == {"4/4": 72}  # 12 tunes of 6 bars
    corpus = nextbar.prepare(trained / "tunes", tmp_path / "corpus", grid="seconds", page=False)
    run = nextbar.train(corpus, tmp_path / "run", **QUICK)
    assert nextbar.inspect(run.path)["origin"]["corpus"]["bars_in"] == {}  # a second has no metre


def test_tensorboard_shows_the_figures_of_the_history(trained):
    scalars = {(tag, step): value for tag, step, value in events(trained / "run")}
    history = read_history(trained / "run")
    assert [line["epoch"] for line in history] == [1, 2]
    for line in history:
        for name in ("kl", "encoder", "d_real", "loudest"):
            assert scalars[name, line["epoch"]] == pytest.approx(line[name], rel=1e-5)


def test_what_the_model_writes_is_drawn_and_the_losses_at_the_end(trained, tmp_path):
    run = tmp_path / "run"
    nextbar.train(trained / "corpus", run, **{**QUICK, "epochs": 3, "sample_epochs": 2})
    drawn = sorted(path.name for path in (run / "samples").iterdir())
    assert drawn == ["epoch-0002.png", "epoch-0003.png"], "each second epoch, and the last"
    assert (run / "losses.png").read_bytes().startswith(b"\x89PNG")


def test_drawing_samples_leaves_the_training_as_it_was(trained, tmp_path):
    for name, every in (("often", 1), ("never", 1000)):
        fields = {**QUICK, "epochs": 2, "sample_epochs": every, "batch_norm": True}
        nextbar.train(trained / "corpus", tmp_path / name, **fields)
    a, b = (
        (tmp_path / name / "checkpoint.safetensors").read_bytes() for name in ("often", "never")
    )
    assert a == b


def test_divergence_names_the_step_and_the_last_good_checkpoint(trained, tmp_path):
    fields = {**QUICK, "epochs": 1}
    nextbar.train(trained / "corpus", tmp_path / "run", **fields)
    description = json.loads((tmp_path / "run" / "run.json").read_text())
    description["config"] |= {"learning_rate": 1.0, "epochs": 500, "feature_weight": 1e6}
    (tmp_path / "run" / "run.json").write_text(json.dumps(description))
    with pytest.raises(TrainingError) as error:
        nextbar.train(trained / "corpus", tmp_path / "run")
    assert "training diverged in epoch" in str(error.value)
    assert "is no longer a finite number" in str(error.value)
    assert f"{tmp_path / 'run' / 'checkpoint.safetensors'}, is of epoch" in str(error.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, None),
        ({"kl": 0.09}, "the latent says nothing of the frame before"),
        ({"d_real": 0.34, "d_predicted": 0.33, "d_sampled": 0.33}, "collapsed to its prior"),
        ({"d_real": 0.34, "d_predicted": 0.33, "d_sampled": 0.2}, None),
        ({"d_real": float("nan")}, None),
        ({"loudest": 0.01}, "G is silent"),
    ],
)
def test_training_that_has_gone_wrong_is_said(change, sentence):
    found = diagnose(HEALTHY._replace(**change))
    assert len(found) == (sentence is not None)
    assert all(sentence in each for each in found)
