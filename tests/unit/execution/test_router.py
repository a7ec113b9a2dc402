"""Routes and the gate through which they change."""

from __future__ import annotations

import asyncio

import pytest

from lamina.execution._router import Address, Router
from lamina.functions import Route

from .conftest import live_version

HERE = Address("000000000000", "us-east-1", "fn", None)


class Table:
    """What the control plane would answer."""

    def __init__(self) -> None:
        self.deployment = "old"
        self.reads = 0
        self.hold: asyncio.Event | None = None

    async def read(self, address: Address) -> Route:
        self.reads += 1
        live = live_version(self.deployment)
        if self.hold is not None:
            await self.hold.wait()
        return Route(key=live.key, invoked_arn="arn", targets=((1.0, live),), reserved_concurrency=None)


def deployment(route: Route) -> str:
    return route.targets[0][1].deployment


async def test_a_route_is_read_once() -> None:
    table = Table()
    router = Router(table.read)
    await router.route(HERE)
    await router.route(HERE)
    assert table.reads == 1


async def test_a_switch_forgets_the_route() -> None:
    table = Table()
    router = Router(table.read)
    key = (await router.route(HERE)).key
    async with router.switch(key):
        table.deployment = "new"
    assert deployment(await router.route(HERE)) == "new"


async def test_nobody_passes_while_the_gate_is_closed() -> None:
    table = Table()
    router = Router(table.read)
    key = (await router.route(HERE)).key
    async with router.switch(key):
        waiting = asyncio.create_task(router.route(HERE))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        table.deployment = "new"
    assert deployment(await waiting) == "new"


async def test_a_route_read_before_a_switch_is_read_again_after_it() -> None:
    table = Table()
    router = Router(table.read)
    table.hold = asyncio.Event()
    slow = asyncio.create_task(router.route(HERE))
    await asyncio.sleep(0)
    async with router.switch(live_version().key):
        table.deployment = "new"
    table.hold.set()
    assert deployment(await slow) == "new"


async def test_a_switch_that_fails_leaves_the_old_route() -> None:
    table = Table()
    router = Router(table.read)
    key = (await router.route(HERE)).key
    with pytest.raises(RuntimeError):
        async with router.switch(key):
            raise RuntimeError
    assert deployment(await router.route(HERE)) == "old"


async def test_switches_of_one_function_come_one_after_another() -> None:
    router = Router(Table().read)
    key = live_version().key
    inside = 0

    async def switch() -> None:
        nonlocal inside
        async with router.switch(key):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(switch() for _ in range(5)))
