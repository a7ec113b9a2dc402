"""Image functions: what is started, and what is said when that fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from lamina.execution import Execution, Invocation, Starter
from lamina.execution._environment import InitFailed
from lamina.execution._images import Launch
from lamina.execution._pool import Pool
from lamina.functions import LiveVersion, Route
from lamina.runtimes import Runtimes, RuntimeUnavailable, SearchPath
from lamina.sandbox import ProgramUnavailable, SandboxSpec, SandboxUnavailable, native_architecture

from .conftest import FakeSandbox, FakeStream, live_version

DIGEST = "sha256:" + "ab" * 32


@dataclass(frozen=True, kw_only=True)
class FakeImage:
    """An image of which only the configuration matters."""

    layers: tuple[Path, ...] = (Path("/layers/1"), Path("/layers/2"))
    entrypoint: tuple[str, ...] = ("/entry", "point")
    command: tuple[str, ...] = ("app.handler",)
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": "/image/bin", "OF_IMAGE": "1"})
    working_directory: str = "/work"
    user: str = "root"
    architecture: str = native_architecture()


class FakeSupply:
    """Has one image, and no packages."""

    def __init__(self, image: FakeImage) -> None:
        self.held = image
        self.asked: list[str] = []

    async def variables(self, live: LiveVersion) -> Mapping[str, str]:
        return live.variables

    async def tree(self, live: LiveVersion) -> Path:
        raise AssertionError("an image function has no package")

    async def image(self, live: LiveVersion) -> FakeImage:
        self.asked.append(live.image)
        return self.held


class FakeLauncher:
    """Starts sandboxes whose program is the test."""

    level = "A"

    def __init__(self) -> None:
        self.specs: list[SandboxSpec] = []
        self.failure: Exception | None = None

    async def start(self, spec: SandboxSpec, *, fork: bool = False) -> FakeSandbox:
        self.specs.append(spec)
        if self.failure is not None:
            raise self.failure
        sandbox = FakeSandbox()
        asyncio.get_running_loop().call_soon(asyncio.ensure_future, ready(sandbox))
        return sandbox

    def release(self, sandbox: str) -> None:
        """Nothing is kept."""


async def ready(sandbox: FakeSandbox) -> None:
    host, _, port = sandbox.runtime_api.partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")
    await sandbox.exited
    writer.close()


class FakeLogs:
    """Keeps all lines of all streams."""

    def __init__(self) -> None:
        self.stream = FakeStream()

    def open(self, *_: str) -> FakeStream:
        return self.stream


@dataclass(frozen=True, kw_only=True)
class World:
    """A starter and what is around it."""

    starter: Starter
    launcher: FakeLauncher
    supply: FakeSupply
    logs: FakeLogs


def of_image(**members: Any) -> LiveVersion:
    return replace(live_version(), package_type="Image", runtime="", handler="", package="", image=DIGEST,
                   image_source="repo/app@" + DIGEST, **members)  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> World:
    launcher: Any = FakeLauncher()
    supply, logs = FakeSupply(FakeImage()), FakeLogs()
    runtimes = Runtimes.discover(SearchPath(programs=()))
    trees: Any = None
    starter = Starter(launcher, runtimes, trees, logs, folder=tmp_path, spares=1, supply=supply)
    return World(starter=starter, launcher=launcher, supply=supply, logs=logs)


async def start(world: World, live: LiveVersion) -> SandboxSpec:
    environment = await world.starter.start(live, lambda _: None, lambda _: None)
    environment.end()
    await asyncio.sleep(0)
    return world.launcher.specs[-1]


async def failure(world: World, live: LiveVersion) -> Any:
    with pytest.raises(InitFailed) as caught:
        await world.starter.start(live, lambda _: None, lambda _: None)
    return orjson.loads(caught.value.payload("r1"))


async def test_the_image_says_what_is_started(world: World) -> None:
    spec = await start(world, of_image(memory_size=256, ephemeral_storage=1024))
    assert world.supply.asked == [DIGEST]
    assert spec.argv == ("/entry", "point", "app.handler")
    assert (spec.root, spec.working_directory) == ((Path("/layers/1"), Path("/layers/2")), "/work")
    assert (spec.limits.memory_mb, spec.limits.tmp_mb) == (256, 1024)
    assert spec.binds == ()


@pytest.mark.parametrize(
    ("config", "argv", "directory"),
    [
        ({"entry_point": ("/other",)}, ("/other", "app.handler"), "/work"),
        ({"command": ("other.handler", "x")}, ("/entry", "point", "other.handler", "x"), "/work"),
        ({"working_directory": "/else"}, ("/entry", "point", "app.handler"), "/else"),
        ({"entry_point": (), "command": (), "working_directory": ""}, ("/entry", "point", "app.handler"), "/work"),
    ],
)
async def test_each_member_of_image_config_stands_for_its_own(
    world: World, config: dict[str, Any], argv: tuple[str, ...], directory: str
) -> None:
    spec = await start(world, of_image(**config))
    assert (spec.argv, spec.working_directory) == (argv, directory)


async def test_variables_of_the_function_hide_the_images_and_reserved_ones_both(world: World) -> None:
    world.supply.held = FakeImage(environment={"A": "image", "B": "image", "AWS_REGION": "image", "PATH": "/image"})
    variables = (await start(world, of_image(variables={"B": "function"}))).environment
    assert (variables["A"], variables["B"], variables["AWS_REGION"]) == ("image", "function", "us-east-1")
    assert (variables["PATH"], variables["_HANDLER"]) == ("/image", "app.handler")
    assert (variables["LAMBDA_TASK_ROOT"], variables["LAMBDA_RUNTIME_DIR"]) == ("/var/task", "/var/runtime")
    assert variables["AWS_LAMBDA_RUNTIME_API"] == "127.0.0.1:9001"
    assert "AWS_EXECUTION_ENV" not in variables
    assert "LD_LIBRARY_PATH" not in variables


async def test_an_image_without_configuration_begins_at_the_root_with_the_usual_path(world: World) -> None:
    world.supply.held = FakeImage(environment={}, working_directory="", command=())
    spec = await start(world, of_image())
    assert spec.working_directory == "/"
    assert "/usr/bin" in spec.environment["PATH"]
    assert spec.environment["_HANDLER"] == ""


async def test_an_image_without_a_program_is_the_functions_failure(world: World) -> None:
    world.supply.held = FakeImage(entrypoint=(), command=())
    assert await failure(world, of_image()) == {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": "RequestId: r1 Error: Couldn't find valid bootstrap(s): []",
    }


@pytest.mark.parametrize(
    ("step", "path", "errno", "kind", "reason"),
    [
        ("execute", "/x", 2, "Runtime.InvalidEntrypoint", "fork/exec /x: no such file or directory"),
        ("execute", "/x", 8, "Runtime.InvalidEntrypoint", "fork/exec /x: exec format error"),
        ("execute", "/x", 13, "Runtime.InvalidEntrypoint", "fork/exec /x: permission denied"),
        ("execute", "x", 2, "Runtime.InvalidEntrypoint", 'exec: "x": executable file not found in $PATH'),
        ("execute", "x", 8, "Runtime.InvalidEntrypoint", "fork/exec x: exec format error"),
        ("enter", "/w", 2, "Runtime.InvalidWorkingDir", "chdir /w: no such file or directory"),
    ],
)
async def test_a_program_that_cannot_start_is_told_in_the_services_words(
    world: World, step: str, path: str, errno: int, kind: str, reason: str
) -> None:
    world.launcher.failure = ProgramUnavailable("no", step, path, errno)
    assert await failure(world, of_image()) == {"errorType": kind, "errorMessage": f"RequestId: r1 Error: {reason}"}
    assert [line.decode() for line in world.logs.stream.lines] == [
        f"IMAGE\tLaunch error: {reason}\tEntry Point: [/entry point]\tCmd: [app.handler]\tWorkingDir: [/work]\n"
    ]


async def test_the_json_log_has_an_event_for_it(world: World) -> None:
    world.launcher.failure = ProgramUnavailable("no", "enter", "/w", 2)
    await failure(world, of_image(log_format="JSON"))
    start_event, event = map(orjson.loads, world.logs.stream.lines)
    assert start_event["type"] == "platform.initStart"
    assert "runtimeVersion" not in start_event["record"]
    assert (event["type"], event["record"]["errorType"]) == ("platform.initRuntimeDone", "Runtime.InvalidWorkingDir")


async def test_an_image_for_a_machine_that_is_not_here_is_told(world: World) -> None:
    foreign = "arm64" if native_architecture() == "x86_64" else "x86_64"
    world.supply.held = FakeImage(architecture=foreign)
    outcome = await invoke(world, of_image())
    assert orjson.loads(outcome.payload)["errorType"] == "Runtime.InvalidEntrypoint"
    assert f"Programs for {foreign} cannot run here" in orjson.loads(outcome.payload)["errorMessage"]
    assert world.launcher.specs == []


async def test_preparing_makes_sure_that_the_image_can_run_here(world: World) -> None:
    await world.starter.prepare(of_image(), None)
    assert world.supply.asked == [DIGEST]
    world.supply.held = FakeImage(architecture="arm64" if native_architecture() == "x86_64" else "x86_64")
    with pytest.raises(RuntimeUnavailable, match="cannot run here"):
        await world.starter.prepare(of_image(), None)


async def test_images_in_use_are_told_apart_from_packages(world: World) -> None:
    execution = executing(world, of_image())
    await execution.invoke(ADDRESS, make_failing)
    assert (execution.images_in_use(), execution.packages_in_use()) == ({DIGEST}, set())
    await execution.close()


async def test_a_warming_that_fails_for_no_fault_of_the_function_is_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    live = of_image()
    world.launcher.failure = SandboxUnavailable("mount /: no")
    with caplog.at_level(logging.WARNING):
        await Pool(live, world.starter.start, lambda _: None).warm(1)
    assert f"{live.key.arn}: no environment: mount /: no" in caplog.text
    caplog.clear()
    world.launcher.failure = ProgramUnavailable("no", "execute", "/x", 2)
    await Pool(live, world.starter.start, lambda _: None).warm(1)
    assert caplog.text == ""


def test_the_line_of_the_log_shows_what_was_to_be_started() -> None:
    launch = Launch(of_image(command=("a", "b")), FakeImage())
    assert (
        launch.line("no") == "IMAGE\tLaunch error: no\tEntry Point: [/entry point]\tCmd: [a b]\tWorkingDir: [/work]\n"
    )


ADDRESS: Any = ("000000000000", "us-east-1", "fn", None)


def make_failing(_: Route) -> Invocation:
    return Invocation(request_id="r1", payload=b"{}", invoked_arn="arn", trace_id="t")


def executing(world: World, live: LiveVersion) -> Execution:
    async def route(_: Any) -> Route:
        return Route(key=live.key, invoked_arn="arn", targets=((1.0, live),), reserved_concurrency=None)

    world.launcher.failure = world.launcher.failure or ProgramUnavailable("no", "execute", "/x", 2)
    return Execution(world.starter, route, 10, 60.0)


async def invoke(world: World, live: LiveVersion) -> Any:
    execution = executing(world, live)
    try:
        return await execution.invoke(ADDRESS, make_failing)
    finally:
        await execution.close()
