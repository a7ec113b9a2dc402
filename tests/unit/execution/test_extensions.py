"""The Extensions API, with the test as runtime and as extensions."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from lamina.execution import Invocation, _shutdown
from lamina.execution._environment import Environment, InitFailed
from lamina.execution._output import Output
from lamina.sandbox import Exit

from .conftest import FakeSandbox, FakeStream, live_version

NEXT = "/2018-06-01/runtime/invocation/next"
BASE = "/2020-01-01/extension/"


@dataclass
class FakeBeside:
    """Companions whose ends the test decides."""

    names: tuple[str, ...]
    refused: dict[str, tuple[str, str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.ended: dict[str, asyncio.Future[Exit]] = {name: loop.create_future() for name in self.names}
        self.program: asyncio.Future[Exit] = loop.create_future()
        self.output, self.stdout = os.pipe2(os.O_NONBLOCK)


class Client:
    """One connection from inside."""

    def __init__(self, sandbox: FakeSandbox, identifier: str = "") -> None:
        self.sandbox = sandbox
        self.identifier = identifier

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> None:
        if not hasattr(self, "writer"):
            host, port = self.sandbox.runtime_api.split(":")
            self.reader, self.writer = await asyncio.open_connection(host, int(port))
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if self.identifier:
            headers.setdefault("lambda_extension_identifier", self.identifier)
        lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{''.join(lines)}Content-Length: {len(data)}\r\n\r\n"
        self.writer.write(head.encode() + data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        async with asyncio.timeout(5):
            status = int((await self.reader.readline()).split()[1])
            headers = {}
            while (line := await self.reader.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = await self.reader.readexactly(int(headers["content-length"]))
        return status, headers, json.loads(body) if body else None

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        await self.send(method, path, body, **headers)
        return await self.answer()

    async def register(self, name: str, *events: str, **headers: str) -> tuple[int, dict[str, str], Any]:
        done = await self.ask("POST", BASE + "register", {"events": events}, lambda_extension_name=name, **headers)
        self.identifier = done[1].get("lambda-extension-identifier", "")
        return done

    async def next(self) -> None:
        """Ask for an event; the server has seen it when this is done."""
        await self.send("GET", BASE + "event/next")
        await asyncio.sleep(0.02)

    async def event(self) -> dict[str, Any]:
        await self.send("GET", BASE + "event/next")
        status, _, body = await self.answer()
        assert status == 200
        return dict(body)


class World:
    """One environment and the way into it."""

    def __init__(self, stream: FakeStream) -> None:
        self.stream = stream
        self.idle = 0
        self.dead = 0
        self.clients: list[Client] = []

    async def begin(self, *external: str, seconds: int = 3, **refused: tuple[str, str, int]) -> None:
        self.sandbox = FakeSandbox()
        if external:
            self.sandbox.beside = FakeBeside(external, refused)

        def on_idle(_: Environment) -> None:
            self.idle += 1

        def on_dead(_: Environment) -> None:
            self.dead += 1

        output = Output(self.sandbox.output, self.stream)
        self.environment = Environment(live_version(timeout=seconds), self.sandbox, output, on_idle, on_dead)
        await self.environment.listen()
        self.initialising = asyncio.create_task(self.environment.initialise())
        self.runtime = self.client()

    def client(self, identifier: str = "") -> Client:
        self.clients.append(Client(self.sandbox, identifier))
        return self.clients[-1]

    async def with_one(self, *events: str, name: str = "one", external: bool = True, seconds: int = 3) -> Client:
        """Initialised, with one extension that waits for its next event."""
        await self.begin(*([name] if external else []), seconds=seconds)
        extension = self.client()
        await extension.register(name, *events)
        await self.runtime_next()
        await extension.next()
        await asyncio.wait_for(self.initialising, 5)
        return extension

    async def runtime_next(self) -> None:
        await self.runtime.send("GET", NEXT)
        await asyncio.sleep(0.02)

    async def respond(self, request_id: str = "r1") -> None:
        await self.runtime.answer()
        await self.runtime.ask("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", b'"ok"')

    def invoke(self, request_id: str = "r1", **changes: Any) -> asyncio.Future[Any]:
        made = Invocation(request_id=request_id, payload=b"{}", invoked_arn="arn:fn", trace_id="Root=1", **changes)
        return self.environment.invoke(made)


@pytest.fixture
async def world(stream: FakeStream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(_shutdown, "_EXTERNAL_SECONDS", 0.4)
    monkeypatch.setattr(_shutdown, "_RUNTIME_SECONDS", 0.1)
    monkeypatch.setattr(_shutdown, "_INTERNAL_SECONDS", 0.2)
    made = World(stream)
    yield made
    made.initialising.cancel()
    for each in made.clients:
        if hasattr(each, "writer"):
            each.writer.close()
    made.sandbox.kill()
    await asyncio.wait_for(made.environment.ended(), 5)
    await asyncio.sleep(0)
    if made.sandbox.beside is not None:
        os.close(made.sandbox.beside.stdout)
        os.close(made.sandbox.beside.output)


async def test_registering_tells_about_the_function(world: World) -> None:
    await world.begin("one")
    status, headers, body = await world.client().register("one", "INVOKE", lambda_extension_accept_feature="accountId")
    assert status == 200
    assert len(headers["lambda-extension-identifier"]) == 36
    assert body == {"functionName": "fn", "functionVersion": "$LATEST", "handler": "app.handler",
                    "accountId": "000000000000"}  # fmt: skip


async def test_the_account_is_told_to_who_asks(world: World) -> None:
    await world.begin("one")
    assert "accountId" not in (await world.client().register("one"))[2]


async def test_the_program_runs_when_all_external_ones_have_registered(world: World) -> None:
    await world.begin("one", "two")
    await world.client().register("one")
    assert not world.sandbox.running
    await world.client().register("two")
    await asyncio.sleep(0.02)
    assert world.sandbox.running


async def test_init_waits_until_all_ask_for_an_event(world: World) -> None:
    await world.begin("one")
    extension = world.client()
    await extension.register("one", "INVOKE", "SHUTDOWN")
    await world.runtime_next()
    assert not world.initialising.done()
    await extension.next()
    await asyncio.wait_for(world.initialising, 5)
    assert world.idle == 1
    assert world.stream.lines == [b"EXTENSION\tName: one\tState: Ready\tEvents: [INVOKE,SHUTDOWN]\n"]


async def test_an_invocation_reaches_those_that_want_it(world: World) -> None:
    extension = await world.with_one("INVOKE")
    world.invoke()
    status, headers, event = await extension.answer()
    assert status == 200
    assert headers["lambda-extension-event-identifier"]
    deadline = event.pop("deadlineMs")
    assert event == {"eventType": "INVOKE", "requestId": "r1", "invokedFunctionArn": "arn:fn",
                     "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1"}}  # fmt: skip
    assert (await world.runtime.answer())[1]["lambda-runtime-deadline-ms"] == str(deadline)


async def test_one_without_events_is_never_waited_for(world: World) -> None:
    await world.with_one()
    outcome = world.invoke()
    await world.respond()
    await world.runtime_next()
    assert (await outcome).payload == b'"ok"'
    assert world.idle == 2


async def test_the_caller_is_answered_before_the_extensions_have_done(world: World) -> None:
    extension = await world.with_one("INVOKE")
    outcome = world.invoke()
    await world.respond()
    await world.runtime_next()
    assert (await asyncio.wait_for(outcome, 5)).payload == b'"ok"'
    assert world.idle == 1
    assert not any(line.startswith(b"REPORT") for line in world.stream.lines)
    await extension.answer()
    await extension.next()
    assert world.idle == 2
    assert world.stream.lines[-1].startswith(b"REPORT RequestId: r1")


async def test_the_runtime_may_be_the_last(world: World) -> None:
    extension = await world.with_one("INVOKE")
    outcome = world.invoke()
    await extension.answer()
    await extension.next()
    await world.respond()
    assert world.idle == 1
    await world.runtime_next()
    assert (await outcome).payload == b'"ok"'
    assert world.idle == 2
    assert [line[:6] for line in world.stream.lines].count(b"REPORT") == 1


async def test_the_tail_of_the_log_waits_for_the_report(world: World) -> None:
    extension = await world.with_one("INVOKE")
    outcome = world.invoke(tail=True)
    await world.respond()
    await extension.answer()
    assert not outcome.done()
    await extension.next()
    await world.runtime_next()
    assert b"REPORT RequestId: r1" in (await asyncio.wait_for(outcome, 5)).log_tail


async def test_an_event_waits_for_an_extension_that_has_lost_its_connection(world: World) -> None:
    extension = await world.with_one("INVOKE")
    extension.writer.close()
    await asyncio.sleep(0.02)
    world.invoke()
    again = world.client(extension.identifier)
    assert (await again.event())["requestId"] == "r1"


@pytest.mark.parametrize(("ended", "reason"), [(Exit(status=0), "exit code 0"), (Exit(status=1), "exit status 1"),
                                               (Exit(signal=9), "signal: killed")])  # fmt: skip
async def test_a_crash_fails_the_invocation(world: World, ended: Exit, reason: str) -> None:
    await world.with_one("INVOKE")
    outcome = world.invoke()
    world.sandbox.beside.ended["one"].set_result(ended)
    done = await asyncio.wait_for(outcome, 5)
    assert done.function_error == "Unhandled"
    assert json.loads(done.payload) == {
        "errorType": "Extension.Crash",
        "errorMessage": f"RequestId: r1 Error: {reason}",
    }
    world.sandbox.beside.program.set_result(Exit(signal=15))
    await asyncio.wait_for(asyncio.shield(world.sandbox.exited), 5)
    assert b"Status: error\tError Type: Extension.Crash" in world.stream.lines[-1]


async def test_a_crash_while_idle_ends_the_environment(world: World) -> None:
    await world.with_one("INVOKE")
    world.sandbox.beside.ended["one"].set_result(Exit(status=1))
    await asyncio.sleep(0.02)
    assert world.dead


@pytest.mark.parametrize("registered", [True, False])
async def test_a_crash_while_initialising(world: World, registered: bool) -> None:
    await world.begin("one")
    if registered:
        await world.client().register("one")
    world.sandbox.beside.ended["one"].set_result(Exit(status=3))
    with pytest.raises(InitFailed) as failed:
        await asyncio.wait_for(world.initialising, 5)
    assert json.loads(failed.value.payload("r9")) == {
        "errorType": "Extension.Crash", "errorMessage": "RequestId: r9 Error: exit status 3"}  # fmt: skip
    assert world.stream.lines[-2] == b"EXTENSION\tName: one\tState: Exited\tEvents: []\tError Type: Extension.Crash\n"


async def test_an_error_at_init_is_the_answer(world: World) -> None:
    await world.begin("one")
    extension = world.client()
    await extension.register("one")
    done = await extension.ask("POST", BASE + "init/error", {}, lambda_extension_function_error_type="Extension.NoKey")
    assert done[0::2] == (202, {"status": "OK"})
    with pytest.raises(InitFailed) as failed:
        await asyncio.wait_for(world.initialising, 5)
    assert json.loads(failed.value.payload("r1"))["errorType"] == "Extension.InitError"
    assert json.loads(failed.value.payload("r1"))["errorMessage"] == "RequestId: r1 Error: Extension.NoKey"


async def test_an_error_at_exit_fails_the_invocation(world: World) -> None:
    extension = await world.with_one("INVOKE")
    outcome = world.invoke()
    await extension.answer()
    done = await extension.ask("POST", BASE + "exit/error", {}, lambda_extension_function_error_type="Extension.Gone")
    assert done[0] == 202
    assert json.loads((await outcome).payload)["errorType"] == "Extension.ExitError"


async def test_one_that_cannot_be_started(world: World) -> None:
    await world.begin("one", one=("execute /opt/extensions/one", "/opt/extensions/one", 13))
    with pytest.raises(InitFailed) as failed:
        await asyncio.wait_for(world.initialising, 5)
    assert json.loads(failed.value.payload("r1")) == {
        "errorType": "Extension.LaunchError",
        "errorMessage": "RequestId: r1 Error: fork/exec /opt/extensions/one: permission denied"}  # fmt: skip


async def test_a_runtime_that_ends_is_the_answer_and_extensions_hear_of_it(world: World) -> None:
    extension = await world.with_one("SHUTDOWN")
    outcome = world.invoke()
    world.sandbox.beside.program.set_result(Exit(status=7))
    assert json.loads((await asyncio.wait_for(outcome, 5)).payload)["errorType"] == "Runtime.ExitError"
    event = (await extension.answer())[2]
    assert (event["eventType"], event["shutdownReason"]) == ("SHUTDOWN", "FAILURE")
    world.sandbox.beside.ended["one"].set_result(Exit(status=0))
    await asyncio.wait_for(asyncio.shield(world.sandbox.exited), 1)


async def test_a_timeout_is_told_and_bounded(world: World) -> None:
    extension = await world.with_one("SHUTDOWN", seconds=1)
    loop = asyncio.get_running_loop()
    outcome = world.invoke()
    assert json.loads((await outcome).payload)["errorType"] == "Sandbox.Timedout"
    began = loop.time()
    assert world.sandbox.asked.is_set() or await asyncio.wait_for(world.sandbox.asked.wait(), 1)
    assert (await extension.answer())[2]["shutdownReason"] == "TIMEOUT"
    await asyncio.wait_for(asyncio.shield(world.sandbox.exited), 5)
    assert 0.3 < loop.time() - began < 1


async def test_extensions_count_towards_the_timeout(world: World) -> None:
    extension = await world.with_one("INVOKE", "SHUTDOWN", seconds=1)
    outcome = world.invoke()
    await world.respond()
    await world.runtime_next()
    assert (await outcome).payload == b'"ok"'
    assert (await extension.answer())[2]["eventType"] == "INVOKE"
    await asyncio.wait_for(world.sandbox.asked.wait(), 2)
    world.sandbox.beside.program.set_result(Exit(signal=15))
    assert (await extension.event())["shutdownReason"] == "TIMEOUT"
    world.sandbox.beside.ended["one"].set_result(Exit(status=0))
    await asyncio.wait_for(asyncio.shield(world.sandbox.exited), 1)


async def test_the_end_gives_notice_even_to_a_frozen_one(world: World) -> None:
    extension = await world.with_one("SHUTDOWN")
    world.environment.freeze()
    world.environment.end()
    assert not world.sandbox.frozen
    world.sandbox.beside.program.set_result(Exit(signal=15))
    assert (await extension.answer())[2]["shutdownReason"] == "SPINDOWN"
    world.sandbox.beside.ended["one"].set_result(Exit(status=0))
    await asyncio.wait_for(asyncio.shield(world.sandbox.exited), 1)
    assert world.dead


async def test_an_environment_with_internal_ones_gets_half_a_second(world: World) -> None:
    await world.with_one("INVOKE", external=False)
    world.environment.end()
    await asyncio.wait_for(world.sandbox.asked.wait(), 1)
    assert not world.sandbox.exited.done()
    await asyncio.wait_for(asyncio.shield(world.sandbox.exited), 1)


async def test_an_environment_without_extensions_ends_at_once(world: World) -> None:
    await world.begin()
    await world.runtime_next()
    await world.initialising
    world.environment.end()
    assert world.sandbox.exited.done()
    assert not world.sandbox.asked.is_set()


async def test_ten_are_the_most(world: World) -> None:
    await world.begin()
    for number in range(10):
        assert (await world.client().register(f"e{number}"))[0] == 200
    status, _, body = await world.client().register("e10")
    assert (status, body) == (403, {"errorMessage": "Extension limit (10) reached",
                                    "errorType": "Extension.TooManyExtensions"})  # fmt: skip


Asking = Callable[[Client], Any]


@pytest.mark.parametrize(
    ("asking", "status", "error_type"),
    [
        (lambda c: c.register(""), 400, "Extension.InvalidExtensionName"),
        (lambda c: c.register("one", "NOTHING"), 403, "Extension.InvalidEventType"),
        (lambda c: c.register("inside", "SHUTDOWN"), 403, "Extension.InvalidEventType"),
        (lambda c: c.ask("POST", BASE + "register", b"{", lambda_extension_name="one"), 400, "InvalidRequestFormat"),
        (lambda c: c.ask("POST", BASE + "register", [], lambda_extension_name="one"), 400, "InvalidRequestFormat"),
        (lambda c: c.ask("POST", BASE + "register", {"events": [1]}, lambda_extension_name="one"), 400,
         "InvalidRequestFormat"),
        (lambda c: c.ask("GET", BASE + "event/next"), 403, "Extension.MissingExtensionIdentifier"),
        (lambda c: c.ask("GET", BASE + "event/next", lambda_extension_identifier="x"), 403,
         "Extension.InvalidExtensionIdentifier"),
        (lambda c: c.ask("GET", BASE + "event/next", lambda_extension_identifier="0" * 32), 403,
         "Extension.UnknownExtensionIdentifier"),
        (lambda c: c.ask("GET", BASE + "nothing"), 404, "NotFound"),
        (lambda c: c.ask("DELETE", BASE + "register"), 404, "NotFound"),
    ],
)  # fmt: skip
async def test_what_is_refused(world: World, asking: Asking, status: int, error_type: str) -> None:
    await world.begin("one")
    done = await asking(world.client())
    assert (done[0], done[2]["errorType"]) == (status, error_type)
    assert set(done[2]) == {"errorMessage", "errorType"}


async def test_registering_twice_is_refused(world: World) -> None:
    await world.begin("one")
    await world.client().register("one")
    status, _, body = await world.client().register("one")
    assert (status, body["errorType"]) == (403, "Extension.InvalidExtensionState")


async def test_an_error_needs_its_kind(world: World) -> None:
    await world.begin("one")
    extension = world.client()
    await extension.register("one")
    status, _, body = await extension.ask("POST", BASE + "init/error", {})
    assert (status, body["errorType"]) == (403, "Extension.MissingHeader")


async def test_registration_closes_with_the_initialisation(world: World) -> None:
    await world.begin()
    await world.runtime_next()
    await world.initialising
    status, _, body = await world.client().register("late")
    assert (status, body["errorType"]) == (403, "Extension.RegistrationClosed")


async def test_what_extensions_print_is_in_the_log(world: World) -> None:
    await world.with_one("INVOKE")
    os.write(world.sandbox.beside.stdout, b"from beside\n")
    await asyncio.sleep(0.02)
    assert b"from beside\n" in world.stream.lines
