"""SnapStart: which functions may have it, and how a version becomes Active (API notes, section 19)."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from lamina.errors import InvalidParameterValueException, VersionUnavailable
from lamina.functions._live import Cutover, FunctionKey, LiveVersion
from lamina.functions._records import ACTIVE, INVOCABLE, Configuration, Function, Status, Version, live
from lamina.functions._store import (
    find_function,
    find_version,
    save_version_state,
    snap_start_functions,
    snap_start_versions,
)
from lamina.state import Reader, State, Transaction

_log = logging.getLogger(__name__)

_RUNTIME = re.compile(r"(java|python3\.|dotnet)(\d+)")
_FIRST = {"java": 11, "python3.": 12, "dotnet": 8}
_LARGEST_STORAGE = 512


def check_snap_start(configuration: Configuration) -> None:
    """Refuse SnapStart for what cannot have it (API notes, 19.3; Developer Guide, "Lambda SnapStart")."""
    if not configuration.optimised:
        return
    if configuration.package_type == "Image":
        raise _unsupported("PackageType Image")
    runtime = _RUNTIME.fullmatch(configuration.runtime)
    if runtime is None or int(runtime[2]) < _FIRST[runtime[1]]:
        raise _unsupported(configuration.runtime)
    if configuration.ephemeral_storage > _LARGEST_STORAGE:
        raise _unsupported(f"EphemeralStorage of more than {_LARGEST_STORAGE} MB")


def _unsupported(what: str) -> InvalidParameterValueException:
    return InvalidParameterValueException(f"{what} is not supported for SnapStart enabled functions.")


class SnapStart:
    """Initialises versions that are Pending for it, in the background, and records how that ends.

    What is left to do stands in the state alone: so nothing is lost when the server ends meanwhile. When the state
    cannot be written, as on a full disk, there is another try every ``again_seconds``.
    """

    def __init__(
        self,
        state: State,
        cutover: Cutover,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        again_seconds: float = 5.0,
    ) -> None:
        """``spawn`` starts work that the end of the server waits for."""
        self._state = state
        self._cutover = cutover
        self._spawn = spawn
        self._again_seconds = again_seconds
        self._under_way: set[str] = set()

    def look(self, key: FunctionKey) -> None:
        """Take care of the versions of a function that wait."""
        self._spawn(self._look(key))

    async def recover(self) -> None:
        """After a start of the server: go on with those that wait, and initialise the others again."""
        for function in await self._state.read(snap_start_functions):
            self.look(function.key)
            for version in await self._state.read(partial(_active, key=function.key)):
                self._cutover.restock(version)

    async def _look(self, key: FunctionKey) -> None:
        for version in await self._state.read(partial(_waiting, key=key)):
            if version.deployment not in self._under_way:
                self._under_way.add(version.deployment)
                self._spawn(self._initialise(version))

    async def _initialise(self, version: LiveVersion) -> None:
        try:
            state = await self._snapshot(version)
            if not await self._state.write(partial(_settle, version=version, state=state)):
                # It was deleted meanwhile.
                async with self._cutover.switch(version.key, {version.deployment}):
                    pass
        except Exception:
            _log.exception("%s:%s: SnapStart is tried again", version.key.arn, version.version)
            asyncio.get_running_loop().call_later(self._again_seconds, self.look, version.key)
        finally:
            self._under_way.discard(version.deployment)

    async def _snapshot(self, version: LiveVersion) -> Status:
        try:
            await self._cutover.snapshot(version)
        except VersionUnavailable as failure:
            _log.warning("%s:%s: no snapshot: %s: %s", version.key.arn, version.version, failure.code, failure.reason)
            return Status(value="Failed", reason=failure.reason, code=failure.code)
        return ACTIVE


def _waiting(reader: Reader, key: FunctionKey) -> list[LiveVersion]:
    """The Pending versions whose code is deployed: one that waits for the end of an update is not ready for it."""
    function = find_function(reader, key)
    if function is None:
        return []
    return [
        live(key, version.number, version.configuration)
        for edition, version in snap_start_versions(reader, function)
        if version.state.value == "Pending" and not _in_progress(function, edition)
    ]


def _in_progress(function: Function, edition: str) -> bool:
    if edition != function.shown.deployment:
        return False
    return function.state.value == "Pending" or (function.update is not None and function.update.value == "InProgress")


def _active(reader: Reader, key: FunctionKey) -> list[LiveVersion]:
    function = find_function(reader, key)
    versions = [] if function is None else snap_start_versions(reader, function)
    return [live(key, each.number, each.configuration) for _, each in versions if each.state.value in INVOCABLE]


def _settle(transaction: Transaction, version: LiveVersion, state: Status) -> bool:
    """Record the end; false when the version is gone."""
    function = find_function(transaction, version.key)
    found: Version | None = None if function is None else find_version(transaction, function, version.version)
    if function is None or found is None or found.configuration.deployment != version.deployment:
        return False
    save_version_state(transaction, function, found.number, state)
    return True
