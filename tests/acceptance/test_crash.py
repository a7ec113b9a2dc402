"""``kill -9`` at any moment: what was acknowledged is there, the rest is whole or absent, and nothing is left over."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from demo._service import Service

from . import _traces
from ._waiting import Recorder, until
from .conftest import ROLE, RUNTIME, client, package

pytestmark = pytest.mark.slow

ROUNDS = 27
# Seconds between sending the request and the kill.
MOMENTS = (0.0, 0.003, 0.008, 0.015, 0.03, 0.06, 0.15)
CODE = """
import time
def handler(event, context):
    if event == "slow":
        time.sleep(60)
    if event is not None:
        time.sleep(1)
        print("RAN", event)
    return {}
"""


def code(number: int) -> bytes:
    """The package whose function answers with its number."""
    return package(CODE.format(number))


def sha256(number: int) -> str:
    """CodeSha256 of a package."""
    return base64.b64encode(hashlib.sha256(code(number)).digest()).decode()


class Story:
    """One function, what of it was acknowledged, and what is in flight.

    ``codes`` are the numbers that ``$LATEST`` may have: the last acknowledged, and those in flight since.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        self.name = "story"
        self.codes = [0]
        self.number = 0
        self.versions: dict[str, dict[str, Any]] = {}
        self.version_codes: dict[str, int] = {}
        self.aliases: dict[str, list[str]] = {}
        self.tags: dict[str, str] = {}
        self.events: set[int] = set()
        self.made: set[str] = set()
        self.deleted: set[str] = set()

    def start(self) -> None:
        """Start the service on what is there."""
        self.service = Service(self.data, "--retry-delay", "0.1")
        self.client = client(self.service.address)

    def kill(self) -> None:
        """End the service at once; nothing that it has started outlives it."""
        started = _traces.descendants(self.service._process.pid)
        self.service.signal(signal.SIGKILL)
        self.service.wait()
        until(lambda: not _traces.alive(started))
        until(lambda: not _traces.loops(self.data))

    def settled(self) -> dict[str, Any]:
        """The configuration of ``$LATEST`` once no update is in progress."""

        def done() -> bool:
            self.shown = self.client.get_function_configuration(FunctionName=self.name)
            return self.shown["State"] == "Active" and self.shown["LastUpdateStatus"] != "InProgress"

        until(done)
        return self.shown

    def answer(self, **members: Any) -> Any:
        """What the function answers."""
        answer = self.client.invoke(FunctionName=self.name, Payload=b"null", **members)
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    # What may be in flight when the service is killed. Each notes what was acknowledged, after it was.

    def create(self) -> None:
        name = f"made-{len(self.made)}-{self.number}"
        self._create(name, 7)
        self.made.add(name)

    def delete(self) -> None:
        name = next(iter(self.made), None)
        if name is not None:
            self.made.discard(name)
            self.client.delete_function(FunctionName=name)
            self.deleted.add(name)

    def update(self, **members: Any) -> dict[str, Any]:
        self.number += 1
        number = self.number
        self.codes.append(number)
        answer = self.client.update_function_code(FunctionName=self.name, ZipFile=code(number), **members)
        self.codes = [number]
        return answer

    def update_and_publish(self) -> None:
        answer = self.update(Publish=True)
        self.version_codes[answer["Version"]] = self.codes[-1]

    def publish(self) -> None:
        answer = self.client.publish_version(FunctionName=self.name)
        self.versions[answer["Version"]] = {name: answer[name] for name in ("CodeSha256", "RevisionId")}

    def alias(self) -> None:
        versions = sorted(self.versions, key=int)
        if not versions:
            return
        name = f"alias-{len(self.aliases) % 3}"
        old = self.aliases.setdefault(name, [])
        wanted = versions[-1]
        target = {"FunctionName": self.name, "Name": name, "FunctionVersion": wanted}
        call = self.client.update_alias if old else self.client.create_alias
        self.aliases[name] = [*(old or ["absent"]), wanted]
        call(**target)
        self.aliases[name] = [wanted]

    def tag(self) -> None:
        arn = f"arn:aws:lambda:us-east-1:000000000000:function:{self.name}"
        key = f"tag-{len(self.tags)}"
        self.client.tag_resource(Resource=arn, Tags={key: "x"})
        self.tags[key] = "x"

    def send_events(self) -> None:
        # Each runs for a second, so that none ends before the kill: the log may lose the moment before that.
        for number in range(len(self.events) * 10, len(self.events) * 10 + 5):
            self.client.invoke(FunctionName=self.name, InvocationType="Event", Payload=b"%d" % number)
            self.events.add(number)

    def run(self) -> None:
        self.client.invoke(FunctionName=self.name, Payload=b'"slow"')

    def start_cold(self) -> None:
        self.update()
        self.client.get_waiter("function_updated_v2").wait(FunctionName=self.name)
        self.answer()

    def _create(self, name: str, number: int) -> None:
        self.client.create_function(
            FunctionName=name, Runtime=RUNTIME, Handler="app.handler", Role=ROLE, Code={"ZipFile": code(number)}
        )

    # What must hold after each start.

    def check(self) -> None:
        """Everything acknowledged is there and serves."""
        self._check_latest()
        self._check_versions()
        self._check_aliases()
        found = self.client.get_function(FunctionName=self.name)
        assert self.tags.items() <= found.get("Tags", {}).items()
        self._check_others()
        self._check_events()
        assert len({path.name for path in _traces.groups(self.data)}) <= 1

    def _check_latest(self) -> None:
        shown = self.settled()
        runs = self.answer()
        if shown["LastUpdateStatus"] == "Successful":
            assert runs in self.codes
        assert shown["CodeSha256"] == sha256(runs)
        self.codes = [runs]

    def _check_versions(self) -> None:
        for version, number in list(self.version_codes.items()):
            until(lambda version=version: self._configuration(version)["State"] == "Active")
            found = self._configuration(version)
            assert found["CodeSha256"] == sha256(number)
            self.versions.setdefault(version, {name: found[name] for name in ("CodeSha256", "RevisionId")})
        for version, kept in self.versions.items():
            found = self._configuration(version)
            assert {name: found[name] for name in kept} == kept
        if self.versions:
            version = max(self.versions, key=int)
            assert sha256(self.answer(Qualifier=version)) == self.versions[version]["CodeSha256"]

    def _check_aliases(self) -> None:
        listed = self.client.list_aliases(FunctionName=self.name)["Aliases"]
        found = {alias["Name"]: alias["FunctionVersion"] for alias in listed}
        for name, possible in self.aliases.items():
            assert found.get(name, "absent") in possible
            self.aliases[name] = [found[name]] if name in found else []
        self.aliases = {name: possible for name, possible in self.aliases.items() if possible}

    def _check_others(self) -> None:
        names = {each["FunctionName"] for each in self.client.list_functions()["Functions"]}
        assert self.made <= names
        assert not self.deleted & names

    def _check_events(self) -> None:
        recorder = Recorder(client(self.service.address, "logs"))
        until(lambda: not self.events - set(recorder.runs(self.name)))

    def _configuration(self, version: str) -> dict[str, Any]:
        return self.client.get_function_configuration(FunctionName=self.name, Qualifier=version)


@pytest.fixture
def story(data: Path) -> Iterator[Story]:
    told = Story(data)
    told.start()
    yield told
    told.service.stop()


def in_flight(operation: Callable[[], Any], seconds: float, kill: Callable[[], None]) -> None:
    """Kill ``seconds`` after the operation has begun; it may have been answered, or not."""

    def operate() -> None:
        begun.set()
        with contextlib.suppress(BotoCoreError, ClientError):
            operation()

    begun = threading.Event()
    thread = threading.Thread(target=operate)
    thread.start()
    begun.wait()
    thread.join(seconds)
    kill()
    thread.join()


def test_a_loop_of_kills(story: Story) -> None:
    story._create(story.name, 0)
    story.settled()
    operations = [
        story.update,
        story.publish,
        story.update_and_publish,
        story.alias,
        story.send_events,
        story.run,
        story.start_cold,
        story.create,
        story.tag,
        story.delete,
    ]
    for turn in range(ROUNDS):
        in_flight(operations[turn % len(operations)], MOMENTS[turn % len(MOMENTS)], story.kill)
        story.start()
        story.check()
    assert not _traces.unfinished(story.data)
    assert not _traces.mounts(story.data)
    assert len(list((story.data / "sandbox").glob("groups-*"))) <= 1


def test_an_update_is_killed_at_each_moment(story: Story) -> None:
    story._create(story.name, 0)
    story.settled()
    for moment in (0.001, 0.004, 0.006, 0.01, 0.02, 0.04):
        story.answer()
        in_flight(story.update, moment, story.kill)
        story.start()
        story.check()


def test_a_kill_while_the_service_starts(story: Story) -> None:
    story._create(story.name, 0)
    story.settled()
    story.update()
    story.kill()
    for _ in range(4):
        story.start()
        story.kill()
    story.start()
    story.check()


def test_nothing_is_left_after_an_orderly_end(data: Path) -> None:
    told = Story(data)
    told.start()
    told._create(told.name, 0)
    told.settled()
    told.answer()
    started = _traces.descendants(told.service._process.pid)
    sandbox = data / "sandbox"
    told.service.stop()
    until(lambda: not _traces.alive(started))
    until(lambda: not _traces.loops(data))
    assert sandbox.is_dir()
    assert not _traces.groups(data)
    assert not _traces.mounts(data)
    assert not _traces.unfinished(data)
    assert not list(sandbox.glob("groups-*"))
