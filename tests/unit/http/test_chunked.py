from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import IncompleteSignatureException, InvalidSignatureException, ServiceError
from lamina.http._chunked import decode_chunks
from lamina.http._sigv4 import Authentication

SIGNED = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
TRAILER = SIGNED + b"-TRAILER"
UNSIGNED = b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STAMP, SCOPE, SEED = "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", "0" * 64
KEY = b"k" * 32


def _authentication(payload: bytes) -> Authentication:
    return Authentication(
        access_key_id="a",
        account_id="1",
        region="us-east-1",
        service="s3",
        session_token=None,
        timestamp=STAMP.encode(),
        scope=SCOPE.encode(),
        signature=SEED,
        signing_key=KEY,
        heads=(),
        payload=payload,
    )


def _sign(*lines: str) -> str:
    return hmac.new(KEY, "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def _encode(*chunks: bytes, trailer: bytes = b"") -> bytes:
    previous, parts = SEED, []
    for data in (*chunks, b""):
        hashes = (hashlib.sha256(b"").hexdigest(), hashlib.sha256(data).hexdigest())
        previous = _sign("AWS4-HMAC-SHA256-PAYLOAD", STAMP, SCOPE, previous, *hashes)
        parts.append(f"{len(data):x};chunk-signature={previous}\r\n".encode() + data + b"\r\n" * bool(data))
    if not trailer:
        return b"".join(parts) + b"\r\n"
    digest = hashlib.sha256(trailer + b"\n").hexdigest()
    signature = _sign("AWS4-HMAC-SHA256-TRAILER", STAMP, SCOPE, previous, digest)
    return b"".join(parts) + trailer + f"\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()


@pytest.mark.parametrize("chunks", [(), (b"a",), (b"a" * 65536, b"\r\n0;\r\n", b"c")])
def test_puts_the_chunks_together(chunks):
    assert decode_chunks(_authentication(SIGNED), _encode(*chunks)) == b"".join(chunks)


def test_reads_chunks_that_are_not_signed():
    body = b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"

    assert decode_chunks(_authentication(UNSIGNED), body) == b"abcde"


def test_verifies_trailing_headers():
    body = _encode(b"abc", trailer=b"x-amz-checksum-crc32:AAAAAA==")

    assert decode_chunks(_authentication(TRAILER), body) == b"abc"
    with pytest.raises(InvalidSignatureException):
        decode_chunks(_authentication(TRAILER), body.replace(b"AAAAAA", b"BBBBBB"))


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b"abc", b"abd"),
        lambda body: body.replace(b";chunk-signature=", b";other-signature="),
        lambda body: body[body.index(b"2;") :],
    ],
)
def test_refuses_chunks_that_were_changed(change):
    with pytest.raises(InvalidSignatureException):
        decode_chunks(_authentication(SIGNED), change(_encode(b"abc", b"de")))


def test_looks_at_no_signature_when_told_so():
    body = _encode(b"abc").replace(b"abc", b"abd")

    assert decode_chunks(_authentication(SIGNED), body, check_signatures=False) == b"abd"


@pytest.mark.parametrize("body", [b"", b"abc", b"3\r\nab", b"3\r\nabcX0\r\n", b"-1\r\n", b"ff" * 9 + b"\r\n", b"\r\n"])
def test_refuses_what_is_not_chunked(body):
    with pytest.raises(IncompleteSignatureException):
        decode_chunks(_authentication(UNSIGNED), body)


def test_refuses_a_form_that_it_does_not_know():
    with pytest.raises(IncompleteSignatureException):
        decode_chunks(_authentication(b"STREAMING-OTHER"), b"0\r\n\r\n")


@given(body=st.binary(max_size=60))
def test_no_bytes_crash_it(body):
    for payload in (SIGNED, UNSIGNED, TRAILER):
        try:
            decode_chunks(_authentication(payload), body)
        except ServiceError:
            continue
