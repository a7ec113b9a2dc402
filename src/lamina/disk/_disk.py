"""What Python does not offer of the disk: to have what was written on it, and to know what is from before."""

from __future__ import annotations

import ctypes
import os
import shutil
from contextlib import suppress
from pathlib import Path


def boot_id() -> str:
    """A name for the time since the machine started: what was written since then is in the page cache at least."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def make_empty(folder: Path) -> None:
    """Make ``folder`` anew, for this user alone, without what was there.

    In a place where everybody may write, such as ``/dev/shm``, somebody else may have made it: then this raises
    ``OSError``, since making the folder does not follow a link and does not take one that is there.
    """
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)


def flush_file_system(folder: Path) -> None:
    """Write everything of the file system that ``folder`` is on to the disk: syncfs(2). Raises ``OSError``."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if libc.syncfs(descriptor) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(folder))
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Write the names in ``folder`` to the disk. Raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
