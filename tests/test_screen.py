"""What is shown while something is done."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from nextbar import screen


@pytest.fixture
def clock(monkeypatch):
    """The seconds of a clock that the test turns."""
    now = [0.0]
    # The room's alone: others that run beside the test need theirs to go on.
    monkeypatch.setattr(screen, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_the_time_left_is_that_of_what_is_counted_now(clock):
    shown = io.StringIO()
    with screen.progress_bar(Console(file=shown, width=200), "training") as update:
        for seconds, done, total in ((0, 1, 10), (900, 10, 10), (1000, 1, 20), (1010, 11, 20)):
            clock[0] = seconds
            update(done, total, "so far")
    # Behind 1,000 s twenty others are counted: ten in 10 s, so the nine that are left take
    # 10 / 11 s each, as the first was done in no time.
    assert shown.getvalue().splitlines() == [
        "training: 10/10, so far, 0 s left",
        "training: 1/20, so far, 0 s left",
        "training: 11/20, so far, 8 s left",
    ]
