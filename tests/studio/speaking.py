"""Requests that several tests make."""

import io
import json

import mido


def begin(studio, run, **fields):
    answer = studio.post("/api/begin", json={"run": run["fingerprint"], **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def events(answer):
    """The events of a streamed answer."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line]


def compose(studio, piece, bars=4, seed=1, **fields):
    """The piece with more bars."""
    asked = {"piece": piece["recipe"], "bars": bars, "seed": seed, **fields}
    return events(studio.post("/api/compose", json=asked))[-1]["piece"]


def metres_of(piece):
    """The metre of each bar."""
    return [bar["metre"] for bar in piece["bars"]]


def signatures(data):
    """(tick, metre) of each time signature of a MIDI file, by mido."""
    found = []
    for each in mido.MidiFile(file=io.BytesIO(data)).tracks:
        now = 0
        for message in each:
            now += message.time
            if message.type == "time_signature":
                found.append((now, f"{message.numerator}/{message.denominator}"))
    return found
