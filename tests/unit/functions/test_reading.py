"""GetFunction, GetFunctionConfiguration, ListFunctions, and the ARNs of all answers (API notes, 2, 3.5 and 10)."""

from __future__ import annotations

import pytest

from lamina.errors import InvalidParameterValueException, ResourceNotFoundException
from tests.unit.functions.world import ARN, World


@pytest.fixture
async def published(function: World) -> World:
    """``f`` with version 1 and the alias ``live`` for it."""
    await function.publish()
    await function.do("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    return function


@pytest.mark.parametrize(
    ("qualifier", "suffix", "version"),
    [(None, "", "$LATEST"), ("$LATEST", ":$LATEST", "$LATEST"), ("1", ":1", "1"), ("live", ":live", "1")],
)
async def test_the_arn_is_as_asked(published: World, qualifier: str | None, suffix: str, version: str) -> None:
    for params in ({"FunctionName": "f", "Qualifier": qualifier}, {"FunctionName": f"{ARN}f{suffix}"}):
        shown = (await published.begin("GetFunction", **params))["Configuration"]
        assert (shown["FunctionArn"], shown["Version"]) == (f"{ARN}f{suffix}", version)
        assert shown == await published.begin("GetFunctionConfiguration", **params)


async def test_the_code_is_where_it_is_located(published: World) -> None:
    answer = await published.begin("GetFunction", FunctionName="f", Qualifier="live")
    assert answer.keys() == {"Configuration", "Code"}
    assert answer["Code"]["RepositoryType"] == "S3"
    assert answer["Code"]["Location"].startswith("http://localhost:4566/f/1/")


@pytest.mark.parametrize("operation", ["GetFunction", "GetFunctionConfiguration"])
@pytest.mark.parametrize("qualifier", ["1221", "unknown", "$latest", "007", "0", "9" * 100, "$LATEST.PUBLISHED"])
async def test_a_qualifier_that_means_nothing(function: World, operation: str, qualifier: str) -> None:
    with pytest.raises(ResourceNotFoundException) as refused:
        await function.begin(operation, FunctionName="f", Qualifier=qualifier)
    assert refused.value.message == f"Function not found: {ARN}f:{qualifier}"


@pytest.mark.parametrize("operation", ["GetFunction", "GetFunctionConfiguration", "GetFunctionCodeSigningConfig"])
async def test_an_unknown_function(world: World, operation: str) -> None:
    with pytest.raises(ResourceNotFoundException) as refused:
        await world.begin(operation, FunctionName="f")
    assert refused.value.message == f"Function not found: {ARN}f"


async def test_two_different_qualifiers_are_refused_before_the_function_is_looked_for(world: World) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await world.begin("GetFunction", FunctionName="f:1", Qualifier="2")
    assert refused.value.message == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


async def test_without_code_signing(function: World) -> None:
    assert await function.begin("GetFunctionCodeSigningConfig", FunctionName="f") == {}


class TestList:
    async def test_one_entry_for_each_function_by_name(self, world: World) -> None:
        for name in ("b", "a", "c"):
            await world.create(name, Publish=True)
        functions = (await world.begin("ListFunctions"))["Functions"]
        assert [each["FunctionArn"] for each in functions] == [f"{ARN}a", f"{ARN}b", f"{ARN}c"]
        assert {each["Version"] for each in functions} == {"$LATEST"}

    async def test_entries_have_no_states(self, function: World) -> None:
        (entry,) = (await function.begin("ListFunctions"))["Functions"]
        assert not {name for name in entry if name.startswith(("State", "LastUpdate", "RuntimeVersion"))}

    async def test_all_versions(self, published: World) -> None:
        await published.create("g")
        functions = (await published.begin("ListFunctions", FunctionVersion="ALL"))["Functions"]
        assert [each["FunctionArn"] for each in functions] == [f"{ARN}f:$LATEST", f"{ARN}f:1", f"{ARN}g:$LATEST"]

    async def test_none(self, world: World) -> None:
        assert await world.begin("ListFunctions") == {"Functions": []}

    async def test_replicas_of_another_region(self, function: World) -> None:
        assert await function.begin("ListFunctions", MasterRegion="us-east-1") == {"Functions": []}
