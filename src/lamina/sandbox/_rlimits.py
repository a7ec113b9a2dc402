"""Resource limits of the program: file descriptors, processes, no core files."""

from __future__ import annotations

import resource

MEMLOCK_BYTES = 65_536


def apply(*, open_files: int, processes: int, data_bytes: int | None = None) -> None:
    """Set soft and hard limits; ``data_bytes`` bounds private memory where there is no cgroup to do it."""
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, open_files)
    _limit(resource.RLIMIT_NPROC, processes)
    _limit(resource.RLIMIT_MEMLOCK, MEMLOCK_BYTES)
    if data_bytes is not None:
        _limit(resource.RLIMIT_DATA, data_bytes)


def _limit(kind: int, value: int) -> None:
    """Limit ``kind`` to ``value``, or to what the caller has when that is less."""
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
