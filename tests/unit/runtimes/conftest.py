"""Functions that run in a plain process, without a sandbox, against a Runtime API of the test's own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lamina.runtimes import Runtime, Runtimes

_PATIENCE = 20.0
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

_VARIABLES = {
    "TZ": ":UTC",
    "AWS_LAMBDA_FUNCTION_NAME": "f",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
    "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a runtime."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """The last part of the path: ``next``, ``response`` or ``error``."""
        return self.path.rpartition("/")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """The server's end of a runtime's connection."""

    def __init__(self, accepted: socket.socket) -> None:
        accepted.settimeout(_PATIENCE)
        self.socket = accepted
        self.received = b""

    def read(self) -> Request:
        """The next request. Raises ``EOFError`` when the runtime has gone."""
        while b"\r\n\r\n" not in self.received:
            self._more()
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(self.received) < length:
            self._more()
        body, self.received = self.received[:length], self.received[length:]
        method, path, _ = first.split(" ")
        return Request(method=method, path=path, headers=headers, body=body)

    def _more(self) -> None:
        try:
            chunk = self.socket.recv(1 << 20)
        except ConnectionResetError:
            raise EOFError from None
        if not chunk:
            raise EOFError
        self.received += chunk

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)


def event(payload: object, request_id: str, **headers: str) -> bytes:
    """The answer to ``next``."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    fields = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": request_id,
        "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 3000),
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
        **{f"Lambda-Runtime-{name.replace('_', '-')}": value for name, value in headers.items()},
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body


@dataclass(kw_only=True)
class Function:
    """A running bootstrap with its function."""

    process: subprocess.Popen[bytes]
    listener: socket.socket
    output: int
    environment: Mapping[str, str]
    connections: list[Connection] = field(default_factory=list)
    count: int = 0

    def connect(self) -> Connection:
        """Accept a connection of the runtime."""
        accepted, _ = self.listener.accept()
        self.connections.append(Connection(accepted))
        return self.connections[-1]

    @property
    def connection(self) -> Connection:
        return self.connections[-1] if self.connections else self.connect()

    def specialise(self) -> None:
        """Tell a generic process which function it is."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"environment": self.environment}).encode())
        self.process.stdin.close()

    def read(self) -> Request:
        """The next request of the runtime."""
        return self.connection.read()

    def invoke(self, payload: object = None, **headers: str) -> Request:
        """Run one invocation and return the runtime's response or error."""
        if self.count == 0:
            assert self.read().kind == "next"
        self.begin(payload, **headers)
        answer = self.read()
        assert self.read().kind == "next"
        return answer

    def begin(self, payload: object = None, **headers: str) -> None:
        """Answer the ``next`` that the runtime has sent."""
        accepted = ACCEPTED if self.count else b""
        self.count += 1
        self.connection.send(accepted + event(payload, f"request-{self.count}", **headers))

    def init_error(self) -> Request:
        """The error with which the initialisation failed."""
        request = self.read()
        assert request.path == "/2018-06-01/runtime/init/error"
        self.connection.send(ACCEPTED)
        return request

    def status(self) -> int:
        """How the process ends."""
        return self.process.wait(_PATIENCE)

    def log(self) -> str:
        """What is in the output pipe by now."""
        chunks = []
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.output, 1 << 20):
                chunks.append(chunk)
        return b"".join(chunks).decode()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        for connection in self.connections:
            connection.socket.close()
        self.listener.close()
        os.close(self.output)


Start = Callable[..., Function]


@pytest.fixture
def task_root(tmp_path: Path) -> Path:
    root = tmp_path / "task"
    root.mkdir()
    return root


@pytest.fixture
def start(task_root: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a function: ``start(runtime_name, {file: source}, handler=…, generic=…, **environment)``."""
    running: list[Function] = []

    def begin(
        name: str,
        files: Mapping[str, str],
        handler: str = "index.handler",
        *,
        generic: bool = False,
        exec_environment: Mapping[str, str] | None = None,
        program: str | None = None,
        **environment: str,
    ) -> Function:
        write(task_root, files)
        places = {"LAMBDA_TASK_ROOT": str(task_root), "LAMINA_LAYERS_ROOT": str(tmp_path / "opt")}
        variables = {"_HANDLER": handler, **places, **environment}
        at_exec = {"LAMINA_GENERIC": "1", **(exec_environment or {})} if generic else None
        running.append(_started(_command(name, program), variables, at_exec))
        return running[-1]

    yield begin
    for function in running:
        function.close()


def write(root: Path, files: Mapping[str, str]) -> None:
    for path, source in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)


def _started(command: list[str], own: Mapping[str, str], at_exec: Mapping[str, str] | None) -> Function:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(_PATIENCE)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    variables = {**_VARIABLES, "PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": address, **own}
    output, write_end = os.pipe()
    os.set_blocking(output, False)
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$@" 3<&0 </dev/null', "sh", *command],
        env=variables if at_exec is None else at_exec,
        stdin=subprocess.PIPE,
        stdout=write_end,
        stderr=write_end,
    )
    os.close(write_end)
    return Function(process=process, listener=listener, output=output, environment=variables)


def _command(name: str, program: str | None) -> list[str]:
    runtime = Runtimes.discover().resolve(name)
    argv = [_on_host(runtime, part) for part in runtime.argv]
    if program is None:
        return argv
    return [*argv[:-1], "-c", program.format(runtime=str(Path(argv[-1]).parent))]


def _on_host(runtime: Runtime, path: str) -> str:
    for bind in runtime.binds:
        if path.startswith(f"{bind.target}/"):
            return str(bind.source) + path.removeprefix(bind.target)
    return path


def wait_until_it_reads(pid: int) -> None:
    """Wait until a generic process waits for its function."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if Path(f"/proc/{pid}/wchan").read_text().startswith(("pipe", "anon_pipe")):
            return
    raise AssertionError("the process does not wait")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test of ``python``, ``node`` or ``ruby`` runs with every interpreter of the machine."""
    names = Runtimes.discover().names
    for fixture, prefix in (("python", "python3"), ("node", "nodejs"), ("ruby", "ruby")):
        if fixture in metafunc.fixturenames:
            found = [name for name in names if name.startswith(prefix)]
            middle = set(found[1:-1])
            marked = [pytest.param(name, marks=pytest.mark.slow) if name in middle else name for name in found]
            metafunc.parametrize(fixture, marked)
