import importlib.util
import zipfile

import numpy as np
import pytest

from nextbar.music import musicxml
from nextbar.music.midi import parse_tunes

from .midi_files import make_notes
from .prepared import prepare

HEAD = '<?xml version="1.0"?><score-partwise version="3.1"><part-list><score-part id="P1">'
HEAD += "<part-name>Tune</part-name></score-part></part-list>"


def note(step, duration):
    pitch = f"<pitch><step>{step}</step><octave>4</octave></pitch>"
    return f"<note>{pitch}<duration>{duration}</duration></note>"


def score(*measures, beats=4):
    """MusicXML of one part, two divisions a quarter."""
    time = f"<time><beats>{beats}</beats><beat-type>4</beat-type></time>"
    attributes = f"<attributes><divisions>2</divisions>{time}</attributes>"
    body = "".join(
        f'<measure number="{i}">{attributes if i == 0 else ""}{"".join(notes)}</measure>'
        for i, notes in enumerate(measures)
    )
    return f'{HEAD}<part id="P1">{body}</part></score-partwise>'.encode()


PICKUP = score([note("G", 2)], [note("C", 8)], [note("D", 4), note("E", 4)])


@pytest.fixture(autouse=True)
def _needs_music21():
    if importlib.util.find_spec("music21") is None:
        pytest.skip("music21, which reads MusicXML, is not installed: pip install 'nextbar[folk]'")


def test_musicxml_is_read_plain_and_packed_its_pickup_in_a_bar_of_its_own(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.musicxml").write_bytes(PICKUP)
    with zipfile.ZipFile(tmp_path / "in" / "b.mxl", "w") as archive:
        root = '<container><rootfiles><rootfile full-path="x.xml"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", root)
        archive.writestr("x.xml", PICKUP)
    (tmp_path / "in" / "c.xml").write_bytes(b"<html/>")
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert [corpus.piece_name(i) for i in (0, 1)] == ["a.musicxml", "b.mxl"]
    assert corpus.manifest["refused"] == {"not MusicXML": 1}
    expected = make_notes((12, 4, 67, 90), (16, 16, 60, 90), (32, 8, 62, 90), (40, 8, 64, 90))
    for first in (0, 3):
        notes = corpus.notes(first, first + 3)
        assert np.array_equal(notes["start"], expected["start"])
        assert np.array_equal(notes["pitch"], expected["pitch"])


def refusal(data, name="a.xml"):
    tunes, [error] = parse_tunes(data, name=name)
    assert not tunes
    return error.reason, str(error)


def test_what_is_no_musicxml_or_broken_is_refused():
    assert refusal(b"<a/>") == (
        "not MusicXML",
        "a.xml: it has no score-partwise or score-timewise in it",
    )
    assert refusal(b"PK\x03\x04 cut short", "a.mxl")[0] == "damaged archive"
    reason, message = refusal(PICKUP[:400])
    assert reason == "damaged"
    assert message.startswith("a.xml: music21 cannot read it (")


def test_an_xml_bomb_is_refused():
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol"}">' for i in range(12))
    head = f'<?xml version="1.0"?><!DOCTYPE score-partwise [{laughs}]>'
    bomb = f"{head}<score-partwise ><work>&l11;</work></score-partwise>"
    assert refusal(bomb.encode())[0] == "damaged"


def test_without_music21_the_way_to_install_it_is_told(monkeypatch):
    monkeypatch.setattr(musicxml.importlib.util, "find_spec", lambda _: None)
    assert refusal(PICKUP) == (
        "needs music21",
        "a.xml: MusicXML is read by music21; install it with: pip install 'nextbar[folk]'",
    )
