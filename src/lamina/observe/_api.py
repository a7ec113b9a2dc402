"""The read side of CloudWatch Logs (API reference, 2014-03-28), with botocore's member names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from lamina.errors import InvalidParameterException, ResourceNotFoundException
from lamina.functions import Call
from lamina.observe._events import EventPage, LogEvent
from lamina.observe._params import Params, flag, group_name, number, text, texts
from lamina.observe._patterns import compile_pattern
from lamina.observe._store import LogStore, StreamFacts

Handler = Callable[[Call, Params], Awaitable[dict[str, Any]]]
Reading = Callable[[Call, Params], dict[str, Any]]
T = TypeVar("T")

_PAGE = 50
_MOST_EVENTS = 10_000
_START = "0-0"


class LogsApi:
    """Answers the operations that show logs. Groups and streams are made by the functions that write to them."""

    def __init__(self, store: LogStore) -> None:
        self._store = store

    def operations(self) -> dict[str, Handler]:
        """The handler of each operation; each reads the disk in a worker thread."""
        readings: dict[str, Reading] = {
            "DescribeLogGroups": self._describe_log_groups,
            "DescribeLogStreams": self._describe_log_streams,
            "GetLogEvents": self._get_log_events,
            "FilterLogEvents": self._filter_log_events,
            "DeleteLogGroup": self._delete_log_group,
        }
        return {name: _in_thread(reading) for name, reading in readings.items()}

    def _describe_log_groups(self, call: Call, params: Params) -> dict[str, Any]:
        prefix = text(params, "logGroupNamePrefix")
        pattern = text(params, "logGroupNamePattern", may_be_empty=True) or ""
        if prefix and pattern:
            raise InvalidParameterException("LogGroup name prefix and LogGroup name pattern are mutually exclusive.")
        names = [
            name
            for name in self._store.groups(call.account_id, call.region)
            if name.startswith(prefix or "") and pattern.lower() in name.lower()
        ]
        page, token = _paged(names, params)
        return {"logGroups": [self._group_members(call, name) for name in page]} | token

    def _group_members(self, call: Call, name: str) -> dict[str, Any]:
        facts = self._store.group_facts(call.account_id, call.region, name)
        arn = f"arn:aws:logs:{call.region}:{call.account_id}:log-group:{name}"
        return {
            "logGroupName": name,
            "creationTime": facts.created,
            "metricFilterCount": 0,
            "arn": f"{arn}:*",
            "storedBytes": facts.size,
            "logGroupClass": "STANDARD",
            "logGroupArn": arn,
        }

    def _describe_log_streams(self, call: Call, params: Params) -> dict[str, Any]:
        group = self._existing_group(call, params)
        prefix = text(params, "logStreamNamePrefix")
        by_time = params.get("orderBy") == "LastEventTime"
        if params.get("orderBy") not in (None, "LogStreamName", "LastEventTime"):
            raise InvalidParameterException("orderBy is neither LogStreamName nor LastEventTime.")
        if by_time and prefix:
            raise InvalidParameterException("Cannot order by LastEventTime with a logStreamNamePrefix.")
        names = [
            name for name in self._store.streams(call.account_id, call.region, group) if name.startswith(prefix or "")
        ]
        facts = partial(self._store.stream_facts, call.account_id, call.region, group)
        if by_time:
            names.sort(key=lambda name: facts(name).last or 0)
        if flag(params, "descending"):
            names.reverse()
        page, token = _paged(names, params)
        return {"logStreams": [_stream_members(call, group, facts(name)) for name in page]} | token

    def _get_log_events(self, call: Call, params: Params) -> dict[str, Any]:
        group = self._existing_group(call, params)
        stream = self._existing_stream(call, group, params)
        direction, position = _direction(text(params, "nextToken"))
        page = self._read(
            call,
            group,
            stream,
            start_ms=number(params, "startTime", 0),
            end_ms=number(params, "endTime", 0),
            after=position if direction == "f" else None,
            before=position if direction == "b" else None,
            newest=direction == "b" or (direction == "" and not flag(params, "startFromHead")),
            limit=number(params, "limit", 1, _MOST_EVENTS) or _MOST_EVENTS,
        )
        first, last = _ends(page.events, position)
        return {
            "events": [_event_members(event) for event in page.events],
            "nextForwardToken": f"f/{last}",
            "nextBackwardToken": f"b/{first}",
        }

    def _filter_log_events(self, call: Call, params: Params) -> dict[str, Any]:
        group = self._existing_group(call, params)
        end = number(params, "endTime", 0)
        page = self._read(
            call,
            group,
            self._chosen_streams(call, group, params),
            start_ms=number(params, "startTime", 0),
            end_ms=None if end is None else end + 1,  # unlike GetLogEvents, an event at endTime is returned
            after=text(params, "nextToken"),
            matches=compile_pattern(text(params, "filterPattern", may_be_empty=True) or ""),
            limit=number(params, "limit", 1, _MOST_EVENTS) or _MOST_EVENTS,
        )
        events = [_event_members(event) | {"logStreamName": event.stream, "eventId": event.id} for event in page.events]
        token = {"nextToken": str(page.events[-1].position)} if page.more else {}
        return {"events": events, "searchedLogStreams": []} | token

    def _delete_log_group(self, call: Call, params: Params) -> dict[str, Any]:
        group = self._existing_group(call, params)
        self._store.delete_group(call.account_id, call.region, group)
        return {}

    def _existing_group(self, call: Call, params: Params) -> str:
        group = group_name(params)
        if not group or not self._store.has_group(call.account_id, call.region, group):
            raise ResourceNotFoundException("The specified log group does not exist.")
        return group

    def _existing_stream(self, call: Call, group: str, params: Params) -> str:
        stream = text(params, "logStreamName")
        if stream is None:
            raise InvalidParameterException("logStreamName must be given.")
        if stream not in self._store.streams(call.account_id, call.region, group):
            raise ResourceNotFoundException("The specified log stream does not exist.")
        return stream

    def _chosen_streams(self, call: Call, group: str, params: Params) -> list[str] | None:
        names, prefix = texts(params, "logStreamNames"), text(params, "logStreamNamePrefix")
        if names is not None and prefix is not None:
            raise InvalidParameterException("logStreamNames and logStreamNamePrefix cannot be given together.")
        if names is None and prefix is None:
            return None
        existing = self._store.streams(call.account_id, call.region, group)
        if names is not None and not set(names) <= set(existing):
            raise ResourceNotFoundException("The specified log stream does not exist.")
        return names if prefix is None else [name for name in existing if name.startswith(prefix)]

    def _read(self, call: Call, group: str, stream: str | list[str] | None, **wanted: Any) -> EventPage:
        try:
            return self._store.events(call.account_id, call.region, group, stream, **wanted)
        except ValueError:
            raise InvalidParameterException("The specified nextToken is invalid.") from None


def _in_thread(reading: Reading) -> Handler:
    async def handle(call: Call, params: Params) -> dict[str, Any]:
        return await asyncio.to_thread(reading, call, params)

    return handle


def _paged(items: Sequence[T], params: Params) -> tuple[Sequence[T], dict[str, str]]:
    """The page that ``nextToken`` and ``limit`` ask for, and the member that leads to the next."""
    token = text(params, "nextToken") or "0"
    if not token.isdecimal():
        raise InvalidParameterException("The specified nextToken is invalid.")
    start = int(token)
    end = start + (number(params, "limit", 1, _PAGE) or _PAGE)
    return items[start:end], {"nextToken": str(end)} if end < len(items) else {}


def _direction(token: str | None) -> tuple[str, str | None]:
    if token is None:
        return "", None
    direction, slash, position = token.partition("/")
    if direction not in ("f", "b") or not slash or not position:
        raise InvalidParameterException("The specified nextToken is invalid.")
    return direction, position


def _ends(events: tuple[LogEvent, ...], position: str | None) -> tuple[str, str]:
    """The positions of the first and last event; those of the token when nothing was found: the reader is at an end."""
    if not events:
        return position or _START, position or _START
    return str(events[0].position), str(events[-1].position)


def _event_members(event: LogEvent) -> dict[str, Any]:
    return {"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingested}


def _stream_members(call: Call, group: str, facts: StreamFacts) -> dict[str, Any]:
    members = {
        "logStreamName": facts.name,
        "creationTime": facts.created,
        "firstEventTimestamp": facts.first,
        "lastEventTimestamp": facts.last,
        "lastIngestionTime": facts.ingested,
        "arn": f"arn:aws:logs:{call.region}:{call.account_id}:log-group:{group}:log-stream:{facts.name}",
        "storedBytes": 0,  # as on AWS since 2019
    }
    return {name: value for name, value in members.items() if value is not None}
