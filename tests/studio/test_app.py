"""The studio's API: pieces begun, composed, changed and taken away."""

import io
import wave

import mido
import numpy as np
import pytest
import symusic

import nextbar
from nextbar.frames.config import Sampling
from nextbar.settings import bounds
from nextbar.writing.sketch import Sketch
from nextbar.writing.workbench import Workbench

from ..fixtures import let_it_sound, write_tune
from ..music.midi_files import midi, signature, track, tune_bytes
from .speaking import begin, compose, events


def names(piece):
    return [bar.get("name") for bar in piece["bars"]]


def cells(bar):
    """What sounds when, without the loudness, which a note keeps from the bar that it began in."""
    return sorted(note[:3] for note in bar["notes"])


def test_the_studio_says_what_run_it_has_open(run):
    assert run["name"] == "run"
    assert run["tunes"] is True
    # 12 tunes of 6 bars, sixteenths: 16 of them, 4 a beat
    assert run["metres"] == [
        {"metre": "4/4", "n_steps": 16, "beat": 4, "bars": 72, "is_little_known": True}
    ]


def test_bars_come_one_by_one_and_then_the_whole_piece(studio, run):
    asked = {"piece": begin(studio, run)["recipe"], "bars": 3, "seed": 4}
    got = events(studio.post("/api/compose", json=asked))
    assert [event["event"] for event in got] == ["bar", "bar", "bar", "piece"]
    assert [event["bar"]["index"] for event in got[:3]] == [0, 1, 2]
    assert [event["bar"]["name"] for event in got[:3]] == names(got[3]["piece"])
    streamed = [cells(event["bar"]) for event in got[:3]]
    assert streamed == [cells(bar) for bar in got[3]["piece"]["bars"]]
    assert sum(map(len, streamed)) > 0


def test_bars_that_come_one_by_one_are_in_the_key_of_the_given_notes(studio, run):
    recipe = begin(studio, run, notes=[[0, 4, 60, 80]], bars=1)["recipe"]
    asked = {"piece": {**recipe, "transposed": 3}, "bars": 3, "seed": 4}
    *one_by_one, last = events(studio.post("/api/compose", json=asked))
    streamed = [cells(event["bar"]) for event in one_by_one]
    assert streamed == [cells(bar) for bar in last["piece"]["bars"][1:]]
    assert sum(map(len, streamed)) > 0


def test_what_the_page_composes_is_what_generate_writes(studio, run, trained):
    composer = let_it_sound(nextbar.load(trained / "run"))
    piece = compose(studio, begin(studio, run), bars=5, seed=9, temperature=0.8)
    answer = studio.post("/api/export/mid", json={"piece": piece["recipe"]})
    score = composer.generate(bars=5, seed=9, temperature=0.8)
    heard, expected = symusic.Score.from_midi(answer.content), score
    assert heard.tracks[0].notes == expected.tracks[0].notes
    assert len(heard.tracks[0].notes) > 0


def test_a_recipe_opens_again_to_the_same_bars_here_and_in_python(studio, run, trained):
    piece = compose(studio, begin(studio, run), bars=4)
    again = studio.post("/api/open", json={"piece": piece["recipe"]}).json()
    assert again == piece
    composer = let_it_sound(nextbar.load(trained / "run"))
    made = Workbench(composer).composition(Sketch.from_json(piece["recipe"]))
    assert len(made.notes) == sum(not note[4] for bar in piece["bars"] for note in bar["notes"])


def test_a_locked_bar_stays_while_the_rest_is_rolled_again(studio, run):
    piece = compose(studio, begin(studio, run), bars=4)
    recipe = {**piece["recipe"], "locked": [2]}
    asked = {"piece": recipe, "bar": 0, "seed": 77, "with_following": True}
    rolled = events(studio.post("/api/roll", json=asked))[-1]["piece"]
    same = [a == b for a, b in zip(names(piece), names(rolled), strict=True)]
    assert same == [False, False, True, False]
    asked = {"piece": recipe, "bar": 2, "seed": 5}
    answer = studio.post("/api/roll", json=asked)
    assert answer.status_code == 400
    assert "locked; unlock one" in answer.json()["error"]


def recomposed(studio, recipe, bars, seed=77):
    asked = {"piece": recipe, "bars": bars, "seed": seed}
    got = events(studio.post("/api/recompose", json=asked))
    return got[-1]["piece"], [event["n_bars"] for event in got[:-1]]


def test_a_piece_is_composed_anew_around_its_locked_bars(studio, run):
    piece = compose(studio, begin(studio, run), bars=5, seed=1)
    recipe = {**piece["recipe"], "locked": [1, 3]}
    for bars, n_written in ((4, 4), (2, 4), (5, 5), (7, 7)):  # bar 4 is locked: no fewer than 4
        anew, grew = recomposed(studio, recipe, bars)
        same = [a == b for a, b in zip(names(piece), names(anew), strict=False)]
        assert same == [False, True, False, True, False][:n_written]
        assert len(anew["bars"]) == n_written
        assert anew["recipe"]["locked"] == [1, 3]
        # as many bars as stay while those between the locked ones are drawn, then one more each
        stay = min(n_written, 5)
        assert grew == [stay] * (stay - 2) + list(range(stay + 1, n_written + 1))


def test_without_locked_bars_a_piece_is_composed_anew_as_from_its_beginning(studio, run):
    begun = begin(studio, run, notes=[[0, 4, 60, 80]], bars=1)
    piece = compose(studio, begun, bars=4, seed=1)
    anew, grew = recomposed(studio, piece["recipe"], 3, seed=9)
    assert anew == compose(studio, begun, bars=3, seed=9)
    assert grew == [2, 3, 4]  # the given bar among them


def test_where_every_bar_is_locked_more_are_composed_and_fewer_refused(studio, run):
    piece = compose(studio, begin(studio, run), bars=2)
    recipe = {**piece["recipe"], "locked": [0, 1]}
    anew, _ = recomposed(studio, recipe, 3)
    assert names(anew)[:2] == names(piece)
    assert len(anew["bars"]) == 3
    answer = studio.post("/api/recompose", json={"piece": recipe, "bars": 2, "seed": 1})
    assert answer.status_code == 400
    assert "every bar that would be composed anew is locked; unlock one" in answer.json()["error"]


def test_what_is_not_asked_for_is_as_the_run_says(studio, run, monkeypatch):
    (desk,) = studio.app.state.shelf.desks.values()
    own = Sampling(temperature=0.7, follow=0.5)
    monkeypatch.setattr(desk.composer, "sampling", own)
    drawn = compose(studio, begin(studio, run), bars=1)["bars"][0]["recipe"]
    assert (drawn["temperature"], drawn["follow"]) == (0.7, 0.5)
    drawn = compose(studio, begin(studio, run), bars=1, follow=0.2)["bars"][0]["recipe"]
    assert (drawn["temperature"], drawn["follow"]) == (0.7, 0.2)
    (said,) = studio.get("/api/runs").json()["runs"]
    assert (said["temperature"], said["follow"]) == (0.7, 0.5)


def test_what_can_be_asked_for_is_bounded_as_everywhere_and_the_page_is_told(studio):
    schemas = studio.get("/openapi.json").json()["components"]["schemas"]
    for name in ("temperature", "follow"):
        low, high = bounds(Sampling, name)
        field = schemas["Written"]["properties"][name]
        assert (field["minimum"], field["maximum"]) == (low, high)
        asked = schemas["Compose"]["properties"][name]["anyOf"][0]
        assert (asked["minimum"], asked["maximum"]) == (low, high)
        control = studio.get("/api/runs").json()["controls"][name]
        assert low <= control["min"] < control["max"] <= high
    assert schemas["Compose"]["properties"]["seed"]["maximum"] == 2**53 - 1
    assert studio.get("/api/runs").json()["limits"] == {
        "given_bars": 512 - 64,
        "file_bytes": 4 * 2**20,
    }


def test_a_bar_says_itself_whether_it_is_near_to_a_training_bar_or_a_copy(studio, monkeypatch):
    (desk,) = studio.app.state.shelf.desks.values()
    silent = np.zeros(desk.kind.frame_shape, np.uint8)
    for nearness, is_near, is_copy in (
        (0.59, False, False), (0.6, True, False), (1.0, True, True), (float("nan"), False, False),
    ):  # fmt: skip
        monkeypatch.setattr(desk._known, "nearest", lambda *_, found=nearness: (found, 0))
        mark = desk._mark(silent, (4, 4))
        assert (mark["is_near"], mark["is_copy"]) == (is_near, is_copy)


def test_ten_alternatives_and_the_steps_of_a_blend_are_laid_side_by_side(studio, run):
    piece = compose(studio, begin(studio, run), bars=4)
    asked = {"piece": piece["recipe"], "bar": 1, "seed": 100}
    found = studio.post("/api/alternatives", json=asked).json()["bars"]
    assert [bar["recipe"]["seed"] for bar in found] == list(range(100, 110))
    first, last = piece["bars"][0], piece["bars"][3]
    asked = {"piece": piece["recipe"], "bar": 1, "first": first["name"], "second": last["name"]}
    steps = studio.post("/api/blend", json=asked).json()["bars"]
    assert len(steps) == 9
    assert [cells(steps[0]), cells(steps[-1])] == [cells(first), cells(last)]


def test_a_training_tune_can_be_browsed_and_gone_on_from_and_its_own_bar_is_a_copy(studio, run):
    listed = studio.get("/api/tunes", params={"run": run["fingerprint"]}).json()["tunes"]
    assert len(listed) == 10  # of 12 tunes, 0 and 10 are held out
    number = listed[0]["number"]
    tune = studio.get(f"/api/tunes/{number}", params={"run": run["fingerprint"]}).json()
    assert tune["bars"] == 6
    piece = begin(studio, run, notes=tune["notes"], bars=2, transposed=0)
    assert [bar["given"] for bar in piece["bars"]] == [True, True]
    assert piece["bars"][1]["notes"][0][:4] == [0, *tune["notes"][4][1:]]
    grown = compose(studio, piece, bars=2)
    assert [bar["given"] for bar in grown["bars"]] == [True, True, False, False]
    assert 0 <= grown["bars"][2]["nearness"] <= 1
    answer = studio.get("/api/tunes/0", params={"run": run["fingerprint"]})
    assert (answer.status_code, answer.json()["error"]) == (400, "there is no training tune 0")


def test_an_uploaded_file_gives_its_tracks_and_the_notes_of_the_chosen_one(studio, run):
    high = [(i * 480, 480, 72, 90) for i in range(8)]
    low = [(i * 960, 960, 48, 70) for i in range(4)]
    data = midi(track(high, name="tune"), track(low, name="bass", channel=1))
    where = {"run": run["fingerprint"], "name": "mine.mid"}
    both = studio.post("/api/upload", params=where, content=data).json()
    assert [(t["number"], t["name"], t["notes"]) for t in both["tracks"]] == [
        (1, "tune", 8),
        (2, "bass", 4),
    ]
    assert (len(both["notes"]), both["bars"], both["cut"]) == (12, 2, False)
    bass = studio.post("/api/upload", params={**where, "track": "2"}, content=data).json()
    assert bass["notes"] == [[i * 8, 8, 48, 70] for i in range(4)]
    piece = begin(studio, run, notes=bass["notes"], bars=2, transposed=bass["transposed"])
    assert len(compose(studio, piece, bars=1)["bars"]) == 3


def test_an_uploaded_file_is_taken_away_at_its_tempo_by_its_instrument_and_so_is_its_recipe(
    studio, run
):
    part = track([(i * 480, 480, 72, 90) for i in range(4)], name="Flauto")
    part.insert(0, mido.MetaMessage("set_tempo", tempo=833_333))  # 72 quarters a minute
    part.insert(0, mido.Message("program_change", program=73))
    where = {"run": run["fingerprint"], "name": "own.mid"}
    mine = studio.post("/api/upload", params=where, content=midi(part)).json()
    piece = begin(studio, run, notes=mine["notes"], bars=1, sound=mine["sound"])
    piece = compose(studio, piece, bars=1)
    opened = studio.post("/api/open", json={"piece": piece["recipe"]}).json()

    def exported(recipe, **asked):
        asked = {"piece": recipe, **asked}
        return studio.post("/api/export/mid", json=asked).content

    data = exported(opened["recipe"])
    assert data == exported(piece["recipe"])
    said = [m for each in mido.MidiFile(file=io.BytesIO(data)).tracks for m in each]
    assert [m.tempo for m in said if m.type == "set_tempo"] == [833_333]
    assert [m.program for m in said if m.type == "program_change"] == [73]
    assert [m.name for m in said if m.type == "track_name"] == ["Flauto"]
    faster = mido.MidiFile(file=io.BytesIO(exported(piece["recipe"], tempo=120.0)))
    assert [m.tempo for each in faster.tracks for m in each if m.type == "set_tempo"] == [500_000]


def test_a_recipe_of_format_2_opens_to_the_same_bars(studio, run):
    piece = compose(studio, begin(studio, run), bars=2)
    old = {key: value for key, value in piece["recipe"].items() if key != "sound"}
    opened = studio.post("/api/open", json={"piece": {**old, "format": 2}})
    assert opened.status_code == 200, opened.text
    assert opened.json()["bars"] == piece["bars"]


def test_a_recipe_of_format_3_opens_to_the_same_bars(studio, run):
    piece = compose(studio, begin(studio, run, notes=[[0, 4, 60, 80]], bars=1), bars=2)
    old = {key: value for key, value in piece["recipe"].items() if key != "given_metres"}
    made = {name: dict(each) for name, each in old["made"].items()}
    for each in made.values():
        del each["metre"]
    sound = {"tempo": 90.0, "program": 0, "name": "", "metre": [4, 4]}  # which it had instead
    opened = studio.post(
        "/api/open", json={"piece": {**old, "made": made, "sound": sound, "format": 3}}
    )
    assert opened.status_code == 200, opened.text
    assert opened.json()["bars"] == piece["bars"]


def test_swing_is_in_midi_and_wav_and_notes_stay_straight_with_a_word(studio, run):
    eighths = [[2 * i, 2, 60 + i, 80] for i in range(8)]
    piece = begin(studio, run, notes=eighths, bars=1, sound=None)
    sound = {"tempo": 120.0, "program": 0, "name": ""}

    def exported(kind, **more):
        recipe = {**piece["recipe"], "sound": {**sound, **more}}
        answer = studio.post(f"/api/export/{kind}", json={"piece": recipe})
        assert answer.status_code == 200, answer.text
        return answer.content

    (swings,) = symusic.Score.from_midi(exported("mid", swing=75)).tracks
    # the second eighth of each quarter, of 480 ticks, at 360
    assert [note.time for note in swings.notes][:4] == [0, 360, 480, 840]
    assert exported("mid", swing=50) == exported("mid")
    opened = studio.post(
        "/api/open", json={"piece": {**piece["recipe"], "sound": {**sound, "swing": 75}}}
    ).json()
    assert opened["recipe"]["sound"] == {**sound, "swing": 75}
    straight = {**piece["recipe"], "sound": {**sound, "swing": 50}}
    opened = studio.post("/api/open", json={"piece": straight}).json()
    assert opened["recipe"]["sound"] == sound  # as recipes were before there was such a thing
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    assert exported("wav", swing=75) != exported("wav")
    pytest.importorskip("music21", reason="needs the extra `folk`")
    plain, word = exported("musicxml").decode(), exported("musicxml", swing=75).decode()
    assert ">Swing<" in word
    assert ">Swing<" not in plain
    assert word.count("<type>eighth</type>") == plain.count("<type>eighth</type>") == 8


@pytest.mark.parametrize("change", [{"tempo": 5}, {"program": 128}, {"swing": 76}])
def test_a_recipe_with_a_sound_that_is_none_is_refused(studio, run, change):
    sound = {"tempo": 90.0, "program": 0, "name": "", **change}
    recipe = {**begin(studio, run)["recipe"], "sound": sound}
    answer = studio.post("/api/export/mid", json={"piece": recipe})
    assert answer.status_code == 422
    assert next(iter(change)) in answer.json()["error"]


def test_tracks_and_notes_are_of_the_same_tune_of_a_book_and_which_is_said(studio, run):
    jig = track([(i * 240, 240, 60, 90) for i in range(12)], name="jig")
    jig.insert(0, signature(6, 8))
    reel = track([(i * 480, 480, 72, 90) for i in range(8)], name="reel")
    data = bytearray(midi(jig, reel))
    data[9] = 2  # type 2: each track is a tune of its own
    where = {"run": run["fingerprint"], "name": "book.mid"}
    book = studio.post("/api/upload", params=where, content=bytes(data)).json()
    assert [(t["number"], t["name"], t["notes"]) for t in book["tracks"]] == [(1, "reel", 8)]
    assert [note[2] for note in book["notes"]] == [72] * 8
    assert (book["tune"], book["tunes"]) == (2, 2)
    assert book["choices"] == [{"number": 2, "name": "reel"}]
    assert book["says"] == ["passed over: book.mid#1: it is in 6/8, and this model writes 4/4"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "upload.mid: it has no content"),
        (b"no midi", "upload.mid: it does not begin with MThd"),
        (tune_bytes()[:60], "upload.mid"),
        (
            midi(
                __import__("mido").MidiTrack([signature(3, 4)]),
                track([(0, 480, 60, 90)]),
            ),
            "it is in 3/4",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_reason(studio, run, data, says):
    answer = studio.post("/api/upload", params={"run": run["fingerprint"]}, content=data)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_a_file_that_is_too_large_is_refused_before_it_is_read(studio, run):
    data = bytes(5 * 2**20)
    answer = studio.post("/api/upload", params={"run": run["fingerprint"]}, content=data)
    assert answer.status_code == 413
    assert "error" in answer.json()


def test_a_parser_that_hangs_costs_its_process_only(studio, run, monkeypatch):
    from nextbar.studio import uploads

    monkeypatch.setattr(uploads, "MOST_SECONDS", 0.01)
    answer = studio.post("/api/upload", params={"run": run["fingerprint"]}, content=tune_bytes())
    assert answer.status_code == 400
    assert "takes too long" in answer.json()["error"]
    assert studio.get("/api/runs").status_code == 200


def test_a_parser_that_asks_for_too_much_memory_costs_its_process_only(studio, run, monkeypatch):
    from nextbar.studio import uploads

    monkeypatch.setattr(uploads, "MOST_MEMORY", 2**20)  # not even NumPy can be loaded
    answer = studio.post("/api/upload", params={"run": run["fingerprint"]}, content=tune_bytes())
    assert answer.status_code == 400
    assert "cannot be read; save it anew" in answer.json()["error"]


def test_all_files_to_take_away_open_again(studio, run):
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    pytest.importorskip("music21", reason="needs the extra `folk`")
    piece = compose(studio, begin(studio, run), bars=2)

    def exported(kind):
        answer = studio.post(f"/api/export/{kind}", json={"piece": piece["recipe"], "tempo": 90})
        assert answer.status_code == 200, answer.text
        return answer.content

    score = symusic.Score.from_midi(exported("mid"))
    assert round(score.tempos[0].qpm) == 90
    with wave.open(io.BytesIO(exported("wav"))) as sound:
        seconds = sound.getnframes() / sound.getframerate()
        assert np.frombuffer(sound.readframes(-1), "<i2").any()
    assert seconds == pytest.approx(2 * 4 * 60 / 90 + 2, abs=1)  # two bars and the tail
    assert exported("png").startswith(b"\x89PNG")
    assert b"<score-partwise" in exported("musicxml")


def test_the_measures_of_a_piece_stand_beside_those_of_real_tunes(studio, run):
    piece = compose(studio, begin(studio, run), bars=4)
    answer = studio.post("/api/measures", json={"piece": piece["recipe"]}).json()
    rows = {row["name"]: row for row in answer["measures"]}
    # held-out tunes are of 6 bars of four quarters: one window of 4 bars each, 16 notes
    assert (rows["notes"]["low"], rows["notes"]["high"]) == (16, 16)
    assert rows["notes"]["value"] == sum(
        not note[4] for bar in piece["bars"] for note in bar["notes"] if note[3] > 10
    )
    assert rows["empty_bars"]["says"]


def test_the_piano_is_a_wav_of_three_seconds_for_every_fourth_key(studio):
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    with wave.open(io.BytesIO(studio.get("/api/instruments/0.wav").content)) as sound:
        rate, samples = sound.getframerate(), np.frombuffer(sound.readframes(-1), "<i2")
    starts = [samples[i * 3 * rate : (i * 3 + 1) * rate] for i in range(22)]
    assert all(np.abs(start.astype(int)).max() > 500 for start in starts)
    # The 10th key is C1 + 36 = 60, 261.6 Hz: its strongest partial is a multiple of that.
    spectrum = np.abs(np.fft.rfft(starts[9]))
    partial = spectrum.argmax() * rate / len(starts[9]) / 261.6
    assert partial == pytest.approx(round(partial), abs=0.02)


def test_a_recipe_of_another_run_is_answered_with_what_is_open(studio, run):
    recipe = {**begin(studio, run)["recipe"], "run": "0" * 64}
    answer = studio.post("/api/open", json={"piece": recipe})
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("the run 00000000 is not open here, only run (")


def test_a_run_that_cannot_be_loaded_is_named_with_its_reason(tmp_path):
    from fastapi.testclient import TestClient

    from nextbar.studio.app import make_app

    (tmp_path / "run.json").write_text("{}")
    with TestClient(make_app([tmp_path]), base_url="http://localhost") as client:
        while (said := client.get("/api/runs").json())["loading"]:
            pass
    assert said["runs"] == []
    assert "damaged" in said["failed"][0]["error"]


def test_a_file_of_the_users_keeps_its_key(studio, run, tmp_path):
    path = write_tune(tmp_path / "tune.mid")
    where = {"run": run["fingerprint"]}
    answer = studio.post("/api/upload", params=where, content=path.read_bytes()).json()
    assert answer["transposed"] == 0  # this run's corpus has no common key


@pytest.mark.parametrize(
    ("path", "sent", "says"),
    [
        ("begin", {"bars": "x"}, "bars: it is no whole number"),
        ("begin", {"bars": 449}, "bars: it is above 448, the most"),
        ("begin", {"notes": [[0, 4, 20, 80]]}, "notes.0.2: it is below 21, the least"),
        ("begin", {"colour": 1}, "colour: there is no such field; this may be of a later nextbar"),
        ("open", {}, "piece: it is missing"),
        ("open", {"piece": {"kind": "song"}}, "piece.kind: it is not 'nextbar recipe'"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_in_words_of_ours(studio, run, path, sent, says):
    sent = {"run": run["fingerprint"], **sent} if path == "begin" else sent
    answer = studio.post(f"/api/{path}", json=sent)
    assert answer.status_code == 422
    assert answer.json() == {"error": says}


def test_a_file_that_is_refused_on_the_page_is_not_told_of_a_command_line(studio, run):
    drums = midi(track([(0, 480, 38, 90)], channel=9))
    answer = _sent(studio, run, drums)
    assert answer.status_code == 400
    assert "drum channel; give a file with notes of pitch" in answer.json()["error"]
    assert "--" not in answer.json()["error"]
    both = midi(
        track([(i * 480, 480, 60, 90) for i in range(8)]), track([(0, 480, 38, 90)], channel=9)
    )
    says = " ".join(_sent(studio, run, both).json()["says"])
    assert "drum channel" in says
    assert "--" not in says


def _sent(studio, run, data, name="own.mid"):
    where = f"/api/upload?run={run['fingerprint']}&name={name}"
    return studio.post(where, content=data, headers={"content-type": "application/octet-stream"})


def test_the_studio_s_own_sheet_can_be_given_back_to_it(studio, run):
    pytest.importorskip("music21", reason="needs the extra `folk`")
    # a chord, a note between the beats, and one that is held over the bar line
    notes = [[0, 4, 60, 80], [0, 4, 64, 80], [6, 6, 62, 80], [14, 4, 67, 80]]
    recipe = begin(studio, run, notes=notes, bars=2)["recipe"]
    sheet = studio.post("/api/export/musicxml", json={"piece": recipe}).content
    read = _sent(studio, run, sheet, "own.musicxml")
    assert read.status_code == 200, read.text
    assert sorted(note[:3] for note in read.json()["notes"]) == [note[:3] for note in notes]


def test_a_run_says_what_it_has_learnt_from(run):
    assert run["plays"] == "It has learnt from 72 bars, in 4/4."  # 12 tunes of 6


def test_each_instrument_sounds_otherwise_and_there_are_128(studio):
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    piano, flute = (studio.get(f"/api/instruments/{n}.wav").content for n in (0, 73))
    assert piano != flute
    for data in (piano, flute):
        with wave.open(io.BytesIO(data)) as sound:
            assert sound.getnframes() / sound.getframerate() >= 22 * 3 - 1  # 22 keys of 3 s
    assert studio.get("/api/instruments/128.wav").status_code == 422


def test_a_model_of_one_voice_says_why_it_writes_no_other_hand(studio, run):
    piece = begin(studio, run)
    own = {"notes": [[0, 4, 60, 80, False]]}
    asked = {"piece": {**piece["recipe"], "bars": [own]}, "bars": [0], "seed": 1}
    answer = studio.post("/api/harmonise", json=asked)
    if run["why_no_other_hand"]:
        assert answer.status_code == 400
        assert run["why_no_other_hand"] in answer.json()["error"]
    wrong = studio.post("/api/harmonise", json={**asked, "keep": "top", "side": "above"})
    assert wrong.status_code == 400
    assert "choose the other side" in wrong.json()["error"]
    assert studio.post("/api/harmonise", json={**asked, "keep": "middle"}).status_code == 422
