"""The end of an environment with extensions (Lambda Developer Guide, "Shutdown phase").

Without extensions there is nothing to wait for. With internal ones the runtime gets SIGTERM and half a second. With
external ones there are two seconds for everything, of which the runtime has the first 300 ms; then all is killed.
"""

from __future__ import annotations

import asyncio
import contextlib

from lamina.execution._extensions import Extensions, Reason
from lamina.execution._telemetry import Telemetry
from lamina.sandbox import Exit, Sandbox

_INTERNAL_SECONDS = 0.5
_EXTERNAL_SECONDS = 2.0
_RUNTIME_SECONDS = 0.3


def seconds(extensions: Extensions | None) -> float:
    """How long the end of an environment may take."""
    if extensions is None or not extensions.known:
        return 0.0
    return _EXTERNAL_SECONDS if extensions.external else _INTERNAL_SECONDS


async def shut_down(sandbox: Sandbox, extensions: Extensions, telemetry: Telemetry | None, reason: Reason) -> None:
    """Have everybody in the thawed sandbox come to an end, and then end it."""
    loop = asyncio.get_running_loop()
    allowed = seconds(extensions)
    deadline = loop.time() + allowed
    beside = sandbox.beside
    sandbox.terminate()
    try:
        if beside is None:
            await _ended(sandbox.exited, allowed)
            return
        await _ended(beside.program, _RUNTIME_SECONDS)
        if telemetry is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(telemetry.flush(), _RUNTIME_SECONDS)
        left = deadline - loop.time()
        extensions.shut_down(reason, left)
        await asyncio.wait(beside.ended.values(), timeout=left)
    finally:
        sandbox.kill()


async def _ended(program: asyncio.Future[Exit], limit: float) -> None:
    await asyncio.wait((program,), timeout=limit)
