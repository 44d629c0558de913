"""MusicXML that a notation program opens."""

import pytest

from nextbar.errors import UsageError
from nextbar.music.score import to_score
from nextbar.music.sheet import musicxml_bytes

from .midi_files import make_notes


def test_musicxml_has_the_notes_in_their_bars_with_metre_and_title():
    music21 = pytest.importorskip("music21", reason="needs the extra `folk`")
    notes = make_notes((0, 8, 60, 80), (8, 16, 64, 80), (24, 8, 67, 80))
    document = musicxml_bytes(to_score(notes, metre=(4, 4)), "a title")
    assert document.startswith(b"<?xml")
    read = music21.converter.parseData(document, format="musicxml")
    assert read.metadata.bestTitle == "a title"
    heard = [(float(n.offset), n.pitch.midi, float(n.quarterLength)) for n in read.flatten().notes]
    # the second note crosses the bar line: two tied halves
    assert heard == [(0, 60, 2), (2, 64, 2), (4, 64, 2), (6, 67, 2)]
    assert len(read.parts[0].getElementsByClass("Measure")) == 2


def test_without_music21_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "music21", None)
    with pytest.raises(UsageError, match=r"pip install 'nextbar\[folk\]'"):
        musicxml_bytes(to_score(make_notes((0, 4, 60, 80))), "x")
