"""Mounts that are passed around as file descriptors before they appear anywhere."""

from __future__ import annotations

import os

from lamina.sandbox import _syscalls

SAFE = _syscalls.MOUNT_ATTR_NOSUID | _syscalls.MOUNT_ATTR_NODEV
READ_ONLY = SAFE | _syscalls.MOUNT_ATTR_RDONLY


def detached(source: str, *, writable: bool = False) -> int:
    """A private copy of the mounts at ``source``, attached nowhere; read-only through and through by default."""
    descriptor = _syscalls.open_tree(source)
    try:
        _syscalls.mount_setattr(descriptor, SAFE if writable else READ_ONLY)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def attach(descriptor: int, target: str) -> None:
    """Let a detached mount appear at ``target``, and close its descriptor."""
    try:
        _syscalls.move_mount(descriptor, target)
    finally:
        os.close(descriptor)


def bind(source: str, target: str) -> None:
    """Let ``source`` appear read-only at ``target``."""
    attach(detached(source), target)


def memory(megabytes: int, *, mode: str = "1777") -> int:
    """A detached file system in memory; its pages count towards the memory limit of who writes them."""
    options = (("size", f"{megabytes}m"), ("mode", mode))
    return _syscalls.new_mount("tmpfs", options, SAFE)


def proc() -> None:
    """Mount the ``/proc`` of the caller's process namespace; other users' processes do not show."""
    flags = _syscalls.MS_NOSUID | _syscalls.MS_NODEV | _syscalls.MS_NOEXEC
    _syscalls.mount("proc", "/proc", "proc", flags, "hidepid=2")
