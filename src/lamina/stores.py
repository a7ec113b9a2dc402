"""All that keeps bytes for a node, opened and closed together."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lamina.blobs import LocalBlobs
from lamina.code_store import CodeStore, memory_folder
from lamina.deploy import Rooms, Supply
from lamina.images import Images, Registries
from lamina.kms import (
    BlockingKeys,
    EmbeddedKms,
    KeyService,
    KeyStore,
    MasterKey,
    RemoteKms,
    SealedBlobs,
    SealedVariables,
    Vault,
)
from lamina.objects import ObjectStore, open_objects
from lamina.observe import LogStore
from lamina.packages import Packages
from lamina.roles import Sessions
from lamina.settings import Settings
from lamina.signing import Authority, Verification
from lamina.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The stores of one data folder. ``scratch`` is for work in progress, and emptied at every start."""

    state: State
    logs: LogStore
    keys: KeyStore
    variables: SealedVariables
    code: CodeStore
    images: Images
    objects: ObjectStore
    authority: Authority
    sessions: Sessions
    scratch: Path

    @classmethod
    def open(cls, settings: Settings, state: State, master: MasterKey, *, merged_images: bool) -> Self:
        """Open everything in the folder that the settings name; call it in the event loop."""
        data = settings.data.absolute()
        keys = KeyStore(state, master, _now_ms)
        key_service = RemoteKms(settings.kms_endpoint) if settings.kms_endpoint else EmbeddedKms(keys)
        return cls(
            state=state,
            logs=LogStore(data / "logs"),
            keys=keys,
            variables=SealedVariables(Vault(master, key_service)),
            code=_open_code(data, key_service),
            images=_open_images(data / "images", settings, merged=merged_images),
            objects=_open_objects(data / "s3", settings),
            authority=open_authority(settings),
            sessions=Sessions(master.subkey("session tokens")),
            scratch=_emptied(data / "scratch"),
        )

    @property
    def rooms(self) -> Rooms:
        """What deployments ask."""
        return Rooms(
            packages=self.code,
            objects=self.objects,
            images=self.images,
            verification=Verification(self.state, self.authority),
            scratch=self.scratch,
        )

    @property
    def supply(self) -> Supply:
        """What starts of environments ask."""
        return Supply(
            packages=self.code,
            images=self.images,
            objects=self.objects,
            secrets=self.variables,
            scratch=self.scratch,
        )

    async def collect(self, in_use: Set[str]) -> None:
        """Remove packages and images that are not ``in_use``."""
        await asyncio.to_thread(self.code.collect, in_use)
        await asyncio.to_thread(self.images.collect, in_use)

    async def close(self) -> None:
        """Let go of everything; what is durable stays."""
        await self.objects.close()
        await asyncio.to_thread(self.images.close)
        self.logs.close()
        self.code.close()
        self.state.close()


def _open_code(data: Path, key_service: KeyService) -> CodeStore:
    blobs = SealedBlobs(data / "sealed", BlockingKeys(key_service, asyncio.get_running_loop()))
    sealed = Packages(memory_folder(data), blobs, volatile=True)
    return CodeStore(Packages(data / "packages", LocalBlobs(data / "blobs")), sealed, blobs)


def open_authority(settings: Settings) -> Authority:
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


def _now_ms() -> int:
    return int(time.time() * 1000)
