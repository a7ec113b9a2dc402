"""A ``KeyService`` for threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from lamina.kms._failures import unreachable
from lamina.kms._interface import DataKey, KeyService, KeyUser

T = TypeVar("T")


class BlockingKeys:
    """Asks a ``KeyService`` of an event loop from any other thread than the loop's, and waits for the answer.

    It is made in the loop's thread. ``seconds`` is the longest wait; ServiceException after it.
    """

    def __init__(self, keys: KeyService, loop: asyncio.AbstractEventLoop, seconds: float = 30.0) -> None:
        self._keys = keys
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._seconds = seconds

    def data_key(self, key_arn: str, context: Mapping[str, str], user: KeyUser) -> DataKey:
        """See ``KeyService.data_key``."""
        return self._wait(self._keys.data_key(key_arn, context, user), user)

    def unwrap(self, wrapped: bytes, key_arn: str, context: Mapping[str, str], user: KeyUser) -> bytes:
        """See ``KeyService.unwrap``."""
        return self._wait(self._keys.unwrap(wrapped, key_arn, context, user), user)

    def _wait(self, asked: Coroutine[Any, Any, T], user: KeyUser) -> T:
        if threading.get_ident() == self._loop_thread:
            asked.close()
            raise RuntimeError("the event loop would wait for itself")
        future = asyncio.run_coroutine_threadsafe(asked, self._loop)
        try:
            return future.result(self._seconds)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise unreachable(user.subject) from None
