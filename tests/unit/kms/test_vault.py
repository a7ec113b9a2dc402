"""What is sealed can be opened with its key and in its place, and nowhere else."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.errors import KMSDisabledException
from lamina.functions import FunctionKey
from lamina.kms import SealBroken, SealedVariables, key_of
from lamina.kms._sealed import read_head

from .conftest import ACCOUNT, REGION, ROLE, USER, World

CONTEXT = {"a": "1"}
FUNCTION = FunctionKey(ACCOUNT, REGION, "f")
OTHER_FUNCTION = FunctionKey(ACCOUNT, REGION, "g")


async def test_under_the_master_key(kms: World) -> None:
    sealed = await kms.vault.seal(b"secret", None, CONTEXT, USER)
    assert b"secret" not in sealed
    assert key_of(sealed) is None
    assert await kms.vault.unseal(sealed, CONTEXT, USER) == b"secret"
    assert kms.vault.unseal_here(sealed, CONTEXT) == b"secret"


async def test_under_a_kms_key(kms: World) -> None:
    arn = await kms.key()
    sealed = await kms.vault.seal(b"secret", arn, CONTEXT, USER)
    assert b"secret" not in sealed
    assert key_of(sealed) == arn
    assert await kms.vault.unseal(sealed, CONTEXT, USER) == b"secret"
    with pytest.raises(SealBroken, match="not under the master key"):
        kms.vault.unseal_here(sealed, CONTEXT)
    await kms("DisableKey", KeyId=arn)
    with pytest.raises(KMSDisabledException):
        await kms.vault.unseal(sealed, CONTEXT, USER)


async def test_nothing_is_sealed_under_a_disabled_key(kms: World) -> None:
    arn = await kms.key()
    await kms("DisableKey", KeyId=arn)
    with pytest.raises(KMSDisabledException):
        await kms.vault.seal(b"secret", arn, CONTEXT, USER)


def test_another_context_opens_nothing(kms: World) -> None:
    sealed = kms.vault.seal_here(b"secret", CONTEXT)
    for context in ({}, {"a": "2"}, {"b": "1"}, CONTEXT | {"b": "1"}):
        with pytest.raises(SealBroken):
            kms.vault.unseal_here(sealed, context)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(plaintext=st.binary(max_size=200), data=st.data())
def test_no_bit_can_be_changed_and_no_byte_be_missing(kms: World, plaintext: bytes, data: st.DataObject) -> None:
    sealed = kms.vault.seal_here(plaintext, CONTEXT)
    assert kms.vault.unseal_here(sealed, CONTEXT) == plaintext
    place = data.draw(st.integers(0, len(sealed) * 8 - 1))
    changed = bytearray(sealed)
    changed[place // 8] ^= 1 << place % 8
    cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    for broken in (bytes(changed), cut, sealed + b"\0"):
        with pytest.raises(SealBroken):
            kms.vault.unseal_here(broken, CONTEXT)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(noise=st.one_of(st.binary(max_size=100), st.binary(max_size=100).map(lambda tail: b"\x93LMS\x01" + tail)))
async def test_noise_was_never_sealed(kms: World, noise: bytes) -> None:
    with pytest.raises(SealBroken):
        await kms.vault.unseal(noise, CONTEXT, USER)


async def test_the_key_cannot_be_exchanged(kms: World) -> None:
    first, second = await kms.key(), await kms.key()
    sealed = await kms.vault.seal(b"secret", first, CONTEXT, USER)
    with pytest.raises(Exception, match="KMS access was denied"):
        await kms.vault.unseal(sealed.replace(first.encode(), second.encode()), CONTEXT, USER)


async def test_variables_there_and_back(kms: World) -> None:
    variables = SealedVariables(kms.vault)
    arn = await kms.key()
    for key in ("", arn):
        sealed = await variables.seal(FUNCTION, {"A": "1", "B": "é"}, key, ROLE)
        assert "é" not in sealed
        assert await variables.unseal(FUNCTION, sealed, ROLE) == {"A": "1", "B": "é"}


async def test_variables_are_those_of_their_function(kms: World) -> None:
    variables = SealedVariables(kms.vault)
    sealed = await variables.seal(FUNCTION, {"A": "1"}, "")
    with pytest.raises(SealBroken):
        await variables.unseal(OTHER_FUNCTION, sealed)
    with pytest.raises(SealBroken):
        await variables.unseal(FUNCTION, "no base64!")


async def test_a_policy_may_ask_for_the_function(kms: World) -> None:
    text = (
        '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*", "Condition":'
        f' {{"StringEquals": {{"kms:EncryptionContext:aws:lambda:FunctionArn": "{FUNCTION.arn}"}}}}}}]}}'
    )
    arn = await kms.key(Policy=text, BypassPolicyLockoutSafetyCheck=True)
    variables = SealedVariables(kms.vault)
    sealed = await variables.seal(FUNCTION, {"A": "1"}, arn, ROLE)
    assert await variables.unseal(FUNCTION, sealed, ROLE) == {"A": "1"}
    with pytest.raises(Exception, match="no resource-based policy allows the kms:GenerateDataKey action"):
        await variables.seal(OTHER_FUNCTION, {"A": "1"}, arn, ROLE)


async def test_the_head_cannot_be_exchanged_for_one_that_opens_too(kms: World) -> None:
    arn = await kms.key()
    await kms("CreateAlias", AliasName="alias/a", TargetKeyId=arn)
    sealed = await kms.vault.seal(b"secret", arn, CONTEXT, USER)
    source = io.BytesIO(sealed)
    head = replace(read_head(source), key_arn=f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/a")
    with pytest.raises(SealBroken):
        await kms.vault.unseal(head.packed + source.read(), CONTEXT, USER)
