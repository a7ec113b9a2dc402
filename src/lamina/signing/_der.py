"""Writing DER (ITU-T X.690): what a signature needs of it, and the indefinite lengths that Signer uses outside."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

BOOLEAN, INTEGER, OCTETS, NULL, OID, UTF8 = 0x01, 0x02, 0x04, 0x05, 0x06, 0x0C
GENERALIZED_TIME = 0x18
SEQUENCE, SET = 0x30, 0x31
CONTEXT_0, CONTEXT_1 = 0xA0, 0xA1


def element(tag: int, *parts: bytes) -> bytes:
    """One element with a definite length."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + body


def indefinite(tag: int, *parts: bytes) -> bytes:
    """One constructed element that ends with two zero octets instead of saying its length: BER, not DER."""
    return bytes((tag, 0x80)) + b"".join(parts) + b"\0\0"


def set_of(parts: Iterable[bytes], tag: int = SET) -> bytes:
    """A SET OF: its elements in the order of their encodings."""
    return element(tag, *sorted(parts))


def integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(value: bytes) -> bytes:
    """An OCTET STRING."""
    return element(OCTETS, value)


def utf8(value: str) -> bytes:
    """A UTF8String."""
    return element(UTF8, value.encode())


def moment(value: datetime) -> bytes:
    """A GeneralizedTime in UTC with milliseconds."""
    utc = value.astimezone(UTC)
    return element(GENERALIZED_TIME, f"{utc:%Y%m%d%H%M%S}.{utc.microsecond // 1000:03d}Z".encode())


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *others = map(int, dotted.split("."))
    return element(OID, *(_base128(arc) for arc in (40 * first + second, *others)))


def _base128(arc: int) -> bytes:
    digits = [arc & 0x7F]
    while arc := arc >> 7:
        digits.append(0x80 | arc & 0x7F)
    return bytes(reversed(digits))
