"""A model to give away: small, harmless, and it writes as the run does."""

import json

import pytest
import torch
from safetensors import safe_open

import nextbar
from nextbar.cli import main
from nextbar.errors import CorpusError, OutputError, RunError
from nextbar.frames.record import DESCRIPTION, WEIGHTS
from nextbar.measures.fingerprints import FILE as FINGERPRINTS


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    return nextbar.export(trained / "run", tmp_path_factory.mktemp("given") / "model")


def test_an_exported_model_has_the_run_s_weights_to_half_precision(trained, exported):
    theirs, ours = nextbar.load(exported).model, nextbar.load(trained / "run").model
    for name in ("encoder", "generator"):
        expected = getattr(ours, name).state_dict()
        for key, weight in getattr(theirs, name).state_dict().items():
            # 11 bits of a half are right: half a unit of the last is 2^-12 of the value
            torch.testing.assert_close(weight, expected[key], rtol=2**-11, atol=1e-7)
            assert weight.dtype == expected[key].dtype


def test_nothing_but_what_writes_is_given_away(trained, exported):
    assert {path.name for path in exported.iterdir()} == {DESCRIPTION, WEIGHTS, FINGERPRINTS}
    with safe_open(exported / WEIGHTS, framework="pt") as file:
        kinds = {".".join(name.split(".")[:2]) for name in file.keys()}  # noqa: SIM118
    assert kinds == {"exported.encoder", "exported.generator"}
    assert str(trained) not in (exported / DESCRIPTION).read_text()
    assert (exported / WEIGHTS).stat().st_size < (trained / "run" / WEIGHTS).stat().st_size / 5


def test_it_says_where_it_comes_from(trained, exported):
    origin = json.loads((exported / DESCRIPTION).read_text())["origin"]
    theirs = json.loads((trained / "run" / DESCRIPTION).read_text())["origin"]
    assert origin["corpus"]["fingerprint"] == theirs["corpus"]["fingerprint"]
    assert origin["nextbar"] == nextbar.__version__


def test_it_writes_without_its_corpus_and_says_what_it_cannot(exported, tmp_path):
    written = nextbar.generate(exported, tmp_path, pieces=2, bars=2, wav=False, pictures=False)
    assert len(written) == 2
    with pytest.raises(CorpusError, match=r"came without the corpus .* begin from noise or a file"):
        nextbar.generate(exported, tmp_path, from_bar="held-out", wav=False, pictures=False)


def test_it_cannot_be_trained_on(trained, exported):
    with pytest.raises(RunError, match="was exported to write with, and cannot be trained on"):
        nextbar.train(trained / "corpus", exported, epochs=99)


def test_a_model_that_was_exported_can_be_exported_again(exported, tmp_path):
    again = nextbar.export(exported, tmp_path / "again")
    assert (again / WEIGHTS).read_bytes() == (exported / WEIGHTS).read_bytes()


def test_nothing_is_written_over_and_no_run_is_refused(trained, exported, tmp_path, capsys):
    with pytest.raises(OutputError, match="exists already"):
        nextbar.export(trained / "run", exported)
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "x")]) == 1
    assert "is not a run" in " ".join(capsys.readouterr().err.split())
    assert main(["export", str(trained / "run"), "--out", str(tmp_path / "model")]) == 0
    assert "nextbar generate" in capsys.readouterr().out
