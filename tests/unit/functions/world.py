"""A control plane with everything beside it replaced by small twins."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any, BinaryIO

from lamina.blobs import BlobMissing
from lamina.deploy import Rooms, Sealing
from lamina.errors import InvalidParameterValueException, KMSDisabledException, VersionUnavailable
from lamina.functions import Allocation, Call, FunctionKey, Functions, LiveVersion, Provision, Route
from lamina.objects import ObjectLocation
from lamina.settings import Settings
from lamina.state import State

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lambda"
CALL = Call(account_id=ACCOUNT, region=REGION, request_id="r", access_key_id="k", base_url="http://localhost:4566")


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedPackage:
    name: str
    code_sha256: str
    code_size: int
    native: dict[str, tuple[str, ...]] | None = None


@dataclass
class FakePackages:
    """Takes everything but what begins with ``bad``; what begins with ``arm`` has native code for arm64."""

    staged: list[bytes] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)

    def stage(
        self, data: bytes | memoryview, *, largest: int, sealing: Sealing | None = None, keep_zip: bool = True
    ) -> StagedPackage:
        data = bytes(data)
        if data.startswith(b"bad"):
            raise InvalidParameterValueException(
                "Could not unzip uploaded file. Please check your file, then try to upload again."
            )
        self.staged.append(data)
        self.keys.append(sealing.key_arn if sealing else "")
        self.kept.append(keep_zip)
        digest = hashlib.sha256(data)
        return StagedPackage(
            name=digest.hexdigest(),
            code_sha256=b64encode(digest.digest()).decode(),
            code_size=len(data),
            native={"arm64": ("lib/native.so",)} if data.startswith(b"arm") else {},
        )

    def opened(self, name: str, sealing: Sealing | None) -> AbstractContextManager[BinaryIO]:
        for data in self.staged:
            if hashlib.sha256(data).hexdigest() == name:
                return io.BytesIO(data)
        raise BlobMissing(name)


@dataclass
class FakeObjects:
    """Objects by (bucket, key, version); the last of a bucket and key is the newest. A version None is unversioned."""

    objects: dict[tuple[str, str, str | None], bytes] = field(default_factory=dict)

    async def download(self, location: ObjectLocation, into: Path, most: int) -> StoredVersion:
        for (bucket, key, version), data in reversed(self.objects.items()):
            if (bucket, key) == (location.bucket, location.key) and location.version in (None, version):
                into.write_bytes(data)
                return StoredVersion(version)
        raise InvalidParameterValueException(
            "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
            "S3 Error Message: The specified key does not exist."
        )


@dataclass(frozen=True)
class StoredVersion:
    version: str | None


@dataclass(frozen=True)
class FakeImage:
    digest: str
    resolved_uri: str
    architecture: str = "x86_64"


@dataclass
class FakeImages:
    """Images by tag or digest: what is after the repository in their URI."""

    tags: dict[str, FakeImage] = field(default_factory=dict)

    def push(self, repository: str, tag: str, content: str, architecture: str = "x86_64") -> str:
        digest = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
        image = FakeImage(digest, f"{repository}@{digest}", architecture)
        self.tags[f"{repository}:{tag}"] = self.tags[image.resolved_uri] = image
        return digest

    async def resolve(self, uri: str, region: str) -> FakeImage:
        if uri not in self.tags:
            raise InvalidParameterValueException(f"Source image {uri} does not exist. Provide a valid source image.")
        return self.tags[uri]


@dataclass
class FakeVerification:
    """Finds the signature that a test has put there; ``failure`` is what the next check raises."""

    signature: FakeSignature | None = None
    failure: Exception | None = None
    trusts: list[Any] = field(default_factory=list)

    async def check(self, data: bytes | memoryview, trust: Any, subject: str) -> FakeSignature | None:
        self.trusts.append(trust)
        if self.failure is not None:
            raise self.failure
        return self.signature


@dataclass(frozen=True)
class FakeSignature:
    profile_version_arn: str
    job_arn: str


@dataclass
class FakeSecrets:
    """Seals by writing the key beside the variables; ``disabled`` keys open nothing."""

    disabled: set[str] = field(default_factory=set)

    async def seal(self, key: FunctionKey, variables: Mapping[str, str], kms_key: str, role: str = "") -> str:
        self._check(kms_key)
        return json.dumps({"key": kms_key, "variables": dict(variables)})

    async def unseal(self, key: FunctionKey, sealed: str, role: str = "") -> dict[str, str]:
        document = json.loads(sealed)
        self._check(document["key"])
        variables: dict[str, str] = document["variables"]
        return variables

    def _check(self, kms_key: str) -> None:
        if kms_key in self.disabled:
            raise KMSDisabledException(f"{kms_key} is disabled.")


class FakeCutover:
    """Notes what it is asked for. While it is held, no switch begins; ``failure`` is what the next warm raises."""

    def __init__(self) -> None:
        self.warmed: list[tuple[LiveVersion, LiveVersion]] = []
        self.switched: list[FunctionKey] = []
        self.retired: set[str] = set()
        self.prepared: list[LiveVersion] = []
        self.failure: Exception | None = None
        self.missing: dict[str, str] = {}
        self.frozen: list[LiveVersion] = []
        self.restocked: list[LiveVersion] = []
        self.snapshots = asyncio.Event()
        self.snapshots.set()
        self.unready: VersionUnavailable | None = None
        self.allocations: dict[FunctionKey, list[Allocation]] = {}
        self.provisions: list[dict[str, int]] = []
        self.slow = False
        self.broken: str | None = None
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    async def prepare(self, new: LiveVersion, old: LiveVersion | None) -> None:
        self.prepared.append(new)
        if new.runtime in self.missing:
            raise VersionUnavailable("InvalidRuntime", self.missing[new.runtime])

    async def warm(self, new: LiveVersion, old: LiveVersion) -> None:
        self.warmed.append((new, old))
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    async def snapshot(self, live: LiveVersion) -> None:
        await self.snapshots.wait()
        if self.unready is not None:
            raise self.unready
        self.frozen.append(live)

    def restock(self, live: LiveVersion) -> None:
        self.restocked.append(live)

    def provision(self, key: FunctionKey, allocations: Sequence[Allocation]) -> None:
        self.allocations[key] = list(allocations)
        self.provisions.append({live.version: count for live, count in allocations})

    async def provisioned(self, key: FunctionKey) -> None:
        pass

    def provision_of(self, deployment: str) -> Provision:
        counts = [count for each in self.allocations.values() for live, count in each if live.deployment == deployment]
        ready = 0 if self.slow or self.broken else sum(counts)
        return Provision(ready, self.broken)

    @asynccontextmanager
    async def switch(
        self, key: FunctionKey, retire: Set[str] = frozenset(), *, whole_account: bool = False
    ) -> AsyncIterator[None]:
        await self._open.wait()
        yield
        self.switched.append(key)
        self.retired |= retire


class World:
    """The control plane over a state; ``missing`` has the reasons why runtimes cannot run."""

    def __init__(self, state: State, **settings: Any) -> None:
        self.state = state
        self.packages = FakePackages()
        self.objects = FakeObjects()
        self.images = FakeImages()
        self.verification = FakeVerification()
        self.secrets = FakeSecrets()
        self.cutover = FakeCutover()
        self.missing = self.cutover.missing
        self.functions = Functions(
            state=state,
            rooms=Rooms(
                packages=self.packages,
                objects=self.objects,
                images=self.images,
                verification=self.verification,
                scratch=Path(gettempdir()),
            ),
            cutover=self.cutover,
            settings=replace(Settings(), **settings),
            secrets=self.secrets,
            locate=lambda call, key, version, digest: f"{call.base_url}/{key.name}/{version}/{digest}",
            architecture="x86_64",
        )
        self._operations = {**self.functions.operations(), **self.functions.extensions()}

    async def begin(self, operation: str, /, **params: Any) -> dict[str, Any]:
        """Run an operation; a deployment that it accepts may still be under way."""
        return await self._operations[operation](CALL, params)

    async def do(self, operation: str, /, **params: Any) -> dict[str, Any]:
        """Run an operation and wait until everything has settled."""
        answer = await self.begin(operation, **params)
        await self.functions.deployments.idle()
        return answer

    async def create(self, name: str = "f", code: bytes = b"one", **params: Any) -> dict[str, Any]:
        return await self.do("CreateFunction", **creation(name, code, **params))

    async def update(self, name: str = "f", code: bytes = b"two", **params: Any) -> dict[str, Any]:
        return await self.do("UpdateFunctionCode", FunctionName=name, ZipFile=code, **params)

    async def configure(self, name: str = "f", **params: Any) -> dict[str, Any]:
        return await self.do("UpdateFunctionConfiguration", FunctionName=name, **params)

    async def publish(self, name: str = "f", **params: Any) -> dict[str, Any]:
        return await self.do("PublishVersion", FunctionName=name, **params)

    async def get(self, name: str = "f", **params: Any) -> dict[str, Any]:
        return await self.begin("GetFunctionConfiguration", FunctionName=name, **params)

    async def revision(self, name: str = "f", **params: Any) -> str:
        return str((await self.get(name, **params))["RevisionId"])

    async def route(self, name: str = "f", qualifier: str | None = None) -> Route:
        return await self.functions.route(ACCOUNT, REGION, name, qualifier)

    async def code_size(self) -> int:
        return int((await self.begin("GetAccountSettings"))["AccountUsage"]["TotalCodeSize"])


def creation(name: str = "f", code: bytes = b"one", **params: Any) -> dict[str, Any]:
    """The members of CreateFunction."""
    members = {
        "FunctionName": name,
        "Runtime": "python3.12",
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": code},
    }
    return members | params


def sha(code: bytes) -> str:
    """CodeSha256 of some code."""
    return b64encode(hashlib.sha256(code).digest()).decode()
