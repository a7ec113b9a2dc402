"""Responses that are streamed, through the API and back to boto3, which checks every frame."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo._service import Service
from lamina.runtimes import Runtimes

from ._waiting import Recorder, until
from .conftest import Functions, client, package

NODE = next((name for name in Runtimes.discover().names if name.startswith("nodejs")), None)
MEGABYTE = 1_048_576

NEVER = "await new Promise(() => {})"

needs_node = pytest.mark.skipif(NODE is None, reason="there is no Node.js here")
needs_python = pytest.mark.skipif(
    shutil.which("python3", path="/usr/bin:/bin") is None, reason="there is no /usr/bin/python3 here"
)

# What a function of any length is made of: pieces that are not all the same.
LONG = """
const { once } = require("events");
const ME = require("crypto").randomUUID();
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  if (event.who) { stream.end(ME); return; }
  const piece = Buffer.alloc(65536);
  for (let n = 0; n < event.pieces; n++) {
    piece.writeUInt32BE(n);
    if (!stream.write(Buffer.from(piece))) await once(stream, "drain");
  }
  stream.end();
  console.log("SENT ALL");
});
"""

# A runtime of a package's own over a plain socket. The event says what it does after the pieces: fail, close the
# connection, exit, hang; or that it gives a whole response.
BOOTSTRAP = r"""#!/usr/bin/python3 -S
import base64, json, os, socket, sys, time
HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
PATH = "/2018-06-01/runtime/invocation/"

def connect():
    global api, file
    api = socket.create_connection((HOST, int(PORT)))
    file = api.makefile("rb")

def answer():
    status, headers = file.readline().split()[1], {}
    while (line := file.readline()) != b"\r\n":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return status, headers, file.read(int(headers["content-length"]))

def chunk(text):
    api.sendall(b"%x\r\n%b\r\n" % (len(text), text))

connect()
while True:
    api.sendall(f"GET {PATH}next HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    _, headers, body = answer()
    event = json.loads(body)
    target = f"POST {PATH}{headers['lambda-runtime-aws-request-id']}/response HTTP/1.1\r\nHost: x\r\n"
    if event.get("whole"):
        api.sendall(f"{target}Content-Length: {event['whole']}\r\n\r\n".encode() + b"x" * event["whole"])
        answer()
        continue
    target += "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n"
    api.sendall(target.encode())
    for piece in event["pieces"]:
        chunk(piece.encode())
    print("SENT", flush=True)
    what = event.get("then")
    if what == "close":
        api.close()
        connect()
        continue
    if what == "exit":
        sys.exit(7)
    if what == "hang":
        time.sleep(60)
    late = b""
    if what == "fail":
        error = base64.b64encode(b'{"errorType":"Late","errorMessage":"so it goes"}')
        late = b"Lambda-Runtime-Function-Error-Type: Late\r\nLambda-Runtime-Function-Error-Body: " + error + b"\r\n"
    api.sendall(b"0\r\n" + late + b"\r\n")
    answer()
"""

# The same in a shell: it sends a word a time, and takes its time.
SHELL = r"""#!/bin/bash
exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API##*:}"
path=/2018-06-01/runtime/invocation
answer() {
    local line
    while IFS= read -r line <&3 && line="${line%$'\r'}" && [ -n "$line" ]; do
        case "${line,,}" in
            lambda-runtime-aws-request-id:*) id="${line#*: }" ;;
            content-length:*) length="${line#*: }" ;;
        esac
    done
    IFS= read -r -N "$length" body <&3
}
while :; do
    printf 'GET %s/next HTTP/1.1\r\nHost: x\r\n\r\n' "$path" >&3
    answer
    printf 'POST %s/%s/response HTTP/1.1\r\nHost: x\r\n' "$path" "$id" >&3
    printf 'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n' >&3
    for word in one two three; do
        printf '%x\r\n%s\r\n' "${#word}" "$word" >&3
        sleep 0.2
    done
    printf '0\r\n\r\n' >&3
    answer
done
"""


class Streamed:
    """An answer of InvokeWithResponseStream, read event by event."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self._events = iter(answer["EventStream"])
        self.complete: dict[str, Any] | None = None

    def piece(self) -> bytes:
        """The next piece; nothing at the end."""
        event = next(self._events)
        if "PayloadChunk" in event:
            return bytes(event["PayloadChunk"]["Payload"])
        self.complete = event["InvokeComplete"]
        assert list(self._events) == []
        return b""

    def rest(self) -> bytes:
        """All that is still to come."""
        return b"".join(iter(self.piece, b""))

    @property
    def error(self) -> Any:
        """The error's details, after the end."""
        assert self.complete is not None
        return json.loads(self.complete["ErrorDetails"])

    def hang_up(self) -> None:
        self.answer["EventStream"].close()


class Streams:
    """Makes and calls functions that stream."""

    def __init__(self, functions: Functions) -> None:
        self.functions = functions
        self.client = functions.client

    def node(self, source: str, **members: Any) -> str:
        code = {"ZipFile": package(source, "app.js")}
        return self.functions.create("", **{"Runtime": NODE, "Code": code, "Timeout": 20, **members})

    def own(self, source: str = BOOTSTRAP, **members: Any) -> str:
        code = {"ZipFile": package(source, "bootstrap", 0o755)}
        return self.functions.create("", **{"Runtime": "provided.al2023", "Code": code, "Timeout": 20, **members})

    def call(self, name: str, event: Any = None, **members: Any) -> Streamed:
        payload = json.dumps(event or {})
        return Streamed(self.client.invoke_with_response_stream(FunctionName=name, Payload=payload, **members))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose Node.js may be one that AWS has ended."""
    started = Service(tmp_path_factory.mktemp("streaming") / "data", "--deprecated-runtimes", "allow")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def streams(service: Service) -> Streams:
    return Streams(Functions(client(service.address, read_timeout=30)))


@pytest.fixture(scope="module")
def long(streams: Streams) -> str:
    return streams.node(LONG)


@pytest.fixture(scope="module")
def own(streams: Streams) -> str:
    return streams.own()


@pytest.fixture(scope="module")
def plain(streams: Streams) -> str:
    return streams.functions.create("def handler(event, context): return 1 / event['by']\n")


def expected(pieces: int) -> str:
    """The digest of what LONG sends."""
    digest = hashlib.sha256()
    for number in range(pieces):
        digest.update(number.to_bytes(4, "big") + bytes(65532))
    return digest.hexdigest()


@needs_node
def test_a_piece_arrives_before_the_function_has_ended(streams: Streams) -> None:
    name = streams.node(LONG)
    streams.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    streamed = streams.call(name, {"pieces": 1000})  # Far more than sockets hold: it cannot end unless it is read.
    assert streamed.answer["ExecutedVersion"] == "$LATEST"
    assert streamed.answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    assert streamed.piece()
    with pytest.raises(ClientError) as busy:
        streams.call(name, {"who": True})
    assert busy.value.response["Error"]["Code"] == "TooManyRequestsException"
    streamed.rest()
    assert streamed.complete == {}
    assert streams.call(name, {"who": True}).rest()


@needs_node
def test_fifty_megabytes_do_not_stay_in_memory(start: Callable[..., Service]) -> None:
    service = start("--deprecated-runtimes", "allow")
    streams = Streams(Functions(client(service.address, read_timeout=30)))
    name = streams.node(LONG)
    streams.call(name, {"pieces": 16}).rest()
    before = peak(service)
    streamed = streams.call(name, {"pieces": 800})
    digest = hashlib.sha256(streamed.piece())
    stays(lambda: peak(service))  # All that is going to be taken in while nobody reads has been.
    for piece in iter(streamed.piece, b""):
        digest.update(piece)
    assert digest.hexdigest() == expected(800)
    assert peak(service) - before < 8 * MEGABYTE


def peak(service: Service) -> int:
    """The most memory that the server has had, in bytes."""
    status = Path(f"/proc/{service._process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def stays(value: Callable[[], int]) -> None:
    """Wait until a value has not changed for a while."""
    seen, since = value(), time.monotonic()
    while time.monotonic() - since < 0.3:
        time.sleep(0.02)
        if value() != seen:
            seen, since = value(), time.monotonic()


@needs_node
def test_two_hundred_megabytes_are_the_most(streams: Streams, long: str) -> None:
    me = streams.call(long, {"who": True}).rest()
    streamed = streams.call(long, {"pieces": 3201})
    assert sum(map(len, iter(streamed.piece, b""))) == 200 * MEGABYTE
    assert streamed.error == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size (209715200 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
    assert streams.call(long, {"who": True}).rest() == me


@needs_node
def test_a_caller_that_hangs_up_does_not_end_the_function(streams: Streams, service: Service, long: str) -> None:
    me = streams.call(long, {"who": True}).rest()
    recorder = Recorder(client(service.address, "logs"))
    ended = recorder.ended(long)
    streamed = streams.call(long, {"pieces": 800})
    streamed.piece()
    streamed.hang_up()
    until(lambda: recorder.ended(long) > ended)
    assert "SENT ALL" in log(service, long)
    assert streams.call(long, {"who": True}).rest() == me


def log(service: Service, name: str) -> str:
    events = client(service.address, "logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    return "".join(event["message"] for event in events)


@needs_node
def test_sixteen_at_once(streams: Streams, long: str) -> None:
    def one(_: int) -> str:
        return hashlib.sha256(streams.call(long, {"pieces": 40}).rest()).hexdigest()

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(one, range(16))) == {expected(40)}


@needs_node
def test_a_prelude_goes_through_as_it_is(streams: Streams) -> None:
    name = streams.node("""
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "x-name": context.functionName } });
  if (event.body) stream.write(event.body);
  stream.end();
});
""")
    for body in ("the body", ""):
        streamed = streams.call(name, {"body": body})
        prelude, _, rest = streamed.rest().partition(b"\0" * 8)
        assert json.loads(prelude) == {"statusCode": 201, "headers": {"x-name": name}}
        assert rest == body.encode()


@needs_node
def test_a_pipeline(streams: Streams) -> None:
    name = streams.node("""
const { pipeline } = require("stream/promises");
const { Readable } = require("stream");
const zlib = require("zlib");
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType("application/gzip");
  await pipeline(Readable.from(event.lines), zlib.createGzip(), zlib.createGunzip(), stream);
});
""")
    assert streams.call(name, {"lines": ["one ", "two ", "three"]}).rest() == b"one two three"


@needs_node
@pytest.mark.parametrize(
    ("body", "sent", "error"),
    [
        ("throw new RangeError('at once')", b"", ("RangeError", "at once")),
        ("stream.write('part'); throw new RangeError('late')", b"part", ("RangeError", "late")),
        ("stream.write('part')", b"part", ("Runtime.StreamNotFinished", "Response stream is not finished.")),
        ("stream.write('part'); stream.destroy(new TypeError('gone'))", b"part", ("TypeError", "gone")),
        ("stream.write('part'); stream.destroy()", b"part", ("Runtime.StreamNotFinished", None)),
        (
            f"stream.write('part'); setTimeout(() => {{ throw new Error('far') }}, 1); {NEVER}",
            b"part",
            ("Error", "far"),
        ),
        (f"stream.write('part'); {NEVER}", b"part", ("Runtime.NodeJsExit", None)),
        ("stream.write({ a: 1 }); stream.end('.')", b'{"a":1}.', None),
        ("stream.end()", b"", None),
        ("stream.end('all'); throw new Error('in time')", b"all", ("Error", "in time")),
        ("stream.end('all'); await new Promise((r) => stream.on('finish', r)); throw 1", b"all", None),
        ("setTimeout(() => stream.end('later'), 10)", b"later", None),
    ],
)
def test_ends_of_node_functions(streams: Streams, body: str, sent: bytes, error: tuple[str, str | None] | None) -> None:
    name = streams.node(f"exports.handler = awslambda.streamifyResponse(async (event, stream) => {{ {body} }});")
    for _ in range(2):
        streamed = streams.call(name)
        assert streamed.rest() == sent
        if error is None:
            assert streamed.complete == {}
        else:
            assert streamed.complete is not None
            assert streamed.complete["ErrorCode"] == streamed.error["errorType"] == error[0]
            assert error[1] in (None, streamed.error["errorMessage"])


@needs_node
def test_invoke_collects_a_stream(streams: Streams, long: str) -> None:
    answer = streams.client.invoke(FunctionName=long, Payload=b'{"pieces": 90}')
    assert hashlib.sha256(answer["Payload"].read()).hexdigest() == expected(90)
    answer = streams.client.invoke(FunctionName=long, Payload=b'{"pieces": 97}')
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"
    assert streams.call(long, {"who": True}).rest()


@needs_python
def test_a_runtime_of_its_own_streams(streams: Streams, own: str) -> None:
    streamed = streams.call(own, {"pieces": ["one ", "two"]}, LogType="Tail")
    assert streamed.rest() == b"one two"
    assert streamed.complete is not None
    lines = base64.b64decode(streamed.complete["LogResult"]).decode().splitlines()
    assert [line.split()[0] for line in lines] == ["START", "SENT", "END", "REPORT"]


@pytest.mark.skipif(shutil.which("bash", path="/usr/bin:/bin") is None, reason="there is no bash here")
def test_a_shell_streams(streams: Streams) -> None:
    name = streams.own(SHELL)
    for _ in range(2):
        streamed = streams.call(name)
        assert streamed.piece() == b"one"
        assert streamed.rest() == b"twothree"
        assert streamed.complete == {}


@needs_python
@pytest.mark.parametrize(
    ("then", "error_type"),
    [
        ("fail", "Late"),
        ("close", "Runtime.TruncatedResponse"),
        ("exit", "Runtime.ExitError"),
    ],
)
def test_errors_in_the_middle(streams: Streams, own: str, then: str, error_type: str) -> None:
    streamed = streams.call(own, {"pieces": ["a part"], "then": then})
    assert streamed.rest() == b"a part"
    assert streamed.complete is not None
    assert streamed.complete["ErrorCode"] == streamed.error["errorType"] == error_type
    assert streams.call(own, {"pieces": ["fine"]}).rest() == b"fine"
    collected = streams.client.invoke(FunctionName=own, Payload=json.dumps({"pieces": ["a part"], "then": then}))
    assert json.loads(collected["Payload"].read())["errorType"] == error_type


@needs_python
def test_a_timeout_in_the_middle(streams: Streams) -> None:
    name = streams.own(Timeout=1)
    streamed = streams.call(name, {"pieces": ["a part"], "then": "hang"})
    assert streamed.piece() == b"a part"
    assert streamed.rest() == b""
    assert streamed.error["errorType"] == "Sandbox.Timedout"
    assert streams.call(name, {"pieces": ["fine"]}).rest() == b"fine"


@needs_python
def test_a_whole_response_is_one_piece(streams: Streams, own: str) -> None:
    streamed = streams.call(own, {"whole": 6_000_000})
    assert len(streamed.piece()) == 6_000_000
    assert streamed.piece() == b""
    streamed = streams.call(own, {"whole": 6_291_557})
    assert streamed.rest() == b""
    assert streamed.error["errorType"] == "Function.ResponseSizeTooLarge"


def test_a_function_that_does_not_stream(streams: Streams, plain: str) -> None:
    streamed = streams.call(plain, {"by": 2})
    assert streamed.rest() == b"0.5"
    assert streamed.complete == {}
    streamed = streams.call(plain, {"by": 0})
    assert streamed.rest() == b""
    assert streamed.complete is not None
    assert streamed.complete["ErrorCode"] == "ZeroDivisionError"
    assert streamed.error["errorMessage"] == "division by zero"


def test_versions_contexts_and_dry_runs(streams: Streams) -> None:
    source = "def handler(event, context): return [context.invoked_function_arn, context.client_context.custom]\n"
    name = streams.functions.create(source)
    version = streams.client.publish_version(FunctionName=name)["Version"]
    context = base64.b64encode(b'{"custom": {"a": "b"}}').decode()
    streamed = streams.call(name, Qualifier=version, ClientContext=context)
    assert streamed.answer["ExecutedVersion"] == version
    arn, custom = json.loads(streamed.rest())
    assert arn.endswith(f":function:{name}:{version}")
    assert custom == {"a": "b"}
    dry = streams.client.invoke_with_response_stream(FunctionName=name, InvocationType="DryRun")
    assert dry["StatusCode"] == 204


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"FunctionName": "not-there"}, "ResourceNotFoundException"),
        ({"Qualifier": "9"}, "ResourceNotFoundException"),
        ({"Payload": b"{"}, "InvalidRequestContentException"),
        ({"Payload": b'"' + b"x" * 6_291_456 + b'"'}, "RequestEntityTooLargeException"),
        ({"ClientContext": "no base64"}, "InvalidParameterValueException"),
        ({"InvocationType": "Event"}, "ValidationException"),
        ({"TenantId": "t"}, "InvalidParameterValueException"),
    ],
)
def test_what_fails_before_it_begins_is_an_ordinary_error(
    streams: Streams, plain: str, members: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        streams.client.invoke_with_response_stream(**{"FunctionName": plain, **members})
    assert refused.value.response["Error"]["Code"] == code
