"""A bar of an answer, asked for at once: what the model heard stands in the recipe."""

import threading
from concurrent.futures import ThreadPoolExecutor

from .speaking import begin, compose

PARTIAL = [[0, 4, 62, 90, False], [4, 4, 66, 90, False]]
WHOLE = [*PARTIAL, [8, 8, 69, 90, False]]


def answer(studio, recipe, seed=5):
    response = studio.post("/api/answer", json={"piece": recipe, "seed": seed})
    assert response.status_code == 200, response.text
    return response.json()


def with_answer(recipe, given, *, played):
    """The recipe with what was played and the answer to what was heard of it."""
    bar = given["bar"]
    made = {**recipe["made"], **given["made"], bar["name"]: bar["recipe"]}
    bars = [*recipe["bars"], {"notes": played}, bar["name"]]
    return {**recipe, "made": made, "bars": bars, "transposed": given["transposed"]}


def notes_of(piece):
    return [[note[:3] for note in bar["notes"]] for bar in piece["bars"]]


def test_an_answer_is_the_bar_that_compose_writes_with_the_same_seed(studio, run):
    piece = compose(studio, begin(studio, run), bars=2)
    given = answer(studio, piece["recipe"], seed=8)["bar"]
    composed = compose(studio, piece, bars=1, seed=8)["bars"][-1]
    assert given["name"] == composed["name"]
    assert [note[:3] for note in given["notes"]] == [note[:3] for note in composed["notes"]]


def test_what_was_heard_of_a_bar_decides_the_answer_and_what_was_played_stands(studio, run):
    recipe = compose(studio, begin(studio, run), bars=1)["recipe"]
    given = answer(studio, {**recipe, "bars": [*recipe["bars"], {"notes": PARTIAL}]})
    whole = with_answer(recipe, given, played=WHOLE)
    opened = studio.post("/api/open", json={"piece": whole})
    assert opened.status_code == 200, opened.text
    bars = notes_of(opened.json())
    assert bars[1] == [note[:3] for note in WHOLE]
    assert bars[2] == [note[:3] for note in given["bar"]["notes"]]
    after = given["bar"]["recipe"]["after"]
    heard = [given["made"][name] for name in after if name in given["made"]]
    assert [[note[:3] for note in bar["notes"]] for bar in heard] == [[n[:3] for n in PARTIAL]]
    again = studio.post("/api/open", json={"piece": opened.json()["recipe"]}).json()
    assert again["bars"] == opened.json()["bars"]


def test_an_answer_waits_for_nobody_s_turn(studio, run):
    begun = begin(studio, run)
    desk = studio.app.state.shelf.desks[run["fingerprint"]]
    release, started = threading.Event(), threading.Event()
    open_piece = desk.open

    def held(asked):
        started.set()
        release.wait(20)
        return open_piece(asked)

    desk.open = held
    try:
        with ThreadPoolExecutor(1) as other:
            asked = {"piece": begun["recipe"]}
            waiting = other.submit(studio.post, "/api/open", json=asked)
            assert started.wait(20)
            assert answer(studio, begun["recipe"])["bar"]["index"] == 0
            assert not waiting.done()
            release.set()
            assert waiting.result().status_code == 200
    finally:
        release.set()
        desk.open = open_piece


def test_a_piece_that_is_full_is_not_answered(studio, run):
    full = [{"notes": []}] * 512
    recipe = {**begin(studio, run)["recipe"], "bars": full}
    response = studio.post("/api/answer", json={"piece": recipe, "seed": 1})
    assert response.status_code == 400
    assert "up to 512 bars" in response.json()["error"]
