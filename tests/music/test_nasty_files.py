"""Files as the internet has them, and worse: none costs more than itself."""

import functools
import io
import json
import struct
import zipfile

import mido
import numpy as np
import pytest

from nextbar.music.file_parts import pack_all
from nextbar.music.options import CorpusOptions
from nextbar.music.reading import parse_file
from nextbar.music.sources import list_archive
from nextbar.music.spool import unpack
from nextbar.workers import Lost, map_in_workers

from .midi_files import make_notes, midi, raw_midi, signature, track, tune_bytes
from .prepared import prepare

END = b"\x00\xff\x2f\x00"
ON, OFF = b"\x00\x90\x3c\x50", b"\x83\x60\x80\x3c\x00"  # 480 ticks in between
BAR = b"".join(
    b"\x00\x90" + bytes([p, 80]) + b"\x83\x60\x80" + bytes([p, 0]) for p in (60, 62, 64, 65)
)
FAR = b"\xff\xff\xff\x7f"  # 2**28 - 1 ticks, the most there is: 155 hours


def many_tracks(count):
    one = b"MTrk" + struct.pack(">I", len(BAR * 2 + END)) + BAR * 2 + END
    empty = b"MTrk" + struct.pack(">I", len(END)) + END
    return struct.pack(">4sIHHH", b"MThd", 6, 1, min(count, 0xFFFF), 480) + one * 2 + empty * count


def tempo_event(microseconds):
    return b"\x00\xff\x51\x03" + microseconds.to_bytes(3, "big")


TAKEN = {
    "running status": raw_midi(
        b"\x00\x90\x3c\x50" + b"\x83\x60\x3c\x00\x00\x3e\x50\x83\x60\x3e\x00" * 5 + END
    ),
    "no end of track": raw_midi(BAR * 2),
    "note-offs that never come": raw_midi(b"\x00\x90\x50\x50" + BAR * 2 + END),
    "note-offs from nowhere": raw_midi(b"\x00\x80\x50\x50" * 9 + BAR * 2 + END),
    "tempo 0": raw_midi(tempo_event(0) + BAR * 2 + END),
    "notes 0 and 127": raw_midi(
        b"\x00\x90\x00\x50\x00\x90\x7f\x50" + BAR * 2 + b"\x00\x80\x00\x00\x00\x80\x7f\x00" + END
    ),
    "100,000 tracks": many_tracks(100_000),
    "a header that counts too many tracks": raw_midi(BAR * 2 + END)[:10]
    + b"\xff\xff"
    + raw_midi(BAR * 2 + END)[12:],
    "bytes after the end": raw_midi(BAR * 2 + END) + b"\x00" * 999,
    "a key signature that does not exist": raw_midi(b"\x00\xff\x59\x02\x55\x07" + BAR * 2 + END),
    "text that is none": raw_midi(b"\x00\xff\x03\x04\xff\xfe\x00\xd8" + BAR * 2 + END),
    "a very long name": raw_midi(b"\x00\xff\x03\x81\x80\x00" + b"x" * 16_384 + BAR * 2 + END),
    "5,000 notes at once": midi(
        track([(0, 480, 60 + i % 12, 80) for i in range(5_000)]), track([(1920, 1920, 60, 80)])
    ),
}
REFUSED = {
    "0 ticks a quarter": (raw_midi(BAR * 2 + END, division=0), "no time division"),
    "SMPTE division": (raw_midi(BAR * 2 + END, division=0xE250), "time in frames"),
    "a gap of days": (raw_midi(BAR + FAR + BAR[1:] + END), "too long"),
    "gaps that overflow": (raw_midi((FAR + ON[1:] + FAR + OFF[2:]) * 40 + END), "bad times"),
    "only note-ons": (raw_midi(ON * 99 + END), "no notes"),
    "a header alone": (raw_midi(), "no notes"),
    "a header cut short": (b"MThd\x00\x00", "damaged"),
    "a track longer than the file": (raw_midi(BAR + END)[:-9], "damaged"),
    "metre 0/4": (raw_midi(b"\x00\xff\x58\x04\x00\x02\x18\x08" + BAR * 2 + END), "unusable metre"),
    "metre 4/2**200": (raw_midi(b"\x00\xff\x58\x04\x04\xc8\x18\x08" + BAR * 2 + END), None),
    "nothing": (b"", "empty file"),
    "noughts": (bytes(4096), "not a MIDI file"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(999), "not a MIDI file"),
    "an MP3 by another name": (b"ID3\x04" + bytes(999), "not a MIDI file"),
}


def test_the_nastiest_files_are_taken_or_refused_one_by_one(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    nasty = {**TAKEN, **{name: data for name, (data, _) in REFUSED.items()}}
    for name, data in nasty.items():
        (folder / f"{name.replace('/', '%')}.mid").write_bytes(data)
    for i in range(3):
        (folder / f"good{i}.mid").write_bytes(tune_bytes(transpose=i))
    corpus = prepare(folder, tmp_path / "out")
    refused = {r["file"].removesuffix(".mid").replace("%", "/"): r for r in corpus.refused()}
    taken = {corpus.piece_name(piece).removesuffix(".mid") for piece in range(corpus.n_pieces)}
    assert taken == {*TAKEN, "good0", "good1", "good2"}
    for name, (_, reason) in REFUSED.items():
        if reason is not None:
            assert refused[name]["reason"] == reason, refused[name]
    assert set(refused) == set(REFUSED)


def test_the_seconds_grid_survives_them_too(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for i, data in enumerate([*TAKEN.values(), *(data for data, _ in REFUSED.values())]):
        (folder / f"{i:02d}.mid").write_bytes(data)
    corpus = prepare(folder, tmp_path / "out", grid="seconds")
    assert corpus.manifest["files_taken"] >= 8
    reasons = set(corpus.manifest["refused"])
    assert not reasons & {"crashed the reader", "took too long", "needs too much memory"}


def test_notes_of_one_pitch_that_overlap_become_notes_that_follow_each_other(tmp_path):
    (tmp_path / "in").mkdir()
    events = b"\x00\x90\x3c\x50\x83\x60\x90\x3c\x60\x83\x60\x80\x3c\x00\x9a\x40\x80\x3c\x00" + END
    (tmp_path / "in" / "a.mid").write_bytes(raw_midi(events))
    corpus = prepare(tmp_path / "in", tmp_path / "out", min_bars=1)
    notes = corpus.notes(0, corpus.n_bars)
    assert notes["start"].tolist() == [0, 4]
    assert notes["start"][0] + notes["duration"][0] <= notes["start"][1]
    assert notes["velocity"].tolist() == [80, 96]


def test_a_gap_of_minutes_is_music_and_gives_silent_bars(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mid").write_bytes(
        midi(track([(0, 480, 60, 90), (1920 * 100, 480, 62, 90)]))
    )
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert corpus.n_bars == 101
    assert np.array_equal(corpus.notes(100, 101), make_notes((0, 4, 62, 90)))


@functools.cache
def bases():
    """Files to begin from: plain, chords over bar lines, controllers, several tracks, metres."""
    rich = mido.MidiTrack([signature(3, 4), mido.MetaMessage("set_tempo", tempo=400_000)])
    rich += [mido.Message("control_change", control=64, value=99, time=3) for _ in range(4)]
    rich += [mido.Message("pitchwheel", pitch=99), mido.MetaMessage("key_signature", key="Bb")]
    notes = [(i * 240, 700, 50 + i % 30, 1 + i % 127) for i in range(60)]
    return [
        tune_bytes(n_bars=4),
        midi(rich, track(notes, name="Piano"), track(notes, channel=3, name="Bass")),
        raw_midi(BAR * 4 + END, b"\x00\xc0\x05" + BAR * 2, END),
    ]


def mutate(data, rng):
    """The bytes with some of them changed, cut, doubled or moved."""
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        at, end = sorted(rng.integers(0, len(data) + 1, 2).tolist())
        end = min(end, at + 40)
        way = int(rng.choice(6, p=[0.4, 0.3, 0.05, 0.05, 0.15, 0.05]))
        if way == 0 and at < len(data):
            data[at] ^= 1 << int(rng.integers(8))
        elif way == 1 and at < len(data):
            data[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0x90, 0xF0, 0xF7, 0xFF]))
        elif way == 2:
            del data[at:end]
        elif way == 3:
            data[at:at] = data[at:end] * int(rng.integers(1, 20))
        elif way == 4:
            data[at:end] = rng.bytes(end - at)
        elif way == 5:
            data[at:at] = FAR
    return bytes(data)


def parse_mutation(item, *, suffix, options):
    rng = np.random.default_rng(int(item))
    all_bases = bases()
    data = mutate(all_bases[int(item) % len(all_bases)], rng)
    return parse_file(data, name=f"{item}{suffix}", options=options)


def fuzz(n_cases, first=0, suffix=".mid", **chosen):
    """How many mutated files were taken, refused, lost."""
    options = CorpusOptions(**chosen)
    bases()  # made once, before there are workers
    results = map_in_workers(
        functools.partial(parse_mutation, suffix=suffix, options=options),
        list(map(str, range(first, first + n_cases))),
        n_workers=2,
        seconds=lambda _: 30.0,
        finish=functools.partial(pack_all, options=options),
    )
    taken = refused = 0
    lost = []
    for numbers, result in results:
        if isinstance(result, Lost):
            lost.append((first + numbers.start, result))
            continue
        batch = unpack(result)
        assert len(batch.files) == len(numbers)
        assert len(batch.rows) == 5 * batch.counts.sum() == 5 * batch.pieces["rows"].sum()
        taken += int((batch.files["pieces"] > 0).sum())
        refused += int((batch.files["pieces"] == 0).sum())
        assert (batch.files["pieces"] + batch.files["refusals"] > 0).all()
    return taken, refused, lost


def test_mutated_files_are_taken_or_refused():
    taken, refused, lost = fuzz(600)
    assert not lost
    assert taken > 50
    assert refused > 50


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "options"),
    [(0, {}), (10_000, {"grid": "seconds"}), (20_000, {"track": "melody", "pedal": True})],
)
def test_ten_thousand_mutated_files_end_neither_the_run_nor_a_reader(first, options):
    taken, refused, lost = fuzz(10_000, first, **options)
    assert not lost
    assert taken + refused == 10_000
    assert min(taken, refused) > 1_000


@pytest.mark.slow
def test_mutated_archives_are_read_or_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(5):
            archive.writestr(f"{i}.mid", tune_bytes(transpose=i))
    for seed in range(2_000):
        data = mutate(buffer.getvalue(), np.random.default_rng(seed))
        (tmp_path / "a.zip").write_bytes(data)
        names, refused, _ = json.loads(list_archive("a.zip", folder=tmp_path))
        assert isinstance(names, list)
        assert isinstance(refused, list)
