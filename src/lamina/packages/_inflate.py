"""The data of one member, in pieces, with its size and checksum proved by the end."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from lamina.packages._archive import STORED, Member
from lamina.packages._refusals import BadZip

_PACKED_PIECE = 1 << 18
_PIECE = 1 << 20


def contents(data: memoryview, member: Member) -> Iterator[bytes | memoryview]:
    """The member's bytes, at most 1 MiB at a time.

    Raises ``BadZip`` as soon as there is more than the declared size, so a bomb ends at the size that was accepted,
    and at the end when the size, the CRC-32 or the stream is wrong.
    """
    packed = data[member.start : member.start + member.packed]
    pieces = _stored(packed) if member.method == STORED else _inflated(packed, member)
    crc = size = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
        size += len(piece)
        yield piece
    if size != member.size or crc != member.crc:
        raise BadZip(f"{member.path!r}: {size} bytes with the CRC-32 {crc:08x}, not as declared")


def _stored(packed: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(packed), _PIECE):
        yield packed[start : start + _PIECE]


def _inflated(packed: memoryview, member: Member) -> Iterator[bytes]:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    left = member.size + 1  # one byte more than declared is enough to see the lie
    taken = 0
    ahead: bytes | memoryview = b""
    while not stream.eof and left:
        if not ahead:
            ahead = packed[taken : taken + _PACKED_PIECE]
            taken += len(ahead)
        piece = _step(stream, ahead, min(left, _PIECE), member)
        if not piece and not ahead:  # zlib may hold output back after the last input, so only this is the end
            break
        ahead = stream.unconsumed_tail
        left -= len(piece)
        yield piece
    if not stream.eof or stream.unused_data or ahead or taken < len(packed):
        raise BadZip(f"{member.path!r}: the compressed stream and its declared sizes differ")


def _step(stream: zlib._Decompress, packed: bytes | memoryview, most: int, member: Member) -> bytes:
    try:
        return stream.decompress(packed, most)
    except zlib.error as error:
        raise BadZip(f"{member.path!r}: {error}") from error
