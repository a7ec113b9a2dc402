"""What environments have left that were reset: the next one of the same deployment finds their ``/tmp``.

A crash or a timeout ends the processes of an environment, and with them all that was in memory; on AWS its ``/tmp`` is
there again for the next invocation (Lambda Developer Guide, "Runtime environment lifecycle").
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable

from lamina.sandbox import Sandbox

_MOST = 32
_SECONDS = 600.0
_PATIENCE_SECONDS = 3.0


class Remains:
    """Sandboxes that have ended or are about to, oldest first; ``release`` lets the launcher forget one."""

    def __init__(self, release: Callable[[str], None]) -> None:
        self._release = release
        self._left: defaultdict[str, deque[Sandbox]] = defaultdict(deque)
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def add(self, deployment: str, sandbox: Sandbox) -> None:
        """Keep what a sandbox has left, for a while."""
        loop = asyncio.get_running_loop()
        self._left[deployment].append(sandbox)
        self._timers[sandbox.id] = loop.call_later(_SECONDS, self._drop, deployment, sandbox)
        if len(self._timers) > _MOST:
            oldest = next(iter(self._timers))
            self._drop(*next((name, each) for name, left in self._left.items() for each in left if each.id == oldest))

    async def take(self, deployment: str) -> str:
        """The name of a sandbox whose heir is to be started, when it has ended; empty when there is none."""
        left = self._left.get(deployment)
        if not left:
            return ""
        sandbox = left[0]
        self._forget(deployment, sandbox)
        await asyncio.wait((sandbox.exited,), timeout=_PATIENCE_SECONDS)
        return sandbox.id

    def close(self) -> None:
        """Keep nothing any more: the launcher ends."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._left.clear()

    def _drop(self, deployment: str, sandbox: Sandbox) -> None:
        self._forget(deployment, sandbox)
        self._release(sandbox.id)

    def _forget(self, deployment: str, sandbox: Sandbox) -> None:
        self._timers.pop(sandbox.id).cancel()
        self._left[deployment].remove(sandbox)
        if not self._left[deployment]:
            del self._left[deployment]
