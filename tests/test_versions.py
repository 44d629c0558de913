"""One version everywhere, and what docs/versions.md promises of it is kept."""

import inspect
import json
import re
import tomllib
from pathlib import Path

import pytest

import nextbar
from nextbar import one_file
from nextbar.cli import app
from nextbar.errors import CorpusError, RunError
from nextbar.frames import record
from nextbar.measures import report
from nextbar.music import manifest
from nextbar.writing import sketch

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PROMISE = (ROOT / "docs" / "versions.md").read_text("utf-8")
PUBLIC = Path(__file__).with_name("public_1_0.json")
"""Commands with their options and Python names with their arguments, as 1.0.0 had them."""


def public():
    """The same as they are now. Written anew by `python -m tests.test_versions` for a 2.0 alone."""
    commands = {}
    for name in sorted(app):
        if not name.startswith("-"):
            found = app[name].assemble_argument_collection()
            commands[name] = sorted({each for argument in found for each in argument.names})
    names = {}
    for name in sorted(nextbar.__all__):
        value = getattr(nextbar, name)
        arguments = inspect.signature(value).parameters if inspect.isroutine(value) else ()
        names[name] = list(arguments)
    return {"commands": commands, "names": names}


def test_every_place_that_tells_the_version_tells_the_same():
    version = PROJECT["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert nextbar.__version__ == version, "install it anew: pip install --editable ."
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    sections = re.findall(r"(?m)^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    assert sections[0] == version, "the newest section of the changelog is of this version"


def test_what_1_0_had_is_still_there():
    before, now = json.loads(PUBLIC.read_text("utf-8")), public()
    for kind in ("commands", "names"):
        for name, arguments in before[kind].items():
            assert name in now[kind], f"{name} is gone: that is a 2.0"
            gone = {*arguments} - {*now[kind][name]}
            assert not gone, f"{name} has no {', '.join(gone)} any more: that is a 2.0"


def test_the_formats_of_the_promise_are_those_that_are_written_and_read():
    told = dict(re.findall(r"(?m)^\| ([^|]+?) \| (\d+) \| (?:\d|is)", PROMISE))
    assert {name: int(number) for name, number in told.items()} == {
        "a run, `run.json`": record.FORMAT,
        "a model, `MODEL.nextbar`": one_file.FORMAT,
        "a corpus, `manifest.json`": manifest.FORMAT,
        "a piece's recipe": sketch.FORMAT,
        "`report.json`": report.FORMAT,
    }
    assert sketch.FORMATS_READ == (2, 3, 4, 5)


@pytest.mark.parametrize("name", ["fiddle", "chorales"])
def test_a_run_of_0_1_0_opens_and_stays_one_of_0_1_0(name, tmp_path):
    assert nextbar.inspect(name)["origin"]["nextbar"] == "0.1.0"
    assert nextbar.load(name).origin["nextbar"] == "0.1.0"
    again = nextbar.export(name, tmp_path / "again.nextbar")
    assert nextbar.inspect(again)["origin"]["nextbar"] == "0.1.0"


def test_what_came_before_is_refused_by_the_line_of_the_promise(trained, tmp_path):
    (tmp_path / "run").mkdir()
    described = json.loads((trained / "run" / record.DESCRIPTION).read_text("utf-8"))
    text = json.dumps({**described, "format": 2})
    (tmp_path / "run" / record.DESCRIPTION).write_text(text, "utf-8")
    with pytest.raises(RunError) as raised:
        nextbar.load(tmp_path / "run")
    assert str(raised.value).replace(str(tmp_path / "run"), "RUN") in PROMISE.splitlines()
    (tmp_path / "corpus").mkdir()
    told = json.dumps({"kind": manifest.KIND, "format": 1})
    (tmp_path / "corpus" / manifest.MANIFEST).write_text(told, "utf-8")
    with pytest.raises(CorpusError) as refused:
        manifest.read_manifest(tmp_path / "corpus")
    assert str(refused.value).replace(str(tmp_path / "corpus"), "CORPUS") in PROMISE.splitlines()


def test_no_code_decides_anything_by_the_version():
    """The format does: a version that is recorded says where a file came from."""
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"__version__\s*[<>=!]=?\s*\w|[<>=!]=\s*__version__", text) or (
            path.name == "_version.py"
        ), path


if __name__ == "__main__":
    PUBLIC.write_text(json.dumps(public(), indent=1) + "\n", encoding="utf-8")
