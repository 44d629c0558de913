"""MusicXML and kern -> scores as they sound, by music21 where it is installed.

The notes are taken from what music21 has read, not from the MIDI that it can
make of it, in which grace notes last until their pitch next ends and all parts
share a few channels.
"""

import codecs
import importlib.util
import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree

import numpy as np
from symusic.core import (
    KeySignatureTick,
    NoteTickList,
    ScoreTick,
    TempoTick,
    TimeSignatureTick,
    TrackTick,
)

from nextbar.music.refusals import refuse

SUFFIXES: Final = (".musicxml", ".xml", ".mxl")
KERN_SUFFIXES: Final = (".krn", ".kern")
LARGEST_TEXT_BYTES: Final = 64 * 2**20
TICKS_PER_QUARTER: Final = 10_080
"""Divides by 2 to the fifth, 9, 5 and 7: what is written is kept exactly."""
DEFAULT_VELOCITY: Final = 90
CHORDS_TRACK: Final = "chord symbols"

GRACE_NOTES: Final = "grace notes, left out"
CHORD_SYMBOLS: Final = "chord symbols, left out (--track chords plays them too)"
OTHER_SCORES: Final = "scores after the first of a file, left out"
REPEATS: Final = "repeats that make no sense, not played"

_ROOT: Final = re.compile(r"<score-(partwise|timewise)[\s>]")
_DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]*\?>")
_ENCODING: Final = re.compile(rb"""^\s*<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Notated:
    """A score as it sounds.

    pickup_quarters: how much sounds before the first bar line. short_bars:
    (tick, ticks) of each bar that is shorter than its metre and is not made
    whole by the next one: where it ends, and what it lacks. remarks: what was
    left out, and how often.
    """

    score: ScoreTick
    pickup_quarters: float
    short_bars: tuple[tuple[int, int], ...]
    remarks: dict[str, int]

    @property
    def plays_chords(self) -> bool:
        """Whether chord symbols are played."""
        return any(track.name == CHORDS_TRACK for track in self.score.tracks)


def read_musicxml(data: bytes, name: str, *, chords: bool = False) -> Notated:
    """The score in the bytes of a MusicXML file, plain or as .mxl.

    Repeats are played, notes sound where their instruments sound, tied ones
    are one, grace notes are left out. chords: chord symbols are played, as a
    track of their own. Raises MusicFileError: "not MusicXML", "damaged
    archive", "needs music21", "damaged".
    """
    text = decode_text(_unzip(data, name) if data[:4] == b"PK\x03\x04" else data)
    if not _ROOT.search(text[: 2**16]):
        raise refuse(name, "not MusicXML", "it has no score-partwise or score-timewise in it")
    document = _DECLARATION.sub("", text, count=1).encode()
    return _through_music21(document, "musicxml", name, chords)


def read_kern(data: bytes, name: str, *, chords: bool = False) -> Notated:
    """As :func:`read_musicxml`, of a kern file; MusicFileError: "not kern", "needs music21", ..."""
    text = decode_text(data)
    if "**kern" not in text[: 2**16]:
        raise refuse(name, "not kern", "it has no column **kern")
    return _through_music21(text, "humdrum", name, chords)


def decode_text(data: bytes) -> str:
    """The text in the bytes, by its byte order mark, its XML declaration or what it looks like."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if b"\0" in data[:64]:
        # Every other byte of a text in a Latin alphabet is nought.
        return data.decode("utf-16-le" if data[1:2] == b"\0" else "utf-16-be", "replace")
    declared = _ENCODING.match(data)
    names = [declared[1].decode()] if declared else []
    for encoding in (*names, "utf-8", "cp1252"):
        try:
            if not encoding.lower().startswith(("utf-16", "utf-32", "ucs")):
                return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1")


def _through_music21(document: bytes | str, kind: str, name: str, chords: bool) -> Notated:
    if importlib.util.find_spec("music21") is None:
        language = "MusicXML" if kind == "musicxml" else "kern"
        why = f"{language} is read by music21, which is not installed"
        raise refuse(name, "needs music21", why)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from music21 import converter

            parsed: Any = converter.parseData(document, format=kind)
            return _sounding(parsed, chords)
        except MemoryError:
            raise
        except Exception as error:  # music21 raises whatever it meets
            why = f"music21 cannot read it ({type(error).__name__}: {error})"[:300]
            raise refuse(name, "damaged", why) from error


def _sounding(parsed: Any, chords: bool) -> Notated:
    """The music21 score, or the first of an opus, as it sounds."""
    from music21 import stream

    remarks: Counter[str] = Counter()
    if isinstance(parsed, stream.Opus):
        scores = list(parsed.scores)
        remarks[OTHER_SCORES] = len(scores) - 1
        parsed = scores[0]
    played = _play_repeats(parsed.toSoundingPitch(inPlace=False), remarks)
    parts = list(played.getElementsByClass(stream.Part)) or [played]
    score = ScoreTick(TICKS_PER_QUARTER)
    tempos: dict[int, float] = {}
    for part in parts:
        flat = part.flatten()
        for track in _tracks(part, flat, chords, remarks):
            score.tracks.append(track)
        for mark in flat.getElementsByClass("MetronomeMark"):
            if bpm := mark.getQuarterBPM():
                tempos.setdefault(_ticks(mark.offset), float(bpm))
    for tick, bpm in sorted(tempos.items()):
        score.tempos.append(TempoTick(tick, bpm))
    _add_signatures(score, parts[0].flatten())
    bars = _bars(parts[0])
    pickup, short_bars = find_short_bars(bars)
    return Notated(score, float(pickup), short_bars, dict(+remarks))


def _play_repeats(score: Any, remarks: Counter[str]) -> Any:
    from music21 import stream

    if not score[stream.Measure]:
        return score
    try:
        return score.expandRepeats()
    except Exception:  # music21 gives up on what has no end, and stumbles over some that have
        remarks[REPEATS] += 1
        return score


def _ticks(quarters: Any) -> int:
    return round(Fraction(quarters) * TICKS_PER_QUARTER)


def _tracks(part: Any, flat: Any, chords: bool, remarks: Counter[str]) -> Iterator[TrackTick]:
    """The tracks of a part that have notes: its notes, its drums, and its chord symbols."""
    from music21 import harmony, volume

    realise: Any = volume.realizeVolume
    realise(part)
    instrument = part.getInstrument(returnDefault=True)
    name = part.partName or instrument.partName or ""
    program = _program(instrument, name)
    found = _join_ties(_sounds(flat, remarks))
    if not chords:
        remarks[CHORD_SYMBOLS] += len(list(flat.getElementsByClass(harmony.Harmony)))
    for kind in ("", "drums", CHORDS_TRACK):
        rows = [s.row for s in found if s.kind == kind]
        if not rows or (kind == CHORDS_TRACK and not chords):
            continue
        rows = [row for row in rows if row[1] > 0]
        track = TrackTick(CHORDS_TRACK if kind == CHORDS_TRACK else name, program, kind == "drums")
        times = np.array(sorted(rows), np.int32).reshape(-1, 4).T
        small = times[2:].astype(np.int8)
        track.notes = NoteTickList.from_numpy(times[0].copy(), times[1].copy(), *small)
        yield track


def _program(stated: Any, name: str) -> int:
    """The MIDI program that is stated, or that of an instrument of such a name; 0, a piano."""
    from music21 import exceptions21, instrument

    if stated.midiProgram is not None:
        return int(stated.midiProgram)
    try:
        return int(instrument.fromString(name).midiProgram or 0)
    except exceptions21.Music21Exception:
        return 0


class _Sound(NamedTuple):
    """row: (time, duration, pitch, velocity) in ticks. tie: None, "start", "continue", "stop"."""

    row: tuple[int, int, int, int]
    tie: str | None
    kind: str


def _sounds(flat: Any, remarks: Counter[str]) -> Iterator[_Sound]:
    """What sounds in a part, each note by itself, in the order of time; grace notes are counted."""
    from music21 import chord, harmony, note

    symbols = [element for element in flat.notes if isinstance(element, harmony.Harmony)]
    begins = [*(_ticks(symbol.offset) for symbol in symbols), _ticks(flat.highestTime)]
    for symbol, begin, end in zip(symbols, begins, begins[1:], strict=False):
        for pitch in symbol.pitches:
            row = (begin, end - begin, int(pitch.midi), DEFAULT_VELOCITY)
            yield _Sound(row, None, CHORDS_TRACK)
    for element in flat.notes:
        if isinstance(element, harmony.Harmony):
            continue
        begin = _ticks(element.offset)
        end = _ticks(element.offset + element.duration.quarterLength)
        members: Any = element.notes if isinstance(element, chord.ChordBase) else (element,)
        if element.duration.isGrace or end <= begin:
            remarks[GRACE_NOTES] += len(members)
            continue
        for member in members:
            is_pitched = isinstance(member, note.Note)
            pitch = member.pitch.midi if is_pitched else member.displayPitch().midi
            tie = (member.tie or element.tie).type if (member.tie or element.tie) else None
            row = (begin, end - begin, int(pitch), _velocity(member, element))
            yield _Sound(row, tie, "" if is_pitched else "drums")


def _velocity(note: Any, element: Any) -> int:
    loudness = element.volume.cachedRealized if note.volume.velocity is None else None
    if loudness is None:
        loudness = note.volume.cachedRealized
    return DEFAULT_VELOCITY if loudness is None else min(127, max(1, round(loudness * 127)))


def _join_ties(sounds: Iterator[_Sound]) -> list[_Sound]:
    """Tied notes as one: each end of a tie belongs to the note of its pitch that ends there."""
    joined: list[_Sound] = []
    tied: dict[tuple[int, int], int] = {}  # (pitch, tick of its end) -> place among the joined
    for sound in sorted(sounds, key=lambda s: (s.row[0], s.tie not in ("stop", "continue"))):
        begin, duration, pitch, _ = sound.row
        place = tied.pop((pitch, begin), None) if sound.tie in ("stop", "continue") else None
        if place is None:
            joined.append(sound)
            place = len(joined) - 1
        else:
            first = joined[place].row
            whole = (first[0], begin + duration - first[0], pitch, first[3])
            joined[place] = joined[place]._replace(row=whole)
        if sound.tie in ("start", "continue"):
            tied[pitch, begin + duration] = place
    return joined


def _add_signatures(score: ScoreTick, flat: Any) -> None:
    for signature in flat.getElementsByClass("TimeSignature"):
        metre = (int(signature.numerator), int(signature.denominator))
        score.time_signatures.append(TimeSignatureTick(_ticks(signature.offset), *metre))
    for key in flat.getElementsByClass("KeySignature"):
        is_minor = getattr(key, "mode", "major") == "minor"
        score.key_signatures.append(KeySignatureTick(_ticks(key.offset), key.sharps, is_minor))


class Bar(NamedTuple):
    """A bar: when it begins, how long it is, and how long its metre says; all in quarters."""

    begin: Fraction
    length: Fraction
    whole: Fraction


def _bars(part: Any) -> list[Bar]:
    from music21 import stream

    measures = list(part.getElementsByClass(stream.Measure))
    begins = [Fraction(measure.offset) for measure in measures]
    ends = [*begins[1:], Fraction(part.highestTime)]
    return [
        Bar(begin, end - begin, Fraction(measure.barDuration.quarterLength))
        for measure, begin, end in zip(measures, begins, ends, strict=True)
    ]


def find_short_bars(bars: list[Bar]) -> tuple[Fraction, tuple[tuple[int, int], ...]]:
    """How long the pickup is, in quarters, and (tick, ticks) of each bar that is to be filled up.

    A first bar that is shorter than its metre is a pickup. A later one may be
    made whole by those after it, as where a repeat stands within a bar, and
    the last one need not be whole.
    """
    if not bars:
        return Fraction(0), ()
    first = bars[0]
    pickup = first.length if 0 < first.length < first.whole and len(bars) > 1 else Fraction(0)
    found = []
    open_length = Fraction(0)
    for bar, after in pairwise(bars[1:] if pickup else bars):
        if not bar.whole:
            continue
        open_length = (open_length + bar.length) % bar.whole
        if open_length and (after.length >= after.whole or after.length + open_length > bar.whole):
            found.append((_ticks(after.begin), _ticks(bar.whole - open_length)))
            open_length = Fraction(0)
    return pickup, tuple(found)


def _unzip(data: bytes, name: str) -> bytes:
    """The score inside a .mxl file, which is a zip archive with a table of contents."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            contents = ElementTree.fromstring(_read_member(archive, "META-INF/container.xml"))
            files = [e.get("full-path") for e in contents.iter() if e.tag.endswith("rootfile")]
            return _read_member(archive, files[0] or "")
    except (zipfile.BadZipFile, KeyError, IndexError, ValueError, ElementTree.ParseError) as error:
        why = f"it is no .mxl archive, or damaged ({error})"
        raise refuse(name, "damaged archive", why) from error


def _read_member(archive: zipfile.ZipFile, member: str) -> bytes:
    with archive.open(member) as file:
        data = file.read(LARGEST_TEXT_BYTES + 1)
    if len(data) > LARGEST_TEXT_BYTES:
        raise ValueError(f"its score has over {LARGEST_TEXT_BYTES // 2**20} MB")
    return data
