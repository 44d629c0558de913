"""The site has every document, each link leads somewhere, and its notebooks run.

`make site` builds it, strictly. `python -m tests.test_site` runs the notebooks anew, and keeps what
they gave.
"""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

import nextbar
from nextbar.shipped import MODELS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
NAV = re.findall(
    r": ([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2], re.M
)


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "website" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hooks():
    pytest.importorskip("mkdocs", reason="needs the extra `site`")
    return load("hooks")


@pytest.fixture
def site(tmp_path):
    """A site of two pages whose links are right."""
    (tmp_path / "index.html").write_text('<h1 id="top"></h1><a href="sub/two.html#here">2</a>')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "two.html").write_text(
        '<h2 id="here"></h2><a href="../index.html#top">1</a><img src="data:image/png;base64,AA==">'
        '<a href="https://elsewhere.example/">a link that is followed by who wants to</a>'
    )
    return tmp_path


def test_every_document_is_a_page_of_the_site_once_and_every_page_is_there():
    documents = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    made = {path.relative_to(DOCS).with_suffix(".md").as_posix() for path in NOTEBOOKS}
    assert len(made) == 2
    made |= {f"models/{name}.md" for name in MODELS}
    assert sorted(NAV) == sorted(documents | made)


def test_links_of_documents_lead_to_files_as_a_forge_shows_them():
    for path in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links {target}"


def test_every_public_name_and_every_command_is_explained(hooks):
    reference = hooks.public_names()
    for name in set(nextbar.__all__) - {"__version__"}:
        assert re.search(rf"^(:::.*\.|### ){name}$", reference, re.M), name
    from nextbar.cli import app

    shown = re.findall(r"^## (\w+)$", hooks.commands(), re.M)
    assert len(shown) >= 15
    assert set(shown) == {name for name in app if not name.startswith("-")}


def test_a_link_to_the_repository_leads_to_the_forge_or_is_words(hooks):
    def seen(markdown, page="a.md", repository=None):
        return hooks.LINK.sub(lambda found: hooks.link(found, page, repository), markdown)

    assert seen("as [changed](../CHANGELOG.md#unreleased)") == "as changed"
    forge = "https://forge.example/somebody/nextbar"
    expected = f"as [changed]({forge}/blob/HEAD/CHANGELOG.md#unreleased)"
    assert seen("as [changed](../CHANGELOG.md#unreleased)", repository=forge) == expected
    card = "src/nextbar/shipped/fiddle/card.md"
    assert seen(f"[card](../{card})", repository=forge) == "[card](models/fiddle.md)"
    assert seen(f"[card](../../{card})", page="notebooks/a.md") == "[card](../models/fiddle.md)"
    inside = "[what a report says](../report.md)"
    assert seen(inside, page="notebooks/measure.md", repository=forge) == inside
    core = seen("[`nextbar.frames.losses`](../src/nextbar/frames/losses.py#L3)", repository=forge)
    assert 'identifier="nextbar.frames.losses"' in core
    with pytest.raises(FileNotFoundError, match=r"a\.md links \.\./src/gone\.py"):
        seen("[gone](../src/gone.py)")


def test_a_notebook_is_a_page_of_its_text_its_code_and_what_that_gave(hooks):
    code = {"cell_type": "code", "source": ["1 + 1"], "outputs": [{"data": {"text/plain": ["2"]}}]}
    notebook = {"cells": [{"cell_type": "markdown", "source": ["# A\n", "b"]}, code]}
    expected = "# A\nb\n\n```python\n1 + 1\n```\n\n```text\n2\n```\n"
    assert hooks.page_of_notebook(notebook) == expected


def test_a_site_whose_links_are_right_has_no_faults(site):
    assert load("check").faults(site) == []


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ('<a href="gone.html">x</a>', "three.html links gone.html, which is not there"),
        (
            '<a href="index.html#gone">x</a>',
            "three.html links index.html#gone, where there is no such anchor",
        ),
        (
            '<a href="/gone.html">x</a>',
            "three.html links /gone.html, which is not there",
        ),
        (
            '<script src="https://cdn.example/a.js"></script>',
            "three.html loads https://cdn.example/a.js",
        ),
        (
            '<link rel="stylesheet" href="//fonts.example/a.css">',
            "three.html loads //fonts.example/a.css",
        ),
    ],
)
def test_a_broken_link_and_what_is_loaded_from_elsewhere_are_faults(site, written, fault):
    (site / "three.html").write_text(written)
    assert load("check").faults(site) == [fault]


def test_a_style_that_loads_from_elsewhere_is_a_fault(site):
    (site / "a.css").write_text('@font-face { src: url("https://fonts.example/a.woff2") }')
    assert load("check").faults(site) == ["a.css loads a file from elsewhere"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_was_run_from_top_to_bottom(path):
    cells = [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if "outputs" in cell]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    run(path, tmp_path)


def run(path, folder):
    """The notebook, run in a folder; raises where a cell does."""
    nbclient = pytest.importorskip("nbclient", reason="needs the extra `site`")
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    kept = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=1_200, resources=kept).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it was run
    return notebook


if __name__ == "__main__":
    import tempfile

    import nbformat

    for each in [path for path in NOTEBOOKS if path.stem in sys.argv[1:] or not sys.argv[1:]]:
        with tempfile.TemporaryDirectory() as scratch:
            nbformat.write(run(each, scratch), each)
