import importlib.util
import zipfile

import numpy as np
import pytest

from nextbar.music import musicxml
from nextbar.music.midi import parse_tunes

from .midi_files import make_notes
from .prepared import prepare

HEAD = '<?xml version="1.0"?><score-partwise version="3.1"><part-list><score-part id="P1">'
HEAD += "<part-name>Tune</part-name></score-part></part-list>"


def note(step, duration):
    pitch = f"<pitch><step>{step}</step><octave>4</octave></pitch>"
    return f"<note>{pitch}<duration>{duration}</duration></note>"


def score(*measures, beats=4):
    """MusicXML of one part, two divisions a quarter."""
    time = f"<time><beats>{beats}</beats><beat-type>4</beat-type></time>"
    attributes = f"<attributes><divisions>2</divisions>{time}</attributes>"
    body = "".join(
        f'<measure number="{i}">{attributes if i == 0 else ""}{"".join(notes)}</measure>'
        for i, notes in enumerate(measures)
    )
    return f'{HEAD}<part id="P1">{body}</part></score-partwise>'.encode()


PICKUP = score([note("G", 2)], [note("C", 8)], [note("D", 4), note("E", 4)])


@pytest.fixture(autouse=True)
def _needs_music21():
    if importlib.util.find_spec("music21") is None:
        pytest.skip("music21, which reads MusicXML, is not installed: pip install 'nextbar[folk]'")


def test_musicxml_is_read_plain_and_packed_its_pickup_in_a_bar_of_its_own(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.musicxml").write_bytes(PICKUP)
    with zipfile.ZipFile(tmp_path / "in" / "b.mxl", "w") as archive:
        root = '<container><rootfiles><rootfile full-path="x.xml"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", root)
        archive.writestr("x.xml", PICKUP)
    (tmp_path / "in" / "c.xml").write_bytes(b"<html/>")
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert [corpus.piece_name(i) for i in (0, 1)] == ["a.musicxml", "b.mxl"]
    assert corpus.manifest["refused"] == {"not MusicXML": 1}
    expected = make_notes((12, 4, 67, 90), (16, 16, 60, 90), (32, 8, 62, 90), (40, 8, 64, 90))
    for first in (0, 3):
        notes = corpus.notes(first, first + 3)
        assert np.array_equal(notes["start"], expected["start"])
        assert np.array_equal(notes["pitch"], expected["pitch"])


def refusal(data, name="a.xml"):
    tunes, [error] = parse_tunes(data, name=name)
    assert not tunes
    return error.reason, str(error)


def test_what_is_no_musicxml_or_broken_is_refused():
    assert refusal(b"<a/>") == (
        "not MusicXML",
        "a.xml: it has no score-partwise or score-timewise in it",
    )
    assert refusal(b"PK\x03\x04 cut short", "a.mxl")[0] == "damaged archive"
    reason, message = refusal(PICKUP[:400])
    assert reason == "damaged"
    assert message.startswith("a.xml: music21 cannot read it (")


def test_an_xml_bomb_is_refused():
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "lol"}">' for i in range(12))
    head = f'<?xml version="1.0"?><!DOCTYPE score-partwise [{laughs}]>'
    bomb = f"{head}<score-partwise ><work>&l11;</work></score-partwise>"
    assert refusal(bomb.encode())[0] == "damaged"


def test_without_music21_the_way_to_install_it_is_told(monkeypatch):
    monkeypatch.setattr(musicxml.importlib.util, "find_spec", lambda _: None)
    assert refusal(PICKUP) == (
        "needs music21",
        "a.xml: MusicXML is read by music21, which is not installed",
    )


def xml_note(step, octave, duration, *, extra="", alter=""):
    pitch = f"<pitch><step>{step}</step>{alter}<octave>{octave}</octave></pitch>"
    length = f"<duration>{duration}</duration>" if duration else ""
    head, tail = ("<grace/>", extra) if not duration else ("", extra)
    return f"<note>{head}{pitch}{length}{tail}</note>"


def parts(*bodies, transposes=None, names=None):
    """MusicXML of some parts, each of measures in 4/4 of two divisions a quarter."""
    names = names or [f"Part {i}" for i in range(len(bodies))]
    listed = "".join(
        f'<score-part id="P{i}"><part-name>{name}</part-name></score-part>'
        for i, name in enumerate(names)
    )
    document = f'<score-partwise version="3.1"><part-list>{listed}</part-list>'
    for i, measures in enumerate(bodies):
        transpose = (transposes or {}).get(i, "")
        attributes = (
            "<attributes><divisions>2</divisions><time><beats>4</beats>"
            f"<beat-type>4</beat-type></time>{transpose}</attributes>"
        )
        document += f'<part id="P{i}">'
        for number, measure in enumerate(measures, start=1):
            head = attributes if number == 1 else ""
            document += f'<measure number="{number}">{head}{"".join(measure)}</measure>'
        document += "</part>"
    return document + "</score-partwise>"


def quarters(data, track="all", name="a.musicxml"):
    """(start, duration, pitch) of the notes in quarters, by start and pitch."""
    [tune], errors = parse_tunes(data, name=name)
    assert not errors
    notes, unit = tune.notes_of(track), tune.score.ticks_per_quarter
    columns = (notes["time"] / unit).tolist(), (notes["duration"] / unit).tolist()
    return sorted(zip(*columns, notes["pitch"].tolist(), strict=True), key=lambda r: (r[0], r[2]))


def tied(*types):
    return "".join(f'<tie type="{kind}"/>' for kind in types)


def test_a_grace_note_is_left_out_and_counted_and_ties_over_bar_lines_make_one_note():
    measures = [
        [xml_note("D", 5, 0), xml_note("C", 5, 6), xml_note("E", 5, 2, extra=tied("start"))],
        [xml_note("E", 5, 8, extra=tied("stop", "start"))],
        [xml_note("E", 5, 2, extra=tied("stop")), xml_note("D", 5, 6)],
    ]
    data = parts(measures).encode()
    # The grace note's pitch sounds again in the last bar; it must not last until there.
    assert quarters(data) == [(0, 3, 72), (3, 6, 76), (9, 3, 74)]
    assert parse_tunes(data, name="a.xml")[0][0].remarks_on() == {musicxml.GRACE_NOTES: 1}


def test_in_a_quartet_every_note_is_as_music21_reads_it():
    import music21

    # Its repeats make no sense to music21, which is told; so nothing is repeated.
    path = importlib.util.find_spec("music21").submodule_search_locations[0]
    path = f"{path}/corpus/haydn/opus74no1/movement3.mxl"
    with open(path, "rb") as file:
        data = file.read()
    part = music21.converter.parse(path).parts[0].stripTies(matchByPitch=True).flatten()
    expected = [
        (float(element.offset), float(element.quarterLength), pitch.midi)
        for element in part.notes
        if not element.duration.isGrace
        for pitch in element.pitches
    ]
    assert quarters(data, 1, name="haydn.mxl") == sorted(expected, key=lambda r: (r[0], r[2]))
    remarks = parse_tunes(data, name="haydn.mxl")[0][0].remarks
    assert remarks == {musicxml.GRACE_NOTES: 30, musicxml.REPEATS: 1}


def test_a_transposing_instrument_is_read_as_it_sounds():
    clarinet = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    flute_part = [[xml_note("C", 5, 8)]] * 2
    clarinet_part = [[xml_note("D", 5, 8)]] * 2
    data = parts(
        flute_part, clarinet_part, transposes={1: clarinet}, names=["Flute", "Clarinet in Bb"]
    ).encode()
    assert quarters(data, 1) == quarters(data, 2) == [(0, 4, 72), (4, 4, 72)]
    [tune], _ = parse_tunes(data, name="a.xml")
    assert [part.track.program for part in tune.pitched] == [73, 71]  # General MIDI, from 0


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1", "utf-8-sig"])
def test_musicxml_is_read_in_the_encoding_that_it_has(encoding, tmp_path):
    named = {"utf-16-le": "utf-16", "utf-16-be": "utf-16", "utf-8-sig": "utf-8"}
    declaration = f'<?xml version="1.0" encoding="{named.get(encoding, encoding)}"?>\n'
    text = declaration + parts([[xml_note("C", 4, 8)]], names=["Flöte"])
    data = text.encode(encoding)
    archive = tmp_path / "a.mxl"
    with zipfile.ZipFile(archive, "w") as packed:
        root = '<container><rootfiles><rootfile full-path="x.xml"/></rootfiles></container>'
        packed.writestr("META-INF/container.xml", root)
        packed.writestr("x.xml", data)
    for name, content in (("a.musicxml", data), ("a.mxl", archive.read_bytes())):
        assert quarters(content, "flöte", name=name) == [(0, 4, 60)]


def test_an_xml_declaration_of_an_encoding_that_is_not_so_is_not_believed():
    text = '<?xml version="1.0" encoding="UTF-16"?>' + parts([[xml_note("C", 4, 8)]])
    assert quarters(text.encode()) == [(0, 4, 60)]


def harmony(step):
    root = f"<root><root-step>{step}</root-step></root><kind>major</kind>"
    return f"<harmony>{root}</harmony>"


def test_chord_symbols_are_no_accompaniment_unless_asked_for():
    data = parts([[harmony("C"), xml_note("E", 5, 8)]]).encode()
    assert quarters(data) == [(0, 4, 76)]
    [tune], _ = parse_tunes(data, name="a.xml")
    assert tune.remarks_on() == {musicxml.CHORD_SYMBOLS: 1}
    [tune], _ = parse_tunes(data, name="a.xml", chords=True)
    assert sorted(tune.notes_of("chord symbols")["pitch"] % 12) == [0, 4, 7]
    assert len(tune.notes_of("chords")["pitch"]) == 4  # the melody too
    assert tune.remarks_on() == {}


def barline(direction, where="right"):
    return f'<barline location="{where}"><repeat direction="{direction}"/></barline>'


def test_the_bar_before_a_repeat_and_the_pickup_behind_it_are_one_bar():
    # 1/4 | 4/4 | 3/4 :| - played 1, 4, 3, 1, 4, 3 quarters: all bar lines stand where they stood.
    g, c, d = (lambda n: xml_note("G", 4, n)), (lambda n: xml_note("C", 5, n)), "D"
    data = parts([[g(2)], [c(8)], [xml_note(d, 5, 6), barline("backward")]]).encode()
    [tune], _ = parse_tunes(data, name="a.xml")
    assert tune.pickup_quarters == 1
    assert tune.short_bars == ()
    starts = [start for start, _, _ in quarters(data)]
    assert starts == [0, 1, 5, 8, 9, 13]


def test_a_bar_that_is_too_short_and_not_completed_is_filled_up():
    # 4/4 | 3/4 :| 4/4: played 4, 3, 4, 3, 4 quarters, each 3 lacking one.
    c = [xml_note("C", 5, 8)]
    data = parts([c, [xml_note("D", 5, 6), barline("backward")], c]).encode()
    [tune], _ = parse_tunes(data, name="a.xml")
    unit = tune.score.ticks_per_quarter
    assert tune.short_bars == ((7 * unit, unit), (14 * unit, unit))


def test_kern_is_read():
    kern = "**kern\n*M4/4\n=1\n4c\n4d\n4e\n4f\n=2\n1g\n==\n*-\n"
    assert quarters(kern.encode(), name="a.krn") == [
        (0, 1, 60), (1, 1, 62), (2, 1, 64), (3, 1, 65), (4, 4, 67)
    ]  # fmt: skip
    assert refusal(b"hello", "a.kern")[0] == "not kern"
