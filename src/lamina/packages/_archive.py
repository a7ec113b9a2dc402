"""Reading what a zip says it contains, and refusing every zip that two readers could read differently.

The central directory at the end lists the members; each has a local header before its data that says most of it
again. Here both must agree, members must not overlap, and the first starts at byte 0.
"""

from __future__ import annotations

import enum
import stat
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple, NoReturn

from lamina.packages._limits import PackageLimits
from lamina.packages._names import clean_path
from lamina.packages._refusals import BadZip, EmptyZip, UnpackedTooLarge

STORED, DEFLATED = 0, 8

_END = Struct("<4s4H2LH")
_CENTRAL = Struct("<4sBB4HH3L5H2L")
_LOCAL = Struct("<4s5H3L2H")
_DESCRIPTOR = Struct("<3L")
_END_MARK = b"PK\x05\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"
_DESCRIPTOR_MARK = b"PK\x07\x08"
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_SIZES_FOLLOW = 0x0008
_PATCH = 0x0020
_NEWEST_VERSION = 63  # of the format: 6.3 of 2006 is the last one that readers know
_UTF8 = 0x0800
_ZIP64_16, _ZIP64_32 = 0xFFFF, 0xFFFFFFFF
_UNIX_HOSTS = {3, 19}  # "version made by": Unix and OS X keep a mode in the upper half of the external attributes


class Kind(enum.Enum):
    """What a member becomes."""

    FILE = enum.auto()
    FOLDER = enum.auto()
    LINK = enum.auto()


class Member(NamedTuple):
    """One member of a zip.

    ``path`` is relative, clean, without a final slash. ``start`` and ``packed`` locate its data in the zip;
    ``modified`` is the DOS date and time in one number.
    """

    path: bytes
    kind: Kind
    executable: bool
    modified: int
    method: int
    crc: int
    start: int
    packed: int
    size: int


class _Central(NamedTuple):
    signature: bytes
    version: int
    host: int
    needed: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    packed: int
    size: int
    name_length: int
    extra_length: int
    comment_length: int
    disk: int
    internal: int
    external: int
    offset: int


def read_members(data: memoryview, limits: PackageLimits) -> list[Member]:
    """The members of a zip in the order of their data, none of which has been looked at yet.

    Raises ``BadZip``, ``EmptyZip`` and ``UnpackedTooLarge``.
    """
    count, directory, end = _find_directory(data, limits)
    members: list[Member] = []
    total = covered = 0
    for header, raw_name in sorted(_headers(data, count, directory, end), key=lambda pair: pair[0].offset):
        start = _check_local(data, header, raw_name, covered)
        covered = _end_of_data(data, header, start, directory)
        total += header.size
        if (path := clean_path(_decoded(raw_name, header.flags), limits)) is not None:
            members.append(_member(header, raw_name, path, start))
    if total >= limits.unpacked:
        raise UnpackedTooLarge(f"{total} bytes unpacked")
    return members


def _find_directory(data: memoryview, limits: PackageLimits) -> tuple[int, int, int]:
    """The number of members and where the central directory starts and ends."""
    at = _find_end(data)
    _, disk, first_disk, here, count, size, directory, _ = _END.unpack_from(data, at)
    has_locator = at >= 20 and data[at - 20 : at - 16] == _ZIP64_LOCATOR
    if has_locator or _ZIP64_16 in (disk, here, count) or _ZIP64_32 in (size, directory):
        raise BadZip("zip64")
    if disk or first_disk or here != count:
        raise BadZip("more than one disk")
    if directory + size != at:
        raise BadZip("bytes before the first member or after the central directory")
    if not count:
        raise EmptyZip("no members")
    if count > limits.entries:
        raise BadZip(f"{count} members")
    return count, directory, at


def _find_end(data: memoryview) -> int:
    """Where the end record is: the last one whose comment ends with the file."""
    tail_start = max(0, len(data) - _END.size - 0xFFFF)
    tail = bytes(data[tail_start:])
    at = tail.rfind(_END_MARK)
    while at >= 0:
        comment = tail[at + _END.size :]
        if len(tail) - at >= _END.size and int.from_bytes(tail[at + 20 : at + 22], "little") == len(comment):
            return tail_start + at
        at = tail.rfind(_END_MARK, 0, at + 3)
    raise BadZip("no end of central directory")


def _headers(data: memoryview, count: int, at: int, end: int) -> Iterator[tuple[_Central, bytes]]:
    for _ in range(count):
        if at + _CENTRAL.size > end:
            raise BadZip("the central directory ends early")
        header = _Central._make(_CENTRAL.unpack_from(data, at))
        name_at = at + _CENTRAL.size
        at = name_at + header.name_length + header.extra_length + header.comment_length
        if header.signature != b"PK\x01\x02" or at > end:
            raise BadZip("the central directory is damaged")
        name = bytes(data[name_at : name_at + header.name_length])
        _check_header(header, name)
        yield header, name
    if at != end:
        raise BadZip("the central directory has more members than it counts")


def _check_header(header: _Central, name: bytes) -> None:
    if header.flags & _ENCRYPTED:
        _refuse(name, "encrypted")
    if header.flags & _PATCH or header.needed & 0xFF > _NEWEST_VERSION:
        _refuse(name, "needs a newer reader, or is a patch")
    if header.method not in (STORED, DEFLATED):
        _refuse(name, f"compression method {header.method}")
    if _ZIP64_32 in (header.packed, header.size, header.offset) or header.disk:
        _refuse(name, "zip64 or more than one disk")
    if header.method == STORED and header.packed != header.size:
        _refuse(name, "stored, with two sizes")


def _check_local(data: memoryview, header: _Central, name: bytes, covered: int) -> int:
    """Compare the local header with the central one; where the member's data starts."""
    at = header.offset
    if at < covered or (covered == 0 and at != 0):
        _refuse(name, "overlaps another member, or bytes come before the first")
    if at + _LOCAL.size > len(data):
        _refuse(name, "no local header")
    signature, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack_from(data, at)
    name_at = at + _LOCAL.size
    if signature != b"PK\x03\x04" or data[name_at : name_at + name_length] != name:
        _refuse(name, "the local header is of another member")
    if method != header.method or (flags ^ header.flags) & (_ENCRYPTED | _SIZES_FOLLOW):
        _refuse(name, "local and central header differ")
    if (crc, packed, size) != (header.crc, header.packed, header.size) and not (
        flags & _SIZES_FOLLOW and (crc, packed, size) == (0, 0, 0)
    ):
        _refuse(name, "local and central sizes differ")
    return int(name_at + name_length + extra_length)


def _end_of_data(data: memoryview, header: _Central, start: int, directory: int) -> int:
    """Where the member ends, with the data descriptor that repeats its sizes when the local header has none."""
    end = start + header.packed
    if header.flags & _SIZES_FOLLOW and not _has_sizes(data, header):
        end += 4 if data[end : end + 4] == _DESCRIPTOR_MARK else 0
        if data[end : end + _DESCRIPTOR.size] != _DESCRIPTOR.pack(header.crc, header.packed, header.size):
            raise BadZip(f"at byte {end}: the data descriptor differs")
        end += _DESCRIPTOR.size
    if end > directory:
        raise BadZip(f"at byte {start}: data beyond the central directory")
    return end


def _has_sizes(data: memoryview, header: _Central) -> bool:
    return _LOCAL.unpack_from(data, header.offset)[6:9] == (header.crc, header.packed, header.size)


def _decoded(name: bytes, flags: int) -> bytes:
    """The name as UTF-8. Without the UTF-8 flag it is taken as it is when it is UTF-8, else as code page 437."""
    try:
        name.decode()
    except UnicodeDecodeError as error:
        if flags & _UTF8:
            raise BadZip(f"{name!r}: not UTF-8") from error
        return name.decode("cp437").encode()
    return name


def _member(header: _Central, raw_name: bytes, path: bytes, start: int) -> Member:
    mode = header.external >> 16 if header.host in _UNIX_HOSTS else 0
    kind = _kind(stat.S_IFMT(mode), raw_name, header.size)
    return Member(
        path,
        kind,
        bool(mode & 0o111),
        header.date << 16 | header.time,
        header.method,
        header.crc,
        start,
        header.packed,
        header.size,
    )


def _kind(file_type: int, name: bytes, size: int) -> Kind:
    is_folder = name.endswith(b"/")
    if file_type not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        _refuse(name, "a device, pipe or socket")
    if is_folder and (size or file_type == stat.S_IFLNK):
        _refuse(name, "a folder with content")
    if file_type == stat.S_IFDIR and not is_folder:
        _refuse(name, "a folder whose name is that of a file")
    if file_type == stat.S_IFLNK:
        return Kind.LINK
    return Kind.FOLDER if is_folder else Kind.FILE


def _refuse(name: bytes, reason: str) -> NoReturn:
    raise BadZip(f"{name!r}: {reason}")
