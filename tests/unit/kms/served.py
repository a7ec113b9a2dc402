"""A KMS over HTTP, as any client reaches it: the JSON protocol and the signatures of the real server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import boto3
import uvicorn
from botocore.config import Config

from lamina.errors import ServiceError
from lamina.functions import Call
from lamina.http import Verifier, _body
from lamina.http._json_protocol import LIMIT, JsonProtocol, error_response
from lamina.http._operations import Handler
from lamina.http._request import Request
from lamina.settings import AccessKey


class Application:
    """An ASGI application with nothing but KMS."""

    def __init__(self, operations: dict[str, Handler]) -> None:
        self._json = JsonProtocol({"kms": operations})
        self._verifier = Verifier(_key, lambda: datetime.now(UTC))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ServiceError as error:
            response = error_response(request, error)
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, request: Request) -> Any:
        who = self._verifier.begin(request.method, request.raw_path, request.query_string, request.headers)
        body = await _body.read(request.receive, request.fields, LIMIT, _body.request_too_large("kms", LIMIT))
        self._verifier.check(who, body.sha256)
        call = Call(
            account_id=who.account_id,
            region=who.region,
            request_id=request.id,
            access_key_id=who.access_key_id,
            base_url=request.base_url,
        )
        return await self._json.answer(who.service, request, call, bytes(body.data))


def _key(access_key_id: str) -> AccessKey:
    account_id = access_key_id if access_key_id.isdigit() else "000000000000"
    return AccessKey(access_key_id=access_key_id, secret_access_key="test", account_id=account_id)


@contextmanager
def served(application: Callable[..., Any]) -> Iterator[str]:
    """The address of an ASGI application, on a free port for the time of the block."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="error", lifespan="off"))
    started = threading.Event()

    original = server.startup

    async def startup(sockets: Any = None) -> None:
        await original(sockets=sockets)
        started.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(10)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def client(address: str, key: str = "test", region: str = "eu-west-1", **config: Any) -> Any:
    """A boto3 client of it."""
    return boto3.client(
        "kms",
        endpoint_url=address,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, **config),
    )
