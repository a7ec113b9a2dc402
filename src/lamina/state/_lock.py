"""One process for each data directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from lamina.state._errors import StateLocked, StateUnwritable


class DirectoryLock:
    """Holds a data directory for this process. The kernel lets go when the process ends, however it ends."""

    def __init__(self, directory: Path) -> None:
        """Make the directory if need be and take it; raises StateLocked or StateUnwritable."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateUnwritable(f"the data directory {directory} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(self._file, 32, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            raise StateLocked(f"the data directory {directory} is in use by process {owner}") from error
        self._sign()

    def _sign(self) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another process have the directory."""
        os.close(self._file)
