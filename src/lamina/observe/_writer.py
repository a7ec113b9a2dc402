"""The thread that writes events to disk, many at once."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import defaultdict
from pathlib import Path

import orjson

from lamina.observe._budget import Budget
from lamina.observe._limits import LogLimits
from lamina.observe._pending import Pending
from lamina.observe._segments import append, begin_segment, encode
from lamina.observe._stream import LogStream

_log = logging.getLogger(__name__)

GROUP_FACTS = "~group.json"  # no name of a stream is encoded with a tilde in front


class Writer:
    """Takes events from any thread and appends them to their streams from one thread at a time."""

    def __init__(self, limits: LogLimits) -> None:
        self._limits = limits
        self._pending = Pending(limits.pending)
        self._budget = Budget(limits)
        self._failing = False
        self._closed = threading.Event()
        self._writing = threading.RLock()
        self.add = self._pending.add
        self._thread = threading.Thread(target=self._run, name="lamina-logs", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Write all that was added before; it is in the files then, not necessarily on the disk."""
        with self._writing:
            events, dropped = self._pending.take()
            lines: dict[LogStream, bytearray] = defaultdict(bytearray)
            for stream, count in dropped.items():
                lines[stream] += self._notice(count)
            for stream, timestamp, arrival, message in events:
                lines[stream] += encode(timestamp, arrival, message, self._limits.message)
            for stream, batch in lines.items():
                self._write(stream, batch, dropped[stream])

    def delete(self, group: Path) -> None:
        """Remove a group with all its streams; one that is written to afterwards begins anew."""
        with self._writing:
            self.flush()
            self._budget.forget(group)
            if group.exists():
                shutil.rmtree(group)

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._closed.set()
        self._pending.filled.set()
        self._thread.join()
        self.flush()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._pending.filled.wait()
            self._closed.wait(self._limits.delay_seconds)
            self.flush()

    def _notice(self, count: int) -> bytes:
        text = f"[lamina] {count} log events were dropped here: they came faster than the disk could take them.\n"
        return encode(time.time_ns() // 1_000_000, self._pending.number(), text, self._limits.message)

    def _write(self, stream: LogStream, batch: bytearray, dropped: int) -> None:
        try:
            self._append(stream, batch)
            self._failing = False
        except OSError as error:
            stream.segment = None
            self._pending.lose(stream, batch.count(b"\n") - (dropped > 0) + dropped)
            if not self._failing:
                _log.error("cannot write logs to %s: %s", stream.folder, error)
            self._failing = True

    def _append(self, stream: LogStream, lines: bytearray) -> None:
        if stream.segment is not None:
            try:
                self._extend(stream, stream.segment, lines)
            except FileNotFoundError:
                stream.segment = None  # its group was deleted, or it was dropped
            else:
                return
        segment = self._begin(stream)
        self._extend(stream, segment, lines)
        self._budget.spend(stream.group, 0, new_segment_in=stream.folder)

    def _extend(self, stream: LogStream, segment: Path, lines: bytearray) -> None:
        size = append(segment, lines)
        stream.segment = segment if size < self._limits.segment else None
        self._budget.spend(stream.group, len(lines), new_segment_in=None)

    def _begin(self, stream: LogStream) -> Path:
        number = self._pending.number()
        now_ms = number // 1_000_000
        if not stream.group.is_dir():
            stream.group.mkdir(mode=0o700, parents=True)
            (stream.group / GROUP_FACTS).write_bytes(orjson.dumps({"name": stream.group_name, "created": now_ms}))
        stream.folder.mkdir(mode=0o700, exist_ok=True)
        return begin_segment(stream.folder, number, stream.name, now_ms)
