"""Where everything in a zip will lie: folders, files by folder, and links; nothing is written before all is proved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from lamina.packages._archive import Kind, Member, read_members
from lamina.packages._inflate import contents
from lamina.packages._limits import PackageLimits
from lamina.packages._names import check_links, check_places, folders_of
from lamina.packages._refusals import BadZip

_LONGEST_TARGET = 4095


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The tree that a zip describes.

    ``folders`` are in an order in which they can be made; ``files`` are by the folder they lie in; ``links`` maps
    paths to targets. Sizes are in bytes; ``count`` is the number of files and links.
    """

    folders: tuple[bytes, ...]
    files: Mapping[bytes, list[Member]]
    links: Mapping[bytes, bytes]
    count: int
    size: int
    python_bytes: int


def read_layout(data: memoryview, limits: PackageLimits) -> Layout:
    """Check everything of a zip but the data of its files. Raises ``BadZip``, ``EmptyZip``, ``UnpackedTooLarge``."""
    members = read_members(data, limits)
    files = [member for member in members if member.kind is Kind.FILE]
    links = _read_links(data, [member for member in members if member.kind is Kind.LINK], limits)
    folders = folders_of((member.path for member in members), limits)
    folders.update(member.path for member in members if member.kind is Kind.FOLDER)
    if len(folders) + len(files) + len(links) > limits.nodes:
        raise BadZip(f"more than {limits.nodes} files and folders")
    check_places([member.path for member in members if member.kind is not Kind.FOLDER], folders, links.keys())
    check_links(links)
    return Layout(
        folders=tuple(sorted(folders)),
        files=_by_folder(files),
        links=links,
        count=len(files) + len(links),
        size=sum(member.size for member in members),
        python_bytes=sum(member.size for member in files if member.path.endswith(b".py")),
    )


def _read_links(data: memoryview, members: list[Member], limits: PackageLimits) -> dict[bytes, bytes]:
    if len(members) > limits.links:
        raise BadZip(f"{len(members)} symbolic links")
    for member in members:
        if member.size > _LONGEST_TARGET:
            raise BadZip(f"{member.path!r}: a link to a path of {member.size} bytes")
    return {member.path: b"".join(contents(data, member)) for member in members}


def _by_folder(files: list[Member]) -> dict[bytes, list[Member]]:
    folders: dict[bytes, list[Member]] = defaultdict(list)
    for member in files:
        folders[member.path.rpartition(b"/")[0]].append(member)
    return folders
