"""What a zip says of each file in it, for comparing two packages."""

from __future__ import annotations

from typing import NamedTuple

from lamina.packages._archive import Kind, read_members
from lamina.packages._limits import PackageLimits


class FileFacts(NamedTuple):
    """What tells one file of a package from another at the same path; of a ``link`` the target counts.

    ``size`` is in bytes, ``crc`` is the CRC-32.
    """

    size: int
    crc: int
    executable: bool
    link: bool


def facts_of(data: memoryview, limits: PackageLimits) -> dict[str, FileFacts]:
    """The files and links of a zip by their paths. Raises ``BadZip``."""
    return {
        member.path.decode(): FileFacts(member.size, member.crc, member.executable, member.kind is Kind.LINK)
        for member in read_members(data, limits)
        if member.kind is not Kind.FOLDER
    }
