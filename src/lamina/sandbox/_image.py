"""Root file systems of images: layer folders under an overlay, and what every sandbox needs on top.

The topmost layer is the sandbox's own: the directories that its ``/proc``, ``/dev`` and ``/tmp`` are mounted on, and
the few files of ``/etc`` that tell where it is and who its user is. On top, because there no layer can whiten them
out, make links of them, or lack them. Nothing here takes longer for an image of many files than for a small one.
"""

from __future__ import annotations

import os
import shutil
import stat

from lamina.sandbox import _mounts, _syscalls
from lamina.sandbox._root import KEPT, USER, WRITTEN
from lamina.sandbox._steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Mounts = list[tuple[int, str]]

ETC = ("hosts", "resolv.conf")
# What is larger is no list of users.
MOST_BYTES = 1 << 20
ENOSYS = 38


class ImageRoots:
    """Makes the roots of image sandboxes in a directory of the launcher's own memory."""

    def __init__(self, work: str, lacking: str, resolver: str = "") -> None:
        """``lacking`` says why overlayfs cannot be used, and is empty where it can.

        ``resolver`` is what ``/etc/resolv.conf`` says.
        """
        self._resolver = resolver
        self._work = work
        self._lacking = lacking
        self._at = f"{work}/overlay"
        os.makedirs(self._at, exist_ok=True)

    def mount(self, name: str, layers: Sequence[str], uid: int, targets: Sequence[tuple[str, bool]]) -> Mounts:
        """Detached mounts for the layers of an image, bottom to top; the first, at ``/``, is the root.

        ``name`` is the sandbox's, for ``remove``. ``targets`` are where something will be mounted, and whether that
        is a directory.
        Without overlayfs there may be one layer only: a merged tree. Raises ``StepFailed``.
        """
        if self._lacking and len(layers) > 1:
            with Step(f"mount an image of {len(layers)} layers"):
                raise OSError(ENOSYS, f"overlayfs: {self._lacking}")
        top = f"{self._work}/{name}"
        with Step("read the users of the image"):
            users, groups = self._identity(list(reversed(layers)))
        with Step("make the topmost layer"):
            _write_top(top, _with_user(users, uid), _with_group(groups, uid))
            _write(f"{top}/etc/resolv.conf", self._resolver.encode())
            for target, directory in targets:
                _make_target(top, target, directory=directory)
        if self._lacking:
            return self._bound(layers[0], top)
        with Step("mount the layers of the image"):
            return [(_mounts.layered([top, *reversed(layers)], self._at), "/")]

    def remove(self, name: str) -> None:
        """Remove what a sandbox had of its own."""
        shutil.rmtree(f"{self._work}/{name}", ignore_errors=True)

    def _identity(self, layers: list[str]) -> tuple[bytes, bytes]:
        """The ``passwd`` and ``group`` of the image, whatever layer they are in."""
        alone = len(layers) == 1
        root = os.open(layers[0], os.O_PATH | os.O_CLOEXEC) if alone else _mounts.layered(layers, self._at)
        try:
            return _read(root, "etc/passwd"), _read(root, "etc/group")
        finally:
            os.close(root)

    def _bound(self, tree: str, top: str) -> Mounts:
        """The root without an overlay: the sandbox's own layer, with each entry of the tree's root bound into it."""
        with Step("imitate the root of the image"):
            entries = [entry for entry in os.scandir(tree) if f"/{entry.name}" not in KEPT]
            mounted = [entry for entry in entries if _imitate(entry, f"{top}/{entry.name}")]
            etc = [] if os.path.islink(f"{tree}/etc") else os.listdir(f"{top}/etc")
            covered = [name for name in etc if os.path.isfile(f"{tree}/etc/{name}")]
        sources = [
            (top, "/"),
            *((entry.path, f"/{entry.name}") for entry in mounted),
            *((f"{top}/etc/{name}", f"/etc/{name}") for name in covered),
        ]
        mounts: Mounts = []
        try:
            with Step("bind the root of the image"):
                for source, target in sources:
                    mounts.append((_mounts.detached(source), target))
        except BaseException:
            for descriptor, _ in mounts:
                os.close(descriptor)
            raise
        return mounts


def _write_top(top: str, users: bytes, groups: bytes) -> None:
    for target in (*KEPT, "/etc"):
        os.makedirs(top + target, exist_ok=True)
    for name in ETC:
        _write(f"{top}/etc/{name}", WRITTEN[name].encode())
    _write(f"{top}/etc/passwd", users)
    _write(f"{top}/etc/group", groups)


def _make_target(top: str, target: str, *, directory: bool) -> None:
    path = top + os.path.normpath(target)
    if directory:
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write(path, b"")


def _imitate(entry: os.DirEntry[str], path: str) -> bool:
    """Make a place for an entry to be mounted on; a link is made as it is, and needs no mount."""
    if entry.is_symlink():
        if not os.path.lexists(path):
            os.symlink(os.readlink(entry.path), path)
        return False
    if entry.is_dir():
        os.makedirs(path, exist_ok=True)
    else:
        _write(path, b"")
    return True


def _with_user(users: bytes, uid: int) -> bytes:
    """The image's ``passwd`` with the sandbox's user, should nobody have the number yet."""
    users = users or b"root:x:0:0:root:/root:/sbin/nologin\n"
    return _with_line(users, uid, f"{USER}:x:{uid}:{uid}::/home/{USER}:/sbin/nologin\n")


def _with_group(groups: bytes, uid: int) -> bytes:
    return _with_line(groups or b"root:x:0:\n", uid, f"{USER}:x:{uid}:\n")


def _with_line(text: bytes, number: int, line: str) -> bytes:
    """The third field of either file is the number."""
    if any(fields[2:3] == [str(number).encode()] for fields in (row.split(b":") for row in text.splitlines())):
        return text
    return text + (b"" if text.endswith(b"\n") else b"\n") + line.encode()


def _read(root: int, path: str) -> bytes:
    """A regular file below the directory ``root``; empty when there is none."""
    try:
        descriptor = _syscalls.open_in(root, path)
    except OSError:
        # Not there, or a link to nowhere: such an image has no users of its own.
        return b""
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.read(descriptor, MOST_BYTES) if regular else b""
    finally:
        os.close(descriptor)


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
