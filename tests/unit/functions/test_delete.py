"""DeleteFunction (API notes, 10.4 to 10.6)."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.errors import InvalidParameterValueException, ResourceConflictException, ResourceNotFoundException
from tests.unit.functions.world import ARN, World, sha


async def delete(world: World, name: str = "f", **params: Any) -> None:
    assert await world.do("DeleteFunction", FunctionName=name, **params) == {"StatusCode": 204}


async def test_all_that_hangs_on_it_is_gone(function: World) -> None:
    await function.publish()
    await function.do("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    await function.do("TagResource", Resource=f"{ARN}f", Tags={"a": "b"})
    permission = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"}
    await function.do("AddPermission", FunctionName="f", **permission)
    await delete(function)
    await function.create()
    assert len((await function.begin("ListVersionsByFunction", FunctionName="f"))["Versions"]) == 1
    assert (await function.begin("ListAliases", FunctionName="f"))["Aliases"] == []
    assert (await function.begin("ListTags", Resource=f"{ARN}f"))["Tags"] == {}
    with pytest.raises(ResourceNotFoundException):
        await function.begin("GetPolicy", FunctionName="f")


async def test_a_second_time(function: World) -> None:
    await delete(function)
    with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f$"):
        await delete(function)


async def test_made_again_right_away(function: World) -> None:
    await function.publish()
    await delete(function)
    await function.create(code=b"new")
    assert (await function.get())["CodeSha256"] == sha(b"new")
    assert (await function.publish())["Version"] == "1"


async def test_all_its_environments_are_retired(function: World) -> None:
    await function.publish()
    routes = [await function.route(), await function.route(qualifier="1")]
    await delete(function)
    assert {route.targets[0][1].deployment for route in routes} <= function.cutover.retired


async def test_its_packages_are_no_longer_in_use(function: World) -> None:
    await function.publish()
    await function.update()
    assert len(await function.functions.in_use()) == 2
    await delete(function)
    assert await function.functions.in_use() == set()


class TestVersion:
    async def test_only_that_version(self, function: World) -> None:
        await function.publish()
        await delete(function, Qualifier="1")
        with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f:1$"):
            await function.get(Qualifier="1")
        assert (await function.get())["State"] == "Active"

    async def test_its_environments_are_retired(self, function: World) -> None:
        await function.publish()
        deployment = (await function.route(qualifier="1")).targets[0][1].deployment
        await delete(function, Qualifier="1")
        assert function.cutover.retired == {deployment}

    @pytest.mark.parametrize("number", ["7", "007", "9" * 40])
    async def test_one_that_does_not_exist(self, function: World, number: str) -> None:
        await delete(function, Qualifier=number)
        await delete(function, f"f:{number}")

    async def test_of_an_unknown_function(self, world: World) -> None:
        with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f$"):
            await delete(world, Qualifier="1")

    async def test_one_that_an_alias_points_to(self, function: World) -> None:
        await function.publish()
        await function.update(Publish=True)
        weights = {"AdditionalVersionWeights": {"2": 0.5}}
        await function.do("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=weights)
        for number in ("1", "2"):
            with pytest.raises(ResourceConflictException, match=f"^Version {number} is referenced by alias"):
                await delete(function, Qualifier=number)

    @pytest.mark.parametrize(
        ("qualifier", "message"),
        [
            ("$LATEST", "$LATEST version cannot be deleted without deleting the function."),
            ("live", "Deletion of aliases is not currently supported."),
        ],
    )
    async def test_what_is_refused_even_of_an_unknown_function(
        self, world: World, qualifier: str, message: str
    ) -> None:
        with pytest.raises(InvalidParameterValueException) as refused:
            await delete(world, Qualifier=qualifier)
        assert refused.value.message == message

    async def test_latest_in_lower_case(self, function: World) -> None:
        with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f$"):
            await delete(function, Qualifier="$latest")
