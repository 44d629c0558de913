"""Bars that are asked to be dense or sparse, high or low, and to keep to chords."""

import json

import mido
import numpy as np
import pytest
import torch

import nextbar
from nextbar.errors import UsageError
from nextbar.frames.phrases import Candidates
from nextbar.writing.wishes import Wishes, mean_pitch, notes_in, read_chords, read_register

from ..music.midi_files import midi, track

QUICK = {"wav": False, "pictures": False}


@pytest.fixture(scope="module")
def model():
    return nextbar.load()


def written(model, **wishes):
    """All notes of 8 pieces of 3 bars, and how many begin in a bar."""
    made = model.compose([None] * 8, bars=3, seeds=range(8), wishes=Wishes(**wishes))
    notes = np.concatenate([each.notes for each in made])
    return notes["pitch"], len(notes) / (8 * 3)


def test_the_density_that_is_asked_for_is_neared_from_both_sides(model):
    _, plain = written(model)
    _, few = written(model, density=2)
    _, many = written(model, density=9)
    assert few < plain - 1 < many
    assert (abs(few - 2), abs(many - 9)) < (1.5, 1.5)


def test_the_register_that_is_asked_for_is_neared_from_both_sides(model):
    low, _ = written(model, register=66)
    high, _ = written(model, register=78)
    assert abs(low.mean() - 66) < 3.5
    assert abs(high.mean() - 78) < 3.5


def test_bars_keep_to_their_chords_in_the_key_of_the_file_that_is_gone_on_from(model, tmp_path):
    pytest.importorskip("music21", reason="needs the extra `folk`")
    scale = (62, 64, 66, 67, 69, 71, 73, 74)  # D major, which the model hears in C
    path = tmp_path / "in-d.mid"
    path.write_bytes(midi(track([(240 * i, 240, scale[i % 8], 80) for i in range(32)])))
    chords = "D Bm G A7"
    made = nextbar.generate(
        model, tmp_path / "out", pieces=3, bars=8, from_bar=str(path), chords=chords, **QUICK
    )
    # D F# A, B D F#, G B D, A C# E G
    keeps = [{2, 6, 9}, {11, 2, 6}, {7, 11, 2}, {9, 1, 4, 7}]
    n_found = 0
    for each in made:
        file = mido.MidiFile(each)
        for part in file.tracks:
            now = 0
            for message in part:
                now += message.time
                bar = now // (4 * file.ticks_per_beat) - 4  # four were given
                if message.type == "note_on" and message.velocity and bar >= 0:
                    assert message.note % 12 in keeps[bar % 4]
                    n_found += 1
    assert n_found > 3 * 8 * 3
    record = json.loads((tmp_path / "out" / "generated.json").read_text())["pieces"]
    assert all(f"--chords '{chords}'" in piece["command"] for piece in record.values())


def test_chords_are_read_as_their_symbols_or_their_notes():
    pytest.importorskip("music21", reason="needs the extra `folk`")
    assert read_chords("C Am Bbmaj7 F#m7 G7/D Eb,G,Bb N") == (
        {0, 4, 7}, {9, 0, 4}, {10, 2, 5, 9}, {6, 9, 1, 4}, {7, 11, 2, 5}, {3, 7, 10}, set(),
    )  # fmt: skip
    with pytest.raises(UsageError, match="chords: 'Hmm' is no chord"):
        read_chords("C Hmm")


def test_a_register_is_a_notes_name_or_a_number():
    assert [read_register(each) for each in ("C4", "A0", "F#3", "Bb-1", "60.5")] == [
        60, 21, 54, 10, 60.5,
    ]  # fmt: skip
    with pytest.raises(UsageError, match="register: 'high' is no pitch; give one as C4"):
        read_register("high")


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"density": 0}, "density: 0 is not above 0"),
        ({"density": float("nan")}, "density: nan is not above 0"),
        ({"register": 20}, "register: 20 is not from 21 to 108"),
    ],
)
def test_what_no_bar_can_be_is_refused(wish, message):
    with pytest.raises(UsageError, match=message):
        Wishes(**wish)


def test_of_bars_the_nearest_is_taken():
    frames = torch.zeros(3, 2, 88, 4)
    frames[1, :, 40, 0] = 1  # one note, MIDI 61
    frames[2, 0, 50, :] = 1  # one note that is held, MIDI 71, and begins twice
    frames[2, 1, 50, ::2] = 1
    assert notes_in(frames).tolist() == [0, 1, 2]
    assert mean_pitch(frames).tolist() == [-1000, 61, 71]

    def nearest(free=frames, transposed=0, **wishes):
        off_by = Wishes(**wishes).wish(transposed)
        return int(off_by(Candidates(frames, free, None, 0)).argmin())

    assert nearest(density=2) == 2
    # 1 of 2 notes and no semitones (0.5), none and 10 of 12 (0.83); then 0.5 + 0.5 and 0.33.
    assert nearest(density=2, register=61) == 1
    assert nearest(density=2, register=67) == 2
    # Heard a fifth higher than it is to sound: 61 stands for 54, 71 for 64.
    assert nearest(register=57, transposed=7) == 1
    free = frames.roll(1, dims=0)  # what was open had 2, 0 and 1 notes: all, none, none are lost
    assert nearest(chords=(frozenset({0}),), free=free) == 2
