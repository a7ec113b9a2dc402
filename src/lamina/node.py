"""A node: all rooms of the house, put together."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urlsplit

from lamina.errors import VersionUnavailable
from lamina.events import EventQueue, QueuedInvocation
from lamina.execution import Address, Execution, Invocation, Outcome, Starter, Surroundings
from lamina.functions import Call, FunctionKey, Functions, LiveVersion, Route
from lamina.http import Application, Door, Guard, Passage, S3Gateway, ServiceModel, Verifier, presign
from lamina.keys import KeyRing
from lamina.kms import Calendar, KmsApi, MasterKey, MasterKeyError
from lamina.observe import LogsApi
from lamina.roles import FunctionRoles, StsApi
from lamina.runtimes import ChoicesError, Runtimes
from lamina.sandbox import Launcher, SandboxUnavailable
from lamina.settings import AccessKey, Settings
from lamina.signing import AuthorityError, SignerApi
from lamina.state import SqliteState, StateError
from lamina.stores import Stores, open_authority

_log = logging.getLogger(__name__)

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
        stores: Stores,
        launcher: Launcher,
        runtimes: Runtimes,
    ) -> None:
        self._stores = stores
        self._runtimes = runtimes
        self._launcher = launcher
        self._download_key = AccessKey(
            access_key_id="LAMINADOWNLOADS", secret_access_key=secrets.token_hex(), account_id="000000000000"
        )
        self._keys = keys
        self._calendar = Calendar(stores.keys)
        self._signer = SignerApi(stores.state, stores.authority, stores.objects)
        starter = Starter(
            launcher,
            runtimes,
            stores.code,
            stores.logs,
            folder=settings.data.absolute() / "work",
            spares=settings.prewarm,
            supply=stores.supply,
            surroundings=self._surroundings(settings),
        )
        self._execution = Execution(
            starter,
            self._route,
            settings.account_concurrency,
            settings.idle_seconds,
            self._available,
            snapshots=settings.snapshots,
            memory_reserve=settings.memory_reserve * 1_048_576,
        )
        self._functions = Functions(
            state=stores.state,
            rooms=stores.rooms,
            cutover=self._execution,
            secrets=stores.variables,
            locate=self._locate,
            settings=settings,
        )
        self._events = EventQueue(stores.state, self._run_event, settings.retry_delay)
        self._collector: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.application = self._application(settings, urlsplit(address).hostname or settings.host)
        # Inside a sandbox no key works that is no secret, and signatures are checked whatever the settings say.
        sessions = stores.sessions
        self._door = Door(self.application.behind(Verifier(self._find_secret, _now, find_session=sessions.find)))

    def _surroundings(self, settings: Settings) -> Surroundings:
        return Surroundings(
            network=settings.network,
            connect=None if settings.network == "none" else lambda on_lost: self._door.connect(on_lost),
            credentials=FunctionRoles(self._stores.sessions).variables,
        )

    def _application(self, settings: Settings, host: str) -> Application:
        stores = self._stores
        find = stores.sessions.find
        verifier = Verifier(self._find_key, _now, check_signatures=settings.auth, find_session=find)
        json = {"logs": LogsApi(stores.logs).operations()}
        if not settings.kms_endpoint:
            # A real KMS has its own address, and its keys are not these.
            json["kms"] = KmsApi(stores.keys).operations()
        return Application(
            model=ServiceModel.load("lambda"),
            guard=Guard(host),
            verifier=verifier,
            handlers=self._functions.operations(),
            executor=self._execution,
            enqueue=self._enqueue,
            json=json,
            rest={"signer": self._signer.operations()},
            query={"sts": StsApi(stores.sessions, self._keys.find).operations()},
            passage=Passage(settings.upstream) if settings.upstream else None,
            extensions={**self._functions.extensions(), "GetSigningRoot": self._signing_root},
            s3=S3Gateway(stores.objects, verifier, _now),
            rate=settings.control_rate,
            open_package=stores.code.open,
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
            launcher = await Launcher.open(
                data / "sandbox",
                settings.isolation,
                network=settings.network,
                egress_allow=tuple(filter(None, settings.egress_allow.split(","))),
            )
        except SandboxUnavailable as error:
            state.close()
            raise CannotStart(str(error)) from None
        try:
            master = await MasterKey.open(data, state)
            open_authority(settings).check()
            runtimes = Runtimes.discover(lack=launcher.report.lack, choices=data)
        except (MasterKeyError, AuthorityError, ChoicesError) as error:
            await launcher.close()
            state.close()
            raise CannotStart(str(error)) from None
        keys.open(data, announce)
        stores = Stores.open(settings, state, master, merged_images=not launcher.report.layers)
        node = cls(settings, address, keys, stores, launcher, runtimes)
        await node._calendar.start()
        await node._functions.recover()
        await node._signer.recover()
        await node._events.start()
        node._collect_later()
        return node

    async def close(self) -> None:
        """End all work and let go of everything; what is durable stays for the next start."""
        if self._collector is not None:
            self._collector.cancel()
        await self._events.close()
        await self._functions.deployments.close()
        await self._signer.close()
        await self._execution.close()
        await self._launcher.close()
        await asyncio.gather(*self._tasks)
        await self._calendar.close()
        await self._stores.close()

    async def _route(self, address: Address) -> Route:
        return await self._functions.route(*address)

    def _available(self, live: LiveVersion, reason: VersionUnavailable | None) -> None:
        self._spawn(self._functions.note_availability(live, reason))

    async def _signing_root(self, _call: Call, _params: dict[str, object]) -> dict[str, str]:
        """GetSigningRoot: the certificate for those who should trust what is signed here, as PEM."""
        return {"Certificate": (await asyncio.to_thread(self._stores.authority.root_pem)).decode()}

    def _find_key(self, access_key_id: str) -> AccessKey | None:
        if access_key_id == self._download_key.access_key_id:
            return self._download_key
        return self._keys.find(access_key_id)

    def _find_secret(self, access_key_id: str) -> AccessKey | None:
        if access_key_id == self._download_key.access_key_id:
            return self._download_key
        return self._keys.find_secret(access_key_id)

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
        self._spawn(self._collect())

    async def _collect(self) -> None:
        try:
            in_use = await self._functions.in_use()
            in_use |= self._execution.packages_in_use() | self._execution.images_in_use()
            in_use |= self._runtimes.images_in_use()
            await self._stores.collect(in_use)
        except Exception:
            _log.exception("what nobody uses could not be collected")
        self._collect_later()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _now() -> datetime:
    return datetime.now(UTC)
