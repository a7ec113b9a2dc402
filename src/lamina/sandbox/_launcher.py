"""The server's half of isolation: starts the launcher's process, and sandboxes through it."""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path
from signal import SIGKILL
from typing import Any, Self

from lamina.sandbox._connection import Connection
from lamina.sandbox._interface import SandboxSpec
from lamina.sandbox._sandbox import IsolatedSandbox, packed_binds, packed_limits


class Launcher:
    """Implements ``SandboxLauncher``. A launcher's process that ends takes its sandboxes along and is replaced."""

    def __init__(self, directory: Path, level: str, *, cpu_quota: bool) -> None:
        """Use ``open``."""
        self.level = level
        self._directory = directory
        self._options = "cpu" if cpu_quota else ""
        self._connection: Connection | None = None
        self._sandboxes: dict[str, IsolatedSandbox] = {}
        self._opening = asyncio.Lock()

    @classmethod
    async def open(cls, directory: Path, isolation: str = "auto", *, cpu_quota: bool = False) -> Self:
        """Start the launcher's process, which keeps its files in ``directory``.

        ``isolation`` is ``auto``, a level, or ``min:`` and a level. ``cpu_quota`` gives a sandbox CPU time in
        proportion to its memory, as AWS does: one CPU at 1,769 MB. Raises ``SandboxUnavailable``.
        """
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        level = "A" if os.geteuid() == 0 else "B"
        launcher = cls(directory, level, cpu_quota=cpu_quota)
        await launcher._connect()
        return launcher

    async def start(self, spec: SandboxSpec) -> IsolatedSandbox:
        """Start one sandbox. Raises ``SandboxUnavailable`` when the kernel refuses a step."""
        connection = await self._connect()
        name = uuid.uuid4().hex
        result, descriptors = await connection.request("start", sandbox=name, **_packed(spec))
        sandbox = IsolatedSandbox(connection, name, result, descriptors)
        self._sandboxes[name] = sandbox
        return sandbox

    async def close(self) -> None:
        """End all sandboxes and the launcher's own process."""
        if self._connection is not None:
            await self._connection.close()

    async def _connect(self) -> Connection:
        async with self._opening:
            if self._connection is None or self._connection.lost:
                connection = Connection(self._on_exit, self._on_lost)
                await connection.open([str(self._directory), self.level, self._options])
                self._connection = connection
            return self._connection

    def _on_exit(self, message: dict[str, Any]) -> None:
        sandbox = self._sandboxes.pop(message["exited"], None)
        if sandbox is not None:
            sandbox.end(message)

    def _on_lost(self) -> None:
        """No launcher, no sandbox: the kernel kills the first process of each when the launcher ends."""
        lost, self._sandboxes = self._sandboxes, {}
        for sandbox in lost.values():
            sandbox.end({"status": None, "signal": int(SIGKILL), "out_of_memory": False, "peak": 0})


def _packed(spec: SandboxSpec) -> dict[str, Any]:
    return {
        "argv": list(spec.argv),
        "environment": dict(spec.environment),
        "binds": packed_binds(spec.binds),
        "limits": packed_limits(spec.limits),
        "working_directory": spec.working_directory,
        "template": spec.forkable or "",
    }
