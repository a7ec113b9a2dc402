"""The server's half of isolation: starts the launcher's process, and sandboxes through it."""

from __future__ import annotations

import asyncio
import logging
import uuid
from pathlib import Path
from signal import SIGKILL
from typing import Any, Self

from lamina.sandbox._connection import Connection
from lamina.sandbox._interface import Companions, SandboxSpec
from lamina.sandbox._report import MEANING, Report
from lamina.sandbox._sandbox import IsolatedSandbox, packed_binds, packed_limits

SPARES = 2
logger = logging.getLogger(__name__)


class Launcher:
    """Implements ``SandboxLauncher``. A launcher's process that ends takes its sandboxes along and is replaced."""

    level: str
    report: Report

    def __init__(self, arguments: list[str]) -> None:
        """Use ``open``."""
        self._arguments = arguments
        self._connection: Connection | None = None
        self._sandboxes: dict[str, IsolatedSandbox] = {}
        self._starting: set[str] = set()
        self._early: dict[str, list[dict[str, Any]]] = {}
        self._opening = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(
        cls,
        directory: Path,
        isolation: str = "auto",
        *,
        spares: int = SPARES,
        cpu_quota: bool = False,
        network: str = "gateway",
        egress_allow: tuple[str, ...] = (),
    ) -> Self:
        """Start the launcher's process, which keeps its files in ``directory``.

        ``isolation`` is ``auto``, a level (A, B or E), or ``min:`` and a level. ``spares`` sandboxes without a
        program wait ready. ``cpu_quota`` gives a sandbox CPU time in proportion to its memory, as AWS does: one CPU
        at 1,769 MB. ``network`` is the most that a sandbox may have; with ``egress`` this machine and private networks
        are closed, but for those in ``egress_allow`` (CIDR). Raises ``SandboxUnavailable`` with one line when the
        machine does not allow what is asked.
        """
        directory = _made(directory)
        options = ["cpu" if cpu_quota else "", network, ",".join(egress_allow)]
        launcher = cls([str(directory), isolation, str(spares), *options])
        await launcher._connect()
        if launcher.level == "E":
            logger.warning("functions are NOT isolated: level E is %s", MEANING["E"])
        return launcher

    async def start(self, spec: SandboxSpec, *, fork: bool = False) -> IsolatedSandbox:
        """Start one sandbox. Raises ``SandboxUnavailable`` when the kernel refuses a step.

        ``fork`` forks it from a template named ``spec.forkable`` where there is one: the bootstrap is imported then.
        The first such start makes the template and is an ``exec`` itself, as is every one that cannot be forked.
        """
        connection = await self._connect()
        name = uuid.uuid4().hex
        self._starting.add(name)
        try:
            result, descriptors = await connection.request("start", sandbox=name, fork=fork, **_packed(spec))
        except asyncio.CancelledError:
            connection.post("kill", sandbox=name)
            raise
        finally:
            self._starting.discard(name)
            early = self._early.pop(name, [])
        sandbox = IsolatedSandbox(connection, name, result, descriptors)
        self._sandboxes[name] = sandbox
        for news in early:
            self._on_exit(news)
        return sandbox

    def release(self, sandbox: str) -> None:
        """Let go of what a sandbox has left that was kept."""
        if self._connection is not None:
            self._connection.post("release", sandbox=sandbox)

    async def close(self) -> None:
        """End all sandboxes and the launcher's own process."""
        self._closed = True
        if self._connection is not None:
            await self._connection.close()

    async def _connect(self) -> Connection:
        async with self._opening:
            if self._connection is not None and self._connection.lost and not self._closed:
                await self._connection.close()
                self._connection = None
            if self._connection is None:
                connection = Connection(self._on_exit, self._on_lost)
                self.report = Report.of(await connection.open(self._arguments))
                self.level = self.report.level
                self._connection = connection
            return self._connection

    def _on_exit(self, message: dict[str, Any]) -> None:
        """News of a sandbox that has ended, or of one of the programs in it."""
        name = message["sandbox"] if "ended" in message else message["exited"]
        if name in self._sandboxes:
            if "ended" in message:
                self._sandboxes[name].end_one(message)
            else:
                self._sandboxes.pop(name).end(message)
        elif name in self._starting:
            # It ended before whoever started it was told that it had begun.
            self._early.setdefault(name, []).append(message)

    def _on_lost(self) -> None:
        """No launcher, no sandbox: the kernel kills the first process of each when the launcher ends."""
        lost, self._sandboxes = self._sandboxes, {}
        for sandbox in lost.values():
            sandbox.end({"status": None, "signal": int(SIGKILL), "out_of_memory": False, "peak": 0})


async def probe(directory: Path) -> Report:
    """Find out what this machine allows, by trying it in a process of its own. Files go to ``directory``."""
    connection = Connection(lambda _: None, lambda: None)
    await connection.inquire([str(_made(directory)), "probe", "0", ""])
    return Report.of(connection.report)


def _made(directory: Path) -> Path:
    directory = directory.absolute()
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


def _packed(spec: SandboxSpec) -> dict[str, Any]:
    return {
        "argv": list(spec.argv),
        "environment": dict(spec.environment),
        "binds": packed_binds(spec.binds),
        "limits": packed_limits(spec.limits),
        "root": [str(layer.absolute()) for layer in spec.root],
        "architecture": spec.architecture,
        "working_directory": spec.working_directory,
        "template": spec.forkable or "",
        "network": spec.network,
        "companions": _packed_companions(spec.companions),
        "heir_of": spec.heir_of,
    }


def _packed_companions(companions: Companions | None) -> dict[str, Any]:
    if companions is None:
        return {}
    return {"directory": companions.directory, "environment": dict(companions.environment)}
