"""MusicXML summed up by hand, apart from any library that knows notation."""

from collections import defaultdict
from fractions import Fraction
from xml.etree import ElementTree

import numpy as np

from nextbar.music.bars import NOTE
from nextbar.music.grid import end_at_next_onset
from nextbar.music.metre import bar_steps

SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
PARTS_OF_A_WHOLE = {
    "breve": Fraction(1, 2), "whole": 1, "half": 2, "quarter": 4, "eighth": 8, "16th": 16,
    "32nd": 32, "64th": 64, "128th": 128,
}  # fmt: skip


def quarters(element, divisions):
    return Fraction(int(element.findtext("duration")), divisions)


def written_quarters(note):
    """What type, dots and tuplet of a note say it lasts."""
    value = Fraction(4) / PARTS_OF_A_WHOLE[note.findtext("type")]
    value *= 2 - Fraction(1, 2 ** len(note.findall("dot")))
    tuplet = note.find("time-modification")
    if tuplet is not None:
        value *= Fraction(
            int(tuplet.findtext("normal-notes")), int(tuplet.findtext("actual-notes"))
        )
    return value


def sounding_pitch(note):
    pitch = note.find("pitch")
    alter = int(pitch.findtext("alter", "0"))
    return SEMITONES[pitch.findtext("step")] + alter + 12 * (int(pitch.findtext("octave")) + 1)


def notes_by_sum(document):
    """Sorted (start, length, pitch) in quarters, ties joined, by adding up durations.

    On the way each voice of each bar has to be full, each value to be what it
    lasts, each tie to go on where it left off, each beam and tuplet that
    begins to end, no staff to have more than four voices, and a time signature
    to stand once, at the beginning of a bar of another metre than the last.
    """
    found = []
    for part in ElementTree.fromstring(document).findall("part"):
        begin, divisions, metre = Fraction(0), 0, None
        held = {}
        for measure in part.findall("measure"):
            divisions = int(measure.findtext("attributes/divisions", str(divisions)))
            times = measure.findall("attributes/time")
            if times:
                [time] = times
                before, metre = metre, tuple(int(time.findtext(x)) for x in ("beats", "beat-type"))
                assert metre != before
                assert (
                    next(e for e in measure if e.tag in ("attributes", "note")).find("time") is time
                )
            bar = Fraction(4 * metre[0], metre[1])
            rows, full, open_marks, voices = [], defaultdict(Fraction), defaultdict(int), {}
            now = last = Fraction(0)
            for element in measure:
                if element.tag == "backup":
                    now -= quarters(element, divisions)
                elif element.tag == "forward":
                    now += quarters(element, divisions)
                if element.tag != "note":
                    continue
                length, voice = quarters(element, divisions), element.findtext("voice")
                voices[voice] = element.findtext("staff", "1")
                if element.find("chord") is None:
                    last, now = now, now + length
                    full[voice] += length
                if element.find("type") is None:
                    assert element.find("rest").get("measure") == "yes"
                else:
                    assert written_quarters(element) == length
                for beam in element.findall("beam"):
                    change = {"begin": 1, "end": -1}.get(beam.text, 0)
                    open_marks[voice, "beam", beam.get("number")] += change
                for tuplet in element.findall("notations/tuplet"):
                    open_marks[voice, "tuplet"] += 1 if tuplet.get("type") == "start" else -1
                assert set(open_marks.values()) <= {0, 1}
                assert (open_marks[voice, "tuplet"] == 1) <= (
                    element.find("time-modification") is not None
                )
                if element.find("pitch") is not None:
                    ties = {tie.get("type") for tie in element.findall("tie")}
                    rows.append((begin + last, length, sounding_pitch(element), voice, ties))
            assert set(full.values()) == {bar}
            assert set(open_marks.values()) <= {0}
            assert max(list(voices.values()).count(staff) for staff in voices.values()) <= 4
            for start, length, pitch, voice, ties in sorted(rows, key=lambda row: row[0]):
                since, until = held.pop((voice, pitch)) if "stop" in ties else (start, start)
                assert until == start
                if "start" in ties:
                    held[voice, pitch] = (since, start + length)
                else:
                    found.append((since, start + length - since, pitch))
            begin += bar
        assert not held
    return sorted(found)


def notes_by_music21(document):
    """The same as music21 reads them; each of its voices has to fill its bar."""
    from music21 import converter

    found = []
    score = converter.parseData(document, format="musicxml")
    for part in score.parts:
        rows = []
        for measure in part.getElementsByClass("Measure"):
            bar = measure.barDuration.quarterLength
            for voice in measure.voices or [measure]:
                assert sum(Fraction(e.quarterLength) for e in voice.notesAndRests) == bar
                for element in voice.notes:
                    start = Fraction(measure.offset) + Fraction(element.offset)
                    for note in getattr(element, "notes", [element]):
                        kind = note.tie.type if note.tie else ""
                        rows.append((start, Fraction(element.quarterLength), note.pitch.midi, kind))
        held = {}
        for start, length, pitch, tie in sorted(rows):
            since = held.pop((pitch, start)) if tie in ("stop", "continue") else start
            if tie in ("start", "continue"):
                held[pitch, start + length] = since
            else:
                found.append((since, start + length - since, pitch))
        assert not held
    return sorted(found)


def in_quarters(notes, steps_per_quarter):
    """Notes of a grid as the readers above give them."""
    return sorted(
        (Fraction(start, steps_per_quarter), Fraction(length, steps_per_quarter), pitch)
        for start, length, pitch, _ in notes.tolist()
    )


def metres_by_sum(document):
    """The metre of each bar, by the first part's time signatures."""
    metres = []
    for measure in ElementTree.fromstring(document).find("part"):
        time = measure.find("attributes/time")
        if time is not None:
            metre = (int(time.findtext("beats")), int(time.findtext("beat-type")))
        metres.append(metre)
    return metres


def random_piece(seed, metre, steps_per_quarter, *, n_bars=3):
    """Many voices at random: notes of all lengths at all places, over bar lines too."""
    return random_bars(seed, [metre] * n_bars, steps_per_quarter)


def random_bars(seed, metres, steps_per_quarter):
    """The same, in bars of these metres."""
    random = np.random.default_rng(seed)
    n_bars = len(metres)
    end = sum(bar_steps(metre, steps_per_quarter) for metre in metres)
    notes = np.zeros(random.integers(1, 14 * n_bars), NOTE)
    notes["start"] = random.integers(0, end, len(notes))
    notes["duration"] = random.integers(1, random.integers(2, 6 * steps_per_quarter), len(notes))
    notes["duration"] = np.minimum(notes["duration"], end - notes["start"])
    notes["pitch"] = random.integers(*sorted(random.choice(range(21, 109), 2, False)), len(notes))
    notes["velocity"] = random.integers(1, 128, len(notes))
    return end_at_next_onset(notes)
