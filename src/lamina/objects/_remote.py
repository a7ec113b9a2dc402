"""An S3 on the network: AWS's own, by the ordinary AWS settings, or another at its endpoint."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lamina.objects._aside import run_aside
from lamina.objects._interface import NoUpstream, ObjectLocation, StoredObject, Upstream

T = TypeVar("T")
_AT_ONCE = 16
_CONNECT_SECONDS = 5
_READ_SECONDS = 10
_DEFAULT_REGION = "us-east-1"


class RemoteObjects:
    """Implements ``ObjectStore`` with boto3.

    Without ``endpoint`` it is AWS's S3. Without keys, those of the environment, the profile or the machine's role are
    used. ``region`` is the Region to sign for, if it is always the same; else it is that of the object's location.
    """

    def __init__(
        self,
        *,
        endpoint: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        region: str | None = None,
        path_style: bool | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._keys = (access_key_id, secret_access_key)
        self._region = region
        self._style = {None: "auto", True: "path", False: "virtual"}[path_style]
        self._clients: dict[str, Any] = {}
        self._session: Any = None
        self._making = threading.Lock()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def download(self, location: ObjectLocation, into: Path, most: int) -> StoredObject:
        """Write the object to a file."""
        return await self._run(lambda stop: self._download(location, into, most, stop))

    async def read(self, location: ObjectLocation, most: int) -> bytes:
        """The object's bytes."""

        def work(stop: threading.Event) -> bytes:
            sink = io.BytesIO()
            self._transfer(location, sink, most, stop)
            return sink.getvalue()

        return await self._run(work)

    async def write(self, bucket: str, key: str, data: bytes) -> str | None:
        """Store an object, in whichever Region the bucket is."""

        def work(stop: threading.Event) -> str | None:
            from lamina.objects._transfer import persist

            put = self._client(None).put_object
            version = persist(lambda: put(Bucket=bucket, Key=key, Body=data), "PutObject", stop).get("VersionId")
            return None if version == "null" else version

        return await self._run(work)

    async def is_versioned(self, bucket: str) -> bool:
        """Whether new objects of the bucket get versions."""

        def work(stop: threading.Event) -> bool:
            from lamina.objects._transfer import persist

            get = self._client(None).get_bucket_versioning
            answer = persist(lambda: get(Bucket=bucket), "GetBucketVersioning", stop)
            return bool(answer.get("Status") == "Enabled")

        return await self._run(work)

    async def upstream(self) -> Upstream:
        """The endpoint with its keys. AWS has its own address, so requests for it do not go through here."""
        if self._endpoint is None:
            raise NoUpstream("Code comes from Amazon S3 here: send requests for S3 there, without an endpoint URL.")
        keys = await self.credentials()
        if keys is None:
            raise NoUpstream("There are no keys for the endpoint of S3: set them, or those of the AWS environment.")
        return Upstream(
            endpoint=self._endpoint,
            access_key_id=keys.access_key,
            secret_access_key=keys.secret_key,
            session_token=keys.token,
            region=self._region,
        )

    async def credentials(self) -> Any:
        """The keys as botocore finds them, or None."""

        def work(_stop: threading.Event) -> Any:
            with self._making:
                found = self._boto3().get_credentials()
            return found.get_frozen_credentials() if found is not None else None

        return await self._run(work)

    async def close(self) -> None:
        """Close the connections that wait for further requests."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    async def _run(self, work: Callable[[threading.Event], T]) -> T:
        async with self._slots:
            return await run_aside(work)

    def _download(self, location: ObjectLocation, into: Path, most: int, stop: threading.Event) -> StoredObject:
        try:
            with os.fdopen(os.open(into, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w+b") as sink:
                return self._transfer(location, sink, most, stop)
        except BaseException:
            into.unlink(missing_ok=True)
            raise

    def _transfer(self, location: ObjectLocation, sink: Any, most: int, stop: threading.Event) -> StoredObject:
        from lamina.objects._transfer import Transfer

        return Transfer(self._client(location.region).get_object, location, sink, most, stop).run()

    def _client(self, region: str | None) -> Any:
        name = self._region or region or self._boto3().region_name or _DEFAULT_REGION
        with self._making:
            if name not in self._clients:
                self._clients[name] = self._make(name)
            return self._clients[name]

    def _make(self, region: str) -> Any:
        from botocore.config import Config

        client = self._boto3().client(
            "s3",
            region_name=region,
            endpoint_url=self._endpoint,
            config=Config(
                signature_version="s3v4",
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                max_pool_connections=_AT_ONCE,
                retries={"mode": "standard", "total_max_attempts": 1},
                s3={"addressing_style": self._style},
                user_agent_extra="lamina",
            ),
        )
        # Lambda does not follow a bucket into another Region; botocore would.
        client.meta.events.register("before-call.s3.GetObject", _stay_in_region)
        return client

    def _boto3(self) -> Any:
        if self._session is None:
            from boto3.session import Session

            self._session = Session(*self._keys)
        return self._session


def _stay_in_region(context: dict[str, Any], **_: Any) -> None:
    context.setdefault("s3_redirect", {})["redirected"] = True
