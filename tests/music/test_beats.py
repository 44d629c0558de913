"""Where the beats of played music are: recognised, read from beat files, estimated."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import mido
import numpy as np
import pytest

from nextbar.errors import MusicFileError, UsageError
from nextbar.music.beat_grid import set_to_beats
from nextbar.music.beat_tracking import Played, _novelty, weigh_places
from nextbar.music.beats import (
    Beats,
    estimate_beats,
    find_beats,
    is_played,
    onsets_of,
    read_beat_file,
    seconds_at,
)
from nextbar.music.corpus import Corpus, Lines
from nextbar.music.kind import BarKind
from nextbar.music.midi import parse_tunes
from nextbar.music.options import CorpusOptions
from nextbar.music.read_piece import describe_piece
from nextbar.music.reading import finish, parse_file, read_tune
from nextbar.music.sources import find_music_files
from nextbar.writing.source import Place, read_source

from ..shared_data import shared_data
from .midi_files import midi, only_tune, signature, track
from .prepared import prepare

IN_FOUR = BarKind("metre", ((4, 4),), 4, 120.0, True, False, 80.0)


def downbeats(n_beats, *, bar=4, first=0):
    return np.arange(n_beats) % bar == first


def played_bytes(beats, rows, *, rng=None, ticks_per_quarter=480, bars=None):
    """A file at 120 quarters a minute of notes (beat, beats, pitch, velocity) at those seconds."""
    places = np.arange(len(beats))
    at = [np.interp([start, start + length], places, beats) for start, length, _, _ in rows]
    jitter = rng.normal(0, 0.008, len(rows)) if rng is not None else np.zeros(len(rows))
    ticks = [
        np.maximum(np.round((a + j) * 2 * ticks_per_quarter), 0)
        for a, j in zip(at, jitter, strict=True)
    ]
    notes = track(
        (int(a), max(int(b - a), 1), pitch, velocity)
        for (a, b), (_, _, pitch, velocity) in zip(ticks, rows, strict=True)
    )
    head = bars if isinstance(bars, mido.MidiTrack) else mido.MidiTrack([bars] if bars else [])
    return midi(head, notes, ticks_per_quarter=ticks_per_quarter)


def song(n_bars=24, *, bar=4, seed=0):
    """A bass note that changes with each bar, chords on the beats, a tune in eighths above."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_bars):
        root = [0, 9, 5, 7][number % 4]
        first = bar * number
        rows.append((first, bar, 36 + root, 90))
        for beat in range(bar):
            rows += [(first + beat, 1, 52 + (root + tone) % 12, 60) for tone in (0, 4, 7)]
            rows.append((first + beat, 0.5, 76 + int(rng.integers(0, 8)), 80))
            if rng.random() < 0.6:
                rows.append((first + beat + 0.5, 0.5, 76 + int(rng.integers(0, 8)), 70))
    return rows


def rubato(n_beats, *, slowest=0.72, quickest=0.5, start=0.4):
    """Seconds of beats whose lengths go slowly up and down, twelve beats from crest to crest."""
    lengths = (slowest + quickest) / 2 + (slowest - quickest) / 2 * np.sin(np.arange(n_beats) / 1.9)
    return start + np.concatenate([[0.0], np.cumsum(lengths)])


def refused(data, **named):
    with pytest.raises(MusicFileError) as caught:
        read_beat_file(data, name="a.mid", **named)
    assert caught.value.reason == "bad beat file"
    return str(caught.value)


# beat files


def test_notes_at_the_beats_land_on_quarters_exactly_and_those_between_in_proportion():
    seconds = np.array([1.0, 1.5, 2.3, 2.7, 3.3, 4.1, 4.5, 5.2, 6.0])
    rows = [(beat, 1, 60 + beat, 80) for beat in range(8)] + [(1.25, 0.5, 40, 80)]
    tune = only_tune(played_bytes(seconds, rows))
    found = set_to_beats(tune, Beats(seconds, downbeats(9)))
    notes = found.notes_of()
    by_pitch = dict(zip(notes["pitch"].tolist(), notes["time"].tolist(), strict=True))
    # Beat k is 480 k ticks; a tick of the file is 1/960 s, under one of ours: within one.
    for beat in range(8):
        assert abs(by_pitch[60 + beat] - 480 * beat) <= 1
    assert abs(by_pitch[40] - 600) <= 1  # 1.25 beats
    lengths = dict(zip(notes["pitch"].tolist(), notes["duration"].tolist(), strict=True))
    assert abs(lengths[40] - 240) <= 2


def test_the_tempi_are_those_between_the_beats():
    seconds = np.array([0.0, 0.5, 1.0, 2.0, 3.0])
    tune = only_tune(played_bytes(seconds, [(i, 1, 60, 80) for i in range(4)]))
    found = set_to_beats(tune, Beats(seconds, downbeats(5, bar=2)))
    assert [(tempo.time, tempo.mspq) for tempo in found.score.tempos] == [
        (0, 500_000),
        (960, 1_000_000),
    ]
    assert found.beats.curve == (120, 60)  # two beats in 1 s, two in 2 s
    # And so every note sounds when it did.
    ours = seconds_at(found.score, onsets_of(found))
    np.testing.assert_allclose(ours, seconds[:4], atol=0.002)


def test_bars_begin_at_the_downbeats_and_change_where_they_do():
    seconds = np.arange(13) * 0.5
    begins = np.isin(np.arange(13), [0, 4, 7, 9])  # bars of 4, 3 and 2 beats, then of 4
    tune = only_tune(played_bytes(seconds, [(i, 1, 60, 80) for i in range(12)]))
    found = set_to_beats(tune, Beats(seconds, begins))
    stated = [(s.time // 480, s.numerator, s.denominator) for s in found.score.time_signatures]
    assert stated == [(0, 4, 4), (4, 3, 4), (7, 2, 4), (9, 4, 4)]


def test_notes_before_the_first_downbeat_stand_in_a_bar_that_it_ends():
    seconds = np.arange(10) * 0.5
    tune = only_tune(played_bytes(seconds, [(i, 1, 60 + i, 80) for i in range(9)]))
    found = set_to_beats(tune, Beats(seconds, np.isin(np.arange(10), [1, 5, 9])))
    # The first downbeat is beat 1: a bar of four before it begins three beats before beat 0.
    assert found.notes_of()["time"].tolist() == [480 * (3 + i) for i in range(9)]


def test_a_note_hardly_before_the_first_downbeat_belongs_to_it():
    seconds = np.arange(9) * 0.5 + 1
    notes = track([(910, 400, 60, 80), (1440, 400, 62, 80)])  # 960 ticks a second
    found = set_to_beats(only_tune(midi(notes)), Beats(seconds[:5], downbeats(5)))
    # 52 ms early are a tenth of a beat: no bar is put before it. The other is at beat 1.
    assert found.notes_of()["time"].tolist() == [0, 480]
    # Nor is it a second bar where one goes before the first downbeat, the fourth beat behind it.
    found = set_to_beats(
        only_tune(midi(notes)), Beats(seconds, np.arange(9) % 4 + 4 * (np.arange(9) < 4) == 0)
    )
    assert found.notes_of()["time"].tolist() == [0, 480]


def test_a_note_keeps_a_length_and_one_of_none_gets_none():
    seconds = np.array([0.0, 4.0, 4.4, 4.8])  # so slow that a short note would vanish
    data = midi(track([(10, 1, 60, 80), (20, 0, 62, 80), (8000, 100, 64, 80)]))
    tune = only_tune(data)
    found = set_to_beats(tune, Beats(seconds, np.array([True, False, False, True])))
    assert found.notes_of()["duration"].min() >= 1
    assert found.remarks_on() == tune.remarks_on()


def test_the_sustain_pedal_moves_with_the_notes():
    seconds = np.array([0.0, 1.0, 3.0])
    events = [
        mido.Message("note_on", note=60, velocity=80),
        mido.Message("control_change", control=64, value=127, time=10),
        mido.Message("note_off", note=60, time=10),
        mido.Message("control_change", control=64, value=0, time=1900),  # 2 s: half of beat 1
        mido.Message("note_on", note=62, velocity=80, time=100),
        mido.Message("note_off", note=62, time=100),
    ]
    tune = only_tune(midi(mido.MidiTrack(events)))
    found = set_to_beats(tune, Beats(seconds, np.array([True, False, True])))
    # Tick 1920 at 960 ticks a second is 2 s, half of the way from beat 1 to beat 2.
    assert abs(found.notes_of(pedal=True)["duration"][0] - 720) <= 1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"0.5 3\n1.0 4\n1.5\t1\n2.0,2\n", [False, False, True, False]),  # number in the bar
        (b"# beats\n\n0.5 1\n1 0\n1.5 0\n2 1\n", [True, False, False, True]),  # 1 or 0
        (b"\xef\xbb\xbf0.5 1.0 1.0\r\n1 0.0 0.0\r\n", [True, False]),  # two flags, as POP909
        (b"0.5 1 0\n1 0 0\n", [True, False]),  # no long bar begins: short ones
    ],
)
def test_a_beat_file_has_a_number_or_flags_for_each_beat(text, wanted):
    assert read_beat_file(text, name="a.mid").downbeats.tolist() == wanted


def flags(bars, short):
    """A beat file of bars of so many beats, short ones every ``short`` beats of them."""
    lines, at = [], 0.0
    for length in bars:
        for beat in range(length):
            lines.append(f"{at:.2f} {int(beat % short == 0)}.0 {int(beat == 0)}.0")
            at += 0.5
    return "\n".join(lines).encode()


def test_six_beats_among_bars_of_four_are_four_and_two():
    found = read_beat_file(flags([4, 4, 6, 4, 4], 2), name="a.mid")
    assert np.flatnonzero(found.downbeats).tolist() == [0, 4, 8, 12, 14, 18]
    assert found.unit == 4


def test_beats_in_twice_three_are_eighths():
    data = flags([6, 6, 6], 3)
    found = read_beat_file(data, name="a.mid")
    assert found.unit == 8
    assert np.flatnonzero(found.downbeats).tolist() == [0, 6, 12]
    tune = only_tune(played_bytes(found.seconds, [(i, 1, 60, 80) for i in range(17)]))
    moved = set_to_beats(tune, found)
    (stated,) = moved.score.time_signatures
    assert (stated.numerator, stated.denominator) == (6, 8)
    assert moved.notes_of()["time"][:3].tolist() == [0, 240, 480]
    assert moved.beats.tempo == 60  # an eighth in half a second


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"0 1\nabc 2\n", "line 2"),
        (b"0 1\n1\n", "line 2"),  # one column only
        (b"0 1\n1 2 0 0\n", "line 2"),
        (b"0 1\n\n1 0 1\n", "line 3"),  # another number of columns
        (b"1 1\n0.5 2\n", "line 2"),  # backwards
        (b"1 1\n1 2\n", "line 2"),
        (b"-1 1\n1 2\n", "line 1"),
        (b"nan 1\n1 2\n", "line 1"),
        (b"0 1\ninf 2\n", "line 2"),
        (b"0 1\n1 2.5\n", "line 2"),
        (b"0 1\n1 2\n2 4\n", "line 3"),  # 1, 2, 4
        (b"0 1 1\n1 0 2\n", "line 2"),  # no flag
    ],
)
def test_a_beat_file_that_cannot_be_read_is_refused_with_its_line(text, line):
    assert f"{line} is" in refused(text)


def test_a_beat_file_without_downbeats_or_beats_is_refused():
    assert "downbeat" in refused(b"0 0\n1 0\n")
    assert "of 2 needed" in refused(b"")
    assert "UTF-8" in refused(b"\xff\xfe0 1")


def test_a_beat_file_of_another_piece_is_refused():
    tune = only_tune(midi(track([(480 * i, 400, 60, 80) for i in range(40)])))  # 20 s
    with pytest.raises(MusicFileError, match=r"its beats are from 0\.0 to 4\.5 s"):
        set_to_beats(tune, Beats(np.arange(10) * 0.5, downbeats(10)))


# files with beat files beside them

BEATS = b"".join(f"{0.3 + 0.61 * i:.3f} {i % 3 + 1}\n".encode() for i in range(25))


@pytest.fixture
def folder(tmp_path):
    """A waltz that was played beside a click of its own, and its beat file."""
    seconds = 0.3 + 0.61 * np.arange(25)
    rows = [(i, 1, 60 + i % 5, 80) for i in range(24)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mid").write_bytes(played_bytes(seconds, rows))
    (tmp_path / "in" / "a.beats.txt").write_bytes(BEATS)
    return tmp_path / "in"


def pieces_of(path):
    return list(Lines(path / "pieces.jsonl"))


def test_a_beat_file_beside_a_file_says_where_its_bars_are(folder, tmp_path):
    corpus = prepare(folder, tmp_path / "out")
    (piece,) = pieces_of(corpus.path)
    assert piece["metres"] == ["3/4"]
    assert piece["bars"] == 8
    assert piece["beats"] == "file"
    assert piece["tempo_curve"] == [98] * 8  # 60 / 0.61
    assert piece["tempo"] == pytest.approx(98.361, abs=0.01)
    assert "sure" not in piece
    assert corpus.notes(0, 8)["start"].tolist() == [4 * i for i in range(24)]
    assert "beat files beside them" in " ".join(corpus.summary.advice)


def test_a_zip_archive_gives_what_its_folder_gives(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"songs/{path.name}")
    packed, plain = prepare(tmp_path / "in.zip", tmp_path / "a"), prepare(folder, tmp_path / "b")
    assert packed.fingerprint == plain.fingerprint
    assert packed.manifest["ignored"] == plain.manifest["ignored"] == {}


def test_only_a_beat_file_of_no_music_file_is_passed_over(folder):
    (folder / "b.beats.txt").write_bytes(BEATS)
    (folder / "a.txt").write_text("words")
    assert find_music_files(folder).ignored == {".txt": 2}
    (folder / "b.MID").write_bytes((folder / "a.mid").read_bytes())
    assert find_music_files(folder).ignored == {".txt": 1}


def test_a_changed_beat_file_is_read_anew_and_an_unchanged_one_is_not(folder, tmp_path):
    (folder / "b.mid").write_bytes(midi(track([(480 * i, 480, 70, 80) for i in range(16)])))
    prepare(folder, tmp_path / "out")

    def known():
        prepare(folder, tmp_path / "out")
        fresh = prepare(folder, tmp_path / "fresh")
        again = Corpus.open(tmp_path / "out")
        assert again.fingerprint == fresh.fingerprint
        assert list(Lines(tmp_path / "out" / "files.jsonl")) == list(
            Lines(fresh.path / "files.jsonl")
        )
        return [piece["metres"] for piece in pieces_of(tmp_path / "out")]

    assert known() == [["3/4"], ["4/4"]]
    in_two = b"".join(f"{0.3 + 0.61 * i:.3f} {i % 2 + 1}\n".encode() for i in range(25))
    (folder / "a.beats.txt").write_bytes(in_two)
    assert known() == [["2/4"], ["4/4"]]
    (folder / "a.beats.txt").unlink()
    assert known() == [["4/4"], ["4/4"]]


def test_a_malformed_beat_file_refuses_its_piece_and_says_what_to_do(folder, tmp_path):
    (folder / "b.mid").write_bytes(midi(track([(480 * i, 480, 70, 80) for i in range(16)])))
    (folder / "a.beats.txt").write_bytes(b"0.5 1\nsoon 2\n")
    corpus = prepare(folder, tmp_path / "out")
    (refusal,) = Lines(corpus.path / "refused.jsonl")
    assert refusal["reason"] == "bad beat file"
    assert "line 2 is 'soon 2'" in refusal["message"]
    assert "--beats stated" in refusal["message"]
    assert corpus.manifest["files_taken"] == 1
    assert prepare(folder, tmp_path / "as stated", beats="stated").manifest["files_taken"] == 2


def test_a_link_out_of_the_folder_is_no_beat_file(folder, tmp_path):
    (folder / "a.beats.txt").rename(tmp_path / "beats.txt")
    (folder / "a.beats.txt").symlink_to(tmp_path / "beats.txt")
    (piece,) = pieces_of(prepare(folder, tmp_path / "out").path)
    assert "beats" not in piece


# which files are played


def typeset(kind):
    """A file that is typeset, with what lies between its sixteenths."""
    rng = np.random.default_rng(3)
    rows = [(480 * i, 480, 48 + i % 12, 80) for i in range(64)]
    if kind == "triplets":
        rows += [(160 * i, 160, 72 + i % 7, 80) for i in range(192)]
    elif kind == "swing":
        rows += [(480 * i + 290, 190, 72 + i % 7, 80) for i in range(64)]
    elif kind == "grace notes":
        rows += [(480 * i - 37, 37, 72, 80) for i in range(1, 64)]
    elif kind == "quintuplets":
        rows += [(96 * i, 96, 72 + i % 7, 80) for i in range(320)]
    elif kind == "arpeggios":
        rows += [(480 * i + 25 * k, 400, 60 + 4 * k, 80) for i in range(64) for k in range(4)]
    elif kind == "humanised":
        rows = [(a + int(rng.integers(-12, 13)) + 20, b, c, d) for a, b, c, d in rows * 2]
    elif kind == "late":
        rows = [(a + 31, b, c, d) for a, b, c, d in rows]
    return midi(mido.MidiTrack([signature(3, 4)]), track(rows))


@pytest.mark.parametrize(
    "kind",
    ["plain", "triplets", "swing", "grace notes", "quintuplets", "arpeggios", "humanised", "late"],
)
def test_a_typeset_file_is_never_set_to_other_beats(kind):
    def read(beats):
        options = CorpusOptions(beats=beats)
        (result,) = finish([parse_file(typeset(kind), name="a.mid", options=options)], options)
        (piece,) = result.pieces
        return describe_piece(piece, options), piece.grid.notes.tobytes()

    assert not is_played(only_tune(typeset(kind)))
    assert read("auto") == read("stated")


def test_what_lies_anywhere_between_the_sixteenths_is_played():
    beats = rubato(100)
    assert is_played(only_tune(played_bytes(beats, song(), rng=np.random.default_rng(1))))


def test_bars_of_one_quarter_are_believed_of_no_file_that_was_played_to_a_click():
    beats = 0.13 + np.arange(100) * 0.5  # the file's quarters, a quarter of one late
    rng = np.random.default_rng(1)
    assert is_played(only_tune(played_bytes(beats, song(), rng=rng, bars=signature(1, 4))))
    exact = midi(
        mido.MidiTrack([signature(1, 4)]), track([(160 * i, 160, 60, 80) for i in range(99)])
    )
    assert not is_played(only_tune(exact))


def test_who_plays_to_a_click_keeps_the_bars_of_the_file_unless_they_are_clearly_elsewhere():
    def played(start, *bars):
        beats = start + np.arange(100) * 0.5
        rng = np.random.default_rng(1)
        data = played_bytes(beats, song(), rng=rng, bars=mido.MidiTrack(bars))
        return is_played(only_tune(data))

    assert not played(0.02, signature(4, 4))
    assert not played(0.02)
    assert played(0.125 * 3, signature(4, 4))  # three sixteenths late
    assert not played(0.125 * 3, signature(4, 4), signature(3, 4, time=9600))  # beats may move
    # Of two at one tick the last is meant.
    assert played(0.02, signature(4, 4), signature(1, 4))


# estimated beats


@pytest.mark.parametrize("bar", [4, 3])
def test_beats_and_bars_are_found_under_a_known_tempo_curve(bar):
    beats = rubato(24 * bar)
    data = played_bytes(beats, song(bar=bar), rng=np.random.default_rng(2))
    found = estimate_beats(only_tune(data))
    inner = beats[4 : 24 * bar - 4]
    away = np.array([np.abs(found.seconds - beat).min() for beat in inner])
    assert np.quantile(away, 0.95) < 0.02
    # None too many: as many as there are between the first and the last of them.
    within = (found.seconds > inner[0] - 0.1) & (found.seconds < inner[-1] + 0.1)
    assert within.sum() == len(inner)
    begins = found.seconds[found.downbeats]
    off = [np.abs(begins - beats[bar * number]).min() for number in range(2, 22)]
    assert max(off) < 0.05
    assert found.sure >= 0.5


def jig(n_bars, *, thirds=3):
    """As a fiddler plays it: mostly three notes a beat, two beats a bar; bass and chord."""
    rng = np.random.default_rng(7)
    rows = []
    for number in range(n_bars):
        root, first = [0, 9, 5, 7][number % 4], 2 * number
        rows.append((first, 1, 36 + root, 90))
        rows += [(first + 1, 1, 52 + (root + tone) % 12, 60) for tone in (0, 4, 7)]
        for beat in (first, first + 1):
            parts = [0, 1, 2] if rng.random() < 0.7 else [0, 2]
            for part, end in zip(parts, [*parts[1:], 3], strict=True):
                high = 76 + int(rng.integers(0, 8))
                rows.append((beat + part / thirds, (end - part) / thirds, high, 80))
    return rows


def test_a_jig_that_was_played_freely_is_read_in_6_8(tmp_path):
    beats = rubato(81)
    data = played_bytes(beats, jig(40), rng=np.random.default_rng(8))
    found = estimate_beats(only_tune(data))
    assert found.unit == 8
    begins = found.seconds[found.downbeats]
    assert max(np.abs(begins - beats[2 * number]).min() for number in range(2, 38)) < 0.05
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mid").write_bytes(data)
    (piece,) = pieces_of(prepare(tmp_path / "in", tmp_path / "out").path)
    assert piece["metres"] == ["6/8"]
    assert piece["bars"] == 40
    # A beat of 0.61 s in the middle is a dotted quarter: 1.5 quarters in it, 148 a minute.
    assert np.median(piece["tempo_curve"]) == pytest.approx(1.5 * 60 / 0.61, rel=0.05)
    assert np.mean(piece["off_grid_ms"]) < 15


def test_beats_in_halves_and_quarters_are_no_dotted_ones():
    data = played_bytes(rubato(161), jig(80, thirds=4), rng=np.random.default_rng(8))
    assert estimate_beats(only_tune(data)).unit == 4


def test_a_beat_is_where_its_notes_are_to_the_millisecond_where_they_are_together():
    beats = rubato(96)
    found = estimate_beats(only_tune(played_bytes(beats, song())))
    away = [np.abs(found.seconds - beat).min() for beat in beats[4:90]]
    assert np.median(away) < 0.0015  # a frame is 10 ms, a tick of the file one


def test_longer_and_lower_notes_tell_the_beat():
    onset = np.arange(40) / 2.0  # in quarters: on the beat, and between two

    def weights(length, pitch):
        ends, pitches = onset + np.tile(length, 20), np.tile(pitch, 20).astype(float)
        return weigh_places(Played(onset, ends, pitches, pitches, onset), 4, 0.0).tolist()

    # Of each kind 20 notes, of 0.1 and their length in usual beats (0.62 s) and octaves of depth:
    # the middle pitch is 66, from which 60 is half an octave down.
    assert weights([0.62, 0.31], [60, 60]) == pytest.approx([22, 0, 12, 0])
    assert weights([0.31, 0.31], [72, 60]) == pytest.approx([12, 0, 22, 0])


def test_novelty_is_how_unlike_what_follows_is_to_what_was_before():
    table = np.repeat(np.eye(2), 4, axis=0)  # four rows of one kind, four of another
    novelty = _novelty(table, 2)
    assert novelty[4] == 1  # 2 rows of the one before, 2 of the other behind
    assert novelty[[2, 6]] == pytest.approx([0, 0])
    # One row behind is of the other kind: the cosine of (2, 0) and (1, 1) is 1 / sqrt(2).
    assert novelty[3] == pytest.approx(1 - 1 / np.sqrt(2))


def test_who_plays_to_a_click_has_the_files_quarters_for_beats_only_shifted():
    beats = 0.285 + np.arange(100) * 0.5
    data = played_bytes(beats, song(), rng=np.random.default_rng(3), bars=signature(1, 4))
    found = estimate_beats(only_tune(data))
    np.testing.assert_allclose(np.diff(found.seconds), 0.5, atol=1e-9)
    assert abs(found.seconds[0] - 0.285) < 0.01
    assert np.flatnonzero(found.downbeats)[:3].tolist() == [0, 4, 8]


def test_a_played_piece_is_read_in_its_bars(tmp_path):
    beats = rubato(100)
    (tmp_path / "in").mkdir()
    data = played_bytes(beats, song(), rng=np.random.default_rng(4))
    (tmp_path / "in" / "a.mid").write_bytes(data)
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    (piece,) = pieces_of(corpus.path)
    assert piece["beats"] == "estimated"
    assert 0.5 <= piece["sure"] <= 1
    assert piece["metres"] == ["4/4"]
    assert piece["bars"] == 24
    assert len(piece["tempo_curve"]) == 24
    by_bar = [240 / (beats[4 * i + 4] - beats[4 * i]) for i in range(2, 22)]
    np.testing.assert_allclose(piece["tempo_curve"][2:22], by_bar, rtol=0.03)
    notes = corpus.notes(0, 24)
    bass = notes[notes["pitch"] < 48 + corpus.manifest.get("transposed", 0)]
    assert np.mean(bass["start"] % 16 == 0) > 0.9
    advice = " ".join(corpus.summary.advice)
    assert "estimated beats" in advice
    assert "--grid seconds" in advice


def test_beats_of_notes_thrown_anywhere_are_told_to_be_guessed(tmp_path):
    rng = np.random.default_rng(5)
    times, pitches = np.sort(rng.integers(0, 96_000, 600)), rng.integers(40, 80, 600)
    rows = [(int(t), 100, int(p), 80) for t, p in zip(times, pitches, strict=True)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mid").write_bytes(midi(track(rows)))
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    (piece,) = pieces_of(corpus.path)
    assert piece["beats"] == "estimated"
    assert piece["sure"] < 0.5
    advice = " ".join(corpus.summary.advice)
    assert "The beats of 1 piece are little more than guessed (sure under 50%" in advice
    assert "--grid seconds" in advice


def test_a_tune_of_few_notes_is_as_it_states_but_no_beats_can_be_asked_of_it():
    data = midi(track([(480 * i + 7 * i * i, 100, 60, 80) for i in range(12)]))
    assert not is_played(only_tune(data))
    with pytest.raises(MusicFileError, match="too few"):
        estimate_beats(only_tune(data))


def test_beats_mean_nothing_to_the_seconds_grid():
    with pytest.raises(UsageError, match="seconds grid"):
        CorpusOptions(grid="seconds", beats="estimate")


def test_the_seconds_grid_hears_no_beat_files(folder, tmp_path):
    with_file = prepare(folder, tmp_path / "a", grid="seconds")
    (folder / "a.beats.txt").unlink()
    assert prepare(folder, tmp_path / "b", grid="seconds").fingerprint == with_file.fingerprint


def test_what_goes_on_from_a_played_file_says_how_its_beats_were_found(tmp_path):
    path = tmp_path / "mine.mid"
    path.write_bytes(played_bytes(rubato(100), song(), rng=np.random.default_rng(4)))
    source = read_source(Place(path, None, None), IN_FOUR)
    (told,) = [text for text in source.remarks() if "beats" in text]
    assert "estimated" in told
    assert "mine.beats.txt" in told
    assert source.to_json()["beats"] == "estimated"
    beats = "".join(f"{t:.3f} {i % 4 + 1}\n" for i, t in enumerate(rubato(100)))
    (tmp_path / "mine.beats.txt").write_text(beats)
    source = read_source(Place(path, None, None), IN_FOUR)
    (told,) = [text for text in source.remarks() if "beats" in text]
    assert "beat file beside it" in told
    assert source.to_json()["beats"] == "file"


# real music


def real_songs(count):
    archive = zipfile.ZipFile(shared_data("pop909-455.zip"))
    names = [name[:-4] for name in archive.namelist() if name.endswith(".mid")][:count]
    return {n: (archive.read(f"{n}.mid"), archive.read(f"{n}.beats.txt")) for n in names}


def test_real_songs_lie_on_the_grid_by_their_beat_files_and_their_beats_are_found():
    near, right = [], []
    for name, (data, beat_file) in real_songs(8).items():
        (tune,), _ = parse_tunes(data, name=f"{name}.mid")
        beats = read_beat_file(beat_file, name=name)
        sixteenths = onsets_of(set_to_beats(tune, beats)) / 120
        near.append(np.mean(np.abs(sixteenths - np.round(sixteenths)) < 0.2))
        found = estimate_beats(tune).seconds
        inner = beats.seconds[8:-8]
        right.append(np.mean([np.abs(found - beat).min() < 0.07 for beat in inner]))
    assert np.mean(near) > 0.9
    assert np.mean(right) > 0.95


def test_it_is_said_of_real_songs_about_how_many_of_their_bars_begin_rightly():
    said, right = [], []
    for name, (data, beat_file) in real_songs(90).items():
        (tune,), _ = parse_tunes(data, name=f"{name}.mid")
        beats, found = read_beat_file(beat_file, name=name), estimate_beats(tune)
        true = beats.seconds[beats.downbeats]
        begins = found.seconds[found.downbeats]
        said.append(found.sure)
        right.append(np.mean([np.abs(true - begin).min() < 0.07 for begin in begins]))
    surer = np.argsort(said)[45:]
    for part in (range(90), surer):
        assert np.mean(np.array(said)[part]) == pytest.approx(
            np.mean(np.array(right)[part]), abs=0.1
        )


def test_no_tune_of_the_paper_is_taken_for_played():
    archive = zipfile.ZipFile(shared_data("nottingham-524.zip"))
    names = [name for name in archive.namelist() if name.endswith(".mid")][::5]
    for name in names:
        (tune,), _ = parse_tunes(archive.read(name), name=name)
        assert not is_played(tune)


def test_a_played_tune_is_read_to_go_on_from(tmp_path):
    path = tmp_path / "mine.mid"
    path.write_bytes(played_bytes(rubato(100), song(), rng=np.random.default_rng(4)))
    piece = read_tune(path, options=CorpusOptions())
    assert piece.tune.beats is not None
    assert json.dumps(describe_piece(piece, CorpusOptions()))


def test_a_strathspey_is_notation_and_no_played_tune():
    """Swung as abc2midi plays it, its onsets gather nowhere."""
    music21 = pytest.importorskip("music21", reason="needs the extra `folk`")
    folder = Path(music21.common.getCorpusFilePath()) / "ryansMammoth"
    data = (folder / "MoneyMuskStrathspey.abc").read_bytes()
    (tune,), errors = parse_tunes(data, name="money-musk.abc")
    assert not errors
    assert is_played(tune)
    assert find_beats(replace(tune, notated=False), "auto", None) is not None
    assert find_beats(tune, "auto", None) is None
