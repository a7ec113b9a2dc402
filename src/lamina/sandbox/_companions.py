"""Programs beside the program of a sandbox: the executables of one directory of its tree, started before it.

They have their own environment and output. The sandbox lives on until the last of them has ended too, or is killed.
"""

from __future__ import annotations

import os
import select
import signal
import socket

from lamina.sandbox import _messages
from lamina.sandbox._program import Program
from lamina.sandbox._steps import StepFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.sandbox._messages import Message
    from lamina.sandbox._program import Fit

ENOENT = 2
ROOT = "/"
PROGRAM = ""


def executables(directory: str) -> list[str]:
    """The files of ``directory`` by name; none when it is not there."""
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except OSError:
        return []


class Company:
    """The companions of one sandbox, as its first process knows them."""

    def __init__(self, channel: socket.socket) -> None:
        """Nobody at first; news goes to ``channel``."""
        self._channel = channel
        self._running: dict[int, str] = {}
        self.names: list[str] = []
        self.refused: dict[str, list[object]] = {}

    def start(self, order: Message, fit: Fit, output: int | None, space: int | None) -> None:
        """Start what the directory that ``order`` names has. Who cannot be started is noted in ``refused``."""
        if output is None:
            return
        wanted = order["companions"]
        for name in executables(wanted["directory"]):
            self.names.append(name)
            path = f"{wanted['directory']}/{name}"
            words = {"argv": [path], "environment": wanted["environment"], "working_directory": ROOT}
            control = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
            try:
                program = Program(words | {"limits": order["limits"]}, fit, output=output, control=control, space=space)
                self._running[program.start()] = name
            except StepFailed as error:
                self.refused[name] = [error.step, path, error.errno]
            finally:
                os.close(control)
        os.close(output)

    def attend(self, start_program: Callable[[], int], obey: Callable[[Message], bool]) -> None:
        """Start the program when the launcher says so; reap and report until nobody is left, or ``obey`` says to stop.

        Raises ``StepFailed`` when the program cannot be started.
        """
        wakeup, notify = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(notify)
        poll = select.poll()
        for descriptor in (wakeup, self._channel.fileno()):
            poll.register(descriptor, select.POLLIN)
        begun = False
        while self._reap() or not begun:
            if all(descriptor != self._channel.fileno() for descriptor, _ in poll.poll()):
                os.read(wakeup, 64)
                continue
            message, _ = _messages.receive(self._channel)
            if "run" in message:
                begun = True
                pid = start_program()
                self._running[pid] = PROGRAM
                _messages.send(self._channel, {"running": pid})
            elif not obey(message):
                return

    def _reap(self) -> bool:
        """Tell of all that have ended; whether any of ours runs still."""
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return bool(self._running)
            if not ended:
                return bool(self._running)
            name = self._running.pop(ended, None)
            if name is not None:
                _messages.send(self._channel, {"ended": name, "code": status})
