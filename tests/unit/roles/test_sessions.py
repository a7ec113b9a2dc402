"""Temporary keys: recognised by whoever has the secret, and by nobody else."""

from __future__ import annotations

import base64

import pytest

from lamina.errors import ExpiredTokenException
from lamina.roles import Sessions
from lamina.settings import TemporaryKey

ROLE = "arn:aws:iam::123456789012:role/path/r"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(b"secret", clock)


@pytest.fixture
def key(sessions: Sessions) -> TemporaryKey:
    return sessions.issue(account_id="123456789012", seconds=3600, role=ROLE, session="fn")


def test_what_was_issued_is_found(sessions: Sessions, key: TemporaryKey) -> None:
    assert sessions.find(key.access_key_id, key.session_token) == key
    assert (key.account_id, key.role, key.session, key.expires) == ("123456789012", ROLE, "fn", 1_003_600)


def test_the_keys_look_like_those_of_sts(key: TemporaryKey) -> None:
    assert key.access_key_id.startswith("ASIA")
    assert len(key.access_key_id) == 20
    assert len(key.secret_access_key) == 40


def test_a_server_with_the_same_secret_knows_them(clock: Clock, key: TemporaryKey) -> None:
    assert Sessions(b"secret", clock).find(key.access_key_id, key.session_token) == key


def test_a_server_with_another_secret_does_not(clock: Clock, key: TemporaryKey) -> None:
    assert Sessions(b"other", clock).find(key.access_key_id, key.session_token) is None


def test_no_two_are_the_same(sessions: Sessions, key: TemporaryKey) -> None:
    other = sessions.issue(account_id="123456789012", seconds=3600, role=ROLE, session="fn")
    assert other.access_key_id != key.access_key_id
    assert other.secret_access_key != key.secret_access_key


def test_every_altered_byte_of_a_token_is_noticed(sessions: Sessions, key: TemporaryKey) -> None:
    packed = base64.b64decode(key.session_token)
    for place in range(len(packed)):
        altered = packed[:place] + bytes([packed[place] ^ 1]) + packed[place + 1 :]
        assert sessions.find(key.access_key_id, base64.b64encode(altered).decode()) is None


@pytest.mark.parametrize("token", [None, "", "x", "ä", "A" * 10_000, base64.b64encode(bytes(64)).decode(), "W10="])
def test_what_is_no_token_is_not_found(sessions: Sessions, key: TemporaryKey, token: str | None) -> None:
    assert sessions.find(key.access_key_id, token) is None


def test_a_token_belongs_to_its_access_key(sessions: Sessions, key: TemporaryKey) -> None:
    other = sessions.issue(account_id="999999999999", seconds=3600)
    assert sessions.find(other.access_key_id, key.session_token) is None
    assert sessions.find("test", key.session_token) is None


def test_they_end(sessions: Sessions, key: TemporaryKey, clock: Clock) -> None:
    clock.now += 3599
    assert sessions.find(key.access_key_id, key.session_token) == key
    clock.now += 1
    with pytest.raises(ExpiredTokenException):
        sessions.find(key.access_key_id, key.session_token)


def test_nothing_secret_is_printed(key: TemporaryKey) -> None:
    assert key.secret_access_key not in repr(key)
    assert key.session_token not in repr(key)
