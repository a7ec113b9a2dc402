"""Work that outlives the request that began it."""

from __future__ import annotations

import asyncio

import pytest

from lamina.deploy._tasks import Tasks


async def test_the_result_and_the_exception_are_the_caller_s() -> None:
    tasks = Tasks()

    async def double(number: int) -> int:
        return number * 2

    async def fail() -> None:
        raise LookupError("no")

    assert await tasks.run(double(2)) == 4
    with pytest.raises(LookupError):
        await tasks.run(fail())


async def test_it_goes_on_when_the_caller_is_cancelled() -> None:
    tasks, gate, done = Tasks(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await gate.wait()
        done.set()

    caller = asyncio.create_task(tasks.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    gate.set()
    await tasks.idle()
    assert done.is_set()


async def test_idle_waits_for_what_is_begun_meanwhile() -> None:
    tasks, order = Tasks(), list[str]()

    async def second() -> None:
        await asyncio.sleep(0)
        order.append("second")

    async def first() -> None:
        await asyncio.sleep(0)
        tasks.spawn(second())
        order.append("first")

    tasks.spawn(first())
    await tasks.idle()
    assert order == ["first", "second"]


async def test_at_the_end_what_takes_long_is_cancelled_and_the_rest_ends() -> None:
    tasks, done = Tasks(), list[str]()

    async def short() -> None:
        await asyncio.sleep(0)
        done.append("short")

    tasks.spawn(short())
    long = tasks.spawn(asyncio.sleep(60))
    await tasks.close(0.05)
    assert done == ["short"]
    assert long.cancelled()
