"""Asynchronous invocations: accepted durably, run later, tried again (Developer Guide, "Asynchronous invocation")."""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from lamina.errors import ResourceNotFoundException, ServiceError
from lamina.execution import Address, Outcome
from lamina.state import Reader, State, Transaction

_LOG = logging.getLogger(__name__)
MAX_ATTEMPTS = 3
_MAX_AGE_MS = 6 * 3600 * 1000
_AT_ONCE = 64
_FIRST_BACKOFF_MS = 1_000
_LONGEST_BACKOFF_MS = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedInvocation:
    """One accepted event. ``attempt`` counts the tries that the function has failed; times are epoch milliseconds."""

    id: int
    address: Address
    request_id: str
    payload: bytes
    client_context: str
    trace_id: str
    accepted_ms: int
    due_ms: int
    attempt: int = 0
    throttled: int = 0


class EventQueue:
    """The durable queue of asynchronous invocations.

    An event is in the database before its caller gets 202, and leaves it when it has succeeded, has failed three
    times, is older than six hours, or its function is gone. After a crash every event that was there is run (again):
    at least once, in no particular order. ``retry_delay`` is the wait before the second try in seconds, doubled
    before the third. Throttled events are tried again with growing pauses and do not use up their tries.
    """

    def __init__(
        self, state: State, invoke: Callable[[QueuedInvocation], Awaitable[Outcome]], retry_delay: float
    ) -> None:
        self._state = state
        self._invoke = invoke
        self._retry_delay_ms = int(retry_delay * 1000)
        self._due: list[tuple[int, int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self) -> None:
        """Take up what an earlier run has left."""
        rows = await self._state.read(lambda tx: tx.all("pending_invocations"))
        for row in rows:
            heapq.heappush(self._due, (row["due_ms"], row["id"]))
        self._schedule()

    async def accept(self, event: QueuedInvocation) -> None:
        """Make the event durable; when this returns it will be run."""
        row = await self._state.write(lambda tx: _insert(tx, event))
        heapq.heappush(self._due, (event.due_ms, row))
        self._schedule()

    async def close(self) -> None:
        """Stop; what is not finished stays in the database."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._closed and self._due and len(self._running) < _AT_ONCE:
            wait = max(0.0, self._due[0][0] / 1000 - time.time())
            self._timer = asyncio.get_running_loop().call_later(wait, self._run_due)

    def _run_due(self) -> None:
        self._timer = None
        now = time.time() * 1000
        while self._due and self._due[0][0] <= now and len(self._running) < _AT_ONCE:
            _due, row = heapq.heappop(self._due)
            task = asyncio.create_task(self._run(row))
            self._running.add(task)
            task.add_done_callback(self._ran)
        self._schedule()

    def _ran(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("an asynchronous invocation was left for the next start", exc_info=error)
        self._schedule()

    async def _run(self, row: int) -> None:
        event = await self._state.read(lambda tx: _load(tx, row))
        if event is None:
            return
        try:
            outcome = await self._invoke(event)
        except ResourceNotFoundException:
            _LOG.warning("event %s dropped: its function is gone", event.request_id)
            await self._forget(event)
        except ServiceError as error:
            await self._again(event, throttled_by=error)
        else:
            if outcome.function_error is None:
                await self._forget(event)
            else:
                await self._again(event)

    async def _again(self, event: QueuedInvocation, throttled_by: ServiceError | None = None) -> None:
        now = int(time.time() * 1000)
        if throttled_by is None:
            delay = self._retry_delay_ms * 2**event.attempt
            event = replace(event, attempt=event.attempt + 1, due_ms=now + delay)
        else:
            delay = min(_FIRST_BACKOFF_MS * 2**event.throttled, _LONGEST_BACKOFF_MS)
            event = replace(event, throttled=min(event.throttled + 1, 16), due_ms=now + delay)
        if event.attempt >= MAX_ATTEMPTS or now - event.accepted_ms > _MAX_AGE_MS:
            _LOG.warning("event %s dropped after %d attempts", event.request_id, event.attempt)
            await self._forget(event)
            return
        await self._state.write(
            lambda tx: tx.run(
                "postpone_invocation",
                id=event.id,
                due_ms=event.due_ms,
                attempt=event.attempt,
                throttled=event.throttled,
            )
        )
        heapq.heappush(self._due, (event.due_ms, event.id))

    async def _forget(self, event: QueuedInvocation) -> None:
        await self._state.write(lambda tx: tx.run("forget_invocation", id=event.id))


def _insert(tx: Transaction, event: QueuedInvocation) -> int:
    row = tx.one(
        "accept_invocation",
        account_id=event.address.account_id,
        region=event.address.region,
        function_name=event.address.function_name,
        qualifier=event.address.qualifier,
        request_id=event.request_id,
        payload=event.payload,
        client_context=event.client_context,
        trace_id=event.trace_id,
        accepted_ms=event.accepted_ms,
        due_ms=event.due_ms,
    )
    assert row is not None
    return int(row["id"])


def _load(tx: Reader, row_id: int) -> QueuedInvocation | None:
    row: Any = tx.one("invocation", id=row_id)
    if row is None:
        return None
    address = Address(row["account_id"], row["region"], row["function_name"], row["qualifier"])
    return QueuedInvocation(
        id=row["id"],
        address=address,
        request_id=row["request_id"],
        payload=bytes(row["payload"]),
        client_context=row["client_context"],
        trace_id=row["trace_id"],
        accepted_ms=row["accepted_ms"],
        due_ms=row["due_ms"],
        attempt=row["attempt"],
        throttled=row["throttled"],
    )
