"""The program of a sandbox: from a privileged child to an ``exec`` without rights, in the order of the steps."""

from __future__ import annotations

import fcntl
import os
import signal

from lamina.sandbox import _privileges, _rlimits, _syscalls
from lamina.sandbox._steps import ProgramFailed, Step, StepFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from lamina.sandbox._messages import Message

ENOENT, EACCES, EINVAL = 2, 13, 22
CONTROL = 3
FAILURE = 4
SPACE = 5
EXECUTE, ENTER = OWN_FAULT = ("execute", "enter")
# What the emulator sets aside for its translations, and some for itself.
EMULATOR_BYTES = 192 << 20
# A machine short of memory ends sandboxes before the server.
OOM_SCORE = b"500"
IGNORED = (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ)


def execute(order: Message) -> None:
    """Become the program by ``exec``; one without a slash is looked for in its PATH.

    ``os.execvpe`` would import a module first, and the interpreter's library may be out of sight by now.
    """
    name, environment = order["argv"][0], order["environment"]
    paths = [name] if "/" in name else [f"{part}/{name}" for part in environment.get("PATH", "").split(":") if part]
    with Step(f"{EXECUTE} {name}"):
        closed = False
        for path in paths:
            try:
                os.execve(path, order["argv"], environment)  # noqa: S606
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError:
                closed = True
        raise OSError(EACCES if closed else ENOENT, os.strerror(EACCES if closed else ENOENT))


class Fit:
    """What is known of a sandbox before its program is: its user, its filter, who limits it."""

    def __init__(
        self,
        *,
        uid: int | None,
        outer: tuple[int, int] | None,
        seccomp: bytes,
        grouped: bool,
        freezable: bool,
        serial: int = 0,
        enter: Callable[[Message], None] = execute,
    ) -> None:
        """``uid`` is user and group of the program; with None it stays who it is.

        ``outer``: the launcher's user and group where ``uid`` is of a nested user namespace. ``grouped``: a control
        group limits memory, so that no other limit needs to. ``freezable``: and one can freeze. ``serial`` is the
        launcher's number for the sandbox. ``enter`` makes the prepared process the program, and does not return.
        """
        self.uid = uid
        self.outer = outer
        self.seccomp = seccomp
        self.grouped = grouped
        self.freezable = freezable
        self.serial = serial
        self.enter = enter

    def packed(self) -> Message:
        """What another process must know to make the same."""
        names = ("uid", "outer", "grouped", "freezable")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def unpacked(cls, packed: Message, seccomp: bytes, enter: Callable[[Message], None]) -> Fit:
        """The reverse of ``packed``."""
        return cls(seccomp=seccomp, enter=enter, **packed)


class Program:
    """The child that becomes the program."""

    def __init__(self, order: Message, fit: Fit, *, output: int, control: int, space: int | None = None) -> None:
        """``order`` has ``argv``, ``environment``, ``working_directory`` and ``limits``.

        ``space`` is a user namespace to live in, where programs of a foreign architecture are known.
        """
        self._order = order
        self._fit = fit
        self._output = output
        self._control = control
        self._space = space

    def start(self) -> int:
        """Fork and ``exec``; the process id. Raises ``StepFailed`` with the step at which the child failed.

        ``ProgramFailed`` it is where the program, or its working directory, is to blame.
        """
        read, write = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            self._become(write)
        os.close(write)
        with open(read, "rb") as answer:
            text = answer.read().decode()
        if text:
            step, _, number = text.rpartition(":")
            error = OSError(int(number), os.strerror(int(number)))
            verb, _, path = step.partition(" ")
            raise ProgramFailed(verb, path, error) if verb in OWN_FAULT else StepFailed(step, error)
        return pid

    def _become(self, failure: int) -> NoReturn:
        try:
            self._prepare(failure)
            self._fit.enter(self._order)
        except StepFailed as error:
            os.write(FAILURE, f"{error.step}:{error.errno}".encode())
        except Exception as error:
            os.write(FAILURE, f"start the program ({type(error).__name__}):{EINVAL}".encode())
        finally:
            os._exit(127)

    def _prepare(self, failure: int) -> None:
        os.setsid()
        self._arrange_descriptors(failure)
        with Step("offer it to the kernel when memory runs out"):
            _write("/proc/self/oom_score_adj", OOM_SCORE)
        os.umask(0o022)
        for number in IGNORED:
            signal.signal(number, signal.SIG_DFL)
        if self._space is not None:
            with Step("enter the user namespace of a foreign architecture"):
                _syscalls.setns(SPACE, _syscalls.CLONE_NEWUSER)
                os.close(SPACE)
        with Step("drop privileges"):
            self._drop()
        with Step("set resource limits"):
            self._limit()
        _privileges.die_with_parent()
        with Step(f"{ENTER} {self._order['working_directory']}"):
            os.chdir(self._order["working_directory"])
        if self._fit.seccomp:
            with Step("install the system call filter"):
                _syscalls.seccomp(self._fit.seccomp)

    def _drop(self) -> None:
        if self._fit.uid is None:
            _syscalls.prctl(_syscalls.PR_SET_NO_NEW_PRIVS, 1)
        elif self._fit.outer is None:
            _privileges.drop(self._fit.uid)
        else:
            _privileges.drop_nested(self._fit.uid, *self._fit.outer)

    def _limit(self) -> None:
        """In a nested user namespace the limit of processes is that sandbox's own only if set after its making."""
        limits = self._order["limits"]
        data = None if self._fit.grouped else limits["memory_mb"] * 1024 * 1024
        if data is not None and self._space is not None:
            data += EMULATOR_BYTES
        _rlimits.apply(open_files=limits["open_files"], processes=limits["processes"], data_bytes=data)

    def _arrange_descriptors(self, failure: int) -> None:
        """Leave 0 (nothing), 1 and 2 (the output), 3 (the control pipe) and, until ``exec``, one for failures.

        The user namespace to enter, if there is one, is closed as soon as that is done.
        """
        given = (self._output, self._control, failure, *([] if self._space is None else [self._space]))
        output, control, failure, *space = (fcntl.fcntl(number, fcntl.F_DUPFD, SPACE + 1) for number in given)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(control, CONTROL)
        os.dup2(failure, FAILURE, inheritable=False)
        if space:
            os.dup2(space[0], SPACE, inheritable=False)
        _syscalls.close_from(SPACE + len(space))


def _write(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
