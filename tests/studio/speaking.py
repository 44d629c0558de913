"""Requests that several tests make."""

import json


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
