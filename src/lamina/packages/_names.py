"""Where the members of a zip may lie: inside the tree, each in a place of its own, none behind a symbolic link."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set

from lamina.packages._limits import PackageLimits
from lamina.packages._refusals import BadZip

_PLAIN = re.compile(rb"(?:[^/\\\0.][^/\\\0]{0,254}/)*[^/\\\0.][^/\\\0]{0,254}/?")
_DRIVE = re.compile(rb"[A-Za-z]:\\")
_MOST_LINKS = 40  # Linux follows 40 symbolic links on the way to a file, then says ELOOP
_MOST_STEPS = 2_000_000  # parts of paths that all links of one package together may need: about a second


def clean_path(name: bytes, limits: PackageLimits) -> bytes | None:
    """The path of a member relative to the tree, or None for the tree itself (``./``).

    A backslash is an ordinary byte of a name on Linux and stays one, unless the name would be absolute or climb
    where it separates folders. Raises ``BadZip``.
    """
    if len(name) > limits.path_bytes or name.count(b"/") > limits.depth:
        raise BadZip(f"{name[:300]!r}: the path is too long or too deep")
    if _PLAIN.fullmatch(name) and limits.name_bytes == 255:
        return name.rstrip(b"/")
    return _clean_parts(name, limits)


def _clean_parts(name: bytes, limits: PackageLimits) -> bytes | None:
    if not name or b"\0" in name:
        raise BadZip(f"{name!r}: an empty name or a NUL in it")
    as_windows = name.replace(b"\\", b"/")
    if as_windows.startswith(b"/") or _DRIVE.match(name):
        raise BadZip(f"{name!r}: an absolute path")
    if b".." in as_windows.split(b"/"):
        raise BadZip(f"{name!r}: climbs out of its folder")
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if any(len(part) > limits.name_bytes for part in parts):
        raise BadZip(f"{name[:300]!r}: a name of more than {limits.name_bytes} bytes")
    if name.endswith(b"/.") or (not parts and not name.endswith(b"/")):
        raise BadZip(f"{name!r}: the name of a file ends with a dot for its folder")
    return b"/".join(parts) or None


def folders_of(paths: Iterable[bytes], limits: PackageLimits) -> set[bytes]:
    """Every folder that ``paths`` lie in. Raises ``BadZip`` when there are too many."""
    folders: set[bytes] = set()
    for path in paths:
        parent = path.rpartition(b"/")[0]
        while parent and parent not in folders:
            folders.add(parent)
            parent = parent.rpartition(b"/")[0]
        if len(folders) > limits.nodes:
            raise BadZip(f"more than {limits.nodes} folders")
    return folders


def check_places(files: Iterable[bytes], folders: Set[bytes], links: Set[bytes]) -> None:
    """Refuse two members in one place, a file that is a folder too, and a member behind a link."""
    taken: set[bytes] = set()
    for path in files:
        if path in taken:
            raise BadZip(f"{path!r}: twice")
        if path in folders:
            kind = "a link that other members lie behind" if path in links else "a file and a folder"
            raise BadZip(f"{path!r}: {kind}")
        taken.add(path)


def check_links(links: Mapping[bytes, bytes]) -> None:
    """Refuse every link that could lead out of the tree, through other links too. ``links`` maps path to target."""
    steps = _budget()
    for path, target in links.items():
        if not target or b"\0" in target:
            raise BadZip(f"{path!r}: a link to an empty name or one with a NUL")
        _follow(path, links, steps)


def _follow(path: bytes, links: Mapping[bytes, bytes], steps: Iterator[int]) -> None:
    """Walk from the tree's top to where ``path`` leads, as the kernel would."""
    here: list[bytes] = []
    ahead = path.split(b"/")[::-1]
    followed = 0
    while ahead:
        next(steps)
        part = ahead.pop()
        if part == b"..":
            if not here:
                raise BadZip(f"{path!r}: a link that leaves the tree")
            here.pop()
        elif part not in (b"", b"."):
            here.append(part)
            if (target := links.get(b"/".join(here))) is not None:
                followed += 1
                _check_hop(path, target, followed)
                here.pop()
                ahead.extend(target.split(b"/")[::-1])


def _check_hop(path: bytes, target: bytes, followed: int) -> None:
    if target.startswith(b"/") or followed > _MOST_LINKS:
        raise BadZip(f"{path!r}: an absolute link, or a chain of too many")


def _budget() -> Iterator[int]:
    yield from range(_MOST_STEPS)
    raise BadZip(f"links that take more than {_MOST_STEPS} steps to follow")
