"""P5: from the call of UpdateFunctionCode to the first answer of the new code, 1 KB zip, warm before."""

from __future__ import annotations

import base64
import subprocess
import sys
import time

import orjson

from bench._bed import Bed, package
from bench._http import Connection, signed
from bench._result import Result, median, spread

_SAMPLES = 40
_SETTLE_SECONDS = 0.3


def measure(bed: Bed) -> Result:
    """Update, then invoke without pause until the new code answers."""
    bed.create("updated", _source(0))
    bed.invoke("updated")
    connection = Connection(bed.address)
    invoke = signed(bed.address, "POST", "/2015-03-31/functions/updated/invocations", b"{}")
    samples, floors = [], []
    for number in range(1, _SAMPLES + 1):
        time.sleep(_SETTLE_SECONDS)
        samples.append(_update(bed, connection, invoke, number))
        floors.append(_bare_interpreter())
    value = median(samples)
    return Result(
        promise="P5",
        what="UpdateFunctionCode to the first new answer, 1 KB zip, p50",
        value=value,
        floor=median(floors),
        floor_name="python -I -c pass",
        unit="ms",
        limit="≤ 30 ms",
        met=value <= 30,
        spread=spread(samples),
    )


def _source(number: int) -> str:
    return f"FILLER = '{'x' * 800}'\n\ndef handler(event, context):\n    return {number}\n"


def _update(bed: Bed, connection: Connection, invoke: bytes, number: int) -> float:
    zipped = package({"app.py": _source(number).encode()})
    body = orjson.dumps({"ZipFile": base64.b64encode(zipped).decode()})
    request = signed(bed.address, "PUT", "/2015-03-31/functions/updated/code", body)
    began = time.perf_counter()
    status, answer = connection.send(request)
    if status != 200:
        raise RuntimeError(answer)
    expected = str(number).encode()
    while connection.send(invoke)[1] != expected:
        pass
    return (time.perf_counter() - began) * 1000


def _bare_interpreter() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
    return (time.perf_counter() - began) * 1000
