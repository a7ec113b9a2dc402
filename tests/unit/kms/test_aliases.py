"""Aliases, and the one that is there by itself."""

from __future__ import annotations

import asyncio

import pytest

from lamina.errors import (
    AccessDeniedException,
    AlreadyExistsException,
    InvalidAliasNameException,
    KMSInvalidStateException,
    NotAuthorizedException,
    NotFoundException,
    ValidationException,
)

from .conftest import ACCOUNT, REGION, USER, World

LAMBDA = "alias/aws/lambda"


async def test_an_alias_moves_to_another_key(kms: World) -> None:
    first, second = await kms.key(), await kms.key()
    await kms("CreateAlias", AliasName="alias/a", TargetKeyId=first)
    await kms("UpdateAlias", AliasName="alias/a", TargetKeyId=second)
    assert (await kms("Encrypt", KeyId="alias/a", Plaintext=b"x"))["KeyId"] == second
    assert [alias["AliasName"] for alias in (await kms("ListAliases", KeyId=second))["Aliases"]] == ["alias/a"]
    assert (await kms("ListAliases", KeyId=first))["Aliases"] == []


async def test_a_name_is_given_once(kms: World) -> None:
    arn = await kms.key()
    await kms("CreateAlias", AliasName="alias/a", TargetKeyId=arn)
    message = f"An alias with the name arn:aws:kms:{REGION}:{ACCOUNT}:alias/a already exists"
    with pytest.raises(AlreadyExistsException, match=f"^{message}$"):
        await kms("CreateAlias", AliasName="alias/a", TargetKeyId=arn)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("a", ValidationException),
        ("alias/", InvalidAliasNameException),
        ("alias/a:b", InvalidAliasNameException),
        ("alias/aws/mine", NotAuthorizedException),
    ],
)
async def test_names_that_cannot_be(kms: World, name: str, error: type[Exception]) -> None:
    arn = await kms.key()
    with pytest.raises(error):
        await kms("CreateAlias", AliasName=name, TargetKeyId=arn)


async def test_a_deleted_alias_is_gone_and_its_key_is_not(kms: World) -> None:
    arn = await kms.key()
    await kms("CreateAlias", AliasName="alias/a", TargetKeyId=arn)
    await kms("DeleteAlias", AliasName="alias/a")
    for operation in ("DeleteAlias", "UpdateAlias"):
        with pytest.raises(NotFoundException, match="alias/a is not found"):
            await kms(operation, AliasName="alias/a", TargetKeyId=arn)
    assert (await kms("DescribeKey", KeyId=arn))["KeyMetadata"]["Enabled"]


async def test_an_alias_needs_a_key_that_stays(kms: World) -> None:
    arn = await kms.key()
    await kms("ScheduleKeyDeletion", KeyId=arn)
    with pytest.raises(KMSInvalidStateException):
        await kms("CreateAlias", AliasName="alias/a", TargetKeyId=arn)
    with pytest.raises(NotFoundException, match="Aliases must refer to keys"):
        await kms("CreateAlias", AliasName="alias/a", TargetKeyId=LAMBDA)


async def test_the_key_of_lambda_is_made_when_somebody_asks_for_it(kms: World) -> None:
    assert (await kms("ListAliases"))["Aliases"] == [
        {"AliasName": LAMBDA, "AliasArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:{LAMBDA}"}
    ]
    answers = await asyncio.gather(*(kms("DescribeKey", KeyId=LAMBDA) for _ in range(4)))
    assert len({answer["KeyMetadata"]["KeyId"] for answer in answers}) == 1
    assert answers[0]["KeyMetadata"]["KeyManager"] == "AWS"
    assert [alias["TargetKeyId"] for alias in (await kms("ListAliases"))["Aliases"]] == [
        answers[0]["KeyMetadata"]["KeyId"]
    ]


async def test_the_key_of_lambda_is_for_lambda_alone(kms: World) -> None:
    key = await kms.keys.data_key(f"arn:aws:kms:{REGION}:{ACCOUNT}:{LAMBDA}", {}, USER)
    assert await kms.keys.unwrap(key.wrapped, key.key_arn, {}, USER) == key.plaintext
    for operation, params in (
        ("Decrypt", {"CiphertextBlob": key.wrapped}),
        ("Encrypt", {"KeyId": LAMBDA, "Plaintext": b"x"}),
        ("DisableKey", {"KeyId": LAMBDA}),
        ("ScheduleKeyDeletion", {"KeyId": key.key_arn}),
        ("PutKeyPolicy", {"KeyId": key.key_arn, "Policy": "{}"}),
    ):
        with pytest.raises(AccessDeniedException, match="no resource-based policy allows"):
            await kms(operation, **params)


async def test_aliases_come_in_pages(kms: World) -> None:
    arn = await kms.key()
    names = {"alias/a", "alias/b", "alias/z"}
    for name in names:
        await kms("CreateAlias", AliasName=name, TargetKeyId=arn)
    first = await kms("ListAliases", Limit=2)
    rest = await kms("ListAliases", Limit=2, Marker=first["NextMarker"])
    found = [alias["AliasName"] for alias in (*first["Aliases"], *rest["Aliases"])]
    assert found == sorted(names | {LAMBDA})
    assert not rest["Truncated"]
