import os
import stat
import struct
import zipfile

import pytest

from nextbar.errors import CorpusError, MusicFileError
from nextbar.music import sources
from nextbar.music.corpus import Corpus
from nextbar.music.reading import CorpusOptions, read_tune
from nextbar.music.report import write_prepare_report
from nextbar.music.sources import find_music_files, list_archive, show_name, unpack_listing
from nextbar.music.summary import summarise

from .midi_files import tune_bytes
from .prepared import prepare


def write_zip(path, files, compression=zipfile.ZIP_DEFLATED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def songs():
    """Six tunes in folders inside folders, as they stand in an archive."""
    return {f"set{i % 2}/tune{i}.mid": tune_bytes(transpose=i) for i in range(6)}


def refusals(path):
    return {r["file"]: (r["reason"], r["message"]) for r in Corpus.open(path).refused()}


def listed(folder, name):
    listing = unpack_listing(list_archive(name, folder=folder))
    return listing.names, {error.name: error.reason for error in listing.refused}, listing.ignored


def test_an_archive_gives_the_very_corpus_that_its_unpacked_files_give(tmp_path, songs):
    archive = write_zip(tmp_path / "songs.zip", songs)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "songs")
    packed = prepare(archive, tmp_path / "a")
    unpacked = prepare(tmp_path / "songs", tmp_path / "b")
    assert packed.fingerprint == unpacked.fingerprint
    names = [corpus.piece_name(piece) for corpus in (packed, unpacked) for piece in range(6)]
    assert names[:6] == names[6:] == sorted(songs)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "songs", "songs.zip"]


def test_archives_inside_a_folder_are_read_where_they_lie(tmp_path, songs):
    write_zip(tmp_path / "in" / "deep" / "b.ZIP", songs)
    (tmp_path / "in" / "deep" / "c.mid").write_bytes(tune_bytes(transpose=9))
    (tmp_path / "in" / "a.mid").write_bytes(tune_bytes(transpose=10))
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    inside = [f"deep/b.ZIP/{name}" for name in sorted(songs)]
    assert [corpus.piece_name(i) for i in range(8)] == ["a.mid", *inside, "deep/c.mid"]


def test_a_file_twice_in_archives_and_folders_counts_once(tmp_path, songs):
    write_zip(tmp_path / "in" / "a.zip", songs)
    write_zip(tmp_path / "in" / "b.zip", songs)
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert (corpus.n_pieces, corpus.manifest["refused"]) == (6, {"duplicate": 6})
    assert refusals(tmp_path / "out")["b.zip/set0/tune0.mid"][1] == (
        "b.zip/set0/tune0.mid: duplicate of a.zip/set0/tune0.mid, byte for byte;"
        " --duplicates keep takes both"
    )


@pytest.mark.parametrize(
    "name", ["/etc/a.mid", "../a.mid", "x/../../a.mid", "C:/a.mid", "..\\a.mid", "C:\\a.mid"]
)
def test_paths_that_lead_out_of_an_archive_are_refused(tmp_path, songs, name):
    write_zip(tmp_path / "in" / "a.zip", {**songs, name: tune_bytes(transpose=20)})
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert corpus.n_pieces == 6
    [(reason, message)] = refusals(tmp_path / "out").values()
    assert reason == "unsafe path"
    assert message.endswith(
        ": its path leads out of its archive; pack it anew with paths that stay inside"
    )


def test_links_and_encrypted_files_in_archives_are_refused(tmp_path, songs):
    path = write_zip(tmp_path / "a.zip", songs)
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link.mid")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")  # the first entry of the table of contents: its flags say so
    data[at + 8] |= 1
    path.write_bytes(data)
    names, refused, _ = listed(tmp_path, "a.zip")
    assert refused == {"a.zip/link.mid": "link", "a.zip/set0/tune0.mid": "encrypted"}
    assert len(names) == 5


def test_a_zip_bomb_is_refused_unread(tmp_path):
    write_zip(tmp_path / "bomb.zip", {"a.mid": bytes(20 * 2**20), "b.mid": tune_bytes()})
    _, refused, _ = listed(tmp_path, "bomb.zip")
    assert refused == {"bomb.zip": "zip bomb"}
    # Beside much honest music the bomb is the file, not the archive.
    honest = {"b.mid": bytes(range(256)) * 2000}
    with zipfile.ZipFile(tmp_path / "mixed.zip", "w") as archive:
        archive.writestr("b.mid", honest["b.mid"])
        archive.writestr("a.mid", bytes(15 * 2**20), zipfile.ZIP_DEFLATED)
    names, refused, _ = listed(tmp_path, "mixed.zip")
    assert refused == {"mixed.zip/a.mid": "zip bomb"}
    assert list(map(show_name, names)) == ["mixed.zip/b.mid"]


def test_a_file_that_is_larger_than_its_archive_says_is_not_read_to_the_end(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"a.mid": bytes(9_000), "b.mid": tune_bytes()})
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        begin = data.index(signature)
        data[begin + at : begin + at + 4] = struct.pack("<I", 10)
    path.write_bytes(data)
    corpus = prepare(path, tmp_path / "out")
    assert corpus.n_pieces == 1
    assert refusals(tmp_path / "out")["a.mid"][0] == "damaged archive"


def test_what_is_no_archive_and_what_is_cut_short_are_refused(tmp_path, songs):
    whole = write_zip(tmp_path / "in" / "a.zip", songs)
    (tmp_path / "in" / "b.zip").write_bytes(b"no archive at all")
    (tmp_path / "in" / "c.zip").write_bytes(whole.read_bytes()[:900])
    corpus = prepare(tmp_path / "in", tmp_path / "out")
    assert corpus.n_pieces == 6
    assert {name: reason for name, (reason, _) in refusals(tmp_path / "out").items()} == {
        "b.zip": "damaged archive",
        "c.zip": "damaged archive",
    }


def test_one_damaged_file_of_an_archive_costs_that_file_only(tmp_path, songs):
    path = write_zip(tmp_path / "a.zip", songs, zipfile.ZIP_STORED)
    data = path.read_bytes()
    path.write_bytes(data.replace(songs["set0/tune2.mid"][30:60], bytes(30)))
    corpus = prepare(path, tmp_path / "out")
    assert corpus.n_pieces == 5
    reason, message = refusals(tmp_path / "out")["set0/tune2.mid"]
    assert reason == "damaged archive"
    assert "Bad CRC-32" in message


def test_other_and_hidden_files_of_an_archive_are_counted_or_passed_over(tmp_path, songs):
    others = {"notes.txt": "", "b/inner.zip": "", "__MACOSX/x.mid": "", ".git/a.mid": "", "c/": ""}
    write_zip(tmp_path / "a.zip", {**songs, **others})
    names, refused, ignored = listed(tmp_path, "a.zip")
    assert (len(names), refused, ignored) == (6, {}, {".txt": 1, ".zip": 1})


def test_an_archive_of_too_many_files_is_refused(tmp_path, songs, monkeypatch):
    monkeypatch.setattr(sources, "MOST_MEMBERS", 5)
    write_zip(tmp_path / "a.zip", songs)
    assert listed(tmp_path, "a.zip")[:2] == ([], {"a.zip": "too large"})


def test_archives_stand_apart_from_files_as_other_readers_of_folders_need(tmp_path, songs):
    write_zip(tmp_path / "a.zip", songs)
    (tmp_path / "b.mid").touch()
    found = find_music_files(tmp_path)
    assert (found.names, found.archives) == (["b.mid"], ["a.zip"])


def test_an_archive_without_music_says_what_was_seen(tmp_path):
    archive = write_zip(tmp_path / "a.zip", {"a.txt": "", "b.txt": ""})
    with pytest.raises(CorpusError, match=r"has no .*; seen: 2 \.txt; give the folder"):
        prepare(archive, tmp_path / "out")


def test_all_endings_that_can_be_read_are_found_and_the_others_counted(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    data = tune_bytes()
    wrapped = b"RIFF" + (len(data) + 12).to_bytes(4, "little") + b"RMIDdata"
    wrapped += len(data).to_bytes(4, "little") + data
    kinds = {"a.kar": data, "b.SMF": data, "c.rmi": wrapped}
    for name, content in {**kinds, "d.mscz": b"PK", "e.sib": b"x", "f.mscz": b"PK"}.items():
        (folder / name).write_bytes(content)
    write_zip(folder / "g.zip", {"h.mscz": b"PK", "i.kar": tune_bytes(transpose=5)})
    corpus = prepare(folder, tmp_path / "out", duplicates="keep")
    assert [corpus.piece_name(i) for i in range(4)] == ["a.kar", "b.SMF", "c.rmi", "g.zip/i.kar"]
    assert corpus.manifest["ignored"] == {".mscz": 3, ".sib": 1}
    assert (
        "Passed over: 3 .mscz, 1 .sib, which cannot be read here; export them as MusicXML or MIDI"
        " from the program that made them."
    ) in summarise(corpus).advice


def test_a_folder_of_files_of_one_notation_program_says_what_to_do(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mscz").write_bytes(b"PK")
    with pytest.raises(CorpusError, match=r"seen: 1 \.mscz; export those as MusicXML or MIDI"):
        prepare(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize(
    "name",
    [b"caf\xe9.mid", "日本".encode("shift_jis") + b".mid", b"x" * 250 + b".mid", b"\xff#2.mid"],
)
def test_a_file_of_any_name_is_read_and_shown(tmp_path, name):
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / os.fsdecode(name)
    path.write_bytes(tune_bytes())
    (folder / "broken.mid").write_bytes(b"x")
    corpus = prepare(folder, tmp_path / "out")
    shown = corpus.piece_name(0)
    assert shown == name.decode("utf-8", "backslashreplace")
    write_prepare_report(corpus)
    piece = read_tune(path, options=CorpusOptions())
    assert (piece.name, piece.number, len(piece.grid.notes)) == (shown, 1, 8)
    with pytest.raises(MusicFileError) as caught:
        read_tune(folder / (os.fsdecode(name) + "none"), options=CorpusOptions())
    assert caught.value.reason == "unreadable"
    str(caught.value).encode()
