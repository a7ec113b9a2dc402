"""What a Python 2.7 handler gets, and what becomes of what it gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.runtimes import Runtimes, RuntimeUnavailable, SearchPath
from tests.unit.runtimes.conftest import ACCEPTED, Start, event, wait_until_it_reads, write
from tests.unit.runtimes.test_runtimes import program

NAME = "python2.7"
needs_python2 = pytest.mark.skipif(NAME not in Runtimes.discover().names, reason="there is no Python 2.7 here")
ECHO = {"index.py": "def handler(event, context):\n    return event\n"}


def handler(body: str) -> dict[str, str]:
    return {"index.py": f"# coding: utf-8\ndef handler(event, context):\n    {body}\n"}


@needs_python2
def test_answers_and_asks_for_the_next_event_in_one_write(start: Start) -> None:
    function = start(NAME, ECHO)
    function.invoke("first")
    function.begin("second")
    received = function.connection.socket.recv(65536)
    assert received.startswith(b"POST /2018-06-01/runtime/invocation/request-2/response HTTP/1.1\r\n")
    assert b'"second"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n' in received


@needs_python2
def test_reads_answers_in_pieces_and_in_chunks(start: Start) -> None:
    function = start(NAME, ECHO)
    function.read()
    for byte in event({"a": "ü"}, "request-1"):
        function.connection.send(bytes([byte]))
    assert function.read().json == {"a": "ü"}
    assert function.read().kind == "next"
    head = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nTransfer-Encoding: chunked\r\n\r\n"
    function.connection.send(ACCEPTED + head.encode() + b"4\r\n[1,2\r\n3;x=y\r\n,3]\r\n0\r\n\r\n")
    assert function.read().json == [1, 2, 3]


@needs_python2
def test_carries_large_payloads_both_ways(start: Start) -> None:
    payload = "x" * (6 * 1024 * 1024 - 2)
    assert start(NAME, ECHO).invoke(payload).json == payload


@needs_python2
def test_connects_anew_when_the_server_has_closed_the_connection(start: Start) -> None:
    function = start(NAME, ECHO)
    function.invoke(1)
    function.connection.send(ACCEPTED)
    function.connection.socket.close()
    function.connect()
    assert function.read().kind == "next"
    function.connection.send(event(2, "request-2"))
    assert function.read().json == 2


@needs_python2
def test_reports_an_exception_and_goes_on(start: Start, task_root: Path) -> None:
    function = start(NAME, handler("if event == 1: raise ValueError('no lück')\n    return event"))
    error = function.invoke(1)
    assert error.path == "/2018-06-01/runtime/invocation/request-1/error"
    assert error.json == {
        "errorMessage": "no lück",
        "errorType": "ValueError",
        "stackTrace": [[f"{task_root}/index.py", 3, "handler", "if event == 1: raise ValueError('no lück')"]],
    }
    assert function.log().startswith(f'no lück: ValueError\nTraceback (most recent call last):\n  File "{task_root}')
    assert function.invoke(2).json == 2


@needs_python2
@pytest.mark.parametrize(
    ("files", "name", "kind", "message"),
    [
        ({}, "index.handler", "Runtime.ImportModuleError", "Unable to import module 'index': No module named index"),
        ({"index.py": ""}, "index.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'index'"),
        ({"index.py": "def ("}, "index.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'index'"),
        ({"index.py": "1 / 0"}, "index.handler", "ZeroDivisionError", "integer division or modulo by zero"),
        ({}, "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler'"),
    ],
)
def test_reports_why_it_cannot_be_initialised(
    start: Start, files: dict[str, str], name: str, kind: str, message: str
) -> None:
    function = start(NAME, files, name)
    error = function.init_error().json
    assert error["errorType"] == kind
    assert error["errorMessage"].startswith(message)
    assert function.status() == 1


@needs_python2
def test_reports_what_has_no_json_form(start: Start) -> None:
    error = start(NAME, handler("return {1}")).invoke().json
    assert error["errorType"] == "Runtime.MarshalError"
    assert error["errorMessage"] == "Unable to marshal response: set([1]) is not JSON serializable"


@needs_python2
def test_context_and_trace(start: Start) -> None:
    body = (
        "import os; return [context.aws_request_id, context.function_name, context.memory_limit_in_mb,"
        " context.client_context.custom, context.identity.cognito_identity_id, os.environ['_X_AMZN_TRACE_ID'],"
        " 0 < context.get_remaining_time_in_millis() <= 3000]"
    )
    answer = start(NAME, handler(body)).invoke(
        None, Client_Context=json.dumps({"custom": {"k": "v"}}), Trace_Id="Root=1"
    )
    assert answer.json == ["request-1", "f", "128", {"k": "v"}, None, "Root=1", True]


@needs_python2
def test_prints_and_logs_text_of_every_kind(start: Start) -> None:
    body = "import logging; print(u'ä'); logging.getLogger().warning(u'ö %s', 1)"
    function = start(NAME, handler(body), PYTHONIOENCODING="UTF-8")
    function.invoke()
    first, second = function.log().splitlines()
    assert first == "ä"
    assert second.startswith("[WARNING]\t20")
    assert second.endswith("Z\trequest-1\tö 1")


@needs_python2
def test_a_generic_process_becomes_the_function(start: Start, task_root: Path) -> None:
    function = start(NAME, {}, generic=True, OWN="ü")
    write(task_root, handler("import os; return [dict(os.environ), os.getcwd(), os.getpid()]"))
    function.specialise()
    environment, directory, process = function.invoke().json
    assert environment == {k: v for k, v in function.environment.items() if k != "LAMINA_LAYERS_ROOT"}
    assert (directory, process) == (str(task_root), function.process.pid)


@needs_python2
def test_a_generic_process_starts_anew_for_library_directories_that_have_come(start: Start, task_root: Path) -> None:
    path = f"{task_root}/lib"
    function = start(
        NAME,
        handler("import os; return os.environ['LD_LIBRARY_PATH']"),
        generic=True,
        exec_environment={"LD_LIBRARY_PATH": path},
        LD_LIBRARY_PATH=path,
    )
    wait_until_it_reads(function.process.pid)
    (task_root / "lib").mkdir()
    function.specialise()
    assert function.invoke().json == path


def test_is_found_with_its_library_only(tmp_path: Path) -> None:
    file = program(tmp_path / "2.7.18/bin/python2.7", b"\x7fELF\x002.7.18\0")
    search = SearchPath(programs=(), pythons=(tmp_path,))
    with pytest.raises(
        RuntimeUnavailable, match=r"No Python 2\.7 was found: looked for python2\.7 in no directory, and"
    ):
        Runtimes.discover(search).resolve(NAME)
    (tmp_path / "2.7.18/lib/python2.7").mkdir(parents=True)
    (tmp_path / "2.7.18/lib/python2.7/os.py").touch()
    found = Runtimes.discover(search).resolve(NAME)
    assert (found.version_label, found.origin) == ("python:2.7.v18", str(file))
    assert found.argv == ("/var/lang/bin/python2.7", "-u", "-S", "/var/runtime/bootstrap.py")
