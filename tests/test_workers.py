import ctypes
import faulthandler
import functools
import json
import os
import signal
import struct
import sys
import time

import pytest

from nextbar import workers
from nextbar.workers import Lost, map_in_workers


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


def given(_, seconds):
    return seconds


def limit(seconds):
    return functools.partial(given, seconds=seconds)


def stretches(work, items, n_workers=2, seconds=20.0, **how):
    return list(map_in_workers(work, items, n_workers=n_workers, seconds=limit(seconds), **how))


def results(work, items, n_workers=2, seconds=20.0, **how):
    """Each item's result, where every item is a stretch by itself."""
    done = stretches(work, items, n_workers, seconds, **how)
    assert [numbers for numbers, _ in done] == [range(i, i + 1) for i in range(len(items))]
    return [result for _, result in done]


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
    assert next(mapped) == (range(0, 1), b"A")
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


def dawdle(item):
    """The first item takes longer than all others together."""
    if item == "0":
        time.sleep(0.5)
    return item


def in_a_row(values):
    return "".join(f"{value}," for value in values).encode()


@pytest.mark.parametrize("n_workers", [1, 2, 5])
def test_results_of_many_items_at_once_say_the_same_however_the_items_are_cut(n_workers):
    items = [str(i) for i in range(333)]
    done = stretches(dawdle, items, n_workers, finish=in_a_row)
    assert [i for numbers, _ in done for i in numbers] == list(range(333))
    assert b"".join(data for _, data in done) == in_a_row(items)
    assert [data.count(b",") for _, data in done] == [len(numbers) for numbers, _ in done]
    assert len(done) < 333 / 4


def test_an_item_that_is_lost_is_a_stretch_by_itself_and_parts_those_beside_it():
    done = stretches(misbehave, ["a", "fail", "b", "c"], n_workers=1, finish=b"".join)
    assert done == [
        (range(0, 1), b"A"),
        (range(1, 2), Lost("crashed the reader", "ValueError: no such thing")),
        (range(2, 4), b"BC"),
    ]


def join_unless_bad(values):
    if b"BAD" in values:
        raise MemoryError
    return b"".join(values)


def test_what_cannot_be_finished_costs_itself_only():
    done = stretches(shout, ["a", "bad", "b"], n_workers=1, finish=join_unless_bad)
    assert done == [
        (range(0, 1), b"A"),
        (range(1, 2), Lost("needs too much memory", "more than a reader may have")),
        (range(2, 3), b"B"),
    ]


@pytest.mark.parametrize("n_items", [0, 1, 7, 100, 5000])
@pytest.mark.parametrize("n_workers", [1, 2, 16])
def test_batches_hold_every_item_once_and_are_short_at_the_end(n_items, n_workers):
    batches = list(workers._cut(n_items, n_workers))
    assert [i for batch in batches for i in batch] == list(range(n_items))
    sizes = [len(batch) for batch in batches]
    assert max(sizes, default=0) <= 128
    if n_items == 5000:
        assert sizes[0] == min(128, 5000 // (4 * n_workers))
        assert max(sizes[-n_workers:]) <= 8
    if n_items == 7 and n_workers == 2:
        assert sizes == [4, 3]  # each has its half


def good_message():
    return workers._pack([(3, b"three"), (1, Lost("why", "how")), (2, b"")])


def test_a_message_is_read_as_it_was_written():
    assert workers._unpack(good_message(), range(10, 16)) == [
        (range(10, 13), b"three"),
        (range(13, 14), Lost("why", "how")),
        (range(14, 16), b""),
    ]


def test_a_message_that_is_cut_short_or_too_long_or_of_other_items_is_damaged():
    message = good_message()
    for length in range(len(message)):
        with pytest.raises(ValueError, match="its answer is damaged"):
            workers._unpack(message[:length], range(10, 16))
    for wrong, batch in (
        (message + b"x", range(10, 16)),
        (message, range(10, 15)),
        (message, range(10, 17)),
        (workers._pack([(2, Lost("why", "how"))]), range(2)),
        (b"\xff" * 40, range(1)),
    ):
        with pytest.raises(ValueError, match="its answer is damaged"):
            workers._unpack(wrong, batch)


def test_a_worker_that_answers_damaged_loses_items_and_never_the_run(monkeypatch):
    pack = workers._pack
    monkeypatch.setattr(workers, "_pack", lambda results: pack(results)[:-1])
    assert results(shout, ["a", "b"]) == [Lost("crashed the reader", "its answer is damaged")] * 2


def test_a_worker_that_dies_in_the_middle_of_its_answer_costs_one_item(monkeypatch, tmp_path):
    serve, first = workers._serve, tmp_path / "first"

    def serve_half(pipe, mark, orders):
        try:
            first.touch(exist_ok=False)
        except FileExistsError:
            return serve(pipe, mark, orders)
        pipe.recv_bytes()
        mark[:] = (1, time.monotonic())
        # What is announced is 1,000 bytes, of which 10 come.
        os.write(pipe.fileno(), struct.pack("!i", 1000) + b"0123456789")
        os._exit(9)

    monkeypatch.setattr(workers, "_serve", serve_half)
    done = results(shout, ["a", "b", "c"], n_workers=1)
    assert done == [b"A", Lost("crashed the reader", "exit code 9"), b"C"]


def limits(_):
    import resource

    kinds = (resource.RLIMIT_CORE, resource.RLIMIT_CPU, resource.RLIMIT_AS)
    return json.dumps([resource.getrlimit(kind)[0] for kind in kinds]).encode()


@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
@pytest.mark.parametrize("fresh", [False, True])
def test_a_worker_dumps_no_core_and_has_an_end_to_its_time_and_memory(fresh):
    import resource

    before = resource.getrlimit(resource.RLIMIT_CORE)
    if before[1] == 0:
        pytest.skip("nothing may dump a core here")
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        [data] = results(limits, ["a"], seconds=5.0, memory_bytes=2**30, fresh=fresh)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    core, seconds, memory = json.loads(data)
    assert core == 0
    assert 5 <= seconds <= 60  # 5 s from now on, and what it has used to begin
    assert 2**30 < memory < 2**30 + 2**34


SECRET = []


def tell_secret(_):
    return repr(SECRET).encode()


def test_a_fresh_worker_knows_nothing_of_what_is_in_memory_here(monkeypatch):
    monkeypatch.setitem(globals(), "SECRET", ["known here"])
    assert results(tell_secret, ["a"], fresh=True) == [b"[]"]


def prattle(item):
    print("from Python", flush=True)
    os.write(1, b"from C")
    os.write(2, b"and in red")
    return shout(item)


def test_what_a_parser_prints_is_not_shown(capfd):
    assert results(prattle, ["a"]) == [b"A"]
    assert capfd.readouterr() == ("", "")


def test_results_in_waiting_are_bounded_while_an_early_item_is_slow(monkeypatch, tmp_path):
    monkeypatch.setattr(workers, "FURTHEST_AHEAD", 100)
    done = tmp_path / "done"
    done.mkdir()

    def note(item):
        if item == "0":
            time.sleep(1)
            return str(len(list(done.iterdir()))).encode()
        (done / item).touch()
        return b""

    # Without a bound the other worker would do all that are not in the first batch: 500 - 62.
    ahead = int(results(note, [str(i) for i in range(500)])[0])
    assert 0 < ahead <= 100
