"""Work that outlives the request that began it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """Tasks that somebody holds on to and waits for."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start the work; it goes on when the caller is cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work that is not left half done when the caller is cancelled."""
        return await asyncio.shield(self.spawn(work))

    async def idle(self) -> None:
        """Wait until nothing runs any more."""
        while self._running:
            await asyncio.wait(self._running)

    async def close(self, patience: float) -> None:
        """Wait for the end of what runs; what has not ended after ``patience`` seconds is cancelled."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self.idle()
        for task in self._running:
            task.cancel()
        await self.idle()
