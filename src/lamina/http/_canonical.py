"""The canonical forms of AWS Signature Version 4 (IAM User Guide, "Create a signed AWS API request")."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from string import ascii_letters, digits
from urllib.parse import quote_from_bytes, unquote_to_bytes

ALGORITHM = b"AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = b"UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest().encode()

_UNRESERVED = (ascii_letters + digits + "-_.~").encode()
_PLAIN_PATH = _UNRESERVED + b"/"


def canonical_path(raw_path: bytes, service: bytes) -> bytes:
    """The path as it is signed: encoded once more than it was sent, except for S3, which signs it as sent."""
    if service == b"s3":
        return raw_path or b"/"
    if b"//" in raw_path or b"/." in raw_path or raw_path[:1] != b"/":
        raw_path = _without_dots(raw_path)
    if not raw_path.translate(None, _PLAIN_PATH):
        return raw_path
    return quote_from_bytes(raw_path, safe="/~").encode()


def _without_dots(path: bytes) -> bytes:
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment and segment != b".":
            kept.append(segment)
    end = b"/" if kept and path.endswith(b"/") else b""
    start = b"/" if not path or path.startswith(b"/") else b""
    return start + b"/".join(kept) + end


def canonical_targets(raw_path: bytes, query_string: bytes, service: bytes) -> list[tuple[bytes, bytes]]:
    """The path and the query as they may have been signed, the likeliest first.

    Beside the rule there are two habits: botocore leaves the encoding of a query in a URL that it was given as it is,
    and curl before version 8 signs both as they are sent. Each covers all of the path and the query, so a signature
    over any of them holds. ``X-Amz-Signature`` is no part of what it signs.
    """
    path = canonical_path(raw_path, service)
    if not query_string:
        return [(path, b"")] if path == raw_path else [(path, b""), (raw_path, b"")]
    pairs = [part.partition(b"=") for part in query_string.split(b"&")]
    sent = sorted([(name, value) for name, _, value in pairs if name != b"X-Amz-Signature"])
    encoded = sorted([(_encoded(name), _encoded(value)) for name, value in sent if name])
    targets = [(path, _joined(encoded)), (path, _joined(sent)), (raw_path, query_string)]
    return list(dict.fromkeys(targets))


def _joined(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"&".join([name + b"=" + value for name, value in pairs])


def _encoded(text: bytes) -> bytes:
    if not text.translate(None, _UNRESERVED):
        return text
    return quote_from_bytes(unquote_to_bytes(text.replace(b"+", b" ")), safe="").encode()


def combined(headers: Collection[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name; those that are sent more than once are joined with commas."""
    fields = dict(headers)
    if len(fields) == len(headers):
        return fields
    fields.clear()
    for name, value in headers:
        if name in fields:
            fields[name] += b"," + value.strip()
        else:
            fields[name] = value
    return fields


def canonical_head(
    method: bytes, path: bytes, query: bytes, fields: Mapping[bytes, bytes], signed_headers: Sequence[bytes]
) -> bytes:
    """The canonical request without its last line, the hash of the payload."""
    values = [fields.get(name, b"") for name in signed_headers]
    if _has_blanks(b"\n".join(values)):
        values = [b" ".join(value.split()) if _has_blanks(value) else value for value in values]
    lines = [b"%b:%b" % pair for pair in zip(signed_headers, values, strict=True)]
    return b"\n".join((method, path, query, *lines, b"", b";".join(signed_headers), b""))


def _has_blanks(lines: bytes) -> bool:
    """Whether any of these values has blanks that are signed as one, or not at all."""
    return (
        b"  " in lines
        or b"\t" in lines
        or b"\n " in lines
        or b" \n" in lines
        or lines[:1] == b" "
        or lines[-1:] == b" "
    )


def string_to_sign(timestamp: bytes, scope: bytes, canonical_request: bytes) -> bytes:
    digest = hashlib.sha256(canonical_request).hexdigest().encode()
    return b"\n".join((ALGORITHM, timestamp, scope, digest))


def signing_key(secret: str, date: bytes, region: bytes, service: bytes) -> bytes:
    """The key derived for one day, Region and service."""
    key = hmac.digest(b"AWS4" + secret.encode(), date, "sha256")
    for part in (region, service, b"aws4_request"):
        key = hmac.digest(key, part, "sha256")
    return key


def signature(key: bytes, text: bytes) -> str:
    """A signature in hexadecimal."""
    return hmac.digest(key, text, "sha256").hex()
