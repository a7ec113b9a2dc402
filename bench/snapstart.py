"""SnapStart: the first invocation of an environment that stands frozen, through HTTP."""

from __future__ import annotations

import subprocess
import sys
import time

from bench._bed import Bed
from bench._http import Connection, signed
from bench._result import Result, median, spread

_SAMPLES = 15
_INIT_SECONDS = 0.5
# Another environment is initialised after each sample: that must have ended before the next.
_SETTLE_SECONDS = _INIT_SECONDS + 1.0
_RUNTIME = "python3.12"
_SOURCE = f"""
import os, time
time.sleep({_INIT_SECONDS})
FIRST = True
def handler(event, context):
    global FIRST
    first, FIRST = FIRST, False
    return [first, os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]]
"""


def measure(bed: Bed) -> Result:
    """Each sample is the first invocation of another version, whose environment is frozen."""
    bed.create("snap", _SOURCE, Runtime=_RUNTIME, SnapStart={"ApplyOn": "PublishedVersions"})
    connection = Connection(bed.address)
    samples, floors = [], []
    for number in range(_SAMPLES):
        version = _publish(bed, number)
        time.sleep(_SETTLE_SECONDS)
        path = f"/2015-03-31/functions/snap:{version}/invocations"
        request = signed(bed.address, "POST", path, b"{}")
        began = time.perf_counter()
        status, body = connection.send(request)
        samples.append((time.perf_counter() - began) * 1000)
        if (status, body) != (200, b'[true, "snap-start"]'):
            raise RuntimeError(f"{status}: {body!r}")
        time.sleep(_SETTLE_SECONDS)
        floors.append(_bare_interpreter())
    value, floor = median(samples), median(floors)
    return Result(
        promise="SnapStart",
        what="a frozen environment's first invocation, Python, 500 ms of initialisation, through HTTP, p50",
        value=value,
        floor=floor,
        floor_name="start of a bare interpreter, which has initialised nothing",
        unit="ms",
        limit="≤ 10 ms",
        met=value <= 10,
        spread=spread(samples),
    )


def _publish(bed: Bed, number: int) -> str:
    """Another version; its first environment is initialised when this returns."""
    client = bed.client
    client.update_function_configuration(FunctionName="snap", Description=str(number))
    client.get_waiter("function_updated_v2").wait(FunctionName="snap")
    version: str = client.publish_version(FunctionName="snap")["Version"]
    client.get_waiter("published_version_active").wait(
        FunctionName="snap", Qualifier=version, WaiterConfig={"Delay": 1}
    )
    return version


def _bare_interpreter() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
    return (time.perf_counter() - began) * 1000
