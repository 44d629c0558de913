"""A studio with a small model that sounds, spoken to without a socket."""

from contextlib import contextmanager

import mido
import pytest

import nextbar

pytest.importorskip("fastapi", reason="needs the extra `studio`")

from fastapi.testclient import TestClient

from nextbar.studio.app import make_app

from ..fixtures import SEVERAL_METRES, let_it_sound
from ..music.midi_files import midi, signature, track

ADDRESS = "http://127.0.0.1:8765"


@pytest.fixture(scope="session")
def studio(trained):
    """The application, its run loaded."""
    with _opened(trained / "run") as client:
        yield client


@pytest.fixture(scope="session")
def run(studio):
    """What the studio says of its run."""
    return studio.get("/api/runs").json()["runs"][0]


@pytest.fixture(scope="session")
def run_of_two(tmp_path_factory):
    """A run that knows 4/4, of 200 bars (16 steps each), and 6/8, of 48 (12 steps)."""
    place = tmp_path_factory.mktemp("two")
    (place / "tunes").mkdir()
    for number in range(12):
        metre, n_bars = ((6, 8), 12) if number % 3 == 2 else ((4, 4), 25)
        (place / "tunes" / f"{number:02}.mid").write_bytes(eighths((metre, n_bars), pitch=number))
    corpus = nextbar.prepare(place / "tunes", place / "corpus", common_key=False, page=False)
    nextbar.train(corpus, place / "run", **SEVERAL_METRES)
    return place / "run"


@pytest.fixture(scope="session")
def studio_of_two(run_of_two):
    """The application with that run."""
    with _opened(run_of_two) as client:
        yield client


@contextmanager
def _opened(run):
    app = make_app([run])
    with TestClient(app, base_url=ADDRESS) as client:
        while client.get("/api/runs").json()["loading"]:
            pass
        (desk,) = app.state.shelf.desks.values()
        let_it_sound(desk.composer)
        yield client


def eighths(*stretches, pitch=0):
    """A MIDI file of eighths, so many bars of each metre."""
    metres, n_eighths, last = mido.MidiTrack(), 0, 0
    for (numerator, denominator), n_bars in stretches:
        metres.append(signature(numerator, denominator, time=240 * (n_eighths - last)))
        last, n_eighths = n_eighths, n_eighths + n_bars * 8 * numerator // denominator
    return midi(metres, track([(240 * i, 240, 55 + pitch + i % 5, 80) for i in range(n_eighths)]))
