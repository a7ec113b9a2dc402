"""Presigned URLs for the server's own downloads, such as GetFunction's ``Code.Location``."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from lamina.http._canonical import (
    ALGORITHM,
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    canonical_head,
    canonical_targets,
    signature,
    signing_key,
    string_to_sign,
)
from lamina.settings import AccessKey


def presign(
    path: str,
    *,
    key: AccessKey,
    region: str,
    service: str,
    host: str,
    scheme: str,
    expires_seconds: int,
    now: datetime,
) -> str:
    """The URL of a GET that ``Verifier`` accepts until ``expires_seconds`` after ``now``.

    ``path`` is percent-encoded, as it will be requested; ``host`` is the Host header, port included.
    """
    timestamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    date = timestamp[:8]
    scope = f"{date}/{region}/{service}/aws4_request"
    query = (
        f"X-Amz-Algorithm={ALGORITHM.decode()}&X-Amz-Credential={quote(f'{key.access_key_id}/{scope}', safe='')}"
        f"&X-Amz-Date={timestamp}&X-Amz-Expires={expires_seconds}&X-Amz-SignedHeaders=host"
    )
    head = canonical_head(
        b"GET",
        *canonical_targets(path.encode(), query.encode(), service.encode())[0],
        {b"host": host.encode()},
        (b"host",),
    )
    payload = UNSIGNED_PAYLOAD if service == "s3" else EMPTY_SHA256
    text = string_to_sign(timestamp.encode(), scope.encode(), head + payload)
    secret = signing_key(key.secret_access_key, date.encode(), region.encode(), service.encode())
    return f"{scheme}://{host}{path}?{query}&X-Amz-Signature={signature(secret, text)}"
