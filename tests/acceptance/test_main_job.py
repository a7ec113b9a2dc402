"""Create, update, invoke, publish: what Lamina is for."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from .conftest import Functions, package

SAYS = "def handler(event, context):\n    return {!r}\n"


def test_an_update_is_what_runs_next(functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    assert functions.call(name) == "one"
    functions.update(name, SAYS.format("two"))
    assert functions.call(name) == "two"


def test_a_version_keeps_its_code(functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    version = functions.client.publish_version(FunctionName=name)["Version"]
    functions.update(name, SAYS.format("two"))
    assert functions.call(name, Qualifier=version) == "one"
    assert functions.call(name) == "two"


def test_update_with_publish_makes_a_version_that_runs(functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    answer = functions.update(name, SAYS.format("two"), Publish=True)
    assert (answer["Version"], answer["State"]) == ("1", "Pending")
    functions.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")
    assert functions.call(name, Qualifier="1") == "two"


def test_a_dry_run_changes_nothing(functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    before = functions.client.get_function_configuration(FunctionName=name)
    answer = functions.client.update_function_code(FunctionName=name, ZipFile=package("x = 1"), DryRun=True)
    after = functions.client.get_function_configuration(FunctionName=name)
    assert answer["CodeSha256"] != before["CodeSha256"]
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])
    assert functions.call(name) == "one"


def test_an_alias_routes_by_weight(functions: Functions) -> None:
    name = functions.create(SAYS.format("one"), Publish=True)
    functions.client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")
    functions.update(name, SAYS.format("two"))
    functions.client.publish_version(FunctionName=name)
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig=weights)
    assert {functions.call(name, Qualifier="live") for _ in range(60)} == {"one", "two"}
    functions.client.update_alias(FunctionName=name, Name="live", FunctionVersion="2", RoutingConfig={})
    functions.client.update_alias(
        FunctionName=name, Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert {functions.call(name, Qualifier="live") for _ in range(20)} == {"two"}


def test_the_location_downloads_what_was_uploaded(functions: Functions) -> None:
    source = SAYS.format("one")
    name = functions.create(source)
    location = functions.client.get_function(FunctionName=name)["Code"]["Location"]
    with urllib.request.urlopen(location) as answer:
        assert answer.read() == package(source)


def test_a_location_that_was_tampered_with_is_refused(functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    location = functions.client.get_function(FunctionName=name)["Code"]["Location"]
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(location.replace("X-Amz-Expires=600", "X-Amz-Expires=601"))


def test_the_context_is_as_recorded(functions: Functions) -> None:
    source = """
import os
def handler(event, context):
    names = ("function_name", "function_version", "invoked_function_arn", "memory_limit_in_mb", "log_group_name")
    found = {name: getattr(context, name) for name in names}
    return {**found, "cwd": os.getcwd(), "env": dict(os.environ), "left": context.get_remaining_time_in_millis()}
"""
    name = functions.create(source, MemorySize=256, Timeout=10, Environment={"Variables": {"MINE": "yes"}})
    found = functions.call(name)
    assert found["invoked_function_arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert (found["function_version"], found["memory_limit_in_mb"], found["cwd"]) == ("$LATEST", "256", "/var/task")
    assert found["env"]["MINE"] == "yes"
    assert found["env"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert 0 < found["left"] <= 10_000


def test_an_empty_payload_is_an_empty_object(functions: Functions) -> None:
    name = functions.create("def handler(event, context):\n    return event\n")
    answer = functions.client.invoke(FunctionName=name)
    assert json.loads(answer["Payload"].read()) == {}
    assert answer["ExecutedVersion"] == "$LATEST"


def test_a_large_payload_goes_both_ways(functions: Functions) -> None:
    name = functions.create("def handler(event, context):\n    return event\n")
    text = "x" * 5_000_000
    assert functions.call(name, text) == text


def test_a_function_is_warm_the_second_time(functions: Functions) -> None:
    name = functions.create("n = 0\ndef handler(event, context):\n    global n\n    n += 1\n    return n\n")
    assert [functions.call(name) for _ in range(3)] == [1, 2, 3]


def test_a_deleted_function_is_gone_and_can_come_back(functions: Functions) -> None:
    name = functions.create(SAYS.format("one"))
    functions.client.delete_function(FunctionName=name)
    with pytest.raises(functions.client.exceptions.ResourceNotFoundException, match=f"{name}:\\$LATEST"):
        functions.client.invoke(FunctionName=name)
