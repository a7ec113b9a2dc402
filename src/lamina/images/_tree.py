"""Writing into a layer's folder so that nothing lands outside it, whatever the names are.

Every name is looked up in the open descriptor of its folder and never followed by the kernel. A symbolic link on the
way to a folder is followed here, as if the layer were the whole file system: that is how container engines unpack.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from lamina.images._allowance import Allowance
from lamina.images._faults import Bad
from lamina.images._whiteouts import is_whiteout, make_opaque, make_whiteout

FOLDER_MODE = 0o755
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as many as Linux follows before it says ELOOP


class Tree:
    """A new, empty folder that becomes one layer. ``close`` lets go of it."""

    def __init__(self, target: Path, allowance: Allowance) -> None:
        target.mkdir()
        self._top = os.open(target, FOLDER)
        os.fchmod(self._top, FOLDER_MODE)
        self._allowance = allowance
        self._parent: tuple[bytes, int] = (b"", os.dup(self._top))
        self.opaque = False

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self._top)
        os.close(self._parent[1])

    def folder(self, path: bytes, mode: int) -> None:
        """Make a folder, or change the mode of the one that is there."""
        if not path:
            os.fchmod(self._top, mode)
            return
        name, parent = self._place(path)
        facts = _look(name, parent)
        if facts is None or not stat.S_ISDIR(facts.st_mode):
            hides = facts is not None and is_whiteout(facts)
            self._clear(name, parent)
            self._make_folder(name, parent, opaque=hides)
        os.chmod(name, mode, dir_fd=parent)

    def file(self, path: bytes, mode: int, modified: int, portions: Iterator[memoryview]) -> None:
        """Make a file with the bytes of ``portions``; an earlier one of that name is replaced."""
        name, parent = self._place(path)
        self._allowance.take_node()
        try:
            file = os.open(name, _NEW_FILE, mode, dir_fd=parent)
        except FileExistsError:
            self._clear(name, parent)
            file = os.open(name, _NEW_FILE, mode, dir_fd=parent)
        try:
            for portion in portions:
                _write(file, portion)
            os.fchmod(file, mode)  # whatever the umask took away
            os.utime(file, (modified, modified))
        finally:
            os.close(file)

    def link(self, path: bytes, target: bytes) -> None:
        """Make a symbolic link; where it leads is not looked at."""
        name, parent = self._place(path)
        self._allowance.take_node()
        if not target or len(target) > 4095 or b"\0" in target:
            raise Bad(f"{path!r}: a link to {target[:300]!r}")
        self._clear(name, parent)
        os.symlink(target, name, dir_fd=parent)

    def hard_link(self, path: bytes, target: bytes) -> None:
        """Make another name for a file or symbolic link of this layer."""
        if path == target:
            return
        folder, _, source = target.rpartition(b"/")
        start = self._enter(folder, make=False)
        try:
            facts = _look(source, start)
            if facts is None or not (stat.S_ISREG(facts.st_mode) or stat.S_ISLNK(facts.st_mode)):
                raise Bad(f"{path!r}: a hard link to {target!r}, which is no file of this layer")
            name, parent = self._place(path)
            self._allowance.take_node()
            self._clear(name, parent)
            os.link(source, name, src_dir_fd=start, dst_dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, PermissionError) as error:
            raise Bad(f"{path!r}: a hard link to {target!r}: {error.strerror}") from error
        finally:
            os.close(start)

    def whiteout(self, path: bytes) -> None:
        """Hide what lower layers have at ``path``; what this layer has there, before or after, stays."""
        name, parent = self._place(path)
        facts = _look(name, parent)
        if facts is None:
            self._allowance.take_node()
            make_whiteout(name, parent)
        elif stat.S_ISDIR(facts.st_mode):
            self._make_opaque(name, parent)

    def hide_below(self, path: bytes) -> None:
        """Hide what lower layers have in the folder ``path``."""
        folder = self._enter(path)
        try:
            make_opaque(folder)
            self.opaque = self.opaque or os.path.samestat(os.fstat(folder), os.fstat(self._top))
        finally:
            os.close(folder)

    def _place(self, path: bytes) -> tuple[bytes, int]:
        """The last part of a path, and the folder it is in, which stays open until another is asked for."""
        folder, _, name = path.rpartition(b"/")
        if folder != self._parent[0]:
            self._keep(folder)
        return name, self._parent[1]

    def _keep(self, folder: bytes) -> None:
        opened = self._enter(folder)
        os.close(self._parent[1])
        self._parent = (folder, opened)

    def _clear(self, name: bytes, parent: int) -> None:
        """Remove what is at ``name``."""
        facts = _look(name, parent)
        if facts is None:
            return
        if stat.S_ISDIR(facts.st_mode):
            shutil.rmtree(name, dir_fd=parent)  # by descriptors, never through links
        else:
            os.unlink(name, dir_fd=parent)

    def _enter(self, path: bytes, *, make: bool = True) -> int:
        """A descriptor of the folder at ``path``, which is made if it is missing. Raises ``Bad``."""
        opened = [os.dup(self._top)]
        ahead = _parts(path)
        links = 0
        try:
            while ahead:
                target = self._step(ahead.pop(), opened, make)
                if target is not None:
                    links += 1
                    ahead += _parts(target)
                    _close_to(opened, 1 if target.startswith(b"/") else len(opened))
                if links > _MOST_LINKS or len(ahead) + len(opened) > self._allowance.limits.depth:
                    raise Bad(f"{path[:300]!r}: too deep, or too many links on the way")
            return opened.pop()
        finally:
            _close_to(opened, 0)

    def _step(self, part: bytes, opened: list[int], make: bool) -> bytes | None:
        """Open one more folder, or say where the link that stands there leads."""
        here = opened[-1]
        if part == b"..":
            _close_to(opened, max(len(opened) - 1, 1))
            return None
        try:
            opened.append(os.open(part, FOLDER, dir_fd=here))
            return None
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
        facts = _look(part, here)
        if facts is not None and stat.S_ISLNK(facts.st_mode):
            return os.readlink(part, dir_fd=here)
        hides = facts is not None and is_whiteout(facts)
        if not make or not (facts is None or hides):
            raise Bad(f"{part!r}: no folder, though other names lie in it")
        if hides:
            os.unlink(part, dir_fd=here)
        self._make_folder(part, here, opaque=hides)
        opened.append(os.open(part, FOLDER, dir_fd=here))
        return None

    def _make_folder(self, name: bytes, parent: int, *, opaque: bool) -> None:
        self._allowance.take_node()
        os.mkdir(name, dir_fd=parent)
        os.chmod(name, FOLDER_MODE, dir_fd=parent)
        if opaque:
            self._make_opaque(name, parent)

    def _make_opaque(self, name: bytes, parent: int) -> None:
        folder = os.open(name, FOLDER, dir_fd=parent)
        try:
            make_opaque(folder)
        finally:
            os.close(folder)


def _parts(path: bytes) -> list[bytes]:
    """The parts of a path, the first one last."""
    return [part for part in path.split(b"/")[::-1] if part not in (b"", b".")]


def _close_to(opened: list[int], count: int) -> None:
    """Close the last descriptors until ``count`` are left."""
    while len(opened) > count:
        os.close(opened.pop())


def _look(name: bytes, parent: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _write(file: int, portion: memoryview) -> None:
    written = os.write(file, portion)
    while written < len(portion):
        portion = portion[written:]
        written = os.write(file, portion)
