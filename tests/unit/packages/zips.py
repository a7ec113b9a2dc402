"""Making zips for tests, and breaking them."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
import zlib


def make_zip(
    files: dict[str, bytes] | None = None,
    *,
    modes: dict[str, int] | None = None,
    links: dict[str, str] | None = None,
    method: int = zipfile.ZIP_DEFLATED,
    date: tuple[int, int, int, int, int, int] = (2024, 2, 29, 12, 34, 56),
) -> bytes:
    """A zip of ``files`` and symbolic ``links``; ``modes`` are whole st_mode values."""
    buffer = io.BytesIO()
    modes = (modes or {}) | dict.fromkeys(links or {}, stat.S_IFLNK | 0o777)
    contents = (files or {}) | {name: target.encode() for name, target in (links or {}).items()}
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in contents.items():
            add(archive, name, content, modes.get(name, stat.S_IFREG | 0o644), date)
    return buffer.getvalue()


def add(
    archive: zipfile.ZipFile,
    name: str,
    content: bytes,
    mode: int = 0o100644,
    date: tuple[int, int, int, int, int, int] = (2024, 1, 1, 0, 0, 0),
) -> None:
    """Add a member, one of the same name included."""
    info = zipfile.ZipInfo(name, date)
    info.create_system = 3
    info.external_attr = mode << 16
    info.compress_type = archive.compression
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr(info, content)


def raw_zip(*members: tuple[bytes, bytes]) -> bytes:
    """A zip of stored members with exactly these names, which ``zipfile`` would change."""
    data, directory = b"", b""
    for name, content in members:
        facts = struct.pack("<5H3L2H", 20, 0, 0, 0, 0x21, zlib.crc32(content), len(content), len(content), len(name), 0)
        directory += (
            struct.pack("<4sH", b"PK\1\2", 0x0314) + facts + struct.pack("<3H2L", 0, 0, 0, 0o100644 << 16, len(data))
        )
        directory += name
        data += b"PK\3\4" + facts + name + content
    return data + directory + end_record(len(members), len(directory), len(data))


def end_record(count: int, size: int, offset: int) -> bytes:
    """The last record of a zip."""
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, offset, 0)


def patched(data: bytes, mark: bytes, offset: int, replacement: bytes, *, last: bool = False) -> bytes:
    """``data`` with bytes replaced ``offset`` after the first or last ``mark``."""
    at = (data.rindex(mark) if last else data.index(mark)) + offset
    return data[:at] + replacement + data[at + len(replacement) :]
