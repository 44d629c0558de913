"""What a composer hears, and where it takes its defaults from."""

from dataclasses import replace

import numpy as np
import pytest

import nextbar
from nextbar.errors import UsageError
from nextbar.frames.config import Sampling
from nextbar.frames.model import build_model
from nextbar.training.presets import configure
from nextbar.writing.composer import Composer
from nextbar.writing.piece import FAINTEST


@pytest.fixture(scope="module")
def model(trained):
    return nextbar.load(trained / "run")


def composer_of(model, config, **kind):
    return Composer(
        build_model(model.kind.frame_shape, config),
        replace(model.kind, **kind),
        origin={},
        path=model.path,
        checkpoint="",
        sampling=Sampling(temperature=0.9, follow=0.8),
    )


def test_in_a_plane_a_note_is_heard_from_one_chance_in_three(model):
    composer = composer_of(model, model.model.config, median_velocity=90.0)
    assert composer.threshold == pytest.approx(90 / 127 / 3)


def test_in_columns_the_gates_have_decided_and_all_that_is_left_is_heard(model):
    config = configure(
        "default", encoder_channels=(4, 4), generator_channels=(4,), latent=2, latent_mixture=2
    )
    # half of the faintest velocity, 1 of 127
    assert composer_of(model, config, median_velocity=90.0).threshold == FAINTEST == 0.5 / 127


def test_what_is_not_asked_for_is_as_the_run_says(model):
    composer = composer_of(model, model.model.config)
    assert composer.asked(None, None) == Sampling(temperature=0.9, follow=0.8)
    assert composer.asked(0.5, None) == Sampling(temperature=0.5, follow=0.8)
    assert composer.asked(None, 0) == Sampling(temperature=0.9, follow=0)
    with pytest.raises(UsageError, match=r"follow: 1\.5 is not between 0 and 1"):
        composer.asked(None, 1.5)


def test_the_given_threshold_decides_what_is_heard_and_is_fed_back(model, monkeypatch):
    heard_from = []

    def noted(frames, threshold):
        heard_from.append(threshold)
        return frames * 0

    monkeypatch.setattr("nextbar.writing.composer.hear", noted)
    (piece,) = model.compose([None], bars=2, seeds=[0], threshold=0.25)
    assert heard_from == [0.25, 0.25]
    assert len(piece.notes) == 0
    heard_from.clear()
    model.compose([None], bars=1, seeds=[0])
    assert heard_from == [model.threshold]


def test_one_seed_decides_a_piece_and_it_is_gone_on_from_its_own_bars(model):
    pieces = model.compose([None] * 3, bars=3, seeds=[5, 6, 5], threshold=FAINTEST)
    first, other, again = (piece.notes for piece in pieces)
    np.testing.assert_array_equal(first, again)
    assert [piece.seed for piece in pieces] == [5, 6, 5]
    assert [(piece.n_bars, piece.n_given_bars) for piece in pieces] == [(3, 0)] * 3
    assert first.tobytes() != other.tobytes()
