"""Scores -> sound: a WAV file by a software synthesizer and a small General MIDI soundfont.

Both come with the extra ``audio``: midirenderer, and pretty_midi for the
soundfont that lies in it (which is all that is used of it).
"""

import importlib.util
import io
import wave
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from symusic.core import ControlChangeTick, ScoreTick

from nextbar.errors import TooLongError, UsageError
from nextbar.music.midi import parse_score
from nextbar.music.score import bar_seconds
from nextbar.music.tunes import last_note_end

TAIL_SECONDS: Final = 2.0
"""Added after the end of the last note, which rings on."""
FADE_SECONDS: Final = 0.25
PEAK: Final = 10 ** (-1 / 20)
"""1 dB below full scale, where every player still plays without clipping."""
LONGEST_SECONDS: Final = 1_800
"""Half an hour is 350 MB; longer music is refused."""
SOUNDFONT: Final = "TimGM6mb.sf2"
_VOLUME, _EXPRESSION = 7, 11  # MIDI controllers


def render_wav(music: ScoreTick | bytes, *, n_bars: int = 0) -> bytes:
    """A WAV file, 16-bit stereo at midirenderer's 48,000 samples a second, peak at -1 dBFS.

    music: a score, or a MIDI file's bytes; each track sounds by its program.
    It lasts to the end of the last note, or of ``n_bars`` bars at the first
    tempo where that is later, and two seconds more. Music without
    notes gives silence. The same music gives the same bytes. Raises UsageError
    where the extra is not installed, and TooLongError, before anything is
    made, as :func:`check_length` does.
    """
    renderer = _load_renderer()
    score = parse_score(music, "this MIDI data") if isinstance(music, bytes) else music
    end_seconds = max(last_note_end(score.to("second")), bar_seconds(score, n_bars))  # type: ignore[arg-type]
    check_length(end_seconds)
    midi = _prepare_for_renderer(score).dumps_midi()
    samples, rate = read_wav(renderer.render_wave_from(_load_soundfont(), midi))
    return write_wav(_finish(samples, rate, round((end_seconds + TAIL_SECONDS) * rate)), rate)


def check_length(seconds: float) -> None:
    """Raises TooLongError for music that no sound is made of, as it lasts over half an hour."""
    if seconds > LONGEST_SECONDS:
        raise TooLongError(
            f"this music lasts {seconds:,.0f} s; sound is made for up to {LONGEST_SECONDS:,} s"
        )


def _prepare_for_renderer(score: ScoreTick) -> ScoreTick:
    """The score with all tracks turned up, nothing after its notes, and the tail to render."""
    end = int(last_note_end(score))
    score = score.clip(0, end + 1)
    last_tempo = max(score.tempos[-1].mspq, 1) if len(score.tempos) else 500_000
    tail = int(TAIL_SECONDS * 1e6 / last_tempo * score.ticks_per_quarter) + 1
    for track in score.tracks:
        # midirenderer is quiet and writes 16 bits: what it gives louder, it gives finer.
        track.controls.append(ControlChangeTick(0, _VOLUME, 127))
        track.controls.append(ControlChangeTick(0, _EXPRESSION, 127))
        track.controls.append(ControlChangeTick(end + tail, _EXPRESSION, 127))
        track.controls.sort()
    return score


def _finish(samples: npt.NDArray[np.int16], rate: int, n_frames: int) -> npt.NDArray[np.int16]:
    """(n_frames, 2): of that length, the last quarter second faded out, the peak normalised."""
    sound = np.zeros((n_frames, samples.shape[1]), np.float32)  # half an hour is 0.7 GB of them
    n_kept = min(n_frames, len(samples))
    sound[:n_kept] = samples[:n_kept]
    n_fade = min(n_frames, round(FADE_SECONDS * rate))
    sound[n_frames - n_fade :] *= np.linspace(1, 0, n_fade, dtype=np.float32)[:, None]
    peak = np.abs(sound).max(initial=0.0)
    if peak > 0:
        sound *= np.float32(PEAK * 32767 / peak)
    return np.rint(sound, out=sound).astype("<i2")


def read_wav(data: bytes) -> tuple[npt.NDArray[np.int16], int]:
    """The samples of a 16-bit WAV, (frames, channels), and how many there are a second."""
    with wave.open(io.BytesIO(data)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return frames.reshape(-1, file.getnchannels()), file.getframerate()


def write_wav(samples: npt.NDArray[np.int16], rate: int) -> bytes:
    """A 16-bit WAV of samples (frames, channels), ``rate`` a second."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def find_soundfont() -> Path:
    """The soundfont file; UsageError, which says how to install it, where sound cannot be made."""
    _load_renderer()
    spec = importlib.util.find_spec("pretty_midi")  # found, not imported: it warns and is slow
    for folder in (spec and spec.submodule_search_locations) or []:
        if (path := Path(folder, SOUNDFONT)).is_file():
            return path
    raise _missing(f"the soundfont {SOUNDFONT} of pretty_midi")


def _load_renderer() -> Any:
    try:
        import midirenderer
    except ImportError as error:
        raise _missing("midirenderer") from error
    return midirenderer


@lru_cache(maxsize=1)
def _load_soundfont() -> bytes:
    return find_soundfont().read_bytes()


def _missing(what: str) -> UsageError:
    return UsageError(
        f"sound needs {what}, which is not installed; install it with: pip install 'nextbar[audio]'"
    )
