"""What every operation of the control plane works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lamina.deploy import Deployments
from lamina.functions._live import Call, FunctionKey, Secrets
from lamina.functions._names import Target, parse_target
from lamina.functions._provisioning import Provisioning
from lamina.functions._snap_start import SnapStart
from lamina.settings import Settings
from lamina.state import State

Params = dict[str, Any]
Answer = dict[str, Any]
Handler = Callable[[Call, Params], Awaitable[Answer]]
Operations = Mapping[str, Handler]

Locate = Callable[[Call, FunctionKey, str, str], str]
"""(call, function, version, digest) to the presigned URL of the version's zip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """The parts that the operations share. ``architecture`` is the machine's, in the API's words."""

    state: State
    deployments: Deployments
    settings: Settings
    secrets: Secrets
    locate: Locate
    architecture: str
    snap_start: SnapStart
    provisioning: Provisioning


def target_of(call: Call, operation: str, params: Params) -> Target:
    """What the FunctionName and the Qualifier of a request mean."""
    return parse_target(call.account_id, call.region, operation, params["FunctionName"], params.get("Qualifier"))
