"""Giving up privileges for good: capabilities, groups, user, and the hope of new ones."""

from __future__ import annotations

import os
import signal

from lamina.sandbox import _syscalls

EINVAL = 22


def drop(uid: int) -> None:
    """Become user and group ``uid`` without groups or capabilities; no later ``exec`` gives anything back."""
    _empty_bounding_set()
    os.setgroups([])
    become(uid)


def drop_nested(uid: int, outer_uid: int, outer_gid: int) -> None:
    """The same without root: a user namespace in which ``uid`` is the caller and in which nobody has rights."""
    _syscalls.unshare(_syscalls.CLONE_NEWUSER)
    map_user(uid=uid, gid=uid, outer_uid=outer_uid, outer_gid=outer_gid)
    _empty_bounding_set()
    become(uid)


def map_user(*, uid: int, gid: int, outer_uid: int, outer_gid: int) -> None:
    """Name the caller in its new user namespace; one line is all that an unprivileged user may write."""
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {outer_uid} 1")
    _write("/proc/self/gid_map", f"{gid} {outer_gid} 1")


def become(uid: int) -> None:
    """Switch user and group to ``uid`` and give up all capabilities and the way to new ones."""
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _syscalls.clear_capabilities()
    _syscalls.prctl(_syscalls.PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent() -> None:
    """Be killed when the parent ends. A change of user clears this: call it again afterwards."""
    _syscalls.prctl(_syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)


def _empty_bounding_set() -> None:
    capability = 0
    while True:
        try:
            _syscalls.prctl(_syscalls.PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == EINVAL:
                return
            raise
        capability += 1


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
