"""What the rest of Lamina sees of S3: objects to read, a few to write, and where requests for S3 go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectLocation:
    """An object as a request names it, and the Region and account in whose name it is asked for.

    ``version`` None is the latest version. A bucket of another Region is not followed there, as on AWS.
    """

    bucket: str
    key: str
    version: str | None
    region: str
    account_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """The object that was read. ``version`` is None in a bucket without versions; ``etag`` has its quotes."""

    bucket: str
    key: str
    version: str | None
    etag: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubResources:
    """The sub-resources, such as ``?website``, of a store that would take those it has not for a bucket or an object.

    ``of_buckets`` are those that it has, by the method that changes them; ``not_of_objects`` those that it has not.
    """

    of_buckets: Mapping[str, frozenset[bytes]]
    not_of_objects: frozenset[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where requests for S3 are sent, and who signs them. Without ``region`` the caller's is signed for.

    With ``sub_resources`` it has only these, and can lose one of two changes of a bucket that are made at a time.
    """

    endpoint: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None
    sub_resources: SubResources | None = None


class NoUpstream(Exception):
    """Nothing here answers requests for S3; the message says what to do."""


class UpstreamDown(Exception):
    """The store does not answer, or breaks off; the message says how, for the server's log."""


class ObjectStore(Protocol):
    """An S3, wherever it is. No method blocks the event loop.

    A refusal of the store is raised as ``InvalidParameterValueException`` with its code and message in the recorded
    words (API notes, 5.9); a store that cannot be reached or breaks off again and again as ``ServiceException``.
    """

    async def download(self, location: ObjectLocation, into: Path, most: int) -> StoredObject:
        """Write the object to the file ``into``, which then has exactly its bytes; after an error it is gone.

        More than ``most`` bytes are refused with ``InvalidParameterValueException``. A connection that breaks is taken
        up again where it broke, as long as it is still the same object.
        """

    async def read(self, location: ObjectLocation, most: int) -> bytes:
        """The object's bytes, in memory; else as ``download``."""

    async def write(self, bucket: str, key: str, data: bytes) -> str | None:
        """Store an object. The version it got, or None in a bucket without versions."""

    async def is_versioned(self, bucket: str) -> bool:
        """Whether new objects of the bucket get versions."""

    async def upstream(self) -> Upstream:
        """Where requests of S3's own clients go. Raises ``NoUpstream`` or ``UpstreamDown``."""

    async def close(self) -> None:
        """Let go of what was opened or started."""
