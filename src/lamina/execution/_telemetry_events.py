"""What is told over the Telemetry and Logs APIs, and how each version of their schemas writes it.

Lambda Developer Guide, "Lambda Telemetry API Event schema reference" and "Lambda Logs API (legacy)".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

TELEMETRY_SCHEMAS = ("2022-07-01", "2022-12-13", "2025-01-29")
LOGS_SCHEMAS = ("2020-08-15", "2021-03-18")
_LOGS_KINDS = {
    "function",
    "extension",
    "platform.start",
    "platform.end",
    "platform.report",
    "platform.extension",
    "platform.logsSubscription",
    "platform.logsDropped",
    "platform.fault",
}


class Event(NamedTuple):
    """One event. ``kind`` begins with its stream: ``platform``, ``function`` or ``extension``."""

    time: str
    kind: str
    record: Mapping[str, Any] | str

    @property
    def stream(self) -> str:
        """The type that is subscribed to."""
        return self.kind.partition(".")[0]


Written = Callable[[Event], bytes | None]


def event(kind: str, record: Mapping[str, Any] | str, when: float | None = None) -> Event:
    """An event of now, or of another time (epoch seconds)."""
    moment = datetime.now(UTC) if when is None else datetime.fromtimestamp(when, UTC)
    return Event(moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"), kind, record)


def line(stream: str, text: bytes, *, json: bool) -> Event:
    """A line of output: an object where the log format is JSON and the line is one, else a text."""
    record: Any = None
    if json and text.startswith(b"{"):
        try:
            record = orjson.loads(text)
        except orjson.JSONDecodeError:
            record = None
    return event(stream, text.decode(errors="replace") if record is None else record)


def written(schema: str) -> Written:
    """How a version of a schema writes an event; None is an event that it does not have."""
    if schema in LOGS_SCHEMAS:
        kinds = _LOGS_KINDS | ({"platform.runtimeDone"} if schema == "2021-03-18" else set())
        return lambda each: _write(each, _of_logs(each)) if each.kind in kinds else None
    without = {"platform.end", "platform.logsSubscription"}
    if schema == "2022-07-01":
        return lambda each: None if each.kind in without else _write(each, _of_first(each))
    return lambda each: None if each.kind in without else _write(each, each.record)


def _write(each: Event, record: Mapping[str, Any] | str) -> bytes:
    return orjson.dumps({"time": each.time, "type": each.kind, "record": record})


def _of_first(each: Event) -> Mapping[str, Any] | str:
    """The first schema: no status in reports, and nothing of the phase of an initialisation."""
    record = _as_text(each)
    if isinstance(record, str):
        return record
    absent = {"platform.report": {"status", "errorType"}, "platform.initReport": {"status", "errorType", "phase"}}
    absent |= {"platform.initRuntimeDone": {"errorType", "phase"}, "platform.runtimeDone": {"errorType"}}
    return {name: value for name, value in record.items() if name not in absent.get(each.kind, ())}


def _of_logs(each: Event) -> Mapping[str, Any] | str:
    record = _as_text(each)
    if isinstance(record, str):
        return record
    kept = {
        "platform.start": ("requestId", "version"),
        "platform.report": ("requestId", "metrics"),
        "platform.runtimeDone": ("requestId", "status"),
    }.get(each.kind)
    return record if kept is None else {name: record[name] for name in kept}


def _as_text(each: Event) -> Mapping[str, Any] | str:
    """Versions that know no objects have the text of a line."""
    if each.kind in {"function", "extension"} and not isinstance(each.record, str):
        return orjson.dumps(each.record).decode() + "\n"
    return each.record
