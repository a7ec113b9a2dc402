"""A node: all rooms of the house, put together."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urlsplit

from lamina.blobs import LocalBlobs
from lamina.events import EventQueue, QueuedInvocation
from lamina.execution import Address, Execution, Invocation, Outcome, Starter
from lamina.functions import Call, FunctionKey, Functions, Route
from lamina.http import Application, Guard, ServiceModel, Verifier, presign
from lamina.keys import KeyRing
from lamina.observe import LogsApi, LogStore
from lamina.packages import Packages
from lamina.runtimes import Runtimes, RuntimeUnavailable
from lamina.sandbox import Launcher, SandboxUnavailable
from lamina.settings import AccessKey, Settings
from lamina.state import SqliteState, StateError

_DOWNLOAD_SECONDS = 600
_COLLECT_EVERY_SECONDS = 600.0


class CannotStart(Exception):
    """The node cannot start; the message is one line for the user."""


class Node:
    """One node of Lamina. ``application`` is its ASGI application."""

    def __init__(
        self,
        settings: Settings,
        address: str,
        keys: KeyRing,
        state: SqliteState,
        launcher: Launcher,
    ) -> None:
        data = settings.data.absolute()
        self._state = state
        self._launcher = launcher
        self._download_key = AccessKey(
            access_key_id="LAMINADOWNLOADS", secret_access_key=secrets.token_hex(), account_id="000000000000"
        )
        self._keys = keys
        self._packages = Packages(data / "packages", LocalBlobs(data / "blobs"))
        self._logs = LogStore(data / "logs")
        self._runtimes = Runtimes.discover()
        starter = Starter(
            launcher, self._runtimes, self._packages, self._logs, folder=data / "work", spares=settings.prewarm
        )
        self._execution = Execution(starter, self._route, settings.account_concurrency, settings.idle_seconds)
        self._functions = Functions(
            state=state,
            packages=self._packages,
            cutover=self._execution,
            find_runtime=self._find_runtime,
            locate=self._locate,
            settings=settings,
        )
        self._events = EventQueue(state, self._run_event, settings.retry_delay)
        self._collector: asyncio.TimerHandle | None = None
        self._collecting: asyncio.Task[None] | None = None
        self.application = Application(
            model=ServiceModel.load("lambda"),
            guard=Guard(urlsplit(address).hostname or settings.host),
            verifier=Verifier(self._find_key, lambda: datetime.now(UTC), check_signatures=settings.auth),
            handlers=self._functions.operations(),
            executor=self._execution,
            enqueue=self._enqueue,
            logs=LogsApi(self._logs).operations(),
            open_package=self._packages.open,
            download_key_id=self._download_key.access_key_id,
        )

    @classmethod
    async def open(cls, settings: Settings, address: str, announce: Callable[[AccessKey], None]) -> Self:
        """Open the data folder, start the launcher and finish what an earlier run has left. Raises ``CannotStart``."""
        keys = KeyRing(settings)
        data = settings.data.absolute()
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            state = SqliteState.open(data)
        except StateError as error:
            raise CannotStart(str(error)) from None
        except OSError as error:
            raise CannotStart(f"cannot use the data folder {data}: {error.strerror}") from None
        try:
            launcher = await Launcher.open(data / "sandbox", settings.isolation)
        except SandboxUnavailable as error:
            state.close()
            raise CannotStart(str(error)) from None
        keys.open(data, announce)
        node = cls(settings, address, keys, state, launcher)
        await node._functions.deployments.recover()
        await node._events.start()
        node._collect_later()
        return node

    async def close(self) -> None:
        """End all work and let go of everything; what is durable stays for the next start."""
        if self._collector is not None:
            self._collector.cancel()
        await self._events.close()
        await self._functions.deployments.idle()
        await self._execution.close()
        await self._launcher.close()
        self._logs.close()
        self._packages.close()
        self._state.close()

    async def _route(self, address: Address) -> Route:
        return await self._functions.route(*address)

    def _find_runtime(self, name: str) -> str | None:
        try:
            self._runtimes.resolve(name)
        except RuntimeUnavailable as unavailable:
            return str(unavailable)
        self._execution.expect(name)
        return None

    def _find_key(self, access_key_id: str) -> AccessKey | None:
        if access_key_id == self._download_key.access_key_id:
            return self._download_key
        return self._keys.find(access_key_id)

    def _locate(self, call: Call, _key: FunctionKey, _version: str, digest: str) -> str:
        parts = urlsplit(call.base_url)
        return presign(
            f"/_lamina/packages/{digest}",
            key=self._download_key,
            region=call.region,
            service="lambda",
            host=parts.netloc,
            scheme=parts.scheme,
            expires_seconds=_DOWNLOAD_SECONDS,
            now=datetime.now(UTC),
        )

    async def _enqueue(self, address: Address, invocation: Invocation) -> None:
        now = int(time.time() * 1000)
        await self._events.accept(
            QueuedInvocation(
                id=0,
                address=address,
                request_id=invocation.request_id,
                payload=invocation.payload,
                client_context=invocation.client_context,
                trace_id=invocation.trace_id,
                accepted_ms=now,
                due_ms=now,
            )
        )

    async def _run_event(self, event: QueuedInvocation) -> Outcome:
        def make(route: Route) -> Invocation:
            return Invocation(
                request_id=event.request_id,
                payload=event.payload,
                invoked_arn=route.invoked_arn,
                trace_id=event.trace_id,
                client_context=event.client_context,
            )

        return await self._execution.invoke(event.address, make)

    def _collect_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._collector = loop.call_later(_COLLECT_EVERY_SECONDS, self._collect_now)

    def _collect_now(self) -> None:
        self._collecting = asyncio.create_task(self._collect())

    async def _collect(self) -> None:
        in_use = await self._functions.packages_in_use()
        in_use |= self._execution.packages_in_use()
        await asyncio.to_thread(self._packages.collect, in_use)
        self._collect_later()
