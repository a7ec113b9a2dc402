"""What a Python handler gets, and what becomes of what it gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.runtimes.conftest import ACCEPTED, Function, Start, event

ECHO = {"index.py": "def handler(event, context):\n    return event\n"}


def handler(body: str) -> dict[str, str]:
    return {"index.py": f"def handler(event, context):\n    {body}\n"}


def test_answers_and_asks_for_the_next_event_in_one_write(start: Start, python: str) -> None:
    function = start(python, ECHO)
    function.invoke("first")
    function.begin("second")
    received = function.connection.socket.recv(65536)
    assert received.startswith(b"POST /2018-06-01/runtime/invocation/request-2/response HTTP/1.1\r\n")
    assert received.endswith(
        b'"second"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\n\r\n' % _host(function)
    )


def _host(function: Function) -> bytes:
    return function.environment["AWS_LAMBDA_RUNTIME_API"].encode()


def test_reads_answers_that_come_in_pieces(start: Start, python: str) -> None:
    function = start(python, ECHO)
    function.read()
    for byte in event({"a": "ü"}, "request-1"):
        function.connection.send(bytes([byte]))
    assert function.read().json == {"a": "ü"}


def test_reads_a_chunked_event(start: Start, python: str) -> None:
    function = start(python, ECHO)
    function.read()
    head = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nTransfer-Encoding: chunked\r\n\r\n"
    function.connection.send(head.encode() + b"4\r\n[1,2\r\n3;x=y\r\n,3]\r\n0\r\n\r\n")
    assert function.read().json == [1, 2, 3]


def test_carries_large_payloads_both_ways(start: Start, python: str) -> None:
    payload = "x" * (6 * 1024 * 1024 - 2)
    assert start(python, ECHO).invoke(payload).json == payload


def test_connects_anew_when_the_server_has_closed_the_connection(start: Start, python: str) -> None:
    function = start(python, ECHO)
    function.invoke(1)
    function.connection.send(ACCEPTED)
    function.connection.socket.close()
    function.connect()
    assert function.read().kind == "next"
    function.connection.send(event(2, "request-2"))
    assert function.read().json == 2


def test_ends_when_the_server_has_gone(start: Start, python: str) -> None:
    function = start(python, ECHO)
    function.invoke(1)
    function.listener.close()
    function.connection.socket.close()
    assert function.status() == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return None", "null"),
        ("pass", "null"),
        ("return {'a': [1, 2.5, True, None]}", '{"a": [1, 2.5, true, null]}'),
        ("import decimal; return decimal.Decimal('1.5')", "1.5"),
        ("return float('nan')", "NaN"),
        ("return (1, 2)", "[1, 2]"),
        (r"return '\ud800'", r'"\ud800"'),
    ],
)
def test_writes_results_as_aws_does(start: Start, python: str, body: str, expected: str) -> None:
    assert start(python, handler(body)).invoke().body.decode() == expected


def test_keeps_unicode_since_python_312(start: Start, python: str) -> None:
    expected = '"ü"' if int(python.partition(".")[2]) >= 12 else '"\\u00fc"'
    assert start(python, handler("return 'ü'")).invoke().body.decode() == expected


@pytest.mark.parametrize("value", ["{1}", "b'x'", "object()"])
def test_reports_what_has_no_json_form(start: Start, python: str, value: str) -> None:
    function = start(python, handler(f"return {value}"))
    error = function.invoke()
    kind = type(eval(value)).__name__
    assert error.path == "/2018-06-01/runtime/invocation/request-1/error"
    assert error.json == {
        "errorMessage": f"Unable to marshal response: Object of type {kind} is not JSON serializable",
        "errorType": "Runtime.MarshalError",
        "requestId": "request-1",
        "stackTrace": [],
    }


def test_does_not_await_coroutines(start: Start, python: str) -> None:
    source = {"index.py": "async def handler(event, context): return 1\n"}
    error = start(python, source).invoke().json
    assert error["errorMessage"] == "Unable to marshal response: Object of type coroutine is not JSON serializable"


def test_reports_an_event_that_is_not_json(start: Start, python: str) -> None:
    error = start(python, ECHO).invoke(b"{").json
    assert error["errorType"] == "Runtime.UnmarshalError"
    assert error["errorMessage"].startswith("Unable to unmarshal input: ")


def test_reports_an_exception_with_the_frames_of_the_function(start: Start, python: str, task_root: Path) -> None:
    source = "def fails():\n    raise KeyError('x')\n\ndef handler(event, context):\n    fails()\n"
    error = start(python, {"index.py": source}).invoke()
    file = f'  File "{task_root}/index.py"'
    trace = [f"{file}, line 5, in handler\n    fails()\n", f"{file}, line 2, in fails\n    raise KeyError('x')\n"]
    assert error.body.decode() == json.dumps(
        {"errorMessage": "'x'", "errorType": "KeyError", "requestId": "request-1", "stackTrace": trace}
    )
    assert error.headers["lambda-runtime-function-error-type"] == "KeyError"


def test_goes_on_after_an_exception(start: Start, python: str) -> None:
    function = start(python, handler("return 1 / event"))
    assert function.invoke(0).kind == "error"
    assert function.invoke(2).json == 0.5


def test_reports_an_exception_without_words(start: Start, python: str) -> None:
    source = (
        "class Mute(Exception):\n    def __str__(self): raise ValueError\n\ndef handler(event, context): raise Mute\n"
    )
    assert start(python, {"index.py": source}).invoke().json["errorType"] == "Mute"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("raise SystemExit(7)", 7),
        ("exit(8)", 8),
        ("import os; os._exit(9)", 9),
        ("import os; os.closerange(3, 100)", 1),
        ("import os; os.kill(os.getpid(), 9)", -9),
    ],
)
def test_ends_with_the_process(start: Start, python: str, body: str, status: int) -> None:
    function = start(python, handler(body))
    function.read()
    function.begin()
    assert function.status() == status


def test_gives_the_context_of_aws(start: Start, python: str) -> None:
    body = (
        "c = context; return [c.function_name, c.function_version, c.memory_limit_in_mb, c.log_group_name, "
        "c.log_stream_name, c.aws_request_id, c.invoked_function_arn, c.client_context, "
        "c.identity.cognito_identity_id, c.tenant_id, 2000 < c.get_remaining_time_in_millis() <= 3000]"
    )
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
    assert start(python, handler(body)).invoke().json == [
        *("f", "$LATEST", "128", "/aws/lambda/f", "stream", "request-1", arn),
        *(None, None, None, True),
    ]


def test_gives_the_context_of_the_client(start: Start, python: str) -> None:
    body = (
        "c = context.client_context; return [c.custom, c.env, c.client.app_title, c.client.installation_id, "
        "context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id, context.tenant_id]"
    )
    client = {"custom": {"k": "ü"}, "env": {"locale": "de"}, "client": {"app_title": "T"}}
    answer = start(python, handler(body)).invoke(
        Client_Context=json.dumps(client, ensure_ascii=False),
        Cognito_Identity=json.dumps({"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"}),
        Aws_Tenant_Id="tenant",
    )
    assert answer.json == [{"k": "ü"}, {"locale": "de"}, "T", None, "i", "p", "tenant"]


def test_has_the_trace_of_each_invocation_in_the_environment(start: Start, python: str) -> None:
    function = start(python, handler("import os; return os.environ.get('_X_AMZN_TRACE_ID')"))
    assert function.invoke(Trace_Id="Root=1").json == "Root=1"
    assert function.invoke(Trace_Id="Root=2").json == "Root=2"
    assert function.invoke().json is None


def test_gives_up_when_the_server_refuses_the_next_event(start: Start, python: str) -> None:
    function = start(python, ECHO)
    function.read()
    function.connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    assert function.status() == 1


def test_a_refused_response_is_the_servers_business(start: Start, python: str) -> None:
    function = start(python, ECHO)
    function.invoke(1)
    function.connection.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}" + event(2, "request-2"))
    assert function.read().json == 2
