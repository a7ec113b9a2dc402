"""What a layer takes away from those below it: in a tar, and as overlayfs wants it on the disk.

On the disk a removed name is a character device 0:0, which Linux lets everybody make since 5.8, and a folder that hides
what was in it has the attribute ``user.overlay.opaque``, which overlayfs heeds with the mount option ``userxattr``, for
root and in user namespaces alike.
"""

from __future__ import annotations

import errno
import os
import stat

PREFIX = b".wh."
OPAQUE = b".wh..wh..opq"
RESERVED = b".wh..wh."  # the rest of these names are notes of a file system that nobody uses now
_OPAQUE = "user.overlay.opaque"
# A folder that no other layer has is listed as it stands, whiteouts included, unless it says that it was copied up:
# an empty origin means "from where is unknown".
_ORIGIN = "user.overlay.origin"


def make_whiteout(name: bytes, folder: int) -> None:
    """Put the mark of a removed name into a folder. Raises ``OSError``."""
    os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=folder)
    try:
        os.setxattr(folder, _ORIGIN, b"")
    except OSError as error:
        if error.errno != errno.ENOTSUP:  # without attributes a list may have a name too many, no more
            raise


def is_whiteout(facts: os.stat_result) -> bool:
    """Whether this is that mark."""
    return stat.S_ISCHR(facts.st_mode) and facts.st_rdev == 0


def make_opaque(folder: int) -> None:
    """Have the open folder hide what layers below have in it. Raises ``OSError``."""
    os.setxattr(folder, _OPAQUE, b"y")


def is_opaque(folder: int) -> bool:
    """Whether the open folder hides what layers below have in it."""
    try:
        return os.getxattr(folder, _OPAQUE) == b"y"
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        raise
