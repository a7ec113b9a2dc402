"""Which S3 it is: the one that was named, the embedded one, or AWS's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lamina.errors import InvalidParameterValueException
from lamina.objects import _seaweed
from lamina.objects._embedded import EmbeddedObjects
from lamina.objects._interface import NoUpstream, ObjectLocation, ObjectStore, StoredObject, Upstream
from lamina.objects._remote import RemoteObjects

AWS = "aws"
_WAYS = (
    "Install the embedded one with: pip install 'lamina[s3]'. Or name one with --s3-endpoint. Or give the server AWS "
    "credentials, for Amazon S3."
)


def open_objects(
    folder: Path,
    *,
    endpoint: str = "",
    access_key_id: str = "",
    secret_access_key: str = "",
    region: str = "",
    path_style: bool = True,
) -> ObjectStore:
    """The object store of a server whose embedded one would live in ``folder``. Nothing is started or asked yet.

    ``endpoint`` is the URL of an S3, ``aws`` for AWS's own, or empty: the embedded one if it is installed, else AWS's
    if there are credentials when it is needed.
    """
    if endpoint == AWS:
        return RemoteObjects(region=region or None)
    if endpoint:
        return RemoteObjects(
            endpoint=endpoint,
            access_key_id=access_key_id or None,
            secret_access_key=secret_access_key or None,
            region=region or None,
            path_style=path_style,
        )
    weed = _seaweed.program()
    if weed is not None:
        return EmbeddedObjects(folder, weed)
    return AmbientObjects(region or None)


class AmbientObjects:
    """AWS's S3 where the ordinary AWS settings give credentials; else every call says what to install or set."""

    def __init__(self, region: str | None) -> None:
        self._aws = RemoteObjects(region=region)
        self._found = False

    async def download(self, location: ObjectLocation, into: Path, most: int) -> StoredObject:
        """Write the object to a file."""
        return await (await self._usable()).download(location, into, most)

    async def read(self, location: ObjectLocation, most: int) -> bytes:
        """The object's bytes."""
        return await (await self._usable()).read(location, most)

    async def write(self, bucket: str, key: str, data: bytes) -> str | None:
        """Store an object."""
        return await (await self._usable()).write(bucket, key, data)

    async def is_versioned(self, bucket: str) -> bool:
        """Whether new objects of the bucket get versions."""
        return await (await self._usable()).is_versioned(bucket)

    async def upstream(self) -> Upstream:
        """There is none: AWS's S3 has its own address."""
        raise NoUpstream(f"There is no object store at this endpoint. {_WAYS}")

    async def close(self) -> None:
        """Let go of what was opened."""
        await self._aws.close()

    async def _usable(self) -> RemoteObjects:
        if not self._found:
            self._found = await self._credentials() is not None
        if not self._found:
            raise InvalidParameterValueException(f"There is no object store to read code from. {_WAYS}")
        return self._aws

    async def _credentials(self) -> Any:
        from botocore.exceptions import BotoCoreError

        try:
            return await self._aws.credentials()
        except BotoCoreError as error:
            raise InvalidParameterValueException(f"The AWS credentials of the server cannot be used: {error}") from None
