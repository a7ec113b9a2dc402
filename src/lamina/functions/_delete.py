"""DeleteFunction: a function with all that hangs on it, or one of its versions (API notes, 10.4 and 10.5)."""

from __future__ import annotations

from lamina.errors import InvalidParameterValueException, ResourceConflictException
from lamina.functions._live import Call, FunctionKey
from lamina.functions._messages import function_not_found
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._policies import delete_policy
from lamina.functions._records import LATEST, Function, Usage
from lamina.functions._store import (
    add_usage,
    alias_to_version,
    all_versions,
    delete_function,
    delete_provisioned,
    delete_version,
    find_version,
    need_function,
)
from lamina.state import Reader, Transaction


async def remove_function(plane: Plane, call: Call, params: Params) -> Answer:
    """DeleteFunction."""
    target = target_of(call, "DeleteFunction", params)
    qualifier = _version(target.key, target.qualifier)
    key = target.key
    if qualifier is None:
        retired = await plane.state.read(lambda reader: _deployments(reader, key))
        await plane.deployments.switch(key, lambda transaction: _remove(transaction, key), retired, whole_account=True)
    else:
        retired = await plane.state.read(lambda reader: _version_deployment(reader, key, qualifier))
        await plane.deployments.switch(
            key, lambda transaction: _remove_version(transaction, key, qualifier), retired, whole_account=True
        )
    return {"StatusCode": 204}


def _version(key: FunctionKey, qualifier: str | None) -> str | None:
    """The version to delete, None for the function; refuses what cannot be deleted, whether it exists or not."""
    if qualifier is None or qualifier.isdigit():
        return qualifier
    if qualifier == LATEST:
        raise InvalidParameterValueException("$LATEST version cannot be deleted without deleting the function.")
    if qualifier.startswith("$"):
        raise function_not_found(key.arn)
    raise InvalidParameterValueException("Deletion of aliases is not currently supported.")


def _deployments(reader: Reader, key: FunctionKey) -> set[str]:
    function = need_function(reader, key)
    versions = all_versions(reader, function)
    latest = {each.deployment for each in (function.shown, function.serving) if each is not None}
    return latest | {version.configuration.deployment for version in versions}


def _version_deployment(reader: Reader, key: FunctionKey, number: str) -> set[str]:
    version = find_version(reader, need_function(reader, key), number)
    return set() if version is None else {version.configuration.deployment}


def _remove(transaction: Transaction, key: FunctionKey) -> None:
    function = need_function(transaction, key)
    versions = all_versions(transaction, function)
    code_size = function.shown.code_size + sum(version.configuration.code_size for version in versions)
    freed = Usage(functions=-1, code_size=-code_size, reserved_concurrency=-(function.reserved_concurrency or 0))
    add_usage(transaction, key, freed)
    delete_function(transaction, function)


def _remove_version(transaction: Transaction, key: FunctionKey, number: str) -> None:
    function = need_function(transaction, key)
    version = find_version(transaction, function, number)
    if version is None:
        return
    _check_unreferenced(transaction, function, number)
    delete_version(transaction, function, number)
    delete_policy(transaction, function, number)
    delete_provisioned(transaction, function, number)
    add_usage(transaction, key, Usage(code_size=-version.configuration.code_size))


def _check_unreferenced(reader: Reader, function: Function, number: str) -> None:
    alias = alias_to_version(reader, function, number)
    if alias is not None:
        raise ResourceConflictException(f"Version {number} is referenced by alias {alias}.")
