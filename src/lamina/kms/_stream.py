"""Sealed streams of any length: AES-GCM in chunks, after the STREAM construction of Hoang and others (2015).

The nonce of a chunk is 7 random bytes of the stream, the chunk's number, and whether it is the last: no chunk can be
changed, moved, left out or added, and the end cannot be cut off. All chunks but the last are full, and only an empty
stream has an empty one; so the place of each byte is known, and any part can be read without the rest.
"""

from __future__ import annotations

import io
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lamina.kms._cipher import SALT_BYTES, TAG_BYTES, SealBroken, aes_gcm, message_key

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK_BYTES = 65_536

Content = bytes | bytearray | memoryview | Path

_SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES
_PREFIX_BYTES = 7
_START = SALT_BYTES + _PREFIX_BYTES
_MOST_CHUNKS = 1 << 32


def seal_stream(key: bytes, bound: bytes, content: Content) -> Iterator[bytes]:
    """The sealed stream, piece by piece; a file is read as it goes and a buffer never copied whole."""
    salt, prefix = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(_PREFIX_BYTES)
    cipher = aes_gcm(message_key(key, salt))
    yield salt + prefix
    for number, (chunk, is_last) in enumerate(_marked(_chunks(content))):
        yield cipher.encrypt(_nonce(prefix, number, is_last=is_last), chunk, bound)


def plain_size(sealed_size: int) -> int:
    """The length of the content of a sealed stream. Raises ``SealBroken`` for a length that no stream has."""
    full, rest = divmod(sealed_size - _START, _SEALED_CHUNK)
    if rest == 0 and full > 0:
        full, rest = full - 1, _SEALED_CHUNK
    is_short = rest < TAG_BYTES or (rest == TAG_BYTES and full > 0)
    if sealed_size < _START or is_short or full >= _MOST_CHUNKS:
        raise SealBroken("the sealed stream was cut off")
    return full * CHUNK_BYTES + rest - TAG_BYTES


class StreamReader(io.RawIOBase):
    """The content of a sealed stream, from any place on; one chunk is in memory.

    The last chunk is opened first, so that a stream that was cut off is noticed before anything is read. Reading
    raises ``SealBroken`` where the stream is damaged. ``source`` is closed with this one.
    """

    def __init__(self, key: bytes, bound: bytes, source: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self._offset = source.tell()
        self._size = plain_size(source.seek(0, io.SEEK_END) - self._offset)
        self._last = max(self._size - 1, 0) // CHUNK_BYTES
        source.seek(self._offset)
        start = source.read(_START)
        self._prefix = start[SALT_BYTES:]
        self._cipher = aes_gcm(message_key(key, start[:SALT_BYTES]))
        self._bound = bound
        self._position = 0
        self._number = self._last
        self._chunk = self._open(self._last)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place of the content."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("before the start of the stream")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read up to the end of a chunk."""
        if self._position >= self._size:
            return 0
        number, place = divmod(self._position, CHUNK_BYTES)
        if number != self._number:
            self._chunk, self._number = self._open(number), number
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._chunk) - place)
        target[:count] = self._chunk[place : place + count]
        self._position += count
        return count

    def close(self) -> None:
        """Close the source too."""
        if not self.closed:
            self._source.close()
        super().close()

    def _open(self, number: int) -> bytes:
        from cryptography.exceptions import InvalidTag

        self._source.seek(self._offset + _START + number * _SEALED_CHUNK)
        sealed = self._source.read(_SEALED_CHUNK)
        try:
            return self._cipher.decrypt(_nonce(self._prefix, number, is_last=number == self._last), sealed, self._bound)
        except (InvalidTag, ValueError):
            raise SealBroken(
                f"chunk {number} of the sealed stream is damaged, or the key or context is another"
            ) from None


def _nonce(prefix: bytes, number: int, *, is_last: bool) -> bytes:
    return prefix + struct.pack(">I?", number, is_last)


def _chunks(content: Content) -> Iterator[bytes | memoryview]:
    if isinstance(content, Path):
        with content.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
        return
    view = memoryview(content).cast("B")
    for start in range(0, len(view), CHUNK_BYTES):
        yield view[start : start + CHUNK_BYTES]


def _marked(chunks: Iterator[bytes | memoryview]) -> Iterator[tuple[bytes | memoryview, bool]]:
    """Each chunk, and whether it is the last; one empty chunk for no content."""
    chunk = next(chunks, b"")
    for following in chunks:
        yield chunk, False
        chunk = following
    yield chunk, True
