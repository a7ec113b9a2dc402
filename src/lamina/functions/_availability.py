"""Inactive: a version whose image, object or key is gone, until it can be started again (API notes, 4.7; 5.10)."""

from __future__ import annotations

from dataclasses import replace

from lamina.errors import VersionUnavailable
from lamina.functions._live import LiveVersion
from lamina.functions._records import ACTIVE, INVOCABLE, LATEST, Function, Status
from lamina.functions._store import find_function, find_version, save_function, save_version_state
from lamina.state import Transaction


def note_availability(transaction: Transaction, live: LiveVersion, reason: VersionUnavailable | None) -> None:
    """Show why a version cannot be started, or with None that it can; one that is not live any more is left alone.

    It is invoked as before: each invocation tries to start it again.
    """
    function = find_function(transaction, live.key)
    if function is None:
        return
    state = ACTIVE if reason is None else Status(value="Inactive", reason=reason.reason, code=reason.code)
    if live.version == LATEST:
        if _serves(function, live) and function.state != state:
            save_function(transaction, replace(function, state=state))
        return
    version = find_version(transaction, function, live.version)
    if version is not None and version.configuration.deployment == live.deployment and version.state != state:
        save_version_state(transaction, function, version.number, state)


def _serves(function: Function, live: LiveVersion) -> bool:
    serving = function.serving
    return serving is not None and serving.deployment == live.deployment and function.state.value in INVOCABLE


def assume_available(transaction: Transaction) -> None:
    """After a start of the server nothing is known to be gone: the next start of an environment finds out."""
    transaction.run("functions_available")
    transaction.run("versions_available")
