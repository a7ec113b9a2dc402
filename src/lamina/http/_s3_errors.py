"""Errors in S3's form (Amazon S3 API Reference, "Error responses")."""

from __future__ import annotations

from typing import NamedTuple
from xml.sax.saxutils import escape

from lamina.errors import (
    IncompleteSignatureException,
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    ServiceError,
    UnrecognizedClientException,
)
from lamina.http._s3_chunks import PayloadMismatch
from lamina.http._serialising import Response
from lamina.http._sigv4 import OutOfTime


class S3Error(Exception):
    """An answer of S3 other than success."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class _Words(NamedTuple):
    status: int
    code: str
    message: str | None


# The first class that fits; None is the error's own message.
_WORDS: dict[type[ServiceError], _Words] = {
    MissingAuthenticationTokenException: _Words(403, "AccessDenied", "Access Denied"),
    UnrecognizedClientException: _Words(
        403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
    ),
    OutOfTime: _Words(
        403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
    ),
    InvalidSignatureException: _Words(
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing "
        "method.",
    ),
    IncompleteSignatureException: _Words(400, "AuthorizationHeaderMalformed", None),
    PayloadMismatch: _Words(400, "XAmzContentSHA256Mismatch", None),
}
_EXPIRED = S3Error(403, "AccessDenied", "Request has expired")


def in_words_of_s3(error: ServiceError, *, presigned: bool) -> S3Error:
    """What S3 says where other services raise ``error``."""
    if presigned and isinstance(error, OutOfTime):
        return _EXPIRED
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            code = "AuthorizationQueryParametersError" if presigned and words.status == 400 else words.code
            return S3Error(words.status, code, words.message or error.message or "")
    return S3Error(error.status, "InvalidRequest", error.message or "")


def response(error: S3Error, *, path: bytes, request_id: str) -> Response:
    """The error as XML."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        f"<Resource>{escape(path.decode('latin-1'))}</Resource><RequestId>{request_id}</RequestId></Error>"
    ).encode()
    headers = [
        (b"content-type", b"application/xml"),
        (b"content-length", b"%d" % len(body)),
        (b"x-amz-request-id", request_id.encode()),
    ]
    return Response(error.status, headers, body)
