"""The process that learns: ``python -m nextbar.studio.adapt_worker BASE FILES RUN``.

It says how far it is as lines of JSON: ``{"done": 3, "of": 90}``, ``{"says": sentence}``, at
the end ``{"error": sentence}`` where it failed. SIGINT stops it with a checkpoint.
"""

import json
import os
import signal
import sys
import time
from contextlib import suppress

SAID_EVERY = 0.25
"""Seconds."""


def main() -> int:
    """Adapts; returns the exit code: 0, done; 1, failed; 130, stopped."""
    base, files, out = sys.argv[1:]
    # A studio that was started in the background may have been told to ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with suppress(AttributeError, OSError):  # who plays comes first; Windows has no such thing
        os.nice(10)
    try:
        from nextbar.errors import NextbarError
        from nextbar.frames.training import StepDone
        from nextbar.training.adapt import adapt

        latest = 0.0

        def show(now: StepDone) -> None:
            nonlocal latest
            if time.monotonic() - latest > SAID_EVERY:
                latest = time.monotonic()
                _tell({"done": now.step, "of": now.n_steps})

        try:
            adapt(base, files, out, progress=show, say=lambda said: _tell({"says": said}))
        except NextbarError as error:
            _tell({"error": str(error)})
            return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _tell(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    sys.exit(main())
