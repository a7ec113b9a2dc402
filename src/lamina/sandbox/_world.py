"""What the launcher makes once and shares between sandboxes, at the levels A and B."""

from __future__ import annotations

import os
import signal

from lamina.sandbox import _cgroups, _foreign, _init, _inside, _mounts, _privileges, _seccomp, _syscalls
from lamina.sandbox._estate import Estate
from lamina.sandbox._foreign import Foreign
from lamina.sandbox._image import ImageRoots
from lamina.sandbox._program import Fit
from lamina.sandbox._root import IDENTITY, TMP, Root
from lamina.sandbox._steps import Step
from lamina.sandbox._template import Template, forkable
from lamina.sandbox._tmp import Disk
from lamina.sandbox._users import Users

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from lamina.sandbox._egress import Egress
    from lamina.sandbox._messages import Message

NESTED_USER = 1051
ENETUNREACH = 101
Mounts = list[tuple[int, str]]


class World:
    """Namespaces of the launcher's own, the root of all sandboxes, and the ways to limit them.

    As root, each sandbox has a user of the host's; otherwise the launcher is root in a user namespace and each
    program lives in another one inside, in which nobody has rights.
    """

    def __init__(
        self, directory: str, level: str, *, disk: bool, cpu: bool, overlay: str = "", egress: Egress | None = None
    ) -> None:
        """Leave the host's namespaces. ``disk``: whether ``/tmp`` can be a loop device rather than memory.

        ``overlay`` says why overlayfs cannot be used, and is empty where it can. ``egress`` is opened here.
        """
        root = os.geteuid() == 0
        self._outer = None if root else (0, 0)
        self._seccomp = _seccomp.program(os.uname().machine)
        self.groups = _groups(directory, cpu=cpu) if level == "A" else None
        self._users = Users() if root else None
        leave_host()
        self.egress = egress
        if egress is not None:
            egress.open()
        resolver = egress.resolver if egress is not None else ""
        with Step("build the root file system"):
            self._root = Root(f"{directory}/work", keep_proc=not root, resolver=resolver)
        self._images = ImageRoots(f"{directory}/work/images", overlay, resolver)
        self._foreign = Foreign()
        self._disk = Disk(directory) if disk else None

    def fit(self, serial: int, inherited: Estate | None = None) -> Fit:
        """What a new sandbox is fitted with, the user of what is ``inherited`` if it is; ``release`` takes it back."""
        if inherited is not None and inherited.uid is not None:
            uid = inherited.uid
        else:
            uid = self._users.take() if self._users else NESTED_USER
        freezable = self.groups is not None and self.groups.freezable
        return Fit(
            uid=uid,
            outer=self._outer,
            seccomp=self._seccomp,
            grouped=self.groups is not None,
            freezable=freezable,
            serial=serial,
        )

    def connect(self, fit: Fit, pid: int) -> None:
        """Make the way from a new sandbox to the router, if there is one."""
        if self.egress is not None:
            self.egress.attach(fit.serial, pid)

    def address(self, fit: Fit) -> str:
        """The sandbox's address on the way to the Internet. Raises ``StepFailed`` where there is none."""
        if self.egress is None:
            with Step("find a way to the Internet"):
                raise OSError(ENETUNREACH, "this launcher has none")
        return self.egress.address(fit.serial)

    def release(self, fit: Fit, *, keep: bool = False) -> None:
        """Let the sandbox's user be given to another, unless what it leaves is kept."""
        self._images.remove(str(fit.serial))
        if self._users and fit.uid is not None and not keep:
            self._users.give_back(fit.uid)

    def leave(self, fit: Fit, namespaces: list[int]) -> Estate | None:
        """What an ended sandbox leaves: its ``/tmp`` and its user."""
        try:
            return Estate(uid=fit.uid, tmp=self._root.detach_in(namespaces[0], TMP))
        except OSError:
            # There is nothing to inherit, and a new one does as well.
            return None

    def forget(self, estate: Estate, *, inherited: bool = False) -> None:
        """Let go of what a sandbox has left; when it is ``inherited`` its user has become the heir's."""
        if estate.tmp is not None:
            os.close(estate.tmp)
        if self._users and estate.uid is not None and not inherited:
            self._users.give_back(estate.uid)

    def prepare(self, order: Message) -> Template | None:
        """Start a template for programs like that of ``order``, if they can have one."""
        return Template(self._root, order) if forkable(order) else None

    def begin(
        self, channel: socket.socket, fit: Fit, tmp_mb: int, template: Template | None, tmp: int | None = None
    ) -> int:
        """Make the first process of a sandbox in namespaces of its own; its process id.

        ``tmp`` is the detached mount for its ``/tmp``; without it there is a new one of ``tmp_mb``.
        """
        furniture = self._furniture(fit, tmp_mb, tmp)
        try:
            if template is not None:
                return template.fork(channel, fit, furniture)
            with Step("clone into new namespaces"):
                pid = self._root.clone(_init.NAMESPACES)
            if pid == 0:
                _init.run(channel, fit, furniture)
        finally:
            _close(furniture)
        return pid

    def root(self, fit: Fit, layers: list[str], binds: list[tuple[str, str, bool]]) -> Mounts:
        """The root of an image's ``layers``, bottom to top, with a place for each of ``binds``; first its ``/``."""
        assert fit.uid is not None
        targets = [(target, os.path.isdir(source)) for source, target, _ in binds]
        return self._images.mount(str(fit.serial), layers, fit.uid, targets)

    def foreign(self, architecture: str) -> int | None:
        """The user namespace for programs of ``architecture``; None where the kernel runs them itself."""
        return None if architecture in {"", _foreign.native()} else self._foreign.namespace(architecture)

    def open(self, fit: Fit, binds: list[tuple[str, str, bool]], tmp_mb: int | None) -> Mounts:  # noqa: ARG002
        """Detached mounts for ``binds``, and a ``/tmp`` of the size ``tmp_mb`` when there is to be another."""
        mounts: Mounts = []
        try:
            for source, target, writable in binds:
                with Step(f"bind {source}"):
                    descriptor = _mounts.detached(source, writable=writable)
                    mounts.append((descriptor, target))
                    self._root.ensure(target, directory=_is_directory(descriptor))
            if tmp_mb is not None:
                mounts.append((self._tmp(tmp_mb), TMP))
        except BaseException:
            _close(mounts)
            raise
        return mounts

    def attach(self, namespaces: list[int], mounts: Mounts) -> None:
        """Attach ``mounts`` inside the sandbox with the mount namespace ``namespaces[0]``."""
        self._root.attach_in(namespaces[0], mounts)

    def connectable(self, namespaces: list[int]) -> socket.socket:
        """A TCP socket in the network of the sandbox with the network namespace ``namespaces[1]``."""
        return _inside.connectable(namespaces[1])

    def kill(self, channel: socket.socket, pidfd: int) -> None:  # noqa: ARG002
        """Kill the first process, and with it everything in its process namespace."""
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def names(self, fit: Fit) -> dict[str, str]:  # noqa: ARG002
        """What must be called something else than AWS calls it: nothing."""
        return {}

    def close(self) -> None:
        """Remove the control groups; everything else goes with the launcher's namespaces."""
        if self.groups is not None:
            self.groups.close()

    def _furniture(self, fit: Fit, tmp_mb: int, tmp: int | None) -> Mounts:
        """The mounts that every sandbox has."""
        assert fit.uid is not None
        with Step("mount the user's identity"):
            identity = _mounts.detached(self._root.identity(fit.uid))
        try:
            return [(identity, IDENTITY), (self._tmp(tmp_mb) if tmp is None else os.dup(tmp), TMP)]
        except BaseException:
            os.close(identity)
            raise

    def _tmp(self, megabytes: int) -> int:
        if self._disk is not None:
            with Step("make a disk for /tmp"):
                return self._disk.mount(megabytes)
        with Step("make /tmp in memory"):
            return _mounts.memory(megabytes)


def leave_host() -> None:
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


def _is_directory(descriptor: int) -> bool:
    return os.fstat(descriptor).st_mode & 0o170000 == 0o040000


def _close(mounts: Mounts) -> None:
    for descriptor, _ in mounts:
        os.close(descriptor)
