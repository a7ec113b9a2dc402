"""Events in time order, in pages of bounded size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Position(NamedTuple):
    """A place in the order of events: by time, and by arrival where the time is the same."""

    timestamp: int
    arrival: int

    def __str__(self) -> str:
        return f"{self.timestamp}-{self.arrival}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position that ``str`` wrote. Raises ``ValueError``."""
        timestamp, _, arrival = text.partition("-")
        if not (timestamp.isdecimal() and arrival.isdecimal()):
            raise ValueError(f"not a position: {text!r}")
        return cls(int(timestamp), int(arrival))


class LogEvent(NamedTuple):
    """One event. ``timestamp`` is in milliseconds, ``arrival`` in nanoseconds since 1970 and unique in its store."""

    timestamp: int
    arrival: int
    stream: str
    message: str

    @property
    def position(self) -> Position:
        """Where the event stands in the order."""
        return Position(self.timestamp, self.arrival)

    @property
    def ingested(self) -> int:
        """When the event was written, in milliseconds."""
        return self.arrival // 1_000_000

    @property
    def id(self) -> str:
        """A number of 56 digits, as CloudWatch's are, that is never another event's."""
        return f"{self.timestamp:020d}{self.arrival:036d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Some events in time order, and whether there are ``more`` on the side where the page was cut."""

    events: tuple[LogEvent, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events are wanted.

    ``start`` is included and ``end`` is not, in milliseconds; neither are ``after`` and ``before``.
    """

    start: int | None = None
    end: int | None = None
    after: Position | None = None
    before: Position | None = None
    matches: Callable[[str], bool] | None = None

    @property
    def earliest(self) -> int:
        """No event before this time is wanted."""
        return max(self.start or 0, self.after.timestamp if self.after else 0)

    def has(self, event: LogEvent) -> bool:
        """Whether the event is wanted."""
        return (
            (self.start is None or event.timestamp >= self.start)
            and (self.end is None or event.timestamp < self.end)
            and (self.after is None or event.position > self.after)
            and (self.before is None or event.position < self.before)
            and (self.matches is None or self.matches(event.message))
        )


class PageBuilder:
    """Keeps the oldest or the newest of the events it is given: ``limit`` events and ``most_bytes`` of messages."""

    def __init__(self, limit: int, most_bytes: int, *, newest: bool) -> None:
        self._limit = limit
        self._most_bytes = most_bytes
        self._newest = newest
        self._events: list[LogEvent] = []
        self._bytes = 0
        self.bound: LogEvent | None = None

    def add(self, event: LogEvent) -> None:
        """Consider one event."""
        if self.bound is not None and (event < self.bound if self._newest else event > self.bound):
            return
        self._events.append(event)
        self._bytes += len(event.message)
        if len(self._events) > 2 * self._limit or self._bytes > 2 * self._most_bytes:
            self._cut()

    def build(self) -> EventPage:
        """The page."""
        self._cut()
        return EventPage(events=tuple(sorted(self._events)), more=self.bound is not None)

    def _cut(self) -> None:
        """Leave out what is beyond the limits; the first event always stays. What is beyond ``bound`` is unwanted."""
        self._events.sort(reverse=self._newest)
        kept = total = 0
        for event in self._events[: self._limit]:
            total += len(event.message)
            if kept and total > self._most_bytes:
                break
            kept += 1
        if kept < len(self._events):
            del self._events[kept:]
            self.bound = self._events[-1]
        self._bytes = sum(len(event.message) for event in self._events)
