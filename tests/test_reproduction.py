import json
import math

import numpy as np
import pytest

import nextbar
from nextbar.cli import main
from nextbar.measures.figures import draw_figure_3, values_of_figure_3
from nextbar.measures.pieces import Piece
from nextbar.music.bars import NOTE
from nextbar.music.corpus import Corpus
from nextbar.reproduction import AUTHORS, PAPER, PEERS, ROWS

from .fixtures import TINY
from .shared_data import shared_data

FIELDS = {name: value for name, value in TINY.items() if name not in ("epochs", "seed")}


@pytest.fixture(scope="module")
def reproduced(trained, tmp_path_factory):
    """The whole experiment, on small tunes, with a small model."""
    out = tmp_path_factory.mktemp("reproduction")
    said = []
    done = nextbar.reproduce(
        out, data=trained / "tunes", pieces=12, epochs=1, say=said.append, **FIELDS
    )
    return out, done, said


def test_the_experiment_ends_with_a_table_beside_the_paper(reproduced):
    _, done, _ = reproduced
    assert list(done.table) == [row.replace("_", " ") for row in ROWS]
    columns = ["paper", "authors' samples", "model 1", "model 2", "real", "chance"]
    assert all(list(cells) == columns for cells in done.table.values())
    assert done.table["scale consistency as published"]["paper"] == "87"
    assert done.table["coherence"]["authors' samples"] == "-0.014"
    assert done.table["notes"]["real"] != "-"


def test_figures_and_first_pieces_stand_beside_the_table(reproduced):
    _, done, _ = reproduced
    assert done.folder.name == "epoch-0001"
    for name in ("figure-2.png", "figure-3.png", "first-ten/all.png"):
        assert (done.folder / name).read_bytes().startswith(b"\x89PNG")
    assert len(list((done.folder / "first-ten").glob("model-1-*.mid"))) == 10
    assert len(list((done.folder / "model-2").glob("*.mid"))) == 12
    text = (done.folder / "reproduction.md").read_text()
    assert "After epoch 1 (the paper: 300), 5-bar pieces" in text
    assert "KL" in text
    stored = json.loads((done.folder / "reproduction.json").read_text())
    assert stored["model-1"]["bars_per_piece"] == 5
    assert stored["config"]["latent"] == TINY["latent"]


def test_what_is_done_is_not_done_again_and_more_epochs_go_on(reproduced, trained):
    out, done, said = reproduced
    before = (done.folder / "model-1" / "generated.json").stat().st_mtime_ns
    again = nextbar.reproduce(out, data=trained / "tunes", pieces=12, epochs=1)
    assert again.table == done.table
    assert (done.folder / "model-1" / "generated.json").stat().st_mtime_ns == before
    further = nextbar.reproduce(out, data=trained / "tunes", pieces=12, epochs=2)
    assert further.folder.name == "epoch-0002"
    assert done.folder.exists()
    assert said[0].startswith("preparing")


@pytest.fixture
def peers_page(tmp_path, monkeypatch):
    """In place of the peers a page that notes what it was asked for, and ends as it is told."""
    page = tmp_path / "trial.py"
    page.write_text("import json, sys\nprint(json.dumps(sys.argv[1:]))\nsys.exit(ends_with)\n")
    monkeypatch.setattr("nextbar.reproduction.PEERS", page)
    return lambda code: page.write_text(page.read_text().replace("ends_with", str(code)))


def test_the_peers_are_trained_by_their_own_page_on_the_paper_s_corpus(
    trained, tmp_path, capfd, peers_page
):
    peers_page(0)
    out = tmp_path / "side by side"
    words = ["reproduce", "peers", out, "--data", trained / "tunes", "--minutes", "0.5"]
    assert main([str(word) for word in words]) == 0
    kind = Corpus.open(out / "corpus").kind
    assert (kind.grid, kind.n_steps) == ("seconds", 16)
    asked = json.loads(
        next(line for line in capfd.readouterr().out.splitlines() if "--all" in line)
    )
    corpus = str(out / "corpus")
    given = ["--all", corpus, "--minutes", "0.5", "--pieces", "2500", "--seed", "0"]
    assert asked == [str(out), *given]


def test_a_peer_that_fails_and_a_package_without_peers_are_told(
    trained, tmp_path, capsys, peers_page, monkeypatch
):
    peers_page(3)
    words = ["reproduce", "peers", str(tmp_path / "peers"), "--data", str(trained / "tunes")]
    assert main(words) == 1
    assert "ended with 3" in "".join(capsys.readouterr().err.split("\n")).replace("  ", " ")
    monkeypatch.setattr("nextbar.reproduction.PEERS", tmp_path / "nowhere.py")
    assert main(words) == 2
    assert "clone it" in capsys.readouterr().err


def test_where_the_peers_are_looked_for_they_are():
    assert PEERS.is_file()


def test_figure_3_takes_the_paper_s_five_measures_of_pieces_that_sound():
    heard = np.zeros(4, NOTE)
    heard["start"], heard["duration"] = [0, 1, 2, 3], 1
    heard["pitch"], heard["velocity"] = [60, 62, 60, 62], [20, 50, 90, 90]
    values = values_of_figure_3([Piece(heard, 1), Piece(np.empty(0, NOTE), 1)])
    # Two pitches of four notes; 90 - 20; (60, 62) twice; two semitones.
    assert {name: each.tolist() for name, each in values.items()} == {
        "scale consistency %": [100],
        "velocity span": [70],
        "uniqueness %": [50],
        "tone span": [2],
        "recurrence": [1],
    }
    figure = draw_figure_3({"one piece": values})
    assert len(figure.axes) == 3


def test_the_figures_quoted_of_the_authors_samples_are_near_those_of_200_of_them():
    """The quoted ones are of all 2,553; 200 of them lie within four standard errors."""
    files = json.loads(shared_data("paper-samples-200.json").read_text())["files"]
    assert PAPER["uniqueness"] == "37"
    for name in ("scale_consistency", "uniqueness", "tone_span", "velocity_span", "recurrence"):
        values = np.array([record[name] for record in files.values()], float)
        error = values.std() / math.sqrt(len(values))
        assert abs(values.mean() - AUTHORS[name]) < 4 * error, name
