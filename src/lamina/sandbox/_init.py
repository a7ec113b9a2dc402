"""The first process of a sandbox: it furnishes the namespaces, starts the program, reaps, and tells how it ended.

It begins as a clone of the launcher with all rights and gives them up as soon as the program runs. When it ends, the
kernel ends everything else in the sandbox.
"""

from __future__ import annotations

import os
import signal
import socket

from lamina.sandbox import _messages, _mounts, _network, _privileges, _syscalls
from lamina.sandbox._companions import Company
from lamina.sandbox._program import Program
from lamina.sandbox._reap import reap
from lamina.sandbox._root import IMAGE, KEPT
from lamina.sandbox._steps import Step, StepFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from lamina.sandbox._messages import Message
    from lamina.sandbox._program import Fit

REAPER = 65_534
NAMESPACES = (
    _syscalls.CLONE_NEWPID
    | _syscalls.CLONE_NEWIPC
    | _syscalls.CLONE_NEWUTS
    | _syscalls.CLONE_NEWNET
    | _syscalls.CLONE_NEWCGROUP
)
HOST_NAME = "sandbox"


def run(channel: socket.socket, fit: Fit, furniture: list[tuple[int, str]]) -> NoReturn:
    """Be the first process of a sandbox. ``furniture`` are the mounts that every sandbox has."""
    try:
        _live(channel, fit, furniture)
    except (StepFailed, OSError) as error:
        _messages.send(channel, {"failed": str(error), "blamed": getattr(error, "blamed", None)})
    except _messages.Closed:
        pass
    finally:
        os._exit(0)


def _live(channel: socket.socket, fit: Fit, furniture: list[tuple[int, str]]) -> None:
    settle(channel, [descriptor for descriptor, _ in furniture])
    _furnish(furniture)
    with Step("bind 127.0.0.1:9001 and 127.0.0.1:4566"):
        _network.raise_loopback()
        listeners = [_network.listen(_network.RUNTIME_API), _network.listen(_network.GATEWAY)]
    order, descriptors = _messages.receive(channel)
    output, control, *others = descriptors
    reach(listeners, order["network"])
    beside = others.pop(0) if order["companions"] else None
    if order["address"]:
        with Step("connect to the router"):
            _network.connect(order["address"])
    space = others.pop(0) if order["foreign"] else None
    _mount(others, order["targets"])
    program = Program(order, fit, output=output, control=control, space=space)
    company = Company(channel)
    company.start(order, fit, beside, space)

    def start_program() -> int:
        pid = program.start()
        for descriptor in (output, control, *([] if space is None else [space])):
            os.close(descriptor)
        if company.names:
            _give_up_rights(fit)
            _end_if_orphaned(channel)
        return pid

    pid = None if company.names else start_program()
    namespaces = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("mnt", "net")]
    hand_over(channel, _network.name(_network.RUNTIME_API), listeners, namespaces, pid, company)
    for namespace in namespaces:
        os.close(namespace)
    if pid is None:
        company.attend(start_program, _obey)
        return
    _give_up_rights(fit)
    _end_if_orphaned(channel)
    code = _wait(pid) if fit.freezable else reap(channel, pid, _obey)
    _messages.send(channel, {"exited": code})


def reach(listeners: list[socket.socket], network: str) -> None:
    """Leave of the ``listeners`` what a sandbox with this ``network`` has: nobody listens at the others any more."""
    if network == "none":
        listeners.pop().close()


def hand_over(
    channel: socket.socket,
    address: str,
    listeners: list[socket.socket],
    namespaces: list[int],
    pid: int | None,
    company: Company,
) -> None:
    """Tell the launcher that the program runs, with the listeners, which are closed here, and the namespaces.

    Without ``pid`` it is to run as soon as the launcher says so: its companions run.
    """
    message = {
        "started": address,
        "gateway": len(listeners) > 1,
        "pid": pid,
        "companions": company.names,
        "refused": company.refused,
    }
    _messages.send(channel, message, [*(each.fileno() for each in listeners), *namespaces])
    for listener in listeners:
        listener.close()


def settle(channel: socket.socket, kept: list[int]) -> None:
    """Let go of everything that was the launcher's."""
    _privileges.die_with_parent()
    signal.set_wakeup_fd(-1)
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    limit = 3
    for descriptor in sorted({channel.fileno(), *kept}):
        os.closerange(limit, descriptor)
        limit = descriptor + 1
    _syscalls.close_from(limit)


def _mount(descriptors: list[int], targets: list[str]) -> None:
    """Attach what the order brought; a mount at ``/`` is the root of an image, and all after it are inside."""
    for descriptor, target in zip(descriptors, targets):  # noqa: B905 - strict is Python 3.10
        with Step(f"mount {target}"):
            if target == "/":
                _mounts.enter(descriptor, IMAGE, KEPT)
            else:
                _mounts.attach(descriptor, target)


def _furnish(furniture: list[tuple[int, str]]) -> None:
    for descriptor, target in furniture:
        with Step(f"mount {target}"):
            _mounts.attach(descriptor, target)
    with Step("mount /proc"):
        _mounts.proc()
    with Step("set the host name"):
        socket.sethostname(HOST_NAME)


def _give_up_rights(fit: Fit) -> None:
    """Nobody inside may touch the reaper: another user, or one from outside their user namespace."""
    with Step("drop the reaper's privileges"):
        if fit.outer is None and fit.uid is not None:
            # One that is to stop the program must be its user; nobody can trace it all the same.
            _privileges.drop(REAPER if fit.freezable else fit.uid)
        else:
            _syscalls.clear_capabilities()
            _syscalls.prctl(_syscalls.PR_SET_NO_NEW_PRIVS, 1)
        _syscalls.prctl(_syscalls.PR_SET_DUMPABLE, 0)
        _privileges.die_with_parent()


def _end_if_orphaned(channel: socket.socket) -> None:
    """The change of user has cleared the wish to die with the parent: look once whether that was missed."""
    try:
        if not channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
            raise _messages.Closed
    except BlockingIOError:
        return


def _wait(pid: int) -> int:
    """Reap whatever ends until it is the program; its wait status."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            return status


def _signal_all(number: int) -> None:
    try:
        # From the first process of a namespace, -1 is everybody else in it.
        os.kill(-1, number)
    except ProcessLookupError:
        # The program has just ended: the next round hears of it.
        return


def _obey(order: Message) -> bool:
    """Stop or continue everybody in the sandbox."""
    _signal_all(signal.SIGSTOP if order["freeze"] else signal.SIGCONT)
    return True
