"""The documents speak of things that exist, at the line where they are.

`python -m tests.test_docs` writes the links anew after code has moved.
"""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest

from nextbar.music import prepare
from nextbar.studio import turns, uploads

ROOT = Path(__file__).parents[1]
PAPER = ROOT / "docs" / "paper.md"
NAME = re.compile(r"\[?`(nextbar(?:\.\w+)+)`(?:\]\([^)]*\))?")


def find(name):
    """The object of a dotted name: a module, or something in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def link(name):
    """The name, linked to the line where it is defined."""
    found = inspect.unwrap(find(name))  # the tests put a check of shapes around it
    path = Path(inspect.getsourcefile(found)).relative_to(ROOT)
    line = 1 if inspect.ismodule(found) else inspect.getsourcelines(found)[1]
    return f"[`{name}`](../{path.as_posix()}#L{line})"


def linked(text):
    return NAME.sub(lambda match: link(match[1]), text)


@pytest.mark.parametrize("name", sorted(set(NAME.findall(PAPER.read_text("utf-8")))))
def test_what_the_paper_is_compared_with_stands_at_the_line_that_is_linked(name):
    assert link(name) in PAPER.read_text("utf-8"), "renew with `python -m tests.test_docs`"


def test_every_equation_that_is_trained_with_has_its_place_and_is_named_there():
    rows = re.findall(r"^\| Eq\. (\d+).*?`(nextbar[\w.]+)`", PAPER.read_text("utf-8"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(3, 11))
    for number, name in rows:
        owner = find(name.removesuffix(".forward"))
        assert re.search(rf"Eqs?\. [\d, and]*\b{number}\b", inspect.getsource(owner)), name


def test_every_equation_that_is_not_the_papers_has_its_place_and_is_not_called_the_papers():
    text = PAPER.read_text("utf-8").partition("## Not the paper's")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| ([\w -]+)[:,] .*?\[`(nextbar[\w.]+)`\]", text, re.MULTILINE))
    assert set(rows) == {
        "learned prior", "KL of two normals", "KL of a draw", "a chain of parts",
        "mixture density", "what comes again", "temperature",
        "reconstruction", "the frame", "straight-through", "warm-up", "growth", "settling",
    }  # fmt: skip
    for name in rows.values():
        assert "Paper Eq" not in inspect.getdoc(find(name)), name


def test_every_loss_stands_in_one_of_the_two_tables_of_equations_and_in_the_right_one():
    text = PAPER.read_text("utf-8")
    papers, _, others = text.partition("## Table 1")[0].partition("## Not the paper's")
    losses = inspect.getmembers(
        importlib.import_module("nextbar.frames.losses"), inspect.isfunction
    )
    found = {name: function for name, function in losses if function.__module__.endswith("losses")}
    assert len(found) >= 7
    for name, function in found.items():
        is_the_papers = "Not in the paper" not in inspect.getdoc(function)
        here, there = (papers, others) if is_the_papers else (others, papers)
        assert f"losses.{name}`" in here, f"{name} has no line"
        assert f"losses.{name}`" not in there, f"{name} stands in the wrong table"


def test_the_plan_of_the_house_has_the_floors_that_imports_are_held_to():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    floors = [set(re.findall(r"nextbar\.(\w+)", layer)) for layer in layers]
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## The house\n")[2]
    plan = text.partition("\n- ")[0].split("<-")
    # A room is a word by itself between wide spaces; what it is for has several.
    found = [
        {cell for cell in re.split(r"\s{2,}|\n", f" {floor}") if cell.isidentifier()}
        for floor in plan
    ]
    assert found == floors[::-1]


def test_every_row_of_table_1_has_its_place():
    text = PAPER.read_text("utf-8").partition("## Table 1")[2].partition("\n## ")[0]
    assert re.findall(r"^\| ([EGD]): ", text, re.MULTILINE) == ["E", "G", "D"]


def test_the_numbers_that_documents_name_are_those_of_the_code():
    documents = {
        "studio.md": (
            f"a queue of {turns.MOST_WAITING} with",
            f"limits of memory, time and size ({uploads.LARGEST_BYTES // 2**20} MB)",
        ),
        "prepare.md": (
            f"{prepare.SECONDS_A_FILE:g} s of a single file, "
            f"{prepare.SECONDS_A_COLLECTION:g} s of what may hold many tunes",
        ),
    }
    for name, sentences in documents.items():
        text = " ".join((ROOT / "docs" / name).read_text("utf-8").split())
        for sentence in sentences:
            assert sentence in text, (name, sentence)


def test_what_documents_import_from_nextbar_is_there():
    found = []
    for path in (ROOT / "docs").glob("*.md"):
        found += re.findall(r"^from (nextbar[\w.]*) import (.+)$", path.read_text("utf-8"), re.M)
    assert found
    for module, names in found:
        for name in names.split(", "):
            assert hasattr(importlib.import_module(module), name), (module, name)


if __name__ == "__main__":
    PAPER.write_text(linked(PAPER.read_text("utf-8")), "utf-8")
