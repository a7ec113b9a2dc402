"""What a server has of the machine: memory, descriptors, threads, processes, control groups, mounts, loop devices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

_FEW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Of the server and its launcher together. ``memory`` is resident, in KiB; the rest are numbers."""

    memory: int
    descriptors: int
    threads: int
    processes: int
    groups: int
    mounts: int
    loops: int

    @classmethod
    def of(cls, pid: int, data: Path) -> Footprint:
        """Now; ``pid`` is the server's, ``data`` its data folder."""
        family = list(_family(pid))
        own = [pid, *_children(pid)]
        return cls(
            memory=sum(_status(each, "VmRSS") for each in own),
            descriptors=sum(len(os.listdir(f"/proc/{each}/fd")) for each in own),  # noqa: PTH208
            threads=_status(pid, "Threads"),
            processes=len(family),
            groups=_groups(data),
            mounts=sum(len(Path(f"/proc/{each}/mountinfo").read_text().splitlines()) for each in own),
            loops=_loops(data),
        )

    def grown_since(self, before: Footprint) -> list[str]:
        """What there is clearly more of than before; a few come and go, such as spares that are being made."""
        pairs = [(each.name, getattr(self, each.name), getattr(before, each.name)) for each in fields(self)]
        return [f"{name} {old:,} → {new:,}" for name, new, old in pairs if new > old + max(_FEW, old // 4)]

    def __str__(self) -> str:
        return ", ".join(f"{each.name} {getattr(self, each.name):,}" for each in fields(self))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _family(child)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:  # it has ended
            continue
    return found


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _groups(data: Path) -> int:
    status = (data / "sandbox").stat()
    prefix = f"lamina-{status.st_dev:x}.{status.st_ino:x}-"
    return sum(f"/{prefix}" in top for top, _, _ in os.walk("/sys/fs/cgroup"))


def _loops(data: Path) -> int:
    found = 0
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            found += str(data) in path.read_text()
        except OSError:  # it is detached now
            continue
    return found
