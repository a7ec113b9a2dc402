"""Heads of responses leave with their bodies, and never stay behind."""

from __future__ import annotations

import asyncio

import pytest

from lamina.http._protocol import Cork, respond

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class FakeTransport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> str:
        return name


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
async def cork(transport: FakeTransport) -> Cork:
    return Cork(transport)  # type: ignore[arg-type]


async def test_head_and_body_are_one_write(cork: Cork, transport: FakeTransport) -> None:
    cork.write(HEAD)
    cork.write(b"{}")
    await asyncio.sleep(0)
    assert transport.written == [HEAD + b"{}"]


async def test_a_head_without_a_body_does_not_stay(cork: Cork, transport: FakeTransport) -> None:
    cork.write(HEAD)
    await asyncio.sleep(0)
    assert transport.written == [HEAD]


async def test_closing_sends_the_head_first(cork: Cork, transport: FakeTransport) -> None:
    cork.write(HEAD)
    cork.close()
    await asyncio.sleep(0)
    assert transport.written == [HEAD]
    assert transport.closed


async def test_an_interim_answer_goes_at_once(cork: Cork, transport: FakeTransport) -> None:
    cork.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert transport.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]


async def test_a_body_in_pieces_keeps_its_order(cork: Cork, transport: FakeTransport) -> None:
    for piece in (HEAD, b"a", b"HTTP/1.1 in a body", b"b"):
        cork.write(piece)
    await asyncio.sleep(0)
    assert b"".join(transport.written) == HEAD + b"aHTTP/1.1 in a bodyb"


async def test_everything_else_is_the_transport(cork: Cork) -> None:
    assert cork.get_extra_info("peername") == "peername"


class FakeFlow:
    write_paused = False


class FakeCycle:
    """What uvicorn keeps of one request, as far as a response is about it."""

    def __init__(self, cork: Cork) -> None:
        self.transport = cork
        self.flow = FakeFlow()
        self.scope = {"method": "POST"}
        self.default_headers = [(b"date", b"today")]
        self.keep_alive = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.waiting_for_100_continue = True
        self.message_event = asyncio.Event()
        self.ended = 0

    def on_response(self) -> None:
        self.ended += 1


HEADERS = [(b"content-length", b"2")]


async def test_a_whole_response(cork: Cork, transport: FakeTransport) -> None:
    cycle = FakeCycle(cork)
    assert respond(cycle, 200, HEADERS, b"{}")  # type: ignore[arg-type]
    assert transport.written == [b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\n\r\n{}"]
    assert (cycle.response_complete, cycle.message_event.is_set(), cycle.ended) == (True, True, 1)


async def test_a_whole_response_stays_behind_what_was_kept(cork: Cork, transport: FakeTransport) -> None:
    cork.write(HEAD)
    respond(FakeCycle(cork), 200, HEADERS, b"{}")  # type: ignore[arg-type]
    assert transport.written[0] == HEAD


@pytest.mark.parametrize("value", [b"a\nb: c", b"a\r\nb: c", b"a\rb", b"a\0b"])
async def test_a_header_that_would_be_two_is_left_to_the_ordinary_way(
    cork: Cork, transport: FakeTransport, value: bytes
) -> None:
    cycle = FakeCycle(cork)
    assert not respond(cycle, 200, [*HEADERS, (b"x", value)], b"{}")  # type: ignore[arg-type]
    assert transport.written == []
    assert not cycle.response_started


@pytest.mark.parametrize(
    ("member", "value"), [("keep_alive", False), ("disconnected", True), ("response_started", True)]
)
async def test_what_only_the_ordinary_way_can_do(
    cork: Cork, transport: FakeTransport, member: str, value: bool
) -> None:
    cycle = FakeCycle(cork)
    setattr(cycle, member, value)
    assert not respond(cycle, 200, HEADERS, b"{}")  # type: ignore[arg-type]
    assert transport.written == []


async def test_a_client_that_does_not_read_is_waited_for(cork: Cork, transport: FakeTransport) -> None:
    cycle = FakeCycle(cork)
    cycle.flow.write_paused = True
    assert not respond(cycle, 200, HEADERS, b"{}")  # type: ignore[arg-type]


async def test_heads_alone(cork: Cork, transport: FakeTransport) -> None:
    cycle = FakeCycle(cork)
    cycle.scope["method"] = "HEAD"
    assert not respond(cycle, 200, HEADERS, b"{}")  # type: ignore[arg-type]


async def test_a_body_of_unknown_length_is_left_to_the_ordinary_way(cork: Cork, transport: FakeTransport) -> None:
    assert not respond(FakeCycle(cork), 202, [], b"")  # type: ignore[arg-type]
    assert transport.written == []


async def test_no_content_has_no_length(cork: Cork, transport: FakeTransport) -> None:
    assert respond(FakeCycle(cork), 204, [], b"")  # type: ignore[arg-type]
