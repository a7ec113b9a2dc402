"""Records in and out of the state: the only file of this package that knows the rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from lamina.functions._live import FunctionKey
from lamina.functions._messages import function_not_found
from lamina.functions._names import Target, version_number
from lamina.functions._records import (
    INVOCABLE,
    LATEST,
    SUCCESSFUL,
    Alias,
    Configuration,
    Function,
    ProvisionedConfig,
    Status,
    Usage,
    Version,
)
from lamina.state import Reader, Row, Transaction


def find_function(reader: Reader, key: FunctionKey) -> Function | None:
    """The function, or None."""
    row = reader.one("function_one", account_id=key.account_id, region=key.region, name=key.name)
    return None if row is None else _function(row)


def need_function(reader: Reader, key: FunctionKey, arn: str | None = None) -> Function:
    """The function; raises ResourceNotFoundException that names ``arn``, by default the unqualified one."""
    function = find_function(reader, key)
    if function is None:
        raise function_not_found(arn or key.arn)
    return function


def functions_from(reader: Reader, account_id: str, region: str, name: str, count: int) -> list[Function]:
    """At most ``count`` functions in the order of their names, from ``name`` on."""
    rows = reader.all("functions_page", account_id=account_id, region=region, name=name, count=count)
    return [_function(row) for row in rows]


def unfinished_functions(reader: Reader) -> list[Function]:
    """The functions whose creation or update has not ended."""
    return [_function(row) for row in reader.all("functions_unfinished")]


def insert_function(transaction: Transaction, function: Function) -> None:
    """Store a new function."""
    key = function.key
    transaction.run(
        "function_insert", account_id=key.account_id, region=key.region, name=key.name, **_mutable(function)
    )


def save_function(transaction: Transaction, function: Function) -> None:
    """Store the changed members of a function."""
    transaction.run("function_save", **_mutable(function))


def delete_function(transaction: Transaction, function: Function) -> None:
    """Remove a function and all that hangs on it."""
    transaction.run("function_delete", function_id=function.function_id)


def find_version(reader: Reader, function: Function, number: str) -> Version | None:
    """$LATEST as shown, or a published version; None when there is none of that number."""
    if number == LATEST:
        return function.latest
    value = version_number(number)
    if value is None:
        return None
    row = reader.one("version_one", function_id=function.function_id, version=value)
    return None if row is None else _version(row)


def version_of_edition(reader: Reader, function: Function, edition: str) -> Version | None:
    """The version that was published from a deployment of $LATEST."""
    row = reader.one("version_of_edition", function_id=function.function_id, edition=edition)
    return None if row is None else _version(row)


def versions_from(reader: Reader, function: Function, number: int, count: int) -> list[Version]:
    """At most ``count`` versions by number, from ``number`` on; number 0 stands for $LATEST."""
    latest = [function.latest] if number == 0 and count > 0 else []
    rows = reader.all("versions_page", function_id=function.function_id, version=number, count=count - len(latest))
    return latest + [_version(row) for row in rows]


def all_versions(reader: Reader, function: Function) -> list[Version]:
    """All published versions."""
    return [_version(row) for row in reader.all("versions_all", function_id=function.function_id)]


def snap_start_versions(reader: Reader, function: Function) -> list[tuple[str, Version]]:
    """The versions with SnapStart, the newest first, each after the deployment of $LATEST that it was made from."""
    rows = reader.all("versions_snap_start", function_id=function.function_id)
    return [(row["edition"], _version(row)) for row in rows]


def snap_start_functions(reader: Reader) -> list[Function]:
    """The functions that have versions with SnapStart."""
    return [_function(row) for row in reader.all("functions_snap_start")]


def insert_version(transaction: Transaction, function: Function, version: Version, edition: str) -> None:
    """Store a new version, published from the deployment ``edition`` of $LATEST."""
    transaction.run(
        "version_insert",
        function_id=function.function_id,
        version=int(version.number),
        state=version.state.value,
        state_reason=version.state.reason,
        state_reason_code=version.state.code,
        revision_id=version.revision_id,
        edition=edition,
        configuration=_dump(version.configuration),
        package=version.configuration.stored,
        snap_start=int(version.configuration.optimised),
    )


def settle_versions(transaction: Transaction, function: Function, edition: str, state: Status) -> None:
    """Give the versions that wait for a deployment their state."""
    transaction.run(
        "versions_settle",
        function_id=function.function_id,
        edition=edition,
        state=state.value,
        state_reason=state.reason,
        state_reason_code=state.code,
    )


def save_version_state(transaction: Transaction, function: Function, number: str, state: Status) -> None:
    """Store the state of a version."""
    transaction.run(
        "version_state",
        function_id=function.function_id,
        version=int(number),
        state=state.value,
        state_reason=state.reason,
        state_reason_code=state.code,
    )


def delete_version(transaction: Transaction, function: Function, number: str) -> None:
    """Remove a version."""
    transaction.run("version_delete", function_id=function.function_id, version=int(number))


def find_alias(reader: Reader, function: Function, name: str) -> Alias | None:
    """The alias, or None."""
    row = reader.one("alias_one", function_id=function.function_id, name=name)
    return None if row is None else _alias(row)


def aliases_from(reader: Reader, function: Function, name: str, count: int, version: str | None = None) -> list[Alias]:
    """At most ``count`` aliases by name, from ``name`` on; only those whose main version is ``version``, if given."""
    where = {"function_id": function.function_id, "name": name, "count": count}
    if version is None:
        return [_alias(row) for row in reader.all("aliases_page", **where)]
    return [_alias(row) for row in reader.all("aliases_of_version_page", version=version, **where)]


def alias_to_version(reader: Reader, function: Function, number: str) -> str | None:
    """The name of an alias that sends invocations to the version, or None."""
    row = reader.one("alias_to_version", function_id=function.function_id, version=number)
    return None if row is None else row["name"]


def save_alias(transaction: Transaction, function: Function, alias: Alias) -> None:
    """Store an alias, new or not."""
    version, weight = alias.additional or (None, None)
    transaction.run(
        "alias_save",
        function_id=function.function_id,
        name=alias.name,
        version=alias.version,
        description=alias.description,
        additional_version=version,
        additional_weight=weight,
        revision_id=alias.revision_id,
    )


def delete_alias(transaction: Transaction, function: Function, name: str) -> None:
    """Remove an alias, if there is one."""
    transaction.run("alias_delete", function_id=function.function_id, name=name)


def resolve(reader: Reader, target: Target) -> tuple[Function, Version]:
    """The function and the version that a target means; raises ResourceNotFoundException with the ARN as given."""
    function = find_function(reader, target.key)
    version = None if function is None else find_qualified(reader, function, target.qualifier)
    if function is None or version is None:
        raise function_not_found(target.arn)
    return function, version


def find_qualified(reader: Reader, function: Function, qualifier: str | None) -> Version | None:
    """What a qualifier means: nothing and $LATEST, a number, or the main version of an alias."""
    version = find_version(reader, function, qualifier or LATEST)
    if version is not None or qualifier is None:
        return version
    alias = find_alias(reader, function, qualifier)
    return None if alias is None else find_version(reader, function, alias.version)


def find_provisioned(reader: Reader, function: Function, qualifier: str) -> ProvisionedConfig | None:
    """The provisioned concurrency of a version or an alias, or None."""
    row = reader.one("provisioned_one", function_id=function.function_id, qualifier=qualifier)
    return None if row is None else _provisioned(row)


def all_provisioned(reader: Reader, function: Function) -> list[ProvisionedConfig]:
    """All provisioned concurrency of a function, by qualifier."""
    return [_provisioned(row) for row in reader.all("provisioned_all", function_id=function.function_id)]


def save_provisioned(transaction: Transaction, function: Function, config: ProvisionedConfig) -> None:
    """Store provisioned concurrency, new or not."""
    transaction.run(
        "provisioned_save",
        function_id=function.function_id,
        qualifier=config.qualifier,
        requested=config.requested,
        last_modified=config.last_modified,
    )


def delete_provisioned(transaction: Transaction, function: Function, qualifier: str) -> None:
    """Remove the provisioned concurrency of a version or an alias, if there is any."""
    transaction.run("provisioned_delete", function_id=function.function_id, qualifier=qualifier)


def provisioned_functions(reader: Reader) -> list[Function]:
    """The functions that have provisioned concurrency."""
    return [_function(row) for row in reader.all("provisioned_functions")]


def provisioned_in_account(reader: Reader, account_id: str, region: str) -> int:
    """What the functions without reserved concurrency have provisioned together."""
    row = reader.one("provisioned_in_account", account_id=account_id, region=region)
    return 0 if row is None else int(row["requested"])


def tags_of(reader: Reader, function: Function) -> dict[str, str]:
    """The tags by name."""
    return {row["name"]: row["value"] for row in reader.all("tags_all", function_id=function.function_id)}


def save_tags(transaction: Transaction, function: Function, tags: dict[str, str]) -> None:
    """Add tags or give them new values."""
    for name, value in tags.items():
        transaction.run("tag_save", function_id=function.function_id, name=name, value=value)


def delete_tags(transaction: Transaction, function: Function, names: Iterable[str]) -> None:
    """Remove tags, those that exist."""
    for name in names:
        transaction.run("tag_delete", function_id=function.function_id, name=name)


def usage_of(reader: Reader, account_id: str, region: str) -> Usage:
    """What an account holds in a Region."""
    row = reader.one("usage_one", account_id=account_id, region=region)
    if row is None:
        return Usage()
    return Usage(
        functions=row["functions"],
        code_size=row["code_size"],
        reserved_concurrency=row["reserved_concurrency"],
    )


def add_usage(transaction: Transaction, key: FunctionKey, growth: Usage) -> None:
    """Count what an account holds more, or with negative numbers less."""
    transaction.run(
        "usage_add",
        account_id=key.account_id,
        region=key.region,
        functions=growth.functions,
        code_size=growth.code_size,
        reserved_concurrency=growth.reserved_concurrency,
    )


def _mutable(function: Function) -> dict[str, Any]:
    update = function.update
    serving = function.serving
    return {
        "function_id": function.function_id,
        "state": function.state.value,
        "state_reason": function.state.reason,
        "state_reason_code": function.state.code,
        "update_status": update and update.value,
        "update_status_reason": update and update.reason,
        "update_status_reason_code": update and update.code,
        "revision_id": function.revision_id,
        "shown": _dump(function.shown),
        "serving": serving and _dump(serving),
        "shown_package": function.shown.stored,
        "serving_package": serving and serving.stored,
        "last_version": function.last_version,
        "reserved_concurrency": function.reserved_concurrency,
    }


def _function(row: Row) -> Function:
    shown = _load(row["shown"])
    serving = row["serving"]
    return Function(
        function_id=row["function_id"],
        key=FunctionKey(row["account_id"], row["region"], row["name"]),
        state=_status(row, "state"),
        update=None if row["update_status"] is None else _status(row, "update_status"),
        revision_id=row["revision_id"],
        shown=shown,
        serving=shown if serving == row["shown"] else serving and _load(serving),
        last_version=row["last_version"],
        reserved_concurrency=row["reserved_concurrency"],
    )


def _version(row: Row) -> Version:
    state = _status(row, "state")
    return Version(
        number=str(row["version"]),
        state=state,
        update=SUCCESSFUL if state.value in INVOCABLE else None,
        revision_id=row["revision_id"],
        configuration=_load(row["configuration"]),
    )


def _alias(row: Row) -> Alias:
    additional = row["additional_version"]
    return Alias(
        name=row["name"],
        version=row["version"],
        description=row["description"],
        additional=None if additional is None else (additional, row["additional_weight"]),
        revision_id=row["revision_id"],
    )


def _provisioned(row: Row) -> ProvisionedConfig:
    return ProvisionedConfig(qualifier=row["qualifier"], requested=row["requested"], last_modified=row["last_modified"])


def _status(row: Row, column: str) -> Status:
    return Status(value=row[column], reason=row[f"{column}_reason"], code=row[f"{column}_reason_code"])


def _dump(configuration: Configuration) -> str:
    return orjson.dumps(configuration).decode()


def _load(document: str) -> Configuration:
    members = orjson.loads(document)
    if isinstance(members["environment"], dict):
        # Version 0.1 stored the variables as they were; ``Secrets`` reads this form too.
        members["environment"] = orjson.dumps(members["environment"]).decode()
    return Configuration(**members)
