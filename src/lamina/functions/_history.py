"""The history of a function's deployments: who changed its code, when, from what to what, how long each step took."""

from __future__ import annotations

import time
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from lamina.deploy import Code
from lamina.functions._records import Function
from lamina.objects import ObjectLocation
from lamina.state import Reader, Row, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One accepted change of a function's code.

    ``revision`` counts the deployments of the function, from 1. Times are epoch milliseconds; ``ended_ms`` and
    ``outcome`` are None while it is in progress. ``steps`` are milliseconds by the name of the step.
    """

    revision: int
    deployment: str
    operation: str
    caller: str
    began_ms: int
    ended_ms: int | None
    from_sha256: str
    code: Code
    outcome: str | None
    reason: str | None
    steps: Mapping[str, float]


def begin_deployment(
    transaction: Transaction, function: Function, operation: str, caller: str, code: Code, before: str
) -> None:
    """Note a deployment that is accepted; ``function`` shows the new code, ``before`` is the hash of the old."""
    last = transaction.one("deployment_last", function_id=function.function_id)
    transaction.run(
        "deployment_insert",
        function_id=function.function_id,
        revision=1 if last is None else last["revision"] + 1,
        deployment=function.shown.deployment,
        operation=operation,
        caller=caller,
        began_ms=_now(),
        from_sha256=before,
        code=orjson.dumps(asdict(replace(code, trust=None))).decode(),
        stored=code.package or code.image,
        code_size=code.code_size,
    )


def end_deployment(
    transaction: Transaction, deployment: str, outcome: str, reason: str | None, steps: Mapping[str, float]
) -> None:
    """Note how a deployment has ended; one that changed no code has no entry, and nothing happens."""
    transaction.run(
        "deployment_end",
        deployment=deployment,
        ended_ms=_now(),
        outcome=outcome,
        reason=reason,
        steps=orjson.dumps({name: round(duration, 3) for name, duration in steps.items()}).decode(),
    )


def forget_deployments(transaction: Transaction, function: Function, keep: int) -> None:
    """Forget all but the last ``keep`` deployments of a function."""
    transaction.run("deployments_forget", function_id=function.function_id, keep=keep)


def deployments_of(reader: Reader, function: Function) -> list[Deployment]:
    """The deployments that are remembered, the last one first."""
    return [_deployment(row) for row in reader.all("deployments_all", function_id=function.function_id)]


def kept_for_rollback(reader: Reader, needed: Set[str], most: int) -> set[str]:
    """What the deployments that are remembered have stored beside ``needed``: the newest, at most ``most`` bytes."""
    kept: set[str] = set()
    size = 0
    for row in reader.all("deployments_stored"):
        if row["stored"] in needed or row["stored"] in kept:
            continue
        size += row["code_size"]
        if size > most:
            break
        kept.add(row["stored"])
    return kept


def _deployment(row: Row) -> Deployment:
    return Deployment(
        revision=row["revision"],
        deployment=row["deployment"],
        operation=row["operation"],
        caller=row["caller"],
        began_ms=row["began_ms"],
        ended_ms=row["ended_ms"],
        from_sha256=row["from_sha256"],
        code=code_of(orjson.loads(row["code"])),
        outcome=row["outcome"],
        reason=row["reason"],
        steps=orjson.loads(row["steps"] or "{}"),
    )


def code_of(members: dict[str, Any]) -> Code:
    """A stored ``Code``."""
    reference = members.pop("reference")
    return Code(reference=None if reference is None else ObjectLocation(**reference), **members)


def _now() -> int:
    return int(time.time() * 1000)
