"""What all tests share."""

import os

import pytest
import torch
from jaxtyping import install_import_hook

from . import checked_types

# Types and shapes are checked at every call in these modules, said before any of them is loaded.
# Not where mutants are tried: there it is for the tests to notice.
CORE = ("chain", "columns", "contracts", "gradients", "losses", "model", "pairs", "plane")
CHECKED = [f"nextbar.frames.{name}" for name in (*CORE, "rollout", "training")]
if "MUTANT_UNDER_TEST" not in os.environ:
    install_import_hook([*CHECKED, "nextbar.measures"], f"{checked_types.__name__}.checked")

import nextbar  # noqa: E402

from .fixtures import QUICK, write_tunes  # noqa: E402


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


def pytest_collection_modifyitems(items):
    """Where a mutant is tried, the tests of its own module come first: most often one fails."""
    module = os.environ.get("MUTANT_UNDER_TEST", "").rpartition(".")[0].rpartition(".")[2]
    items.sort(key=lambda item: item.path.stem != f"test_{module}")
