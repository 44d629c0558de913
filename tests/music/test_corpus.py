import json

import mido
import numpy as np
import pytest

from nextbar.errors import CorpusError
from nextbar.music.bars import cut_at_bar_lines, equal_bars
from nextbar.music.corpus import Corpus
from nextbar.music.kind import BarKind

from .midi_files import make_notes, midi, signature, track, tune_bytes
from .prepared import prepare


@pytest.fixture
def path(tmp_path):
    """A corpus of twelve tunes of two bars, tune i from pitch 60 + i on."""
    folder = tmp_path / "songs"
    folder.mkdir()
    for i in range(12):
        (folder / f"{i:02d}.mid").write_bytes(tune_bytes(transpose=i))
    return prepare(folder, tmp_path / "corpus", onsets=True).path


def corpus_of(tmp_path, n_pieces):
    folder = tmp_path / f"songs{n_pieces}"
    folder.mkdir()
    for i in range(n_pieces):
        (folder / f"{i:02d}.mid").write_bytes(tune_bytes(transpose=i))
    return prepare(folder, tmp_path / f"corpus{n_pieces}")


def test_an_opened_corpus_knows_its_bars(path):
    corpus = Corpus.open(str(path))
    assert (corpus.n_pieces, corpus.n_bars, corpus.n_steps) == (12, 24, 16)
    assert (corpus.metres, corpus.tempo, corpus.steps_per_quarter) == (((4, 4),), 120.0, 4)
    assert corpus.onsets
    assert corpus.kind == BarKind("metre", ((4, 4),), 4, 120.0, True, False, 90.0)
    assert BarKind.from_json(corpus.kind.to_json()) == corpus.kind
    assert corpus.kind.frame_shape == (2, 88, 16) == corpus.rolls([0]).shape[1:]
    assert corpus.fingerprint == corpus.manifest["fingerprint"]
    assert corpus.bars_of(3) == range(6, 8)


def waltz_and_change(tmp_path):
    """A waltz of two bars, and a tune of a bar of 4/4 and two of 3/4; a D on each one, else C."""
    folder = tmp_path / "dances"
    folder.mkdir()
    for name, metres in (("a.mid", [3, 3]), ("b.mid", [4, 3, 3])):
        events, notes, beat = [], [], 0
        for n, before in zip(metres, [0, *metres], strict=False):
            events.append(signature(n, 4, time=480 * before))
            notes += [(480 * (beat + i), 480, 60 if i else 62, 90) for i in range(n)]
            beat += n
        (folder / name).write_bytes(midi(mido.MidiTrack(events), track(notes)))
    return prepare(folder, tmp_path / "corpus")


def test_each_bar_of_a_corpus_has_its_metre_and_its_length(tmp_path):
    corpus = waltz_and_change(tmp_path)
    # 3/4 has four of the five bars: it comes first.
    assert corpus.metres == corpus.kind.metres == ((3, 4), (4, 4))
    assert corpus.bar_metres.tolist() == [0, 0, 1, 0, 0]
    assert corpus.manifest["bars_in"] == {"3/4": 4, "4/4": 1}
    assert corpus.manifest["pieces_in"] == {"3/4": 2, "4/4": 1}
    assert corpus.n_steps == 16
    assert corpus.rolls(range(5)).shape == (5, 1, 88, 16)
    assert corpus.starts(1, 5).tolist() == [0, 12, 28, 40, 52]
    # The second piece: a D at each of its bar lines, at steps 0, 16 and 28.
    notes = corpus.notes(2, 5)
    assert notes["start"][notes["pitch"] == 62].tolist() == [0, 16, 28]
    assert corpus.describe(0)["metres"] == ["3/4"]
    assert "changes" not in corpus.describe(0)
    assert corpus.describe(1)["metres"] == ["3/4", "4/4"]
    assert corpus.describe(1)["changes"] == [[1, "4/4"], [2, "3/4"]]


def test_every_tenth_piece_from_the_first_is_held_out(path):
    corpus = Corpus.open(path)
    assert corpus.pieces("held_out").tolist() == [0, 10]
    assert corpus.pieces("training").tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert corpus.pieces("all").tolist() == list(range(12))


def test_of_few_pieces_the_first_is_held_out_and_of_one_none(tmp_path):
    three, one = corpus_of(tmp_path, 3), corpus_of(tmp_path, 1)
    assert three.pieces("held_out").tolist() == [0]
    assert three.pieces("training").tolist() == [1, 2]
    assert one.pieces("held_out").tolist() == []
    assert one.pieces("training").tolist() == [0]


def test_rolls_are_drawn_for_any_bars_in_any_order(path):
    rolls = Corpus.open(path).rolls([23, 0])
    assert rolls.shape == (2, 2, 88, 16)
    # Bar 0 begins with pitch 60, bar 23 is the second of the tune from 71: 67 + 11 = 78.
    assert np.flatnonzero(rolls[1, 0, :, 0]).tolist() == [60 - 21]
    assert np.flatnonzero(rolls[0, 0, :, 0]).tolist() == [78 - 21]
    assert rolls[1, 0, 60 - 21].tolist() == [90] * 4 + [0] * 12
    assert rolls[1, 1, 60 - 21].tolist() == [127] + [0] * 15


def test_notes_of_bars_count_their_steps_from_the_first_of_them(path):
    notes = Corpus.open(path).notes(1, 3)  # the second bar of tune 0, the first of tune 1
    assert notes["start"].tolist() == [0, 4, 8, 12, 16, 20, 24, 28]
    assert notes["pitch"].tolist() == [67, 69, 71, 72, 61, 63, 65, 66]


def test_the_bars_of_a_part_are_those_of_its_pieces(path):
    corpus = Corpus.open(path)
    held_out = np.concatenate([corpus.notes(0, 2), corpus.notes(20, 22)])
    held_out["start"][8:] += 32
    bar_notes, index = cut_at_bar_lines(held_out, equal_bars(4, 16))
    rows, rows_index = corpus.bars_in("held_out")
    assert np.array_equal(rows, bar_notes)
    assert np.array_equal(rows_index, index)
    assert len(corpus.bars_in("training")[1]) == 20 + 1


def test_a_part_without_pieces_has_no_bars(tmp_path):
    rows, index = corpus_of(tmp_path, 1).bars_in("held_out")
    assert len(rows) == 0
    assert index.tolist() == [0]


def test_notes_held_over_bar_lines_are_whole_again(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mid").write_bytes(
        midi(track([(1680, 2400, 60, 90), (4080, 240, 60, 90)]))
    )
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert np.array_equal(corpus.notes(0, 3), make_notes((14, 20, 60, 90), (34, 2, 60, 90)))


def test_the_arrays_are_mapped_not_loaded(path):
    corpus = Corpus.open(path)
    assert isinstance(corpus.bar_notes.base, np.memmap)
    assert not corpus.bar_notes.flags.writeable


def text_of(path):
    with pytest.raises(CorpusError) as caught:
        Corpus.open(path)
    return str(caught.value)


def test_what_is_no_corpus_says_how_to_make_one(tmp_path):
    advice = "make a corpus with: nextbar prepare YOUR_FOLDER --out CORPUS"
    assert text_of(tmp_path / "none") == f"{tmp_path}/none does not exist; {advice}"
    (tmp_path / "empty").mkdir()
    expected = f"{tmp_path}/empty is no corpus, it has no manifest.json; {advice}"
    assert text_of(tmp_path / "empty") == expected
    (tmp_path / "empty" / "manifest.json").write_text('{"kind": "other"}')
    expected = f"{tmp_path}/empty is no corpus, its manifest.json is of something else; {advice}"
    assert text_of(tmp_path / "empty") == expected
    (tmp_path / "empty" / "manifest.json").write_text("[1]")
    assert text_of(tmp_path / "empty") == expected


def test_a_corpus_of_a_later_format_says_so(path):
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"format": 9}))
    assert text_of(path) == (
        f"{path} is a corpus of format 9, this nextbar reads format 2; prepare it again"
    )


@pytest.mark.parametrize(
    "name",
    ["manifest.json", "notes.npy", "bars.npy", "pieces.npy", "metres.npy", "pieces.jsonl"],
)
def test_a_file_cut_short_is_noticed(path, name):
    data = (path / name).read_bytes()
    (path / name).write_bytes(data[: len(data) // 2])
    assert text_of(path).startswith(f"{path} is damaged: ")
    assert text_of(path).endswith("; prepare it again")


@pytest.mark.parametrize(
    "name", ["notes.npy", "bars.npy", "pieces.npy", "metres.npy", "pieces.jsonl"]
)
def test_a_missing_file_is_noticed(path, name):
    (path / name).unlink()
    assert text_of(path).startswith(f"{path} is damaged: ")


@pytest.mark.parametrize("name", ["notes.npy", "metres.npy"])
def test_one_changed_note_or_metre_is_noticed(path, name):
    data = bytearray((path / name).read_bytes())
    data[-3] ^= 1
    (path / name).write_bytes(data)
    expected = f"{path} is damaged: its content is not what its fingerprint says; prepare it again"
    assert text_of(path) == expected


def test_arrays_that_do_not_fit_each_other_are_noticed(path):
    np.save(path / "pieces.npy", np.array([0, 30], np.int64))
    assert text_of(path) == f"{path} is damaged: its arrays do not fit each other; prepare it again"
    np.save(path / "pieces.npy", np.array([0.0, 24.0]))
    assert text_of(path) == (
        f"{path} is damaged: pieces.npy is not an array of int64; prepare it again"
    )


def test_metres_of_other_bars_are_noticed(path):
    np.save(path / "metres.npy", np.zeros(23, np.uint8))
    assert text_of(path) == f"{path} is damaged: its arrays do not fit each other; prepare it again"


def test_a_corpus_without_metres_of_its_bars_is_to_be_prepared_again(path):
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"format": 1}))
    (path / "metres.npy").unlink()
    assert text_of(path).endswith("of format 1, this nextbar reads format 2; prepare it again")


def test_pickled_objects_are_not_loaded(path):
    np.save(path / "pieces.npy", np.array([{"a": 1}], object), allow_pickle=True)
    assert text_of(path).startswith(f"{path} is damaged: ")
