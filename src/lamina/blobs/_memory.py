"""The in-memory twin of the local store, for tests."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lamina.blobs._interface import BlobMissing, Content, checked_content, checked_name


class MemoryBlobs:
    """Blobs that live as long as this object."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def put(self, name: str, content: Content) -> bool:
        """Keep ``content``; see ``Blobs.put``."""
        if checked_name(name) in self._blobs:
            return False
        self._blobs[name] = content.read_bytes() if isinstance(content, Path) else bytes(content)
        return True

    def has(self, name: str) -> bool:
        """Whether the blob is there."""
        return checked_name(name) in self._blobs

    def open(self, name: str) -> BinaryIO:
        """The blob as a stream."""
        return io.BytesIO(self._get(name))

    def read(self, name: str) -> bytes:
        """All bytes of the blob, checked."""
        return checked_content(name, self._get(name))

    @contextmanager
    def view(self, name: str) -> Iterator[memoryview]:
        """All bytes of the blob, checked."""
        with memoryview(self.read(name)) as content:
            yield content

    def size(self, name: str) -> int:
        """The blob's length in bytes."""
        return len(self._get(name))

    def delete(self, name: str) -> bool:
        """Forget the blob; false when there was none."""
        return self._blobs.pop(checked_name(name), None) is not None

    def names(self) -> list[str]:
        """The names of all blobs, sorted."""
        return sorted(self._blobs)

    def _get(self, name: str) -> bytes:
        try:
            return self._blobs[checked_name(name)]
        except KeyError:
            raise BlobMissing(name) from None
