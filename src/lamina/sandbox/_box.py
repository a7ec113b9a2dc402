"""The launcher's record of one sandbox, from the clone of its first process to its last trace."""

from __future__ import annotations

import os
import signal

from lamina.sandbox import _init, _messages, _mounts
from lamina.sandbox._root import TMP
from lamina.sandbox._steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from lamina.sandbox._cgroups import Group
    from lamina.sandbox._messages import Message
    from lamina.sandbox._world import World

Limits = dict[str, int]


class Box:
    """One sandbox. It is made without a program and gets one by ``order``."""

    def __init__(self, world: World, name: str, limits: Limits) -> None:
        """Clone the first process and put it into its groups. Raises ``StepFailed``."""
        self.name = name
        self._world = world
        self._fit = world.fit()
        self._tmp_mb = limits["tmp_mb"]
        self.group = self._make_group(limits)
        self._peak = self.group.memory.peak() if self.group else os.memfd_create("peak")
        self.memory_event = self.group.memory.watch() if self.group else None
        self.channel, self.pid = self._clone()
        self.pidfd = os.pidfd_open(self.pid)
        if self.group:
            with Step("join the control groups"):
                self.group.attach(self.pid)
        self.request: int | None = None
        self.status: int | None = None
        self.out_of_memory = False
        self._kept: list[int] = []

    def order(self, order: Message) -> None:
        """Send the program to the first process, which answers ``started`` or ``failed`` on the channel."""
        self._limit(order["limits"])
        mounts = self._open(order["binds"], order["limits"])
        output, output_end = os.pipe2(os.O_CLOEXEC)
        control_end, control = os.pipe2(os.O_CLOEXEC)
        if self._fit.outer is None:
            # Opening /dev/stdout opens the pipe anew, as its owner.
            os.fchown(output_end, self._fit.uid, self._fit.gid)
        self._kept = [output, control]
        given = [output_end, control_end, *(descriptor for descriptor, _ in mounts)]
        members = ("argv", "environment", "working_directory", "limits")
        message = {name: order[name] for name in members} | {"targets": [target for _, target in mounts]}
        try:
            _messages.send(self.channel, message, given)
        finally:
            _close(given)

    def handover(self, listener: int) -> tuple[Message, list[int]]:
        """What the server gets: words and descriptors. They are sent once and then closed by ``handed_over``."""
        self._kept = [listener, *self._kept]
        freezer = self.group.freezer() if self.group else None
        if freezer:
            self._kept.append(freezer[0])
        self._kept.append(os.dup(self._peak))
        return {"freezer": freezer and freezer[1:]}, self._kept

    def handed_over(self) -> None:
        """Close what the server has by now."""
        _close(self._kept)
        self._kept = []

    def specialise(self, binds: list[tuple[str, str, bool]], limits: Limits) -> None:
        """Mount further directories and set the limits anew, in the running sandbox."""
        self._limit(limits)
        mounts = self._open(binds, limits)
        try:
            with Step("mount in the sandbox"):
                self._world.root.attach_in(self.pidfd, mounts)
        finally:
            _close([descriptor for descriptor, _ in mounts])

    def tell(self, *, freeze: bool) -> None:
        """Have the first process stop or continue everybody."""
        _messages.send(self.channel, {"freeze": freeze})

    def kill(self) -> None:
        """End everything inside; the first process takes the others with it."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        if self.group:
            self.group.kill()

    def finish(self) -> Message:
        """Collect the ended first process: how its program ended."""
        os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        if self.memory_event is not None:
            os.close(self.memory_event)
        self.channel.close()
        self.handed_over()
        self._world.release(self._fit)
        peak = int(os.pread(self._peak, 32, 0) or b"0")
        os.close(self._peak)
        lacked = self.out_of_memory or (self.group is not None and self.group.memory.victims() > 0)
        if self.status is None or lacked:
            return {"status": None, "signal": int(signal.SIGKILL), "out_of_memory": lacked, "peak": peak}
        code = os.waitstatus_to_exitcode(self.status)
        fate = {"status": code, "signal": None} if code >= 0 else {"status": None, "signal": -code}
        return {**fate, "out_of_memory": False, "peak": peak}

    def _clone(self) -> tuple[socket.socket, int]:
        furniture = self._world.furniture(self._fit, self._tmp_mb)
        ours, theirs = _messages.pair()
        with Step("clone into new namespaces"):
            pid = self._world.root.clone(_init.NAMESPACES)
        if pid == 0:
            _init.run(theirs, self._fit, furniture)
        theirs.close()
        _close([descriptor for descriptor, _ in furniture])
        return ours, pid

    def _make_group(self, limits: Limits) -> Group | None:
        if self._world.groups is None:
            return None
        with Step("make the sandbox's control groups"):
            group = self._world.groups.create(self.name)
            group.limit(memory_mb=limits["memory_mb"], processes=limits["processes"])
            return group

    def _limit(self, limits: Limits) -> None:
        if self.group:
            with Step("set the limits"):
                self.group.limit(memory_mb=limits["memory_mb"], processes=limits["processes"])

    def _open(self, binds: list[tuple[str, str, bool]], limits: Limits) -> list[tuple[int, str]]:
        """Detached mounts for ``binds``, and another ``/tmp`` when its size is to change."""
        mounts: list[tuple[int, str]] = []
        try:
            for source, target, writable in binds:
                with Step(f"bind {source}"):
                    descriptor = _mounts.detached(source, writable=writable)
                    mounts.append((descriptor, target))
                    self._world.root.ensure(target, directory=_is_directory(descriptor))
            if limits["tmp_mb"] != self._tmp_mb:
                mounts.append((self._world.tmp(limits["tmp_mb"]), TMP))
                self._tmp_mb = limits["tmp_mb"]
        except BaseException:
            _close([descriptor for descriptor, _ in mounts])
            raise
        return mounts


def _is_directory(descriptor: int) -> bool:
    return os.fstat(descriptor).st_mode & 0o170000 == 0o040000


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
