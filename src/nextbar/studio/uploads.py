"""A file that somebody dropped on the page -> its notes, read by a process of its own.

A file from anywhere may make a parser crash, hang or eat memory. It is read
by a process with limits, and costs that process only.
"""

import json
from functools import partial
from typing import Any, Final

from nextbar.errors import MusicFileError, UsageError
from nextbar.workers import TOO_LONG, Lost, map_in_workers

LARGEST_BYTES: Final = 4 * 2**20
MOST_SECONDS: Final = 20.0
MOST_MEMORY: Final = 2 * 2**30


def read_upload(data: bytes, *, name: str, track: str, kind: dict[str, Any]) -> dict[str, Any]:
    """What the file holds: its tracks, and the notes of the chosen one on the grid of ``kind``.

    Gives ``tracks`` (number, name, notes each) and ``notes`` (start, duration,
    pitch, velocity, in steps) of one tune, ``tune`` of ``tunes``, ``bars``,
    ``metres`` (of each bar), ``first_bar`` (the first that sounds, from 1),
    ``sound`` (tempo, program, name), ``says`` (what was left out, in sentences), ``transposed``
    (semitones to the common key, 0 without one) and ``cut``, whether the file
    is longer than 512 bars or 8,192 notes and only its beginning was taken.
    Raises UsageError with the reason where the file cannot be read.
    """
    if len(data) > LARGEST_BYTES:
        raise UsageError(f"{name}: it has over {LARGEST_BYTES // 2**20} MB; give a smaller file")
    [(_, result)] = map_in_workers(
        partial(_answer, data=data),
        [json.dumps({"name": name, "track": track, "kind": kind})],
        n_workers=1,
        seconds=_most_seconds,
        memory_bytes=MOST_MEMORY,
        fresh=True,  # the studio has threads, and what it has in memory is no parser's business
    )
    if isinstance(result, Lost) and result.reason == TOO_LONG:
        raise UsageError(f"{name}: reading it takes too long; save it anew")
    if isinstance(result, Lost):
        raise UsageError(f"{name}: it cannot be read; save it anew from a music program")
    answer: dict[str, Any] = json.loads(result)
    if "error" in answer:
        raise UsageError(answer["error"])
    return answer


def _most_seconds(_: str) -> float:
    return MOST_SECONDS


def _answer(asked: str, *, data: bytes) -> bytes:
    """What :func:`read_upload` gives, or the reason why not, as JSON; runs in a worker."""
    try:
        answer = _read(data, json.loads(asked))
    except (MusicFileError, UsageError) as error:
        answer = {"error": str(error)}
    return json.dumps(answer).encode()


def _read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    # Loaded here, where the worker's limits hold already.
    from nextbar.music.grid import semitones_to_c
    from nextbar.music.kind import BarKind
    from nextbar.music.metre import show_metre
    from nextbar.writing.sketch import MOST_BARS, MOST_GIVEN_NOTES, sound_to_json
    from nextbar.writing.source import source_from_bytes

    kind = BarKind.from_json(asked["kind"])
    source = source_from_bytes(data, name=asked["name"], kind=kind, track=asked["track"])
    piece = source.piece
    notes = piece.grid.notes
    n_bars = min(piece.n_bars, MOST_BARS)
    end = int(piece.starts[n_bars])
    kept = notes[notes["start"] + notes["duration"] <= end][:MOST_GIVEN_NOTES]
    return {
        "tracks": [
            {"number": number, "name": name[:80], "notes": n_notes}
            for number, (name, n_notes) in enumerate(piece.tracks, start=1)
        ],
        "tune": piece.number,
        "tunes": source.found.n_tunes,
        "notes": kept.tolist(),
        "bars": n_bars,
        "metres": list(map(show_metre, source.metres[:n_bars])),
        "first_bar": piece.n_silent_bars + 1,
        "sound": sound_to_json(source.sound),
        "says": list(source.remarks()),
        "transposed": semitones_to_c(notes) if kind.common_key else 0,
        "cut": len(kept) < len(notes),
    }
