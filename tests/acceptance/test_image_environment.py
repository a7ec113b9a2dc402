"""Image functions in real sandboxes: a shell's, a C program's, and one with AWS's own Python runtime client."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from lamina.execution import Execution, Invocation, Starter
from lamina.functions import FunctionKey, LiveVersion, Route
from lamina.runtimes import Runtimes, SearchPath
from lamina.sandbox import Launcher, native_architecture
from tests._image_trees import PYTHON, add_libraries, compiled, opened, python_layer, system_layer

KEY = FunctionKey("000000000000", "us-east-1", "fn")
ADDRESS: Any = (*KEY, None)
# The Runtime API spoken by a program without a library, one connection for each request.
ECHO = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
static char answer[1 << 16];
static void ask(const char *request) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(9001)};
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (struct sockaddr *)&place, sizeof place) != 0) exit(3);
    write(connection, request, strlen(request));
    size_t size = 0;
    for (ssize_t got; (got = read(connection, answer + size, sizeof answer - 1 - size)) > 0;) {
        size += got;
        answer[size] = 0;
        char *end = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "content-length: ");
        if (end && (!length || strlen(end + 4) >= strtoul(length + 16, NULL, 10))) break;
    }
    close(connection);
}
int main(void) {
    static char request[1 << 16], body[1 << 14], id[64];
    struct utsname names;
    uname(&names);
    for (;;) {
        ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        char *found = strcasestr(answer, "aws-request-id: ");
        if (!found) return 4;
        sscanf(found + 16, "%63[^\r]", id);
        printf("event for %s\n", id);
        fflush(stdout);
        char *event = strstr(answer, "\r\n\r\n") + 4;
        snprintf(body, sizeof body, "{\"machine\":\"%s\",\"event\":%s}", names.machine, event);
        snprintf(request, sizeof request,
                 "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                 "Content-Length: %zu\r\n\r\n%s", id, strlen(body), body);
        ask(request);
    }
}
"""
HANDLER = """
import logging, os, platform

print("imported")

def handler(event, context):
    logging.getLogger().warning("asked for %s", event["do"])
    if event["do"] == "fail":
        raise ValueError("as it was asked to")
    if event["do"] == "exit":
        os._exit(5)
    return {"handler": os.environ["_HANDLER"], "of_image": os.environ["OF_IMAGE"], "cwd": os.getcwd(),
            "remaining": context.get_remaining_time_in_millis() > 0, "machine": platform.machine(),
            "root": sorted(os.listdir("/")), "user": os.getuid() != 0}
"""


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """What an image store hands out."""

    layers: tuple[Path, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = ""
    user: str = ""
    architecture: str = field(default_factory=native_architecture)


class Shelf:
    """Supplies one image or one tree, whatever is asked for."""

    def __init__(self) -> None:
        self.held: Any = None
        self.code: Any = None

    async def variables(self, live: LiveVersion) -> Mapping[str, str]:
        return live.variables

    async def tree(self, live: LiveVersion) -> Path:
        return Path(self.code)

    async def image(self, live: LiveVersion) -> BuiltImage:
        built: BuiltImage = self.held
        return built


class Lines:
    """All log streams in one."""

    def __init__(self) -> None:
        self.text = ""

    def open(self, *_: str) -> Lines:
        return self

    def write(self, timestamp_ms: int, message: str | bytes) -> None:
        self.text += message if isinstance(message, str) else message.decode()


class Rig:
    """Execution over a real launcher, of one function at a time."""

    def __init__(self, launcher: Launcher, folder: Path) -> None:
        self.launcher = launcher
        self.shelf = Shelf()
        self.logs = Lines()
        self.live = LiveVersion(
            key=KEY, version="$LATEST", deployment="0", runtime="", handler="", package="", role="", memory_size=256,
            architecture=native_architecture(), timeout=20, ephemeral_storage=512, log_group="/aws/lambda/fn",
            package_type="Image", image="sha256:" + "0" * 64)  # fmt: skip
        runtimes = Runtimes.discover(SearchPath(programs=()), launcher.report.lack)
        trees: Any = None
        starter = Starter(launcher, runtimes, trees, self.logs, folder=folder, spares=0, supply=self.shelf)
        self.execution = Execution(starter, self._route, 10, 60.0)

    async def deploy(self, image: BuiltImage | None = None, code: Path | None = None, **members: Any) -> None:
        """Have invocations go to this image, or to this code."""
        self.shelf.held, self.shelf.code = image, code
        new = replace(self.live, deployment=str(int(self.live.deployment) + 1), **members)
        async with self.execution.switch(KEY, {self.live.deployment}):
            self.live = new

    async def invoke(self, payload: bytes = b"{}") -> tuple[Any, str | None]:
        def make(route: Route) -> Invocation:
            return Invocation(request_id="r1", payload=payload, invoked_arn=KEY.arn, trace_id="Root=1")

        async with asyncio.timeout(60):
            outcome = await self.execution.invoke(ADDRESS, make)
        return orjson.loads(outcome.payload), outcome.function_error

    async def _route(self, _: Any) -> Route:
        return Route(key=KEY, invoked_arn=KEY.arn, targets=((1.0, self.live),), reserved_concurrency=None)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    launcher = await Launcher.open(tmp_path / "data")
    if launcher.level == "E":
        await launcher.close()
        pytest.skip("images need isolation level A or B")
    rig = Rig(launcher, tmp_path / "work")
    yield rig
    await rig.execution.close()
    await launcher.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("images")
    for parent in (made, made.parent):
        parent.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def static(folder: Path) -> BuiltImage:
    """A root file system with one file."""
    compiled(ECHO, folder / "static/bootstrap")
    return BuiltImage(layers=(opened(folder / "static"),), entrypoint=("/bootstrap",))


@pytest.fixture(scope="module")
def python(folder: Path) -> BuiltImage:
    """Python with AWS's runtime client, as AWS's page on images for Python has it."""
    client = folder / "client/var/task"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", client]
    if subprocess.run([*command, "awslambdaric"], check=False, capture_output=True, timeout=200).returncode:
        pytest.skip("awslambdaric could not be installed")
    (client / "app.py").write_text(HANDLER)
    add_libraries(folder / "client", list(client.rglob("*.so")))
    return BuiltImage(
        layers=(system_layer(folder / "system"), python_layer(folder / "python"), opened(folder / "client")),
        entrypoint=(PYTHON, "-S", "-m", "awslambdaric"),
        command=("app.handler",),
        environment={"OF_IMAGE": "yes", "LD_LIBRARY_PATH": "/var/lang/lib", "PYTHONPATH": "/var/task"},
        working_directory="/var/task",
    )


async def test_a_program_without_a_system_serves(rig: Rig, static: BuiltImage) -> None:
    await rig.deploy(static)
    for number in range(3):
        payload, error = await rig.invoke(b'{"n":%d}' % number)
        assert (payload["event"], error) == ({"n": number}, None)
    assert "event for r1" in rig.logs.text
    assert "INIT_START" not in rig.logs.text
    assert rig.execution.images_in_use() == {rig.live.image}


async def test_a_shell_script_runs_and_its_end_is_told(rig: Rig, folder: Path) -> None:
    root = system_layer(folder / "shell")
    (root / "start").write_text('#!/bin/sh\necho "begun in $PWD as $AWS_LAMBDA_FUNCTION_NAME"\nexit 9\n')
    (root / "start").chmod(0o755)
    await rig.deploy(BuiltImage(layers=(opened(root),), entrypoint=("/start",)))
    payload, error = await rig.invoke()
    assert error == "Unhandled"
    assert payload == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "RequestId: r1 Error: Runtime exited with error: exit status 9",
    }
    assert "begun in / as fn\n" in rig.logs.text


async def test_awss_own_runtime_client_serves_and_fails_and_exits(rig: Rig, python: BuiltImage) -> None:
    await rig.deploy(python)
    payload, error = await rig.invoke(b'{"do":"answer"}')
    assert error is None, rig.logs.text
    assert {name: payload[name] for name in ("handler", "of_image", "cwd", "remaining", "user")} == {
        "handler": "app.handler", "of_image": "yes", "cwd": "/var/task", "remaining": True, "user": True}  # fmt: skip
    assert "usr" not in payload["root"] or "home" not in payload["root"]
    assert "imported" in rig.logs.text
    assert "asked for answer" in rig.logs.text
    payload, error = await rig.invoke(b'{"do":"fail"}')
    assert (payload["errorType"], payload["errorMessage"], error) == ("ValueError", "as it was asked to", "Unhandled")
    payload, error = await rig.invoke(b'{"do":"exit"}')
    assert payload["errorMessage"] == "RequestId: r1 Error: Runtime exited with error: exit status 5"
    payload, error = await rig.invoke(b'{"do":"answer"}')
    assert error is None


async def test_image_config_stands_for_the_images_own(rig: Rig, python: BuiltImage) -> None:
    await rig.deploy(python, command=("app.missing",), working_directory="/tmp")
    payload, error = await rig.invoke()
    assert (payload["errorType"], error) == ("Runtime.HandlerNotFound", "Unhandled")
    await rig.deploy(python, command=("app.handler",), working_directory="/tmp", variables={"OF_IMAGE": "no"})
    payload, _ = await rig.invoke(b'{"do":"answer"}')
    assert (payload["cwd"], payload["of_image"]) == ("/tmp", "no")


@pytest.mark.parametrize(
    ("members", "kind", "reason"),
    [
        ({"entry_point": ("/none",)}, "Runtime.InvalidEntrypoint", "fork/exec /none: no such file or directory"),
        ({"entry_point": ("none",)}, "Runtime.InvalidEntrypoint", 'exec: "none": executable file not found in $PATH'),
        ({"working_directory": "/none"}, "Runtime.InvalidWorkingDir", "chdir /none: no such file or directory"),
    ],
)
async def test_what_cannot_be_started_is_the_functions_failure(
    rig: Rig, static: BuiltImage, members: dict[str, Any], kind: str, reason: str
) -> None:
    await rig.deploy(static, **members)
    payload, error = await rig.invoke()
    assert (payload, error) == ({"errorType": kind, "errorMessage": f"RequestId: r1 Error: {reason}"}, "Unhandled")
    assert f"IMAGE\tLaunch error: {reason}" in rig.logs.text


async def test_the_second_environment_of_a_large_image_takes_no_longer(
    rig: Rig, static: BuiltImage, folder: Path
) -> None:
    """P9: nothing is done for each file of an image."""
    large = folder / "large"
    for directory in range(100):
        (large / f"d{directory}").mkdir(parents=True, exist_ok=True)
        for file in range(340):
            (large / f"d{directory}/f{file}").touch()
    taken: dict[str, float] = {}
    for name, layers in (("small", static.layers), ("large", (opened(large), *static.layers))):
        times = []
        for _ in range(5):
            await rig.deploy(replace(static, layers=layers))
            began = time.perf_counter()
            await rig.invoke()
            times.append(time.perf_counter() - began)
        taken[name] = min(times)
    assert taken["large"] < 3 * taken["small"] + 0.01, taken
