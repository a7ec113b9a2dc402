"""Execution as the rest of Lamina sees it: invoke, and the two halves of a cut-over."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from contextlib import asynccontextmanager

from lamina.errors import ServiceException, VersionUnavailable
from lamina.execution import _payloads
from lamina.execution._concurrency import Concurrency
from lamina.execution._environment import Environment, InitFailed
from lamina.execution._invocation import Invocation, Outcome
from lamina.execution._pool import Pool
from lamina.execution._pressure import available_bytes, spared
from lamina.execution._provisioned import Provisioned, Provisions
from lamina.execution._router import Address, Router
from lamina.execution._snapshots import Snapshots
from lamina.execution._starter import Starter
from lamina.functions import Allocation, FunctionKey, LiveVersion, Provision, Route
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
        *,
        snapshots: int = 1,
        memory_reserve: int = 0,
    ) -> None:
        """``on_available`` is told when a version cannot be started for want of what it is made of, and when it can.

        ``snapshots`` is how many frozen environments wait for each version with SnapStart. When the machine has less
        than ``memory_reserve`` bytes of memory left, idle environments make room.
        """
        self._starter = starter
        self._router = Router(read_route)
        self._concurrency = Concurrency(account_concurrency)
        self._idle_seconds = idle_seconds
        self._memory_reserve = memory_reserve
        self._snapshots = Snapshots(starter, snapshots)
        self._provisions = Provisions(self._start, self._fell_idle)
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
        if self._provisions and (provisioned := self._provisions.find(live.deployment)) is not None:
            outcome = await self._invoke_provisioned(provisioned, route, make)
            if outcome is not None:
                return outcome
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

    async def _invoke_provisioned(
        self, provisioned: Provisioned, route: Route, make: Callable[[Route], Invocation]
    ) -> Outcome | None:
        """Run it in a provisioned environment; None when all of them are busy.

        Without a reservation their share of the account's concurrency is set aside, so they count for nothing else.
        """
        counted = route.reserved_concurrency is not None
        if counted:
            self._concurrency.enter(route)
        try:
            environment = provisioned.take()
            return None if environment is None else await environment.invoke(make(route))
        finally:
            if counted:
                self._concurrency.leave(route)

    async def prepare(self, new: LiveVersion, old: LiveVersion | None) -> None:
        """See ``lamina.functions.Cutover``."""
        try:
            await self._starter.prepare(new, old.package if old else None)
        except RuntimeUnavailable as error:
            raise VersionUnavailable("InvalidRuntime", str(error)) from error

    async def snapshot(self, live: LiveVersion) -> None:
        """See ``lamina.functions.Cutover``."""
        self._reclaim_later()
        try:
            await self._snapshots.make(live)
        except InitFailed as failed:
            raise VersionUnavailable(*_payloads.init_reason(failed.payload(""))) from failed
        except RuntimeUnavailable as error:
            raise VersionUnavailable("InvalidRuntime", str(error)) from error
        except SandboxUnavailable as error:
            raise VersionUnavailable("InternalError", str(error)) from error

    def restock(self, live: LiveVersion) -> None:
        """See ``lamina.functions.Cutover``."""
        self._snapshots.restock(live)
        self._reclaim_later()

    def provision(self, key: FunctionKey, allocations: Sequence[Allocation]) -> None:
        """See ``lamina.functions.Cutover``."""
        self._provisions.set(key, allocations)
        self._reclaim_later()

    async def provisioned(self, key: FunctionKey) -> None:
        """See ``lamina.functions.Cutover``."""
        await self._provisions.settled(key)

    def provision_of(self, deployment: str) -> Provision:
        """See ``lamina.functions.Cutover``."""
        provisioned = self._provisions.find(deployment)
        return Provision() if provisioned is None else provisioned.state

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
            self._snapshots.forget(deployment)
            self._provisions.retire(deployment)
            if pool is not None:
                pool.retire()
                self._retired.append(pool)

    def packages_in_use(self) -> set[str]:
        """The packages whose trees are mounted somewhere."""
        packages = {pool.live.package for pool in self._all_pools() if pool.live.package_type == "Zip"}
        return packages | self._snapshots.packages()

    def images_in_use(self) -> set[str]:
        """The digests of the images whose layers are mounted somewhere."""
        return {pool.live.image for pool in self._all_pools() if pool.live.package_type == "Image"}

    async def close(self) -> None:
        """End every environment."""
        for timer in (self._freezer, self._reclaimer):
            if timer is not None:
                timer.cancel()
        await self._starter.close()
        await self._snapshots.close()
        self._provisions.close()
        pools = self._all_pools()
        for pool in pools:
            pool.close()
        await asyncio.gather(*(pool.ended() for pool in pools))

    def _all_pools(self) -> tuple[Pool, ...]:
        return (*self._pools.values(), *self._retired, *self._provisions.pools())

    def _pool(self, live: LiveVersion) -> Pool:
        pool = self._pools.get(live.deployment)
        if pool is None:
            pool = self._pools[live.deployment] = Pool(live, self._start, self._fell_idle)
            self._reclaim_later()
        return pool

    def _reclaim_later(self) -> None:
        if self._reclaimer is None:
            self._reclaimer = self._loop.call_later(_RECLAIM_EVERY_SECONDS, self._reclaim)

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
            make = self._snapshots.restore if live.initialization == "snap-start" else self._starter.start
            started = await make(live, on_idle, on_dead)
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
        self._relieve()
        for deployment, pool in tuple(self._pools.items()):
            pool.reclaim(now, self._idle_seconds)
            if pool.empty:
                del self._pools[deployment]
        self._retired = [pool for pool in self._retired if not pool.empty]
        self._provisions.reclaim(now)
        self._snapshots.reclaim(now)
        self._reclaimer = None
        if self._pools or self._retired or self._provisions or self._snapshots:
            self._reclaim_later()

    def _relieve(self) -> None:
        """End the environments used the longest ago, should the machine's memory run short."""
        available = available_bytes() if self._memory_reserve else None
        if available is None or available >= self._memory_reserve:
            return
        homes = {each: pool for pool in self._pools.values() for each in pool.idle}
        for environment in spared(homes, self._memory_reserve - available):
            homes[environment].end_one(environment)


def _choose(route: Route) -> LiveVersion:
    if len(route.targets) == 1:
        return route.targets[0][1]
    ticket = random.random()  # noqa: S311  # alias weights need no secrecy
    for weight, live in route.targets:
        if ticket < weight:
            return live
    return route.targets[-1][1]
