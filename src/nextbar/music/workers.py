"""Work on untrusted files in processes of their own, within limits of time and memory.

A parser of native code may crash, hang, or ask for all the memory there is.
Here that costs the one item it happened with: its process is ended, another
takes the rest, and the item comes back as :class:`Lost`.
"""

import gc
import json
import multiprocessing
import os
import signal
import struct
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Final

MEMORY_BYTES: Final = 2 * 2**30
"""What a worker may ask for beyond what it has when it begins."""
MOST_AT_ONCE: Final = 128
"""Items in a batch."""
GLANCE_SECONDS: Final = 0.5
"""How often deadlines are looked at."""
FURTHEST_AHEAD: Final = 1024
"""How many results may wait for a slow one before them, so that memory stays flat."""
MOST_BARREN_DEATHS: Final = 3
"""Workers that die before they begin anything are no item's fault; so many end the run."""

Work = Callable[[str], Any]
Finish = Callable[[list[Any]], list[bytes]]
"""What makes the results of items that a worker has at hand into bytes, all of them at once."""


@dataclass(frozen=True)
class Lost:
    """An item that gave no result. reason: "crashed the reader", "took too long", ..."""

    reason: str
    detail: str


def map_in_workers(
    work: Work,
    items: Sequence[str],
    *,
    n_workers: int,
    seconds: Callable[[str], float],
    finish: Finish | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> Generator[bytes | Lost, None, None]:
    """``work(item)`` of each item, in the order of the items, or how it was lost.

    n_workers: processes, from 1. seconds: an item's limit of time. finish:
    turns what ``work`` gave into bytes, for many items at once, where ``work``
    does not give bytes itself; each item's bytes must depend on it alone. An
    exception in ``work`` loses its item as a crash does. However the
    iteration ends, no process is left. Results do not depend on ``n_workers``.
    """
    crew = _Crew(_Orders(work, finish or list, seconds, memory_bytes), items, n_workers)
    try:
        yield from crew.results()
    finally:
        crew.dismiss()


@dataclass(frozen=True)
class _Orders:
    """What every worker is told when it begins."""

    work: Work
    finish: Finish
    seconds: Callable[[str], float]
    memory_bytes: int


@dataclass
class _Worker:
    """A process, the pipe to it, and what it does: ``mark`` is (item in batch, since when)."""

    process: Any
    pipe: Connection
    mark: Any
    batch: range = field(default_factory=lambda: range(0))


class _Crew:
    """Some workers, batches to give them, and results that wait for their turn."""

    def __init__(self, orders: _Orders, items: Sequence[str], n_workers: int) -> None:
        self._orders, self._items = orders, items
        # Enough batches that no worker waits for the last one; long ones cost less in between.
        size = max(1, min(MOST_AT_ONCE, len(items) // (8 * n_workers)))
        self._batches = deque(
            range(begin, min(begin + size, len(items))) for begin in range(0, len(items), size)
        )
        self._n_workers = min(n_workers, max(1, len(self._batches)))
        self._workers: list[_Worker] = []
        self._waiting: dict[int, bytes | Lost] = {}
        self._barren_deaths = 0
        # A fork is quick and needs nothing of the caller's program; elsewhere it is not safe.
        self._context: Any = multiprocessing.get_context(
            "fork" if sys.platform == "linux" else "spawn"
        )

    def results(self) -> Iterator[bytes | Lost]:
        """Each item's result, in order."""
        turn = 0
        while turn < len(self._items):
            self._give_out(turn)
            self._collect()
            while turn in self._waiting:
                yield self._waiting.pop(turn)
                turn += 1

    def dismiss(self) -> None:
        """Ends every worker and what it has started."""
        for worker in self._workers:
            _end(worker)
        self._workers.clear()

    def _give_out(self, turn: int) -> None:
        idle = [worker for worker in self._workers if not worker.batch]
        while self._batches and self._batches[0].start < turn + FURTHEST_AHEAD:
            if not idle and len(self._workers) == self._n_workers:
                return
            worker = idle.pop() if idle else self._hire()
            worker.batch = self._batches.popleft()
            worker.mark[:] = (-1.0, time.monotonic())
            batch = [self._items[i] for i in worker.batch]
            with suppress(OSError):  # it has died; its pipe says so when it is read
                worker.pipe.send_bytes(json.dumps(batch).encode())

    def _hire(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        mark = self._context.RawArray("d", 2)
        process = self._context.Process(
            target=_serve, args=(theirs, mark, self._orders), daemon=True
        )
        with warnings.catch_warnings():
            # Python warns of forks beside threads, as of NumPy's: a worker uses none of theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        worker = _Worker(process, ours, mark)
        self._workers.append(worker)
        return worker

    def _collect(self) -> None:
        """Takes what has come in, and looks after those who are late."""
        busy = {worker.pipe: worker for worker in self._workers if worker.batch}
        for pipe in wait(list(busy), timeout=GLANCE_SECONDS):
            assert isinstance(pipe, Connection)
            worker = busy.pop(pipe)
            try:
                message = pipe.recv_bytes()
            except (EOFError, OSError):
                self._replace(worker, how=None)
                continue
            self._waiting.update(zip(worker.batch, _unpack(message), strict=True))
            worker.batch = range(0)
            self._barren_deaths = 0
        for worker in busy.values():
            nth, since = worker.mark[:]
            limit = self._orders.seconds(self._items[worker.batch[max(int(nth), 0)]])
            if time.monotonic() - since > limit:
                self._replace(worker, how=Lost("took too long", f"over {limit:.0f} s"))

    def _replace(self, worker: _Worker, how: Lost | None) -> None:
        """Ends a worker that died or hangs; only the item that it was at is lost."""
        _end(worker)
        self._workers.remove(worker)
        nth, batch = int(worker.mark[0]), worker.batch
        if nth < 0:
            self._barren_deaths += 1
            if self._barren_deaths >= MOST_BARREN_DEATHS:
                raise MemoryError("worker processes cannot be started; is there memory left?")
            self._batches.appendleft(batch)
            return
        self._waiting[batch[nth]] = how or _how_it_died(worker.process.exitcode)
        rest = (batch[nth + 1 :], batch[:nth])
        self._batches.extendleft(part for part in rest if part)


def _how_it_died(exitcode: int | None) -> Lost:
    if exitcode is not None and exitcode == -getattr(signal, "SIGXCPU", 0):
        return Lost("took too long", "its time of computation is used up")
    return Lost("crashed the reader", f"exit code {exitcode}")


def _end(worker: _Worker) -> None:
    if hasattr(os, "killpg") and worker.process.pid is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.process.pid, signal.SIGKILL)  # abc2midi too, if it runs
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _unpack(message: bytes) -> list[bytes | Lost]:
    """The results of a batch: a count, then a kind and a length for each, then all bytes."""
    (n_items,) = struct.unpack_from("<I", message)
    heads = struct.iter_unpack("<BI", message[4 : 4 + 5 * n_items])
    results: list[bytes | Lost] = []
    at = 4 + 5 * n_items
    for is_lost, length in heads:
        data = message[at : at + length]
        results.append(Lost(*json.loads(data)) if is_lost else data)
        at += length
    return results


def _serve(pipe: Connection, mark: Any, orders: _Orders) -> None:
    """The life of a worker: it takes batches until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever has started it decides
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    gc.freeze()  # what is there is shared with the parent as long as nobody touches it
    gc.disable()
    _limit_memory(orders.memory_bytes)
    while True:
        try:
            items = json.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        done: list[Any] = []
        _limit_computation(sum(map(orders.seconds, items)))
        for nth, item in enumerate(items):
            mark[:] = (nth, time.monotonic())
            done.append(_attempt(orders.work, item))
        pipe.send_bytes(_pack(_finish_all(orders.finish, done)))
        del done
        gc.collect(0)  # all that was made since the last time


def _finish_all(finish: Finish, done: list[Any]) -> list[bytes | Lost]:
    """The bytes of all that is not lost; one by one if all at once is too much."""
    good = [value for value in done if not isinstance(value, Lost)]
    finished = _attempt(finish, good)
    if isinstance(finished, Lost):
        one_by_one = (_attempt(finish, [value]) for value in good)
        finished = [value if isinstance(value, Lost) else value[0] for value in one_by_one]
    results = iter(finished)
    return [value if isinstance(value, Lost) else next(results) for value in done]


def _attempt(work: Callable[[Any], Any], value: Any) -> Any:
    try:
        return work(value)
    except MemoryError:
        return Lost("needs too much memory", "more than a reader may have")
    except Exception as error:  # whatever a parser does, it must cost this item only
        return Lost("crashed the reader", f"{type(error).__name__}: {error}"[:300])


def _pack(results: list[bytes | Lost]) -> bytes:
    """The message that :func:`_unpack` reads."""
    bodies = [
        r if isinstance(r, bytes) else json.dumps([r.reason, r.detail]).encode() for r in results
    ]
    heads = [
        struct.pack("<BI", isinstance(r, Lost), len(b))
        for r, b in zip(results, bodies, strict=True)
    ]
    return b"".join([struct.pack("<I", len(results)), *heads, *bodies])


def _limit_memory(memory_bytes: int) -> None:
    """No more address space than what is there now and ``memory_bytes``, where the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (now + memory_bytes, hard))


def _limit_computation(seconds: float) -> None:
    """So much time on a core from now on: a batch that hangs ends even where nobody watches."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        limit = int(used.ru_utime + used.ru_stime + seconds) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))
