"""Recognising machine code, so that a package for another processor is noticed before it fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

HEAD_BYTES = 20

_MAGIC = b"\x7fELF"
_EXECUTABLE_OR_SHARED = (2, 3)  # ET_EXEC and ET_DYN; object files, which nothing runs, are ET_REL
_64_BIT, _LITTLE_ENDIAN = 2, 1
_MACHINES = {62: "x86_64", 183: "arm64"}  # EM_X86_64, EM_AARCH64
_OTHER = "other"
_PATHS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeCode:
    """The ELF executables and shared objects of a package for one architecture.

    ``architecture`` is ``x86_64``, ``arm64``, as the API says, or ``other``; ``files`` is their number, ``paths`` the
    first few in alphabetical order.
    """

    architecture: str
    files: int
    paths: tuple[str, ...]


def architecture_of(head: bytes | memoryview) -> str | None:
    """What a file is for that begins with ``head``, at least 20 bytes; None when it is no ELF program or library."""
    if head[:4] != _MAGIC or len(head) < HEAD_BYTES:
        return None
    width, endianness = head[4], head[5]
    order: Literal["little", "big"] = "little" if endianness == _LITTLE_ENDIAN else "big"
    kind, machine = (int.from_bytes(head[at : at + 2], order) for at in (16, 18))
    if kind not in _EXECUTABLE_OR_SHARED:
        return None
    return _MACHINES.get(machine, _OTHER) if (width, endianness) == (_64_BIT, _LITTLE_ENDIAN) else _OTHER


def native_code(found: Iterable[tuple[bytes, str]]) -> tuple[NativeCode, ...]:
    """The summary of all files that were found, each a path and an architecture."""
    paths: dict[str, list[str]] = {}
    for path, architecture in sorted(found):
        paths.setdefault(architecture, []).append(path.decode())
    return tuple(
        NativeCode(architecture=each, files=len(paths[each]), paths=tuple(paths[each][:_PATHS]))
        for each in sorted(paths)
    )
