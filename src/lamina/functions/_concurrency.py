"""Reserved concurrency and the settings of an account (API notes, sections 14 and 17C)."""

from __future__ import annotations

from dataclasses import replace

from lamina.errors import InvalidParameterValueException
from lamina.functions._live import Call
from lamina.functions._messages import function_not_found, functions_only
from lamina.functions._names import Target
from lamina.functions._plane import Answer, Params, Plane, target_of
from lamina.functions._records import LATEST, Function, Usage
from lamina.functions._store import (
    add_usage,
    all_provisioned,
    find_function,
    need_function,
    provisioned_in_account,
    save_function,
    usage_of,
)
from lamina.state import Reader, Transaction

_UNZIPPED_BYTES = 262_144_000
_ZIPPED_BYTES = 52_428_800


async def put_function_concurrency(plane: Plane, call: Call, params: Params) -> Answer:
    """PutFunctionConcurrency."""
    target = target_of(call, "PutFunctionConcurrency", params)
    wanted = params["ReservedConcurrentExecutions"]
    limit = plane.settings.account_concurrency
    await plane.deployments.switch(
        target.key, lambda transaction: _reserve(transaction, target, wanted, limit), whole_account=True
    )
    return {"ReservedConcurrentExecutions": wanted}


async def get_function_concurrency(plane: Plane, call: Call, params: Params) -> Answer:
    """GetFunctionConcurrency: empty when nothing is reserved."""
    target = target_of(call, "GetFunctionConcurrency", params)
    reserved = await plane.state.read(lambda reader: _function(reader, target).reserved_concurrency)
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


async def delete_function_concurrency(plane: Plane, call: Call, params: Params) -> Answer:
    """DeleteFunctionConcurrency."""
    target = target_of(call, "DeleteFunctionConcurrency", params)
    await plane.deployments.switch(
        target.key, lambda transaction: _save(transaction, _function(transaction, target), None), whole_account=True
    )
    return {}


async def get_account_settings(plane: Plane, call: Call, _params: Params) -> Answer:
    """GetAccountSettings."""
    settings = plane.settings
    usage = await plane.state.read(lambda reader: usage_of(reader, call.account_id, call.region))
    return {
        "AccountLimit": {
            "TotalCodeSize": settings.code_storage,
            "CodeSizeUnzipped": _UNZIPPED_BYTES,
            "CodeSizeZipped": _ZIPPED_BYTES,
            "ConcurrentExecutions": settings.account_concurrency,
            "UnreservedConcurrentExecutions": settings.account_concurrency - usage.reserved_concurrency,
        },
        "AccountUsage": {"TotalCodeSize": usage.code_size, "FunctionCount": usage.functions},
    }


def _reserve(transaction: Transaction, target: Target, wanted: int, limit: int) -> None:
    function = find_function(transaction, target.key)
    if function is None:
        raise function_not_found(f"{target.key.arn}:{LATEST}")
    _check_unqualified(target)
    _check_total(transaction, function, wanted)
    usage = usage_of(transaction, target.key.account_id, target.key.region)
    others = usage.reserved_concurrency - (function.reserved_concurrency or 0)
    others += _provisioned_by_others(transaction, function)
    least = least_unreserved(limit)
    if others + wanted > limit - least:
        raise InvalidParameterValueException(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{least}].",
            typed=False,
        )
    _save(transaction, function, wanted)


def _provisioned_by_others(reader: Reader, function: Function) -> int:
    total = provisioned_in_account(reader, function.key.account_id, function.key.region)
    if function.reserved_concurrency is None:
        total -= sum(each.requested for each in all_provisioned(reader, function))
    return total


def _check_total(reader: Reader, function: Function, reserved: int) -> None:
    """Refuse a reservation below what the function has provisioned (API notes, 14.4)."""
    total = sum(each.requested for each in all_provisioned(reader, function))
    if reserved < total:
        raise InvalidParameterValueException(
            f" ReservedConcurrentExecutions  {reserved} should not be lower than "
            f"function's total provisioned concurrency [{total}].",
            typed=False,
        )


def least_unreserved(limit: int) -> int:
    """What must stay for functions that reserve nothing: 100, and 10 in the small accounts that AWS gives out."""
    return 100 if limit >= 1000 else 10


def _save(transaction: Transaction, function: Function, reserved: int | None) -> None:
    growth = (reserved or 0) - (function.reserved_concurrency or 0)
    add_usage(transaction, function.key, Usage(reserved_concurrency=growth))
    save_function(transaction, replace(function, reserved_concurrency=reserved))


def _function(reader: Reader, target: Target) -> Function:
    function = need_function(reader, target.key)
    _check_unqualified(target)
    return function


def _check_unqualified(target: Target) -> None:
    if target.qualifier is not None:
        raise functions_only()
