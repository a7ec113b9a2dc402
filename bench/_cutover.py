"""Updates under load: callers without a pause, while code from zips, S3 and images is deployed again and again."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import boto3
import orjson
from botocore.config import Config

from bench import _image
from bench._bed import ROLE, RUNTIME, package
from bench._board import Board
from bench._callers import Callers, Tally
from bench._footprint import Footprint
from bench._http import Connection, signed

_PUBLISH_EVERY = 10
_MOVE_EVERY = 20
_ONE_IMAGE_IN = 4  # one update in four is of an image, which takes several times as long
_SIGNED_SECONDS = 60.0
# Idle environments are looked at every five seconds.
_STILL_SECONDS = 6.0
_SETTLE_SECONDS = 60.0
# The settings that a service needs for ``before`` and ``after``.
FLAGS = ("--idle-seconds", "2")


class Registry(Protocol):
    """Where images are pushed to."""

    host: str


class Push(Protocol):
    """Pushes an image; its digest."""

    def __call__(
        self,
        registry: Registry,
        repository: str,
        tag: str,
        layers: list[Any],
        config: dict[str, Any],
        *,
        architecture: str,
    ) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The service under load: its address, process and data folder; and a registry with the way to push to it.

    Without a registry there are no image functions.
    """

    address: str
    pid: int
    data: Path
    registry: Registry | None = None
    push: Push | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What has happened: ``updates`` in ``seconds``, and what the callers have met.

    ``quiet`` is the updates a second while nobody called. ``before`` and ``after`` are taken when nobody calls and
    every environment has ended.
    """

    updates: int
    seconds: float
    quiet: float
    tally: Tally
    before: Footprint
    after: Footprint

    @property
    def rate(self) -> float:
        """Updates a second."""
        return self.updates / self.seconds


class _Function:
    """One function that is updated: three targets on the board, for $LATEST, its alias ``live`` and version 1."""

    def __init__(self, site: Site, board: Board, place: int, name: str, callers: tuple[int, int, int]) -> None:
        self.name = name
        self.number = 0
        self._site = site
        self._board = board
        self._latest, self._alias = place, place + 1
        self._callers = callers
        self._client = client(site.address, "lambda")
        self._connection = Connection(site.address)
        self._signed = float("-inf")

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def targets(self) -> list[tuple[str, int, int]]:
        """What to call, and by how many."""
        path = f"/2015-03-31/functions/{self.name}/invocations?Qualifier="
        qualifiers = ("$LATEST", "live", "1")
        return [
            (path + quote(qualifier), self._latest + offset, callers)
            for offset, (qualifier, callers) in enumerate(zip(qualifiers, self._callers, strict=True))
        ]

    def create(self, **members: Any) -> None:
        """Make it, with version 1 and the alias."""
        self._client.create_function(FunctionName=self.name, Role=ROLE, Code=self.code(0), Publish=True, **members)
        self._client.get_waiter("function_active_v2").wait(FunctionName=self.name)
        self._client.create_alias(FunctionName=self.name, Name="live", FunctionVersion="1")

    def code(self, number: int) -> dict[str, Any]:
        """The code that answers with this number, somewhere."""
        raise NotImplementedError

    def update(self) -> None:
        """Deploy the next number, see it succeed, and move the alias now and then."""
        self.number += 1
        number, publish = self.number, self.number % _PUBLISH_EVERY == 0
        members = self.code(number)
        self._board.begin(self._latest, number)
        answer = self._client.update_function_code(FunctionName=self.name, Publish=publish, **members)
        self._wait()
        self._board.seen(self._latest, number)
        if number % _MOVE_EVERY == 0:
            self._board.begin(self._alias, number)
            self._client.update_alias(FunctionName=self.name, Name="live", FunctionVersion=answer["Version"])
            self._board.seen(self._alias, number)

    def _wait(self) -> None:
        """Look without a pause until the update has succeeded."""
        if time.monotonic() - self._signed > _SIGNED_SECONDS:
            path = f"/2015-03-31/functions/{self.name}/configuration"
            self._look = signed(self._site.address, "GET", path, b"")
            self._signed = time.monotonic()
        while True:
            status, body = self._connection.send(self._look)
            found = orjson.loads(body)
            if found.get("LastUpdateStatus") == "Successful":
                return
            if status != 200 or found["LastUpdateStatus"] != "InProgress":
                raise RuntimeError(f"{self.name} was not updated: {status} {found}")


class _Zip(_Function):
    """By turns code in the request and code from S3."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._s3 = client(self._site.address, "s3")
        self._s3.create_bucket(Bucket=f"code-of-{self.name}")

    def code(self, number: int) -> dict[str, Any]:
        zipped = package({"app.py": f"def handler(event, context):\n    return {number}\n".encode()})
        if number % 2 == 0:
            return {"ZipFile": zipped}
        bucket = f"code-of-{self.name}"
        self._s3.put_object(Bucket=bucket, Key="app.zip", Body=zipped)
        return {"S3Bucket": bucket, "S3Key": "app.zip"}


class _Image(_Function):
    """Images, each with a layer of its own on one that they share."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._base = _image.base_layer(self._site.data.parent)

    def code(self, number: int) -> dict[str, Any]:
        registry, push = self._site.registry, self._site.push
        assert registry is not None
        assert push is not None
        layers = [self._base, _image.number_layer(number)]
        push(registry, "app", f"v{number}", layers, _image.CONFIG, architecture=_image.PLATFORM)
        return {"ImageUri": f"{registry.host}/app:v{number}"}


def run(site: Site, updates: int) -> Outcome:
    """Two functions, or without a registry one, updated ``updates`` times together, under 32 callers."""
    has_images = site.registry is not None
    first = min(50, max(10, updates // 10))
    board_file = site.data.parent / "board"
    board = Board.make(board_file, 6)
    functions: list[_Function] = [_Zip(site, board, 0, "zip", (12, 4, 4) if has_images else (20, 8, 4))]
    functions[0].create(Runtime=RUNTIME, Handler="app.handler")
    if has_images:
        functions.append(_Image(site, board, 3, "image", (6, 3, 3)))
        functions[1].create(PackageType="Image")
    try:
        quiet = first / _updates(functions, first)
        targets = [target for function in functions for target in function.targets()]
        # Memory that a load needs once stays with the process.
        _load(site, board_file, targets, functions, first)
        before = _footprint(site)
        seconds, tally = _load(site, board_file, targets, functions, updates)
        after = _footprint(site)
    finally:
        for function in functions:
            function.close()
    return Outcome(updates=updates, seconds=seconds, quiet=quiet, tally=tally, before=before, after=after)


def client(address: str, service: str) -> Any:
    """A boto3 client that tries nothing twice."""
    return boto3.client(
        service,
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, read_timeout=120),
    )


def _load(
    site: Site, board: Path, targets: list[tuple[str, int, int]], functions: list[_Function], updates: int
) -> tuple[float, Tally]:
    callers = Callers(site.address, board, targets)
    try:
        seconds = _updates(functions, updates)
    finally:
        tally = callers.stop()
    return seconds, tally


def _updates(functions: list[_Function], updates: int) -> float:
    """All functions at the same time, each as fast as it can be; together ``updates``: the seconds."""
    images = updates // _ONE_IMAGE_IN if len(functions) > 1 else 0
    shares = (updates - images, images)

    def work(function: _Function, share: int) -> None:
        for _ in range(share):
            function.update()

    began = time.monotonic()
    with ThreadPoolExecutor(len(functions)) as pool:
        for done in [pool.submit(work, *each) for each in zip(functions, shares, strict=False)]:
            done.result()
    return time.monotonic() - began


def _footprint(site: Site) -> Footprint:
    """When idle environments have ended: for some time there are no fewer of anything."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    found = Footprint.of(site.pid, site.data)
    since = time.monotonic()
    while time.monotonic() < min(deadline, since + _STILL_SECONDS):
        time.sleep(0.5)
        now = Footprint.of(site.pid, site.data)
        if (now.processes, now.descriptors) != (found.processes, found.descriptors):
            since = time.monotonic()
        found = now
    return found
