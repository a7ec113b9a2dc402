"""How many may run at once."""

from __future__ import annotations

import pytest

from lamina.errors import TooManyRequestsException
from lamina.execution._concurrency import Concurrency
from lamina.functions import FunctionKey, Route


def route(name: str = "fn", reserved: int | None = None, others: int = 0, account: str = "000000000000") -> Route:
    key = FunctionKey(account, "us-east-1", name)
    return Route(key=key, invoked_arn="", targets=(), reserved_concurrency=reserved, reserved_in_account=others)


def test_the_account_limit() -> None:
    concurrency = Concurrency(2)
    concurrency.enter(route("a"))
    concurrency.enter(route("b"))
    with pytest.raises(TooManyRequestsException) as refused:
        concurrency.enter(route("c"))
    assert refused.value.members == {"Reason": "ConcurrentInvocationLimitExceeded"}
    assert refused.value.message == "Rate Exceeded."


def test_another_account_has_its_own() -> None:
    concurrency = Concurrency(1)
    concurrency.enter(route())
    concurrency.enter(route(account="111111111111"))


def test_leaving_makes_room() -> None:
    concurrency = Concurrency(1)
    for _ in range(3):
        concurrency.enter(route())
        concurrency.leave(route())


def test_reserved_concurrency_is_a_limit() -> None:
    concurrency = Concurrency(100)
    concurrency.enter(route(reserved=1))
    with pytest.raises(TooManyRequestsException) as refused:
        concurrency.enter(route(reserved=1))
    assert refused.value.members == {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}


def test_reserved_concurrency_is_kept_free_of_others() -> None:
    concurrency = Concurrency(3)
    concurrency.enter(route("a", others=2))
    with pytest.raises(TooManyRequestsException):
        concurrency.enter(route("b", others=2))
    concurrency.enter(route("mine", reserved=2, others=2))


def test_none_reserved_is_none_run() -> None:
    with pytest.raises(TooManyRequestsException):
        Concurrency(100).enter(route(reserved=0))
