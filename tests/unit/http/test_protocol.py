"""Heads of responses leave with their bodies, and never stay behind."""

from __future__ import annotations

import asyncio

import pytest

from lamina.http._protocol import Cork

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
