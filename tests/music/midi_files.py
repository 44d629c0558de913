"""Notes and MIDI files written out by hand, and the published files where they are at hand."""

import io
import struct
from collections.abc import Iterable
from itertools import groupby

import mido
import numpy as np
from hypothesis import strategies as st

from nextbar.music.bars import NOTE, Notes, sort_notes
from nextbar.music.grid import end_at_next_onset, lay_metre_grid, quantise_all
from nextbar.music.metre import metre_of
from nextbar.music.midi import parse_tunes
from nextbar.music.tunes import Metre, Tune

Row = tuple[int, int, int, int]


def make_notes(*rows: Row) -> Notes:
    """Notes of (start, duration, pitch, velocity)."""
    return sort_notes(np.array(list(rows), NOTE))


def any_notes(*, max_notes: int = 40, last_start: int = 100) -> st.SearchStrategy[Notes]:
    """Notes that never overlap in one pitch, many of them repeated and held over bar lines."""
    row = st.tuples(
        st.integers(0, last_start),
        st.integers(1, 50),
        st.sampled_from([21, 60, 61, 108]) | st.integers(21, 108),
        st.integers(1, 127),
    )
    return st.lists(row, min_size=1, max_size=max_notes).map(
        lambda rows: end_at_next_onset(make_notes(*rows))
    )


def track(notes: Iterable[Row], *, channel: int = 0, name: str = "") -> mido.MidiTrack:
    """A track of notes (start, duration, pitch, velocity) in ticks."""
    events = []
    for start, duration, pitch, velocity in notes:
        on = mido.Message("note_on", note=pitch, velocity=velocity, channel=channel)
        off = mido.Message("note_off", note=pitch, channel=channel)
        events += [(start, 1, on), (start + duration, 0, off)]
    messages = [mido.MetaMessage("track_name", name=name)] if name else []
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        messages.append(message.copy(time=tick - now))
        now = tick
    return mido.MidiTrack(messages)


def midi(*tracks: mido.MidiTrack, ticks_per_quarter: int = 480) -> bytes:
    """The bytes of a MIDI file of these tracks."""
    file = mido.MidiFile(ticks_per_beat=ticks_per_quarter)
    file.tracks.extend(tracks)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def signature(numerator: int, denominator: int, *, time: int = 0) -> mido.MetaMessage:
    """A time signature, ``time`` ticks after the event before it."""
    return mido.MetaMessage(
        "time_signature", numerator=numerator, denominator=denominator, time=time
    )


def raw_midi(*tracks: bytes, division: int = 480) -> bytes:
    """A MIDI file of track chunks given byte by byte."""
    chunks = [b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks]
    return struct.pack(">4sIHHH", b"MThd", 6, 1, len(tracks), division) + b"".join(chunks)


QUARTERS = [60, 62, 64, 65, 67, 69, 71, 72]


def tune_bytes(*, transpose: int = 0, n_bars: int = 2, name: str = "") -> bytes:
    """A C major scale in quarters at 480 ticks, four to a bar."""
    pitches = (QUARTERS * n_bars)[: 4 * n_bars]
    return midi(
        track([(i * 480, 480, p + transpose, 90) for i, p in enumerate(pitches)], name=name)
    )


def only_tune(data: bytes, name: str = "tune.mid") -> Tune:
    """The one tune in a file's bytes."""
    tunes, errors = parse_tunes(data, name=name)
    assert not errors
    assert len(tunes) == 1
    return tunes[0]


def metres_of(tune: Tune, steps_per_quarter: int = 4) -> list[tuple[Metre, int]]:
    """The metres of a tune's bars: each as often as it stands in a row."""
    laid = lay_metre_grid(tune, steps_per_quarter=steps_per_quarter)
    notes = quantise_all([laid])[0].notes
    codes, _ = laid.bars.up_to(int((notes["start"] + notes["duration"]).max()))
    return [(metre_of(code), len(list(same))) for code, same in groupby(codes.tolist())]


def metre_of_all(tune: Tune) -> Metre:
    """The one metre of a tune that changes it nowhere."""
    [(metre, _)] = metres_of(tune)
    return metre
