import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import nextbar
from nextbar.cli import main
from nextbar.errors import FetchError, OutputError, UsageError
from nextbar.music.public_data import (
    COLLECTIONS,
    Collection,
    content_sha256,
    every_midi_file,
    every_second_song,
    fetch,
    is_complete,
    one_edition_a_work,
)

from ..shared_data import shared_data

FILES = {"a.mid": b"MThd one", "b.mid": b"MThd two" * 20_000}


def packed(files, folder="dataset/"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
        archive.writestr(folder + "readme.txt", "not a tune")
    return buffer.getvalue()


class Server:
    """A server on this machine; ``answers`` are given one after the other, the last for ever."""

    def __init__(self):
        self.answers = []
        self.n_asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                answer = outer.answers[min(outer.n_asked, len(outer.answers) - 1)]
                outer.n_asked += 1
                answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/tunes.zip"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def whole(body):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def cut_off(body):
    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.close_connection = True

    return answer


def status(code):
    return lambda handler: handler.send_error(code)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture
def tunes(server):
    """A collection on that server."""
    return {
        "tunes": Collection(
            "tunes", server.url, content_sha256(FILES), 2, "of a test", every_midi_file
        )
    }


def test_the_sha256_is_what_sha256sum_gives():
    # sha256sum a.mid b.mid | sha256sum
    lines = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in FILES.items()
    )
    assert content_sha256(FILES) == hashlib.sha256(lines.encode()).hexdigest()


def test_a_collection_is_downloaded_checked_and_unpacked(server, tunes, tmp_path):
    server.answers = [whole(packed(FILES))]
    seen = []
    folder = fetch(
        "tunes", tmp_path / "t", collections=tunes, progress=lambda *now: seen.append(now)
    )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert seen[-1] == (len(packed(FILES)), len(packed(FILES)))


def test_what_is_complete_is_not_downloaded_again(server, tunes, tmp_path):
    server.answers = [whole(packed(FILES))]
    fetch("tunes", tmp_path / "t", collections=tunes)
    fetch("tunes", tmp_path / "t", collections=tunes)
    assert server.n_asked == 1


@pytest.mark.parametrize("broken", [cut_off(packed(FILES)), status(503)])
def test_a_broken_transfer_is_tried_again(server, tunes, tmp_path, broken):
    server.answers = [broken, broken, whole(packed(FILES))]
    assert is_complete(fetch("tunes", tmp_path / "t", collections=tunes), tunes["tunes"])
    assert server.n_asked == 3


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            cut_off(packed(FILES)),
            r"the transfer broke off, 4 times\)\. Try again later",
        ),
        (status(404), r"the server answers 404 Not Found.*give it with --source FILE"),
        (whole(b"<html>"), r"is no zip archive, or a broken one"),
        (
            whole(packed({**FILES, "b.mid": b"other"})),
            r"is not tunes: 2 files with the sha256 \w{12}\.\.\., expected 2 with",
        ),
        (whole(packed({"a.mid": FILES["a.mid"]})), r"is not tunes: 1 files"),
        (whole(packed({"a.mid": bytes(2_000_000)})), r"is not tunes: it holds too much"),
    ],
)
def test_what_cannot_be_had_is_said_and_nothing_is_written(
    server, tunes, tmp_path, answer, sentence
):
    server.answers = [answer]
    with pytest.raises(FetchError, match=sentence):
        fetch("tunes", tmp_path / "t", collections=tunes)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_it_says_so(tunes, tmp_path, server):
    server.http.shutdown()
    server.http.server_close()  # the port refuses now
    with pytest.raises(FetchError, match=r"no connection to the server: is there a network\?"):
        fetch("tunes", tmp_path / "t", collections=tunes)


def test_an_archive_on_this_machine_is_taken_and_checked(tunes, tmp_path):
    (tmp_path / "by-hand.zip").write_bytes(packed(FILES, folder="../../elsewhere/"))
    folder = fetch("tunes", tmp_path / "t", source=tmp_path / "by-hand.zip", collections=tunes)
    assert is_complete(folder, tunes["tunes"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["by-hand.zip", "t"]


def test_a_folder_with_something_else_in_it_is_left_alone(server, tunes, tmp_path):
    server.answers = [whole(packed(FILES))]
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        fetch("tunes", tmp_path, collections=tunes)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_collection_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(UsageError, match="no collection 'notingham'; there are: nottingham"):
        fetch("notingham")


def test_the_published_files_are_the_collection(tmp_path):
    archive = shared_data("nottingham-524.zip")
    assert (
        main(["fetch", "nottingham", "--source", str(archive), "--out", str(tmp_path / "n")]) == 0
    )
    assert len(list((tmp_path / "n").iterdir())) == 524
    assert nextbar.fetch("nottingham", tmp_path / "n") == tmp_path / "n"


def test_the_command_line_says_what_is_missing(tmp_path, capsys):
    code = main(["fetch", "--source", str(tmp_path / "no.zip"), "--out", str(tmp_path / "n")])
    assert code == 1
    assert "no.zip cannot be read: No such file" in capsys.readouterr().err


def test_of_each_work_for_piano_one_edition_is_kept():
    names = [
        "007-1-KI-001.krn", "007-1-Sm-001.krn", "007-1-KI-002.krn",  # two works, one twice
        "001-1a-HO.krn", "001-1-BRZ.krn",  # an opus of one work
        "008-1-Sm-001-piano.krn", "003-1-Sm-violoncello.krn", "074-1-G-001.krn", "GDC-1-Sm.krn",
        "MEG-1a-BB.krn", "README.md",
    ]  # fmt: skip
    kept = ["001-1-BRZ.krn", "007-1-KI-001.krn", "007-1-KI-002.krn", "MEG-1a-BB.krn"]
    assert one_edition_a_work(names) == {name: name for name in kept}
    inside = [f"kern/{name}" for name in names]
    assert one_edition_a_work(inside) == {name: f"kern/{name}" for name in kept}


def test_chopin_is_fetched_from_an_archive_that_holds_much_else(tmp_path, capsys):
    source = shared_data("chopin-kern.zip")
    assert main(["fetch", "chopin", "--out", str(tmp_path / "c"), "--source", str(source)]) == 0
    assert len(list((tmp_path / "c").iterdir())) == COLLECTIONS["chopin"].n_files == 184
    out = capsys.readouterr().out
    assert "terms:  CC BY 4.0" in out
    assert "--grid seconds" not in out


def test_of_pop909_every_second_song_is_taken_with_the_beats_of_its_midi_file():
    members = [
        "POP909-Dataset-x/POP909/001/001.mid",
        "POP909-Dataset-x/POP909/001/beat_midi.txt",
        "POP909-Dataset-x/POP909/001/beat_audio.txt",
        "POP909-Dataset-x/POP909/001/versions/001-v1.mid",
        "POP909-Dataset-x/POP909/002/002.mid",
        "POP909-Dataset-x/POP909/002/beat_midi.txt",
        "POP909-Dataset-x/index.xlsx",
    ]
    assert every_second_song(members) == {"001.mid": members[0], "001.beats.txt": members[1]}
    assert every_second_song(["003.mid", "003.beats.txt", "004.mid"]) == {
        "003.mid": "003.mid",
        "003.beats.txt": "003.beats.txt",
    }


def test_pop909_is_fetched_and_read_by_its_beats(tmp_path, capsys):
    source = shared_data("pop909-455.zip")
    assert main(["fetch", "pop909", "--out", str(tmp_path / "p"), "--source", str(source)]) == 0
    assert len(list((tmp_path / "p").iterdir())) == COLLECTIONS["pop909"].n_files == 910
    out = capsys.readouterr().out
    assert "terms:  MIT" in out
    assert "--track PIANO" in out
