"""Resource policies (API notes, section 12)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lamina.errors import (
    InvalidParameterValueException,
    PolicyLengthExceededException,
    PreconditionFailedException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from tests.unit.functions.world import ARN, World

ACTION = "lambda:InvokeFunction"


async def add(world: World, sid: str = "s1", principal: str = "*", **params: Any) -> dict[str, Any]:
    params = {"FunctionName": "f", "StatementId": sid, "Action": ACTION, "Principal": principal} | params
    answer = await world.do("AddPermission", **params)
    assert answer.keys() == {"Statement"}
    statement: dict[str, Any] = json.loads(answer["Statement"])
    return statement


async def remove(world: World, sid: str = "s1", **params: Any) -> None:
    assert await world.do("RemovePermission", **{"FunctionName": "f", "StatementId": sid} | params) == {}


async def policy(world: World, **params: Any) -> dict[str, Any]:
    answer = await world.begin("GetPolicy", FunctionName="f", **params)
    document: dict[str, Any] = json.loads(answer["Policy"])
    return document


async def revision(world: World, **params: Any) -> str:
    return str((await world.begin("GetPolicy", FunctionName="f", **params))["RevisionId"])


@pytest.fixture
async def published(function: World) -> World:
    """``f`` with version 1 and the alias ``live`` for it."""
    await function.publish()
    await function.do("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
    return function


async def test_the_statement(function: World) -> None:
    assert list((await add(function)).items()) == [
        ("Sid", "s1"),
        ("Effect", "Allow"),
        ("Principal", "*"),
        ("Action", ACTION),
        ("Resource", f"{ARN}f"),
    ]


async def test_the_policy_has_them_in_their_order(function: World) -> None:
    second, first = await add(function, "s2"), await add(function, "s1")
    assert list((await policy(function)).items()) == [
        ("Version", "2012-10-17"),
        ("Id", "default"),
        ("Statement", [second, first]),
    ]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("*", "*"),
        ("s3.amazonaws.com", {"Service": "s3.amazonaws.com"}),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:role/r", {"AWS": "arn:aws:iam::123456789012:role/r"}),
    ],
)
async def test_principals(function: World, given: str, shown: object) -> None:
    assert (await add(function, principal=given))["Principal"] == shown


@pytest.mark.parametrize("principal", ["invalid.nonaws.com", "12345", "arn:aws:s3:::bucket", "s3.amazonaws.com.evil"])
async def test_principals_that_are_refused(function: World, principal: str) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await add(function, principal=principal)
    assert refused.value.message == ("The provided principal was invalid. Please check the principal and try again.")


async def test_conditions(function: World) -> None:
    statement = await add(
        function,
        SourceArn="arn:aws:s3:::b",
        SourceAccount="123456789012",
        PrincipalOrgID="o-1234567890",
        EventSourceToken="t",
        FunctionUrlAuthType="NONE",
    )
    assert list(statement["Condition"].items()) == [
        (
            "StringEquals",
            {
                "AWS:SourceAccount": "123456789012",
                "aws:PrincipalOrgID": "o-1234567890",
                "lambda:EventSourceToken": "t",
                "lambda:FunctionUrlAuthType": "NONE",
            },
        ),
        ("ArnLike", {"AWS:SourceArn": "arn:aws:s3:::b"}),
    ]


@pytest.mark.parametrize("qualifier", ["1", "live"])
async def test_each_qualifier_has_its_own(published: World, qualifier: str) -> None:
    statement = await add(published, Qualifier=qualifier)
    assert statement["Resource"] == f"{ARN}f:{qualifier}"
    assert (await policy(published, Qualifier=qualifier))["Statement"] == [statement]
    with pytest.raises(ResourceNotFoundException):
        await policy(published)


async def test_a_duplicate(function: World) -> None:
    await add(function, "s3")
    with pytest.raises(ResourceConflictException) as refused:
        await add(function, "s3")
    assert refused.value.message == (
        "The statement id (s3) provided already exists. "
        "Please provide a new statement id, or remove the existing statement."
    )


@pytest.mark.parametrize(
    ("qualifier", "message"),
    [
        ("noalias", f"Cannot find alias arn: {ARN}f:noalias"),
        ("42", f"Function not found: {ARN}f:42"),
        ("valid-with-$", f"Function not found: {ARN}f:valid-with-$"),
    ],
)
async def test_a_qualifier_that_means_nothing(function: World, qualifier: str, message: str) -> None:
    with pytest.raises(ResourceNotFoundException) as refused:
        await add(function, Qualifier=qualifier)
    assert refused.value.message == message


async def test_latest_has_no_policy(function: World) -> None:
    with pytest.raises(InvalidParameterValueException) as refused:
        await add(function, Qualifier="$LATEST")
    assert refused.value.message == "We currently do not support adding policies for $LATEST."


async def test_an_unknown_function(world: World) -> None:
    with pytest.raises(ResourceNotFoundException, match=f"^Function not found: {ARN}f$"):
        await add(world)
    with pytest.raises(ResourceNotFoundException, match=f"^No policy found for: {ARN}f$"):
        await remove(world)
    with pytest.raises(ResourceNotFoundException, match=r"^The resource you requested does not exist\.$"):
        await policy(world)


async def test_no_policy(published: World) -> None:
    for qualifier in ({}, {"Qualifier": "1"}, {"Qualifier": "99"}, {"Qualifier": "$LATEST"}):
        with pytest.raises(ResourceNotFoundException, match=r"^The resource you requested does not exist\.$"):
            await policy(published, **qualifier)


async def test_too_long(function: World) -> None:
    for number in range(60):
        await add(function, f"s{number}", SourceArn="arn:aws:s3:::" + "b" * 100)
    with pytest.raises(PolicyLengthExceededException, match=r"is bigger than the limit \(20480\)\.$"):
        await add(function, "one-more", SourceArn="arn:aws:s3:::" + "b" * 4000)


class TestRemove:
    async def test_one_of_two(self, function: World) -> None:
        await add(function, "s1")
        kept = await add(function, "s2")
        await remove(function, "s1")
        assert (await policy(function))["Statement"] == [kept]

    async def test_the_last(self, function: World) -> None:
        await add(function)
        await remove(function)
        with pytest.raises(ResourceNotFoundException, match=r"^No policy is associated with the given resource"):
            await remove(function)

    async def test_an_unknown_statement(self, function: World) -> None:
        await add(function)
        with pytest.raises(ResourceNotFoundException, match=r"^Statement x is not found in resource policy\.$"):
            await remove(function, "x")

    async def test_an_unknown_alias(self, function: World) -> None:
        with pytest.raises(ResourceNotFoundException, match=f"^Cannot find alias arn: {ARN}f:noalias$"):
            await remove(function, Qualifier="noalias")


class TestRevision:
    async def test_it_changes_with_the_statements(self, function: World) -> None:
        await add(function, "s1")
        first = await revision(function)
        await add(function, "s2")
        second = await revision(function)
        await remove(function, "s2")
        assert len({first, second, await revision(function)}) == 3

    async def test_it_stays_when_a_version_is_published(self, function: World) -> None:
        await add(function)
        before = await revision(function)
        await function.publish()
        assert await revision(function) == before

    @pytest.mark.parametrize("change", [add, remove])
    async def test_a_stale_one(self, function: World, change: Any) -> None:
        await add(function)
        with pytest.raises(PreconditionFailedException) as refused:
            await change(function, RevisionId="stale")
        assert refused.value.message == (
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetPolicy API to retrieve the latest Revision Id"
        )

    async def test_the_latest_one(self, function: World) -> None:
        await add(function, RevisionId=await function.revision())
        await add(function, "s2", RevisionId=await revision(function))
        await remove(function, "s2", RevisionId=await revision(function))

    async def test_that_of_the_alias(self, published: World) -> None:
        alias = await published.begin("GetAlias", FunctionName="f", Name="live")
        await add(published, Qualifier="live", RevisionId=alias["RevisionId"])
        await add(published, "s2", Qualifier="live", RevisionId=alias["RevisionId"])
