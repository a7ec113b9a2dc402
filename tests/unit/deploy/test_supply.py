"""What a version is made of, when some of it is gone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lamina.blobs import BlobDamaged, BlobMissing
from lamina.deploy import Bytes, Sealing, Supply
from lamina.errors import (
    InvalidParameterValueException,
    InvalidZipFileException,
    KMSAccessDeniedException,
    KMSDisabledException,
    KMSInvalidStateException,
    KMSNotFoundException,
    ServiceError,
    VersionUnavailable,
)
from lamina.functions import FunctionKey, LiveVersion
from lamina.objects import ObjectLocation

ZIP = b"zip"
NAME = hashlib.sha256(ZIP).hexdigest()
LIVE = LiveVersion(
    key=FunctionKey("123456789012", "eu-west-1", "f"),
    version="$LATEST",
    deployment="d",
    runtime="python3.12",
    handler="app.handler",
    package=NAME,
    architecture="x86_64",
    role="role",
    memory_size=128,
    timeout=3,
    ephemeral_storage=512,
    log_group="group",
)
REFERENCE = ("code", "app.zip", "v1")


@dataclass(frozen=True)
class Staged:
    name: str
    code_sha256: str = ""
    code_size: int = 0
    native: None = None


@dataclass
class Beside:
    """Everything that supplies, in one object."""

    trees: dict[str, Path] = field(default_factory=dict)
    objects: dict[tuple[str, str, str | None], bytes] = field(default_factory=dict)
    failure: Exception | None = None
    kept: list[bool] = field(default_factory=list)

    def tree(self, name: str, sealing: Sealing | None = None) -> Path:
        if self.failure is not None:
            raise self.failure
        if name not in self.trees:
            raise BlobMissing(name)
        return self.trees[name]

    def stage(self, data: Bytes, *, largest: int, sealing: Sealing | None = None, keep_zip: bool = True) -> Staged:
        name = hashlib.sha256(data).hexdigest()
        self.trees[name] = Path("/trees") / name
        self.kept.append(keep_zip)
        return Staged(name)

    async def download(self, location: ObjectLocation, into: Path, most: int) -> Any:
        found = self.objects.get((location.bucket, location.key, location.version))
        if found is None:
            raise InvalidParameterValueException("Error occurred while GetObject. S3 Error Code: NoSuchVersion.")
        into.write_bytes(found)

    async def image(self, digest: str, source: str) -> Any:
        return digest, source

    async def unseal(self, key: FunctionKey, sealed: str, role: str = "") -> Mapping[str, str]:
        if self.failure is not None:
            raise self.failure
        return {"NAME": sealed}


@pytest.fixture
def beside() -> Beside:
    return Beside()


@pytest.fixture
def supply(beside: Beside, tmp_path: Path) -> Supply:
    return Supply(packages=beside, images=beside, objects=beside, secrets=beside, scratch=tmp_path)


async def unavailable(supply: Supply, live: LiveVersion) -> VersionUnavailable:
    with pytest.raises(VersionUnavailable) as raised:
        await supply.tree(live)
    return raised.value


async def test_a_tree_that_is_here(supply: Supply, beside: Beside) -> None:
    beside.trees[NAME] = Path("/tree")
    assert await supply.tree(LIVE) == Path("/tree")


async def test_a_package_that_is_lost(supply: Supply) -> None:
    error = await unavailable(supply, LIVE)
    assert (error.code, type(error.answer)) == ("InvalidZipFileException", InvalidZipFileException)


async def test_a_package_that_is_damaged(supply: Supply, beside: Beside) -> None:
    beside.failure = BlobDamaged("its SHA-256 is another")
    assert "cannot be trusted: its SHA-256" in (await unavailable(supply, LIVE)).reason


async def test_one_by_reference_is_read_again_and_not_kept(supply: Supply, beside: Beside, tmp_path: Path) -> None:
    beside.objects[REFERENCE] = ZIP
    assert await supply.tree(replace(LIVE, reference=REFERENCE)) == Path("/trees") / NAME
    assert beside.kept == [False]
    assert list(tmp_path.iterdir()) == []


async def test_one_by_reference_that_is_gone(supply: Supply) -> None:
    error = await unavailable(supply, replace(LIVE, reference=REFERENCE))
    assert error.reason == (
        "The deployment package s3://code/app.zip?versionId=v1 cannot be read again: "
        "Error occurred while GetObject. S3 Error Code: NoSuchVersion."
    )


async def test_one_by_reference_that_is_another(supply: Supply, beside: Beside) -> None:
    beside.objects[REFERENCE] = b"something else"
    assert (
        "it is not the package that was deployed"
        in (await unavailable(supply, replace(LIVE, reference=REFERENCE))).reason
    )


async def test_variables_are_opened(supply: Supply) -> None:
    assert await supply.variables(replace(LIVE, sealed="secret")) == {"NAME": "secret"}
    assert await supply.variables(LIVE) == {}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KMSAccessDeniedException("no"), "KMSKeyAccessDenied"),
        (KMSDisabledException("no"), "DisabledKMSKey"),
        (KMSInvalidStateException("no"), "InvalidStateKMSKey"),
        (KMSNotFoundException("no"), "KMSKeyNotFound"),
    ],
)
async def test_a_key_that_cannot_be_used(supply: Supply, beside: Beside, error: ServiceError, code: str) -> None:
    beside.failure = error
    with pytest.raises(VersionUnavailable) as raised:
        await supply.variables(replace(LIVE, sealed="secret"))
    assert (raised.value.code, raised.value.answer) == (code, error)
    assert (await unavailable(supply, LIVE)).code == code
