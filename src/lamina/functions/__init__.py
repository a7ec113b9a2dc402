"""The control plane, in AWS's words: frozen records and the rules over them."""

from __future__ import annotations

from lamina.functions._functions import Functions, machine_architecture
from lamina.functions._live import Allocation, Call, Cutover, FunctionKey, LiveVersion, Provision, Route, Secrets
from lamina.functions._plane import Handler
from lamina.functions._views import runtime_version_arn

__all__ = [
    "Allocation",
    "Call",
    "Cutover",
    "FunctionKey",
    "Functions",
    "Handler",
    "LiveVersion",
    "Provision",
    "Route",
    "Secrets",
    "machine_architecture",
    "runtime_version_arn",
]
