import ast
from pathlib import Path

import pytest

import nextbar.music
from nextbar import workers
from nextbar.errors import MusicFileError
from nextbar.music.options import CorpusOptions
from nextbar.music.reading import read_pieces, read_tune, split_tune_number
from nextbar.music.refusals import ADVICE, advice_on, refuse, with_advice

from .midi_files import midi, signature, track, tune_bytes

ROOM = Path(nextbar.music.__file__).parent


def beginning(node):
    """The text of a constant, or of what an f-string begins with."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def reasons_raised():
    """The reason of every refusal: made in the room of music, or by a worker that was lost."""
    found = {workers.CRASHED, workers.TOO_LONG, workers.TOO_MUCH}
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func if isinstance(node, ast.Call) else None
            name = getattr(name, "id", None)
            if name == "refuse":
                found.add(beginning(node.args[1]))
    return {reason.strip() for reason in found if reason}


def test_every_refusal_has_its_advice_and_every_advice_its_refusal():
    assert reasons_raised() == set(ADVICE)


def test_no_refusal_is_made_beside_the_table():
    for path in ROOM.glob("*.py"):
        if path.name not in ("refusals.py", "sources.py", "reading.py"):  # that unpack them again
            assert "MusicFileError(" not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("reason", ADVICE)
def test_advice_never_names_an_option_of_another_command(reason):
    for option in ("--metre", "--grid", "--min-bars", "--steps-per-quarter", "--duplicates"):
        assert option not in ADVICE[reason].generate
    assert ADVICE[reason].prepare[-1] not in ".;"


def test_advice_knows_the_metre_and_the_command():
    error = refuse("a.mid", "metre 6/8", "it is in 6/8, not in 4/4")
    assert with_advice(error) == (
        "a.mid: it is in 6/8, not in 4/4; leave --metre out to take every metre, or use --metre 6/8"
    )
    assert with_advice(error, "generate") == (
        "a.mid: it is in 6/8, not in 4/4;"
        " give a piece in the metre of the model, or train one on pieces in 6/8"
    )
    assert advice_on("fewer than 2 bars") == "--min-bars 1 takes it"
    assert advice_on("something new") == ""


def test_a_file_that_is_read_to_go_on_from_is_refused_in_words_for_that(tmp_path):
    path = tmp_path / "waltz.mid"
    events = track([(480 * i, 480, 60, 90) for i in range(12)])
    events.insert(0, signature(3, 4))
    path.write_bytes(midi(events))
    options = CorpusOptions(metre="4/4")
    [refusal] = read_pieces(path, name="waltz.mid", options=options).refusals
    assert refusal.message.endswith("use --metre 3/4")
    with pytest.raises(MusicFileError) as caught:
        read_tune(path, options=options)
    assert str(caught.value).endswith("or train one on pieces in 3/4")
    assert caught.value.reason == "metre 3/4"


BOOK = (
    "X:1\nT:Jig\nM:6/8\nL:1/8\nK:C\nCDE FGA|cBA GFE|\n\n"
    "X:2\nT:Reel\nM:4/4\nL:1/4\nK:C\ncdef|gfed|\n\n"
    "X:3\nT:Other\nM:4/4\nL:1/4\nK:C\nCDEF|GFED|\n"
)


def test_the_tune_of_a_book_can_be_chosen_and_is_named(tmp_path):
    path = tmp_path / "tunes.abc"
    path.write_text(BOOK)
    options = CorpusOptions(metre="4/4")
    first = read_tune(path, options=options)  # the first that can be read: the reel
    assert (first.name, first.number, first.tracks) == ("tunes.abc#2", 2, (("Reel", 8),))
    third = read_tune(path, options=options, tune=3)
    assert (third.name, third.number, third.instruments) == ("tunes.abc#3", 3, ("Other",))
    with pytest.raises(MusicFileError) as caught:
        read_tune(path, options=options, tune=1)
    assert caught.value.reason == "metre 6/8"
    with pytest.raises(MusicFileError) as caught:
        read_tune(path, options=options, tune=4)
    assert str(caught.value) == (
        "tunes.abc: it has 3 tunes, and no tune 4; choose one that there is"
    )
    assert read_pieces(path, name="tunes.abc", options=options).n_tunes == 3


def test_a_file_of_one_tune_has_a_first_and_no_second(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(tune_bytes())
    assert read_tune(path, options=CorpusOptions(), tune=1).number == 1
    with pytest.raises(MusicFileError) as caught:
        read_tune(path, options=CorpusOptions(), tune=2)
    assert caught.value.reason == "no such tune"


def test_a_number_behind_a_name_means_a_tune_unless_a_file_is_called_so(tmp_path):
    assert split_tune_number(str(tmp_path / "b.abc#2")) == (tmp_path / "b.abc", 2)
    assert split_tune_number(str(tmp_path / "b.abc")) == (tmp_path / "b.abc", None)
    assert split_tune_number(str(tmp_path / "b#x.abc")) == (tmp_path / "b#x.abc", None)
    (tmp_path / "b.abc#2").touch()
    assert split_tune_number(str(tmp_path / "b.abc#2")) == (tmp_path / "b.abc#2", None)
    assert split_tune_number("x" * 300 + "#1") == (Path("x" * 300), 1)
