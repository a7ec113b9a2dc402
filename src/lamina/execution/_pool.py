"""The environments of one deployment: the idle ones, those that start, and who waits for one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from lamina.execution._environment import Environment, InitFailed
from lamina.functions import LiveVersion

_LOG = logging.getLogger(__name__)
Start = Callable[[LiveVersion, Callable[[Environment], None], Callable[[Environment], None]], Awaitable[Environment]]


class Pool:
    """All environments of one deployment.

    The environment used last is used first, so that those of a past burst grow old and are reclaimed. Who finds none
    idle waits for the first that becomes free, be it a new one or one that has finished; one is started for each
    that waits. A retired pool serves those who wait already and ends its environments as they fall idle.
    """

    def __init__(self, live: LiveVersion, start: Start, on_idle: Callable[[Environment], None]) -> None:
        self.live = live
        self.idle: list[Environment] = []
        self.size = 0
        self.retired = False
        self._start = start
        self._on_idle = on_idle
        self._starting = 0
        self._waiters: deque[asyncio.Future[Environment]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._environments: set[Environment] = set()
        self._closing: tuple[Environment, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is left of the pool."""
        return not (self.size or self._starting or self._waiters)

    def take_idle(self) -> Environment | None:
        """An idle environment, or None."""
        return self.idle.pop() if self.idle else None

    async def take(self) -> Environment:
        """An environment, started if need be. Raises ``InitFailed`` or ``SandboxUnavailable``."""
        environment = self.take_idle()
        if environment is not None:
            return environment
        waiter: asyncio.Future[Environment] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        if self._starting < len(self._waiters):
            self._begin_start()
        return await waiter

    async def warm(self, count: int) -> None:
        """Start ``count`` environments at the same time and wait for them; those that fail are not replaced."""
        tasks = self.begin(count)
        if tasks:
            await asyncio.wait(tasks)

    def reclaim(self, now: float, idle_seconds: float) -> None:
        """End the idle environments that nobody has used for so long, and those that are too old."""
        spent = [each for each in self.idle if each.idle_since < now - idle_seconds or each.best_before < now]
        for environment in spent:
            self.idle.remove(environment)
            environment.end()

    def end_one(self, environment: Environment) -> None:
        """End an idle environment: it must make room."""
        self.idle.remove(environment)
        environment.end()

    def begin(self, count: int) -> list[asyncio.Task[None]]:
        """Start ``count`` environments in the background."""
        return [self._begin_start() for _ in range(count)]

    @property
    def starting(self) -> int:
        """How many environments are being started."""
        return self._starting

    def retire(self) -> None:
        """Give no new work to this pool."""
        self.retired = True
        if not self._waiters:
            self._end_idle()

    def close(self) -> None:
        """End everything."""
        self.retired = True
        for task in tuple(self._tasks):
            task.cancel()
        self._closing = tuple(self._environments)
        for environment in self._closing:
            environment.end()

    async def ended(self) -> None:
        """Wait until those that ``close`` has ended, and that have extensions, are gone."""
        for environment in self._closing:
            await environment.ended()

    def _begin_start(self) -> asyncio.Task[None]:
        self._starting += 1
        task = asyncio.create_task(self._start_one())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _start_one(self) -> None:
        try:
            await self._start(self.live, self._freed, self._ended)
        except Exception as error:  # every reason why there is no environment is the waiting caller's answer
            self._starting -= 1
            self._refuse_one(error)

    def _refuse_one(self, error: Exception) -> None:
        """Tell one that waits. With nobody there, while warming, the log is: a function's own failure is in its own."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)
                return
        if not isinstance(error, InitFailed):
            _LOG.warning("%s: no environment: %s", self.live.key.arn, error)

    def _freed(self, environment: Environment) -> None:
        if environment not in self._environments:
            self._environments.add(environment)
            self.size += 1
            # Now, not when its task ends: who asks in between would be counted as served by it, and nothing start.
            self._starting -= 1
        if environment.idle_since > environment.best_before:
            # For each that waits one is being started.
            environment.end()
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(environment)
                return
        self.idle.append(environment)
        if self.retired:
            self._end_idle()
        else:
            self._on_idle(environment)

    def _ended(self, environment: Environment) -> None:
        if environment in self._environments:
            self._environments.remove(environment)
            self.size -= 1
        if environment in self.idle:
            self.idle.remove(environment)

    def _end_idle(self) -> None:
        while self.idle:
            self.idle.pop().end()
