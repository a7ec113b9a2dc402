"""A template: one prepared interpreter from which sandboxes of a runtime are forked instead of executed.

It waits in a copy of the blank root that has the interpreter and the bootstrap mounted, as root, without network, and
has seen no function: its children give up everything before they do. A child is the launcher's own (CLONE_PARENT) and
talks like any other first process of a sandbox. Children are made ahead and put into their control groups then, so
that the 12 ms of joining one are on nobody's way.
"""

from __future__ import annotations

import os
import signal

from lamina.sandbox import _init, _messages, _mounts, _syscalls
from lamina.sandbox._steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import NoReturn

    from lamina.sandbox._messages import Message
    from lamina.sandbox._program import Fit
    from lamina.sandbox._root import Root

LIBRARY = "/run/lamina"
SOCKET = 3
KEPT = ("/var/lang", "/var/runtime")
BOOTSTRAP = "/var/runtime/bootstrap.py"
PATIENCE_SECONDS = 5.0
ECHILD = 10


def forkable(order: Message) -> bool:
    """Whether the program of ``order`` is our Python bootstrap, waiting for a function that it does not know."""
    environment = order["environment"]
    return bool(order["template"]) and order["argv"][-1] == BOOTSTRAP and environment.get("LAMINA_GENERIC") == "1"


class Template:
    """The launcher's end of one template process."""

    def __init__(self, root: Root, order: Message) -> None:
        """Start the process; it says ``ready`` on ``channel`` when the bootstrap is imported."""
        self.ready = False
        self._binds = [bind for bind in order["binds"] if bind[1].startswith(KEPT)]
        self.channel, theirs = _messages.pair()
        mounts = self._open(root)
        with theirs:
            pid = root.clone(0)
            if pid == 0:
                _become(theirs, mounts, order)
        for descriptor, _ in mounts:
            os.close(descriptor)
        self.pid = pid
        self.channel.settimeout(PATIENCE_SECONDS)

    def binds_of(self, order: Message) -> list[tuple[str, str, bool]]:
        """The binds of ``order`` that the template does not have already."""
        return [bind for bind in order["binds"] if bind not in self._binds]

    def fork(self, channel: socket.socket, fit: Fit, furniture: list[tuple[int, str]]) -> int:
        """Make the first process of a sandbox as a child of the template; its process id."""
        descriptors = [channel.fileno(), *(descriptor for descriptor, _ in furniture)]
        message = {"fit": fit.packed(), "targets": [target for _, target in furniture]}
        with Step("fork the template"):
            _messages.send(self.channel, message, descriptors)
            try:
                answer, _ = _messages.receive(self.channel)
            except _messages.Closed:
                raise OSError(ECHILD, "the template has ended") from None
        return int(answer["pid"])

    def close(self) -> None:
        """End the process; its children go on."""
        self.channel.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def _open(self, root: Root) -> list[tuple[int, str]]:
        mounts = [(os.path.dirname(os.path.abspath(__file__)), LIBRARY), *((bind[0], bind[1]) for bind in self._binds)]
        opened = []
        for source, target in mounts:
            with Step(f"bind {source}"):
                root.ensure(target, directory=os.path.isdir(source))
                opened.append((_mounts.detached(source), target))
        return opened


def _become(channel: socket.socket, mounts: list[tuple[int, str]], order: Message) -> NoReturn:
    try:
        _init.settle(channel, [descriptor for descriptor, _ in mounts])
        for descriptor, target in mounts:
            _mounts.attach(descriptor, target)
        os.dup2(channel.fileno(), SOCKET)
        _syscalls.close_from(SOCKET + 1)
        interpreter, *options = order["argv"][:-1]
        os.execve(interpreter, [interpreter, *options, f"{LIBRARY}/_launch.py", "template"], order["environment"])  # noqa: S606
    finally:
        os._exit(127)
