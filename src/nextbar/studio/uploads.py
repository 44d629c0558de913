"""A file that somebody dropped on the page -> its notes, read by a process of its own.

A file from anywhere may make a parser crash, hang or eat memory. It is read
by a process with limits, and costs that process only.
"""

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final

from nextbar.errors import MusicFileError, UsageError
from nextbar.workers import TOO_LONG, Lost, map_in_workers

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
