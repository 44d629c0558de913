"""ABC notation -> scores, by the abc2midi program that symusic carries.

abc2midi runs as a process of its own, with its output thrown away and its time
limited: a tune that makes it crash, print or hang costs that tune only.
"""

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import symusic  # noqa: F401  (importing it sets SYMUSIC_ABC2MIDI)
from symusic.core import ScoreTick

SECONDS_A_TUNE: Final = 20.0
"""A tune for which abc2midi needs longer is given up; folk tunes take 0.005 s."""

_RHYTHM_FIELD: Final = re.compile(r"^R:.*\n?|\[R:[^\]\n]*\]", re.MULTILINE)
_FIRST_KEY: Final = re.compile(r"^K:.*$", re.MULTILINE)
_FIELD_OR_COMMENT: Final = re.compile(r"[A-Za-z]:(?![|:])|%")
_ANNOTATION: Final = re.compile(r'"[^"\n]*"|![^!|\n]*!|(?<!\\)%.*$')
_LEADING_BAR_LINES: Final = re.compile(r"^(?:\s|\\$|\[?\|[|\]:]*|::?)+")
_BAR_LINE: Final = re.compile(r":*\||::")


def split_tunes(text: str) -> list[str]:
    """The tunes of an ABC file, each from its ``X:`` line on; a text without one is one tune."""
    starts = [match.start() for match in re.finditer(r"^X:", text, re.MULTILINE)]
    if not starts:
        return [f"X:1\n{text}"] if _FIRST_KEY.search(text) else []
    return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


def convert_tune(text: str) -> tuple[ScoreTick | None, float]:
    """The score of one tune (None where abc2midi makes none) and its pickup in quarters.

    The pickup is what sounds before the first bar line, which abc2midi does
    not pad; it is 0.0 where the music begins with a whole bar. ``R:`` fields
    are dropped, since ``R:hornpipe`` makes abc2midi swing its dotted notes off
    the grid.
    """
    text = _RHYTHM_FIELD.sub("", text)
    # In one run, as starting abc2midi takes longer than its work. The probe comes
    # first: what a tune leaves open, as a triplet, abc2midi takes into the next.
    probe, score = _run_abc2midi([_pickup_alone(text), text])
    return score, 0.0 if probe is None else _last_onset_quarters(probe)


def _run_abc2midi(texts: list[str]) -> list[ScoreTick | None]:
    """The score of each tune, None where there is none, from one run."""
    program = os.environ["SYMUSIC_ABC2MIDI"]
    tunes = [re.sub(r"\AX:.*", f"X:{i}", text) for i, text in enumerate(texts, start=1)]
    with tempfile.TemporaryDirectory(prefix="nextbar-abc-") as folder:
        # Latin-1 carries every byte; abc2midi looks at ASCII only.
        data = "\n\n".join(tunes).encode("latin-1", "replace")
        Path(folder, "tune.abc").write_bytes(data)
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
        return [_read_score(Path(folder, f"tune{i + 1}.mid")) for i in range(len(texts))]


def _read_score(path: Path) -> ScoreTick | None:
    try:
        return ScoreTick.from_midi(path.read_bytes(), sanitize_data=True)
    except (FileNotFoundError, RuntimeError, ValueError):
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
        lines.append(music[: bar_line.start()] if bar_line else music.rstrip("\\ \t"))
        if bar_line:
            break
    # An empty line would end the tune before the probing note.
    return "\n".join([*filter(str.strip, lines), "|C,,,|", ""])


def _last_onset_quarters(score: ScoreTick) -> float:
    """When the last note begins, to a 96th of a quarter: abc2midi is a tick late in places."""
    onsets = [int(t.notes.numpy()["time"].max()) for t in score.tracks if len(t.notes)]
    return round(max(onsets, default=0) / score.ticks_per_quarter * 96) / 96
