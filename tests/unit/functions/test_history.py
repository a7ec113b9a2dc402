"""The history of a function's code, and the way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lamina.errors import InvalidParameterValueException, ResourceNotFoundException
from lamina.state import SqliteState
from tests.unit.functions.world import FakeSignature, World, sha


async def history(world: World) -> list[dict[str, Any]]:
    deployments: list[dict[str, Any]] = (await world.begin("ListDeployments", FunctionName="f"))["Deployments"]
    return deployments


async def rollback(world: World, **params: Any) -> dict[str, Any]:
    return await world.do("RollbackFunction", FunctionName="f", **params)


async def test_who_when_what_and_how_long(function: World) -> None:
    await function.update()
    update, creation = await history(function)
    assert (creation["Operation"], creation["From"], creation["To"]) == ("CreateFunction", "", sha(b"one"))
    assert (update["Operation"], update["From"], update["To"]) == ("UpdateFunctionCode", sha(b"one"), sha(b"two"))
    assert (update["Caller"], update["Source"], update["CodeSize"]) == ("k", "inline", 3)
    assert (update["Revision"], update["Outcome"], update["Reason"]) == (2, "Successful", None)
    assert update["Began"] <= update["Ended"]
    assert set(update["Steps"]) >= {"check", "verify", "stage", "accept", "prepare"}
    assert update["Location"].endswith(update["Location"].split("/")[-1])


async def test_one_that_failed(function: World) -> None:
    function.missing["python3.12"] = "No Python 3.12 was found"
    await function.update()
    failed = (await history(function))[0]
    assert (failed["Outcome"], failed["Reason"]) == ("Failed", "InvalidRuntime: No Python 3.12 was found")


async def test_one_that_was_refused_is_none(function: World) -> None:
    with pytest.raises(InvalidParameterValueException):
        await function.update(code=b"bad")
    assert len(await history(function)) == 1


async def test_a_dry_run_is_none(function: World) -> None:
    await function.update(DryRun=True)
    assert len(await history(function)) == 1


async def test_the_last_ones_are_remembered() -> None:
    state = SqliteState.in_memory()
    world = World(state, history=2)
    await world.create()
    for code in (b"two", b"three", b"four"):
        await world.update(code=code)
    assert [each["Revision"] for each in await history(world)] == [4, 3]
    state.close()


async def test_back_to_the_code_before(function: World) -> None:
    await function.update()
    answer = await rollback(function)
    assert (answer["CodeSha256"], answer["LastUpdateStatus"]) == (sha(b"one"), "InProgress")
    assert (await function.get())["CodeSha256"] == sha(b"one")
    last = (await history(function))[0]
    assert (last["Operation"], last["Source"]) == ("Rollback to 1", "inline")


async def test_back_to_a_revision_and_publish(function: World) -> None:
    await function.update(Architectures=["arm64"])
    await function.update(code=b"three", Architectures=["x86_64"])
    answer = await rollback(function, Revision=2, Publish=True)
    assert (answer["Version"], answer["CodeSha256"], answer["Architectures"]) == ("1", sha(b"two"), ["arm64"])


async def test_a_rollback_can_be_rehearsed(function: World) -> None:
    await function.update()
    assert (await rollback(function, DryRun=True))["CodeSha256"] == sha(b"one")
    assert (await function.get())["CodeSha256"] == sha(b"two")


async def test_one_that_is_not_remembered(function: World) -> None:
    with pytest.raises(ResourceNotFoundException, match=r"revision 9$"):
        await rollback(function, Revision=9)


async def test_nothing_to_go_back_to(function: World) -> None:
    await function.update(code=b"one")
    with pytest.raises(InvalidParameterValueException, match=r"^f has no earlier code to go back to\.$"):
        await rollback(function)


async def test_a_signature_is_checked_again(function: World) -> None:
    await function.update()
    function.verification.failure = InvalidParameterValueException("revoked")
    with pytest.raises(InvalidParameterValueException, match="revoked"):
        await rollback(function)
    function.verification.failure = None
    function.verification.signature = FakeSignature("profile", "job")
    assert (await rollback(function))["SigningJobArn"] == "job"


async def test_old_code_is_kept_up_to_a_size(function: World) -> None:
    await function.update(code=b"second")
    await function.update(code=b"third")
    assert len(await function.functions.in_use()) == 3
    plane = function.functions._plane
    function.functions._plane = replace(plane, settings=replace(plane.settings, history_bytes=6))
    assert len(await function.functions.in_use()) == 2
