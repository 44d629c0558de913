import io
from pathlib import Path

import mido
import numpy as np
import pytest

from nextbar.errors import MusicFileError
from nextbar.music import abc_tunes
from nextbar.music.bars import bar_starts
from nextbar.music.grid import lay_metre_grid, quantise_all, quantise_to_metre
from nextbar.music.laid_bars import SHORT_BARS
from nextbar.music.metre import steps_of
from nextbar.music.midi import parse_tunes, read_tunes

from .midi_files import metre_of_all, only_tune

SCALE = "X:1\nT:Scale\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n"


def on_grid(text):
    return quantise_to_metre(only_tune(text.encode(), "tune.abc")).notes


def starts(text):
    return on_grid(text)["start"].tolist()


def tune_in(metre, music, *fields):
    return "\n".join(["X:1", f"M:{metre}", "L:1/8", *fields, "K:C", music, ""])


def test_an_abc_tune_is_read_as_its_notes():
    notes = on_grid(SCALE)
    assert notes["pitch"].tolist() == [60, 62, 64, 65, 67, 69, 71, 72]
    assert notes["start"].tolist() == [0, 4, 8, 12, 16, 20, 24, 28]


def test_a_file_of_many_tunes_gives_each_with_its_number(tmp_path):
    path = tmp_path / "Book.ABC"
    path.write_text(f"% a book\n\n{SCALE}\n{SCALE.replace('X:1', 'X: 20')}", encoding="utf-8")
    tunes, errors = read_tunes(path)
    assert [tune.name for tune in tunes] == ["Book.ABC#1", "Book.ABC#2"]
    assert not errors


def test_a_broken_tune_does_not_lose_the_others():
    text = f"{SCALE}\nX:2\nT:Empty\nM:4/4\nK:C\n\n{SCALE.replace('X:1', 'X:3')}"
    tunes, errors = parse_tunes(text.encode(), name="book.abc")
    assert [tune.name for tune in tunes] == ["book.abc#1", "book.abc#3"]
    assert [(error.name, error.reason) for error in errors] == [("book.abc#2", "no notes")]
    assert str(errors[0]) == "book.abc#2: it has no notes that begin and end"


def test_a_tune_without_a_number_is_read_and_text_without_a_tune_is_refused():
    assert starts(SCALE.removeprefix("X:1\n")) == starts(SCALE)
    _, [error] = parse_tunes(b"Dear diary", name="diary.abc")
    assert (error.reason, str(error)) == (
        "no tune",
        "diary.abc: it has no ABC tune (no line X: or K:)",
    )


def test_a_tune_without_a_key_is_refused():
    _, [error] = parse_tunes(b"X:1\nT:No key\nM:4/4\n", name="tune.abc")
    assert error.reason in ("damaged", "no notes")


def test_other_encodings_and_line_ends_are_read():
    for encoding in ("utf-8", "utf-8-sig", "latin-1"):
        text = SCALE.replace("Scale", "Gâteau").replace("\n", "\r\n")
        tune = only_tune(text.encode(encoding), "tune.abc")
        assert tune.score.note_num() == 8


def test_abc2midi_prints_nothing(capfd):
    only_tune(tune_in("4/4", "C>.D wrong?? CDEF|").encode(), "tune.abc")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


@pytest.mark.parametrize(
    ("music", "pickup_eighths"),
    [
        ("G2|CDEF GABc|C8|", 2),
        ("|:G2|CDEF GABc|C8:|", 2),
        ('"Am"G2 \\\n| CDEF GABc|C8|', 2),
        ("z G|CDEF GABc|C8|", 2),
        ("uG.F|CDEF GABc|C8|", 2),  # the end of a staccato note is not the bar line
        ("(3GAB|CDEF GABc|C8|", 2),
        ("G>A||CDEF GABc|C8|", 2),
        ("G2::CDEF GABc|C8|", 2),
        ("% a comment | with a bar line\nG2|CDEF GABc|C8|", 2),
        ("[K:C]G2|CDEF GABc|C8|", 2),
        ("[CEG]2|CDEF GABc|C8|", 2),
        ("G2|CDEF GABc|(3CD|]", 2),  # a triplet left open
        ("P:A\nG2|CDEF GABc|C8|", 2),  # a field within the music
        ("G:|CDEF GABc|C8|", 1),  # a note and a repeat, not a field
        ("CDEF GABc|C8|", 0),
        ("|CDEF GABc|C8|", 0),
        ("CDEF GABcd|C8|", 0),
        ("CDEF GABc", 0),
    ],
)
def test_what_sounds_before_the_first_bar_line_is_the_pickup(music, pickup_eighths):
    tune = only_tune(tune_in("4/4", music).encode(), "tune.abc")
    assert tune.pickup_quarters == pickup_eighths / 2


def test_the_pickup_becomes_a_first_bar_with_silence_before_it():
    # A quarter before the bar line: its note begins on the bar's 4th quarter, step 12.
    assert starts(tune_in("4/4", "G2|C4 D4|E8|")) == [12, 16, 24, 32]


def test_a_whole_first_bar_of_another_metre_is_no_pickup():
    tune = only_tune(tune_in("6/8", "CDE FGA|c6|").encode(), "tune.abc")
    assert tune.pickup_quarters == 0
    assert metre_of_all(tune) == (6, 8)


def test_cut_time_is_four_four():
    assert metre_of_all(only_tune(tune_in("C|", "C8|D8|").encode(), "tune.abc")) == (4, 4)


@pytest.mark.parametrize("field", ["R:hornpipe", "R: Hornpipe"])
def test_a_hornpipe_keeps_its_dotted_notes_on_the_grid(field):
    tune = only_tune(tune_in("4/4", "C>DE>F G>AB>c|C8|", field).encode(), "tune.abc")
    grid = quantise_to_metre(tune)
    assert grid.notes["start"].tolist() == [0, 3, 4, 7, 8, 11, 12, 15, 16]
    # Swung, 4 of 9 would stand a third of a step off: 0.15. What is left is abc2midi's tick.
    assert grid.mean_shift_steps < 0.01


def test_a_tune_that_takes_too_long_is_given_up(monkeypatch, tmp_path):
    program = tmp_path / "abc2midi"
    program.write_text("#!/bin/sh\nexec sleep 30\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("SYMUSIC_ABC2MIDI", str(program))
    monkeypatch.setattr(abc_tunes, "SECONDS_A_TUNE", 0.1)
    _, [error] = parse_tunes(SCALE.encode(), name="tune.abc")
    assert (error.reason, str(error)) == (
        "damaged",
        "tune.abc: abc2midi makes nothing of this tune",
    )


def test_real_tunes_begin_their_bars_on_bar_lines():
    """Of a collection of real tunes; abc2midi plays the first note of each bar at velocity 105."""
    music21 = pytest.importorskip("importlib.util").find_spec("music21")
    if music21 is None:
        pytest.skip(
            "music21, whose tunes this takes, is not installed: pip install 'nextbar[folk]'"
        )
    folder = Path(music21.submodule_search_locations[0], "corpus", "ryansMammoth")
    on_line = first = 0
    for path in sorted(folder.glob("*Hornpipe.abc"))[:60]:
        [tune], _ = read_tunes(path)
        laid = lay_metre_grid(tune)
        notes = quantise_all([laid])[0].notes
        codes, _ = laid.bars.up_to(int((notes["start"] + notes["duration"]).max()))
        loud = notes["start"][notes["velocity"] == 105]
        on_line += int(np.isin(loud, bar_starts(steps_of(codes, 4))).sum())
        first += len(loud)
    assert first > 1000
    # 0.27 if pickups were not padded, 0.89 if short bars were not filled up.
    assert on_line / first > 0.96


def bars_of(text):
    """Where each D begins, in eighths, how many bars there are, and what is told of them."""
    laid = lay_metre_grid(only_tune(text.encode(), "a.abc"))
    notes = quantise_all([laid])[0].notes
    codes, told = laid.bars.up_to(int((notes["start"] + notes["duration"]).max()))
    return (notes["start"][notes["pitch"] == 62] / 2).tolist(), len(codes), told


def test_a_short_bar_that_nothing_completes_is_filled_up_and_told():
    # 8, 6 and again 8, 6 eighths, then 8: the bars behind each of the short ones begin on lines.
    text = tune_in("4/4", "|:DEFG ABcc|D2B2A2:|D4 E4|")
    assert bars_of(text) == ([0, 8, 16, 24, 32], 5, {SHORT_BARS: 2})


def test_a_bar_that_a_pickup_completes_at_a_repeat_is_not_filled_up():
    # A pickup of 2 eighths, then 8 and 6, played twice: 6 + 2 are a bar that the repeat cuts.
    text = tune_in("4/4", "|:D2|DEFG ABcc|D2B2A2:|")
    assert bars_of(text) == ([6, 8, 16, 22, 24, 32], 5, {})


def test_a_pickup_between_whole_bars_is_filled_up():
    # 2, 8, 8 and again: the second pickup stands alone.
    text = tune_in("4/4", "|:D2|DEFG ABcc|D8:|")
    assert bars_of(text) == ([6, 8, 16, 24, 32, 40], 6, {SHORT_BARS: 1})


@pytest.mark.parametrize(
    "music",
    [
        "DEFG ABcc|z2 c2 A2 e2|D8|",  # a bar begins with a rest
        "DEFG A4-|A4 c4|D8|",  # or within a tied note
        "DEFG A2.c2|c4 .c4|D8|",  # or behind one that is played short
        "DEFG A2!staccato!c2|c4 c2(3ABc|D8|",
    ],
)
def test_however_a_bar_begins_it_does_not_seem_short(music):
    assert bars_of(tune_in("4/4", music)) == ([0, 16], 3, {})


def test_bars_of_first_and_second_endings_are_told_apart():
    # 8, 8, the first ending; 8, 6, the second one, which is short; then a whole one.
    text = tune_in("4/4", "|:D8|1 D8:|2 D6|D8|]")
    assert bars_of(text) == ([0, 8, 16, 24, 32], 5, {SHORT_BARS: 1})


def test_a_pickup_is_seen_where_a_sign_stands_between_it_and_the_bar_line():
    tune = only_tune(tune_in("2/4", "E2 S|A2A2|B2B2|").encode(), "a.abc")
    assert tune.pickup_quarters == 1.0


@pytest.mark.parametrize(
    "text",
    [
        tune_in("none", "CDE|FGAB|cd|efg|C8|"),  # as long as it likes
        tune_in("4/4", "CDE|FGABc|B|ef|gab|CDEFG|C|"),  # most bars are short
    ],
)
def test_in_free_metre_no_bar_is_filled_up(text):
    assert only_tune(text.encode(), "a.abc").short_bars == ()


def eighths(music, head="X:1\nT:t\nM:4/4\nL:1/8\nK:C\n", *, encoding="utf-8", **options):
    """(start, pitch) of a tune's notes in eighths, and the remarks on it."""
    [tune], _ = parse_tunes(f"{head}{music}\n".encode(encoding), name="a.abc", **options)
    grid = quantise_to_metre(tune, steps_per_quarter=4).notes
    rows = [(int(n["start"]) / 2, int(n["duration"]) / 2, int(n["pitch"])) for n in grid]
    return rows, tune.remarks_on()


def test_a_tie_from_a_first_into_a_second_ending_takes_no_note_from_either():
    # C8, d e f g g4, again C8, then g4 and G2 after a rest of 2: g4 in both endings.
    rows, remarks = eighths("|:C8|1 defg g4-:|2 g4 z2 G2|]")
    assert rows == [
        (0, 8, 60), (8, 1, 74), (9, 1, 76), (10, 1, 77), (11, 1, 79), (12, 4, 79),
        (16, 8, 60), (24, 4, 79), (30, 2, 67),
    ]  # fmt: skip
    assert remarks == {abc_tunes.CUT_TIES: 1}


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("|:c4 g4-|1 g8:|2 g4 c4|", [0, 4, 8, 16, 20, 24, 28]),
        ("|:c4 g4-:|g8|", [0, 4, 8, 12, 16]),
        ("|:c4 [eg]4- :|g8|", [0, 4, 4, 8, 12, 12, 16]),
        ("|:c4 [e-g-]4\n:|g8|", [0, 4, 4, 8, 12, 12, 16]),
        ("c8-|c4 d4|", [0, 12]),  # a tie over a plain bar line stays
    ],
)
def test_only_ties_over_repeat_signs_and_into_endings_are_cut(music, expected):
    assert [start for start, _, _ in eighths(music)[0]] == expected


def test_chord_symbols_give_no_accompaniment_unless_asked_for():
    music = '"C"c2"^slow"e2 "G7"g2"_x"e2|"Am"a8|"Fine"c8|'
    rows, remarks = eighths(music)
    assert [pitch for _, _, pitch in rows] == [72, 76, 79, 76, 81, 72]
    assert remarks == {abc_tunes.CHORD_SYMBOLS: 4}  # "Fine" too looks like one
    with_chords, remarks = eighths(music, chords=True)
    assert len(with_chords) > len(rows)
    assert remarks == {}
    [tune], _ = parse_tunes(b'X:1\nK:C\n"C"c4|', name="a.abc", chords=True)
    assert len(tune.choose("chords")) == len(tune.pitched) > 1
    [tune], _ = parse_tunes(b"X:1\nK:C\nc4|", name="a.abc", chords=True)
    with pytest.raises(MusicFileError, match="no track 'chords'"):
        tune.choose("chords")


def test_what_looks_like_a_chord_symbol_in_a_title_or_a_comment_is_none():
    head = 'X:1\nT:"C" {a}\nM:4/4\nL:1/8\nK:C\n% "C" {a}\n'
    rows, remarks = eighths('c8|% "C" {a}\nw: "C"\nd8|', head)
    assert [start for start, _, _ in rows] == [0, 8]
    assert remarks == {}


def test_grace_notes_do_not_push_the_note_after_them_off_the_grid():
    rows, remarks = eighths("{g}e2 c2 {cd}e4|c8|")
    assert rows == [(0, 2, 76), (2, 2, 72), (4, 4, 76), (8, 8, 72)]
    assert remarks == {abc_tunes.GRACE_NOTES: 3}


@pytest.mark.parametrize(
    ("music", "told", "lasts"),
    [
        # abc2midi: four repetitions of two notes a quarter, for one quarter of two eighths.
        ("Te2 c2 d4|c8|", {abc_tunes.PLAYED_ORNAMENTS: 1}, 16),
        ("~e2 c2 !trill!d4|c8|", {abc_tunes.PLAYED_ORNAMENTS: 2}, 16),
        ("Re2 c2 !arpeggio![ceg]4|c8|", {abc_tunes.PLAYED_ORNAMENTS: 2}, 16),
        # A bar of 8 eighths and the last note once more, a bar of 8 and all of it once more.
        ("e2 c2 Hd4|!fermata!c8|", {abc_tunes.PLAYED_FERMATAS: 2}, 28),
        # Played as they are written, or not on a note at all.
        ("Pe2 c2 Md4|!turn!c8|", {}, 16),
        ('"^Trio"e2 [K:Hp]c2 !Tutti!d4|c8|', {}, 16),
        ("T:Trio\nP:T\ne2 c2 d4|c8|\nw: The ~ Hills", {}, 16),
    ],
)
def test_ornaments_that_are_played_as_other_notes_than_are_written_are_told(music, told, lasts):
    head = "X:1\nT:The Trill\nR:Hornpipe\nM:4/4\nL:1/8\nK:C\n"
    [tune], _ = parse_tunes(f"{head}{music}\n".encode(), name="a.abc")
    assert tune.remarks_on("all") == told
    notes = tune.notes_of()
    end = (notes["time"] + notes["duration"]).max() / tune.score.ticks_per_quarter
    assert end == pytest.approx(lasts / 2, abs=0.1)
    assert (len(notes["time"]) > 4) == (abc_tunes.PLAYED_ORNAMENTS in told)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "latin-1"])
def test_abc_is_read_in_the_encoding_that_it_has(encoding):
    head = "X:1\nT:Flöte\nM:4/4\nL:1/8\nK:C\n"
    assert eighths("c8|d8|", head, encoding=encoding)[0] == [(0, 8, 72), (8, 8, 74)]
    [tune], _ = parse_tunes(f"{head}c8|".encode(encoding), name="a.abc")
    assert [part.track.name for part in tune.pitched] == ["Flöte"]


def test_a_last_bar_that_completes_the_pickup_has_no_metre_of_its_own():
    rows, _ = eighths("G2|c8|d8|[M:3/4]e6|]")
    assert rows == [(6, 2, 67), (8, 8, 72), (16, 8, 74), (24, 6, 76)]


UP = [60, 62, 64, 65, 67, 69, 71, 72]


@pytest.mark.parametrize(
    ("bars", "pitches"),
    [
        ("CDEF GABcH[|]:|\n|:CDEF GABc|CDEF GABc|CDEF GABc:|", UP * 8),
        ("CDEF GABcH[|]|] cBAG FEDC |]", UP + UP[::-1]),
        ("^FDEF H[|] FABc |]", [66, 62, 64, 66, 65, 69, 71, 72]),  # alone it is a bar line
    ],
)
def test_a_fermata_on_a_bar_line_that_is_not_seen_is_no_chord_that_never_ends(bars, pitches):
    converted = abc_tunes.convert_tune(f"X:1\nM:4/4\nL:1/8\nK:C\n{bars}\n")
    ons, lasting, now = [], {}, 0
    for message in mido.MidiFile(file=io.BytesIO(converted.midi)).tracks[0]:
        now += message.time
        if message.type == "note_on" and message.velocity:
            assert message.note not in lasting, "it has ended before it begins again"
            ons.append(message.note)
            lasting[message.note] = now
        elif message.type == "note_off":
            assert now - lasting.pop(message.note) < 480, "an eighth note is 240 ticks"
    assert ons == pitches
    assert not lasting
