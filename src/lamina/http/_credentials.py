"""What a signed request says of itself: the parts of its Authorization header or of its presigned query."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from string import ascii_letters, ascii_lowercase, digits
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from lamina.errors import IncompleteSignatureException, InvalidSignatureException
from lamina.http._canonical import ALGORITHM

_TERMINATOR = b"aws4_request"
_LONGEST_EXPIRY = 604_800
_IN_KEY_ID = (ascii_letters + digits + "-_").encode()
_IN_SCOPE = (ascii_lowercase + digits + "-").encode()
_IN_SIGNATURE = (ascii_letters + digits).encode()


class Claim(NamedTuple):
    """The parts of a credential scope and the names of the signed headers, in lower case.

    ``timestamp``, ``expires`` (seconds) and ``session_token`` are those of a presigned query, else None.
    """

    access_key_id: str
    date: bytes
    region: bytes
    service: bytes
    scope: bytes
    signed_headers: tuple[bytes, ...]
    timestamp: bytes | None = None
    expires: int | None = None
    session_token: bytes | None = None
    payload: bytes | None = None


def split_authorization(authorization: bytes) -> tuple[bytes, str]:
    """An Authorization header without its signature, and that signature, which is "" when there is none."""
    before, separator, after = authorization.rpartition(b"Signature=")
    if not separator:
        return authorization, ""
    given, _, rest = after.partition(b",")
    given = given.strip()
    return before + rest, "" if given.translate(None, _IN_SIGNATURE) else given.decode()


def claim_of_header(unsigned: bytes, has_signature: bool, has_date: bool) -> Claim:
    """Read an Authorization header that ``split_authorization`` has split.

    Raises IncompleteSignatureException, in whose message is the hash of the header only.
    """
    algorithm, _, rest = unsigned.partition(b" ")
    pairs = [_key_and_value(part) for part in rest.split(b",") if part.strip()]
    parts = dict(pairs)
    wrong = [
        f"Authorization header requires '{name}' parameter."
        for name, is_given in (
            ("Credential", b"Credential" in parts),
            ("Signature", has_signature),
            ("SignedHeaders", b"SignedHeaders" in parts),
        )
        if not is_given
    ]
    if not has_date:
        wrong.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if not wrong and len(pairs) > 2:
        wrong.append("Authorization header has parts that are not known or stand twice.")
    if not wrong and algorithm != ALGORITHM:
        wrong.append(f"Unsupported AWS 'algorithm': it must be '{ALGORITHM.decode()}'.")
    if wrong:
        digest = base64.b64encode(hashlib.sha256(unsigned).digest()).decode()
        shown = f"(Hashed with SHA-256 and encoded with Base64) Authorization={digest}"
        raise IncompleteSignatureException(f"{' '.join(wrong)} {shown}")
    return _claim(parts[b"Credential"], parts[b"SignedHeaders"])


def claim_of_query(query_string: bytes) -> tuple[Claim, str]:
    """Read the ``X-Amz-`` parameters of a presigned query: the claim and the signature."""
    parts = dict(_key_and_value(part) for part in query_string.split(b"&"))
    wanted = [b"X-Amz-" + name for name in (b"Algorithm", b"Credential", b"Date", b"SignedHeaders", b"Signature")]
    missing = [f"AWS query-string parameters must include '{name.decode()}'." for name in wanted if name not in parts]
    if missing:
        raise IncompleteSignatureException(f"{' '.join(missing)} Re-examine the query-string parameters.")
    algorithm, credential, timestamp, names, given = (unquote_to_bytes(parts[name]) for name in wanted)
    if algorithm != ALGORITHM or given.translate(None, _IN_SIGNATURE) or not given:
        raise IncompleteSignatureException(f"X-Amz-Algorithm only supports '{ALGORITHM.decode()}' and its signatures.")
    token = parts.get(b"X-Amz-Security-Token")
    claim = _claim(credential, names)._replace(
        timestamp=timestamp,
        expires=_expiry(parts.get(b"X-Amz-Expires", b"300")),
        session_token=unquote_to_bytes(token) if token else None,
        payload=parts.get(b"X-Amz-Content-Sha256"),
    )
    return claim, given.decode()


def _key_and_value(part: bytes) -> tuple[bytes, bytes]:
    key, _, value = part.partition(b"=")
    return key.strip(), value.strip()


def _claim(credential: bytes, signed_headers: bytes) -> Claim:
    parts = credential.split(b"/")
    if len(parts) != 5 or not parts[0] or parts[0].translate(None, _IN_KEY_ID):
        raise IncompleteSignatureException(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term."
        )
    access_key_id, date, region, service, terminator = parts
    if terminator != _TERMINATOR:
        raise InvalidSignatureException("Credential should be scoped with a valid terminator: 'aws4_request'.")
    if len(date) != 8 or not date.isdigit():
        raise InvalidSignatureException("Credential should be scoped with a valid date, in the form YYYYMMDD.")
    if not _is_scope(region):
        raise InvalidSignatureException("Credential should be scoped to a valid region.")
    if not _is_scope(service):
        raise InvalidSignatureException("Credential should be scoped to correct service.")
    names = tuple(signed_headers.lower().split(b";"))
    if b"host" not in names:
        raise InvalidSignatureException("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    return Claim(access_key_id.decode(), date, region, service, b"/".join(parts[1:]), names)


def _is_scope(part: bytes) -> bool:
    return 0 < len(part) <= 64 and not part.translate(None, _IN_SCOPE)


def _expiry(text: bytes) -> int:
    if not text.isdigit():
        raise IncompleteSignatureException("X-Amz-Expires should be a number of seconds that is not negative.")
    if len(text) > 6 or int(text) > _LONGEST_EXPIRY:
        raise IncompleteSignatureException(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            f"{_LONGEST_EXPIRY} seconds"
        )
    return int(text)


def timestamp_of(fields: Mapping[bytes, bytes]) -> bytes:
    """The time of a header-signed request in ISO 8601's basic format, from X-Amz-Date or else Date."""
    stamp = fields.get(b"x-amz-date")
    if stamp is not None:
        return stamp
    date = fields[b"date"]
    if len(date) == 16:
        return date
    try:
        return parsedate_to_datetime(date.decode("latin-1")).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ").encode()
    except (ValueError, OverflowError):
        raise _bad_date(date) from None


def moment(timestamp: bytes) -> datetime:
    """A time in ISO 8601's basic format."""
    if len(timestamp) != 16 or timestamp[8:9] != b"T" or timestamp[15:] != b"Z":
        raise _bad_date(timestamp)
    day, time = timestamp[:8], timestamp[9:15]
    if not (day.isdigit() and time.isdigit()):
        raise _bad_date(timestamp)
    try:
        return datetime(
            int(day[:4]), int(day[4:6]), int(day[6:]), int(time[:2]), int(time[2:4]), int(time[4:]), tzinfo=UTC
        )
    except ValueError:
        raise _bad_date(timestamp) from None


def _bad_date(text: bytes) -> IncompleteSignatureException:
    shown = text.decode("latin-1")
    return IncompleteSignatureException(f"Date must be in ISO-8601 'basic format'. Got '{shown}'.")
