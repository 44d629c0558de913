import csv
import dataclasses
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import nextbar
from nextbar.measures import report_files
from nextbar.measures.intervals import UNMEASURED, Interval
from nextbar.measures.metres import MetreOverlap
from nextbar.measures.pieces import reference_windows
from nextbar.measures.report import Report
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
        folder, report, pieces, windows, n_steps=16, title=f"of {HOSTILE}"
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


def test_a_measure_with_any_figure_has_a_line_and_one_without_has_none():
    one, none = Interval(1, 0, 2), UNMEASURED
    columns = {
        "notes": {"generated": one, "reference": none},
        "recurrence": {"generated": none, "chance": one},
        "polyphony": {"generated": none, "reference": none},
    }
    report = Report(columns, 1, 0, 5, {}, [])
    assert [row.name for row in report.rows()] == ["notes", "recurrence"]
    assert report.columns() == ["generated", "reference", "chance"]


def test_what_metres_have_in_common_stands_beside_what_real_ones_have():
    overlap, real = np.array([[90.0, 20], [30, np.nan]]), np.array([[95.0, 40], [40, 85]])
    metres = MetreOverlap(((4, 4), (6, 8)), overlap, real, np.array([7, 0]), np.array([11, 5]))
    stored = Report({}, 1, 1, 5, {}, [], n_left_out=3, metres=metres).to_json()
    assert stored["n_left_out"] == 3
    assert stored["metres"] == {
        "4/4": {
            "bars": {"generated": 7, "reference": 11},
            "in_common_with": {
                "generated": {"4/4": 90, "6/8": 20},
                "reference": {"4/4": 95, "6/8": 40},
            },
        },
        "6/8": {
            "bars": {"generated": 0, "reference": 5},
            "in_common_with": {
                "generated": {"4/4": 30, "6/8": None},
                "reference": {"4/4": 40, "6/8": 85},
            },
        },
    }


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


class Cells(HTMLParser):
    """What a page shows: its headings, the rows of its table cell by cell, its list, pictures."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.items, self.headings, self.alts, self.texts = [], [], [], [], []
        self.tables, self.now = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.alts.append(dict(attrs)["alt"])
        if tag == "table":
            self.tables.append(dict(attrs)["class"])
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append([])
        into = {"li": self.items, "h1": self.headings, "h2": self.headings, "p": self.texts}
        if tag in into:
            into[tag].append("")
        self.now = tag if tag != "em" else self.now

    def handle_endtag(self, tag):
        self.now = "td" if tag == "small" else self.now if tag == "em" else ""

    def handle_data(self, data):
        if self.now in ("td", "th", "small"):
            self.rows[-1][-1].append(data)
        elif self.now in ("h1", "h2"):
            self.headings[-1] += data
        elif self.now in ("p", "li"):
            (self.texts if self.now == "p" else self.items)[-1] += data
        else:
            assert not data.strip() or self.now in ("style", "title"), data


def test_the_page_read_back_has_every_measure_in_its_column(written):
    _, report, _ = written
    pictures = dict.fromkeys(("figure-3.png", "coherence-by-bar.png", "first-pieces.png"), b"png")
    cells = Cells(to_html(report, pictures, f"of {HOSTILE}"))
    assert cells.headings == [
        f"of {HOSTILE[:-5]}\\udcff.mid",
        "What to know",
        "Five measures: piece by piece, sorted, and as distributions",
        "Does the next bar follow from the last? Bar by bar, with 95 % bands",
        "The first pieces",
    ]
    assert cells.alts == cells.headings[2:]
    assert cells.tables == ["figures"]
    assert cells.texts == [
        "4 generated pieces of 5 bars, beside 10 windows of real music as long and 4 pieces of "
        "random notes; 0 files left out. Mean, and the 95 % interval below it. Good is near real "
        "and away from chance."
    ]
    assert cells.rows[0] == [["measure"], ["generated"], ["real"], ["chance"], ["as published"]]
    by_name = {row[0][0]: row for row in cells.rows[1:]}
    for row in report.rows():
        shown = by_name[f"{row.name.replace('_', ' ')}, {row.unit}"]
        assert shown[0][1] == f"{row.label}: {row.says}"
        for column, cell in zip(report.columns(), shown[1:], strict=True):
            interval = row.columns.get(column)
            if interval is None or np.isnan(interval.mean):
                assert cell == ["-"]
            else:
                assert float(cell[0]) == pytest.approx(interval.mean, abs=0.051)
                low, high = map(float, cell[1].split(" to "))
                assert [low, high] == pytest.approx([interval.low, interval.high], abs=0.051)
    assert len(cells.items) == len(report.notes)
    assert cells.items[0] == f"left out: {HOSTILE[:-5]}\\udcff.mid: no notes"


def test_a_mean_without_an_interval_has_no_second_line(written):
    _, report, _ = written
    alone = report.with_measures({"notes": {"generated": Interval(3, np.nan, np.nan)}})
    assert "<td>3.0</td>" in to_html(alone, {}, "a")


def test_the_table_for_spreadsheets_quotes_what_would_be_a_formula_and_nothing_else(written):
    _, report, _ = written
    names = ["a.mid", "=a", "+a", "-a", "@a", "", "a,b"]
    values = {"notes": np.array([1.0, 2, 3, 4, 5, np.nan, 7.123456789])}
    text = to_csv(dataclasses.replace(report, pieces=names, values=values))
    assert text == "piece,notes\na.mid,1\n'=a,2\n'+a,3\n'-a,4\n'@a,5\n,\n\"a,b\",7.12346\n"


def test_the_pictures_are_of_the_pieces_and_of_the_real_windows(tmp_path, monkeypatch):
    drawn = {}

    def note(name, given):
        drawn[name] = given
        return Figure(figsize=(3, 3))

    def of_figure_3(rows, *, n_shown):
        return note(
            "figure 3", ({name: len(row["tone span"]) for name, row in rows.items()}, n_shown)
        )

    def sheet(panels):
        return note("sheet", panels)

    monkeypatch.setattr(report_files, "draw_figure_3", of_figure_3)
    monkeypatch.setattr(report_files, "draw_contact_sheet", sheet)
    rng = np.random.default_rng(0)
    pieces = [random_piece(rng)._replace(name=f"a/{n}.mid", n_given_bars=2) for n in range(30)]
    real = [random_piece(rng, n_notes=60, n_bars=10) for _ in range(5)]
    report = compare(pieces, real, n_steps=16)
    windows = reference_windows(real, n_bars=5, n_steps=16)
    facts = {"n_steps": 16, "title": "a"}
    write_measures_report(tmp_path / "a", report, pieces, windows, **facts)
    assert drawn["figure 3"] == ({"30 generated pieces": 30, "10 real windows": 10}, 30)
    panels = drawn["sheet"]
    assert len(panels) == 24
    assert [panel.title for panel in panels[:2]] == ["0", "1"]
    assert (panels[1].notes == pieces[1].notes).all()
    assert panels[1].starts.tolist() == [0, 16, 32, 48, 64, 80]
    assert panels[1].given_bars == 2
    stored = json.loads((tmp_path / "a" / "report.json").read_text())
    assert stored["nextbar"] == nextbar.__version__
    write_measures_report(tmp_path / "b", report, pieces[:1], [], **facts)
    assert drawn["figure 3"] == ({"1 generated pieces": 1}, 2)
    write_measures_report(tmp_path / "b", report, pieces * 11, [], **facts)
    assert drawn["figure 3"][1] == 300
