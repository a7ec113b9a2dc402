"""Execution as the rest of Lamina sees it: invoke, and the two halves of a cut-over."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Set
from contextlib import asynccontextmanager

from lamina.errors import ServiceException, VersionUnavailable
from lamina.execution import _payloads
from lamina.execution._concurrency import Concurrency
from lamina.execution._environment import Environment, InitFailed
from lamina.execution._invocation import Invocation, Outcome
from lamina.execution._pool import Pool
from lamina.execution._router import Address, Router
from lamina.execution._starter import Starter
from lamina.functions import FunctionKey, LiveVersion, Route
from lamina.runtimes import RuntimeUnavailable
from lamina.sandbox import SandboxUnavailable

_LOG = logging.getLogger(__name__)
_FREEZE_AFTER_SECONDS = 0.1
_RECLAIM_EVERY_SECONDS = 5.0


def _unheard(live: LiveVersion, reason: VersionUnavailable | None) -> None:
    """For nobody who wants to know."""


class Execution:
    """All environments of this node, and the way to them."""

    def __init__(
        self,
        starter: Starter,
        read_route: Callable[[Address], Awaitable[Route]],
        account_concurrency: int,
        idle_seconds: float,
        on_available: Callable[[LiveVersion, VersionUnavailable | None], None] = _unheard,
    ) -> None:
        """``on_available`` is told when a version cannot be started for want of what it is made of, and when it can."""
        self._starter = starter
        self._router = Router(read_route)
        self._concurrency = Concurrency(account_concurrency)
        self._idle_seconds = idle_seconds
        self._pools: dict[str, Pool] = {}
        self._retired: list[Pool] = []
        self._on_available = on_available
        self._unavailable: set[str] = set()
        self._awake: set[Environment] = set()
        self._freezer: asyncio.TimerHandle | None = None
        self._reclaimer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    async def route(self, address: Address) -> Route:
        """What serves an address now; waits while that is being changed."""
        return await self._router.route(address)

    async def invoke(self, address: Address, make: Callable[[Route], Invocation]) -> Outcome:
        """Run one invocation to its end.

        ``make`` is given the route. Raises the service's errors: not found, not active, throttled.
        """
        route = await self._router.route(address)
        live = _choose(route)
        self._concurrency.enter(route)
        try:
            pool = self._pool(live)
            invocation = make(route)
            environment = pool.take_idle() or await self._take(pool, invocation)
            if isinstance(environment, Outcome):
                return environment
            return await environment.invoke(invocation)
        finally:
            self._concurrency.leave(route)

    async def prepare(self, new: LiveVersion, old: LiveVersion | None) -> None:
        """See ``lamina.functions.Cutover``."""
        try:
            await self._starter.prepare(new, old.package if old else None)
        except RuntimeUnavailable as error:
            raise VersionUnavailable("InvalidRuntime", str(error)) from error

    async def warm(self, new: LiveVersion, old: LiveVersion) -> None:
        """Start as many environments for ``new`` as ``old`` has."""
        pool = self._pools.get(old.deployment)
        if pool is not None and pool.size:
            await self._pool(new).warm(pool.size)

    @asynccontextmanager
    async def switch(
        self, key: FunctionKey, retire: Set[str] = frozenset(), *, whole_account: bool = False
    ) -> AsyncIterator[None]:
        """Hold the function's new invocations while the block commits; then route them anew."""
        async with self._router.switch(key, whole_account=whole_account):
            yield
        for deployment in retire:
            pool = self._pools.pop(deployment, None)
            self._unavailable.discard(deployment)
            if pool is not None:
                pool.retire()
                self._retired.append(pool)

    def packages_in_use(self) -> set[str]:
        """The packages whose trees are mounted somewhere."""
        return {pool.live.package for pool in self._all_pools() if pool.live.package_type == "Zip"}

    def images_in_use(self) -> set[str]:
        """The digests of the images whose layers are mounted somewhere."""
        return {pool.live.image for pool in self._all_pools() if pool.live.package_type == "Image"}

    async def close(self) -> None:
        """End every environment."""
        for timer in (self._freezer, self._reclaimer):
            if timer is not None:
                timer.cancel()
        await self._starter.close()
        pools = self._all_pools()
        for pool in pools:
            pool.close()
        await asyncio.gather(*(pool.ended() for pool in pools))

    def _all_pools(self) -> tuple[Pool, ...]:
        return (*self._pools.values(), *self._retired)

    def _pool(self, live: LiveVersion) -> Pool:
        pool = self._pools.get(live.deployment)
        if pool is None:
            pool = self._pools[live.deployment] = Pool(live, self._start, self._fell_idle)
            if self._reclaimer is None:
                self._reclaimer = self._loop.call_later(_RECLAIM_EVERY_SECONDS, self._reclaim)
        return pool

    async def _take(self, pool: Pool, invocation: Invocation) -> Environment | Outcome:
        try:
            return await pool.take()
        except InitFailed as failed:
            payload = failed.payload(invocation.request_id)
        except RuntimeUnavailable as error:
            payload = _payloads.invalid_entrypoint(invocation.request_id, str(error))
        except SandboxUnavailable as error:
            _LOG.error("%s: no sandbox: %s", pool.live.key.arn, error)
            raise ServiceException from error
        except VersionUnavailable as error:
            raise error.answer or ServiceException() from error
        return Outcome(payload=payload, executed_version=pool.live.version, function_error="Unhandled")

    async def _start(
        self, live: LiveVersion, on_idle: Callable[[Environment], None], on_dead: Callable[[Environment], None]
    ) -> Environment:
        try:
            started = await self._starter.start(live, on_idle, on_dead)
        except VersionUnavailable as error:
            _LOG.error("%s: cannot be started: %s: %s", live.key.arn, error.code, error.reason)
            self._unavailable.add(live.deployment)
            self._on_available(live, error)
            raise
        if live.deployment in self._unavailable:
            self._unavailable.discard(live.deployment)
            self._on_available(live, None)
        return started

    def _fell_idle(self, environment: Environment) -> None:
        self._awake.add(environment)
        if self._freezer is None:
            self._freezer = self._loop.call_later(_FREEZE_AFTER_SECONDS, self._freeze)

    def _freeze(self) -> None:
        still_in_use = self._loop.time() - _FREEZE_AFTER_SECONDS
        for environment in [each for each in self._awake if each.idle_since <= still_in_use]:
            self._awake.discard(environment)
            environment.freeze()
        again = bool(self._awake)
        self._freezer = self._loop.call_later(_FREEZE_AFTER_SECONDS, self._freeze) if again else None

    def _reclaim(self) -> None:
        now = self._loop.time()
        for deployment, pool in tuple(self._pools.items()):
            pool.reclaim(now, self._idle_seconds)
            if pool.empty:
                del self._pools[deployment]
        self._retired = [pool for pool in self._retired if not pool.empty]
        again = bool(self._pools or self._retired)
        self._reclaimer = self._loop.call_later(_RECLAIM_EVERY_SECONDS, self._reclaim) if again else None


def _choose(route: Route) -> LiveVersion:
    if len(route.targets) == 1:
        return route.targets[0][1]
    ticket = random.random()  # noqa: S311  # alias weights need no secrecy
    for weight, live in route.targets:
        if ticket < weight:
            return live
    return route.targets[-1][1]
