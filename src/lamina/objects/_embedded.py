"""The embedded store: an S3 of the server's own, which starts when it is first needed."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from lamina.objects._interface import ObjectLocation, StoredObject, Upstream, UpstreamDown
from lamina.objects._process import StoreProcess
from lamina.objects._refusals import unreachable
from lamina.objects._remote import RemoteObjects

_LOG = logging.getLogger(__name__)
_DEADLINE_SECONDS = 45.0
_STARTS = 2


class EmbeddedObjects:
    """Implements ``ObjectStore`` with a SeaweedFS of its own, whose data is in ``folder``.

    It is started once, by the first call, however many come at a time, and again when it has died. Its buckets are one
    namespace for all accounts and Regions. ``weed`` is SeaweedFS's command; ``deadline`` the seconds it has to start.
    """

    def __init__(self, folder: Path, weed: Path, *, deadline: float = _DEADLINE_SECONDS) -> None:
        self._folder = folder.absolute()
        self._weed = weed
        self._deadline = deadline
        self._process: StoreProcess | None = None
        self._remote: RemoteObjects | None = None
        self._starting: asyncio.Task[None] | None = None
        self._closed = False

    async def download(self, location: ObjectLocation, into: Path, most: int) -> StoredObject:
        """Write the object to a file."""
        return await (await self._objects("GetObject")).download(location, into, most)

    async def read(self, location: ObjectLocation, most: int) -> bytes:
        """The object's bytes."""
        return await (await self._objects("GetObject")).read(location, most)

    async def write(self, bucket: str, key: str, data: bytes) -> str | None:
        """Store an object."""
        return await (await self._objects("PutObject")).write(bucket, key, data)

    async def is_versioned(self, bucket: str) -> bool:
        """Whether new objects of the bucket get versions."""
        return await (await self._objects("GetBucketVersioning")).is_versioned(bucket)

    async def upstream(self) -> Upstream:
        """The store's S3, which answers by now."""
        return (await self._running())[0].upstream

    async def close(self) -> None:
        """End the store."""
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self._put_away()

    async def _objects(self, operation: str) -> RemoteObjects:
        try:
            return (await self._running())[1]
        except UpstreamDown as error:
            raise unreachable(operation, error) from None

    async def _running(self) -> tuple[StoreProcess, RemoteObjects]:
        while self._process is None or self._remote is None or self._process.ended.is_set():
            if self._closed:
                raise UpstreamDown("the server ends")
            if self._starting is None or self._starting.done():
                self._starting = asyncio.create_task(self._start())
            # Who goes away does not take the start along: others wait for it too.
            await asyncio.shield(self._starting)
        return self._process, self._remote

    async def _start(self) -> None:
        if self._process is not None:
            _LOG.warning("the embedded S3 store has ended; it is started again")
        await self._put_away()
        for attempt in range(_STARTS):
            try:
                self._process = await StoreProcess.open(self._folder, self._weed, self._deadline)
                break
            except OSError as error:
                raise UpstreamDown(f"the embedded store cannot be started: {error}") from None
            except UpstreamDown as error:
                # Somebody may have taken one of its ports in between.
                if attempt + 1 == _STARTS:
                    raise
                _LOG.info("%s; trying again", error)
        upstream = self._process.upstream if self._process is not None else None
        assert upstream is not None
        self._remote = RemoteObjects(
            endpoint=upstream.endpoint,
            access_key_id=upstream.access_key_id,
            secret_access_key=upstream.secret_access_key,
            path_style=True,
        )
        _LOG.info("the embedded S3 store has started")

    async def _put_away(self) -> None:
        process, self._process = self._process, None
        remote, self._remote = self._remote, None
        if remote is not None:
            await remote.close()
        if process is not None:
            await process.close()
