"""The edge, without a server: download links."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pytest

from lamina.blobs import BlobMissing
from lamina.http import Application, Guard, ServiceModel, Verifier, presign
from lamina.settings import AccessKey

NOW = datetime(2026, 5, 1, tzinfo=UTC)
KEY = AccessKey(access_key_id="DOWNLOADS", secret_access_key="s", account_id="000000000000")


@pytest.mark.parametrize("error", [BlobMissing("x"), ValueError("x")])
async def test_a_link_to_a_package_that_is_gone_is_not_found(error: Exception) -> None:
    def open_package(digest: str) -> BinaryIO:
        raise error

    path = "/_lamina/packages/" + "0" * 64
    url = presign(
        path, key=KEY, region="r-1", service="lambda", host="localhost", scheme="http", expires_seconds=9, now=NOW
    )
    application: Any = Application(
        model=ServiceModel.load("lambda"),
        guard=Guard("localhost"),
        verifier=Verifier(lambda _: KEY, lambda: NOW),
        handlers={},
        executor=None,  # type: ignore[arg-type]
        enqueue=None,  # type: ignore[arg-type]
        json={},
        rest={},
        extensions={},
        s3=None,
        rate=0.0,
        open_package=open_package,
        download_key_id=KEY.access_key_id,
    )
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": "GET", "raw_path": path.encode(), "scheme": "http"}
    scope |= {"query_string": urlsplit(url).query.encode(), "headers": [(b"host", b"localhost")]}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    assert sent[0]["status"] == 404
    assert b"does not exist any more" in sent[1]["body"]
