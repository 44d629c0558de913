"""Where in the bars one is, in quarters from the first bar line."""

from typing import Final

TICKS: Final = 24
"""MIDI clock messages in a quarter."""
CLOCK, START, CONTINUE, STOP = 0xF8, 0xFA, 0xFB, 0xFC
SMOOTHED: Final = 0.1
"""How much a tick's own distance counts for the tempo that is heard."""


class OwnClock:
    """The machine's own: quarter 0 is ``lead`` quarters behind the moment of its start."""

    def __init__(self, tempo: float, lead: float = 0.0) -> None:
        self.seconds_per_quarter = 60 / tempo
        self._lead = lead
        self._began: float | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has been started."""
        return self._began is not None

    def start(self, now: float) -> None:
        """Begins to count, ``now`` in seconds."""
        self._began = now + self._lead * self.seconds_per_quarter

    def take(self, now: float, status: int) -> None:
        """Takes no message: others do not decide the tempo."""

    def quarters(self, now: float) -> float:
        """Where it is; below 0 while it counts in."""
        assert self._began is not None
        return (now - self._began) / self.seconds_per_quarter


class MidiClock:
    """Another's, by its messages: START is quarter 0, STOP holds it; between ticks it goes on.

    tempo: until two ticks have come.
    """

    def __init__(self, tempo: float) -> None:
        self.seconds_per_quarter = 60 / tempo
        self._n_ticks = 0
        self._latest: float | None = None
        self.is_running = False

    def start(self, now: float) -> None:
        """Waits for START."""

    def take(self, now: float, status: int) -> None:
        """Counts what it is told."""
        if status == START:
            self._n_ticks, self._latest, self.is_running = -1, None, True
        elif status == CONTINUE:
            self.is_running = True
        elif status == STOP:
            self.is_running = False
        elif status == CLOCK and self.is_running:
            if self._latest is not None and self._n_ticks >= 0:
                apart = TICKS * (now - self._latest)
                self.seconds_per_quarter += SMOOTHED * (apart - self.seconds_per_quarter)
            self._n_ticks += 1
            self._latest = now

    def quarters(self, now: float) -> float:
        """Where it is: the last tick, and what has gone by since, up to the next."""
        if self._latest is None:  # started, and the first tick is still to come
            return 0.0
        since = (now - self._latest) / self.seconds_per_quarter
        return self._n_ticks / TICKS + min(since, 1 / TICKS)
