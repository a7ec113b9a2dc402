"""Generic sandboxes that wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from lamina.execution._spares import Spares
from lamina.runtimes import Runtime
from tests.unit.execution.conftest import FakeSandbox

RUNTIME = Runtime(name="ruby3.4", argv=("/bin/ruby",), binds=(), generic=True, version_label="x", origin="/bin/ruby")


class Launcher:
    def __init__(self) -> None:
        self.started: list[FakeSandbox] = []

    async def start(self, spec: Any, *, fork: bool = False) -> FakeSandbox:
        self.started.append(FakeSandbox())
        return self.started[-1]


async def ready(launcher: Any, spares: Spares, runtime: Runtime) -> list[FakeSandbox]:
    before = len(launcher.started)
    spares.refill(runtime)
    while spares._tasks:
        await asyncio.gather(*spares._tasks)
    return launcher.started[before:]


async def test_another_interpreter_gets_spares_of_its_own_and_ends_the_old_ones() -> None:
    launcher: Any = Launcher()
    spares = Spares(launcher, 2, "none")
    old = await ready(launcher, spares, RUNTIME)
    other = await ready(launcher, spares, replace(RUNTIME, name="ruby3.3"))
    chosen = replace(RUNTIME, origin="/opt/bin/ruby")
    new = await ready(launcher, spares, chosen)
    await asyncio.sleep(0)
    assert (len(old), len(new)) == (2, 2)
    assert [sandbox.exited.done() for sandbox in (*old, *other, *new)] == [True] * 2 + [False] * 4
    assert [sandbox.listener.fileno() for sandbox in old] == [-1, -1], "their descriptors are given back"
    assert await spares.take(chosen) in new
    for sandbox in (*other, *new):
        sandbox.kill()
        sandbox.close()
