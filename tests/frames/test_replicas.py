import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nextbar.errors import UsageError
from nextbar.frames.config import Config
from nextbar.frames.pairs import PairBatches
from nextbar.frames.replicas import Joint, Replicas, few_threads, launch

from . import together

ROOT = Path(__file__).parents[2]


class TwoProcesses:
    """What Replicas asks of Fabric, as the second of two processes sees it."""

    device, global_rank, world_size = torch.device("cpu"), 1, 2

    def __init__(self, others):
        self._others = iter(others)

    def all_reduce(self, tensor, reduce_op):
        assert reduce_op == "sum"
        return tensor + next(self._others)


def test_the_shares_of_several_processes_are_the_batch_and_no_pair_comes_twice(moving_squares):
    pairs = PairBatches(moving_squares, np.arange(20), 16, 0)
    joint = list(pairs.epoch(1))
    shares = [list(pairs.epoch(1, rank=rank, world=3)) for rank in range(3)]
    for number, (previous, _, _) in enumerate(joint):
        together = torch.cat([share[number][0] for share in shares])
        assert sorted(together.flatten(1).tolist()) == sorted(previous.flatten(1).tolist())
        assert pairs.batch_size(number) == len(previous)


def test_a_process_without_a_share_takes_a_pair_that_counts_nothing(moving_squares):
    # 140 pairs in batches of 139: the last batch is one pair, the second process has none of it.
    pairs = PairBatches(moving_squares, np.arange(20), 139, 0)
    *_, (previous, _, _) = pairs.epoch(1, rank=1, world=2)
    assert len(previous) == 1
    second = Replicas(TwoProcesses([torch.tensor([5.0])]))
    (average,) = second.joint(1).average([torch.tensor([100.0])])
    assert average == 5  # 0 * 100 + what the first process brings


def test_gradients_are_weighed_by_each_process_s_part_of_the_joint_batch():
    # Of 5 pairs the second process has 2: its 10 counts 2/5; the first brings 3/5 * 20 = 12.
    second = Replicas(TwoProcesses([torch.tensor([12.0, 0.0, 0.0])]))
    one, two = second.joint(5).average([torch.tensor([10.0]), torch.tensor([[0.0, 5.0]])])
    assert one.tolist() == [16]
    assert two.tolist() == [[0, 2]]


def test_noise_is_shared_as_the_pairs_are():
    noises = torch.arange(10.0).view(2, 5, 1)
    second = Replicas(TwoProcesses([]))
    assert second.share(noises, dim=1).flatten().tolist() == [1, 3, 6, 8]
    assert second.share(noises[:, :1], dim=1).flatten().tolist() == [0, 5]


def test_alone_nothing_is_copied_or_changed(alone):
    gradients = [torch.ones(2)]
    assert alone.joint(16).average(gradients)[0] is gradients[0]
    assert alone.is_first
    assert not alone.any(False)
    assert isinstance(alone.joint(16), Joint)


def test_networks_in_columns_compute_in_one_thread_unless_told_otherwise(monkeypatch, columns):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    with few_threads(columns):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with few_threads(Config()):
        assert torch.get_num_threads() == before
    monkeypatch.setenv("OMP_NUM_THREADS", str(before))
    with few_threads(columns):
        assert torch.get_num_threads() == before


def test_a_device_or_a_precision_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="device 'toaster' cannot be used here"):
        launch(device="toaster")
    with pytest.raises(UsageError, match="precision: 'float8' is none of float32, bfloat16"):
        launch(device="cpu", precision="float8")


def test_a_count_that_disagrees_with_torchrun_is_refused(monkeypatch):
    for name, value in (("RUN_ID", "x"),):
        monkeypatch.setenv(f"TORCHELASTIC_{name}", value)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UsageError, match="devices: 3 asked for, but 2 processes were started"):
        launch(device="cpu", devices=3)


def trained_by(n_processes, out, batch):
    if n_processes == 1:
        together.main(out, batch)
    else:
        launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={n_processes}"]
        words = [*launcher, "-m", together.__name__, str(out), str(batch)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=ROOT, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return [load_file(path) for path in sorted(out.glob(f"*-of-{n_processes}.safetensors"))]


@pytest.mark.trains
def test_two_processes_train_what_one_does_on_the_joint_batch(tmp_path):
    """Without batch normalisation. Of 35 pairs the last batch of 17 is one: a process is idle."""
    first, second = trained_by(2, tmp_path, batch=17)
    (alone,) = trained_by(1, tmp_path, batch=17)
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), f"{name}: the replicas have come apart"
        torch.testing.assert_close(weight, alone[name], rtol=1e-3, atol=2e-5, equal_nan=True)
