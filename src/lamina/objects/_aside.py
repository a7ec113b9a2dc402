"""Work that waits for the network, in threads of its own.

Not in asyncio's pool: a store that hangs would hold up all else that is done there, and the end of the process too.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """Whoever waited for the work has gone."""


async def run_aside(work: Callable[[threading.Event], T]) -> T:
    """Run ``work`` in a daemon thread. Its argument is set when nobody waits for it any more."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()
    stop = threading.Event()

    def settle(settle_with: Callable[[Any], None], value: Any) -> None:
        if not result.done():
            settle_with(value)

    def run() -> None:
        try:
            outcome: tuple[Callable[[Any], None], Any] = (result.set_result, work(stop))
        except Stopped:
            return
        except BaseException as error:
            outcome = (result.set_exception, error)
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, daemon=True, name="lamina-s3").start()
    try:
        return await result
    finally:
        stop.set()
