"""A first process without a freezer: it reaps what ends, and does what the launcher says meanwhile."""

from __future__ import annotations

import os
import select
import signal
import socket

from lamina.sandbox import _messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.sandbox._messages import Message


def reap(channel: socket.socket, pid: int, obey: Callable[[Message], bool]) -> int | None:
    """The wait status of the program once it has ended; nothing as soon as ``obey`` says to stop."""
    wakeup, notify = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(notify)
    poll = select.poll()
    for descriptor in (wakeup, channel.fileno()):
        poll.register(descriptor, select.POLLIN)
    while True:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended == pid:
            return status
        if ended:
            continue
        if any(descriptor == channel.fileno() for descriptor, _ in poll.poll()):
            message, _ = _messages.receive(channel)
            if not obey(message):
                return None
        else:
            os.read(wakeup, 64)
