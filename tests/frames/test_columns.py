"""What goes beyond the paper: columns, a latent in parts, history, mostly empty frames."""

import numpy as np
import pytest
import torch

from nextbar.frames import checkpoint, record
from nextbar.frames.chain import Chain
from nextbar.frames.chain_encoder import Remember
from nextbar.frames.config import Sampling, override
from nextbar.frames.contracts import Drawn
from nextbar.frames.model import build_model, latent_size
from nextbar.frames.pairs import PairBatches
from nextbar.frames.record import Description
from nextbar.frames.replicas import Replicas
from nextbar.frames.rollout import latent_noise, next_latent, roll_out
from nextbar.frames.training import _dropout_decided, annealing, begin_training, calm, train

from .conftest import SHAPE, squares
from .test_replicas import TwoProcesses


def pairs_of(config, sequences):
    return PairBatches(
        sequences, np.arange(20), config.batch, config.seed, config.history, config.forget
    )


@pytest.mark.parametrize("shape", [(1, 88, 16), (2, 88, 12), (3, 17, 29), (1, 16, 24)])
def test_frames_of_any_size_come_back_in_their_size(columns, shape):
    model = build_model(shape, columns)
    assert latent_size(shape, columns) == 2 * shape[2]  # a part of 2 for each column
    frames = roll_out(model, torch.zeros(3, 1, *shape), n_frames=2, seeds=[0, 1, 2])
    assert frames.shape == (3, 2, *shape)
    assert frames.min() >= 0
    assert frames.max() <= 1


def test_each_part_is_drawn_given_the_parts_before_it(columns):
    model = build_model(SHAPE, override(columns, latent_mixture=1)).eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():  # each part looks for its like at other distances
        model.encoder.remember.scores.normal_(0, 3, generator=rng)
    reading = model.encoder(torch.rand(3, 2, 16, 16, generator=rng))
    assert isinstance(reading, Chain)
    noise = torch.randn(3, model.noise_size, generator=rng)
    latent = reading.draw(noise)
    _, means, log_variances, _ = reading.given(latent)
    # of one normal a part is its mean and its noise; 16 parts of 2
    moved = (latent.view(3, 16, 2) - means[:, :, 0]) / (log_variances[:, :, 0] / 2).exp()
    torch.testing.assert_close(moved.flatten(1), noise[:, :32])
    other = latent.clone()
    other[:, 6:8] += 1  # the fourth part
    depends = (reading.given(other).means != means).flatten(2).any(dim=2)  # (3, parts)
    assert not depends[:, :4].any(), "what came before does not depend on it"
    assert depends[:, 4:].all(), "what comes after does"


@pytest.mark.parametrize(("bias", "bound"), [(1000.0, 10.0), (-1000.0, -10.0)])
def test_a_first_guess_of_a_variance_does_not_overflow(columns, bias, bound):
    encoder = build_model(SHAPE, columns).encoder.eval()
    with torch.no_grad():
        encoder.parts.output[-1].bias.fill_(bias)
        mixture = encoder(torch.zeros(1, 2, 16, 16)).given(torch.zeros(1, 32))
    assert mixture.log_variances.unique().tolist() == [bound]  # exp(1000) is infinite
    assert mixture.means.abs().min() > 900


def test_parts_look_for_their_like_in_the_history_itself(columns):
    encoder = build_model(SHAPE, columns).encoder.eval()
    reading, other = encoder(torch.rand(1, 2, 16, 16)), encoder(torch.rand(1, 2, 16, 16))
    latent = torch.rand(1, 32)
    # all that was laid together stays, what is looked at one by one is another history's
    moved = reading._replace(step=other.step)
    assert (reading.given(latent).means != moved.given(latent).means).any(dim=3).any(dim=2).all()
    without = build_model(SHAPE, override(columns, attention_heads=0)).encoder.eval()
    reading, other = without(torch.rand(1, 2, 16, 16)), without(torch.rand(1, 2, 16, 16))
    moved = reading._replace(step=other.step)
    assert torch.equal(reading.given(latent).means, moved.given(latent).means)


def test_how_far_back_a_column_lies_is_counted_from_the_part_across_frames(columns):
    remember = Remember(8, 8, 2, override(columns, history=(1, 3)))
    with torch.no_grad():
        remember.scores.copy_(torch.arange(8.0).repeat(2, 1))
    scores = remember(torch.rand(1, 2, 2, 8), torch.tensor([[[True, True], [False, False]]])).scores
    # two columns a frame: from the part of the first column the last frame's lie 2 and 1 back,
    # those three frames back 6 and 5, if there were any; what says nothing is at no distance
    expected = torch.tensor([[0.0, 2, 1, 6 - 1e4, 5 - 1e4], [0, 3, 2, 7 - 1e4, 6 - 1e4]])
    torch.testing.assert_close(scores[0, 0].detach(), expected)


def test_where_there_is_no_history_nothing_is_found_in_it(columns):
    remember = Remember(8, 8, 16, columns)
    with torch.no_grad():
        remember.nothing.copy_(torch.arange(16.0))
    keys, values, scores = remember(
        torch.rand(1, 2, 16, 8), torch.zeros(1, 2, 16, dtype=torch.bool)
    )
    found = torch.nn.functional.scaled_dot_product_attention(
        torch.rand(1, 2, 16, 4), keys, values, attn_mask=scores
    )
    # the values of what says nothing: 8 to 15, of two heads
    assert found[0, 0].unique(dim=0).tolist() == [[8, 9, 10, 11]]
    assert found[0, 1].unique(dim=0).tolist() == [[12, 13, 14, 15]]


def test_what_is_followed_not_at_all_is_what_is_read_off_nothing(columns):
    model = build_model(SHAPE, columns).eval()
    before = torch.rand(2, 1, *SHAPE, generator=torch.Generator().manual_seed(0))
    noise = latent_noise(range(200), 1, model.noise_size)[:, 0]
    before = before[:1].expand(200, *before.shape[1:])
    with torch.no_grad():
        nothing = next_latent(model, None, noise)
        torch.testing.assert_close(next_latent(model, before, noise, Sampling(follow=0)), nothing)
        whole = next_latent(model, before, noise)
        half = next_latent(model, before, noise, Sampling(follow=0.5))
    assert (whole - nothing).norm() > (half - nothing).norm() > 0


def test_the_history_of_a_pair_is_what_a_rollout_reads(columns):
    sequences = squares(n_videos=20)
    config = override(columns, forget=0.0, history=(1, 3))
    model = build_model(SHAPE, config)
    frames = sequences.fetch(np.arange(160))
    for previous, current, _ in pairs_of(config, sequences).epoch(1):
        for seen, now in zip(previous, current, strict=True):
            numbers = [n for n in range(160) if torch.equal(frames[n], now)]
            candidates = []
            for number in numbers:
                first = number - number % 8
                if number > first:
                    before = [frame[None] for frame in frames[first:number]]
                    candidates.append(model.history_of(before)[0])
            assert any(torch.equal(seen, candidate) for candidate in candidates)


def test_a_history_never_reaches_into_the_piece_before(columns):
    config = override(columns, forget=0.0, history=(1, 4))
    ramp = np.arange(1, 17, dtype=np.uint8).reshape(16, 1, 1, 1) * np.ones((1, 1, 16, 16), np.uint8)
    sequences = type(squares(n_videos=1))(ramp, np.array([0, 8, 16]), full_scale=1)
    pairs = PairBatches(sequences, np.arange(2), 14, 0, config.history, config.forget)
    previous, current, _ = next(pairs.epoch(1))
    for seen, now in zip(previous[:, :, 0, 0], current[:, 0, 0, 0], strict=True):
        place = (int(now) - 1) % 8
        # frames are numbered from 1 on; 4 back is known from the fifth frame of a piece on
        assert seen.tolist() == [now - 1, now - 4 if place >= 4 else 0]


def test_a_share_of_the_histories_is_forgotten_and_no_current_frame(columns):
    sequences = squares(n_videos=20)
    empty = 0
    for previous, current, _ in pairs_of(override(columns, forget=1.0), sequences).epoch(1):
        empty += int((previous.flatten(1).sum(dim=1) == 0).sum())
        assert (current.flatten(1).sum(dim=1) > 0).all()
    # of (0, 1, 2) frames each is drawn a third of the time: 47 of 140 expected, deviation 5.6
    assert 25 < empty < 69


def test_a_sparse_frame_is_shown_whole_and_learned_from_by_its_probability():
    gates = torch.tensor([[[[-1.0, 2.0]]]], requires_grad=True)
    drawn = Drawn(torch.tensor([[[[0.9, 0.7]]]]), gates)
    assert drawn.frames().tolist() == [[[[0.0, pytest.approx(0.7)]]]]
    shown = drawn.shown()
    assert shown.detach().round(decimals=6).tolist() == [[[[0.0, 1.0]]]]
    shown.sum().backward()
    likely = torch.sigmoid(gates.detach())
    torch.testing.assert_close(gates.grad, likely * (1 - likely))


def test_the_discriminator_of_pairs_sees_the_last_frame_and_no_earlier_one(columns):
    model = build_model(SHAPE, columns)
    previous, current = torch.rand(2, 2, 16, 16), torch.rand(2, 1, 16, 16).round()
    verdict = model.judge(previous, current).logits
    earlier, last = previous.clone(), previous.clone()
    earlier[:, 1], last[:, 0] = 0, 0
    assert torch.equal(model.judge(earlier, current).logits, verdict)
    assert not torch.equal(model.judge(last, current).logits, verdict)


STILL = Sampling(temperature=0)


@pytest.fixture(autouse=True)
def _fixed_random_state():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_the_prior_weight_warms_up_and_the_rates_settle(columns):
    training = begin_training(build_model(SHAPE, override(columns, epochs=10, settle=0.2)))
    training.steps_per_epoch = 10
    seen = []
    for step in (0, 4, 9, 50, 80, 90, 99):
        training.step = step
        seen.append((annealing(training), calm(training)))
    # one epoch of 10 steps to warm up; of 100 steps the last 20 fall from 1 to 1 / 20
    assert [warm for warm, _ in seen] == pytest.approx([0.1, 0.5, 1, 1, 1, 1, 1])
    assert [rate for _, rate in seen] == pytest.approx([1, 1, 1, 1, 1, 0.5, 0.05])


def test_the_prior_weight_grows_as_the_rates_settle(columns):
    config = override(columns, epochs=10, settle=0.2, prior_growth=3.0)
    training = begin_training(build_model(SHAPE, config))
    training.steps_per_epoch = 10
    seen = []
    for step in (0, 9, 79, 80, 90, 95):
        training.step = step
        seen.append(annealing(training))
    # in the last 20 of 100 steps from 1 to 3, a tenth in each; the rates fall a twentieth in each
    assert seen == pytest.approx([0.1, 1, 1, 1, 2, 2.5])


def test_weights_decay_in_encoder_and_generator_and_not_in_the_discriminator(columns):
    config = override(columns, weight_decay=0.5, learning_rate=0.1)
    training = begin_training(build_model(SHAPE, config))
    before = {name: tensor.clone() for name, tensor in training.model.named_parameters()}
    for optimiser in training.optimisers.values():
        for parameter in (p for group in optimiser.param_groups for p in group["params"]):
            parameter.grad = torch.zeros_like(parameter)
        optimiser.step()
    for name, tensor in training.model.named_parameters():
        # where nothing is asked, a step takes 0.1 x 0.5 of a weight away
        left = 1.0 if name.startswith("discriminator") else 0.95
        torch.testing.assert_close(tensor.detach(), left * before[name])


def test_rates_fall_in_the_optimisers(columns, moving_squares, alone):
    training = begin_training(build_model(SHAPE, override(columns, settle=1.0)))
    list(train(training, pairs_of(columns, moving_squares), alone))
    # 140 pairs, 9 steps an epoch, 18 in all: the last step takes 1 / 18 of the rate
    rates = {name: o.param_groups[0]["lr"] for name, o in training.optimisers.items()}
    assert rates == {
        "encoder": pytest.approx(0.002 / 18),
        "generator": pytest.approx(0.002 / 18),
        "discriminator": pytest.approx(0.0004 / 18),
    }


def test_the_average_is_that_of_the_weights_and_is_what_is_written_with(
    columns, moving_squares, alone, tmp_path
):
    training = begin_training(build_model(SHAPE, override(columns, average=0.5)))
    name = "encoder.each.0.weight"
    by_hand = training.model.state_dict()[name].clone()
    for now in train(training, pairs_of(columns, moving_squares), alone):
        kept = min(0.5, now.step / (now.step + 9))
        by_hand = kept * by_hand + (1 - kept) * training.model.state_dict()[name]
    torch.testing.assert_close(training.averaged.state_dict()[name], by_hand)
    assert training.writer is training.averaged
    record.describe_run(tmp_path / "run", Description(training.model.config, SHAPE, {}))
    checkpoint.save_training(tmp_path / "run", training)
    written, _ = checkpoint.load_model(tmp_path / "run", torch.device("cpu"))
    torch.testing.assert_close(written.state_dict()[name], by_hand)


def test_a_run_continued_is_the_run_never_interrupted(columns, moving_squares, alone, tmp_path):
    whole = begin_training(build_model(SHAPE, columns))
    list(train(whole, pairs_of(columns, moving_squares), alone))
    part = begin_training(build_model(SHAPE, columns))
    for now in train(part, pairs_of(columns, moving_squares), alone):
        if now.step == 12:  # within the second epoch
            break
    record.describe_run(tmp_path / "run", Description(columns, SHAPE, {}))
    checkpoint.save_training(tmp_path / "run", part)
    on = checkpoint.load_training(tmp_path / "run", columns, torch.device("cpu"))
    list(train(on, pairs_of(columns, moving_squares), alone))
    for mine, theirs in ((on.model, whole.model), (on.averaged, whole.averaged)):
        for a, b in zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True):
            assert torch.equal(a, b)


@pytest.mark.trains
def test_the_default_learns_where_a_moving_square_goes_next(columns, alone):
    config = override(
        columns,
        epochs=30,
        batch=20,
        warm_up=5,
        feature_weight=0.0,
        adversarial_weight=0.0,
        average=0.9,
        encoder_channels=(32, 32),
        generator_channels=(32, 32),
    )
    sequences = squares(n_videos=20)
    training = begin_training(build_model(SHAPE, config))
    ends = [n.figures for n in train(training, pairs_of(config, sequences), alone) if n.ends_epoch]
    assert ends[-1].reconstruction + ends[-1].kl < 0.3 * ends[0].reconstruction
    model = training.writer.eval()
    frames = sequences.fetch(np.arange(8))
    (drawn,) = roll_out(model, frames[None, :2], n_frames=3, seeds=[0], sampling=STILL)
    overlap = (drawn * frames[2:5]).sum() / frames[2:5].sum()
    assert overlap > 0.5


def test_the_prior_warms_up_while_training(columns, moving_squares, alone):
    config = override(columns, prior_weight=0.5, warm_up=2, feature_weight=0.0)
    config = override(config, adversarial_weight=0.0, epochs=1)
    training = begin_training(build_model(SHAPE, config))
    (first, *_) = train(training, pairs_of(config, moving_squares), alone)
    # 9 steps an epoch: of the prior weight 1 / 18 counts in the first step
    cells, kl = first.figures.reconstruction, first.figures.kl
    assert first.figures.encoder == pytest.approx(cells + 0.5 / 18 * kl, rel=1e-5)
    assert first.figures.generator == pytest.approx(cells)


def test_what_rests_is_not_there_at_all(columns, moving_squares, alone):
    resting = override(columns, feature_weight=0.0, adversarial_weight=0.0)
    training = begin_training(build_model(SHAPE, resting))
    assert training.discriminator_optimiser is None
    ends = list(train(training, pairs_of(resting, moving_squares), alone))
    assert all(np.isnan(now.figures.d_real) for now in ends)
    assert not any(name.startswith("discriminator") for name in training.model.state_dict())


def test_a_model_that_has_never_forgotten_begins_from_the_noise_itself(columns):
    model = build_model(SHAPE, override(columns, forget=0.0)).eval()
    noise = latent_noise([3], 1, model.noise_size)[:, 0]
    torch.testing.assert_close(next_latent(model, None, noise), noise[:, :32])
    assert roll_out(model, None, n_frames=2, seeds=[3]).shape == (1, 2, *SHAPE)


def test_what_is_left_out_is_new_in_each_step_and_process_and_decided_by_the_seed(columns, alone):
    second = Replicas(TwoProcesses([]))

    def left_out(seed, step, replicas):
        training = begin_training(build_model(SHAPE, override(columns, seed=seed)))
        training.step = step
        with _dropout_decided(training, replicas):
            return tuple(torch.rand(8).tolist())

    drawn = {left_out(0, 0, alone), left_out(0, 1, alone), left_out(0, 0, second)}
    assert len(drawn | {left_out(1, 0, alone)}) == 4
    assert left_out(0, 1, alone) in drawn


def test_real_frames_are_shown_to_the_discriminator_as_generated_ones_are(columns, tiny):
    model = build_model(SHAPE, columns)
    faint = torch.full((2, 1, 16, 16), 0.3)
    faint[:, :, :8] = 0
    # in columns where something is, whole; in a plane how much, as in the paper
    assert model.shown(faint).unique().tolist() == [0.0, 1.0]
    assert torch.equal(build_model(SHAPE, tiny).shown(faint), faint)
    previous = torch.rand(2, 2, 16, 16)
    drawn = Drawn(faint, faint - 0.1).shown()
    seen = model.judge(previous, model.shown(faint)).logits
    torch.testing.assert_close(seen, model.judge(previous, drawn).logits)
    # the last frame too is shown where it is something, however faint
    torch.testing.assert_close(model.judge(previous / 2, model.shown(faint)).logits, seen)
