"""The memory controller in its two versions."""

from __future__ import annotations

import os


class MemoryV1:
    """Limit with swap where the kernel counts it; an eventfd tells of the first victim."""

    def __init__(self, directory: str) -> None:
        """``directory`` is the sandbox's group in the memory hierarchy."""
        self._limits = [f"{directory}/memory.limit_in_bytes", f"{directory}/memory.memsw.limit_in_bytes"]
        self._limits = [path for path in self._limits if os.path.exists(path)]
        self._control = f"{directory}/memory.oom_control"
        self._events = f"{directory}/cgroup.event_control"
        self._peak = f"{directory}/memory.max_usage_in_bytes"

    def limit(self, size: int) -> None:
        """Set the limit in bytes. The limit with swap may never be the lower one: that decides the order."""
        with open(self._limits[0], "rb") as file:
            now = int(file.read())
        for path in self._limits if size <= now else reversed(self._limits):
            _write(path, size)

    def watch(self) -> int:
        """A descriptor that gets readable when memory has run out."""
        event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        control = os.open(self._control, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _write(self._events, f"{event} {control}")
        finally:
            os.close(control)
        return event

    def victims(self) -> int:
        """How many processes were killed for want of memory."""
        return _count(self._control, "oom_kill")

    def peak(self) -> int:
        """A descriptor that reads the highest usage so far in bytes."""
        return os.open(self._peak, os.O_RDONLY | os.O_CLOEXEC)


class MemoryV2:
    """``memory.oom.group`` makes the kernel kill the whole sandbox when one process is to die."""

    def __init__(self, directory: str) -> None:
        """``directory`` is the sandbox's group; swap is not memory, so it gets none."""
        self._limit = f"{directory}/memory.max"
        self._events = f"{directory}/memory.events"
        self._peaks = [f"{directory}/memory.peak", f"{directory}/memory.current"]
        _write(f"{directory}/memory.oom.group", 1)
        if os.path.exists(f"{directory}/memory.swap.max"):
            _write(f"{directory}/memory.swap.max", 0)

    def limit(self, size: int) -> None:
        """Set the limit in bytes."""
        _write(self._limit, size)

    def watch(self) -> None:
        """Nothing to watch: the kernel kills all."""

    def victims(self) -> int:
        """How many processes were killed for want of memory."""
        return _count(self._events, "oom_kill")

    def peak(self) -> int:
        """A descriptor that reads the highest usage so far in bytes (before Linux 5.19 the present one)."""
        path = next(path for path in self._peaks if os.path.exists(path))
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _count(path: str, name: str) -> int:
    with open(path, encoding="utf-8") as file:
        return next((int(line.split()[1]) for line in file if line.split()[0] == name), 0)


def _write(path: str, value: int | str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)
