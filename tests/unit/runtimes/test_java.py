"""The Java runtime, without a sandbox: how it is found, and what its bootstrap does with functions."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.runtimes import Runtimes, RuntimeUnavailable, SearchPath
from lamina.runtimes._java_jar import JAR, build
from lamina.sandbox import native_architecture
from tests._java import NAMES, classes, prefix_of, zipped

from .conftest import ACCEPTED, Function, Start

Run = Callable[..., Function]

# Each JVM takes its time to start; the oldest and the newest are those that differ.
_PARAMETERS = [pytest.param(name, marks=[pytest.mark.slow] if name in NAMES[1:-1] else []) for name in NAMES]


@pytest.fixture(params=_PARAMETERS)
def java(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def run(start: Start, java: str, tmp_path: Path) -> Run:
    """Start a handler: ``run("example.Class::method", files=…, **environment)``."""

    def starting(handler: str, files: dict[str, bytes] | None = None, **environment: str) -> Function:
        for path, content in (classes(java) if files is None else files).items():
            file = tmp_path / "task" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return start(java, {}, handler, **environment)

    return starting


def installation(prefix: Path, version: str, *, inner: str = "bin", **more: str) -> Path:
    program = prefix / inner / "java"
    program.parent.mkdir(parents=True)
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    members = {"JAVA_VERSION": version, **more}
    (prefix / "release").write_text("".join(f'{name}="{value}"\n' for name, value in members.items()))
    return program


class TestFinding:
    def test_finds_each_major_version(self, tmp_path: Path) -> None:
        for version in ("1.8.0_392", "11.0.21", "17.0.15", "21", "25.0.3"):
            installation(tmp_path / version, version)
        found = Runtimes.discover(SearchPath(programs=(), javas=(tmp_path,)))
        assert [name for name in found.names if name.startswith("java")] == [
            *("java8", "java8.al2", "java8.al2023", "java11", "java11.al2023"),
            *("java17", "java17.al2023", "java21", "java25"),
        ]
        labels = [found.resolve(name).version_label for name in ("java8.al2", "java11", "java17.al2023", "java21")]
        assert labels == ["java:8.al2.v392", "java:11.v21", "java:17.al2023.v15", "java:21.v21"]

    def test_binds_the_whole_installation_as_the_language(self, tmp_path: Path) -> None:
        installation(tmp_path / "any", "21.0.1")
        runtime = Runtimes.discover(SearchPath(programs=(), javas=(tmp_path,))).resolve("java21")
        assert runtime.argv[:3] == ("/bin/sh", "/var/runtime/bootstrap", "/var/lang/bin/java")
        assert {bind.target: bind.source for bind in runtime.binds}["/var/lang"] == tmp_path / "any"
        assert not any(bind.writable for bind in runtime.binds)
        assert not runtime.generic

    def test_prefers_java_home_then_path_then_the_newest(self, tmp_path: Path) -> None:
        for name in ("17.0.2", "17.0.10", "path", "home"):
            installation(tmp_path / "jvm" / name, name if name[0] == "1" else "17.0.1")

        def chosen(*programs: Path, home: tuple[Path, ...] = ()) -> str:
            search = SearchPath(programs=programs, javas=(tmp_path / "jvm",), java_homes=home)
            return Path(Runtimes.discover(search).resolve("java17").origin).parent.parent.name

        path, home = tmp_path / "jvm/path/bin", tmp_path / "jvm/home/bin"
        assert (chosen(), chosen(path), chosen(path, home=(home,))) == ("17.0.10", "path", "home")

    def test_looks_where_the_variables_say(self, tmp_path: Path) -> None:
        installation(tmp_path / "sdk/candidates/java/21-tem", "21.0.1")
        installation(tmp_path / "home", "11.0.1")
        variables = {"SDKMAN_DIR": str(tmp_path / "sdk"), "JAVA_HOME": str(tmp_path / "home"), "PATH": ""}
        found = Runtimes.discover(SearchPath.of_machine(variables, tmp_path / "nobody"))
        assert (found.resolve("java21").origin, found.resolve("java11").origin) == (
            str(tmp_path / "sdk/candidates/java/21-tem/bin/java"),
            str(tmp_path / "home/bin/java"),
        )

    def test_finds_the_jre_inside_a_jdk_8(self, tmp_path: Path) -> None:
        program = installation(tmp_path / "jdk8", "1.8.0_1", inner="jre/bin")
        runtime = Runtimes.discover(SearchPath(programs=(program.parent,))).resolve("java8")
        assert runtime.argv[2] == "/var/lang/jre/bin/java"
        assert {bind.target: bind.source for bind in runtime.binds}["/var/lang"] == tmp_path / "jdk8"

    def test_never_takes_a_newer_one(self, tmp_path: Path) -> None:
        installation(tmp_path / "25", "25.0.1")
        runtimes = Runtimes.discover(SearchPath(programs=(tmp_path / "bin",), javas=(tmp_path,)))
        with pytest.raises(RuntimeUnavailable, match=r"No Java 21 was found for java21: .*/bin.*installations in"):
            runtimes.resolve("java21")

    @pytest.mark.parametrize(
        ("version", "architecture"),
        [("", ""), ("none", ""), ("1.7.0_80", ""), ("21", "aarch64" if native_architecture() == "x86_64" else "amd64")],
    )
    def test_leaves_alone_what_is_no_java_for_this_machine(
        self, tmp_path: Path, version: str, architecture: str
    ) -> None:
        installation(tmp_path / "any", version, OS_ARCH=architecture)
        found = Runtimes.discover(SearchPath(programs=(), javas=(tmp_path,)))
        assert not any(name.startswith("java") for name in found.names)

    def test_does_not_show_a_home_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path / "home/me"))
        installation(tmp_path / "home", "21.0.1")
        assert "java21" not in Runtimes.discover(SearchPath(programs=(tmp_path / "home/bin",))).names


class TestJar:
    def test_is_built_from_these_sources(self) -> None:
        if "java17" not in NAMES or not (prefix_of("java17") / "bin/javac").is_file():
            pytest.skip("the jar is built by the compiler of Java 17, which is not here")
        assert build(prefix_of("java17") / "bin/javac") == JAR.read_bytes()

    def test_runs_on_java_8(self) -> None:
        with zipfile.ZipFile(JAR) as jar:
            versions = {jar.read(name)[6:8] for name in jar.namelist() if name.endswith(".class")}
        assert versions == {(52).to_bytes(2, "big")}


RESULTS: list[tuple[str, Any, Any]] = [
    ("text", "a", "a"),
    ("text", 42, "42"),
    ("text", None, None),
    ("length", "äöü", 3),
    ("twice", 21, 42),
    ("twice", "21", 42),
    ("twice", 2.9, 4),
    ("twice", None, 0),
    ("large", 9007199254740993, 9007199254740993),
    ("large", None, None),
    ("not", True, False),
    ("half", 1, 0.5),
    ("whole", 10**40, 10**40),
    ("any", {"a": [1, 2.5, None, True, "x", {}]}, {"a": [1, 2.5, None, True, "x", {}]}),
    ("kind", 1, "java.lang.Integer"),
    ("kind", 2**40, "java.lang.Long"),
    ("kind", 2**63 - 1, "java.lang.Long"),
    ("kind", 2**63, "java.math.BigInteger"),
    ("kind", 1.0, "java.lang.Double"),
    ("kind", {}, "java.util.LinkedHashMap"),
    ("kind", [], "java.util.ArrayList"),
    ("map", {"z": 1, "a": {"b": []}}, {"z": 1, "a": {"b": []}}),
    ("sorted", {"10": "b", "9": "a"}, {"9": "a", "10": "b"}),
    ("colours", {"GREEN": 2, "RED": 1}, {"RED": 1, "GREEN": 2}),
    ("sum", [1, 2, 3], 6),
    ("distinct", ["b", "a", "b"], ["b", "a"]),
    ("array", ["b", None], ["b", None]),
    ("box", {"value": [{"value": 5}]}, 5),
    ("nested", {"value": {"value": 7}}, {"value": {"value": "7"}}),
    ("colour", "GREEN", "GREEN"),
    ("colour", 0, "RED"),
    ("doubles", 1, ["Infinity", 1e300, 0.1]),
    ("floats", 1, [1.5, 1, "c", "built", "AQI="]),
    ("withNulls", None, {"kept": None}),
    ("invisible", None, {"text": "seen"}),
    ("lonely", None, '\ud83d"\\\n\u0001ü\U0001f600'),
    ("nothing", None, None),
    ("onlyContext", None, "request-1"),
    ("eventAndContext", "e", "e f"),
    ("stream", {"a": 1}, [{"a": 1}]),
    ("streamWithContext", None, "request-1"),
    ("overloaded", "e", "event and context"),
    ("single", "e", "context"),
    (
        "order",
        {"unknown": [{}], "counts": {"RED": 5}, "active": True, "hidden": 1, "name": "", "id": 1},
        {"id": "1", "name": "", "active": True, "counts": {"RED": 5}, "URL": "fixed"},
    ),
    ("types", {"lines": [{}], "counts": {"RED": 1}}, "Lineclass example.Shapes$Colour"),
    (
        "moments",
        {
            "date": "2026-01-02T03:04:05.678Z",
            "instant": 1.5,
            "day": "2026-01-02",
            "uuid": "0" * 8 + "-0000" * 3 + "-" + "0" * 12,
        },
        {
            "date": 1767323045678,
            "instant": "1970-01-01T00:00:01.500Z",
            "day": "2026-01-02",
            "uuid": "00000000-0000-0000-0000-000000000000",
        },
    ),
    ("moments", {"date": 5, "instant": "2026-01-02T03:04:05Z"}, {"date": 5, "instant": "2026-01-02T03:04:05Z"}),
    (
        "event",
        {"Records": [{"eventSourceARN": "arn", "time": 1.5, "detail-type": "d"}]},
        ["arn", 1500, "d"],
    ),
]


@pytest.mark.parametrize(("method", "event", "expected"), RESULTS)
def test_calls_methods_of_every_kind(run: Run, method: str, event: Any, expected: Any) -> None:
    answer = run(f"example.Shapes::{method}").invoke(event)
    assert answer.kind == "response", answer.body
    assert answer.json == expected
    assert not isinstance(expected, dict) or list(answer.json) == list(expected)


def test_keeps_every_digit(run: Run) -> None:
    function = run("example.Shapes::order")
    lines = b'{"lines":[{"price":1.10,"colour":"GREEN","data":"AQI=","sizes":[1,2],"inner":{"price":1E+2}}]}'
    assert lines[1:-1] in function.invoke(lines).body
    assert run("example.Shapes::exact").invoke(b"0.12345678901234567890123456789").body == (
        b"0.12345678901234567890123456789"
    )


UNREADABLE = [
    ("text", {}, "Can not deserialize instance of java.lang.String out of START_OBJECT token"),
    ("text", [1], "Can not deserialize instance of java.lang.String out of START_ARRAY token"),
    ("twice", "x", 'Cannot deserialize value of type int from String "x"'),
    ("twice", 2**31, 'Cannot deserialize value of type int from String "2147483648"'),
    ("sum", [1, {}], "Can not deserialize instance of java.lang.Integer out of START_OBJECT token"),
    ("sum", {}, "Can not deserialize instance of java.util.List out of START_OBJECT token"),
    ("colour", "BLUE", "not one of the values accepted for Enum class"),
    ("order", {"lines": [{"price": {}}]}, '(through reference chain: example.Shapes$Line["price"])'),
    ("unmappable", {}, "Can not deserialize instance of java.lang.Runnable out of START_OBJECT token"),
    ("any", b"[1,]", "Unexpected character (']' (code 93))"),
    ("any", b'"\xff"', "Invalid UTF-8"),
    ("any", b'"a', "Unexpected end-of-input"),
    ("any", b"1 2", "Unexpected character ('2' (code 50))"),
    ("any", b"01", "Unexpected character ('1' (code 49))"),
    ("any", b"[" * 5000, "nesting depth"),
]


@pytest.mark.parametrize(("method", "event", "text"), UNREADABLE)
def test_reports_events_that_do_not_fit(run: Run, method: str, event: Any, text: str) -> None:
    function = run(f"example.Shapes::{method}")
    error = function.invoke(event)
    assert error.kind == "error"
    assert list(error.json) == ["errorMessage", "errorType", "stackTrace", "cause"]
    outer = {"errorMessage": "An error occurred during JSON parsing", "errorType": "java.lang.RuntimeException"}
    assert {name: error.json[name] for name in outer} == outer
    assert error.json["cause"]["errorType"] == "java.io.UncheckedIOException"
    assert text in error.json["cause"]["cause"]["errorMessage"]
    assert function.invoke(event).kind == "error"


@pytest.mark.parametrize(
    ("method", "text"),
    [("failing", 'getter (through reference chain: example.Shapes$Failing["text"])'), ("cycle", "nesting depth")],
)
def test_reports_results_without_a_json_form(run: Run, method: str, text: str) -> None:
    error = run(f"example.Shapes::{method}").invoke().json
    assert error["errorMessage"] == "An error occurred during JSON serialization of response"
    assert text in error["cause"]["cause"]["errorMessage"]


@pytest.mark.parametrize(
    ("method", "event", "expected"),
    [
        ("point", {"x": 1, "y": None, "names": ["ü"]}, {"x": 1, "names": ["ü"]}),
        ("point", {}, {"x": 0}),
        ("pair", {"first": 1, "second": 2}, {"first": 3, "second": 2}),
        ("quiet", {"text": "t"}, {"text": "t"}),
    ],
)
def test_knows_records(run: Run, java: str, method: str, event: Any, expected: Any) -> None:
    if int(java.removeprefix("java")) < 16:
        pytest.skip("this Java has no records")
    assert run(f"example.Modern::{method}").invoke(event).json == expected


class TestInterfaces:
    def test_resolves_generic_types_through_superclasses(self, run: Run) -> None:
        assert run("example.Generic").invoke([{"sizes": [1]}]).json == "example.Shapes$Line"
        assert run("example.Generic::handleRequest").invoke([{}]).json == "example.Shapes$Line"

    @pytest.mark.parametrize("handler", ["example.Streaming", "example.Streaming::handleRequest"])
    def test_passes_streams_on_as_they_are(self, run: Run, handler: str) -> None:
        assert run(handler).invoke(b'{ "a" :1.00}\n').body == b'{ "a" :1.00}\n'

    def test_passes_on_megabytes(self, run: Run) -> None:
        event = json.dumps("ü" * 2_500_000).encode()
        assert run("example.Streaming").invoke(event).body == event

    def test_gives_the_context_of_aws(self, run: Run) -> None:
        client = '{"client":{"app_title":"t"},"custom":{"k":"ü","n":1},"env":{"e":"v"}}'
        identity = '{"cognitoIdentityId":"i","cognitoIdentityPoolId":"p"}'
        function = run("example.Plain")
        context = function.invoke({}, Client_Context=client, Cognito_Identity=identity, Aws_Tenant_Id="T").json
        assert 2000 < context.pop("left") <= 3000
        assert context == {
            "requestId": "request-1",
            "logGroup": "/aws/lambda/f",
            "logStream": "stream",
            "name": "f",
            "version": "$LATEST",
            "arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
            "memory": 128,
            "tenant": "T",
            "later": "of the interface",
            "identity": "i",
            "pool": "p",
            "custom": {"k": "ü", "n": "1"},
            "environment": {"e": "v"},
            "application": "t",
        }
        later = function.invoke({}).json
        assert [later[name] for name in ("requestId", "tenant", "identity", "custom")] == [
            "request-2",
            None,
            None,
            None,
        ]

    def test_has_the_trace_as_a_property(self, run: Run) -> None:
        function = run("example.Plain")
        event = {"do": "property", "name": "com.amazonaws.xray.traceHeader"}
        assert function.invoke(event, Trace_Id="Root=1").json == "Root=1"
        assert function.invoke(event).json is None

    def test_makes_the_loader_of_the_package_that_of_the_thread(self, run: Run) -> None:
        assert run("example.Plain").invoke({"do": "loader"}).json is True

    def test_works_without_the_interfaces(self, run: Run, java: str) -> None:
        files = classes(java, "example/Failures")
        function = run("example.Failures::count", files)
        assert [function.invoke().json, function.invoke().json] == [1, 2]


class TestLogs:
    def test_adds_nothing_to_what_is_logged(self, run: Run) -> None:
        function = run("example.Plain")
        function.invoke({"do": "log"})
        assert function.log() == "ab\nü\n[DEBUG] quiet[ERROR] loud\n"

    def test_writes_what_is_printed_as_utf_8(self, run: Run) -> None:
        function = run("example.Plain", LANG="C", LC_ALL="C")
        function.invoke({"do": "print"})
        assert function.log() == "out ü\nerr"

    def test_writes_json_records(self, run: Run) -> None:
        function = run("example.Plain", AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO")
        function.invoke({"do": "log"})
        first, second, third, fourth = function.log().splitlines()
        record = json.loads(first)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("timestamp"))
        assert record == {"level": "UNDEFINED", "message": "a", "AWSRequestId": "request-1"}
        assert (json.loads(second)["message"], third) == ("b\n", "ü")
        assert (json.loads(fourth)["level"], json.loads(fourth)["message"]) == ("ERROR", "loud\n")

    def test_logs_errors_in_either_format(self, run: Run) -> None:
        function = run("example.Failures::plain")
        function.invoke()
        lines = function.log().splitlines()
        assert lines[:2] == ["no: java.lang.IllegalArgumentException", "java.lang.IllegalArgumentException: no"]
        assert lines[2].startswith("\tat example.Failures.plain(Failures.java:")
        assert len(lines) == 3
        function = run("example.Failures::plain", AWS_LAMBDA_LOG_FORMAT="JSON")
        function.invoke()
        assert json.loads(function.log())["message"].splitlines() == lines


class TestErrors:
    def test_reports_exceptions_and_goes_on(self, run: Run) -> None:
        function = run("example.Failures::checked")
        error = function.invoke()
        assert error.path == "/2018-06-01/runtime/invocation/request-1/error"
        assert error.headers["lambda-runtime-function-error-type"] == "java.lang.Exception"
        assert list(error.json) == ["errorMessage", "errorType", "stackTrace", "cause"]
        assert (error.json["errorMessage"], error.json["errorType"]) == ("outer", "java.lang.Exception")
        assert [re.sub(r":\d+", "", frame) for frame in error.json["stackTrace"]] == [
            "example.Failures.checked(Failures.java)"
        ]
        cause = error.json["cause"]
        assert (cause["errorMessage"], cause["errorType"]) == ("no", "java.lang.IllegalArgumentException")
        assert [re.sub(r":\d+", "", frame) for frame in cause["stackTrace"]] == [
            "example.Failures.plain(Failures.java)",
            "example.Failures.checked(Failures.java)",
        ]
        assert function.invoke().kind == "error"

    def test_an_error_without_message_is_called_by_its_type(self, run: Run) -> None:
        assert run("example.Failures::silent").invoke().json["errorMessage"] == "java.lang.RuntimeException"

    @pytest.mark.parametrize(
        ("method", "error_type"),
        [("overflow", "java.lang.StackOverflowError"), ("exhausted", "java.lang.OutOfMemoryError")],
    )
    def test_ends_after_an_error_of_the_virtual_machine(self, run: Run, method: str, error_type: str) -> None:
        function = run(f"example.Failures::{method}")
        function.read()
        function.begin()
        error = function.read()
        assert (error.kind, error.json["errorType"]) == ("error", error_type)
        function.connection.send(ACCEPTED)
        assert function.status() == 1

    def test_ends_with_the_status_that_the_function_wants(self, run: Run) -> None:
        function = run("example.Failures::exit")
        function.read()
        function.begin()
        assert function.status() == 7

    def test_survives_an_error_in_another_thread(self, run: Run) -> None:
        function = run("example.Failures::thread")
        assert function.invoke().json is None
        assert "IllegalStateException: in a thread" in function.log()

    def test_gives_up_when_the_server_refuses_the_next_event(self, run: Run) -> None:
        function = run("example.Streaming")
        function.read()
        function.connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        assert function.status() == 1


NO_METHOD = "No public method named {} with appropriate method signature found on class example.Shapes"


@pytest.mark.parametrize(
    ("handler", "message", "error_type"),
    [
        ("com.example.Missing::handle", "Class not found: com.example.Missing", "java.lang.ClassNotFoundException"),
        ("com.example.Missing", "Class not found: com.example.Missing", "java.lang.ClassNotFoundException"),
        ("example.Shapes::missing", NO_METHOD.format("missing"), "java.lang.NoSuchMethodException"),
        ("example.Shapes::secret", NO_METHOD.format("secret"), "java.lang.NoSuchMethodException"),
        ("example.Shapes::twoEvents", NO_METHOD.format("twoEvents"), "java.lang.NoSuchMethodException"),
        (
            "example.Shapes",
            "Class example.Shapes does not implement an appropriate handler interface",
            "java.lang.ClassCastException",
        ),
        ("example.Shapes::", "Invalid handler: `example.Shapes::'", "java.lang.IllegalArgumentException"),
        ("", "Invalid handler: `'", "java.lang.IllegalArgumentException"),
        (
            "example.Failures$NoConstructor::handle",
            "Class example.Failures$NoConstructor has no public zero-argument constructor",
            "java.lang.NoSuchMethodException",
        ),
        (
            "example.Failures$Unfinished::handle",
            "Class example.Failures$Unfinished cannot be instantiated: it is abstract",
            "java.lang.InstantiationException",
        ),
        ("example.Failures$InConstructor::handle", "constructor", "java.lang.IllegalStateException"),
        (
            "example.Failures$InInitialiser::handle",
            "Error loading class example.Failures$InInitialiser",
            "java.lang.ExceptionInInitializerError",
        ),
    ],
)
def test_reports_what_cannot_be_initialised(run: Run, handler: str, message: str, error_type: str) -> None:
    function = run(handler)
    error = function.init_error()
    assert (error.json["errorMessage"], error.json["errorType"]) == (message, error_type)
    assert error.headers["lambda-runtime-function-error-type"] == error_type
    assert function.status() == 1
    assert message in function.log()


def test_says_what_is_missing_in_the_package(run: Run, java: str) -> None:
    error = run("example.Plain", classes(java, "example/Plain")).init_error().json
    assert (error["errorMessage"], error["errorType"]) == (
        "Error loading class example.Plain",
        "java.lang.NoClassDefFoundError",
    )
    assert "com.amazonaws.services.lambda.runtime.RequestHandler" in json.dumps(error["cause"])


class TestClasspath:
    def test_finds_classes_in_lib_and_in_layers(self, run: Run, java: str, tmp_path: Path) -> None:
        files = classes(java, "example/Plain")
        files["lib/core.jar"] = zipped(classes(java, "com/amazonaws"))
        layer = tmp_path / "opt/java/lib/more.jar"
        layer.parent.mkdir(parents=True)
        layer.write_bytes(zipped({**classes(java, "example/Failures"), "in-layer": b""}))
        function = run("example.Plain", files)
        assert function.invoke({"do": "class", "name": "example.Failures"}).json.startswith("example.Failures@")
        assert function.invoke({"do": "resource", "name": "/in-layer"}).json is True
        assert "ClassNotFoundException" in function.invoke({"do": "class", "name": "example.Streaming"}).json

    def test_does_not_show_more_of_the_bootstrap_than_it_must(self, run: Run) -> None:
        function = run("example.Plain")
        assert function.invoke({"do": "variable", "name": "LAMINA_LAYERS_ROOT"}).json is None


class TestFlags:
    @pytest.mark.parametrize(("memory", "heap"), [("128", 72), ("512", 409), ("3008", 2406)])
    def test_sizes_the_heap_by_the_memory(self, run: Run, memory: str, heap: int) -> None:
        function = run("example.Plain", AWS_LAMBDA_FUNCTION_MEMORY_SIZE=memory)
        assert heap * 0.94 < function.invoke({"do": "memory"}).json <= heap  # a survivor space does not count

    def test_honours_java_tool_options(self, run: Run) -> None:
        options = "-Xmx300m -XX:+UseParallelGC -XX:TieredStopAtLevel=4 -Dgiven=yes"
        function = run("example.Plain", JAVA_TOOL_OPTIONS=options)
        assert function.invoke({"do": "property", "name": "given"}).json == "yes"
        assert 250 < function.invoke({"do": "memory"}).json <= 300
        arguments = function.invoke({"do": "arguments"}).json
        assert [each for each in arguments if "Tiered" in each] == ["-XX:TieredStopAtLevel=4"]
        assert "Picked up JAVA_TOOL_OPTIONS" in function.log()

    def test_starts_through_a_wrapper(self, run: Run, tmp_path: Path) -> None:
        wrapper = tmp_path / "wrapper"
        wrapper.write_text('#!/bin/sh\nexport FROM_WRAPPER=yes\nexec "$@"\n')
        wrapper.chmod(0o755)
        function = run("example.Plain", AWS_LAMBDA_EXEC_WRAPPER=str(wrapper))
        assert function.invoke({"do": "variable", "name": "FROM_WRAPPER"}).json == "yes"
