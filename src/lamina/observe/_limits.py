"""How much of the logs is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """Bounds of the log store, in bytes where not said otherwise.

    A stream is a row of segments: a full one is followed by a new one, and the oldest go when the stream or its group
    has grown too large. ``pending`` bounds what waits in memory for the disk. A longer ``message`` is cut, as on AWS.
    ``delay_seconds`` is how long a line may wait so that many are written at once.
    """

    segment: int = 4_194_304
    stream: int = 16_777_216
    group: int = 268_435_456
    streams_per_group: int = 5_000
    pending: int = 16_777_216
    message: int = 1_048_576
    delay_seconds: float = 0.1
