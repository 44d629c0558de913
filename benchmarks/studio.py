"""How soon the studio's page is there, beside what importing PyTorch alone takes, in one run.

    python benchmarks/studio.py RUN [--rounds 5]

Prints a table and, last, one line of JSON.
"""

import argparse
import json
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request


def time_import() -> float:
    """Seconds until a new Python has imported PyTorch."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - begun


def time_studio(run: str) -> tuple[float, float]:
    """Seconds from the command to the page, and to the loaded model."""
    begun = time.perf_counter()
    words = [sys.executable, "-m", "nextbar", "studio", run, "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the studio did not start"
        with urllib.request.urlopen(found[0]) as page:
            page.read()
        page_there = time.perf_counter() - begun
        while json.load(urllib.request.urlopen(found[0] + "api/runs"))["loading"]:
            time.sleep(0.2)
        loaded = time.perf_counter() - begun
        process.send_signal(signal.SIGINT)
    return page_there, loaded


def main() -> None:
    """Prints the medians of some rounds, each of one of both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a folder made by `nextbar train`")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    rounds = [(time_import(), *time_studio(asked.run)) for _ in range(asked.rounds)]
    torch, page, loaded = (statistics.median(column) for column in zip(*rounds, strict=True))
    for name, seconds in (("import torch", torch), ("page", page), ("model loaded", loaded)):
        print(f"{name:14} {seconds:6.2f} s  {seconds / torch:5.2f} of importing PyTorch")
    figures = {"import_torch_s": torch, "page_s": page, "loaded_s": loaded, "ratio": page / torch}
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
