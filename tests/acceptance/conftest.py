"""A real service, reached as any client reaches it."""

from __future__ import annotations

import io
import itertools
import json
import signal
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from demo._service import Service

if TYPE_CHECKING:
    from ._faults import Outside, World

ROLE = "arn:aws:iam::000000000000:role/r"
RUNTIME = f"python3.{sys.version_info.minor}"
QUICKLY = {"Delay": 0.02, "MaxAttempts": 1500}  # a waiter asks once a second otherwise
_NUMBERS = itertools.count()


def package(source: str | bytes, name: str = "app.py", mode: int = 0o644) -> bytes:
    """A zip with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        item = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
        item.external_attr = mode << 16
        item.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(item, source)
    return buffer.getvalue()


def client(address: str, service: str = "lambda", key: str = "test", region: str = "us-east-1", **config: Any) -> Any:
    """A boto3 client of the service."""
    return boto3.client(
        service,
        endpoint_url=address,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, max_pool_connections=64, **config),
    )


class Functions:
    """Makes functions with names of their own and calls them."""

    def __init__(self, made: Any) -> None:
        self.client = made

    def create(self, source: str, **members: Any) -> str:
        """An active function; its name. A member that is None is left out."""
        name = f"fn-{next(_NUMBERS)}"
        values = {"Runtime": RUNTIME, "Handler": "app.handler", "Role": ROLE, "Code": {"ZipFile": package(source)}}
        given = {member: value for member, value in {**values, **members}.items() if value is not None}
        self.client.create_function(FunctionName=name, **given)
        self.client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
        return name

    def update(self, name: str, source: str, **members: Any) -> dict[str, Any]:
        """Update the code and wait until that is done; the answer of the update."""
        answer = self.client.update_function_code(FunctionName=name, ZipFile=package(source), **members)
        self.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
        return answer

    def call(self, name: str, payload: Any = None, **members: Any) -> Any:
        """The function's answer; an error payload fails the test."""
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(payload), **members)
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    def fail(self, name: str, payload: Any = None) -> dict[str, Any]:
        """The error payload of a function that is expected to fail."""
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(payload))
        assert answer["FunctionError"] == "Unhandled"
        return json.loads(answer["Payload"].read())


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that do not harm it."""
    started = Service(tmp_path_factory.mktemp("service") / "data")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def functions(service: Service) -> Functions:
    return Functions(client(service.address))


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """What outlives a server that breaks."""
    from ._faults import Outside

    with pytest.MonkeyPatch.context() as patch:
        # Of a KMS elsewhere.
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        made = Outside(tmp_path_factory.mktemp("outside"))
        yield made
        made.close()


@pytest.fixture(scope="module")
def worlds() -> Iterator[list[World]]:
    """The world in use, if there is one."""
    used: list[World] = []
    yield used
    for world in used:
        world.service.stop()


@pytest.fixture
def world(
    worlds: list[World], outside: Outside, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[World]:
    """A server that breaks: the one that the last test has left, or a new one after a test that has failed."""
    from ._faults import World

    if not worlds:
        worlds.append(World(tmp_path_factory.mktemp("world"), outside))
    outside.mend()
    failed = request.session.testsfailed
    yield worlds[-1]
    if request.session.testsfailed != failed:
        spoilt = worlds.pop()
        spoilt.service.signal(signal.SIGKILL)
        spoilt.service.wait()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder for a service of the test's own."""
    return tmp_path / "data"


@pytest.fixture
def start(data: Path) -> Iterator[Callable[..., Service]]:
    """Starts services of the test's own, on the one data folder; the last of them ends with the test."""
    started: list[Service] = []

    def starting(*flags: str, **how: Any) -> Service:
        started.append(Service(data, *flags, **how))
        return started[-1]

    yield starting
    for each in started:
        if each._process.poll() is None:
            each.stop()
