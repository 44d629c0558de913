"""What the studio refuses: strangers, other sites, and requests that make no sense."""

import json

import pytest
from fastapi.testclient import TestClient

from nextbar.studio.app import make_app
from nextbar.studio.safety import is_loopback

from .speaking import begin, compose


def test_a_name_that_is_not_ours_is_refused_so_that_no_site_can_rebind_its_own(studio):
    for host in ("evil.example", "127.0.0.1.evil.example:8765", "", "localhost.evil.example"):
        answer = studio.get("/api/runs", headers={"host": host})
        assert answer.status_code == 400
        assert "not served as" in answer.json()["error"]
    for host in ("127.0.0.1:8765", "localhost:8765", "LOCALHOST", "[::1]:8765"):
        assert studio.get("/api/runs", headers={"host": host}).status_code == 200


def test_the_page_of_another_site_cannot_ask_for_anything(studio, run):
    asked = {"run": run["fingerprint"]}
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert studio.post("/api/begin", json=asked, headers=headers).status_code == 403
    own = {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}
    assert studio.post("/api/begin", json=asked, headers=own).status_code == 200


def test_a_link_on_another_site_opens_the_page_and_nothing_else(studio):
    there = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    opened = {**there, "sec-fetch-dest": "document"}
    framed = {**there, "sec-fetch-dest": "iframe"}
    assert studio.get("/", headers=opened).status_code == 200
    assert studio.get("/", headers=framed).status_code == 403
    assert studio.get("/api/runs", headers=opened).status_code == 403


def test_every_answer_allows_the_page_its_own_files_only(studio):
    policy = studio.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert studio.get("/nowhere").headers["x-content-type-options"] == "nosniff"


def test_with_a_token_nothing_is_answered_without_it(trained):
    app = make_app([trained / "run"], hosts=[], token="sesame")
    with TestClient(app, base_url="http://192.168.0.9:8765") as client:
        assert client.get("/").status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        answer = client.get("/api/runs")
        assert answer.status_code == 401
        assert "open the address that" in answer.json()["error"]
        bearer = {"authorization": "Bearer sesame"}
        assert client.get("/api/runs", headers=bearer).status_code == 200
        opened = client.get("/?token=sesame", follow_redirects=False)
        assert opened.headers["location"] == "/"
        assert "HttpOnly" in opened.headers["set-cookie"]
        assert "SameSite=strict" in opened.headers["set-cookie"]
        assert client.get("/api/runs").status_code == 200  # by the cookie


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.168.0.9", False),
        ("localhost.evil.example", False),
    ],
)
def test_only_this_machine_itself_needs_no_token(host, expected):
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        "null",
        '"text"',
        "NaN",
        '{"run": NaN}',
        '{"piece": {}, "bars": 1e400}',
        "[" * 5_000,
        '{"bars": ' + "9" * 5_000 + "}",
        "\udcff".encode("utf-8", "surrogateescape"),
    ],
)
@pytest.mark.parametrize("path", ["begin", "open", "compose", "roll", "export/mid"])
def test_a_body_that_is_no_request_is_answered_with_a_sentence(studio, body, path):
    answer = studio.post(f"/api/{path}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bars", 0),
        ("bars", 513),
        ("bars", 2.5),
        ("bars", "4"),
        ("bars", True),
        ("bars", 10**30),
        ("seed", -1),
        ("seed", 2**53),
        ("seed", None),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("temperature", 1e308),
        ("temperature", "hot"),
        ("follow", 1.01),
        ("follow", []),
        ("surprise", 1),
    ],
)
def test_each_field_is_bounded_and_named_where_it_is_wrong(studio, run, field, value):
    asked = {"piece": begin(studio, run)["recipe"], "bars": 1, "seed": 1, field: value}
    body = json.dumps(asked)  # writes NaN and Infinity, as a careless client would
    answer = studio.post("/api/compose", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"{field}: ")


def test_a_recipe_changed_by_hand_is_refused(studio, run):
    recipe = compose(studio, begin(studio, run), bars=1)["recipe"]
    (name,) = recipe["bars"]
    changed = {**recipe, "made": {name: {**recipe["made"][name], "seed": 2}}}
    answer = studio.post("/api/open", json={"piece": changed})
    assert answer.status_code == 400
    assert "is not what its recipe says" in answer.json()["error"]


def test_nothing_but_the_pages_own_files_can_be_read(studio):
    for path in ("/static/../app.py", "/static/%2e%2e%2fapp.py", "/static/app.py", "/run.json"):
        assert studio.get(path).status_code == 404


def test_the_api_describes_itself_and_loads_no_page_of_another_site(studio):
    described = studio.get("/openapi.json").json()
    assert "/api/compose" in described["paths"]
    assert studio.get("/docs").status_code == 404
