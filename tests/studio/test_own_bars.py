"""Bars that somebody set by hand, among those that the model wrote."""

import dataclasses
import io

import mido
import pytest

from nextbar.studio import messages
from nextbar.writing import sketch

from .speaking import begin, compose, events

OWN = [[0, 4, 60, 100, False], [4, 4, 60, 90, False], [8, 8, 64, 80, False]]
"""Two notes of one pitch side by side, and one to the end of the bar."""


def opened(studio, recipe):
    answer = studio.post("/api/open", json={"piece": recipe})
    assert answer.status_code == 200, answer.text
    return answer.json()


def with_own(recipe, bar, notes=OWN, **more):
    bars = list(recipe["bars"])
    bars[bar] = {"notes": notes}
    return {**recipe, "bars": bars, **more}


def exported(studio, recipe):
    """(step, steps, pitch, velocity) of each note of the MIDI file, by mido."""
    data = studio.post("/api/export/mid", json={"piece": recipe}).content
    file = mido.MidiFile(file=io.BytesIO(data))
    step, found, began = file.ticks_per_beat // 4, [], {}
    for each in file.tracks:
        now = 0
        for message in each:
            now += message.time
            if message.type == "note_on" and message.velocity:
                began[message.note] = now, message.velocity
            elif message.type in ("note_on", "note_off"):
                start, velocity = began.pop(message.note)
                found.append([start // step, (now - start) // step, message.note, velocity])
    return sorted(found)


def test_a_bar_set_by_hand_sounds_as_it_was_set_and_the_others_as_before(studio, run):
    piece = compose(studio, begin(studio, run), bars=3)
    changed = opened(studio, with_own(piece["recipe"], 1))
    assert changed["bars"][1]["notes"] == OWN
    assert [bar["own"] for bar in changed["bars"]] == [False, True, False]
    assert "nearness" not in changed["bars"][1]  # nobody copied it
    assert [changed["bars"][i]["name"] for i in (0, 2)] == [
        piece["bars"][i]["name"] for i in (0, 2)
    ]
    heard = [note for note in exported(studio, changed["recipe"]) if 16 <= note[0] < 32]
    lasting = [  # one that the next bar holds on, or that the bar before ends, has other lengths
        [start + 16, steps, pitch, velocity] for start, steps, pitch, velocity, _ in OWN[:2]
    ]
    assert [note for note in heard if note[2] == 60][:2] == lasting
    assert opened(studio, changed["recipe"]) == changed  # its name says all


def test_a_bar_set_by_hand_is_in_the_key_that_is_heard(studio, run):
    begun = begin(studio, run, notes=[[0, 4, 62, 80]], bars=1, transposed=3)
    piece = compose(studio, begun, bars=2)
    low = [[0, 2, 21, 70, False], [4, 2, 108, 70, False]]  # the ends of the piano
    recipe = with_own({**piece["recipe"], "transposed": 3}, 0, low)
    recipe["made"], recipe["bars"] = {}, recipe["bars"][:1]
    shown = opened(studio, recipe)
    assert shown["bars"][1]["notes"] == low
    assert exported(studio, recipe) == [[0, 4, 62, 80], [16, 2, 21, 70], [20, 2, 108, 70]]


def test_the_model_goes_on_from_a_bar_set_by_hand(studio, run):
    piece = compose(studio, begin(studio, run), bars=1)
    recipe = with_own(piece["recipe"], 0, locked=[0])
    name = opened(studio, recipe)["bars"][0]["name"]
    asked = {"piece": recipe, "bars": 3, "seed": 5}
    anew = events(studio.post("/api/recompose", json=asked))[-1]["piece"]
    assert anew["bars"][0]["notes"] == OWN
    assert anew["bars"][1]["recipe"]["after"][-1] == name
    other = with_own(piece["recipe"], 0, [[0, 16, 40, 127, False]], locked=[0])
    asked = {"piece": other, "bars": 3, "seed": 5}
    otherwise = events(studio.post("/api/recompose", json=asked))[-1]["piece"]
    assert otherwise["bars"][1]["name"] != anew["bars"][1]["name"]


def test_given_bars_can_stand_back_and_what_was_written_after_them_stays(studio, run):
    begun = begin(studio, run, notes=[[0, 4, 60, 80], [20, 4, 64, 80]], bars=2)
    piece = compose(studio, begun, bars=2)
    recipe = piece["recipe"]
    back = {
        **recipe,
        "given_stands": False,
        "bars": [{"notes": [[0, 4, 72, 80, False]]}, *recipe["bars"]],
    }
    shown = opened(studio, back)
    assert [bar["given"] for bar in shown["bars"]] == [False] * 3
    assert shown["bars"][0]["notes"] == [[0, 4, 72, 80, False]]
    assert [bar["name"] for bar in shown["bars"][1:]] == recipe["bars"]
    cells = [sorted(n[:3] for n in bar["notes"]) for bar in shown["bars"][1:]]
    assert cells == [sorted(n[:3] for n in bar["notes"]) for bar in piece["bars"][2:]]
    more = compose(studio, {"recipe": shown["recipe"]}, bars=1)
    assert len(more["bars"]) == 4


@pytest.mark.parametrize(
    ("notes", "says"),
    [
        ([[8, 9, 60, 80, False]], "bar 2: a note lasts beyond its 16 steps"),
        ([[0, 4, 60, 80, False], [3, 2, 60, 80, False]], "bar 2: two notes of one pitch overlap"),
        ([[0, 4, 60, 80, False], [0, 2, 60, 80, False]], "bar 2: two notes of one pitch overlap"),
    ],
)
def test_a_bar_that_cannot_be_is_refused_with_its_number(studio, run, notes, says):
    piece = compose(studio, begin(studio, run), bars=3)
    answer = studio.post("/api/open", json={"piece": with_own(piece["recipe"], 1, notes)})
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_a_bar_set_by_hand_is_no_end_of_a_blend(studio, run):
    piece = opened(studio, with_own(compose(studio, begin(studio, run), bars=2)["recipe"], 0))
    first, second = piece["recipe"]["bars"]
    asked = {"piece": piece["recipe"], "bar": 1, "first": first, "second": second}
    answer = studio.post("/api/blend", json=asked)
    assert answer.status_code == 400
    assert "a bar set by hand has no latent" in answer.json()["error"]


def test_a_draft_that_does_not_say_its_key_is_shown_and_taken_away(studio, run):
    recipe = {**begin(studio, run, notes=[[0, 4, 60, 80]], bars=1)["recipe"], "transposed": None}
    assert opened(studio, recipe)["recipe"]["transposed"] == 0
    assert exported(studio, recipe) == [[0, 4, 60, 80]]


@pytest.mark.parametrize("kind", ["Written", "Blended", "Own"])
def test_whatever_a_recipe_says_of_a_bar_the_studio_takes(kind):
    said = {field.name for field in dataclasses.fields(getattr(sketch, kind))}
    assert said == {*getattr(messages, kind).model_fields}


def test_an_empty_bar_put_in_is_filled_and_all_others_stay(studio, run):
    piece = compose(studio, begin(studio, run), bars=4)
    bars = list(piece["recipe"]["bars"])
    recipe = {**piece["recipe"], "bars": [*bars[:2], {"notes": []}, *bars[2:]], "locked": [0]}
    asked = {"piece": recipe, "bars": [0, 2, 3], "seed": 6}
    *one_by_one, last = events(studio.post("/api/fill", json=asked))
    assert [event["bar"]["index"] for event in one_by_one] == [2, 3]  # the first is locked
    names = [bar["name"] for bar in last["piece"]["bars"]]
    assert [names[0], names[1], names[4]] == [bars[0], bars[1], bars[3]]
    assert names[3] != bars[2]
    assert [bar["own"] for bar in last["piece"]["bars"]] == [False] * 5
    assert opened(studio, last["piece"]["recipe"]) == last["piece"]
