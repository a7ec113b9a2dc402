"""Code from S3: downloaded to a file, and read from there without a copy in memory."""

from __future__ import annotations

import mmap
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from lamina.deploy._interface import Code, Order, Rooms
from lamina.deploy._step import Steps
from lamina.deploy._zip import take_zip
from lamina.errors import InvalidParameterValueException
from lamina.objects import ObjectLocation

# A zip in S3 is bounded by what may be in it (Lambda quotas: 250 MB unzipped).
S3_BYTES = 262_144_000


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Object:
    """A zip in S3: copied at the time of the call, or with ``by_reference`` read again whenever it is needed."""

    bucket: str
    key: str
    version: str | None = None
    by_reference: bool = False

    @property
    def origin(self) -> str:
        """See ``Source.origin``."""
        version = f"?versionId={self.version}" if self.version else ""
        return f"s3://{self.bucket}/{self.key}{version}"

    async def obtain(self, order: Order, rooms: Rooms, step: Steps) -> Code:
        """See ``Source.obtain``."""
        location = ObjectLocation(
            bucket=self.bucket,
            key=self.key,
            version=self.version,
            region=order.key.region,
            account_id=order.key.account_id,
        )
        with scratch_file(rooms.scratch) as path:
            with step("read"):
                found = await rooms.objects.download(location, path, S3_BYTES)
            location = replace(location, version=found.version)
            self._check_version(location)
            with mapped(path) as data:
                code = await take_zip(data, S3_BYTES, order, rooms, step, keep_zip=not self.by_reference)
        origin = replace(self, version=location.version).origin
        return replace(code, origin=origin, reference=location if self.by_reference else None)

    def _check_version(self, location: ObjectLocation) -> None:
        if self.by_reference and location.version in (None, "null"):
            raise InvalidParameterValueException(
                f"The bucket {self.bucket} has no versioning. S3ObjectStorageMode REFERENCE needs a versioned bucket, "
                "so that the code that was deployed cannot change."
            )


@contextmanager
def scratch_file(folder: Path) -> Iterator[Path]:
    """A path for a download; what is there after the block is removed, and a download that fails has left nothing."""
    path = folder / f"s3-{secrets.token_hex(8)}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def mapped(path: Path) -> Iterator[memoryview]:
    """The bytes of a file as they are in the page cache; an empty file has none."""
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            yield memoryview(b"")
            return
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        yield memoryview(pages)
    finally:
        # An exception on its way may hold a part of it still; then it ends with the exception.
        with suppress(BufferError):
            pages.close()
