"""Provisioned environments: as many as were asked for, whatever happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from lamina.execution._environment import InitFailed
from lamina.execution._provisioned import INIT_FAILED, Provisioned, Provisions
from lamina.functions import Allocation, Provision

from .conftest import live_version


class FakeEnvironment:
    """One that dies as soon as it is ended, unless it is ``slow``: then when ``die`` is called."""

    def __init__(self, live: Any, on_idle: Callable[[Any], None], on_dead: Callable[[Any], None], slow: bool) -> None:
        self.live = live
        self.on_idle = on_idle
        self.on_dead = on_dead
        self.slow = slow
        self.ended = False
        self.idle_since = 0.0
        self.best_before = 100.0

    def done(self) -> None:
        self.on_idle(self)

    def end(self) -> None:
        self.ended = True
        if not self.slow:
            self.on_dead(self)

    def die(self) -> None:
        self.on_dead(self)


class Maker:
    """Starts environments, or fails."""

    def __init__(self) -> None:
        self.made: list[FakeEnvironment] = []
        self.starts = 0
        self.failure: Exception | None = None
        self.slow = False
        self.again = asyncio.Event()

    async def start(self, live: Any, on_idle: Any, on_dead: Any) -> Any:
        self.starts += 1
        self.again.set()
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        environment = FakeEnvironment(live, on_idle, on_dead, self.slow)
        self.made.append(environment)
        environment.done()
        return environment


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
async def provisioned(maker: Maker) -> Provisioned:
    return Provisioned(live_version(), maker.start, lambda _: None, asyncio.Semaphore(2), retry_seconds=0.01)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_they_are_ready_ahead_and_know_their_kind(provisioned: Provisioned, maker: Maker) -> None:
    provisioned.resize(3)
    assert provisioned.state == Provision(0, None)
    await provisioned.settled()
    assert provisioned.state == Provision(3, None)
    assert {each.live.initialization for each in maker.made} == {"provisioned-concurrency"}


async def test_they_run_out(provisioned: Provisioned) -> None:
    provisioned.resize(1)
    await provisioned.settled()
    assert provisioned.take() is not None
    assert provisioned.take() is None


async def test_one_that_dies_is_replaced(provisioned: Provisioned, maker: Maker) -> None:
    provisioned.resize(2)
    await provisioned.settled()
    maker.made[0].die()
    await settle()
    assert (maker.starts, provisioned.state.ready) == (3, 2)


@pytest.mark.parametrize("slow", [False, True])
async def test_fewer_ends_only_what_is_too_much(provisioned: Provisioned, maker: Maker, slow: bool) -> None:
    maker.slow = slow
    provisioned.resize(3)
    await provisioned.settled()
    busy: Any = provisioned.take()
    provisioned.resize(1)
    busy.done()
    await settle()
    assert [each.ended for each in maker.made].count(False) == 1
    for each in maker.made:
        if slow and each.ended:
            each.die()
    await settle()
    assert (maker.starts, provisioned.state.ready) == (3, 1)


async def test_a_failure_is_told_and_tried_again(provisioned: Provisioned, maker: Maker) -> None:
    maker.failure = InitFailed(lambda _: b"")
    provisioned.resize(2)
    await provisioned.settled()
    assert provisioned.state == Provision(0, INIT_FAILED)
    assert maker.starts == 2
    maker.failure = None
    maker.again.clear()
    async with asyncio.timeout(5):
        await maker.again.wait()
    await provisioned.settled()
    assert provisioned.state == Provision(2, None)


async def test_an_old_one_is_replaced_and_an_unused_one_stays(provisioned: Provisioned, maker: Maker) -> None:
    provisioned.resize(1)
    await provisioned.settled()
    provisioned.reclaim(99.0)
    assert not maker.made[0].ended
    provisioned.reclaim(101.0)
    await settle()
    assert maker.made[0].ended
    assert provisioned.state.ready == 1


async def test_after_the_end_nothing_is_started(provisioned: Provisioned, maker: Maker) -> None:
    provisioned.resize(2)
    await provisioned.settled()
    busy: Any = provisioned.take()
    provisioned.retire()
    assert not busy.ended
    busy.done()
    await settle()
    assert all(each.ended for each in maker.made)
    assert maker.starts == 2


async def test_a_function_has_exactly_what_it_was_given(maker: Maker) -> None:
    provisions = Provisions(maker.start, lambda _: None)
    first, second = live_version("d1", version="1"), live_version("d2", version="2")
    provisions.set(first.key, [Allocation(first, 1)])
    await provisions.settled(first.key)
    provisions.set(first.key, [Allocation(first, 1), Allocation(second, 2)])
    await provisions.settled(first.key)
    assert [each.live.version for each in maker.made] == ["1", "2", "2"]
    provisions.set(first.key, [Allocation(second, 2)])
    assert [each.ended for each in maker.made] == [True, False, False]
    assert provisions.find("d1") is None
    provisions.close()
    maker.made[1].die()
    await settle()
    assert maker.starts == 3
