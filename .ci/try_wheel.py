#!/usr/bin/env python
"""What a user does who has the wheel and nothing else, with each Python that is named.

    python .ci/try_wheel.py [--oldest] [--wheel WHEEL] [PYTHON ...]

Builds the wheel from the sdist, installs it alone into a fresh environment and tries it in an
empty folder: that it writes, prepares, trains and measures; that each missing extra is named;
and then each extra. --oldest: the oldest versions that pyproject.toml allows, which needs uv;
where uv is there it is used for all, for it is quick. Ends with 1 where anything is not so.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALONE = """
--version
doctor
generate --out music --pieces 2 --bars 8
export chorales --out chorales.nextbar
generate chorales.nextbar --out voices --pieces 1 --bars 4
prepare music --out corpus
train corpus --out run --preset small --epochs 1 --phrase-updates 0
inspect run
generate run --out own --pieces 1 --bars 2
evaluate music --out report
verify music --training fiddle
"""
NEEDS = {
    "audio": "generate --out x --pieces 1 --wav",
    "folk": "generate --out x --pieces 1 --chords C",
    "hub": "inspect hub:owner/name",
    "midi": "jam",
    "studio": "studio",
}
"""Of each extra what asks for it."""
WITH = {
    "audio": "generate --out sound --pieces 1 --bars 4 --wav",
    "folk": "generate --out chords --pieces 1 --bars 4 --chords C --musicxml",
    "hub": "inspect hub:owner/name",
    "studio": "export fiddle --web page",
}
"""Of each extra what it is for; midi needs a device."""
NOWHERE = "http://127.0.0.1:9"


class Tried:
    """An environment, an empty folder, and what went wrong."""

    def __init__(self, python: str, place: Path, oldest: bool) -> None:
        self.place, self.oldest, self.wrong = place, oldest, list[str]()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        self.env |= {"OMP_NUM_THREADS": "1", "HF_ENDPOINT": NOWHERE, "HF_HOME": str(place / "hf")}
        self.uv = shutil.which("uv")
        home = place / "env"
        make = [self.uv, "venv", "-q", "--python", python] if self.uv else [python, "-m", "venv"]
        subprocess.run([*make, str(home)], check=True)
        bin_ = home / ("Scripts" if os.name == "nt" else "bin")
        self.python, self.nextbar = str(bin_ / "python"), str(bin_ / "nextbar")
        self.work = place / "work"
        self.work.mkdir()

    def install(self, what: str) -> bool:
        """Whether it could be installed."""
        if self.uv:
            words = [self.uv, "pip", "install", "-q", "--python", self.python]
            words += ["--resolution", "lowest-direct"] if self.oldest else []
        else:
            words = [self.python, "-m", "pip", "install", "-q"]
        return subprocess.run([*words, what], env=self.env).returncode == 0

    def run(self, command: str, *, code: int = 0, says: str = "") -> None:
        """Notes where it ends otherwise, says something else, or ends in a traceback."""
        done = subprocess.run(
            [self.nextbar, *command.split()],
            cwd=self.work, env=self.env, capture_output=True, text=True, encoding="utf-8",
        )  # fmt: skip
        said = " ".join((done.stdout + done.stderr).split())
        good = done.returncode == code and says in said and "Traceback" not in said
        print("ok   " if good else "WRONG", f"nextbar {command}", flush=True)
        if not good:
            self.wrong.append(f"nextbar {command}: {done.returncode}\n{done.stdout}{done.stderr}")

    def serve(self) -> None:
        """Opens the studio's page."""
        process = subprocess.Popen(
            [self.nextbar, "studio", "--port", "0"],
            cwd=self.work, env=self.env, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            address = re.search(r"http://\S+", process.stdout.readline())
            page = urllib.request.urlopen(address[0], timeout=60).read() if address else b""
        finally:
            process.terminate()
            process.wait()
        good = b"nextbar" in page
        print("ok   " if good else "WRONG", "nextbar studio", flush=True)
        if not good:
            self.wrong.append("nextbar studio: its page is not served")


def built(place: Path) -> Path:
    """The wheel, from the sdist, as an index would have both."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(place), str(ROOT)], check=True)
    return next(place.glob("*.whl"))


def wrongs(python: str, wheel: Path, place: Path, oldest: bool) -> Iterator[str]:
    """What is not as it should be with that Python."""
    tried = Tried(python, place, oldest)
    if not tried.install(str(wheel)):
        yield "the wheel could not be installed"
        return
    for command in ALONE.strip().splitlines():
        tried.run(command)
    for extra, command in NEEDS.items():
        tried.run(command, code=2, says=f"pip install 'nextbar[{extra}]'")
    for extra, command in WITH.items():
        if not tried.install(f"{wheel}[{extra}]"):
            yield f"the extra {extra} could not be installed"
        elif extra == "hub":
            tried.run(command, code=1, says=f"{NOWHERE} gives no answer")
        else:
            tried.run(command)
    tried.serve()
    tried.run("doctor")
    yield from tried.wrong
    seen = "import torch, numpy; print('torch', torch.__version__, 'numpy', numpy.__version__)"
    subprocess.run([tried.python, "-c", seen], env=tried.env)


def main() -> int:
    """The exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--oldest", action="store_true")
    options.add_argument("--wheel", type=Path)
    options.add_argument("pythons", nargs="*", metavar="PYTHON", default=[sys.executable])
    given = options.parse_args()
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="nextbar-release-") as above:
        wheel = given.wheel.resolve() if given.wheel else built(Path(above))
        for nth, python in enumerate(given.pythons):
            print(f"== {python}", flush=True)
            place = Path(above) / str(nth)
            place.mkdir()
            found += [f"{python}: {wrong}" for wrong in wrongs(python, wheel, place, given.oldest)]
    print("\n".join(found) or "all is as it should be")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
