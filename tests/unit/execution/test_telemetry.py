"""The Telemetry API and the Logs API, with the test as runtime, extension and destination."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lamina.execution import _telemetry_delivery as delivery
from lamina.execution._telemetry_delivery import Delivery
from lamina.execution._telemetry_events import event, line, written
from lamina.execution._telemetry_request import Destination, Subscription
from lamina.sandbox import Exit

from .conftest import FakeStream
from .test_extensions import BASE, Client, World, world

__all__ = ["world"]
TELEMETRY, LOGS = "/2022-07-01/telemetry", "/2020-08-15/logs"


class Destinations:
    """A listener inside, which takes batches over HTTP or lines over TCP."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.batches = 0
        self.requests: list[str] = []
        self.status = b"200 OK"
        self.changed = asyncio.Condition()

    async def open(self, serve: Any) -> None:
        self.server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 " + self.status + b"\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        async with self.changed:
            self.requests.append(head.split("\r\n")[0])
            if self.status.startswith(b"200"):
                self.batches += 1
                self.events += body
            self.changed.notify_all()

    async def tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while text := await reader.readline():
            async with self.changed:
                self.events.append(json.loads(text))
                self.changed.notify_all()
        writer.close()

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind, as soon as there is one."""
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: any(each["type"] == kind for each in self.events))
        return [each for each in self.events if each["type"] == kind]


@pytest.fixture
async def inside() -> AsyncIterator[Destinations]:
    made = Destinations()
    await made.open(made.http)
    yield made
    made.server.close()


def wish(port: int, *types: str, schema: str = "2022-12-13", **more: Any) -> dict[str, Any]:
    return {
        "schemaVersion": schema,
        "types": types or ["platform", "function", "extension"],
        "buffering": {"timeoutMs": 25},
        "destination": {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{port}/events"},
        **more,
    }


async def subscribed(world: World, body: dict[str, Any], path: str = TELEMETRY) -> Client:
    """Initialised, with one extension that gets telemetry."""
    await world.begin("one")
    extension = world.client()
    await extension.register("one", "INVOKE", "SHUTDOWN")
    status, _, answer = await extension.ask("PUT", path, body)
    assert (status, answer) == (200, "OK")
    os.write(world.sandbox.stdout, b"while it begins\n")
    await world.runtime_next()
    await extension.next()
    await asyncio.wait_for(world.initialising, 5)
    return extension


async def run(world: World, extension: Client) -> None:
    world.invoke()
    os.write(world.sandbox.stdout, b"from the function\n")
    os.write(world.sandbox.beside.stdout, b"from beside\n")
    await world.respond()
    await extension.answer()
    await extension.next()
    await world.runtime_next()


async def test_the_events_of_a_life(world: World, inside: Destinations) -> None:
    extension = await subscribed(world, wish(inside.port))
    await run(world, extension)
    (report,) = await inside.until("platform.report")
    kinds = [each["type"] for each in inside.events]
    platform = [kind for kind in kinds if kind.startswith("platform")]
    assert platform == [
        "platform.initStart", "platform.telemetrySubscription", "platform.initRuntimeDone", "platform.extension",
        "platform.initReport", "platform.start", "platform.runtimeDone", "platform.report"]  # fmt: skip
    by_kind = {each["type"]: each["record"] for each in inside.events}
    assert by_kind["platform.initStart"]["functionName"] == "fn"
    assert by_kind["platform.telemetrySubscription"] == {
        "name": "one", "state": "Subscribed", "types": ["platform", "function", "extension"]}  # fmt: skip
    assert by_kind["platform.extension"] == {"name": "one", "state": "Ready", "events": ["INVOKE", "SHUTDOWN"]}
    assert by_kind["platform.start"]["tracing"] == {"type": "X-Amzn-Trace-Id", "value": "Root=1"}
    assert by_kind["platform.runtimeDone"]["metrics"]["producedBytes"] == 4
    assert by_kind["platform.runtimeDone"]["status"] == "success"
    assert set(report["record"]["metrics"]) == {
        "durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"}  # fmt: skip
    assert [each["record"] for each in inside.events if each["type"] == "function"] == [
        "while it begins\n", "from the function\n"]  # fmt: skip
    assert by_kind["extension"] == "from beside\n"
    assert inside.requests[0] == "POST /events HTTP/1.1"
    assert b"TELEMETRY\tName: one\tState: Subscribed\tTypes: [Platform, Function, Extension]\n" in world.stream.lines


async def test_only_the_types_that_are_wanted(world: World, inside: Destinations) -> None:
    extension = await subscribed(world, wish(inside.port, "function"))
    await run(world, extension)
    await inside.until("function")
    assert {each["type"] for each in inside.events} == {"function"}


async def test_the_logs_api_has_shapes_of_its_own(world: World, inside: Destinations) -> None:
    extension = await subscribed(world, wish(inside.port, schema="2020-08-15"), LOGS)
    await run(world, extension)
    await inside.until("platform.report")
    by_kind = {each["type"]: each["record"] for each in inside.events}
    assert by_kind["platform.start"] == {"requestId": "r1", "version": "$LATEST"}
    assert by_kind["platform.end"] == {"requestId": "r1"}
    assert set(by_kind["platform.report"]) == {"requestId", "metrics"}
    assert by_kind["platform.logsSubscription"]["state"] == "Subscribed"
    assert not {"platform.initStart", "platform.runtimeDone", "platform.telemetrySubscription"} & set(by_kind)
    assert any(line.startswith(b"LOGS\tName: one") for line in world.stream.lines)


async def test_lines_of_json_over_tcp(world: World) -> None:
    inside = Destinations()
    await inside.open(inside.tcp)
    destination = {"protocol": "TCP", "port": inside.port}
    extension = await subscribed(world, wish(inside.port, destination=destination))
    await run(world, extension)
    await inside.until("platform.report")
    inside.server.close()


async def test_nothing_is_sent_while_it_is_frozen(world: World, inside: Destinations) -> None:
    extension = await subscribed(world, wish(inside.port, buffering={"timeoutMs": 600}))
    await inside.until("platform.initReport")
    await run(world, extension)
    world.environment.freeze()
    await asyncio.sleep(0.7)
    assert not [each for each in inside.events if each["type"] == "platform.report"]
    world.invoke("r2")
    assert (await inside.until("platform.report"))[0]["record"]["requestId"] == "r1"


async def test_the_end_sends_what_is_left(world: World, inside: Destinations) -> None:
    extension = await subscribed(world, wish(inside.port, buffering={"timeoutMs": 30_000}))
    await run(world, extension)
    assert not inside.events
    world.environment.end()
    world.sandbox.beside.program.set_result(Exit(signal=15))
    await inside.until("platform.report")
    assert (await extension.answer())[2]["eventType"] == "SHUTDOWN"


async def test_a_runtime_that_ends_is_a_fault(world: World, inside: Destinations) -> None:
    await subscribed(world, wish(inside.port))
    world.invoke()
    world.sandbox.beside.program.set_result(Exit(status=1))
    (fault,) = await inside.until("platform.fault")
    assert fault["record"] == "RequestId: r1 Process exited before completing request"
    (done,) = await inside.until("platform.runtimeDone")
    assert (done["record"]["status"], done["record"]["errorType"]) == ("error", "Runtime.ExitError")


async def test_without_a_subscription_nobody_follows(world: World, stream: FakeStream) -> None:
    await world.with_one("INVOKE")
    assert world.environment._telemetry is None
    assert world.environment._output._follower is None


async def test_an_internal_extension_may_subscribe(world: World, inside: Destinations) -> None:
    await world.begin()
    extension = world.client()
    await extension.register("inside", "INVOKE")
    assert (await extension.ask("PUT", TELEMETRY, wish(inside.port)))[0] == 200
    await extension.next()
    await world.runtime_next()
    await world.initialising
    await inside.until("platform.initReport")


async def test_who_has_not_registered_cannot_subscribe(world: World) -> None:
    await world.begin("one")
    status, _, body = await world.client().ask("PUT", TELEMETRY, wish(1))
    assert (status, body["errorType"]) == (403, "Extension.MissingExtensionIdentifier")


async def test_subscribing_is_for_the_initialisation(world: World) -> None:
    extension = await world.with_one()
    late = world.client(extension.identifier)
    for path, kind in ((TELEMETRY, "Telemetry"), (LOGS, "Logs")):
        status, _, body = await late.ask("PUT", path, wish(1))
        assert (status, body["errorType"]) == (403, f"{kind}.SubscriptionClosed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"schemaVersion": "2020-08-15"},
        {"types": []},
        {"types": ["nothing"]},
        {"types": "platform"},
        {"types": [["platform"]]},
        {"buffering": {"maxItems": 999}},
        {"buffering": {"maxItems": 10_001}},
        {"buffering": {"maxBytes": 262_143}},
        {"buffering": {"maxBytes": 1_048_577}},
        {"buffering": {"timeoutMs": 24}},
        {"buffering": {"timeoutMs": 30_001}},
        {"buffering": {"timeoutMs": True}},
        {"buffering": [1]},
        {"destination": None},
        {"destination": {"protocol": "UDP", "URI": "http://sandbox.localdomain:80"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:99999"}},
        {"destination": {"protocol": "HTTP", "URI": "http://example.com:80"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:9001"}},
        {"destination": {"protocol": "HTTP", "URI": "https://sandbox.localdomain:80"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:80", "method": "GET"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox:80/a b\r\nX: y"}},
        {"destination": {"protocol": "TCP", "port": "80"}},
    ],
)
async def test_a_wrong_wish_is_refused(world: World, wrong: dict[str, Any]) -> None:
    await world.begin("one")
    extension = world.client()
    await extension.register("one")
    status, _, body = await extension.ask("PUT", TELEMETRY, wish(4243) | wrong)
    assert (status, body["errorType"]) == (400, "ValidationError")
    assert body["errorMessage"]


async def test_a_body_that_is_no_json_is_refused(world: World) -> None:
    await world.begin("one")
    extension = world.client()
    await extension.register("one")
    assert (await extension.ask("PUT", TELEMETRY, b"{"))[2]["errorType"] == "ValidationError"
    assert (await extension.ask("POST", TELEMETRY, wish(1)))[0] == 404
    assert (await extension.ask("GET", BASE + "event/none"))[0] == 404


# One subscriber by itself.


def subscription(port: int, items: int = 1_000, size: int = 262_144, timeout_ms: int = 25) -> Subscription:
    return Subscription(name="one", schema="2022-12-13", types=("platform",), max_items=items, max_bytes=size,
                        timeout_ms=timeout_ms, destination=Destination(port=port, method="POST"))  # fmt: skip


async def connect(port: int) -> Any:
    from .conftest import FakeSandbox

    return await FakeSandbox.connect(None, port)  # type: ignore[arg-type]


async def test_a_full_buffer_does_not_wait(inside: Destinations) -> None:
    made = Delivery(subscription(inside.port, timeout_ms=30_000), connect)
    for number in range(1_000):
        made.add(event("platform.start", {"n": number}))
    await inside.until("platform.start")
    assert [each["record"]["n"] for each in inside.events] == list(range(1_000))
    made.close()


async def test_a_batch_is_no_larger_than_wanted(inside: Destinations) -> None:
    made = Delivery(subscription(inside.port), connect)
    for number in range(6):
        made.add(event("platform.start", {"n": number, "text": "x" * 100_000}))
    await made.flush()
    assert [each["record"]["n"] for each in inside.events] == list(range(6))
    assert inside.batches == 3


async def test_what_there_is_no_room_for_is_counted_and_told(inside: Destinations) -> None:
    made = Delivery(subscription(inside.port), connect)
    made.freeze()
    for number in range(5_000):
        made.add(event("platform.start", {"n": number}))
    made.thaw()
    await made.flush()
    (dropped,) = await inside.until("platform.logsDropped")
    assert dropped["record"]["droppedRecords"] == 1_000
    assert dropped["record"]["droppedBytes"] > 10_000
    assert len(inside.events) == 4_001


async def test_a_subscriber_that_refuses_is_asked_twice(inside: Destinations) -> None:
    made = Delivery(subscription(inside.port), connect)
    inside.status = b"500 Internal Server Error"
    made.add(event("platform.start", {}))
    await made.flush()
    assert len(inside.requests) == 2
    inside.status = b"200 OK"
    made.add(event("platform.start", {}))
    await made.flush()
    assert (await inside.until("platform.logsDropped"))[0]["record"]["droppedRecords"] == 1


async def test_a_port_where_nobody_listens_costs_events_and_nothing_else() -> None:
    made = Delivery(subscription(1), connect)
    made.add(event("platform.start", {}))
    await made.flush()
    assert made._dropped[0] == 1


async def test_a_subscriber_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_ANSWER_SECONDS", 0.05)
    held = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await reader.read()

    inside = Destinations()
    await inside.open(silent)
    made = Delivery(subscription(inside.port), connect)
    made.add(event("platform.start", {}))
    await asyncio.wait_for(made.flush(), 5)
    assert len(held) == 2
    for each in held:
        each.close()
    inside.server.close()


@pytest.mark.parametrize(
    ("schema", "text", "record"),
    [
        ("2022-12-13", b'{"a":1}\n', {"a": 1}),
        ("2022-07-01", b'{"a":1}\n', '{"a":1}\n'),
        ("2020-08-15", b'{"a":1}\n', '{"a":1}\n'),
        ("2022-12-13", b"{broken\n", "{broken\n"),
        ("2025-01-29", b"\xff\n", "�\n"),
    ],
)
def test_lines_of_json_are_objects_since_the_second_schema(schema: str, text: bytes, record: Any) -> None:
    made = written(schema)(line("function", text, json=True))
    assert made is not None
    assert json.loads(made)["record"] == record


def test_lines_are_texts_where_the_log_is_text() -> None:
    made = written("2022-12-13")(line("function", b'{"a":1}\n', json=False))
    assert made is not None
    assert json.loads(made)["record"] == '{"a":1}\n'
