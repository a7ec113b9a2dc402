"""The log of the steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.functions import FunctionKey

_log = logging.getLogger("lamina.deploy")


@contextmanager
def step(name: str, key: FunctionKey) -> Iterator[None]:
    """Log the step with its duration, and whether it was left by an exception."""
    started = time.perf_counter()
    outcome = "failed"
    try:
        yield
        outcome = "done"
    finally:
        elapsed = (time.perf_counter() - started) * 1000
        _log.info("%s %s %s in %.2f ms", key.arn, name, outcome, elapsed)
