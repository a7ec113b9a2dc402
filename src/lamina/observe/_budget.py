"""Keeping groups within their bounds by dropping what is oldest."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lamina.observe._limits import LogLimits
from lamina.observe._segments import segments_of


class _Segment(NamedTuple):
    modified: float
    size: int
    path: Path


class Budget:
    """Knows how large each group is that was written to. Used by one thread at a time."""

    def __init__(self, limits: LogLimits) -> None:
        self._limits = limits
        self._sizes: dict[Path, int] = {}
        self._streams: dict[Path, int] = {}

    def spend(self, group: Path, size: int, *, new_segment_in: Path | None) -> None:
        """Count what was appended, and drop the oldest when there is too much of it."""
        if group not in self._sizes:
            self._measure(group)
        else:
            self._sizes[group] += size
            self._streams[group] += new_segment_in is not None
        if new_segment_in is not None:
            self._trim_stream(new_segment_in)
        if self._sizes[group] > self._limits.group or self._streams[group] > self._limits.streams_per_group:
            self._trim_group(group)

    def forget(self, group: Path) -> None:
        """The group was deleted."""
        self._sizes.pop(group, None)
        self._streams.pop(group, None)

    def _measure(self, group: Path) -> None:
        folders = _stream_folders(group)
        self._streams[group] = len(folders)
        self._sizes[group] = sum(segment.size for folder in folders for segment in _facts(folder))

    def _trim_stream(self, folder: Path) -> None:
        segments = _facts(folder)
        surplus = sum(segment.size for segment in segments) + self._limits.segment - self._limits.stream
        for segment in segments[:-1]:
            if surplus <= 0:
                return
            segment.path.unlink(missing_ok=True)
            surplus -= segment.size

    def _trim_group(self, group: Path) -> None:
        """Drop the streams that were written to least recently, then the oldest segments, a tenth below the bounds."""
        rows = [(folder, _facts(folder)) for folder in _stream_folders(group)]
        rows.sort(key=lambda row: max((segment.modified for segment in row[1]), default=0.0))
        surplus = len(rows) - self._limits.streams_per_group * 9 // 10 if self._is_crowded(len(rows)) else 0
        for folder, _ in rows[:surplus]:
            shutil.rmtree(folder)
        segments = sorted(segment for _, row in rows[surplus:] for segment in row)
        total = sum(segment.size for segment in segments)
        for segment in segments[:-1]:
            if total <= self._limits.group * 9 // 10:
                break
            segment.path.unlink(missing_ok=True)
            total -= segment.size
            with suppress(OSError):
                segment.path.parent.rmdir()  # refused while there are other segments
        self._measure(group)

    def _is_crowded(self, streams: int) -> bool:
        return streams > self._limits.streams_per_group


def _stream_folders(group: Path) -> list[Path]:
    try:
        return [path for path in group.iterdir() if path.is_dir()]
    except FileNotFoundError:
        return []


def _facts(folder: Path) -> list[_Segment]:
    facts = []
    for path in segments_of(folder):
        with suppress(FileNotFoundError):
            status = path.stat()
            facts.append(_Segment(status.st_mtime, status.st_size, path))
    return facts
