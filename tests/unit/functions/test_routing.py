"""Where invocations go (API notes, 2.11, 4.5, 8.18 and 20.14)."""

from __future__ import annotations

import re

import pytest

from lamina.errors import (
    AccessDeniedException,
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from tests.unit.functions.world import ACCOUNT, ARN, REGION, World, creation


@pytest.fixture
async def versions(function: World) -> World:
    """``f`` with the versions 1 and 2."""
    await function.publish()
    await function.update(Publish=True)
    return function


async def alias(world: World, version: str, weights: dict[str, float] | None = None) -> None:
    routing = {"RoutingConfig": {"AdditionalVersionWeights": weights or {}}}
    await world.do("CreateAlias", FunctionName="f", Name="live", FunctionVersion=version, **routing)


@pytest.mark.parametrize(
    ("name", "qualifier", "arn", "version"),
    [
        ("f", None, f"{ARN}f", "$LATEST"),
        ("f", "$LATEST", f"{ARN}f:$LATEST", "$LATEST"),
        ("f:1", None, f"{ARN}f:1", "1"),
        (f"{ARN}f:2", "2", f"{ARN}f:2", "2"),
        ("f", "live", f"{ARN}f:live", "2"),
    ],
)
async def test_the_arn_is_as_invoked(versions: World, name: str, qualifier: str | None, arn: str, version: str) -> None:
    await alias(versions, "2")
    route = await versions.route(name, qualifier)
    assert (route.key.name, route.invoked_arn) == ("f", arn)
    assert [(weight, live.version) for weight, live in route.targets] == [(1.0, version)]


@pytest.mark.parametrize(
    ("weight", "targets"),
    [(0.25, [(0.25, "2"), (1.0, "1")]), (0.0, [(1.0, "1")]), (1.0, [(1.0, "2")])],
)
async def test_weights(versions: World, weight: float, targets: list[tuple[float, str]]) -> None:
    await alias(versions, "1", {"2": weight})
    route = await versions.route("f", "live")
    assert [(weight, live.version) for weight, live in route.targets] == targets


async def test_an_alias_for_latest(function: World) -> None:
    await alias(function, "$LATEST")
    assert (await function.route("f", "live")).targets == (await function.route()).targets


async def test_a_moved_alias(versions: World) -> None:
    await alias(versions, "1")
    await versions.do("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2")
    assert (await versions.route("f", "live")).targets[0][1].version == "2"


async def test_all_that_an_environment_is_made_of(world: World) -> None:
    await world.create(
        Timeout=9,
        MemorySize=512,
        EphemeralStorage={"Size": 1024},
        Environment={"Variables": {"A1": "b"}},
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "g", "ApplicationLogLevel": "WARN"},
    )
    live = (await world.route()).targets[0][1]
    assert (live.runtime, live.handler, live.architecture) == ("python3.12", "app.handler", "x86_64")
    assert (live.timeout, live.memory_size, live.ephemeral_storage) == (9, 512, 1024)
    assert (live.log_group, live.log_format) == ("g", "JSON")
    assert await world.secrets.unseal(live.key, live.sealed or "") == {"A1": "b"}
    assert (live.log_level, live.system_log_level) == ("WARN", "INFO")
    assert re.fullmatch("[0-9a-f]{64}", live.package)


@pytest.mark.parametrize(
    ("name", "qualifier", "suffix"),
    [
        ("g", None, "g:$LATEST"),
        ("g", "1", "g:1"),
        ("f", "9", "f:9"),
        ("f", "nope", "f:nope"),
        ("f", "$latest", "f:$latest"),
    ],
)
async def test_what_does_not_exist(function: World, name: str, qualifier: str | None, suffix: str) -> None:
    with pytest.raises(ResourceNotFoundException) as refused:
        await function.route(name, qualifier)
    assert refused.value.message == f"Function not found: {ARN}{suffix}"


async def test_a_pending_function(world: World) -> None:
    world.cutover.hold()
    await world.begin("CreateFunction", **creation(Publish=True))
    for qualifier in (None, "1"):
        with pytest.raises(ResourceConflictException) as refused:
            await world.route(qualifier=qualifier)
        assert refused.value.message == (
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        )


async def test_a_pending_version_beside_an_active_function(function: World) -> None:
    function.cutover.hold()
    await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two", Publish=True)
    assert (await function.route()).targets[0][1].version == "$LATEST"
    with pytest.raises(ResourceConflictException, match=r"Pending$"):
        await function.route(qualifier="1")


async def test_a_failed_function(world: World) -> None:
    world.missing["ruby3.4"] = "none"
    await world.create(Runtime="ruby3.4")
    with pytest.raises(ResourceConflictException, match=r"in the following state: Failed$"):
        await world.route()


async def test_two_different_qualifiers(function: World) -> None:
    with pytest.raises(InvalidParameterValueException):
        await function.route("f:1", "2")


async def test_another_account(function: World) -> None:
    with pytest.raises(AccessDeniedException) as refused:
        await function.functions.route("999999999999", REGION, f"{ARN}f", None)
    assert refused.value.message == (
        f"User: arn:aws:iam::999999999999:root is not authorized to perform: lambda:InvokeFunction on resource: {ARN}f "
        "because no resource-based policy allows the lambda:InvokeFunction action"
    )


async def test_accounts_do_not_see_each_other(function: World) -> None:
    with pytest.raises(ResourceNotFoundException):
        await function.functions.route("999999999999", REGION, "f", None)
    with pytest.raises(ResourceNotFoundException):
        await function.functions.route(ACCOUNT, "us-east-1", "f", None)
