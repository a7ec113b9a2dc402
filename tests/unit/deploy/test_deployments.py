"""The order of the steps, with rules that are as small as they can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from lamina.deploy import (
    Accepted,
    Bytes,
    Code,
    Deployments,
    InlineZip,
    Order,
    ResolvedImage,
    Rooms,
    Sealing,
    Signature,
    Source,
    StoredObject,
    Unfinished,
)
from lamina.errors import InvalidParameterValueException, ResourceConflictException
from lamina.functions import FunctionKey, LiveVersion
from lamina.objects import ObjectLocation
from lamina.state import Reader, SqliteState, StateFull, Transaction

KEY = FunctionKey("123456789012", "eu-west-1", "f")


def live(deployment: str) -> LiveVersion:
    return LiveVersion(
        key=KEY,
        version="$LATEST",
        deployment=deployment,
        runtime="python3.12",
        handler="app.handler",
        package="00",
        architecture="x86_64",
        role="role",
        memory_size=128,
        timeout=3,
        ephemeral_storage=512,
        variables={},
        log_group="group",
    )


@dataclass(frozen=True)
class Staged:
    name: str = "00"
    code_sha256: str = "AA=="
    code_size: int = 1
    native: None = None


class Recorder:
    """Every part that the pipeline asks, in one object that notes the order."""

    key = KEY

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.source: Source | None = InlineZip(b"zip")
        self.rooms = Rooms(packages=self, objects=self, images=self, verification=Verifier(self), scratch=Path("/"))
        self.refusals: dict[str, Exception] = {}
        self.gone = False
        self.hangs = False
        self.opened = asyncio.Event()

    def note(self, step: str) -> None:
        self.steps.append(step)
        if step in self.refusals:
            raise self.refusals[step]

    def check(self, reader: Reader) -> Any:
        self.note("check")
        return self.source and Order(key=KEY, source=self.source, architecture="x86_64", trust="trust")

    def rehearse(self, reader: Reader, code: Code) -> dict[str, Any]:
        self.note("rehearse")
        return {"CodeSha256": code.code_sha256}

    def accept(self, transaction: Transaction, code: Code | None) -> Accepted:
        self.note("accept")
        return Accepted(answer={}, unfinished=Unfinished(key=KEY, new=live("new"), old=live("old")))

    def stage(self, data: Bytes, *, largest: int, sealing: Sealing | None = None, keep_zip: bool = True) -> Staged:
        self.note("stage")
        return Staged()

    def opened(self, name: str, sealing: Sealing | None) -> AbstractContextManager[BinaryIO]:
        raise NotImplementedError

    async def download(self, location: ObjectLocation, into: Path, most: int) -> StoredObject:
        raise NotImplementedError

    async def resolve(self, uri: str, region: str) -> ResolvedImage:
        raise NotImplementedError

    async def prepare(self, new: LiveVersion, old: LiveVersion | None) -> None:
        self.note(f"prepare {new.deployment}")
        if self.hangs:
            await asyncio.get_running_loop().create_future()

    async def warm(self, new: LiveVersion, old: LiveVersion) -> None:
        self.note(f"warm {new.deployment} as {old.deployment}")

    @asynccontextmanager
    async def switch(
        self, key: FunctionKey, retire: Set[str] = frozenset(), *, whole_account: bool = False
    ) -> AsyncIterator[None]:
        self.note("gate closed")
        yield
        self.note(f"gate open, retired {','.join(sorted(retire))}")
        self.opened.set()

    def unfinished(self, reader: Reader) -> Sequence[Unfinished]:
        return [Unfinished(key=KEY, new=live("new"), old=live("old"))]

    def finish(self, transaction: Transaction, deployment: Unfinished, steps: Mapping[str, float]) -> bool:
        self.note("finish")
        return not self.gone

    def fail(
        self, transaction: Transaction, deployment: Unfinished, steps: Mapping[str, float], code: str, reason: str
    ) -> bool:
        self.note(f"fail {code}")
        return True


class Verifier:
    """Code signing, apart because its method is called like one of a change."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def check(self, data: Bytes, trust: Any, subject: str) -> Signature | None:
        self._recorder.note(f"verify with {trust}")
        return None


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def deployments(recorder: Recorder) -> AsyncIterator[Deployments]:
    state = SqliteState.in_memory()
    yield Deployments(state=state, rooms=recorder.rooms, cutover=recorder, ledger=recorder)
    state.close()


class Flaky(SqliteState):
    """A state that fails a number of writes."""

    failures = 0

    async def write(self, work: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise StateFull("no space is left")
        return await super().write(work)


SWAP = ["prepare new", "warm new as old", "gate closed", "finish", "gate open, retired old"]


async def test_with_code(deployments: Deployments, recorder: Recorder) -> None:
    await deployments.deploy(recorder)
    await deployments.idle()
    assert recorder.steps == ["check", "verify with trust", "stage", "accept", *SWAP]


async def test_without_code(deployments: Deployments, recorder: Recorder) -> None:
    recorder.source = None
    await deployments.deploy(recorder)
    await deployments.idle()
    assert recorder.steps == ["check", "accept", *SWAP]


async def test_a_rehearsal(deployments: Deployments, recorder: Recorder) -> None:
    assert await deployments.rehearse(recorder) == {"CodeSha256": "AA=="}
    await deployments.idle()
    assert recorder.steps == ["check", "verify with trust", "stage", "rehearse"]


async def test_after_a_restart_nothing_is_warmed(deployments: Deployments, recorder: Recorder) -> None:
    await deployments.recover()
    assert recorder.steps == [step for step in SWAP if not step.startswith("warm")]


async def test_a_start_does_not_wait_for_a_registry_that_hangs(
    deployments: Deployments, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamina.deploy._deployments._PATIENCE_SECONDS", 0.01)
    recorder.hangs = True
    await deployments.recover()
    assert recorder.steps == ["prepare new"]
    await deployments.close()
    # Neither finished nor failed: the next start tries again.
    assert recorder.steps == ["prepare new"]


@pytest.mark.parametrize("step", ["check", "verify with trust", "stage", "accept"])
async def test_a_refusal_ends_it(deployments: Deployments, recorder: Recorder, step: str) -> None:
    recorder.refusals[step] = ResourceConflictException("no")
    with pytest.raises(ResourceConflictException):
        await deployments.deploy(recorder)
    await deployments.idle()
    assert recorder.steps[-1] == step


async def test_the_size_is_looked_at_before_the_zip_is_opened(deployments: Deployments, recorder: Recorder) -> None:
    recorder.source = InlineZip(b"")
    with pytest.raises(InvalidParameterValueException):
        await deployments.deploy(recorder)
    assert recorder.steps == ["check"]


@pytest.mark.parametrize("step", ["prepare new", "warm new as old", "finish"])
async def test_a_fault_after_the_acceptance_is_a_failed_deployment(
    deployments: Deployments, recorder: Recorder, step: str
) -> None:
    recorder.refusals[step] = ValueError("a fault")
    await deployments.deploy(recorder)
    await deployments.idle()
    assert recorder.steps[-3:] == ["gate closed", "fail InternalError", "gate open, retired new"]
    assert "gate open, retired old" not in recorder.steps


async def test_a_function_that_is_gone_leaves_nothing_warm(deployments: Deployments, recorder: Recorder) -> None:
    recorder.gone = True
    await deployments.deploy(recorder)
    await deployments.idle()
    assert recorder.steps[-1] == "gate open, retired new"


async def test_other_changes_of_routes_stand_at_the_gate(deployments: Deployments, recorder: Recorder) -> None:
    answer = await deployments.switch(KEY, lambda transaction: transaction.change, {"a"})
    assert answer == 1
    assert recorder.steps == ["gate closed", "gate open, retired a"]


async def test_a_full_disk_delays_the_end_and_does_not_lose_it(recorder: Recorder) -> None:
    state = Flaky.in_memory()
    deployments = Deployments(
        state=state,
        rooms=recorder.rooms,
        cutover=recorder,
        ledger=recorder,
        again_seconds=0.0,
    )
    state.failures = 4  # success and failure, twice
    await deployments.recover()
    async with asyncio.timeout(5):
        await recorder.opened.wait()
    await deployments.idle()
    assert recorder.steps.count("gate closed") == 5
    assert recorder.steps[-2:] == ["finish", "gate open, retired old"]
    state.close()
