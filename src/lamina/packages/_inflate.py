"""The data of one member, with its size and checksum proved by the end."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, cast

from isal import isal_zlib

from lamina.packages._archive import STORED, Member
from lamina.packages._refusals import BadZip

if TYPE_CHECKING:
    from isal.isal_zlib import Decompress

PIECE = 1 << 20
_PACKED_PIECE = 1 << 18
_Error = cast("type[Exception]", isal_zlib.error)
_RAW = -isal_zlib.MAX_WBITS


def is_small(member: Member) -> bool:
    """Whether the member is one that ``whole`` takes: at most 1 MiB, packed and unpacked."""
    return member.size <= PIECE and member.packed <= PIECE


def whole(data: memoryview, member: Member) -> bytes:
    """All bytes of a small member, at one stroke. Raises ``BadZip`` when they are not what was declared."""
    with data[member.start : member.start + member.packed] as packed:
        content = bytes(packed) if member.method == STORED else _inflated_at_once(packed, member)
    _prove(member, len(content), isal_zlib.crc32(content))
    return content


def contents(data: memoryview, member: Member) -> Generator[bytes | memoryview, None, None]:
    """The member's bytes, at most 1 MiB at a time; each piece is good until the next one is taken.

    Raises ``BadZip`` as soon as there is more than the declared size, so a bomb ends at the size that was accepted,
    and at the end when the size, the CRC-32 or the stream is wrong.
    """
    crc = size = 0
    with data[member.start : member.start + member.packed] as packed:
        for piece in _stored(packed) if member.method == STORED else _inflated(packed, member):
            crc = isal_zlib.crc32(piece, crc)
            size += len(piece)
            yield piece
    _prove(member, size, crc)


def _prove(member: Member, size: int, crc: int) -> None:
    if size != member.size or crc != member.crc:
        raise BadZip(f"{member.path!r}: {size} bytes with the CRC-32 {crc:08x}, not as declared")


def _stored(packed: memoryview) -> Iterator[memoryview]:
    for start in range(0, len(packed), PIECE):
        with packed[start : start + PIECE] as piece:
            yield piece


def _inflated_at_once(packed: memoryview, member: Member) -> bytes:
    stream = isal_zlib.decompressobj(_RAW)
    content = _step(stream, packed, member.size + 1, member)
    if not stream.eof or stream.unused_data:
        _refuse(member)
    return content


def _inflated(packed: memoryview, member: Member) -> Iterator[bytes]:
    stream = isal_zlib.decompressobj(_RAW)
    left = member.size + 1  # one byte more than declared is enough to see the lie
    taken = 0
    ahead = b""
    while not stream.eof and left:
        if not ahead:
            ahead = bytes(packed[taken : taken + _PACKED_PIECE])
            taken += len(ahead)
        piece = _step(stream, ahead, min(left, PIECE), member)
        if not piece and not ahead:  # output may be held back after the last input, so only this is the end
            break
        ahead = stream.unconsumed_tail
        left -= len(piece)
        if piece:
            yield piece
    if not stream.eof or stream.unused_data or ahead or taken < len(packed):
        _refuse(member)


def _step(stream: Decompress, packed: bytes | memoryview, most: int, member: Member) -> bytes:
    try:
        return stream.decompress(packed, most)
    except _Error as error:
        raise BadZip(f"{member.path!r}: {error}") from error


def _refuse(member: Member) -> None:
    raise BadZip(f"{member.path!r}: the compressed stream and its declared sizes differ")
