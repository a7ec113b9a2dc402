"""Mounts that are passed around as file descriptors before they appear anywhere."""

from __future__ import annotations

import os

from lamina.sandbox import _syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

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


def layered(layers: Sequence[str], at: str) -> int:
    """A detached, read-only overlay of the directories ``layers``, at least two, the topmost first.

    It is mounted at ``at`` for a moment. The layers are named by descriptors: short names, so that hundreds of them
    fit into the page that the kernel takes, and none that the mount table of a sandbox would tell of the host.
    ``userxattr`` has the marks of a layer read from ``user.overlay.*``, which an ordinary user can write too.
    """
    descriptors: list[int] = []
    try:
        descriptors.extend(os.open(layer, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for layer in layers)
        options = "userxattr,lowerdir=" + ":".join(map(str, descriptors))
        os.chdir("/proc/self/fd")
        _syscalls.mount("image", at, "overlay", _syscalls.MS_RDONLY, options)
    finally:
        os.chdir("/")
        for descriptor in descriptors:
            os.close(descriptor)
    try:
        return detached(at)
    finally:
        _syscalls.unmount(at)


def enter(root: int, place: str, kept: Sequence[str]) -> None:
    """Make the detached mount ``root`` the root of the caller's namespace, with the mounts at ``kept`` in it.

    ``place`` is an empty directory to mount it at before that. Everything else of the former root goes.
    """
    attach(root, place)
    for target in kept:
        attach(_syscalls.open_tree(target), place + target)
    os.chdir(place)
    _syscalls.pivot_root(".", ".")
    _syscalls.unmount(".")
    os.chdir("/")


def memory(megabytes: int, *, mode: str = "1777") -> int:
    """A detached file system in memory; its pages count towards the memory limit of who writes them."""
    options = (("size", f"{megabytes}m"), ("mode", mode))
    return _syscalls.new_mount("tmpfs", options, SAFE)


def proc() -> None:
    """Mount the ``/proc`` of the caller's process namespace; other users' processes do not show."""
    flags = _syscalls.MS_NOSUID | _syscalls.MS_NODEV | _syscalls.MS_NOEXEC
    _syscalls.mount("proc", "/proc", "proc", flags, "hidepid=2")
