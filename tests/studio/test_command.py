"""``nextbar studio`` as a command, and connections that are closed before the end."""

import json
import re
import signal
import subprocess
import sys
import time

import httpx2

from nextbar.cli import main
from nextbar.shipped import MODELS
from nextbar.studio.app import make_app

from ..fixtures import let_it_sound
from .serving import command, serving


def test_the_command_serves_the_page_and_stops_on_ctrl_c(trained):
    with command(trained / "run") as (process, address):
        assert "nextbar studio" in httpx2.get(f"{address}/", timeout=120).text
        (run,) = httpx2.get(f"{address}/api/runs", timeout=120).json()["runs"]
        assert run["name"] == "run"
    assert process.returncode == 0


def test_without_a_run_the_models_that_come_along_are_served():
    with command() as (_, address):
        for _ in range(200):
            answer = httpx2.get(f"{address}/api/runs", timeout=120).json()
            if not answer["loading"]:
                break
            time.sleep(0.2)
    shown = [(run["name"], run["tunes"], run["plays"]) for run in answer["runs"]]
    assert shown == [(each.title, False, each.plays) for each in MODELS.values()]


def test_what_is_no_run_is_refused_in_a_sentence_before_anything_is_served(tmp_path, capsys):
    assert main(["studio", str(tmp_path)]) == 1
    assert "is not a run: it has no run.json" in capsys.readouterr().err
    assert main(["studio", str(tmp_path), "--port", "many"]) == 2


def test_a_port_that_is_taken_is_named_with_the_option_that_helps(trained, capsys):
    with serving(make_app([trained / "run"])) as address:
        port = address.rpartition(":")[2]
        assert main(["studio", str(trained / "run"), "--port", port]) == 2
    assert f"127.0.0.1:{port} cannot be listened on" in capsys.readouterr().err


def test_a_closed_tab_cancels_its_work_and_the_next_one_is_served(trained):
    app = make_app([trained / "run"])
    with serving(app) as address, httpx2.Client(base_url=address, timeout=120) as client:
        while client.get("/api/runs").json()["loading"]:
            time.sleep(0.05)
        ((fingerprint, desk),) = app.state.shelf.desks.items()
        let_it_sound(desk.composer)
        compose, n_written = desk.bench.compose, []

        def slowly(sketch, **options):
            for step in compose(sketch, **options):
                n_written.append(1)
                time.sleep(0.02)
                yield step

        desk.bench.compose = slowly
        piece = client.post("/api/begin", json={"run": fingerprint}).json()["recipe"]
        asked = {"piece": piece, "bars": 128, "seed": 1}
        with client.stream("POST", "/api/compose", json=asked) as answer:
            first = next(line for line in answer.iter_lines() if line)
        assert json.loads(first[6:])["event"] == "bar"
        end = time.monotonic() + 120
        while len(app.state.turns):
            assert time.monotonic() < end, "the work was not given up"
            time.sleep(0.01)
        assert len(n_written) < 100
        answer = client.post("/api/compose", json={**asked, "bars": 1})
        assert answer.text.count('"event": "bar"') == 1


def test_a_second_request_is_told_its_place_in_the_queue(trained):
    app = make_app([trained / "run"])
    with serving(app) as address, httpx2.Client(base_url=address, timeout=120) as client:
        while client.get("/api/runs").json()["loading"]:
            time.sleep(0.05)
        (fingerprint,) = app.state.shelf.desks
        piece = client.post("/api/begin", json={"run": fingerprint}).json()["recipe"]
        asked = {"piece": piece, "bars": 128, "seed": 1}
        with (
            client.stream("POST", "/api/compose", json=asked) as first,
            client.stream("POST", "/api/compose", json={**asked, "bars": 1}) as second,
        ):
            events = [json.loads(line[6:]) for line in second.iter_lines() if line]
            assert first.status_code == 200
        assert events[0] == {"event": "waiting", "place": 1}
        assert [event["event"] for event in events[1:]] == ["bar", "piece"]


def test_another_address_than_this_machine_itself_is_served_with_a_token_only(trained):
    words = [sys.executable, "-m", "nextbar", "studio", str(trained / "run"), "--port", "0"]
    process = subprocess.Popen([*words, "--host", "0.0.0.0"], stdout=subprocess.PIPE, text=True)
    try:
        said = process.stdout.readline()
        address, token = re.search(r"(http://\S+:\d+)/\?token=(\S{20,})", said).groups()
        assert address.startswith("http://127.0.0.1:")  # 0.0.0.0 is nothing to open
        others = re.search(r"others: +http://([\d.]+|[\w-]+):", process.stdout.readline())
        assert others[1] != "0.0.0.0"
        assert httpx2.get(f"{address}/api/runs", timeout=120).status_code == 401
        with httpx2.Client(base_url=address, follow_redirects=True, timeout=120) as client:
            assert "nextbar studio" in client.get(f"/?token={token}").text
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
