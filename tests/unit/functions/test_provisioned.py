"""Provisioned concurrency in the records, in the recorded words."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.errors import (
    InvalidParameterValueException,
    ProvisionedConcurrencyConfigNotFoundException,
    ResourceConflictException,
    ResourceNotFoundException,
    ServiceError,
)
from lamina.functions import FunctionKey
from tests.unit.functions.world import ACCOUNT, ARN, REGION, World

KEY = FunctionKey(ACCOUNT, REGION, "f")


@pytest.fixture
async def versions(function: World) -> World:
    """``f`` with the versions 1 and 2, and the alias ``live`` of 1."""
    await function.publish()
    await function.update()
    await function.publish()
    await function.begin("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    return function


async def put(world: World, qualifier: str, count: int = 2, name: str = "f") -> dict[str, Any]:
    return await world.do(
        "PutProvisionedConcurrencyConfig",
        FunctionName=name,
        Qualifier=qualifier,
        ProvisionedConcurrentExecutions=count,
    )


async def get(world: World, qualifier: str) -> dict[str, Any]:
    return await world.do("GetProvisionedConcurrencyConfig", FunctionName="f", Qualifier=qualifier)


def kept(world: World) -> dict[str, int]:
    return {live.version: count for live, count in world.cutover.allocations.get(KEY, [])}


NUMBERS = (
    "RequestedProvisionedConcurrentExecutions",
    "AvailableProvisionedConcurrentExecutions",
    "AllocatedProvisionedConcurrentExecutions",
    "Status",
)


async def test_put_is_in_progress_and_then_ready(versions: World) -> None:
    answer = await put(versions, "1")
    assert [answer[name] for name in NUMBERS] == [2, 0, 0, "IN_PROGRESS"]
    ready = await get(versions, "1")
    assert [ready[name] for name in NUMBERS] == [2, 2, 2, "READY"]
    assert ready["LastModified"] == answer["LastModified"]
    assert kept(versions) == {"1": 2}


async def test_in_progress_and_failed(versions: World) -> None:
    versions.cutover.slow = True
    await put(versions, "1")
    assert (await get(versions, "1"))["Status"] == "IN_PROGRESS"
    versions.cutover.broken = "FUNCTION_ERROR_INIT_FAILURE"
    failed = await get(versions, "1")
    assert (failed["Status"], failed["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")


async def test_delete_also_when_there_is_none(versions: World) -> None:
    await put(versions, "1")
    for _ in range(2):
        assert (await versions.do("DeleteProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1")) == {}
    assert kept(versions) == {}
    with pytest.raises(
        ProvisionedConcurrencyConfigNotFoundException,
        match=r"^No Provisioned Concurrency Config found for this function$",
    ):
        await get(versions, "1")


async def test_list_in_pages(versions: World) -> None:
    await put(versions, "2", 1)
    await put(versions, "live", 3)
    first = await versions.do("ListProvisionedConcurrencyConfigs", FunctionName="f", MaxItems=1)
    assert [each["FunctionArn"] for each in first["ProvisionedConcurrencyConfigs"]] == [f"{ARN}f:2"]
    rest = await versions.do(
        "ListProvisionedConcurrencyConfigs", FunctionName="f", MaxItems=1, Marker=first["NextMarker"]
    )
    assert [each["FunctionArn"] for each in rest["ProvisionedConcurrencyConfigs"]] == [f"{ARN}f:live"]
    assert rest["ProvisionedConcurrencyConfigs"][0]["Status"] == "READY"
    assert "NextMarker" not in rest


@pytest.mark.parametrize(
    ("operation", "name", "qualifier", "message"),
    [
        ("Put", "f", "$LATEST", "Provisioned Concurrency Configs cannot be applied to unpublished function versions."),
        ("Get", "f", "$LATEST", "The function resource provided must be an alias or a published version."),
        ("Delete", "f", "$LATEST", "The function resource provided must be an alias or a published version."),
        ("Put", "f", "nobody", f"Cannot find alias arn: {ARN}f:nobody"),
        ("Get", "f", "nobody", f"Cannot find alias arn: {ARN}f:nobody"),
        ("Get", "g", "nobody", f"Cannot find alias arn: {ARN}g:nobody"),
        ("Put", "f", "10", f"Function not found: {ARN}f:10"),
        ("Delete", "g", "1", f"Function not found: {ARN}g:1"),
    ],
)
async def test_what_cannot_have_any(versions: World, operation: str, name: str, qualifier: str, message: str) -> None:
    more = {"ProvisionedConcurrentExecutions": 1} if operation == "Put" else {}
    with pytest.raises(ServiceError) as caught:
        await versions.do(f"{operation}ProvisionedConcurrencyConfig", FunctionName=name, Qualifier=qualifier, **more)
    assert caught.value.message == message


async def test_list_of_an_unknown_function(world: World) -> None:
    with pytest.raises(ResourceNotFoundException, match=rf"^Function not found: {ARN}g$"):
        await world.do("ListProvisionedConcurrencyConfigs", FunctionName="g")


async def test_a_version_and_its_alias_exclude_each_other(versions: World) -> None:
    await put(versions, "1")
    with pytest.raises(ResourceConflictException, match=r"^Alias can't be used for Provisioned Concurrency"):
        await put(versions, "live")
    await versions.do("DeleteProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1")
    await put(versions, "live")
    with pytest.raises(ResourceConflictException, match=r"^Version is pointed by a Provisioned Concurrency alias$"):
        await put(versions, "1")


async def test_an_alias_moves_with_its_environments(versions: World) -> None:
    await put(versions, "live")
    versions.cutover.provisions.clear()
    await versions.do("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2")
    assert versions.cutover.provisions == [{"1": 2, "2": 2}, {"2": 2}]


async def test_an_alias_with_weights_divides_them(versions: World) -> None:
    await put(versions, "live", 4)
    await versions.do(
        "UpdateAlias", FunctionName="f", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}}
    )
    assert kept(versions) == {"1": 3, "2": 1}
    assert (await get(versions, "live"))["Status"] == "READY"


async def test_an_alias_does_not_move_to_where_they_cannot_be(versions: World) -> None:
    await put(versions, "live")
    await put(versions, "2")
    with pytest.raises(ResourceConflictException, match="already Provisioned version"):
        await versions.do("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2")
    with pytest.raises(InvalidParameterValueException, match="unpublished function versions"):
        await versions.do("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="$LATEST")
    assert kept(versions) == {"1": 2, "2": 2}


async def test_a_refused_move_leaves_nothing_behind(versions: World) -> None:
    await put(versions, "live")
    with pytest.raises(ServiceError):
        await versions.do("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2", RevisionId="old")
    assert kept(versions) == {"1": 2}


async def test_they_end_with_their_alias_and_version(versions: World) -> None:
    await put(versions, "live")
    await put(versions, "2")
    await versions.do("DeleteAlias", FunctionName="f", Name="live")
    assert kept(versions) == {"2": 2}
    with pytest.raises(ResourceNotFoundException, match=rf"^Cannot find alias arn: {ARN}f:live$"):
        await get(versions, "live")
    await versions.do("DeleteFunction", FunctionName="f", Qualifier="2")
    assert (await versions.do("ListProvisionedConcurrencyConfigs", FunctionName="f")) == {
        "ProvisionedConcurrencyConfigs": []
    }


async def test_a_restart_has_them_again(versions: World) -> None:
    await put(versions, "live")
    restarted = World(versions.state)
    await restarted.functions.recover()
    await restarted.functions.deployments.idle()
    assert kept(restarted) == {"1": 2}


async def test_within_the_reservation(versions: World) -> None:
    await versions.do("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=3)
    await put(versions, "1", 2)
    with pytest.raises(
        InvalidParameterValueException,
        match=r"^Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for func",
    ):
        await put(versions, "2", 2)
    await put(versions, "1", 3)
    with pytest.raises(InvalidParameterValueException) as caught:
        await versions.do("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=1)
    assert caught.value.message == (
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [3]."
    )
    assert not caught.value.typed


async def test_within_the_account(versions: World) -> None:
    await versions.create("g")
    await versions.do("PutFunctionConcurrency", FunctionName="g", ReservedConcurrentExecutions=100)
    with pytest.raises(InvalidParameterValueException) as caught:
        await put(versions, "1", 901)
    assert caught.value.message == (
        "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [900]."
    )
    with pytest.raises(InvalidParameterValueException) as caught:
        await put(versions, "1", 801)
    assert caught.value.message == (
        "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
        "below its minimum value of [100]."
    )
    await put(versions, "1", 800)
    await put(versions, "1", 799)
    with pytest.raises(InvalidParameterValueException, match="decreases account's"):
        await versions.do("PutFunctionConcurrency", FunctionName="g", ReservedConcurrentExecutions=102)


async def test_what_is_provisioned_is_nobody_elses(versions: World) -> None:
    assert (await versions.route()).reserved_in_account == 0
    await put(versions, "1", 5)
    assert (await versions.route()).reserved_in_account == 5
    await versions.do("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=7)
    assert (await versions.route()).reserved_in_account == 7


async def test_not_with_snap_start(world: World) -> None:
    await world.create(SnapStart={"ApplyOn": "PublishedVersions"})
    await world.publish()
    with pytest.raises(InvalidParameterValueException, match="not supported for SnapStart enabled functions"):
        await put(world, "1")
