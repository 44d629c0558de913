"""Beats of played music: by beat files, and estimated, beside pretty_midi's and beside the truth.

    python benchmarks/beats.py FOLDER_OR_ZIP_OF_MIDI_AND_BEAT_FILES
    python benchmarks/beats.py FOLDER_OR_ZIP_OF_MIDI_AND_BEAT_FILES --typeset FOLDER_OR_ZIP
    python benchmarks/beats.py FOLDER_OR_ZIP_OF_MIDI_AND_BEAT_FILES --skip 150 --seed 909
    python benchmarks/beats.py FOLDER_OR_ZIP_OF_MIDI_AND_BEAT_FILES --play FOLDER_OR_ZIP

A song is a MIDI file with its beat file beside it (`SONG.mid`, `SONG.beats.txt`),
as in POP909. With its beat file: is it taken, and what share of its onsets lies
within a fifth of a sixteenth of one. Without: which songs are taken, and how well
the estimated beats and downbeats agree with those of the beat file, F-measure
with mir_eval's window of 70 ms (each estimate is of one true beat at most; the
first five seconds count too); the recall of downbeats; the share of songs
whose beats are right (F above 0.9), and how sure it was said to be beside how many were
right. By default a song that is not taken for played keeps the bars that its file
states. pretty_midi is given the same file: its `get_beats` and `get_downbeats`,
from the `estimate_beat_start` that it finds. --typeset: files none of which was
played, so that each that is taken for played is a false alarm. --skip: leaves out
so many songs, drawn by the seed, on which the method was built. --play: typeset
files in one metre, at most 25 of each, are played by a tempo that wanders by an eighth
and more, each note up to some 25 ms beside its place, and their beats estimated: by
metre, how many have beats in three parts, and how many downbeats are right.

Where a song has its chords beside it too (`SONG.chords.txt`: begin, end, name), songs of
which more than a tenth of the chords begin a beat after a downbeat of the beat file
are told apart: bass and chords say that its bars are a beat early. Prints a table
and, as the last line, all figures as JSON.
"""

import argparse
import contextlib
import io
import json
import random
import sys
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mido
import numpy as np
import numpy.typing as npt
import pretty_midi
from rich.console import Console
from rich.table import Table

from nextbar.errors import MusicFileError
from nextbar.music.beat_grid import TICKS_PER_QUARTER, set_to_beats
from nextbar.music.beats import (
    estimate_beats,
    is_played,
    onsets_of,
    read_beat_file,
)
from nextbar.music.midi import parse_tunes
from nextbar.music.options import CorpusOptions
from nextbar.music.reading import finish, parse_file
from nextbar.music.tunes import Tune

WINDOW_SECONDS = 0.07
FIFTH_OF_A_SIXTEENTH = 1 / 20
"""In quarters."""
RIGHT = 0.9
MOST_BEHIND = 0.1
MOST_PLAYED = 25
SURE = (0.5, 0.6, 0.7, 0.8, 0.9)
Times = npt.NDArray[np.float64]


def read_all(source: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file():
                yield path.relative_to(source).as_posix(), path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        for name in sorted(archive.namelist()):
            if not name.endswith("/"):
                yield name, archive.read(name)


def find_songs(source: Path) -> dict[str, tuple[bytes, bytes, bytes | None]]:
    """The MIDI files that have a beat file beside them, that, and their chord file, by name."""
    files = dict(read_all(source))
    stems = {name: name.rpartition(".")[0] + ".beats.txt" for name in files}
    return {
        name: (files[name], files[stem], files.get(stem.replace(".beats.", ".chords.")))
        for name, stem in stems.items()
        if name.lower().endswith((".mid", ".midi")) and stem in files
    }


def is_a_beat_early(beat_file: bytes, chord_file: bytes) -> bool:
    """Whether the beat file's bars begin a beat before those that the chord file tells of."""
    beats, downbeats = true_downbeats(beat_file)
    rows = [line.split() for line in chord_file.decode().splitlines()]
    begins = np.array([float(row[0]) for row in rows if row and row[-1] != "N"])
    beat = np.searchsorted(beats, begins + WINDOW_SECONDS, side="right") - 1
    bars = np.searchsorted(beats, downbeats, side="left")
    bar = np.searchsorted(bars, beat, side="right") - 1
    after = beat[bar >= 0] - bars[bar[bar >= 0]]
    return bool(len(after) and (after == 1).mean() > MOST_BEHIND)


def true_downbeats(beat_file: bytes) -> tuple[Times, Times]:
    """The beats, and the downbeats as the last column of the file has them, in seconds."""
    rows = [line.split() for line in beat_file.decode().splitlines() if line.strip()]
    table = np.array(rows, np.float64)
    return table[:, 0], table[table[:, -1] == 1, 0]


def matched(found: Times, true: Times) -> tuple[float, float]:
    """F-measure and recall, each found one being at most one true one's, within 70 ms."""
    hits = i = j = 0
    while i < len(found) and j < len(true):
        if abs(found[i] - true[j]) <= WINDOW_SECONDS:
            hits, i, j = hits + 1, i + 1, j + 1
        elif found[i] < true[j]:
            i += 1
        else:
            j += 1
    both = len(found) + len(true)
    return (2 * hits / both if both else 0.0), (hits / len(true) if len(true) else 0.0)


def peer_beats(data: bytes) -> tuple[Times, Times, Times]:
    """pretty_midi's beats and downbeats, from where it estimates that they start.

    Also the downbeats that the file states.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        music = pretty_midi.PrettyMIDI(io.BytesIO(data))
        start = music.estimate_beat_start()
        found = (music.get_beats(start), music.get_downbeats(start), music.get_downbeats())
        return np.asarray(found[0]), np.asarray(found[1]), np.asarray(found[2])


def judge(name: str, data: bytes, beat_file: bytes, chords: bytes | None) -> dict[str, Any]:
    """All figures of a song."""
    beats, downbeats = true_downbeats(beat_file)
    found: dict[str, Any] = {"name": name, "taken_with_file": False, "share_near": 0.0, "onsets": 1}
    tunes, _ = parse_tunes(data, name=name)
    if not tunes:
        return found
    parsed = parse_file(data, name=name, options=CorpusOptions(), beat_file=beat_file)
    found["taken_with_file"] = bool(finish([parsed], CorpusOptions())[0].pieces)
    with contextlib.suppress(MusicFileError):  # counted as not taken
        beats_read = read_beat_file(beat_file, name=name)
        found["share_near"] = share_near(set_to_beats(tunes[0], beats_read))
        found["onsets"] = len(onsets_of(tunes[0]))
    found["played"] = is_played(tunes[0])
    if chords is not None:
        found["is_early"] = is_a_beat_early(beat_file, chords)
    begin = time.perf_counter()
    try:
        estimate = estimate_beats(tunes[0])
    except MusicFileError:
        estimate = None
    found["seconds"] = time.perf_counter() - begin
    if estimate is not None:
        found["sure"] = estimate.sure
        found["beat_f"], _ = matched(estimate.seconds, beats)
        begins = estimate.seconds[estimate.downbeats]
        found["downbeat_f"], found["downbeat_recall"] = matched(begins, downbeats)
        step = float(np.median(np.diff(beats)))
        found["one_beat_late_f"], _ = matched(begins - step, downbeats)
    peer, peer_downbeats, stated = peer_beats(data)
    found["peer_beat_f"], _ = matched(peer, beats)
    found["peer_downbeat_f"], _ = matched(peer_downbeats, downbeats)
    found["default_f"] = found.get("downbeat_f", 0.0)
    if not found["played"]:
        found["default_f"], _ = matched(stated, downbeats)
    return found


def share_near(tune: Tune) -> float:
    """What share of the onsets lies within a fifth of a sixteenth of one."""
    sixteenths = onsets_of(tune) / TICKS_PER_QUARTER * 4
    return float((np.abs(sixteenths - np.round(sixteenths)) <= 4 * FIFTH_OF_A_SIXTEENTH).mean())


def mean(songs: list[dict[str, Any]], key: str) -> float:
    """The mean of a figure over the songs that have it."""
    values = [float(song[key]) for song in songs if key in song]
    return round(float(np.mean(values)), 4) if values else 0.0


def compare(songs: list[dict[str, Any]], least_sure: float) -> dict[str, Any]:
    """The figures of all songs."""
    sure = [song for song in songs if song.get("sure", -1) >= least_sure]
    by_sure = {}
    for low, high in zip((0.0, *SURE), (*SURE, 1.01), strict=True):
        part = [song for song in songs if low <= song.get("sure", -1) < high]
        if part:
            by_sure[f"{low:g}-{min(high, 1):g}"] = {
                "songs": len(part),
                "said": mean(part, "sure"),
                "downbeat F": mean(part, "downbeat_f"),
            }
    return {
        "songs": len(songs),
        "taken with beat files": mean(songs, "taken_with_file"),
        "onsets within a fifth of a sixteenth": round(
            float(
                np.average([s["share_near"] for s in songs], weights=[s["onsets"] for s in songs])
            ),
            4,
        ),
        "songs taken for played": mean(songs, "played"),
        "songs as sure as --least-sure": round(len(sure) / len(songs), 4),
        "beat F": mean(songs, "beat_f"),
        "beat F, sure ones": mean(sure, "beat_f"),
        "songs with the right beats": round(
            sum(song.get("beat_f", 0) > RIGHT for song in songs) / len(songs), 4
        ),
        "downbeat F": mean(songs, "downbeat_f"),
        "downbeat F, sure ones": mean(sure, "downbeat_f"),
        "downbeat recall, sure ones": mean(sure, "downbeat_recall"),
        "songs whose downbeats are all but the file's a beat later": round(
            sum(song.get("one_beat_late_f", 0) > 0.7 for song in songs) / len(songs), 4
        ),
        **by_chords(songs),
        "downbeat F, read by default": mean(songs, "default_f"),
        "sure, sure ones": mean(sure, "sure"),
        "by sure": by_sure,
        "pretty_midi, beat F": mean(songs, "peer_beat_f"),
        "pretty_midi, downbeat F": mean(songs, "peer_downbeat_f"),
        "seconds a song": mean(songs, "seconds"),
    }


def by_chords(songs: list[dict[str, Any]]) -> dict[str, Any]:
    """The recall of downbeats where the songs' own chords agree with their beat files, and not."""
    early, others = ([s for s in songs if s.get("is_early") is kind] for kind in (True, False))
    if not early or not others:
        return {}
    return {
        "downbeat recall": mean(songs, "downbeat_recall"),
        "songs whose own chords say that their bars are a beat early": len(early),
        "downbeat recall of these": mean(early, "downbeat_recall"),
        "downbeat recall of the others": mean(others, "downbeat_recall"),
    }


def play(tune: Tune, rng: np.random.Generator) -> tuple[bytes, Times] | None:
    """A tune in one metre as a file of one who plays it freely, and when its bars begin."""
    score, tpq = tune.score, tune.score.ticks_per_quarter
    signatures = {(s.numerator, s.denominator) for s in score.time_signatures}
    notes = tune.notes_of()
    if len(signatures) != 1 or not 64 <= len(notes["time"]) <= 1200:
        return None
    ((numerator, denominator),) = signatures
    quarter = score.tempos[0].mspq / 1e6 if len(score.tempos) else 0.5
    start, end = (
        ticks / tpq for ticks in (notes["time"], notes["time"] + np.maximum(notes["duration"], 1))
    )
    place = np.arange(0, end.max() + 4, 0.5)
    walk = np.cumsum(rng.normal(0, 0.012, len(place)))
    walk += 0.12 * np.sin(place / rng.uniform(3, 6)) - np.linspace(0, walk[-1], len(place))
    seconds = 0.3 + np.cumsum(quarter / 2 * np.exp(walk)) * rng.uniform(0.85, 1.18)
    beside = rng.normal(0, 0.012, len(start))
    times = np.stack([np.interp(at, place, seconds) + beside for at in (start, end)])
    events = [
        (max(round(960 * at), 0), kind, int(pitch))
        for kind, ats in ((1, times[0]), (0, np.maximum(times[1], times[0] + 0.03)))
        for at, pitch in zip(ats, notes["pitch"], strict=True)
    ]
    track, now = mido.MidiTrack(), 0
    for at, kind, pitch in sorted(events):
        track.append(mido.Message("note_on", note=pitch, velocity=80 * kind, time=at - now))
        now = at
    played = io.BytesIO()
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(file=played)
    bars = np.arange(0, start.max() + 0.01, 4 * numerator / denominator)
    return played.getvalue(), np.interp(bars, place, seconds)


def judge_played(source: Path, seed: int) -> dict[str, Any]:
    """By metre: how typeset tunes are read that were played freely."""
    found: dict[str, list[dict[str, Any]]] = {}
    rng = np.random.default_rng(seed)
    files = [file for file in read_all(source) if file[0].lower().endswith((".mid", ".midi"))]
    for index in rng.permutation(len(files)).tolist():
        tunes, _ = parse_tunes(files[index][1], name=files[index][0])
        performance = play(tunes[0], rng) if len(tunes) == 1 else None
        if performance is None:
            continue
        signature = tunes[0].score.time_signatures[0]
        of_metre = found.setdefault(f"{signature.numerator}/{signature.denominator}", [])
        if len(of_metre) >= MOST_PLAYED:
            continue
        (tune,), _ = parse_tunes(performance[0], name=files[index][0])
        beats = estimate_beats(tune)
        begins = beats.seconds[beats.downbeats]
        _, recall = matched(begins, performance[1])
        precision = recall * len(performance[1]) / max(len(begins), 1)
        is_right = {"downbeat_recall": recall, "precision": precision, "sure": beats.sure}
        of_metre.append({"in_thirds": beats.unit == 8, **is_right})
    keys = ("in_thirds", "downbeat_recall", "precision", "sure")
    return {
        metre: {"tunes": len(tunes), **{key: mean(tunes, key) for key in keys}}
        for metre, tunes in sorted(found.items())
    }


def false_alarms(source: Path) -> dict[str, Any]:
    """Of files that are typeset: how many tunes there are, and which are taken for played."""
    n_tunes, alarms = 0, []
    for name, data in read_all(source):
        if name.lower().endswith((".mid", ".midi")):
            for tune in parse_tunes(data, name=name)[0]:
                n_tunes += 1
                alarms += [tune.name] if is_played(tune) else []
    return {"tunes": n_tunes, "false alarms": len(alarms), "names": alarms[:20]}


def main() -> None:
    """Measures, prints a table and the figures."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--typeset", type=Path)
    parser.add_argument("--play", type=Path)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--seed", type=int, default=909)
    parser.add_argument("--least-sure", type=float, default=0.5)
    asked = parser.parse_args()
    songs = find_songs(asked.source)
    if not songs:
        sys.exit(f"{asked.source} has no MIDI files with beat files beside them")
    left_out = set(random.Random(asked.seed).sample(sorted(songs), min(asked.skip, len(songs) - 1)))
    judged = [judge(name, *songs[name]) for name in sorted(songs) if name not in left_out]
    figures = compare(judged, asked.least_sure)
    if asked.typeset:
        figures["typeset"] = false_alarms(asked.typeset)
    if asked.play:
        figures["played"] = judge_played(asked.play, asked.seed)
    table = Table("", "value")
    for key, value in figures.items():
        table.add_row(key, json.dumps(value) if isinstance(value, dict) else f"{value:g}")
    Console(width=100).print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
