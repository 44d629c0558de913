"""Folders of pieces in several metres beside corpora of several."""

import dataclasses
import json
import re

import numpy as np
import pytest

import nextbar
from nextbar import judging
from nextbar.errors import UsageError
from nextbar.judging import PLAIN_BARS, pieces_of_corpus, read_folder
from nextbar.measures import report_files
from nextbar.measures.classifiers import TwoSampleTest
from nextbar.measures.copying import TrainingBars
from nextbar.measures.figures import draw_figure_3
from nextbar.measures.intervals import UNMEASURED, Interval
from nextbar.measures.pieces import metres_of_bars
from nextbar.music.picture import draw_contact_sheet
from nextbar.music.score import to_score, write_midi
from nextbar.writing.folder import Record, read_record

from .measures.small_pieces import make_notes, piece_in

COMMON, WALTZ, JIG = (4, 4), (3, 4), (6, 8)


def write(path, *bars):
    """A MIDI file of bars of (metre, {step: pitch})."""
    piece = piece_in(*bars)
    write_midi(to_score(piece.notes, metres=piece.metres), path, n_bars=piece.n_bars)


def beats(metre, first, *, every):
    """A bar with a note on each beat, from a pitch on upwards."""
    width = 16 if metre == COMMON else 12
    return (metre, {step: first + step // every for step in range(0, width, every)})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Ten tunes of four bars: four in 4/4, four in 3/4, and two that go from 4/4 to 3/4."""
    folder = tmp_path_factory.mktemp("tunes")
    for n in range(4):
        write(folder / f"common{n}.mid", *[beats(COMMON, 60 + n, every=4)] * 4)
        write(folder / f"waltz{n}.mid", *[beats(WALTZ, 60 + n, every=4)] * 4)
    for n in range(2):
        both = [beats(COMMON, 70 + n, every=4)] * 2 + [beats(WALTZ, 70 + n, every=4)] * 2
        write(folder / f"both{n}.mid", *both)
    out = tmp_path_factory.mktemp("corpus") / "corpus"
    return nextbar.prepare(folder, out, min_bars=1, held_out_every=2, page=False)


def record(folder, **pieces):
    """A generated.json of pieces of (changes of metre, bars)."""
    made = {
        f"{name}.mid": {"bars": bars, "given_bars": 1, "metres": changes}
        for name, (changes, bars) in pieces.items()
    }
    run = {"checkpoint": "", "path": "", "corpus": {}}
    stored = {"run": run, "bars": PLAIN_BARS.to_json(), "pieces": made}
    (folder / "generated.json").write_text(json.dumps(stored))


def test_the_tunes_of_a_corpus_have_the_metre_of_each_bar(corpus):
    tunes = {tune.name: tune for tune in pieces_of_corpus(corpus, "all")}
    both = tunes["both0.mid"]
    assert both.metres == (COMMON, COMMON, WALTZ, WALTZ)
    assert both.starts.tolist() == [0, 16, 32, 44, 56]
    assert set(tunes["waltz1.mid"].metres) == {WALTZ}
    learned = TrainingBars.of_corpus(corpus)
    expected = metres_of_bars(pieces_of_corpus(corpus, "training"))
    assert learned.metres.tolist() == expected.tolist()
    assert set(expected.tolist()) == {1028, 772}


def test_files_are_measured_in_the_metres_that_they_state(corpus, tmp_path):
    write(tmp_path / "a.mid", *[beats(WALTZ, 62, every=2)] * 2)
    write(tmp_path / "b.mid", beats(COMMON, 64, every=4), beats(WALTZ, 64, every=4))
    report = nextbar.evaluate(tmp_path, reference=corpus.path, out=tmp_path / "report", bars=2)
    assert report.n_generated == 2
    assert report.n_left_out == 0
    assert report.values["notes"].tolist() == [12, 7]
    stored = json.loads((tmp_path / "report" / "report.json").read_text())
    assert stored["metres"]["3/4"]["bars"]["generated"] == 3
    assert stored["metres"]["4/4"]["bars"]["generated"] == 1
    held_out = pieces_of_corpus(corpus, "held_out")
    n_waltzes = sum(tune.metres.count(WALTZ) for tune in held_out)
    assert stored["metres"]["3/4"]["bars"]["reference"] == n_waltzes
    assert "Metre by metre" in (tmp_path / "report" / "report.html").read_text()
    said = "\n".join(report.notes)
    assert "bars by metre: 3/4 3, 4/4 1 generated" in said
    assert "1 pieces are in 4/4 with 3/4, and no window of real music is" in said


def test_pieces_that_were_written_are_in_the_metres_of_their_record(tmp_path):
    # Its last two bars are silent, so that the file's notes end with bar 2; another is all silent.
    write(tmp_path / "a.mid", (WALTZ, {0: 60}), (WALTZ, {11: 62}), (COMMON, {}), (COMMON, {}))
    write_midi(to_score(make_notes([]), metres=[JIG]), tmp_path / "b.mid", n_bars=2)
    changes = [[1, "3/4"], [3, "4/4"]]
    record(tmp_path, a=(changes, 4), b=([[1, "6/8"]], 2))
    (a, b), notes = read_folder(tmp_path, PLAIN_BARS, read_record(tmp_path))
    assert not notes
    assert (a.metres, a.n_bars, a.n_given_bars) == ((WALTZ, WALTZ, COMMON, COMMON), 4, 1)
    assert a.starts.tolist() == [0, 12, 24, 40, 56]
    assert a.notes["start"].tolist() == [0, 23]
    assert (b.metres, len(b.notes)) == ((JIG, JIG), 0)


def test_bars_of_one_metre_are_no_copies_of_those_of_another(corpus, tmp_path):
    learned = pieces_of_corpus(corpus, "training")
    first = next(tune for tune in learned if set(tune.metres) == {WALTZ})
    pitch = int(first.notes["pitch"][0])
    for name, metre, share in (("waltz", WALTZ, 100), ("jig", JIG, 0)):
        folder = tmp_path / name
        folder.mkdir()
        write(folder / "a.mid", *[beats(metre, pitch, every=4)] * 2)
        report = nextbar.evaluate(folder, training=corpus.path)
        assert report.measures["copied_bars"]["generated"].mean == share


def test_metres_that_the_real_music_lacks_are_measured_and_said(corpus, tmp_path):
    write(tmp_path / "a.mid", *[beats(JIG, 62, every=6)] * 2)
    report = nextbar.evaluate(tmp_path, reference=corpus.path)
    assert report.n_reference == 0
    assert report.measures["notes"].keys() == {"generated", "chance"}
    assert any("1 pieces are in 6/8, and no window of real music is" in n for n in report.notes)


def test_bars_on_grids_of_other_steps_are_not_compared_those_of_other_metres_are(corpus, tmp_path):
    write(tmp_path / "a.mid", *[beats(WALTZ, 62, every=4)] * 2)
    record(tmp_path, a=([[1, "3/4"]], 2))  # of a model that knows 4/4 alone, says the kind
    assert nextbar.evaluate(tmp_path, reference=corpus.path).n_reference > 0
    fine = tmp_path / "fine"
    nextbar.prepare(tmp_path, fine, min_bars=1, steps_per_quarter=6, page=False)
    with pytest.raises(UsageError, match="of 6 steps a quarter, those of the pieces of 4 steps"):
        nextbar.evaluate(tmp_path, reference=fine)


def test_bars_of_seconds_have_no_metre(tmp_path):
    for n in range(3):
        write(tmp_path / f"{n}.mid", *[beats(WALTZ, 60 + n, every=3)] * 6)
    corpus = nextbar.prepare(tmp_path, tmp_path / "seconds", grid="seconds", min_bars=1, page=False)
    tunes = pieces_of_corpus(corpus, "all")
    assert {(tune.metres, tune.starts) for tune in tunes} == {((), None)}
    assert TrainingBars.of_corpus(corpus).metres is None
    report = nextbar.evaluate(tmp_path, reference=tmp_path / "seconds")
    assert report.metres is None
    assert "metres" not in report.to_json()
    assert np.isfinite(report.measures["overlap_grooves"]["generated"].mean)


@pytest.mark.parametrize(
    ("n_pieces", "interval", "shown", "said"),
    [
        (
            300,
            (55, 48, 63),
            None,
            "too few to tell: 300 pieces.*that so few are not told says noth",
        ),
        (300, (94, 90, 97), None, "too few to tell: 300 pieces.*even so they are told"),
        # Half of 48 to 56 is 4, twice 1.5 is 3: 50 + 5.
        (1500, (52, 48, 56), 52, "of 1,500 pieces a quarter was asked about, 375 windows; 55.0 %"),
    ],
)
def test_a_verdict_on_few_pieces_cannot_be_read_as_praise(
    corpus, tmp_path, monkeypatch, n_pieces, interval, shown, said
):
    write(tmp_path / "a.mid", *[beats(WALTZ, 62, every=2)] * 2)
    verdict = TwoSampleTest(Interval(*interval), (375, 600), n_pieces)
    monkeypatch.setattr(judging, "told_from_real", lambda *_, **__: verdict)
    monkeypatch.setattr(judging, "real_told_from_real", lambda *_, **__: verdict)
    report = nextbar.evaluate(tmp_path, reference=corpus.path, classifiers=True)
    columns = report.measures["told_from_real"]
    assert columns["reference"].mean == interval[0]
    assert columns["generated"] == (UNMEASURED if shown is None else Interval(*interval))
    assert any(re.match(f"told_from_real: {said}", note) for note in report.notes)


IN_D = (62, 64, 66, 67, 69, 71, 73, 74)
"""A scale of D major; in C it is two semitones lower."""


def in_d(path):
    write(path, *[(COMMON, {2 * i: pitch for i, pitch in enumerate(IN_D)})] * 4)


def pitches(pieces):
    return {tuple(sorted(set(piece.notes["pitch"].tolist()))) for piece in pieces}


@pytest.fixture(scope="module")
def tunes_in_d(tmp_path_factory):
    folder = tmp_path_factory.mktemp("d")
    for n in range(4):
        in_d(folder / f"{n}.mid")
    return folder


def prepared(folder, out, **options):
    return nextbar.prepare(
        folder, out, min_bars=1, held_out_every=2, page=False, duplicates="keep", **options
    )


def test_files_in_other_keys_are_brought_to_that_of_the_corpus(tunes_in_d, tmp_path):
    in_c = prepared(tunes_in_d, tmp_path / "c")
    report = nextbar.evaluate(tunes_in_d, reference=in_c.path)
    assert report.measures["copied_bars"]["generated"].mean == 100
    assert any(note.startswith("generated: 4 pieces were brought to C") for note in report.notes)
    as_they_are = prepared(tunes_in_d, tmp_path / "d", common_key=False)
    report = nextbar.evaluate(tunes_in_d, reference=as_they_are.path)
    assert report.measures["copied_bars"]["generated"].mean == 100
    assert not any("were brought to C" in note for note in report.notes)


def test_a_corpus_stands_in_the_keys_in_which_the_model_writes(tunes_in_d, tmp_path):
    lower = tuple(pitch - 2 for pitch in IN_D)
    for name, options, written, expected in (
        ("c", {}, False, IN_D),
        ("d", {"common_key": False}, True, lower),
        ("same", {}, True, lower),
    ):
        corpus = prepared(tunes_in_d, tmp_path / name, **options)
        kind = dataclasses.replace(corpus.kind, common_key=written)
        record = Record({}, kind, {})
        real = judging.find_reference(record, corpus.path, None)
        assert real.kind.common_key is written
        assert pitches(real.pieces) == pitches(real.everything) == {expected}
        assert set(real.training.bars[0]["pitch"].tolist()) == set(expected)


def test_what_a_model_wrote_in_its_key_stays_and_what_it_wrote_in_a_files_key_is_moved():
    piece = piece_in((COMMON, dict(enumerate(IN_D))), name="a.mid")
    kind = dataclasses.replace(PLAIN_BARS, common_key=True)
    for begun, expected in (("noise", 62), ("held-out", 62), ("training", 62), ("b.mid", 60)):
        record = Record({}, kind, {"a.mid": {"options": {"from-bar": begun}}})
        (found,), n_moved = judging.in_common_key([piece], kind, record)
        assert found.notes["pitch"][0] == expected
        assert n_moved == (begun == "b.mid")
    # In keys of its own, a model's pieces have to be moved; beside bars in all keys none.
    own = Record({}, PLAIN_BARS, record.pieces)
    assert judging.in_common_key([piece], kind, own)[1] == 1
    assert judging.in_common_key([piece], PLAIN_BARS, None)[1] == 0


def test_pictures_are_of_bars_as_they_are_beside_real_windows_in_the_same_metres(
    corpus, tmp_path, monkeypatch
):
    write(tmp_path / "a.mid", *[beats(WALTZ, 62, every=2)] * 2)
    shown = {}

    def draw_rows(rows, **_):
        shown["rows"] = list(rows)
        return draw_figure_3(rows)

    def draw_panels(panels, **_):
        shown["panels"] = [(panel.starts.tolist(), panel.metres) for panel in panels]
        return draw_contact_sheet(panels)

    monkeypatch.setattr(report_files, "draw_figure_3", draw_rows)
    monkeypatch.setattr(report_files, "draw_contact_sheet", draw_panels)
    report = nextbar.evaluate(tmp_path, reference=corpus.path, out=tmp_path / "report")
    assert shown["rows"][1] == f"{report.n_reference} real windows"
    assert shown["panels"] == [([0, 12, 24], (WALTZ, WALTZ))]
