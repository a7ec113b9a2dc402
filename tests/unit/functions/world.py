"""A control plane with everything beside it replaced by small twins."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from lamina.errors import InvalidParameterValueException
from lamina.functions import Call, FunctionKey, Functions, LiveVersion, Route
from lamina.settings import Settings
from lamina.state import State

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/lambda"
CALL = Call(account_id=ACCOUNT, region=REGION, request_id="r", access_key_id="k", base_url="http://localhost:4566")


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedPackage:
    digest: str
    code_sha256: str
    code_size: int
    unpacked_size: int


@dataclass
class FakePackages:
    """Takes everything but what begins with ``bad``."""

    staged: list[bytes] = field(default_factory=list)

    def stage(self, data: bytes) -> StagedPackage:
        if data.startswith(b"bad"):
            raise InvalidParameterValueException(
                "Could not unzip uploaded file. Please check your file, then try to upload again."
            )
        self.staged.append(data)
        digest = hashlib.sha256(data)
        return StagedPackage(
            digest=digest.hexdigest(),
            code_sha256=b64encode(digest.digest()).decode(),
            code_size=len(data),
            unpacked_size=len(data),
        )


class FakeCutover:
    """Notes what it is asked for. While it is held, no switch begins; ``failure`` is what the next warm raises."""

    def __init__(self) -> None:
        self.warmed: list[tuple[LiveVersion, LiveVersion]] = []
        self.switched: list[FunctionKey] = []
        self.retired: set[str] = set()
        self.prepared: list[LiveVersion] = []
        self.failure: Exception | None = None
        self._open = asyncio.Event()
        self._open.set()

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    async def prepare(self, new: LiveVersion, old: LiveVersion | None) -> None:
        self.prepared.append(new)

    async def warm(self, new: LiveVersion, old: LiveVersion) -> None:
        self.warmed.append((new, old))
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

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
        self.cutover = FakeCutover()
        self.missing: dict[str, str] = {}
        self.functions = Functions(
            state=state,
            packages=self.packages,
            cutover=self.cutover,
            settings=replace(Settings(), **settings),
            find_runtime=self.missing.get,
            locate=lambda call, key, version, digest: f"{call.base_url}/{key.name}/{version}/{digest}",
            architecture="x86_64",
        )
        self._operations = self.functions.operations()

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
