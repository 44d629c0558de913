"""What all tests share."""

import pytest
import torch

import nextbar

from .fixtures import QUICK, write_tunes


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tensors in tests are small: a second thread costs more than it brings."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with `tunes`, a `corpus` of them, and a `run` trained for two short epochs."""
    place = tmp_path_factory.mktemp("trained")
    write_tunes(place / "tunes")
    corpus = nextbar.prepare(
        place / "tunes", place / "corpus", onsets=False, common_key=False, page=False
    )
    nextbar.train(corpus, place / "run", **QUICK)
    return place
