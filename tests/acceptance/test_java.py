"""Java functions through the API: compiled here, packaged as a jar and as a zip with jars, run in sandboxes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator

import pytest

from demo._service import Service
from tests._java import NAMES, classes, zipped

from .conftest import Functions, client

pytestmark = pytest.mark.skipif(not NAMES, reason="no Java was found on this machine")


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    service = Service(tmp_path_factory.mktemp("java") / "data", "--deprecated-runtimes", "allow")
    yield Functions(client(service.address))
    service.stop()


@pytest.fixture(params=NAMES)
def java(request: pytest.FixtureRequest) -> str:
    return request.param


def jar(java: str) -> dict[str, bytes]:
    """A jar with the dependencies unpacked into it, as the Maven Shade plugin and Gradle's buildFatJar make it."""
    return {"ZipFile": zipped(classes(java))}


def in_lib(java: str) -> dict[str, bytes]:
    """A zip with the function's classes at its root and its dependencies below ``lib``."""
    return {"ZipFile": zipped({**classes(java, "example"), "lib/core.jar": zipped(classes(java, "com/amazonaws"))})}


def test_runs_a_jar_in_the_least_memory(functions: Functions, java: str) -> None:
    name = functions.create("", Runtime=java, Handler="example.Plain::handleRequest", Code=jar(java), MemorySize=128)
    context = functions.call(name, {})
    assert (context["name"], context["memory"], context["version"]) == (name, 128, "$LATEST")
    assert functions.call(name, {"do": "property", "name": "java.specification.version"}) == java.removeprefix("java")
    assert functions.call(name, {"do": "property", "name": "user.dir"}) == "/var/task"


def test_runs_a_zip_with_jars(functions: Functions, java: str) -> None:
    name = functions.create("", Runtime=java, Handler="example.Plain", Code=in_lib(java), MemorySize=512)
    assert functions.call(name, {"do": "loader"}) is True
    assert functions.call(name, {"do": "variable", "name": "AWS_EXECUTION_ENV"}) == f"AWS_Lambda_{java}"


def test_is_updated(functions: Functions, java: str) -> None:
    name = functions.create("", Runtime=java, Handler="example.Streaming", Code=jar(java))
    assert functions.call(name, {"a": "ü"}) == {"a": "ü"}
    functions.client.update_function_configuration(FunctionName=name, Handler="example.Shapes::twice")
    functions.client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.02})
    assert functions.call(name, 21) == 42


def test_shows_what_is_printed(functions: Functions, java: str) -> None:
    name = functions.create("", Runtime=java, Handler="example.Plain", Code=jar(java))
    answer = functions.client.invoke(FunctionName=name, Payload=json.dumps({"do": "print"}), LogType="Tail")
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert lines[1:3] == ["out ü", "err"]
    assert "Max Memory Used: " in lines[4]


def test_reports_errors(functions: Functions, java: str) -> None:
    name = functions.create("", Runtime=java, Handler="example.Failures::plain", Code=jar(java))
    error = functions.fail(name)
    assert (error["errorMessage"], error["errorType"]) == ("no", "java.lang.IllegalArgumentException")
    assert len(error["stackTrace"]) == 1


@pytest.mark.parametrize("memory", [128, 512])
def test_ends_when_the_heap_is_full_and_starts_again(functions: Functions, java: str, memory: int) -> None:
    handler = "example.Failures::exhausted"
    name = functions.create("", Runtime=java, Handler=handler, Code=jar(java), MemorySize=memory, Timeout=30)
    assert functions.fail(name)["errorType"] == "java.lang.OutOfMemoryError"
    assert functions.fail(name)["errorType"] == "java.lang.OutOfMemoryError"


def test_reports_a_handler_that_is_not_there(functions: Functions, java: str) -> None:
    name = functions.create("", Runtime=java, Handler="com.example.Missing::handle", Code=jar(java))
    assert functions.fail(name) == {
        "errorMessage": "Class not found: com.example.Missing",
        "errorType": "java.lang.ClassNotFoundException",
    }


def test_security_providers_and_certificates_are_there(functions: Functions, java: str) -> None:
    name = functions.create("", Runtime=java, Handler="example.Secure::handle", Code=jar(java), MemorySize=256)
    answer = functions.call(name, "text")
    assert answer["digest"] == "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"
    assert answer["authorities"] > 10


@pytest.mark.parametrize("level", ["B", "E"])
def test_lives_with_the_limits_of_other_levels(start: Callable[..., Service], java: str, level: str) -> None:
    """There the limit of memory counts what the virtual machine may write to, not what it has written to."""
    functions = Functions(client(start("--isolation", level).address))
    members = {"Runtime": java, "Code": jar(java), "MemorySize": 128, "Timeout": 30}
    assert functions.call(functions.create("", Handler="example.Plain", **members), {"do": "loader"}) is True
    exhausted = functions.fail(functions.create("", Handler="example.Failures::exhausted", **members))
    assert exhausted["errorType"] == "java.lang.OutOfMemoryError"
