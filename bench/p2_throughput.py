"""P2: warm throughput with 16 callers, each a process with the same client as P1's."""

from __future__ import annotations

from bench._bed import Bed
from bench._clients import clients_rate
from bench._http import signed_headers
from bench._result import Result, median

_CALLERS = 16
_SECONDS = 2.0
_ROUNDS = 5
_PATH = "/2015-03-31/functions/busy/invocations"


def measure(bed: Bed) -> Result:
    """Both servers by turns under the same callers."""
    bed.create("busy", "def handler(event, context):\n    return {}\n")
    headers = signed_headers(bed.address, "POST", _PATH, b"{}")
    clients_rate(bed.address, _PATH, headers, _CALLERS, 1.0)
    rates, floors = [], []
    for _ in range(_ROUNDS):
        rates.append(clients_rate(bed.address, _PATH, headers, _CALLERS, _SECONDS))
        floors.append(clients_rate(bed.null_address, _PATH, headers, _CALLERS, _SECONDS))
    value, floor = median(rates), median(floors)
    return Result(
        promise="P2",
        what="warm throughput, 16 callers",
        value=value,
        floor=floor,
        floor_name="null application on the same server",
        unit="requests/s",
        limit="≥ 0.4 ×",
        met=value >= 0.4 * floor,
    )
