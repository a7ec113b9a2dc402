"""Sandboxes for the tests: at every level that this machine and user allow."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import Bind, Exit, Launcher, SandboxSpec, SandboxUnavailable
from lamina.sandbox._sandbox import IsolatedSandbox

PYTHON = f"/var/lang/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
LANGUAGE = Bind(source=Path(sys.base_prefix), target="/var/lang")
ENVIRONMENT = {"LD_LIBRARY_PATH": "/var/lang/lib", "PATH": "/usr/bin:/bin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a program wrote, how it ended and how much memory it used."""

    output: str
    exit: Exit
    memory: int


class Inside:
    """Runs Python in sandboxes of one launcher."""

    python = PYTHON
    language = LANGUAGE

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher

    async def start(self, code: str, *binds: Bind, **spec: Any) -> IsolatedSandbox:
        environment = ENVIRONMENT | spec.pop("environment", {})
        argv = (PYTHON, "-I", "-S", "-u", "-c", code)
        return await self.launcher.start(
            SandboxSpec(argv=argv, environment=environment, binds=(LANGUAGE, *binds), **spec)
        )

    async def run(self, code: str, *binds: Bind, control: bytes = b"", **spec: Any) -> Ended:
        sandbox = await self.start(code, *binds, **spec)
        sandbox.send_control(control)
        return await self.end(sandbox)

    async def end(self, sandbox: IsolatedSandbox) -> Ended:
        output = await self.read(sandbox)
        ended = await asyncio.wait_for(sandbox.exited, 20)
        memory = sandbox.max_memory_bytes()
        sandbox.close()
        return Ended(output=output.decode(), exit=ended, memory=memory)

    async def read(self, sandbox: IsolatedSandbox, until: bytes | None = None) -> bytes:
        """What the sandbox writes, to its end or until ``until`` was seen."""
        output = bytearray()
        while until is None or until not in output:
            chunk = await asyncio.wait_for(self._chunk(sandbox.output), 20)
            if not chunk:
                break
            output += chunk
        return bytes(output)

    async def _chunk(self, descriptor: int) -> bytes:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
            return os.read(descriptor, 65_536)
        finally:
            loop.remove_reader(descriptor)


@pytest.fixture(params=["A", "B", "E"])
async def inside(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Inside]:
    """Sandboxes at each level."""
    try:
        launcher = await Launcher.open(tmp_path, request.param)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    yield Inside(launcher)
    await launcher.close()


@pytest.fixture
def isolated(inside: Inside) -> Inside:
    """Sandboxes at each level that isolates."""
    if inside.launcher.level == "E":
        pytest.skip("level E does not isolate")
    return inside


Opener = Callable[..., Awaitable[Launcher]]


@pytest.fixture
async def open_launcher(tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens launchers at the best level, and closes them."""
    opened: list[Launcher] = []

    async def opener(isolation: str = "auto", **options: Any) -> Launcher:
        opened.append(await Launcher.open(tmp_path, isolation, **options))
        return opened[-1]

    yield opener
    for launcher in opened:
        await launcher.close()
