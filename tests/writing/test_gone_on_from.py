"""A file of one's own that is gone on from: what is kept of it, what is said, what it is called."""

import json
import os
import re
import shutil
import threading
import time
import wave

import mido
import numpy as np
import pytest

import nextbar
from nextbar.errors import MusicFileError, UsageError
from nextbar.frames.config import Sampling
from nextbar.music import audio
from nextbar.music.score import to_score, write_midi
from nextbar.music.sheet import musicxml_bytes
from nextbar.writing import folder
from nextbar.writing.sketch import Sketch, Written
from nextbar.writing.workbench import Workbench

from ..fixtures import let_it_sound
from ..music.midi_files import make_notes, midi, signature, track

QUICK = {"pieces": 1, "bars": 2, "wav": False, "pictures": False}
PITCHES = (60, 64, 67, 72)


@pytest.fixture(scope="module")
def model(trained):
    return let_it_sound(nextbar.load(trained / "run"))


def tempo_of(bpm, time=0):
    return mido.MetaMessage("set_tempo", tempo=round(60e6 / bpm), time=time)


def program(number, channel=0):
    return mido.Message("program_change", program=number, channel=channel)


def quarters(n_bars=4, *, first_bar=0, per_bar=4, **options):
    """A track of quarters, (start, duration, pitch, velocity) in ticks of 480 a quarter."""
    n, begin = per_bar * n_bars, 480 * per_bar * first_bar
    return track([(begin + 480 * i, 480, PITCHES[i % 4], 80) for i in range(n)], **options)


def with_head(part, *messages):
    return mido.MidiTrack([*messages, *part])


@pytest.fixture
def flute(tmp_path):
    """Four bars at 72 quarters a minute, played by a flute."""
    part = with_head(quarters(name="Flauto"), tempo_of(72), program(73))
    path = tmp_path / "own.mid"
    path.write_bytes(midi(part))
    return path


def says_of(path):
    """Tempi in microseconds a quarter, metres, programs and track names of a MIDI file, by mido."""
    messages = [message for each in mido.MidiFile(path).tracks for message in each]
    return {
        "tempi": [m.tempo for m in messages if m.type == "set_tempo"],
        "metres": [(m.numerator, m.denominator) for m in messages if m.type == "time_signature"],
        "programs": [m.program for m in messages if m.type == "program_change"],
        "names": [m.name for m in messages if m.type == "track_name"],
    }


def onsets(path):
    """(quarter, pitch) of each note in a MIDI file, by mido."""
    file, found = mido.MidiFile(path), []
    for each in file.tracks:
        now = 0
        for message in each:
            now += message.time
            if message.type == "note_on" and message.velocity:
                found.append((now / file.ticks_per_beat, message.note))
    return sorted(found)


# ----------------------------------------------------------------------- tempo, instrument, metre


def test_a_file_keeps_its_tempo_its_instrument_and_its_tracks_name(model, flute, tmp_path):
    (path,) = nextbar.generate(model, tmp_path / "out", from_bar=f"{flute}:3", **QUICK)
    # 60,000,000 / 72 = 833,333 microseconds a quarter
    assert says_of(path) == {
        "tempi": [833_333], "metres": [(4, 4)], "programs": [73], "names": ["Flauto"],
    }  # fmt: skip
    details = json.loads((path.parent / "generated.json").read_text())["pieces"][path.name]
    assert (details["tempo"], details["program"], details["metres"]) == (72.0, 73, [[1, "4/4"]])


def test_a_beginning_tells_how_its_file_sounds_in_ordinary_values(model, flute):
    begun = nextbar.begin_from(model, f"{flute}:2")
    assert begun.tempo == pytest.approx(72, abs=1e-4)
    assert (begun.program, begun.sound.name, begun.left_out) == (73, "Flauto", {})
    of_corpus = nextbar.begin_from(model, "held-out")
    assert (of_corpus.tempo, of_corpus.program, of_corpus.says) == (None, None, ())


def test_a_score_in_python_sounds_like_the_file_it_goes_on_from(model, flute):
    begun = nextbar.begin_from(model, str(flute))
    score = model.generate(bars=1, beginning=begun)
    assert score.tempos[0].mspq == 833_333
    assert [(t.program, t.name) for t in score.tracks] == [(73, "Flauto")]
    faster = model.generate(bars=1, beginning=begun, tempo=144)
    assert (faster.tempos[0].mspq, faster.tracks[0].program) == (416_667, 73)


def test_a_tempo_that_is_asked_for_goes_before_that_of_the_file(model, flute, tmp_path):
    (own,) = nextbar.generate(model, tmp_path, from_bar=str(flute), **QUICK)
    (asked,) = nextbar.generate(model, tmp_path, from_bar=str(flute), tempo=90.5, **QUICK)
    (noise,) = nextbar.generate(model, tmp_path, tempo=60, **QUICK)
    assert "-tempo90.5-" in asked.name
    assert [says_of(p)["tempi"] for p in (own, asked, noise)] == [
        [833_333], [662_983], [1_000_000],
    ]  # fmt: skip
    assert (says_of(asked)["programs"], onsets(asked)) == ([73], onsets(own))
    record = json.loads((tmp_path / "generated.json").read_text())["pieces"]
    assert "--tempo 90.5" in record[asked.name]["command"]


@pytest.mark.parametrize("tempo", [9.9, 1000.1, float("nan"), -60])
def test_a_tempo_that_is_none_is_refused_before_anything_is_written(model, tmp_path, tempo):
    with pytest.raises(UsageError, match=r"tempo: .* is not between 10 and 1,000 quarters a min"):
        nextbar.generate(model, tmp_path / "out", tempo=tempo)
    assert not (tmp_path / "out").exists()


def test_sound_and_notation_have_the_files_tempo_and_instrument(model, flute, tmp_path):
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    music21 = pytest.importorskip("music21", reason="needs the extra `folk`")
    (path,) = nextbar.generate(model, tmp_path / "out", from_bar=str(flute), **{**QUICK, "wav": 1})
    with wave.open(str(path.with_suffix(".wav"))) as file:
        # 6 bars of 4 quarters of 60 / 72 s, and 2 s to ring on
        assert file.getnframes() / file.getframerate() == pytest.approx(22, abs=0.01)
    (made,) = model.compose([nextbar.begin_from(model, str(flute))], bars=2, seeds=[0])
    sheet = music21.converter.parse(musicxml_bytes(model.to_score(made, "x"), "x"), format="xml")
    (mark,) = {m.number for m in sheet.flatten().getElementsByClass("MetronomeMark")}
    assert mark == pytest.approx(72, abs=0.01)
    assert {i.midiProgram for i in sheet.flatten().getElementsByClass("Instrument")} == {73}


def test_a_file_in_cut_time_goes_on_in_cut_time(model, tmp_path):
    (tmp_path / "reel.mid").write_bytes(midi(with_head(quarters(), signature(2, 2))))
    (path,) = nextbar.generate(
        model, tmp_path / "out", from_bar=f"{tmp_path / 'reel.mid'}", **QUICK
    )
    assert says_of(path)["metres"] == [(2, 2)]


def slow_air(folder, ending):
    """Four bars of 12/8, as each kind of file states them."""
    music21 = pytest.importorskip("music21", reason="needs the extra `folk`")
    path = folder / f"air{ending}"
    if ending == ".mid":
        rows = [(round(480 * at), round(480 * length), pitch, 80) for at, length, pitch in AIR]
        path.write_bytes(midi(with_head(track(rows), signature(12, 8))))
    elif ending == ".abc":
        path.write_text("X:1\nT:air\nM:12/8\nL:1/8\nK:C\n" + "C3 DEF G2A c3|" * 4 + "\n")
    else:
        part = music21.stream.Part([music21.meter.TimeSignature("12/8")])
        part.append([music21.note.Note(pitch, quarterLength=length) for _, length, pitch in AIR])
        part.write("musicxml", path)
    return path


# A dotted quarter, three eighths, a quarter and an eighth, a dotted quarter: 6 quarters a bar.
AIR_BAR = ((0, 1.5, 60), (1.5, 0.5, 62), (2, 0.5, 64), (2.5, 0.5, 65), (3, 1, 67), (4, 0.5, 69),
           (4.5, 1.5, 72))  # fmt: skip
AIR = [(6 * bar + at, length, pitch) for bar in range(4) for at, length, pitch in AIR_BAR]


@pytest.mark.parametrize("ending", [".mid", ".abc", ".musicxml"])
def test_a_file_in_12_8_goes_on_in_12_8_and_never_as_two_bars_of_6_8(tmp_path, ending):
    music21 = pytest.importorskip("music21", reason="needs the extra `folk`")
    air = slow_air(tmp_path, ending)
    fiddle = nextbar.load("fiddle")
    (path,) = nextbar.generate(
        fiddle, tmp_path / "out", from_bar=f"{air}:3", musicxml=True, **QUICK
    )
    assert says_of(path)["metres"] == [(12, 8)]
    given = [(6 * bar + at, pitch) for bar in range(3) for at, _, pitch in AIR_BAR]
    assert [row for row in onsets(path) if row[0] < 18] == given
    (part,) = music21.converter.parse(path.with_suffix(".musicxml")).parts
    assert {s.ratioString for s in part.recurse().getElementsByClass("TimeSignature")} == {"12/8"}
    bars = list(part.getElementsByClass("Measure"))
    # Three that were given, two that were written, of six quarters each.
    assert [bar.duration.quarterLength for bar in bars] == [6.0] * 5
    for bar in bars[:3]:
        sounding = [n for n in bar.flatten().notes if n.tie is None or n.tie.type == "start"]
        assert [(n.offset, n.pitch.midi) for n in sounding] == [(at, p) for at, _, p in AIR_BAR]


def test_on_the_seconds_grid_a_tempo_is_not_applied_twice(model, tmp_path):
    from dataclasses import replace

    from nextbar.writing.beginning import begin_from_file

    seconds = replace(model.kind, grid="seconds")
    (tmp_path / "slow.mid").write_bytes(midi(with_head(quarters(), tempo_of(60), program(40))))
    begun = begin_from_file(seconds, f"{tmp_path / 'slow.mid'}")
    # A quarter at 60 is a second, 8 steps of an eighth second: at 120 they last as long.
    assert begun.notes["start"][:2].tolist() == [0, 8]
    assert (begun.tempo, begun.program) == (120, 40)


# ---------------------------------------------------------------------------------------- recipes


def sketch_of(bench, begun, n_bars=2):
    sketch = bench.begin(begun.notes, begun.n_bars, transposed=begun.transposed, sound=begun.sound)
    for grown, _ in bench.compose(sketch, bars=n_bars, seed=0, sampling=Sampling()):
        sketch = grown
    return sketch


def test_a_recipe_gives_the_same_file_with_its_tempo_and_instrument(model, flute, tmp_path):
    bench = Workbench(model)
    sketch = sketch_of(bench, nextbar.begin_from(model, str(flute)))
    opened = Sketch.from_json(json.loads(json.dumps(sketch.to_json())))
    for each, name in ((sketch, "a.mid"), (opened, "b.mid")):
        write_midi(model.to_score(Workbench(model).composition(each), "x"), tmp_path / name)
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()
    assert says_of(tmp_path / "b.mid") == {
        "tempi": [833_333], "metres": [(4, 4)], "programs": [73], "names": ["Flauto"],
    }  # fmt: skip


def test_a_recipe_of_before_there_was_a_sound_opens_to_the_same_bars(model, flute):
    bench = Workbench(model)
    sketch = sketch_of(bench, nextbar.begin_from(model, str(flute)))
    stored = {**sketch.to_json(), "format": 2}
    del stored["sound"]
    old = Sketch.from_json(stored)
    assert old.bars == sketch.bars
    made = bench.composition(old)
    np.testing.assert_array_equal(made.notes, bench.composition(sketch).notes)
    assert (made.sound.tempo, made.sound.program) == (model.kind.tempo, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tempo": 5}, "tempo: 5 is not between"),
        ({"tempo": float("nan")}, "tempo: nan"),
        ({"program": 128}, "program: 128 is not between 0 and 127"),
        ({"name": None}, "damaged"),
    ],
)
def test_a_recipe_with_a_sound_that_is_none_is_refused(model, flute, change, says):
    stored = sketch_of(Workbench(model), nextbar.begin_from(model, str(flute))).to_json()
    sound = {
        key: value for key, value in {**stored["sound"], **change}.items() if value is not None
    }
    with pytest.raises(UsageError, match=says):
        Sketch.from_json({**stored, "sound": sound})


def test_a_recipe_whose_metre_its_run_does_not_know_is_refused(model, flute):
    bench = Workbench(model)
    stored = sketch_of(bench, nextbar.begin_from(model, str(flute))).to_json()
    assert stored["given_metres"] == [None] * stored["given_bars"]
    waltz = dict(bench.begin(make_notes((0, 4, 60, 80)), 1).to_json())
    sketch = Sketch.from_json(waltz).with_bar(0, Written(1, 0, 1, 1, ("given",), (3, 4)))
    with pytest.raises(UsageError, match=r"metre: 3/4 is none that this model knows \(4/4\)"):
        bench.composition(sketch)
    with pytest.raises(UsageError, match="given_bars: 1, and 2 metres of them"):
        Sketch.from_json({**waltz, "given_metres": ["4/4", "4/4"]})
    with pytest.raises(UsageError, match="'4-4' is no metre"):
        Sketch.from_json({**waltz, "given_metres": ["4-4"]})


# -------------------------------------------------------------------------------- bars and tunes


def test_bars_that_are_silent_before_the_first_note_are_left_out_and_it_is_said(model, tmp_path):
    (tmp_path / "late.mid").write_bytes(midi(quarters(4, first_bar=32)))
    said = []
    (path,) = nextbar.generate(
        model, tmp_path / "out", from_bar=f"{tmp_path / 'late.mid'}:35", say=said.append, **QUICK
    )
    # Bars 33 to 35 are kept: twelve quarters, from the very beginning.
    given = [each for each in onsets(path) if each[0] < 12]
    assert given == [(i, PITCHES[i % 4]) for i in range(12)]
    assert any("bars 1 to 32 are silent and left out" in sentence for sentence in said)
    details = json.loads((path.parent / "generated.json").read_text())["pieces"][path.name]
    assert (details["given_bars"], details["bars"]) == (3, 5)
    assert (details["from"]["bars"], details["from"]["of_bars"]) == ([33, 35], 36)


def test_what_is_written_behind_silent_bars_is_what_is_written_without_them(model, tmp_path):
    for name, first_bar in (("late.mid", 9), ("prompt.mid", 0)):
        (tmp_path / name).write_bytes(midi(quarters(1, first_bar=first_bar)))
    late, prompt = (
        nextbar.begin_from(model, str(tmp_path / n)) for n in ("late.mid", "prompt.mid")
    )
    np.testing.assert_array_equal(late.notes, prompt.notes)
    np.testing.assert_array_equal(late.rolls, prompt.rolls)


BOOK = """X:1
T:Jig
M:6/8
L:1/8
K:C
CDE FGA|cBA GFE|

X:2
T:Reel
M:4/4
L:1/4
Q:1/4=100
K:C
cdef|gfed|cBAG|

X:3
T:March
M:4/4
L:1/4
K:C
CCGG|AAG2|
"""


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.abc"
    path.write_text(BOOK)
    return path


def test_which_tune_of_a_book_is_gone_on_from_is_said_recorded_and_in_the_name(
    model, book, tmp_path
):
    said = []
    (path,) = nextbar.generate(model, tmp_path, from_bar=str(book), say=said.append, **QUICK)
    assert "-tune2-bar3-" in path.name
    assert "book.abc#2: goes on behind bar 3 of 3, tune 2 of 3" in said[0]
    assert said[1] == "passed over: book.abc#1: it is in 6/8, and this model writes 4/4"
    # c d e f: 72 74 76 77
    assert [pitch for _, pitch in onsets(path)[:4]] == [72, 74, 76, 77]
    made = json.loads((tmp_path / "generated.json").read_text())["pieces"][path.name]["from"]
    assert (made["file"], made["tune"], made["tunes"]) == ("book.abc", 2, 3)


def test_a_tune_of_a_book_and_its_bar_can_be_chosen(model, book):
    march = nextbar.begin_from(model, f"{book}#3:1")
    assert march.notes["pitch"].tolist() == [60, 60, 67, 67]
    assert march.n_bars == 1
    reel = nextbar.begin_from(model, f"{book}#2")
    assert (reel.n_bars, round(reel.tempo)) == (3, 100)
    with pytest.raises(MusicFileError, match=r"book\.abc#1: it is in 6/8, and this model"):
        nextbar.begin_from(model, f"{book}#1:1")
    with pytest.raises(MusicFileError, match="it has 3 tunes, and no tune 4"):
        nextbar.begin_from(model, f"{book}#4")
    names = {nextbar.begin_from(model, f"{book}#{n}:1").name for n in (2, 3)}
    assert len(names) == 2


def test_a_tune_that_is_refused_behind_the_one_that_is_taken_is_not_passed_over(model, tmp_path):
    jig, march = BOOK.split("\n\n")[0], BOOK.split("\n\n")[2]
    path = tmp_path / "book.abc"
    path.write_text(f"{march}\n{jig}\n")
    says = nextbar.begin_from(model, str(path)).says
    assert "tune 1 of 2" in says[0]
    assert not any("passed over" in sentence for sentence in says)


def test_a_file_whose_own_name_ends_like_a_choice_is_taken_as_it_is_called(model, book, tmp_path):
    for name in ("tune#3", "tune:3", "tune#3:3"):
        (tmp_path / name).write_bytes(midi(quarters(2)))
        assert nextbar.begin_from(model, str(tmp_path / name)).n_bars == 2
        assert nextbar.begin_from(model, f"{tmp_path / name}:1").n_bars == 1
    for name in ("a#3", "a:1", "b#3:1"):
        shutil.copy(book, tmp_path / f"{name}.abc")
        assert nextbar.begin_from(model, f"{tmp_path / name}.abc").n_bars == 3
        assert nextbar.begin_from(model, f"{tmp_path / name}.abc#3:2").n_bars == 2


def test_a_waltz_is_refused_with_the_metre_of_the_model_and_what_can_be_done(model, tmp_path):
    waltz = midi(with_head(quarters(4, per_bar=3), signature(3, 4)))
    (tmp_path / "waltz.mid").write_bytes(waltz)
    with pytest.raises(MusicFileError) as caught:
        nextbar.begin_from(model, str(tmp_path / "waltz.mid"))
    assert str(caught.value) == (
        "waltz.mid: it is in 3/4, and this model writes 4/4; give a piece in 4/4, or a model of "
        "pieces in 3/4: nextbar prepare --metre 3/4, then train"
    )


def test_a_file_that_changes_metre_is_gone_on_from_where_the_model_knows_it(model, tmp_path):
    metres = mido.MidiTrack([signature(4, 4), signature(3, 4, time=1920 * 2)])
    suite = tmp_path / "suite.mid"
    suite.write_bytes(midi(metres, quarters(8)))  # bars 1 and 2 in 4/4, from 3 on in 3/4
    begun = nextbar.begin_from(model, str(suite))
    assert (begun.n_bars, begun.metres) == (2, ((4, 4), (4, 4)))
    with pytest.raises(UsageError) as caught:
        nextbar.begin_from(model, f"{suite}:4")
    assert str(caught.value) == (
        "bar 4 of suite.mid is in 3/4, and this model writes 4/4; give bar 2, the nearest in one "
        "of these, or a model of music in 3/4"
    )


# -------------------------------------------------------------------------------- what is left out


def test_what_was_left_out_of_the_file_is_said_before_anything_is_composed(model, tmp_path):
    drums = track([(480 * i, 240, 36, 90) for i in range(8)], channel=9)
    low = track([(480 * i, 480, 12, 90) for i in range(3)], channel=1)
    twice = track([(480 * i, 480, PITCHES[i % 4], 80) for i in range(2)], channel=2)
    (tmp_path / "band.mid").write_bytes(midi(quarters(), drums, low, twice))
    said, order = [], []

    def say(sentence):
        said.append(sentence)
        order.append("said")

    nextbar.generate(
        model, tmp_path / "out", from_bar=str(tmp_path / "band.mid"), say=say,
        progress=lambda _: order.append("written"), **QUICK,
    )  # fmt: skip
    begun = nextbar.begin_from(model, str(tmp_path / "band.mid"))
    assert sorted(begun.left_out.values()) == [2, 3, 8]
    for words in (
        "8 notes on the drum channel",
        "3 notes outside of A0 to C8",
        "2 notes that begin",
    ):
        assert any(words in sentence for sentence in said)
    assert order[-1] == "written"
    assert order.count("written") == 1
    (made,) = json.loads((tmp_path / "out" / "generated.json").read_text())["pieces"].values()
    assert made["from"]["left_out"] == begun.left_out


def test_other_tempi_and_instruments_of_the_file_are_told_as_left_out(model, tmp_path):
    # 72 before anything sounds, again in bar 2 (no change), 60 in bar 3, 72 in bar 4
    tempi = [tempo_of(72), tempo_of(72, 1920), tempo_of(60, 1920), tempo_of(72, 1920)]
    violin = with_head(track([(0, 480, 48, 80)], channel=1), program(40, 1))
    flute = with_head(quarters(), program(73))
    (tmp_path / "duo.mid").write_bytes(midi(mido.MidiTrack(tempi), violin, flute))
    begun = nextbar.begin_from(model, str(tmp_path / "duo.mid"))
    assert begun.left_out == {
        "changes of tempo, left out": 2,
        "other instruments than that of its fullest track, left out": 1,
    }
    assert (round(begun.tempo), begun.program) == (72, 73)
    alone = nextbar.begin_from(model, str(tmp_path / "duo.mid"), track=1)
    late = with_head(quarters(1, first_bar=1), tempo_of(60), tempo_of(72, 480))
    late[2].time -= 480  # 60, and from the second quarter on 72, before the first note in bar 2
    (tmp_path / "late.mid").write_bytes(midi(late))
    begun = nextbar.begin_from(model, str(tmp_path / "late.mid"))
    assert (round(begun.tempo), begun.left_out, begun.origin["bars"]) == (72, {}, [2, 2])
    assert (alone.program, len(alone.left_out)) == (40, 1)


def test_triplets_on_a_grid_of_sixteenths_are_said_and_a_grid_that_fits_is_offered(model, tmp_path):
    part = track([(160 * i, 160, PITCHES[i % 4], 80) for i in range(24)])
    (tmp_path / "swing.mid").write_bytes(midi(part))
    said = " ".join(nextbar.begin_from(model, str(tmp_path / "swing.mid")).says)
    assert "its onsets lie between the steps of this model, 4 a quarter" in said
    assert "--steps-per-quarter 12" in said
    (tmp_path / "straight.mid").write_bytes(midi(quarters()))
    said = " ".join(nextbar.begin_from(model, str(tmp_path / "straight.mid")).says)
    assert "between the steps" not in said


# ------------------------------------------------------------------------------------------- names


def test_tracks_that_become_one_are_named_before_anything_is_composed(model, tmp_path):
    def said(*parts, **chosen):
        path = tmp_path / "own.mid"
        path.write_bytes(midi(*parts))
        return [
            text for text in nextbar.begin_from(model, str(path), **chosen).says if "tracks" in text
        ]

    hands = quarters(name="Right"), quarters(name="Left")
    assert said(*hands) == [
        "own.mid: its 2 tracks are gone on from as one; --track takes one of them: 1 (Right), 2"
        " (Left)"
    ]
    assert said(*hands, track=2) == []
    assert said(hands[0]) == []
    (many,) = said(*(quarters() for _ in range(10)))
    assert many.endswith(" takes one of them: 1, 2, 3, 4, 5, 6, 7, 8 and 2 more")


def test_two_hands_gone_on_from_into_one_folder_give_two_files_and_one_record(model, tmp_path):
    hands = [quarters(name="Piano"), track([(0, 1920, 48, 80)], channel=1, name="Piano")]
    (tmp_path / "hands.mid").write_bytes(midi(*hands))
    paths = [
        nextbar.generate(
            model, tmp_path / "out", from_bar=f"{tmp_path / 'hands.mid'}:1", track=n, **QUICK
        )[0]
        for n in ("1", 2, "all")
    ]
    assert len(set(paths)) == 3
    # of quarters, of the long note, of both, as they begin
    assert [len([o for o in onsets(p) if o[0] < 4]) for p in paths] == [4, 1, 5]
    record = json.loads((tmp_path / "out" / "generated.json").read_text())["pieces"]
    assert {path.name for path in paths} == {*record}
    assert [record[p.name]["from"]["track"] for p in paths] == [1, 2, "all"]


@pytest.mark.parametrize("names", [("a/b", "a_b"), ("x" * 40 + "1", "x" * 40 + "2")])
def test_tracks_whose_names_come_out_alike_in_a_file_s_name_are_told_apart(model, tmp_path, names):
    parts = [quarters(name=name, channel=n) for n, name in enumerate(names)]
    (tmp_path / "duo.mid").write_bytes(midi(*parts))
    begun = [nextbar.begin_from(model, str(tmp_path / "duo.mid"), track=name) for name in names]
    assert begun[0].name != begun[1].name
    assert [len(each.name.encode()) < 80 for each in begun] == [True, True]


def test_two_files_of_one_name_gone_on_from_into_one_folder_give_two_files(model, tmp_path):
    written = {}
    for place, pitch in (("a", 60), ("b", 67)):
        write_midi(to_score(make_notes((0, 16, pitch, 80))), tmp_path / place / "tune.mid")
        start = str(tmp_path / place / "tune.mid")
        (path,) = nextbar.generate(model, tmp_path / "out", from_bar=start, **QUICK)
        written[path] = (pitch, path.read_bytes())
        (alone,) = nextbar.generate(model, tmp_path / place / "out", from_bar=start, **QUICK)
        assert (alone.name, alone.read_bytes()) == (path.name, written[path][1]), "the same command"
    assert len(written) == 2
    for path, (pitch, data) in written.items():
        assert onsets(path)[0] == (0, pitch)
        assert path.read_bytes() == data
    record = json.loads((tmp_path / "out" / "generated.json").read_text())["pieces"]
    assert {path.name for path in written} == {*record}


def test_two_commands_at_once_into_one_folder_are_both_recorded(model, tmp_path, monkeypatch):
    pytest.importorskip("fcntl", reason="this system has no locks of folders")
    read = folder.read_record

    def read_slowly(path):
        found = read(path)
        time.sleep(0.3)
        return found

    monkeypatch.setattr(folder, "read_record", read_slowly)
    made = [
        folder.Made(f"piece{n}", model.compose([None], bars=1, seeds=[n])[0], {}) for n in (0, 1)
    ]

    def write(one):
        folder.write_pieces(tmp_path, model, [one], 1, wav=False, pictures=False)

    threads = [threading.Thread(target=write, args=(one,)) for one in made]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {*read(tmp_path).pieces} == {"piece0.mid", "piece1.mid"}


def test_pieces_that_differ_in_the_seventh_digit_have_names_of_their_own(model, tmp_path):
    paths = [
        nextbar.generate(model, tmp_path, **{option: value}, **QUICK)[0]
        for option, values in {
            "temperature": (0.1234567, 0.12345678, 1.0, 1),
            "tempo": (100.00001, 100.000011),
        }.items()
        for value in values
    ]
    assert len(set(paths)) == 5  # 1 and 1.0 are one
    assert any("-temperature1-" in path.name for path in paths) == (model.sampling.temperature != 1)


@pytest.mark.parametrize(
    "stem", ["x" * 246, "é" * 123, "旋律" * 41, "a$b$c", "line\nbreak", "con: 1?", ".hidden", "  "]
)
def test_any_name_that_a_file_can_have_is_gone_on_from(model, tmp_path, stem):
    source = tmp_path / f"{stem}.mid"
    source.write_bytes(midi(quarters()))
    options = {**QUICK, "pictures": True}
    for end in ("", ":2", "#1", "#1:2"):
        (path,) = nextbar.generate(model, tmp_path / "out", from_bar=f"{source}{end}", **options)
        assert path.is_file()
        assert path.with_suffix(".png").is_file()
        assert len(os.fsencode(path.name)) < 200
        assert re.fullmatch(r"[^\\/:*?\"<>|$\n]+\.mid", path.name)
        assert not path.name.startswith(".")


def test_a_name_that_is_no_text_is_gone_on_from_and_recorded(model, tmp_path):
    source = os.fsencode(tmp_path) + b"/caf\xe9.mid"
    try:
        with open(source, "wb") as file:
            file.write(midi(quarters()))
    except OSError:
        pytest.skip("this disk takes no such names")
    said = []
    (path,) = nextbar.generate(
        model, tmp_path / "out", from_bar=os.fsdecode(source), say=said.append, **QUICK
    )
    path.name.encode()  # is text
    assert any(sentence.startswith(r"caf\xe9.mid: goes on") for sentence in said)
    (made,) = json.loads((tmp_path / "out" / "generated.json").read_text())["pieces"].values()
    assert made["from"]["file"] == r"caf\xe9.mid"
    assert made["options"]["from-bar"] == os.fsdecode(source), "the command makes it again"


def test_a_path_too_long_to_exist_is_refused_with_a_sentence(model):
    for start in ("x" * 300, f"{'x' * 300}.mid:8", "a/" * 5000 + "b.mid#2:8"):
        with pytest.raises(UsageError, match="there is no such file"):
            nextbar.begin_from(model, start)


# ------------------------------------------------------------------------------- too long for a WAV


def test_a_piece_too_long_for_a_wav_costs_the_wav_only(model, tmp_path):
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    # A bar at 10 quarters a minute lasts 24 s: 80 bars 1,920 s, of 1,800 that sound is made for.
    said = []
    paths = nextbar.generate(model, tmp_path, pieces=2, bars=80, tempo=10, seed=3, say=said.append)
    assert [path.suffix for path in sorted(tmp_path.iterdir())].count(".wav") == 0
    for path in paths:
        assert onsets(path)
        assert path.with_suffix(".png").is_file()
    (sentence,) = said
    assert sentence.startswith("2 of 2 pieces have no WAV: this music lasts 1,920 s")
    assert "--no-wav" in sentence
    record = json.loads((tmp_path / "generated.json").read_text())["pieces"]
    assert all("sound is made for up to 1,800 s" in made["no_wav"] for made in record.values())


def test_a_wav_that_can_be_made_is_not_told_of(model, tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "render_wav", lambda *_, **__: b"RIFF")
    said = []
    (path,) = nextbar.generate(model, tmp_path, pieces=1, bars=1, pictures=False, say=said.append)
    assert said == []
    assert path.with_suffix(".wav").is_file()
    assert "no_wav" not in (tmp_path / "generated.json").read_text()
