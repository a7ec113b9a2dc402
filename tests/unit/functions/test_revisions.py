"""When the RevisionId of $LATEST changes (the table of API notes, 4.8)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.functions.world import ARN, World, creation

RESOURCE = f"{ARN}f"


@pytest.fixture
async def published(function: World) -> World:
    """``f`` with version 1 and the alias ``live`` for it."""
    await function.publish()
    await function.do("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    return function


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("UpdateFunctionCode", {"FunctionName": "f", "ZipFile": b"one"}),
        ("UpdateFunctionConfiguration", {"FunctionName": "f"}),
        ("TagResource", {"Resource": RESOURCE, "Tags": {"a": "b"}}),
        ("UntagResource", {"Resource": RESOURCE, "TagKeys": ["unknown"]}),
    ],
)
async def test_it_changes(published: World, operation: str, params: dict[str, Any]) -> None:
    before = await published.revision()
    await published.do(operation, **params)
    assert await published.revision() != before


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("PublishVersion", {"FunctionName": "f"}),
        ("CreateAlias", {"FunctionName": "f", "Name": "other", "FunctionVersion": "1"}),
        ("UpdateAlias", {"FunctionName": "f", "Name": "live", "FunctionVersion": "$LATEST"}),
        ("DeleteAlias", {"FunctionName": "f", "Name": "live"}),
        ("GetFunction", {"FunctionName": "f"}),
        ("PutFunctionConcurrency", {"FunctionName": "f", "ReservedConcurrentExecutions": 1}),
        ("UpdateFunctionCode", {"FunctionName": "f", "ZipFile": b"two", "DryRun": True}),
        (
            "AddPermission",
            {"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*"},
        ),
    ],
)
async def test_it_stays(published: World, operation: str, params: dict[str, Any]) -> None:
    before = await published.revision()
    await published.do(operation, **params)
    assert await published.revision() == before


async def test_it_changes_when_a_version_is_made(function: World) -> None:
    before = await function.revision()
    await function.publish()
    assert await function.revision() != before


async def test_it_changes_at_the_acceptance_and_at_the_end(function: World) -> None:
    before = await function.revision()
    function.cutover.hold()
    accepted = (await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two"))["RevisionId"]
    assert await function.revision() == accepted
    function.cutover.release()
    await function.functions.deployments.idle()
    assert len({before, accepted, await function.revision()}) == 3


async def test_it_changes_when_the_function_becomes_active(world: World) -> None:
    world.cutover.hold()
    pending = (await world.begin("CreateFunction", **creation()))["RevisionId"]
    world.cutover.release()
    await world.functions.deployments.idle()
    assert await world.revision() != pending


async def test_that_of_a_version_never_changes(published: World) -> None:
    before = await published.get(Qualifier="1")
    await published.update(Publish=True)
    await published.configure(Description="new")
    await published.publish()
    await published.do("TagResource", Resource=RESOURCE, Tags={"a": "b"})
    assert await published.get(Qualifier="1") == before
