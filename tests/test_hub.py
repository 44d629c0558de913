"""Models on a hub: sent there and fetched from a stand-in that speaks what the client asks for."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import nextbar
from nextbar import hub, one_file
from nextbar.cli import main
from nextbar.errors import FetchError, OutputError, RunError, UsageError
from nextbar.writing.folder import RECORD

constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra `hub`")
TOKEN = "hf_a-secret-of-mine"


class StandIn(ThreadingHTTPServer):
    """Repositories as lists of commits: of each its name and its files. ``lies``: of sha256."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories, self.asked, self.tokens = {}, [], set()
        self.lies = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, name, files):
        commits = self.repositories.setdefault(name, [])
        files = {**(commits[-1][1] if commits else {}), **files}
        commits.append((hashlib.sha1(repr((len(commits), files)).encode()).hexdigest(), files))
        return commits[-1][0]

    def at(self, name, revision):
        commits = self.repositories.get(name)
        if not commits:
            return None, "RepoNotFound"
        found = commits[-1] if revision == "main" else dict(commits).get(revision)
        if found is None:
            return None, "RevisionNotFound"
        return (found if revision == "main" else (revision, found)), ""


class Answer(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def say(self, status, body=b"", **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.tokens.add(self.headers.get("Authorization"))
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            name, revision = "/".join(parts[2:4]), (parts[5:] or ["main"])[0]
            found, why = self.server.at(name, revision)
            if found is None:
                return self.say(404, {"error": why}, X_Error_Code=why)
            siblings = [
                {
                    "rfilename": each,
                    "size": len(data),
                    "lfs": {
                        "sha256": self.server.lies.get(name, hashlib.sha256(data).hexdigest()),
                        "size": len(data),
                        "pointerSize": 1,
                    },
                }
                for each, data in found[1].items()
            ]
            return self.say(200, {"id": name, "sha": found[0], "siblings": siblings})
        name, revision, file = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        found, why = self.server.at(name, revision)
        if found is None or file not in found[1]:
            return self.say(404, X_Error_Code=why or "EntryNotFound")
        data = found[1][file]
        etag = f'"{hashlib.sha1(data).hexdigest()}"'
        return self.say(200, data, ETag=etag, X_Repo_Commit=found[0])

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self):
        self.server.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.say(401, {"error": "who are you?"})
        parts = self.path.partition("?")[0].strip("/").split("/")
        name = "/".join(parts[2:4])
        if parts[1] == "validate-yaml":
            return self.say(200, {"errors": [], "warnings": []})
        if parts[1:] == ["repos", "create"]:
            wanted = json.loads(body)
            name = f"{wanted['organization']}/{wanted['name']}"
            self.server.repositories.setdefault(name, [])
            self.server.asked.append(f"private={wanted.get('visibility', wanted.get('private'))}")
            return self.say(200, {"url": f"{self.server.url}/{name}"})
        if parts[4] == "preupload":
            files = json.loads(body)["files"]
            told = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for f in files]  # fmt: skip
            return self.say(200, {"files": told})
        assert parts[4] == "commit", self.path
        lines = [json.loads(line) for line in body.splitlines()]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"])
            for line in lines
            if line["key"] == "file"
        }
        commit = self.server.put(name, files)
        return self.say(200, {"commitUrl": f"{self.server.url}/{name}/commit/{commit}",
                              "commitOid": commit})  # fmt: skip


@pytest.fixture
def standing(tmp_path, monkeypatch):
    """The stand-in, and the client set so as its variables would have it. Nobody is logged in."""
    server = StandIn()
    how = {"poll_interval": 0.02}
    thread = threading.Thread(target=server.serve_forever, kwargs=how, daemon=True)
    thread.start()
    for name, value in {
        "ENDPOINT": server.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_TOKEN_PATH": str(tmp_path / "no-token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub, "_found", {})
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def packed(trained, tmp_path_factory):
    return nextbar.export(trained / "run", tmp_path_factory.mktemp("packed") / "mine.nextbar")


def test_a_run_that_is_sent_is_fetched_by_its_name_and_writes_as_its_file_does(
    standing, trained, tmp_path, monkeypatch, capsys
):
    """As two people would: one is logged in, and the other is not."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert main(["export", str(trained / "run"), "--push", "ada/reels"]) == 0
    said = capsys.readouterr()
    ((commit, files),) = standing.repositories["ada/reels"]
    assert f"nextbar generate hub:ada/reels@{commit} --out FOLDER" in " ".join(said.out.split())
    assert files.keys() == {"model.nextbar", "README.md"}
    card = files["README.md"].decode()
    assert card.startswith("---\nlibrary_name: nextbar\n")
    assert "\n# reels\n" in card
    assert "nextbar generate hub:ada/reels --out music" in card
    monkeypatch.delenv("HF_TOKEN")
    standing.tokens.clear()
    words = ["--pieces", "1", "--bars", "2", "--no-wav", "--no-pictures"]
    assert main(["generate", "hub:ada/reels", "--out", str(tmp_path / "music"), *words]) == 0
    assert standing.tokens == {None}
    record = json.loads((tmp_path / "music" / RECORD).read_text())
    (made,) = record["pieces"].values()
    # the command makes the same again, whatever is pushed next
    assert made["command"].startswith(f"nextbar generate hub:ada/reels@{commit} --out FOLDER ")
    own = nextbar.export(trained / "run", tmp_path / "own.nextbar")
    assert nextbar.load("hub:ada/reels").checkpoint == nextbar.load(own).checkpoint
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in left if TOKEN.encode() in path.read_bytes()]
    assert TOKEN not in said.out + said.err


def test_every_command_that_takes_a_run_opens_it(standing, packed, tmp_path, capsys):
    commit = standing.put("ada/reels", {"model.nextbar": packed.read_bytes()})
    name = "hub:ada/reels"
    assert main(["inspect", name]) == 0
    assert main(["export", name, "--out", str(tmp_path / "again.nextbar")]) == 0
    assert (tmp_path / "again.nextbar").read_bytes() == packed.read_bytes()
    capsys.readouterr()
    assert main(["mix", name, name, "--out", str(tmp_path / "half")]) == 1
    pinned = f"{name}@{commit}"
    said = " ".join(capsys.readouterr().err.split())
    assert f"{pinned} was not adapted from {pinned}" in said
    assert main(["verify", str(tmp_path), "--training", name]) == 2, "there is no music"
    assert sum("/resolve/" in each for each in standing.asked) == 2, "HEAD and GET, once"


def test_a_revision_stays_what_it_is_and_needs_no_network_once_it_is_here(
    standing, packed, tmp_path, monkeypatch
):
    first = standing.put("ada/reels", {"model.nextbar": packed.read_bytes()})
    other = nextbar.export("fiddle", tmp_path / "other.nextbar")
    second = standing.put("ada/reels", {"model.nextbar": other.read_bytes()})
    ours, theirs = nextbar.load(packed).checkpoint, nextbar.load(other).checkpoint
    assert nextbar.load(f"hub:ada/reels@{first}").checkpoint == ours
    assert nextbar.load("hub:ada/reels").checkpoint == theirs
    n_asked = len(standing.asked)
    monkeypatch.setattr(hub, "_found", {})  # another process
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert nextbar.load(f"hub:ada/reels@{second}").checkpoint == theirs
    assert len(standing.asked) == n_asked
    with pytest.raises(FetchError, match=r"gives no answer .* opens without a network by its"):
        nextbar.load("hub:ada/reels")


def test_what_is_missing_or_no_model_of_nextbar_is_told_in_a_sentence(standing, packed, capsys):
    standing.put("ada/words", {"pytorch_model.bin": b"\x80\x04."})
    standing.put("ada/fake", {"model.nextbar": b"PK\3\4 and no more"})
    damaged = bytearray(packed.read_bytes())
    damaged[5000] ^= 1
    standing.put("ada/damaged", {"model.nextbar": bytes(damaged)})
    cases = {
        "hub:ada/nothing": "hub:ada/nothing is not on http://127.0.0.1",
        "hub:ada/words@v2": "hub:ada/words@v2 is not on",
        "hub:ada/words": "has no model.nextbar; put one there with `nextbar export RUN --push",
        "hub:ada/fake": "is no model that nextbar has made: it has 16 bytes",
        "hub:ada/damaged": "is damaged, or was changed by another program",
    }
    for name, says in cases.items():
        with pytest.raises(RunError) as raised:
            nextbar.load(name)
        assert says in str(raised.value)
    assert main(["generate", "hub:ada/nothing", "--out", "music"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    for name in ("hub:reels", "hub:ada/reels@", "hub:../x", "hub:a/b/c", "hub:"):
        with pytest.raises(UsageError, match="give hub:OWNER/NAME"):
            nextbar.load(name)


def test_what_has_not_the_sha256_that_the_hub_tells_is_not_kept(standing, packed):
    standing.put("ada/reels", {"model.nextbar": packed.read_bytes()})
    standing.lies["ada/reels"] = "0" * 64
    with pytest.raises(FetchError, match=r"not fetched whole: its sha256 is .* fetch it again"):
        nextbar.load("hub:ada/reels")
    standing.lies.clear()
    nextbar.load("hub:ada/reels")


def test_what_is_larger_than_any_model_is_not_fetched(standing, packed, monkeypatch):
    standing.put("ada/reels", {"model.nextbar": packed.read_bytes()})
    monkeypatch.setattr(one_file, "LARGEST", 1000)
    with pytest.raises(RunError, match=r"no model that nextbar has made: [\d,]+ bytes"):
        nextbar.load("hub:ada/reels")
    assert not any("/resolve/" in each for each in standing.asked)


def test_who_may_not_write_there_is_told_and_a_private_one_is_asked_for(
    standing, trained, monkeypatch
):
    with pytest.raises(OutputError, match=r"answers 401; log in with `hf auth login`"):
        nextbar.push(trained / "run", "ada/reels")
    with pytest.raises(UsageError, match="give OWNER/NAME"):
        nextbar.push(trained / "run", "reels")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert nextbar.push(trained / "run", "ada/mine", private=True).startswith("hub:ada/mine@")
    assert {"private=private", "private=True"} & {*standing.asked}


def test_without_the_extra_it_is_said_which(monkeypatch, trained):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    says = r"hub:ada/reels needs huggingface_hub, .* pip install 'nextbar\[hub\]'"
    with pytest.raises(UsageError, match=says):
        nextbar.load("hub:ada/reels")
    with pytest.raises(UsageError, match=says):
        nextbar.push(trained / "run", "ada/reels")


def test_the_variables_of_the_client_say_where_the_hub_and_its_cache_are(
    standing, packed, tmp_path
):
    standing.put("ada/reels", {"model.nextbar": packed.read_bytes()})
    done = subprocess.run(
        [sys.executable, "-m", "nextbar", "inspect", "hub:ada/reels"],
        env={**os.environ, "HF_ENDPOINT": standing.url, "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "nextbar run" in done.stdout
    assert list(Path(tmp_path, "home").rglob("model.nextbar"))
