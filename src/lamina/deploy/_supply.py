"""What a version is made of, for every start of an environment; brought back when it is not here any more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lamina.blobs import BlobDamaged, BlobMissing
from lamina.deploy._interface import Bytes, Objects, Package, Sealing, sealing_of
from lamina.deploy._s3 import S3_BYTES, mapped, scratch_file
from lamina.errors import (
    InvalidZipFileException,
    ResourceNotReadyException,
    ServiceError,
    VersionUnavailable,
)
from lamina.images import Image, ImageUnavailable
from lamina.kms import SealBroken, reason_code
from lamina.objects import ObjectLocation

if TYPE_CHECKING:
    from lamina.functions import FunctionKey, LiveVersion


class Trees(Protocol):
    """Unpacked packages; every method blocks."""

    def tree(self, name: str, sealing: Sealing | None = None) -> Path:
        """The read-only tree. Raises ``BlobMissing``, ``BlobDamaged``, and ServiceErrors of the package's key."""

    def stage(self, data: Bytes, *, largest: int, sealing: Sealing | None = None, keep_zip: bool = True) -> Package:
        """See ``Packages.stage``."""


class FetchedImages(Protocol):
    """Images with their layers."""

    async def image(self, digest: str, source: str) -> Image:
        """The image, fetched from ``source`` where a layer is missing; raises ``ImageUnavailable``."""


class Opener(Protocol):
    """The part of ``lamina.functions.Secrets`` that a start needs."""

    async def unseal(self, key: FunctionKey, sealed: str, role: str = "") -> Mapping[str, str]:
        """See ``Secrets.unseal``."""


class Supply:
    """Gives every start of an environment what it needs, or says with ``VersionUnavailable`` why it cannot be had."""

    def __init__(
        self, *, packages: Trees, images: FetchedImages, objects: Objects, secrets: Opener, scratch: Path
    ) -> None:
        self._packages = packages
        self._images = images
        self._objects = objects
        self._secrets = secrets
        self._scratch = scratch

    async def variables(self, live: LiveVersion) -> Mapping[str, str]:
        """The function's environment variables. The key is asked every time: a disabled one stops cold starts."""
        if live.sealed is None:
            return live.variables
        try:
            return await self._secrets.unseal(live.key, live.sealed, live.role)
        except ServiceError as error:
            raise _of_key(error) from error
        except SealBroken as error:
            raise VersionUnavailable("InternalError", f"The environment variables cannot be read: {error}") from error

    async def tree(self, live: LiveVersion) -> Path:
        """The code of a zip function."""
        try:
            return await asyncio.to_thread(self._packages.tree, live.package, _sealing(live))
        except BlobMissing:
            return await self._read_again(live)
        except BlobDamaged as error:
            raise _of_package(f"The deployment package cannot be trusted: {error}") from error
        except ServiceError as error:
            raise _of_key(error) from error

    async def image(self, live: LiveVersion) -> Image:
        """The layers and the configuration of an image function."""
        try:
            return await self._images.image(live.image, live.image_source)
        except ImageUnavailable as error:
            code = type(error).__name__ if type(error) is not ImageUnavailable else "InternalError"
            raise VersionUnavailable(code, str(error), ResourceNotReadyException(str(error))) from error

    async def _read_again(self, live: LiveVersion) -> Path:
        if live.reference is None:
            raise _of_package("The deployment package is not in the store.")
        bucket, key, version = live.reference
        location = ObjectLocation(
            bucket=bucket, key=key, version=version, region=live.key.region, account_id=live.key.account_id
        )
        with scratch_file(self._scratch) as path:
            try:
                await self._objects.download(location, path, S3_BYTES)
                with mapped(path) as data:
                    await asyncio.to_thread(self._stage, data, live)
            except ServiceError as error:
                where = f"s3://{bucket}/{key}?versionId={version}"
                raise _of_package(f"The deployment package {where} cannot be read again: {error.message}") from error
        return await asyncio.to_thread(self._packages.tree, live.package)

    def _stage(self, data: memoryview, live: LiveVersion) -> None:
        package = self._packages.stage(data, largest=S3_BYTES, keep_zip=False)
        if package.name != live.package:
            raise InvalidZipFileException("it is not the package that was deployed.")


def _of_key(error: ServiceError) -> VersionUnavailable:
    return VersionUnavailable(reason_code(error) or "InternalError", error.message or error.code, error)


def _sealing(live: LiveVersion) -> Sealing | None:
    return sealing_of(live.source_kms_key, live.key, live.role)


def _of_package(reason: str) -> VersionUnavailable:
    return VersionUnavailable("InvalidZipFileException", reason, InvalidZipFileException(reason))
