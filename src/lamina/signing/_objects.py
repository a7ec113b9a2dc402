"""What signing jobs ask of S3."""

from __future__ import annotations

from typing import Protocol

from lamina.objects import ObjectLocation


class ObjectStore(Protocol):
    """S3, as much of it as signing jobs need. Refusals are ServiceErrors that say what is wrong."""

    async def read(self, location: ObjectLocation, most: int) -> bytes:
        """The object's bytes; more than ``most`` are refused."""

    async def write(self, bucket: str, key: str, data: bytes) -> str | None:
        """Store an object. The version that it got, if any."""

    async def is_versioned(self, bucket: str) -> bool:
        """Whether new objects of the bucket get versions."""
