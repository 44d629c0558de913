"""A model of somebody's own files, made by a process of the studio."""

import json
import os
import signal
import sys
import time

import pytest
from fastapi.testclient import TestClient

from nextbar.studio import adapt_worker, adapting
from nextbar.studio.app import make_app

from ..fixtures import REMEMBERING, write_tunes
from .conftest import ADDRESS


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run in columns, which can be adapted."""
    import nextbar

    place = tmp_path_factory.mktemp("base")
    corpus = nextbar.prepare(write_tunes(place / "tunes"), place / "corpus", page=False)
    nextbar.train(corpus, place / "run", **REMEMBERING)
    return place / "run"


@pytest.fixture
def opened(base, tmp_path):
    app = make_app([base], models=tmp_path / "models")
    (tmp_path / "models").mkdir()
    with TestClient(app, base_url=ADDRESS) as client:
        while client.get("/api/runs").json()["loading"]:
            time.sleep(0.05)
        yield client


def begin(client, tunes, name="Mine & yours"):
    (run,) = client.get("/api/runs").json()["runs"]
    asked = {"run": run["fingerprint"], "name": name}
    job = client.post("/api/adaptations", json=asked).json()["id"]
    for path in tunes:
        where = f"/api/adaptations/{job}/files?name={path.name}"
        assert client.post(where, content=path.read_bytes()).status_code == 200
    return job


def until(client, job, *states, seconds=240):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = {each["id"]: each for each in client.get("/api/adaptations").json()["jobs"]}[job]
        if found["state"] in states:
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def wait_for_progress(client):
    end = time.monotonic() + 300
    while not client.get("/api/adaptations").json()["jobs"][0]["done"]:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_model_learns_can_be_stopped_goes_on_and_then_composes(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(adapting, "WORKER", "tests.studio.fake_worker")
    job = begin(opened, sorted(write_tunes(tmp_path / "own", 3).iterdir()))
    assert opened.post(f"/api/adaptations/{job}/start").status_code == 200
    again = opened.post(f"/api/adaptations/{job}/start")
    assert again.status_code == 400
    assert "another model is learning" in again.json()["error"]
    wait_for_progress(opened)
    opened.post(f"/api/adaptations/{job}/stop")
    assert until(opened, job, "stopped", "failed", "done")["state"] == "stopped"
    assert opened.post(f"/api/adaptations/{job}/start").status_code == 200
    done = until(opened, job, "done", "failed")
    assert done["state"] == "done", done
    assert done["says"] == ["3 files"]
    fingerprint = done["fingerprint"]
    assert fingerprint in {r["fingerprint"] for r in opened.get("/api/runs").json()["runs"]}
    (folder,) = (tmp_path / "models").iterdir()
    assert folder.name == f"Mine-yours-{job}"
    # A studio that is started with the folder has it open.
    with TestClient(make_app([], models=tmp_path / "models"), base_url=ADDRESS) as later:
        while later.get("/api/runs").json()["loading"]:
            time.sleep(0.05)
        (run,) = later.get("/api/runs").json()["runs"]
        assert (run["fingerprint"], run["name"]) == (fingerprint, "Mine & yours")


def test_it_can_be_stopped_also_where_the_studio_was_told_to_ignore_interrupts(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a shell's background
    monkeypatch.setattr(sys, "argv", ["adapt_worker", "base", "files", "run"])
    monkeypatch.setattr(os, "nice", lambda _: 0, raising=False)
    monkeypatch.setattr(
        "nextbar.training.adapt.adapt", lambda *_, **__: signal.raise_signal(signal.SIGINT)
    )
    try:
        assert adapt_worker.main() == 130
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_what_has_learnt_is_another_model_than_its_base(opened, tmp_path):
    job = begin(opened, sorted(write_tunes(tmp_path / "own", 3).iterdir()))
    assert opened.post(f"/api/adaptations/{job}/start").status_code == 200
    done = until(opened, job, "done", "failed", seconds=1800)
    assert done["state"] == "done", done
    assert any("3 files" in sentence for sentence in done["says"])
    runs = {run["fingerprint"]: run["name"] for run in opened.get("/api/runs").json()["runs"]}
    assert runs[done["fingerprint"]] == "Mine & yours"
    assert len(runs) == 2
    assert opened.post("/api/begin", json={"run": done["fingerprint"]}).status_code == 200


def test_files_that_hold_no_music_are_said_in_its_words(opened, tmp_path):
    broken = tmp_path / "broken.mid"
    broken.write_bytes(b"nothing")
    job = begin(opened, [broken])
    opened.post(f"/api/adaptations/{job}/start")
    failed = until(opened, job, "failed", "done", "stopped")
    assert failed["state"] == "failed"
    assert failed["says"]


@pytest.mark.parametrize(
    "name",
    ["../../evil.mid", "/etc/passwd", "..", "a\\..\\b.mid", "\u0000.mid", "x" * 190 + ".mid"],
)
def test_no_name_of_a_file_leads_out_of_its_folder(opened, tmp_path, name):
    (run,) = opened.get("/api/runs").json()["runs"]
    job = opened.post(
        "/api/adaptations", json={"run": run["fingerprint"], "name": name[:60]}
    ).json()
    answer = opened.post(f"/api/adaptations/{job['id']}/files", params={"name": name}, content=b"x")
    assert answer.status_code == 200
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    folder = tmp_path / "models"
    assert {path.name for path in made} == {"job.json", *answer.json()["files"]}
    assert all(folder in path.parents for path in made)
    (kept,) = answer.json()["files"]
    assert kept.startswith("01 ")
    assert "/" not in kept
    assert "\\" not in kept


def test_more_than_fifty_files_and_files_behind_the_start_are_refused(opened, tmp_path):
    tunes = sorted(write_tunes(tmp_path / "own", 1).iterdir())
    job = begin(opened, tunes * 50)
    where = f"/api/adaptations/{job}/files?name=more.mid"
    answer = opened.post(where, content=b"x")
    assert answer.status_code == 400
    assert "up to 50 files" in answer.json()["error"]


def test_without_a_chosen_folder_all_goes_with_the_studio(base, tmp_path):
    app = make_app([base])
    with TestClient(app, base_url=ADDRESS) as client:
        while client.get("/api/runs").json()["loading"]:
            time.sleep(0.05)
        begin(client, sorted(write_tunes(tmp_path / "own", 1).iterdir()))
        told = client.get("/api/adaptations").json()
        assert told["is_kept"] is False
        folder = app.state.adaptations.folder
        assert [*folder.glob("*/job.json")]
    assert not folder.exists()


def test_what_was_stopped_is_found_again_and_what_is_no_job_is_passed_over(base, tmp_path):
    folder = tmp_path / "models" / "mine"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "01 a.mid").write_bytes(b"x")
    told = {"id": "0123456789ab", "name": "Mine", "base": "0" * 64, "done": False}
    (folder / "job.json").write_text(json.dumps(told))
    (tmp_path / "models" / "other").mkdir()
    (tmp_path / "models" / "other" / "job.json").write_text("[]")
    with TestClient(make_app([base], models=tmp_path / "models"), base_url=ADDRESS) as client:
        (job,) = client.get("/api/adaptations").json()["jobs"]
        assert (job["name"], job["state"], job["files"]) == ("Mine", "stopped", ["01 a.mid"])
        answer = client.post("/api/adaptations/0123456789ab/start")
        assert answer.status_code == 404  # its base is not open here
