"""``go1.x``: programs that speak Go's net/rpc, as AWS's library made them, and programs that do not."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo._service import Service

from .conftest import Functions, client, package

SOURCES = Path(__file__).parent / "go"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go here to make a program with"),
]


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    service = Service(tmp_path_factory.mktemp("go-service") / "data", "--deprecated-runtimes", "allow")
    yield Functions(client(service.address))
    service.stop()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Packages with each program."""
    folder = tmp_path_factory.mktemp("go")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOCACHE": str(folder / "cache"), "GO111MODULE": "off"}
    for name in ("old", "new"):
        command = ["go", "build", "-ldflags", "-s -w", "-o", folder / name, SOURCES / f"{name}.go"]
        subprocess.run(command, check=True, env=environment, timeout=240)
    return {name: package((folder / name).read_bytes(), "main", 0o755) for name in ("old", "new")}


def create(functions: Functions, zipped: bytes, handler: str = "main") -> str:
    return functions.create("", Runtime="go1.x", Handler=handler, Code={"ZipFile": zipped})


def test_a_program_of_the_old_protocol_is_invoked(functions: Functions, made: dict[str, bytes]) -> None:
    name = create(functions, made["old"])
    context = base64.b64encode(b'{"custom":{}}').decode()
    first, second = (functions.call(name, {"n": number}, ClientContext=context) for number in (1, 2))
    assert (first["event"], second["event"]) == ({"n": 1}, {"n": 2})
    assert (first["count"], second["count"]) == (1, 2)
    assert first["id"] != second["id"]
    assert first["arn"].endswith(f":function:{name}")
    assert 0 < first["left"] <= 3000
    assert (first["trace"], first["context"], first["handler"]) == (True, '{"custom":{}}', "main")
    assert functions.call(name, "x" * 3_000_000)["event"] == "x" * 3_000_000


def test_its_errors_are_told_and_it_goes_on(functions: Functions, made: dict[str, bytes]) -> None:
    name = create(functions, made["old"])
    assert functions.fail(name, "fail") == {"errorMessage": "no lück", "errorType": "errorString"}
    assert functions.fail(name, "refuse")["errorMessage"] == "Function.Invoke: not today"
    assert functions.call(name, 1)["count"] == 3


def test_a_panic_ends_its_environment(functions: Functions, made: dict[str, bytes]) -> None:
    name = create(functions, made["old"])
    frame = {"path": "main.go", "line": 7, "label": "main.handler"}
    assert functions.fail(name, "panic") == {"errorMessage": "oh", "errorType": "string", "stackTrace": [frame]}
    assert functions.call(name, 1)["count"] == 1


def test_its_exit_status_is_told(functions: Functions, made: dict[str, bytes]) -> None:
    name = create(functions, made["old"])
    error = functions.fail(name, "exit")
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Runtime exited with error: exit status 3")


def test_a_program_that_speaks_the_runtime_api_is_left_to_itself(functions: Functions, made: dict[str, bytes]) -> None:
    name = create(functions, made["new"])
    assert [functions.call(name, number) for number in (1, 2)] == [[1], [2]]


def test_a_handler_that_is_no_program_is_told(functions: Functions, made: dict[str, bytes]) -> None:
    name = create(functions, made["old"], "other")
    assert functions.fail(name) == {
        "errorType": "PathError",
        "errorMessage": "fork/exec /var/task/other: no such file or directory",
    }
