"""CreateFunction (API notes, sections 3, 4 and 5)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lamina.errors import (
    AccessDeniedException,
    CodeStorageExceededException,
    InvalidParameterValueException,
    RequestEntityTooLargeException,
    ResourceConflictException,
    ResourceNotFoundException,
    ValidationException,
)
from lamina.state import SqliteState
from tests.unit.functions.world import ACCOUNT, ARN, REGION, ROLE, World, creation, sha


async def test_the_answer_has_these_members_and_no_others(world: World) -> None:
    answer = await world.create()
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.pop("RevisionId"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", answer.pop("LastModified"))
    arn = answer.pop("RuntimeVersionConfig")["RuntimeVersionArn"]
    assert re.fullmatch(rf"arn:aws:lambda:{REGION}::runtime:[0-9a-f]{{64}}", arn)
    assert answer == {
        "FunctionName": "f",
        "FunctionArn": f"{ARN}f",
        "Runtime": "python3.12",
        "Role": ROLE,
        "Handler": "app.handler",
        "CodeSize": 3,
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "CodeSha256": sha(b"one"),
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
    }


async def test_it_becomes_active_with_another_revision(world: World) -> None:
    created = await world.create()
    shown = await world.get()
    assert shown["RevisionId"] != created["RevisionId"]
    assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
    assert not {"StateReason", "StateReasonCode", "LastUpdateStatusReason"} & shown.keys()


async def test_it_is_pending_until_then(world: World) -> None:
    world.cutover.hold()
    created = await world.begin("CreateFunction", **creation())
    assert await world.get() == created


async def test_given_members_are_shown(world: World) -> None:
    given = {
        "Description": "what it does",
        "Timeout": 30,
        "MemorySize": 256,
        "EphemeralStorage": {"Size": 1024},
        "Environment": {"Variables": {"NAME": "value"}},
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/mine"},
    }
    answer = await world.create(**given)
    levels = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
    given["LoggingConfig"] = {"LogFormat": "JSON", "LogGroup": "/mine", **levels}
    assert {member: answer[member] for member in given} == given


@pytest.mark.parametrize("environment", [{}, {"Variables": {}}])
async def test_an_empty_environment_is_shown(world: World, environment: dict[str, Any]) -> None:
    assert (await world.create(Environment=environment))["Environment"] == {"Variables": {}}


@pytest.mark.parametrize("name", [f"{ARN}f", f"{ACCOUNT}:function:f", "function:f", f"{ARN}f:$LATEST"])
async def test_the_stored_name_is_the_last_part_of_an_arn(world: World, name: str) -> None:
    assert (await world.create(name))["FunctionName"] == "f"


async def test_an_existing_function(function: World) -> None:
    with pytest.raises(ResourceConflictException, match=r"^Function already exist: f$"):
        await function.create()
    assert function.packages.staged == [b"one"]


async def test_two_at_once_make_one(world: World) -> None:
    world.cutover.hold()
    await world.begin("CreateFunction", **creation())
    with pytest.raises(ResourceConflictException, match=r"^Function already exist: f$"):
        await world.begin("CreateFunction", **creation())


async def test_the_same_name_in_another_region_is_another_function(world: World) -> None:
    with pytest.raises(
        ResourceNotFoundException,
        match=r"^Functions from 'us-east-1' are not reachable in this region \('eu-west-1'\)$",
    ):
        await world.create(f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f")


async def test_another_account_has_no_message(world: World) -> None:
    with pytest.raises(AccessDeniedException) as refused:
        await world.create(f"arn:aws:lambda:{REGION}:999999999999:function:f")
    assert refused.value.message is None


async def test_a_long_name_in_an_arn(world: World) -> None:
    name = ARN + "a" * 65
    with pytest.raises(InvalidParameterValueException) as refused:
        await world.create(name)
    assert refused.value.message == (
        f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: "
        "Member must have length less than or equal to 64"
    )


@pytest.mark.parametrize("member", ["Runtime", "Handler"])
async def test_runtime_and_handler_are_needed(world: World, member: str) -> None:
    params = creation()
    del params[member]
    with pytest.raises(InvalidParameterValueException, match=r"^Runtime and Handler are mandatory parameters for "):
        await world.do("CreateFunction", **params)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ({}, "Please provide a source for function code."),
        (
            {"ZipFile": b"x", "S3Bucket": "b", "S3Key": "k"},
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        ),
        ({"ZipFile": b""}, "Uploaded file must be a non-empty zip"),
        (
            {"ZipFile": b"bad"},
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
    ],
)
async def test_code_that_is_refused(world: World, code: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await world.do("CreateFunction", **creation(Code=code))
    assert refused.value.message == message
    with pytest.raises(ResourceNotFoundException):
        await world.get()


async def test_more_than_fifty_mebibytes(world: World) -> None:
    with pytest.raises(RequestEntityTooLargeException, match=r"^Zipped size must be smaller than 52428800 bytes$"):
        await world.create(code=bytes(52_428_801))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("VpcConfig", {"SubnetIds": ["subnet-1"], "SecurityGroupIds": []}),
        ("FileSystemConfigs", [{"Arn": "a", "LocalMountPath": "/mnt/x"}]),
        ("Layers", ["arn"]),
        ("DeadLetterConfig", {"TargetArn": "arn:aws:sqs:eu-west-1:123456789012:q"}),
        ("TracingConfig", {"Mode": "Active"}),
        ("CapacityProviderConfig", {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": "a"}}),
        ("DurableConfig", {"ExecutionTimeout": 1}),
        ("TenancyConfig", {"TenantIsolationMode": "PER_TENANT"}),
        ("AMemberOfTomorrow", {"Mode": "On"}),
    ],
)
async def test_nothing_is_stored_and_ignored(world: World, member: str, value: object) -> None:
    with pytest.raises(
        InvalidParameterValueException, match=f"^{member} is not supported by this version of Lamina yet"
    ):
        await world.create(**{member: value})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("VpcConfig", {"SubnetIds": [], "SecurityGroupIds": [], "Ipv6AllowedForDualStack": False}),
        ("Layers", []),
        ("DeadLetterConfig", {}),
        ("KMSKeyArn", ""),
        ("SnapStart", {"ApplyOn": "None"}),
        ("TracingConfig", {"Mode": "PassThrough"}),
        ("PackageType", "Zip"),
    ],
)
async def test_what_asks_for_nothing_is_accepted(world: World, member: str, value: object) -> None:
    await world.create(**{member: value})
    assert (await world.get())["State"] == "Active"


async def test_a_runtime_that_has_ended(world: World) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await world.create(Runtime="nodejs12.x")
    assert refused.value.message == (
        "The runtime parameter of nodejs12.x is no longer supported for creating or updating AWS Lambda functions. "
        "We recommend you use a supported runtime while creating or updating functions."
    )


async def test_a_runtime_that_the_machine_has_not(world: World) -> None:
    world.missing["ruby3.4"] = "No Ruby 3.4 was found"
    created = await world.create(Runtime="ruby3.4")
    assert created["State"] == "Pending"
    shown = await world.get()
    reason = (shown["State"], shown["StateReason"], shown["StateReasonCode"])
    assert reason == ("Failed", "No Ruby 3.4 was found", "InvalidRuntime")
    assert "LastUpdateStatus" not in shown


async def test_a_failed_function_can_be_repaired(world: World) -> None:
    world.missing["ruby3.4"] = "No Ruby 3.4 was found"
    await world.create(Runtime="ruby3.4")
    await world.configure(Runtime="python3.12")
    shown = await world.get()
    assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
    assert (await world.route()).targets[0][1].runtime == "python3.12"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"BIG": "x" * 4087},
            "exceeded the 4KB limit. String measured: " + '{"BIG":"' + "x" * 4087 + '"}',
        ),
        (
            {"AWS_REGION": "r", "FINE": "f", "_HANDLER": "h"},
            "contains reserved keys that are currently not supported for modification. "
            "Reserved keys used in this request: AWS_REGION, _HANDLER",
        ),
        ({"NUL": "a\0b"}, "contains a NUL character."),
    ],
)
async def test_variables_that_are_refused(world: World, variables: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await world.create(Environment={"Variables": variables})
    assert refused.value.message == (
        "Lambda was unable to configure your environment variables because the environment variables you have "
        f"provided {message}"
    )


async def test_variables_of_exactly_four_kibibytes(world: World) -> None:
    await world.create(Environment={"Variables": {"BIG": "x" * 4086}})


async def test_levels_with_the_log_format_text(world: World) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await world.create(LoggingConfig={"LogFormat": "Text", "ApplicationLogLevel": "DEBUG"})
    assert refused.value.message == (
        'LogLevel is not supported when LogFormat is set to "Text". '
        'Remove LogLevel from your request or change the LogFormat to "JSON" and try again.'
    )


async def test_fifty_one_tags(world: World) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"^Number of tags exceeds resource tag limit\.$"):
        await world.create(Tags={f"t{number}": "" for number in range(51)})


async def test_a_tag_with_a_long_name(world: World) -> None:
    with pytest.raises(ValidationException, match=r"Map keys must satisfy constraint"):
        await world.create(Tags={"n" * 129: ""})


class TestPublish:
    async def test_the_answer_is_version_one_with_an_unqualified_arn(self, world: World) -> None:
        answer = await world.create(Publish=True)
        assert (answer["Version"], answer["FunctionArn"]) == ("1", f"{ARN}f")
        assert answer["State"] == "Pending"

    async def test_three_revisions(self, world: World) -> None:
        first = (await world.create(Publish=True))["RevisionId"]
        assert len({first, await world.revision(), await world.revision(Qualifier="1")}) == 3

    async def test_publishing_again_returns_version_one(self, world: World) -> None:
        await world.create(Publish=True)
        published = await world.publish()
        assert (published["Version"], published["RevisionId"]) == ("1", await world.revision(Qualifier="1"))

    async def test_the_version_is_active_with_the_function(self, world: World) -> None:
        world.cutover.hold()
        await world.begin("CreateFunction", **creation(Publish=True))
        assert (await world.get(Qualifier="1"))["State"] == "Pending"
        world.cutover.release()
        await world.functions.deployments.idle()
        version = await world.get(Qualifier="1")
        assert (version["State"], version["LastUpdateStatus"]) == ("Active", "Successful")

    async def test_both_count_for_the_storage(self, world: World) -> None:
        await world.create(Publish=True)
        assert await world.code_size() == 6


async def test_the_storage_of_the_account_has_an_end() -> None:
    state = SqliteState.in_memory()
    world = World(state, code_storage=8)
    await world.create("a", b"12345")
    with pytest.raises(CodeStorageExceededException, match=r"^Code storage limit exceeded\.$"):
        await world.create("b", b"1234")
    await world.create("b", b"123")
    assert await world.code_size() == 8
    state.close()
