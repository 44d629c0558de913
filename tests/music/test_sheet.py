"""MusicXML that a notation program opens: every note in its bar, as a musician writes it."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from nextbar.errors import UsageError
from nextbar.music.score import Track, to_score
from nextbar.music.sheet import musicxml_bytes

from .midi_files import make_notes
from .sheets import (
    in_quarters,
    metres_by_sum,
    notes_by_music21,
    notes_by_sum,
    random_bars,
    random_piece,
)

pytest.importorskip("music21", reason="needs the extra `folk`")

GRIDS = (4, 8, 12)
METRES = ((4, 4), (3, 4), (6, 8), (5, 4))
CHANGING_METRES = (
    (4, 4), (3, 4), (2, 4), (6, 8), (9, 8), (12, 8), (5, 4), (2, 2), (3, 8),
)  # fmt: skip


def sheet_of(*rows, n_bars=None, title="x", **sound):
    return musicxml_bytes(to_score(make_notes(*rows), **sound), title, n_bars=n_bars)


def tree_of(*rows, **options):
    return ElementTree.fromstring(sheet_of(*rows, **options))


def written(tree):
    """(type, dots, step or ``rest``, ties) of each note, in the document's order."""
    return [
        (
            note.findtext("type"),
            len(note.findall("dot")),
            note.findtext("pitch/step", "rest"),
            "".join(tie.get("type") + " " for tie in note.findall("tie")).strip(),
        )
        for note in tree.iter("note")
    ]


def assert_each_note_is_in_its_place(seed, metre, steps_per_quarter):
    assert_each_note_is_in_its_bar(seed, [metre] * 3, steps_per_quarter)


def assert_each_note_is_in_its_bar(seed, metres, steps_per_quarter):
    notes = random_bars(seed, metres, steps_per_quarter)
    score = to_score(notes, metres=metres, steps_per_quarter=steps_per_quarter)
    document = musicxml_bytes(score, "x", n_bars=len(metres))
    assert metres_by_sum(document) == metres
    there = in_quarters(notes, steps_per_quarter)
    assert notes_by_sum(document) == there
    assert notes_by_music21(document) == there


@pytest.mark.parametrize("metre", METRES)
@pytest.mark.parametrize("steps_per_quarter", GRIDS)
def test_each_note_of_a_random_piece_is_in_its_bar_and_each_bar_is_full(metre, steps_per_quarter):
    for seed in range(2):
        assert_each_note_is_in_its_place(seed, metre, steps_per_quarter)


@pytest.mark.slow
def test_each_note_of_a_thousand_random_pieces_is_in_its_bar_and_each_bar_is_full():
    for number in range(1_000):
        combination = number % (len(GRIDS) * len(METRES))
        metre, grid = METRES[combination % len(METRES)], GRIDS[combination // len(METRES)]
        assert_each_note_is_in_its_place(1_000 + number, metre, grid)


def random_metres(seed, *, n_bars=6):
    random = np.random.default_rng(seed)
    return [CHANGING_METRES[i] for i in random.integers(0, len(CHANGING_METRES), n_bars)]


@pytest.mark.parametrize("steps_per_quarter", GRIDS)
def test_each_note_is_in_its_bar_where_bars_have_several_metres(steps_per_quarter):
    for seed in range(4):
        assert_each_note_is_in_its_bar(seed, random_metres(seed), steps_per_quarter)


@pytest.mark.slow
def test_each_note_of_a_thousand_pieces_that_change_metre_is_in_its_bar():
    for number in range(1_000):
        seed, grid = 5_000 + number, GRIDS[number % len(GRIDS)]
        assert_each_note_is_in_its_bar(seed, random_metres(seed), grid)


@pytest.mark.parametrize(
    ("metre", "steps_per_quarter"),
    [((6, 8), 3), ((7, 8), 4), ((2, 2), 6), ((3, 2), 12), ((12, 8), 12), ((9, 16), 8), ((4, 4), 24),
     ((1, 4), 5), ((4, 2), 1), ((6, 16), 6), ((11, 8), 2), ((3, 8), 12),
     ((4, 4), 11), ((3, 4), 23)],
)  # fmt: skip
def test_rarer_metres_and_grids_keep_the_law_too(metre, steps_per_quarter):
    for seed in range(2):
        assert_each_note_is_in_its_place(seed, metre, steps_per_quarter)


def test_durations_are_counted_in_steps_whatever_the_grid():
    tree = tree_of((0, 2, 60, 80), (2, 11, 64, 80), steps_per_quarter=11)
    assert tree.findtext(".//divisions") == "11"
    # 2 + 9 steps fill a quarter; 2 of the second note's 11 are left; 9 + 22 of rest
    assert sum(int(note.findtext("duration")) for note in tree.iter("note")) == 44
    assert tree.findtext(".//note/duration") == "2"


def test_musicxml_has_the_notes_in_their_bars_with_metre_and_title():
    import music21

    document = sheet_of((0, 8, 60, 80), (8, 16, 64, 80), (24, 8, 67, 80), title="a title")
    assert document.startswith(b"<?xml")
    read = music21.converter.parseData(document, format="musicxml")
    assert read.metadata.bestTitle == "a title"
    heard = [(float(n.offset), n.pitch.midi, float(n.quarterLength)) for n in read.flatten().notes]
    # the second note crosses the bar line: two tied halves
    assert heard == [(0, 60, 2), (2, 64, 2), (4, 64, 2), (6, 67, 2)]
    assert len(read.parts[0].getElementsByClass("Measure")) == 2


def test_the_same_piece_gives_the_same_bytes_and_no_date():
    notes = random_piece(3, (4, 4), 4)
    tracks = [Track(notes, "one", 0), Track(notes, "two", 40)]
    first = musicxml_bytes(to_score(tracks), "x")
    assert musicxml_bytes(to_score(tracks), "x") == first
    assert not re.search(rb"\d{4}-\d{2}-\d{2}", first)
    ids = re.findall(rb'<score-part id="(.*?)">|<score-instrument id="(.*?)">', first)
    assert ids == [(b"P1", b""), (b"", b"P1-I1"), (b"P2", b""), (b"", b"P2-I1")]


def test_successive_32nds_stay_one_behind_the_other():
    tree = tree_of(*((i, 1, 60 + i, 80) for i in range(8)), steps_per_quarter=8)
    assert [row[:2] for row in written(tree)[:8]] == [("32nd", 0)] * 8
    assert not list(tree.iter("chord"))


def test_name_program_tempo_and_metre_are_as_they_were_given():
    tree = tree_of((0, 9, 72, 80), tempo=72, metre=(3, 4), program=73, name="The flute")
    assert tree.findtext("part-list/score-part/part-name") == "The flute"
    assert tree.findtext(".//midi-program") == "74"  # MusicXML counts from 1
    assert tree.findtext(".//instrument-name") == "Flute"
    assert tree.find(".//sound").get("tempo") == "72"
    assert (tree.findtext(".//beats"), tree.findtext(".//beat-type")) == ("3", "4")
    # a clarinet's part is written as it sounds, and so read
    assert tree_of((0, 4, 72, 80), program=71).find(".//transpose") is None
    assert notes_by_sum(sheet_of((0, 4, 72, 80), program=71)) == [(0, 1, 72)]
    assert notes_by_music21(sheet_of((0, 4, 72, 80), program=71)) == [(0, 1, 72)]


def test_what_xml_cannot_hold_of_a_name_is_left_out():
    tree = tree_of(
        (0, 4, 60, 80), name="Piano\0", title="a\x01b\n\udce9\ufffe c & <d> \u00e9\U0001f3b5"
    )
    assert tree.findtext("part-list/score-part/part-name") == "Piano"
    assert tree.findtext("work/work-title") == "a b c & <d> \u00e9\U0001f3b5"
    assert tree_of(name="\x01").findtext("part-list/score-part/part-name") == "Piano"


def test_the_tempo_of_dotted_beats_is_told_in_dotted_beats():
    tree = tree_of((0, 2, 72, 80), tempo=100, metre=(6, 8))
    mark = tree.find(".//metronome")
    assert mark.findtext("beat-unit") == "quarter"
    assert mark.find("beat-unit-dot") is not None
    assert mark.findtext("per-minute") == "67"  # 100 / 1.5, to the nearest
    assert float(tree.find(".//sound").get("tempo")) == pytest.approx(100, abs=0.01)


def test_velocity_is_kept_in_percent_of_90_the_loudest_of_a_chord():
    tree = tree_of((0, 4, 60, 45), (4, 4, 60, 30), (4, 4, 64, 90))
    sounding = [note for note in tree.iter("note") if note.find("pitch") is not None]
    assert [note.get("dynamics") for note in sounding] == ["50.00", "100.00", "100.00"]


def test_bars_without_notes_are_there_and_rest():
    tree = tree_of((0, 16, 60, 80), n_bars=3)
    rests = [m.find("note/rest").get("measure") for m in tree.findall("part/measure")[1:]]
    assert rests == ["yes", "yes"]
    silent = ElementTree.fromstring(musicxml_bytes(to_score(make_notes()[:0]), "x", n_bars=2))
    assert len(silent.findall("part/measure")) == 2
    # a bar of 5/4 has no note value, but a rest
    five = sheet_of((0, 4, 60, 80), metre=(5, 4), n_bars=2)
    assert notes_by_sum(five) == notes_by_music21(five) == [(0, 1, 60)]
    # nor do bars have one length, or those of 3/8 whole quarters
    several = sheet_of((0, 4, 60, 80), metres=[(4, 4), (3, 8), (5, 4)], n_bars=3)
    assert notes_by_sum(several) == notes_by_music21(several) == [(0, 1, 60)]
    rests = ElementTree.fromstring(several).findall("part/measure/note")[-2:]
    assert [int(rest.findtext("duration")) for rest in rests] == [3, 10]  # in eighths


def test_beams_rests_and_values_are_by_the_metre_of_their_own_bar():
    # six eighths of a waltz, six of a jig; then a half and what is left of a bar of each
    eighths = [(2 * i, 2, 72, 80) for i in range(12)]
    rows = [*eighths, (24, 8, 72, 80), (36, 8, 72, 80)]
    metres = [(3, 4), (6, 8), (3, 4), (6, 8)]
    tree = ElementTree.fromstring(musicxml_bytes(to_score(make_notes(*rows), metres=metres), "x"))
    assert len(tree.findall(".//time")) == 4
    bars = tree.findall("part/measure")
    beams = ["".join(beam.text[0] for beam in bar.iter("beam")) for bar in bars[:2]]
    assert beams == ["bebebe", "bcebce"]
    values = [
        [note.findtext("type") + "." * len(note.findall("dot")) for note in bar.findall("note")]
        for bar in bars[2:]
    ]
    assert values == [["half", "quarter"], ["quarter.", "eighth", "eighth", "eighth"]]


def test_a_chord_is_what_begins_and_ends_together():
    tree = tree_of((0, 16, 60, 80), (0, 16, 64, 80), (0, 16, 67, 80))
    [first, *others] = tree.findall(".//note")
    assert first.find("chord") is None
    assert [note.find("chord") is not None for note in others] == [True, True]
    assert len({note.findtext("voice") for note in tree.iter("note")}) == 1


def test_of_two_lines_the_upper_is_the_first_voice_and_the_others_rests_are_not_seen():
    # the lower note begins first, and ends under the second of the upper line
    tree = tree_of((0, 8, 60, 80), (4, 4, 72, 80), (8, 8, 74, 80))
    rows = [
        (note.findtext("voice"), note.findtext("pitch/step", "rest"), note.get("print-object"))
        for note in tree.iter("note")
    ]
    assert rows == [
        ("1", "rest", None), ("1", "C", None), ("1", "D", None),
        ("2", "C", None), ("2", "rest", "no"),
    ]  # fmt: skip


def accidentals(tree):
    return [
        (note.findtext("pitch/step"), note.findtext("accidental"))
        for note in tree.iter("note")
        if note.find("pitch") is not None
    ]


# enough of it to outweigh a few F sharps
C_MAJOR = [(64 + 2 * i, 2, pitch, 80) for i, pitch in enumerate((60, 62, 64, 65, 67, 69, 71) * 4)]


def test_accidentals_are_seen_where_key_and_bar_say_otherwise_until_the_bar_line():
    bar = [(0, 4, 66, 80), (4, 4, 66, 80), (8, 4, 65, 80), (12, 4, 78, 80), (16, 4, 66, 80)]
    assert accidentals(tree_of(*bar, *C_MAJOR))[:5] == [
        ("F", "sharp"),
        ("F", None),  # still sharp
        ("F", "natural"),
        ("F", "sharp"),  # an octave higher it is a line of its own
        ("F", "sharp"),  # a new bar
    ]


def test_an_accidental_counts_for_what_another_voice_plays_after_it():
    # above: F# on the fourth beat; below: F# on the first, held as long as nothing else
    tree = tree_of((0, 4, 72, 80), (4, 4, 72, 80), (8, 8, 66, 80), (0, 6, 66, 80), *C_MAJOR)
    shown = {
        (note.findtext("voice"), note.findtext("accidental"))
        for note in tree.find("part/measure").iter("note")
        if note.findtext("pitch/step") == "F"
    }
    assert shown == {("2", "sharp"), ("1", None)}


def test_a_note_tied_over_the_bar_line_has_no_accidental_and_gives_none_to_the_next():
    tree = tree_of((8, 12, 66, 80), (20, 4, 66, 80), *C_MAJOR)
    assert accidentals(tree)[:3] == [("F", "sharp"), ("F", None), ("F", "sharp")]


def test_a_key_has_its_signature_and_its_own_spelling():
    e_flat_major = [(2 * i, 2, pitch, 80) for i, pitch in enumerate((63, 65, 67, 68, 70, 72, 74))]
    tree = tree_of(*e_flat_major, (14, 2, 75, 80))
    assert tree.findtext(".//fifths") == "-3"
    assert {note.findtext("accidental") for note in tree.iter("note")} == {None}
    assert [n.findtext("pitch/step") for n in tree.iter("note")] == list("EFGABCDE")


def clefs(tree):
    return [clef.findtext("sign") for clef in tree.iter("clef")]


def test_a_melody_has_one_staff_with_the_clef_that_fits():
    assert clefs(tree_of((0, 4, 55, 80), (4, 4, 84, 80))) == ["G"]
    assert clefs(tree_of((0, 4, 36, 80), (4, 4, 64, 80))) == ["F"]
    # a cello's line from C2 to C5 is one line
    cello = tree_of((0, 4, 36, 80), (4, 4, 72, 80), (8, 8, 40, 80), program=42)
    assert clefs(cello) == ["F"]


def test_a_piano_has_two_staves_where_one_cannot_show_its_notes():
    tree = tree_of((0, 16, 40, 80), (0, 8, 76, 80), (8, 8, 72, 80))
    assert clefs(tree) == ["G", "F"]
    assert len(tree.findall("part")) == 1
    keys = ("staff", "voice", "pitch/octave")
    rows = [tuple(note.findtext(key) for key in keys) for note in tree.iter("note")]
    assert rows == [("1", "1", "5"), ("1", "1", "5"), ("2", "5", "2")]
    assert [i.get("id") for i in tree.iter("score-instrument")] == ["P1-I1"]
    assert not list(tree.iter("instrument"))


def test_two_tracks_of_a_piano_are_its_hands_wherever_they_play():
    left, right = make_notes((0, 16, 62, 80)), make_notes((0, 8, 60, 80), (8, 8, 72, 80))
    score = to_score([Track(left, "piano"), Track(right, "piano")])
    tree = ElementTree.fromstring(musicxml_bytes(score, "x"))
    rows = [(note.findtext("staff"), note.findtext("pitch/step")) for note in tree.iter("note")]
    assert rows == [("1", "C"), ("1", "C"), ("2", "D")]
    assert tree.findtext("part-list/score-part/part-name") == "piano"


def test_other_tracks_are_parts_of_their_own():
    flute, bass = make_notes((0, 16, 74, 80)), make_notes((0, 16, 38, 80))
    score = to_score([Track(flute, "Flute", 73), Track(bass, "Bass", 32)])
    tree = ElementTree.fromstring(musicxml_bytes(score, "x"))
    assert [name.text for name in tree.iter("part-name")] == ["Flute", "Bass"]
    assert clefs(tree) == ["G", "F"]
    assert len(list(tree.iter("metronome"))) == 1


def test_notes_on_no_grid_are_refused():
    score = to_score(make_notes((0, 4, 60, 80)))
    score.tracks[0].notes[0].time = 1  # a 480th of a quarter
    with pytest.raises(UsageError, match="these notes need 480 steps a quarter"):
        musicxml_bytes(score, "x")


def test_the_score_is_left_as_it_was():
    notes = random_piece(1, (4, 4), 4)
    score = to_score(notes)
    musicxml_bytes(score, "x")
    assert score == to_score(notes)
    assert np.array_equal(notes, random_piece(1, (4, 4), 4))


def test_without_music21_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "music21", None)
    with pytest.raises(UsageError, match=r"pip install 'nextbar\[folk\]'"):
        musicxml_bytes(to_score(make_notes((0, 4, 60, 80))), "x")
