"""The entries of a zip as a signature sees them: names as they are stored, in the order of the central directory.

What could be read in two ways is refused: the package store refuses it too, so what is signed is what is unpacked.
"""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

SIGNATURE_FOLDER = b"META_INF/"
SIGNATURE_NAME = b"META_INF/aws_signer_signature_v1.0.SF"
LARGEST = 262_144_000
LARGEST_SIGNATURE = 1_048_576

_MOST_ENTRIES = 65_534  # what a zip without the zip64 extension can count
_END = Struct("<4s4H2LH")
_CENTRAL = Struct("<4sBB4HH3L5H2L")
_LOCAL = Struct("<4s5H3L2H")
_END_MARK, _CENTRAL_MARK, _LOCAL_MARK = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_16, _ZIP64_32 = 0xFFFF, 0xFFFFFFFF
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x2041
_UNIX_HOSTS = {3, 19}
_PACKED_PIECE, _PIECE = 1 << 18, 1 << 20
_VERSION, _UNIX_VERSION = 20, 0x0314
_FILE_MODE, _FOLDER_MODE = 0o100644 << 16, 0o040755 << 16 | 0x10
_EARLIEST = 0x0021  # 1 January 1980, the first day that a zip knows


class BadZip(Exception):
    """The bytes are no zip that can be signed or checked; the message says where and why."""


class Entry(NamedTuple):
    """One entry: its name and mode (0 when it has none), and where its data lies in which form."""

    name: bytes
    mode: int
    method: int
    crc: int
    start: int
    packed: int
    size: int


class Directory(NamedTuple):
    """Where the central directory is, how many entries it has, and the comment after it."""

    start: int
    end: int
    entries: int
    comment: bytes


def may_be_signed(data: memoryview) -> bool:
    """Whether the central directory has the name of a signature anywhere. Costs microseconds, and reads nothing else.

    What is no zip is not signed.
    """
    try:
        directory = find_directory(data)
    except BadZip:
        return False
    return SIGNATURE_NAME in bytes(data[directory.start : directory.end])


def find_directory(data: memoryview) -> Directory:
    """Find the central directory. Raises ``BadZip``."""
    at = _find_end(data)
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(data, at)
    has_locator = at >= 20 and data[at - 20 : at - 16] == _ZIP64_LOCATOR
    if has_locator or _ZIP64_16 in (disk, here, count) or _ZIP64_32 in (size, start):
        raise BadZip("zip64")
    if disk or first_disk or here != count or start + size != at:
        raise BadZip("more than one disk, or bytes that belong to nothing")
    return Directory(start, at, count, bytes(data[at + _END.size : at + _END.size + comment]))


def _find_end(data: memoryview) -> int:
    """Where the end record is: the last one whose comment ends with the file."""
    tail_start = max(0, len(data) - _END.size - 0xFFFF)
    tail = bytes(data[tail_start:])
    at = tail.rfind(_END_MARK)
    while at >= 0:
        if len(tail) - at >= _END.size and _END.unpack_from(tail, at)[-1] == len(tail) - at - _END.size:
            return tail_start + at
        at = tail.rfind(_END_MARK, 0, at + 3)
    raise BadZip("no end of central directory")


def read_entries(data: memoryview) -> list[Entry]:
    """All entries in the order of the central directory. Raises ``BadZip``."""
    directory = find_directory(data)
    entries: list[Entry] = []
    at = directory.start
    for _ in range(directory.entries):
        entry, at = _entry(data, at, directory)
        entries.append(entry)
    if at != directory.end:
        raise BadZip("the central directory has more entries than it counts")
    if len({entry.name for entry in entries}) != len(entries):
        raise BadZip("a name stands twice")
    if sum(entry.size for entry in entries) > LARGEST:
        raise BadZip("too large")
    return entries


def _entry(data: memoryview, at: int, directory: Directory) -> tuple[Entry, int]:
    name_at = at + _CENTRAL.size
    if name_at > directory.end:
        raise BadZip("the central directory ends early")
    header = _CENTRAL.unpack_from(data, at)
    mark, _, host, needed, flags, method, _, _, crc, packed, size, name_size, extra, comment, disk = header[:15]
    external, offset = header[16:]
    end = name_at + name_size + extra + comment
    if mark != _CENTRAL_MARK or end > directory.end:
        raise BadZip(f"the central directory is damaged at {at}")
    if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED) or _ZIP64_32 in (packed, size, offset) or disk:
        raise BadZip(f"the entry at {at} is encrypted, or of a kind that is not read (version {needed & 0xFF})")
    name = bytes(data[name_at : name_at + name_size])
    start = _check_local(data, offset, name, method)
    if start + packed > directory.start:
        raise BadZip(f"{name[:300]!r}: data beyond the central directory")
    mode = external >> 16 if host in _UNIX_HOSTS else 0
    return Entry(name, mode, method, crc, start, packed, size), end


def _check_local(data: memoryview, offset: int, name: bytes, method: int) -> int:
    """Where the data starts, when the local header is of this entry."""
    if offset + _LOCAL.size > len(data):
        raise BadZip(f"{name[:300]!r}: no local header")
    mark, _, _, local_method, *_, name_size, extra = _LOCAL.unpack_from(data, offset)
    name_at = offset + _LOCAL.size
    if mark != _LOCAL_MARK or local_method != method or data[name_at : name_at + name_size] != name:
        raise BadZip(f"{name[:300]!r}: the local header is of another entry")
    return int(name_at + name_size + extra)


def contents(data: memoryview, entry: Entry) -> Iterator[bytes]:
    """What an entry holds, at most 1 MiB at a time; size and CRC-32 are proved by the end. Raises ``BadZip``.

    Nothing holds on to ``data``, an exception neither: what lies under it, such as a mapped file, can be closed.
    """
    crc = size = 0
    with data[entry.start : entry.start + entry.packed] as packed:
        for piece in _stored(packed) if entry.method == _STORED else _inflated(packed, entry):
            crc = zlib.crc32(piece, crc)
            size += len(piece)
            yield piece
    if size != entry.size or crc != entry.crc:
        raise BadZip(f"{entry.name[:300]!r}: not of the declared size and CRC-32")


def _stored(packed: memoryview) -> Iterator[bytes]:
    for start in range(0, len(packed), _PIECE):
        yield bytes(packed[start : start + _PIECE])


def _inflated(packed: memoryview, entry: Entry) -> Iterator[bytes]:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    left = entry.size + 1  # one byte more than declared is enough to see the lie
    taken = 0
    ahead = b""
    try:
        while not stream.eof and left:
            if not ahead:
                ahead = bytes(packed[taken : taken + _PACKED_PIECE])
                taken += len(ahead)
            piece = stream.decompress(ahead, min(left, _PIECE))
            if not piece and not ahead:  # zlib may hold output back after the last input, so only this is the end
                break
            ahead = stream.unconsumed_tail
            left -= len(piece)
            yield piece
    except zlib.error as error:
        raise BadZip(f"{entry.name[:300]!r}: {error}") from error
    if not stream.eof or stream.unused_data or ahead or taken < len(packed):
        raise BadZip(f"{entry.name[:300]!r}: the compressed stream and its sizes differ")


def append(data: memoryview, added: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The zip with entries (name, body) added at its end; all that was in it stays, byte by byte. Raises ``BadZip``."""
    directory = find_directory(data)
    if directory.entries + len(added) > _MOST_ENTRIES:
        raise BadZip("too many entries")
    local, central = b"", b""
    for name, body in added:
        header, record = _headers(name, body, directory.start + len(local))
        local += header
        central += record
    size = directory.end - directory.start + len(central)
    if directory.start + len(local) + size >= _ZIP64_32:
        raise BadZip("too large")
    count = directory.entries + len(added)
    end = _END.pack(_END_MARK, 0, 0, count, count, size, directory.start + len(local), len(directory.comment))
    middle = slice(directory.start, directory.end)
    return b"".join((data[: directory.start], local, data[middle], central, end, directory.comment))


def _headers(name: bytes, body: bytes, offset: int) -> tuple[bytes, bytes]:
    """The local header with the data, and the record in the central directory."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(body) + packer.flush() if body else b""
    method, mode = (_DEFLATED, _FILE_MODE) if body else (_STORED, _FOLDER_MODE)
    facts = (0, method, 0, _EARLIEST, zlib.crc32(body), len(packed), len(body), len(name), 0)
    local = _LOCAL.pack(_LOCAL_MARK, _VERSION, *facts) + name + packed
    made_by = (_UNIX_VERSION & 0xFF, _UNIX_VERSION >> 8)
    return local, _CENTRAL.pack(_CENTRAL_MARK, *made_by, _VERSION, *facts, 0, 0, 0, mode, offset) + name


def kind(mode: int) -> int:
    """What unpacking makes of a mode: 0 for a plain file or folder, 1 when it can be run, 2 for a symbolic link."""
    if stat.S_IFMT(mode) == stat.S_IFLNK:
        return 2
    return 1 if mode & 0o111 and stat.S_IFMT(mode) != stat.S_IFDIR else 0
