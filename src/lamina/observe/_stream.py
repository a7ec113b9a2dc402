"""A stream to write to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Sink(Protocol):
    """What a stream hands its events to."""

    def add(self, stream: LogStream, timestamp_ms: int, message: str | bytes) -> None:
        """Take one event."""


@dataclass(slots=True, eq=False)
class LogStream:
    """One stream of one group, as ``LogStore.open`` gives it.

    ``segment`` is the file that is appended to, None before the first event and when another is due.
    """

    sink: Sink
    group: Path
    folder: Path
    group_name: str
    name: str
    segment: Path | None = None

    def write(self, timestamp_ms: int, message: str | bytes) -> None:
        """Add one event, at about a microsecond: it goes to the disk later, in another thread."""
        self.sink.add(self, timestamp_ms, message)
