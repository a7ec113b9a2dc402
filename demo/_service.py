"""A service for the length of the demo."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

_READY = "Lamina is ready at "


class Service:
    """``lamina serve`` on a free port, with its own data folder. Its log goes to ``log``, or to this one's errors.

    ``program`` is the module to run in place of ``lamina``.
    """

    def __init__(self, data: Path, *flags: str, log: IO[bytes] | None = None, program: str = "lamina") -> None:
        self.data = data
        command = [
            sys.executable,
            "-m",
            program,
            "serve",
            "--port",
            "0",
            "--data",
            str(data),
            "--log-level",
            "warning",
            *flags,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        self.address = self._wait()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End the service as Ctrl-C would."""
        self.signal(signal.SIGINT)
        self.wait()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end: its exit status."""
        status = self._process.wait(timeout=10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status

    def _wait(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(_READY):
                return line.removeprefix(_READY).strip()
        sys.exit(f"the service did not start: it ended with {self.wait()}")
