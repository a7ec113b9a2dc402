"""After a crash at any moment a function is old or new, never neither, and nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from lamina.errors import ResourceNotFoundException
from lamina.state import SqliteState, Transaction
from tests.unit.functions.world import World, creation, sha


class Crash(BaseException):
    """The end of the process: nothing that comes later in the code is done."""


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[World]:
    """A node over the directory, as after a start; the deployments that it finds unfinished are finished."""
    state = SqliteState.open(directory)
    world = World(state)
    try:
        await world.functions.deployments.recover()
        yield world
    finally:
        with suppress(Crash):
            await world.functions.deployments.idle()
        state.close()


def crash(*_: object, **__: object) -> Any:
    raise Crash


def crash_before(world: World, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process end when it comes to a step of the pipeline."""
    writes = 0
    write = world.state.write

    async def counted(work: Callable[[Transaction], Any]) -> Any:
        nonlocal writes
        writes += 1
        if step == f"before commit {writes}":
            raise Crash
        result = await write(work)
        if step == f"after commit {writes}":
            raise Crash
        return result

    monkeypatch.setattr(world.state, "write", counted)
    if step == "stage":
        monkeypatch.setattr(world.packages, "stage", crash)
    if step == "warm":
        monkeypatch.setattr(world.cutover, "warm", crash)
    if step == "switch":
        monkeypatch.setattr(world.cutover, "switch", crash)
    if step == "prepare":
        monkeypatch.setattr(world.cutover, "prepare", crash)


UNACCEPTED = ["stage", "before commit 1"]
ACCEPTED = ["after commit 1", "prepare", "warm", "switch", "before commit 2", "after commit 2"]


async def run_until_the_crash(world: World, operation: str, **params: Any) -> None:
    """The loop's handler of exceptions is silenced: a task that a crash has ended is no mistake here."""
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    with suppress(Crash):
        await world.begin(operation, **params)
        await world.functions.deployments.idle()


@pytest.mark.parametrize("step", UNACCEPTED)
async def test_an_update_that_was_not_accepted_has_not_been(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as world:
        await world.create()
        before = await world.get()
        crash_before(world, step, monkeypatch)
        await run_until_the_crash(world, "UpdateFunctionCode", FunctionName="f", ZipFile=b"two", Publish=True)
    async with opened(tmp_path) as world:
        assert await world.get() == before
        assert (await world.publish())["Version"] == "1"


@pytest.mark.parametrize("step", ACCEPTED)
async def test_an_accepted_update_is_finished(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as world:
        await world.create()
        crash_before(world, step, monkeypatch)
        await run_until_the_crash(world, "UpdateFunctionCode", FunctionName="f", ZipFile=b"two", Publish=True)
    async with opened(tmp_path) as world:
        for qualifier in ("$LATEST", "1"):
            shown = await world.get(Qualifier=qualifier)
            assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
            assert shown["CodeSha256"] == sha(b"two")
        packages = {(await world.route(qualifier=qualifier)).targets[0][1].package for qualifier in (None, "1")}
        # The code before is kept for a rollback.
        assert await world.functions.in_use() == packages | {hashlib.sha256(b"one").hexdigest()}
        assert await world.code_size() == 6


@pytest.mark.parametrize("step", UNACCEPTED)
async def test_a_creation_that_was_not_accepted_has_not_been(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as world:
        crash_before(world, step, monkeypatch)
        await run_until_the_crash(world, "CreateFunction", **creation())
    async with opened(tmp_path) as world:
        with pytest.raises(ResourceNotFoundException):
            await world.get()
        assert await world.code_size() == 0
        await world.create()


@pytest.mark.parametrize("step", [step for step in ACCEPTED if step != "warm"])
async def test_an_accepted_creation_is_finished(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as world:
        crash_before(world, step, monkeypatch)
        await run_until_the_crash(world, "CreateFunction", **creation(Publish=True))
    async with opened(tmp_path) as world:
        assert (await world.get())["State"] == "Active"
        assert (await world.get(Qualifier="1"))["State"] == "Active"
        assert (await world.route()).targets[0][1].version == "$LATEST"


async def test_what_cannot_be_finished_fails_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as world:
        await world.create()
        crash_before(world, "before commit 2", monkeypatch)
        await run_until_the_crash(world, "UpdateFunctionConfiguration", FunctionName="f", Runtime="python3.13")
    state = SqliteState.open(tmp_path)
    world = World(state)
    world.missing["python3.13"] = "No Python 3.13 was found"
    await world.functions.deployments.recover()
    shown = await world.get()
    assert (shown["LastUpdateStatus"], shown["LastUpdateStatusReasonCode"]) == ("Failed", "InvalidRuntime")
    assert (shown["Runtime"], (await world.route()).targets[0][1].runtime) == ("python3.12", "python3.12")
    state.close()


async def test_without_anything_unfinished_nothing_happens(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        await world.create()
        before = await world.get()
    async with opened(tmp_path) as world:
        assert await world.get() == before
        assert world.cutover.switched == []


async def test_a_failure_that_cannot_be_recorded_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as world:
        await world.create()
        writes = 0
        write = world.state.write

        async def full(work: Callable[[Transaction], Any]) -> Any:
            nonlocal writes
            writes += 1
            if writes > 1:
                raise OSError("the disk has gone")
            return await write(work)

        monkeypatch.setattr(world.state, "write", full)
        await world.update()
        assert (await world.get())["LastUpdateStatus"] == "InProgress"
        assert "could not be recorded" in caplog.text
    async with opened(tmp_path) as world:
        shown = await world.get()
        assert (shown["LastUpdateStatus"], shown["CodeSha256"]) == ("Successful", sha(b"two"))
