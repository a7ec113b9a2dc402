"""Aliases, with weights (API notes, section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lamina.errors import InvalidParameterValueException
from lamina.functions._identity import new_revision_id
from lamina.functions._live import Call, FunctionKey
from lamina.functions._messages import alias_arn_not_found, alias_exists, alias_not_found, function_not_found
from lamina.functions._pages import page, page_size, page_start
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._policies import delete_policy
from lamina.functions._provisioned import check_alias_move
from lamina.functions._records import LATEST, Alias, Function
from lamina.functions._rules import check_revision
from lamina.functions._store import (
    aliases_from,
    delete_alias,
    delete_provisioned,
    find_alias,
    find_function,
    find_version,
    need_function,
    save_alias,
)
from lamina.functions._views import alias_answer
from lamina.state import Reader, Transaction


async def create_alias(plane: Plane, call: Call, params: Params) -> Answer:
    """CreateAlias."""
    key = target_of(call, "CreateAlias", params).function
    alias = Alias(
        name=params["Name"],
        version=params["FunctionVersion"],
        description=params.get("Description") or "",
        additional=_additional(params, None),
        revision_id=new_revision_id(),
    )
    _check_routing(alias)
    await plane.deployments.switch(key, lambda transaction: _create(transaction, key, alias))
    return alias_answer(key, alias)


async def get_alias(plane: Plane, call: Call, params: Params) -> Answer:
    """GetAlias."""
    key = target_of(call, "GetAlias", params).function

    def work(reader: Reader) -> Alias:
        function = find_function(reader, key)
        alias = None if function is None else find_alias(reader, function, params["Name"])
        if alias is None:
            raise alias_arn_not_found(key, params["Name"])
        return alias

    return alias_answer(key, await plane.state.read(work))


async def update_alias(plane: Plane, call: Call, params: Params) -> Answer:
    """UpdateAlias: the given members change, the RevisionId always."""
    key = target_of(call, "UpdateAlias", params).function
    changed, moves = await plane.state.read(lambda reader: _changed(reader, key, params))
    try:
        if moves:
            # Its environments are ready at the new place before anybody is sent there.
            await plane.provisioning.move(key, changed)
        alias = await plane.deployments.switch(key, lambda transaction: _update(transaction, key, params))
    finally:
        if moves:
            plane.provisioning.apply(key)
    return alias_answer(key, alias)


async def remove_alias(plane: Plane, call: Call, params: Params) -> Answer:
    """DeleteAlias: no error when there is none."""
    key = target_of(call, "DeleteAlias", params).function

    def work(transaction: Transaction) -> None:
        function = find_function(transaction, key)
        if function is not None:
            delete_alias(transaction, function, params["Name"])
            delete_policy(transaction, function, params["Name"])
            delete_provisioned(transaction, function, params["Name"])

    await plane.deployments.switch(key, work, whole_account=True)
    plane.provisioning.apply(key)
    return {}


async def list_aliases(plane: Plane, call: Call, params: Params) -> Answer:
    """ListAliases by name; FunctionVersion keeps those whose main version it is."""
    key = target_of(call, "ListAliases", params).function
    size, list_of = page_size(params), f"aliases {key.name}"
    start = page_start(params, list_of, "")
    version = params.get("FunctionVersion")

    def work(reader: Reader) -> list[Alias]:
        return aliases_from(reader, need_function(reader, key), start, size + 1, version)

    found = await plane.state.read(work)
    return page(
        "Aliases",
        list_of,
        found,
        size,
        position=lambda alias: alias.name,
        view=lambda alias: alias_answer(key, alias),
    )


def _additional(params: Mapping[str, Any], current: tuple[str, float] | None) -> tuple[str, float] | None:
    routing = params.get("RoutingConfig")
    if routing is None:
        return current
    weights = routing.get("AdditionalVersionWeights") or {}
    if len(weights) > 1:
        raise InvalidParameterValueException("Number of items in AdditionalVersionWeights cannot be greater than 1")
    return next(iter(weights.items()), None)


def _check_routing(alias: Alias) -> None:
    if alias.additional is None:
        return
    if alias.version == LATEST:
        raise InvalidParameterValueException(
            "$LATEST is not supported for an alias pointing to more than 1 version", typed=False
        )
    if alias.additional[0] == alias.version:
        raise InvalidParameterValueException(
            f"Invalid function version {alias.version}. "
            f"Function version {alias.version} is already included in routing configuration."
        )


def _create(transaction: Transaction, key: FunctionKey, alias: Alias) -> None:
    function = need_function(transaction, key, f"{key.arn}:{alias.version}")
    _check_versions(transaction, function, alias)
    if find_alias(transaction, function, alias.name) is not None:
        raise alias_exists(key, alias.name)
    save_alias(transaction, function, alias)


def _update(transaction: Transaction, key: FunctionKey, params: Mapping[str, Any]) -> Alias:
    alias, _ = _changed(transaction, key, params)
    save_alias(transaction, need_function(transaction, key), alias)
    return alias


def _changed(reader: Reader, key: FunctionKey, params: Mapping[str, Any]) -> tuple[Alias, bool]:
    """What an alias becomes, and whether provisioned concurrency moves with it."""
    function = find_function(reader, key)
    current = None if function is None else find_alias(reader, function, params["Name"])
    if function is None or current is None:
        raise alias_not_found(key, params["Name"])
    check_revision(params.get("RevisionId"), current.revision_id)
    description = params.get("Description")
    alias = replace(
        current,
        version=params.get("FunctionVersion") or current.version,
        description=current.description if description is None else description,
        additional=_additional(params, current.additional),
        revision_id=new_revision_id(),
    )
    _check_routing(alias)
    _check_versions(reader, function, alias)
    moved = (alias.version, alias.additional) != (current.version, current.additional)
    return alias, moved and check_alias_move(reader, function, alias)


def _check_versions(reader: Reader, function: Function, alias: Alias) -> None:
    additional = (alias.additional[0],) if alias.additional else ()
    for number in (alias.version, *additional):
        if find_version(reader, function, number) is None:
            raise function_not_found(f"{function.key.arn}:{number}")
