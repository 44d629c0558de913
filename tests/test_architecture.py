"""The walls of the house, as tests."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nextbar
from nextbar import errors

ROOT = Path(__file__).parents[1]


def test_data_goes_one_way_and_the_core_knows_no_music():
    lint = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("room", "stranger"),
    [
        ("frames.training", "symusic"),
        ("music.prepare", "torch"),
        ("measures.table", "torch"),
        ("studio.command", "torch"),
        ("studio.app", "torch"),
        ("studio.uploads", "torch"),
        ("measures", "torch"),
        ("cli", "numpy"),
        ("music.options", "numpy"),
        ("music.manifest", "numpy"),
    ],
)
def test_a_room_can_be_entered_without_loading_what_it_does_not_know(room, stranger):
    # A nextbar package whose __init__ is empty, so that the room alone decides what is loaded.
    code = f"""
import sys, types
package = types.ModuleType("nextbar")
package.__path__ = [{str(ROOT / "src" / "nextbar")!r}]
sys.modules["nextbar"] = package
import nextbar.{room}
assert {stranger!r} not in sys.modules, "{room} loads {stranger}"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_exported_exists_and_the_five_verbs_are_there():
    for name in nextbar.__all__:
        assert hasattr(nextbar, name), name
    assert {"prepare", "train", "load", "generate", "evaluate"} <= set(nextbar.__all__)
    assert nextbar.__version__ == importlib.metadata.version("nextbar")


def test_exports_come_from_their_homes_when_they_are_asked_for_and_not_before():
    code = """
import sys, nextbar
assert set(dir(nextbar)) == set(nextbar.__all__)
assert not {"torch", "symusic", "numpy"} & {*sys.modules}, "loaded before it was asked for"
assert nextbar.Corpus.__module__ == "nextbar.music.corpus" and "torch" not in sys.modules
assert nextbar.train.__module__ == "nextbar.training.run" and "torch" in sys.modules
try:
    nextbar.trane
except AttributeError as error:
    assert str(error) == "No nextbar attribute trane", error
else:
    raise AssertionError("a name that does not exist was given")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_error_has_one_root_and_stands_in_the_drawn_tree():
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    assert all(issubclass(cls, errors.NextbarError) for cls in classes)
    drawn = set(re.findall(r"\b(\w+Error)\b", errors.__doc__))
    assert drawn == {cls.__name__ for cls in classes}


def test_nothing_in_the_package_pickles_or_draws_from_a_global_generator():
    forbidden = (
        r"\bimport pickle\b|\btorch\.load\(|allow_pickle=True"
        r"|\bnp\.random\.(?!default_rng|Generator)|^import random\b|torch\.randn?\("
    )
    for path in (ROOT / "src").rglob("*.py"):
        found = re.search(forbidden, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert found is None, f"{path.name}: {found}"


def test_jaxtyping_is_given_classes_and_no_alias_of_numpy():
    """``npt.NDArray[...]`` is a class up to NumPy 2.4 only: whoever had 2.5 could not import."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    aliases = {
        name for text in texts for name in re.findall(r"(?m)^(\w+) = npt\.NDArray\[", text)
    } | {"npt"}
    for text in texts:
        given = re.findall(r"\b(?:Bool|Float|Int|Integer|UInt)\d*\[([A-Za-z]\w*)", text)
        assert not aliases & {*given}
