"""Bodies in ``aws-chunked`` form (Amazon S3 API Reference, "Transferring payload in multiple chunks").

Each chunk is ``<hex size>[;chunk-signature=<hex>]\\r\\n<data>\\r\\n``, the last one is empty. Its signature builds on
the one before it, the first on the request's. Trailing headers, signed likewise, may follow the last chunk.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from lamina.errors import IncompleteSignatureException, InvalidSignatureException
from lamina.http._canonical import EMPTY_SHA256, signature
from lamina.http._sigv4 import Authentication

SIGNED = frozenset(
    {b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"},
)
UNSIGNED = b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
LONGEST_LINE = 1024
MALFORMED = "The request body terminated unexpectedly, or is not in aws-chunked form."
_MISMATCH = (
    "The chunk signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details."
)


class Chunk(NamedTuple):
    """One chunk: the signature that was given for it, its data, and the position after it."""

    signature: bytes
    data: memoryview
    end: int


def decode_chunks(authentication: Authentication, body: bytes, *, check_signatures: bool = True) -> bytes:
    """The content of a chunked body, after ``Verifier.check`` has accepted the request.

    Raises IncompleteSignatureException for a body of another form, InvalidSignatureException for a wrong signature.
    """
    if authentication.payload != UNSIGNED and authentication.payload not in SIGNED:
        raise IncompleteSignatureException("The X-Amz-Content-Sha256 header names a form of payload that is not known.")
    checks = check_signatures and authentication.payload in SIGNED
    previous, content, position = authentication.signature, [], 0
    view = memoryview(body)
    while True:
        chunk = _chunk(body, view, position)
        if checks:
            previous = verified(authentication, previous, chunk)
        position = chunk.end
        if not chunk.data:
            break
        content.append(chunk.data)
    if checks and authentication.payload.endswith(b"-TRAILER"):
        verify_trailers(authentication, previous, body[position:])
    return b"".join(content)


def _chunk(body: bytes, view: memoryview, position: int) -> Chunk:
    end_of_line = body.find(b"\r\n", position, position + LONGEST_LINE)
    if end_of_line < 0:
        raise IncompleteSignatureException(MALFORMED)
    size_text, _, extension = body[position:end_of_line].partition(b";")
    size = size_of(size_text)
    start = end_of_line + 2
    end = start + size
    # After the empty chunk may stand trailers in place of the line's end, or nothing at all.
    if end > len(body) or (size and body[end : end + 2] != b"\r\n"):
        raise IncompleteSignatureException(MALFORMED)
    given = extension.removeprefix(b"chunk-signature=") if extension.startswith(b"chunk-signature=") else b""
    return Chunk(given, view[start:end], end + 2 if size else start)


def size_of(text: bytes) -> int:
    """The size that a chunk begins with."""
    if not text or len(text) > 16 or text.translate(None, b"0123456789abcdefABCDEF"):
        raise IncompleteSignatureException(MALFORMED)
    return int(text, 16)


def verified(authentication: Authentication, previous: str, chunk: Chunk) -> str:
    """The chunk's signature if it is right, for the next one. ``previous`` is that before it."""
    parts = (EMPTY_SHA256, hashlib.sha256(chunk.data).hexdigest().encode())
    return _matched(authentication, b"AWS4-HMAC-SHA256-PAYLOAD", previous, parts, chunk.signature)


def _matched(
    authentication: Authentication, algorithm: bytes, previous: str, parts: tuple[bytes, ...], given: bytes
) -> str:
    lines = (algorithm, authentication.timestamp, authentication.scope, previous.encode(), *parts)
    calculated = signature(authentication.signing_key, b"\n".join(lines))
    if not hmac.compare_digest(calculated.encode(), given):
        raise InvalidSignatureException(_MISMATCH)
    return calculated


def verify_trailers(authentication: Authentication, previous: str, trailers: bytes) -> None:
    """Check the trailers' signature, which builds on that of the empty chunk."""
    given, signed = b"", b""
    for line in trailers.split(b"\r\n"):
        name, separator, value = line.partition(b":")
        if name.lower() == b"x-amz-trailer-signature":
            given = value.strip()
        elif separator:
            signed += name.lower() + b":" + value.strip() + b"\n"
    digest = hashlib.sha256(signed).hexdigest().encode()
    _matched(authentication, b"AWS4-HMAC-SHA256-TRAILER", previous, (digest,), given)
