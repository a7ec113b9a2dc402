"""How a creation or an update ends in the records; the ``Ledger`` of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lamina.deploy import Unfinished
from lamina.functions._history import end_deployment
from lamina.functions._identity import new_revision_id
from lamina.functions._live import FunctionKey
from lamina.functions._records import ACTIVE, INVOCABLE, LATEST, SUCCESSFUL, Function, Status, Usage, live
from lamina.functions._store import (
    add_usage,
    find_function,
    save_function,
    settle_versions,
    unfinished_functions,
)
from lamina.state import Reader, Transaction


class FunctionLedger:
    """See ``lamina.deploy.Ledger``."""

    def unfinished(self, reader: Reader) -> list[Unfinished]:
        """See ``Ledger.unfinished``."""
        return [unfinished(function) for function in unfinished_functions(reader)]

    def finish(self, transaction: Transaction, deployment: Unfinished, steps: Mapping[str, float]) -> bool:
        """See ``Ledger.finish``: Active and Successful, with a new RevisionId; its version Active with the old one."""
        function = _current(transaction, deployment)
        if function is None:
            return False
        if not function.shown.optimised:
            # With SnapStart they are Pending until they have been initialised.
            settle_versions(transaction, function, function.shown.deployment, ACTIVE)
        settled = replace(
            function,
            state=ACTIVE,
            update=SUCCESSFUL,
            serving=function.shown,
            revision_id=new_revision_id(),
        )
        save_function(transaction, settled)
        end_deployment(transaction, function.shown.deployment, "Successful", None, steps)
        return True

    def fail(
        self, transaction: Transaction, deployment: Unfinished, steps: Mapping[str, float], code: str, reason: str
    ) -> bool:
        """See ``Ledger.fail``: a creation leaves a Failed function, an update the function as it was."""
        function = _current(transaction, deployment)
        if function is None:
            return False
        failed = Status(value="Failed", reason=reason, code=code)
        settle_versions(transaction, function, function.shown.deployment, failed)
        save_function(transaction, replace(_restored(transaction, function, failed), revision_id=new_revision_id()))
        end_deployment(transaction, function.shown.deployment, "Failed", f"{code}: {reason}", steps)
        return True


def _current(transaction: Transaction, deployment: Unfinished) -> Function | None:
    """The function, unless it was deleted meanwhile, and perhaps made again."""
    function = find_function(transaction, deployment.key)
    if function is None or function.shown.deployment != deployment.new.deployment:
        return None
    return function


def _restored(transaction: Transaction, function: Function, failed: Status) -> Function:
    if function.serving is None:
        return replace(function, state=failed, serving=function.shown)
    growth = function.serving.code_size - function.shown.code_size
    add_usage(transaction, function.key, Usage(code_size=growth))
    return replace(function, update=failed, shown=function.serving)


def unfinished(function: Function) -> Unfinished:
    """What is left to do of a function's creation or update."""
    key: FunctionKey = function.key
    serving = function.serving if function.state.value in INVOCABLE else None
    return Unfinished(
        key=key,
        new=live(key, LATEST, function.shown),
        old=None if serving is None else live(key, LATEST, serving),
    )
