"""What is there is told as it is, and what is missing with the command that brings it."""

import importlib.metadata
import json
import sys
import webbrowser
from pathlib import Path

import pytest
import torch

import nextbar
from nextbar import doctor
from nextbar.cli import main

tomllib = pytest.importorskip("tomllib")
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))


def by_name(folder):
    return {fact.what: fact for fact in doctor.facts(folder)}


def test_it_tells_what_is_there(tmp_path, capsys):
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for part in (
        nextbar.__version__,
        sys.version.split()[0],
        torch.__version__,
        "fiddle, piano, chorales",
    ):
        assert part in said
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == by_name(tmp_path).keys()
    assert f"PyTorch uses {torch.get_num_threads()}" in told["processor"]["found"]


def test_a_missing_extra_is_told_with_what_it_is_for_and_how_to_get_it(tmp_path, monkeypatch):
    known = importlib.metadata.version

    def version(name):
        if name in ("music21", "uvicorn"):
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", version)
    found = by_name(tmp_path)
    assert found["folk"].found == "without music21"
    assert "MusicXML" in found["folk"].advice
    assert found["folk"].advice.endswith("pip install 'nextbar[folk]'")
    assert found["studio"].found == "without uvicorn"
    assert not any(fact.is_needed for fact in found.values()), "music is written without extras"


def test_every_extra_of_the_package_but_that_for_its_own_work_is_looked_at(tmp_path, monkeypatch):
    extras = PROJECT["project"]["optional-dependencies"]
    assert doctor.EXTRAS.keys() == extras.keys() - {"dev", "site"}
    required = [
        "numpy>=2.0",
        'imageio[pyav]>=2.37; extra == "video"',
        'mlxtend>=0.23; extra == "video"',
        "fastapi>=0.120 ; extra == 'studio'",
        'no-video; extra == "video-none"',
    ]
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda _: required)
    assert doctor.packages_of("video") == ["imageio", "mlxtend"]
    assert doctor.packages_of("studio") == ["fastapi"]
    assert "install nextbar anew" in by_name(tmp_path)["midi"].advice


def test_the_pythons_that_it_names_are_those_of_the_package():
    said = [each.rpartition(" ")[2] for each in PROJECT["project"]["classifiers"]]
    tried = [tuple(map(int, each.split("."))) for each in said if each.startswith("3.")]
    assert (min(tried), max(tried)) == doctor.TRIED


def test_without_torch_or_the_models_nothing_works_and_the_exit_code_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["doctor"]) == 1
    said = capsys.readouterr()
    assert "pip install --force-reinstall torch" in said.out
    assert "PyTorch: see above" in said.err


def test_no_browser_and_a_full_disk_come_with_advice(tmp_path, monkeypatch):
    def none():
        raise webbrowser.Error

    monkeypatch.setattr(doctor.webbrowser, "get", none)
    monkeypatch.setattr(doctor, "LEAST_BYTES", 10**18)
    found = by_name(tmp_path)
    assert "--host" in found["browser"].advice
    assert "2 GB" in found["disk"].advice
    assert str(tmp_path) in found["disk"].found
