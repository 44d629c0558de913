"""Scores -> MusicXML, for notation programs: by music21, the extra ``folk``.

Staves, voices, values and spelling are decided here and in the modules that
this one uses, from the notes' own grid; music21 beams them and writes them down.
"""

import re
from fractions import Fraction
from math import gcd
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import numpy as np
from symusic.core import ScoreTick, TrackTick

from nextbar.errors import UsageError
from nextbar.music import staves
from nextbar.music.bars import NOTE, BarStarts, Notes, join_notes, sort_notes
from nextbar.music.rhythm import Written, is_compound, join_by_beams, write_rhythm
from nextbar.music.score import bars_of, tempo_of
from nextbar.music.tunes import Metre, PitchedTrack, pitched_tracks
from nextbar.music.voices import MOST_VOICES, Span, VoicesOfBar, voices_by_bar

SUFFIX: Final = ".musicxml"
FINEST_STEPS: Final = 48
"""Steps a quarter that notation can show: 64ths, and triplets of them."""

_NOT_IN_XML: Final = re.compile(r"[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ACCIDENTALS: Final = {-1: "flat", 0: "natural", 1: "sharp"}


class Staff(NamedTuple):
    """What stands on one staff. notes: dtype ``NOTE``. treble: its clef; else bass."""

    notes: Notes
    treble: bool


class Player(NamedTuple):
    """One instrument and its staves, the upper first."""

    name: str
    program: int
    staves: list[Staff]


class Frame(NamedTuple):
    """What all staves share.

    metres: of each bar. starts: of the bars, in steps. sharps: of the key,
    negative for flats.
    """

    metres: list[Metre]
    starts: BarStarts
    steps_per_quarter: int
    sharps: int
    tempo: float
    swings: bool


def musicxml_bytes(
    score: ScoreTick, title: str, *, n_bars: int | None = None, swings: bool = False
) -> bytes:
    """The score as a MusicXML document, UTF-8; the same score gives the same bytes.

    Every note stands in its bar at its place and in its length, tied where it
    is held over a bar line or a beat that must be seen. A piano has two
    staves where one cannot show its notes: two tracks of one keyboard are its
    hands; one track is parted near middle C. The key signature is the one
    that fits the notes best. What XML cannot hold of a title or name, as the
    NUL that ends some tracks' names, is left out. n_bars: see ``score.bars_of``; music without
    notes gives as many empty bars, at least one. swings: whether it is to say "Swing". Raises
    UsageError where music21 is not installed, or the notes lie on no grid that can be written.
    """
    music21 = load_music21()
    frame, players = _lay_out(score, n_bars, swings)
    sheet = music21.stream.Score()
    sheet.insert(0, music21.metadata.Metadata(title=_in_one_line(title), composer="nextbar"))
    for number, player in enumerate(players, 1):
        parts = [_part(music21, frame, player, number, nth) for nth in range(len(player.staves))]
        for part in parts:
            sheet.insert(0, part)
        if len(parts) > 1:
            sheet.insert(0, music21.layout.StaffGroup(parts, symbol="brace", name=player.name))
    exporter = music21.exporter(sheet, makeNotation=False)
    root = exporter.parse()
    _count_in_steps(root, frame.steps_per_quarter)
    for encoding in root.iter("encoding"):
        for date in encoding.findall("encoding-date"):  # the same piece, the same bytes
            encoding.remove(date)
    document: bytes = exporter.asBytes()
    return document


def _count_in_steps(root: Any, steps_per_quarter: int) -> None:
    """Durations in steps, which are whole numbers; music21 rounds to 10,080ths of a quarter."""
    divisions = int(root.findtext(".//divisions"))
    for element in root.iter("duration"):
        element.text = str(round(int(element.text) * steps_per_quarter / divisions))
    for element in root.iter("divisions"):
        element.text = str(steps_per_quarter)


def _lay_out(score: ScoreTick, n_bars: int | None, swings: bool) -> tuple[Frame, list[Player]]:
    """The score's notes in the coarsest steps that hold them all, on staves."""
    bars = bars_of(score, max(n_bars or 0, 1))
    tracks = pitched_tracks(score)
    times = [track.notes[key] for track in tracks for key in ("time", "duration")]
    tpq = score.ticks_per_quarter
    step = gcd(tpq, int(np.gcd.reduce(bars.starts)), *(int(np.gcd.reduce(each)) for each in times))
    if tpq // step > FINEST_STEPS:
        raise UsageError(
            f"these notes need {tpq // step} steps a quarter, and notation shows up to"
            f" {FINEST_STEPS}; put them on a grid first"
        )
    found = [_notes_in_steps(track, step) for track in tracks]
    everything = join_notes([np.empty(0, NOTE), *found])
    frame = Frame(
        metres=bars.metres,
        starts=bars.starts // step,
        steps_per_quarter=tpq // step,
        sharps=staves.sharps_of(everything),
        tempo=tempo_of(score),
        swings=swings,
    )
    names = [_in_one_line(track.track.name) for track in tracks]
    programs = [int(track.track.program) for track in tracks]
    if len(tracks) == 2 and programs[0] == programs[1] and programs[0] in staves.KEYBOARDS:
        hands = sorted(found, key=lambda notes: -notes["pitch"].mean())
        name = names[0] if names[0] == names[1] else ""
        return frame, [Player(name, programs[0], _two_staves(*hands))]
    if not tracks:
        silent = score.tracks[0] if len(score.tracks) else TrackTick()
        name = _in_one_line(silent.name)
        return frame, [Player(name, int(silent.program), [Staff(everything, True)])]
    return frame, [
        Player(name, program, _staves(notes, program))
        for name, program, notes in zip(names, programs, found, strict=True)
    ]


def _in_one_line(text: str) -> str:
    return " ".join(_NOT_IN_XML.sub(" ", text).split())


def _notes_in_steps(track: PitchedTrack, step: int) -> Notes:
    notes = np.empty(len(track.notes["time"]), NOTE)
    notes["start"] = track.notes["time"] // step
    notes["duration"] = track.notes["duration"] // step
    notes["pitch"], notes["velocity"] = track.notes["pitch"], track.notes["velocity"]
    return sort_notes(notes[notes["duration"] > 0])


def _staves(notes: Notes, program: int) -> list[Staff]:
    if not staves.needs_two_staves(notes, program):
        return [Staff(notes, staves.is_treble(notes))]
    right = staves.is_right_hand(notes)
    return _two_staves(notes[right], notes[~right])


def _two_staves(right: Notes, left: Notes) -> list[Staff]:
    return [
        Staff(right, staves.is_treble(right)),
        Staff(left, staves.is_treble(left, otherwise=False)),
    ]


def _part(music21: Any, frame: Frame, player: Player, number: int, nth: int) -> Any:
    """One staff as a part of music21; those of one player are joined when they are written."""
    two = len(player.staves) > 1
    part = (music21.stream.PartStaff if two else music21.stream.Part)(id=f"P{number}-{nth + 1}")
    instrument = music21.instrument.instrumentFromMidiProgram(player.program)
    instrument.midiProgram, instrument.transposition = player.program, None
    instrument.partId, instrument.instrumentId = f"P{number}", f"P{number}-I1"
    part.partName = instrument.partName = player.name or instrument.instrumentName
    part.insert(0, instrument)  # on each staff: music21 finds it to be one
    staff = player.staves[nth]
    measures = [
        _measure(music21, frame, bar, voices, first_voice=MOST_VOICES * nth + 1)
        for bar, voices in enumerate(voices_by_bar(staff.notes, frame.starts))
    ]
    first = measures[0]
    first.insert(0, music21.clef.TrebleClef() if staff.treble else music21.clef.BassClef())
    first.insert(0, music21.key.KeySignature(frame.sharps))
    if number == 1 and nth == 0:
        first.insert(0, _tempo_mark(music21, frame))
    measures[-1].rightBarline = "final"
    before = None
    for start, metre, measure in zip(frame.starts.tolist(), frame.metres, measures, strict=False):
        if metre != before:
            measure.insert(0, music21.meter.TimeSignature("{}/{}".format(*metre)))
        before = metre
        part.coreInsert(Fraction(start, frame.steps_per_quarter), measure)
    part.coreElementsChanged()
    return part


def _tempo_mark(music21: Any, frame: Frame) -> Any:
    """Beats a minute, to the nearest whole number; the exact tempo for who plays it."""
    beat = 1.5 if is_compound(frame.metres[0]) and frame.metres[0][1] == 8 else 1.0
    exact = round(frame.tempo / beat, 3)
    return music21.tempo.MetronomeMark(
        text="Swing" if frame.swings else None,
        number=max(round(exact), 1),
        numberSounding=exact,
        referent=music21.duration.Duration(quarterLength=beat),
    )


def _measure(
    music21: Any,
    frame: Frame,
    bar: int,
    voices: VoicesOfBar,
    *,
    first_voice: int,
) -> Any:
    """A bar of a staff. first_voice: the number of its highest voice."""
    measure = music21.stream.Measure(number=bar + 1)
    spelt: list[tuple[int, bool, Any]] = []
    for voice, spans in sorted(voices.items()):
        line = _line(music21, frame, bar, spans, spelt)
        if voice != min(voices):  # rests of an inner voice say nothing that is not seen
            for element in line:
                element.style.hideObjectOnPrint = element.isRest and not element.duration.tuplets
        measure.coreInsert(0, _voice(music21, line, first_voice + voice))
    if not voices:
        measure.coreInsert(0, _voice(music21, [_whole_rest(music21, frame, bar)], first_voice))
    measure.coreElementsChanged()
    _show_accidentals(music21, frame.sharps, spelt)
    return measure


def _line(
    music21: Any, frame: Frame, bar: int, spans: list[Span], spelt: list[tuple[int, bool, Any]]
) -> list[Any]:
    """What a voice has in a bar, beamed; see :func:`_element` for ``spelt``."""
    metre, steps_per_quarter = frame.metres[bar], frame.steps_per_quarter
    times = [(span.start, span.end, not span.tones) for span in spans]
    rhythm = write_rhythm(times, metre, steps_per_quarter)
    line = [
        (span, symbol) for span, symbols in zip(spans, rhythm, strict=True) for symbol in symbols
    ]
    beams = join_by_beams(
        [(symbol, not span.tones) for span, symbol in line], metre, steps_per_quarter
    )
    elements = [_element(music21, frame, span, symbol, spelt) for span, symbol in line]
    for element, kinds in zip(elements, beams, strict=True):
        for kind in kinds:
            element.beams.append(*kind.split("-"))
    return elements


def _voice(music21: Any, line: list[Any], number: int) -> Any:
    voice = music21.stream.Voice(id=number)
    for element in line:
        voice.coreAppend(element)
    voice.coreElementsChanged()
    return voice


def _whole_rest(music21: Any, frame: Frame, bar: int) -> Any:
    n_steps = int(frame.starts[bar + 1] - frame.starts[bar])
    rest = music21.note.Rest(quarterLength=Fraction(n_steps, frame.steps_per_quarter))
    rest.fullMeasure = True
    return rest


def _element(
    music21: Any,
    frame: Frame,
    span: Span,
    symbol: Written,
    spelt: list[tuple[int, bool, Any]],
) -> Any:
    """A note, chord or rest of music21; its pitches are added to ``spelt``.

    spelt: (start in the bar, whether tied to a note before, pitch).
    """
    duration = _duration(music21, symbol)
    if not span.tones:
        rest = music21.note.Rest(duration=duration)
        rest.fullMeasure = False
        return rest
    notes = []
    for tone in span.tones:
        step, alter, octave = staves.spell(tone.pitch, frame.sharps)
        pitch = music21.pitch.Pitch(step=step, octave=octave)
        if alter:
            pitch.accidental = music21.pitch.Accidental(_ACCIDENTALS[alter])
        note = music21.note.Note(pitch)
        from_before = tone.from_before or symbol.start > span.start
        goes_on = tone.goes_on or symbol.end < span.end
        if from_before or goes_on:
            kind = "continue" if from_before and goes_on else "start" if goes_on else "stop"
            note.tie = music21.tie.Tie(kind)
        spelt.append((symbol.start, from_before, note.pitch))
        notes.append(note)
    element = notes[0] if len(notes) == 1 else music21.chord.Chord(notes)
    element.duration = duration
    element.volume.velocity = span.velocity
    return element


def _duration(music21: Any, symbol: Written) -> Any:
    """The value by its type and dot, as music21 names them, and its tuplet."""
    kinds = music21.duration.typeFromNumDict  # by how many make a whole note
    duration = music21.duration.Duration(type=kinds[float(4 / symbol.kind)], dots=symbol.n_dots)
    if symbol.tuplet is not None:
        actual, normal, quarters = symbol.tuplet
        kind = kinds[float(4 / quarters)]
        tuplet = music21.duration.Tuplet(actual, normal, kind, kind)
        tuplet.type = "start" if symbol.opens else "stop" if symbol.closes else None
        duration.appendTuplet(tuplet)
    return duration


def _show_accidentals(music21: Any, sharps: int, spelt: list[tuple[int, bool, Any]]) -> None:
    """Say of each pitch of a staff's bar whether its accidental is to be seen.

    It is where the key, or the note of its line before it in whatever voice,
    says otherwise; a tied note needs none, and decides nothing for those after it.
    """
    in_key = staves.signature(sharps)
    now: dict[tuple[str, int], int] = {}
    for _, tied, pitch in sorted(spelt, key=lambda row: (row[0], row[2].ps)):
        alter = int(pitch.alter)
        place = (pitch.step, pitch.octave)
        shown = not tied and alter != now.get(place, in_key[pitch.step])
        if shown and pitch.accidental is None:
            pitch.accidental = music21.pitch.Accidental("natural")
        if pitch.accidental is not None:
            pitch.accidental.displayStatus = shown
        if not tied:
            now[place] = alter


def load_music21() -> Any:
    """What is used of music21; UsageError, which says how to install it, where it is missing."""
    try:
        from music21 import (
            chord,
            clef,
            duration,
            instrument,
            key,
            layout,
            metadata,
            meter,
            note,
            pitch,
            stream,
            tempo,
            tie,
        )
        from music21.musicxml.m21ToXml import ScoreExporter
    except ImportError as error:
        raise UsageError(
            "MusicXML needs music21, which is not installed; install it with: "
            "pip install 'nextbar[folk]'"
        ) from error
    return SimpleNamespace(
        chord=chord, clef=clef, duration=duration, instrument=instrument, key=key, layout=layout,
        metadata=metadata, meter=meter, note=note, pitch=pitch, stream=stream, tempo=tempo, tie=tie,
        exporter=ScoreExporter,
    )  # fmt: skip
