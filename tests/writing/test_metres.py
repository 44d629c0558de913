"""A model of several metres at work: bars of several widths, written, notated and gone on from."""

import json

import mido
import numpy as np
import pytest

import nextbar
from nextbar.cli import main
from nextbar.errors import ConfigError, UsageError
from nextbar.frames.config import Sampling
from nextbar.music.score import write_midi
from nextbar.writing.bar_by_bar import blend, write_bars
from nextbar.writing.piece import Before, Draw
from nextbar.writing.sketch import Sketch
from nextbar.writing.workbench import Workbench

from ..fixtures import SEVERAL_METRES, let_it_sound
from ..music.midi_files import make_notes, midi, signature, track

PLAIN = {"sampling": Sampling()}


def tune_in(metre, n_bars, *, pitch=60):
    """A file of eighths in one metre."""
    n_eighths = n_bars * 8 * metre[0] // metre[1]
    notes = track([(240 * i, 240, pitch + i % 5, 80) for i in range(n_eighths)])
    return midi(mido.MidiTrack([signature(*metre)]), notes)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Mostly 4/4 (16 steps), then 6/8 and 3/4, of 12 steps both."""
    place = tmp_path_factory.mktemp("metres")
    (place / "tunes").mkdir()
    for number in range(12):
        metre = ((4, 4), (4, 4), (6, 8), (3, 4))[number % 4]
        data = tune_in(metre, 10 if metre == (6, 8) else 8, pitch=55 + number)
        (place / "tunes" / f"{number:02}.mid").write_bytes(data)
    corpus = nextbar.prepare(place / "tunes", place / "corpus", page=False)
    nextbar.train(corpus, place / "run", **SEVERAL_METRES)
    return place / "run"


@pytest.fixture(scope="module")
def model(run):
    return let_it_sound(nextbar.load(run))


def signatures(path):
    """(tick, metre) of each time signature, by mido."""
    found = []
    for each in mido.MidiFile(path).tracks:
        now = 0
        for message in each:
            now += message.time
            if message.type == "time_signature":
                found.append((now, (message.numerator, message.denominator)))
    return found


def composed(bench, plan, *, seed):
    """A sketch from noise with a bar in each of these metres."""
    sketch = bench.begin()
    for metre in plan:
        ((sketch, _),) = bench.compose(sketch, bars=1, seed=seed, metre=metre, **PLAIN)
    return sketch


def test_a_run_knows_the_metres_of_its_corpus_the_most_frequent_first(model, run):
    assert model.kind.metres == ((4, 4), (6, 8), (3, 4))
    assert model.model.widths == model.kind.widths == (16, 12, 12)
    described = json.loads((run / "run.json").read_text())
    assert described["widths"] == [16, 12, 12]
    # 12 tunes, six in 4/4 of 8 bars, three in 6/8 of 10, three in 3/4 of 8
    assert described["origin"]["corpus"]["bars_in"] == {"4/4": 48, "6/8": 30, "3/4": 24}


def test_from_noise_the_most_frequent_metre_is_written_or_the_one_that_is_asked_for(model):
    (usual,) = model.compose([None], bars=3, seeds=[1])
    assert usual.metres == ((4, 4),) * 3
    (jig,) = model.compose([None], bars=3, seeds=[1], metre=(6, 8))
    assert jig.metres == ((6, 8),) * 3
    assert (jig.notes["start"] + jig.notes["duration"]).max() <= 36
    assert (usual.notes["start"] + usual.notes["duration"]).max() > 36
    with pytest.raises(UsageError, match=r"metre: 7/8 is none that this model knows \(4/4, 6/8, 3"):
        model.compose([None], bars=3, seeds=[1], metre=(7, 8))


def test_a_metre_for_each_bar_is_kept_and_notated(model, tmp_path):
    plan = [(4, 4), (6, 8), (6, 8), (3, 4)]
    (piece,) = model.compose([None], bars=4, seeds=[3], metre=plan)
    assert piece.metres == tuple(plan)
    assert (piece.notes["start"] + piece.notes["duration"]).max() <= 16 + 12 + 12 + 12
    path = tmp_path / "piece.mid"
    write_midi(model.to_score(piece, "plan"), path, n_bars=4)
    # 480 ticks a quarter: 4/4 lasts 1920, 6/8 1440
    assert signatures(path) == [(0, (4, 4)), (1920, (6, 8)), (1920 + 2 * 1440, (3, 4))]
    with pytest.raises(UsageError, match="metre: 4 metres for 5 bars"):
        model.compose([None], bars=5, seeds=[3], metre=plan)


def test_a_metre_of_equal_width_gives_other_bars(model):
    """6/8 and 3/4 have 12 steps both; what is asked for reaches the encoder."""
    place = model.model.encoder.place_in_kind
    before = place.detach().clone()
    place.data[1] += 5.0
    (jig,) = model.compose([None], bars=4, seeds=[1], metre=(6, 8))
    (waltz,) = model.compose([None], bars=4, seeds=[1], metre=(3, 4))
    place.data.copy_(before)
    assert not np.array_equal(jig.notes, waltz.notes)


def test_a_piece_goes_on_in_the_metre_of_its_last_given_bar(model, tmp_path):
    (tmp_path / "jig.mid").write_bytes(tune_in((6, 8), 4))
    begun = nextbar.begin_from(model, f"{tmp_path / 'jig.mid'}:2")
    assert begun.metres == ((6, 8), (6, 8))
    assert begun.rolls.shape[3] == 16
    assert not begun.rolls[..., 12:].any()
    (piece,) = model.compose([begun], bars=2, seeds=[1])
    assert piece.metres == ((6, 8),) * 4
    (changed,) = model.compose([begun], bars=2, seeds=[1], metre=(4, 4))
    assert changed.metres == ((6, 8), (6, 8), (4, 4), (4, 4))
    written = changed.notes[changed.notes["start"] >= 24]
    assert (written["start"] + written["duration"]).max() <= 24 + 32


def test_cut_time_is_gone_on_from_and_notated_as_it_stands_in_the_file(model, tmp_path):
    (tmp_path / "polka.mid").write_bytes(tune_in((2, 2), 3))
    (piece,) = model.compose(
        [nextbar.begin_from(model, str(tmp_path / "polka.mid"))], bars=2, seeds=[1]
    )
    assert piece.metres == ((2, 2),) * 5


def test_what_lies_before_a_bar_in_an_unknown_metre_is_kept_but_not_looked_at(model, tmp_path):
    # one bar of 4/4, one of 5/8 (1200 ticks), two of 4/4
    metres = mido.MidiTrack(
        [signature(4, 4), signature(5, 8, time=1920), signature(4, 4, time=1200)]
    )
    notes = track([(240 * i, 240, 60 + i % 7, 80) for i in range(8 + 5 + 16)])
    (tmp_path / "odd.mid").write_bytes(midi(metres, notes))
    begun = nextbar.begin_from(model, str(tmp_path / "odd.mid"))
    assert begun.metres == ((4, 4), (5, 8), (4, 4), (4, 4))
    assert len(begun.rolls) == 2
    (piece,) = model.compose([begun], bars=1, seeds=[1])
    assert piece.metres[-1] == (4, 4)
    with pytest.raises(UsageError, match=r"bar 2 of odd\.mid is in 5/8, and this model writes"):
        nextbar.begin_from(model, f"{tmp_path / 'odd.mid'}:2")


def test_bars_of_a_sketch_have_the_metres_that_a_piece_has(model):
    bench = Workbench(model)
    plan = [(6, 8), (6, 8), (4, 4), (4, 4)]
    (at_once,) = model.compose([None], bars=4, seeds=[5], metre=plan, **PLAIN)
    sketch = composed(bench, plan, seed=5)
    made = bench.composition(sketch)
    assert made.metres == bench.metres(sketch) == at_once.metres
    np.testing.assert_array_equal(made.notes, at_once.notes)
    again = Sketch.from_json(json.loads(json.dumps(sketch.to_json())))
    np.testing.assert_array_equal(Workbench(model).composition(again).notes, made.notes)
    assert bench.metres(again) == made.metres


def test_a_bar_that_is_drawn_again_keeps_its_metre_or_takes_the_one_that_is_asked_for(model):
    bench = Workbench(model)
    plan = ((6, 8), (4, 4), (3, 4))
    sketch = composed(bench, plan, seed=1)
    *_, (rolled, _) = bench.roll_again(sketch, bar=0, seed=9, with_following=True, **PLAIN)
    assert bench.metres(rolled) == plan
    *_, (anew, _) = bench.recompose(sketch, bars=5, seed=9, **PLAIN)
    assert bench.metres(anew) == (*plan, (3, 4), (3, 4))
    *_, (asked, _) = bench.roll_again(
        sketch, bar=1, seed=9, with_following=True, metre=(6, 8), **PLAIN
    )
    assert bench.metres(asked) == ((6, 8), (6, 8), (6, 8))
    found = bench.alternatives(sketch, bar=2, seeds=[1, 2], **PLAIN)
    assert [change.metre for change in found] == [(3, 4), (3, 4)]


def test_given_bars_of_a_sketch_have_their_metres(model):
    bench = Workbench(model)
    given = make_notes((0, 12, 60, 80), (12, 16, 62, 80))
    sketch = bench.begin(given, 3, metres=[(6, 8), (4, 4), (4, 4)])
    assert bench.metres(sketch) == ((6, 8), (4, 4))  # the third is silent
    stored = sketch.to_json()
    assert stored["given_metres"] == ["6/8", None]
    ((sketch, change),) = bench.compose(sketch, bars=1, seed=1, **PLAIN)
    assert change.metre == (4, 4)
    expected = Before(bench._beginning(sketch).rolls, ((6, 8), (4, 4)))
    (alone,) = write_bars(model, [expected], [Draw(1, 0)])
    np.testing.assert_array_equal(alone.roll, change.roll)


def test_bars_of_two_metres_are_not_blended(model):
    jig, reel = write_bars(model, [None, None], [Draw(1, 0, metre=(6, 8)), Draw(1, 0)])
    assert (jig.metre, reel.metre) == ((6, 8), (4, 4))
    with pytest.raises(UsageError, match="blend: the bars are in 6/8 and 4/4; choose two of one"):
        blend(model, jig, reel, [0.5])
    first, last = write_bars(model, [None, None], [Draw(n, 0, metre=(6, 8)) for n in (1, 2)])
    (whole,) = blend(model, first, last, [1.0])
    np.testing.assert_array_equal(whole.roll, last.roll)


def test_the_command_line_writes_in_a_metre_and_the_record_says_where_it_changes(
    run, tmp_path, capsys
):
    (tmp_path / "reel.mid").write_bytes(tune_in((4, 4), 2))
    asked = f"generate {run} --out {tmp_path / 'out'} --from-bar {tmp_path / 'reel.mid'}"
    asked += " --bars 2 --pieces 1 --no-wav --metre"
    assert main([*asked.split(), "6/8"]) == 0
    record = json.loads((tmp_path / "out" / "generated.json").read_text())
    ((name, made),) = record["pieces"].items()
    assert made["metres"] == [[1, "4/4"], [3, "6/8"]]
    assert "-metre6-8-" in name
    assert "--metre 6/8" in made["command"]
    assert signatures(tmp_path / "out" / name) == [(0, (4, 4)), (2 * 1920, (6, 8))]
    assert record["bars"]["metres"] == ["4/4", "6/8", "3/4"]
    assert main([*asked.split(), "7/8"]) != 0
    said = " ".join(capsys.readouterr().err.split())
    assert "metre: 7/8 is none that this model knows (4/4, 6/8, 3/4)" in said


def test_the_papers_networks_are_not_trained_on_bars_of_several_metres(run, tmp_path):
    advice = "prepare it with --metre 4/4 or --grid seconds, or train another preset"
    with pytest.raises(ConfigError, match=advice):
        nextbar.train(run.parent / "corpus", tmp_path / "run", preset="paper", epochs=1)
    assert not (tmp_path / "run").exists()
