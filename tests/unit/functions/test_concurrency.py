"""Reserved concurrency and GetAccountSettings (API notes, sections 14 and 17C)."""

from __future__ import annotations

import pytest

from lamina.errors import InvalidParameterValueException, ResourceNotFoundException
from lamina.state import SqliteState
from tests.unit.functions.world import ARN, World


async def put(world: World, count: int, name: str = "f") -> dict[str, int]:
    return await world.do("PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=count)


async def test_none(function: World) -> None:
    assert await function.begin("GetFunctionConcurrency", FunctionName="f") == {}
    assert "Concurrency" not in await function.begin("GetFunction", FunctionName="f")
    assert (await function.route()).reserved_concurrency is None


@pytest.mark.parametrize("count", [0, 5, 900])
async def test_reserved(function: World, count: int) -> None:
    reserved = {"ReservedConcurrentExecutions": count}
    assert await put(function, count) == reserved
    assert await function.begin("GetFunctionConcurrency", FunctionName="f") == reserved
    assert (await function.begin("GetFunction", FunctionName="f"))["Concurrency"] == reserved
    assert (await function.route()).reserved_concurrency == count


async def test_deleted(function: World) -> None:
    await put(function, 900)
    assert await function.do("DeleteFunctionConcurrency", FunctionName="f") == {}
    assert await function.begin("GetFunctionConcurrency", FunctionName="f") == {}
    await put(function, 900)


async def test_too_much(function: World) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await put(function, 901)
    assert not refused.value.typed
    assert refused.value.message == (
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
        "its minimum value of [100]."
    )


async def test_that_of_others_counts_and_the_own_does_not(function: World) -> None:
    await function.create("g")
    await put(function, 500)
    await put(function, 600)
    await put(function, 300, "g")
    with pytest.raises(InvalidParameterValueException):
        await put(function, 301, "g")
    assert (await function.route()).reserved_in_account == 900


async def test_a_deleted_function_reserves_nothing(function: World) -> None:
    await put(function, 900)
    await function.create("g")
    await function.do("DeleteFunction", FunctionName="f")
    await put(function, 900, "g")


async def test_a_small_account() -> None:
    state = SqliteState.in_memory()
    world = World(state, account_concurrency=10)
    await world.create()
    with pytest.raises(InvalidParameterValueException, match=r"minimum value of \[10\]\.$"):
        await put(world, 1)
    state.close()


@pytest.mark.parametrize("qualifier", ["$LATEST", "1", "live"])
async def test_a_qualified_name(function: World, qualifier: str) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await put(function, 1, f"{ARN}f:{qualifier}")
    assert refused.value.message == (
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
        "Please specify either a function name or an unqualified function ARN."
    )


async def test_an_unknown_function(world: World) -> None:
    with pytest.raises(ResourceNotFoundException, match=rf"^Function not found: {ARN}f:\$LATEST$"):
        await put(world, 1, "f:1")
    for operation in ("GetFunctionConcurrency", "DeleteFunctionConcurrency"):
        with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f$"):
            await world.do(operation, FunctionName="f")


async def test_it_stands_at_the_gate(function: World) -> None:
    function.cutover.switched.clear()
    await put(function, 1)
    await function.do("DeleteFunctionConcurrency", FunctionName="f")
    assert len(function.cutover.switched) == 2


async def test_the_settings_of_the_account(function: World) -> None:
    await put(function, 200)
    await function.publish()
    assert await function.begin("GetAccountSettings") == {
        "AccountLimit": {
            "TotalCodeSize": 80530636800,
            "CodeSizeUnzipped": 262144000,
            "CodeSizeZipped": 52428800,
            "ConcurrentExecutions": 1000,
            "UnreservedConcurrentExecutions": 800,
        },
        "AccountUsage": {"TotalCodeSize": 6, "FunctionCount": 1},
    }


async def test_the_usage_of_an_empty_account(world: World) -> None:
    usage = (await world.begin("GetAccountSettings"))["AccountUsage"]
    assert usage == {"TotalCodeSize": 0, "FunctionCount": 0}


async def test_the_usage_shrinks_with_what_is_deleted(function: World) -> None:
    await function.publish()
    await function.update(Publish=True)
    await function.do("DeleteFunction", FunctionName="f", Qualifier="1")
    assert await function.code_size() == 6
    await function.do("DeleteFunction", FunctionName="f")
    usage = (await function.begin("GetAccountSettings"))["AccountUsage"]
    assert usage == {"TotalCodeSize": 0, "FunctionCount": 0}
