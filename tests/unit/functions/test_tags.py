"""Tags of functions (API notes, section 16)."""

from __future__ import annotations

import pytest

from lamina.errors import InvalidParameterValueException, ResourceNotFoundException
from tests.unit.functions.world import ACCOUNT, ARN, REGION, World

RESOURCE = f"{ARN}f"


async def tags(world: World) -> dict[str, str]:
    answer: dict[str, str] = (await world.begin("ListTags", Resource=RESOURCE))["Tags"]
    return answer


async def test_none(function: World) -> None:
    assert await tags(function) == {}
    assert "Tags" not in await function.begin("GetFunction", FunctionName="f")


async def test_those_of_the_creation(world: World) -> None:
    await world.create(Tags={"a": "1"})
    assert (await world.begin("GetFunction", FunctionName="f"))["Tags"] == {"a": "1"}


async def test_adding_and_overwriting(function: World) -> None:
    assert await function.do("TagResource", Resource=RESOURCE, Tags={"a": "1", "b": "2"}) == {}
    await function.do("TagResource", Resource=RESOURCE, Tags={"b": "3"})
    assert await tags(function) == {"a": "1", "b": "3"}


async def test_removing_known_and_unknown(function: World) -> None:
    await function.do("TagResource", Resource=RESOURCE, Tags={"a": "1", "b": "2"})
    assert await function.do("UntagResource", Resource=RESOURCE, TagKeys=["a", "unknown"]) == {}
    assert await tags(function) == {"b": "2"}


async def test_fifty_in_all(function: World) -> None:
    await function.do("TagResource", Resource=RESOURCE, Tags={f"t{number}": "" for number in range(50)})
    await function.do("TagResource", Resource=RESOURCE, Tags={"t1": "again"})
    with pytest.raises(InvalidParameterValueException, match=r"^Number of tags exceeds resource tag limit\.$"):
        await function.do("TagResource", Resource=RESOURCE, Tags={"one more": ""})
    assert len(await tags(function)) == 50


async def test_empty_tags(function: World) -> None:
    with pytest.raises(
        InvalidParameterValueException, match=r"^An error occurred and the request cannot be processed\.$"
    ):
        await function.do("TagResource", Resource=RESOURCE, Tags={})


@pytest.mark.parametrize("operation", ["TagResource", "UntagResource", "ListTags"])
@pytest.mark.parametrize("qualifier", ["$LATEST", "1", "live"])
async def test_a_qualified_arn(function: World, operation: str, qualifier: str) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await function.do(operation, Resource=f"{RESOURCE}:{qualifier}", Tags={"a": "b"}, TagKeys=["a"])
    assert refused.value.message == (
        "Tags on function aliases and versions are not supported. Please specify a function ARN."
    )


@pytest.mark.parametrize("operation", ["TagResource", "UntagResource", "ListTags"])
@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ("function:unknown", f"Function not found: {ARN}unknown"),
        (
            "event-source-mapping:e",
            f"Event source mapping not found: arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:e",
        ),
        ("capacity-provider:c", f"Capacity provider not found: arn:aws:lambda:{REGION}:{ACCOUNT}:capacity-provider:c"),
        ("layer:l", "The resource you requested does not exist."),
    ],
)
async def test_what_does_not_exist(world: World, operation: str, resource: str, message: str) -> None:
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:{resource}"
    with pytest.raises(ResourceNotFoundException) as refused:
        await world.do(operation, Resource=arn, Tags={"a": "b"}, TagKeys=["a"])
    assert refused.value.message == message
