"""Snapshots: frozen environments, the hooks around that, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from lamina.errors import SnapStartException, SnapStartTimeoutException
from lamina.execution import _environment, _payloads
from lamina.execution._environment import Environment, InitFailed
from lamina.execution._output import Output
from lamina.execution._snapshots import Snapshots
from lamina.sandbox import Exit

from .conftest import FakeSandbox, FakeStream, live_version
from .test_environment import NEXT, Inside, invocation, post

RESTORE = b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\nHost: x\r\n\r\n"
LIVE = replace(live_version(version="1"), initialization="snap-start")


@pytest.fixture
async def inside(stream: FakeStream) -> AsyncIterator[Inside]:
    """The runtime's end of an environment of a SnapStart version."""
    sandbox = FakeSandbox()
    made = Inside(sandbox, None)  # type: ignore[arg-type]
    output = Output(sandbox.output, stream)
    made.environment = Environment(LIVE, sandbox, output, lambda _: None, lambda _: None)
    await made.environment.listen()
    await made.connect()
    yield made
    made.writer.close()
    sandbox.kill()
    await asyncio.sleep(0)


async def frozen(inside: Inside, request: bytes) -> asyncio.Task[None]:
    """Initialise, freeze, and begin to restore."""
    inside.writer.write(request)
    await inside.environment.initialise()
    inside.environment.freeze()
    assert inside.sandbox.frozen

    def on_idle(_: Environment) -> None:
        inside.idle += 1

    def on_dead(_: Environment) -> None:
        inside.dead += 1

    return asyncio.create_task(inside.environment.restore(on_idle, on_dead, "python:3.12.v1"))


async def test_a_runtime_without_hooks_just_goes_on(inside: Inside) -> None:
    await (await frozen(inside, NEXT))
    assert inside.idle == 1
    assert not inside.sandbox.frozen


async def test_a_runtime_with_hooks_is_told(inside: Inside) -> None:
    restoring = await frozen(inside, RESTORE)
    assert (await inside.answer())[0] == 200
    assert inside.idle == 0
    inside.writer.write(NEXT)
    await restoring
    assert inside.idle == 1


async def test_the_log_and_the_report(inside: Inside, stream: FakeStream) -> None:
    await (await frozen(inside, NEXT))
    outcome = inside.environment.invoke(invocation())
    await inside.answer()
    inside.writer.write(post("invocation/r1/response", b"1") + NEXT)
    await outcome
    await settle()
    assert [line.split()[0] for line in stream.lines] == [
        b"RESTORE_START",
        b"RESTORE_REPORT",
        b"START",
        b"END",
        b"REPORT",
    ]
    report = stream.lines[-1].decode()
    assert "Init Duration" not in report
    assert "\tRestore Duration: " in report
    assert "\tBilled Restore Duration: 1 ms\t" in report


async def test_a_hook_that_fails(inside: Inside) -> None:
    restoring = await frozen(inside, RESTORE)
    await inside.answer()
    inside.writer.write(post("restore/error", b'{"errorType":"Runtime.AfterRestoreError"}'))
    with pytest.raises(SnapStartException):
        await restoring
    assert inside.sandbox.exited.done()
    assert inside.idle == 0


async def test_a_hook_that_ends_the_process(inside: Inside) -> None:
    restoring = await frozen(inside, RESTORE)
    await inside.answer()
    inside.sandbox.exit(Exit(status=1))
    with pytest.raises(SnapStartException):
        await restoring
    assert inside.dead == 1


async def test_a_hook_that_takes_too_long(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_environment, "RESTORE_SECONDS", 0.01)
    restoring = await frozen(inside, RESTORE)
    with pytest.raises(SnapStartTimeoutException):
        await restoring
    assert inside.sandbox.exited.done()


@pytest.mark.parametrize("request_", [RESTORE, post("restore/error", b"{}")])
async def test_what_makes_no_sense_is_refused(inside: Inside, request_: bytes) -> None:
    await (await frozen(inside, NEXT))
    inside.environment.invoke(invocation())
    await inside.answer()
    inside.writer.write(request_)
    assert (await inside.answer())[0] == 403


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        (b'{"errorType":"OSError","errorMessage":"no"}', "FunctionError", "no"),
        (_payloads.timed_out("", 3), "FunctionError.InitTimeout", "The function was not initialised in time."),
        (
            _payloads.exited("", Exit(status=1)),
            "FunctionError.RuntimeInitError",
            "Error: Runtime exited with error: exit status 1",
        ),
        (_payloads.invalid_entrypoint("", "lost"), "FunctionError.InvalidEntryPoint", "lost"),
        (b"not JSON", "FunctionError", "The function could not be initialised."),
    ],
)
def test_why_a_version_fails(payload: bytes, code: str, reason: str) -> None:
    found = _payloads.init_reason(payload)
    assert found[0] == code
    assert found[1].removeprefix("Error: ") == reason.removeprefix("Error: ")


class FakeEnvironment:
    def __init__(self, live: Any, on_dead: Callable[[Any], None]) -> None:
        self.live = live
        self.on_dead = on_dead
        self.frozen = False
        self.over = False
        self.best_before = 100.0

    def freeze(self) -> None:
        self.frozen = True

    async def restore(self, on_idle: Callable[[Any], None], on_dead: Callable[[Any], None], version: str) -> None:
        assert version == "python:3.12.v1"
        self.on_dead = on_dead
        self.frozen = False
        on_idle(self)

    def end(self) -> None:
        self.over = True
        self.on_dead(self)

    async def ended(self) -> None:
        assert self.over


class FakeStarter:
    """Initialises at once; ``failure`` is what it raises."""

    def __init__(self) -> None:
        self.made: list[FakeEnvironment] = []
        self.failure: Exception | None = None

    async def start(self, live: Any, on_idle: Any, on_dead: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        self.made.append(FakeEnvironment(live, on_dead))
        return self.made[-1]

    def version_label(self, live: Any) -> str:
        return "python:3.12.v1"


@pytest.fixture
def starter() -> FakeStarter:
    return FakeStarter()


def version(number: int) -> Any:
    return replace(LIVE, version=str(number), deployment=f"d{number}")


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def restored(snapshots: Snapshots, live: Any) -> Any:
    return await snapshots.restore(live, lambda _: None, lambda _: None)


async def test_one_that_is_taken_is_replaced(starter: FakeStarter) -> None:
    snapshots = Snapshots(starter, 2)
    await snapshots.make(version(1))
    await settle()
    assert [each.frozen for each in starter.made] == [True, True]
    assert await restored(snapshots, version(1)) is starter.made[0]
    await settle()
    assert [each.frozen for each in starter.made] == [False, True, True]


async def test_when_there_is_none_it_is_initialised_now(starter: FakeStarter) -> None:
    assert (await restored(Snapshots(starter, 1), version(1))) is starter.made[0]


async def test_a_failure_is_the_answer(starter: FakeStarter) -> None:
    snapshots = Snapshots(starter, 1)
    starter.failure = InitFailed(lambda _: b"")
    with pytest.raises(InitFailed):
        await snapshots.make(version(1))
    with pytest.raises(InitFailed):
        await restored(snapshots, version(1))
    await settle()


async def test_one_that_dies_is_not_given_out(starter: FakeStarter) -> None:
    snapshots = Snapshots(starter, 1)
    await snapshots.make(version(1))
    starter.made[0].end()
    assert await restored(snapshots, version(1)) is starter.made[1]


async def test_those_of_a_version_that_is_gone_end(starter: FakeStarter) -> None:
    snapshots = Snapshots(starter, 1)
    await snapshots.make(version(1))
    snapshots.forget("d1")
    assert starter.made[0].over
    await restored(snapshots, version(1))  # by one who waited already
    await settle()
    assert len(starter.made) == 2


async def test_the_longest_unused_make_room(starter: FakeStarter) -> None:
    snapshots = Snapshots(starter, 1, most=2)
    for number in (1, 2):
        await snapshots.make(version(number))
    await restored(snapshots, version(1))
    await settle()
    await snapshots.make(version(3))
    assert [(each.live.version, each.frozen) for each in starter.made if not each.over] == [
        ("1", False),
        ("1", True),
        ("3", True),
    ]


async def test_after_a_restart_only_as_many_as_there_is_room_for(starter: FakeStarter) -> None:
    snapshots = Snapshots(starter, 1, most=2)
    for number in (1, 2, 3):
        snapshots.restock(version(number))
    await settle()
    assert [each.live.version for each in starter.made] == ["1", "2"]
    await snapshots.close()
    assert all(each.over for each in starter.made)


async def test_an_old_one_is_replaced(starter: FakeStarter) -> None:
    snapshots = Snapshots(starter, 1)
    await snapshots.make(version(1))
    snapshots.reclaim(99.0)
    assert not starter.made[0].over
    snapshots.reclaim(101.0)
    await settle()
    assert starter.made[0].over
    assert starter.made[1].frozen


async def test_an_extension_is_waited_for_before_the_snapshot(inside: Inside) -> None:
    reader, writer = await asyncio.open_connection(*inside.sandbox.runtime_api.split(":"))
    body = b'{"events":[]}'
    head = b"POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nLambda-Extension-Name: in\r\n"
    writer.write(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
    answer = await reader.readuntil(b"\r\n\r\n")
    identifier = next(
        line.partition(b": ")[2] for line in answer.split(b"\r\n") if line.lower().startswith(b"lambda-extension-ident")
    )
    inside.writer.write(RESTORE)
    initialising = asyncio.create_task(inside.environment.initialise())
    await asyncio.sleep(0.05)
    assert not initialising.done()
    next_event = b"GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: %b\r\n\r\n"
    writer.write(next_event % identifier)
    await initialising
    restoring = asyncio.create_task(inside.environment.restore(lambda _: None, lambda _: None, "python:3.12.v1"))
    assert (await inside.answer())[0] == 200
    inside.writer.write(NEXT)
    await restoring
    writer.close()
