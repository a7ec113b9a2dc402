"""Memory of the machine running short: the environments that were used the longest ago make room."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TypeVar

_MEMINFO = Path("/proc/meminfo")
_AVAILABLE = b"MemAvailable:"


class Idle(Protocol):
    """What is known of an environment that nobody uses."""

    idle_since: float

    @property
    def memory_bytes(self) -> int:
        """The most memory that it has used."""


_T = TypeVar("_T", bound=Idle)


def available_bytes(meminfo: Path = _MEMINFO) -> int | None:
    """What the kernel could give to programs without swapping; None where it does not tell."""
    try:
        for line in meminfo.read_bytes().splitlines():
            if line.startswith(_AVAILABLE):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def spared(idle: Iterable[_T], lacking: int) -> list[_T]:
    """Those to be ended so that ``lacking`` bytes become free, the least recently used first; more there may not be."""
    chosen: list[_T] = []
    for each in sorted(idle, key=lambda each: each.idle_since):
        if lacking <= 0:
            break
        chosen.append(each)
        lacking -= each.memory_bytes
    return chosen
