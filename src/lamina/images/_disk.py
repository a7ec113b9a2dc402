"""Getting what was written onto the disk, and one thread at a time to write it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def flush_file_system(folder: Path) -> None:
    """Flush all of the file system that ``folder`` is on: one syncfs(2) for thousands of files. Raises ``OSError``."""
    libc = ctypes.CDLL(None, use_errno=True)
    with _opened(folder) as descriptor:
        if libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "syncfs", str(folder))


def flush_folder(folder: Path) -> None:
    """Flush the names in ``folder``. Raises ``OSError``."""
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Turns:
    """A lock for each key, which exists only while somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy: set[str] = set()

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        """Wait until nobody else has ``key``, and have it for the block."""
        with self._changed:
            self._changed.wait_for(lambda: key not in self._busy)
            self._busy.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._busy.remove(key)
                self._changed.notify_all()
