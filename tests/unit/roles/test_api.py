"""What STS answers, and what it refuses."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from lamina.errors import AccessDeniedException, ValidationException
from lamina.functions import Call
from lamina.roles import Sessions, StsApi
from lamina.settings import AccessKey

LASTING = AccessKey(access_key_id="AKIAIOSFODNN7EXAMPLE", secret_access_key="s", account_id="123456789012")
ROLE = "arn:aws:iam::123456789012:role/service-role/worker"


def call(role: str = "", session: str = "", key: str = LASTING.access_key_id) -> Call:
    return Call(
        account_id="123456789012",
        region="us-east-1",
        request_id="i",
        access_key_id=key,
        base_url="http://localhost",
        role=role,
        session=session,
    )


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(b"secret", lambda: 1_000.0)


@pytest.fixture
def sts(sessions: Sessions) -> StsApi:
    return StsApi(sessions, {LASTING.access_key_id: LASTING}.get)


async def test_lasting_keys_are_the_root_of_their_account(sts: StsApi) -> None:
    assert await sts.get_caller_identity(call(), {}) == {
        "UserId": "123456789012",
        "Account": "123456789012",
        "Arn": "arn:aws:iam::123456789012:root",
    }


async def test_a_session_is_named_by_its_role_without_the_path(sts: StsApi) -> None:
    answer = await sts.get_caller_identity(call(ROLE, "fn"), {})
    assert answer["Arn"] == "arn:aws:sts::123456789012:assumed-role/worker/fn"
    role_id, _, session = answer["UserId"].partition(":")
    assert (role_id[:4], len(role_id), session) == ("AROA", 21, "fn")


async def test_a_role_has_one_id_and_no_other_role_has_it(sts: StsApi) -> None:
    roles = [ROLE, ROLE, ROLE + "2"]
    first, again, other = [(await sts.get_caller_identity(call(role, "s"), {}))["UserId"] for role in roles]
    assert first == again != other


async def test_an_assumed_role_is_the_one_that_was_asked_for(sts: StsApi, sessions: Sessions) -> None:
    answer = await sts.assume_role(call(), {"RoleArn": ROLE, "RoleSessionName": "me", "DurationSeconds": 900})
    given = answer["Credentials"]
    key = sessions.find(given["AccessKeyId"], given["SessionToken"])
    assert key is not None
    assert (key.role, key.session, key.account_id, key.expires) == (ROLE, "me", "123456789012", 1900)
    assert key.secret_access_key == given["SecretAccessKey"]
    assert given["Expiration"].timestamp() == 1900
    assert answer["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/worker/me"


async def test_a_role_of_another_account_cannot_be_assumed(sts: StsApi) -> None:
    other = "arn:aws:iam::999999999999:role/worker"
    with pytest.raises(AccessDeniedException, match=r":root is not authorized to perform: sts:AssumeRole on resource"):
        await sts.assume_role(call(), {"RoleArn": other, "RoleSessionName": "me"})


@pytest.mark.parametrize("arn", ["arn:aws:iam::123456789012:user/u", "arn:aws:iam::1:role/r", "x" * 20, ROLE + "/"])
async def test_what_is_no_role_is_refused(sts: StsApi, arn: str) -> None:
    with pytest.raises(ValidationException, match="is invalid"):
        await sts.assume_role(call(), {"RoleArn": arn, "RoleSessionName": "me"})


async def test_a_chain_of_roles_has_an_hour(sts: StsApi) -> None:
    params = {"RoleArn": ROLE, "RoleSessionName": "me"}
    await sts.assume_role(call(ROLE, "fn"), params | {"DurationSeconds": 3600})
    with pytest.raises(ValidationException, match="role chaining"):
        await sts.assume_role(call(ROLE, "fn"), params | {"DurationSeconds": 3601})


@pytest.mark.parametrize("member", ["Policy", "PolicyArns", "Tags", "SourceIdentity", "SerialNumber", "TokenCode"])
async def test_what_would_have_to_be_ignored_is_refused(sts: StsApi, member: str) -> None:
    given: dict[str, Any] = {"RoleArn": ROLE, "RoleSessionName": "me", member: ["x"]}
    with pytest.raises(ValidationException, match=member):
        await sts.assume_role(call(), given)


async def test_a_session_of_the_account_is_the_account(sts: StsApi, sessions: Sessions) -> None:
    given = (await sts.get_session_token(call(), {}))["Credentials"]
    key = sessions.find(given["AccessKeyId"], given["SessionToken"])
    assert key is not None
    assert (key.account_id, key.role, key.expires) == ("123456789012", "", 1000 + 43_200)


@pytest.mark.parametrize("role", [ROLE, ""])
async def test_a_session_gives_no_session(sts: StsApi, role: str) -> None:
    with pytest.raises(AccessDeniedException, match="session credentials"):
        await sts.get_session_token(call(role, key="ASIAAAAAAAAA7WS23VBG"), {})


@pytest.mark.parametrize("account", ["000000000000", "123456789012", "999999999999"])
async def test_the_account_of_an_access_key(sts: StsApi, sessions: Sessions, account: str) -> None:
    made = sessions.issue(account_id=account, seconds=900).access_key_id
    assert await sts.get_access_key_info(call(), {"AccessKeyId": made}) == {"Account": account}
    lasting = {"AccessKeyId": LASTING.access_key_id}
    assert await sts.get_access_key_info(call(), lasting) == {"Account": LASTING.account_id}


@pytest.mark.parametrize("name", ["AKIAAAAAAAAAAAAAAAAA", "ASIA7777777777777777", "ASIA11111111", "x" * 20])
async def test_other_access_keys_are_not_made_up(sts: StsApi, name: str) -> None:
    with pytest.raises(ValidationException, match="not one of this server"):
        await sts.get_access_key_info(call(), {"AccessKeyId": name})


def test_names_begin_anew_for_each(sessions: Sessions) -> None:
    names = [sessions.issue(account_id="1".zfill(12), seconds=1).access_key_id for _ in range(50)]
    assert all(a != b for a, b in itertools.pairwise(names))
