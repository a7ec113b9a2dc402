"""Reading the headers of a tar: ustar, GNU's long names, and pax records.

Only what a layer may have is understood. Sparse files, continued volumes and unknown types are refused: two readers
could see different files in them. Extended attributes are left aside on purpose: those of overlayfs would be commands
to the mount, and capabilities are as good as setuid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lamina.images._faults import Bad
from lamina.images._limits import ImageLimits

BLOCK = 512
FILE, HARD_LINK, LINK, CHARACTER, BLOCK_DEVICE, FOLDER, PIPE = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
_KINDS = {b"\0": FILE, b"7": FILE} | {
    kind: kind for kind in (FILE, HARD_LINK, LINK, CHARACTER, BLOCK_DEVICE, FOLDER, PIPE)
}
_LATEST = 1 << 33  # seconds since 1970: year 2242


class Member(NamedTuple):
    """One member: ``size`` bytes of data follow it. ``modified`` is in seconds; ``target`` is a link's."""

    path: bytes
    kind: bytes
    mode: int
    size: int
    modified: int
    target: bytes


class Stream:
    """The bytes of a tar, hashed as they are read, in whatever portions are asked for."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = b""
        self._at = 0
        self._hash = hashlib.sha256()

    def take(self, size: int) -> bytes:
        """Exactly ``size`` bytes, or none at the end. Raises ``Bad`` if it ends in between."""
        if len(self._piece) - self._at >= size:
            start = self._at
            self._at += size
            return self._piece[start : self._at]
        data = b"".join(self.portions(size, allow_end=True))
        if data and len(data) < size:
            raise Bad("the tar ends within a header")
        return data

    def portions(self, size: int, *, allow_end: bool = False) -> Iterator[memoryview]:
        """The next ``size`` bytes in pieces. Raises ``Bad`` if there are fewer."""
        while size > 0:
            if self._at == len(self._piece) and not self._next():
                if allow_end:
                    return
                raise Bad("the tar ends within a member")
            portion = memoryview(self._piece)[self._at : self._at + size]
            self._at += len(portion)
            size -= len(portion)
            yield portion

    def skip(self, size: int) -> None:
        """Read past ``size`` bytes."""
        for _ in self.portions(size):
            pass

    def digest(self) -> str:
        """Read to the end; the digest of everything, ``sha256:…``."""
        while self._next():
            pass
        return f"sha256:{self._hash.hexdigest()}"

    def _next(self) -> bool:
        piece = next(self._pieces, b"")
        self._hash.update(piece)
        self._piece, self._at = piece, 0
        return bool(piece)


def members(stream: Stream, limits: ImageLimits) -> Iterator[Member]:
    """Each member in turn; whoever iterates reads exactly its data before the next. Raises ``Bad``."""
    extended: dict[str, bytes] = {}
    for_all: dict[str, bytes] = {}
    while (header := stream.take(BLOCK)) and (header.count(0) != BLOCK):
        kind, size = header[156:157], _checked_size(header)
        if kind in b"LKxg" and kind:
            data = _header_data(stream, size, limits)
            if kind == b"g":
                for_all |= _pax(data)
            else:
                extended |= _pax(data) if kind == b"x" else {("path" if kind == b"L" else "linkpath"): _text(data)}
            continue
        member = _member(header, kind, size, for_all | extended)
        extended = {}
        yield member
        stream.skip(-member.size % BLOCK)


def _checked_size(header: bytes) -> int:
    stored = _number(header[148:156])
    if sum(header) - sum(header[148:156]) + 8 * 0x20 != stored:
        raise Bad("a tar header with a wrong checksum")
    return _size(_number(header[124:136]))


def _size(size: int) -> int:
    if size < 0:
        raise Bad(f"a tar member of {size} bytes")
    return size


def _header_data(stream: Stream, size: int, limits: ImageLimits) -> bytes:
    if size > limits.header_bytes:
        raise Bad(f"an extended tar header of {size} bytes")
    data = b"".join(stream.portions(size))
    stream.skip(-size % BLOCK)
    return data


def _member(header: bytes, kind: bytes, size: int, extended: dict[str, bytes]) -> Member:
    path = extended.get("path")
    if path is None:
        prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else b""
        path = b"/".join(filter(None, (prefix, _text(header[:100]))))
    if kind not in _KINDS or any(name.startswith("GNU.sparse.") for name in extended):
        raise Bad(f"{path[:300]!r}: sparse, or of the unknown type {kind!r}")
    kind = _KINDS[kind]
    if "size" in extended:
        size = _size(_decimal(extended["size"]))
    if kind == FILE and path.endswith(b"/"):
        kind = FOLDER  # as tar wrote them before it had a type for folders
        if size:
            raise Bad(f"{path[:300]!r}: a folder with content")
    return Member(
        path,
        kind,
        _number(header[100:108]),
        size if kind == FILE else 0,  # the size of a link or a folder says nothing about data
        min(max(_decimal(extended["mtime"]) if "mtime" in extended else _number(header[136:148]), 0), _LATEST),
        extended["linkpath"] if "linkpath" in extended else _text(header[157:257]),
    )


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """An octal number, or GNU's base 256 when the first bit is set."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ~(0x80 << 8 * (len(field) - 1))
        return value - (1 << 8 * len(field) - 1) if field[0] == 0xFF else value
    digits = field.partition(b"\0")[0].strip()
    try:
        return int(digits, 8) if digits else 0
    except ValueError as error:
        raise Bad(f"a tar header with the number {field!r}") from error


def _decimal(value: bytes) -> int:
    whole = value.partition(b".")[0]
    if not whole.removeprefix(b"-").isdigit() or len(whole) > 20:
        raise Bad(f"a pax record with the number {value[:50]!r}")
    return int(whole)


def _pax(data: bytes) -> dict[str, bytes]:
    """The records ``<length> <name>=<value>\\n``."""
    records: dict[str, bytes] = {}
    at = 0
    while at < len(data) and data[at]:
        digits = data[at : at + 12].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        record = data[at + len(digits) + 1 : at + length]
        name, equals, value = record[:-1].partition(b"=")
        if not equals or not record.endswith(b"\n") or at + length > len(data):
            raise Bad("a damaged pax header")
        records[name.decode(errors="replace")] = value
        at += length
    return records
