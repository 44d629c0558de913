"""The documents speak of things that exist."""

import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
NAMES = sorted(set(re.findall(r"`(nextbar(?:\.\w+)+)`", (DOCS / "paper.md").read_text("utf-8"))))


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


@pytest.mark.parametrize("name", NAMES)
def test_what_the_paper_is_compared_with_exists(name):
    assert find(name) is not None


def test_every_equation_that_is_trained_with_has_its_place():
    text = (DOCS / "paper.md").read_text("utf-8")
    assert [int(n) for n in re.findall(r"^\| Eq\. (\d+)", text, re.MULTILINE)] == list(range(3, 11))
