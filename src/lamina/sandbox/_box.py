"""The launcher's record of one sandbox, from its first process to its last trace."""

from __future__ import annotations

import os
import select
import signal

from lamina.sandbox import _inside, _messages, _names, _watch
from lamina.sandbox._companions import PROGRAM as PROGRAM_NAME
from lamina.sandbox._steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from lamina.sandbox._cgroups import Group
    from lamina.sandbox._estate import Estate
    from lamina.sandbox._messages import Message
    from lamina.sandbox._plain import Plain
    from lamina.sandbox._program import Fit
    from lamina.sandbox._template import Template
    from lamina.sandbox._world import World

Limits = dict[str, int]
ENOTCONN = 107
DEFAULT_LIMITS: Limits = {"memory_mb": 128, "tmp_mb": 512, "processes": 1024, "open_files": 1024}
PROGRAM = ("argv", "environment", "working_directory", "limits", "companions")


class Box:
    """One sandbox. It is made without a program, and gets one by ``order``."""

    def __init__(
        self,
        world: World | Plain,
        serial: int,
        limits: Limits | None = None,
        template: Template | None = None,
        inherited: Estate | None = None,
    ) -> None:
        """Make the first process, as a fork of ``template`` if given. Raises ``StepFailed``, leaving nothing.

        The user of what is ``inherited`` is this sandbox's from now on.
        """
        self.name = f"spare{serial}"
        self.request: int | None = None
        self.status: int | None = None
        self.program: int | None = None
        self.companions: list[str] = []
        self._looked = False
        self.out_of_memory = False
        self.limits = limits or DEFAULT_LIMITS
        self.memory_event: int | None = None
        self.group: Group | None = None
        self._world = world
        self._template = template
        self._kept: list[int] = []
        self._namespaces: list[int] = []
        self._inherited = inherited
        self._handed = False
        self.estate: Estate | None = None
        self._fit: Fit = world.fit(serial, inherited)
        try:
            self._peak = self._make_group(serial)
        except BaseException:
            self._drop_group()
            raise
        try:
            self.channel, self.pid = self._begin()
        except BaseException:
            os.close(self._peak)
            self._drop_group()
            raise
        self.pidfd = os.pidfd_open(self.pid)

    def join(self) -> None:
        """Put the first process into its groups: 12 ms, as the kernel waits for a quiet moment on all CPUs.

        And connect it to the router, where there is one: as long again.
        """
        self._world.connect(self._fit, self.pid)
        if self.group:
            with Step("join the control groups"):
                self.group.attach(self.pid)

    def alive(self) -> bool:
        """Whether the first process runs, even when the news of its end has not been heard yet."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return not poll.poll(0)

    def order(self, order: Message) -> None:
        """Send the program to the first process, which answers ``started`` or ``failed`` on the channel."""
        address = self._world.address(self._fit) if order["network"] == "egress" else ""
        self._limit(order["limits"])
        binds = self._template.binds_of(order) if self._template else order["binds"]
        foreign = self._world.foreign(order["architecture"])
        mounts = self._root(order, binds)
        try:
            mounts += self._open(binds, order["limits"])
        except BaseException:
            _close([descriptor for descriptor, _ in mounts])
            raise
        output, output_end = os.pipe2(os.O_CLOEXEC)
        control_end, control = os.pipe2(os.O_CLOEXEC)
        self._kept = [output, control]
        ends = [output_end]
        self._looked = bool(order["companions"])
        if self._looked:
            beside, beside_end = os.pipe2(os.O_CLOEXEC)
            self._kept.append(beside)
            ends.append(beside_end)
        if self._fit.outer is None and self._fit.uid is not None:
            # Opening /dev/stdout opens the pipe anew, as its owner.
            for end in ends:
                os.fchown(end, self._fit.uid, self._fit.uid)
        programs = [output_end, control_end, *ends[1:]]
        opened = [*programs, *(descriptor for descriptor, _ in mounts)]
        given = [*programs, *([] if foreign is None else [foreign]), *opened[len(programs) :]]
        program = _names.renamed({name: order[name] for name in PROGRAM}, self._world.names(self._fit))
        message = program | {
            "targets": [target for _, target in mounts],
            "foreign": foreign is not None,
            "network": order["network"],
            "address": address,
        }
        try:
            _messages.send(self.channel, message, given)
        finally:
            _close(opened)

    def handover(self, message: Message, descriptors: list[int]) -> tuple[Message, list[int]]:
        """What the server gets: words and descriptors. Call ``handed_over`` once they are sent.

        ``descriptors`` come from the first process: the listener, that of the gateway if there is one, and where it has
        some, its namespaces: of mounts, and of the network.
        """
        count = 2 if message["gateway"] else 1
        listener, *gateway = descriptors[:count]
        self._namespaces = descriptors[count:]
        self._handed = True
        self.program = message["pid"]
        self.companions = message["companions"]
        self._kept = [listener, *self._kept, *gateway]
        freezer = self.group.freezer() if self.group else None
        if freezer:
            self._kept.append(freezer[0])
        self._kept.append(os.dup(self._peak))
        return {
            "freezer": freezer and freezer[1:],
            "watched": None if self.group else self.pid,
            "runtime_api": message["started"],
            "gateway": message["gateway"],
            "names": self._world.names(self._fit),
            "beside": self._looked,
            "companions": self.companions,
            "refused": message["refused"],
        }, self._kept

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
                self._world.attach(self._namespaces, mounts)
        finally:
            _close([descriptor for descriptor, _ in mounts])

    def run(self) -> None:
        """Have the first process start the program, whose companions run."""
        _messages.send(self.channel, {"run": True})

    def terminate(self) -> None:
        """Ask the program to end, by SIGTERM."""
        if self.program is not None:
            _inside.terminate(self.pid, self.program)

    def connectable(self) -> socket.socket:
        """A socket in the sandbox's network."""
        with Step("make a socket in the sandbox's network"):
            if not self._handed:
                raise OSError(ENOTCONN, "its program does not run yet")
            return self._world.connectable(self._namespaces)

    def tell(self, *, freeze: bool) -> None:
        """Have the first process stop or continue everybody."""
        _messages.send(self.channel, {"freeze": freeze})

    def measure(self) -> None:
        """Where no group counts memory: note the highest sum so far, and end a sandbox above its limit."""
        used = _watch.resident(self.pid)
        if used > int(os.pread(self._peak, 32, 0) or b"0"):
            os.pwrite(self._peak, str(used).encode(), 0)
        if used > self.limits["memory_mb"] * 1024 * 1024 and not self.out_of_memory:
            self.out_of_memory = True
            self.kill()

    def kill(self) -> None:
        """End everything inside; the first process takes the others with it."""
        self._world.kill(self.channel, self.pidfd)
        if self.group:
            self.group.kill()

    def ended(self, message: Message) -> Message:
        """How the program, or one of its companions, has ended: the sandbox goes on until the last one has."""
        if message["ended"] == PROGRAM_NAME:
            self.status = message["code"]
        return _fate(message["code"], out_of_memory=self.out_of_memory)

    def finish(self) -> Message:
        """Collect the ended first process: how its program ended."""
        os.waitpid(self.pid, 0)
        peak = int(os.pread(self._peak, 32, 0) or b"0")
        lacked = self.out_of_memory or (self.group is not None and self.group.memory.victims() > 0)
        self.channel.close()
        self.handed_over()
        if self._handed:
            self.estate = self._world.leave(self._fit, self._namespaces)
        _close([self.pidfd, self._peak, *self._namespaces])
        self._world.release(self._fit, keep=self.estate is not None)
        return {**_fate(self.status, out_of_memory=lacked), "peak": peak}

    def remove(self) -> bool:
        """Remove the groups; false when that must be tried again."""
        return self.group is None or self.group.remove()

    def close_event(self) -> None:
        """Close the descriptor that tells of memory running out."""
        if self.memory_event is not None:
            os.close(self.memory_event)
            self.memory_event = None

    def _begin(self) -> tuple[socket.socket, int]:
        ours, theirs = _messages.pair()
        try:
            with theirs:
                tmp = None if self._inherited is None else self._inherited.tmp
                return ours, self._world.begin(theirs, self._fit, self.limits["tmp_mb"], self._template, tmp)
        except BaseException:
            ours.close()
            raise

    def _make_group(self, serial: int) -> int:
        """Make the groups, where there are any; a descriptor that reads the highest use of memory."""
        if self._world.groups is None:
            return os.memfd_create("peak", os.MFD_CLOEXEC)
        with Step("make the sandbox's control groups"):
            self.group = self._world.groups.create(str(serial))
            self._limit(self.limits)
            self.memory_event = self.group.memory.watch()
            return self.group.memory.peak()

    def _drop_group(self) -> None:
        self.close_event()
        self._world.release(self._fit)
        if self.group:
            self.group.remove()

    def _limit(self, limits: Limits) -> None:
        if self.group:
            with Step("set the limits"):
                self.group.limit(memory_mb=limits["memory_mb"], processes=limits["processes"])

    def _root(self, order: Message, binds: list[tuple[str, str, bool]]) -> list[tuple[int, str]]:
        return self._world.root(self._fit, order["root"], binds) if order["root"] else []

    def _open(self, binds: list[tuple[str, str, bool]], limits: Limits) -> list[tuple[int, str]]:
        """Detached mounts for ``binds``, and another ``/tmp`` when its size is to change."""
        tmp_mb = limits["tmp_mb"] if limits["tmp_mb"] != self.limits["tmp_mb"] else None
        mounts = self._world.open(self._fit, binds, tmp_mb)
        self.limits = limits
        return mounts


def _fate(status: int | None, *, out_of_memory: bool) -> Message:
    """How the program ended, by its wait status. Without one, it was killed together with the first process."""
    if status is None or out_of_memory:
        return {"status": None, "signal": int(signal.SIGKILL), "out_of_memory": out_of_memory}
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return {"status": None, "signal": -code, "out_of_memory": False}
    return {"status": code, "signal": None, "out_of_memory": False}


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
