"""The steps of one deployment: logged, and timed for its history."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.functions import FunctionKey

_log = logging.getLogger("lamina.deploy")


class Steps:
    """What one deployment has done so far; ``durations`` are in milliseconds, in the order of the steps."""

    def __init__(self, key: FunctionKey) -> None:
        self._key = key
        self.durations: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Log the step with its duration, and whether it was left by an exception."""
        started = time.perf_counter()
        outcome = "failed"
        try:
            yield
            outcome = "done"
        finally:
            elapsed = (time.perf_counter() - started) * 1000
            self.durations[name] = self.durations.get(name, 0.0) + elapsed
            _log.info("%s %s %s in %.2f ms", self._key.arn, name, outcome, elapsed)
