"""Work on untrusted input in processes of their own, within limits of time and memory.

A parser of native code may crash, hang, or ask for all the memory there is.
Here that costs the one item it happened with: its process is ended, another
takes the rest, and the item comes back as :class:`Lost`. All that a worker
says comes as plain bytes, whose lengths are checked; nothing is unpickled.
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
from itertools import groupby
from multiprocessing.connection import Connection, wait
from typing import Any, Final

MEMORY_BYTES: Final = 2 * 2**30
"""What a worker may ask for beyond what it has when it begins."""
MOST_AT_ONCE: Final = 128
"""Items in a batch."""
FEWEST_AT_ONCE: Final = 8
"""Items in the batches towards the end, which are short, so that no worker waits for another."""
GLANCE_SECONDS: Final = 0.1
"""How often deadlines are looked at."""
BEGIN_SECONDS: Final = 60.0
"""What a worker may take to begin, at least: a new interpreter on a busy machine."""
FURTHEST_AHEAD: Final = 1024
"""How many results may wait for a slow one before them, so that memory stays flat."""
MOST_BARREN_DEATHS: Final = 3
"""Workers that die before they begin anything are no item's fault; so many end the run."""

TOO_LONG: Final = "took too long"
CRASHED: Final = "crashed the reader"
TOO_MUCH: Final = "needs too much memory"

Work = Callable[[str], Any]
Finish = Callable[[list[Any]], bytes]
"""What makes the results of consecutive items that a worker has at hand into bytes."""


@dataclass(frozen=True)
class Lost:
    """An item that gave no result; ``reason`` is CRASHED, TOO_LONG or TOO_MUCH."""

    reason: str
    detail: str


Result = tuple[range, bytes | Lost]
"""Numbers of consecutive items, and the bytes that they gave, or how the one there is was lost."""


def map_in_workers(
    work: Work,
    items: Sequence[str],
    *,
    n_workers: int,
    seconds: Callable[[str], float],
    finish: Finish | None = None,
    memory_bytes: int = MEMORY_BYTES,
    fresh: bool = False,
) -> Generator[Result, None, None]:
    """``finish`` of ``work(item)`` of the items, stretch by stretch in their order, or how lost.

    Every item is in one stretch; one that is lost is a stretch by itself.
    Where stretches end depends on ``n_workers`` and on chance, so ``finish`` must
    give bytes that say the same however the items are cut; without it
    ``work`` gives bytes, and every item is a stretch. n_workers: processes,
    from 1. seconds: an item's limit of time. An exception in ``work`` or
    ``finish`` loses its item as a crash does. fresh: a worker is a new
    interpreter and no copy of this process, which is slower to begin with, but
    safe beside threads. However the iteration ends, no process is left.
    """
    crew = _Crew(_Orders(work, finish, seconds, memory_bytes), items, n_workers, fresh)
    try:
        yield from crew.results()
    finally:
        crew.dismiss()


@dataclass(frozen=True)
class _Orders:
    """What every worker is told when it begins."""

    work: Work
    finish: Finish | None
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

    def __init__(
        self, orders: _Orders, items: Sequence[str], n_workers: int, fresh: bool = False
    ) -> None:
        self._orders, self._items = orders, items
        self._batches = deque(_cut(len(items), n_workers))
        self._n_workers = min(n_workers, max(1, len(self._batches)))
        self._workers: list[_Worker] = []
        self._waiting: dict[int, Result] = {}
        self._barren_deaths = 0
        # A fork is quick and needs nothing of the caller's program; elsewhere it is not safe.
        can_fork = sys.platform == "linux" and not fresh
        self._context: Any = multiprocessing.get_context("fork" if can_fork else "spawn")

    def results(self) -> Iterator[Result]:
        """Each stretch's result, in order."""
        turn = 0
        while turn < len(self._items):
            self._give_out(turn)
            self._collect()
            self._give_out(turn)  # nobody waits while the caller looks at what has come
            while turn in self._waiting:
                numbers, result = self._waiting.pop(turn)
                yield numbers, result
                turn = numbers.stop

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
                results = _unpack(pipe.recv_bytes(), worker.batch)
            except (EOFError, OSError):
                self._replace(worker, how=None)
            except ValueError as error:
                self._replace(worker, how=Lost(CRASHED, f"{error}"))
            else:
                self._waiting |= {numbers.start: (numbers, value) for numbers, value in results}
                worker.batch = range(0)
                self._barren_deaths = 0
        for worker in busy.values():
            nth, since = worker.mark[:]
            limit = self._orders.seconds(self._items[worker.batch[max(int(nth), 0)]])
            limit = limit if nth >= 0 else max(limit, BEGIN_SECONDS)
            if time.monotonic() - since > limit:
                self._replace(worker, how=Lost(TOO_LONG, f"over {limit:.0f} s"))

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
        lost = batch[nth : nth + 1]
        self._waiting[lost.start] = (lost, how or _how_it_died(worker.process.exitcode))
        rest = (batch[nth + 1 :], batch[:nth])
        self._batches.extendleft(part for part in rest if part)


def _cut(n_items: int, n_workers: int) -> Iterator[range]:
    """Batches: long ones, which cost less in between, then ever shorter ones."""
    begin = 0
    while begin < n_items:
        share = (n_items - begin) // (4 * n_workers)
        size = min(max(share, FEWEST_AT_ONCE), MOST_AT_ONCE)
        if n_items < FEWEST_AT_ONCE * n_workers:
            size = -(-n_items // n_workers)
        yield range(begin, min(begin + size, n_items))
        begin += size


def _how_it_died(exitcode: int | None) -> Lost:
    if exitcode is not None and exitcode == -getattr(signal, "SIGXCPU", 0):
        return Lost(TOO_LONG, "its time of computation is used up")
    return Lost(CRASHED, f"exit code {exitcode}")


def _end(worker: _Worker) -> None:
    if hasattr(os, "killpg") and worker.process.pid is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.process.pid, signal.SIGKILL)  # abc2midi too, if it runs
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _unpack(message: bytes, batch: range) -> list[Result]:
    """The results of a batch, of which each item is in one; ValueError if they are not."""
    try:
        (n_results,) = struct.unpack_from("<I", message)
        heads = [struct.unpack_from("<?IQ", message, 4 + 13 * i) for i in range(n_results)]
        at, number, results = 4 + 13 * n_results, batch.start, list[Result]()
        for is_lost, n_items, length in heads:
            if is_lost and n_items != 1:
                raise ValueError("only single items are lost")
            data, numbers = message[at : at + length], range(number, number + n_items)
            results.append((numbers, Lost(*json.loads(data)) if is_lost else data))
            at, number = at + length, number + n_items
    except (struct.error, ValueError, TypeError) as error:
        raise ValueError("its answer is damaged") from error
    if at != len(message) or number != batch.stop:
        raise ValueError("its answer is damaged")
    return results


def _serve(pipe: Connection, mark: Any, orders: _Orders) -> None:
    """The life of a worker: it takes batches until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever has started it decides
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    gc.freeze()  # what is there is shared with the parent as long as nobody touches it
    gc.disable()
    _hush()
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


def _finish_all(finish: Finish | None, done: list[Any]) -> list[tuple[int, bytes | Lost]]:
    """How many items, and the bytes they gave, or how one was lost; as long stretches as can be."""
    results: list[tuple[int, bytes | Lost]] = []
    for is_lost, group in groupby(done, key=lambda value: isinstance(value, Lost)):
        values = list(group)
        finished = None if is_lost or finish is None else _attempt(finish, values)
        if isinstance(finished, bytes):
            results.append((len(values), finished))
        elif is_lost or finish is None:
            results += [(1, value) for value in values]
        else:  # one by one if all at once is too much
            results += [(1, _attempt(finish, [value])) for value in values]
    return results


def _attempt(work: Callable[[Any], Any], value: Any) -> Any:
    try:
        return work(value)
    except MemoryError:
        return Lost(TOO_MUCH, "more than a reader may have")
    except Exception as error:  # whatever a parser does, it must cost this item only
        return Lost(CRASHED, f"{type(error).__name__}: {error}"[:300])


def _pack(results: list[tuple[int, bytes | Lost]]) -> bytes:
    """The message that :func:`_unpack` reads: a count, then what each result is, then all bytes."""
    bodies = [
        value if isinstance(value, bytes) else json.dumps([value.reason, value.detail]).encode()
        for _, value in results
    ]
    heads = [
        struct.pack("<?IQ", isinstance(value, Lost), n_items, len(body))
        for (n_items, value), body in zip(results, bodies, strict=True)
    ]
    return b"".join([struct.pack("<I", len(results)), *heads, *bodies])


def usable_cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _hush() -> None:
    """Nothing that a parser prints, on whatever way, is shown or taken for an answer."""
    nowhere = open(os.devnull, "w")  # noqa: SIM115  it is open as long as the process lives
    sys.stdout = sys.stderr = nowhere
    for stream in (1, 2):
        os.dup2(nowhere.fileno(), stream)


def _limit_memory(memory_bytes: int) -> None:
    """No more address space than what is there now and ``memory_bytes``; no core is dumped."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
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
