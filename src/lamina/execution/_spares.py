"""Generic sandboxes that wait ready: the interpreter runs, its bootstrap is imported, only the function is missing."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from functools import partial

from lamina.runtimes import Runtime
from lamina.sandbox import Exit, Limits, Sandbox, SandboxLauncher, SandboxSpec, SandboxUnavailable

_LOG = logging.getLogger(__name__)


class Spares:
    """Keeps ``count`` generic sandboxes of each runtime that is in use."""

    def __init__(self, launcher: SandboxLauncher, count: int, network: str) -> None:
        self._launcher = launcher
        self._count = count
        self._network = network
        self._ready: defaultdict[str, deque[Sandbox]] = defaultdict(deque)
        self._starting: dict[str, int] = defaultdict(int)
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, runtime: Runtime, *, fork: bool = True) -> Sandbox:
        """A generic sandbox of the runtime: one that waits, or in a burst a fork of the runtime's template.

        Without ``fork`` it is always a process of its own, with its own hash seed.
        """
        ready = self._ready[runtime.key]
        while ready:
            sandbox = ready.popleft()
            if not sandbox.exited.done():
                return sandbox
            sandbox.close()
        return await self._launcher.start(self._generic(runtime), fork=fork)

    def refill(self, runtime: Runtime) -> None:
        """Start what is missing, in the background; end what waits for the same name with another interpreter."""
        for key in [key for key in self._ready if key != runtime.key and key.startswith(f"{runtime.name} ")]:
            for sandbox in self._ready.pop(key):
                sandbox.exited.add_done_callback(partial(_close, sandbox))
                sandbox.kill()
        missing = self._count - len(self._ready[runtime.key]) - self._starting[runtime.key]
        for _ in range(missing):
            self._starting[runtime.key] += 1
            task = asyncio.create_task(self._start(runtime))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop starting; the launcher ends those that wait."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _start(self, runtime: Runtime) -> None:
        try:
            self._ready[runtime.key].append(await self._launcher.start(self._generic(runtime)))
        except SandboxUnavailable as error:
            _LOG.warning("no spare environment for %s: %s", runtime.name, error)
        finally:
            self._starting[runtime.key] -= 1

    def _generic(self, runtime: Runtime) -> SandboxSpec:
        environment = {"LAMINA_GENERIC": "1", **runtime.environment}
        return SandboxSpec(
            argv=runtime.argv,
            environment=environment,
            binds=runtime.binds,
            limits=Limits(),
            working_directory="/",
            forkable=runtime.key,
            network=self._network,
        )


def _close(sandbox: Sandbox, _: asyncio.Future[Exit]) -> None:
    sandbox.close()
