"""A model as one file: it writes as the folder does, and whatever is wrong with it is refused."""

import hashlib
import json
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import symusic

import nextbar
from nextbar import one_file
from nextbar.cli import main
from nextbar.errors import OutputError, RunError
from nextbar.frames.record import DESCRIPTION, WEIGHTS
from nextbar.measures.fingerprints import FILE as FINGERPRINTS
from nextbar.shipped import MODELS
from nextbar.writing.folder import RECORD

from ..fixtures import let_it_sound

PLAIN = stat.S_IFREG | 0o644


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory):
    return nextbar.export(trained / "run", tmp_path_factory.mktemp("given") / "model")


@pytest.fixture(scope="module")
def packed(trained, tmp_path_factory):
    return nextbar.export(trained / "run", tmp_path_factory.mktemp("packed") / "mine.nextbar")


def members_of(file):
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path, members, *, listed=None, modes=None, method=zipfile.ZIP_STORED):
    """A file of such members whose list says what is in them, unless another is given."""
    files = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in members.items()
        if name != one_file.LIST
    }
    about = {"kind": "nextbar model", "format": 1, "files": files} | (listed or {})
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in (members | {one_file.LIST: json.dumps(about).encode()}).items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (modes or {}).get(name, PLAIN) << 16
            archive.writestr(member, data, method)
    return path


def notes_of(path):
    return [(n.time, n.duration, n.pitch, n.velocity) for n in symusic.Score(path).tracks[0].notes]


def test_the_file_writes_the_piece_that_the_folder_writes_to_the_note(folder, packed):
    pieces = []
    for given in (folder, packed):
        composer = let_it_sound(nextbar.load(given))
        (piece,) = composer.compose([None], bars=4, seeds=[3])
        pieces.append(piece.notes)
    assert len(pieces[0])
    np.testing.assert_array_equal(*pieces)
    assert nextbar.load(folder).checkpoint == nextbar.load(packed).checkpoint


def test_a_model_that_comes_along_travels_with_its_card(tmp_path):
    file = nextbar.export("fiddle", tmp_path / "fiddle.nextbar")
    assert members_of(file)["card.md"] == (MODELS["fiddle"].folder / "card.md").read_bytes()
    how = {"pieces": 1, "bars": 2, "wav": False, "pictures": False, "seed": 5}
    (ours,) = nextbar.generate(file, tmp_path / "a", **how)
    nextbar.export("fiddle", tmp_path / "folder")
    (theirs,) = nextbar.generate(tmp_path / "folder", tmp_path / "b", **how)
    assert notes_of(ours) == notes_of(theirs)
    assert notes_of(ours)


def test_it_holds_what_the_folder_holds_stored_and_a_list_and_a_card(trained, folder, packed):
    members = members_of(packed)
    assert members.keys() == {DESCRIPTION, WEIGHTS, FINGERPRINTS, "card.md", "nextbar.json"}
    for name in (DESCRIPTION, WEIGHTS, FINGERPRINTS):
        assert members[name] == (folder / name).read_bytes()
    assert {DESCRIPTION, WEIGHTS, FINGERPRINTS} <= one_file.MOST_BYTES.keys()
    listed = json.loads(members["nextbar.json"])["files"]
    assert listed[WEIGHTS]["sha256"] == hashlib.sha256(members[WEIGHTS]).hexdigest()
    card = members["card.md"].decode()
    assert "12 pieces, 72 bars" in card  # 12 tunes of 6 bars
    assert "nextbar generate mine.nextbar" in card
    assert str(trained) not in card


def test_the_same_run_gives_the_same_bytes_and_a_file_can_be_exported_again(packed, tmp_path):
    again = nextbar.export(packed, tmp_path / "mine.nextbar")
    assert again.read_bytes() == packed.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        nextbar.export(packed, again)
    assert nextbar.export(packed, tmp_path / "folder").is_dir()


def test_what_is_recorded_names_the_file_so_that_the_command_can_be_typed_again(
    packed, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("a model.nextbar").write_bytes(packed.read_bytes())
    words = ["--pieces", "1", "--bars", "2", "--no-wav", "--no-pictures"]
    assert main(["generate", "a model.nextbar", "--out", "music", *words]) == 0
    record = json.loads(Path("music", RECORD).read_text())
    (made,) = record["pieces"].values()
    assert made["command"].startswith("nextbar generate 'a model.nextbar' --out FOLDER ")
    assert record["run"]["path"] == "a model.nextbar"
    assert main(["verify", "music", "--training", "a model.nextbar"]) in (0, 1)
    assert "of a model.nextbar" in " ".join(capsys.readouterr().out.split())


def test_every_command_that_takes_a_run_opens_it(packed, tmp_path, capsys):
    file = str(packed)
    assert main(["inspect", file]) == 0
    assert "nextbar run" in capsys.readouterr().out
    assert main(["export", file, "--out", str(tmp_path / "again.nextbar")]) == 0
    assert "again.nextbar --out FOLDER" in capsys.readouterr().out
    assert main(["export", file, "--web", str(tmp_path / "page")]) == 2
    assert "in a plane" in capsys.readouterr().err, "it was read, and has no such page"
    assert main(["mix", file, file, "--out", str(tmp_path / "half")]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"{file} was not adapted from {file}" in said
    (tmp_path / "empty").mkdir()
    assert main(["adapt", file, str(tmp_path / "empty"), "--out", str(tmp_path / "run")]) == 1
    assert str(tmp_path / "empty") in " ".join(capsys.readouterr().err.split())


def test_it_is_unpacked_once_and_goes_with_the_process(packed):
    code = f"""
import nextbar
from nextbar.shipped import find_run
first, again = find_run({str(packed)!r}), find_run({str(packed)!r})
assert first == again and first.name == "mine"
print(first)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unpacked = Path(done.stdout.strip())
    assert "nextbar-model-" in str(unpacked)
    assert not unpacked.parent.exists()


def test_a_flipped_byte_is_noticed_wherever_it_is(packed, tmp_path, monkeypatch):
    """Or it changes nothing that is read: times, and which program has made the zip."""
    monkeypatch.setattr(one_file.tempfile, "tempdir", str(tmp_path))
    whole = packed.read_bytes()
    before = {name: data for name, data in members_of(packed).items() if name != one_file.LIST}
    places = {*range(0, len(whole), 997), *range(len(whole) - 500, len(whole))}
    n_refused = 0
    for place in sorted(places):
        damaged = tmp_path / f"{place}.nextbar"
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            found = one_file.opened(damaged)
        except RunError:
            n_refused += 1
        else:
            assert {path.name: path.read_bytes() for path in found.iterdir()} == before, place
    assert n_refused > len(places) / 2
    left = [path for path in tmp_path.iterdir() if path.name.startswith("nextbar-model-")]
    assert len(left) == len(places) - n_refused, "what is refused leaves nothing behind"


def test_a_truncated_file_a_midi_file_and_an_empty_one_are_refused_by_a_sentence(
    packed, trained, tmp_path, capsys
):
    half = tmp_path / "half.nextbar"
    half.write_bytes(packed.read_bytes()[:5000])
    empty = tmp_path / "empty.nextbar"
    empty.write_bytes(b"")
    for file in (half, empty, trained / "tunes" / "tune01.mid"):
        assert main(["generate", str(file), "--out", str(tmp_path / "music")]) == 1
        said = " ".join(capsys.readouterr().err.split())
        assert f"{file} is no model that nextbar has made" in said
        assert "nextbar export RUN --out MODEL.nextbar" in said
    assert not (tmp_path / "music").exists()


def test_a_member_whose_bytes_are_not_those_of_the_list_is_refused(packed, tmp_path):
    """The zip's own checksum is right: somebody has changed the weights and packed them anew."""
    members = members_of(packed)
    about = json.loads(members[one_file.LIST])
    weights = bytearray(members[WEIGHTS])
    weights[-1] ^= 1
    file = pack(tmp_path / "x.nextbar", members | {WEIGHTS: bytes(weights)}, listed=about)
    with pytest.raises(RunError, match=r"checkpoint.safetensors has not the sha256 .* get it anew"):
        nextbar.load(file)
    file = pack(tmp_path / "y.nextbar", members | {WEIGHTS: bytes(weights) + b"0"}, listed=about)
    with pytest.raises(RunError, match="not as long as its list says"):
        nextbar.load(file)


@pytest.mark.parametrize(
    "name",
    ["../x", "/tmp/x", "..\\x", "C:\\x", "sub/run.json", "./run.json", "run.json\0.py", "x.pkl"],
)
def test_a_name_that_no_model_has_is_refused(packed, tmp_path, monkeypatch, name):
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setattr(one_file.tempfile, "tempdir", str(place))
    plain = "x" * len(name)  # written so, and then named so in the bytes, which no writer does
    file = pack(tmp_path / "x.nextbar", members_of(packed) | {plain: b"print()"})
    file.write_bytes(file.read_bytes().replace(plain.encode(), name.encode()))
    with pytest.raises(RunError, match="which no model has"):
        nextbar.load(file)
    assert not list(place.iterdir())


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR])
def test_a_link_or_anything_but_a_plain_file_is_refused(packed, tmp_path, kind):
    members = members_of(packed) | {DESCRIPTION: b"/etc/passwd"}
    file = pack(tmp_path / "x.nextbar", members, modes={DESCRIPTION: kind | 0o777})
    with pytest.raises(RunError, match=r"run.json is no plain file"):
        nextbar.load(file)


def test_a_bomb_is_refused_before_it_bursts(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(one_file, "_write_out", lambda *_: pytest.fail("it was unpacked"))
    members = members_of(packed)
    bomb = members | {WEIGHTS: bytes(2**24)}
    file = pack(tmp_path / "deflated.nextbar", bomb, method=zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 2**20
    with pytest.raises(RunError, match="is compressed or encrypted"):
        nextbar.load(file)
    file = pack(tmp_path / "card.nextbar", members | {"card.md": b" " * (2**20 + 1)})
    with pytest.raises(RunError, match=r"card.md would have 1,048,577 bytes"):
        nextbar.load(file)
    # two members that are the same bytes of the file: what is unpacked is larger than the file
    big = bytes(200_000)
    file = pack(tmp_path / "over.nextbar", {DESCRIPTION: big, WEIGHTS: b"", "card.md": b""})
    data = bytearray(file.read_bytes())
    at = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)  # the directory's entry of the weights
    data[at + 16 : at + 28] = struct.pack("<3L", 0, len(big), len(big))
    file.write_bytes(data)
    with pytest.raises(RunError, match="lie over each other"):
        nextbar.load(file)


def test_a_huge_directory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(one_file.zipfile, "ZipFile", lambda *_: pytest.fail("it was read"))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**31, 0, 0)
    (tmp_path / "x.nextbar").write_bytes(end)
    with pytest.raises(RunError, match="it has 65535 members"):
        nextbar.load(tmp_path / "x.nextbar")


def test_what_is_missing_or_unlisted_or_of_another_format_is_told(packed, tmp_path):
    members = members_of(packed)
    about = json.loads(members[one_file.LIST])
    cases = [
        ({n: d for n, d in members.items() if n != WEIGHTS}, {}, f"{WEIGHTS} is missing"),
        ({n: d for n, d in members.items() if n != "card.md"}, about, "card.md is missing"),
        (members | {"bands.json": b"{}"}, about, "bands.json is not in its list"),
        (members, {"format": 2}, "use the version that made it, or a later one"),
        (members, {"kind": "recipe"}, "is of kind 'recipe'"),
        (members, {"files": [1]}, "is not as nextbar writes it"),
    ]
    for nth, (these, listed, says) in enumerate(cases):
        file = pack(tmp_path / f"{nth}.nextbar", these, listed=listed)
        with pytest.raises(RunError, match=says):
            nextbar.load(file)


def test_a_sound_zip_around_a_pickle_is_refused_and_nothing_is_executed(packed, tmp_path):
    """As a PyTorch checkpoint would be, under the weights' name."""
    import os
    import pickle

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    members = members_of(packed) | {WEIGHTS: pickle.dumps(Trap())}
    with pytest.raises(RunError, match="no checkpoint"):
        nextbar.load(pack(tmp_path / "x.nextbar", members))
    assert not (tmp_path / "sprung").exists()
