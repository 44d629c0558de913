import math

import numpy as np
import pytest
import torch

from nextbar.errors import TrainingError
from nextbar.frames.config import override
from nextbar.frames.gradients import (
    discriminator_gradients,
    encoder_and_generator_gradients,
    verdicts_on,
)
from nextbar.frames.model import build_model
from nextbar.frames.pairs import PairBatches
from nextbar.frames.replicas import launch
from nextbar.frames.training import (
    apply,
    begin_training,
    draw_history_noise,
    draw_noises,
    train,
    train_step,
)

from .conftest import SHAPE

NETWORKS = ("encoder", "generator", "discriminator")


def weights(training, network):
    module = getattr(training.model, network)
    return [parameter.detach().clone() for parameter in module.parameters()]


def moved(training, before):
    return {
        network
        for network in before
        if any(
            not torch.equal(a, b)
            for a, b in zip(weights(training, network), before[network], strict=True)
        )
    }


@pytest.fixture
def prepared(moving_squares, tiny):
    """A training, and one batch with its noise."""
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    training = begin_training(build_model(SHAPE, tiny))
    previous, current, _ = next(pairs.epoch(1))
    noises = draw_noises(tiny, 0, len(previous), tiny.latent)
    return training, previous, current, noises


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_second_update_sees_the_weights_that_the_first_one_made(
    moving_squares, tiny, precision
):
    config = override(tiny, learning_rate=0.05, batch_norm=False)
    replicas = launch(device="cpu", precision=precision)
    pairs = PairBatches(moving_squares, np.arange(20), config.batch, config.seed)
    previous, current, _ = next(pairs.epoch(1))
    noises = draw_noises(config, 0, len(previous), config.latent)
    both = begin_training(build_model(SHAPE, config))
    train_step(both, previous, current, noises, joint=replicas.joint(16))
    # The same, the passes by hand, with D's weights put where the first pass has left them.
    by_hand = begin_training(build_model(SHAPE, config))
    for nth in range(2):
        with replicas.joint(16).autocast():
            synthesis = by_hand.model.synthesise(previous, current, noises[nth])
            judged = verdicts_on(by_hand.model, previous, current, synthesis)
        updates = {"discriminator": discriminator_gradients(by_hand.model, judged)[0]}
        updates["encoder"], updates["generator"], _ = encoder_and_generator_gradients(
            by_hand.model, current, synthesis, judged
        )
        if nth:
            del updates["discriminator"]
        for network, gradients in updates.items():
            apply(by_hand.optimisers[network], gradients, 1.0, 0.0)
    assert moved(both, {name: weights(by_hand, name) for name in NETWORKS}) == set()


def test_bfloat16_takes_nearly_the_steps_of_float32(moving_squares, tiny):
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    previous, current, _ = next(pairs.epoch(1))
    noises = draw_noises(tiny, 0, len(previous), tiny.latent)
    figures = {}
    for precision in ("float32", "bfloat16"):
        training = begin_training(build_model(SHAPE, tiny))
        joint = launch(device="cpu", precision=precision).joint(16)
        for _ in range(3):
            latest = train_step(training, previous, current, noises, joint=joint)
        figures[precision] = latest
    for exact, near in zip(figures["float32"], figures["bfloat16"], strict=True):
        assert near == pytest.approx(exact, rel=0.1, abs=0.01)


def test_the_noise_of_the_predicted_frame_is_the_noise_that_is_decoded_by_itself(prepared):
    training, previous, current, (noise, _) = prepared
    model = training.model.eval()
    synthesis = model.synthesise(previous, current, noise)
    mean, log_variance = model.encoder(previous)
    torch.testing.assert_close(synthesis.sampled, model.generator(noise))
    latent = mean + noise * (0.5 * log_variance).exp()
    torch.testing.assert_close(synthesis.predicted, model.generator(latent))


def test_encoder_and_generator_are_updated_twice_and_the_discriminator_once(prepared, alone):
    training, previous, current, noises = prepared
    train_step(training, previous, current, noises, joint=alone.joint(16))
    steps = {
        name: optimiser.state_dict()["state"][0]["step"].item()
        for name, optimiser in training.optimisers.items()
    }
    assert steps == {"encoder": 2, "generator": 2, "discriminator": 1}


def run(pairs, config, alone, *, epochs=None):
    training = begin_training(build_model(SHAPE, config))
    for now in train(training, pairs, alone):
        if epochs is not None and now.epoch == epochs and now.ends_epoch:
            break
    return training


def test_the_same_seed_trains_the_same_weights_and_another_seed_others(moving_squares, tiny, alone):
    def trained(seed):
        pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, seed)
        return run(pairs, override(tiny, seed=seed), alone)

    first, again, other = trained(0), trained(0), trained(1)
    assert moved(first, {n: weights(again, n) for n in NETWORKS}) == set()
    assert moved(first, {n: weights(other, n) for n in NETWORKS}) == set(NETWORKS)


def test_progress_counts_epochs_and_steps_and_gives_averages(moving_squares, tiny, alone):
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    progress = list(train(begin_training(build_model(SHAPE, tiny)), pairs, alone))
    # 20 videos of 8 frames: 140 pairs, 9 batches of 16, in 2 epochs
    assert [now.step for now in progress] == list(range(1, 19))
    assert {now.n_steps for now in progress} == {18}
    assert [now.step for now in progress if now.ends_epoch] == [9, 18]
    assert all(0 < now.figures.d_real < 1 for now in progress)


def test_training_that_diverges_stops_and_says_where(moving_squares, tiny, alone):
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    training = begin_training(build_model(SHAPE, tiny))
    with torch.no_grad():
        training.model.generator.project.weight.fill_(math.nan)
    with pytest.raises(TrainingError, match=r"diverged in epoch 1, step 1: .*generator"):
        list(train(training, pairs, alone))


def test_noise_is_new_at_every_update_and_every_step_and_decided_by_the_seed(tiny):
    first, second = draw_noises(tiny, 0, 16, 8)
    later, _ = draw_noises(tiny, 1, 16, 8)
    other, _ = draw_noises(override(tiny, seed=1), 0, 16, 8)
    drawn = [first, second, later, other]
    assert len({tuple(noise.flatten().tolist()) for noise in drawn}) == 4
    assert torch.equal(draw_noises(tiny, 0, 16, 8)[1], second)
    assert draw_noises(override(tiny, generator_updates=3), 0, 4, 5).shape == (3, 4, 5)
    # N(0, I): of 2 x 5,000 numbers the mean's deviation is 0.01, that of the variance 0.014
    many = draw_noises(tiny, 7, 500, 10)
    assert many.mean().item() == pytest.approx(0, abs=0.05)
    assert many.var().item() == pytest.approx(1, abs=0.07)


def test_training_takes_the_noise_of_its_own_step(moving_squares, tiny, alone, monkeypatch):
    asked = []

    def noted(config, step, batch, size):
        asked.append((step, batch, size))
        return draw_noises(config, step, batch, size)

    monkeypatch.setattr("nextbar.frames.training.draw_noises", noted)
    pairs = PairBatches(moving_squares, np.arange(20), tiny.batch, tiny.seed)
    list(train(begin_training(build_model(SHAPE, override(tiny, epochs=1))), pairs, alone))
    # 140 pairs: eight batches of 16 and one of 12
    assert asked == [(step, 12 if step == 8 else 16, 8) for step in range(9)]


def test_noise_on_the_history_is_as_strong_as_is_drawn_for_each_and_decided_by_seed_and_step(tiny):
    config = override(tiny, history_noise=0.3)
    spoilt = draw_history_noise(config, 3, 400, (2, 16, 16))
    assert torch.equal(spoilt, draw_history_noise(config, 3, 400, (2, 16, 16)))
    for other in ((config, 4), (override(config, seed=1), 3)):
        assert not torch.equal(spoilt, draw_history_noise(*other, 400, (2, 16, 16)))
    strengths = spoilt.flatten(1).std(dim=1)  # between 0 and 0.3, each as likely
    assert strengths.max().item() < 0.32
    assert strengths.mean().item() == pytest.approx(0.15, abs=0.02)
    assert strengths.std().item() == pytest.approx(0.3 / 12**0.5, abs=0.02)


def test_noise_comes_to_what_is_read_and_not_to_what_is_learned(
    moving_squares, learned, alone, monkeypatch
):
    seen = []

    def noted(training, previous, current, *args, **kwargs):
        seen.append((previous, current))
        return train_step(training, previous, current, *args, **kwargs)

    monkeypatch.setattr("nextbar.frames.training.train_step", noted)
    config = override(learned, history_noise=0.3, epochs=1)
    pairs = PairBatches(moving_squares, np.arange(20), 16, 0, config.history)
    list(train(begin_training(build_model(SHAPE, config)), pairs, alone))
    for step, ((previous, current), (real, then, _)) in enumerate(
        zip(seen, pairs.epoch(1), strict=True)
    ):
        assert torch.equal(current, then)
        noise = draw_history_noise(config, step, len(real), real.shape[1:])
        assert torch.equal(previous, (real + noise).clamp(0, 1))


def test_a_step_goes_down_its_gradients_by_adam_at_the_given_rate_and_no_longer_than_the_clip():
    weight = torch.nn.Parameter(torch.tensor([1.0, 1.0]))
    optimiser = torch.optim.AdamW([weight], 0.1, (0.5, 0.999), weight_decay=0)
    apply(optimiser, [torch.tensor([3.0, -4.0])], 0.5, 0.0)
    # Adam's first step is the rate, whatever the gradient's length: half of 0.1, down
    torch.testing.assert_close(weight.detach(), torch.tensor([0.95, 1.05]))
    assert weight.grad is None, "the next step's gradient is not added to this one's"
    plain = torch.optim.SGD([weight], 1.0)
    apply(plain, [torch.tensor([3.0, -4.0])], 1.0, 2.5)
    # a gradient of length 5 is cut down to 2.5: half of it
    torch.testing.assert_close(weight.detach(), torch.tensor([0.95 - 1.5, 1.05 + 2.0]))
    apply(plain, [torch.tensor([0.3, -0.4])], 1.0, 2.5)
    torch.testing.assert_close(weight.detach(), torch.tensor([0.95 - 1.8, 1.05 + 2.4]))
