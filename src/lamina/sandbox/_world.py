"""What the launcher makes once and shares between sandboxes, by level."""

from __future__ import annotations

import os

from lamina.sandbox import _cgroups, _mounts, _privileges, _seccomp, _syscalls
from lamina.sandbox._program import Fit
from lamina.sandbox._root import IDENTITY, TMP, Root
from lamina.sandbox._steps import Step
from lamina.sandbox._tmp import Disk
from lamina.sandbox._users import Users

NESTED_USER = 1051


class World:
    """Namespaces of the launcher's own, the root of all sandboxes, and the ways to limit them."""

    def __init__(self, directory: str, level: str, *, cpu: bool) -> None:
        """Leave the host's namespaces. ``directory`` is the launcher's own; its data directory names its groups."""
        root = os.geteuid() == 0
        self.level = level
        self._outer = None if root else (0, 0)
        self._seccomp = _seccomp.program(os.uname().machine)
        self.groups = _groups(directory, cpu=cpu) if level == "A" else None
        self._users = Users() if root else None
        _leave_host()
        with Step("build the root file system"):
            self.root = Root(f"{directory}/work", keep_proc=not root)
        self._disk = Disk(directory) if level == "A" else None

    def fit(self) -> Fit:
        """What a new sandbox is fitted with; ``release`` takes it back."""
        uid = self._users.take() if self._users else NESTED_USER
        return Fit(uid=uid, gid=uid, outer=self._outer, seccomp=self._seccomp, grouped=self.groups is not None)

    def release(self, fit: Fit) -> None:
        """Let the sandbox's user be given to another."""
        if self._users:
            self._users.give_back(fit.uid)

    def furniture(self, fit: Fit, tmp_mb: int) -> list[tuple[int, str]]:
        """The mounts that every sandbox has."""
        with Step("mount the user's identity"):
            identity = _mounts.detached(self.root.identity(fit.uid, fit.gid))
        return [(identity, IDENTITY), (self.tmp(tmp_mb), TMP)]

    def tmp(self, megabytes: int) -> int:
        """A detached ``/tmp``: on disk where a loop device can be had, else in memory."""
        if self._disk is not None:
            with Step("make a disk for /tmp"):
                return self._disk.mount(megabytes)
        with Step("make /tmp"):
            return _mounts.memory(megabytes)

    def close(self) -> None:
        """Remove the control groups; everything else goes with the launcher's namespaces."""
        if self.groups is not None:
            self.groups.close()


def _leave_host() -> None:
    """Mounts made from here on are the launcher's alone, while the host's still come and go; no network at all."""
    user, group = os.geteuid(), os.getegid()
    kinds = _syscalls.CLONE_NEWNS | _syscalls.CLONE_NEWNET
    with Step("make the launcher's namespaces"):
        if user == 0:
            _syscalls.unshare(kinds)
        else:
            _syscalls.unshare(kinds | _syscalls.CLONE_NEWUSER)
            _privileges.map_user(uid=0, gid=0, outer_uid=user, outer_gid=group)
        _syscalls.mount(None, "/", None, _syscalls.MS_REC | _syscalls.MS_SLAVE)


def _groups(directory: str, *, cpu: bool) -> _cgroups.Groups:
    """This launcher's control groups, after those that a dead launcher of the same directory has left."""
    with Step("make control groups"):
        for name in os.listdir(directory):
            pid = name.removeprefix("groups-")
            dead = pid != name and not _runs(int(pid), directory)
            if dead and _cgroups.remove_recorded(f"{directory}/{name}"):
                os.unlink(f"{directory}/{name}")
        status = os.stat(directory)
        name = f"lamina-{status.st_dev:x}.{status.st_ino:x}-{os.getpid()}"
        return _cgroups.Groups(name, f"{directory}/groups-{os.getpid()}", cpu=cpu)


def _runs(pid: int, directory: str) -> bool:
    """Whether ``pid`` is a launcher of this directory: numbers of processes are used again."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsencode(directory) in file.read().split(b"\0") and pid != os.getpid()
    except (FileNotFoundError, ProcessLookupError):
        return False
