"""The discriminator of phrases: what it looks at, what it learns, and how it chooses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nextbar.errors import ConfigError
from nextbar.frames import phrases
from nextbar.frames.config import SLOTS, Config, Sampling
from nextbar.frames.model import build_model
from nextbar.frames.pairs import Sequences
from nextbar.frames.phrase_training import train_phrases
from nextbar.frames.phrases import (
    PHRASE,
    WRITTEN,
    Candidates,
    Examples,
    Learned,
    PhraseDiscriminator,
    ends_of,
    held_back_loss,
    learn_phrases,
    phrase_of,
    scorer,
)
from nextbar.frames.rollout import (
    candidate_noise,
    next_frames,
    next_frames_by_score,
    roll_out,
)

from .conftest import SHAPE as SQUARE
from .conftest import squares

SHAPE = (1, 6, 4)


def row_frames(*rows: int) -> torch.Tensor:
    """Frames in a row, (1, time, 1, 6, 4), each with one full row; -1 is an empty frame."""
    frames = torch.zeros(1, len(rows), *SHAPE)
    for nth, row in enumerate(rows):
        if row >= 0:
            frames[0, nth, 0, row] = 0.5
    return frames


def rows_of(phrase: torch.Tensor) -> list[int]:
    return [int(f.any(dim=2).flatten().nonzero()[0]) if f.any() else -1 for f in phrase]


def test_a_phrase_is_the_last_four_frames_and_empty_where_there_were_none():
    assert PHRASE == 4
    assert rows_of(phrase_of(row_frames(0, 1, 2, 3, 4))[0]) == [1, 2, 3, 4]
    assert rows_of(phrase_of(row_frames(5, 2))[0]) == [-1, -1, 5, 2]


def test_phrases_to_learn_from_end_where_they_are_said_to():
    frames = torch.cat([row_frames(0, 1, 2, 3, 4), row_frames(5, 4, 3, 2, 1)]) > 0
    learned = Learned(frames, np.array([[0, 3], [1, 1], [1, 4]]))
    found = [rows_of(phrase) for phrase in learned.phrases(np.array([1, 0, 2]))]
    assert found == [[-1, -1, 5, 4], [0, 1, 2, 3], [4, 3, 2, 1]]


def test_each_sequence_gives_phrases_that_end_at_different_frames():
    ends = ends_of(50, 1, np.random.default_rng(0))
    assert len(ends) == 50 * phrases.WINDOWS
    for row in range(50):
        of_row = ends[ends[:, 0] == row, 1]
        assert len(set(of_row)) == phrases.WINDOWS
        assert set(of_row) <= set(range(1, WRITTEN + 1))


def of_rows(rng, low, high, n=40) -> Learned:
    """Sequences whose frames have their row between low and high."""
    rows = rng.integers(low, high, (n, WRITTEN + 1))
    return Learned(torch.cat([row_frames(*each) for each in rows]) > 0, ends_of(n, 0, rng))


def learned(seed=0, n_updates=60):
    rng = np.random.default_rng(1)
    kinds = Examples(of_rows(rng, 0, 2), of_rows(rng, 4, 6), of_rows(rng, 4, 6))
    stop = Examples(of_rows(rng, 0, 2, 9), of_rows(rng, 4, 6, 9), of_rows(rng, 4, 6, 9))
    torch.manual_seed(0)
    discriminator = PhraseDiscriminator(SHAPE)
    losses = list(learn_phrases(discriminator, kinds, stop, n_updates=n_updates, seed=seed))
    return discriminator, losses, stop


@pytest.fixture
def no_rows_moved(monkeypatch):
    monkeypatch.setattr(phrases, "ROWS_MOVED", 0)


@pytest.fixture
def random_state_restored():
    with torch.random.fork_rng():
        yield


@pytest.mark.usefixtures("no_rows_moved", "random_state_restored")
def test_it_learns_to_tell_real_phrases_from_written_ones():
    discriminator, losses, stop = learned()
    with torch.no_grad():
        real, predicted, sampled = (
            discriminator(each.phrases(np.arange(len(each.ends)))) for each in stop
        )
    assert (real > 0).float().mean() > 0.95
    assert (predicted < 0).float().mean() > 0.95
    assert (sampled < 0).float().mean() > 0.95
    # Eq. 9 of a D that knows nothing: three times log 2.
    assert losses[0] == pytest.approx(3 * np.log(2), abs=0.7)
    assert held_back_loss(discriminator, stop) < 0.3
    assert discriminator.n_updates == 60


@pytest.mark.usefixtures("random_state_restored")
def test_what_is_learned_from_is_moved_by_some_rows_and_by_nothing_else(monkeypatch):
    seen, ask = [], PhraseDiscriminator.forward

    def listen(self, given):
        if self.training:
            seen.append(given)
        return ask(self, given)

    monkeypatch.setattr(PhraseDiscriminator, "forward", listen)
    frames = torch.zeros(8, WRITTEN + 1, 2, 12, 4, dtype=torch.bool)
    frames[:, :, 0, 5, :2] = True  # the first channel's sixth row, in two columns
    each = Learned(frames, ends_of(8, PHRASE, np.random.default_rng(0)))
    torch.manual_seed(0)
    discriminator = PhraseDiscriminator((2, 12, 4))
    of_all = Examples(each, each, each)
    list(learn_phrases(discriminator, of_all, of_all, n_updates=30, seed=0))
    moves = set()
    for given in seen:
        row = int(given[0, 0, 0, :, 0].int().argmax())
        assert torch.equal(given, torch.roll(frames[:1, :PHRASE], row - 5, 3).expand_as(given))
        moves.add(row - 5)
    assert moves == {-3, -2, -1, 0, 1, 2, 3}


@pytest.mark.usefixtures("no_rows_moved", "random_state_restored")
def test_the_state_that_did_best_on_held_back_phrases_is_kept(monkeypatch):
    asked = iter([0.5, 0.1, 0.9, 0.9, 0.9, 0.9])
    states = []

    def loss(discriminator, _):
        states.append({n: t.clone() for n, t in discriminator.state_dict().items()})
        return next(asked)

    monkeypatch.setattr(phrases, "held_back_loss", loss)
    discriminator, _, _ = learned(n_updates=6)
    kept = discriminator.state_dict()
    assert torch.equal(kept["verdict.2.weight"], states[1]["verdict.2.weight"])
    assert not torch.equal(kept["verdict.2.weight"], states[5]["verdict.2.weight"])


class Told(torch.nn.Module):
    """Says of each phrase the logarithm of the last frame's row, counted from 1."""

    def __init__(self):
        super().__init__()
        self.any = torch.nn.Parameter(torch.zeros(1))

    def while_writing(self):
        return self

    def forward(self, given):
        return torch.tensor([float(np.log(rows_of(each)[-1] + 1)) for each in given])


def shares(choose, n=4000):
    """How often each of three candidates is taken, of rows 0, 1 and 2."""
    frames = torch.cat([row_frames(0), row_frames(1), row_frames(2)], dim=1)[0]
    luck = torch.from_numpy(np.random.default_rng(0).gumbel(size=(n, 3))).float()
    scores = scorer(Told(), Sampling(choose=choose), luck)
    found = [int(scores(Candidates(frames, frames, None, nth)).argmax()) for nth in range(n)]
    return np.bincount(found, minlength=3) / n


def test_a_frame_is_taken_by_its_odds():
    # Odds of 1, 2 and 3, of 6 in all; squared, of 1, 4 and 9, of 14.
    np.testing.assert_allclose(shares(1), [1 / 6, 2 / 6, 3 / 6], atol=0.03)
    np.testing.assert_allclose(shares(2), [1 / 14, 4 / 14, 9 / 14], atol=0.03)


def test_it_sees_the_frames_before():
    seen = []

    class Looks(Told):
        def forward(self, given):
            seen.extend(rows_of(each) for each in given)
            return torch.zeros(len(given))

    frames = torch.cat([row_frames(0), row_frames(1)], dim=1)[0]
    luck = torch.zeros(1, 2)
    scorer(Looks(), Sampling(choose=1), luck)(Candidates(frames, frames, row_frames(2, 3, 4, 5), 0))
    assert seen == [[3, 4, 5, 0], [3, 4, 5, 1]]


def test_a_wish_goes_before_the_odds():
    frames = torch.cat([row_frames(0), row_frames(1), row_frames(5)], dim=1)[0]
    luck = torch.zeros(1, 3)
    scores = scorer(Told(), Sampling(choose=1), luck, lambda _: torch.tensor([1.0, 0.0, 1.0]))
    # log odds of log 1, log 2 and log 6, less 20 for each that is off by 1
    expected = torch.tensor([-20, np.log(2), np.log(6) - 20], dtype=torch.float32)
    torch.testing.assert_close(scores(Candidates(frames, frames, None, 0)), expected)


def test_while_writing_it_says_what_it_has_learned_to_say():
    rng = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        learned = PhraseDiscriminator(SHAPE).requires_grad_(False).eval()
    for layer in learned.hidden:
        if isinstance(layer, torch.nn.BatchNorm2d):  # as after learning: no two maps are alike
            for of_maps in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                of_maps.uniform_(0.5, 2, generator=rng)
    learned.verdict[-1].weight.mul_(1000)
    phrases = torch.rand(5, PHRASE, *SHAPE, generator=rng) < 0.3
    said = learned(phrases)
    assert said.std() > 0.1
    writing = learned.while_writing()
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in writing.hidden)
    torch.testing.assert_close(writing(phrases), said)
    assert len(learned.hidden) == len(writing.hidden) + 4  # what goes on learning is as it was


# ------------------------------------------------------------------------- with a whole model


@pytest.fixture
def config(columns):
    return replace(
        columns, history=(1, 2), phrase_updates=4, feature_weight=0, adversarial_weight=0
    )


@pytest.fixture
def quick(monkeypatch):
    for module in ("phrases", "phrase_training"):
        monkeypatch.setattr(f"nextbar.frames.{module}.ROLLOUTS", 20, raising=False)


def trained(config, sequences: Sequences):
    model = build_model(SQUARE, config).eval()
    last = model.generator.layers[-1].product
    with torch.no_grad():
        last.bias.zero_()
        last.weight.mul_(20)
    losses = list(
        train_phrases(
            model,
            sequences,
            np.arange(20),
            sampling=Sampling(choose=1),
            perceive=lambda frames: frames,
        )
    )
    return model, losses


@pytest.mark.usefixtures("quick")
def test_a_model_learns_what_tells_its_phrases_and_writes_by_it(config):
    sequences = squares(n_videos=20, n_frames=WRITTEN + 2)
    model, losses = trained(config, sequences)
    assert len(losses) == 4
    assert model.phrases.n_updates == 4
    again, same = trained(config, sequences)
    assert losses == same
    chosen = roll_out(model, None, n_frames=3, seeds=[1, 2], sampling=Sampling(choose=1))
    plain = roll_out(model, None, n_frames=3, seeds=[1, 2], sampling=Sampling(choose=0))
    assert not torch.equal(chosen, plain)
    (alone,) = roll_out(again, None, n_frames=5, seeds=[2], sampling=Sampling(choose=1))
    assert torch.equal(alone[:3], chosen[1])


@pytest.mark.usefixtures("quick")
def test_sequences_too_short_for_phrases_leave_it_unlearned_and_it_does_not_choose(config):
    model, losses = trained(config, squares(n_videos=20, n_frames=WRITTEN))
    assert losses == []
    assert not model.chooses(Sampling(choose=1))


def test_where_no_sequence_can_say_when_to_stop_nothing_is_rolled_out(config, monkeypatch):
    def roll_out_in_vain(*_, **__):
        raise AssertionError

    monkeypatch.setattr("nextbar.frames.phrase_training.roll_out", roll_out_in_vain)
    sequences = squares(n_videos=3, n_frames=WRITTEN + 2)  # of seven the fourth would say it
    model = build_model(SQUARE, config).eval()
    how = {"sampling": Sampling(choose=1), "perceive": lambda frames: frames}
    assert not list(train_phrases(model, sequences, np.arange(3), **how))
    assert not model.chooses(Sampling(choose=1))


@pytest.mark.usefixtures("quick")
def test_one_frame_by_itself_is_the_frame_of_the_rollout_and_others_follow_by_their_scores(config):
    model, _ = trained(config, squares(n_videos=20, n_frames=WRITTEN + 2))
    sampling = Sampling(choose=1)
    (whole,) = roll_out(model, None, n_frames=3, seeds=[7], sampling=sampling)
    own = torch.from_numpy(
        np.random.default_rng(7).standard_normal((3, model.noise_size), dtype=np.float32)
    )
    noise, luck = candidate_noise((7,), own)
    frames, latents = next_frames_by_score(
        model, whole[None, :2], noise[:, 2], luck[2], sampling, perceive=lambda frames: frames
    )
    assert torch.equal(frames[0], whole[2])
    # All sixteen, each once. What is taken where luck is put against the first is the second.
    plain, drawn = next_frames(model, whole[None, :2].expand(SLOTS, -1, -1, -1, -1), noise[:, 2])
    order = [int((drawn - latent).abs().sum(dim=1).argmin()) for latent in latents]
    assert sorted(order) == list(range(SLOTS))
    torch.testing.assert_close(plain[order], frames)
    for rank in range(3):
        against = luck[2].clone()
        against[order[:rank]] = -1e6
        again, _ = next_frames_by_score(
            model, whole[None, :2], noise[:, 2], against, sampling, perceive=lambda frames: frames
        )
        torch.testing.assert_close(again[0], frames[rank])


def test_other_weights_begin_as_they_did_without_it(config):
    one, other = (
        build_model(SQUARE, replace(config, phrase_updates=n)).state_dict() for n in (0, 4)
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_plane_has_no_phrases():
    with pytest.raises(ConfigError, match="phrase_updates: it says something of the layout col"):
        Config(phrase_updates=1)
