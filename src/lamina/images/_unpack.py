"""Unpacking one layer: a stranger's tar becomes a folder that overlayfs can mount and every user can read.

A file that its owner may read or run, everybody may: sandboxes have users of their own, and on AWS too files that not
everybody can read are of no use. Owners, setuid, extended attributes and devices do not survive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lamina.images import _tar, _whiteouts
from lamina.images._allowance import Allowance
from lamina.images._faults import Bad
from lamina.images._limits import ImageLimits
from lamina.images._tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What was found: the tar's digest (``sha256:…``) and size, and whether its top hides every layer below."""

    diff_id: str
    size: int
    opaque: bool


def unpack(pieces: Iterable[bytes], target: Path, allowance: Allowance) -> Unpacked:
    """Make ``target``, which must not exist, from the bytes of a tar, in one pass.

    Raises ``Bad`` for a tar that is damaged, hostile or too large, and ``OSError`` when the disk fails; then what is
    there already stays for the caller to remove. Nothing is flushed.
    """
    counter = _Counter(pieces, allowance)
    stream = _tar.Stream(counter)
    tree = Tree(target, allowance)
    try:
        for member in _tar.members(stream, allowance.limits):
            _add(member, stream, tree, allowance.limits)
    finally:
        tree.close()
    return Unpacked(diff_id=stream.digest(), size=counter.size, opaque=tree.opaque)


def _add(member: _tar.Member, stream: _tar.Stream, tree: Tree, limits: ImageLimits) -> None:
    path = clean_path(member.path, limits)
    folder, _, name = path.rpartition(b"/")
    if name.startswith(_whiteouts.PREFIX):
        stream.skip(member.size)
        _take_away(name, folder, tree)
    elif member.kind == _tar.FOLDER:
        tree.folder(path, (member.mode & 0o1777) | 0o755)
    elif not path:
        raise Bad(f"{member.path!r}: the top of a layer that is no folder")
    elif member.kind == _tar.FILE:
        tree.file(path, _readable(member.mode), member.modified, stream.portions(member.size))
    elif member.kind == _tar.LINK:
        tree.link(path, member.target)
    elif member.kind == _tar.HARD_LINK:
        tree.hard_link(path, clean_path(member.target, limits))


def _take_away(name: bytes, folder: bytes, tree: Tree) -> None:
    if name == _whiteouts.OPAQUE:
        tree.hide_below(folder)
        return
    hidden = name.removeprefix(_whiteouts.PREFIX)
    if name.startswith(_whiteouts.RESERVED):
        return
    if hidden in (b"", b".", b".."):
        raise Bad(f"{name!r}: takes no name away")
    tree.whiteout(b"/".join(filter(None, (folder, hidden))))


def _readable(mode: int) -> int:
    return (mode & 0o777) | 0o444 | (0o111 if mode & 0o100 else 0)


def clean_path(name: bytes, limits: ImageLimits) -> bytes:
    """A member's path relative to the layer, empty for its top. Raises ``Bad`` for one that could mean another place.

    A path that starts with ``/`` is taken as one from the layer's top, as container engines do; ``..`` is refused.
    """
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if not name or b"\0" in name or b".." in parts:
        raise Bad(f"{name[:300]!r}: an empty path, or one that climbs or has a NUL in it")
    if (
        len(name) > limits.path_bytes
        or len(parts) > limits.depth
        or max(map(len, parts), default=0) > limits.name_bytes
    ):
        raise Bad(f"{name[:300]!r}: the path is too long or too deep")
    return b"/".join(parts)


class _Counter:
    """The pieces of a tar, counted."""

    def __init__(self, pieces: Iterable[bytes], allowance: Allowance) -> None:
        self._pieces = pieces
        self._allowance = allowance
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.size += len(piece)
            self._allowance.take_bytes(len(piece))
            yield piece
