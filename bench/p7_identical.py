"""P7: the same 40 MB again: no unpacking."""

from __future__ import annotations

import base64
import random
import time
import zipfile

import orjson

from bench._bed import ROLE, RUNTIME, Bed, package
from bench._http import Connection, plain, signed
from bench._result import Result, median, spread

_BYTES = 40 * 1024 * 1024
_SAMPLES = 7


def measure(bed: Bed) -> Result:
    """The same update by turns with an application that receives and hashes the same request."""
    filler = random.Random(7).randbytes(_BYTES)
    zipped = package({"app.py": b"def handler(event, context):\n    return {}\n", "filler": filler}, zipfile.ZIP_STORED)
    bed.client.create_function(
        FunctionName="large", Runtime=RUNTIME, Handler="app.handler", Role=ROLE, Code={"ZipFile": zipped}
    )
    bed.client.get_waiter("function_active_v2").wait(FunctionName="large")
    body = orjson.dumps({"ZipFile": base64.b64encode(zipped).decode()})
    update = signed(bed.address, "PUT", "/2015-03-31/functions/large/code", body)
    null = plain(bed.null_address.removeprefix("http://"), "PUT", "/hash", body)
    samples, floors = [], []
    for _ in range(_SAMPLES):
        samples.append(_timed(bed.address, update))
        bed.client.get_waiter("function_updated_v2").wait(FunctionName="large")
        floors.append(_timed(bed.null_address, null))
    value, floor = median(samples), median(floors)
    return Result(
        promise="P7",
        what="UpdateFunctionCode with 40 MB that are there already, p50",
        value=value,
        floor=floor,
        floor_name="receive and hash the same request",
        unit="ms",
        limit="≤ 1.5 ×",
        met=value <= 1.5 * floor,
        spread=spread(samples),
    )


def _timed(address: str, request: bytes) -> float:
    connection = Connection(address)
    began = time.perf_counter()
    status, body = connection.send(request)
    elapsed = (time.perf_counter() - began) * 1000
    connection.close()
    if status != 200:
        raise RuntimeError(f"{status}: {body[:500]!r}")
    return elapsed
