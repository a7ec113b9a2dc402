"""PublishVersion and ListVersionsByFunction (API notes, section 8)."""

from __future__ import annotations

import pytest

from lamina.errors import (
    CodeStorageExceededException,
    InvalidParameterValueException,
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from lamina.state import SqliteState
from tests.unit.functions.world import ARN, World, sha


async def test_the_answer_is_an_active_version(function: World) -> None:
    answer = await function.publish()
    assert (answer["Version"], answer["FunctionArn"]) == ("1", f"{ARN}f:1")
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "Successful")
    assert "RuntimeVersionArn" in answer["RuntimeVersionConfig"]


async def test_unchanged_since_is_the_same_version(function: World) -> None:
    first = await function.publish(Description="first")
    assert await function.publish(Description="second") == first


async def test_after_an_update_it_is_the_next(function: World) -> None:
    await function.publish()
    await function.configure(Timeout=9)
    assert (await function.publish())["Version"] == "2"


async def test_the_description_is_inherited_or_given(world: World) -> None:
    await world.create(Description="of the function")
    assert (await world.publish())["Description"] == "of the function"
    await world.update()
    assert (await world.publish(Description="own"))["Description"] == "own"
    assert (await world.get())["Description"] == "of the function"


async def test_later_updates_do_not_touch_it(function: World) -> None:
    await function.publish()
    before = await function.begin("GetFunction", FunctionName="f", Qualifier="1")
    await function.update()
    await function.configure(Timeout=9, Environment={"Variables": {"A1": "b"}})
    assert await function.begin("GetFunction", FunctionName="f", Qualifier="1") == before


async def test_numbers_are_never_given_twice(function: World) -> None:
    await function.publish()
    await function.update(Publish=True)
    await function.do("DeleteFunction", FunctionName="f", Qualifier="2")
    await function.update()
    assert (await function.publish())["Version"] == "3"


async def test_another_hash_than_that_of_latest(function: World) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await function.publish(CodeSha256="other")
    assert refused.value.message == (
        f"CodeSHA256 (other) is different from current CodeSHA256 in $LATEST ({sha(b'one')}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )


async def test_the_hash_of_latest(function: World) -> None:
    assert (await function.publish(CodeSha256=sha(b"one")))["Version"] == "1"


async def test_a_stale_revision(function: World) -> None:
    with pytest.raises(PreconditionFailedException):
        await function.publish(RevisionId="stale")


async def test_an_update_in_progress(function: World) -> None:
    function.cutover.hold()
    await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two")
    with pytest.raises(ResourceConflictException, match=f"An update is in progress for resource: {ARN}f$"):
        await function.begin("PublishVersion", FunctionName="f")


async def test_a_function_that_has_failed(world: World) -> None:
    world.missing["ruby3.4"] = "none"
    await world.create(Runtime="ruby3.4")
    with pytest.raises(ResourceConflictException, match=r"in the following state: Failed$"):
        await world.publish()


async def test_an_unknown_function(world: World) -> None:
    with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f$"):
        await world.publish()


async def test_the_managed_instances_of_aws(function: World) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"^PublishTo is supported for functions with a capacity"):
        await function.publish(PublishTo="LATEST_PUBLISHED")


async def test_the_storage_of_the_account_has_an_end() -> None:
    state = SqliteState.in_memory()
    world = World(state, code_storage=5)
    await world.create(code=b"one")
    with pytest.raises(CodeStorageExceededException):
        await world.publish()
    state.close()


class TestList:
    async def test_latest_is_first_and_all_arns_are_qualified(self, function: World) -> None:
        await function.publish()
        await function.update(Publish=True)
        versions = (await function.begin("ListVersionsByFunction", FunctionName="f"))["Versions"]
        assert [each["Version"] for each in versions] == ["$LATEST", "1", "2"]
        assert [each["FunctionArn"] for each in versions] == [f"{ARN}f:$LATEST", f"{ARN}f:1", f"{ARN}f:2"]

    async def test_entries_have_no_states(self, function: World) -> None:
        await function.publish()
        for entry in (await function.begin("ListVersionsByFunction", FunctionName="f"))["Versions"]:
            assert not {name for name in entry if name.startswith(("State", "LastUpdate", "RuntimeVersion"))}

    async def test_numbers_are_in_the_order_of_numbers(self, function: World) -> None:
        for _ in range(11):
            await function.update(Publish=True)
        versions = (await function.begin("ListVersionsByFunction", FunctionName="f", MaxItems=10000))["Versions"]
        assert [each["Version"] for each in versions] == ["$LATEST", *map(str, range(1, 12))]

    async def test_an_unknown_function(self, world: World) -> None:
        with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f$"):
            await world.begin("ListVersionsByFunction", FunctionName="f")
