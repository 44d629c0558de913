import csv
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from nextbar.measures.pieces import reference_windows
from nextbar.measures.report_files import to_csv, to_html, write_measures_report
from nextbar.measures.table import compare

from .small_pieces import make_notes, random_piece

HOSTILE = '<script src="http://elsewhere/x.js">&"\udcff.mid'


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    rng = np.random.default_rng(0)
    pieces = [random_piece(rng)._replace(name=f"{n}.mid") for n in range(4)]
    pieces[1] = pieces[1]._replace(name=HOSTILE)
    pieces[2] = pieces[2]._replace(name="=1+1.mid", notes=make_notes([]))
    real = [random_piece(rng, n_notes=60, n_bars=10) for _ in range(5)]
    report = compare(pieces, real, n_steps=16).with_notes([f"left out: {HOSTILE}: no notes"])
    folder = tmp_path_factory.mktemp("report") / "made"
    windows = reference_windows(real, n_bars=5, n_steps=16)
    paths = write_measures_report(
        folder, report, pieces, windows, n_steps=16, steps_per_quarter=4, title=f"of {HOSTILE}"
    )
    return folder, report, paths


def test_everything_that_is_promised_is_written(written):
    folder, _, paths = written
    assert sorted(path.name for path in paths) == sorted(path.name for path in folder.iterdir())
    stored = json.loads((folder / "report.json").read_text())
    assert stored["format"] == 1
    assert stored["measures"]["notes"]["generated"]["mean"] == pytest.approx(75 / 4)
    assert stored["measures"]["copied_bars"]["generated"]["mean"] is None  # no training given
    assert len(stored["coherence_by_bar"]["generated"]) == 4
    assert stored["coherence_by_bar"]["reference"][0].keys() == {"mean", "low", "high"}
    for name in ("figure-3.png", "coherence-by-bar.png", "first-pieces.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 200


def test_the_page_asks_for_nothing_and_shows_names_as_text(written):
    folder, _, _ = written
    page = (folder / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script src=" in page
    sources = re.findall(r"""(?:src|href)\s*=\s*["']([^"']{0,22})""", page)
    assert sources == ["data:image/png;base64,"] * 3
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\(|<link|<iframe", page)


def test_the_page_has_a_line_for_every_measure_and_every_note(written):
    folder, report, _ = written
    page = (folder / "report.html").read_text()
    assert page.count("<tr>") == 1 + len(report.rows())
    assert page.count("<li>") == len(report.notes)
    # 25, 25, 0 and 25 notes: a mean of 18.75, drawn between 6.25 and 25.
    assert re.search(
        r"notes, a piece<small>.*?</td><td>18\.8<small>6\.2 to 25\.0</small></td>", page
    )
    assert "<td>-</td>" in page  # random notes have no diversity as published


def test_every_piece_has_a_row_of_its_own_values_and_an_empty_cell_for_what_it_has_not(written):
    _, report, _ = written
    rows = list(csv.DictReader(io.StringIO(to_csv(report))))
    assert len(rows) == 4
    assert float(rows[0]["notes"]) == 25
    assert float(rows[0]["uniqueness"]) == pytest.approx(report.values["uniqueness"][0], rel=1e-5)
    assert rows[2]["uniqueness"] == ""  # it is silent
    assert rows[2]["notes"] == "0"
    assert rows[2]["piece"] == "'=1+1.mid"  # no formula for a spreadsheet


def test_the_same_report_is_the_same_page(written):
    _, report, _ = written
    assert to_html(report, {}, "a") == to_html(report, {}, "a")
