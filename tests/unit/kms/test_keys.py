"""The life of a key, its names, tags and lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lamina.errors import (
    AccessDeniedException,
    DisabledException,
    InvalidArnException,
    InvalidMarkerException,
    KMSInvalidStateException,
    NotFoundException,
    TagException,
    UnsupportedOperationException,
    ValidationException,
)
from lamina.kms import Calendar, KeyStore, KmsApi, MasterKey
from lamina.state import SqliteState

from .conftest import ACCOUNT, DAY_MS, OTHER_ACCOUNT, REGION, World, call_of

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_new_key_is_ready(kms: World) -> None:
    made = (await kms("CreateKey", Description="for tests"))["KeyMetadata"]
    assert made["Arn"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{made['KeyId']}"
    assert (made["KeyState"], made["Enabled"], made["KeyManager"]) == ("Enabled", True, "CUSTOMER")
    assert made["Description"] == "for tests"
    assert (await kms("DescribeKey", KeyId=made["KeyId"]))["KeyMetadata"] == made


@pytest.mark.parametrize(
    "params",
    [
        {"KeySpec": "RSA_2048"},
        {"CustomerMasterKeySpec": "ECC_NIST_P256"},
        {"KeyUsage": "SIGN_VERIFY"},
        {"Origin": "EXTERNAL"},
        {"MultiRegion": True},
        {"CustomKeyStoreId": "cks"},
    ],
)
async def test_other_kinds_of_keys_are_refused(kms: World, params: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedOperationException, match="not supported by the KMS of Lamina"):
        await kms("CreateKey", **params)
    assert (await kms("ListKeys"))["Keys"] == []


async def test_a_key_has_four_names(kms: World) -> None:
    arn = await kms.key()
    await kms("CreateAlias", AliasName="alias/a", TargetKeyId=arn)
    for name in (arn, arn.partition("/")[2], "alias/a", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/a"):
        assert (await kms("DescribeKey", KeyId=name))["KeyMetadata"]["Arn"] == arn


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (UNKNOWN, NotFoundException, f"Key 'arn:aws:kms:{REGION}:{ACCOUNT}:key/{UNKNOWN}' does not exist"),
        ("nonsense", NotFoundException, "Invalid keyId 'nonsense'"),
        ("alias/none", NotFoundException, f"Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/none is not found."),
        (f"arn:aws:kms:us-east-2:{ACCOUNT}:key/{UNKNOWN}", NotFoundException, "Invalid arn us-east-2"),
        ("arn:aws:s3:::bucket", InvalidArnException, "Invalid arn arn:aws:s3:::bucket"),
        (
            f"arn:aws:kms:{REGION}:{ACCOUNT}:key/x",
            InvalidArnException,
            f"Invalid arn arn:aws:kms:{REGION}:{ACCOUNT}:key/x",
        ),
        ("arn:", InvalidArnException, "Invalid arn arn:"),
    ],
)
async def test_names_of_nothing(kms: World, name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        await kms("DescribeKey", KeyId=name)
    assert str(raised.value) == message


async def test_a_disabled_key_does_nothing_until_it_is_enabled(kms: World) -> None:
    arn = await kms.key()
    blob = (await kms("Encrypt", KeyId=arn, Plaintext=b"x"))["CiphertextBlob"]
    await kms("DisableKey", KeyId=arn)
    for operation, params in (
        ("Encrypt", {"KeyId": arn, "Plaintext": b"x"}),
        ("Decrypt", {"CiphertextBlob": blob}),
        ("GenerateDataKey", {"KeyId": arn, "KeySpec": "AES_256"}),
        ("ReEncrypt", {"CiphertextBlob": blob, "DestinationKeyId": arn}),
    ):
        with pytest.raises(DisabledException, match=f"^{arn} is disabled.$"):
            await kms(operation, **params)
    await kms("EnableKey", KeyId=arn)
    assert (await kms("Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"


async def test_a_key_that_waits_for_its_end_is_of_no_use_and_can_be_saved(kms: World) -> None:
    arn = await kms.key()
    blob = (await kms("Encrypt", KeyId=arn, Plaintext=b"x"))["CiphertextBlob"]
    answer = await kms("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=7)
    assert (answer["KeyId"], answer["KeyState"], answer["PendingWindowInDays"]) == (arn, "PendingDeletion", 7)
    assert answer["DeletionDate"].timestamp() * 1000 == kms.now_ms + 7 * DAY_MS
    for operation in ("DisableKey", "EnableKey", "ScheduleKeyDeletion", "EnableKeyRotation"):
        with pytest.raises(KMSInvalidStateException, match=f"^{arn} is pending deletion.$"):
            await kms(operation, KeyId=arn)
    with pytest.raises(KMSInvalidStateException):
        await kms("Decrypt", CiphertextBlob=blob)
    await kms("CancelKeyDeletion", KeyId=arn)
    assert (await kms("DescribeKey", KeyId=arn))["KeyMetadata"]["KeyState"] == "Disabled"
    await kms("EnableKey", KeyId=arn)
    assert (await kms("Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"


async def test_only_what_was_scheduled_can_be_cancelled(kms: World) -> None:
    arn = await kms.key()
    with pytest.raises(KMSInvalidStateException, match="is not pending deletion"):
        await kms("CancelKeyDeletion", KeyId=arn)


@pytest.mark.parametrize("days", [6, 31])
async def test_the_waiting_time_has_bounds(kms: World, days: int) -> None:
    arn = await kms.key()
    with pytest.raises(ValidationException, match="between 7 and 30"):
        await kms("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=days)


async def test_a_deleted_key_is_gone_on_the_minute_and_its_material_with_it(kms: World) -> None:
    arn = await kms.key()
    await kms("CreateAlias", AliasName="alias/a", TargetKeyId=arn)
    await kms("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=7)
    kms.now_ms += 7 * DAY_MS - 1
    await Calendar(kms.store).keep()
    assert (await kms("DescribeKey", KeyId=arn))["KeyMetadata"]["KeyState"] == "PendingDeletion"
    kms.now_ms += 1
    with pytest.raises(NotFoundException, match="does not exist"):
        await kms("DescribeKey", KeyId=arn)
    assert (await kms("ListKeys"))["Keys"] == []
    await Calendar(kms.store).keep()
    key_id = arn.partition("/")[2]
    place = {"account_id": ACCOUNT, "region": REGION, "key_id": key_id, "now_ms": 0}
    assert await kms.state.read(lambda reader: reader.one("kms_key", **place)) is None
    assert [alias for alias in (await kms("ListAliases"))["Aliases"] if alias["AliasName"] == "alias/a"] == []


async def test_nothing_can_be_decrypted_after_the_end(kms: World) -> None:
    arn = await kms.key()
    blob = (await kms("Encrypt", KeyId=arn, Plaintext=b"x"))["CiphertextBlob"]
    await kms("ScheduleKeyDeletion", KeyId=arn, PendingWindowInDays=7)
    kms.now_ms += 7 * DAY_MS
    with pytest.raises(AccessDeniedException, match="refers to a customer master key that does not exist"):
        await kms("Decrypt", CiphertextBlob=blob)


async def test_lists_come_in_pages(kms: World) -> None:
    made = {await kms.key() for _ in range(5)}
    found: list[str] = []
    more: dict[str, Any] = {}
    while True:
        answer = await kms("ListKeys", Limit=2, **more)
        found += [key["KeyArn"] for key in answer["Keys"]]
        if not answer["Truncated"]:
            break
        more = {"Marker": answer["NextMarker"]}
    assert sorted(found) == sorted(made)


@pytest.mark.parametrize("marker", ["x", "", "é", "S2V5cw=="])
async def test_markers_of_nobody_are_refused(kms: World, marker: str) -> None:
    with pytest.raises(InvalidMarkerException):
        await kms("ListKeys", Marker=marker)


async def test_accounts_and_regions_do_not_see_each_other(kms: World) -> None:
    arn = await kms.key()
    assert (await kms("ListKeys", call_of(OTHER_ACCOUNT)))["Keys"] == []
    assert (await kms("ListKeys", call_of(region="us-east-1")))["Keys"] == []
    with pytest.raises(NotFoundException):
        await kms("DescribeKey", call_of(OTHER_ACCOUNT), KeyId=arn.partition("/")[2])
    with pytest.raises(AccessDeniedException):
        await kms("DescribeKey", call_of(OTHER_ACCOUNT), KeyId=arn)


async def test_the_description_changes(kms: World) -> None:
    arn = await kms.key(Description="old")
    await kms("UpdateKeyDescription", KeyId=arn, Description="new")
    assert (await kms("DescribeKey", KeyId=arn))["KeyMetadata"]["Description"] == "new"


async def test_tags(kms: World) -> None:
    arn = await kms.key(Tags=[{"TagKey": "a", "TagValue": "1"}])
    await kms("TagResource", KeyId=arn, Tags=[{"TagKey": "b", "TagValue": "2"}, {"TagKey": "a", "TagValue": "3"}])
    await kms("UntagResource", KeyId=arn, TagKeys=["b", "none"])
    assert (await kms("ListResourceTags", KeyId=arn))["Tags"] == [{"TagKey": "a", "TagValue": "3"}]


@pytest.mark.parametrize(
    "tags",
    [
        [{"TagKey": "a", "TagValue": ""}] * 2,
        [{"TagKey": "aws:a", "TagValue": ""}],
        [{"TagKey": str(number), "TagValue": ""} for number in range(51)],
    ],
)
async def test_tags_that_cannot_be(kms: World, tags: list[dict[str, str]]) -> None:
    arn = await kms.key()
    with pytest.raises(TagException):
        await kms("TagResource", KeyId=arn, Tags=tags)
    assert (await kms("ListResourceTags", KeyId=arn))["Tags"] == []


async def test_there_are_at_most_fifty_tags(kms: World) -> None:
    arn = await kms.key(Tags=[{"TagKey": str(number), "TagValue": ""} for number in range(50)])
    with pytest.raises(TagException, match="Too many tags"):
        await kms("TagResource", KeyId=arn, Tags=[{"TagKey": "more", "TagValue": ""}])
    assert len((await kms("ListResourceTags", KeyId=arn))["Tags"]) == 50


async def test_the_material_of_a_destroyed_key_is_not_in_the_file(tmp_path: Path) -> None:
    state = SqliteState.open(tmp_path)
    now_ms = 0
    store = KeyStore(state, MasterKey(bytes(32)), lambda: now_ms)
    operations = KmsApi(store).operations()
    arn = (await operations["CreateKey"](call_of(), {}))["KeyMetadata"]["Arn"]
    await operations["ScheduleKeyDeletion"](call_of(), {"KeyId": arn, "PendingWindowInDays": 7})
    rows = await state.read(lambda reader: reader.all("kms_keys_to_destroy", now_ms=10**12))
    key = await state.read(lambda reader: store.find(reader, ACCOUNT, REGION, rows[0]["key_id"]))
    assert key is not None
    place = {"key_id": key.key_id, "material_id": key.material_id}
    row = await state.read(lambda reader: reader.one("kms_material", **place))
    assert row is not None
    now_ms = 7 * DAY_MS
    await Calendar(store).keep()
    state.close()
    left = [path.name for path in tmp_path.iterdir() if row["wrapped"] in path.read_bytes()]
    assert left == []
