"""Trading bars: somebody plays some, the model answers with as many on the next downbeat.

The model needs a moment for a bar, and the answer has to sound on the bar line.
So it is asked before the line comes, with what was played so far, and again
when more was played meanwhile; the last answer that is there at the line is
taken. The sketch says what was heard: an answer stands after the bar as the
model read it, and the piece has that bar as it was played.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from nextbar.frames.config import Sampling
from nextbar.jam.clock import CLOCK, START, STOP, TICKS, MidiClock, OwnClock
from nextbar.jam.ports import Message, Port
from nextbar.music.bars import LOWEST_PITCH, N_PITCHES, NOTE, Notes, cut_at_bar_lines, sort_notes
from nextbar.music.grid import end_at_next_onset
from nextbar.music.metre import bar_steps
from nextbar.music.picture import beat_steps
from nextbar.music.tunes import Metre
from nextbar.writing.made_bars import Change
from nextbar.writing.sketch import MOST_BARS, Own, OwnNote, Sketch
from nextbar.writing.workbench import Workbench

COMMIT: Final = 0.02
"""Seconds before the bar line at which an answer is taken."""
LEAD: Final = 0.5
"""Seconds before the bar line from which the model is asked, at least."""
GAP: Final = 0.1
"""Steps by which a note ends before its time, so that its key can be struck again."""
NOTE_OFF, NOTE_ON = 0x80, 0x90
CLICKS: Final = 0x99
"""Channel 10, where General MIDI has drums."""
HIGH_CLICK, LOW_CLICK = 76, 77
"""Wood blocks."""


class Executor(Protocol):
    """What runs the model: a thread, in tests nothing but the call."""

    def submit(self, work: Callable[[], Any], /) -> "Future[Any]":
        """The work's result, when it is there."""


@dataclass
class Struck:
    """A key that was struck: when, in whole steps, and let go; None while it is held."""

    pitch: int
    velocity: int
    start: int
    end: int | None = None


class Trade(NamedTuple):
    """Seconds from the bar line at which an answer was ready, and at which the model read."""

    ready: float
    read: float


class _Answer(NamedTuple):
    read: float
    ready: float
    heard: Sketch
    change: Change
    notes: list[tuple[int, ...]]


class Trades:
    """Who plays, what was played, and what is to be sounded.

    ``sketch`` is the piece so far, None where nothing was traded yet; ``log`` of
    each trade when its answer was ready. Not for several threads.
    """

    def __init__(
        self,
        bench: Workbench,
        port: Port,
        clock: OwnClock | MidiClock,
        executor: Executor,
        *,
        bars: int,
        metre: Metre,
        seed: int,
        sampling: Sampling,
        clicks: bool = False,
        sends_clock: bool = False,
    ) -> None:
        """bars: of each turn. clicks: a metronome. sends_clock: MIDI clock goes out."""
        self._bench, self._port, self._clock, self._executor = bench, port, clock, executor
        self._bars, self._metre, self._seed, self._sampling = bars, metre, seed, sampling
        per_quarter = bench.composer.kind.steps_per_quarter
        self._per_quarter = per_quarter
        self.bar_steps = bar_steps(metre, per_quarter)
        self._beat = beat_steps(metre, per_quarter)
        self._clicks, self._sends_clock = clicks, sends_clock
        self.sketch: Sketch | None = None
        self.log: list[Trade] = []
        self.is_full = False
        self._struck: list[Struck] = []
        self._held: dict[int, Struck] = {}
        self._queue: list[tuple[float, int, Message]] = []
        self._sounding: set[int] = set()
        self._asking: Future[_Answer] | None = None
        self._ready: _Answer | None = None
        self._asked: tuple[Any, ...] = ()
        self._place = 0  # of the first bar that was played last, in the piece
        self._first = 0  # the step at which the musician's turn begins
        self._answered: int | None = None  # bars of the answer that are there; None: their turn
        self._n_ticks = 0
        self._clicked = -np.inf
        self._was_running = False

    # what goes on -----------------------------------------------------------------------------

    def step(self, now: float) -> None:
        """All that is to be done at a time, in seconds; called every millisecond or so."""
        for when, message in self._port.receive():
            self._take(when, message)
        if self._clock.is_running != self._was_running:
            self._was_running = self._clock.is_running
            if not self._was_running:
                self._silence()
            elif self._sends_clock:
                self._port.send((START,))
        if not self._clock.is_running or self.is_full:
            return
        here = self._clock.quarters(now) * self._per_quarter
        if here < self._first - self.bar_steps:  # another START
            self._begin_again()
        self._send_clock(here)
        self._click(here)
        if self._answered is None:
            self._listen(here, now)
        else:
            self._answer(here, now)
        self._sound(here)

    def stop(self) -> None:
        """Lets all keys go; what was played and not answered stands in the piece too."""
        if self._answered is None and self.sketch is not None:
            played = self._played(self._first, self._bars)
            last = max((i + 1 for i, bar in enumerate(played) if bar.notes), default=0)
            for own in played[:last]:
                self.sketch = self.sketch.with_bar(len(self.sketch.bars), own)
        self._silence()
        if self._sends_clock and self._was_running:
            self._port.send((STOP,))

    @property
    def is_theirs(self) -> bool:
        """Whether it is the musician's turn."""
        return self._answered is None

    def _begin_again(self) -> None:
        self._silence()
        self._struck, self._held = [], {}
        self._asking, self._ready, self._asked = None, None, ()
        self._first, self._answered = 0, None
        self._n_ticks, self._clicked = 0, -np.inf

    def _take(self, when: float, message: Message) -> None:
        status = message[0]
        if status >= 0xF8:
            self._clock.take(when, status)
            return
        if len(message) < 3 or not self._clock.is_running:
            return
        kind, (pitch, velocity) = status & 0xF0, message[1:3]
        step = self._clock.quarters(when) * self._per_quarter
        if kind == NOTE_ON and velocity:
            self._let_go(pitch, step)
            if LOWEST_PITCH <= pitch < LOWEST_PITCH + N_PITCHES:
                self._held[pitch] = Struck(pitch, velocity, round(step))
                self._struck.append(self._held[pitch])
        elif kind in (NOTE_ON, NOTE_OFF):
            self._let_go(pitch, step)

    def _let_go(self, pitch: int, step: float) -> None:
        if pitch in self._held:
            note = self._held.pop(pitch)
            note.end = max(round(step), note.start + 1)

    # the musician's turn ----------------------------------------------------------------------

    @property
    def _line(self) -> int:
        """The step at which the musician's turn ends."""
        return self._first + self._bars * self.bar_steps

    def _notes(self, first: int, n_bars: int) -> Notes:
        """What was struck within some bars, from step ``first``; held keys to their end."""
        end = first + n_bars * self.bar_steps
        chosen = [each for each in self._struck if first <= each.start < end]
        notes = np.empty(len(chosen), NOTE)
        for row, each in zip(notes, chosen, strict=True):
            last = end if each.end is None else min(each.end, end)
            row["start"], row["duration"] = each.start - first, max(last - each.start, 1)
            row["pitch"], row["velocity"] = each.pitch, each.velocity
        return end_at_next_onset(sort_notes(notes)) if len(notes) else notes

    def _played(self, first: int, n_bars: int) -> list[Own]:
        """The bars as they were played."""
        starts = self.bar_steps * np.arange(n_bars + 1)
        rows, index = cut_at_bar_lines(self._notes(first, n_bars), starts)
        kind = self._bench.composer.kind
        metre = None if self._metre == kind.metre else self._metre
        bars = [rows[index[bar] : index[bar + 1]].tolist() for bar in range(n_bars)]
        return [Own(tuple(map(_own_note, bar)), metre) for bar in bars]

    def _listen(self, here: float, now: float) -> None:
        is_waiting = self.sketch is None and not len(self._notes(self._first, self._bars))
        if is_waiting:  # nobody has played anything yet
            if here > self._first + self.bar_steps:
                self._first += self.bar_steps
            return
        left = (self._line - here) * self._seconds_per_step
        self._collect()
        if COMMIT < left < max(LEAD, self._beat * self._seconds_per_step):
            self._ask(now)
        if left <= COMMIT:
            if self._ready is None and self._asking is None:
                self._ask(now)
            if self.sketch is not None and len(self.sketch.bars) + 2 * self._bars > MOST_BARS:
                self.is_full = True
                return
            self._answered = 0

    @property
    def _seconds_per_step(self) -> float:
        return self._clock.seconds_per_quarter / self._per_quarter

    def _collect(self) -> None:
        if self._asking is not None and self._asking.done():
            self._ready, self._asking = self._asking.result(), None

    def _ask(self, now: float) -> None:
        """Asks for the first bar of the answer, where more was played than it was asked with."""
        if self._asking is not None:
            return
        notes = self._notes(self._first, self._bars)
        asked = tuple(map(tuple, notes.tolist()))
        if asked == self._asked and self._ready is not None:
            return
        self._asked = asked
        heard = self._heard(notes)
        self._asking = self._executor.submit(lambda: self._write(heard, now))

    def _heard(self, notes: Notes) -> Sketch:
        """The piece as the model hears it: what was played first is what it begins from."""
        if self.sketch is None:
            return self._bench.begin(notes, self._bars, metres=(self._metre,) * self._bars)
        sketch = self.sketch
        for own in self._played(self._first, self._bars):
            sketch = sketch.with_bar(len(sketch.bars), own)
        return sketch

    def _write(self, heard: Sketch, read: float) -> _Answer:
        """The answer; it runs beside, and nothing else uses the workbench."""
        steps = self._bench.compose(
            heard, bars=1, seed=self._seed, sampling=self._sampling, metre=self._metre
        )
        ((sketch, change),) = steps
        notes = [tuple(row) for row in self._bench.notes_of(sketch, change).tolist()]
        return _Answer(read, time.perf_counter(), sketch, change, notes)

    # the model's turn -------------------------------------------------------------------------

    def _answer(self, here: float, now: float) -> None:
        assert self._answered is not None
        self._collect()
        if self._ready is not None:
            self._put(self._ready, here, now)
            self._ready = None
        elif self._asking is None and self._answered < self._bars:
            assert self.sketch is not None
            self._replay()
            heard = self.sketch
            self._asking = self._executor.submit(lambda: self._write(heard, now))
        end = self._line + self._bars * self.bar_steps
        left = (end - here) * self._seconds_per_step
        if self._answered == self._bars and left <= COMMIT:
            self._replay()
            self._struck = [each for each in self._struck if each.start >= end]
            # where the answer came so late that its bars are over, with the next bar
            self._first = max(end, -int(-here // self.bar_steps) * self.bar_steps)
            self._answered, self._asked = None, ()

    def _put(self, answer: _Answer, here: float, now: float) -> None:
        """A bar of the answer in its place: in the piece, and in what is to be sounded."""
        assert self._answered is not None
        heard, change = answer.heard, answer.change
        if self._answered == 0:
            line = now + (self._line - here) * self._seconds_per_step
            self.log.append(Trade(answer.ready - line, answer.read - line))
            self._asking = None  # one that is on its way comes too late
            played = self._played(self._first, self._bars)
            stands = self.sketch or replace(heard, given_stands=False, bars=())
            stands = replace(stands, made={**stands.made, **heard.made})
            for own in played:
                stands = stands.with_bar(len(stands.bars), own)
            self._place = len(stands.bars) - self._bars
            mine = {self._place + i for i, own in enumerate(played) if own.notes}
            self.sketch = replace(stands, locked=stands.locked | mine)
        assert self.sketch is not None
        self.sketch = self.sketch.with_bar(len(self.sketch.bars), change.recipe)
        start = self._line + self._answered * self.bar_steps
        for at, steps, pitch, velocity, tied in answer.notes:
            ends = (start - GAP, 0, (NOTE_OFF, pitch, 0))
            if tied and ends in self._queue:  # it goes on from the bar before
                self._queue.remove(ends)
            else:
                self._queue.append((start + at, 1, (NOTE_ON, pitch, velocity)))
            self._queue.append((start + at + steps - GAP, 0, (NOTE_OFF, pitch, 0)))
        self._queue.sort()
        self._answered += 1

    def _replay(self) -> None:
        """What was played stands as it was, also what came after the answer had to be taken."""
        assert self.sketch is not None
        for bar, own in enumerate(self._played(self._first, self._bars), start=self._place):
            self.sketch = self.sketch.with_bar(bar, own)

    # what goes out ----------------------------------------------------------------------------

    def _sound(self, here: float) -> None:
        while self._queue and self._queue[0][0] <= here:
            _, _, message = self._queue.pop(0)
            pitch = message[1]
            (self._sounding.add if message[0] == NOTE_ON else self._sounding.discard)(pitch)
            self._port.send(message)

    def _silence(self) -> None:
        self._queue = []
        for pitch in sorted(self._sounding):
            self._port.send((NOTE_OFF, pitch, 0))
        self._sounding = set()

    def _send_clock(self, here: float) -> None:
        while self._sends_clock and self._n_ticks / TICKS * self._per_quarter <= here:
            self._port.send((CLOCK,))
            self._n_ticks += 1

    def _click(self, here: float) -> None:
        beat = here // self._beat * self._beat
        if not self._clicks or beat <= self._clicked:
            return
        self._clicked = beat
        is_first = beat % self.bar_steps == 0
        pitch = HIGH_CLICK if is_first else LOW_CLICK
        self._port.send((CLICKS, pitch, 110 if is_first else 80))
        self._port.send((CLICKS, pitch, 0))


def _own_note(row: tuple[int, ...]) -> OwnNote:
    start, duration, pitch, velocity, tied = row
    return start, duration, pitch, velocity, bool(tied)
