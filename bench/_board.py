"""Numbers that several processes see: which code a caller must get at least, and which it can get at most."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Self

_CELL = 16


class Board:
    """For each target the number of the code that is known to serve, and of the newest that may serve by now.

    They are in a file that each process maps: what one has written, the others read from then on.
    """

    def __init__(self, pages: mmap.mmap) -> None:
        """Use ``make`` and ``open``."""
        self._numbers = memoryview(pages).cast("q")

    @classmethod
    def make(cls, path: Path, targets: int) -> Self:
        """A new board; all numbers are 0."""
        path.write_bytes(bytes(_CELL * targets))
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The board that is there."""
        descriptor = os.open(path, os.O_RDWR)
        try:
            return cls(mmap.mmap(descriptor, 0))
        finally:
            os.close(descriptor)

    def least(self, target: int) -> int:
        """Somebody has seen that this code serves: whoever calls now gets it, or newer code."""
        return self._numbers[2 * target]

    def most(self, target: int) -> int:
        """No newer code has been given to the service."""
        return self._numbers[2 * target + 1]

    def begin(self, target: int, number: int) -> None:
        """This code is about to be given to the service."""
        self._numbers[2 * target + 1] = number

    def seen(self, target: int, number: int) -> None:
        """The service has said that this code serves."""
        self._numbers[2 * target] = number
