"""One piece of work at a time, a stated place, and a place given up by who leaves."""

import asyncio
import threading

import pytest

from nextbar.studio.turns import QueueFullError, Turns, Waiting


async def collect(steps, into):
    async for step in steps:
        into.append(step)
    return into


def test_work_is_done_in_order_and_the_place_in_the_queue_is_stated():
    async def scene():
        turns, release, order = Turns(), threading.Event(), []

        def work(name):
            release.wait(5)
            order.append(name)
            yield name

        tasks = [asyncio.create_task(collect(turns.steps(lambda n=n: work(n)), [])) for n in "abc"]
        await asyncio.sleep(0.05)
        assert len(turns) == 3
        release.set()
        return await asyncio.gather(*tasks), order, len(turns)

    (first, second, third), order, left = asyncio.run(scene())
    assert first == ["a"]
    assert second == [Waiting(1), "b"]
    assert third == [Waiting(2), Waiting(1), "c"]
    assert order == ["a", "b", "c"]
    assert left == 0


def test_who_leaves_gives_up_the_work_at_the_next_step_and_the_next_one_begins():
    async def scene():
        turns, done = Turns(), []

        def endless():
            for number in range(1_000_000):
                done.append(number)
                yield number

        working = asyncio.create_task(collect(turns.steps(endless), []))
        while len(done) < 3:
            await asyncio.sleep(0.001)
        waiting = asyncio.create_task(collect(turns.steps(lambda: iter(["next"])), []))
        await asyncio.sleep(0)
        working.cancel()
        got = await asyncio.wait_for(waiting, 5)
        n_done = len(done)
        await asyncio.sleep(0.05)
        return got, len(done) - n_done

    got, went_on = asyncio.run(scene())
    assert got[-1] == "next"
    assert went_on == 0


def test_a_full_queue_refuses_and_an_error_of_the_work_frees_the_place():
    async def scene():
        turns, release = Turns(most_waiting=1), threading.Event()

        def work():
            release.wait(5)
            raise ValueError("broken")

        tasks = [asyncio.create_task(turns.result(work)) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(QueueFullError):
            await turns.result(work)
        release.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return results, len(turns)

    results, left = asyncio.run(scene())
    assert [str(result) for result in results] == ["broken", "broken"]
    assert left == 0


def test_what_is_asked_for_at_once_goes_before_the_next_step_of_other_work():
    async def scene():
        turns, order = Turns(), []
        begun, release = threading.Event(), threading.Event()

        def steps():
            for number in range(3):
                order.append(number)
                yield number

        def live():
            begun.set()
            release.wait(5)
            order.append("live")

        async def slowly():
            async for step in turns.steps(steps):
                if step == 0:
                    at_once.append(asyncio.create_task(turns.at_once(live)))
                    await asyncio.to_thread(begun.wait, 5)
                    asyncio.get_running_loop().call_later(0.1, release.set)

        at_once = []
        await asyncio.wait_for(slowly(), 10)
        await at_once[0]
        return order

    assert asyncio.run(scene()) == [0, "live", 1, 2]


def test_what_is_asked_for_at_once_is_refused_where_too_many_wait():
    async def scene():
        turns, release = Turns(most_waiting=1), threading.Event()
        tasks = [asyncio.create_task(turns.at_once(lambda: release.wait(5))) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(QueueFullError):
            await turns.at_once(lambda: None)
        release.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(scene()) == [True, True]
