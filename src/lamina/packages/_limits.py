"""How large and how strange a package may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageLimits:
    """Limits of one package; AWS's quotas where AWS has one.

    ``zipped`` is the largest zip in bytes, ``unpacked`` the first total of file sizes that is too large. ``entries``
    is what a zip without the zip64 extension can count. ``nodes`` bounds files and folders together: a folder may be
    implied by a name alone, thousands by a single one. ``links`` are symbolic links. ``depth`` is the number of parts
    of a path. The bytecode of one source and of all together is bounded in bytes.
    """

    zipped: int = 52_428_800
    unpacked: int = 262_144_000
    entries: int = 65_534
    nodes: int = 131_072
    links: int = 8192
    depth: int = 128
    name_bytes: int = 255
    path_bytes: int = 4096
    bytecode_file: int = 33_554_432
    bytecode_total: int = 524_288_000
