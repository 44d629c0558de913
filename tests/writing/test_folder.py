"""Notation and sound beside the MIDI files of a folder of pieces."""

import builtins
import sys

import mido
import pytest

import nextbar
from nextbar.cli import main
from nextbar.errors import UsageError
from nextbar.judging import read_folder
from nextbar.writing.folder import read_record

from ..fixtures import let_it_sound
from ..music.sheets import notes_by_music21, notes_by_sum


@pytest.fixture(scope="module")
def model(trained):
    return let_it_sound(nextbar.load(trained / "run"))


def quick(model, out, **options):
    options = {"pieces": 2, "bars": 3, "wav": False, "pictures": False, "tempo": 72, **options}
    return nextbar.generate(model, out, **options)


def onsets(path):
    """(quarter, pitch) of each note in a MIDI file, by mido."""
    file, found = mido.MidiFile(path), []
    for track in file.tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity:
                found.append((now / file.ticks_per_beat, message.note))
    return sorted(found)


def test_each_piece_is_written_as_notation_too_where_that_is_asked_for(model, tmp_path):
    pytest.importorskip("music21", reason="needs the extra `folk`")
    paths = quick(model, tmp_path, musicxml=True)
    assert len(paths) == 2
    for path in paths:
        document = path.with_suffix(".musicxml").read_bytes()
        notes = notes_by_sum(document)
        assert sorted((start, pitch) for start, _, pitch in notes) == onsets(path)
        assert notes_by_music21(document) == notes
        assert document.count(b"<measure ") == 3
        assert b'<sound tempo="72"' in document
        assert path.stem.encode() in document  # its title


def test_no_notation_is_written_unasked(model, tmp_path):
    quick(model, tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".mid", ".json"}


def test_a_piece_that_is_there_as_notation_too_is_measured_once(model, tmp_path):
    pytest.importorskip("music21", reason="needs the extra `folk`")
    paths = quick(model, tmp_path, musicxml=True)
    (tmp_path / "another.musicxml").write_bytes(paths[0].with_suffix(".musicxml").read_bytes())
    pieces, _ = read_folder(tmp_path, model.kind, read_record(tmp_path))
    assert sorted(piece.name for piece in pieces) == sorted(
        ["another.musicxml", *(path.name for path in paths)]
    )


def test_without_music21_it_is_said_before_anything_is_written(model, tmp_path, monkeypatch):
    real = builtins.__import__

    def without_music21(name, *rest):
        if name.startswith("music21"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_music21)
    with pytest.raises(UsageError, match=r"pip install 'nextbar\[folk\]'"):
        quick(model, tmp_path / "out", musicxml=True)
    assert not (tmp_path / "out").exists()


def test_without_the_extra_audio_music_is_written_all_the_same_and_it_is_said(
    trained, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "midirenderer", None)
    words = ["generate", str(trained / "run"), "--bars", "1", "--pieces", "1", "--no-pictures"]
    assert main([*words, "--out", str(tmp_path / "music")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "no WAV is written: sound needs midirenderer" in said
    assert "pip install 'nextbar[audio]'" in said
    assert {path.suffix for path in (tmp_path / "music").iterdir()} == {".mid", ".json"}
    assert main([*words, "--no-wav", "--out", str(tmp_path / "silent")]) == 0
    assert "WAV" not in capsys.readouterr().out, "who wants none is told nothing"
    assert main([*words, "--wav", "--out", str(tmp_path / "asked")]) == 2
    assert not (tmp_path / "asked").exists(), "who asks for it is told before the work"
