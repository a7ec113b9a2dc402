"""P3: a cold start of an isolated Python function, through HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench._bed import Bed
from bench._http import Connection, signed
from bench._result import Result, median, spread

_SAMPLES = 25
_SETTLE_SECONDS = 0.5
_SOURCE = "def handler(event, context):\n    return {}\n"
_NEXT = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 1\r\n"
    b"Lambda-Runtime-Deadline-Ms: 99999999999999\r\nLambda-Runtime-Invoked-Function-Arn: arn\r\n"
    b"Lambda-Runtime-Trace-Id: Root=1\r\nContent-Length: 2\r\n\r\n{}"
)


def measure(bed: Bed) -> Result:
    """Each sample is another function's first invocation; the spares are back before the next."""
    for number in range(_SAMPLES):
        bed.create(f"cold{number}", _SOURCE)
    connection = Connection(bed.address)
    samples, floors = [], []
    for number in range(_SAMPLES):
        path = f"/2015-03-31/functions/cold{number}/invocations"
        time.sleep(_SETTLE_SECONDS)
        began = time.perf_counter()
        status, body = connection.send(signed(bed.address, "POST", path, b"{}"))
        samples.append((time.perf_counter() - began) * 1000)
        if (status, body) != (200, b"{}"):
            raise RuntimeError(f"{status}: {body!r}")
        time.sleep(_SETTLE_SECONDS)
        floors.append(_fresh_client())
    value, floor = median(samples), median(floors)
    return Result(
        promise="P3",
        what="cold start, Python, isolated, through HTTP, p50",
        value=value,
        floor=floor,
        floor_name="fresh interpreter with AWS's own runtime client, no sandbox",
        unit="ms",
        limit="≤ 0.5 ×",
        met=value <= 0.5 * floor,
        spread=spread(samples),
    )


def _fresh_client() -> float:
    """From the start of ``awslambdaric`` to its first response, against a Runtime API of two answers."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        (Path(folder) / "app.py").write_text(_SOURCE)
        api = f"127.0.0.1:{listener.getsockname()[1]}"
        environment = {**os.environ, "AWS_LAMBDA_RUNTIME_API": api, "LAMBDA_TASK_ROOT": folder}
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", "app.handler"],
            env=environment,
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not _answer(listener):
                pass
            return (time.perf_counter() - began) * 1000
        finally:
            process.kill()
            process.wait()


def _answer(listener: socket.socket) -> bool:
    """Serve one connection; true when it brought the response."""
    connection, _ = listener.accept()
    with connection:
        data = b""
        while True:
            data += connection.recv(65_536)
            if b"/response" in data:
                return True
            if b"/invocation/next" in data:
                connection.sendall(_NEXT)
                data = b""
            elif not data:
                return False
