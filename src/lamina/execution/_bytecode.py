"""Byte-compiling a package, once for each interpreter, in a sandbox: what strangers upload is not parsed in the server.

A cold start that finds no bytecode compiles every module that it imports, each time anew, because the tree is
read-only: for packages of some size that takes longer than everything else together.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import uuid
from pathlib import Path
from typing import Protocol

from lamina.functions import LiveVersion
from lamina.packages import COMPILE_JOB, BadBytecode
from lamina.runtimes import Runtime
from lamina.sandbox import Bind, Limits, SandboxLauncher, SandboxSpec, SandboxUnavailable

_LOG = logging.getLogger(__name__)
_JOB, _OUTPUT = "/var/job.py", "/var/output"
_MEMORY_MB = 1024
_WORTH_A_JOB = 16_384  # less source than this compiles in fewer milliseconds than a job takes to start
_SECONDS = 300.0


class Trees(Protocol):
    """Code trees, and the bytecode in them. Every method blocks."""

    def tree(self, digest: str) -> Path:
        """The read-only tree of a package."""

    def missing_bytecode(self, digest: str, tag: str) -> int:
        """How many bytes of Python source were not compiled for the tag."""

    def inherit_bytecode(self, digest: str, tag: str, ancestor: str) -> int:
        """Take over what an earlier package has compiled; the bytes of source that are left."""

    def add_bytecode(self, digest: str, tag: str, directory: Path) -> int:
        """Put compiled files into the tree."""


class Compiler:
    """Compiles packages for their interpreters; each package and interpreter once, whoever asks for it."""

    def __init__(self, launcher: SandboxLauncher, trees: Trees, folder: Path) -> None:
        self._launcher = launcher
        self._trees = trees
        self._folder = folder
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)

    async def compile(self, live: LiveVersion, runtime: Runtime, ancestor: str | None) -> None:
        """Compile the version's package if that is still to be done. A failure is logged: the code runs without.

        What the package ``ancestor`` of the same function has too is taken over from there.
        """
        if not runtime.bytecode:
            return
        job = (live.package, runtime.bytecode)
        task = self._running.get(job)
        if task is None:
            task = self._running[job] = asyncio.create_task(self._compile(runtime, *job, ancestor))
            task.add_done_callback(lambda _: self._running.pop(job))
        await asyncio.shield(task)

    async def _compile(self, runtime: Runtime, digest: str, tag: str, ancestor: str | None) -> None:
        trees = self._trees
        missing = await asyncio.to_thread(trees.missing_bytecode, digest, tag)
        if missing < _WORTH_A_JOB:
            return
        output = self._folder / uuid.uuid4().hex
        output.mkdir()
        output.chmod(0o777)  # the sandbox has a user of its own; the folder above lets in nobody else
        try:
            if ancestor is not None and ancestor != digest:
                missing = await asyncio.to_thread(trees.inherit_bytecode, digest, tag, ancestor)
            if missing >= _WORTH_A_JOB:
                await self._run(runtime, await asyncio.to_thread(trees.tree, digest), output)
            await asyncio.to_thread(trees.add_bytecode, digest, tag, output)
        except (SandboxUnavailable, BadBytecode, TimeoutError, OSError) as error:
            _LOG.warning("package %s was not byte-compiled for %s: %s", digest[:12], tag, error)
        finally:
            await asyncio.to_thread(shutil.rmtree, output, ignore_errors=True)

    async def _run(self, runtime: Runtime, tree: Path, output: Path) -> None:
        sandbox = await self._launcher.start(
            SandboxSpec(
                argv=(runtime.argv[0], "-I", "-S", "-B", _JOB, "/var/task", _OUTPUT),
                environment={"LANG": "C.UTF-8"},
                binds=(
                    *runtime.binds,
                    Bind(source=COMPILE_JOB, target=_JOB),
                    Bind(source=tree, target="/var/task"),
                    Bind(source=output, target=_OUTPUT, writable=True),
                ),
                limits=Limits(memory_mb=_MEMORY_MB),
            )
        )
        try:
            await asyncio.wait_for(asyncio.shield(sandbox.exited), _SECONDS)
        finally:
            sandbox.kill()
            await sandbox.exited
            sandbox.close()
