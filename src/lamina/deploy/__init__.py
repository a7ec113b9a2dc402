"""The pipeline of a deployment: read → check → verify → unpack and stage → swap, one file a step.

Creating a function, updating its code and updating its configuration are each a ``Change``; ``Deployments`` takes it
through the steps. The rules over functions are not here: a change and a ``Ledger`` bring them along.
"""

from __future__ import annotations

from lamina.deploy._choose import choose_source
from lamina.deploy._deployments import Deployments
from lamina.deploy._image import ContainerImage
from lamina.deploy._inline import InlineZip
from lamina.deploy._interface import (
    Accepted,
    Bytes,
    Change,
    Code,
    Images,
    Ledger,
    Objects,
    Order,
    Package,
    Packages,
    Rehearsal,
    ResolvedImage,
    Rooms,
    Sealing,
    Signature,
    Source,
    StoredObject,
    Unfinished,
    Verification,
)
from lamina.deploy._s3 import S3_BYTES, S3Object, mapped
from lamina.deploy._step import Steps
from lamina.deploy._stored import StoredCode
from lamina.deploy._supply import Supply

__all__ = [
    "S3_BYTES",
    "Accepted",
    "Bytes",
    "Change",
    "Code",
    "ContainerImage",
    "Deployments",
    "Images",
    "InlineZip",
    "Ledger",
    "Objects",
    "Order",
    "Package",
    "Packages",
    "Rehearsal",
    "ResolvedImage",
    "Rooms",
    "S3Object",
    "Sealing",
    "Signature",
    "Source",
    "Steps",
    "StoredCode",
    "StoredObject",
    "Supply",
    "Unfinished",
    "Verification",
    "choose_source",
    "mapped",
]
