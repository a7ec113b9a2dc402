"""Programs that try to get out of a sandbox, at the best level that this machine and user allow."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lamina.sandbox import Bind, Exit, Launcher, Limits, SandboxSpec
from lamina.sandbox._sandbox import IsolatedSandbox
from tests._image_trees import PYTHON, python_layer, system_layer

# ``attempt`` prints the name of the error with which the kernel refuses, or ``done``.
PREAMBLE = """
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)

def attempt(action):
    try:
        action()
    except OSError as error:
        print(errno.errorcode[error.errno])
    else:
        print("done")

def syscall(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result
"""


class Prison:
    """Runs hostile Python, each in a sandbox of its own."""

    def __init__(self, launcher: Launcher, layers: tuple[Path, ...]) -> None:
        """With ``layers``, the root is an image's; otherwise the host's ``/usr`` is seen."""
        self.level = launcher.level
        self.image = bool(layers)
        self.launcher = launcher
        self.layers = layers
        self.network = "gateway"

    async def start(self, code: str, *binds: Bind, **limits: int) -> IsolatedSandbox:
        """Start ``code`` after the preamble."""
        language = () if self.image else (Bind(source=Path(sys.base_prefix), target="/var/lang"),)
        spec = SandboxSpec(
            argv=(PYTHON, "-I", "-S", "-u", "-c", PREAMBLE + textwrap.dedent(code)),
            environment={"LD_LIBRARY_PATH": "/var/lang/lib", "PATH": "/usr/bin:/bin"},
            binds=(*language, *binds),
            root=self.layers,
            limits=Limits(**limits),
            network=self.network,
        )
        return await self.launcher.start(spec)

    async def run(self, code: str, *binds: Bind, **limits: int) -> list[str]:
        """The lines that ``code`` prints."""
        lines, _ = await self.end(await self.start(code, *binds, **limits))
        return lines

    async def end(self, sandbox: IsolatedSandbox) -> tuple[list[str], Exit]:
        """The rest of the output in lines, and how it ended."""
        output = await asyncio.wait_for(self.read(sandbox), 30)
        ended = await asyncio.wait_for(sandbox.exited, 30)
        sandbox.close()
        return output.decode().splitlines(), ended

    async def read(self, sandbox: IsolatedSandbox, size: int = -1) -> bytes:
        """All output, or at least ``size`` bytes of it."""
        output = bytearray()
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(sandbox.output, readable.set)
        try:
            while size < 0 or len(output) < size:
                await readable.wait()
                readable.clear()
                try:
                    chunk = os.read(sandbox.output, 65_536)
                except BlockingIOError:
                    continue
                if not chunk:
                    break
                output += chunk
        finally:
            loop.remove_reader(sandbox.output)
        return bytes(output)


@pytest.fixture(scope="session")
def layers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """An image with Python and what the tests start."""
    folder = tmp_path_factory.mktemp("image")
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    return system_layer(folder / "system", "/usr/bin/id"), python_layer(folder / "python")


@pytest.fixture(params=["zip", "image"])
async def prison(request: pytest.FixtureRequest, tmp_path: Path, layers: tuple[Path, ...]) -> AsyncIterator[Any]:
    """Sandboxes of the best level, of both package types; the launcher's directory is ``tmp_path / 'data'``."""
    launcher = await Launcher.open(tmp_path / "data")
    if launcher.level == "E":
        await launcher.close()
        pytest.skip("this machine lets this user isolate nothing")
    yield Prison(launcher, layers if request.param == "image" else ())
    await launcher.close()
