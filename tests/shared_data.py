"""Published data that some tests compare with, where it is at hand."""

import os
from pathlib import Path

import pytest


def shared_data(name: str) -> Path:
    """A file of the published data; the test is skipped where it is not at hand."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("NEXTBAR_SHARED_DATA", beside)) / name
    if not path.exists():
        pytest.skip(f"{name} is not at hand; set NEXTBAR_SHARED_DATA to the folder that has it")
    return path
