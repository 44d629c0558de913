"""Notes of a staff -> voices: lines that a staff can show beside each other.

A chord is what begins and ends together. Chords that overlap stand in
different voices, the higher in the one with the lower number, as notation
programs expect it. Their most is four; what would need a fifth shares the
last, where notes are cut and tied at each other's ends.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from nextbar.music.bars import BarStarts, Notes

MOST_VOICES: Final = 4
"""That a staff has in the notation programs there are."""


class Chord(NamedTuple):
    """Notes that begin and end together, in steps. pitches: ascending. velocity: of the loudest."""

    start: int
    end: int
    pitches: tuple[int, ...]
    velocity: int

    @property
    def height(self) -> float:
        """The mean of its pitches."""
        return sum(self.pitches) / len(self.pitches)


class Tone(NamedTuple):
    """A pitch for a while. from_before, goes_on: whether a note is tied to it, or it to one."""

    pitch: int
    from_before: bool
    goes_on: bool


class Span(NamedTuple):
    """What a voice does from ``start`` to ``end``, in steps; a rest where there are no tones."""

    start: int
    end: int
    tones: tuple[Tone, ...] = ()
    velocity: int = 0


VoicesOfBar = dict[int, list[Span]]
"""By voice, 0 the highest: spans one behind the other from the bar line to the next."""


def voices_by_bar(notes: Notes, starts: BarStarts) -> list[VoicesOfBar]:
    """The voices of each bar; those that are silent in a bar are left out of it.

    notes: dtype ``NOTE``, none behind the last bar. starts: of the bars; spans
    count from their bar line. A note that is held over it is tied.
    """
    lines = starts.tolist()
    chords = _chords(notes)
    voices = _choose_voices(chords)
    bars: list[VoicesOfBar] = [{} for _ in lines[1:]]
    for voice in range(MOST_VOICES):
        line = [chord for chord, chosen in zip(chords, voices, strict=True) if chosen == voice]
        for span in _spans(line, lines):
            bar = bisect_right(lines, span.start) - 1
            start = span.start - lines[bar]
            spans = bars[bar].setdefault(voice, [])
            begins = spans[-1].end if spans else 0
            if begins < start:
                spans.append(Span(begins, start))
            spans.append(span._replace(start=start, end=start + span.end - span.start))
    for bar_voices, (begin, end) in zip(bars, pairwise(lines), strict=True):
        for spans in bar_voices.values():
            if spans[-1].end < end - begin:
                spans.append(Span(spans[-1].end, end - begin))
    return bars


def _chords(notes: Notes) -> list[Chord]:
    """In the order of their starts, of those that begin together the highest first."""
    together: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for start, duration, pitch, velocity in notes.tolist():
        together.setdefault((start, start + duration), []).append((pitch, velocity))
    chords = [
        Chord(*span, tuple(sorted({pitch for pitch, _ in rows})), max(v for _, v in rows))
        for span, rows in together.items()
    ]
    return sorted(chords, key=lambda chord: (chord.start, -chord.height, chord.end))


def _choose_voices(chords: list[Chord]) -> list[int]:
    """A voice for each chord: as many as are above it at once, or the nearest that is free."""
    above = _overlapping_above(chords)
    voices: list[int] = []
    sounding: list[int] = []
    for i, chord in enumerate(chords):
        sounding = [j for j in sounding if chords[j].end > chord.start]
        wanted = min(_most_at_once(chord, above[i]), MOST_VOICES - 1)
        taken = {voices[j] for j in sounding}
        free = [voice for voice in range(MOST_VOICES) if voice not in taken]
        _, voice = min(
            ((abs(voice - wanted), voice) for voice in free), default=(0, MOST_VOICES - 1)
        )
        voices.append(voice)
        sounding.append(i)
    return voices


def _overlapping_above(chords: list[Chord]) -> list[list[Chord]]:
    """Of each chord those that sound while it does, and higher."""
    above: list[list[Chord]] = [[] for _ in chords]
    sounding: list[int] = []
    for i, chord in enumerate(chords):
        sounding = [j for j in sounding if chords[j].end > chord.start]
        for j in sounding:
            if chords[j].height >= chord.height:
                above[i].append(chords[j])
            else:
                above[j].append(chord)
        sounding.append(i)
    return above


def _most_at_once(chord: Chord, others: list[Chord]) -> int:
    """How many of the others sound together at some time while the chord does."""
    events = [(max(other.start, chord.start), 1) for other in others]
    events += [(other.end, -1) for other in others]
    most = now = 0
    for _, change in sorted(events):
        now += change
        most = max(most, now)
    return most


def _spans(line: list[Chord], bar_lines: list[int]) -> Iterator[Span]:
    """What a voice plays, cut where a chord begins or ends and at the bar lines; no rests."""
    cuts = sorted({c.start for c in line} | {c.end for c in line} | set(bar_lines))
    sounding: list[Chord] = []
    coming = 0
    for start, stop in pairwise(cuts):
        sounding = [chord for chord in sounding if chord.end > start]
        while coming < len(line) and line[coming].start <= start:
            sounding.append(line[coming])
            coming += 1
        if sounding:
            tones = {
                pitch: Tone(pitch, chord.start < start, chord.end > stop)
                for chord in sounding
                for pitch in chord.pitches
            }
            loudest = max(chord.velocity for chord in sounding)
            yield Span(start, stop, tuple(tones[pitch] for pitch in sorted(tones)), loudest)
