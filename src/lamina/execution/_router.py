"""From a name and a qualifier to what serves it, and the gate through which that changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from lamina.functions import FunctionKey, Route


class Address(NamedTuple):
    """What a caller names: the function's name or ARN as given, and the qualifier."""

    account_id: str
    region: str
    function_name: str
    qualifier: str | None


class Router:
    """Caches routes; a switch holds and then forgets those of one function.

    A route that was read while its function was being switched may be the old one, so it is read again: what is
    cached is never older than the last switch.
    """

    def __init__(self, read: Callable[[Address], Awaitable[Route]]) -> None:
        self._read = read
        self._routes: dict[Address, Route] = {}
        self._addresses: dict[FunctionKey, set[Address]] = {}
        self._gates: dict[FunctionKey, asyncio.Future[None]] = {}
        self._switches = 0
        self._last_switch: dict[tuple[str, ...], int] = {}

    def cached(self, address: Address) -> Route | None:
        """The route if it is known and its gate is open."""
        route = self._routes.get(address)
        if route is None or (self._gates and route.key in self._gates):
            return None
        return route

    async def route(self, address: Address) -> Route:
        """The route, read if need be. Raises the service's errors for what does not exist or is not active."""
        while True:
            route = self.cached(address)
            if route is not None:
                return route
            seen = self._switches
            route = await self._read(address)
            gate = self._gates.get(route.key)
            if gate is not None:
                await asyncio.shield(gate)
            elif max(self._last_switch.get(route.key, 0), self._last_switch.get(route.key[:2], 0)) <= seen:
                self._routes[address] = route
                self._addresses.setdefault(route.key, set()).add(address)
                return route

    @asynccontextmanager
    async def switch(self, key: FunctionKey, *, whole_account: bool = False) -> AsyncIterator[None]:
        """Close the function's gate for the time of the block and forget its routes, or all of its account."""
        while (closed := self._gates.get(key)) is not None:
            await asyncio.shield(closed)
        gate = self._gates[key] = asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            self._switches += 1
            self._last_switch[key[:2] if whole_account else key] = self._switches
            others = [other for other in self._addresses if other[:2] == key[:2]] if whole_account else [key]
            for other in others:
                self._forget(other)
            del self._gates[key]
            gate.set_result(None)

    def _forget(self, key: FunctionKey) -> None:
        for address in self._addresses.pop(key, ()):
            self._routes.pop(address, None)
