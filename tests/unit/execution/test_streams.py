"""Responses that come in pieces: the stream between runtime and caller, and the Runtime API's streaming mode."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest

from lamina.execution import Invocation, ResponseStream, _streams
from lamina.execution._environment import Environment
from lamina.execution._output import Output
from lamina.sandbox import Exit

from .conftest import FakeSandbox, FakeStream, live_version
from .test_environment import NEXT, Inside, post

HEAD = (
    b"POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1\r\nHost: x\r\n"
    b"Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def trailers(error_type: str, body: bytes) -> bytes:
    lines = f"0\r\nLambda-Runtime-Function-Error-Type: {error_type}\r\nLambda-Runtime-Function-Error-Body: "
    return lines.encode() + body + b"\r\n\r\n"


class FakeSource:
    """A connection that knows whether it waits."""

    paused = False

    def pause(self) -> None:
        assert not self.paused
        self.paused = True

    def resume(self) -> None:
        assert self.paused
        self.paused = False


@pytest.fixture
def source() -> FakeSource:
    return FakeSource()


@pytest.fixture
async def streaming(stream: FakeStream) -> AsyncIterator[Inside]:
    """An environment that is ready, with the test as its runtime."""
    sandbox = FakeSandbox()
    made = Inside(sandbox, None)  # type: ignore[arg-type]

    def on_idle(_: Environment) -> None:
        made.idle += 1
        made.went_idle.set()

    def on_dead(_: Environment) -> None:
        made.dead += 1

    made.environment = Environment(live_version(timeout=2), sandbox, Output(sandbox.output, stream), on_idle, on_dead)
    await made.environment.listen()
    await made.connect()
    made.writer.write(NEXT)
    await made.environment.initialise()
    made.went_idle.clear()
    yield made
    made.writer.close()
    sandbox.kill()
    await asyncio.sleep(0)


def invocation(to: ResponseStream | None, request_id: str = "r1", *, tail: bool = False) -> Invocation:
    return Invocation(
        request_id=request_id, payload=b"{}", invoked_arn="arn:x", trace_id="Root=1", tail=tail, stream=to
    )


# The stream.


async def test_what_is_fed_is_read_in_order(source: FakeSource) -> None:
    stream = ResponseStream()
    stream.begin("1", source)
    for piece in (b"a", b"", b"b"):
        stream.feed(piece)
    assert await stream.read() == b"ab"
    stream.feed(b"c")
    stream.close()
    assert await stream.read() == b"c"
    assert await stream.read() == b""


async def test_who_reads_waits_for_a_piece(source: FakeSource) -> None:
    stream = ResponseStream()
    stream.begin("1", source)
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    assert not reading.done()
    stream.feed(b"a")
    assert await reading == b"a"


async def test_a_full_stream_pauses_its_source_until_it_is_read(source: FakeSource) -> None:
    stream = ResponseStream()
    stream.begin("1", source)
    while not source.paused:
        stream.feed(b"x" * 10_000)
    stream.feed(b"what was on its way")
    await stream.read()
    assert not source.paused


@pytest.mark.parametrize("end", ["close", "drop", "detach"])
async def test_nobody_waits_at_a_stream_that_has_ended(source: FakeSource, end: str) -> None:
    stream = ResponseStream()
    stream.begin("1", source)
    while not source.paused:
        stream.feed(b"x" * 100_000)
    getattr(stream, end)()
    assert not source.paused


async def test_a_dropped_stream_takes_nothing(source: FakeSource) -> None:
    stream = ResponseStream()
    stream.begin("1", source)
    stream.feed(b"a")
    stream.drop()
    stream.feed(b"x" * 10_000_000)
    assert not source.paused
    assert await stream.read() == b""


# The Runtime API.


async def test_a_piece_is_there_before_the_function_has_ended(streaming: Inside) -> None:
    stream = ResponseStream()
    outcome = streaming.environment.invoke(invocation(stream))
    await streaming.answer()
    streaming.writer.write(HEAD + chunk(b"first"))
    assert await stream.read() == b"first"
    assert stream.executed_version == "$LATEST"
    assert not outcome.done()
    streaming.writer.write(chunk(b"last") + END)
    done = await outcome
    assert await stream.read() == b"last"
    assert (done.payload, done.function_error) == (b"", None)
    assert (await streaming.answer())[0] == 202
    streaming.writer.write(NEXT)
    await asyncio.wait_for(streaming.went_idle.wait(), 1)


async def test_without_a_stream_the_response_is_collected(streaming: Inside) -> None:
    outcome = streaming.environment.invoke(invocation(None))
    await streaming.answer()
    streaming.writer.write(HEAD + chunk(b"[1,") + chunk(b"2]") + END + NEXT)
    assert (await outcome).payload == b"[1,2]"


async def test_a_collected_response_has_the_limit_of_all(streaming: Inside) -> None:
    outcome = streaming.environment.invoke(invocation(None))
    await streaming.answer()
    streaming.writer.write(HEAD + chunk(b"x" * 6_291_557) + END)
    assert json.loads((await outcome).payload)["errorType"] == "Function.ResponseSizeTooLarge"


@pytest.mark.parametrize("streams", [True, False])
async def test_an_error_in_the_trailers_is_the_outcome(streaming: Inside, *, streams: bool) -> None:
    error = b'{"errorType":"Late","errorMessage":"x","trace":[]}'
    outcome = streaming.environment.invoke(invocation(ResponseStream() if streams else None))
    await streaming.answer()
    whole = HEAD + chunk(b"a part") + trailers("Late", base64.b64encode(error)) + NEXT
    streaming.writer.write(whole[:-60])
    await streaming.writer.drain()
    streaming.writer.write(whole[-60:])
    done = await outcome
    assert (done.payload, done.function_error) == (error, "Unhandled")
    await asyncio.wait_for(streaming.went_idle.wait(), 1)


async def test_trailers_that_are_no_base64_are_the_message(streaming: Inside) -> None:
    outcome = streaming.environment.invoke(invocation(ResponseStream()))
    await streaming.answer()
    streaming.writer.write(HEAD + chunk(b"a part") + trailers("Late", b"so it goes"))
    assert json.loads((await outcome).payload) == {"errorType": "Late", "errorMessage": "so it goes"}


async def test_a_stream_above_the_limit_ends_in_an_error(
    streaming: Inside, stream: FakeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_streams, "MAX_STREAM_BYTES", 1000)
    to = ResponseStream()
    outcome = streaming.environment.invoke(invocation(to, tail=True))
    await streaming.answer()
    streaming.writer.write(HEAD + chunk(b"x" * 999) + chunk(b"yy") + chunk(b"z") + END + NEXT)
    done = await outcome
    assert json.loads(done.payload) == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size (1000 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
    assert await to.read() == b"x" * 999 + b"y"
    assert b"Error Type: Function.ResponseSizeTooLarge" in stream.lines[-1]
    await asyncio.wait_for(streaming.went_idle.wait(), 1)
    streaming.environment.invoke(invocation(None, "r2"))
    assert [(await streaming.answer())[0] for _ in range(2)] == [413, 200]


async def test_a_caller_that_does_not_read_holds_the_runtime_up(streaming: Inside) -> None:
    to = ResponseStream()
    outcome = streaming.environment.invoke(invocation(to))
    await streaming.answer()
    sent = 32 * 1_048_576
    streaming.writer.write(HEAD + chunk(b"x" * sent) + END)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(streaming.writer.drain(), 0.2)
    assert not outcome.done()
    sizes: list[int] = []
    while sum(sizes) < sent:
        sizes.append(len(await to.read()))
    assert max(sizes) < 1_048_576
    assert (await outcome).function_error is None


async def test_a_timeout_in_the_middle(streaming: Inside) -> None:
    to = ResponseStream()
    outcome = streaming.environment.invoke(invocation(to))
    await streaming.answer()
    streaming.writer.write(HEAD + chunk(b"a part"))
    assert await to.read() == b"a part"
    assert json.loads((await outcome).payload)["errorType"] == "Sandbox.Timedout"
    assert streaming.sandbox.exited.done()


async def test_an_exit_in_the_middle(streaming: Inside) -> None:
    to = ResponseStream()
    outcome = streaming.environment.invoke(invocation(to))
    await streaming.answer()
    streaming.writer.write(HEAD + chunk(b"a part"))
    await to.read()
    streaming.writer.close()
    streaming.sandbox.exit(Exit(status=3))
    assert json.loads((await outcome).payload)["errorMessage"].endswith("exit status 3")


async def test_a_connection_lost_in_the_middle_is_told_with_the_next_request(streaming: Inside) -> None:
    outcome = streaming.environment.invoke(invocation(ResponseStream()))
    await streaming.answer()
    streaming.writer.write(HEAD + chunk(b"a part"))
    await streaming.writer.drain()
    streaming.writer.close()
    await streaming.connect()
    await asyncio.sleep(0.01)
    assert not outcome.done()  # It may be the end of the runtime, which says more.
    streaming.writer.write(NEXT)
    assert json.loads((await outcome).payload)["errorType"] == "Runtime.TruncatedResponse"
    await asyncio.wait_for(streaming.went_idle.wait(), 1)


async def test_a_request_for_more_that_overtakes_the_loss(streaming: Inside) -> None:
    to = ResponseStream()
    outcome = streaming.environment.invoke(invocation(to))
    await streaming.answer()
    streaming.writer.write(HEAD + chunk(b"a part"))
    await to.read()
    lost = streaming.writer
    await streaming.connect()
    streaming.writer.write(NEXT)
    await asyncio.sleep(0.01)
    assert not outcome.done()
    lost.close()
    assert json.loads((await outcome).payload)["errorType"] == "Runtime.TruncatedResponse"
    await asyncio.wait_for(streaming.went_idle.wait(), 1)


async def test_a_stream_for_another_request_is_refused(streaming: Inside) -> None:
    streaming.environment.invoke(invocation(ResponseStream()))
    await streaming.answer()
    streaming.writer.write(HEAD.replace(b"/r1/", b"/r9/") + chunk(b"x") + END)
    status, _, body = await streaming.answer()
    assert (status, json.loads(body)["errorType"]) == (400, "InvalidRequestID")


async def test_a_second_stream_is_refused(streaming: Inside) -> None:
    to = ResponseStream()
    outcome = streaming.environment.invoke(invocation(to))
    await streaming.answer()
    streaming.writer.write(HEAD + chunk(b"a"))
    await to.read()
    first = streaming.reader, streaming.writer
    await streaming.connect()
    streaming.writer.write(HEAD + chunk(b"b") + END)
    assert (await streaming.answer())[0] == 400
    streaming.writer.close()
    streaming.reader, streaming.writer = first
    streaming.writer.write(END)
    assert (await outcome).function_error is None
    to.close()
    assert await to.read() == b""


async def test_a_stream_of_nothing(streaming: Inside) -> None:
    to = ResponseStream()
    outcome = streaming.environment.invoke(invocation(to))
    await streaming.answer()
    streaming.writer.write(HEAD + END)
    assert (await outcome).payload == b""
    assert to.executed_version == "$LATEST"


async def test_what_looks_like_a_response_inside_a_stream_is_data(streaming: Inside) -> None:
    to = ResponseStream()
    outcome = streaming.environment.invoke(invocation(to))
    await streaming.answer()
    fake = post("invocation/r1/response", b'"not this"') + NEXT
    streaming.writer.write(HEAD + b"%x\r\n" % len(fake))
    await streaming.writer.drain()
    await asyncio.sleep(0.01)  # so that the next write is a reading of its own
    streaming.writer.write(fake + b"\r\n" + END)
    assert (await outcome).payload == b""
    assert await to.read() == fake


async def test_a_whole_response_goes_the_ordinary_way(streaming: Inside) -> None:
    to = ResponseStream()
    outcome = streaming.environment.invoke(invocation(to))
    await streaming.answer()
    streaming.writer.write(post("invocation/r1/response", b'"ok"') + NEXT)
    assert (await outcome).payload == b'"ok"'
    assert to.executed_version is None
