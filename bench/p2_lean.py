"""P2 from callers that cost next to nothing: one process that neither builds requests nor parses answers."""

from __future__ import annotations

from urllib.parse import urlsplit

from bench._bed import Bed
from bench._http import plain, signed
from bench._load import rate
from bench._result import Result, median

_CALLERS = 16
_SECONDS = 2.0
_ROUNDS = 3


def measure(bed: Bed) -> Result:
    """Both servers by turns under the same load generator."""
    bed.create("busy", "def handler(event, context):\n    return {}\n")
    invoke = signed(bed.address, "POST", "/2015-03-31/functions/busy/invocations", b"{}")
    null = plain(bed.null_address.removeprefix("http://"), "POST", "/", b"{}")
    rate(_port(bed.address), invoke, _CALLERS, 1.0)
    rates, floors = [], []
    for _ in range(_ROUNDS):
        rates.append(rate(_port(bed.address), invoke, _CALLERS, _SECONDS))
        floors.append(rate(_port(bed.null_address), null, _CALLERS, _SECONDS))
    value, floor = median(rates), median(floors)
    return Result(
        promise="P2 lean",
        what="warm throughput, 16 callers that cost next to nothing",
        value=value,
        floor=floor,
        floor_name="null application on the same server",
        unit="requests/s",
        limit="≥ 0.4 ×",
        met=value >= 0.4 * floor,
    )


def _port(address: str) -> int:
    port = urlsplit(address).port
    assert port is not None
    return port
