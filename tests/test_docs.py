"""The documents speak of things that exist, at the line where they are.

`python -m tests.test_docs` writes the links anew after code has moved.
"""

import importlib
import inspect
import re
from pathlib import Path

import pytest

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
    found = find(name)
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


def test_every_row_of_table_1_has_its_place():
    text = PAPER.read_text("utf-8").partition("## Table 1")[2].partition("\n## ")[0]
    assert re.findall(r"^\| ([EGD]): ", text, re.MULTILINE) == ["E", "G", "D"]


if __name__ == "__main__":
    PAPER.write_text(linked(PAPER.read_text("utf-8")), "utf-8")
