"""Turns at the model: one piece of work at a time, a bounded queue, and a stated place in it.

Who plays along cannot wait: a bar of an answer is written at once, in a thread
of its own, and what has the turn goes on behind it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

MOST_WAITING: Final = 32


class QueueFullError(Exception):
    """As many are waiting as may."""


@dataclass(frozen=True)
class Waiting:
    """A place in the queue; 1 is next."""

    place: int


class Turns:
    """Runs work in one thread, in the order of asking; between two steps it can be given up.

    Whoever stops listening (a closed tab) gives up the place or the work at
    the next step, and the one behind moves up. Between two steps it stands
    aside for what is asked for at once.
    """

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nextbar-model")
        self._line: deque[asyncio.Event] = deque()
        self._most_waiting = most_waiting
        self._thread_at_once = ThreadPoolExecutor(1, thread_name_prefix="nextbar-live")
        self._n_at_once = 0
        self._aside = asyncio.Event()
        self._aside.set()

    def __len__(self) -> int:
        """How many work or wait."""
        return len(self._line)

    async def steps(self, work: Callable[[], Iterator[Any]]) -> AsyncIterator[Any]:
        """:class:`Waiting` for each place in the queue, then what ``work`` yields.

        Raises QueueFullError where too many wait already, and what ``work`` raises.
        """
        if len(self._line) > self._most_waiting:
            raise QueueFullError
        moved = asyncio.Event()
        self._line.append(moved)
        end = object()
        try:
            while (place := self._line.index(moved)) > 0:
                yield Waiting(place)
                await moved.wait()
                moved.clear()
            loop = asyncio.get_running_loop()
            iterator = await loop.run_in_executor(self._thread, work)
            while True:
                await self._aside.wait()
                step = await loop.run_in_executor(self._thread, next, iterator, end)
                if step is end:
                    return
                yield step
        finally:
            self._line.remove(moved)
            for other in self._line:
                other.set()

    async def result(self, work: Callable[[], Any]) -> Any:
        """What ``work`` returns, when its turn has come."""
        found = None
        async for step in self.steps(lambda: iter([None])):
            if not isinstance(step, Waiting):
                found = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        return found

    async def at_once(self, work: Callable[[], Any]) -> Any:
        """What ``work`` returns, which waits for no turn; others wait for it between two steps.

        Of several such the one that was asked for first is done first. Raises
        QueueFullError where too many wait, and what ``work`` raises.
        """
        if self._n_at_once > self._most_waiting:
            raise QueueFullError
        self._n_at_once += 1
        self._aside.clear()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread_at_once, work)
        finally:
            self._n_at_once -= 1
            if not self._n_at_once:
                self._aside.set()

    def close(self) -> None:
        """Takes no more work; what runs is not waited for."""
        for thread in (self._thread, self._thread_at_once):
            thread.shutdown(wait=False, cancel_futures=True)
