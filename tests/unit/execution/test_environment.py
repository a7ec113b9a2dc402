"""An environment, with the test as its runtime."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator

import pytest

from lamina.execution import Invocation
from lamina.execution._environment import Environment, InitFailed
from lamina.execution._output import Output
from lamina.sandbox import Exit

from .conftest import FakeSandbox, FakeStream, live_version

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"


def post(path: str, body: bytes) -> bytes:
    head = f"POST /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def invocation(request_id: str = "r1", **changes: object) -> Invocation:
    values = {"request_id": request_id, "payload": b'{"n":1}', "invoked_arn": "arn:x", "trace_id": "Root=1"}
    return Invocation(**{**values, **changes})  # type: ignore[arg-type]


class Inside:
    """The runtime's end of the connection, and the environment that it talks to."""

    def __init__(self, sandbox: FakeSandbox, environment: Environment) -> None:
        self.sandbox = sandbox
        self.environment = environment
        self.idle = 0
        self.went_idle = asyncio.Event()
        self.dead = 0

    async def connect(self) -> None:
        host, port = self.sandbox.runtime_api.split(":")
        self.reader, self.writer = await asyncio.open_connection(host, int(port))

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int((await self.reader.readline()).split()[1])
        headers = {}
        while (line := await self.reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, await self.reader.readexactly(int(headers["content-length"]))


@pytest.fixture
async def inside(stream: FakeStream) -> AsyncIterator[Inside]:
    sandbox = FakeSandbox()
    made = Inside(sandbox, None)  # type: ignore[arg-type]

    def on_idle(_: Environment) -> None:
        made.idle += 1
        made.went_idle.set()

    def on_dead(_: Environment) -> None:
        made.dead += 1

    made.environment = Environment(live_version(timeout=1), sandbox, Output(sandbox.output, stream), on_idle, on_dead)
    await made.environment.listen()
    await made.connect()
    yield made
    made.writer.close()
    sandbox.kill()
    await asyncio.sleep(0)


async def ready(inside: Inside) -> None:
    inside.writer.write(NEXT)
    await inside.environment.initialise()


async def test_next_makes_it_ready(inside: Inside) -> None:
    await ready(inside)
    assert inside.idle == 1


async def test_an_invocation_reaches_the_runtime_with_its_headers(inside: Inside) -> None:
    await ready(inside)
    inside.environment.invoke(invocation(client_context='{"a":1}'))
    status, headers, body = await inside.answer()
    assert (status, body) == (200, b'{"n":1}')
    assert headers["lambda-runtime-aws-request-id"] == "r1"
    assert headers["lambda-runtime-trace-id"] == "Root=1"
    assert headers["lambda-runtime-client-context"] == '{"a":1}'
    assert headers["lambda-runtime-deadline-ms"].isdigit()


async def test_a_response_is_the_outcome_and_next_makes_it_idle(inside: Inside) -> None:
    await ready(inside)
    outcome = inside.environment.invoke(invocation())
    await inside.answer()
    inside.writer.write(post("invocation/r1/response", b'"ok"') + NEXT)
    assert (await outcome).payload == b'"ok"'
    assert inside.idle == 2


async def test_the_acceptance_of_a_response_waits_for_the_next_event(inside: Inside) -> None:
    await ready(inside)
    outcome = inside.environment.invoke(invocation())
    await inside.answer()
    inside.writer.write(post("invocation/r1/response", b'"ok"') + NEXT)
    await outcome
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(inside.reader.read(1), 0.05)
    inside.environment.invoke(invocation("r2"))
    assert (await inside.answer())[0] == 202
    assert (await inside.answer())[1]["lambda-runtime-aws-request-id"] == "r2"


async def test_a_response_alone_is_accepted_at_once(inside: Inside) -> None:
    await ready(inside)
    inside.environment.invoke(invocation())
    await inside.answer()
    inside.writer.write(post("invocation/r1/response", b'"ok"'))
    assert (await inside.answer())[0] == 202


async def test_an_error_is_unhandled(inside: Inside) -> None:
    await ready(inside)
    outcome = inside.environment.invoke(invocation())
    inside.writer.write(post("invocation/r1/error", b'{"errorType":"E"}') + NEXT)
    done = await outcome
    assert (done.payload, done.function_error) == (b'{"errorType":"E"}', "Unhandled")


async def test_another_request_id_is_refused(inside: Inside) -> None:
    await ready(inside)
    inside.environment.invoke(invocation())
    await inside.answer()
    inside.writer.write(post("invocation/r9/response", b"1"))
    status, _, body = await inside.answer()
    assert (status, json.loads(body)["errorType"]) == (400, "InvalidRequestID")


async def test_a_response_that_is_too_large(inside: Inside) -> None:
    await ready(inside)
    outcome = inside.environment.invoke(invocation())
    await inside.answer()
    inside.writer.write(post("invocation/r1/response", b"x" * 6_291_557))
    assert json.loads((await outcome).payload)["errorType"] == "Function.ResponseSizeTooLarge"
    assert (await inside.answer())[0] == 413


async def test_a_timeout_ends_the_environment(inside: Inside) -> None:
    await ready(inside)
    done = await inside.environment.invoke(invocation())
    assert json.loads(done.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r1 Error: Task timed out after 1.00 seconds",
    }
    assert inside.sandbox.exited.done()


@pytest.mark.parametrize(
    ("exit_", "reason"),
    [
        (Exit(status=0), "without providing a reason"),
        (Exit(status=3), "with error: exit status 3"),
        (Exit(signal=9), "with error: signal: killed"),
        (Exit(signal=11), "with error: signal: segmentation fault"),
    ],
)
async def test_an_exit_ends_the_invocation(inside: Inside, exit_: Exit, reason: str) -> None:
    await ready(inside)
    outcome = inside.environment.invoke(invocation())
    inside.sandbox.exit(exit_)
    assert json.loads((await outcome).payload)["errorMessage"] == f"RequestId: r1 Error: Runtime exited {reason}"
    assert inside.dead == 1


async def test_an_init_error_is_the_answer(inside: Inside) -> None:
    inside.writer.write(post("init/error", b'{"errorType":"Runtime.ImportModuleError"}'))
    with pytest.raises(InitFailed) as failed:
        await inside.environment.initialise()
    assert failed.value.payload("r1") == b'{"errorType":"Runtime.ImportModuleError"}'


async def test_an_exit_at_init_is_the_answer(inside: Inside) -> None:
    inside.sandbox.exit(Exit(status=1))
    with pytest.raises(InitFailed) as failed:
        await inside.environment.initialise()
    assert json.loads(failed.value.payload("r7"))["errorMessage"].endswith("exit status 1")


async def test_the_log_has_the_recorded_lines(inside: Inside, stream: FakeStream) -> None:
    await ready(inside)
    outcome = inside.environment.invoke(invocation(tail=True))
    await inside.answer()
    os.write(inside.sandbox.stdout, b"hello\nunfinished")
    inside.writer.write(post("invocation/r1/response", b"1") + NEXT)
    done = await outcome
    start, hello, unfinished, end, report = stream.lines
    assert (start, hello, unfinished) == (b"START RequestId: r1 Version: $LATEST\n", b"hello\n", b"unfinished\n")
    assert end == b"END RequestId: r1\n"
    assert report.startswith(b"REPORT RequestId: r1\tDuration: ")
    assert report.endswith(b"ms\t\n")
    assert b"\tMemory Size: 128 MB\tMax Memory Used: 30 MB\tInit Duration: " in report
    assert done.log_tail == b"".join(stream.lines)


async def test_the_tail_is_the_last_four_kilobytes(inside: Inside) -> None:
    await ready(inside)
    outcome = inside.environment.invoke(invocation(tail=True))
    await inside.answer()
    os.write(inside.sandbox.stdout, b"x" * 9_000 + b"\n")
    inside.writer.write(post("invocation/r1/response", b"1") + NEXT)
    tail = (await outcome).log_tail
    assert tail is not None
    assert len(tail) == 4096
    assert tail.endswith(b"\t\n")


async def test_a_frozen_environment_is_thawed_for_an_invocation(inside: Inside) -> None:
    await ready(inside)
    inside.environment.freeze()
    assert inside.sandbox.frozen
    inside.environment.invoke(invocation())
    assert not inside.sandbox.frozen


async def test_a_runtime_that_hangs_up_is_replaced(inside: Inside) -> None:
    await ready(inside)
    inside.writer.close()
    await asyncio.wait_for(asyncio.shield(inside.sandbox.exited), 1)
    assert inside.dead >= 1


@pytest.mark.parametrize("garbage", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n"])
async def test_garbage_is_answered_and_hung_up_on(inside: Inside, garbage: bytes) -> None:
    inside.writer.write(garbage)
    assert b"400" in await inside.reader.read(1000)


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nX: ", post("x", b"")[:-4] + b"\r\nX: "])
async def test_a_head_without_an_end_is_hung_up_on(inside: Inside, start: bytes) -> None:
    inside.writer.write(start + b"x" * 4_194_304)
    with contextlib.suppress(ConnectionResetError):  # There was more to read than the server wanted.
        assert b" 400 " in await asyncio.wait_for(inside.reader.read(), 2)


async def test_unknown_paths_are_not_found(inside: Inside) -> None:
    inside.writer.write(b"GET /2018-06-01/whatever HTTP/1.1\r\n\r\n")
    assert (await inside.answer())[0] == 404


@pytest.mark.parametrize("cut", [1, 40, 90, -1])
async def test_a_response_in_pieces(inside: Inside, cut: int) -> None:
    await ready(inside)
    outcome = inside.environment.invoke(invocation())
    await inside.answer()
    inside.went_idle.clear()
    whole = post("invocation/r1/response", b'"ok"') + NEXT
    inside.writer.write(whole[:cut])
    await inside.writer.drain()
    await asyncio.sleep(0.01)
    inside.writer.write(whole[cut:])
    assert (await outcome).payload == b'"ok"'
    async with asyncio.timeout(1):
        await inside.went_idle.wait()


async def test_a_response_in_chunks(inside: Inside) -> None:
    await ready(inside)
    outcome = inside.environment.invoke(invocation())
    head = b"POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    inside.writer.write(head + b'2\r\n"o\r\n2\r\nk"\r\n0\r\n\r\n' + NEXT)
    assert (await outcome).payload == b'"ok"'


async def test_a_second_response_is_refused(inside: Inside) -> None:
    await ready(inside)
    inside.environment.invoke(invocation())
    await inside.answer()
    inside.writer.write(post("invocation/r1/response", b"1"))
    await inside.answer()
    inside.went_idle.clear()
    inside.writer.write(post("invocation/r1/response", b"2") + NEXT)
    async with asyncio.timeout(1):
        await inside.went_idle.wait()
    inside.environment.invoke(invocation("r2"))
    assert [(await inside.answer())[0] for _ in range(2)] == [400, 200]
