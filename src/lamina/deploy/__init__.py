"""The pipeline of a deployment: read → check → verify → unpack and stage → swap, one file a step.

Creating a function, updating its code and updating its configuration are each a ``Change``; ``Deployments`` takes it
through the steps. The rules over functions are not here: a change and a ``Ledger`` bring them along.
"""

from __future__ import annotations

from lamina.deploy._deployments import Deployments
from lamina.deploy._interface import Accepted, Change, Ledger, Package, Packages, Rehearsal, Source, Unfinished
from lamina.deploy._read import InlineZip, choose_source

__all__ = [
    "Accepted",
    "Change",
    "Deployments",
    "InlineZip",
    "Ledger",
    "Package",
    "Packages",
    "Rehearsal",
    "Source",
    "Unfinished",
    "choose_source",
]
