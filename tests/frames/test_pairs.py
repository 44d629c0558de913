import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nextbar.errors import ConfigError, CorpusError
from nextbar.frames.pairs import PairBatches, Sequences, previous_frames


def numbered(lengths: list[int]) -> Sequences:
    """Frames of one cell that hold their own number."""
    index = np.cumsum([0, *lengths])
    frames = np.arange(index[-1], dtype=np.float32).reshape(-1, 1, 1, 1)
    return Sequences(frames, index)


def test_pairs_never_cross_two_sequences():
    index = np.array([0, 3, 4, 6])  # sequences of 3, 1 and 2 frames
    assert previous_frames(index, np.array([0, 1, 2])).tolist() == [0, 1, 4]
    assert previous_frames(index, np.array([2])).tolist() == [4]
    assert previous_frames(index, np.array([1])).tolist() == []


@given(st.lists(st.integers(0, 6), min_size=1, max_size=8), st.data())
def test_a_sequence_of_n_frames_gives_n_minus_1_pairs(lengths, data):
    index = np.cumsum([0, *lengths])
    chosen = data.draw(st.lists(st.sampled_from(range(len(lengths))), unique=True))
    pairs = previous_frames(index, np.array(chosen, np.int64))
    owner = np.repeat(np.arange(len(lengths)), lengths)
    assert all(owner[p] == owner[p + 1] for p in pairs)
    assert len(pairs) == sum(max(lengths[s] - 1, 0) for s in chosen)


def test_each_pair_of_an_epoch_is_seen_once_and_the_last_batch_is_smaller():
    pairs = PairBatches(numbered([4, 6, 5]), np.array([0, 2]), batch=3, seed=0)
    assert len(pairs) == 7
    assert pairs.n_batches == 3
    batches = list(pairs.epoch(1))
    assert [len(previous) for previous, _, _ in batches] == [3, 3, 1]
    seen = sorted(
        (int(a), int(b))
        for previous, current, _ in batches
        for a, b in zip(previous.flatten(), current.flatten(), strict=True)
    )
    assert seen == [(0, 1), (1, 2), (2, 3), (10, 11), (11, 12), (12, 13), (13, 14)]


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed: int, epoch: int) -> list[float]:
        pairs = PairBatches(numbered([40]), np.array([0]), batch=39, seed=seed)
        return next(pairs.epoch(epoch))[0].flatten().tolist()

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_an_epoch_can_begin_behind_its_first_batches():
    pairs = PairBatches(numbered([20]), np.array([0]), batch=4, seed=3)
    whole, rest = list(pairs.epoch(5)), list(pairs.epoch(5, skip=2))
    assert len(rest) == len(whole) - 2
    assert torch.equal(rest[0][0], whole[2][0])


def test_stored_values_become_floats_between_0_and_1():
    stored = np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1)
    fetched = Sequences(stored, np.array([0, 3]), full_scale=255).fetch(np.array([2, 1]))
    assert fetched.dtype == torch.float32
    torch.testing.assert_close(fetched.flatten(), torch.tensor([1.0, 0.2]))
    assert stored.max() == 255, "the stored frames must not be scaled in place"


def test_sequences_without_a_pair_are_refused():
    with pytest.raises(CorpusError, match="fewer than two frames; add longer ones"):
        PairBatches(numbered([1, 1]), np.array([0, 1]), batch=2, seed=0)


def test_a_batch_larger_than_the_data_is_refused_with_the_number_that_fits():
    with pytest.raises(ConfigError, match="batch: 64 is more than the 9 training pairs"):
        PairBatches(numbered([10]), np.array([0]), batch=64, seed=0)
