"""Learns nothing, as soon as it is not stopped: the base becomes the run."""

import json
import shutil
import signal
import sys
import time
from pathlib import Path


def main():
    base, files, out = map(Path, sys.argv[1:])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as the real one does
    n_files = len([*files.iterdir()])
    print(json.dumps({"says": f"{n_files} files"}), flush=True)
    print("no JSON", flush=True)
    if not out.exists():  # the first time it goes on until it is stopped
        out.mkdir()
        try:
            for step in range(1000):
                print(json.dumps({"done": step + 1, "of": 1000}), flush=True)
                time.sleep(0.1)
        except KeyboardInterrupt:
            return 130
    shutil.copytree(base, out, dirs_exist_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
