"""Functions that misbehave: the right error, the environment replaced, the next invocation unharmed."""

from __future__ import annotations

import base64
import json
import time

import pytest

from .conftest import Functions


def code(body: str) -> str:
    """A handler that does ``body`` when asked to, and else answers ``fine``."""
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    return f"import os, sys, time\ndef handler(event, context):\n    if event == 'now':\n{lines}\n    return 'fine'\n"


def test_a_handler_that_is_not_there(functions: Functions) -> None:
    error = functions.fail(functions.create("x = 1"))
    assert error["errorType"] == "Runtime.HandlerNotFound"
    assert error["errorMessage"] == "Handler 'handler' missing on module 'app'"


def test_a_module_that_is_not_there(functions: Functions) -> None:
    error = functions.fail(functions.create("x = 1", Handler="other.handler"))
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == "Unable to import module 'other': No module named 'other'"


def test_a_module_that_does_not_compile(functions: Functions) -> None:
    error = functions.fail(functions.create("def handler(:"))
    assert error["errorType"] == "Runtime.UserCodeSyntaxError"


def test_an_exception_at_import(functions: Functions) -> None:
    error = functions.fail(functions.create("raise RuntimeError('no')"))
    assert (error["errorType"], error["errorMessage"], error["requestId"]) == ("RuntimeError", "no", "")


def test_an_exception_in_the_handler(functions: Functions) -> None:
    name = functions.create(code("raise Exception('Handler fails')"))
    answer = functions.client.invoke(FunctionName=name, Payload=b'"now"')
    error = json.loads(answer["Payload"].read())
    assert list(error) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert error["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert error["stackTrace"] == [
        "  File \"/var/task/app.py\", line 4, in handler\n    raise Exception('Handler fails')\n"
    ]
    assert functions.call(name) == "fine"


def test_a_result_that_is_not_json(functions: Functions) -> None:
    error = functions.fail(functions.create(code("return {1, 2}")), "now")
    assert error["errorType"] == "Runtime.MarshalError"
    assert error["errorMessage"] == "Unable to marshal response: Object of type set is not JSON serializable"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit(0)", "Runtime exited without providing a reason"),
        ("os._exit(7)", "Runtime exited with error: exit status 7"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("os.kill(os.getpid(), 11)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_an_end_of_the_process(functions: Functions, body: str, reason: str) -> None:
    name = functions.create(code(body))
    error = functions.fail(name, "now")
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith(f"Error: {reason}")
    assert functions.call(name) == "fine"


def test_a_timeout(functions: Functions) -> None:
    name = functions.create(code("while True: pass"), Timeout=1)
    error = functions.fail(name, "now")
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert functions.call(name) == "fine"


@pytest.mark.slow
def test_a_hang_at_import(functions: Functions) -> None:
    error = functions.fail(functions.create("import time\nwhile True: time.sleep(1)\n"))
    assert error["errorType"] == "Sandbox.Timedout"


def test_too_much_memory(functions: Functions) -> None:
    name = functions.create(code("x = bytearray(400 * 1024 * 1024)\nfor i in range(0, len(x), 4096): x[i] = 1"))
    error = functions.fail(name, "now")
    assert error["errorType"] in {"Runtime.ExitError", "MemoryError"}
    assert functions.call(name) == "fine"


def test_a_thousand_children(functions: Functions) -> None:
    body = """
children = []
try:
    for _ in range(3000):
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        children.append(pid)
except (OSError, MemoryError) as error:
    return len(children)
"""
    name = functions.create(code(body), Timeout=20, MemorySize=1024)
    answer = functions.client.invoke(FunctionName=name, Payload=b'"now"')
    if "FunctionError" not in answer:
        assert json.loads(answer["Payload"].read()) < 1100
    assert functions.call(functions.create(code("pass"))) == "fine"


def test_a_full_tmp(functions: Functions) -> None:
    body = """
try:
    with open('/tmp/full', 'wb') as file:
        while True:
            file.write(b'x' * 1048576)
except OSError as error:
    return [error.errno, os.path.getsize('/tmp/full') // 1048576]
"""
    name = functions.create(code(body), Timeout=60, MemorySize=1024)
    errno, megabytes = functions.call(name, "now")
    assert errno == 28
    assert 400 < megabytes < 520
    assert functions.call(name) == "fine"


def test_closed_sockets(functions: Functions) -> None:
    name = functions.create(code("os.closerange(3, 200)"), Timeout=2)
    error = functions.fail(name, "now")
    assert error["errorType"] in {"Runtime.ExitError", "Sandbox.Timedout"}
    assert functions.call(name) == "fine"


@pytest.mark.slow
def test_a_gigabyte_of_output(functions: Functions) -> None:
    name = functions.create(code("line = 'x' * 999\nwhile True: print(line)"), Timeout=5)
    other = functions.create(code("pass"))
    functions.call(other)
    error = functions.fail(name, "now")
    assert error["errorType"] == "Sandbox.Timedout"
    assert functions.call(name) == "fine"
    assert functions.call(other) == "fine"


def test_a_result_that_is_too_large(functions: Functions) -> None:
    error = functions.fail(functions.create(code("return 'x' * 6291556")), "now")
    assert error["errorType"] == "Function.ResponseSizeTooLarge"


def test_the_code_is_read_only(functions: Functions) -> None:
    name = functions.create(code("open('/var/task/x', 'w')"))
    assert functions.fail(name, "now")["errorType"] in {"OSError", "PermissionError"}


def test_the_log_tail(functions: Functions) -> None:
    name = functions.create(code("print('printed')"))
    answer = functions.client.invoke(FunctionName=name, Payload=b'"now"', LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    request_id = answer["ResponseMetadata"]["RequestId"]
    start, printed, end, report = tail.splitlines()
    assert start == f"START RequestId: {request_id} Version: $LATEST"
    assert printed == "printed"
    assert end == f"END RequestId: {request_id}"
    assert report.startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    assert "Init Duration" in report


def test_background_threads_do_not_stop_the_next_invocation(functions: Functions) -> None:
    body = "import threading\nthreading.Thread(target=lambda: time.sleep(30), daemon=True).start()"
    name = functions.create(code(body))
    functions.call(name, "now")
    time.sleep(0.3)
    assert functions.call(name) == "fine"
