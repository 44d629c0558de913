import importlib.util
import io
import sys
import wave

import numpy as np
import pytest
from symusic.core import ControlChangeTick, TempoTick

from nextbar.errors import MusicFileError, TooLongError, UsageError
from nextbar.music import audio
from nextbar.music.audio import check_length, find_soundfont, render_wav
from nextbar.music.score import to_score

from .midi_files import make_notes

TWO_SECONDS = make_notes((0, 4, 60, 90), (4, 4, 64, 90), (8, 8, 67, 90))


@pytest.fixture
def sound():
    """Skips where the extra is not installed."""
    for module in ("midirenderer", "pretty_midi"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install 'nextbar[audio]'")


def read(data):
    with wave.open(io.BytesIO(data)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float) / 32767
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 48_000)
        return samples.reshape(-1, 2)


def rms(samples):
    return float(np.sqrt((samples**2).mean()))


@pytest.mark.usefixtures("sound")
def test_a_score_sounds_for_as_long_as_it_lasts_and_two_seconds_more():
    samples = read(render_wav(to_score(TWO_SECONDS)))
    assert len(samples) == 4 * 48_000
    for second in range(2):
        assert rms(samples[second * 48_000 :][:48_000]) > 0.02
    assert rms(samples[-4_800:]) < 0.01


@pytest.mark.usefixtures("sound")
def test_the_peak_is_one_decibel_below_full_scale_however_soft_the_notes():
    for velocity in (10, 127):
        notes = TWO_SECONDS.copy()
        notes["velocity"] = velocity
        peak = np.abs(read(render_wav(to_score(notes)))).max()
        assert 20 * np.log10(peak) == pytest.approx(-1, abs=0.01)


@pytest.mark.usefixtures("sound")
def test_a_score_and_its_midi_bytes_sound_alike_every_time():
    score = to_score(TWO_SECONDS, tempo=100)
    first = render_wav(score)
    assert render_wav(score) == first
    assert render_wav(score.dumps_midi()) == first
    assert score == to_score(TWO_SECONDS, tempo=100)  # it is left as it was


@pytest.mark.usefixtures("sound")
def test_tempo_decides_the_length():
    samples = read(render_wav(to_score(TWO_SECONDS, tempo=60)))
    assert len(samples) == 6 * 48_000


@pytest.mark.usefixtures("sound")
def test_silence_gives_a_silent_file_of_the_length_asked_for():
    samples = read(render_wav(to_score(TWO_SECONDS[:0]), n_bars=3))
    assert len(samples) == 8 * 48_000  # three bars of 2 s, and 2 s more
    assert not samples.any()


@pytest.mark.usefixtures("sound")
def test_events_far_behind_the_last_note_cost_nothing():
    score = to_score(TWO_SECONDS)
    score.tempos.append(TempoTick(2_000_000_000, 60))
    score.tracks[0].controls.append(ControlChangeTick(2_000_000_000, 64, 0))
    assert len(read(render_wav(score))) == 4 * 48_000


@pytest.mark.usefixtures("sound")
def test_music_of_hours_is_refused():
    with pytest.raises(TooLongError) as caught:
        render_wav(to_score(make_notes((0, 1, 60, 90), (20_000, 1, 60, 90))))
    assert str(caught.value) == "this music lasts 2,500 s; sound is made for up to 1,800 s"


@pytest.mark.usefixtures("sound")
def test_each_track_sounds_by_its_program():
    held = make_notes((0, 32, 72, 90))  # four seconds

    def kept(program):
        """How loud the last second is, as a share of the first."""
        samples = read(render_wav(to_score(held, program=program)))
        return rms(samples[3 * 48_000 : 4 * 48_000]) / rms(samples[:48_000])

    assert kept(0) < 0.3  # a piano's note dies away
    assert kept(73) > 0.6  # a flute's does not


@pytest.mark.usefixtures("sound")
def test_sound_lasts_to_the_end_of_the_last_bar_at_the_tempo_and_metre():
    score = to_score(TWO_SECONDS, tempo=60, metre=(3, 4))
    # 16 steps of a quarter second are two bars of 3 s; three bars last 9 s
    assert len(read(render_wav(score, n_bars=3))) == 11 * 48_000
    # bars of 3, 4 and 3 quarters last 10 s at 60 a minute
    changing = to_score(TWO_SECONDS, tempo=60, metres=[(3, 4), (4, 4), (6, 8)])
    assert len(read(render_wav(changing, n_bars=3))) == 12 * 48_000


@pytest.mark.usefixtures("sound")
def test_what_is_too_long_for_sound_is_told_before_anything_is_made(monkeypatch):
    monkeypatch.setattr(audio, "_load_soundfont", lambda: pytest.fail("it was to be made"))
    check_length(1_800)
    for refused in (
        lambda: check_length(1_801),
        lambda: render_wav(to_score(TWO_SECONDS), n_bars=901),
    ):
        with pytest.raises(TooLongError, match=r"lasts 1,80. s; sound is made for up to 1,800 s"):
            refused()


@pytest.mark.usefixtures("sound")
def test_bytes_that_are_no_midi_file_are_refused():
    with pytest.raises(MusicFileError, match="this MIDI data: it does not begin with MThd"):
        render_wav(b"nothing")


@pytest.mark.usefixtures("sound")
def test_the_soundfont_is_found_without_importing_its_package():
    assert find_soundfont().name == "TimGM6mb.sf2"


def test_without_the_renderer_the_way_to_install_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "midirenderer", None)
    with pytest.raises(UsageError) as caught:
        render_wav(to_score(TWO_SECONDS))
    assert str(caught.value) == (
        "sound needs midirenderer, which is not installed;"
        " install it with: pip install 'nextbar[audio]'"
    )


@pytest.mark.usefixtures("sound")
def test_without_the_soundfont_the_way_to_install_it_is_told(monkeypatch):
    monkeypatch.setattr(audio.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"needs the soundfont TimGM6mb\.sf2 of pretty_midi"):
        find_soundfont()
