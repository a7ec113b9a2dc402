"""What a Node.js handler gets, what becomes of what it gives, and what it writes."""

from __future__ import annotations

import json
import re

import pytest

from tests.unit.runtimes.conftest import ACCEPTED, Start, event

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
ECHO = {"index.js": "exports.handler = async (event) => event;\n"}


def handler(body: str) -> dict[str, str]:
    return {"index.js": f"exports.handler = async (event, context) => {{ {body} }};\n"}


def callback(body: str) -> dict[str, str]:
    return {"index.js": f"exports.handler = (event, context, callback) => {{ {body} }};\n"}


@pytest.fixture
def node_with_callbacks(node: str) -> str:
    if int(node.removeprefix("nodejs").removesuffix(".x")) >= 24:
        pytest.skip("AWS ended callbacks with Node.js 24")
    return node


def test_answers_and_asks_for_the_next_event_in_one_write(start: Start, node: str) -> None:
    function = start(node, ECHO)
    function.invoke("first")
    function.begin("second")
    received = function.connection.socket.recv(65536)
    assert received.startswith(b"POST /2018-06-01/runtime/invocation/request-2/response HTTP/1.1\r\n")
    assert b'"second"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n' in received


def test_reads_answers_that_come_in_pieces(start: Start, node: str) -> None:
    function = start(node, ECHO)
    function.read()
    for byte in event({"a": "ü"}, "request-1"):
        function.connection.send(bytes([byte]))
    assert function.read().json == {"a": "ü"}


def test_carries_large_payloads_both_ways(start: Start, node: str) -> None:
    payload = "x" * (6 * 1024 * 1024 - 2)
    assert start(node, ECHO).invoke(payload).json == payload


def test_connects_anew_when_the_server_has_closed_the_connection(start: Start, node: str) -> None:
    function = start(node, ECHO)
    function.invoke(1)
    function.connection.send(ACCEPTED)
    function.connection.socket.close()
    function.connect()
    assert function.read().kind == "next"
    function.connection.send(event(2, "request-2"))
    assert function.read().json == 2


@pytest.mark.parametrize(
    ("body", "expected"),
    [("", "null"), ("return {a: [1, null, undefined]}", '{"a":[1,null,null]}'), ("return () => 1", "null")],
)
def test_writes_results_as_aws_does(start: Start, node: str, body: str, expected: str) -> None:
    assert start(node, handler(body)).invoke().body.decode() == expected


def test_reports_what_has_no_json_form(start: Start, node: str) -> None:
    error = start(node, handler("return 1n")).invoke()
    assert (error.kind, error.json["errorMessage"]) == ("error", "Unable to stringify response body")


def test_reports_an_error_and_goes_on(start: Start, node: str) -> None:
    function = start(node, handler("if (event) throw new RangeError('no'); return 1"))
    error = function.invoke(True)
    assert error.path == "/2018-06-01/runtime/invocation/request-1/error"
    assert list(error.json) == ["errorType", "errorMessage", "trace"]
    assert (error.json["errorType"], error.json["errorMessage"]) == ("RangeError", "no")
    assert error.json["trace"][0] == "RangeError: no"
    assert re.match(rf'{TIME}\trequest-1\tERROR\tInvoke Error \t{{"errorType":"RangeError",', function.log())
    assert function.invoke(False).json == 1


def test_reports_what_is_not_an_error(start: Start, node: str) -> None:
    error = start(node, handler("throw 'text'")).invoke().json
    assert error == {"errorType": "string", "errorMessage": "text", "trace": []}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("callback(null, 1)", 1),
        ("callback()", None),
        ("setTimeout(() => callback(null, 2), 5)", 2),
        ("context.succeed(3)", 3),
        ("context.done(null, 4)", 4),
        ("return 'ignored'", None),
        ("setTimeout(() => {}, 5)", None),
        ("return Promise.resolve(5)", 5),
        ("let n = 0; setTimeout(() => { n = 6; }, 20); callback(null, {toJSON: () => n})", 6),
    ],
)
def test_knows_the_older_styles(start: Start, node_with_callbacks: str, body: str, expected: object) -> None:
    function = start(node_with_callbacks, callback(body))
    assert function.invoke().json == expected
    assert function.invoke().json == expected


@pytest.mark.parametrize(
    "body", ["callback(new Error('no'))", "context.fail(new Error('no'))", "throw new Error('no')"]
)
def test_reports_errors_of_the_older_styles(start: Start, node_with_callbacks: str, body: str) -> None:
    assert start(node_with_callbacks, callback(body)).invoke().json["errorMessage"] == "no"


def test_need_not_wait_for_the_event_loop(start: Start, node_with_callbacks: str) -> None:
    body = "context.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 1000); callback(null, 1)"
    assert start(node_with_callbacks, callback(body)).invoke().json == 1


def test_reports_a_promise_that_never_settles(start: Start, node: str) -> None:
    error = start(node, handler("await new Promise(() => {})")).invoke().json
    assert error["errorType"] == "Runtime.NodeJsExit"


@pytest.mark.parametrize(
    ("body", "error_type", "status"),
    [
        ("setTimeout(() => { throw new TypeError('late'); }, 1)", "TypeError", 129),
        ("Promise.reject(new TypeError('late'))", "Runtime.UnhandledPromiseRejection", 128),
    ],
)
def test_ends_after_an_error_nobody_handles(start: Start, node: str, body: str, error_type: str, status: int) -> None:
    function = start(node, handler(f"{body}; await new Promise((resolve) => setTimeout(resolve, 60000))"))
    function.read()
    function.begin()
    error = function.read()
    assert (error.path, error.json["errorType"]) == ("/2018-06-01/runtime/invocation/request-1/error", error_type)
    function.connection.send(ACCEPTED)
    assert function.status() == status


@pytest.mark.parametrize(("body", "status"), [("process.exit(7)", 7), ("process.kill(process.pid, 'SIGKILL')", -9)])
def test_ends_with_the_process(start: Start, node: str, body: str, status: int) -> None:
    function = start(node, handler(body))
    function.read()
    function.begin()
    assert function.status() == status


def test_gives_the_context_of_aws(start: Start, node: str) -> None:
    body = "const left = context.getRemainingTimeInMillis(); return {...context, left: left > 2000 && left <= 3000}"
    context = start(node, handler(body)).invoke(Client_Context='{"custom":{"k":"ü"}}', Trace_Id="Root=1").json
    context.pop("callbackWaitsForEmptyEventLoop", None)
    assert context == {
        "functionVersion": "$LATEST",
        "functionName": "f",
        "memoryLimitInMB": "128",
        "logGroupName": "/aws/lambda/f",
        "logStreamName": "stream",
        "clientContext": {"custom": {"k": "ü"}},
        "invokedFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "awsRequestId": "request-1",
        "left": True,
    }


def test_has_the_trace_of_each_invocation_in_the_environment(start: Start, node: str) -> None:
    function = start(node, handler("return process.env._X_AMZN_TRACE_ID"))
    assert function.invoke(Trace_Id="Root=1").json == "Root=1"
    assert function.invoke().json is None


def test_writes_console_lines_in_the_form_of_aws(start: Start, node: str) -> None:
    function = start(node, handler("console.log('a %d', 1, {b: 2}); console.warn('w'); process.stdout.write('raw')"))
    function.invoke()
    pattern = rf"{TIME}\trequest-1\tINFO\ta 1 {{ b: 2 }}\n{TIME}\trequest-1\tWARN\tw\nraw"
    assert re.fullmatch(pattern, function.log())


def test_large_output_is_there_before_the_response(start: Start, node: str) -> None:
    function = start(node, handler("process.stdout.write('x'.repeat(60000)); process.stderr.write('end')"))
    function.invoke()
    assert function.log() == "x" * 60000 + "end"


def test_loses_no_output_when_the_process_ends(start: Start, node: str) -> None:
    function = start(node, handler("process.stdout.write('x'.repeat(1 << 20)); process.exit(0)"))
    function.read()
    function.begin()
    written = ""
    while function.process.poll() is None:
        written += function.log()
    assert len(written + function.log()) == 1 << 20


def test_writes_json_lines(start: Start, node: str) -> None:
    body = (
        "console.info('a %d', 1); console.debug('hidden'); console.error('e', new TypeError('no')); console.log({k: 1})"
    )
    function = start(node, handler(body), AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO")
    function.invoke()
    first, second, third = map(json.loads, function.log().splitlines())
    assert re.fullmatch(TIME, first.pop("timestamp"))
    assert first == {"level": "INFO", "requestId": "request-1", "message": "a 1"}
    assert (second["level"], second["errorType"], second["errorMessage"]) == ("ERROR", "TypeError", "no")
    assert third["message"] == {"k": 1}


def test_gives_up_when_the_server_refuses_the_next_event(start: Start, node: str) -> None:
    function = start(node, ECHO)
    function.read()
    function.connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    assert function.status() != 0
