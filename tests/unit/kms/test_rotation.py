"""Keys that get new material, by themselves."""

from __future__ import annotations

import asyncio

import pytest

from lamina.errors import DisabledException
from lamina.kms import Calendar

from .conftest import DAY_MS, World


async def material(kms: World, arn: str) -> str:
    found: str = (await kms("DescribeKey", KeyId=arn))["KeyMetadata"]["CurrentKeyMaterialId"]
    return found


async def test_a_key_is_rotated_when_its_time_has_come_and_reads_what_it_wrote(kms: World) -> None:
    arn = await kms.key()
    before = await kms("Encrypt", KeyId=arn, Plaintext=b"old")
    await kms("EnableKeyRotation", KeyId=arn, RotationPeriodInDays=90)
    first = await material(kms, arn)
    kms.now_ms += 90 * DAY_MS - 1
    await Calendar(kms.store).keep()
    assert await material(kms, arn) == first
    kms.now_ms += 1
    await Calendar(kms.store).keep()
    assert await material(kms, arn) != first
    after = await kms("Encrypt", KeyId=arn, Plaintext=b"new")
    for made, plaintext in ((before, b"old"), (after, b"new")):
        assert (await kms("Decrypt", CiphertextBlob=made["CiphertextBlob"]))["Plaintext"] == plaintext
    assert (await kms("Decrypt", CiphertextBlob=before["CiphertextBlob"]))["KeyMaterialId"] == first


async def test_the_status(kms: World) -> None:
    arn = await kms.key()
    assert await kms("GetKeyRotationStatus", KeyId=arn) == {"KeyId": arn, "KeyRotationEnabled": False}
    await kms("EnableKeyRotation", KeyId=arn)
    status = await kms("GetKeyRotationStatus", KeyId=arn)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 365)
    assert status["NextRotationDate"].timestamp() * 1000 == kms.now_ms + 365 * DAY_MS
    await kms("DisableKeyRotation", KeyId=arn)
    assert not (await kms("GetKeyRotationStatus", KeyId=arn))["KeyRotationEnabled"]


async def test_a_disabled_key_is_not_rotated(kms: World) -> None:
    arn = await kms.key()
    await kms("EnableKeyRotation", KeyId=arn, RotationPeriodInDays=90)
    await kms("DisableKey", KeyId=arn)
    with pytest.raises(DisabledException):
        await kms("EnableKeyRotation", KeyId=arn)
    first = await material(kms, arn)
    kms.now_ms += 91 * DAY_MS
    await Calendar(kms.store).keep()
    assert await material(kms, arn) == first
    await kms("EnableKey", KeyId=arn)
    await Calendar(kms.store).keep()
    assert await material(kms, arn) != first


async def test_the_calendar_does_by_itself_what_becomes_due(kms: World) -> None:
    arn = await kms.key()
    await kms("EnableKeyRotation", KeyId=arn, RotationPeriodInDays=90)
    first = await material(kms, arn)
    kms.now_ms += 90 * DAY_MS - 30
    calendar = Calendar(kms.store)
    await calendar.start()
    try:
        kms.now_ms += 30
        async with asyncio.timeout(5):
            while await material(kms, arn) == first:  # noqa: ASYNC110  # the database has no events
                await asyncio.sleep(0.01)
    finally:
        await calendar.close()


async def test_what_became_due_while_nothing_ran_is_done_at_the_start(kms: World) -> None:
    arn = await kms.key()
    await kms("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=7)
    kms.now_ms += 8 * DAY_MS
    calendar = Calendar(kms.store)
    await calendar.start()
    await calendar.close()
    rows = await kms.state.read(lambda reader: reader.all("kms_keys_to_destroy", now_ms=kms.now_ms))
    assert rows == []
