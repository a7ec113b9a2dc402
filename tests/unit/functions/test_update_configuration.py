"""UpdateFunctionConfiguration (API notes, sections 7 and 18)."""

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


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("Description", "new"),
        ("Description", ""),
        ("Timeout", 10),
        ("MemorySize", 512),
        ("Handler", "other.handler"),
        ("Role", "arn:aws:iam::123456789012:role/other"),
        ("Environment", {"Variables": {"A1": "b"}}),
        ("EphemeralStorage", {"Size": 1024}),
        ("Runtime", "python3.13"),
    ],
)
async def test_a_given_member_changes_and_no_other(world: World, member: str, value: object) -> None:
    await world.create(Description="old")
    before = await world.get()
    await world.configure(**{member: value})
    after = await world.get()
    assert after[member] == value
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed - {"LastModified", "RevisionId", "RuntimeVersionConfig"} == {member}


async def test_the_answer_is_in_progress(function: World) -> None:
    answer = await function.configure(Timeout=10)
    assert (answer["Timeout"], answer["LastUpdateStatus"]) == (10, "InProgress")
    assert answer["LastUpdateStatusReason"] == "The function is being created."


async def test_the_new_settings_serve_at_the_end(function: World) -> None:
    function.cutover.hold()
    await function.begin("UpdateFunctionConfiguration", FunctionName="f", Handler="new.handler")
    assert (await function.route()).targets[0][1].handler == "app.handler"
    function.cutover.release()
    await function.functions.deployments.idle()
    assert (await function.route()).targets[0][1].handler == "new.handler"


async def test_the_environment_is_replaced_whole(world: World) -> None:
    await world.create(Environment={"Variables": {"A1": "1", "B1": "2"}})
    await world.configure(Environment={"Variables": {"C1": "3"}})
    assert (await world.get())["Environment"] == {"Variables": {"C1": "3"}}


@pytest.mark.parametrize("empty", [{}, {"Variables": {}}])
async def test_the_environment_can_be_emptied(world: World, empty: dict[str, Any]) -> None:
    await world.create(Environment={"Variables": {"A1": "1"}})
    await world.configure(Environment=empty)
    assert (await world.get())["Environment"] == {"Variables": {}}


async def test_a_new_runtime_has_another_version_arn_at_once(function: World) -> None:
    before = (await function.get())["RuntimeVersionConfig"]
    same = (await function.configure(Timeout=4))["RuntimeVersionConfig"]
    other = (await function.configure(Runtime="python3.13"))["RuntimeVersionConfig"]
    assert before == same != other


async def test_without_any_change_it_is_an_update_too(function: World) -> None:
    await function.publish()
    before = await function.revision()
    await function.configure()
    assert await function.revision() != before
    assert (await function.publish())["Version"] == "2"


async def test_the_code_and_the_storage_stay(function: World) -> None:
    before = await function.get()
    await function.configure(Timeout=4)
    assert (await function.get())["CodeSha256"] == before["CodeSha256"]
    assert await function.code_size() == 3


async def test_a_stale_revision(function: World) -> None:
    with pytest.raises(PreconditionFailedException):
        await function.configure(RevisionId="stale")


async def test_in_progress(function: World) -> None:
    function.cutover.hold()
    await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two")
    with pytest.raises(ResourceConflictException, match=f"An update is in progress for resource: {ARN}f$"):
        await function.begin("UpdateFunctionConfiguration", FunctionName="f", Timeout=4)


async def test_an_unknown_function(world: World) -> None:
    with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f$"):
        await world.configure(Timeout=4)


async def test_a_runtime_that_has_ended(function: World) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"^The runtime parameter of go1.x is no longer supported"):
        await function.configure(Runtime="go1.x")


async def test_a_runtime_that_the_machine_has_not(function: World) -> None:
    function.missing["java21"] = "No Java 21 was found"
    await function.configure(Runtime="java21")
    shown = await function.get()
    assert (shown["Runtime"], shown["LastUpdateStatus"]) == ("python3.12", "Failed")
    assert shown["LastUpdateStatusReasonCode"] == "InvalidRuntime"


async def test_what_this_version_has_not(function: World) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"^Layers is not supported"):
        await function.configure(Layers=["arn"])


async def test_nothing_is_asked_for(function: World) -> None:
    await function.configure(Layers=[], DeadLetterConfig={}, VpcConfig={"SubnetIds": []}, KMSKeyArn="")
    assert not {"Layers", "DeadLetterConfig", "VpcConfig", "KMSKeyArn"} & (await function.get()).keys()


async def test_reserved_variables(function: World) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"Reserved keys used in this request: AWS_REGION$"):
        await function.configure(Environment={"Variables": {"AWS_REGION": "x"}})


class TestLogging:
    async def test_json_fills_in_the_levels(self, function: World) -> None:
        await function.configure(LoggingConfig={"LogFormat": "JSON"})
        assert (await function.get())["LoggingConfig"] == {
            "LogFormat": "JSON",
            "LogGroup": "/aws/lambda/f",
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "INFO",
        }

    async def test_text_again_drops_them(self, function: World) -> None:
        await function.configure(LoggingConfig={"LogFormat": "JSON", "LogGroup": "mine"})
        await function.configure(LoggingConfig={"LogFormat": "Text"})
        assert (await function.get())["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "mine"}

    async def test_one_level_alone_keeps_the_rest(self, function: World) -> None:
        await function.configure(LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "WARN"})
        await function.configure(LoggingConfig={"ApplicationLogLevel": "DEBUG"})
        logging = (await function.get())["LoggingConfig"]
        assert (logging["ApplicationLogLevel"], logging["SystemLogLevel"]) == ("DEBUG", "WARN")
        assert (await function.route()).targets[0][1].log_level == "DEBUG"

    async def test_a_level_for_a_function_with_text(self, function: World) -> None:
        with pytest.raises(InvalidParameterValueException, match=r"^LogLevel is not supported when LogFormat"):
            await function.configure(LoggingConfig={"ApplicationLogLevel": "DEBUG"})
