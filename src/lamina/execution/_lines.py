"""The lines that the service itself writes to a function's log (API notes, 20.12; environment notes, E5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, Protocol

import orjson

from lamina.functions import LiveVersion, runtime_version_arn

Status = Literal["success", "error", "timeout"]
Phase = Literal["init", "invoke"]


class Restored(NamedTuple):
    """What the restoring of a snapshot has cost: in all, and its after-restore hooks, which are billed."""

    duration_ms: float
    hooks_ms: float

    @property
    def billed_ms(self) -> int:
        """Whole milliseconds, begun ones included."""
        return math.ceil(self.hooks_ms)


class Report(NamedTuple):
    """What an invocation has cost. ``init_ms`` is set for the first one of an environment, and is billed too.

    ``restored`` is set instead for the first one of an environment that comes from a snapshot.
    """

    request_id: str
    duration_ms: float
    init_ms: float | None
    max_memory_mb: int
    status: Status = "success"
    error_type: str | None = None
    restored: Restored | None = None

    @property
    def billed_ms(self) -> int:
        """Whole milliseconds, begun ones included."""
        restore_ms = 0 if self.restored is None else self.restored.billed_ms
        return math.ceil(self.duration_ms + (self.init_ms or 0.0)) + restore_ms


class Lines(Protocol):
    """The lines of one log format; None is a line that is not written."""

    def init_start(self, runtime_version: str | None) -> bytes | None:
        """An environment begins to initialise; that of an image has no runtime version."""

    def launch_failed(self, error_type: str, text: str) -> bytes | None:
        """The program of an image cannot be started; ``text`` is the line of the text format."""

    def init_report(self, duration_ms: float, phase: Phase, error_type: str | None) -> bytes | None:
        """An environment has not initialised: with an error, or, without ``error_type``, in time."""

    def extension(self, name: str, state: str, events: Sequence[str], error_type: str | None) -> bytes | None:
        """An extension, as the initialisation has left it."""

    def restore_start(self, runtime_version: str) -> bytes | None:
        """An environment begins to go on from its snapshot."""

    def restore_report(self, restored: Restored) -> bytes | None:
        """An environment has gone on from its snapshot."""

    def subscription(self, name: str, types: Sequence[str], *, logs: bool) -> bytes | None:
        """An extension gets telemetry; ``logs``: over the Logs API."""

    def start(self, request_id: str) -> bytes | None:
        """An invocation begins."""

    def report(self, report: Report) -> bytes | None:
        """An invocation has ended."""


def lines_of(live: LiveVersion) -> Lines:
    """The lines in the version's log format."""
    return JsonLines(live) if live.log_format == "JSON" else TextLines(live)


class TextLines:
    """START, END, REPORT and INIT_START."""

    def __init__(self, live: LiveVersion) -> None:
        self._region = live.key.region
        self._runtime = live.runtime
        self._version = live.version
        self._memory_size = live.memory_size

    def init_start(self, runtime_version: str | None) -> bytes | None:
        """See ``Lines``."""
        if runtime_version is None:
            return None
        return f"INIT_START {self._runtime_version(runtime_version)}".encode()

    def restore_start(self, runtime_version: str) -> bytes:
        """See ``Lines``."""
        return f"RESTORE_START {self._runtime_version(runtime_version)}".encode()

    def restore_report(self, restored: Restored) -> bytes:
        """See ``Lines``."""
        return f"RESTORE_REPORT Restore Duration: {restored.duration_ms:.2f} ms\n".encode()

    def _runtime_version(self, label: str) -> str:
        arn = runtime_version_arn(self._region, self._runtime)
        return f"Runtime Version: {label}\tRuntime Version ARN: {arn}\n"

    def launch_failed(self, error_type: str, text: str) -> bytes:  # noqa: ARG002
        """See ``Lines``."""
        return text.encode(errors="replace")

    def init_report(self, duration_ms: float, phase: Phase, error_type: str | None) -> bytes:
        """See ``Lines``."""
        status = "timeout" if error_type is None else f"error\tError Type: {error_type}"
        return f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: {phase}\tStatus: {status}\n".encode()

    def extension(self, name: str, state: str, events: Sequence[str], error_type: str | None) -> bytes:
        """See ``Lines``."""
        error = "" if error_type is None else f"\tError Type: {error_type}"
        return f"EXTENSION\tName: {name}\tState: {state}\tEvents: [{','.join(events)}]{error}\n".encode()

    def subscription(self, name: str, types: Sequence[str], *, logs: bool) -> bytes:
        """See ``Lines``."""
        shown = ", ".join(each.capitalize() for each in types)
        return f"{'LOGS' if logs else 'TELEMETRY'}\tName: {name}\tState: Subscribed\tTypes: [{shown}]\n".encode()

    def start(self, request_id: str) -> bytes:
        """See ``Lines``."""
        return f"START RequestId: {request_id} Version: {self._version}\n".encode()

    def report(self, report: Report) -> bytes:
        """See ``Lines``: two lines, END and REPORT."""
        init = "" if report.init_ms is None else f"Init Duration: {report.init_ms:.2f} ms\t"
        if report.restored is not None:
            init = (
                f"Restore Duration: {report.restored.duration_ms:.2f} ms\t"
                f"Billed Restore Duration: {report.restored.billed_ms} ms\t"
            )
        status = "" if report.status == "success" else f"Status: {report.status}\t"
        if report.error_type is not None:
            status += f"Error Type: {report.error_type}\t"
        request_id = report.request_id
        return (
            f"END RequestId: {request_id}\n"
            f"REPORT RequestId: {request_id}\tDuration: {report.duration_ms:.2f} ms\t"
            f"Billed Duration: {report.billed_ms} ms\tMemory Size: {self._memory_size} MB\t"
            f"Max Memory Used: {report.max_memory_mb} MB\t{init}{status}\n"
        ).encode()


class JsonLines:
    """The ``platform`` events; at the system log level WARN only the reports of failed invocations."""

    def __init__(self, live: LiveVersion) -> None:
        self._live = live
        self._quiet = live.system_log_level == "WARN"

    def init_start(self, runtime_version: str | None) -> bytes | None:
        """See ``Lines``."""
        record = {"initializationType": self._live.initialization, "phase": "init"}
        return None if self._quiet else _event("platform.initStart", record | self._identity(runtime_version))

    def restore_start(self, runtime_version: str) -> bytes | None:
        """See ``Lines``."""
        return None if self._quiet else _event("platform.restoreStart", self._identity(runtime_version))

    def restore_report(self, restored: Restored) -> bytes | None:
        """See ``Lines``."""
        record = {"status": "success", "metrics": {"durationMs": round(restored.duration_ms, 3)}}
        return None if self._quiet else _event("platform.restoreReport", record)

    def _identity(self, runtime_version: str | None) -> dict[str, str]:
        live = self._live
        record = {}
        if runtime_version is not None:
            record["runtimeVersion"] = runtime_version
            record["runtimeVersionArn"] = runtime_version_arn(live.key.region, live.runtime)
        return record | {"functionName": live.key.name, "functionVersion": live.version}

    def launch_failed(self, error_type: str, text: str) -> bytes:  # noqa: ARG002
        """See ``Lines``."""
        record = {"initializationType": "on-demand", "phase": "init", "status": "error", "errorType": error_type}
        return _event("platform.initRuntimeDone", record)

    def init_report(self, duration_ms: float, phase: Phase, error_type: str | None) -> bytes:
        """See ``Lines``."""
        record: dict[str, Any] = {"initializationType": self._live.initialization, "phase": phase}
        record["status"] = "timeout" if error_type is None else "error"
        if error_type is not None:
            record["errorType"] = error_type
        return _event("platform.initReport", record | {"metrics": {"durationMs": round(duration_ms, 3)}})

    def extension(self, name: str, state: str, events: Sequence[str], error_type: str | None) -> bytes | None:
        """See ``Lines``."""
        record: dict[str, Any] = {"name": name, "state": state, "events": list(events)}
        if error_type is not None:
            record["errorType"] = error_type
        return None if self._quiet and error_type is None else _event("platform.extension", record)

    def subscription(self, name: str, types: Sequence[str], *, logs: bool) -> bytes | None:
        """See ``Lines``."""
        record = {"name": name, "state": "Subscribed", "types": list(types)}
        return None if self._quiet else _event(f"platform.{'logs' if logs else 'telemetry'}Subscription", record)

    def start(self, request_id: str) -> bytes | None:
        """See ``Lines``."""
        record = {"requestId": request_id, "version": self._live.version}
        return None if self._quiet else _event("platform.start", record)

    def report(self, report: Report) -> bytes | None:
        """See ``Lines``."""
        if self._quiet and report.status == "success":
            return None
        metrics: dict[str, Any] = {
            "durationMs": round(report.duration_ms, 3),
            "billedDurationMs": report.billed_ms,
            "memorySizeMB": self._live.memory_size,
            "maxMemoryUsedMB": report.max_memory_mb,
        }
        if report.init_ms is not None:
            metrics["initDurationMs"] = round(report.init_ms, 3)
        if report.restored is not None:
            metrics["restoreDurationMs"] = round(report.restored.duration_ms, 3)
            metrics["billedRestoreDurationMs"] = report.restored.billed_ms
        record: dict[str, Any] = {"requestId": report.request_id, "metrics": metrics, "status": report.status}
        if report.error_type is not None:
            record["errorType"] = report.error_type
        return _event("platform.report", record)


def _event(kind: str, record: dict[str, Any]) -> bytes:
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return orjson.dumps({"time": time, "type": kind, "record": record}, option=orjson.OPT_APPEND_NEWLINE)
