"""Provisioned concurrency: environments that are ready before anybody asks, and stay (Developer Guide, same title)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from lamina.execution._environment import Environment, InitFailed
from lamina.execution._pool import Pool, Start
from lamina.functions import Allocation, FunctionKey, LiveVersion, Provision

# Provisioning many environments must not hold up the cold starts of those who wait.
_AT_ONCE = 4
_RETRY_SECONDS = 30.0
INIT_FAILED = "FUNCTION_ERROR_INIT_FAILURE"


class Provisioned:
    """The provisioned environments of one version.

    One that ends is replaced. When one cannot be started, there is another try after ``retry_seconds``: a function that
    fails to initialise must not be started without end.
    """

    def __init__(
        self,
        live: LiveVersion,
        start: Start,
        on_idle: Callable[[Environment], None],
        turn: asyncio.Semaphore,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        self.pool = Pool(replace(live, initialization="provisioned-concurrency"), self._start, self._fell_idle)
        self._start_one = start
        self._on_idle = on_idle
        self._turn = turn
        self._target = 0
        self._ending: set[Environment] = set()
        self._failure: str | None = None
        self._retry_seconds = retry_seconds
        self._retry: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    @property
    def state(self) -> Provision:
        """What there is now."""
        return Provision(ready=min(self._size, self._target), failure=self._failure)

    def take(self) -> Environment | None:
        """One that is idle, or None."""
        return self.pool.take_idle()

    def resize(self, count: int) -> None:
        """Have ``count`` from now on; what is too much ends when it is idle."""
        self._target = count
        self._failure = None
        while self._size > count and (spare := self.pool.take_idle()) is not None:
            self._end(spare)
        self._fill()

    def reclaim(self, now: float) -> None:
        """Replace those that are too old; none is ended because nobody has used it."""
        self.pool.reclaim(now, math.inf)

    async def settled(self) -> None:
        """Wait until all are there or have failed."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def retire(self) -> None:
        """End those that are idle now, and the others when they are."""
        self._target = 0
        self._stop_retry()
        self.pool.retire()

    def close(self) -> None:
        """Start no more of them; their end is the pool's."""
        self._target = 0
        self._stop_retry()

    @property
    def _size(self) -> int:
        # The end of one takes a moment, in which it is still the pool's.
        return self.pool.size - len(self._ending)

    def _end(self, environment: Environment) -> None:
        self._ending.add(environment)
        environment.end()

    def _fill(self) -> None:
        if self._failure is not None:
            return
        missing = self._target - self._size - self.pool.starting
        for task in self.pool.begin(missing):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _start(
        self, live: LiveVersion, on_idle: Callable[[Environment], None], on_dead: Callable[[Environment], None]
    ) -> Environment:
        started = False

        def dead(environment: Environment) -> None:
            on_dead(environment)
            self._ending.discard(environment)
            if started:
                self._loop.call_soon(self._fill)

        try:
            async with self._turn:
                environment = await self._start_one(live, on_idle, dead)
        except InitFailed:
            self._fail(INIT_FAILED)
            raise
        except Exception as error:
            self._fail(str(error))
            raise
        started = True
        return environment

    def _fail(self, reason: str) -> None:
        self._failure = reason
        if self._retry is None and self._target:
            self._retry = self._loop.call_later(self._retry_seconds, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        self._failure = None
        self._fill()

    def _stop_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _fell_idle(self, environment: Environment) -> None:
        if self._size > self._target and (spare := self.pool.take_idle()) is not None:
            self._end(spare)
        else:
            self._on_idle(environment)


class Provisions:
    """The provisioned environments of all versions."""

    def __init__(self, start: Start, on_idle: Callable[[Environment], None]) -> None:
        self._start = start
        self._on_idle = on_idle
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._versions: dict[str, Provisioned] = {}
        self._retired: list[Pool] = []

    def __bool__(self) -> bool:
        """Whether there is any: what every invocation asks first."""
        return bool(self._versions)

    def find(self, deployment: str) -> Provisioned | None:
        """Those of a version."""
        return self._versions.get(deployment)

    def set(self, key: FunctionKey, allocations: Sequence[Allocation]) -> None:
        """See ``lamina.functions.Cutover.provision``."""
        wanted = {each.live.deployment for each in allocations if each.environments}
        for deployment in [name for name, each in self._versions.items() if each.pool.live.key == key]:
            if deployment not in wanted:
                self.retire(deployment)
        for live, count in allocations:
            if count:
                self._version(live).resize(count)

    async def settled(self, key: FunctionKey) -> None:
        """See ``lamina.functions.Cutover.provisioned``."""
        for each in tuple(self._versions.values()):
            if each.pool.live.key == key:
                await each.settled()

    def reclaim(self, now: float) -> None:
        """Replace those that are too old."""
        for each in self._versions.values():
            each.reclaim(now)

    def retire(self, deployment: str) -> None:
        """Give no new work to those of a version."""
        provisioned = self._versions.pop(deployment, None)
        self._retired = [pool for pool in self._retired if not pool.empty]
        if provisioned is not None:
            provisioned.retire()
            self._retired.append(provisioned.pool)

    def pools(self) -> tuple[Pool, ...]:
        """All pools, those that are ending too."""
        return (*(each.pool for each in self._versions.values()), *self._retired)

    def close(self) -> None:
        """Start no more; who closes ends the pools."""
        for each in self._versions.values():
            each.close()

    def _version(self, live: LiveVersion) -> Provisioned:
        found = self._versions.get(live.deployment)
        if found is None:
            found = self._versions[live.deployment] = Provisioned(live, self._start, self._on_idle, self._turn)
        return found
