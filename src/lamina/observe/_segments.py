"""One stream on disk: a folder of segments, each a file of JSON lines that is only ever appended to.

The first line of a segment is a header, every other one an event: ``[timestamp, arrival, message]``. A line that does
not end or cannot be read was torn by a crash and is passed over; a writer that starts anew starts a new segment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from lamina.observe._events import LogEvent

DISORDER_MS = 60_000  # events of one stream are expected to be at most this far out of order

_SUFFIX = ".jsonl"
_SEARCHED = 65_536
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
_CREATE = _APPEND | os.O_CREAT | os.O_EXCL


def begin_segment(folder: Path, number: int, stream: str, now_ms: int) -> Path:
    """Make a segment with its header; ``number`` grows from segment to segment. Raises ``OSError``."""
    segment = folder / f"{number:020d}{_SUFFIX}"
    _write(segment, orjson.dumps({"stream": stream, "created": now_ms}) + b"\n", _CREATE)
    return segment


def append(segment: Path, lines: bytes | bytearray) -> int:
    """Append to a segment that exists; its size after that. Raises ``OSError``."""
    return _write(segment, lines, _APPEND)


def _write(segment: Path, lines: bytes | bytearray, flags: int) -> int:
    descriptor = os.open(segment, flags, 0o600)
    try:
        written = os.write(descriptor, lines)
        if written < len(lines):
            raise OSError(f"only {written} of {len(lines)} bytes were written to {segment}")
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def encode(timestamp: int, arrival: int, message: str | bytes, most_bytes: int) -> bytes:
    """The line of one event; a message of more than ``most_bytes`` is cut, what is not UTF-8 in it is replaced."""
    raw = message if isinstance(message, bytes) else message.encode(errors="replace")
    text = raw[:most_bytes].decode(errors="replace")
    return orjson.dumps((timestamp, arrival, text), option=orjson.OPT_APPEND_NEWLINE)


def segments_of(folder: Path) -> list[Path]:
    """The segments of a stream, the oldest first; none when the folder is gone."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)
    except FileNotFoundError:
        return []


def read_segment(segment: Path, stream: str, earliest: int) -> Iterator[LogEvent]:
    """The events in the order in which they were written, leaving out most that are before ``earliest``."""
    try:
        file = segment.open("rb")
    except FileNotFoundError:
        return  # dropped since it was listed
    with file:
        size = os.fstat(file.fileno()).st_size
        if earliest > 0:
            _seek(file, size, earliest - DISORDER_MS)
        for line in file:
            if (event := _event(line, stream)) is not None:
                yield event


def read_header(segment: Path) -> dict[str, Any]:
    """The segment's header, empty when it was torn or the segment is gone."""
    try:
        with segment.open("rb") as file:
            header = orjson.loads(file.readline())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return header if isinstance(header, dict) else {}


def last_event(segment: Path, stream: str) -> LogEvent | None:
    """The event that was written last."""
    try:
        file = segment.open("rb")
    except FileNotFoundError:
        return None
    with file:
        end = os.fstat(file.fileno()).st_size
        back = _SEARCHED
        while True:
            file.seek(max(0, end - back))
            events = [event for line in file.readlines() if (event := _event(line, stream)) is not None]
            if events or back >= end:
                return events[-1] if events else None
            back *= 4


def _seek(file: BinaryIO, size: int, earliest: int) -> None:
    """Go to the start of a line before the first event of ``earliest``, by bisection."""
    low, high = 0, size
    while high - low > _SEARCHED:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        event = _event(file.readline(), "")
        if event is None or event.timestamp >= earliest:
            high = middle
        else:
            low = middle
    file.seek(low)
    if low:
        file.readline()


def _event(line: bytes, stream: str) -> LogEvent | None:
    if not line.endswith(b"\n"):
        return None
    try:
        members = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(members, list) or len(members) != 3:
        return None
    timestamp, arrival, message = members
    return LogEvent(timestamp, arrival, stream, message)
