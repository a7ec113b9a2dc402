"""Finding out what this machine allows: each step is really done, in a child that is thrown away."""

from __future__ import annotations

import os
import select
import signal

from lamina.sandbox import (
    _cgroups,
    _foreign,
    _init,
    _mounts,
    _network,
    _privileges,
    _seccomp,
    _syscalls,
    _users,
    _world,
)
from lamina.sandbox._foreign import Foreign
from lamina.sandbox._root import Root
from lamina.sandbox._steps import StepFailed
from lamina.sandbox._tmp import Disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

OLD_KERNEL = "a newer kernel: Linux 5.12 has all that is needed"
NAMESPACES = (
    "run as root, or allow user namespaces: sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1"
)
REMEDIES = {
    "namespaces": NAMESPACES,
    "root file system": OLD_KERNEL,
    "own /proc": "a /proc that nothing is mounted over (in a container: --security-opt systempaths=unconfined)",
    "own network": NAMESPACES,
    "system call filter": "a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64",
    "user of its own": "run as root",
    "control groups": "run as root, with the cgroup file system writable (memory and pids)",
    "freezing": "a mounted cgroup2 file system (Linux 5.14), or the freezer of version 1",
    "disk for /tmp": "run as root, with loop devices and mkfs.ext4 (e2fsprogs)",
    "image layers": "a kernel with overlayfs (CONFIG_OVERLAY_FS)",
    "foreign architecture": "apt-get install qemu-user-static, and Linux 6.7 or newer with CONFIG_BINFMT_MISC",
}
SHARED = ("namespaces", "root file system", "own /proc", "own network", "system call filter")
LEVELS = {"A": (*SHARED, "user of its own", "control groups", "freezing"), "B": SHARED, "E": ()}
ROOT_ONLY = "needs root"
TOO_LONG = 5

# What could be done, by name: an empty text, or why not.
Findings = dict[str, str]


def probe(directory: str) -> Findings:
    """Try everything. ``directory`` is the launcher's own, for what needs files."""
    steps: dict[str, Callable[[], None]] = {
        "namespaces": lambda: _in_namespaces(_nothing),
        "root file system": lambda: _in_namespaces(lambda: _build_root(directory)),
        "own /proc": lambda: _in_namespaces(_mount_proc),
        "own network": lambda: _in_namespaces(_listen),
        "system call filter": _filter,
        "user of its own": _switch_user,
        "control groups": lambda: _join_group(directory),
        "freezing": lambda: _freeze(directory),
        "disk for /tmp": lambda: _mount_disk(directory),
        "image layers": lambda: _mount_layers(directory),
        "foreign architecture": _emulate,
    }
    return {name: _attempt(step) for name, step in steps.items()}


def lacking(findings: Findings, level: str) -> list[str]:
    """What ``level`` needs and this machine does not have."""
    return [name for name in LEVELS[level] if findings[name]]


def choose(findings: Findings, isolation: str) -> str:
    """The level for ``auto``, a level's name, or ``min:`` and one. Raises ``ValueError`` with one clear line."""
    wanted = isolation.removeprefix("min:")
    levels = list(LEVELS)
    if isolation != "auto" and wanted not in levels:
        raise ValueError(f"isolation must be auto, {', '.join(levels)} or min:LEVEL, not {isolation!r}")
    if isolation == wanted != "auto":
        considered = [wanted]
    else:
        considered = levels if isolation == "auto" else levels[: levels.index(wanted) + 1]
    for level in considered:
        if not lacking(findings, level):
            return level
    missing = "; ".join(f"{name}: {findings[name]}" for name in lacking(findings, considered[-1]))
    raise ValueError(f"isolation {isolation} is not possible here ({missing})")


def _attempt(step: Callable[[], None]) -> str:
    """Run ``step`` in a child of its own: an empty text, or what went wrong."""
    read, write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _tell_how(step, write)
    os.close(write)
    with open(read, "rb") as answer:
        text = answer.read().decode(errors="replace")
    status = os.waitpid(pid, 0)[1]
    if text or status == 0:
        return text
    return f"ended with {os.waitstatus_to_exitcode(status)}"


def _tell_how(step: Callable[[], None], write: int) -> NoReturn:
    status = 1
    try:
        # A step that hangs is one that does not work.
        signal.alarm(TOO_LONG)
        step()
        status = 0
    except (StepFailed, OSError) as error:
        os.write(write, (getattr(error, "strerror", None) or str(error)).encode())
    finally:
        os._exit(status)


def _in_namespaces(step: Callable[[], None]) -> None:
    """Run ``step`` as the first process of new namespaces, as a sandbox would be."""
    _world.leave_host()
    pid = _syscalls.clone(_init.NAMESPACES | _syscalls.CLONE_NEWNS)
    if pid == 0:
        status = 1
        try:
            step()
            status = 0
        except OSError as error:
            status = error.errno or 1
        finally:
            os._exit(status)
    number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if number:
        raise OSError(number, os.strerror(number) if number > 0 else f"ended with {number}")


def _nothing() -> None:
    """The namespaces alone are the test."""


def _build_root(directory: str) -> None:
    Root(f"{directory}/work", keep_proc=True)


def _mount_proc() -> None:
    _mounts.proc()


def _listen() -> None:
    _network.raise_loopback()
    _network.listen().close()


def _filter() -> None:
    machine = os.uname().machine
    if machine not in _seccomp.ARCHITECTURES:
        raise OSError(38, f"no list of system calls for {machine}")
    _syscalls.prctl(_syscalls.PR_SET_NO_NEW_PRIVS, 1)
    _syscalls.seccomp(_seccomp.program(machine))


def _switch_user() -> None:
    _need_root()
    _privileges.drop(_users.FIRST)


def _join_group(directory: str) -> None:
    with _Trial(directory) as trial:
        trial.group.limit(memory_mb=128, processes=16)
        trial.group.attach(trial.pid)
        os.close(trial.group.memory.peak())


def _freeze(directory: str) -> None:
    with _Trial(directory) as trial:
        trial.group.attach(trial.pid)
        freezer = trial.group.freezer()
        if freezer is None:
            raise OSError(2, "neither cgroup2 nor the freezer of version 1 is mounted")
        descriptor, freeze, _ = freezer
        os.write(descriptor, freeze.encode())
        os.close(descriptor)


def _mount_disk(directory: str) -> None:
    _need_root()
    os.close(Disk(directory).mount(512))


def _mount_layers(directory: str) -> None:
    _world.leave_host()
    work = f"{directory}/work"
    os.makedirs(work, exist_ok=True)
    _syscalls.mount("lamina", work, "tmpfs", _syscalls.MS_NOSUID | _syscalls.MS_NODEV)
    for name in ("lower", "upper", "at"):
        os.mkdir(f"{work}/{name}")
    os.close(_mounts.layered([f"{work}/upper", f"{work}/lower"], f"{work}/at"))


def _emulate() -> None:
    """Run the smallest of programs for each foreign architecture, under the system call filter."""
    _world.leave_host()
    spaces = Foreign()
    for architecture in _foreign.foreign():
        space = spaces.namespace(architecture)
        pid = os.fork()
        if pid == 0:
            _run_sample(architecture, space)
        number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if number:
            raise OSError(8, f"a program for {architecture} ended with {number}")


def _run_sample(architecture: str, space: int) -> NoReturn:
    try:
        # Not closed on exec: the emulator opens it by its name.
        file = os.memfd_create("sample", 0)
        os.write(file, _foreign.sample(architecture))
        _syscalls.setns(space, _syscalls.CLONE_NEWUSER)
        _filter()
        os.execve(f"/proc/self/fd/{file}", ["sample"], {})  # noqa: S606
    finally:
        os._exit(127)


def _need_root() -> None:
    if os.geteuid() != 0:
        raise OSError(1, ROOT_ONLY)


class _Trial:
    """A group, and a process that waits to be put into it and to be killed."""

    def __init__(self, directory: str) -> None:
        self._groups = _cgroups.Groups(f"lamina-probe-{os.getpid()}", f"{directory}/groups-{os.getpid()}")
        self.group = self._groups.create("trial")
        self.pid = os.fork()
        if self.pid == 0:
            _privileges.die_with_parent()
            signal.pause()

    def __enter__(self) -> _Trial:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.group.kill()
        os.waitpid(self.pid, 0)
        while not self.group.remove():
            select.select([], [], [], 0.001)
        self._groups.close()
