"""The ``go1.x`` runtime: a translator between the Runtime API and the protocol that Go programs spoke before it.

A function of this runtime is a program that serves Go's ``net/rpc`` at the port ``_LAMBDA_SERVER_PORT``; libraries that
were built without that (tag ``lambda.norpc``) use the Runtime API themselves, and then there is nothing to translate.
"""

import errno
import json
import os
import signal
import socket
import sys
import time

import gob

_RUNTIME_API = "/2018-06-01/runtime"
_FIRST_WAIT, _LONGEST_WAIT, _PATIENCE = 0.001, 0.02, 9.0
_TIMESTAMP = gob.Struct("InvokeRequest_Timestamp", [("Seconds", gob.INT), ("Nanos", gob.INT)])
_CALL = gob.Struct("Request", [("ServiceMethod", gob.STRING), ("Seq", gob.UINT)])
_PING = gob.Struct("PingRequest", [])
# The package ``messages`` of aws-lambda-go; fields are matched by name.
_INVOKE = gob.Struct(
    "InvokeRequest",
    [
        ("Payload", gob.BYTES),
        ("RequestId", gob.STRING),
        ("XAmznTraceId", gob.STRING),
        ("Deadline", _TIMESTAMP),
        ("InvokedFunctionArn", gob.STRING),
        ("CognitoIdentityId", gob.STRING),
        ("CognitoIdentityPoolId", gob.STRING),
        ("ClientContext", gob.BYTES),
    ],
)


class Refused(Exception):
    """The program answered a call with an error of its RPC service."""


class Lost(Exception):
    """The other end of a connection is gone."""


class Connection(object):
    """A connection that is read in exact pieces."""

    def __init__(self, place):
        self._socket = socket.create_connection(place)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb", 65536)

    def send(self, data):
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Lost(str(error)) from None

    def receive(self, size):
        data = self._read(self._stream.read, size)
        if len(data) < size:
            raise Lost("the connection was closed")
        return data

    def line(self):
        line = self._read(self._stream.readline, 65536)
        if not line.endswith(b"\n"):
            raise Lost("the connection was closed")
        return line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")

    def _read(self, read, size):
        try:
            return read(size)
        except OSError as error:
            raise Lost(str(error)) from None


class Program(object):
    """The function's process and its RPC service."""

    def __init__(self, path, port):
        environment = dict(os.environ, _LAMBDA_SERVER_PORT=str(port))
        self.pid = os.fork()
        if self.pid == 0:
            _become(path, environment)
        self._port = port
        self._sequence = 0
        self._encoder = gob.Encoder()

    def connect(self):
        """Wait until it listens; false for one that does not, because it uses the Runtime API itself.

        Nothing tells when another process has begun to listen, so this asks.
        """
        wait, deadline = _FIRST_WAIT, time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                self._connection = Connection(("127.0.0.1", self._port))
            except OSError as error:
                if error.errno != errno.ECONNREFUSED:
                    raise
            else:
                self._decoder = gob.Decoder(self._connection.receive)
                self.call("Function.Ping", _PING, {})
                return True
            self.check()
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
        return False

    def call(self, method, struct, value):
        """What the method answers."""
        self._sequence += 1
        head = {"ServiceMethod": method, "Seq": self._sequence}
        self._connection.send(self._encoder.encode(_CALL, head) + self._encoder.encode(struct, value))
        answer, result = self._decoder.decode(), self._decoder.decode()
        if answer.get("Error"):
            raise Refused("{}: {}".format(method, answer["Error"]))
        return result

    def check(self):
        """End as the process has ended, if it has."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            end_like(status)

    def wait(self):
        """Wait for its end, and end like it."""
        end_like(os.waitpid(self.pid, 0)[1])


def _become(path, environment):
    try:
        os.execve(path, [path], environment)
    finally:
        os._exit(127)


def end_like(status):
    """End with the same exit status, or by the same signal."""
    if not os.WIFSIGNALED(status):
        os._exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


class RuntimeApi(object):
    """The Runtime API. The answer to an invocation and the request for the next one leave in one write."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self._address = address
        self._connection = Connection((host, int(port)))

    def next(self):
        """Wait for the first invocation: headers by lower-case name, and the payload."""
        self._connection.send(self._request("GET", "/invocation/next"))
        return self._receive()

    def answer(self, request_id, what, body):
        """Send ``response`` or ``error`` and wait for the next invocation."""
        post = self._request("POST", "/invocation/{}/{}".format(request_id, what), body)
        self._connection.send(post + self._request("GET", "/invocation/next"))
        self._receive()
        return self._receive()

    def fail(self, path, body):
        """Report an error without asking for the next invocation."""
        self._connection.send(self._request("POST", path, body))
        self._receive()

    def _request(self, method, path, body=None):
        head = "{} {}{} HTTP/1.1\r\nHost: {}\r\n".format(method, _RUNTIME_API, path, self._address)
        if body is None:
            return (head + "\r\n").encode()
        kind = "application/vnd.aws.lambda.error+json" if path.endswith("/error") else "application/json"
        return "{}Content-Type: {}\r\nContent-Length: {}\r\n\r\n".format(head, kind, len(body)).encode() + body

    def _receive(self):
        self._connection.line()
        headers = {}
        for name, _, value in (line.partition(":") for line in iter(self._connection.line, "")):
            headers[name.lower()] = value.strip()
        return headers, self._connection.receive(int(headers.get("content-length", 0)))


def main():
    """Start the function's program and serve its invocations until either ends."""
    root = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    os.chdir(root)
    path = os.path.join(root, os.environ.get("_HANDLER", ""))
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        why = "no such file or directory" if not os.path.exists(path) else "permission denied"
        body = {"errorType": "PathError", "errorMessage": "fork/exec {}: {}".format(path, why)}
        print("{errorMessage}: {errorType}".format(**body), file=sys.stderr, flush=True)
        RuntimeApi(address).fail("/init/error", json.dumps(body).encode())
        os._exit(1)
    program = Program(path, _free_port())
    if not program.connect():
        program.wait()
    try:
        _serve(RuntimeApi(address), program)
    except Lost:
        os._exit(1)


def _serve(api, program):
    headers, payload = api.next()
    while True:
        request_id = headers["lambda-runtime-aws-request-id"]
        try:
            answer = program.call("Function.Invoke", _INVOKE, _request(headers, payload))
        except Lost:
            program.wait()
        except Refused as error:
            answer = {"Error": {"Message": str(error), "Type": "Runtime.ProtocolError"}}
        except gob.GobError as error:
            # Nobody knows where the next answer would begin.
            answer = {"Error": {"Message": str(error), "Type": "Runtime.ProtocolError", "ShouldExit": True}}
        fault = answer.get("Error")
        if fault is None:
            headers, payload = api.answer(request_id, "response", answer.get("Payload", b"null"))
        elif fault.get("ShouldExit"):
            api.fail("/invocation/{}/error".format(request_id), _error(fault))
            os.kill(program.pid, signal.SIGKILL)
            os._exit(1)
        else:
            headers, payload = api.answer(request_id, "error", _error(fault))


def _request(headers, payload):
    deadline_ms = int(headers.get("lambda-runtime-deadline-ms", 0))
    identity = json.loads(headers.get("lambda-runtime-cognito-identity") or "null") or {}
    return {
        "Payload": payload,
        "RequestId": headers["lambda-runtime-aws-request-id"],
        "XAmznTraceId": headers.get("lambda-runtime-trace-id", ""),
        "Deadline": {"Seconds": deadline_ms // 1000, "Nanos": deadline_ms % 1000 * 1000000},
        "InvokedFunctionArn": headers.get("lambda-runtime-invoked-function-arn", ""),
        "CognitoIdentityId": identity.get("cognitoIdentityId", ""),
        "CognitoIdentityPoolId": identity.get("cognitoIdentityPoolId", ""),
        "ClientContext": headers.get("lambda-runtime-client-context", "").encode("utf-8", "surrogateescape"),
    }


def _error(fault):
    """The error payload, with the keys of aws-lambda-go's own JSON."""
    payload = {"errorMessage": fault.get("Message", ""), "errorType": fault.get("Type", "")}
    frames = fault.get("StackTrace")
    if frames:
        names = (("path", "Path", ""), ("line", "Line", 0), ("label", "Label", ""))
        payload["stackTrace"] = [{key: frame.get(name, zero) for key, name, zero in names} for frame in frames]
    return json.dumps(payload, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
