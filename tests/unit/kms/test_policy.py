"""Key policies: without an Allow that matches nobody may do anything, and a Deny wins."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import AccessDeniedException, KMSAccessDeniedException, MalformedPolicyDocumentException
from lamina.kms._conditions import wildcard
from lamina.kms._policy import Use, check_access

from .conftest import ACCOUNT, OTHER_ACCOUNT, REGION, ROLE, ROOT, USER, World, call_of

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k"
VIA = f"lambda.{REGION}.amazonaws.com"


def policy(*statements: dict[str, Any]) -> str:
    plain = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [plain | statement for statement in statements]})


def use(**members: Any) -> Use:
    plain = {"action": "kms:Decrypt", "key_arn": KEY, "account_id": ACCOUNT, "principal": ROLE, "via": VIA}
    return Use(**{**plain, **members})


def is_allowed(text: str, **members: Any) -> bool:
    try:
        check_access(text, use(**members))
    except AccessDeniedException:
        return False
    return True


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ROOT}}, True),
        ({"Principal": {"AWS": ACCOUNT}}, True),
        ({"Principal": {"AWS": [f"arn:aws:iam::{OTHER_ACCOUNT}:root", ROLE]}}, True),
        ({"Principal": {"AWS": ROLE + "2"}}, False),
        ({"Principal": {"AWS": OTHER_ACCOUNT}}, False),
        ({"Principal": {"Service": "lambda.amazonaws.com"}}, False),
        ({"NotPrincipal": {"AWS": ROLE}}, False),
        ({"NotPrincipal": {"AWS": ROLE + "2"}}, True),
        ({"Principal": "*", "Action": "kms:Decrypt"}, True),
        ({"Principal": "*", "Action": ["kms:Encrypt", "KMS:DE*T"]}, True),
        ({"Principal": "*", "Action": "kms:Encrypt"}, False),
        ({"Principal": "*", "Action": "kms:Decryp?"}, True),
        ({"Principal": "*", "Resource": KEY}, True),
        ({"Principal": "*", "Resource": KEY + "2"}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"kms:ViaService": VIA}}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"kms:ViaService": "s3.amazonaws.com"}}}, False),
        ({"Principal": "*", "Condition": {"StringLike": {"KMS:viaservice": ["s3.*", "lambda.*"]}}}, True),
        ({"Principal": "*", "Condition": {"StringNotEquals": {"kms:CallerAccount": ACCOUNT}}}, False),
        ({"Principal": "*", "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/wor*"}}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"kms:EncryptionContext:team": "blue"}}}, True),
        ({"Principal": "*", "Condition": {"StringEquals": {"kms:EncryptionContext:team": "red"}}}, False),
        ({"Principal": "*", "Condition": {"StringEquals": {"kms:EncryptionContext:none": "x"}}}, False),
        ({"Principal": "*", "Condition": {"StringEqualsIfExists": {"kms:EncryptionContext:none": "x"}}}, True),
        ({"Principal": "*", "Condition": {"Null": {"kms:EncryptionContext:none": True}}}, True),
        ({"Principal": "*", "Condition": {"Null": {"kms:EncryptionContext:team": "true"}}}, False),
        # Nobody knows whether it holds.
        ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, False),
        ({"Principal": "*", "Condition": {"NumericLessThan": {"kms:CallerAccount": "1"}}}, False),
    ],
)
def test_what_a_statement_allows(statement: dict[str, Any], allowed: bool) -> None:
    assert is_allowed(policy(statement), context={"team": "blue"}) == allowed


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({"Principal": {"AWS": ROLE}, "Action": "kms:Decrypt"}, False),
        ({"Principal": {"AWS": ROLE}, "NotAction": "kms:Describe*"}, False),
        ({"Principal": {"AWS": ROLE}, "Action": "kms:Encrypt"}, True),
        ({"Principal": "*", "Action": "*", "Condition": {"StringNotEquals": {"kms:ViaService": VIA}}}, True),
        ({"Principal": "*", "Action": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, False),
    ],
)
def test_a_deny_wins(statement: dict[str, Any], allowed: bool) -> None:
    everything = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    denial = {"Effect": "Deny", "Resource": "*", **statement}
    assert is_allowed(json.dumps({"Statement": [everything, denial]})) == allowed


def test_the_message_names_everything() -> None:
    with pytest.raises(AccessDeniedException) as raised:
        check_access(policy({"Principal": {"AWS": OTHER_ACCOUNT}}), use())
    assert str(raised.value) == (
        f"User: {ROLE} is not authorized to perform: kms:Decrypt on resource: {KEY} "
        "because no resource-based policy allows the kms:Decrypt action"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"Statement": []}',
        '{"Statement": "x"}',
        '{"Version": "2020-01-01", "Statement": [{}]}',
        policy({"Principal": "*", "Effect": "Perhaps"}),
        policy({}),
        policy({"Principal": "x"}),
        policy({"Principal": {"AWS": []}}),
        policy({"Principal": {"Nobody": "x"}}),
        policy({"Principal": "*", "NotAction": "kms:*"}),
        policy({"Principal": "*", "Resource": 7}),
        policy({"Principal": "*", "Condition": {"StringEquals": "x"}}),
    ],
)
async def test_what_is_no_policy_is_refused(kms: World, text: str) -> None:
    arn = await kms.key()
    before = await kms("GetKeyPolicy", KeyId=arn)
    with pytest.raises(MalformedPolicyDocumentException):
        await kms("PutKeyPolicy", KeyId=arn, Policy=text)
    assert await kms("GetKeyPolicy", KeyId=arn) == before


@given(pattern=st.text(alphabet="ab*?", max_size=12), text=st.text(alphabet="abc", max_size=12))
def test_wildcards_are_what_a_plain_search_finds(pattern: str, text: str) -> None:
    assert wildcard(pattern, text) == _slowly(pattern, text)


def _slowly(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(_slowly(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and _slowly(pattern[1:], text[1:])


def test_no_pattern_takes_long() -> None:
    began = time.monotonic()
    assert not wildcard("*a" * 500 + "b", "a" * 8000)
    assert time.monotonic() - began < 2


async def test_a_policy_that_locks_its_author_out_needs_the_word(kms: World) -> None:
    text = policy({"Principal": {"AWS": ROLE}})
    with pytest.raises(MalformedPolicyDocumentException, match="will not allow you to update the key policy"):
        await kms("CreateKey", Policy=text)
    arn = await kms.key(Policy=text, BypassPolicyLockoutSafetyCheck=True)
    with pytest.raises(AccessDeniedException):
        await kms("PutKeyPolicy", KeyId=arn, Policy=text)


async def test_the_policy_is_given_back_as_it_was_put(kms: World) -> None:
    arn = await kms.key()
    assert json.loads((await kms("GetKeyPolicy", KeyId=arn))["Policy"])["Statement"][0]["Principal"] == {"AWS": ROOT}
    text = policy({"Principal": {"AWS": ROOT}}) + " "
    await kms("PutKeyPolicy", KeyId=arn, Policy=text, PolicyName="default")
    assert (await kms("GetKeyPolicy", KeyId=arn))["Policy"] == text
    assert (await kms("ListKeyPolicies", KeyId=arn))["PolicyNames"] == ["default"]


async def test_a_role_that_may_not_decrypt_gets_lambdas_error(kms: World) -> None:
    deny = {"Effect": "Deny", "Principal": {"AWS": ROLE}, "Action": "kms:Decrypt"}
    arn = await kms.key(Policy=policy({"Principal": {"AWS": ROOT}}, deny))
    key = await kms.keys.data_key(arn, {}, USER)
    with pytest.raises(KMSAccessDeniedException, match="with an explicit deny in a resource-based policy"):
        await kms.keys.unwrap(key.wrapped, arn, {}, USER)


async def test_a_key_is_lent_to_another_account_for_use_and_not_for_care(kms: World) -> None:
    lent = {"Principal": {"AWS": OTHER_ACCOUNT}}
    arn = await kms.key(Policy=policy({"Principal": {"AWS": ROOT}}, lent))
    other = call_of(OTHER_ACCOUNT)
    blob = (await kms("Encrypt", other, KeyId=arn, Plaintext=b"x"))["CiphertextBlob"]
    assert (await kms("Decrypt", other, CiphertextBlob=blob))["Plaintext"] == b"x"
    for operation in ("DisableKey", "ScheduleKeyDeletion"):
        with pytest.raises(AccessDeniedException, match="belongs to another account"):
            await kms(operation, other, KeyId=arn)
