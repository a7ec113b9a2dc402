"""AWS Signature Version 4 from the server's side: who sent a request, and did they sign all of it?"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from lamina.errors import (
    InvalidSignatureException,
    MissingAuthenticationTokenException,
    UnrecognizedClientException,
)
from lamina.http._canonical import (
    UNSIGNED_PAYLOAD,
    canonical_head,
    canonical_targets,
    combined,
    signature,
    signing_key,
    string_to_sign,
)
from lamina.http._credentials import (
    Claim,
    claim_of_header,
    claim_of_query,
    moment,
    split_authorization,
    timestamp_of,
)
from lamina.settings import AccessKey, TemporaryKey

STREAMING = b"STREAMING-"
FindSession = Callable[[str, str], TemporaryKey | None]
_SKEW = timedelta(minutes=5)
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


class OutOfTime(InvalidSignatureException):
    """A request that was signed too long ago, or in the future. S3 has errors of its own for it."""

    @property
    def code(self) -> str:
        """To all other services it is one code with a wrong signature."""
        return InvalidSignatureException.__name__


class Authentication(NamedTuple):
    """Who a request claims to come from, and what is left to check.

    ``heads`` are the canonical requests without the payload's hash that the signature may be over. ``payload`` is
    what the client declared to be that hash, or None where it is the body's. ``session_token`` is passed through;
    ``session`` is there when the keys are temporary ones of this server.
    """

    access_key_id: str
    account_id: str
    region: str
    service: str
    session_token: str | None
    timestamp: bytes
    scope: bytes
    signature: str
    signing_key: bytes
    heads: tuple[bytes, ...]
    payload: bytes | None
    session: TemporaryKey | None = None

    @property
    def needs_body_hash(self) -> bool:
        """Whether ``check`` looks at the hash of the body; if not, any text will do."""
        return self.payload is None or not (self.payload == UNSIGNED_PAYLOAD or self.is_chunked)

    @property
    def is_chunked(self) -> bool:
        """Whether the body is in ``aws-chunked`` form, to be read by ``decode_chunks``."""
        return self.payload is not None and self.payload.startswith(STREAMING)

    def __repr__(self) -> str:
        return f"Authentication({self.access_key_id!r}, {self.region!r}, {self.service!r})"


class Verifier:
    """Verifies requests against the keys that ``find_key`` knows, at the time that ``now`` tells (aware datetimes).

    With ``check_signatures`` false the value of a signature and its age do not matter, but it must be there and be
    parseable; ``find_key`` should then know every access key id. Derived keys are cached, a bounded number of them.
    ``find_session`` knows temporary keys, by access key id and session token, and comes first.
    """

    def __init__(
        self,
        find_key: Callable[[str], AccessKey | None],
        now: Callable[[], datetime],
        *,
        check_signatures: bool = True,
        find_session: FindSession | None = None,
    ) -> None:
        self._find_key = find_key
        self._find_session = find_session
        self._now = now
        self.checks_signatures = check_signatures
        self._claim_of_header = lru_cache(maxsize=512)(claim_of_header)
        self._signing_key = lru_cache(maxsize=512)(signing_key)
        self._moment = lru_cache(maxsize=64)(moment)

    def begin(
        self, method: str, raw_path: bytes, query_string: bytes, headers: Collection[tuple[bytes, bytes]]
    ) -> Authentication:
        """What can be checked before the body is there: presence, form, key and time. Header names are lower-case.

        Raises MissingAuthenticationTokenException, IncompleteSignatureException, UnrecognizedClientException or
        InvalidSignatureException.
        """
        fields = combined(headers)
        claim, given = self._claim(fields, query_string)
        access_key_id = claim.access_key_id
        token = claim.session_token or fields.get(b"x-amz-security-token")
        key = self.key(access_key_id, token)
        timestamp = claim.timestamp or timestamp_of(fields)
        signed = self._moment(timestamp)
        if self.checks_signatures:
            self._check_time(claim, timestamp, signed)
        verb, names = method.encode(), claim.signed_headers
        targets = canonical_targets(raw_path, query_string, claim.service)
        heads = tuple([canonical_head(verb, path, query, fields, names) for path, query in targets])
        return Authentication(
            access_key_id,
            key.account_id,
            claim.region.decode(),
            claim.service.decode(),
            token.decode("latin-1") if token else None,
            timestamp,
            claim.scope,
            given,
            self._signing_key(key.secret_access_key, claim.date, claim.region, claim.service),
            heads,
            _declared_payload(claim, fields),
            key if isinstance(key, TemporaryKey) else None,
        )

    def key(self, access_key_id: str, token: bytes | None) -> AccessKey:
        """The key of that name; if it is a temporary one, its token must be right. Nothing is checked beyond that.

        Raises UnrecognizedClientException, or ExpiredTokenException.
        """
        key: AccessKey | None = None
        if token is not None and self._find_session is not None:
            key = self._find_session(access_key_id, token.decode("latin-1"))
        if key is None:
            key = self._find_key(access_key_id)
        if key is None:
            raise UnrecognizedClientException("The security token included in the request is invalid.")
        return key

    def check(self, authentication: Authentication, body_sha256_hex: str) -> None:
        """Check the signature, now that the body is known. Raises InvalidSignatureException.

        For a body in chunks it is the signature that the first chunk's builds on.
        """
        if not self.checks_signatures:
            return
        body_hash = body_sha256_hex.encode()
        payload = authentication.payload or body_hash
        if payload is not body_hash and authentication.needs_body_hash and payload != body_hash:
            raise InvalidSignatureException(_MISMATCH)
        for head in authentication.heads:
            text = string_to_sign(authentication.timestamp, authentication.scope, head + payload)
            if hmac.compare_digest(signature(authentication.signing_key, text), authentication.signature):
                return
        raise InvalidSignatureException(_MISMATCH)

    def _claim(self, fields: Mapping[bytes, bytes], query_string: bytes) -> tuple[Claim, str]:
        authorization = fields.get(b"authorization")
        if authorization is None:
            if b"X-Amz-Signature=" in query_string or b"X-Amz-Algorithm=" in query_string:
                return claim_of_query(query_string)
            raise MissingAuthenticationTokenException("Missing Authentication Token")
        # What is left without the signature is the same for all requests of a client on one day.
        unsigned, given = split_authorization(authorization)
        has_date = b"x-amz-date" in fields or b"date" in fields
        return self._claim_of_header(unsigned, bool(given), has_date), given

    def _check_time(self, claim: Claim, timestamp: bytes, signed: datetime) -> None:
        now = self._now()
        allowed = _SKEW if claim.expires is None else timedelta(seconds=claim.expires)
        if timestamp[:8] != claim.date:
            date, day = claim.date.decode(), timestamp[:8].decode()
            raise InvalidSignatureException(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
                f"'{date}' != '{day}', from '{timestamp.decode()}'."
            )
        if signed < now - allowed:
            raise OutOfTime(
                f"Signature expired: {_iso(signed)} is now earlier than {_iso(now - allowed)} "
                f"({_iso(now)} - {_span(allowed)})"
            )
        if signed > now + _SKEW:
            raise OutOfTime(
                f"Signature not yet current: {_iso(signed)} is still later than {_iso(now + _SKEW)} "
                f"({_iso(now)} + {_span(_SKEW)})"
            )


def _declared_payload(claim: Claim, fields: Mapping[bytes, bytes]) -> bytes | None:
    declared = fields.get(b"x-amz-content-sha256") or claim.payload
    if declared is None and claim.expires is not None and claim.service == b"s3":
        return UNSIGNED_PAYLOAD
    return declared


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    return f"{seconds // 60} min." if seconds % 60 == 0 else f"{seconds} sec."
