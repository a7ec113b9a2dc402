"""What is left of an image's limits while its layers are unpacked side by side."""

from __future__ import annotations

import threading

from lamina.images._faults import Bad, Unreachable
from lamina.images._limits import ImageLimits


class Allowance:
    """Counts down for all layers of one image; threads share it. ``stop`` ends the work at the next byte."""

    def __init__(self, limits: ImageLimits, stop: threading.Event) -> None:
        self.limits = limits
        self._stop = stop
        self._lock = threading.Lock()
        self._bytes = limits.unpacked
        self._ended = False
        self._nodes = limits.nodes

    def end(self) -> None:
        """Have the work on every layer of this image fail: one of them has."""
        with self._lock:
            self._ended = True

    def take_bytes(self, count: int) -> None:
        """Use ``count`` bytes of tar. Raises ``Bad`` when there are no more, ``Unreachable`` when it is all off."""
        if self._stop.is_set() or self._ended:
            raise Unreachable("the store is being closed, or another layer has failed", None)
        with self._lock:
            self._bytes -= count
            if self._bytes < 0:
                raise Bad(f"more than {self.limits.unpacked} bytes unpacked")

    def take_node(self) -> None:
        """Use one name on the disk. Raises ``Bad`` when there are no more."""
        with self._lock:
            self._nodes -= 1
            if self._nodes < 0:
                raise Bad(f"more than {self.limits.nodes} files and folders")
