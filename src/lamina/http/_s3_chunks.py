"""Bodies of S3's requests while they pass: checked piece by piece, never held as a whole.

``_chunked`` describes the form of chunks; it reads whole bodies.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator

from lamina.errors import IncompleteSignatureException, ServiceError
from lamina.http._body import ClientGone, Receive
from lamina.http._chunked import LONGEST_LINE, MALFORMED, Chunk, size_of, verified, verify_trailers
from lamina.http._sigv4 import Authentication

_LARGEST_CHUNK = 16 << 20
_LONGEST_TRAILERS = 16_384
Pieces = AsyncIterator[bytes]


class PayloadMismatch(ServiceError):
    """The body is not the one whose hash was signed."""


async def pieces(receive: Receive) -> Pieces:
    """The body as it arrives. Raises ``ClientGone``."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        more = message.get("more_body", False)
        if piece := message.get("body", b""):
            yield piece


async def hashed(source: Pieces, declared: bytes) -> Pieces:
    """The body, whose last piece is given only if its SHA-256 is ``declared``: so nobody ever has a wrong one whole."""
    digest = hashlib.sha256()
    held = b""
    async for piece in source:
        if held:
            yield held
        digest.update(piece)
        held = piece
    if not hmac.compare_digest(digest.hexdigest().encode(), declared):
        raise PayloadMismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
    if held:
        yield held


async def unsigned(source: Pieces, authentication: Authentication, *, trailers: bool, check: bool) -> Pieces:
    """A body whose chunks are signed without the signatures, which are checked; a chunk is given when it is right.

    With ``trailers`` it stays in chunks, and what follows them is kept; without, it is the content alone.
    """
    reader = _Reader(source)
    previous = authentication.signature
    size = -1
    while size:
        size_text, _, extension = (await reader.line()).partition(b";")
        size = size_of(size_text)
        data = await reader.chunk(size)
        if check:
            given = extension.removeprefix(b"chunk-signature=")
            previous = verified(authentication, previous, Chunk(given, memoryview(data), 0))
        if size:
            yield b"%x\r\n%b\r\n" % (size, data) if trailers else data
    rest = await reader.rest()
    if trailers:
        if check:
            verify_trailers(authentication, previous, rest)
        yield b"0\r\n%b\r\n" % _without_signature(rest)


def _without_signature(trailers: bytes) -> bytes:
    lines = [line for line in trailers.split(b"\r\n") if line]
    kept = [line for line in lines if not line.lower().startswith(b"x-amz-trailer-signature")]
    return b"".join([line + b"\r\n" for line in kept])


class _Reader:
    """Lines and chunks out of pieces of any size."""

    def __init__(self, source: Pieces) -> None:
        self._source = source
        self._buffer = bytearray()

    async def line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n", 0, LONGEST_LINE)) < 0:
            if len(self._buffer) >= LONGEST_LINE or not await self._more():
                raise IncompleteSignatureException(MALFORMED)
        return self._take(end + 2)[:-2]

    async def chunk(self, size: int) -> bytes:
        """Its data, whose line's end is taken, too. After the empty one may stand trailers in its place."""
        if size == 0:
            return b""
        if size > _LARGEST_CHUNK:
            raise IncompleteSignatureException(f"A chunk must not be larger than {_LARGEST_CHUNK} bytes.")
        while len(self._buffer) < size + 2:
            if not await self._more():
                raise IncompleteSignatureException(MALFORMED)
        if self._buffer[size : size + 2] != b"\r\n":
            raise IncompleteSignatureException(MALFORMED)
        return self._take(size + 2)[:-2]

    async def rest(self) -> bytes:
        while await self._more():
            if len(self._buffer) > _LONGEST_TRAILERS:
                raise IncompleteSignatureException(MALFORMED)
        return bytes(self._buffer)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _more(self) -> bool:
        piece = await anext(self._source, None)
        if piece is None:
            return False
        self._buffer += piece
        return True
