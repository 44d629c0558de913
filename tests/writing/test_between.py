"""Bars between two that are kept: what stands in front, what they lead to, and what is read."""

import json
from dataclasses import replace

import mido
import numpy as np
import pytest

import nextbar
from nextbar.cli import main
from nextbar.errors import UsageError
from nextbar.frames.config import Sampling
from nextbar.frames.model import build_model
from nextbar.writing.composer import Composer
from nextbar.writing.sketch import Sketch
from nextbar.writing.workbench import Workbench

from ..fixtures import let_it_sound
from ..music.midi_files import midi, signature, track

SAMPLING = Sampling(temperature=0.95)
QUICK = {"pieces": 1, "wav": False, "pictures": False}


def melody(pitches, *, key_of=0):
    """A file of 4/4 bars, each of four quarters of one pitch."""
    notes = [
        (480 * (4 * bar + beat), 480, pitch + key_of, 80)
        for bar, pitch in enumerate(pitches)
        for beat in range(4)
    ]
    return midi(mido.MidiTrack([signature(4, 4)]), track(notes))


def model_that_reads_ahead(run, **changes) -> Composer:
    """The composer of a run, its networks fresh ones that read one, two and three bars ahead."""
    composer = nextbar.load(run)
    config = replace(composer.model.config, ahead=(1, 2, 3), **changes)
    composer.model = build_model(composer.kind.frame_shape, config, composer.kind.widths).eval()
    return let_it_sound(composer)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("between")
    (place / "tunes").mkdir()
    for number in range(8):
        data = melody([60, 62, 64, 65, 67, 65, 62, 60], key_of=number % 3)
        (place / "tunes" / f"{number}.mid").write_bytes(data)
    corpus = nextbar.prepare(place / "tunes", place / "corpus", page=False)
    nextbar.train(
        corpus,
        place / "run",
        encoder_channels=(8, 8),
        generator_channels=(8, 8),
        epochs=1,
        batch=8,
        ahead=(),
        phrase_updates=0,
        repeats=(),
    )
    return place / "run"


@pytest.fixture(scope="module")
def model(run):
    return model_that_reads_ahead(run)


@pytest.fixture
def two(tmp_path):
    first, second = tmp_path / "first.mid", tmp_path / "second.mid"
    first.write_bytes(melody([60, 62, 64, 65, 67]))
    second.write_bytes(melody([72, 71, 69, 67]))
    return first, second


def onsets(path):
    """(quarter, pitch) of each note in a MIDI file, by mido."""
    found = []
    file = mido.MidiFile(path)
    for each in file.tracks:
        now = 0
        for message in each:
            now += message.time
            if message.type == "note_on" and message.velocity:
                found.append((now / file.ticks_per_beat, message.note))
    return sorted(found)


def test_kept_bars_stand_untouched_on_both_sides_of_those_written(model, two, tmp_path):
    first, second = two
    (path,) = nextbar.generate(
        model, tmp_path / "out", between=(f"{first}:3", f"{second}:2"), bars=2, **QUICK
    )
    found = onsets(path)
    # Bars 1 to 3 of the first file, 12 quarters; two written bars; bars 2 to 4 of the second.
    in_front = [(q, (60, 62, 64)[q // 4]) for q in range(12)]
    behind = [(20 + q, (71, 69, 67)[q // 4]) for q in range(12)]
    assert [each for each in found if each[0] < 12] == in_front
    assert [each for each in found if each[0] >= 20] == behind
    assert [each for each in found if 12 <= each[0] < 20], "nothing was written"
    record = json.loads((path.parent / "generated.json").read_text())["pieces"][path.name]
    assert (record["bars"], record["given_bars"], record["ending_bars"]) == (8, 3, 3)
    assert (record["from"]["bars"], record["to"]["bars"]) == ([1, 3], [2, 4])
    assert f"--between {first}:3 {second}:2" in record["command"]


def test_what_is_led_to_decides_what_is_written(model, two):
    first, second = two
    begun = nextbar.begin_from(model, f"{first}:3")

    def written(bar):
        ending = nextbar.end_at(model, f"{second}:{bar}", beginning=begun)
        (made,) = model.compose([begun], bars=1, seeds=[3], ending=ending)
        notes = made.notes
        within = (notes["start"] >= 48) & (notes["start"] < 64)
        return notes[within].tolist()

    assert written(1) == written(1)
    assert written(1) != written(4)


def test_a_passage_is_read_towards_its_end_in_the_key_of_its_beginning(model, two, monkeypatch):
    """The model hears both files moved by what brings the first one to the common key."""
    first, second = two
    begun = nextbar.begin_from(model, f"{first}:3")
    ending = nextbar.end_at(model, f"{second}:2", beginning=begun)
    assert ending.transposed == begun.transposed
    # Bar 2 of the second file is B4, MIDI 71; A0, 21, is row 0.
    rows = ending.rolls[0, 0].any(axis=1).nonzero()[0]
    assert rows.tolist() == [71 - 21 + begun.transposed]
    assert len(ending.rolls) == 3  # bars 2 to 4; four are read at most, and these are all
    told = []
    read = type(model.model).read

    def listen(self, history, kinds=None):
        told.append(history.shape[1] // self.shape[0])
        return read(self, history, kinds)

    monkeypatch.setattr(type(model.model), "read", listen)
    model.compose([begun], bars=5, seeds=[0], ending=ending)
    lags = len(model.model.config.history)
    # Three bars ahead are looked at: from the first two of five written ones no kept bar is seen.
    assert told == [lags, lags, lags + 3, lags + 3, lags + 3]


def test_a_piece_from_noise_can_lead_to_a_bar(model, two, tmp_path):
    (path,) = nextbar.generate(
        model, tmp_path / "out", between=("noise", str(two[1])), bars=1, **QUICK
    )
    assert [each for each in onsets(path) if each[0] >= 4][:4] == [(4 + q, 72) for q in range(4)]


def test_a_model_that_does_not_read_ahead_says_so(run, two, tmp_path, capsys):
    first, second = (str(each) for each in two)
    code = main(["generate", str(run), "--out", str(tmp_path / "out"), "--no-wav", "--bars", "1",
                 "--between", first, second])  # fmt: skip
    assert code == 2
    assert "was not trained to lead to bars that come after" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("end", "message"),
    [("{}:9", "has bars 1 to 4, there is no bar 9"), ("{}.gone", "there is no such file")],
)
def test_an_ending_that_is_not_there_is_refused(model, two, tmp_path, end, message):
    with pytest.raises(UsageError, match=message):
        nextbar.generate(
            model, tmp_path / "out", between=(str(two[0]), end.format(two[1])), bars=1, **QUICK
        )


def test_what_is_gone_on_from_is_said_once(model, two, tmp_path):
    with pytest.raises(UsageError, match="between says already what is gone on from"):
        nextbar.generate(
            model, tmp_path, from_bar=str(two[0]), between=(str(two[0]), str(two[1])), **QUICK
        )


# ---------------------------------------------------------------------------- in a sketch


def composed(model, bars):
    bench = Workbench(model)
    *_, (sketch, _) = bench.compose(bench.begin(), bars=bars, seed=1, sampling=SAMPLING)
    return bench, sketch


def test_a_bar_rolled_again_leads_to_the_bars_that_stay_behind_it(model):
    bench, sketch = composed(model, 6)
    ((rolled, change),) = bench.roll_again(
        sketch, bar=1, seed=9, sampling=SAMPLING, with_following=False
    )
    # Three bars are read ahead.
    assert (change.recipe.towards, change.recipe.gap) == (sketch.bars[2:5], 0)
    assert rolled.bars == (sketch.bars[0], change.name, *sketch.bars[2:])
    (other,) = bench.alternatives(sketch, bar=1, seeds=[9], sampling=SAMPLING)
    assert other.name == change.name
    assert np.array_equal(other.roll, change.roll)


def test_a_passage_that_is_filled_in_leads_to_the_first_bar_that_stays(model):
    bench, sketch = composed(model, 6)
    steps = list(bench.fill(sketch, bars=[3, 1, 2], seed=9, sampling=SAMPLING))
    told = [(change.bar, change.recipe.towards, change.recipe.gap) for _, change in steps]
    assert (
        told
        == [
            (1, sketch.bars[4:5], 2),  # two bars are yet to be written, the third ahead stays
            (2, sketch.bars[4:6], 1),
            (3, sketch.bars[4:6], 0),
        ]
    )
    locked = replace(sketch, locked=frozenset({2}))
    (first, second) = bench.fill(locked, bars=[1, 2, 3], seed=9, sampling=SAMPLING)
    assert first[1].recipe.towards == (sketch.bars[2],)  # what is behind it is written anew
    assert second[1].recipe.towards == sketch.bars[4:6]


def test_a_piece_filled_in_is_the_same_from_its_recipe_on_another_workbench(model):
    bench, sketch = composed(model, 5)
    *_, (sketch, _) = bench.fill(sketch, bars=[1, 2], seed=9, sampling=SAMPLING)
    stored = json.loads(json.dumps(sketch.to_json()))
    again = Sketch.from_json(stored)
    assert np.array_equal(Workbench(model).rolls(again), bench.rolls(sketch))
    stored["made"][sketch.bars[1]]["gap"] = 0
    with pytest.raises(UsageError, match="is not what its recipe says"):
        Sketch.from_json(stored)


def test_a_model_that_does_not_read_ahead_rolls_as_it_did(run):
    bench, sketch = composed(let_it_sound(nextbar.load(run)), 3)
    ((_, change),) = bench.roll_again(
        sketch, bar=1, seed=9, sampling=SAMPLING, with_following=False
    )
    assert (change.recipe.towards, change.recipe.gap) == ((), 0)
