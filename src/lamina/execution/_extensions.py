"""The Extensions API (2020-01-01) of one environment: who has registered, and who is busy with what."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol

import orjson

from lamina.execution._invocation import Invocation
from lamina.execution._rejected import Rejected
from lamina.execution._side_requests import OK, Answerable, SideRequest, answer
from lamina.functions import LiveVersion

MOST_EXTENSIONS = 10
PREFIX = "/2020-01-01/extension/"
Reason = Literal["SPINDOWN", "TIMEOUT", "FAILURE"]
_EVENTS = ("INVOKE", "SHUTDOWN")
_ERROR_TYPE = "lambda-extension-function-error-type"
_STARTED, _REGISTERED, _READY, _RUNNING = "Started", "Registered", "Ready", "Running"


class Extension:
    """One extension. ``error_type`` is set when it has failed."""

    def __init__(self, name: str, *, external: bool) -> None:
        self.name = name
        self.external = external
        self.identifier = str(uuid.uuid4())
        self.events: tuple[str, ...] = ()
        self.state = _STARTED
        self.error_type: str | None = None
        self._connection: Answerable | None = None
        self._pending: bytes | None = None

    def wait(self, connection: Answerable) -> None:
        """It asks for its next event."""
        self.state = _READY
        self._connection = connection
        self._deliver()

    def tell(self, event: Mapping[str, Any]) -> None:
        """Have an event for it, as soon as it asks."""
        headers = {"Lambda-Extension-Event-Identifier": str(uuid.uuid4())}
        self._pending = answer(200, event, headers)
        self._deliver()

    def lose(self, connection: Answerable) -> None:
        """A connection is gone; it may ask again on another."""
        if connection is self._connection:
            self._connection = None

    def _deliver(self) -> None:
        if self._pending is not None:
            # Running from now on, whether it hears of it at once or not.
            self.state = _RUNNING
            if self._connection is not None:
                connection, self._connection = self._connection, None
                event, self._pending = self._pending, None
                connection.send(event)


class ExtensionEvents(Protocol):
    """What an environment does with the news of its extensions."""

    def on_settled(self) -> None:
        """Every extension asks for its next event."""

    def on_extension_error(self, error_type: str, reason: str) -> None:
        """An extension has failed, by its own word or by ending: the environment cannot go on."""


class Extensions:
    """The extensions of one environment.

    ``external`` are the names of those that were started from ``/opt/extensions``; everybody else who registers, while
    the environment initialises, is an internal one, a part of the runtime's process.
    """

    def __init__(self, live: LiveVersion, events: ExtensionEvents, external: Iterable[str] = ()) -> None:
        self._live = live
        self._events = events
        self._by_name = {name: Extension(name, external=True) for name in external}
        self._by_identifier: dict[str, Extension] = {}
        self._open = True
        self.registered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def known(self) -> bool:
        """Whether there are any."""
        return bool(self._by_name)

    @property
    def external(self) -> bool:
        """Whether one of them has a process of its own."""
        return any(each.external for each in self._by_name.values())

    @property
    def settled(self) -> bool:
        """Whether every one asks for its next event."""
        return all(each.state == _READY for each in self._by_name.values())

    @property
    def all(self) -> tuple[Extension, ...]:
        """Each of them."""
        return tuple(self._by_name.values())

    def close_registration(self) -> None:
        """The environment is initialised."""
        self._open = False

    def name_of(self, request: SideRequest) -> str:
        """Who sends a request. Raises ``Rejected``."""
        return self._sender(request).name

    def invoke(self, invocation: Invocation, deadline_ms: int) -> None:
        """Tell those that want to know of an invocation."""
        tracing = {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id}
        event = {
            "eventType": "INVOKE",
            "deadlineMs": deadline_ms,
            "requestId": invocation.request_id,
            "invokedFunctionArn": invocation.invoked_arn,
            "tracing": tracing,
        }
        self._tell("INVOKE", event)

    def shut_down(self, reason: Reason, seconds: float) -> None:
        """Tell those that want to know of the end, for which they have so many seconds."""
        deadline_ms = int((time.time() + seconds) * 1000)
        self._tell("SHUTDOWN", {"eventType": "SHUTDOWN", "deadlineMs": deadline_ms, "shutdownReason": reason})

    def crash(self, name: str) -> str:
        """Note that an external one has ended; its kind of error, by its own word if it has said one."""
        extension = self._by_name[name]
        if extension.error_type is None:
            extension.state, extension.error_type = "Exited", "Extension.Crash"
        return extension.error_type

    def refuse(self, name: str) -> str:
        """Note that an external one could not be started; its kind of error."""
        extension = self._by_name[name]
        extension.state, extension.error_type = "LaunchError", "Extension.LaunchError"
        return extension.error_type

    def lose(self, connection: Answerable) -> None:
        """A connection is gone."""
        for each in self._by_name.values():
            each.lose(connection)

    def handle(self, request: SideRequest) -> bytes | None:
        """Answer a request below ``PREFIX``; None is an answer that comes later. Raises ``Rejected``."""
        routes: dict[tuple[str, str], Callable[[SideRequest], bytes | None]] = {
            ("POST", "register"): self._register,
            ("GET", "event/next"): self._next,
            ("POST", "init/error"): self._init_error,
            ("POST", "exit/error"): self._exit_error,
        }
        route = routes.get((request.method, request.path.removeprefix(PREFIX)))
        if route is None:
            raise Rejected(404, "NotFound", "404 page not found")
        return route(request)

    def _register(self, request: SideRequest) -> bytes:
        name = request.headers.get("lambda-extension-name", "")
        if not name:
            raise Rejected(400, "Extension.InvalidExtensionName", "Empty extension name")
        events = _events_of(request.body)
        extension = self._by_name.get(name) or self._internal(name)
        if extension.state != _STARTED:
            raise _wrong_state(name, extension.state, _REGISTERED)
        for event in events:
            if event not in _EVENTS or (event == "SHUTDOWN" and not extension.external):
                raise Rejected(403, "Extension.InvalidEventType", f"{event}: Invalid event type")
        extension.events, extension.state = events, _REGISTERED
        self._by_name[name] = self._by_identifier[extension.identifier] = extension
        if all(each.state != _STARTED for each in self._by_name.values()) and not self.registered.done():
            self.registered.set_result(None)
        return self._registration(extension, request)

    def _internal(self, name: str) -> Extension:
        if not self._open:
            raise Rejected(403, "Extension.RegistrationClosed", "Extension registration closed already")
        if len(self._by_name) >= MOST_EXTENSIONS:
            raise Rejected(403, "Extension.TooManyExtensions", f"Extension limit ({MOST_EXTENSIONS}) reached")
        return Extension(name, external=False)

    def _registration(self, extension: Extension, request: SideRequest) -> bytes:
        live = self._live
        body = {"functionName": live.key.name, "functionVersion": live.version, "handler": live.handler}
        features = request.headers.get("lambda-extension-accept-feature", "").split(",")
        if "accountId" in {feature.strip() for feature in features}:
            body["accountId"] = live.key.account_id
        return answer(200, body, {"Lambda-Extension-Identifier": extension.identifier})

    def _next(self, request: SideRequest) -> None:
        extension = self._sender(request)
        extension.wait(request.connection)
        if self.settled:
            self._events.on_settled()

    def _init_error(self, request: SideRequest) -> bytes:
        extension = self._sender(request)
        if extension.state != _REGISTERED:
            raise _wrong_state(extension.name, extension.state, "InitError")
        return self._failed(extension, request, "InitError")

    def _exit_error(self, request: SideRequest) -> bytes:
        return self._failed(self._sender(request), request, "ExitError")

    def _failed(self, extension: Extension, request: SideRequest, state: str) -> bytes:
        reason = request.headers.get(_ERROR_TYPE)
        if not reason:
            raise Rejected(403, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
        extension.state, extension.error_type = state, f"Extension.{state}"
        request.connection.send(answer(202, OK))
        self._events.on_extension_error(extension.error_type, reason)
        return b""

    def _sender(self, request: SideRequest) -> Extension:
        identifier = request.identifier
        if not identifier:
            message = "Missing Lambda-Extension-Identifier header"
            raise Rejected(403, "Extension.MissingExtensionIdentifier", message)
        try:
            uuid.UUID(identifier)
        except ValueError:
            message = "Invalid Lambda-Extension-Identifier"
            raise Rejected(403, "Extension.InvalidExtensionIdentifier", message) from None
        extension = self._by_identifier.get(identifier)
        if extension is None:
            raise Rejected(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")
        return extension

    def _tell(self, kind: str, event: Mapping[str, Any]) -> None:
        for each in self._by_name.values():
            if kind in each.events:
                each.tell(event)


def _events_of(body: bytes) -> tuple[str, ...]:
    try:
        request = orjson.loads(body)
        events = request.get("events") or ()
        if not all(isinstance(event, str) for event in events):
            raise TypeError
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        raise Rejected(400, "InvalidRequestFormat", "Could not parse the request body") from None
    return tuple(dict.fromkeys(events))


def _wrong_state(name: str, state: str, wanted: str) -> Rejected:
    why = f"State transition from {state} to {wanted} failed for extension {name}."
    return Rejected(403, "Extension.InvalidExtensionState", f"{why} Error: State transition is not allowed")
