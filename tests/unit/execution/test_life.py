"""How environments begin a second time, and how they end for want of memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lamina.execution import Execution, Invocation, Starter, _environment, _execution, _remains
from lamina.execution._environment import Environment, InitFailed, InitTimedOut
from lamina.execution._lines import JsonLines
from lamina.execution._output import Output
from lamina.execution._pressure import available_bytes, spared
from lamina.functions import Route
from lamina.runtimes import Runtime
from lamina.sandbox import Exit, SandboxUnavailable

from .conftest import FakeSandbox, FakeStream, live_version

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n"


@pytest.fixture
async def sandbox() -> AsyncIterator[FakeSandbox]:
    made = FakeSandbox()
    yield made
    made.kill()
    await asyncio.sleep(0)


def made(sandbox: FakeSandbox, stream: FakeStream, *, again: bool = False) -> Environment:
    output = Output(sandbox.output, stream)
    return Environment(live_version(timeout=1), sandbox, output, lambda _: None, lambda _: None, again=again)


async def test_an_initialisation_that_takes_too_long_is_told(
    sandbox: FakeSandbox, stream: FakeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_environment, "INIT_SECONDS", 0.05)
    with pytest.raises(InitTimedOut):
        await made(sandbox, stream).initialise()
    (report,) = stream.lines
    start, phase, status = report.decode().rstrip("\n").split("\t")
    assert start.startswith("INIT_REPORT Init Duration: ")
    assert (phase, status) == ("Phase: init", "Status: timeout")
    assert sandbox.exited.done()


async def test_the_second_try_has_the_functions_timeout(
    sandbox: FakeSandbox, stream: FakeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_environment, "INIT_SECONDS", 0.05)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(InitFailed) as failed:
        await made(sandbox, stream, again=True).initialise()
    assert 0.9 < loop.time() - began < 3
    assert json.loads(failed.value.payload("r1"))["errorType"] == "Sandbox.Timedout"
    assert b"\tPhase: invoke\tStatus: timeout\n" in stream.lines[-1]


async def test_the_invocation_has_what_the_second_try_leaves(sandbox: FakeSandbox, stream: FakeStream) -> None:
    environment = made(sandbox, stream, again=True)
    await environment.listen()
    _, writer = await asyncio.open_connection(*sandbox.runtime_api.split(":"))
    initialising = asyncio.create_task(environment.initialise())
    await asyncio.sleep(0.4)
    writer.write(NEXT)
    await initialising
    loop = asyncio.get_running_loop()
    began = loop.time()
    invocation = Invocation(request_id="r1", payload=b"{}", invoked_arn="arn", trace_id="Root=1")
    outcome = await environment.invoke(invocation)
    assert loop.time() - began < 0.8
    assert b"timed out after 1.00 seconds" in outcome.payload
    await asyncio.sleep(0)
    report = stream.lines[-1].decode()
    assert "Init Duration" not in report
    assert float(report.split("\tDuration: ")[1].split(" ")[0]) > 900
    assert "Status: timeout" in report
    writer.close()


async def test_an_initialisation_that_fails_is_told_with_its_error(sandbox: FakeSandbox, stream: FakeStream) -> None:
    environment = made(sandbox, stream)
    sandbox.exit(Exit(status=1))
    with pytest.raises(InitFailed):
        await environment.initialise()
    assert stream.lines[-1].endswith(b"\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n")


def test_the_report_of_an_initialisation_as_json() -> None:
    record = json.loads(JsonLines(live_version()).init_report(12.3456, "init", None))
    assert record["type"] == "platform.initReport"
    assert record["record"] == {"initializationType": "on-demand", "phase": "init", "status": "timeout",
                                "metrics": {"durationMs": 12.346}}  # fmt: skip


# The starter, over a launcher whose first sandboxes do nothing.


class Starting:
    """What a starter needs, of which nothing but the launcher does anything."""

    level = "E"

    def __init__(self, silent: int) -> None:
        self.silent = silent
        self.started: list[FakeSandbox] = []
        self.heirs: list[str] = []
        self.released: list[str] = []
        self.refuses = False
        self.writers: list[asyncio.StreamWriter] = []

    async def start(self, spec: Any, *, fork: bool = False) -> FakeSandbox:
        self.heirs.append(spec.heir_of)
        if spec.heir_of and self.refuses:
            raise SandboxUnavailable("there is nothing left of it")
        sandbox = FakeSandbox()
        self.started.append(sandbox)
        if len(self.started) > self.silent:
            self.task = asyncio.create_task(self._speak(sandbox))
        return sandbox

    def release(self, sandbox: str) -> None:
        self.released.append(sandbox)

    async def _speak(self, sandbox: FakeSandbox) -> None:
        _, writer = await asyncio.open_connection(*sandbox.runtime_api.split(":"))
        self.writers.append(writer)
        writer.write(NEXT)

    def resolve(self, *_: str) -> Any:
        return Runtime(name="python3.12", argv=("python",), version_label="v", environment={}, binds=(),
                       generic=False)  # fmt: skip

    async def variables(self, _: Any) -> dict[str, str]:
        return {}

    async def tree(self, _: Any) -> Path:
        return Path("/")

    def open(self, *_: str) -> FakeStream:
        return FakeStream()


@pytest.mark.parametrize(("silent", "succeeds"), [(1, True), (2, False)])
async def test_one_that_was_too_slow_begins_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: int, succeeds: bool
) -> None:
    monkeypatch.setattr(_environment, "INIT_SECONDS", 0.05)
    machine: Any = Starting(silent)
    starter = Starter(machine, machine, machine, machine, folder=tmp_path, spares=0, supply=machine)
    beginning = starter.start(live_version(timeout=1), lambda _: None, lambda _: None)
    if succeeds:
        (await beginning).end()
    else:
        with pytest.raises(InitTimedOut):
            await beginning
    assert len(machine.started) == 2
    assert machine.started[0].exited.done()
    await asyncio.sleep(0)
    for writer in machine.writers:
        writer.close()
    await starter.close()


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Any]:
    made: Any = Starting(0)
    made.starter = Starter(made, made, made, made, folder=tmp_path, spares=0, supply=made)
    yield made
    for each in made.started:
        each.kill()
    await asyncio.sleep(0)
    for writer in made.writers:
        writer.close()
    await made.starter.close()


def begin(machine: Any, deployment: str = "d1") -> Any:
    return machine.starter.start(live_version(deployment), lambda _: None, lambda _: None)


async def test_one_that_was_reset_has_an_heir(machine: Any) -> None:
    await begin(machine)
    machine.started[0].exit(Exit(status=1))
    await asyncio.sleep(0)
    assert machine.started[0].kept
    await begin(machine, "another")
    await begin(machine)
    await begin(machine)
    assert machine.heirs == ["", "", machine.started[0].id, ""]


async def test_an_heir_waits_until_the_reset_is_done(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = await begin(machine)
    killed: list[FakeSandbox] = []
    monkeypatch.setattr(FakeSandbox, "kill", lambda self: killed.append(self))
    environment._timed_out()
    beginning = asyncio.ensure_future(begin(machine))
    await asyncio.sleep(0.02)
    assert len(machine.started) == 1
    killed[0].exit(Exit(signal=9))
    await beginning
    assert machine.heirs[1] == killed[0].id
    monkeypatch.undo()


async def test_one_that_was_ended_has_none(machine: Any) -> None:
    (await begin(machine)).end()
    await asyncio.sleep(0)
    assert not machine.started[0].kept
    await begin(machine)
    assert machine.heirs == ["", ""]


async def test_one_that_never_was_ready_has_none(machine: Any) -> None:
    machine.silent = 1
    beginning = asyncio.ensure_future(begin(machine))
    await asyncio.sleep(0.02)
    machine.started[0].exit(Exit(status=1))
    with pytest.raises(InitFailed):
        await beginning
    await begin(machine)
    assert machine.heirs == ["", ""]


async def test_what_cannot_be_inherited_is_done_without(machine: Any) -> None:
    await begin(machine)
    machine.started[0].exit(Exit(status=1))
    await asyncio.sleep(0)
    machine.refuses = True
    await begin(machine)
    assert machine.heirs[1:] == [machine.started[0].id, ""]
    assert machine.released == [machine.started[0].id]


async def test_remains_are_few_and_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[str] = []
    remains = _remains.Remains(released.append)
    monkeypatch.setattr(_remains, "_MOST", 2)
    left: list[Any] = [FakeSandbox() for _ in range(3)]
    for each in left:
        each.kill()
        remains.add("d", each)
    assert released == [left[0].id]
    assert await remains.take("d") == left[1].id
    assert await remains.take("other") == ""
    monkeypatch.setattr(_remains, "_SECONDS", 0.01)
    late: Any = FakeSandbox()
    remains.add("e", late)
    await asyncio.sleep(0.05)
    assert released == [left[0].id, late.id]
    remains.close()
    for each in (*left, late):
        each.close()


# Memory.


@dataclass
class Rested:
    """An idle environment."""

    idle_since: float
    memory_bytes: int = 100


def test_the_one_used_the_longest_ago_makes_room_first() -> None:
    old, new, middle = Rested(1.0), Rested(3.0), Rested(2.0)
    assert spared([old, new, middle], 150) == [old, middle]
    assert spared([old, new, middle], 0) == []
    assert spared([old], 10_000) == [old]


@pytest.mark.parametrize(
    ("text", "found"), [("MemTotal: 9 kB\nMemAvailable:  12 kB\n", 12_288), ("MemTotal: 9 kB\n", None),
                        ("MemAvailable: x kB\n", None)]
)  # fmt: skip
def test_the_kernel_tells_what_is_available(tmp_path: Path, text: str, found: int | None) -> None:
    file = tmp_path / "meminfo"
    file.write_text(text)
    assert available_bytes(file) == found
    assert available_bytes(tmp_path / "none") is None


@pytest.mark.parametrize(("available", "ended"), [(1_000, [False, False]), (950, [True, False]), (0, [True, True])])
async def test_environments_make_room_when_memory_is_short(
    monkeypatch: pytest.MonkeyPatch, available: int, ended: list[bool]
) -> None:
    monkeypatch.setattr(_execution, "available_bytes", lambda: available)
    machine: Any = Starting(0)

    async def route(_: Any) -> Route:
        raise NotImplementedError

    execution = Execution(machine, route, 10, 600.0, memory_reserve=1_000)
    now = asyncio.get_running_loop().time()
    environments: list[Any] = []
    for number, age in enumerate((5.0, 3.0)):
        each: Any = Rested(now - age)
        each.ended, each.best_before = False, now + 1_000
        each.end = lambda each=each: setattr(each, "ended", True)
        each.__class__ = type("Resting", (Rested,), {"__hash__": object.__hash__})
        environments.append(each)
        execution._pool(live_version(deployment=f"d{number}")).idle.append(each)
    execution._reclaim()
    assert [each.ended for each in environments] == ended
    assert execution._reclaimer is None or execution._reclaimer.cancel() is None
