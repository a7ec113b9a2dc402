"""Aliases (API notes, section 8)."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.errors import (
    InvalidParameterValueException,
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from tests.unit.functions.world import ARN, World

WEIGHTED = {"AdditionalVersionWeights": {"2": 0.25}}


@pytest.fixture
async def versions(function: World) -> World:
    """``f`` with the versions 1 and 2."""
    await function.publish()
    await function.update(Publish=True)
    return function


async def create(world: World, version: str = "1", **params: Any) -> dict[str, Any]:
    return await world.do("CreateAlias", FunctionName="f", Name="live", FunctionVersion=version, **params)


async def update(world: World, **params: Any) -> dict[str, Any]:
    return await world.do("UpdateAlias", FunctionName="f", Name="live", **params)


async def test_the_answer_has_these_members(versions: World) -> None:
    answer = await create(versions)
    assert answer.pop("RevisionId")
    assert answer == {
        "AliasArn": f"{ARN}f:live",
        "Name": "live",
        "FunctionVersion": "1",
        "Description": "",
    }


async def test_get_alias_shows_the_same(versions: World) -> None:
    created = await create(versions, Description="d", RoutingConfig=WEIGHTED)
    assert created["RoutingConfig"] == WEIGHTED
    assert await versions.begin("GetAlias", FunctionName="f", Name="live") == created


@pytest.mark.parametrize("routing", [{}, {"AdditionalVersionWeights": {}}])
async def test_an_empty_routing_is_none(versions: World, routing: dict[str, Any]) -> None:
    assert "RoutingConfig" not in await create(versions, RoutingConfig=routing)


async def test_an_alias_for_latest(function: World) -> None:
    assert (await create(function, "$LATEST"))["FunctionVersion"] == "$LATEST"


@pytest.mark.parametrize(
    ("version", "weights", "message"),
    [
        ("1", {"2": 0.1, "3": 0.1}, "Number of items in AdditionalVersionWeights cannot be greater than 1"),
        (
            "1",
            {"1": 0.5},
            "Invalid function version 1. Function version 1 is already included in routing configuration.",
        ),
        ("$LATEST", {"1": 0.5}, "$LATEST is not supported for an alias pointing to more than 1 version"),
    ],
)
async def test_routing_that_is_refused(versions: World, version: str, weights: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await create(versions, version, RoutingConfig={"AdditionalVersionWeights": weights})
    assert refused.value.message == message
    assert refused.value.typed is not version.startswith("$")


@pytest.mark.parametrize(("version", "weights"), [("10", {}), ("1", {"10": 0.5})])
async def test_a_version_that_is_missing(versions: World, version: str, weights: dict[str, float]) -> None:
    with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f:10$"):
        await create(versions, version, RoutingConfig={"AdditionalVersionWeights": weights})


async def test_a_function_that_is_missing(world: World) -> None:
    with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f:1$"):
        await create(world)


async def test_an_alias_that_exists(versions: World) -> None:
    await create(versions)
    with pytest.raises(ResourceConflictException, match=f"^Alias already exists: {ARN}f:live$"):
        await create(versions)


@pytest.mark.parametrize("name", ["f", "unknown"])
async def test_getting_an_alias_that_is_missing(function: World, name: str) -> None:
    with pytest.raises(ResourceNotFoundException, match=f"^Cannot find alias arn: {ARN}{name}:live$"):
        await function.begin("GetAlias", FunctionName=name, Name="live")


class TestUpdate:
    async def test_given_members_change(self, versions: World) -> None:
        await create(versions, Description="d")
        answer = await update(versions, FunctionVersion="2")
        assert (answer["FunctionVersion"], answer["Description"]) == ("2", "d")

    async def test_the_revision_changes_even_without_a_change(self, versions: World) -> None:
        created = await create(versions)
        assert (await update(versions))["RevisionId"] != created["RevisionId"]

    async def test_an_empty_routing_removes_it(self, versions: World) -> None:
        await create(versions, RoutingConfig=WEIGHTED)
        assert "RoutingConfig" in await update(versions, Description="kept")
        assert "RoutingConfig" not in await update(versions, RoutingConfig={"AdditionalVersionWeights": {}})

    async def test_the_main_version_cannot_become_the_additional_one(self, versions: World) -> None:
        await create(versions, RoutingConfig=WEIGHTED)
        with pytest.raises(InvalidParameterValueException, match=r"^Invalid function version 2"):
            await update(versions, FunctionVersion="2")

    async def test_a_stale_revision(self, versions: World) -> None:
        await create(versions)
        with pytest.raises(PreconditionFailedException, match=r"Call the GetFunction/GetAlias API"):
            await update(versions, RevisionId="stale")

    async def test_the_latest_revision(self, versions: World) -> None:
        created = await create(versions)
        await update(versions, RevisionId=created["RevisionId"])

    @pytest.mark.parametrize("name", ["f", "unknown"])
    async def test_an_alias_that_is_missing(self, function: World, name: str) -> None:
        with pytest.raises(ResourceNotFoundException, match=f"^Alias not found: {ARN}{name}:live$"):
            await function.do("UpdateAlias", FunctionName=name, Name="live")

    async def test_a_version_that_is_missing(self, versions: World) -> None:
        await create(versions)
        with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f:10$"):
            await update(versions, FunctionVersion="10")

    async def test_it_stands_at_the_gate(self, versions: World) -> None:
        await create(versions)
        versions.cutover.switched.clear()
        await update(versions, FunctionVersion="2")
        assert [key.name for key in versions.cutover.switched] == ["f"]


class TestDelete:
    async def test_it_is_gone(self, versions: World) -> None:
        await create(versions)
        await versions.do("DeleteAlias", FunctionName="f", Name="live")
        with pytest.raises(ResourceNotFoundException):
            await versions.begin("GetAlias", FunctionName="f", Name="live")

    @pytest.mark.parametrize("name", ["f", "unknown"])
    async def test_a_missing_one_is_no_error(self, function: World, name: str) -> None:
        assert await function.do("DeleteAlias", FunctionName=name, Name="live") == {}

    async def test_its_policy_goes_with_it(self, versions: World) -> None:
        await create(versions)
        permission = {"StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"}
        await versions.do("AddPermission", FunctionName="f", Qualifier="live", **permission)
        await versions.do("DeleteAlias", FunctionName="f", Name="live")
        await create(versions)
        with pytest.raises(ResourceNotFoundException):
            await versions.begin("GetPolicy", FunctionName="f", Qualifier="live")


class TestList:
    async def test_by_name_and_by_main_version(self, versions: World) -> None:
        for name, version in (("b", "1"), ("a", "2"), ("c", "1")):
            await versions.do("CreateAlias", FunctionName="f", Name=name, FunctionVersion=version)
        every = await versions.begin("ListAliases", FunctionName="f")
        assert [alias["Name"] for alias in every["Aliases"]] == ["a", "b", "c"]
        some = await versions.begin("ListAliases", FunctionName="f", FunctionVersion="1")
        assert [alias["Name"] for alias in some["Aliases"]] == ["b", "c"]

    async def test_an_unknown_function(self, world: World) -> None:
        with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f$"):
            await world.begin("ListAliases", FunctionName="f")
