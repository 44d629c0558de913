"""A studio with a small model that sounds, spoken to without a socket."""

import pytest

pytest.importorskip("fastapi", reason="needs the extra `studio`")

from fastapi.testclient import TestClient

from nextbar.studio.app import make_app

from ..fixtures import let_it_sound

ADDRESS = "http://127.0.0.1:8765"


@pytest.fixture(scope="session")
def studio(trained):
    """The application, its run loaded."""
    app = make_app([trained / "run"])
    with TestClient(app, base_url=ADDRESS) as client:
        while client.get("/api/runs").json()["loading"]:
            pass
        (desk,) = app.state.shelf.desks.values()
        let_it_sound(desk.composer)
        yield client


@pytest.fixture(scope="session")
def run(studio):
    """What the studio says of its run."""
    return studio.get("/api/runs").json()["runs"][0]
