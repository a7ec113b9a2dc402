"""An object store in memory, for tests of what uses one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from lamina.objects._interface import NoUpstream, ObjectLocation, StoredObject, Upstream
from lamina.objects._refusals import refusal, too_large


@dataclass(slots=True)
class _Bucket:
    region: str
    versioned: bool
    objects: dict[str, list[tuple[str | None, bytes]]] = field(default_factory=dict)


class MemoryObjects:
    """Implements ``ObjectStore``. Buckets are made with ``make_bucket``."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def make_bucket(self, name: str, *, versioned: bool = False, region: str = "us-east-1") -> None:
        """Make an empty bucket."""
        self._buckets[name] = _Bucket(region, versioned)

    async def download(self, location: ObjectLocation, into: Path, most: int) -> StoredObject:
        """Write the object to a file."""
        found, data = self._find(location, most)
        into.write_bytes(data)
        return found

    async def read(self, location: ObjectLocation, most: int) -> bytes:
        """The object's bytes."""
        return self._find(location, most)[1]

    async def write(self, bucket: str, key: str, data: bytes) -> str | None:
        """Store an object."""
        kept = self._bucket(bucket, "PutObject")
        versions = kept.objects.setdefault(key, [])
        version = f"{len(versions) + 1:032x}" if kept.versioned else None
        if version is None:
            versions.clear()
        versions.append((version, bytes(data)))
        return version

    async def is_versioned(self, bucket: str) -> bool:
        """Whether new objects of the bucket get versions."""
        return self._bucket(bucket, "GetBucketVersioning").versioned

    async def upstream(self) -> Upstream:
        """There is none."""
        raise NoUpstream("Objects in memory have no endpoint.")

    async def close(self) -> None:
        """Nothing to let go of."""

    def _bucket(self, name: str, operation: str) -> _Bucket:
        if name not in self._buckets:
            raise refusal("NoSuchBucket", "", operation=operation)
        return self._buckets[name]

    def _find(self, location: ObjectLocation, most: int) -> tuple[StoredObject, bytes]:
        bucket = self._bucket(location.bucket, "GetObject")
        if bucket.region != location.region:
            raise refusal("PermanentRedirect", "")
        versions = reversed(bucket.objects.get(location.key, []))
        found = next((each for each in versions if location.version in {None, each[0]}), None)
        if found is None:
            raise refusal("NoSuchKey", "", version=location.version)
        version, data = found
        if len(data) > most:
            raise too_large(most)
        etag = f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
        stored = StoredObject(bucket=location.bucket, key=location.key, version=version, etag=etag, size=len(data))
        return stored, data
