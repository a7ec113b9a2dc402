"""What the rest of Lamina sees of packages at rest, and the rule for their names."""

from __future__ import annotations

import hashlib
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

Content = bytes | bytearray | memoryview | Path

_NAME = re.compile(r"[0-9a-f]{64}")


class BlobMissing(LookupError):
    """There is no blob of that name."""


class BlobDamaged(Exception):
    """The bytes at rest are not those that were stored: their SHA-256 is not their name."""


class Blobs(Protocol):
    """Immutable bytes, each under a name of 64 hex digits. All methods block and may be called from any thread.

    The name is the SHA-256 of the bytes, unless the store can prove in another way that they are those of the name.
    """

    def put(self, name: str, content: Content) -> bool:
        """Store ``content`` durably: once this has returned, a power cut does not lose it.

        Storing what is there already is free. True when something was written. The caller has computed ``name``; it
        is checked when the blob is read.
        """

    def has(self, name: str) -> bool:
        """Whether the blob is there."""

    def open(self, name: str) -> BinaryIO:
        """The blob as a stream, not checked. Raises ``BlobMissing``."""

    def read(self, name: str) -> bytes:
        """All bytes of the blob, checked against its name. Raises ``BlobMissing`` and ``BlobDamaged``."""

    def view(self, name: str) -> AbstractContextManager[memoryview]:
        """All bytes of the blob for the time of a block, checked, and not as a copy in memory where that can be.

        Raises ``BlobMissing`` and ``BlobDamaged`` when the block is entered.
        """

    def size(self, name: str) -> int:
        """The blob's length in bytes. Raises ``BlobMissing``."""

    def delete(self, name: str) -> bool:
        """Forget the blob; false when there was none."""

    def names(self) -> list[str]:
        """The names of all blobs, sorted."""


def is_name(name: str) -> bool:
    """Whether ``name`` is a hex SHA-256 in lower case."""
    return _NAME.fullmatch(name) is not None


def checked_name(name: str) -> str:
    """``name`` if it is one, so that no name can lead out of the store."""
    if not is_name(name):
        raise ValueError(f"not the name of a blob: {name!r}")
    return name


def checked_content(name: str, content: bytes) -> bytes:
    """``content`` if its SHA-256 is ``name``. Raises ``BlobDamaged``."""
    found = hashlib.sha256(content).hexdigest()
    check_hash(name, found, len(content))
    return content


def check_hash(name: str, found: str, size: int) -> None:
    """Raise ``BlobDamaged`` unless ``found``, the SHA-256 of ``size`` bytes, is ``name``."""
    if found != name:
        raise BlobDamaged(f"blob {name} is damaged: its {size} bytes have the SHA-256 {found}")


def length_of(content: Content) -> int:
    """The length of ``content`` in bytes."""
    return content.stat().st_size if isinstance(content, Path) else memoryview(content).nbytes
