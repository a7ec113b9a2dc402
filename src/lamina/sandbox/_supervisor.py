"""The first process of a plain sandbox (level E): its program's parent, and heir of all orphans below."""

from __future__ import annotations

import os
import signal

from lamina.sandbox import _init, _messages, _network, _syscalls, _watch
from lamina.sandbox._companions import Company
from lamina.sandbox._program import Program
from lamina.sandbox._reap import reap
from lamina.sandbox._steps import StepFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import NoReturn

    from lamina.sandbox._messages import Message
    from lamina.sandbox._program import Fit

PR_SET_CHILD_SUBREAPER = 36


def run(channel: socket.socket, fit: Fit, listeners: list[socket.socket], tmp: str) -> NoReturn:
    """Watch over the sandbox until its program has ended or is to end; then kill what is left of it."""
    try:
        _live(channel, fit, listeners, tmp)
    except (StepFailed, OSError) as error:
        _messages.send(channel, {"failed": str(error), "blamed": getattr(error, "blamed", None)})
    except _messages.Closed:
        pass
    finally:
        _kill_all()
        os._exit(0)


def _live(channel: socket.socket, fit: Fit, listeners: list[socket.socket], tmp: str) -> None:
    _init.settle(channel, [listener.fileno() for listener in listeners])
    # When the launcher dies the channel tells, and there is more to kill than this process.
    _syscalls.prctl(_syscalls.PR_SET_PDEATHSIG, 0)
    _syscalls.prctl(PR_SET_CHILD_SUBREAPER, 1)
    order, (output, control, *beside) = _messages.receive(channel)
    _init.reach(listeners, order["network"])
    for environment in (order["environment"], order["companions"].get("environment", {})):
        environment.setdefault("TMPDIR", tmp)
    program = Program(order, fit, output=output, control=control)
    company = Company(channel)
    company.start(order, fit, beside[0] if beside else None, None)

    def start_program() -> int:
        pid = program.start()
        for descriptor in (output, control):
            os.close(descriptor)
        return pid

    pid = None if company.names else start_program()
    _init.hand_over(channel, _network.name(listeners[0].getsockname()), listeners, [], pid, company)
    if pid is None:
        company.attend(start_program, _obey)
        _kill_all()
        return
    status = reap(channel, pid, _obey)
    if status is not None:
        _kill_all()
        _messages.send(channel, {"exited": status})


def _obey(message: Message) -> bool:
    """Stop or continue everybody; false when the program is to be killed."""
    if "kill" in message:
        return False
    _signal_all(signal.SIGSTOP if message["freeze"] else signal.SIGCONT)
    return True


def _kill_all() -> None:
    """Kill until nobody is left: a dying process's children become this one's."""
    while _signal_all(signal.SIGKILL):
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _signal_all(number: int) -> bool:
    below = _watch.descendants(os.getpid())
    for pid in below:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
    return bool(below)
