"""SnapStart: environments of published versions that have initialised and stand frozen until they are invoked.

Each is a process of its own from the first instruction on: so none shares its randomness, its hash seed or its ``/tmp``
with another, as copies of one memory image would.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from lamina.execution._environment import Environment
from lamina.functions import LiveVersion

_LOG = logging.getLogger(__name__)
# Initialising what nobody waits for must not take the machine from those who wait.
_AT_ONCE = 2


class Starter(Protocol):
    """The part of the starter that snapshots need."""

    async def start(
        self,
        live: LiveVersion,
        on_idle: Callable[[Environment], None],
        on_dead: Callable[[Environment], None],
    ) -> Environment:
        """An initialised environment."""

    def version_label(self, live: LiveVersion) -> str:
        """What names the version of the runtime."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Stock:
    """The frozen environments of one version."""

    live: LiveVersion
    frozen: deque[Environment] = field(default_factory=deque)
    making: int = 0


class Snapshots:
    """Keeps ``count`` frozen environments of each version, and at most ``most`` of all versions together.

    When there would be more, those of the version that was invoked the longest ago end. A version without one is
    initialised when it is invoked.
    """

    def __init__(self, starter: Starter, count: int, most: int = 200) -> None:
        self._starter = starter
        self._count = count
        self._most = most
        self._stocks: OrderedDict[str, _Stock] = OrderedDict()
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def make(self, live: LiveVersion) -> None:
        """The first one of a version. Raises what the starter raises."""
        stock = self._stocks.setdefault(live.deployment, _Stock(live=live))
        self._keep(stock, await self._initialise(live))
        self._refill(stock)

    def restock(self, live: LiveVersion) -> None:
        """Make those of a version in the background, while there is room."""
        stock = self._stocks.setdefault(live.deployment, _Stock(live=live))
        if sum(len(each.frozen) + each.making for each in self._stocks.values()) < self._most:
            self._refill(stock)

    async def restore(
        self,
        live: LiveVersion,
        on_idle: Callable[[Environment], None],
        on_dead: Callable[[Environment], None],
    ) -> Environment:
        """One that has gone on, with its after-restore hooks run; another takes its place in the background.

        Raises what the starter raises, ``SnapStartException`` and ``SnapStartTimeoutException``.
        """
        stock = self._stocks.get(live.deployment)
        environment = stock.frozen.popleft() if stock and stock.frozen else await self._initialise(live)
        try:
            await environment.restore(on_idle, on_dead, self._starter.version_label(live))
        finally:
            # Not earlier: an initialisation would compete with what the caller waits for.
            if stock is not None and self._stocks.get(live.deployment) is stock:
                self._stocks.move_to_end(live.deployment)
                self._refill(stock)
        return environment

    def __bool__(self) -> bool:
        """Whether there is any version to look after."""
        return bool(self._stocks)

    def reclaim(self, now: float) -> None:
        """Replace those that are too old."""
        for stock in self._stocks.values():
            old = [environment for environment in stock.frozen if environment.best_before < now]
            for environment in old:
                stock.frozen.remove(environment)
                environment.end()
            if old:
                self._refill(stock)

    def forget(self, deployment: str) -> None:
        """End those of a version that is gone."""
        stock = self._stocks.pop(deployment, None)
        for environment in tuple(stock.frozen) if stock else ():
            environment.end()

    def packages(self) -> set[str]:
        """The packages whose trees are mounted."""
        return {stock.live.package for stock in self._stocks.values() if stock.frozen or stock.making}

    async def close(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        ending = [environment for stock in self._stocks.values() for environment in stock.frozen]
        for deployment in tuple(self._stocks):
            self.forget(deployment)
        await asyncio.gather(*(environment.ended() for environment in ending))

    async def _initialise(self, live: LiveVersion) -> Environment:
        environment = await self._starter.start(live, _nothing, self._lost)
        environment.freeze()
        return environment

    def _keep(self, stock: _Stock, environment: Environment) -> None:
        if self._stocks.get(stock.live.deployment) is not stock or len(stock.frozen) >= self._count:
            environment.end()
            return
        stock.frozen.append(environment)
        while sum(len(each.frozen) for each in self._stocks.values()) > self._most:
            next(each for each in self._stocks.values() if each.frozen).frozen.popleft().end()

    def _refill(self, stock: _Stock) -> None:
        for _ in range(self._count - len(stock.frozen) - stock.making):
            stock.making += 1
            task = asyncio.get_running_loop().create_task(self._make_one(stock))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _make_one(self, stock: _Stock) -> None:
        try:
            async with self._turn:
                if self._stocks.get(stock.live.deployment) is stock:
                    self._keep(stock, await self._initialise(stock.live))
        except Exception as error:  # the next invocation tries again, and its caller is told
            _LOG.warning("%s:%s: no snapshot: %s", stock.live.key.arn, stock.live.version, error)
        finally:
            stock.making -= 1

    def _lost(self, environment: Environment) -> None:
        stock = self._stocks.get(environment.live.deployment)
        if stock is not None and environment in stock.frozen:
            stock.frozen.remove(environment)


def _nothing(_environment: Environment) -> None:
    """It is not the pool's yet."""
