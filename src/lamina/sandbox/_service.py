"""The launcher's loop: requests from the server, news from sandboxes, and the end of both."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket

from lamina.sandbox import _messages
from lamina.sandbox._box import Box
from lamina.sandbox._steps import StepFailed
from lamina.sandbox._world import World

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.sandbox._cgroups import Group
    from lamina.sandbox._messages import Message

RETRY_MS = 20


class Service:
    """All sandboxes of one launcher, and the socket to the server."""

    def __init__(self, server: socket.socket, world: World) -> None:
        """``server`` is a blocking SOCK_SEQPACKET socket."""
        self._server = server
        self._world = world
        self._boxes: dict[str, Box] = {}
        self._serial = 0
        self._lingering: list[Group] = []
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._running = True
        self._watch(server.fileno(), self._on_request)

    def run(self) -> None:
        """Serve until the server's end of the socket is closed; then end every sandbox."""
        while self._running or self._boxes or self._lingering:
            for descriptor, _ in self._poll.poll(RETRY_MS if self._lingering else None):
                handler = self._handlers.get(descriptor)
                if handler is not None:
                    handler()
            self._lingering = [group for group in self._lingering if not group.remove()]
        self._world.close()

    def stop(self) -> None:
        """Kill everything; ``run`` returns when it is gone."""
        if self._running:
            self._running = False
            self._forget(self._server.fileno())
            for box in self._boxes.values():
                box.kill()

    def _watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, select.POLLIN)

    def _forget(self, descriptor: int) -> None:
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def _tell(self, message: Message, descriptors: list[int] | None = None) -> None:
        if not self._running:
            return
        try:
            _messages.send(self._server, message, descriptors or ())
        except OSError:
            self.stop()

    def _on_request(self) -> None:
        message: Message = {}
        try:
            message, descriptors = _messages.receive(self._server)
            for descriptor in descriptors:
                os.close(descriptor)
            operation = _messages.check(message)
            getattr(self, f"_{operation}")(message)
        except _messages.Closed:
            self.stop()
        except (_messages.Refused, StepFailed, OSError) as error:
            self._tell({"request": message.get("request"), "error": str(error)})

    def _start(self, message: Message) -> None:
        name = message["sandbox"]
        if name in self._boxes:
            raise _messages.Refused(f"there is a sandbox {name} already")
        self._serial += 1
        box = Box(self._world, f"{self._serial}-{name}", message["limits"])
        self._boxes[name] = box
        self._watch(box.pidfd, lambda: self._on_end(name))
        self._watch(box.channel.fileno(), lambda: self._on_news(name))
        if box.memory_event is not None:
            self._watch(box.memory_event, lambda: self._on_memory(name))
        box.request = message["request"]
        try:
            box.order(message)
        except (StepFailed, OSError):
            box.request = None
            box.kill()
            raise

    def _specialise(self, message: Message) -> None:
        self._box(message).specialise(message["binds"], message["limits"])
        self._tell({"request": message["request"], "result": {}})

    def _kill(self, message: Message) -> None:
        box = self._boxes.get(message["sandbox"])
        if box is not None:
            box.kill()

    def _freeze(self, message: Message) -> None:
        self._box(message).tell(freeze=True)

    def _thaw(self, message: Message) -> None:
        self._box(message).tell(freeze=False)

    def _box(self, message: Message) -> Box:
        try:
            return self._boxes[message["sandbox"]]
        except KeyError:
            raise _messages.Refused(f"there is no sandbox {message['sandbox']}") from None

    def _on_news(self, name: str) -> None:
        """``started``, ``failed`` or ``exited`` from a sandbox's first process."""
        box = self._boxes[name]
        try:
            message, descriptors = _messages.receive(box.channel)
        except _messages.Closed:
            self._forget(box.channel.fileno())
            return
        if "started" in message:
            result, given = box.handover(descriptors[0])
            self._tell({"request": box.request, "result": result}, given)
            box.handed_over()
            box.request = None
        elif "failed" in message:
            self._tell({"request": box.request, "error": message["failed"]})
            box.request = None
        elif "exited" in message:
            box.status = message["exited"]

    def _on_memory(self, name: str) -> None:
        """Version 1 kills one process for want of memory: the rest of the sandbox goes with it."""
        box = self._boxes[name]
        if box.memory_event is not None:
            self._forget(box.memory_event)
        box.out_of_memory = True
        box.kill()

    def _on_end(self, name: str) -> None:
        box = self._boxes.pop(name)
        if box.channel.fileno() in self._handlers:
            self._drain(name, box)
        for descriptor in (box.pidfd, box.channel.fileno(), box.memory_event):
            if descriptor is not None:
                self._forget(descriptor)
        ended = box.finish()
        if box.request is not None:
            self._tell({"request": box.request, "error": "the sandbox ended before its program started"})
        self._tell({"exited": name, **ended})
        if box.group is not None and not box.group.remove():
            self._lingering.append(box.group)

    def _drain(self, name: str, box: Box) -> None:
        """Hear the last words, which may be in the channel still."""
        self._boxes[name] = box
        while box.channel.fileno() in self._handlers:
            self._on_news(name)
        del self._boxes[name]


def main(arguments: list[str]) -> None:
    """Serve on the inherited socket until it is closed."""
    descriptor, directory, level, options = arguments
    server = socket.socket(fileno=int(descriptor))
    os.set_inheritable(server.fileno(), False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        world = World(directory, level, cpu="cpu" in options.split(","))
    except (StepFailed, OSError) as error:
        _messages.send(server, {"unavailable": str(error)})
        return
    service = Service(server, world)
    gc.collect()
    gc.freeze()
    _messages.send(server, {"ready": level})
    service.run()
