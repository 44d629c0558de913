"""The studio's API with a run of two metres: pieces that change them, files, books in several."""

import io
import wave

import numpy as np
import pytest

from nextbar.writing.sketch import Sketch, Written

from ..music.midi_files import make_notes, midi, signature, track
from .conftest import eighths
from .speaking import begin, compose, events, metres_of, signatures


@pytest.fixture(scope="module")
def studio(studio_of_two):
    return studio_of_two


@pytest.fixture(scope="module")
def run(studio):
    return studio.get("/api/runs").json()["runs"][0]


@pytest.fixture(scope="module")
def piece(studio, run):
    """Two bars of 6/8, then two of 4/4."""
    jig = compose(studio, begin(studio, run), bars=2, metre="6/8")
    return compose(studio, jig, bars=2, metre="4/4")


def uploaded(studio, run, data, **where):
    where = {"run": run["fingerprint"], "name": "mine.mid", **where}
    answer = studio.post("/api/upload", params=where, content=data)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer):
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]


def test_the_studio_says_which_metres_a_run_knows_and_how_much_of_each(run):
    # sixteenths: 4 a quarter, 6 a dotted quarter; 8 tunes of 25 bars, 4 of 12
    assert run["metres"] == [
        {"metre": "4/4", "n_steps": 16, "beat": 4, "bars": 200, "is_little_known": False},
        {"metre": "6/8", "n_steps": 12, "beat": 6, "bars": 48, "is_little_known": True},
    ]


def test_a_piece_is_composed_in_the_metre_that_is_asked_for_and_goes_on_in_that_of_its_last_bar(
    studio, run, piece
):
    assert metres_of(piece) == ["6/8", "6/8", "4/4", "4/4"]
    assert [bar["n_steps"] for bar in piece["bars"]] == [12, 12, 16, 16]
    ends = [max(start + length for start, length, *_ in bar["notes"]) for bar in piece["bars"]]
    assert all(end <= bar["n_steps"] for end, bar in zip(ends, piece["bars"], strict=True))
    assert max(ends[2:]) > 12
    assert metres_of(compose(studio, piece, bars=1)) == [*metres_of(piece), "4/4"]
    assert metres_of(compose(studio, begin(studio, run), bars=1)) == ["4/4"]  # the most frequent


def test_each_bar_that_comes_has_its_width(studio, run):
    asked = {"piece": begin(studio, run)["recipe"], "bars": 2, "seed": 4, "metre": "6/8"}
    *bars, last = events(studio.post("/api/compose", json=asked))
    shown = [(bar["bar"]["metre"], bar["bar"]["n_steps"], bar["bar"]["beat"]) for bar in bars]
    assert shown == [("6/8", 12, 6)] * 2
    # the notes come as they then stand, those held over from the bar before too
    assert [sorted(n[:3] for n in bar["bar"]["notes"]) for bar in bars] == [
        sorted(n[:3] for n in bar["notes"]) for bar in last["piece"]["bars"]
    ]


def test_what_is_drawn_anew_keeps_its_metre(studio, piece):
    asked = {"piece": piece["recipe"], "bar": 1, "seed": 9}
    rolled = events(studio.post("/api/roll", json=asked))[-1]["piece"]
    assert rolled["bars"][1]["name"] != piece["bars"][1]["name"]
    assert metres_of(rolled) == metres_of(piece)
    anew = {"piece": piece["recipe"], "bars": 5, "seed": 9}
    recomposed = events(studio.post("/api/recompose", json=anew))[-1]["piece"]
    assert metres_of(recomposed) == [*metres_of(piece), "4/4"]
    found = studio.post("/api/alternatives", json={**asked, "count": 2}).json()["bars"]
    assert [bar["metre"] for bar in found] == ["6/8", "6/8"]


def test_bars_of_one_metre_are_blended_and_of_two_not(studio, piece):
    names = [bar["name"] for bar in piece["bars"]]
    asked = {"piece": piece["recipe"], "bar": 0, "first": names[0], "second": names[1]}
    found = studio.post("/api/blend", json=asked).json()["bars"]
    assert {bar["metre"] for bar in found} == {"6/8"}
    said = refused(studio.post("/api/blend", json={**asked, "second": names[2]}))
    assert said == "blend: the bars are in 6/8 and 4/4; choose two of one metre"


def test_a_recipe_keeps_the_metres_and_opens_to_the_same_bars(studio, piece):
    stored = piece["recipe"]
    assert [stored["made"][name]["metre"] for name in stored["bars"]] == ["6/8", "6/8", None, None]
    assert studio.post("/api/open", json={"piece": stored}).json() == piece


def test_a_metre_that_the_run_does_not_know_is_refused(studio, run):
    recipe = begin(studio, run)["recipe"]
    asked = {"piece": recipe, "bars": 1, "seed": 1, "metre": "5/4"}
    said = refused(studio.post("/api/compose", json=asked))
    assert said == "metre: 5/4 is none that this model knows (4/4, 6/8)"
    odd = {"notes": [[0, 4, 60, 80]], "bars": 1, "metres": ["5/4"]}
    said = refused(studio.post("/api/begin", json={"run": run["fingerprint"], **odd}))
    assert said == "metre: 5/4 is none that this model knows (4/4, 6/8)"


def test_a_recipe_cannot_make_the_run_write_what_it_does_not_know(studio, run):
    """Not even in a bar that does not sound, but on which one that does builds."""
    sketch = Sketch(run["fingerprint"], make_notes(), (), 0, {}, ())
    hidden = Written(1, 0, 1.0, 1.0, ("noise",), (5, 4))
    heard = Written(1, 1, 1.0, 1.0, (sketch.name_of(hidden),))
    made = {sketch.name_of(each): each for each in (hidden, heard)}
    recipe = Sketch(run["fingerprint"], make_notes(), (), 0, made, (sketch.name_of(heard),))
    said = refused(studio.post("/api/open", json={"piece": recipe.to_json()}))
    assert said == "metre: 5/4 is none that this model knows (4/4, 6/8)"


def test_files_to_take_away_change_their_metre_where_the_piece_does(studio, piece):
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    music21 = pytest.importorskip("music21", reason="needs the extra `folk`")

    def exported(kind):
        answer = studio.post(f"/api/export/{kind}", json={"piece": piece["recipe"], "tempo": 90})
        assert answer.status_code == 200, answer.text
        return answer.content

    # 480 ticks a quarter: a bar of 6/8 has 3 of them
    assert signatures(exported("mid")) == [(0, "6/8"), (2 * 1440, "4/4")]
    sheet = music21.converter.parseData(exported("musicxml"), format="musicxml")
    measures = list(sheet.parts[0].getElementsByClass("Measure"))
    stated = [measure.timeSignature and measure.timeSignature.ratioString for measure in measures]
    assert stated == ["6/8", None, "4/4", None]
    assert [measure.offset for measure in measures] == [0, 3, 6, 10]
    with wave.open(io.BytesIO(exported("wav"))) as sound:
        seconds = sound.getnframes() / sound.getframerate()
        assert np.frombuffer(sound.readframes(-1), "<i2").any()
    # 14 quarters at 90 a minute and the tail of 2 s; four bars of 4/4 would take 1.3 s more
    assert seconds == pytest.approx(14 * 60 / 90 + 2, abs=0.6)
    assert exported("png").startswith(b"\x89PNG")


def test_a_piece_in_two_metres_is_measured(studio, piece):
    answer = studio.post("/api/measures", json={"piece": piece["recipe"]})
    assert answer.status_code == 200, answer.text
    rows = {row["name"]: row for row in answer.json()["measures"]}
    heard = [note for bar in piece["bars"] for note in bar["notes"] if not note[4]]
    assert rows["notes"]["value"] == sum(note[3] > 10 for note in heard)
    assert rows["notes"]["low"] is None  # no held-out tune changes its metre


def test_a_training_tune_says_where_its_bars_begin(studio, run):
    where = {"run": run["fingerprint"]}
    jig = studio.get("/api/tunes/2", params=where).json()  # every third is in 6/8
    assert (jig["metres"], jig["starts"]) == (["6/8"] * 12, list(range(0, 12 * 12 + 1, 12)))
    begun = begin(studio, run, notes=jig["notes"], bars=2, metres=jig["metres"][:2])
    assert metres_of(compose(studio, begun, bars=1)) == ["6/8"] * 3
    assert [len(bar["notes"]) for bar in begun["bars"]] == [6, 6]


def test_a_file_says_of_each_bar_its_metre_and_whether_it_can_be_gone_on_from(studio, run):
    data = eighths(((6, 8), 2), ((4, 4), 1), ((5, 8), 1), ((6, 8), 1), ((5, 8), 2))
    mine = uploaded(studio, run, data)
    assert mine["metres"] == ["6/8", "6/8", "4/4", "5/8", "6/8", "5/8", "5/8"]
    # 12 + 12 + 16 + 10 + 12 + 10 + 10 steps
    assert mine["starts"] == [0, 12, 24, 40, 50, 62, 72, 82]
    assert mine["known"] == [True, True, True, False, True, False, False]
    assert mine["says"] == [
        "mine.mid: the model does not know 5/8; it can go on from bars 1 to 3, 5",
    ]
    begun = begin(studio, run, notes=mine["notes"], bars=5, metres=mine["metres"][:5])
    assert metres_of(compose(studio, begun, bars=1)) == [*mine["metres"][:5], "6/8"]


def test_cut_time_is_known_where_four_quarters_are_and_stays_as_it_is_written(studio, run):
    mine = uploaded(studio, run, eighths(((2, 2), 2)))
    assert (mine["metres"], mine["known"], mine["says"]) == (["2/2", "2/2"], [True, True], [])


def test_of_many_stretches_the_first_are_listed(studio, run):
    mine = uploaded(studio, run, eighths(*[((4, 4), 1), ((5, 8), 1)] * 10))
    (said,) = mine["says"]
    assert said.endswith("it can go on from bars 1, 3, 5, 7, 9, 11, 13, 15, and others")


def test_a_tune_of_a_book_is_chosen_among_those_that_can_be_gone_on_from(studio, run):
    names = {1: ("jig", (6, 8)), 2: ("odd", (5, 4)), 3: ("reel", (4, 4))}
    parts = []
    for number, (name, metre) in names.items():
        n_notes = 4 * metre[0] * 4 // metre[1]  # four bars of quarters
        part = track([(i * 480, 480, 60 + number, 90) for i in range(n_notes)], name=name)
        part.insert(0, signature(*metre))
        parts.append(part)
    book = bytearray(midi(*parts))
    book[9] = 2  # type 2: each track is a tune of its own
    found = uploaded(studio, run, bytes(book))
    assert (found["tune"], found["tunes"], found["metres"][0]) == (1, 3, "6/8")
    assert found["choices"] == [{"number": 1, "name": "jig"}, {"number": 3, "name": "reel"}]
    reel = uploaded(studio, run, bytes(book), tune=3)
    assert (reel["tune"], reel["metres"], reel["notes"][0][2]) == (3, ["4/4"] * 4, 63)
    where = {"run": run["fingerprint"], "name": "book.mid", "tune": 2}
    said = refused(studio.post("/api/upload", params=where, content=bytes(book)))
    assert said.startswith("book.mid#2: it is in 5/4, and this model writes 4/4, 6/8; ")
