"""Signature Version 2 in presigned URLs of S3 ("Signing and authenticating REST requests", query string).

botocore still makes these, and so do boto3 and the AWS CLI, for ``generate_presigned_url`` and ``s3 presign`` where
the endpoint is not AWS's.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import unquote_to_bytes

from lamina.errors import IncompleteSignatureException, InvalidSignatureException
from lamina.http._sigv4 import OutOfTime
from lamina.settings import AccessKey

CREDENTIALS = frozenset({b"AWSAccessKeyId", b"Signature", b"Expires", b"x-amz-security-token"})
_SIGNED_PARAMETERS = frozenset(
    b"accelerate acl analytics cors delete inventory lifecycle location logging metrics notification object-lock "
    b"partNumber policy replication requestPayment response-cache-control response-content-disposition "
    b"response-content-encoding response-content-language response-content-type response-expires restore select "
    b"select-type storageClass tagging torrent uploadId uploads versionId versioning versions website".split()
)
_LONGEST_EXPIRES = 12


def is_presigned(query_string: bytes) -> bool:
    """Whether a query has the form of Signature Version 2."""
    return b"AWSAccessKeyId=" in query_string and b"Signature=" in query_string


def check(
    method: str,
    path: bytes,
    query_string: bytes,
    fields: Mapping[bytes, bytes],
    *,
    find_key: Callable[[str, bytes | None], AccessKey],
    now: datetime | None,
) -> AccessKey:
    """The key that signed. ``path`` begins with the bucket, however it was addressed; without ``now`` all is accepted.

    ``find_key`` gets the name of the key and the session token, and raises for keys that nobody knows.
    Raises UnrecognizedClientException, IncompleteSignatureException, InvalidSignatureException or OutOfTime.
    """
    pairs = [part.partition(b"=") for part in query_string.split(b"&") if part]
    query = {name: unquote_to_bytes(value.replace(b"+", b" ")) for name, _, value in pairs}
    key = find_key(query.get(b"AWSAccessKeyId", b"").decode("latin-1"), query.get(b"x-amz-security-token"))
    if now is None:
        return key
    expires = query.get(b"Expires", b"")
    if not expires.isdigit() or len(expires) > _LONGEST_EXPIRES:
        raise IncompleteSignatureException("Query-string authentication requires the Expires parameter.")
    text = b"\n".join((method.encode(), *_headers(query, fields, expires), _resource(path, pairs, query)))
    right = base64.b64encode(hmac.digest(key.secret_access_key.encode(), text, "sha1"))
    if not hmac.compare_digest(right, query.get(b"Signature", b"")):
        raise InvalidSignatureException("The request signature we calculated does not match.")
    if int(expires) < now.timestamp():
        raise OutOfTime("Request has expired")
    return key


def _headers(query: Mapping[bytes, bytes], fields: Mapping[bytes, bytes], expires: bytes) -> list[bytes]:
    """What botocore would send as headers it puts into the query."""
    given = {name.lower(): value for name, value in query.items()} | dict(fields)
    standard = [query.get(name, fields.get(name, b"")) for name in (b"content-md5", b"content-type")]
    extra = [b"%b:%b" % (name, given[name].strip()) for name in sorted(given) if name.startswith(b"x-amz-")]
    return [*standard, expires, *extra]


def _resource(path: bytes, pairs: list[tuple[bytes, bytes, bytes]], query: Mapping[bytes, bytes]) -> bytes:
    names = sorted([(name, separator) for name, separator, _ in pairs if name in _SIGNED_PARAMETERS])
    parameters = b"&".join([name + separator + query[name] for name, separator in names])
    return path + b"?" + parameters if parameters else path
