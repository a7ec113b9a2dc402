"""P1: a warm Invoke over HTTP with a verified signature, one caller: the standard library's client, kept alive."""

from __future__ import annotations

import socket
import time
from http.client import HTTPConnection

from bench._bed import Bed
from bench._http import signed_headers
from bench._result import Result, median, spread

_ROUNDS = 60
_BATCH = 50


def measure(bed: Bed) -> Result:
    """Batches of both servers by turns, so that both see the same machine."""
    bed.create("warm", "def handler(event, context):\n    return {}\n")
    path = "/2015-03-31/functions/warm/invocations"
    headers = signed_headers(bed.address, "POST", path, b"{}")
    ours, theirs = _connection(bed.address), _connection(bed.null_address)
    _batch(ours, path, headers)
    samples: list[float] = []
    floors: list[float] = []
    for _ in range(_ROUNDS):
        samples += _batch(ours, path, headers)
        floors += _batch(theirs, path, headers)
    value, floor = median(samples), median(floors)
    return Result(
        promise="P1",
        what="warm Invoke, signature verified, one caller, p50",
        value=value,
        floor=floor,
        floor_name="null application on the same server",
        unit="ms",
        limit="≤ 2.5 ×",
        met=value <= 2.5 * floor,
        spread=spread(samples),
    )


def _connection(address: str) -> HTTPConnection:
    connection = HTTPConnection(address.removeprefix("http://"))
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _batch(connection: HTTPConnection, path: str, headers: dict[str, str]) -> list[float]:
    times = []
    for _ in range(_BATCH):
        began = time.perf_counter()
        connection.request("POST", path, b"{}", headers)
        response = connection.getresponse()
        response.read()
        times.append((time.perf_counter() - began) * 1000)
        if response.status != 200:
            raise RuntimeError(f"status {response.status}")
    return times
