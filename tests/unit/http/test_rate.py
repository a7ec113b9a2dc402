from __future__ import annotations

import pytest

from lamina.errors import TooManyRequestsException
from lamina.http._rate import Rate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_no_limit() -> None:
    rate = Rate(0)
    for _ in range(1000):
        rate.check("1", "r")


def test_a_seconds_worth_at_once_and_then_one_after_the_other() -> None:
    clock = Clock()
    rate = Rate(2, clock)
    rate.check("1", "r")
    rate.check("1", "r")
    with pytest.raises(TooManyRequestsException) as refused:
        rate.check("1", "r")
    assert refused.value.members == {"Reason": "CallerRateLimitExceeded", "retryAfterSeconds": "1"}
    clock.now += 0.5
    rate.check("1", "r")
    with pytest.raises(TooManyRequestsException):
        rate.check("1", "r")


def test_a_slow_rate_says_how_long() -> None:
    clock = Clock()
    rate = Rate(0.1, clock)
    rate.check("1", "r")
    clock.now += 2
    with pytest.raises(TooManyRequestsException) as refused:
        rate.check("1", "r")
    assert refused.value.members["retryAfterSeconds"] == "8"


def test_accounts_and_regions_have_their_own() -> None:
    rate = Rate(1, Clock())
    for account, region in (("1", "a"), ("1", "b"), ("2", "a")):
        rate.check(account, region)


def test_what_is_not_used_does_not_pile_up() -> None:
    clock = Clock()
    rate = Rate(2, clock)
    rate.check("1", "r")
    clock.now += 1000
    rate.check("1", "r")
    rate.check("1", "r")
    with pytest.raises(TooManyRequestsException):
        rate.check("1", "r")
