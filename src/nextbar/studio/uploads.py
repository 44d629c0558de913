"""A file that somebody dropped on the page -> its notes, read by a process of its own.

A file from anywhere may make a parser crash, hang or eat memory. It is read
by a process with limits, and costs that process only.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from nextbar.errors import MusicFileError, UsageError

LARGEST_BYTES: Final = 4 * 2**20
MOST_SECONDS: Final = 20.0
MOST_MEMORY: Final = 2 * 2**30
MOST_BARS: Final = 512
MOST_NOTES: Final = 8_192


def read_upload(data: bytes, *, name: str, track: str, kind: dict[str, Any]) -> dict[str, Any]:
    """What the file holds: its tracks, and the notes of the chosen one on the grid of ``kind``.

    Gives ``tracks`` (number, name, notes each), ``notes`` (start, duration,
    pitch, velocity, in steps), ``bars``, ``transposed`` (semitones to the
    common key, 0 without one) and ``cut``, whether the file is longer than 512
    bars or 8,192 notes and only its beginning was taken. Raises UsageError
    with the reason where the file cannot be read.
    """
    if len(data) > LARGEST_BYTES:
        raise UsageError(f"{name}: it has over {LARGEST_BYTES // 2**20} MB; give a smaller file")
    asked = json.dumps({"name": name, "track": track, "kind": kind}).encode()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "nextbar.studio.uploads"],
            input=asked + b"\n" + data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=MOST_SECONDS,
            check=False,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"{name}: reading it takes too long; save it anew") from error
    except ValueError as error:
        raise UsageError(f"{name}: it cannot be read; save it anew from a music program") from error
    if "error" in answer:
        raise UsageError(answer["error"])
    return dict(answer)


def main() -> None:
    """The process: a line of JSON and the file on stdin, JSON on stdout."""
    _limit()
    asked = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read(LARGEST_BYTES + 1)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a parser prints is no answer
    try:
        answer = _read(data, asked)
    except (MusicFileError, UsageError) as error:
        answer = {"error": str(error)}
    json.dump(answer, answers)
    answers.flush()


def _read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    from nextbar.music.grid import semitones_to_c
    from nextbar.music.kind import BarKind
    from nextbar.music.midi import parse_tunes, pitched_tracks
    from nextbar.music.reading import options_of_kind, read_pieces

    kind = BarKind.from_json(asked["kind"])
    options = options_of_kind(kind, track=asked["track"])
    suffix = Path(asked["name"]).suffix.lower()
    with tempfile.TemporaryDirectory(prefix="nextbar-upload-") as folder:
        path = Path(folder, f"upload{suffix if suffix in ('.abc', '.mid') else '.mid'}")
        path.write_bytes(data)
        result = read_pieces(path, name=asked["name"], options=options)
        if not result.pieces:
            refusal = result.refusals[0]
            raise MusicFileError(refusal.message, reason=refusal.reason)
        tunes, _ = parse_tunes(data, name=path.name)
    piece = result.pieces[0]
    notes = piece.grid.notes
    end = MOST_BARS * kind.n_steps
    kept = notes[notes["start"] + notes["duration"] <= end][:MOST_NOTES]
    return {
        "tracks": [
            {"number": number, "name": listed.track.name[:80], "notes": len(listed.track.notes)}
            for number, listed in enumerate(pitched_tracks(tunes[0].score), start=1)
        ],
        "notes": kept.tolist(),
        "bars": min(piece.n_bars, MOST_BARS),
        "transposed": semitones_to_c(notes) if kind.common_key else 0,
        "cut": len(kept) < len(notes),
    }


def _limit() -> None:
    """Bounds this process's memory and time, where the system can."""
    try:
        import resource
    except ImportError:  # Windows; the time limit of the parent stands
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    seconds = int(MOST_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
