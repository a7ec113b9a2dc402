"""How provisioned concurrency becomes environments: from the configurations to the versions that they mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from lamina.functions._live import Allocation, Cutover, FunctionKey, Provision
from lamina.functions._records import INVOCABLE, LATEST, Alias, Function, ProvisionedConfig, live
from lamina.functions._store import all_provisioned, find_alias, find_function, find_version, provisioned_functions
from lamina.state import Reader, State

Shares = dict[str, int]
"""The number of environments by version."""


def shares(reader: Reader, function: Function, config: ProvisionedConfig) -> Shares:
    """The versions that a configuration means; an alias with weights divides it between its two versions."""
    alias = find_alias(reader, function, config.qualifier)
    return {config.qualifier: config.requested} if alias is None else alias_shares(alias, config.requested)


def alias_shares(alias: Alias, requested: int) -> Shares:
    """How an alias divides its environments."""
    if alias.additional is None:
        return {alias.version: requested}
    number, weight = alias.additional
    second = round(requested * weight)
    return {alias.version: requested - second, number: second}


class Provisioning:
    """Has execution keep the environments that the configurations ask for."""

    def __init__(self, state: State, cutover: Cutover, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        """``spawn`` starts work that the end of the server waits for."""
        self._state = state
        self._cutover = cutover
        self._spawn = spawn
        self._turn = asyncio.Lock()

    def apply(self, key: FunctionKey) -> None:
        """Give a function what its configurations say now, in the background."""
        self._spawn(self._apply(key))

    async def recover(self) -> None:
        """After a start of the server: all of them."""
        for function in await self._state.read(provisioned_functions):
            self.apply(function.key)

    async def move(self, key: FunctionKey, alias: Alias) -> None:
        """Have ready what an alias will need when it has become ``alias``, beside what serves until then.

        Returns when all are ready or have failed. ``apply`` after the commit ends what is not needed any more.
        """
        async with self._turn:
            allocations = await self._state.read(partial(_allocations, key=key, coming=alias))
            self._cutover.provision(key, allocations)
        await self._cutover.provisioned(key)

    def state_of(self, allocations: Iterable[Allocation]) -> Provision:
        """What there is of some allocations together."""
        states = [(count, self._cutover.provision_of(version.deployment)) for version, count in allocations]
        failures = [state.failure for _, state in states if state.failure is not None]
        ready = sum(min(count, state.ready) for count, state in states)
        return Provision(ready=ready, failure=failures[0] if failures else None)

    async def _apply(self, key: FunctionKey) -> None:
        # In turn: what was read first must not be the last word.
        async with self._turn:
            self._cutover.provision(key, await self._state.read(partial(_allocations, key=key)))


def _allocations(reader: Reader, key: FunctionKey, coming: Alias | None = None) -> list[Allocation]:
    function = find_function(reader, key)
    if function is None:
        return []
    wanted: Shares = {}
    for config in all_provisioned(reader, function):
        _add(wanted, shares(reader, function, config))
        if coming is not None and config.qualifier == coming.name:
            for number, count in alias_shares(coming, config.requested).items():
                wanted[number] = max(wanted.get(number, 0), count)
    return allocations_of(reader, function, wanted)


def _add(wanted: Shares, more: Shares) -> None:
    for number, count in more.items():
        wanted[number] = wanted.get(number, 0) + count


def allocations_of(reader: Reader, function: Function, wanted: Shares) -> list[Allocation]:
    """The published versions of some shares that can be invoked."""
    found: list[Allocation] = []
    for number, count in wanted.items():
        version = None if number == LATEST else find_version(reader, function, number)
        if version is not None and version.state.value in INVOCABLE:
            found.append(Allocation(live(function.key, number, version.configuration), count))
    return found
