"""A server that breaks where it is told to, over one data folder, and all that it needs beside it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from bench import _image
from demo._service import Service
from lamina.cli._endpoint import Endpoint
from tests._registry import PROGRAM, Registry, push

from . import _traces
from ._broken_link import Link
from ._shell_image import can_run_images
from ._waiting import until
from .conftest import ROLE, RUNTIME, Functions, client, package

CODE = "def handler(event, context):\n    return {}\n"


def code(number: int) -> bytes:
    """The package whose function answers with its number."""
    return package(CODE.format(number))


def sha256(number: int) -> str:
    """CodeSha256 of that package."""
    return base64.b64encode(hashlib.sha256(code(number)).digest()).decode()


class Outside:
    """What outlives the server under test: S3, KMS and a registry, each at the end of a link that can be cut."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._service = Service(folder / "outside")
        self.s3_link, self.kms_link = Link(self._service.address), Link(self._service.address)
        self.s3 = client(self._service.address, "s3")
        self.s3.create_bucket(Bucket="code")
        self.s3.put_bucket_versioning(Bucket="code", VersioningConfiguration={"Status": "Enabled"})
        self.key = client(self._service.address, "kms").create_key()["KeyMetadata"]["Arn"]
        self.registry: Registry | None = None
        if PROGRAM is not None and _image.can_be_made() and can_run_images(folder / "level"):
            self.registry = Registry(folder / "registry")
            self.registry_link = Link(self.registry.url)
            self._base = _image.base_layer(folder)

    @property
    def flags(self) -> list[str]:
        """Settings of a service that uses all this."""
        return ["--s3-endpoint", self.s3_link.address, "--s3-access-key-id", "test", "--s3-secret-access-key", "test",
                "--kms-endpoint", self.kms_link.address]  # fmt: skip

    def upload(self, number: int) -> dict[str, str]:
        """Put the package into S3: where it is."""
        answer = self.s3.put_object(Bucket="code", Key="package", Body=code(number))
        return {"S3Bucket": "code", "S3Key": "package", "S3ObjectVersion": answer["VersionId"]}

    def push(self, number: int, noise: bytes = b"") -> str:
        """Push the image whose function answers with its number, and which has this beside it: its URI."""
        if self.registry is None:
            pytest.skip("docker-registry, gcc and isolation level A or B are needed")
        layers: list[Any] = [self._base, *([{"noise": noise}] if noise else []), _image.number_layer(number)]
        push(self.registry, "app", f"v{number}", layers, _image.CONFIG, architecture=_image.PLATFORM)
        return f"{self.registry_link.host}/app:v{number}"

    def mend(self) -> None:
        """All links as they were."""
        for each in self._links():
            each.mend()

    def close(self) -> None:
        """End all of it."""
        for each in self._links():
            each.close()
        self._service.stop()
        if self.registry is not None:
            self.registry.stop()

    def _links(self) -> list[Link]:
        return [self.s3_link, self.kms_link, *([self.registry_link] if self.registry else [])]


class World:
    """One server after the other over one data folder, with a function for each source of code."""

    def __init__(self, folder: Path, outside: Outside) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.outside = outside
        self.numbers = iter(range(1, 1 << 20))
        self.serving: dict[str, int] = {}
        self.versions: dict[str, int] = {}
        os.mkfifo(folder / "go")
        self.start()

    def start(self) -> None:
        """Start the server on what is there."""
        flags = [*self.outside.flags, "--history", "3"]
        self.service = Service(self.data, *flags, program="tests.acceptance._faulty_server")
        self.client = client(self.service.address)
        self.functions = Functions(self.client)

    # Changes of code. Each gives the answer of the service.

    def change(self, source: str, number: int) -> Callable[[], Any]:
        """An update of the function with this source to the code with this number; all but the call is done."""
        if source == "rollback":
            return lambda: Endpoint(self.service.address, None).call("RollbackFunction", FunctionName=source)
        if source in ("create", "create-image"):
            return self._creation(source, number)
        members = self._members(source, number)
        return lambda: self.client.update_function_code(FunctionName=source, **members)

    def _members(self, source: str, number: int) -> dict[str, Any]:
        match source:
            case "s3":
                return self.outside.upload(number)
            case "reference":
                return {**self.outside.upload(number), "S3ObjectStorageMode": "REFERENCE"}
            case "image" | "create-image":
                return {"ImageUri": self.outside.push(number)}
            case "encrypted":
                return {"ZipFile": code(number), "SourceKMSKeyArn": self.outside.key}
            case "publish":
                return {"ZipFile": code(number), "Publish": True}
        return {"ZipFile": code(number)}

    def _creation(self, source: str, number: int) -> Callable[[], Any]:
        values: dict[str, Any] = {"FunctionName": self.name(source, number), "Role": ROLE}
        members = self._members(source, number)
        values["Code"] = {name: value for name, value in members.items() if name != "Publish"}
        if "ImageUri" in members:
            values["PackageType"] = "Image"
        else:
            values |= {"Runtime": RUNTIME, "Handler": "app.handler"}
        return lambda: self.client.create_function(**values)

    def name(self, source: str, number: int) -> str:
        """The function that a change is about."""
        return f"made-{number}" if source.startswith("create") else source

    def have(self, source: str) -> int:
        """A function of the source, settled and warm: the number of its code."""
        if source not in self.serving:
            self.serving[source] = next(self.numbers)
            self._creation(source, self.serving[source])()
            if source == "rollback":
                self.settled(source)
                self.serving[source] = next(self.numbers)
                self.client.update_function_code(FunctionName=source, ZipFile=code(self.serving[source]))
        self.settled(source)
        assert self.functions.call(source) == self.serving[source]
        return self.serving[source]

    # Faults.

    def order(self, *lines: str) -> None:
        """Have faults happen one after the other: each line an action and the point that the server comes to."""
        (self.folder / "fault").write_text("\n".join(lines))

    def reached(self) -> bool:
        """Whether that has been done."""
        return not (self.folder / "fault").exists()

    @contextlib.contextmanager
    def held(self, point: str, change: Callable[[], Any]) -> Iterator[None]:
        """Make the change, and have the server stand still at the point for the time of the block."""
        self.order(f"wait {point}")
        with ThreadPoolExecutor(1) as beside:
            changing = beside.submit(change)
            until(self.reached)
            with (self.folder / "go").open("wb"):
                yield
            changing.result()

    def killed(self, action: str, point: str, change: Callable[[], Any]) -> None:
        """Make the change and have the server killed at the point; nothing that it has started outlives it."""
        started = _traces.descendants(self.service._process.pid)
        self.order(f"{action} {point}")
        with contextlib.suppress(BotoCoreError, ClientError, click.ClickException):
            change()
        assert self.service.wait() == -signal.SIGKILL
        assert self.reached()
        until(lambda: not _traces.alive(started))
        until(lambda: not _traces.loops(self.data))

    # What must hold afterwards.

    def settled(self, name: str) -> dict[str, Any]:
        """The configuration once nothing is in progress."""

        def done() -> bool:
            self._shown = self.client.get_function_configuration(FunctionName=name)
            return self._shown["State"] != "Pending" and self._shown["LastUpdateStatus"] != "InProgress"

        until(done)
        return self._shown

    def check(self, name: str, number: int, *, status: str = "Successful") -> dict[str, Any]:
        """The code with this number is what is shown, what runs, and what the history says."""
        shown = self.settled(name)
        assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", status), shown
        assert self.functions.call(name) == number
        if shown["PackageType"] == "Zip":
            assert shown["CodeSha256"] == sha256(number)
        newest = self.history(name)[0]
        assert newest["Outcome"] == status, newest
        assert (newest["To"] == shown["CodeSha256"]) == (status == "Successful")
        return shown

    def check_published(self, name: str, number: int) -> None:
        """The newest version has this code, whole, under a number that no version has had."""
        listed = self.client.list_versions_by_function(FunctionName=name)["Versions"]
        new = [each for each in listed if each["Version"] not in {"$LATEST", *self.versions}]
        assert [int(each["Version"]) for each in new] == [max(map(int, self.versions), default=0) + 1]
        version = new[0]["Version"]
        found = self.client.get_function_configuration(FunctionName=name, Qualifier=version)
        assert (found["State"], found["CodeSha256"]) == ("Active", sha256(number))
        self.versions[version] = number
        for each, expected in self.versions.items():
            assert self.functions.call(name, Qualifier=each) == expected

    def history(self, name: str) -> list[dict[str, Any]]:
        """The deployments of a function, the last one first."""
        found: list[dict[str, Any]] = Endpoint(self.service.address, None).call("ListDeployments", FunctionName=name)[
            "Deployments"
        ]
        return found

    def facts(self, name: str) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
        """All that is shown of a function, its versions and its history."""
        versions: list[dict[str, Any]] = self.client.list_versions_by_function(FunctionName=name)["Versions"]
        return versions, [(each["Revision"], each["Outcome"]) for each in self.history(name)]

    def target(self, source: str, number: int) -> int:
        """The code that a change to ``number`` leads to. A rollback leads to the newest other code that has served."""
        if source != "rollback":
            return number
        hashes = [each["To"] for each in self.history(source) if each["Outcome"] == "Successful"]
        wanted = next(each for each in hashes if each != sha256(self.serving[source]))
        return next(each for each in range(number + 10) if sha256(each) == wanted)

    def check_whole(self) -> None:
        """The account's books are right, and what is on the disk is what is owned."""
        listed = self.client.list_functions(FunctionVersion="ALL")["Functions"]
        usage = self.client.get_account_settings()["AccountUsage"]
        assert usage["FunctionCount"] == len({each["FunctionName"] for each in listed})
        assert usage["TotalCodeSize"] == sum(each["CodeSize"] for each in listed)
        # Environments of old code keep it until they have ended.
        until(lambda: self.collect() or not _traces.unowned(self.data))
        assert not _traces.missing(self.data)
        assert len({path.name for path in _traces.groups(self.data)}) <= 1
        assert not _traces.mounts(self.data)

    def collect(self) -> None:
        """Have the server remove what nobody uses."""
        done = self.folder / "collected"
        done.unlink(missing_ok=True)
        self.service.signal(signal.SIGUSR1)
        until(done.exists)


def around(*steps: str) -> list[str]:
    """The points before and after each of the steps."""
    return [f"{side} {step}" for step in steps for side in ("before", "after")]
