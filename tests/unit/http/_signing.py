"""Requests signed by botocore, and a verifier that knows their key."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lamina.http._sigv4 import Authentication, Verifier
from lamina.settings import AccessKey

KEY = AccessKey(
    access_key_id="AKIDEXAMPLE",
    secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    account_id="123456789012",
)
HOST = "localhost:4566"


def credentials(token: str | None = None) -> Credentials:
    return Credentials(KEY.access_key_id, KEY.secret_access_key, token)


def signed(
    method: str = "GET",
    target: str = "/2015-03-31/functions/f",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    *,
    signer: type[SigV4Auth] = SigV4Auth,
    service: str = "lambda",
    token: str | None = None,
    **options: object,
) -> AWSRequest:
    """A request that botocore signed just now."""
    request = AWSRequest(method, f"http://{HOST}{target}", headers=headers or {}, data=body)
    signer(credentials(token), service, "eu-central-1", **options).add_auth(request)
    return request


def verifier(*, late: timedelta = timedelta(), check_signatures: bool = True) -> Verifier:
    """A verifier whose clock is ``late`` after the signer's."""
    keys = {KEY.access_key_id: KEY}
    return Verifier(keys.get, lambda: datetime.now(UTC) + late, check_signatures=check_signatures)


def raw_headers(request: AWSRequest) -> list[tuple[bytes, bytes]]:
    """The headers as a server gets them."""
    return [(b"host", HOST.encode())] + [
        (name.lower().encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in request.headers.items()
    ]


def verify(request: AWSRequest, target: Verifier | None = None, *, body: bytes | None = None) -> Authentication:
    """Verify a request as it would arrive; ``body`` in place of the one that was signed."""
    target = target or verifier()
    url = urlsplit(request.url)
    authentication = target.begin(request.method, url.path.encode(), url.query.encode(), raw_headers(request))
    data = (request.data or b"") if body is None else body
    target.check(authentication, hashlib.sha256(data).hexdigest())
    return authentication
