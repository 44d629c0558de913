import ctypes
import faulthandler
import functools
import os
import signal
import time

import pytest

from nextbar.music import workers
from nextbar.music.workers import Lost, map_in_workers


def shout(item):
    return item.upper().encode()


def misbehave(item):
    """Does what the item says, or shouts it."""
    if item == "crash":
        faulthandler.disable()  # the crash is wanted, its story is not
        ctypes.string_at(0)
    if item == "hang":
        time.sleep(60)
    if item == "spin":
        while True:
            pass
    if item == "gorge":
        return bytes(3 * 2**30)
    if item == "exit":
        os._exit(3)
    if item == "fail":
        raise ValueError("no such thing")
    return shout(item)


def limit(seconds):
    return lambda _: seconds


def results(work, items, n_workers=2, seconds=20.0):
    return list(map_in_workers(work, items, n_workers=n_workers, seconds=limit(seconds)))


@pytest.mark.parametrize("n_workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items_whatever_the_number_of_workers(n_workers):
    items = [f"item {i}" for i in range(333)]
    assert results(shout, items, n_workers) == [item.upper().encode() for item in items]


def test_nothing_to_do_is_done_at_once():
    assert results(shout, []) == []


def test_what_crashes_or_fails_or_takes_all_memory_costs_itself_only():
    items = ["a", "crash", "b", "exit", "fail", "c", "gorge", "d"]
    done = results(misbehave, items * 3)
    for i, item in enumerate(items * 3):
        if len(item) == 1:
            assert done[i] == item.upper().encode()
    assert done[1] == Lost("crashed the reader", f"exit code -{signal.SIGSEGV}")
    assert done[3] == Lost("crashed the reader", "exit code 3")
    assert done[4] == Lost("crashed the reader", "ValueError: no such thing")
    assert done[6] == Lost("needs too much memory", "more than a reader may have")
    assert done[8:16] == done[:8]


@pytest.mark.parametrize("way", ["hang", "spin"])
def test_what_takes_too_long_is_ended(way):
    began = time.monotonic()
    done = results(misbehave, ["a", way, "b"], n_workers=1, seconds=0.3)
    assert done == [b"A", Lost("took too long", "over 0 s"), b"B"]
    assert time.monotonic() - began < 20


def alive():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="needs /proc")
def test_no_process_is_left_when_the_caller_stops_early():
    before = alive()
    mapped = map_in_workers(shout, list("abcdefgh"), n_workers=2, seconds=limit(20))
    assert next(mapped) == b"A"
    assert len(alive()) > len(before)
    mapped.close()
    assert alive() == before


def test_workers_that_cannot_even_begin_end_the_run_instead_of_trying_for_ever(monkeypatch):
    monkeypatch.setattr(workers, "_serve", lambda *_: os._exit(1))
    with pytest.raises(MemoryError, match="worker processes cannot be started"):
        results(shout, ["a", "b"])


def test_work_may_carry_its_settings():
    def join(item, end):
        return (item + end).encode()

    assert results(functools.partial(join, end="!"), ["a"]) == [b"a!"]
