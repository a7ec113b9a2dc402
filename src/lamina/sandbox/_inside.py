"""What the launcher does to a running sandbox from outside: signals to its program, sockets in its network."""

from __future__ import annotations

import os
import signal

from lamina.sandbox import _network, _syscalls, _watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket


def terminate(first: int, program: int) -> None:
    """Send SIGTERM to the program with the process id ``program`` in the sandbox whose first process is ``first``."""
    for pid in _watch.descendants(first):
        if _inner(pid) != program:
            continue
        pidfd = os.pidfd_open(pid)
        try:
            # The number may be somebody else's by now, but not while the descriptor is open.
            if _inner(pid) == program:
                signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        except ProcessLookupError:
            pass
        finally:
            os.close(pidfd)
        return


def connectable(namespace: int) -> socket.socket:
    """A non-blocking TCP socket that lives in the network ``namespace``, not yet connected."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _syscalls.setns(namespace, _syscalls.CLONE_NEWNET)
        try:
            return _network.client()
        finally:
            _syscalls.setns(own, _syscalls.CLONE_NEWNET)
    finally:
        os.close(own)


def _inner(pid: int) -> int | None:
    """What the process is called in its own process namespace."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            for line in file:
                if line.startswith(b"NSpid:"):
                    return int(line.split()[-1])
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None
