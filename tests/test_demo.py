"""The demo as it is, from folk tunes to new music; minutes long."""

import importlib.util
import json
import wave

import numpy as np
import pytest
import symusic

from nextbar.cli import main


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("music21") is None, reason="needs the extra `folk` (music21)"
)
def test_the_demo_makes_sixteen_pieces_that_can_be_heard_and_seen(tmp_path, monkeypatch, capsys):
    pytest.importorskip("midirenderer", reason="needs the extra `audio`")
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    said = capsys.readouterr().out
    music = tmp_path / "demo" / "music"
    for kind in ("held-out", "noise"):
        assert len(list(music.glob(f"{kind}-*.mid"))) == 8
        assert len(list(music.glob(f"{kind}-*.png"))) == 8
    for path in music.glob("*.mid"):
        score = symusic.Score(str(path))
        assert score.note_num() > 0
        assert score.end() <= 8 * 4 * score.ticks_per_quarter
    for path in music.glob("*.wav"):
        with wave.open(str(path)) as file:
            assert 14 < file.getnframes() / file.getframerate() < 20  # 8 bars at 120: 16 s
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        assert np.abs(samples).max() > 20_000
    assert (music / "all.png").stat().st_size > 50_000
    assert len(json.loads((music / "generated.json").read_text())["pieces"]) == 16
    for words in ("real", "chance", "Listen:", "Try next:"):
        assert words in said
