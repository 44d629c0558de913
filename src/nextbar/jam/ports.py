"""MIDI ports. What comes in is kept with the time at which it came, in the order of its coming."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from nextbar.errors import UsageError

NAME: Final = "nextbar"
MISSING: Final = (
    "nextbar jam needs python-rtmidi, which is not installed; install it with: "
    "pip install 'nextbar[midi]'"
)
Message = tuple[int, ...]
"""The bytes of one MIDI message."""


class Port(Protocol):
    """What can be played on, and played with."""

    def receive(self) -> Iterator[tuple[float, Message]]:
        """What came since the last time: seconds of ``time.perf_counter``, and the bytes."""

    def send(self, message: Message) -> None:
        """Sends the bytes at once."""


class MidiPort:
    """A pair of ports: those of the names, or one of our own that others connect to."""

    def __init__(self, midi_in: Any, midi_out: Any) -> None:
        self._came: deque[tuple[float, Message]] = deque()
        self._out = midi_out
        midi_in.ignore_types(sysex=True, timing=False, active_sense=True)
        midi_in.set_callback(self._take)

    def _take(self, event: tuple[Sequence[int], float], _: Any) -> None:
        self._came.append((time.perf_counter(), tuple(event[0])))

    def receive(self) -> Iterator[tuple[float, Message]]:
        """What came since the last time."""
        while self._came:
            yield self._came.popleft()

    def send(self, message: Message) -> None:
        """Sends the bytes at once."""
        self._out.send_message(list(message))


@contextmanager
def open_ports(port_in: str | None, port_out: str | None) -> Iterator[MidiPort]:
    """The ports whose names contain these words; where none is named, virtual ones.

    Raises UsageError where python-rtmidi is missing, there is no MIDI on this
    machine, or no such port.
    """
    try:
        import rtmidi
    except ImportError as error:
        raise UsageError(MISSING) from error
    opened: list[Any] = []
    try:
        try:
            for kind, name in ((rtmidi.MidiIn, port_in), (rtmidi.MidiOut, port_out)):
                midi = kind(name=NAME)
                opened.append(midi)
                if name is None:
                    midi.open_virtual_port(NAME)
                else:
                    midi.open_port(find_port(midi.get_ports(), name), NAME)
        except (rtmidi.RtMidiError, NotImplementedError, OSError) as error:
            raise UsageError(
                f"this machine opens no MIDI port: {error}; on Windows, which has no virtual "
                "ports, name those to be used with --port-in and --port-out"
            ) from error
        yield MidiPort(*opened)
    finally:
        for midi in opened:
            midi.close_port()
            midi.delete()


def find_port(names: Sequence[str], wanted: str) -> int:
    """The number of the first port whose name contains the words; UsageError where none does."""
    for number, name in enumerate(names):
        if wanted.lower() in name.lower():
            return number
    known = ", ".join(names) or "none"
    raise UsageError(f"there is no MIDI port {wanted!r}; there are: {known}")
