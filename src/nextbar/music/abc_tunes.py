"""ABC notation -> MIDI bytes, by the abc2midi program that symusic carries.

abc2midi runs as a process of its own, with its output thrown away and its time
limited: a tune that makes it crash, print or hang costs that tune only. What it
would read wrongly, or play where it is not written, is taken out of the text
first, and counted.
"""

import os
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import symusic  # noqa: F401  (importing it sets SYMUSIC_ABC2MIDI)
from symusic.core import ScoreTick

from nextbar.music.musicxml import CHORD_SYMBOLS, GRACE_NOTES

SECONDS_A_TUNE: Final = 20.0
"""A tune for which abc2midi needs longer is given up; folk tunes take 0.005 s."""

PLAYED_CHORDS: Final = "chord symbols, played"
CUT_TIES: Final = "ties over a repeat sign or into an ending, cut"

_RHYTHM_FIELD: Final = re.compile(r"^R:.*\n?|\[R:[^\]\n]*\]", re.MULTILINE)
_FIRST_KEY: Final = re.compile(r"^K:.*$", re.MULTILINE)
_FIELD_OR_COMMENT: Final = re.compile(r"[A-Za-z]:(?![|:])|%")
_ANNOTATION: Final = re.compile(r'"[^"\n]*"|![^!|\n]*!|(?<!\\)%.*$')
_QUOTED: Final = re.compile(r'"([^"\n]*)"')
_PLACES: Final = tuple("^_<>@")
"""What a quoted text begins with that is no chord symbol."""
_GRACE: Final = re.compile(r"\{[^}\n]*\}")
_LETTER: Final = re.compile(r"[A-Ga-g]")
_TIE_AT_REPEAT: Final = re.compile(
    r"(?:\[[^\]\n|:]*-[^\]\n|:]*\][0-9/]*|-)\s*(?=:+\||::|\|+\]?\s*\[?[1-9])"
)
"""Before a repeat sign or an ending."""
_UNSEEN_BAR_LINE: Final = re.compile(r"[H-Wh-w~.]*\[\|\](\s*(?=[:|]|\[\|))?")
"""With what is set on it, as a fermata, and whether another bar line stands behind it."""
_LEADING_BAR_LINES: Final = re.compile(r"^(?:\s|\\$|\[?\|[|\]:]*|::?)+")
_BAR_LINE: Final = re.compile(r":*\||::")


def split_tunes(text: str) -> list[str]:
    """The tunes of an ABC file, each from its ``X:`` line on; a text without one is one tune."""
    starts = [match.start() for match in re.finditer(r"^X:", text, re.MULTILINE)]
    if not starts:
        return [f"X:1\n{text}"] if _FIRST_KEY.search(text) else []
    return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


class Converted(NamedTuple):
    """A tune as a MIDI file (None where abc2midi makes none), and what is to be told of it.

    pickup_quarters: what sounds before the first bar line, which abc2midi does
    not pad; 0.0 where the music begins with a whole bar. remarks: what was
    left out, and how often. plays_chords: whether chord symbols are played.
    """

    midi: bytes | None
    pickup_quarters: float
    remarks: dict[str, int]
    plays_chords: bool = False


def convert_tune(text: str, *, chords: bool = False) -> Converted:
    """One tune as MIDI.

    Left out are ``R:`` fields, since ``R:hornpipe`` makes abc2midi swing its
    dotted notes off the grid, grace notes, which it lets push the note after
    them off the grid, ties over a repeat sign or into an ending, which it joins to
    what stands behind it in the text, and, unless chords is true, chord
    symbols, of which it makes an accompaniment.
    """
    text, remarks = _written_notes(_RHYTHM_FIELD.sub("", text), chords=chords)
    n_played = remarks.pop(PLAYED_CHORDS, 0)
    # In one run, as starting abc2midi takes longer than its work. The probe comes
    # first: what a tune leaves open, as a triplet, abc2midi takes into the next.
    probe, tune = _run_abc2midi([_pickup_alone(text), text])
    score = None if probe is None else _parse(probe)
    return Converted(
        tune, 0.0 if score is None else _last_onset_quarters(score), remarks, n_played > 0
    )


def _written_notes(text: str, *, chords: bool) -> tuple[str, dict[str, int]]:
    """The tune without what :func:`convert_tune` leaves out, and how much that was."""
    key = _FIRST_KEY.search(text)
    if key is None:
        return text, {}
    remarks: Counter[str] = Counter()

    def drop_quoted(match: re.Match[str]) -> str:
        if match[1][:1] in _PLACES:
            return match[0]
        remarks[PLAYED_CHORDS if chords else CHORD_SYMBOLS] += match[1][:1] in "ABCDEFG"
        return match[0] if chords else ""

    def drop_grace(match: re.Match[str]) -> str:
        remarks[GRACE_NOTES] += len(_LETTER.findall(match[0]))
        return ""

    def seen(match: re.Match[str]) -> str:
        # abc2midi takes a fermata on it for one on a chord, which then never ends.
        return "|" if match[1] is None else match[1]

    def drop_ties(match: re.Match[str]) -> str:
        remarks[CUT_TIES] += match[0].count("-")
        return match[0].replace("-", "")

    lines = []
    for line in text[key.end() :].split("\n"):
        if not _FIELD_OR_COMMENT.match(line):
            music, percent, comment = line.partition("%")
            parts = [
                part if part.startswith('"') else _GRACE.sub(drop_grace, part)
                for part in re.split(r'("[^"]*")', music)
            ]
            line = _QUOTED.sub(drop_quoted, "".join(parts)) + percent + comment
        lines.append(line)
    body = _UNSEEN_BAR_LINE.sub(seen, "\n".join(lines))
    body = _TIE_AT_REPEAT.sub(drop_ties, body)
    return text[: key.end()] + body, dict(+remarks)


def _run_abc2midi(texts: list[str]) -> list[bytes | None]:
    """The MIDI file of each tune, None where there is none, from one run."""
    program = os.environ["SYMUSIC_ABC2MIDI"]
    tunes = [re.sub(r"\AX:.*", f"X:{i}", text) for i, text in enumerate(texts, start=1)]
    with tempfile.TemporaryDirectory(prefix="nextbar-abc-") as folder:
        # abc2midi looks at ASCII only, and lets the bytes of names through as they are.
        Path(folder, "tune.abc").write_bytes("\n\n".join(tunes).encode("utf-8", "replace"))
        try:
            subprocess.run(
                [program, "tune.abc", "-silent"],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS_A_TUNE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [None for _ in texts]
        return [_read(Path(folder, f"tune{i + 1}.mid")) for i in range(len(texts))]


def _read(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return None if _parse(data) is None else data


def _parse(data: bytes) -> ScoreTick | None:
    try:
        return ScoreTick.from_midi(data, sanitize_data=True)
    except (RuntimeError, ValueError):
        return None


def _pickup_alone(text: str) -> str:
    """The tune up to its first bar line, with one more note: the onset of that is the bar line's.

    The end of the last note before the bar line would not do: abc2midi
    shortens staccato notes.
    """
    key = _FIRST_KEY.search(text)
    if key is None:
        return ""
    header = re.sub(r"^P:.*\n", "", text[: key.end()], flags=re.MULTILINE)
    lines = [header]
    begun = False
    for line in text[key.end() :].lstrip("\n").splitlines():
        if not line.strip():
            continue
        if _FIELD_OR_COMMENT.match(line):
            lines.append(line)
            continue
        music = _ANNOTATION.sub("", line)
        music = music if begun else _LEADING_BAR_LINES.sub("", music)
        begun = begun or bool(music.strip(" \t\\"))
        bar_line = _BAR_LINE.search(music)
        music = music[: bar_line.start()] if bar_line else music.rstrip("\\ \t")
        lines.append(music.replace("-", ""))  # a tie would take the probing note
        if bar_line:
            break
    # An empty line would end the tune before the probing note.
    return "\n".join([*filter(str.strip, lines), "|C,,,|", ""])


def _last_onset_quarters(score: ScoreTick) -> float:
    """When the last note begins, to a 96th of a quarter: abc2midi is a tick late in places."""
    onsets = [int(t.notes.numpy()["time"].max()) for t in score.tracks if len(t.notes)]
    return round(max(onsets, default=0) / score.ticks_per_quarter * 96) / 96
