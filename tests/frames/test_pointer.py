"""Which frame comes again as it stands: what it is told by, what it learns, and what is written."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nextbar.errors import ConfigError
from nextbar.frames import pointer as pointing
from nextbar.frames.chain import only_there
from nextbar.frames.config import SLOTS, Config, Sampling
from nextbar.frames.model import After, build_model
from nextbar.frames.pairs import PairBatches, Sequences
from nextbar.frames.pointer import (
    Pointer,
    learn_to_point,
    mean_surprise,
    pointed_at,
    said_again,
    surprise,
)
from nextbar.frames.rollout import (
    candidate_noise,
    echoes,
    latent_noise,
    next_frames,
    next_frames_by_score,
    roll_out,
    roll_out_choosing,
)

SHAPE = (1, 4, 4)
LAGS = (1, 2, 4)


@pytest.fixture
def config(columns):
    return replace(
        columns, attention_heads=0, feature_weight=0, adversarial_weight=0, repeats=LAGS, dropout=0
    )


def frame(*cells: tuple[int, int]) -> torch.Tensor:
    """A frame (1, 4, 4) in which these cells, (row, column), are there."""
    found = torch.zeros(SHAPE)
    for row, column in cells:
        found[0, row, column] = 0.5
    return found


A, B, C = frame((0, 0), (1, 1)), frame((2, 2)), frame((3, 0), (0, 3), (1, 2))
SILENT = frame()


def history(*frames: torch.Tensor) -> torch.Tensor:
    """One row of frames, the latest first, as a network is given them."""
    return torch.cat(frames)[None]


# ------------------------------------------------------------------------------- what came again


def test_a_frame_that_is_there_to_the_cell_comes_again_however_loud():
    assert said_again(history(A, B, 2 * A), A[None]).tolist() == [[True, False, True]]
    nearly = frame((0, 0), (1, 1), (3, 3))
    assert said_again(history(A, B, C), nearly[None]).tolist() == [[False] * 3]


def test_silence_is_not_said_again():
    assert said_again(history(SILENT, A), SILENT[None]).tolist() == [[False, False]]


def test_a_frame_of_another_kind_is_another_frame():
    kinds = torch.tensor([[0, 1, 0]])
    assert said_again(history(A, A), A[None], kinds).tolist() == [[True, False]]


def test_surprise_is_of_all_frames_that_it_is_or_of_a_new_one():
    odds = torch.log(torch.tensor([[0.2, 0.3, 0.1, 0.4]]))
    both = surprise(odds, torch.tensor([[True, False, True]]))
    torch.testing.assert_close(both, -torch.log(torch.tensor([0.3])))
    new = surprise(odds, torch.tensor([[False, False, False]]))
    torch.testing.assert_close(new, -torch.log(torch.tensor([0.4])))
    # Frames ahead that were not given stand between those before and a new one.
    few = surprise(odds, torch.tensor([[False, True]]))
    torch.testing.assert_close(few, -torch.log(torch.tensor([0.3])))


# ------------------------------------------------------------------------------- who is pointed at


def shares(sampling: Sampling, n: int = 20_000) -> list[float]:
    odds = torch.log(torch.tensor([[0.5, 0.2, 0.3]])).expand(n, -1)
    noise = torch.randn(n, generator=torch.Generator().manual_seed(1))
    found = pointed_at(odds, noise, sampling)
    return [float((found == nth).float().mean()) for nth in range(3)]


def test_each_frame_comes_again_as_often_as_its_probability_says():
    assert shares(Sampling()) == pytest.approx([0.5, 0.2, 0.3], abs=0.015)


def test_temperature_is_of_what_is_new_and_at_0_the_likeliest_is_taken():
    assert (
        shares(Sampling(temperature=0.5)) == shares(Sampling(temperature=1.5)) == shares(Sampling())
    )
    assert shares(Sampling(temperature=0)) == [1, 0, 0]


def test_who_does_not_follow_says_nothing_again():
    assert shares(Sampling(follow=0)) == [0, 0, 1]
    assert shares(Sampling(follow=0, temperature=0)) == [0, 0, 1]
    assert shares(Sampling(follow=0.5)) == pytest.approx([0.25, 0.1, 0.65], abs=0.015)


def test_the_odds_of_coming_again_are_multiplied_as_asked():
    assert shares(Sampling(repeat=0)) == [0, 0, 1]
    assert shares(Sampling(repeat=2)) == pytest.approx([10 / 17, 4 / 17, 3 / 17], abs=0.015)
    assert shares(Sampling(repeat=0.5, temperature=0)) == [0, 0, 1]  # 0.25, 0.1 and 0.3 now
    assert shares(Sampling(repeat=0.7, temperature=0)) == [1, 0, 0]


# ------------------------------------------------------------------------------- the network


def fresh(config: Config, seed: int = 0) -> Pointer:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return Pointer(SHAPE, config).eval()


def chances(network: Pointer, *args: torch.Tensor) -> list[float]:
    """The probability of each frame of one row, and last of a new one."""
    with torch.no_grad():
        found: list[float] = network(*args).exp()[0].tolist()
    return found


def test_what_is_not_known_is_not_pointed_at_nor_what_is_of_another_kind(config):
    found = chances(fresh(config), history(A, SILENT, B))
    assert sum(found) == pytest.approx(1)
    assert [each > 0 for each in found] == [True, False, True, True]
    of_kinds = chances(fresh(config), history(A, SILENT, B), torch.tensor([[0, 0, 1, 0]]))
    assert [each > 0 for each in of_kinds] == [True, False, False, True]
    assert chances(fresh(config), history(SILENT, SILENT, SILENT)) == [0, 0, 0, 1]


def test_frames_ahead_that_are_not_known_may_be_left_out(config):
    reading = fresh(replace(config, ahead=(1, 2)))
    left_out = reading(history(A, B, C))
    torch.testing.assert_close(left_out, reading(history(A, B, C, SILENT, SILENT)))
    assert not torch.allclose(left_out, reading(history(A, B, C, A, SILENT)))


def test_a_frame_is_the_same_to_it_beside_wider_ones(config):
    def beside(width: int) -> torch.Tensor:
        wide = torch.zeros(1, 3, 4, width)
        wide[:, :, :, :4] = history(A, B, C)
        return fresh(config)(wide)

    torch.testing.assert_close(beside(4), beside(9))


def test_it_is_told_how_alike_two_frames_are_and_whether_they_are_one(config):
    told = []
    network = fresh(config)
    network.verdict[0].register_forward_pre_hook(lambda _, inputs: told.append(inputs[0][0]))
    network(history(A, A, frame((0, 0), (3, 3))))
    known, alike, is_one = told[0][3 * pointing.READ :].split(3)
    assert known.tolist() == [1, 1, 1]
    torch.testing.assert_close(alike, torch.tensor([1, 1 / 3, 1 / 3]))  # one cell of three in both
    assert is_one.tolist() == [1, 0, 0]


def test_it_sees_which_frames_are_alike(config):
    network = fresh(config)
    with torch.no_grad():  # what each frame is says nothing
        n_seen = 3 * (pointing.READ + 1)
        network.verdict[0].weight[:, :n_seen] = 0
    one, same = network(history(A, B, A)), network(history(C, B, C))
    torch.testing.assert_close(one, same)
    assert not torch.allclose(one, network(history(A, A, B)))


# ------------------------------------------------------------------------------- what it learns


def rounds(n: int, period: int = 2, n_frames: int = 12) -> Sequences:
    """Sequences that go round in a few frames of their own."""
    rng = np.random.default_rng(3)
    frames = np.zeros((n, n_frames, *SHAPE), np.uint8)
    for each in frames:
        own = rng.random((period, *SHAPE)) < 0.3
        own[:, 0, 0, 0] = True
        each[:] = own[np.arange(n_frames) % period]
    flat = frames.reshape(-1, *SHAPE)
    return Sequences(flat, np.arange(0, len(flat) + 1, n_frames), full_scale=1)


def pairs_of(sequences: Sequences, config: Config, forget: float = 0.0) -> PairBatches:
    n = len(sequences.index) - 1
    return PairBatches(sequences, np.arange(n), 16, 0, config.history, forget, config.ahead)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(pointing, "UPDATES", 60)


@pytest.mark.usefixtures("quick")
def test_it_learns_that_what_went_round_goes_round(config):
    network = fresh(config)
    losses = list(learn_to_point(network, pairs_of(rounds(30), config), config))
    assert len(losses) == 60
    assert network.n_updates == 60
    assert np.argmax(chances(network, history(A, B, B))) == 1
    others = replace(pairs_of(rounds(30), config), history=config.repeats)
    assert mean_surprise(network, others) < 0.4  # of the first frames nothing can be known
    again = fresh(config)
    assert losses == list(learn_to_point(again, pairs_of(rounds(30), config), config))


def test_it_is_taught_the_frames_that_it_points_at_whatever_the_encoder_reads(config, monkeypatch):
    monkeypatch.setattr(pointing, "UPDATES", 5)
    seen = []
    monkeypatch.setattr(
        pointing, "_asked", lambda network, pairs: seen.append(pairs) or network.read.bias
    )
    list(learn_to_point(fresh(config), pairs_of(rounds(8, 5), config), config))
    assert seen[0].previous.shape[1] == len(LAGS) != len(config.history)


def test_the_state_that_did_best_on_held_back_sequences_is_kept(config, monkeypatch):
    monkeypatch.setattr(pointing, "UPDATES", 10)
    monkeypatch.setattr(pointing, "ROUNDS", 5)
    states, costs = [], iter([3.0, 1.0, 2.0, 1.5, 4.0])

    def asked(network, _pairs):
        states.append({n: t.clone() for n, t in network.state_dict().items()})
        return next(costs)

    monkeypatch.setattr(pointing, "mean_surprise", asked)
    network = fresh(config)
    list(learn_to_point(network, pairs_of(rounds(14), config), config))
    for name, tensor in network.state_dict().items():
        if name != "n_updates":
            assert torch.equal(tensor, states[1][name])
    assert len(states) == 5


@pytest.mark.usefixtures("quick")
def test_of_sequences_too_few_to_say_when_to_stop_the_last_state_is_kept(config):
    network = fresh(config)
    list(learn_to_point(network, pairs_of(rounds(3), config), config))
    assert network.n_updates == 60
    assert np.argmax(chances(network, history(A, B, B))) == 1


# ------------------------------------------------------------------------------- what is written


def pointing_model(config: Config, nth: int, shape=SHAPE, widths=()):
    """A model that says the ``nth`` of ``repeats`` again wherever that is there."""
    model = build_model(shape, config, widths).eval()
    with torch.no_grad():
        last = model.generator.layers[-1].product
        last.bias.zero_()
        last.weight.mul_(30)
        model.pointer.verdict[-1].weight.zero_()
        model.pointer.verdict[-1].bias.fill_(-50)
        model.pointer.verdict[-1].bias[nth] = 50
    model.pointer.n_updates.fill_(1)
    return model


def test_a_frame_that_comes_again_stands_as_it_stood(config):
    model = pointing_model(config, 1)
    first = torch.stack([A, B])[None].expand(2, -1, -1, -1, -1)
    written = roll_out(model, first, n_frames=4, seeds=[1, 2])
    for row in written:
        assert all(torch.equal(got, due) for got, due in zip(row, (A, B, A, B), strict=True))


def test_before_there_is_one_to_say_again_frames_are_drawn(config):
    model = pointing_model(config, 2)  # the fourth one back
    plain = pointing_model(config, 2)
    plain.pointer.n_updates.zero_()
    written, drawn = (roll_out(m, None, n_frames=9, seeds=[3]) for m in (model, plain))
    assert torch.equal(written[:, :4], drawn[:, :4])
    assert torch.equal(written[:, 4:8], written[:, :4])
    assert torch.equal(written[:, 8], written[:, 0])
    assert not torch.equal(drawn[:, 4:], written[:, 4:])


def test_one_that_has_not_learned_says_nothing_again(config):
    model = build_model(SHAPE, config)
    assert model.pointer.n_updates == 0
    other = build_model(SHAPE, replace(config, repeats=()))
    assert other.pointer is None
    assert model.noise_size == other.noise_size + 1


def test_each_of_the_candidates_points_by_itself_and_phrases_may_choose_among_them(config):
    model = pointing_model(config, 0)
    with torch.no_grad():
        model.pointer.verdict[-1].bias[[0, -1]] = 0  # the last frame again, or a new one
    first = torch.stack([C])[None]
    own = latent_noise([5], 1, model.noise_size)[0]
    noise, luck = candidate_noise((5,), own)
    frames, latents = next_frames_by_score(
        model, first, noise[:, 0], luck[0], Sampling(), perceive=lambda drawn: drawn
    )
    again = [torch.equal(each, C) for each in frames]
    due = [float(torch.special.ndtr(each)) <= 0.5 for each in noise[:, 0, -1]]
    assert sum(again) == sum(due)
    assert 0 < sum(due) < SLOTS
    read = model.posterior(C[None]).mean
    for is_again, latent in zip(again, latents, strict=True):
        assert torch.allclose(latent, read[0]) == is_again


def test_a_drawn_frame_that_is_one_before_is_taken_only_where_all_are(config):
    model = pointing_model(config, 0)
    with torch.no_grad():
        model.pointer.verdict[-1].bias.fill_(-50)
        model.pointer.verdict[-1].bias[-1] = 50  # nothing is to come again
    drawn = torch.stack([A, B, 2 * C, SILENT])
    comes = torch.tensor([False, True, False, False])
    around = torch.stack([C, A, B])[None], None, None
    assert echoes(model, drawn, comes, *around).tolist() == [True, False, False, False], "4 back"
    assert echoes(model, drawn, ~comes, *around).tolist() == [False, True, False, False]
    model.pointer.n_updates.zero_()
    assert not echoes(model, drawn, comes, *around).any()
    model.pointer.n_updates.fill_(1)
    own = latent_noise([5], 1, model.noise_size)[0]
    noise, luck = candidate_noise((5,), own)
    args = (noise[:, 0], luck[0], Sampling())

    def best(before):
        same = {"perceive": lambda frames: (frames > 0.5).float()}
        frames, _ = next_frames_by_score(model, before, *args, **same)
        return (frames > 0.5).float()

    first = best(torch.stack([SILENT])[None])
    again = best(first[:1][None])  # what would be drawn first is there already
    assert any(torch.equal(each, first[0]) for each in again)
    assert not torch.equal(again[0], first[0])


def test_a_frame_by_itself_is_that_of_the_rollout(config):
    model = pointing_model(config, 1)
    with torch.no_grad():
        model.pointer.verdict[-1].bias[[0, 1, -1]] = 0
    first = torch.stack([A, B])[None].expand(6, -1, -1, -1, -1)
    seeds = list(range(6))
    whole = roll_out(model, first, n_frames=3, seeds=seeds)
    noise = latent_noise(seeds, 3, model.noise_size)
    before = torch.cat([first, whole[:, :2]], dim=1)
    frames, latents = next_frames(model, before, noise[:, 2])
    assert torch.equal(frames, whole[:, 2])
    assert latents.shape == (6, model.latent_size)


def test_where_rows_are_asked_for_no_frame_with_others_comes_again(config):
    model = pointing_model(config, 0)
    rows = torch.tensor([[True, True, False, False]])
    low, high = A, B  # in the rows 0 and 1, and in row 2
    how = {"seed": 1, "n_frames": 1, "rows": rows}
    assert torch.equal(roll_out_choosing(model, low[None, None], **how)[0, 0], low)
    kept = roll_out_choosing(model, high[None, None], **how)[0, 0]
    assert not torch.equal(kept, high)
    assert not kept[:, 2:].any()


def test_frames_ahead_come_again_too(config):
    model = pointing_model(replace(config, ahead=(1,)), 3)
    after = After(C[None, None])
    first = torch.stack([A, B])[None]
    written = roll_out(model, first, n_frames=2, seeds=[1], after=after)
    assert not torch.equal(written[0, 0], C), "it is two frames ahead, which is not read"
    assert torch.equal(written[0, 1], C)


def test_frames_of_another_kind_do_not_come_again(config):
    model = pointing_model(config, 0, widths=(4, 2))
    narrow = frame((1, 0))
    same = torch.tensor([[1, 1]])
    other = torch.tensor([[1, 0]])
    (again,) = roll_out(model, narrow[None, None], n_frames=1, seeds=[1], kinds=same)
    assert torch.equal(again[0], narrow)
    (drawn,) = roll_out(model, narrow[None, None], n_frames=1, seeds=[1], kinds=other)
    assert not torch.equal(drawn[0], narrow)
    _, latent = next_frames(
        model, narrow[None, None], latent_noise([1], 1, model.noise_size)[:, 0], kinds=same
    )
    there = torch.tensor([[True, True, False, False]])
    torch.testing.assert_close(
        latent, only_there(model.posterior(narrow[None], there).mean, there), rtol=0, atol=1e-6
    )


def test_it_looks_as_far_back_as_it_points(config):
    assert build_model(SHAPE, config).memory == 4
    assert build_model(SHAPE, replace(config, repeats=(1,))).memory == 2


def test_other_weights_begin_as_they_did_without_it(config):
    one, other = (
        build_model(SHAPE, replace(config, repeats=lags)).state_dict() for lags in ((), LAGS)
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_plane_says_nothing_again():
    with pytest.raises(ConfigError, match="repeats: it says something of the layout columns"):
        Config(repeats=(1,))


def test_a_frame_is_named_once(config):
    with pytest.raises(ConfigError, match=r"repeats: \[1, 1\] names a frame twice"):
        replace(config, repeats=(1, 1))
