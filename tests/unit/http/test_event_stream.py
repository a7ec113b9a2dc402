"""Frames that botocore, which checks both checksums, reads back."""

from __future__ import annotations

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer

from lamina.http._event_stream import Event

CHUNK = Event("PayloadChunk", "application/octet-stream")


@pytest.mark.parametrize("payload", [b"", b"x", b"\x00\xff" * 9_000, b"y" * 6_291_556])
def test_a_frame_is_read_back(payload: bytes) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(CHUNK.frame(payload))
    (message,) = list(buffer)
    assert message.payload == payload
    assert message.headers == {
        ":message-type": "event",
        ":event-type": "PayloadChunk",
        ":content-type": "application/octet-stream",
    }


def test_frames_stand_one_after_the_other() -> None:
    buffer = EventStreamBuffer()
    whole = CHUNK.frame(b"one") + CHUNK.frame(b"two")
    for at in range(0, len(whole), 7):
        buffer.add_data(whole[at : at + 7])
    assert [message.payload for message in buffer] == [b"one", b"two"]


@pytest.mark.parametrize("place", [0, 5, 20, -1])
def test_a_changed_byte_is_noticed(place: int) -> None:
    frame = bytearray(CHUNK.frame(b"payload"))
    frame[place] ^= 1
    buffer = EventStreamBuffer()
    buffer.add_data(bytes(frame))
    with pytest.raises(ChecksumMismatch):
        next(buffer)
