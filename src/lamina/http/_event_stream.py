"""Frames of ``application/vnd.amazon.eventstream`` (Smithy, "Amazon Event Stream Specification").

A message is its length and that of its headers, a checksum of these two, the headers, the payload, and a checksum of
all that. Numbers are big-endian; a header is a name, the kind of its value (7: text), and the value.
"""

from __future__ import annotations

from struct import pack

from isal.isal_zlib import crc32

CONTENT_TYPE = b"application/vnd.amazon.eventstream"
_TEXT = 7
_FRAMING = 16


class Event:
    """One kind of event: ``frame`` makes messages of it."""

    __slots__ = ("_headers",)

    def __init__(self, name: str, content_type: str) -> None:
        headers = {":message-type": "event", ":event-type": name, ":content-type": content_type}
        self._headers = b"".join([_header(*header) for header in headers.items()])

    def frame(self, payload: bytes) -> bytes:
        """The message with this payload."""
        headers = self._headers
        lengths = pack("!II", _FRAMING + len(headers) + len(payload), len(headers))
        prelude = lengths + pack("!I", crc32(lengths))
        checksum = crc32(payload, crc32(headers, crc32(prelude)))
        return b"".join((prelude, headers, payload, pack("!I", checksum)))


def _header(name: str, value: str) -> bytes:
    raw_name, raw_value = name.encode(), value.encode()
    return pack("!B", len(raw_name)) + raw_name + pack("!BH", _TEXT, len(raw_value)) + raw_value
