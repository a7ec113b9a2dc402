"""Changes of buckets and objects and of their sub-resources, which stand in the query of a request (``?website``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote_to_bytes
from weakref import WeakValueDictionary

from lamina.http._s3_errors import S3Error
from lamina.http._s3_forward import OF_SIGNATURE
from lamina.objects import SubResources

_CHANGES = frozenset({"PUT", "DELETE"})
_OF_CLIENTS = frozenset({b"x-id"})


class Changes:
    """Keeps from a store what it would get wrong (see ``SubResources``)."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, method: str, path: bytes, query: bytes, has: SubResources | None) -> AsyncIterator[None]:
        """Wait until nobody else changes the bucket, if that is what the request does.

        Raises ``S3Error`` for a sub-resource that the store has not.
        """
        bucket, _, key = unquote_to_bytes(path).removeprefix(b"/").partition(b"/")
        if has is None or method not in _CHANGES:
            yield
        elif key:
            _refuse(_names(query) & has.not_of_objects)
            yield
        else:
            _refuse(_names(query) - has.of_buckets[method])
            lock = self._turns.setdefault(bucket, asyncio.Lock())
            async with lock:
                yield


def _names(query: bytes) -> set[bytes]:
    names = {unquote_to_bytes(part.partition(b"=")[0]) for part in query.split(b"&") if part}
    return names - OF_SIGNATURE - _OF_CLIENTS


def _refuse(missing: set[bytes]) -> None:
    if missing:
        shown = b"&".join(sorted(missing)).decode("latin-1")
        raise S3Error(501, "NotImplemented", f"The embedded object store does not have what ?{shown} changes.")
