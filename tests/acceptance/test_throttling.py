"""How many invocations may run at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo._service import Service

from ._waiting import Recorder, until
from .conftest import Functions, client

RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT = "ConcurrentInvocationLimitExceeded"
SLEEPS = """
import os, sys, time
def handler(event, context):
    print('RAN 1')
    time.sleep(max(0, (event or 0) - time.time()))
    return 'slept'
"""
ENDS = {
    "an answer": "return 1",
    "an error": "raise ValueError('no')",
    "an exit": "os._exit(3)",
    "a kill": "os.kill(os.getpid(), 9)",
    "a timeout": "time.sleep(60)",
    "a large result": "return 'x' * 7_000_000",
    "no json": "return {1}",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    """A service whose account may run twelve invocations at once."""
    started = Service(tmp_path_factory.mktemp("throttling") / "data", "--account-concurrency", "12")
    yield Functions(client(started.address))
    started.stop()


def throttled(call: Callable[[], Any]) -> str:
    """The Reason with which the call is refused."""
    with pytest.raises(ClientError) as refused:
        call()
    answer = refused.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert answer["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}
    assert (answer["Type"], answer["message"]) == ("User", "Rate Exceeded.")
    return answer["Reason"]


class Running:
    """Invocations that run while the block does: all until ``seconds`` from now, whenever each of them starts."""

    def __init__(self, functions: Functions, logs: Any, name: str, count: int, seconds: float = 1.5) -> None:
        self._pool = ThreadPoolExecutor(count)
        recorder = Recorder(logs)
        before = len(recorder.runs(name))
        end = time.time() + seconds
        self._answers = [self._pool.submit(functions.call, name, end) for _ in range(count)]
        until(lambda: len(recorder.runs(name)) >= before + count)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        with self._pool:
            assert {answer.result() for answer in self._answers} == {"slept"}


def logs_of(functions: Functions) -> Any:
    """The logs client of the same service."""
    return client(functions.client.meta.endpoint_url, "logs")


@pytest.mark.slow
def test_one_more_than_is_reserved_is_refused(functions: Functions) -> None:
    name = functions.create(SLEEPS, Timeout=10)
    functions.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with Running(functions, logs_of(functions), name, 1):
        assert throttled(lambda: functions.call(name)) == RESERVED
        other = functions.create(SLEEPS)
        assert functions.call(other) == "slept"
    assert functions.call(name) == "slept"


@pytest.mark.slow
def test_the_reservation_is_shared_by_versions_and_aliases(functions: Functions) -> None:
    name = functions.create(SLEEPS, Timeout=10, Publish=True)
    functions.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    functions.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with Running(functions, logs_of(functions), name, 1):
        assert throttled(lambda: functions.call(name, Qualifier="1")) == RESERVED
        assert throttled(lambda: functions.call(name, Qualifier="live")) == RESERVED


def test_nothing_runs_with_a_reservation_of_zero(functions: Functions) -> None:
    name = functions.create(SLEEPS)
    functions.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert throttled(lambda: functions.call(name)) == RESERVED
    functions.client.delete_function_concurrency(FunctionName=name)
    assert functions.call(name) == "slept"


@pytest.mark.slow
def test_an_account_shares_its_limit(small: Functions) -> None:
    one, two = small.create(SLEEPS, Timeout=20), small.create(SLEEPS, Timeout=20)
    logs = logs_of(small)
    with Running(small, logs, one, 6, 8), Running(small, logs, two, 6, 7):
        assert throttled(lambda: small.call(one)) == ACCOUNT
        other = Functions(client(small.client.meta.endpoint_url, key="222222222222"))
        assert other.call(other.create(SLEEPS)) == "slept"
    assert small.call(one) == "slept"


@pytest.mark.slow
def test_what_one_reserves_the_others_cannot_use(small: Functions) -> None:
    reserving, other = small.create(SLEEPS, Timeout=20), small.create(SLEEPS, Timeout=20)
    small.client.put_function_concurrency(FunctionName=reserving, ReservedConcurrentExecutions=2)
    try:
        with Running(small, logs_of(small), other, 10, 6):
            assert throttled(lambda: small.call(other)) == ACCOUNT
            assert small.call(reserving) == "slept"
    finally:
        small.client.delete_function_concurrency(FunctionName=reserving)


def test_a_part_of_the_account_cannot_be_reserved(small: Functions) -> None:
    name = small.create(SLEEPS)
    with pytest.raises(small.client.exceptions.InvalidParameterValueException) as refused:
        small.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=3)
    assert refused.value.response["Error"]["Message"] == (
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
        "below its minimum value of [10]."
    )


def test_the_account_settings_tell_the_limits(small: Functions) -> None:
    limits = small.client.get_account_settings()["AccountLimit"]
    assert (limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]) == (12, 12)


@pytest.mark.parametrize("body", ENDS.values(), ids=ENDS.keys())
def test_the_count_returns_to_zero_after(functions: Functions, body: str) -> None:
    source = (
        f"import os, time\ndef handler(event, context):\n    if event == 'now':\n        {body}\n    return 'fine'\n"
    )
    name = functions.create(source, Timeout=1)
    functions.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    for _ in range(2):
        functions.client.invoke(FunctionName=name, Payload=b"1")
    assert functions.call(name) == "fine"


@pytest.mark.slow
def test_the_count_returns_to_zero_after_a_failed_start(functions: Functions) -> None:
    name = functions.create("raise ValueError('no')")
    functions.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    for _ in range(3):
        assert functions.fail(name)["errorType"] == "ValueError"


@pytest.mark.slow
def test_the_count_follows_a_reservation_that_comes_and_goes(small: Functions) -> None:
    name = small.create(SLEEPS, Timeout=20)
    logs = logs_of(small)
    with Running(small, logs, name, 1, 2):
        small.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with Running(small, logs, name, 1, 2):
        small.client.delete_function_concurrency(FunctionName=name)
    with Running(small, logs, name, 12, 6):
        assert throttled(lambda: small.call(name)) == ACCOUNT


@pytest.mark.slow
def test_the_count_returns_to_zero_when_callers_hang_up(small: Functions) -> None:
    name = small.create(SLEEPS, Timeout=10)
    impatient = Functions(client(small.client.meta.endpoint_url, read_timeout=0.5))
    stopped = threading.Barrier(12, timeout=20)

    def hang_up() -> None:
        stopped.wait()
        with pytest.raises(Exception, match="Read timeout"):
            impatient.call(name, time.time() + 2)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: hang_up(), range(12)))
    until(lambda: Recorder(logs_of(small)).ended(name) == 12)
    with Running(small, logs_of(small), name, 12, 6):
        assert throttled(lambda: small.call(name)) == ACCOUNT
