"""P1: a warm Invoke over HTTP with a verified signature, one caller."""

from __future__ import annotations

import time

from bench._bed import Bed
from bench._http import Connection, plain, signed
from bench._result import Result, median, spread

_ROUNDS = 60
_BATCH = 50


def measure(bed: Bed) -> Result:
    """Batches of both servers by turns, so that both see the same machine."""
    bed.create("warm", "def handler(event, context):\n    return {}\n")
    path = "/2015-03-31/functions/warm/invocations"
    invoke = signed(bed.address, "POST", path, b"{}")
    null = plain(bed.null_address.removeprefix("http://"), "POST", "/", b"{}")
    ours, theirs = Connection(bed.address), Connection(bed.null_address)
    ours.send(invoke)
    samples: list[float] = []
    floors: list[float] = []
    for _ in range(_ROUNDS):
        samples += _batch(ours, invoke)
        floors += _batch(theirs, null)
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


def _batch(connection: Connection, request: bytes) -> list[float]:
    times = []
    for _ in range(_BATCH):
        began = time.perf_counter()
        status, _body = connection.send(request)
        times.append((time.perf_counter() - began) * 1000)
        if status != 200:
            raise RuntimeError(f"status {status}")
    return times
