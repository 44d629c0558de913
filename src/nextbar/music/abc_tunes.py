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
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import symusic  # noqa: F401  (importing it sets SYMUSIC_ABC2MIDI)
from symusic.core import ScoreTick

from nextbar.music.musicxml import (
    CHORD_SYMBOLS,
    GRACE_NOTES,
    TICKS_PER_QUARTER,
    Bar,
    find_short_bars,
)
from nextbar.music.tunes import last_note_end

SECONDS_A_TUNE: Final = 20.0
"""A tune for which abc2midi needs longer is given up; folk tunes take 0.005 s."""

PLAYED_CHORDS: Final = "chord symbols, played"
CUT_TIES: Final = "ties over a repeat sign or into an ending, cut"
PLAYED_ORNAMENTS: Final = "trills, rolls and arpeggios, each played as several notes"
PLAYED_FERMATAS: Final = "fermatas, each played as twice the note's length"

_RHYTHM_FIELD: Final = re.compile(r"^R:.*\n?|\[R:[^\]\n]*\]", re.MULTILINE)
_FIRST_KEY: Final = re.compile(r"^K:.*$", re.MULTILINE)
_FREE_METRE: Final = re.compile(r"^M:\s*(none)?\s*$", re.MULTILINE | re.IGNORECASE)
_FIELD_OR_COMMENT: Final = re.compile(r"[A-Za-z]:(?![|:])|%")
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
_SIGN: Final = re.compile(r"![^!|\n]*!|\[[A-Za-z]:[^\]\n]*\]|[HRT~]")
_PLAYED_SIGNS: Final = {
    **dict.fromkeys(("T", "R", "~", "!trill!", "!arpeggio!"), PLAYED_ORNAMENTS),
    **dict.fromkeys(("H", "!fermata!"), PLAYED_FERMATAS),
}
"""Signs on a note of which abc2midi makes other notes than are written; others it passes over."""
_NO_MUSIC: Final = re.compile(r'("[^"\n]*"|![^!|\n]*!|\[[A-Za-z]:[^\]\n]*\])')
_BAR_LINE: Final = re.compile(r"[H-Wh-w~\s]*(?::+\|+[\]:]*|\[\||\|+[\]:]*|::+)")
"""With what is set on it, as a sign."""
_BETWEEN: Final = "X:1\nM:4/4\nL:1/8\nK:C\nC8|C8|\n"
_ALL_SOUNDING: Final = str.maketrans("zx", "CC", "-.")
_LINE_CONTROL: Final = 85
"""A MIDI control without a meaning, to mark bar lines with."""


def split_tunes(text: str) -> list[str]:
    """The tunes of an ABC file, each from its ``X:`` line on; a text without one is one tune."""
    starts = [match.start() for match in re.finditer(r"^X:", text, re.MULTILINE)]
    if not starts:
        return [f"X:1\n{text}"] if _FIRST_KEY.search(text) else []
    return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


class Converted(NamedTuple):
    """A tune as a MIDI file (None where abc2midi makes none), and what is to be told of it.

    bar_lines: in quarters, as they are played. remarks: what was left out, and how
    often. plays_chords: whether chord symbols are played.
    """

    midi: bytes | None
    bar_lines: list[Fraction]
    remarks: dict[str, int]
    plays_chords: bool = False


def convert_tune(text: str, *, chords: bool = False) -> Converted:
    """One tune as MIDI.

    Left out are ``R:`` fields, since ``R:hornpipe`` makes abc2midi swing its
    dotted notes off the grid, grace notes, which it lets push the note after
    them off the grid, ties over a repeat sign or into an ending, which it joins to
    what stands behind it in the text, and, unless chords is true, chord
    symbols, of which it makes an accompaniment. Ornaments and fermatas are as it
    plays them, and counted.
    """
    text, remarks = _written_notes(_RHYTHM_FIELD.sub("", text), chords=chords)
    n_played = remarks.pop(PLAYED_CHORDS, 0)
    # In one run, as starting abc2midi takes longer than its work. What a tune leaves
    # open, as a triplet, abc2midi takes into the next: so there is one between the two.
    tune, _, probe = _run_abc2midi([text, _BETWEEN, _with_marked_lines(text)])
    return Converted(tune, _read_bar_lines(probe), remarks, n_played > 0)


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
            line = _QUOTED.sub(drop_quoted, "".join(parts))
            signs = _SIGN.findall(_QUOTED.sub("", line))
            remarks.update(_PLAYED_SIGNS[sign] for sign in signs if sign in _PLAYED_SIGNS)
            line += percent + comment
        lines.append(line)
    body = _UNSEEN_BAR_LINE.sub(seen, "\n".join(lines))
    body = _TIE_AT_REPEAT.sub(drop_ties, body)
    return text[: key.end()] + body, dict(+remarks)


def _with_marked_lines(text: str) -> str:
    """The tune with a control before each bar line.

    abc2midi writes no bar lines, but plays a control where it stands, each time
    that it comes there: when the note before it ends. So rests are notes here, and
    ties and staccato dots are left out.
    """
    key = _FIRST_KEY.search(text)
    if key is None:
        return text
    mark = rf"[I:MIDI control {_LINE_CONTROL} 1]\g<0>"
    lines = []
    for line in text[key.end() :].split("\n"):
        if not _FIELD_OR_COMMENT.match(line):
            parts = _NO_MUSIC.split(line.partition("%")[0])
            parts[::2] = [_BAR_LINE.sub(mark, part.translate(_ALL_SOUNDING)) for part in parts[::2]]
            line = "".join(part for part in parts if not part.startswith("!"))
        lines.append(line)
    return text[: key.end()] + "\n".join(lines)


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


def _read_bar_lines(probe: bytes | None) -> list[Fraction]:
    """When the bar lines of the first part are, in quarters, ascending, to a 48th."""
    score = None if probe is None else _parse(probe)
    if score is None:
        return []
    for track in score.tracks:
        controls = track.controls.numpy()
        ticks = np.unique(controls["time"][controls["number"] == _LINE_CONTROL])
        if len(ticks):
            found = np.unique(np.round(48 * ticks / score.ticks_per_quarter)).astype(int)
            return [Fraction(n, 48) for n in found.tolist()]
    return []


def find_bars(
    text: str, score: ScoreTick, bar_lines: list[Fraction]
) -> tuple[float, tuple[tuple[int, int], ...]]:
    """The pickup in quarters, 0.0 without one, and (tick, ticks) of bars to be filled up.

    Those are bars that are too short and not completed by the next: where they
    end, and what they lack. None are in a tune of which most bars would be
    filled up, as in free metre.
    """
    tpq = score.ticks_per_quarter
    stated = sorted((s.time / tpq, s.numerator, s.denominator) for s in score.time_signatures)
    wholes = [(since - 1 / 48, Fraction(4 * n, d)) for since, n, d in stated if d]
    bars = []
    end_of_all = Fraction(round(48 * last_note_end(score) / tpq), 48)
    lines = [Fraction(0), *(line for line in bar_lines if line)]
    for begin, end in pairwise([*lines, max(end_of_all, lines[-1])]):
        whole = next((whole for since, whole in wholes[::-1] if since <= begin), Fraction(4))
        bars.append(Bar(begin, end - begin, whole))
    pickup, found = find_short_bars([bar for bar in bars if bar.length])
    if _FREE_METRE.search(text) or 2 * len(found) > len(bars):
        found = ()
    unit = tpq / TICKS_PER_QUARTER
    return float(pickup), tuple((round(tick * unit), round(n * unit)) for tick, n in found)
