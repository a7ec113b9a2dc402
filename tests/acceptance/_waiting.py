"""Waiting for what happens later."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any


def until(condition: Callable[[], Any], seconds: float = 15) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        time.sleep(0.02)


class Recorder:
    """Reads from the log what functions print as ``RAN <JSON>``."""

    def __init__(self, logs: Any) -> None:
        self._logs = logs

    def runs(self, name: str) -> list[Any]:
        """The values printed so far, in order."""
        return [json.loads(text) for text in self._after("RAN ", name)]

    def ended(self, name: str) -> int:
        """How many invocations have ended."""
        return len(self._after("REPORT ", name))

    def _after(self, prefix: str, name: str) -> list[str]:
        try:
            pages = self._logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
            messages = [event["message"] for page in pages for event in page["events"]]
        except self._logs.exceptions.ResourceNotFoundException:
            return []
        return [text.removeprefix(prefix) for text in messages if text.startswith(prefix)]
