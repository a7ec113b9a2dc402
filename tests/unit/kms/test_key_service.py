"""What Lambda says when its key cannot be used."""

from __future__ import annotations

import pytest

from lamina.errors import (
    InvalidParameterValueException,
    KMSAccessDeniedException,
    KMSDisabledException,
    KMSInvalidStateException,
    KMSNotFoundException,
    ServiceException,
)
from lamina.kms import PACKAGE, KeyUser, reason_code

from .conftest import ACCOUNT, DAY_MS, REGION, ROLE, USER, World

CONTEXT = {"aws:lambda:FunctionArn": "arn"}


async def test_a_data_key_there_and_back(kms: World) -> None:
    arn = await kms.key()
    key = await kms.keys.data_key(arn, CONTEXT, USER)
    assert key.key_arn == arn
    assert len(key.plaintext) == 32
    assert key.plaintext not in key.wrapped
    assert await kms.keys.unwrap(key.wrapped, arn, CONTEXT, USER) == key.plaintext
    assert str(key.plaintext) not in repr(key)


async def test_an_alias_is_resolved_for_good(kms: World) -> None:
    arn = await kms.key()
    await kms("CreateAlias", AliasName="alias/a", TargetKeyId=arn)
    key = await kms.keys.data_key(f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/a", CONTEXT, USER)
    assert key.key_arn == arn


async def test_a_disabled_key(kms: World) -> None:
    arn = await kms.key()
    key = await kms.keys.data_key(arn, CONTEXT, USER)
    await kms("DisableKey", KeyId=arn)
    with pytest.raises(KMSDisabledException) as raised:
        await kms.keys.unwrap(key.wrapped, arn, CONTEXT, USER)
    assert str(raised.value) == (
        "Lambda was unable to decrypt the environment variables because the KMS key is disabled. Please check the "
        f"function's KMS key settings. KMS Exception: DisabledExceptionKMS Message: {arn} is disabled."
    )
    assert reason_code(raised.value) == "DisabledKMSKey"
    with pytest.raises(KMSDisabledException, match="unable to configure access to your deployment package"):
        await kms.keys.data_key(arn, CONTEXT, KeyUser(account_id=ACCOUNT, region=REGION, subject=PACKAGE))


async def test_a_key_that_is_pending_deletion(kms: World) -> None:
    arn = await kms.key()
    key = await kms.keys.data_key(arn, CONTEXT, USER)
    await kms("ScheduleKeyDeletion", KeyId=arn)
    with pytest.raises(KMSInvalidStateException, match="is pending deletion") as raised:
        await kms.keys.unwrap(key.wrapped, arn, CONTEXT, USER)
    assert reason_code(raised.value) == "InvalidStateKMSKey"


async def test_a_key_that_is_gone(kms: World) -> None:
    arn = await kms.key()
    key = await kms.keys.data_key(arn, CONTEXT, USER)
    await kms("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=7)
    kms.now_ms += 7 * DAY_MS
    with pytest.raises(KMSNotFoundException, match="does not exist") as raised:
        await kms.keys.unwrap(key.wrapped, arn, CONTEXT, USER)
    assert reason_code(raised.value) == "KMSKeyNotFound"


async def test_a_wrapped_key_that_is_not_of_the_context(kms: World) -> None:
    arn = await kms.key()
    key = await kms.keys.data_key(arn, CONTEXT, USER)
    with pytest.raises(KMSAccessDeniedException, match="InvalidCiphertextException") as raised:
        await kms.keys.unwrap(key.wrapped, arn, {}, USER)
    assert reason_code(raised.value) == "KMSKeyAccessDenied"


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-4000-8000-000000000000",
        f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/none",
        f"arn:aws:kms:us-east-1:{ACCOUNT}:key/00000000-0000-4000-8000-000000000000",
        "arn:aws:s3:::bucket",
        "nonsense",
    ],
)
async def test_an_invalid_key_is_an_invalid_parameter(kms: World, arn: str) -> None:
    with pytest.raises(InvalidParameterValueException, match="the KMS key is invalid for CreateGrant"):
        await kms.keys.data_key(arn, CONTEXT, USER)


async def test_a_user_without_a_role_is_the_account(kms: World) -> None:
    key = await kms.keys.data_key(await kms.key(), CONTEXT, KeyUser(account_id=ACCOUNT, region=REGION))
    assert await kms.keys.unwrap(key.wrapped, key.key_arn, CONTEXT, USER) == key.plaintext
    assert USER.principal == ROLE


def test_other_errors_have_no_reason_code() -> None:
    assert reason_code(ServiceException()) is None
    assert reason_code(ValueError()) is None
