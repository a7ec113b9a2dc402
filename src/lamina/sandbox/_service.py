"""The launcher's loop: requests from the server, news from sandboxes, and the end of both."""

from __future__ import annotations

import os
import select
import time

from lamina.sandbox import _messages
from lamina.sandbox._box import Box
from lamina.sandbox._steps import StepFailed
from lamina.sandbox._stock import BLANK, Stock

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from lamina.sandbox._estate import Estate
    from lamina.sandbox._messages import Message
    from lamina.sandbox._plain import Plain
    from lamina.sandbox._template import Template
    from lamina.sandbox._world import World

RETRY_MS = 20
MEASURE_MS = 100
# How long nothing must have happened before a spare is made: that takes 20 ms in which nobody is answered.
QUIET_MS = 10


class Service:
    """All sandboxes of one launcher, and the socket to the server.

    ``spares`` sandboxes without a program wait, in their namespaces and groups, so that a start need not make them.
    """

    def __init__(self, server: socket.socket, world: World | Plain, *, spares: int) -> None:
        """``server`` is a blocking SOCK_SEQPACKET socket."""
        self._server = server
        self._world = world
        self._boxes: dict[str, Box] = {}
        self._stock = Stock(spares, self._forget)
        self._serial = 0
        self._lingering: list[Box] = []
        self._estates: dict[str, Estate] = {}
        self._measured = 0.0
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._running = True
        self._watch(server.fileno(), self._on_request)
        if world.egress is not None:
            self._watch(world.egress.fileno(), world.egress.refresh)

    def run(self) -> None:
        """Serve until the server's end of the socket is closed; then end every sandbox."""
        while self._running or self._boxes or self._lingering:
            ready = [(fd, self._handlers[fd]) for fd, _ in self._poll.poll(self._patience())]
            for descriptor, handler in ready:
                # What was done for one may have closed another, and its number may be somebody else's by now.
                if self._handlers.get(descriptor) is handler:
                    handler()
            if not ready:
                self._refill()
            self._measure()
            self._lingering = [box for box in self._lingering if not box.remove()]
        self._world.close()

    def stop(self) -> None:
        """Kill everything; ``run`` returns when it is gone."""
        if self._running:
            self._running = False
            self._forget(self._server.fileno())
            for box in self._boxes.values():
                box.kill()
            self._stock.close()

    def _patience(self) -> int | None:
        if self._running and self._stock.lacking() is not None:
            return QUIET_MS
        if self._lingering:
            return RETRY_MS
        return MEASURE_MS if self._boxes and self._world.groups is None else None

    def _refill(self) -> None:
        kind = self._stock.lacking() if self._running else None
        if kind is None:
            return
        try:
            self._stock.put(kind, self._make(None, self._stock.template(kind)))
        except (StepFailed, OSError):
            # The next start tries again and tells the server what is wrong.
            self._stock.give_up(kind)

    def _measure(self) -> None:
        if self._world.groups is None and time.monotonic() - self._measured > MEASURE_MS / 1000:
            for box in list(self._boxes.values()):
                box.measure()
            self._measured = time.monotonic()

    def _make(self, limits: dict[str, int] | None, template: Template | None, inherited: Estate | None = None) -> Box:
        self._serial += 1
        box = Box(self._world, self._serial, limits, template, inherited)
        self._boxes[box.name] = box
        self._watch(box.pidfd, lambda: self._on_end(box))
        self._watch(box.channel.fileno(), lambda: self._on_news(box))
        if box.memory_event is not None:
            self._watch(box.memory_event, lambda: self._on_memory(box))
        try:
            box.join()
        except StepFailed:
            box.kill()
            raise
        return box

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
        if message["heir_of"]:
            box = self._make_heir(message["heir_of"], message["limits"])
        else:
            kind = self._kind(message)
            box = self._stock.take(kind) or self._make_now(kind, message["limits"])
        self._boxes[name] = self._boxes.pop(box.name)
        box.name = name
        box.request = message["request"]
        try:
            box.order(message)
        except (StepFailed, OSError):
            box.request = None
            box.kill()
            raise

    def _make_heir(self, name: str, limits: dict[str, int]) -> Box:
        """Make a sandbox that finds the ``/tmp`` of another."""
        estate = self._estates.pop(name, None)
        if estate is None:
            raise _messages.Refused(f"there is nothing left of the sandbox {name}")
        try:
            return self._make(limits, None, estate)
        finally:
            self._world.forget(estate, inherited=True)

    def _release(self, message: Message) -> None:
        estate = self._estates.pop(message["sandbox"], None)
        if estate is not None:
            self._world.forget(estate)

    def _make_now(self, kind: str, limits: dict[str, int]) -> Box:
        """Make a sandbox of ``kind``, or a blank one when its template fails."""
        template = self._stock.template(kind)
        try:
            return self._make(limits, template)
        except StepFailed:
            if template is None:
                raise
            self._stock.drop(kind)
            return self._make(limits, None)

    def _kind(self, message: Message) -> str:
        """The template to fork for a start, if that is asked for and it is ready by now."""
        name: str = message["template"]
        if not message["fork"]:
            return BLANK
        if not self._stock.knows(name):
            template = self._world.prepare(message)
            self._stock.add(name, template)
            if template is not None:
                self._watch(template.channel.fileno(), lambda: self._on_template(name, template))
        return name if self._stock.template(name) else BLANK

    def _on_template(self, name: str, template: Template) -> None:
        """It is ready, or it has ended: the latter is no harm, programs are executed then."""
        try:
            _messages.receive(template.channel)
            template.ready = True
        except _messages.Closed:
            self._stock.drop(name)

    def _specialise(self, message: Message) -> None:
        self._box(message).specialise(message["binds"], message["limits"])
        self._tell({"request": message["request"], "result": {}})

    def _run(self, message: Message) -> None:
        box = self._box(message)
        if box.program is not None or not box.companions:
            raise _messages.Refused(f"the program of {box.name} runs already")
        box.request = message["request"]
        box.run()

    def _terminate(self, message: Message) -> None:
        self._box(message).terminate()

    def _socket(self, message: Message) -> None:
        with self._box(message).connectable() as made:
            self._tell({"request": message["request"], "result": {}}, [made.fileno()])

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

    def _on_news(self, box: Box) -> None:
        """``started``, ``running``, ``failed``, ``ended`` or ``exited`` from a sandbox's first process."""
        try:
            message, descriptors = _messages.receive(box.channel)
        except _messages.Closed:
            self._forget(box.channel.fileno())
            return
        if "started" in message:
            result, given = box.handover(message, descriptors)
            self._answer(box, {"result": result}, given)
            box.handed_over()
        elif "failed" in message:
            self._answer(box, {"error": message["failed"], "blamed": message["blamed"]})
        elif "running" in message:
            box.program = message["running"]
            self._answer(box, {"result": {}})
        elif "ended" in message:
            self._tell({"ended": message["ended"], "sandbox": box.name, **box.ended(message)})
        elif "exited" in message:
            box.status = message["exited"]

    def _answer(self, box: Box, answer: Message, descriptors: list[int] | None = None) -> None:
        if box.request is not None:
            self._tell({"request": box.request, **answer}, descriptors)
            box.request = None

    def _on_memory(self, box: Box) -> None:
        """Version 1 kills one process for want of memory: the rest of the sandbox goes with it."""
        self._forget_event(box)
        box.out_of_memory = True
        box.kill()

    def _on_end(self, box: Box) -> None:
        while box.channel.fileno() in self._handlers:
            self._on_news(box)
        self._forget(box.pidfd)
        self._forget_event(box)
        del self._boxes[box.name]
        self._stock.discard(box)
        self._answer(box, {"error": "the sandbox ended before its program started"})
        self._tell({"exited": box.name, **box.finish()})
        if box.estate is not None:
            if self._running:
                self._estates[box.name] = box.estate
            else:
                self._world.forget(box.estate)
        if not box.remove():
            self._lingering.append(box)

    def _forget_event(self, box: Box) -> None:
        if box.memory_event is not None:
            self._forget(box.memory_event)
            box.close_event()
