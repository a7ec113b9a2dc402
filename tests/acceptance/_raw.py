"""Requests below the level of a client."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from demo._service import Service

FUNCTIONS = "/2015-03-31/functions"
SETTINGS = "/2016-08-19/account-settings"
JSON = {"Content-Type": "application/json"}


class Answer:
    """Status, headers and body of a response."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def code(self) -> str | None:
        """The error code."""
        return self.headers.get("x-amzn-ErrorType")

    @property
    def message(self) -> str | None:
        """The error's message."""
        body = json.loads(self.body)
        return body.get("message", body.get("Message"))


def send(
    service: Service,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    **options: Any,
) -> Answer:
    """Send a request as it is."""
    connection = http.client.HTTPConnection(urlsplit(service.address).netloc, timeout=20)
    try:
        connection.request(method, path, body, dict(headers or {}), **options)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def sign(
    service: Service,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    key: str = "test",
    secret: str = "test",
    region: str = "us-east-1",
    scope: str = "lambda",
) -> dict[str, str]:
    """The headers of a signed request."""
    request = AWSRequest(method, service.address + path, headers=dict(headers or {}), data=body)
    SigV4Auth(Credentials(key, secret), scope, region).add_auth(request)
    return dict(request.headers.items())


def signed(
    service: Service, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, **how: str
) -> Answer:
    """Sign and send a request."""
    return send(service, method, path, body, sign(service, method, path, body, headers, **how))
