"""SnapStart in the records: who may have it, and when a version is Active."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lamina.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    SnapStartNotReadyException,
    VersionUnavailable,
)
from tests.unit.functions.world import World

SNAP_START = {"ApplyOn": "PublishedVersions"}
UNSUPPORTED = "is not supported for SnapStart enabled functions"


@pytest.fixture
async def optimised(world: World) -> World:
    """A control plane with the function ``f``, which has SnapStart."""
    await world.create(SnapStart=SNAP_START)
    return world


async def test_latest_shows_it_and_is_never_optimised(optimised: World) -> None:
    assert (await optimised.get())["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    assert (await optimised.route()).targets[0][1].initialization == "on-demand"


async def test_a_version_is_pending_and_then_optimised(optimised: World) -> None:
    optimised.cutover.snapshots.clear()
    answer = await optimised.begin("PublishVersion", FunctionName="f")
    assert (answer["State"], answer["StateReasonCode"]) == ("Pending", "Creating")
    assert "LastUpdateStatus" not in answer
    with pytest.raises(SnapStartNotReadyException):
        await optimised.route(qualifier="1")
    optimised.cutover.snapshots.set()
    await optimised.functions.deployments.idle()
    version = await optimised.get(Qualifier="1")
    assert (version["State"], version["SnapStart"]["OptimizationStatus"]) == ("Active", "On")
    assert version["RevisionId"] == answer["RevisionId"]
    assert (await optimised.route(qualifier="1")).targets[0][1].initialization == "snap-start"


@pytest.mark.parametrize("operation", ["create", "update"])
async def test_a_version_of_a_deployment_waits_for_the_deployment(world: World, operation: str) -> None:
    if operation == "create":
        world.cutover.hold()
        answer = await world.begin(
            "CreateFunction",
            FunctionName="f",
            Runtime="python3.13",
            Role="arn:aws:iam::123456789012:role/lambda",
            Handler="app.handler",
            Code={"ZipFile": b"one"},
            SnapStart=SNAP_START,
            Publish=True,
        )
    else:
        await world.create(SnapStart=SNAP_START)
        world.cutover.hold()
        answer = await world.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two", Publish=True)
    assert (answer["Version"], answer["State"]) == ("1", "Pending")
    assert world.cutover.frozen == []
    world.cutover.release()
    await world.functions.deployments.idle()
    assert [each.version for each in world.cutover.frozen] == ["1"]
    assert (await world.get(Qualifier="1"))["State"] == "Active"


async def test_a_version_that_cannot_be_initialised_fails(optimised: World) -> None:
    optimised.cutover.unready = VersionUnavailable("FunctionError.InitTimeout", "too slow")
    await optimised.publish()
    version = await optimised.get(Qualifier="1")
    assert [version[name] for name in ("State", "StateReasonCode", "StateReason")] == [
        "Failed",
        "FunctionError.InitTimeout",
        "too slow",
    ]
    with pytest.raises(ResourceConflictException, match="Failed"):
        await optimised.route(qualifier="1")


async def test_changing_it_leaves_published_versions_alone(optimised: World) -> None:
    await optimised.publish()
    await optimised.configure(SnapStart={"ApplyOn": "None"})
    assert (await optimised.get())["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    assert (await optimised.get(Qualifier="1"))["SnapStart"]["OptimizationStatus"] == "On"
    plain = await optimised.publish()
    assert (plain["Version"], plain["State"]) == ("2", "Active")


async def test_a_restart_goes_on_and_makes_the_others_again(optimised: World) -> None:
    await optimised.publish()
    await optimised.update()
    optimised.cutover.snapshots.clear()
    await optimised.begin("PublishVersion", FunctionName="f")
    restarted = World(optimised.state)
    await restarted.functions.recover()
    await restarted.functions.deployments.idle()
    assert [each.version for each in restarted.cutover.restocked] == ["1"]
    assert [each.version for each in restarted.cutover.frozen] == ["2"]
    assert (await restarted.get(Qualifier="2"))["State"] == "Active"
    optimised.cutover.snapshots.set()


async def test_a_version_that_is_deleted_meanwhile_is_forgotten(optimised: World) -> None:
    optimised.cutover.snapshots.clear()
    await optimised.begin("PublishVersion", FunctionName="f")
    await asyncio.sleep(0)
    await optimised.begin("DeleteFunction", FunctionName="f", Qualifier="1")
    optimised.cutover.retired.clear()
    optimised.cutover.snapshots.set()
    await optimised.functions.deployments.idle()
    assert optimised.cutover.retired == {each.deployment for each in optimised.cutover.frozen}


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({"Runtime": "python3.11"}, "python3.11"),
        ({"Runtime": "nodejs22.x"}, "nodejs22.x"),
        ({"Runtime": "java8.al2"}, "java8.al2"),
        ({"Runtime": "dotnet6"}, "dotnet6"),
        ({"EphemeralStorage": {"Size": 513}}, "EphemeralStorage of more than 512 MB"),
        ({"PackageType": "Image", "Runtime": None, "Handler": None, "Code": {"ImageUri": "r:1"}}, "PackageType Image"),
    ],
)
async def test_what_cannot_have_it(world: World, members: dict[str, Any], what: str) -> None:
    world.images.push("r", "1", "content")
    with pytest.raises(InvalidParameterValueException, match=rf"^{what} {UNSUPPORTED}"):
        await world.create(SnapStart=SNAP_START, **members)


@pytest.mark.parametrize("runtime", ["java11", "java25", "python3.12", "python3.14", "dotnet8", "dotnet10"])
async def test_what_can(world: World, runtime: str) -> None:
    assert (await world.create(SnapStart=SNAP_START, Runtime=runtime))["SnapStart"]["ApplyOn"] == "PublishedVersions"


async def test_a_later_change_cannot_break_it(optimised: World) -> None:
    with pytest.raises(InvalidParameterValueException, match=UNSUPPORTED):
        await optimised.configure(EphemeralStorage={"Size": 1024})
    with pytest.raises(InvalidParameterValueException, match=UNSUPPORTED):
        await optimised.configure(Runtime="python3.10")
