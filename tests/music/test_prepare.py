import functools
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import zipfile

import mido
import numpy as np
import pytest

import nextbar
from nextbar.errors import CorpusError, OutputError, UsageError
from nextbar.music import file_parts, spool
from nextbar.music.corpus import Corpus, Lines
from nextbar.music.metre import metre_of
from nextbar.music.prepare import (
    CorpusOptions,
    find_music_files,
    read_pieces,
)
from nextbar.music.reading import parse_file

from ..shared_data import shared_data
from .midi_files import make_notes, midi, signature, track, tune_bytes
from .prepared import merge, prepare


@pytest.fixture
def folder(tmp_path):
    """Twelve tunes of two bars, each in another key."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for i in range(12):
        (folder / f"{i:02d}.mid").write_bytes(tune_bytes(transpose=i))
    return folder


def waltz(pitch=60, numerator=3):
    """Two bars of one note each in ``numerator``/4."""
    bar = numerator * 480
    return midi(
        mido.MidiTrack([signature(numerator, 4)]),
        track([(0, bar, pitch, 80), (bar, bar, pitch + 2, 80)]),
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_music_files_are_found_in_subfolders_sorted_as_strings(tmp_path):
    for name in ("b/10.mid", "b/9.MIDI", "a.abc", "B.mid", "b.mid"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_music_files(tmp_path).names == ["B.mid", "a.abc", "b.mid", "b/10.mid", "b/9.MIDI"]


def test_hidden_files_and_the_macs_shadow_folder_are_passed_over(tmp_path):
    for name in (".hidden/a.mid", "__MACOSX/b.mid", "._c.mid", "d.mid"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_music_files(tmp_path)
    assert (found.names, found.ignored) == (["d.mid"], {})


def test_other_files_are_counted_by_suffix(tmp_path):
    for name in ("a.mp3", "b.MP3", "c.txt", "README", "d.mid"):
        (tmp_path / name).touch()
    assert find_music_files(tmp_path).ignored == {".mp3": 2, ".txt": 1, "no suffix": 1}


def test_links_that_lead_out_of_the_folder_are_not_followed(tmp_path):
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "secret.mid").touch()
    (inside / "a.mid").touch()
    (inside / "link.mid").symlink_to(outside / "secret.mid")
    (inside / "folder").symlink_to(outside)
    (inside / "same.mid").symlink_to(inside / "a.mid")
    found = find_music_files(inside)
    assert found.names == ["a.mid", "same.mid"]
    assert found.ignored == {"link out of the folder": 1}


def test_a_corpus_holds_every_bar_of_every_tune(folder, tmp_path):
    corpus = prepare(folder, tmp_path / "corpus")
    assert (corpus.n_pieces, corpus.n_bars) == (12, 24)
    assert corpus.piece_index.tolist() == list(range(0, 25, 2))
    assert corpus.piece_name(3) == "03.mid"
    scale = [(0, 4, 63, 90), (4, 4, 65, 90), (8, 4, 67, 90), (12, 4, 68, 90)]
    assert np.array_equal(corpus.notes(6, 7), make_notes(*scale))


def test_the_manifest_says_what_was_made_of_what(folder, tmp_path):
    (folder / "notes.txt").touch()
    (folder / "broken.mid").write_bytes(b"nothing")
    manifest = prepare(folder, tmp_path / "corpus", onsets=True).manifest
    assert manifest["source"] == "songs"
    assert manifest["ignored"] == {".txt": 1}
    assert (manifest["files_taken"], manifest["files_refused"]) == (12, 1)
    assert manifest["refused"] == {"not a MIDI file": 1}
    assert (manifest["pieces"], manifest["bars"], manifest["pairs"]) == (12, 24, 12)
    assert manifest["notes"] == 12 * 8
    assert (manifest["metres"], manifest["n_steps"]) == (["4/4"], 16)
    assert (manifest["bars_in"], manifest["pieces_in"]) == ({"4/4": 24}, {"4/4": 12})
    assert manifest["steps_per_quarter"] == 4
    assert (manifest["tempo"], manifest["median_velocity"]) == (120.0, 90.0)
    assert manifest["held_out_every"] == 10
    assert manifest["options"]["onsets"] is True
    on_disk = json.loads((tmp_path / "corpus" / "manifest.json").read_text())
    assert on_disk == manifest


def test_each_piece_is_recorded_with_what_the_grid_has_cost(folder, tmp_path):
    (folder / "00.mid").write_bytes(
        midi(track([(30, 450, 60, 90), (480, 1920, 62, 90), (0, 9, 120, 90)]))
    )
    prepare(folder, tmp_path / "corpus")
    lines = (tmp_path / "corpus" / "pieces.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 12
    assert first.pop("sha256")
    assert first == {
        "name": "00.mid",
        "bars": 2,
        "notes": 2,
        "metres": ["4/4"],
        "tempo": 120.0,
        "transposed": 0,
        "key": "C/Am",
        "lowest_pitch": 60,
        "highest_pitch": 62,
        "off_grid_steps": 0.125,  # 30 of 120 ticks and 0: (0.25 + 0) / 2
        "off_grid_ms": 15.62,  # of steps of 125 ms: 15.625, and Python rounds halves to even
        "dropped_notes": 1,
        "merged_notes": 0,
    }


def test_every_refused_file_has_its_reason_and_a_sentence(folder, tmp_path):
    (folder / "03.mid").write_bytes(b"")
    (folder / "04.mid").write_bytes(waltz())
    (folder / "05.mid").write_bytes((folder / "02.mid").read_bytes())
    (folder / "06.mid").write_bytes(midi(track([(0, 480, 60, 90)])))
    corpus = prepare(folder, tmp_path / "corpus", metre="4/4")
    assert [(r["file"], r["reason"], r["message"]) for r in corpus.refused()] == [
        (
            "03.mid",
            "empty file",
            "03.mid: it has no content; save it anew from a music program",
        ),
        (
            "04.mid",
            "metre 3/4",
            "04.mid: it is in 3/4, not in 4/4; leave --metre out to take every metre, or use"
            " --metre 3/4",
        ),
        (
            "05.mid",
            "duplicate",
            "05.mid: duplicate of 02.mid, byte for byte; --duplicates keep takes both",
        ),
        (
            "06.mid",
            "fewer than 2 bars",
            "06.mid: it has 1 bars, of 2 needed; --min-bars 1 takes it",
        ),
    ]
    assert corpus.manifest["files_refused"] == 4
    assert corpus.n_pieces == 8


def test_broken_files_of_equal_bytes_are_duplicates_and_those_without_any_are_not(folder, tmp_path):
    for name in ("x.mid", "y.mid"):
        (folder / name).write_bytes(b"nothing")
    for name in ("x.zip", "y.zip"):
        (folder / name).write_bytes(b"no archive")  # none of its files can be read
    corpus = prepare(folder, tmp_path / "corpus")
    assert [(r["file"], r["reason"]) for r in corpus.refused()] == [
        ("x.mid", "not a MIDI file"),
        ("x.zip", "damaged archive"),
        ("y.mid", "duplicate"),
        ("y.zip", "damaged archive"),
    ]


def test_duplicates_can_be_kept_and_are_on_the_seconds_grid(folder, tmp_path):
    (folder / "twin.mid").write_bytes((folder / "00.mid").read_bytes())
    assert prepare(folder, tmp_path / "a").n_pieces == 12
    assert prepare(folder, tmp_path / "b", duplicates="keep").n_pieces == 13
    assert prepare(folder, tmp_path / "c", grid="seconds").n_pieces == 13
    refused = prepare(folder, tmp_path / "d", grid="seconds", duplicates="refuse")
    assert refused.n_pieces == 12


def test_every_metre_is_taken_the_most_frequent_first(tmp_path):
    folder = tmp_path / "dances"
    folder.mkdir()
    for i in range(3):
        (folder / f"waltz{i}.mid").write_bytes(waltz(60 + i))
    (folder / "four.mid").write_bytes(waltz(60, numerator=4))
    corpus = prepare(folder, tmp_path / "corpus")
    assert (corpus.metres, corpus.n_steps, corpus.n_pieces) == (((3, 4), (4, 4)), 16, 4)
    assert corpus.bar_metres.tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    assert corpus.manifest["refused"] == {}
    # Two bars of 4/4 with a note each, then two of 3/4.
    assert corpus.notes(0, 4)["start"].tolist() == [0, 16, 32, 44]
    # Of as many bars the metre that comes first by name.
    (folder / "waltz0.mid").unlink()
    (folder / "more.mid").write_bytes(waltz(70, numerator=4))
    assert prepare(folder, tmp_path / "corpus").metres == ((3, 4), (4, 4))


def test_a_metre_asked_for_is_taken(folder, tmp_path):
    (folder / "waltz.mid").write_bytes(waltz())
    corpus = prepare(folder, tmp_path / "corpus", metre="3/4")
    assert (corpus.metres, corpus.n_pieces, corpus.n_bars) == (((3, 4),), 1, 2)
    assert corpus.manifest["refused"] == {"metre 4/4": 12}
    assert corpus.manifest["bars_in"] == {"3/4": 2}


def in_metres(*metres):
    """A tune of quarters without a rest, from C up, with (numerator, bars) of each metre."""
    events, notes, before = [], [], 0
    for n_beats, n_bars in metres:
        events.append(signature(n_beats, 4, time=480 * before))
        before = n_beats * n_bars
        notes += [(480 * (len(notes) + i), 480, 48 + len(notes) + i, 90) for i in range(before)]
    return midi(mido.MidiTrack(events), track(notes))


def test_of_pieces_that_change_metre_the_passages_in_the_one_asked_for_are_taken(tmp_path):
    (tmp_path / "in").mkdir()
    tune = in_metres((4, 1), (3, 2), (4, 3), (3, 1), (4, 1), (3, 3))
    (tmp_path / "in" / "a.mid").write_bytes(tune)
    (tmp_path / "in" / "b.mid").write_bytes(in_metres((4, 2), (3, 1), (4, 2)))
    corpus = prepare(tmp_path / "in", tmp_path / "out", metre="3/4")
    pieces = [corpus.describe(piece) for piece in range(corpus.n_pieces)]
    assert [(line["name"], line["bars"]) for line in pieces] == [
        ("a.mid bars 2-3", 2),
        ("a.mid bars 9-11", 3),
    ]
    # Of eleven bars six are left out: five of 4/4, and the one of 3/4 that is alone.
    assert [line.get("left_out") for line in pieces] == [
        {"bars in other metres, left out": 6},
        None,
    ]
    assert corpus.metres == ((3, 4),)
    # The second passage begins behind 4 + 6 + 12 + 3 + 4 = 29 quarters, with the pitch 48 + 29.
    notes = corpus.notes(2, 5)
    assert notes["start"].tolist() == list(range(0, 36, 4))
    assert notes["pitch"].tolist() == list(range(77, 86))
    [refusal] = corpus.refused()
    assert (refusal["file"], refusal["reason"]) == ("b.mid", "metre 4/4")
    assert refusal["message"].startswith(
        "b.mid: it is in 4/4, not in 3/4, but for 1 of its bars in a row; "
    )
    one = prepare(tmp_path / "in", tmp_path / "out", metre="3/4", min_bars=1)
    assert one.manifest["bars"] == 7
    assert one.manifest["refused"] == {}
    files = list(Lines(one.path / "files.jsonl"))
    assert [line["pieces"] for line in files] == [3, 1]


def test_a_note_held_out_of_a_passage_ends_with_it_and_one_held_into_it_begins_there(tmp_path):
    (tmp_path / "in").mkdir()
    events = [signature(4, 4), signature(3, 4, time=1920), signature(4, 4, time=2880)]
    # A bar of 4/4, two of 3/4 from quarter 4 to 10, 4/4: a note in 2-5, one in 9-12.
    notes = [(0, 960, 48, 90), (960, 1440, 60, 90), (2400, 480, 64, 80), (4320, 1440, 62, 70)]
    (tmp_path / "in" / "a.mid").write_bytes(midi(mido.MidiTrack(events), track(notes)))
    corpus = prepare(tmp_path / "in", tmp_path / "out", metre="3/4")
    expected = make_notes((0, 4, 60, 90), (4, 4, 64, 80), (20, 4, 62, 70))
    assert np.array_equal(corpus.notes(0, 2), expected)


def test_a_metre_whose_bars_are_cut_cannot_be_asked_for(folder, tmp_path):
    assert error_of(UsageError, folder, tmp_path / "out", metre="4/2") == (
        "bars of 4/2 are long, and cut into 4/4 + 4/4; leave --metre out"
    )


def test_the_seconds_grid_takes_every_metre_and_pads_the_last_bar(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "waltz.mid").write_bytes(waltz())  # 6 quarters at 120: 3 s = 24 steps
    corpus = prepare(tmp_path / "in", tmp_path / "out", grid="seconds")
    assert (corpus.n_bars, corpus.n_steps, corpus.tempo) == (2, 16, 120.0)
    assert np.array_equal(corpus.notes(0, 2), make_notes((0, 12, 60, 80), (12, 12, 62, 80)))
    assert corpus.manifest["metres"] == ["4/4"]
    assert corpus.bar_metres.tolist() == [0, 0]
    assert not {"bars_in", "pieces_in"} & set(corpus.manifest)
    assert "metres" not in corpus.describe(0)


def test_one_track_can_be_chosen_by_number_or_name(tmp_path):
    (tmp_path / "in").mkdir()
    melody = track([(0, 1920, 72, 90), (1920, 1920, 74, 90)], name="Melody")
    bass = track([(0, 3840, 40, 90)], channel=1, name="Bass")
    (tmp_path / "in" / "a.mid").write_bytes(midi(melody, bass))
    for chosen, pitches in (("all", {72, 74, 40}), ("2", {40}), ("melody", {72, 74})):
        corpus = prepare(tmp_path / "in", tmp_path / "out", track=chosen)
        assert set(corpus.bar_notes["pitch"].tolist()) == pitches


def test_an_abc_file_of_many_tunes_gives_a_piece_for_each(tmp_path):
    (tmp_path / "in").mkdir()
    tune = "X:{}\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n\n"
    text = tune.format(1) + tune.format(2) + "X:3\nM:4/4\nK:C\n\n"
    (tmp_path / "in" / "book.abc").write_text(text)
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert [corpus.piece_name(piece) for piece in range(2)] == ["book.abc#1", "book.abc#2"]
    assert [refusal["file"] for refusal in corpus.refused()] == ["book.abc#3"]
    assert (corpus.manifest["files_taken"], corpus.manifest["files_refused"]) == (1, 0)


def test_the_same_files_and_options_give_the_same_bytes(folder, tmp_path):
    (folder / "broken.mid").write_bytes(b"nothing")
    moved = shutil.copytree(folder, tmp_path / "elsewhere" / "songs")
    prepare(folder, tmp_path / "a", onsets=True, track=1)
    prepare(moved, tmp_path / "b", onsets=True, track="1")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_the_fingerprint_tells_other_music_grids_and_splits_apart_but_not_other_names(
    folder, tmp_path
):
    def fingerprint(**options):
        return prepare(folder, tmp_path / "corpus", **options).fingerprint

    first = fingerprint()
    assert len({first, fingerprint(onsets=True), fingerprint(held_out_every=5)}) == 3
    assert fingerprint(grid="seconds") != first  # the very same notes, at 120
    (folder / "00.mid").rename(folder / "000.mid")
    assert fingerprint() == first
    (folder / "000.mid").write_bytes(tune_bytes(transpose=30))
    assert fingerprint() != first


def test_every_file_is_reported_as_it_is_done(folder, tmp_path):
    (folder / "03.mid").write_bytes(b"")
    seen = []
    prepare(folder, tmp_path / "corpus", report=seen.append)
    assert [now.n_done for now in seen] == list(range(1, 13))
    assert {now.n_files for now in seen} == {12}
    assert (seen[-1].n_pieces, seen[-1].n_refused, seen[-1].file) == (11, 1, "11.mid")


def test_one_file_depends_on_nothing_but_itself_and_the_options(folder):
    results = [
        read_pieces(folder / "00.mid", name="00.mid", options=CorpusOptions()) for _ in range(2)
    ]
    [piece], [again] = (result.pieces for result in results)
    assert np.array_equal(piece.grid.notes, again.grid.notes)
    assert (piece.n_bars, piece.metre, piece.tempo) == (2, (4, 4), 120.0)


def test_a_metre_that_the_grid_cannot_hold_is_filled_up_and_told(tmp_path):
    path = tmp_path / "odd.mid"
    notes = [(300 * i, 60, 60, 90) for i in range(4)]
    path.write_bytes(midi(mido.MidiTrack([signature(5, 32)]), track(notes)))
    # A bar of 5/32 has 2.5 steps of sixteenths: it becomes 2/8, of which 1.5 are silent.
    [piece] = read_pieces(path, name="odd.mid", options=CorpusOptions()).pieces
    assert piece.metres == ((1, 4),) * 4
    assert piece.starts.tolist() == [0, 4, 8, 12, 16]
    assert piece.grid.notes["start"].tolist() == [0, 4, 8, 12]
    assert piece.left_out == {"bars shorter than their metre, filled up with silence": 4}
    # With 8 steps a quarter it has five.
    [piece] = read_pieces(path, name="odd.mid", options=CorpusOptions(steps_per_quarter=8)).pieces
    assert (piece.metres, piece.left_out) == (((5, 32),) * 4, {})


def test_a_metre_shorter_than_any_note_is_refused(tmp_path):
    path = tmp_path / "odd.mid"
    path.write_bytes(midi(mido.MidiTrack([signature(1, 64)]), track([(0, 480, 60, 90)])))
    [refusal] = read_pieces(path, name="odd.mid", options=CorpusOptions()).refusals
    assert refusal.message == (
        "odd.mid: its time signature is 1/64, less than a thirty-second; correct its time"
        " signature in a music program"
    )


def test_a_file_that_has_gone_is_a_refusal(tmp_path):
    [refusal] = read_pieces(
        tmp_path / "gone.mid", name="gone.mid", options=CorpusOptions()
    ).refusals
    assert (refusal.file, refusal.reason) == ("gone.mid", "unreadable")


def test_an_empty_folder_may_become_the_corpus(folder, tmp_path):
    (tmp_path / "corpus").mkdir()
    assert prepare(folder, tmp_path / "corpus").n_pieces == 12


def test_a_file_name_of_no_valid_text_is_shown_readably(tmp_path):
    name = os.fsdecode(b"caf\xe9.mid")
    (tmp_path / "in").mkdir()
    try:
        (tmp_path / "in" / name).write_bytes(tune_bytes())
    except OSError:
        pytest.skip("this file system takes no such names")
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert corpus.piece_name(0) == "caf\\xe9.mid"


def error_of(kind, source, out, **options):
    with pytest.raises(kind) as caught:
        prepare(source, out, **options)
    return str(caught.value)


def test_a_source_that_is_no_folder_of_music_says_what_to_give(tmp_path):
    out = tmp_path / "out"
    assert error_of(CorpusError, tmp_path / "none", out) == (
        f"{tmp_path}/none does not exist; check the path of the folder of music files"
    )
    (tmp_path / "a.mid").touch()
    assert error_of(CorpusError, tmp_path / "a.mid", out) == (
        f"{tmp_path}/a.mid is a file; give the folder that holds your music files"
    )
    (tmp_path / "empty").mkdir()
    assert error_of(CorpusError, tmp_path / "empty", out) == (
        f"{tmp_path}/empty is empty;"
        " put MIDI (.mid, .midi) or ABC (.abc) files, or MusicXML into it, or give another folder"
    )
    (tmp_path / "empty" / "a.mp3").touch()
    (tmp_path / "empty" / "b.mp3").touch()
    assert error_of(CorpusError, tmp_path / "empty", out) == (
        f"{tmp_path}/empty has no MIDI (.mid, .midi) or ABC (.abc) files, or MusicXML;"
        " seen: 2 .mp3; give the folder that holds your music"
    )
    assert not out.exists()


def test_a_folder_of_which_nothing_can_be_used_says_why(tmp_path):
    folder = tmp_path / "songs"
    folder.mkdir()
    (folder / "a.mid").write_bytes(b"")
    (folder / "b.mid").write_bytes(waltz())
    (folder / "c.mid").write_bytes(waltz(70))
    assert error_of(CorpusError, folder, tmp_path / "out", metre="4/4") == (
        f"{folder}: none of its 3 music files can be used (2 metre 3/4, 1 empty file);"
        " the first: a.mid: it has no content; save it anew from a music program"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["songs"]


def test_a_corpus_is_replaced_whole(folder, tmp_path):
    prepare(folder, tmp_path / "corpus")
    (folder / "00.mid").unlink()
    assert prepare(folder, tmp_path / "corpus").n_pieces == 11
    assert Corpus.open(tmp_path / "corpus").n_pieces == 11
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "songs"]


def test_a_corpus_whose_renewal_fails_stays_as_it_was(folder, tmp_path):
    prepare(folder, tmp_path / "corpus")
    before = contents(tmp_path / "corpus")

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(folder, tmp_path / "corpus", onsets=True, report=interrupt)
    assert contents(tmp_path / "corpus") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "songs"]


def test_what_is_no_corpus_is_never_overwritten(folder, tmp_path):
    before = contents(folder)
    assert error_of(OutputError, folder, folder) == (
        f"{folder} exists and is no corpus, so it is not replaced; choose a new folder"
    )
    (tmp_path / "file").touch()
    assert error_of(OutputError, folder, tmp_path / "file") == (
        f"{tmp_path}/file is a file; choose a new folder for the corpus"
    )
    assert "could not be written: a part of this path is a file" in error_of(
        OutputError, folder, tmp_path / "file" / "corpus"
    )
    prepare(folder, tmp_path / "corpus")
    (tmp_path / "corpus" / "diary.txt").touch()
    assert error_of(OutputError, folder, tmp_path / "corpus") == (
        f"{tmp_path}/corpus holds other things than its corpus (diary.txt), so it is not replaced;"
        " move them, or choose a new folder"
    )
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"grid": "ticks"}, "grid: 'ticks' is none of metre, seconds"),
        ({"metre": "5/3"}, "'5/3' is no metre; write it as 4/4, 3/4 or 6/8"),
        (
            {"metre": "3/4", "grid": "seconds"},
            "a metre has no meaning on the seconds grid; leave it out",
        ),
        ({"held_out_every": 1}, "held_out_every: 1 is not between 2 and 1000000"),
        ({"min_bars": 0}, "min_bars: 0 is not between 1 and 10000"),
        ({"steps_per_quarter": 0}, "steps_per_quarter: 0 is not between 1 and 48"),
        ({"workers": 0}, "workers is 0; it must be from 1 to 1024"),
        ({"augment": 13}, "augment: 13 is not between 0 and 12"),
        (
            {"augment": 1, "common_key": True},
            "augment undoes what common_key does; leave one of them out:"
            " one key, or every piece in many",
        ),
        (
            {"shard": "3/2", "metre": "4/4"},
            "'3/2' is no shard; write 1/8 to 8/8 for the first to the last eighth",
        ),
        ({"duplicates": "no"}, "duplicates: 'no' is none of auto, refuse, keep"),
        ({"held_out": 5}, "no option 'held_out'; did you mean 'held_out_every'?"),
        ({"track": 1.5}, "track: 1.5 is not a whole number"),
        ({"onsets": "yes"}, "onsets: 'yes' is not true or false"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(folder, tmp_path, options, text):
    assert error_of(UsageError, folder, tmp_path / "out", **options) == text


def needs_music21():
    if importlib.util.find_spec("music21") is None:
        pytest.skip(
            "music21, whose tunes this takes, is not installed: pip install 'nextbar[folk]'"
        )


def test_a_collection_that_music21_has_not_says_which_it_has(tmp_path):
    needs_music21()
    text = error_of(CorpusError, "music21:beatles", tmp_path / "out")
    assert text.startswith("music21 has no collection 'beatles'; it has: airdsAirs, ")
    assert "bach, " in text  # MusicXML
    assert "ryansMammoth, " in text  # ABC


def test_a_collection_of_music21_needs_no_folder(tmp_path):
    needs_music21()
    seen = []

    def stop_soon(now):
        seen.append(now)
        if now.n_done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("music21:ryansmammoth", tmp_path / "out", report=stop_soon)
    assert seen[0].n_files == 1059


def test_without_music21_the_way_to_install_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert error_of(CorpusError, "music21:ryansMammoth", tmp_path / "out") == (
        "music21:ryansMammoth needs the package music21, which is not installed;"
        " install it with: pip install 'nextbar[folk]'"
    )


def test_the_authors_released_set_gives_exactly_their_count_of_bars(tmp_path):
    with zipfile.ZipFile(shared_data("nottingham-524.zip")) as files:
        files.extractall(tmp_path / "nottingham")
    corpus = prepare(tmp_path / "nottingham", tmp_path / "out", grid="seconds", track=1)
    assert corpus.n_bars == 18_798
    assert corpus.n_pieces == 524
    assert corpus.manifest["pairs"] == 18_274
    rolls = corpus.rolls(range(corpus.n_bars))
    assert np.count_nonzero(rolls.reshape(len(rolls), -1).max(axis=1) == 0) == 3  # silent bars
    assert np.count_nonzero(rolls) / len(rolls) == pytest.approx(15.7, abs=0.02)
    assert corpus.bar_notes["pitch"].min() >= 55
    assert corpus.bar_notes["pitch"].max() <= 88
    assert corpus.manifest["median_velocity"] == 90
    assert corpus.pieces("held_out").tolist() == list(range(0, 524, 10))


@pytest.mark.parametrize("n_workers", [1, 3])
def test_the_corpus_does_not_depend_on_the_number_of_workers(folder, tmp_path, n_workers):
    (folder / "broken.mid").write_bytes(b"nothing")
    (folder / "twin.mid").write_bytes((folder / "00.mid").read_bytes())
    prepare(folder, tmp_path / "a", workers=2)
    prepare(folder, tmp_path / "b", workers=n_workers)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def parse_or_die(data, *, name, options, **more):
    if name == "05.mid":
        os.kill(os.getpid(), signal.SIGKILL)  # as native code that goes wrong is ended
    return parse_file(data, name=name, options=options, **more)


def test_a_file_that_kills_its_reader_costs_that_file_only(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(file_parts, "parse_file", parse_or_die)
    corpus = prepare(folder, tmp_path / "corpus")
    assert corpus.n_pieces == 11
    [refusal] = corpus.refused()
    assert (refusal["file"], refusal["reason"]) == ("05.mid", "crashed the reader")
    assert refusal["message"] == (
        "05.mid: reading it was given up: crashed the reader (exit code -9);"
        " save it anew from a music program"
    )
    # It is no property of the file: the next run tries again.
    monkeypatch.undo()
    assert prepare(folder, tmp_path / "corpus").n_pieces == 12


def test_run_twice_only_what_is_new_is_read(folder, tmp_path, monkeypatch):
    (folder / "waltz.mid").write_bytes(waltz())
    (folder / "broken.mid").write_bytes(b"nothing")
    prepare(folder, tmp_path / "corpus", onsets=True)
    (folder / "03.mid").unlink()
    (folder / "03-new.mid").write_bytes(tune_bytes(transpose=20, n_bars=5))
    (folder / "07.mid").write_bytes(tune_bytes(transpose=30))
    log = tmp_path / "parsed"

    def parse_and_log(data, *, name, options, **more):
        with log.open("a") as file:
            file.write(f"{name}\n")
        return parse_file(data, name=name, options=options, **more)

    monkeypatch.setattr(file_parts, "parse_file", parse_and_log)
    prepare(folder, tmp_path / "corpus", onsets=True)
    assert sorted(log.read_text().split()) == ["03-new.mid", "07.mid"]
    prepare(folder, tmp_path / "fresh", onsets=True)
    assert contents(tmp_path / "corpus") == contents(tmp_path / "fresh")


def test_other_options_of_reading_make_everything_new_again(folder, tmp_path):
    prepare(folder, tmp_path / "corpus")
    for options in ({"grid": "seconds"}, {"common_key": True}, {"min_bars": 1}, {"onsets": True}):
        prepare(folder, tmp_path / "corpus", **options)
        prepare(folder, tmp_path / "fresh", **options)
        assert contents(tmp_path / "corpus") == contents(tmp_path / "fresh")


def test_new_files_may_turn_the_order_of_metres_over(folder, tmp_path):
    (folder / "waltz0.mid").write_bytes(waltz(50))
    first = prepare(folder, tmp_path / "corpus")
    assert first.metres == ((4, 4), (3, 4))
    for i in range(1, 20):
        (folder / f"waltz{i}.mid").write_bytes(waltz(50 + i))
    corpus = prepare(folder, tmp_path / "corpus")  # the first waltz is taken over
    assert (corpus.metres, corpus.n_pieces) == (((3, 4), (4, 4)), 32)
    assert corpus.bar_metres.tolist() == [1] * 24 + [0] * 40
    assert corpus.manifest["bars_in"] == {"3/4": 40, "4/4": 24}
    prepare(folder, tmp_path / "fresh")
    assert contents(tmp_path / "corpus") == contents(tmp_path / "fresh")


@pytest.mark.parametrize(("numerator", "denominator"), [(3, 4), (6, 8), (12, 8)])
def test_corpora_of_other_metres_have_bars_of_their_own_length(tmp_path, numerator, denominator):
    (tmp_path / "in").mkdir()
    bar = 4 * 480 * numerator // denominator
    for i in range(3):
        notes = [(bar * b, bar, 60 + i + b, 80) for b in range(4)]
        data = midi(mido.MidiTrack([signature(numerator, denominator)]), track(notes))
        (tmp_path / "in" / f"{i}.mid").write_bytes(data)
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert corpus.n_bars == 12
    assert corpus.n_steps == 16 * numerator // denominator
    assert np.array_equal(
        corpus.notes(0, 2),
        make_notes((0, corpus.n_steps, 60, 80), (corpus.n_steps, corpus.n_steps, 61, 80)),
    )


def test_each_file_is_recorded_with_its_size_and_hash(folder, tmp_path):
    (folder / "03.mid").write_bytes(b"")
    corpus = prepare(folder, tmp_path / "corpus")
    lines = list(Lines(corpus.path / "files.jsonl"))
    assert [line["file"] for line in lines] == [f"{i:02d}.mid" for i in range(12)]
    assert lines[3]["reasons"] == {"empty file": 1}
    data = (folder / "00.mid").read_bytes()
    assert lines[0] == {
        "file": "00.mid",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "pieces": 1,
        "refused": 0,
        "reasons": {},
    }


def test_the_mean_shift_is_told_in_milliseconds(tmp_path):
    (tmp_path / "in").mkdir()
    # At 120 a step lasts 125 ms and 120 ticks: 24 and 0 ticks are 25 and 0 ms.
    (tmp_path / "in" / "a.mid").write_bytes(midi(track([(24, 456, 60, 90), (480, 2400, 62, 90)])))
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert corpus.manifest["mean_shift_ms"] == 12.5


def test_augmentation_adds_training_pieces_in_other_keys_and_leaves_held_out_ones_alone(
    folder, tmp_path
):
    plain = prepare(folder, tmp_path / "plain")
    more = prepare(folder, tmp_path / "more", augment=2)
    assert (plain.n_pieces, more.n_pieces) == (12, 12 + 4 * 10)  # 2 of 12 are held out
    assert more.pieces("held_out").tolist() == plain.pieces("held_out").tolist() == [0, 10]
    assert len(more.pieces("training")) == 50
    assert np.array_equal(more.notes(0, 24), plain.notes(0, 24))
    last = more.n_pieces - 1
    assert more.piece_name(last) == "11.mid +2"
    assert more.describe(last)["copy_of"] == 11
    bars = more.bars_of(last)
    assert more.notes(bars.start, bars.stop)["pitch"].tolist() == [
        pitch + 2 for pitch in plain.notes(22, 24)["pitch"].tolist()
    ]
    assert more.fingerprint != plain.fingerprint
    assert Corpus.open(more.path).n_bars == 24 + 4 * 20


def test_augmentation_stays_inside_the_piano(tmp_path):
    (tmp_path / "in").mkdir()
    for i, pitch in enumerate((60, 106, 22)):
        notes = midi(track([(0, 1920, pitch, 90), (1920, 1920, pitch, 90)]))
        (tmp_path / "in" / f"{i}.mid").write_bytes(notes)
    corpus = prepare(tmp_path / "in", tmp_path / "out", augment=3)
    names = [corpus.piece_name(i) for i in range(3, corpus.n_pieces)]
    assert names == ["1.mid -3", "1.mid -2", "1.mid -1", "2.mid -1"] + [
        f"{i}.mid +{n}" for n in (1, 2, 3) for i in (1, 2) if i == 2 or n <= 2
    ]


def test_shards_merged_are_the_corpus_of_one_run(folder, tmp_path):
    (folder / "waltz.mid").write_bytes(waltz())
    (folder / "broken.mid").write_bytes(b"nothing")
    (folder / "twin.mid").write_bytes((folder / "00.mid").read_bytes())
    for i in range(10):
        (folder / f"01-waltz{i}.mid").write_bytes(waltz(40 + i))
    whole = prepare(folder, tmp_path / "whole")
    parts = [tmp_path / f"part{i}" for i in range(1, 4)]
    shards = [prepare(folder, p, shard=f"{i}/3") for i, p in enumerate(parts, start=1)]
    # One metre has another place in each shard's own count.
    assert [shard.metres for shard in shards] == [
        ((3, 4), (4, 4)),
        ((4, 4), (3, 4)),
        ((4, 4), (3, 4)),
    ]
    merged = merge(parts[::-1], tmp_path / "merged")
    assert merged.manifest["refused"] == {"duplicate": 1, "not a MIDI file": 1}
    assert merged.manifest["bars_in"] == {"4/4": 24, "3/4": 22}
    assert contents(merged.path) == contents(whole.path)


def test_shards_that_do_not_belong_together_are_not_merged(folder, tmp_path):
    for i in (1, 2):
        prepare(folder, tmp_path / f"part{i}", metre="4/4", shard=f"{i}/2")
    prepare(folder, tmp_path / "other", metre="4/4", shard="2/2", onsets=True)
    with pytest.raises(CorpusError) as caught:
        merge([tmp_path / "part1", tmp_path / "part1"], tmp_path / "out")
    assert str(caught.value) == "these are not the shards of one corpus, each once: 1/2, 1/2"
    with pytest.raises(CorpusError) as caught:
        merge([tmp_path / "part1", tmp_path / "other"], tmp_path / "out")
    assert str(caught.value) == (
        f"{tmp_path}/other was made with other options than {tmp_path}/part1; prepare it again"
    )
    with pytest.raises(UsageError, match="there is nothing to merge"):
        merge([], tmp_path / "out")


@pytest.mark.parametrize("n_pieces", [2, 5, 23])
def test_a_split_is_by_piece_however_few_there_are(tmp_path, n_pieces):
    (tmp_path / "in").mkdir()
    for i in range(n_pieces):
        (tmp_path / "in" / f"{i:02d}.mid").write_bytes(tune_bytes(transpose=i))
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    held_out, training = corpus.pieces("held_out"), corpus.pieces("training")
    assert held_out.tolist() == list(range(0, n_pieces, 10))
    assert sorted([*held_out, *training]) == list(range(n_pieces))
    assert len(training)


def test_bars_of_a_metre_keep_onsets_and_come_to_one_key_where_nothing_else_is_said(
    folder, tmp_path
):
    options = {
        name: nextbar.prepare(folder, tmp_path / name, page=False, **chosen).manifest["options"]
        for name, chosen in {
            "metre": {},
            "augmented": {"augment": 2},
            "seconds": {"grid": "seconds"},
            "chosen": {"onsets": False, "common_key": False},
        }.items()
    }
    assert {name: (o["onsets"], o["common_key"]) for name, o in options.items()} == {
        "metre": (True, True),
        "augmented": (True, False),
        "seconds": (False, False),  # the paper's
        "chosen": (False, False),
    }


def packed(folder, names):
    """What a worker says of files that it reads one after another."""
    options = CorpusOptions(common_key=False)
    options = CorpusOptions(common_key=False)
    read = functools.partial(file_parts.read_source_file, folder=folder, options=options)
    return file_parts.pack_all([read(name) for name in names], options)


@pytest.mark.parametrize("cuts", [[14], [3, 1, 10], [1] * 14])
def test_what_is_gathered_is_the_same_however_files_are_put_into_batches(folder, tmp_path, cuts):
    (folder / "broken.mid").write_bytes(b"nothing")
    (folder / "waltz.mid").write_bytes(waltz())
    names = sorted(path.name for path in folder.iterdir())
    gathered = spool.Gathered(tmp_path / "spool")
    for begin, size in zip(np.cumsum([0, *cuts]), cuts, strict=False):
        gathered.add(spool.unpack(packed(folder, names[begin : begin + size])), {})
    gathered.close()
    assert gathered.files["pieces"].tolist() == [1] * 12 + [0, 1]
    assert gathered.files["refusals"].tolist() == [0] * 12 + [1, 0]
    # 12 tunes of two bars of 4 notes, and a waltz of two bars of a note each.
    assert gathered.places().tolist() == [
        *([0, 2 * i, 2, 8 * i, 8] for i in range(12)),
        [0, 24, 2, 96, 2],
    ]
    [stored] = gathered.sources
    assert stored.read_bars(0, 27).tolist() == [*range(0, 97, 4), 97, 98]
    assert stored.read_notes(88, 4)["pitch"].tolist() == [71, 73, 75, 76]  # C D E F, up 11
    assert list(map(metre_of, stored.read_metres(22, 4).tolist())) == [(4, 4)] * 2 + [(3, 4)] * 2
    lines = gathered.lines("files").read_bytes().splitlines(keepends=True)
    assert [json.loads(line)["file"] for line in lines] == names
    assert list(map(len, lines)) == gathered.files["line"].tolist()
    lines = gathered.lines("pieces").read_bytes().splitlines(keepends=True)
    assert list(map(len, lines)) == gathered.pieces["line"].tolist()


def test_a_batch_that_is_cut_short_is_not_taken(folder):
    data = packed(folder, ["00.mid", "01.mid"])
    assert len(spool.unpack(data).files) == 2
    for wrong in (data[:-1], data + b"x", data[:71], data[:72], b""):
        with pytest.raises(ValueError, match="another length"):
            spool.unpack(wrong)


def test_files_of_which_a_part_is_left_out_have_their_lines_among_the_others(folder, tmp_path):
    tune = "X:{}\nM:{}/4\nL:1/4\nK:C\n{}|{}|\n\n"
    book = tune.format(1, 3, "CDE", "FGA") + tune.format(2, 4, "CDEF", "GABc")
    book += tune.format(3, 3, "EDC", "CDE") + "X:4\nM:4/4\nK:C\n\n"
    (folder / "05-book.abc").write_text(book)
    (folder / "07-twin.mid").write_bytes((folder / "02.mid").read_bytes())
    corpus = prepare(folder, tmp_path / "corpus", metre="4/4")
    files = {line["file"]: line for line in Lines(corpus.path / "files.jsonl")}
    assert list(files) == sorted(path.name for path in folder.iterdir())
    tunes = [f"{i:02d}.mid" for i in range(12)]
    assert {files[name]["pieces"] for name in tunes} == {1}
    assert {files[name]["refused"] for name in tunes} == {0}
    assert files["05-book.abc"]["pieces"] == 1
    assert files["05-book.abc"]["refused"] == 3
    assert files["05-book.abc"]["reasons"] == {"metre 3/4": 2, "no notes": 1}
    assert files["07-twin.mid"]["pieces"] == 0
    assert files["07-twin.mid"]["reasons"] == {"duplicate": 1}
    pieces = [line["name"] for line in Lines(corpus.path / "pieces.jsonl")]
    assert pieces == [*tunes[:5], "05-book.abc#2", *tunes[5:]]
    refused = [line["file"] for line in Lines(corpus.path / "refused.jsonl")]
    # What is no tune was refused before its metre was looked at.
    assert refused == ["05-book.abc#4", "05-book.abc#1", "05-book.abc#3", "07-twin.mid"]
    assert corpus.manifest["pieces_in"] == {"4/4": 13}  # the twin is not counted
    book_bars = corpus.bars_of(5)
    notes = corpus.notes(book_bars.start, book_bars.stop)
    assert notes["pitch"].tolist() == [60, 62, 64, 65, 67, 69, 71, 72]
