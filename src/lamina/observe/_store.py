"""The log store: groups of streams of events, on disk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from lamina.observe._events import EventPage, LogEvent, PageBuilder, Position, Selection
from lamina.observe._limits import LogLimits
from lamina.observe._names import file_name, plain_name
from lamina.observe._segments import DISORDER_MS, last_event, read_header, read_segment, segments_of
from lamina.observe._stream import LogStream
from lamina.observe._writer import GROUP_FACTS, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFacts:
    """A group as it is listed: when it was made in milliseconds, and its size in bytes."""

    name: str
    created: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """A stream as it is listed; times in milliseconds, those of events None when it has none."""

    name: str
    created: int
    first: int | None
    last: int | None
    ingested: int | None
    size: int


class LogStore:
    """All logs of a node, under ``root/<account>/<region>/<group>/<stream>``.

    Writing is quick and never waits for the disk; all reading blocks, sees everything written before it, and may be
    done from any thread. A crash of the process loses what was written in the last tenth of a second.
    """

    def __init__(self, root: Path, *, limits: LogLimits | None = None) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = root
        self._writer = Writer(limits or LogLimits())

    def open(self, account_id: str, region: str, group: str, stream_name: str) -> LogStream:
        """A stream to write to. Group and stream come into being with the first event."""
        folder = self._group(account_id, region, group)
        return LogStream(self._writer, folder, folder / file_name(stream_name), group, stream_name)

    def flush(self) -> None:
        """Write all that waits to the files."""
        self._writer.flush()

    def close(self) -> None:
        """Write all that waits and end the writing thread."""
        self._writer.close()

    def groups(self, account_id: str, region: str) -> list[str]:
        """The names of all groups, sorted."""
        self.flush()
        folders = _folders(self._region(account_id, region))
        return sorted(plain_name(folder.name) or str(_group_facts(folder).get("name", "")) for folder in folders)

    def has_group(self, account_id: str, region: str, group: str) -> bool:
        """Whether the group exists."""
        self.flush()
        return self._group(account_id, region, group).is_dir()

    def group_facts(self, account_id: str, region: str, group: str) -> GroupFacts:
        """When the group was made and how large it is."""
        self.flush()
        folder = self._group(account_id, region, group)
        size = sum(_size(segment) for stream in _folders(folder) for segment in segments_of(stream))
        return GroupFacts(name=group, created=int(_group_facts(folder).get("created", 0)), size=size)

    def delete_group(self, account_id: str, region: str, group: str) -> None:
        """Remove the group with all its streams."""
        self._writer.delete(self._group(account_id, region, group))

    def streams(self, account_id: str, region: str, group: str) -> list[str]:
        """The names of the group's streams, sorted; none when there is no such group."""
        self.flush()
        return sorted(name for name, _ in self._streams(account_id, region, group))

    def stream_facts(self, account_id: str, region: str, group: str, stream: str) -> StreamFacts:
        """What there is to know about a stream."""
        self.flush()
        segments = segments_of(self._group(account_id, region, group) / file_name(stream))
        first = next((event for segment in segments for event in read_segment(segment, stream, 0)), None)
        found = (last_event(segment, stream) for segment in reversed(segments))
        last = next((event for event in found if event is not None), None)
        return StreamFacts(
            name=stream,
            created=int(read_header(segments[0]).get("created", 0)) if segments else 0,
            first=first and first.timestamp,
            last=last and last.timestamp,
            ingested=last and last.ingested,
            size=sum(map(_size, segments)),
        )

    def events(
        self,
        account_id: str,
        region: str,
        group: str,
        stream: str | Collection[str] | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        after: str | None = None,
        before: str | None = None,
        matches: Callable[[str], bool] | None = None,
        limit: int = 10_000,
        most_bytes: int = 1_048_576,
        newest: bool = False,
    ) -> EventPage:
        """A page of the oldest events that are wanted, or of the ``newest``, in time order.

        ``stream`` is one name, several, or None for all. ``start_ms`` is included, ``end_ms`` is not. ``after`` and
        ``before`` are ``str(event.position)`` of an event: with the last one's as ``after`` the next call goes on
        where the page ended, now or later. A page has at most ``limit`` events and about ``most_bytes`` of messages.
        Raises ``ValueError`` for a position that is none.
        """
        wanted = Selection(
            start=start_ms,
            end=end_ms,
            after=Position.parse(after) if after else None,
            before=Position.parse(before) if before else None,
            matches=matches,
        )
        self.flush()
        page = PageBuilder(limit, most_bytes, newest=newest)
        names = {stream} if isinstance(stream, str) else stream
        for name, folder in self._streams(account_id, region, group):
            if names is None or name in names:
                _read_stream(name, folder, wanted, page, newest=newest)
        return page.build()

    def _streams(self, account_id: str, region: str, group: str) -> Iterator[tuple[str, Path]]:
        for folder in _folders(self._group(account_id, region, group)):
            segments = segments_of(folder)
            if segments:
                yield plain_name(folder.name) or str(read_header(segments[-1]).get("stream", "")), folder

    def _region(self, account_id: str, region: str) -> Path:
        return self._root / file_name(account_id) / file_name(region)

    def _group(self, account_id: str, region: str, group: str) -> Path:
        return self._region(account_id, region) / file_name(group)


def _read_stream(name: str, folder: Path, wanted: Selection, page: PageBuilder, *, newest: bool) -> None:
    segments = segments_of(folder)
    for segment in reversed(segments) if newest else segments:
        last_ms = _modified_ms(segment) + DISORDER_MS
        if last_ms < wanted.earliest:
            continue
        if newest and page.bound is not None and last_ms < page.bound.timestamp:
            return
        if not _read_into(page, read_segment(segment, name, wanted.earliest), wanted, newest=newest):
            return


def _read_into(page: PageBuilder, events: Iterator[LogEvent], wanted: Selection, *, newest: bool) -> bool:
    """Give the page what is wanted; false when the page is full and all that follows is later than its last event."""
    for event in events:
        if wanted.has(event):
            page.add(event)
        if not newest and page.bound is not None and event.timestamp > page.bound.timestamp + DISORDER_MS:
            return False
        if wanted.end is not None and not newest and event.timestamp > wanted.end + DISORDER_MS:
            return False
    return True


def _folders(parent: Path) -> list[Path]:
    try:
        return [path for path in parent.iterdir() if path.is_dir()]
    except FileNotFoundError:
        return []


def _group_facts(folder: Path) -> dict[str, Any]:
    try:
        facts = orjson.loads((folder / GROUP_FACTS).read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _size(segment: Path) -> int:
    try:
        return segment.stat().st_size
    except FileNotFoundError:
        return 0


def _modified_ms(segment: Path) -> int:
    try:
        return segment.stat().st_mtime_ns // 1_000_000
    except FileNotFoundError:
        return 0
