"""A request of an S3 client as the store gets it: in path style, and signed with the store's own keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from lamina.http._canonical import (
    ALGORITHM,
    canonical_head,
    canonical_targets,
    combined,
    signature,
    signing_key,
    string_to_sign,
)
from lamina.http._request import Request
from lamina.http._sigv2 import CREDENTIALS
from lamina.objects import Upstream

VIA = b"1.1 lamina"
_SUFFIX = ".localhost"
_DEFAULT_REGION = "us-east-1"
# Those of the connection, and those of the caller's own signature.
_DROPPED = frozenset(
    b"authorization connection content-length date expect host keep-alive proxy-authorization proxy-connection te "
    b"transfer-encoding upgrade via x-amz-content-sha256 x-amz-date x-amz-security-token".split()
)
OF_SIGNATURE = CREDENTIALS | {
    b"X-Amz-" + name
    for name in (
        b"Algorithm",
        b"Content-Sha256",
        b"Credential",
        b"Date",
        b"Expires",
        b"Security-Token",
        b"SignedHeaders",
        b"Signature",
    )
}


class Framing(NamedTuple):
    """How a body is announced to the store: ``payload`` is its hash or form, ``length`` None if it is not known.

    ``decoded`` says that it is not in chunks any more.
    """

    payload: bytes
    length: int | None = None
    has_body: bool = False
    decoded: bool = False


def path_of(request: Request) -> bytes:
    """The path with the bucket in front, which may stand in ``Host``: ``bucket.localhost``, ``bucket.s3.localhost``."""
    host = request.fields.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0].lower().rstrip(".")
    if not host.endswith(_SUFFIX):
        return request.raw_path
    bucket = host.removesuffix(_SUFFIX).removesuffix(".s3")
    return request.raw_path if bucket == "s3" else b"/" + bucket.encode("latin-1") + request.raw_path


def forwarded(
    request: Request, path: bytes, upstream: Upstream, region: str | None, framing: Framing, now: datetime
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The target and the headers of the request to ``upstream``."""
    path = quote_from_bytes(unquote_to_bytes(path), safe="/-_.~").encode()
    pairs = request.query_string.split(b"&")
    query = b"&".join([part for part in pairs if part and part.partition(b"=")[0] not in OF_SIGNATURE])
    _, query = canonical_targets(path, query, b"s3")[0]
    timestamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ").encode()
    headers = _headers(request, urlsplit(upstream.endpoint).netloc.encode(), framing)
    headers += [(b"x-amz-date", timestamp), (b"x-amz-content-sha256", framing.payload)]
    if upstream.session_token:
        headers.append((b"x-amz-security-token", upstream.session_token.encode()))
    region = upstream.region or region or _DEFAULT_REGION
    authorization = _authorization(request.method, (path, query), headers, upstream, region, timestamp)
    return path + b"?" + query if query else path, [*headers, (b"authorization", authorization)]


def _headers(request: Request, host: bytes, framing: Framing) -> list[tuple[bytes, bytes]]:
    headers = [(b"host", host), (b"via", VIA)]
    for name, value in request.headers:
        if name in _DROPPED or (framing.decoded and name == b"x-amz-decoded-content-length"):
            continue
        # S3 does not keep ``aws-chunked`` with the object, some stores would; the form is named by the payload anyway.
        kept = _without_chunks(value) if name == b"content-encoding" else value
        if kept or not value:
            headers.append((name, kept))
    if framing.length is not None:
        headers.append((b"content-length", b"%d" % framing.length))
    elif framing.has_body:
        headers.append((b"transfer-encoding", b"chunked"))
    return headers


def _without_chunks(encodings: bytes) -> bytes:
    kept = [each.strip() for each in encodings.split(b",") if each.strip().lower() != b"aws-chunked"]
    return b",".join(kept)


def _authorization(
    method: str,
    target: tuple[bytes, bytes],
    headers: Sequence[tuple[bytes, bytes]],
    upstream: Upstream,
    region: str,
    timestamp: bytes,
) -> bytes:
    fields = combined(headers)
    names = sorted([name for name in fields if name == b"host" or name.startswith(b"x-amz-")])
    date = timestamp[:8]
    scope = b"/".join((date, region.encode(), b"s3", b"aws4_request"))
    head = canonical_head(method.encode(), *target, fields, names)
    key = signing_key(upstream.secret_access_key, date, region.encode(), b"s3")
    signed = signature(key, string_to_sign(timestamp, scope, head + fields[b"x-amz-content-sha256"]))
    credential = upstream.access_key_id.encode() + b"/" + scope
    return b"%b Credential=%b,SignedHeaders=%b,Signature=%b" % (
        ALGORITHM,
        credential,
        b";".join(names),
        signed.encode(),
    )
