"""The running service as the commands reach it: like any other client, with the credentials of the AWS settings."""

from __future__ import annotations

from typing import Any

import boto3
import click
import orjson
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

_REGION = "us-east-1"


class Endpoint:
    """One service at one address."""

    def __init__(self, url: str, region: str | None) -> None:
        self._url = url.rstrip("/")
        self._session = boto3.Session(region_name=region)
        self.region = self._session.region_name or _REGION
        self._http = urllib3.PoolManager(retries=False)

    def client(self, service: str) -> Any:
        """A boto3 client; the test keys where the AWS settings have none."""
        keys: dict[str, str] = {}
        if self._session.get_credentials() is None:
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        config = Config(retries={"max_attempts": 1})
        return self._session.client(service, endpoint_url=self._url, region_name=self.region, config=config, **keys)

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """Run an operation that only Lamina has. Raises ``click.ClickException`` with the service's message."""
        body = orjson.dumps(params)
        request = AWSRequest(
            "POST", f"{self._url}/_lamina/{operation}", headers={"Content-Type": "application/json"}, data=body
        )
        credentials = self._session.get_credentials() or Credentials("test", "test")
        SigV4Auth(credentials, "lambda", self.region).add_auth(request)
        status, answer = self._send("POST", request.url, dict(request.headers.items()), body)
        try:
            document = orjson.loads(answer)
        except orjson.JSONDecodeError:
            raise click.ClickException(f"{self._url} does not answer like Lamina (status {status})") from None
        if status >= 300:
            raise click.ClickException(_message(answer) or str(status))
        return dict(document)

    def download(self, url: str) -> bytes:
        """The bytes behind a presigned link."""
        status, data = self._send("GET", url, {}, None)
        if status != 200:
            raise click.ClickException(f"the package cannot be downloaded: {_message(data) or f'status {status}'}")
        return data

    def _send(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> tuple[int, bytes]:
        try:
            answer = self._http.request(method, url, headers=headers, body=body, timeout=urllib3.Timeout(10, 600))
        except urllib3.exceptions.HTTPError as error:
            raise click.ClickException(f"Could not connect to {self._url}: {error}") from None
        return answer.status, answer.data


def _message(answer: bytes) -> str:
    """What an answer says of its error; nothing when it is none of the service's."""
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(document, dict):
        return ""
    return str(document.get("message") or document.get("Message") or "")
