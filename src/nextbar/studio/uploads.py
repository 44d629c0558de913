"""A file that somebody dropped on the page -> its notes, read by a process of its own.

A file from anywhere may make a parser crash, hang or eat memory. It is read
by a process with limits, and costs that process only.
"""

import json
import re
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from typing import Any, Final

from nextbar.errors import MusicFileError, UsageError
from nextbar.workers import TOO_LONG, Lost, map_in_workers

LARGEST_BYTES: Final = 4 * 2**20
MOST_SECONDS: Final = 20.0
MOST_MEMORY: Final = 2 * 2**30
MOST_STRETCHES: Final = 8
"""Of bars that are listed in a sentence."""
ON_THE_PAGE: Final = {
    "choose another track with --track, or leave it out": "choose another track, or all tracks",
    "choose another with --track, or leave --track out": "choose another track, or all tracks",
    "--track drums takes them as pitches": "give a file with notes of pitch",
    "; --track takes one of them:": ":",
}
"""What the command line advises, and what there is to do on the page."""


def read_upload(
    data: bytes, *, name: str, track: str, kind: dict[str, Any], tune: int | None = None
) -> dict[str, Any]:
    """What the file holds: its tracks, and the notes of the chosen one on the grid of ``kind``.

    tune: from 1; None is the first that can be gone on from.
    Gives ``tracks`` (number, name, notes each) and ``notes`` (start, duration,
    pitch, velocity, in steps) of one tune, ``tune`` of ``tunes``, ``choices``
    (number and name of each tune that was asked for and can be gone on from),
    ``bars``, and of each bar ``metres``, ``starts`` (in steps, the last one's
    end too) and ``known``, whether the model knows its metre and so can go on
    from it. ``first_bar``: the first that sounds, from 1. ``sound`` (tempo,
    program, name), ``says`` (what was left out, in sentences), ``transposed``
    (semitones to the common key, 0 without one) and ``cut``, whether the file
    is longer than 512 bars or 8,192 notes and only its beginning was taken.
    Raises UsageError with the reason where the file cannot be read.
    """
    if len(data) > LARGEST_BYTES:
        raise UsageError(f"{name}: it has over {LARGEST_BYTES // 2**20} MB; give a smaller file")
    [(_, result)] = map_in_workers(
        partial(_answer, data=data),
        [json.dumps({"name": name, "track": track, "tune": tune, "kind": kind})],
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
        answer["says"] = list(map(_for_the_page, answer["says"]))
    except (MusicFileError, UsageError) as error:
        answer = {"error": _for_the_page(str(error))}
    return json.dumps(answer).encode()


def _for_the_page(sentence: str) -> str:
    """The sentence without what can only be typed at a command line."""
    for words, instead in ON_THE_PAGE.items():
        sentence = sentence.replace(words, instead)
    sentence = re.sub(r" \(--[^)]*\)", "", sentence)
    sentence = re.sub(r"; a model of a corpus prepared with --.*", "", sentence)
    return re.sub(r": nextbar prepare .*", "", sentence)


def _read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    # Loaded here, where the worker's limits hold already.
    from nextbar.music.grid import semitones_to_c
    from nextbar.music.kind import BarKind
    from nextbar.music.metre import show_metre
    from nextbar.music.reading import show_path
    from nextbar.writing.sketch import MOST_BARS, MOST_GIVEN_NOTES, sound_to_json
    from nextbar.writing.source import source_from_bytes, usable_pieces

    kind = BarKind.from_json(asked["kind"])
    chosen = {"track": asked["track"], "tune": asked["tune"]}
    source = source_from_bytes(data, name=asked["name"], kind=kind, **chosen)
    piece = source.piece
    notes = piece.grid.notes
    n_bars = min(piece.n_bars, MOST_BARS)
    metres = list(map(show_metre, source.metres[:n_bars]))
    known = [metre in kind.metres for metre in piece.metres[:n_bars]]
    end = int(piece.starts[n_bars])
    kept = notes[notes["start"] + notes["duration"] <= end][:MOST_GIVEN_NOTES]
    return {
        "tracks": [
            {"number": number, "name": name[:80], "notes": n_notes}
            for number, (name, n_notes) in enumerate(piece.tracks, start=1)
        ],
        "tune": piece.number,
        "tunes": source.found.n_tunes,
        "choices": [
            {"number": each.number, "name": next(filter(None, each.instruments), "")[:80]}
            for each in usable_pieces(source.found, kind)
        ],
        "notes": kept.tolist(),
        "bars": n_bars,
        "metres": metres,
        "starts": piece.starts[: n_bars + 1].tolist(),
        "known": known,
        "first_bar": piece.n_silent_bars + 1,
        "sound": sound_to_json(source.sound),
        "says": [*source.remarks(), *_say_unknown(show_path(piece.name), metres, known)],
        "transposed": semitones_to_c(notes) if kind.common_key else 0,
        "cut": len(kept) < len(notes),
    }


def _say_unknown(name: str, metres: list[str], known: list[bool]) -> Iterator[str]:
    """Which bars the model can go on from, in a sentence; none where it knows all metres."""
    unknown = dict.fromkeys(m for m, is_known in zip(metres, known, strict=True) if not is_known)
    if unknown:
        shown = " or ".join(unknown)
        goes_on = f"it can go on from {_show_stretches(known)}" if any(known) else "choose another"
        yield f"{name}: the model does not know {shown}; {goes_on}"


def _show_stretches(chosen: list[bool]) -> str:
    """``bars 1 to 4, 7`` of the bars that are chosen; of many stretches the first."""
    stretches, bar = [], 1
    for is_chosen, same in groupby(chosen):
        last = bar + len(list(same)) - 1
        if is_chosen:
            stretches.append(f"{bar} to {last}" if last > bar else f"{bar}")
        bar = last + 1
    more = ", and others" if len(stretches) > MOST_STRETCHES else ""
    word = "bar" if chosen.count(True) == 1 else "bars"
    return f"{word} {', '.join(stretches[:MOST_STRETCHES])}{more}"
