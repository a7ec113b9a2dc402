"""UpdateFunctionCode (API notes, section 6)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from lamina.errors import (
    CodeStorageExceededException,
    InvalidParameterValueException,
    PreconditionFailedException,
    RequestEntityTooLargeException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from lamina.state import SqliteState
from tests.unit.functions.world import ARN, World, creation, sha

STALE = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)
IN_PROGRESS = f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}f"


async def test_the_answer_is_in_progress_with_the_new_hash(function: World) -> None:
    before = await function.get()
    answer = await function.update()
    changed = {name for name in answer if answer[name] != before.get(name)}
    assert changed - {"LastModified"} == {
        "CodeSha256",
        "LastUpdateStatus",
        "LastUpdateStatusReason",
        "LastUpdateStatusReasonCode",
        "RevisionId",
    }
    assert answer["CodeSha256"] == sha(b"two")
    assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "InProgress")
    assert answer["LastUpdateStatusReason"] == "The function is being created."
    assert answer["LastUpdateStatusReasonCode"] == "Creating"
    assert (answer["Version"], answer["FunctionArn"]) == ("$LATEST", f"{ARN}f")


async def test_get_function_shows_the_same_while_it_is_in_progress(function: World) -> None:
    function.cutover.hold()
    answer = await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two")
    assert await function.get() == answer


async def test_the_location_is_that_of_the_new_code_at_once(function: World) -> None:
    function.cutover.hold()
    before = await function.begin("GetFunction", FunctionName="f")
    await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two")
    after = await function.begin("GetFunction", FunctionName="f")
    assert before["Code"]["Location"] != after["Code"]["Location"]


async def test_the_end_is_successful(function: World) -> None:
    await function.update()
    shown = await function.get()
    assert shown["LastUpdateStatus"] == "Successful"
    assert not {"LastUpdateStatusReason", "LastUpdateStatusReasonCode"} & shown.keys()


async def test_old_code_serves_until_the_end(function: World) -> None:
    function.cutover.hold()
    old = (await function.route()).targets
    await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two")
    assert (await function.route()).targets == old
    function.cutover.release()
    await function.functions.deployments.idle()
    new = (await function.route()).targets
    assert new[0][1].package != old[0][1].package


async def test_the_new_environments_are_warmed_and_the_old_retired(function: World) -> None:
    old = (await function.route()).targets[0][1]
    await function.update()
    new = (await function.route()).targets[0][1]
    assert function.cutover.warmed == [(new, old)]
    assert function.cutover.retired == {old.deployment}


async def test_the_same_bytes_are_a_new_deployment(function: World) -> None:
    old = (await function.route()).targets[0][1]
    await function.update(code=b"one")
    new = (await function.route()).targets[0][1]
    assert new.package == old.package
    assert new.deployment != old.deployment


async def test_everything_else_stays(world: World) -> None:
    await world.create(Description="d", Timeout=9, Environment={"Variables": {"A1": "b"}})
    answer = await world.update()
    assert (answer["Description"], answer["Timeout"]) == ("d", 9)
    assert answer["Environment"] == {"Variables": {"A1": "b"}}


async def test_two_at_once_have_one_winner(function: World) -> None:
    function.cutover.hold()
    results = await asyncio.gather(
        *(function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"code %d" % number) for number in range(8)),
        return_exceptions=True,
    )
    won = [result for result in results if isinstance(result, dict)]
    lost = [result for result in results if isinstance(result, ResourceConflictException)]
    assert (len(won), len(lost)) == (1, 7)
    assert {error.message for error in lost} == {IN_PROGRESS}
    function.cutover.release()
    await function.functions.deployments.idle()
    assert (await function.get())["CodeSha256"] == won[0]["CodeSha256"]


async def test_an_update_in_progress_wins_over_the_look_at_the_code(function: World) -> None:
    function.cutover.hold()
    await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two")
    with pytest.raises(ResourceConflictException):
        await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"bad")


async def test_a_pending_function(world: World) -> None:
    world.cutover.hold()
    await world.begin("CreateFunction", **creation())
    with pytest.raises(ResourceConflictException) as refused:
        await world.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two")
    assert refused.value.message == (
        "The operation cannot be performed at this time. The function is currently in the following state: Pending"
    )


async def test_a_stale_revision_wins_over_bad_code(function: World) -> None:
    with pytest.raises(PreconditionFailedException) as refused:
        await function.update(code=b"bad", RevisionId="00000000-0000-0000-0000-000000000000")
    assert refused.value.message == STALE


async def test_the_latest_revision_is_accepted(function: World) -> None:
    await function.update(RevisionId=await function.revision())
    assert (await function.get())["CodeSha256"] == sha(b"two")


async def test_an_unknown_function(world: World) -> None:
    with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f$"):
        await world.update()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "Please provide a source for function code."),
        ({"Architectures": ["x86_64"]}, "Please provide a source for function code."),
        (
            {"ImageUri": "x"},
            "Please don't provide ImageUri when updating a function with packageType Zip.",
        ),
        (
            {"ZipFile": b"x", "S3Key": "k"},
            "Please do not provide other FunctionCode parameters when providing a ZipFile.",
        ),
        ({"ZipFile": b""}, "Uploaded file must be a non-empty zip"),
        (
            {"ZipFile": b"bad"},
            "Could not unzip uploaded file. Please check your file, then try to upload again.",
        ),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_refused_update_changes_nothing(
    function: World, params: dict[str, Any], message: str, dry_run: bool
) -> None:
    before = await function.get()
    with pytest.raises(InvalidParameterValueException) as refused:
        await function.do("UpdateFunctionCode", FunctionName="f", DryRun=dry_run, **params)
    assert refused.value.message == message
    assert await function.get() == before


async def test_what_this_version_has_not(function: World) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"is not supported by this version of Lamina yet"):
        await function.update(AMemberOfTomorrow=True)


async def test_the_managed_instances_of_aws(function: World) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"^PublishTo is supported for functions with a capacity"):
        await function.update(PublishTo="LATEST_PUBLISHED")


async def test_more_than_fifty_mebibytes(function: World) -> None:
    with pytest.raises(RequestEntityTooLargeException, match=r"^Zipped size must be smaller than 52428800 bytes$"):
        await function.update(code=bytes(52_428_801))


@pytest.mark.parametrize("qualifier", ["1", "live"])
async def test_a_version_or_an_alias_cannot_be_updated(function: World, qualifier: str) -> None:
    with pytest.raises(InvalidParameterValueException, match=r"^This operation is permitted on Lambda functions only"):
        await function.update(f"f:{qualifier}")


async def test_latest_by_its_name_can(function: World) -> None:
    assert (await function.update("f:$LATEST"))["FunctionArn"] == f"{ARN}f"


class TestDryRun:
    async def test_it_changes_nothing(self, function: World) -> None:
        before = await function.begin("GetFunction", FunctionName="f")
        await function.update(DryRun=True, Publish=True)
        assert await function.begin("GetFunction", FunctionName="f") == before
        assert len((await function.begin("ListVersionsByFunction", FunctionName="f"))["Versions"]) == 1

    async def test_the_answer_has_the_hash_and_size_of_the_given_code(self, function: World) -> None:
        before = await function.get()
        answer = await function.update(code=b"three", DryRun=True)
        assert answer == before | {"CodeSha256": sha(b"three"), "CodeSize": 5}

    async def test_it_stages_the_code(self, function: World) -> None:
        await function.update(DryRun=True)
        assert function.packages.staged[-1] == b"two"

    async def test_a_stale_revision(self, function: World) -> None:
        with pytest.raises(PreconditionFailedException):
            await function.update(DryRun=True, RevisionId="stale")

    async def test_an_update_in_progress(self, function: World) -> None:
        function.cutover.hold()
        await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two")
        with pytest.raises(ResourceConflictException):
            await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two", DryRun=True)


class TestPublish:
    async def test_the_answer_is_the_pending_version(self, function: World) -> None:
        answer = await function.update(Publish=True)
        assert (answer["Version"], answer["FunctionArn"]) == ("1", f"{ARN}f:1")
        state = (answer["State"], answer["StateReason"], answer["StateReasonCode"])
        assert state == ("Pending", "The function is being created.", "Creating")
        assert "LastUpdateStatus" not in answer

    async def test_until_the_end_both_are_shown_as_under_way(self, function: World) -> None:
        function.cutover.hold()
        answer = await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two", Publish=True)
        assert await function.get(Qualifier="1") == answer
        latest = await function.get(Qualifier="$LATEST")
        assert latest["FunctionArn"] == f"{ARN}f:$LATEST"
        assert (latest["State"], latest["LastUpdateStatus"]) == ("Active", "InProgress")
        assert latest["CodeSha256"] == answer["CodeSha256"]
        assert latest["RevisionId"] != answer["RevisionId"]

    async def test_the_version_keeps_its_revision_when_it_is_active(self, function: World) -> None:
        answer = await function.update(Publish=True)
        version = await function.get(Qualifier="1")
        assert (version["State"], version["LastUpdateStatus"]) == ("Active", "Successful")
        assert version["RevisionId"] == answer["RevisionId"]

    async def test_the_same_code_is_a_new_version(self, function: World) -> None:
        assert (await function.update(Publish=True))["Version"] == "1"
        assert (await function.update(Publish=True))["Version"] == "2"

    async def test_the_storage_grows_by_the_version(self, function: World) -> None:
        await function.update(code=b"x" * 276)
        before = await function.code_size()
        await function.update(code=b"x" * 276, Publish=True)
        assert await function.code_size() == before + 276

    async def test_the_version_has_its_own_environments(self, function: World) -> None:
        await function.update(Publish=True)
        latest = (await function.route()).targets[0][1]
        version = (await function.route(qualifier="1")).targets[0][1]
        assert (latest.package, latest.version, version.version) == (version.package, "$LATEST", "1")
        assert latest.deployment != version.deployment


async def test_what_decides_about_a_new_version_is_the_update_not_the_hash(world: World) -> None:
    """The sequence of API notes 6.7."""
    assert (await world.create(Publish=True))["Version"] == "1"
    assert (await world.update(code=b"zip2", Publish=True))["Version"] == "2"
    await world.update(code=b"zip2")
    assert (await world.publish())["Version"] == "3"
    assert (await world.publish())["Version"] == "3"
    assert (await world.update(code=b"zip2", Publish=True))["Version"] == "4"
    assert (await world.publish())["Version"] == "4"


class TestFailure:
    async def test_the_old_configuration_is_back_with_the_reason(self, function: World) -> None:
        before = await function.get()
        function.cutover.failure = RuntimeError("no memory")
        accepted = await function.update()
        after = await function.get()
        assert after.pop("LastUpdateStatus") == "Failed"
        assert after.pop("LastUpdateStatusReasonCode") == "InternalError"
        assert after.pop("LastUpdateStatusReason").startswith("An internal error occurred")
        assert after.pop("RevisionId") not in (before.pop("RevisionId"), accepted["RevisionId"])
        del before["LastUpdateStatus"]
        assert after == before

    async def test_the_old_code_serves(self, function: World) -> None:
        before = await function.route()
        function.cutover.failure = RuntimeError("no memory")
        await function.update()
        assert await function.route() == before
        assert before.targets[0][1].deployment not in function.cutover.retired

    async def test_what_was_warmed_for_it_is_retired(self, function: World) -> None:
        function.cutover.failure = RuntimeError("no memory")
        await function.update()
        assert function.cutover.retired == {function.cutover.warmed[0][0].deployment}

    async def test_the_log_has_the_traceback(self, function: World, caplog: pytest.LogCaptureFixture) -> None:
        function.cutover.failure = RuntimeError("no memory")
        await function.update()
        assert "RuntimeError: no memory" in caplog.text

    async def test_a_new_update_is_possible(self, function: World) -> None:
        function.cutover.failure = RuntimeError("no memory")
        await function.update()
        await function.update(code=b"three")
        shown = await function.get()
        assert (shown["LastUpdateStatus"], shown["CodeSha256"]) == ("Successful", sha(b"three"))

    async def test_the_version_has_failed_too_and_nothing_reaches_it(self, function: World) -> None:
        function.cutover.failure = RuntimeError("no memory")
        await function.update(Publish=True)
        version = await function.get(Qualifier="1")
        assert (version["State"], version["StateReasonCode"]) == ("Failed", "InternalError")
        with pytest.raises(ResourceConflictException, match=r"in the following state: Failed$"):
            await function.route(qualifier="1")

    async def test_the_next_version_is_another(self, function: World) -> None:
        function.cutover.failure = RuntimeError("no memory")
        await function.update(Publish=True)
        assert (await function.publish())["Version"] == "2"

    async def test_the_storage_is_that_of_before(self, function: World) -> None:
        function.cutover.failure = RuntimeError("no memory")
        await function.update(code=b"a long one")
        assert await function.code_size() == 3

    async def test_a_runtime_that_has_gone(self, function: World) -> None:
        function.missing["python3.12"] = "No Python 3.12 was found"
        await function.update()
        shown = await function.get()
        reason = (shown["LastUpdateStatusReason"], shown["LastUpdateStatusReasonCode"])
        assert reason == ("No Python 3.12 was found", "InvalidRuntime")
        assert (shown["State"], shown["CodeSha256"]) == ("Active", sha(b"one"))


async def test_a_caller_who_goes_away_does_not_stop_an_accepted_deployment(
    function: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepting = asyncio.Event()
    write = function.state.write

    async def noticed(work: Any) -> Any:
        accepting.set()
        return await write(work)

    monkeypatch.setattr(function.state, "write", noticed)
    request = asyncio.create_task(function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two"))
    await accepting.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await function.functions.deployments.idle()
    shown = await function.get()
    assert (shown["LastUpdateStatus"], shown["CodeSha256"]) == ("Successful", sha(b"two"))


async def test_deleted_while_it_is_updated(function: World) -> None:
    await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two")
    await function.do("DeleteFunction", FunctionName="f")
    with pytest.raises(ResourceNotFoundException):
        await function.get()


async def test_deleted_and_made_again_while_it_is_updated(function: World) -> None:
    function.cutover.hold()
    await function.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two")
    deleted = asyncio.create_task(function.begin("DeleteFunction", FunctionName="f"))
    await asyncio.sleep(0)
    function.cutover.release()
    await deleted
    await function.create(code=b"three")
    shown = await function.get()
    assert (shown["State"], shown["CodeSha256"]) == ("Active", sha(b"three"))


async def test_in_progress_can_be_seen_for_the_time_of_the_window() -> None:
    state = SqliteState.in_memory()
    world = World(state, update_window=80)
    await world.create()
    started = asyncio.get_running_loop().time()
    await world.begin("UpdateFunctionCode", FunctionName="f", ZipFile=b"two")
    assert (await world.get())["LastUpdateStatus"] == "InProgress"
    await world.functions.deployments.idle()
    assert asyncio.get_running_loop().time() - started >= 0.08
    state.close()


async def test_the_storage_of_the_account_has_an_end() -> None:
    state = SqliteState.in_memory()
    world = World(state, code_storage=10)
    await world.create(code=b"12345")
    for params in ({}, {"DryRun": True}):
        with pytest.raises(CodeStorageExceededException, match=r"^Code storage limit exceeded\.$"):
            await world.update(code=b"12345678901", **params)
    with pytest.raises(CodeStorageExceededException):
        await world.update(code=b"123456", Publish=True)
    await world.update(code=b"1234567890")
    await world.update(code=b"12")
    assert await world.code_size() == 2
    state.close()


async def test_each_step_is_logged_with_its_duration(function: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "lamina.deploy"):
        await function.update()
    steps = [record.args[1] for record in caplog.records if isinstance(record.args, tuple)]
    assert steps == ["check", "verify", "stage", "accept", "prepare", "warm", "swap"]
    assert all(" ms" in record.getMessage() for record in caplog.records)
