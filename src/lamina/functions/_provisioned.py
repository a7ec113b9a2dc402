"""Provisioned concurrency of versions and aliases (API notes, 14.6 to 14.9)."""

from __future__ import annotations

from typing import Any

from lamina.errors import (
    InvalidParameterValueException,
    ProvisionedConcurrencyConfigNotFoundException,
    ResourceConflictException,
)
from lamina.functions._concurrency import least_unreserved
from lamina.functions._identity import now
from lamina.functions._live import Allocation, Call, Provision
from lamina.functions._messages import alias_arn_not_found, function_not_found, wrong_state
from lamina.functions._names import Target, version_number
from lamina.functions._pages import page, page_size, page_start
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._provisioning import allocations_of, shares
from lamina.functions._records import INVOCABLE, LATEST, Alias, Function, ProvisionedConfig
from lamina.functions._store import (
    aliases_from,
    all_provisioned,
    delete_provisioned,
    find_alias,
    find_function,
    find_provisioned,
    find_version,
    need_function,
    provisioned_in_account,
    save_provisioned,
    usage_of,
)
from lamina.state import Reader, Transaction

_MOST_ALIASES = 10_000


async def put_provisioned_concurrency_config(plane: Plane, call: Call, params: Params) -> Answer:
    """PutProvisionedConcurrencyConfig."""
    target = target_of(call, "PutProvisionedConcurrencyConfig", params)
    wanted = params["ProvisionedConcurrentExecutions"]
    limit = plane.settings.account_concurrency
    config = await plane.deployments.switch(
        target.key, lambda transaction: _put(transaction, target, wanted, limit), whole_account=True
    )
    plane.provisioning.apply(target.key)
    return _answer(config, Provision())


async def get_provisioned_concurrency_config(plane: Plane, call: Call, params: Params) -> Answer:
    """GetProvisionedConcurrencyConfig."""
    target = target_of(call, "GetProvisionedConcurrencyConfig", params)

    def work(reader: Reader) -> tuple[ProvisionedConfig, list[Allocation]]:
        function, qualifier = _resolve(reader, target)
        config = find_provisioned(reader, function, qualifier)
        if config is None:
            raise ProvisionedConcurrencyConfigNotFoundException(
                "No Provisioned Concurrency Config found for this function"
            )
        return config, allocations_of(reader, function, shares(reader, function, config))

    config, allocations = await plane.state.read(work)
    return _answer(config, plane.provisioning.state_of(allocations))


async def delete_provisioned_concurrency_config(plane: Plane, call: Call, params: Params) -> Answer:
    """DeleteProvisionedConcurrencyConfig: no error when there is none."""
    target = target_of(call, "DeleteProvisionedConcurrencyConfig", params)

    def work(transaction: Transaction) -> None:
        function, qualifier = _resolve(transaction, target)
        delete_provisioned(transaction, function, qualifier)

    await plane.deployments.switch(target.key, work, whole_account=True)
    plane.provisioning.apply(target.key)
    return {}


async def list_provisioned_concurrency_configs(plane: Plane, call: Call, params: Params) -> Answer:
    """ListProvisionedConcurrencyConfigs, by qualifier."""
    key = target_of(call, "ListProvisionedConcurrencyConfigs", params).function
    size, list_of = page_size(params), f"provisioned {key.name}"
    start = page_start(params, list_of, "")

    def work(reader: Reader) -> list[tuple[ProvisionedConfig, list[Allocation]]]:
        function = need_function(reader, key)
        configs = [each for each in all_provisioned(reader, function) if each.qualifier >= start][: size + 1]
        return [(each, allocations_of(reader, function, shares(reader, function, each))) for each in configs]

    def view(entry: tuple[ProvisionedConfig, list[Allocation]]) -> Answer:
        config, allocations = entry
        answer = _answer(config, plane.provisioning.state_of(allocations))
        return {"FunctionArn": f"{key.arn}:{config.qualifier}", **answer}

    return page(
        "ProvisionedConcurrencyConfigs",
        list_of,
        await plane.state.read(work),
        size,
        position=lambda entry: entry[0].qualifier,
        view=view,
    )


def check_alias_move(reader: Reader, function: Function, alias: Alias) -> bool:
    """Whether an alias has provisioned concurrency that moves with it; refuses a place where it cannot be."""
    if find_provisioned(reader, function, alias.name) is None:
        return False
    _check_alias(reader, function, alias)
    return True


def _answer(config: ProvisionedConfig, state: Provision) -> dict[str, Any]:
    status = "IN_PROGRESS"
    if state.ready >= config.requested:
        status = "READY"
    elif state.failure is not None:
        status = "FAILED"
    answer: dict[str, Any] = {
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": state.ready,
        "AllocatedProvisionedConcurrentExecutions": state.ready,
        "Status": status,
        "LastModified": config.last_modified,
    }
    if status == "FAILED":
        answer["StatusReason"] = state.failure
    return answer


def _put(transaction: Transaction, target: Target, wanted: int, limit: int) -> ProvisionedConfig:
    if target.qualifier in (None, LATEST):
        raise _unpublished()
    function, qualifier = _resolve(transaction, target)
    alias = find_alias(transaction, function, qualifier)
    if alias is None:
        _check_version(transaction, function, qualifier)
    else:
        _check_alias(transaction, function, alias)
    _check_room(transaction, function, qualifier, wanted, limit)
    config = ProvisionedConfig(qualifier=qualifier, requested=wanted, last_modified=now())
    save_provisioned(transaction, function, config)
    return config


def _resolve(reader: Reader, target: Target) -> tuple[Function, str]:
    """The function and the version or alias of it; an unknown alias comes before an unknown function (14.9)."""
    qualifier = target.qualifier
    if qualifier is None or qualifier == LATEST:
        raise InvalidParameterValueException("The function resource provided must be an alias or a published version.")
    function = find_function(reader, target.key)
    if version_number(qualifier) is not None or qualifier.isdigit():
        if function is None or find_version(reader, function, qualifier) is None:
            raise function_not_found(target.arn)
    elif function is None or find_alias(reader, function, qualifier) is None:
        raise alias_arn_not_found(target.key, qualifier)
    return function, qualifier


def _check_version(reader: Reader, function: Function, number: str) -> None:
    _check_kind(reader, function, number)
    for alias in aliases_from(reader, function, "", _MOST_ALIASES):
        if number in _versions(alias) and find_provisioned(reader, function, alias.name) is not None:
            raise ResourceConflictException("Version is pointed by a Provisioned Concurrency alias")


def _check_alias(reader: Reader, function: Function, alias: Alias) -> None:
    for number in _versions(alias):
        if number == LATEST:
            raise _unpublished()
        _check_kind(reader, function, number)
        if find_provisioned(reader, function, number) is not None:
            raise ResourceConflictException(
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
            )


def _versions(alias: Alias) -> tuple[str, ...]:
    return (alias.version, *((alias.additional[0],) if alias.additional else ()))


def _check_kind(reader: Reader, function: Function, number: str) -> None:
    version = find_version(reader, function, number)
    if version is None:
        raise function_not_found(f"{function.key.arn}:{number}")
    if version.configuration.optimised:
        raise InvalidParameterValueException(
            "Provisioned Concurrency is not supported for SnapStart enabled functions."
        )
    if version.state.value not in INVOCABLE:
        raise wrong_state(version.state.value)


def _check_room(reader: Reader, function: Function, qualifier: str, wanted: int, limit: int) -> None:
    """Refuse more than the function has reserved, or than the account has left (API notes, 14.7)."""
    own = all_provisioned(reader, function)
    others = sum(each.requested for each in own if each.qualifier != qualifier)
    if function.reserved_concurrency is not None:
        if others + wanted > function.reserved_concurrency:
            raise InvalidParameterValueException(
                "Requested Provisioned Concurrency should not be greater than the "
                "reservedConcurrentExecution for function"
            )
        return
    account = function.key[:2]
    before = sum(each.requested for each in own if each.qualifier == qualifier)
    taken = usage_of(reader, *account).reserved_concurrency + provisioned_in_account(reader, *account) - before
    least = least_unreserved(limit)
    if wanted > limit - taken:
        raise InvalidParameterValueException(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency "
            f"[{limit - taken}].",
            typed=False,
        )
    if limit - taken - wanted < least:
        raise InvalidParameterValueException(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            f"minimum value of [{least}].",
            typed=False,
        )


def _unpublished() -> InvalidParameterValueException:
    return InvalidParameterValueException(
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
    )
