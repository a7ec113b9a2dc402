"""Rules that several operations share. All are plain functions over a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lamina.errors import InvalidParameterValueException
from lamina.functions._identity import new_deployment, new_revision_id
from lamina.functions._live import FunctionKey
from lamina.functions._messages import (
    code_storage_exceeded,
    stale_revision,
    update_in_progress,
    wrong_state,
)
from lamina.functions._records import LATEST, Configuration, Function, Status, Usage, Version
from lamina.functions._store import add_usage, insert_version, usage_of
from lamina.state import Reader, Transaction


def check_publish_to(params: Mapping[str, Any]) -> None:
    """Refuse PublishTo: it belongs to functions on capacity providers, which Lamina does not have (API notes, 6.25)."""
    if params.get("PublishTo"):
        raise InvalidParameterValueException("PublishTo is supported for functions with a capacity provider only.")


def check_revision(given: str | None, latest: str) -> None:
    """Refuse a RevisionId that is not the latest (412)."""
    if given is not None and given != latest:
        raise stale_revision()


def check_settled(function: Function) -> None:
    """Refuse a change of a function that is being created or updated (409). One that failed may be changed."""
    if function.state.value == "Pending":
        raise wrong_state(function.state.value)
    if function.update is not None and function.update.value == "InProgress":
        raise update_in_progress(function.key)


def check_storage(reader: Reader, key: FunctionKey, growth: int, limit: int) -> None:
    """Refuse more code than an account may have in a Region. ``growth`` and ``limit`` are in bytes."""
    if growth > 0 and usage_of(reader, key.account_id, key.region).code_size + growth > limit:
        raise code_storage_exceeded()


def publish(
    transaction: Transaction, function: Function, configuration: Configuration, state: Status, update: Status | None
) -> tuple[Function, Version]:
    """Add a version with this configuration of $LATEST; the function, not yet saved, and the version.

    The version counts for the account's storage (API notes, 6.9); $LATEST gets a new RevisionId (4.8).
    """
    number = function.last_version + 1
    version = Version(
        number=str(number),
        state=state,
        update=update,
        revision_id=new_revision_id(),
        configuration=replace(configuration, deployment=new_deployment()),
    )
    insert_version(transaction, function, version, edition=configuration.deployment)
    add_usage(transaction, function.key, Usage(code_size=configuration.code_size))
    return replace(function, last_version=number, revision_id=new_revision_id()), version


def is_unqualified(qualifier: str | None) -> bool:
    """Whether a qualifier means the function as it is."""
    return qualifier is None or qualifier == LATEST
