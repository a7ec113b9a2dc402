"""Measuring memory without control groups: by asking ``/proc`` about every process of a sandbox."""

from __future__ import annotations

import os

PAGE = os.sysconf("SC_PAGESIZE")


def descendants(pid: int) -> list[int]:
    """The processes below ``pid``, the nearest first. One that ends meanwhile may be in the list or not."""
    found = [pid]
    for parent in found:
        found += _children(parent)
    return found[1:]


def resident(pid: int) -> int:
    """Bytes of memory of the processes below ``pid``: what each has alone, and the largest shared part once."""
    alone, shared = 0, 0
    for process in descendants(pid):
        try:
            with open(f"/proc/{process}/statm", "rb") as file:
                fields = file.read().split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        common = int(fields[2])
        alone += int(fields[1]) - common
        shared = max(shared, common)
    return (alone + shared) * PAGE


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        return children
    return children
