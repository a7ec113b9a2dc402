"""Runs the embedded store for as long as the server lives.

``python -I -S _supervisor.py SOCKET FOLDER LEFTOVERS COMMAND...``, LEFTOVERS being paths with colons between them.
The server never forks, and it can be killed at any time. So this small process stands between: it ends the store when
the server's end of the socket closes, however that happens, and ends itself when the store does. Should it be killed
itself, the kernel kills the store.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1
_GRACE_MS = 5000
_CANNOT_RUN = 127


def main(lifeline: int, folder: str, leftovers: list[str], command: list[str]) -> int:
    """Run ``command`` in ``folder``; its exit status as a shell gives it, or 0 if the server ended first.

    ``leftovers`` are files that it may leave behind elsewhere, to be removed after its end.
    """
    os.chdir(folder)
    os.umask(0o077)
    # The store has the lock, too: a new one waits for the end of one that has outlived its server.
    lock = os.open("lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if _wait([lifeline], 0):
        return 0
    child = _start(command, lock)
    try:
        return _watch(lifeline, child)
    finally:
        for path in leftovers:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108


def _watch(lifeline: int, child: int) -> int:
    descriptor = os.pidfd_open(child)
    if lifeline in _wait([lifeline, descriptor], None):
        os.kill(child, signal.SIGTERM)
        if not _wait([descriptor], _GRACE_MS):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return 0
    return abs(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _start(command: list[str], lock: int) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == parent:
            _redirect_output()
            os.set_inheritable(lock, True)
            os.execv(command[0], command)  # noqa: S606
    finally:
        os._exit(_CANNOT_RUN)


def _redirect_output() -> None:
    output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _wait(descriptors: list[int], milliseconds: int | None) -> list[int]:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(milliseconds)]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3].split(os.pathsep), sys.argv[4:]))
