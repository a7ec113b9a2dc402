"""A node: all rooms of the house, put together."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from lamina.blobs import LocalBlobs
from lamina.code_store import CodeStore, memory_folder
from lamina.deploy import Rooms, Supply
from lamina.errors import VersionUnavailable
from lamina.events import EventQueue, QueuedInvocation
from lamina.execution import Address, Execution, Invocation, Outcome, Starter
from lamina.functions import Call, FunctionKey, Functions, LiveVersion, Route
from lamina.http import Application, Guard, S3Gateway, ServiceModel, Verifier, presign
from lamina.images import Images, Registries
from lamina.keys import KeyRing
from lamina.kms import (
    BlockingKeys,
    Calendar,
    EmbeddedKms,
    KeyService,
    KeyStore,
    KmsApi,
    MasterKey,
    MasterKeyError,
    RemoteKms,
    SealedBlobs,
    SealedVariables,
    Vault,
)
from lamina.objects import ObjectStore, open_objects
from lamina.observe import LogsApi, LogStore
from lamina.packages import Packages
from lamina.runtimes import Runtimes
from lamina.sandbox import Launcher, SandboxUnavailable
from lamina.settings import AccessKey, Settings
from lamina.signing import Authority, AuthorityError, SignerApi, Verification
from lamina.state import SqliteState, StateError

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
        state: SqliteState,
        launcher: Launcher,
        master: MasterKey,
    ) -> None:
        data = settings.data.absolute()
        self._state = state
        self._launcher = launcher
        self._download_key = AccessKey(
            access_key_id="LAMINADOWNLOADS", secret_access_key=secrets.token_hex(), account_id="000000000000"
        )
        self._keys = keys
        self._logs = LogStore(data / "logs")
        self._runtimes = Runtimes.discover(lack=launcher.report.lack)
        key_store = KeyStore(state, master, _now_ms)
        self._calendar = Calendar(key_store)
        key_service = RemoteKms(settings.kms_endpoint) if settings.kms_endpoint else EmbeddedKms(key_store)
        self._code = _open_code(data, key_service)
        self._images = _open_images(data / "images", settings, merged=not launcher.report.layers)
        self._objects = _open_objects(data / "s3", settings)
        self._authority = authority = _open_authority(settings)
        self._signer = SignerApi(state, authority, self._objects)
        variables = SealedVariables(Vault(master, key_service))
        scratch = _emptied(data / "scratch")
        supply = Supply(
            packages=self._code, images=self._images, objects=self._objects, secrets=variables, scratch=scratch
        )
        starter = Starter(
            launcher,
            self._runtimes,
            self._code,
            self._logs,
            folder=data / "work",
            spares=settings.prewarm,
            supply=supply,
        )
        self._execution = Execution(
            starter, self._route, settings.account_concurrency, settings.idle_seconds, self._available
        )
        self._functions = Functions(
            state=state,
            rooms=Rooms(
                packages=self._code,
                objects=self._objects,
                images=self._images,
                verification=Verification(state, authority),
                scratch=scratch,
            ),
            cutover=self._execution,
            secrets=variables,
            locate=self._locate,
            settings=settings,
        )
        self._events = EventQueue(state, self._run_event, settings.retry_delay)
        self._collector: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        verifier = Verifier(self._find_key, _now, check_signatures=settings.auth)
        self.application = Application(
            model=ServiceModel.load("lambda"),
            guard=Guard(urlsplit(address).hostname or settings.host),
            verifier=verifier,
            handlers=self._functions.operations(),
            executor=self._execution,
            enqueue=self._enqueue,
            json={
                "logs": LogsApi(self._logs).operations(),
                # A real KMS has its own address, and its keys are not these.
                **({} if settings.kms_endpoint else {"kms": KmsApi(key_store).operations()}),
            },
            rest={"signer": self._signer.operations()},
            extensions={**self._functions.extensions(), "GetSigningRoot": self._signing_root},
            s3=S3Gateway(self._objects, verifier, self._find_key, _now),
            rate=settings.control_rate,
            open_package=self._code.open,
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
        try:
            master = await MasterKey.open(data, state)
            _open_authority(settings).check()
        except (MasterKeyError, AuthorityError) as error:
            await launcher.close()
            state.close()
            raise CannotStart(str(error)) from None
        keys.open(data, announce)
        node = cls(settings, address, keys, state, launcher, master)
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
        await self._objects.close()
        await asyncio.to_thread(self._images.close)
        self._logs.close()
        self._code.close()
        self._state.close()

    async def _route(self, address: Address) -> Route:
        return await self._functions.route(*address)

    def _available(self, live: LiveVersion, reason: VersionUnavailable | None) -> None:
        self._spawn(self._functions.note_availability(live, reason))

    async def _signing_root(self, _call: Call, _params: dict[str, object]) -> dict[str, str]:
        """GetSigningRoot: the certificate for those who should trust what is signed here, as PEM."""
        return {"Certificate": (await asyncio.to_thread(self._authority.root_pem)).decode()}

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
        self._spawn(self._collect())

    async def _collect(self) -> None:
        try:
            in_use = await self._functions.in_use()
            in_use |= self._execution.packages_in_use() | self._execution.images_in_use()
            await asyncio.to_thread(self._code.collect, in_use)
            await asyncio.to_thread(self._images.collect, in_use)
        except Exception:
            _log.exception("what nobody uses could not be collected")
        self._collect_later()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _open_code(data: Path, key_service: KeyService) -> CodeStore:
    blobs = SealedBlobs(data / "sealed", BlockingKeys(key_service, asyncio.get_running_loop()))
    sealed = Packages(memory_folder(data), blobs, volatile=True)
    return CodeStore(Packages(data / "packages", LocalBlobs(data / "blobs")), sealed, blobs)


def _open_authority(settings: Settings) -> Authority:
    """The signing authority of a data folder."""
    further = Path(settings.signing_roots) if settings.signing_roots else None
    return Authority(settings.data.absolute() / "signing", further)


def _open_images(folder: Path, settings: Settings, *, merged: bool) -> Images:
    ca_file = Path(settings.registry_ca) if settings.registry_ca else None
    return Images(folder, Registries.parse(settings.registry, ca_file), merged=merged)


def _open_objects(folder: Path, settings: Settings) -> ObjectStore:
    return open_objects(
        folder,
        endpoint=settings.s3_endpoint,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key,
        region=settings.s3_region,
        path_style=settings.s3_path_style,
    )


def _emptied(folder: Path) -> Path:
    """A folder for work in progress, without what an earlier run has left."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def _now() -> datetime:
    return datetime.now(UTC)


def _now_ms() -> int:
    return int(time.time() * 1000)
