"""Frames that are read ahead: what comes after is there already, and the next frame fits it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nextbar.errors import ConfigError
from nextbar.frames.config import Config
from nextbar.frames.model import After, build_model
from nextbar.frames.pairs import NONE_MISSING, SHOWN_AHEAD, PairBatches, Sequences
from nextbar.frames.replicas import launch
from nextbar.frames.rollout import next_frames, roll_out
from nextbar.frames.training import begin_training, train

SHAPE = (1, 4, 2)


def numbered(lengths: list[int]) -> Sequences:
    """Frames of one cell that hold their own number, from 1, as 0 stands for no frame."""
    index = np.cumsum([0, *lengths])
    return Sequences(np.arange(1, index[-1] + 1, dtype=np.float32).reshape(-1, 1, 1, 1), index)


def seen(pairs: PairBatches, epoch: int = 1) -> list[list[int]]:
    """The numbers of each pair's frames: its history, those ahead, the current one."""
    return [
        [*map(int, previous.flatten()), int(current)]
        for batch in pairs.epoch(epoch)
        for previous, current in zip(batch.previous, batch.current, strict=True)
    ]


def test_frames_ahead_are_those_that_follow_in_the_sequence_or_nothing():
    pairs = PairBatches(numbered([4, 30]), np.array([0, 1]), batch=32, seed=0, ahead=(1, 3))
    for epoch in range(1, 40):
        for last, one, three, current in seen(pairs, epoch):
            end = 4 if current <= 4 else 34
            assert last == current - 1
            assert one in ((0, current + 1) if current + 1 <= end else (0,))
            assert three in ((0, current + 3) if current + 3 <= end else (0,))


def test_where_frames_ahead_are_shown_the_first_may_be_missing_but_none_behind_it():
    pairs = PairBatches(numbered([2003]), np.array([0]), batch=1000, seed=1, ahead=(1, 2, 3))
    shown = [tuple(n > 0 for n in row[1:4]) for row in seen(pairs) if row[-1] <= 2000]
    share = {which: shown.count(which) / len(shown) for which in set(shown)}
    assert set(share) == {(True,) * 3, (False, True, True), (False, False, True), (False,) * 3}
    assert share[(True,) * 3] == pytest.approx(SHOWN_AHEAD * NONE_MISSING, abs=0.04)
    # Else one, two or all three are missing, equally often: a third each of the rest.
    for which in [(False, True, True), (False, False, True)]:
        assert share[which] == pytest.approx(SHOWN_AHEAD * (1 - NONE_MISSING) / 3, abs=0.03)


def test_reading_ahead_leaves_history_and_order_as_they_were():
    one = PairBatches(numbered([50]), np.array([0]), batch=10, seed=4, history=(1, 2), forget=0.5)
    other = replace(one, ahead=(1,))
    assert [row[:2] + row[3:] for row in seen(other)] == seen(one)


def test_several_frames_are_filled_in_one_after_the_other_each_told_how_far_the_others_are(
    columns, monkeypatch
):
    model = build_model(SHAPE, replace(columns, history=(1, 2), ahead=(1, 3))).eval()
    told = []
    read = type(model).read

    def listen(self, history, kinds=None):
        told.append((history[0].amax(dim=(1, 2)) * 100).round().int().tolist())
        return read(self, history, kinds)

    monkeypatch.setattr(type(model), "read", listen)
    first = torch.full((1, 1, *SHAPE), 0.5)
    after = After(torch.stack([torch.full(SHAPE, 0.1), torch.full(SHAPE, 0.2)])[None])
    written = iter([0.6, 0.7, 0.8])
    roll_out(
        model,
        first,
        n_frames=3,
        seeds=[0],
        perceive=lambda frames: torch.full_like(frames, next(written)),
        after=after,
    )
    # history 1 and 2 back, then 1 and 3 ahead: three frames, behind which 0.1 and 0.2 stand.
    assert told == [[50, 0, 0, 10], [60, 50, 0, 20], [70, 60, 10, 0]]


def test_where_nothing_is_known_ahead_it_is_as_if_the_frames_had_been_empty(columns):
    model = build_model(SHAPE, replace(columns, ahead=(1, 2))).eval()
    history = torch.rand(3, 2, 4, 2, generator=torch.Generator().manual_seed(0))
    empty = torch.cat([history, torch.zeros(3, 2, 4, 2)], dim=1)
    with torch.no_grad():
        one, other = model.read(history), model.read(empty)
    torch.testing.assert_close(one.contexts, other.contexts)
    noise = torch.randn(3, model.noise_size, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(one.draw(noise), other.draw(noise))


def test_frames_that_are_not_known_are_passed_over_in_training_and_nothing_changes(columns):
    model = build_model(SHAPE, replace(columns, dropout=0.0, ahead=(1,)))
    history = torch.rand(4, 3, 4, 2, generator=torch.Generator().manual_seed(0))
    history[0, 1:] = 0
    history[2] = 0
    with torch.no_grad():
        training, writing = model.train().read(history), model.eval().read(history)
    torch.testing.assert_close(training.contexts, writing.contexts)


@pytest.mark.trains
@pytest.mark.parametrize("kinds", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_frame_between_two_fits_the_one_behind_it(columns, monkeypatch, kinds):
    """Three frames: one that says nothing, then the same row twice, a row of four."""
    monkeypatch.setattr("nextbar.frames.pairs.SHOWN_AHEAD", 1.0)  # half, for half are too far
    rows = np.random.default_rng(0).integers(4, size=250)
    frames = np.zeros((250, 3, *SHAPE), np.float32)
    frames[:, 0] = 1
    for nth in (1, 2):
        frames[np.arange(250), nth, 0, rows] = 1
    sequences = Sequences(frames.reshape(-1, *SHAPE), np.arange(0, 751, 3))
    widths = (2, 2) if kinds else ()
    if kinds:
        sequences = replace(sequences, kinds=np.zeros(750, np.uint8), widths=widths)
    config = replace(
        columns,
        ahead=(1,),
        feature_weight=0,
        adversarial_weight=0,
        batch=50,
        epochs=35,
        learning_rate=0.01,
    )
    pairs = PairBatches(sequences, np.arange(250), 50, 0, ahead=(1,), history=config.history)
    training = begin_training(build_model(SHAPE, config, widths))
    list(train(training, pairs, launch(device="cpu", precision="float32")))
    behind = torch.from_numpy(frames[:100, 2:])
    of = torch.zeros(100, 2, dtype=torch.int64) if kinds else None
    after = After(behind, kinds=None if of is None else of[:, :1])
    noise = torch.randn(100, training.model.noise_size, generator=torch.Generator().manual_seed(0))
    first = torch.ones(100, 1, *SHAPE)

    def share_right(after):
        made, _ = next_frames(training.writer, first, noise, kinds=of, after=after)
        return float((made.amax(dim=(1, 3)).argmax(dim=1).numpy() == rows[:100]).mean())

    assert share_right(after) > 0.6
    assert share_right(None) < 0.4  # of four rows a quarter is right by chance


def test_a_plane_reads_nothing_ahead_and_is_told_so():
    with pytest.raises(ConfigError, match="ahead: it says something of the layout columns only"):
        Config(ahead=(1,))
