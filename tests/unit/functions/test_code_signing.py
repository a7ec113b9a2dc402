from __future__ import annotations

import re
from typing import Any

import pytest

from lamina.errors import (
    CodeSigningConfigNotFoundException,
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from lamina.functions import FunctionKey
from lamina.functions import _code_signing as code_signing
from lamina.functions._plane import Plane
from lamina.functions._store import need_function
from lamina.signing import Trust
from tests.unit.functions.world import ACCOUNT, ARN, CALL, REGION

PROFILE = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/team/AbCdEf0123"
OTHER = PROFILE.replace("team", "other")
NONE = f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-00000000000000000"
KEY = FunctionKey(ACCOUNT, REGION, "f")


async def do(world, name: str, /, **params: Any) -> dict[str, Any]:
    plane: Plane = world.functions._plane
    return await getattr(code_signing, name)(plane, CALL, params)


async def make(world, *publishers: str, **params: Any) -> dict[str, Any]:
    allowed = {"SigningProfileVersionArns": list(publishers or (PROFILE,))}
    return (await do(world, "create_code_signing_config", AllowedPublishers=allowed, **params))["CodeSigningConfig"]


async def trust(world) -> Trust | None:
    return await world.state.read(lambda reader: code_signing.trust_of(reader, need_function(reader, KEY)))


async def put(world, arn, name="f"):
    return await do(world, "put_function_code_signing_config", FunctionName=name, CodeSigningConfigArn=arn)


async def test_a_config_shows_what_it_was_made_of(world):
    made = await make(world, OTHER, PROFILE, Description="ours", CodeSigningPolicies={})
    arn = made["CodeSigningConfigArn"]

    assert re.fullmatch(rf"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-[a-z0-9]{{17}}", arn)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", made["LastModified"])
    assert made == {
        "CodeSigningConfigId": arn.rpartition(":")[2],
        "CodeSigningConfigArn": arn,
        "Description": "ours",
        "AllowedPublishers": {"SigningProfileVersionArns": [OTHER, PROFILE]},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Warn"},
        "LastModified": made["LastModified"],
    }
    assert await do(world, "get_code_signing_config", CodeSigningConfigArn=arn) == {"CodeSigningConfig": made}


async def test_an_update_changes_what_is_given_and_nothing_else(world, monkeypatch):
    made = await make(world, Description="ours")
    arn = made["CodeSigningConfigArn"]
    assert await do(world, "update_code_signing_config", CodeSigningConfigArn=arn) == {"CodeSigningConfig": made}

    monkeypatch.setattr(code_signing, "now", lambda: "later")
    enforce = {"UntrustedArtifactOnDeployment": "Enforce"}
    changed = await do(world, "update_code_signing_config", CodeSigningConfigArn=arn, CodeSigningPolicies=enforce)
    expected = made | {"CodeSigningPolicies": enforce, "LastModified": "later"}
    assert changed == {"CodeSigningConfig": expected}

    changed = await do(world, "update_code_signing_config", CodeSigningConfigArn=arn, Description="")
    assert changed == {"CodeSigningConfig": expected | {"Description": ""}}


@pytest.mark.parametrize(
    "operation",
    [
        "get_code_signing_config",
        "update_code_signing_config",
        "delete_code_signing_config",
        "list_functions_by_code_signing_config",
    ],
)
async def test_a_config_that_does_not_exist(world, operation):
    with pytest.raises(ResourceNotFoundException) as refusal:
        await do(world, operation, CodeSigningConfigArn=NONE)
    assert refusal.value.message == f"The Lambda code signing configuration {NONE} can not be found."
    assert not refusal.value.typed


async def test_configs_are_listed_in_pages(world):
    made = sorted([(await make(world))["CodeSigningConfigArn"] for _ in range(3)])
    first = await do(world, "list_code_signing_configs", MaxItems=2)
    rest = await do(world, "list_code_signing_configs", MaxItems=2, Marker=first["NextMarker"])

    configs = first["CodeSigningConfigs"] + rest["CodeSigningConfigs"]
    assert [config["CodeSigningConfigArn"] for config in configs] == made
    assert "NextMarker" not in rest


async def test_a_function_gets_and_loses_a_config(function):
    arn = (await make(function, PROFILE, OTHER))["CodeSigningConfigArn"]
    assert await do(function, "get_function_code_signing_config", FunctionName="f") == {}
    assert await trust(function) is None

    answer = await put(function, arn, ARN + "f")
    assert answer == {"CodeSigningConfigArn": arn, "FunctionName": "f"}
    assert await do(function, "get_function_code_signing_config", FunctionName="f") == answer
    found = await trust(function)
    assert (found.config_arn, found.allowed, found.policy) == (arn, {PROFILE, OTHER}, "Warn")

    for _ in range(2):
        assert await do(function, "delete_function_code_signing_config", FunctionName="f") == {}
    assert await trust(function) is None


async def test_a_function_has_one_config(function):
    first, second = [(await make(function))["CodeSigningConfigArn"] for _ in range(2)]
    await put(function, first)
    await put(function, second)

    assert (await trust(function)).config_arn == second
    assert await do(function, "delete_code_signing_config", CodeSigningConfigArn=first) == {}


@pytest.mark.parametrize("name", ["f", "none"])
async def test_an_unknown_config_wins_over_an_unknown_function(function, name):
    with pytest.raises(CodeSigningConfigNotFoundException) as refusal:
        await put(function, NONE, name)
    assert refusal.value.message == (
        f"The code signing configuration cannot be found. Check that the provided configuration is not deleted: {NONE}."
    )


async def test_a_function_that_does_not_exist(world):
    arn = (await make(world))["CodeSigningConfigArn"]
    for work in (
        put(world, arn),
        do(world, "get_function_code_signing_config", FunctionName="f"),
        do(world, "delete_function_code_signing_config", FunctionName="f"),
    ):
        with pytest.raises(ResourceNotFoundException, match=f"Function not found: {ARN}f$"):
            await work


async def test_a_config_in_use_stays_until_its_last_function_is_gone(function):
    arn = (await make(function))["CodeSigningConfigArn"]
    await put(function, arn)
    with pytest.raises(ResourceConflictException, match="functions use it"):
        await do(function, "delete_code_signing_config", CodeSigningConfigArn=arn)

    await function.do("DeleteFunction", FunctionName="f")
    assert await do(function, "delete_code_signing_config", CodeSigningConfigArn=arn) == {}
    with pytest.raises(ResourceNotFoundException):
        await do(function, "get_code_signing_config", CodeSigningConfigArn=arn)


async def test_the_functions_of_a_config_are_listed_in_pages(world):
    arn = (await make(world))["CodeSigningConfigArn"]
    listed = await do(world, "list_functions_by_code_signing_config", CodeSigningConfigArn=arn)
    assert listed == {"FunctionArns": []}

    for name in ("c", "a", "b"):
        await world.create(name)
        await put(world, arn, name)
    first = await do(world, "list_functions_by_code_signing_config", CodeSigningConfigArn=arn, MaxItems=2)
    rest = await do(
        world, "list_functions_by_code_signing_config", CodeSigningConfigArn=arn, Marker=first["NextMarker"]
    )
    assert first["FunctionArns"] == [ARN + "a", ARN + "b"]
    assert rest == {"FunctionArns": [ARN + "c"]}


async def test_a_change_of_whom_to_trust_is_seen(function):
    arn = (await make(function))["CodeSigningConfigArn"]
    await put(function, arn)
    before = await trust(function)
    await do(function, "update_code_signing_config", CodeSigningConfigArn=arn, Description="new")
    code_signing.check_same_trust(before, await trust(function))

    allowed = {"SigningProfileVersionArns": [OTHER]}
    await do(function, "update_code_signing_config", CodeSigningConfigArn=arn, AllowedPublishers=allowed)
    for current in (await trust(function), None):
        with pytest.raises(ResourceConflictException, match="has changed while the code was being verified"):
            code_signing.check_same_trust(before, current)


async def test_a_change_and_back_is_seen_too(function):
    arn = (await make(function))["CodeSigningConfigArn"]
    await put(function, arn)
    before = await trust(function)
    for publisher in (OTHER, PROFILE):
        allowed = {"SigningProfileVersionArns": [publisher]}
        await do(function, "update_code_signing_config", CodeSigningConfigArn=arn, AllowedPublishers=allowed)

    with pytest.raises(ResourceConflictException):
        code_signing.check_same_trust(before, await trust(function))


async def test_the_trust_of_a_new_function(world):
    arn = (await make(world))["CodeSigningConfigArn"]
    found = await world.state.read(lambda reader: code_signing.trust_of_config(reader, KEY, arn))
    assert found.allowed == {PROFILE}

    for key, config in ((KEY, NONE), (KEY._replace(region="eu-west-2"), arn), (KEY._replace(account_id="9" * 12), arn)):
        with pytest.raises(CodeSigningConfigNotFoundException):
            await world.state.read(lambda reader, k=key, c=config: code_signing.trust_of_config(reader, k, c))


async def test_tags(world):
    arn = (await make(world, Tags={"a": "1", "b": "2"}))["CodeSigningConfigArn"]
    await do(world, "tag_resource", Resource=arn, Tags={"b": "3", "c": "4"})
    await do(world, "untag_resource", Resource=arn, TagKeys=["a", "none"])

    assert await do(world, "list_tags", Resource=arn) == {"Tags": {"b": "3", "c": "4"}}


async def test_tags_that_cannot_be(world):
    arn = (await make(world, Tags={f"t{n}": "" for n in range(50)}))["CodeSigningConfigArn"]
    with pytest.raises(InvalidParameterValueException, match="tag limit"):
        await do(world, "tag_resource", Resource=arn, Tags={"more": ""})
    with pytest.raises(InvalidParameterValueException, match="cannot be processed"):
        await do(world, "tag_resource", Resource=arn, Tags={})
    for name, params in (
        ("tag_resource", {"Tags": {"a": "1"}}),
        ("untag_resource", {"TagKeys": ["a"]}),
        ("list_tags", {}),
    ):
        with pytest.raises(ResourceNotFoundException, match=f"configuration {NONE} can not be found"):
            await do(world, name, Resource=NONE, **params)


async def test_tags_of_functions_are_served_as_before(function):
    await do(function, "tag_resource", Resource=ARN + "f", Tags={"a": "1", "b": "2"})
    await do(function, "untag_resource", Resource=ARN + "f", TagKeys=["a"])

    assert await do(function, "list_tags", Resource=ARN + "f") == {"Tags": {"b": "2"}}
