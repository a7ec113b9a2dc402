"""Provisioned concurrency with real environments."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from demo._service import Service

from ._waiting import until
from .conftest import Functions, client

SOURCE = """
import os, time, uuid
ME, BORN = str(uuid.uuid4()), time.time()
time.sleep(0.2)
def handler(event, context):
    time.sleep((event or {}).get("sleep", 0))
    if (event or {}).get("end"):
        os._exit(1)
    return {"me": ME, "age": time.time() - BORN, "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "number": NUMBER}
"""


def source(number: int) -> str:
    return SOURCE.replace("NUMBER", str(number))


def config(functions: Functions, name: str, qualifier: str) -> dict[str, Any]:
    return functions.client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)


def provision(functions: Functions, name: str, qualifier: str, count: int) -> None:
    """Put it and wait until it is ready."""
    answer = functions.client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )
    assert (answer["Status"], answer["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", count)
    assert answer["AvailableProvisionedConcurrentExecutions"] == 0
    until(lambda: config(functions, name, qualifier)["Status"] == "READY")


def version(functions: Functions, number: int = 1, **members: Any) -> str:
    name = functions.create(source(number), **members)
    functions.client.publish_version(FunctionName=name)
    return name


def together(functions: Functions, name: str, qualifier: str, count: int) -> list[dict[str, Any]]:
    """As many invocations at the same time."""
    with ThreadPoolExecutor(count) as threads:
        payload = {"sleep": 0.5}
        return list(threads.map(lambda _: functions.call(name, payload, Qualifier=qualifier), range(count)))


def test_environments_are_ready_and_what_is_more_spills_over(functions: Functions) -> None:
    name = version(functions)
    provision(functions, name, "1", 2)
    seen = together(functions, name, "1", 3)
    assert sorted(each["type"] for each in seen) == ["on-demand", "provisioned-concurrency", "provisioned-concurrency"]
    assert len({each["me"] for each in seen}) == 3
    ready = config(functions, name, "1")
    assert ready["AllocatedProvisionedConcurrentExecutions"] == ready["AvailableProvisionedConcurrentExecutions"] == 2
    assert functions.call(name)["type"] == "on-demand"


def test_one_that_ends_is_replaced(functions: Functions) -> None:
    name = version(functions)
    provision(functions, name, "1", 1)
    first = functions.call(name, Qualifier="1")["me"]
    functions.client.invoke(FunctionName=name, Qualifier="1", Payload=json.dumps({"end": True}))
    until(lambda: functions.call(name, Qualifier="1")["type"] == "provisioned-concurrency")
    assert functions.call(name, Qualifier="1")["me"] != first


def test_more_and_fewer_and_none(functions: Functions) -> None:
    name = version(functions)
    provision(functions, name, "1", 1)
    kept = functions.call(name, Qualifier="1")["me"]
    provision(functions, name, "1", 2)
    assert kept in {each["me"] for each in together(functions, name, "1", 2)}
    provision(functions, name, "1", 1)
    assert [each["type"] for each in together(functions, name, "1", 2)].count("provisioned-concurrency") == 1
    functions.client.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    until(lambda: functions.call(name, Qualifier="1")["type"] == "on-demand")


def test_a_moved_alias_takes_them_along(functions: Functions) -> None:
    name = version(functions, 1)
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    provision(functions, name, "live", 1)
    functions.update(name, source(2), Publish=True)
    functions.client.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    first = functions.call(name, Qualifier="live")
    assert (first["number"], first["type"]) == (2, "provisioned-concurrency")
    assert first["age"] > 0.2
    until(lambda: functions.call(name, Qualifier="1")["type"] == "on-demand")


def test_a_function_that_does_not_initialise(functions: Functions) -> None:
    name = functions.create("raise OSError\n")
    functions.client.publish_version(FunctionName=name)
    functions.client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=1
    )
    until(lambda: config(functions, name, "1")["Status"] == "FAILED")
    failed = config(functions, name, "1")
    assert failed["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert failed["AvailableProvisionedConcurrentExecutions"] == 0


def test_they_stay_when_nobody_calls_and_after_a_restart(start: Callable[..., Service]) -> None:
    first = start("--idle-seconds", "0.1")
    functions = Functions(client(first.address))
    name = version(functions)
    provision(functions, name, "1", 1)
    me = functions.call(name, Qualifier="1")["me"]
    # The reclaimer runs every five seconds.
    until(lambda: functions.call(name, Qualifier="1")["age"] > 6)
    assert functions.call(name, Qualifier="1")["me"] == me
    first.stop()
    second = Functions(client(start().address))
    until(lambda: config(second, name, "1")["Status"] == "READY")
    assert second.call(name, Qualifier="1")["type"] == "provisioned-concurrency"


def test_their_share_of_the_account_is_theirs(start: Callable[..., Service]) -> None:
    functions = Functions(client(start("--account-concurrency", "12").address))
    name = version(functions)
    provision(functions, name, "1", 2)
    other = functions.create(source(1))

    def throttled(_: int) -> bool:
        try:
            functions.call(other, {"sleep": 1})
        except functions.client.exceptions.TooManyRequestsException:
            return True
        return False

    with ThreadPoolExecutor(11) as threads:
        others = threads.map(throttled, range(11))
        until(lambda: functions.call(name, Qualifier="1")["type"] == "provisioned-concurrency")
        assert list(others).count(True) == 1
