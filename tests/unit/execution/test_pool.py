"""Pools: who gets which environment, and when one is started."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from lamina.execution._environment import InitFailed
from lamina.execution._pool import Pool

from .conftest import live_version


class FakeEnvironment:
    """What a pool sees of an environment."""

    def __init__(self, on_idle: Callable[[Any], None], on_dead: Callable[[Any], None]) -> None:
        self.on_idle = on_idle
        self.on_dead = on_dead
        self.ended = False
        self.idle_since = 0.0
        self.best_before = 1.0

    def done(self) -> None:
        self.on_idle(self)

    def end(self) -> None:
        self.ended = True
        self.on_dead(self)


class Maker:
    """Starts environments when it is told to."""

    def __init__(self) -> None:
        self.made: list[FakeEnvironment] = []
        self.starts = 0
        self.go = asyncio.Event()
        self.go.set()
        self.failure: Exception | None = None

    async def start(self, live: Any, on_idle: Any, on_dead: Any) -> Any:
        self.starts += 1
        await self.go.wait()
        if self.failure is not None:
            raise self.failure
        environment = FakeEnvironment(on_idle, on_dead)
        self.made.append(environment)
        environment.done()
        return environment


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def pool(maker: Maker) -> Pool:
    return Pool(live_version(), maker.start, lambda _: None)


async def test_the_first_caller_starts_one(pool: Pool, maker: Maker) -> None:
    assert await pool.take() is maker.made[0]


async def test_an_idle_one_is_used_again(pool: Pool, maker: Maker) -> None:
    first: Any = await pool.take()
    first.done()
    assert await pool.take() is first
    assert maker.starts == 1


async def test_the_one_used_last_is_used_first(pool: Pool, maker: Maker) -> None:
    await pool.warm(2)
    one: Any = await pool.take()
    other: Any = await pool.take()
    other.done()
    one.done()
    assert await pool.take() is one


async def test_who_waits_gets_what_becomes_free_first(pool: Pool, maker: Maker) -> None:
    busy: Any = await pool.take()
    maker.go.clear()
    waiting = asyncio.create_task(pool.take())
    await asyncio.sleep(0)
    busy.done()
    assert await waiting is busy
    maker.go.set()


async def test_a_failed_start_is_the_answer_of_one_that_waits(pool: Pool, maker: Maker) -> None:
    maker.failure = InitFailed(lambda _: b"")
    with pytest.raises(InitFailed):
        await pool.take()
    assert pool.empty


async def test_warming_up_survives_failures(pool: Pool, maker: Maker) -> None:
    maker.failure = InitFailed(lambda _: b"")
    await pool.warm(3)
    assert pool.size == 0


async def test_a_dead_one_is_not_given_out(pool: Pool, maker: Maker) -> None:
    first: Any = await pool.take()
    first.done()
    first.end()
    assert await pool.take() is not first


async def test_a_retired_pool_ends_its_idle_ones_at_once_and_busy_ones_later(pool: Pool, maker: Maker) -> None:
    await pool.warm(2)
    busy: Any = await pool.take()
    pool.retire()
    assert [each.ended for each in maker.made if each is not busy] == [True]
    assert not busy.ended
    busy.done()
    assert busy.ended
    assert pool.empty


async def test_a_retired_pool_serves_who_waits_already(pool: Pool, maker: Maker) -> None:
    maker.go.clear()
    waiting = asyncio.create_task(pool.take())
    await asyncio.sleep(0)
    pool.retire()
    maker.go.set()
    served: Any = await waiting
    assert not served.ended


async def test_a_caller_that_gives_up_loses_nothing(pool: Pool, maker: Maker) -> None:
    maker.go.clear()
    waiting = asyncio.create_task(pool.take())
    await asyncio.sleep(0)
    waiting.cancel()
    maker.go.set()
    await asyncio.sleep(0.01)
    assert len(pool.idle) == 1


async def test_who_asks_just_after_a_new_one_was_given_away_has_one_started(maker: Maker) -> None:
    second: list[asyncio.Task[Any]] = []
    start = maker.start

    async def start_and_ask(live: Any, on_idle: Any, on_dead: Any) -> Any:
        environment = await start(live, on_idle, on_dead)
        if not second:
            second.append(asyncio.create_task(pool.take()))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return environment

    pool = Pool(live_version(), start_and_ask, lambda _: None)
    await pool.take()
    async with asyncio.timeout(5):
        await second[0]


async def test_one_that_is_too_old_is_ended_when_it_has_finished(pool: Pool, maker: Maker) -> None:
    first: Any = await pool.take()
    first.idle_since = first.best_before + 1
    first.done()
    assert first.ended
    assert await pool.take() is not first


async def test_who_waits_is_not_given_one_that_is_too_old(pool: Pool, maker: Maker) -> None:
    old: Any = await pool.take()
    maker.go.clear()
    waiting = asyncio.create_task(pool.take())
    await asyncio.sleep(0)
    old.idle_since = old.best_before + 1
    old.done()
    maker.go.set()
    async with asyncio.timeout(5):
        assert await waiting is not old


async def test_the_unused_and_the_old_are_reclaimed(pool: Pool, maker: Maker) -> None:
    await pool.warm(3)
    for each, since, before in zip(maker.made, (10.0, 50.0, 50.0), (200.0, 200.0, 90.0), strict=True):
        each.idle_since, each.best_before = since, before
    pool.reclaim(now=100.0, idle_seconds=60.0)
    assert [each.ended for each in maker.made] == [True, False, True]
    assert pool.idle == [maker.made[1]]
