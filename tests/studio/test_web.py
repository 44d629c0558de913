"""A model as a page of its own: what the folder holds, and what no page can be made of."""

import json
import re
from pathlib import Path

import pytest

import nextbar
from nextbar.cli import main
from nextbar.errors import OutputError, UsageError
from nextbar.frames.checkpoint import digest_of
from nextbar.shipped import MODELS

from ..fixtures import REMEMBERING, SEVERAL_METRES, write_tunes

MOST_BYTES = 15_000_000


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The folder of a page with the fiddle model."""
    return nextbar.export_web("fiddle", tmp_path_factory.mktemp("web") / "page")


def described(page):
    return json.loads((page / "model" / "page.json").read_text())


def names_of(page):
    return {path.relative_to(page).as_posix() for path in page.rglob("*") if path.is_file()}


def test_a_page_with_a_shipped_model_is_small_and_whole(page):
    names = names_of(page)
    assert {"index.html", "offline.js", "manifest.webmanifest"} <= names
    assert {"static/main.js", "inpage/worker.js", "model/checkpoint.safetensors"} <= names
    assert sum((page / name).stat().st_size for name in names) < MOST_BYTES


def test_its_model_is_the_one_that_is_exported_so_that_recipes_go_both_ways(page):
    (run,) = described(page)["runs"]
    assert run["fingerprint"] == digest_of(page / "model") == digest_of(MODELS["fiddle"].folder)
    assert run["name"] == MODELS["fiddle"].title
    assert run["plays"] == MODELS["fiddle"].plays
    assert (run["temperature"], run["choose"]) == (0.95, 1.0)


def test_it_is_the_studios_page_file_by_file_but_for_what_it_says_of_itself(page):
    source = Path(nextbar.__file__).parent / "studio"
    for path in (source / "static").iterdir():
        if path.name != "index.html":
            assert (page / "static" / path.name).read_bytes() == path.read_bytes(), path.name
    ours, theirs = (page / "index.html").read_text(), (source / "static/index.html").read_text()
    added = [line for line in ours.splitlines() if line not in theirs.splitlines()]
    assert len(added) == 4
    assert 'name="nextbar-engine" content="page"' in ours
    assert 'name="nextbar-engine" content="server"' in theirs
    assert 'name="nextbar-engine" content="server"' not in ours


def test_it_can_lie_in_any_folder_and_asks_nobody_for_anything(page):
    for name in names_of(page):
        if Path(name).suffix in (".html", ".js", ".css", ".webmanifest"):
            text = (page / name).read_text("utf-8")
            links = re.findall(r"""(?:href|src)=["']([^"'#][^"']*)""", text)
            imports = re.findall(r"""(?:from|import\()\s*["']([^"']+)""", text)
            for link in [*links, *imports]:
                assert not link.startswith(("/", "http")), (name, link)


def test_all_its_files_are_kept_for_offline_and_their_content_decides_the_version(page, tmp_path):
    text = (page / "offline.js").read_text()
    kept = json.loads(re.search(r"FILES = (\[.*?\]);", text)[1])
    assert set(kept) == names_of(page) - {"offline.js"} | {"./"}
    other = nextbar.export_web("chorales", tmp_path / "other")
    version = r'VERSION = "([0-9a-f]{64})"'
    assert re.search(version, text)[1] != re.search(version, (other / "offline.js").read_text())[1]
    again = nextbar.export_web("fiddle", tmp_path / "again")
    assert (again / "offline.js").read_text() == text


def test_a_browser_can_install_it(page):
    manifest = json.loads((page / "manifest.webmanifest").read_text())
    assert manifest["display"] == "standalone"
    assert all((page / icon["src"]).is_file() for icon in manifest["icons"])
    assert (page / manifest["start_url"] / "index.html").is_file()


def test_what_others_wrote_has_its_licence_beside_it(page):
    library = (page / "inpage/vendor/midi-file.js").read_text()
    licence = page / "inpage/vendor/midi-file.LICENSE.md"
    assert "MIT" in library.splitlines()[0]
    assert licence.name in library.splitlines()[0]
    assert "Carter Thaxton" in licence.read_text()
    assert {path.suffix for path in (page / "inpage/vendor").iterdir()} == {".js", ".md"}


def test_what_has_to_do_with_a_server_says_so(page):
    absent = described(page)["absent"]
    assert any("wav" in each.get("these", "") for each in absent)
    assert all(each["says"].endswith(".") for each in absent)
    assert not described(page)["runs"][0]["tunes"]


def test_the_command_says_how_to_look_at_it(tmp_path, capsys):
    assert main(["export", "fiddle", "--web", str(tmp_path / "page")]) == 0
    assert "python -m http.server" in capsys.readouterr().out
    assert main(["export", "fiddle"]) != 0
    assert "--web FOLDER" in capsys.readouterr().err


def test_a_folder_that_is_taken_stays(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        nextbar.export_web("fiddle", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_of_networks_that_a_page_does_not_have_none_is_made(trained, tmp_path):
    with pytest.raises(UsageError, match="in a plane"):
        nextbar.export_web(trained / "run", tmp_path / "page")
    write_tunes(tmp_path / "tunes", 3)
    corpus = nextbar.prepare(tmp_path / "tunes", tmp_path / "corpus", page=False)
    nextbar.train(corpus, tmp_path / "run", **REMEMBERING)
    with pytest.raises(UsageError, match="attention"):
        nextbar.export_web(tmp_path / "run", tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_a_run_of_ones_own_is_named_by_its_folder_and_its_paths_stay_here(tmp_path):
    write_tunes(tmp_path / "tunes", 8)
    corpus = nextbar.prepare(tmp_path / "tunes", tmp_path / "corpus", page=False)
    nextbar.train(corpus, tmp_path / "my-run", **SEVERAL_METRES)
    page = nextbar.export_web(tmp_path / "my-run", tmp_path / "page")
    assert described(page)["runs"][0]["name"] == "my-run"
    for name in names_of(page):
        assert str(tmp_path).encode() not in (page / name).read_bytes(), name
