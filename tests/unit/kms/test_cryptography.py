"""What is encrypted can be decrypted with the same key and context, and in no other way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import (
    AccessDeniedException,
    DryRunOperationException,
    IncorrectKeyException,
    InvalidCiphertextException,
    InvalidGrantTokenException,
    InvalidKeyUsageException,
    UnsupportedOperationException,
    ValidationException,
)

from .conftest import REGION, World, call_of

CONTEXT = {"a": "1", "b": "2"}


async def test_there_and_back(kms: World) -> None:
    arn = await kms.key()
    made = await kms("Encrypt", KeyId=arn, Plaintext=b"secret", EncryptionContext=CONTEXT)
    assert b"secret" not in made["CiphertextBlob"]
    turned = dict(reversed(CONTEXT.items()))
    opened = await kms("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=turned)
    assert (opened["Plaintext"], opened["KeyId"]) == (b"secret", arn)


async def test_the_largest_plaintext_fits_into_what_decrypt_takes(kms: World) -> None:
    arn = await kms.key()
    blob = (await kms("Encrypt", KeyId=arn, Plaintext=bytes(4096)))["CiphertextBlob"]
    assert len(blob) <= 6144


async def test_no_two_ciphertexts_are_equal(kms: World) -> None:
    arn = await kms.key()
    blobs = [(await kms("Encrypt", KeyId=arn, Plaintext=b"x"))["CiphertextBlob"] for _ in range(10)]
    assert len({blob[-40:] for blob in blobs}) == 10


@pytest.mark.parametrize("context", [{}, {"a": "1"}, {"a": "2", "b": "1"}, {"a1b": "2"}, CONTEXT | {"c": ""}])
async def test_another_context_opens_nothing(kms: World, context: dict[str, str]) -> None:
    arn = await kms.key()
    blob = (await kms("Encrypt", KeyId=arn, Plaintext=b"x", EncryptionContext=CONTEXT))["CiphertextBlob"]
    with pytest.raises(InvalidCiphertextException):
        await kms("Decrypt", CiphertextBlob=blob, EncryptionContext=context)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(data=st.data())
async def test_no_bit_can_be_changed_and_no_byte_be_missing(kms: World, data: st.DataObject) -> None:
    arn = await kms.key()
    blob = (await kms("Encrypt", KeyId=arn, Plaintext=b"secret"))["CiphertextBlob"]
    place = data.draw(st.integers(0, len(blob) * 8 - 1))
    changed = bytearray(blob)
    changed[place // 8] ^= 1 << place % 8
    cut = blob[: data.draw(st.integers(1, len(blob) - 1))]
    for broken in (bytes(changed), cut, blob + b"\0"):
        with pytest.raises(InvalidCiphertextException):
            await kms("Decrypt", CiphertextBlob=broken)


@given(blob=st.binary(min_size=1, max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
async def test_noise_is_no_ciphertext(kms: World, blob: bytes) -> None:
    with pytest.raises(InvalidCiphertextException):
        await kms("Decrypt", CiphertextBlob=blob)


async def test_the_named_key_must_be_the_one(kms: World) -> None:
    right, wrong = await kms.key(), await kms.key()
    blob = (await kms("Encrypt", KeyId=right, Plaintext=b"x"))["CiphertextBlob"]
    assert (await kms("Decrypt", CiphertextBlob=blob, KeyId=right))["Plaintext"] == b"x"
    with pytest.raises(IncorrectKeyException):
        await kms("Decrypt", CiphertextBlob=blob, KeyId=wrong)


async def test_another_region_has_another_kms(kms: World) -> None:
    blob = (await kms("Encrypt", KeyId=await kms.key(), Plaintext=b"x"))["CiphertextBlob"]
    with pytest.raises(AccessDeniedException, match="does not exist in this region"):
        await kms("Decrypt", call_of(region="us-east-1"), CiphertextBlob=blob)


async def test_another_account_may_not(kms: World) -> None:
    blob = (await kms("Encrypt", KeyId=await kms.key(), Plaintext=b"x"))["CiphertextBlob"]
    with pytest.raises(AccessDeniedException):
        await kms("Decrypt", call_of("210987654321", REGION), CiphertextBlob=blob)


async def test_a_ciphertext_changes_its_key(kms: World) -> None:
    old, new = await kms.key(), await kms.key()
    blob = (await kms("Encrypt", KeyId=old, Plaintext=b"x", EncryptionContext=CONTEXT))["CiphertextBlob"]
    answer = await kms(
        "ReEncrypt",
        CiphertextBlob=blob,
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=new,
        DestinationEncryptionContext={"c": "3"},
    )
    assert (answer["SourceKeyId"], answer["KeyId"]) == (old, new)
    opened = await kms("Decrypt", CiphertextBlob=answer["CiphertextBlob"], EncryptionContext={"c": "3"})
    assert (opened["Plaintext"], opened["KeyId"]) == (b"x", new)


@pytest.mark.parametrize(
    ("size", "params"), [(32, {"KeySpec": "AES_256"}), (16, {"KeySpec": "AES_128"}), (7, {"NumberOfBytes": 7})]
)
async def test_data_keys(kms: World, size: int, params: dict[str, Any]) -> None:
    arn = await kms.key()
    made = await kms("GenerateDataKey", KeyId=arn, EncryptionContext=CONTEXT, **params)
    opened = await kms("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert opened["Plaintext"] == made["Plaintext"]
    assert len(made["Plaintext"]) == size
    hidden = await kms("GenerateDataKeyWithoutPlaintext", KeyId=arn, **params)
    assert "Plaintext" not in hidden
    assert len((await kms("Decrypt", CiphertextBlob=hidden["CiphertextBlob"]))["Plaintext"]) == size


@pytest.mark.parametrize("params", [{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}])
async def test_a_data_key_has_one_size(kms: World, params: dict[str, Any]) -> None:
    with pytest.raises(ValidationException, match="Please specify either"):
        await kms("GenerateDataKey", KeyId=await kms.key(), **params)


async def test_random_bytes(kms: World) -> None:
    first, second = [(await kms("GenerateRandom", NumberOfBytes=20))["Plaintext"] for _ in range(2)]
    assert len(first) == len(second) == 20
    assert first != second
    with pytest.raises(ValidationException):
        await kms("GenerateRandom")


async def test_a_dry_run_says_that_it_would_have_worked(kms: World) -> None:
    arn = await kms.key()
    with pytest.raises(DryRunOperationException):
        await kms("GenerateDataKey", KeyId=arn, KeySpec="AES_256", DryRun=True)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"GrantTokens": ["t"]}, InvalidGrantTokenException),
        ({"EncryptionAlgorithm": "RSAES_OAEP_SHA_1"}, InvalidKeyUsageException),
        ({"Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}}, UnsupportedOperationException),
        ({"EncryptionContext": {"a": "x" * 8192}}, ValidationException),
        ({"CiphertextBlob": None}, ValidationException),
    ],
)
async def test_what_cannot_be_done_is_refused(kms: World, params: dict[str, Any], error: type[Exception]) -> None:
    blob = (await kms("Encrypt", KeyId=await kms.key(), Plaintext=b"x"))["CiphertextBlob"]
    with pytest.raises(error):
        await kms("Decrypt", **{"CiphertextBlob": blob, **params})


async def test_material_at_rest_is_not_in_the_clear(kms: World) -> None:
    arn = await kms.key()
    key = await kms.state.read(lambda reader: kms.store.find(reader, "123456789012", REGION, arn.partition("/")[2]))
    assert key is not None
    place = {"key_id": key.key_id, "material_id": key.material_id}
    row = await kms.state.read(lambda reader: reader.one("kms_material", **place))
    material = await kms.state.read(lambda reader: kms.store.material(reader, **place))
    assert row is not None
    assert material is not None
    assert material not in row["wrapped"]
