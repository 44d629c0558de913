"""The network of the classifiers, without training it for long."""

import math

import numpy as np
import pytest
import torch

from nextbar.measures import judge_network
from nextbar.measures.judge_network import BATCH, MOST_EPOCHS, PATIENCE, SEMITONES, Judge, Sides

N_ROWS = 88


def rolls_of(*notes, n=1, n_steps=16):
    """``n`` equal windows, with notes of (row, step) that sound for one step from there."""
    rolls = np.zeros((n, 2, N_ROWS, n_steps), bool)
    for row, step in notes:
        rolls[:, :, row, step] = True
    return rolls


def test_only_rows_that_sound_anywhere_are_looked_at_with_room_to_transpose():
    one, other = rolls_of((40, 0), (47, 3)), rolls_of((33, 1), n=2)
    assert judge_network._pitches_in([one, other]) == (33, 48)
    cropped = judge_network._crop(one, 33, 48)
    assert cropped.shape == (1, 2, 15 + 2 * 3, 16)
    # Row 40 is the 8th from row 33, behind three rows of room.
    assert np.argwhere(cropped[0, 0]).tolist() == [[3 + 7, 0], [3 + 14, 3]]
    assert judge_network._pitches_in([rolls_of(), rolls_of()]) == (0, 12)


def test_windows_are_seen_as_they_are_or_transposed_by_up_to_three_semitones():
    cropped = judge_network._crop(rolls_of((40, 2), (51, 3)), 40, 52)
    frames = judge_network._as_frames(cropped)
    assert frames.shape == (1, 2, 12, 16)
    assert frames.dtype == torch.float32
    assert frames[0, 0].nonzero().tolist() == [[0, 2], [11, 3]]
    higher, lower = (judge_network._as_frames(cropped, by)[0, 0] for by in (0, 2 * SEMITONES))
    assert higher.nonzero().tolist() == [[3, 2]]
    assert lower.nonzero().tolist() == [[8, 3]]


def test_every_number_comes_as_often_as_the_others_in_another_order_each_time():
    generator = torch.Generator().manual_seed(0)
    drawn = judge_network._repeated(5, 12, generator)
    assert len(drawn) == 12
    assert sorted(drawn[:5]) == sorted(drawn[5:10]) == [0, 1, 2, 3, 4]
    assert set(drawn[10:]) < {0, 1, 2, 3, 4}
    many = judge_network._repeated(30, 60, generator)
    assert many[:30].tolist() != many[30:].tolist()


def test_batches_are_half_of_each_side_and_an_epoch_is_the_larger_side_once():
    # Two batches of 32 and 32: the 64 of the second side once, the 10 of the first over and over.
    first = np.concatenate([rolls_of((5, step), n_steps=64) for step in range(10)])
    second = np.concatenate([rolls_of((5, step), n_steps=64) for step in range(64)])
    sides = Sides(*(judge_network._crop(each, 0, 11) for each in (first, second)))
    batches = list(judge_network._batches(sides, 2, torch.Generator().manual_seed(0)))
    assert len(batches) == 2
    counts, rows = np.zeros((2, 64), int), set()
    for rolls, labels in batches:
        assert rolls.shape == (BATCH, 2, 11, 64)
        assert labels.tolist() == [1] * 32 + [0] * 32  # 1 is the first kind
        assert torch.equal(rolls[:, 0], rolls[:, 1])  # what begins is transposed as what sounds
        counts[0] += rolls[:32, 0].sum((0, 1)).numpy().astype(int)
        counts[1] += rolls[32:, 0].sum((0, 1)).numpy().astype(int)
        [row] = np.flatnonzero(rolls[:, 0].any(2).any(0)).tolist()  # one transposition a batch
        rows.add(row)
    assert counts[1].tolist() == [1] * 64
    assert set(counts[0][:10].tolist()) == {6, 7}  # 64 of 10
    assert counts[0][10:].sum() == 0
    assert rows <= set(range(2, 9))
    assert len(rows) == 2


def test_the_network_hears_pitch_classes_and_rhythm_beside_the_picture():
    judge = Judge(width=2).eval()
    heard = {}
    for name in ("picture", "harmony", "rhythm"):
        getattr(judge, name).register_forward_pre_hook(
            lambda _, given, name=name: heard.__setitem__(name, given[0])
        )
    # Row 1 sounds and begins at step 0, and row 13, its octave, at step 2; row 4 with it.
    rolls = torch.from_numpy(rolls_of((1, 0), (13, 2), (4, 2))[:, :, :15].astype(np.float32))
    rolls[0, 0, 1, 1] = 1  # the first note is held for another step
    assert judge(rolls).shape == (1,)
    assert torch.equal(heard["picture"], rolls)
    harmony = heard["harmony"].reshape(1, 2, 12, 16)  # sounds, begins; 12 pitch classes
    assert harmony[0, 0].nonzero().tolist() == [[1, 0], [1, 1], [1, 2], [4, 2]]
    assert harmony[0, 1].nonzero().tolist() == [[1, 0], [1, 2], [4, 2]]
    # Whether anything sounds, whether anything begins, and how much begins.
    assert heard["rhythm"][0, :, :4].tolist() == [[1, 1, 1, 0], [1, 0, 1, 0], [1, 0, 2, 0]]


def test_scores_do_not_depend_on_what_else_is_asked():
    judge = judge_network._new_judge(torch.Generator().manual_seed(0))
    rng = np.random.default_rng(0)
    rolls = judge_network._crop(rng.random((260, 2, N_ROWS, 16)) < 0.02, 40, 60)
    scores = judge_network._ask(judge, rolls)
    assert scores.shape == (260,)
    assert scores.dtype == np.float64
    for i in (0, 249, 250, 259):
        assert judge_network._ask(judge, rolls[i : i + 1]) == pytest.approx(scores[i], abs=1e-5)


def test_the_loss_of_both_sides_counts_alike_whatever_their_numbers(monkeypatch):
    # Scores are log-odds of the first kind. First: 0 and ln 3, at odds of 1 and 3: chances of
    # 1/2 and 3/4. Second: ln 3, so a chance of 1/4 to be second.
    scores = {2: np.array([0, math.log(3)]), 1: np.array([math.log(3)])}
    monkeypatch.setattr(judge_network, "_ask", lambda _, rolls: scores[len(rolls)])
    first = -(math.log(1 / 2) + math.log(3 / 4)) / 2
    found = judge_network._balanced_loss(Judge(1), Sides(rolls_of(n=2), rolls_of()))
    assert found == pytest.approx((first - math.log(1 / 4)) / 2)


def test_the_weights_are_drawn_by_the_generator_alone():
    before = torch.get_rng_state()
    weights = [
        torch.cat([p.flatten() for p in judge_network._new_judge(generator).parameters()])
        for generator in (torch.Generator().manual_seed(seed) for seed in (1, 1, 2))
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), before)


def losses_and_states(monkeypatch, losses):
    """Trains with losses on ``stopping`` that are given; the state at each, and at the end."""
    states, asked = [], []
    given = iter(losses)

    def state(judge):
        return torch.cat([p.detach().flatten().clone() for p in judge.parameters()])

    def loss(judge, _):
        states.append(state(judge))
        return next(given)

    def ask(judge, rolls):
        asked.append((state(judge), rolls.shape[0]))
        return np.zeros(len(rolls))

    monkeypatch.setattr(judge_network, "_balanced_loss", loss)
    monkeypatch.setattr(judge_network, "_ask", ask)
    monkeypatch.setattr(judge_network, "BATCH", 4)
    sides = Sides(rolls_of((40, 1), n=3), rolls_of((42, 1), n=2))
    judge_network.train_and_ask(sides, sides, sides, seed=0)
    return states, asked


def test_the_state_that_does_best_on_the_stopping_windows_is_asked(monkeypatch):
    states, asked = losses_and_states(monkeypatch, [3, 1, 2, 1, 5, 4, 0])
    # No better than 1 after the second epoch: four more, and it stops.
    assert len(states) == 2 + PATIENCE
    assert [n for _, n in asked] == [3, 2]
    for at_the_end, _ in asked:
        assert torch.equal(at_the_end, states[1])
    assert not torch.equal(states[1], states[2])


def test_training_ends_though_it_still_gets_better(monkeypatch):
    states, asked = losses_and_states(monkeypatch, range(100, 0, -1))
    assert len(states) == MOST_EPOCHS
    assert torch.equal(asked[0][0], states[-1])
