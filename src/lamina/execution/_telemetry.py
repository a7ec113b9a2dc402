"""The Telemetry API (2022-07-01) and the Logs API (2020-08-15) of one environment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from lamina.execution._invocation import Invocation
from lamina.execution._lines import Report, Status
from lamina.execution._rejected import Rejected
from lamina.execution._side_requests import SideRequest, answer
from lamina.execution._telemetry_delivery import Connect, Delivery
from lamina.execution._telemetry_events import LOGS_SCHEMAS, Event, event, line
from lamina.execution._telemetry_request import LOGS_PATH, TELEMETRY_PATH, subscription
from lamina.functions import LiveVersion

PATHS = (TELEMETRY_PATH, LOGS_PATH)
# What is remembered for those who subscribe while the environment initialises.
_MOST_EARLY = 2_000
_MOST_EARLY_BYTES = 1_048_576


class Telemetry:
    """The events of one environment, and those who want them.

    Subscribing is possible while the environment initialises; who does gets what has happened before, too.
    """

    def __init__(self, live: LiveVersion, connect: Connect, began: float, *, open_: bool) -> None:
        """``connect`` connects to a port of the sandbox; ``began``: when it began to initialise (epoch seconds).

        ``open_``: whether it initialises still.
        """
        self._live = live
        self._json = live.log_format == "JSON"
        self._connect = connect
        self._deliveries: dict[str, Delivery] = {}
        self._early: list[Event] | None = [] if open_ else None
        self._early_size = 0
        self._initialisation = {"initializationType": live.initialization, "phase": "init"}
        names = {"functionName": live.key.name, "functionVersion": live.version}
        self._tell(event("platform.initStart", self._initialisation | names, began))

    def handle(self, request: SideRequest, name: str) -> bytes:
        """Subscribe the extension ``name``. Raises ``Rejected``."""
        if request.method != "PUT":
            raise Rejected(404, "NotFound", "404 page not found")
        logs = request.path == LOGS_PATH
        if self._early is None:
            api = "Logs" if logs else "Telemetry"
            raise Rejected(403, f"{api}.SubscriptionClosed", f"{api} API subscription is closed already")
        wish = subscription(name, request.path, request.body)
        former = self._deliveries.pop(name, None)
        if former is not None:
            former.close()
        delivery = self._deliveries[name] = Delivery(wish, self._connect)
        for each in self._early:
            delivery.add(each)
        kind = "platform.logsSubscription" if logs else "platform.telemetrySubscription"
        self._tell(event(kind, {"name": name, "state": "Subscribed", "types": list(wish.types)}))
        return answer(200, b'"OK"')

    @property
    def subscriptions(self) -> list[tuple[str, bool, tuple[str, ...]]]:
        """(name, whether over the Logs API, types) of each, for the log."""
        wishes = [each.subscription for each in self._deliveries.values()]
        return [(wish.name, wish.schema in LOGS_SCHEMAS, wish.types) for wish in wishes]

    @property
    def wanted(self) -> bool:
        """Whether anybody wants, or still can want, events."""
        return self._early is not None or bool(self._deliveries)

    def initialised(
        self, duration_ms: float, extensions: Sequence[tuple[str, str, Sequence[str], str | None]], error: str | None
    ) -> None:
        """The initialisation has ended, with these extensions: name, state, events and kind of error of each."""
        status: dict[str, Any] = {"status": "success"} if error is None else {"status": "error", "errorType": error}
        self._tell(event("platform.initRuntimeDone", self._initialisation | status))
        for name, state, events, failure in extensions:
            record: dict[str, Any] = {"name": name, "state": state, "events": list(events)}
            self._tell(event("platform.extension", record if failure is None else record | {"errorType": failure}))
        metrics = {"metrics": {"durationMs": round(duration_ms, 3)}}
        self._tell(event("platform.initReport", self._initialisation | status | metrics))
        self._early = None

    def line(self, stream: str, text: bytes) -> None:
        """A line of output, of the function or of an extension."""
        self._tell(line(stream, text, json=self._json))

    def start(self, invocation: Invocation) -> None:
        """An invocation begins."""
        record = {"requestId": invocation.request_id, "version": self._live.version}
        self._tell(event("platform.start", record | _tracing(invocation)))

    def runtime_done(self, invocation: Invocation, elapsed_ms: float, size: int, status: Status,
                     error_type: str | None) -> None:  # fmt: skip
        """The runtime has answered, or never will."""
        record: dict[str, Any] = {"requestId": invocation.request_id, "status": status}
        if error_type is not None:
            record["errorType"] = error_type
        metrics = {"durationMs": round(elapsed_ms, 3), "producedBytes": size}
        self._tell(event("platform.runtimeDone", record | {"metrics": metrics} | _tracing(invocation)))

    def fault(self, text: str) -> None:
        """The runtime or an extension has ended."""
        self._tell(event("platform.fault", text))

    def report(self, report: Report) -> None:
        """An invocation has ended."""
        metrics: dict[str, Any] = {
            "durationMs": round(report.duration_ms, 3),
            "billedDurationMs": report.billed_ms,
            "memorySizeMB": self._live.memory_size,
            "maxMemoryUsedMB": report.max_memory_mb,
        }
        if report.init_ms is not None:
            metrics["initDurationMs"] = round(report.init_ms, 3)
        record: dict[str, Any] = {"requestId": report.request_id, "metrics": metrics, "status": report.status}
        if report.error_type is not None:
            record["errorType"] = report.error_type
        self._tell(event("platform.end", {"requestId": report.request_id}))
        self._tell(event("platform.report", record))

    def freeze(self) -> None:
        """The sandbox is about to be frozen."""
        for each in self._deliveries.values():
            each.freeze()

    def thaw(self) -> None:
        """The sandbox runs again."""
        for each in self._deliveries.values():
            each.thaw()

    async def flush(self) -> None:
        """Send all there is."""
        await asyncio.gather(*(each.flush() for each in self._deliveries.values()))

    def close(self) -> None:
        """Send no more."""
        for each in self._deliveries.values():
            each.close()

    def _tell(self, each: Event) -> None:
        if self._early is not None and len(self._early) < _MOST_EARLY and self._early_size < _MOST_EARLY_BYTES:
            self._early.append(each)
            self._early_size += len(each.record)
        for delivery in self._deliveries.values():
            delivery.add(each)


def _tracing(invocation: Invocation) -> dict[str, Any]:
    if not invocation.trace_id:
        return {}
    return {"tracing": {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id}}
