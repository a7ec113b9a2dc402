"""Blobs as files of one folder."""

from __future__ import annotations

import hashlib
import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from lamina.blobs._interface import (
    BlobMissing,
    Content,
    check_hash,
    checked_content,
    checked_name,
    is_name,
    length_of,
)
from lamina.disk import flush_folder

_TEMPORARY = ".incoming-"
_COPY_BYTES = 1 << 20
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalBlobs:
    """Blobs as files under ``root``, readable by this user only.

    A blob is written to a temporary name, flushed, renamed, and the folder flushed: under its own name it is always
    whole. What a crash left under temporary names is removed here. One process owns ``root``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in root.glob(f"{_TEMPORARY}*"):
            leftover.unlink()

    def put(self, name: str, content: Content) -> bool:
        """Store ``content`` durably; a file of the right name but another length is replaced."""
        target = self.path(name)
        if target.is_file() and target.stat().st_size == length_of(content):
            return False
        temporary = self._root / f"{_TEMPORARY}{secrets.token_hex(8)}"
        try:
            _write_durably(temporary, content)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(self._root)
        return True

    def has(self, name: str) -> bool:
        """Whether the blob is there."""
        return self.path(name).is_file()

    def open(self, name: str) -> BinaryIO:
        """The blob as a stream, not checked."""
        return self._open(name)

    def read(self, name: str) -> bytes:
        """All bytes of the blob, checked against its name."""
        with self.open(name) as stream:
            return checked_content(name, stream.read())

    @contextmanager
    def view(self, name: str) -> Iterator[memoryview]:
        """All bytes of the blob, checked, as they are in the page cache.

        They are read before they are mapped: a disk that fails raises ``OSError``, where a mapped page of it would
        end the process.
        """
        with self._open(name) as stream:
            size = os.fstat(stream.fileno()).st_size
            check_hash(name, hashlib.file_digest(stream, "sha256").hexdigest(), size)
            if size == 0:
                yield memoryview(b"")
                return
            with mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ) as pages, memoryview(pages) as content:
                yield content

    def size(self, name: str) -> int:
        """The blob's length in bytes."""
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            raise BlobMissing(name) from None

    def delete(self, name: str) -> bool:
        """Remove the file; a crash may bring it back, whole."""
        try:
            self.path(name).unlink()
        except FileNotFoundError:
            return False
        return True

    def names(self) -> list[str]:
        """The names of all blobs, sorted."""
        return sorted(path.name for path in self._root.iterdir() if is_name(path.name))

    def path(self, name: str) -> Path:
        """Where the blob is or would be."""
        return self._root / checked_name(name)

    def _open(self, name: str) -> BufferedReader:
        try:
            return self.path(name).open("rb")
        except FileNotFoundError:
            raise BlobMissing(name) from None


def _write_durably(path: Path, content: Content) -> None:
    descriptor = os.open(path, _NEW_FILE, 0o600)
    try:
        if isinstance(content, Path):
            _copy(content, descriptor)
        else:
            # No view outlives this, not even in a traceback: a mapped file could not be closed.
            with memoryview(content) as view, view.cast("B") as octets:
                _write(descriptor, octets)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source: Path, descriptor: int) -> None:
    with source.open("rb", buffering=0) as stream:
        while piece := stream.read(_COPY_BYTES):
            _write(descriptor, memoryview(piece))


def _write(descriptor: int, content: memoryview) -> None:
    written = 0
    while written < len(content):
        with content[written:] as rest:
            written += os.write(descriptor, rest)
